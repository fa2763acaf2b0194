"""The one error that an author sees: where, what, and what to do next."""

from __future__ import annotations

from pathlib import Path


class CourseError(Exception):
    """A mistake in a source of the course, or something the machine lacks.

    Prints as ``file:line: what is wrong`` with the next step on a line of its own. It survives pickling, so
    that it crosses process and machine borders whole.
    """

    def __init__(self, what: str, *, file: Path | str | None = None, line: int | None = None, hint: str = "") -> None:
        super().__init__(what, file, line, hint)
        self.what, self.hint, self.line = what, hint, line
        self.file = str(file) if file is not None else None

    def __reduce__(self) -> tuple:
        return _rebuild, (self.what, self.file, self.line, self.hint)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{where}{self.what}" + (f"\n  -> {self.hint}" if self.hint else "")


def _rebuild(what: str, file: str | None, line: int | None, hint: str) -> CourseError:
    return CourseError(what, file=file, line=line, hint=hint)


def did_you_mean(wrong: str, known: list[str] | set[str] | dict) -> str:
    """A hint with the nearest known name, else the list of what there is (at most 12 names)."""
    from difflib import get_close_matches

    near = get_close_matches(wrong, list(known), n=1, cutoff=0.5)
    if near:
        return f"did you mean `{near[0]}`?"
    names = sorted(known)
    if not names:
        return "there are none yet"
    return "there are: " + ", ".join(f"`{n}`" for n in names[:12]) + (", ..." if len(names) > 12 else "")
