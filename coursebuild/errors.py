"""The one error that an author sees: where, what, and what to do next."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GO_ON = "then run the same command again: what is finished stays"
MACHINE = {  # what the system refuses through no mistake of the author: what is wrong, and what to do
    errno.ENOSPC: ("the disk is full", f"free some space, or choose another folder with --out; {GO_ON}"),
    errno.EDQUOT: ("your quota of disk space is used up", f"free some space, or use --out; {GO_ON}"),
    errno.EFBIG: ("the file would be larger than this account may write", f"raise `ulimit -f`; {GO_ON}"),
    errno.EROFS: ("the folder lies on a read-only file system", "choose a folder that can be written with --out"),
    errno.EACCES: ("permission denied", "check who owns it and what its rights are, or choose another --out"),
    errno.EPERM: ("operation not permitted", "check who owns it and what its rights are, or choose another --out"),
    errno.EIO: ("the disk cannot be read or written", f"look at the system's log, save what you have; {GO_ON}"),
    errno.ESTALE: ("the network folder is gone", f"see that it is mounted; {GO_ON}"),
    errno.EMFILE: ("too many open files", f"raise `ulimit -n`, or use fewer --jobs; {GO_ON}"),
    errno.ENFILE: ("too many open files on this machine", f"close other programs; {GO_ON}"),
    errno.ENOMEM: ("memory ran out", f"use --jobs 1, or a smaller preset; {GO_ON}"),
    errno.EAGAIN: ("no more processes can be started", f"raise `ulimit -u`, or use fewer --jobs; {GO_ON}"),
}

# What a terminal would obey instead of showing: control characters, marks that turn the direction of writing, private
# characters, halves of characters.
_UNSHOWABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ue000-\uf8ff]"
)


def printable(text: str) -> str:
    """A text as it can go to any terminal or log: what would be obeyed instead of shown is written as an escape."""
    return _UNSHOWABLE.sub(lambda m: m[0].encode("unicode_escape").decode(), text)


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
        return printable(f"{where}{self.what}" + (f"\n  -> {self.hint}" if self.hint else ""))

    @property
    def all(self) -> list[CourseError]:
        """The mistakes that this error tells of: itself, or each of several."""
        return [self]


class CourseErrors(CourseError):
    """Several mistakes of one source at once; the first gives the place."""

    def __init__(self, errors: list[CourseError]) -> None:
        self.errors = [one for error in errors for one in error.all]
        first = self.errors[0]
        super().__init__(first.what, file=first.file, line=first.line, hint=first.hint)

    def __reduce__(self) -> tuple:
        return CourseErrors, (self.errors,)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))

    @property
    def all(self) -> list[CourseError]:
        return self.errors


def raise_all(errors: list[CourseError]) -> None:
    """Nothing for none, the error for one, a CourseErrors for several."""
    if errors:
        raise errors[0] if len(errors) == 1 else CourseErrors(errors)


def _rebuild(what: str, file: str | None, line: int | None, hint: str) -> CourseError:
    return CourseError(what, file=file, line=line, hint=hint)


def of_the_machine(error: BaseException, where: Path | str = "") -> CourseError | None:
    """What an OSError or MemoryError means for an author, or None if it is of another kind (then it is a defect).

    `where` is the path to name if the error itself has none.
    """
    number = errno.ENOMEM if isinstance(error, MemoryError) else getattr(error, "errno", None)
    if not isinstance(error, OSError | MemoryError) or number not in MACHINE:
        return None
    what, hint = MACHINE[number]
    return CourseError(what, file=getattr(error, "filename", None) or where or None, hint=hint)


def ended(status: int, what: str) -> tuple[str, str]:
    """(in words how a child process ended, what to do) for a status as `subprocess` gives it; `what` it did."""
    if status == -signal.SIGKILL:
        return "killed (signal 9), most likely because memory ran out", f"use --jobs 1, or make {what} smaller"
    if status == os.EX_IOERR:
        return "because it could not write its results", f"see that the disk is not full and can be written; {GO_ON}"
    return (f"by signal {-status}" if status < 0 else f"with status {status}"), ""


@contextmanager
def machine_errors(where: Path | str = "") -> Iterator[None]:
    """What the machine refuses inside becomes a CourseError."""
    try:
        yield
    except (OSError, MemoryError) as error:
        told = of_the_machine(error, where)
        if told is None:
            raise
        raise told from error


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
