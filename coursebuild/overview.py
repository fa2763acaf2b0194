"""The overview of a week: lectures/weekN.yaml, what its days have in common and a quiz over all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from coursebuild.reading import read_text
from coursebuild.shapes import Wrong, build, everywhere, in_file, no_control_characters

FEWEST_ANSWERS = 2


@dataclass(frozen=True)
class Thread:
    """One day in the story of the week."""

    day: int
    says: str  # what the day found, and what it leaves open


@dataclass(frozen=True)
class Question:
    """A question of the recap; `right` counts answers from 1."""

    day: int  # where the answer was given
    question: str
    answers: list[str]
    right: int
    why: str

    def check(self) -> None:
        if len(self.answers) < FEWEST_ANSWERS:
            raise Wrong("is too short", ("answers",), f"give {FEWEST_ANSWERS} answers or more")
        if not 1 <= self.right <= len(self.answers):
            raise Wrong(f"is {self.right}, but there are {len(self.answers)} answers", ("right",), "count from 1")


@dataclass(frozen=True)
class Overview:
    """What an author writes about a week; texts may hold `code`, **bold**, *italic* and $formulas$."""

    week: int
    lead: str
    story: list[Thread]
    quiz: list[Question]
    after: str = ""  # what the next week asks
    can: list[str] = field(default_factory=list)  # what one can do after this week


def overview_file(root: Path, week: int) -> Path:
    return root / "lectures" / f"week{week}.yaml"


def read_overview(path: Path, days: range) -> Overview:
    """Read and check an overview whose week has these days. Raises CourseError with the line of a mistake."""
    from coursebuild.yamltext import parse_yaml  # here, because the plan needs `overview_file` alone, and no yaml

    value, line_of = parse_yaml(read_text(path), path)
    try:
        everywhere(no_control_characters, value)
        overview = build(Overview, value)
        for name in ("story", "quiz"):
            for i, entry in enumerate(getattr(overview, name)):
                if entry.day not in days:
                    hint = f"this week has days {days[0]} to {days[-1]}"
                    raise Wrong(f"is {entry.day}", (name, i, "day"), hint)
    except Wrong as error:
        raise in_file(error, path, line_of, "the overview") from None
    return overview
