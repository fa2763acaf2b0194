"""Captions: readable, in time, and unharmed by hostile text; ffmpeg reads the files back."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursebuild import captions
from coursebuild.captions import Cue, cues, srt, vtt
from coursebuild.model import TimedBeat, TimedSentence, TimedSlide, Timeline, Word

LECTURE = """Here is a question that sounds too simple to be worth asking. You have a network with ten thousand
weights, and a single number, the loss, that says how wrong it is. Which way should each weight move? You could nudge
them one at a time and measure. That works. It also takes ten thousand forward passes for one step, and on this
machine, with sixty thousand images, we would still be waiting when the course ends. Backpropagation does it in one.
Yes, one. Every factor in this product is something one node can work out alone, from what it saw on the way forward
and what it is told on the way back; the rest of the network need not know anything about it."""
SENTENCES = re.split(r"(?<=[.?])\s", LECTURE)


def sentence(text: str, at: int, seconds: float, spoken: str | None = None) -> TimedSentence:
    words = (text if spoken is None else spoken).split()
    total = sum(len(w) + 1 for w in words) or 1
    timed, now = [], 0.0
    for word in words:
        lasts = seconds * (len(word) + 1) / total
        timed.append(Word(word, now, now + lasts))
        now += lasts
    return TimedSentence(text, "a.wav", "0", at, round(seconds * 30), timed)


def lecture(*texts: str, speed: float = 15.0, gap: int = 8) -> Timeline:
    """One slide with one beat, spoken at `speed` characters a second."""
    found, at = [], 15
    for text in texts:
        found.append(sentence(text, at, max(0.2, len(text) / speed)))
        at += found[-1].frames + gap
    return Timeline(
        at + 24, [TimedSlide("s01", "T", None, 0, at + 24, [TimedBeat("s01b1", 0, None, 0, at + 24, found)])]
    )


def check(found: list[Cue], frames: int) -> None:
    for cue in found:
        assert 1 <= len(cue.lines) <= 2 and all(0 < len(line) <= 42 for line in cue.lines), cue
        assert 0 <= cue.start < cue.end <= frames * 1000 / 30 + 1, cue
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_a_lecture_can_be_read() -> None:
    plan = lecture(*SENTENCES)
    found = cues(plan)
    check(found, plan.frames)
    assert [w for c in found for w in c.text.split()] == LECTURE.split()
    assert min(c.end - c.start for c in found) >= 1000
    assert max(len(c.text) / (c.end - c.start) * 1000 for c in found) <= 20
    clinging = ("the", "a", "of", "to", "and")
    ends = [c.lines[-1].split()[-1] for c in found]
    assert sum(e in clinging for e in ends) == 0, ends


def test_a_short_sentence_shares_a_cue() -> None:
    """“Yes.” alone would be gone after half a second."""
    found = cues(lecture("Does it work?", "Yes.", "It does, and here is why."))
    assert all(c.end - c.start >= 1000 for c in found)
    assert [c for c in found if c.text == "Yes."] == []


def test_words_keep_their_own_times() -> None:
    written = "We call σ(x) the sigmoid, and it squashes every number that it is given into one between 0 and 1."
    spoken = (
        "we call sigma of x the sigmoid and it squashes every number that it is given into one between zero and one"
    )
    one = sentence(written, 30, 7.0, spoken)
    beat = TimedBeat("s01b1", 0, None, 0, 320, [one])
    found = cues(Timeline(320, [TimedSlide("s01", "T", None, 0, 320, [beat])]))
    assert len(found) >= 2
    heard = {w.text: w.start for w in one.words}
    for cue in found[1:]:
        first = cue.lines[0].split()[0].strip(",.")
        if first in heard and spoken.split().count(first) == 1:
            assert cue.start == pytest.approx(1000 + heard[first] * 1000, abs=2)


def test_no_cue_crosses_a_change_of_picture() -> None:
    a, b = sentence("One picture.", 15, 0.8), sentence("Another one.", 53, 0.8)
    beats = [TimedBeat("s01b1", 0, None, 0, 48, [a]), TimedBeat("s01b2", 1, None, 48, 48, [b])]
    found = cues(Timeline(96, [TimedSlide("s01", "T", None, 0, 96, beats)]))
    assert [c.text for c in found] == ["One picture.", "Another one."]
    assert found[0].end <= found[1].start


def test_nothing_said() -> None:
    plan = Timeline(96, [TimedSlide("s01", "T", None, 0, 96, [TimedBeat("s01b1", 0, None, 0, 96, [])])])
    assert cues(plan) == []
    assert vtt([]) == "WEBVTT\n"
    assert srt([]) == ""


HOSTILE = "One --> two & <b>three</b>\n\nNOTE <v Bob> {\\an8} 00:00:01.000 --> 00:00:02.000 \x00\x1b[0m \u2028 end"


def test_hostile_text_stays_text() -> None:
    found = cues(lecture(HOSTILE, speed=10))
    text = vtt(found)
    stamps = [line for line in text.splitlines() if "-->" in line]
    assert len(stamps) == len(found)
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", line) for line in stamps)
    assert text.count("\n\n") == len(found)  # a blank line would end a cue
    assert "<" not in text and "&amp;" in text and not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert sum("-->" in line for line in srt(found).splitlines()) == len(found)


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
@pytest.mark.parametrize("kind", ["vtt", "srt"])
def test_another_program_reads_the_same_words(tmp_path: Path, kind: str) -> None:
    found = cues(lecture(HOSTILE, "And an ordinary sentence.", speed=10))
    path = tmp_path / f"a.{kind}"
    path.write_text({"vtt": vtt, "srt": srt}[kind](found), encoding="utf-8")
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "ass", "-"]
    events = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    read = [line.split(",", 9)[9] for line in events.splitlines() if line.startswith("Dialogue:")]
    plain = [
        re.sub("\u2060", "", t.replace("\\N", "\n").replace("\\{", "{").replace("\\}", "}").replace("\\\\", "\\"))
        for t in read
    ]
    assert plain == [c.text for c in found]


WORDS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=60)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(WORDS, min_size=1, max_size=25).map(" ".join), min_size=1, max_size=5), st.floats(3, 60))
def test_any_text(texts: list[str], speed: float) -> None:
    plan = lecture(*texts, speed=speed)
    found = cues(plan)
    check(found, plan.frames)
    assert sum(line.count("-->") for line in vtt(found).splitlines()) == len(found)
    assert sum(line.count("-->") for line in srt(found).splitlines()) == len(found)


@given(st.lists(st.tuples(st.text("abc.,", min_size=1, max_size=42), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=200, deadline=None)
def test_a_cue_may_reach_as_far_as_its_words_can_be_wrapped(words: list[tuple[str, bool]]) -> None:
    """The quick way (sums and bisection) against trying all ways to wrap, which is what is shown in the end."""
    tokens = [captions._Token(text, 0.0, 1.0, glued=glued) for text, glued in words]
    for i, reach in enumerate(captions._reaches(tokens)):
        fits = [j for j in range(i + 1, len(tokens) + 1) if captions._wrap(tokens[i:j])]
        assert fits == list(range(i + 1, len(fits) + i + 1))
        assert reach == min(fits[-1], i + captions.WINDOW)
