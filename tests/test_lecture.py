"""The lecture: template, Markdown, lint. Every mistake names file:line and a next step."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coursebuild import formatters
from coursebuild.blocks import walk
from coursebuild.errors import CourseError
from coursebuild.model import Deck, Figure, Record
from coursebuild.model import Script as Spoken
from coursebuild.steps.lecture import read_lecture
from coursebuild.template import mark_lines, take_marks

SCRIPT = '''\
def train_step(x):
    """Not shown on a slide."""
    y = x * 2
    return y
'''
FRONT = "---\nday: 4\ntitle: Toy\nsubtitle: A day\n---\n> Welcome.\n"
SYLLABUS = {
    "objectives": ["one"],
    "concepts": ["two"],
    "learnings": [],
    "references": [{"kind": "Book", "text": "A *book*", "url": "https://example.org/a"}],
}


@pytest.fixture
def record() -> Record:
    return Record(
        day=4,
        slug="toy",
        metrics={"accuracy": 0.98261, "n": 60000, "name": "a *b* <i> $x$ # {{ 1 }}", "flag": True},
        claims={"it works": True, "it fails": False},
        figures={"loss": Figure(500, 250, 12, {})},
        arrays={},
        arrays_sha256="",
        provenance={"preset": "quick", "device": "CPU", "date": "2026-01-02T03:04:05Z"},
    )


def read(tmp_path: Path, record: Record, body: str, front: str = FRONT) -> tuple[Deck, Spoken, list]:
    lecture, script = tmp_path / "day04_toy.md.j2", tmp_path / "day04_toy.py"
    lecture.write_text(front + textwrap.dedent(body), encoding="utf-8")
    script.write_text(SCRIPT)
    return read_lecture(lecture, script, record, SYLLABUS, "The course")


def first_line(front: str = FRONT) -> int:
    return front.count("\n") + 1


def test_numbers_reach_slides_and_speech(tmp_path, record):
    deck, spoken, _ = read(
        tmp_path,
        record,
        "## A {{ run.n }}\n- {{ run.accuracy | percent(2) }}\n> We got {{ run.accuracy | percent }}.\n",
    )
    assert deck.slides[1].title_text == "A 60,000"
    assert deck.slides[1].blocks[0]["items"][0]["spans"] == [{"k": "text", "t": "98.26\u00a0%"}]
    assert spoken.slides[1].beats[0].text == "We got 98.3\u00a0%."
    assert deck.run_line == "quick run on CPU, 2026-01-02"


def test_text_of_a_run_cannot_become_markup(tmp_path, record):
    deck, *_ = read(tmp_path, record, "## T\n- {{ run.name }}\n> Hi.\n")
    assert deck.slides[1].blocks[0]["items"][0]["spans"] == [{"k": "text", "t": "a *b* <i> $x$ # {{ 1 }}"}]


def test_beats_reveal_what_stands_above_them(tmp_path, record):
    body = """
        ## Steps
        - first
        > One.

        - second
        > Two.

        $$ x^2 $$
        > Three.

        > Four, over the same picture.
        """
    deck, spoken, _ = read(tmp_path, record, body)
    slide = deck.slides[1]
    assert [i["step"] for i in slide.blocks[0]["items"]] == [0, 1]  # one list, interrupted by speech
    assert (slide.blocks[1]["type"], slide.blocks[1]["step"]) == ("math", 2)
    assert slide.steps == 2
    assert [b.step for b in spoken.slides[1].beats] == [0, 1, 2, 2]


def test_all_elements(tmp_path, record):
    body = """
        # Part
        ## All {{ run.n }}
        <!-- covers: O1 C1 -->

        ::: columns 3 2
        {{ figure("loss", alt="A curve that falls quickly and then stays low.", caption="with $x$") }}

        ---

        | a | b |
        |---|--:|
        | $y$ | `z` |
        :::
        > Left and right.

        ::: key Idea
        Text with **bold**.
        :::

        {{ code("train_step", highlight=[2]) }}
        > Code.

        ### Question
        - [ ] no
        - [x] yes
        > Think. [pause 2]

        > Yes.

        {{ references() }}
        > Read these.
        """
    deck, _, problems = read(tmp_path, record, body)
    blocks = walk(deck.slides[1].blocks)
    assert [b["type"] for b in blocks] == ["figure", "table", "callout", "code", "para", "quiz", "bullets"]
    figure, table, callout, code, _, quiz, links = blocks
    assert (figure["w"], figure["h"]) == (620, 310)
    assert figure["caption"][1] == {"k": "math", "tex": "x"}
    assert table["align"] == ["left", "right"] and table["alt"] == "Table of a, b"
    assert callout["label"] == "Idea" and callout["tone"] == "accent"
    assert code["src"] == "def train_step(x):\n    y = x * 2\n    return y" and code["hl"] == [2]
    assert [a["correct"] for a in quiz["items"]] == [False, True] and quiz["answer_step"] == quiz["step"] + 1
    assert links["items"][0]["spans"][1] == {"k": "text", "t": "A *book*", "href": "https://example.org/a"}
    assert deck.slides[1].kicker == "Part" and deck.slides[1].covers == ["O1", "C1"]
    ids = [b["id"] for b in blocks]
    assert len(set(ids)) == len(ids)
    assert not [p for p in problems if p.level == "error"]


def test_animation_fills_its_slide(tmp_path, record):
    deck, spoken, _ = read(
        tmp_path, record, '## Flow\n{{ animation("Flow", alt="Dots move to the right.") }}\n> One.\n\n> Two.\n'
    )
    assert deck.slides[1].kind == "animation" and deck.slides[1].steps == 0
    assert [b.section for b in spoken.slides[1].beats] == [0, 1] and spoken.slides[1].scene == "Flow"


MISTAKES = [
    ("## A\n- {{ run.acuracy | percent }}\n> Hi.\n", 2, "no metric `acuracy`", "did you mean `accuracy`?"),
    ("## A\n- {{ run.accuracy }}\n> Hi.\n", 2, "without a formatter", "percent"),
    ("## A\n- {{ rum.accuracy | num }}\n> Hi.\n", 2, "'rum' is undefined", "did you mean `run`?"),
    ("## A\n- {{ run.accuracy | procent }}\n> Hi.\n", 2, "No filter named 'procent'", ""),
    ("## A\n\n{% if claim('it works') %}\n> Hi.\n", 3, "broken Jinja", ""),
    ("## A\n> {{ run.accuracy | percent }\n", 2, "broken Jinja", ""),
    ("## A\n> Hi.\n\n{% if claim('it workz') %}x{% endif %}\n", 4, "claims no `it workz`", "did you mean `it works`?"),
    ("## A\n- text\n- $\\notacommand{x}$\n> Hi.\n", 3, "unknown LaTeX", ""),
    ("## A\n{{ figure('los', alt='A curve that goes down.') }}\n> Hi.\n", 2, "no figure `los`", "did you mean `loss`?"),
    ("## A\n{{ figure('loss', alt='') }}\n> Hi.\n", 2, "no alt text", "sentence"),
    ("## A\n{{ code('trainstep') }}\n> Hi.\n", 2, "defines no `trainstep`", "did you mean `train_step`?"),
    ("## A\n- one\n", 1, "nothing is said on slide `A`", "blockquote"),
    ("## A\n> Hi.\n\n- late\n", 4, "nothing is said after", "blockquote"),
    (
        "## A\n- x\n> Hi.\n\n{{ animation('Flow', alt='Dots move to the right.') }}\n> Hi.\n",
        5,
        "not alone",
        "slide of its own",
    ),
    ("## A\n<div>x</div>\n\n> Hi.\n", 2, "HTML is not supported", ""),
    ("## A\ntext <b>x</b>\n> Hi.\n", 2, "not supported", ""),
    ("## A\n![x](y.png)\n> Hi.\n", 2, "image is not supported", "figure("),
    ("## A\n[x](mailto:a@example.org)\n> Hi.\n", 2, "no web address", "https://"),
    ("## A\n- a\n  - b\n    - c\n> Hi.\n", 4, "two levels", ""),
    ("## A\n- [ ] a\n- [ ] b\n> Hi.\n\n> Ho.\n", 2, "no right answer", "[x]"),
    ("## A\n- [x] a\n- [ ] b\n> Hi.\n", 2, "nothing is said after the last quiz", ""),
    ("## A\n> Hi.\n> - list\n", 3, "plain sentences", ""),
    ("## A\n```nolang\nx\n```\n> Hi.\n", 2, "unknown language", "python"),
    ("## A\n::: columns 1 2 3\na\n\n---\n\nb\n:::\n> Hi.\n", 2, "3 widths for 2 columns", "---"),
    ("## A\n- text\n{{ code('train_step') }}\n> Hi.\n", 2, "not alone", "empty line"),
    ("## A\n| a {{ code('train_step') }} |\n| --- |\n| b |\n> Hi.\n", 2, "not alone", "empty line"),
    ("## A\ntext {{ figure('loss', alt='A curve that goes down.') }}\n> Hi.\n", 2, "not alone", "empty line"),
    (
        "## A\n{{ figure('loss', alt='A curve that falls.', caption='with $\\theta$') }}\n> Hi.\n",
        2,
        "\\theta would lose its backslash",
        "\\\\theta",
    ),
    ("## A\n- {{ 1 / 0 }}\n> Hi.\n", 2, "ZeroDivisionError", ""),
    ("## A\n{{ animation('Flow', alt='') }}\n> Hi.\n", 2, "animation `Flow` has no alt text", "sentence"),
    ("## A\n::: columns .. 1\na\n\n---\n\nb\n:::\n> Hi.\n", 2, "`.. 1` are no widths", "columns 3 2"),
    ("## A\n::: columns 0 1\na\n\n---\n\nb\n:::\n> Hi.\n", 2, "2 widths for 2", "columns 3 2"),
    ("## A\n- {{ run.accuracy | count }}\n> Hi.\n", 2, "wants a whole number, got 0.98261", ""),
    ("##\n> Hi.\n", 1, "no title", ""),
    ("- x\n> Hi.\n", 1, "title slide", "##"),
]


@pytest.mark.parametrize(("body", "line", "what", "hint"), MISTAKES, ids=[m[2][:40] for m in MISTAKES])
def test_mistakes_are_one_clear_error(tmp_path, record, body, line, what, hint):
    with pytest.raises(CourseError) as caught:
        read(tmp_path, record, body)
    error = caught.value
    assert what in str(error) and hint in (error.hint or "")
    assert error.file.endswith("day04_toy.md.j2")
    assert error.line == first_line() - 1 + line


@pytest.mark.parametrize(
    ("front", "line", "what"),
    [
        ("title: x\n", 1, "no front matter"),
        ("---\nday: 4\n---\n", 1, "lacks `title`"),
        ("---\nday: four\ntitle: x\n---\n", 2, "`day` is 'four'"),
        ("---\nday: 4\ntitel: x\n---\n", 3, "`titel` is unknown"),
        ("---\nday: [4\n---\n", 2, "not valid YAML"),
        ("---\nday: 5\ntitle: x\n---\n", 1, "says day 5"),
    ],
)
def test_front_matter(tmp_path, record, front, line, what):
    with pytest.raises(CourseError, match=what) as caught:
        read(tmp_path, record, "> Hi.\n", front)
    assert caught.value.line == line


def test_line_numbers_survive_conditions(tmp_path, record):
    body = (
        "## A\n{% if claim('it fails') %}\n- no\n- no\n{% else %}\n- yes\n{% endif %}\n> Hi.\n\n$$\\nonsense$$\n> Ho.\n"
    )
    with pytest.raises(CourseError) as caught:
        read(tmp_path, record, body)
    assert caught.value.line == first_line() - 1 + 10


def test_a_typed_number_that_was_measured_is_an_error(tmp_path, record):
    *_, problems = read(tmp_path, record, "## A\n- we reach 98.3 percent of 60,000 since 1986\n> Hi.\n")
    errors = [p for p in problems if p.level == "error"]
    assert len(errors) == 2 and errors[0].line == first_line() + 1
    assert {"accuracy", "n"} == {p.what.split("`")[3] for p in errors}


@pytest.mark.parametrize(
    "body",
    [
        "## A\n{{ figure('loss', alt='A curve that ends at 98.26 percent.') }}\n> Hi.\n",
        "## A\n{{ figure('loss', alt='A curve that falls.', caption='of 60,000') }}\n> Hi.\n",
        "## A\n{{ animation('Flow', alt='A picture\nof 60,000 flows') }}\n> Hi.\n",
        "## A\n$$ n = 60{,}000 $$\n> Hi.\n",
        "## A\n- with $n = 60000$\n> Hi.\n",
    ],
)
def test_numbers_typed_into_descriptions_and_formulas_are_errors(tmp_path, record, body):
    *_, problems = read(tmp_path, record, body)
    (error,) = [p for p in problems if p.level == "error"]
    assert "typed by hand" in error.what and "run." in error.hint
    assert error.line - first_line() in (1, 2)


def test_a_number_typed_into_the_title_is_an_error(tmp_path, record):
    front = "---\nday: 4\ntitle: Toy\nsubtitle: How to get 98.26 percent\n---\n> Welcome.\n"
    *_, problems = read(tmp_path, record, "## A\n> Hi.\n", front)
    assert [(p.line, p.what.split("`")[1]) for p in problems if p.level == "error"] == [(4, "98.26")]


def test_code_links_and_comments_may_hold_any_number(tmp_path, record):
    body = (
        "## A\n<!-- 60000 -->\n\n- `60000` and [x](https://example.org/60000)\n\n"
        "{{ figure('loss', alt='A curve that falls.', width=60000) }}\n\n```python\nn = 60000\n```\n> Hi.\n"
    )
    *_, problems = read(tmp_path, record, body)
    assert not [p for p in problems if p.level == "error"]


def test_lint_warns(tmp_path, record):
    *_, problems = read(tmp_path, record, "## A\n- x\n> " + "word " * 80 + ".\n")
    said = "\n".join(p.what for p in problems)
    assert "words, about" in said and "hard to follow" in said
    assert "no slide covers O1" in said and "figure `loss` is made and not shown" in said
    assert "claim `it works` is decided and not told" in said


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gives_slides_or_one_clear_error(tmp_path, record, text):
    try:
        read(tmp_path, record, text)
    except CourseError as error:
        assert error.file and error.line


FRAGMENTS = [
    "## A\n",
    "> say.\n",
    "- b\n",
    "$$x$$\n",
    "$x",
    "{{ run.n }}\n",
    "{% if 1 %}",
    "{% endif %}",
    "::: columns\n",
]
FRAGMENTS += [
    ":::\n",
    "---\n",
    "```python\n",
    "|a|\n|-|\n",
    "# P\n",
    "\n",
    "<!-- covers: O1 -->\n",
    "- [x] q\n",
    "{{ references() }}\n",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=14))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mix_of_elements_gives_slides_or_one_clear_error(tmp_path, record, parts):
    try:
        deck, spoken, _ = read(tmp_path, record, "".join(parts))
    except CourseError as error:
        assert error.file and error.line
    else:
        assert [s.id for s in deck.slides] == [s.id for s in spoken.slides]
        assert all(b.step <= s.steps for s, t in zip(deck.slides, spoken.slides, strict=True) for b in t.beats)


@given(st.text(alphabet="ab{}%#\n -", max_size=80))
def test_line_marks_come_off_again(text):
    marked = mark_lines(text)
    back, numbers = take_marks(marked)
    assert back == text and len(numbers) == text.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (formatters.percent(0.98261, 2), "98.26\u00a0%"),
        (formatters.num(-1234.5678), "−1,234.57"),
        (formatters.count(60000), "60,000"),
        (formatters.rough(215651), "220,000"),
        (formatters.rough(0), "0"),
        (formatters.rough(3), "3"),
        (formatters.rough(0.00123), "0.0012"),
        (formatters.rough(9.96), "10"),
        (formatters.rough(-2.44), "−2.4"),
        (formatters.count(3.0), "3"),
        (formatters.percent(-0.0001), "0.0\u00a0%"),
        (formatters.num(-0.001), "0.00"),
        (formatters.tex(-0.01, 1), "0.0"),
        (formatters.sci(1.44e-10), "1.4\u00a0×\u00a010⁻¹⁰"),
        (formatters.sci(-3e5), "−3.0\u00a0×\u00a010⁵"),
        (formatters.tex(1.44e-10), "1.44 \\times 10^{-10}"),
        (formatters.tex(0.0123), "0.012"),
        (formatters.times(2.13), "2.1×"),
        (formatters.si(12345), "12.3\u00a0k"),
        (formatters.si(0), "0.0"),
        (formatters.si(999.97), "1.0\u00a0k"),
        (formatters.si(999.9), "999.9"),
        (formatters.si(951), "951.0"),
        (formatters.seconds(0.00021), "210.0\u00a0µs"),
        (formatters.seconds(95), "1\u00a0min 35\u00a0s"),
        (formatters.seconds(3569), "59\u00a0min 29\u00a0s"),
        (formatters.seconds(3599.7), "1.0\u00a0h"),
        (formatters.seconds(9000), "2.5\u00a0h"),
        (formatters.pm(0.951, 0.003), "95.1\u00a0±\u00a00.3\u00a0%"),
        (formatters.points(0.012), "1.2"),
        (formatters.words(3), "three"),
        (formatters.words(30), "30"),
    ],
)
def test_formatters(text, want):
    assert text == want


def test_a_formatter_refuses_text():
    with pytest.raises(TypeError, match="wants a number"):
        formatters.percent("0.9")


def test_count_refuses_a_fraction():
    with pytest.raises(ValueError, match="whole number"):
        formatters.count(2.5)
