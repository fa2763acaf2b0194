"""Slides and handout: what is drawn, where, and what is refused. Oracles: Poppler, Pillow, a golden geometry."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import slides_sample as sample
from PIL import Image, ImageChops

from coursebuild import typeset
from coursebuild.errors import CourseError
from coursebuild.files import ROOT, read_json, sha256
from coursebuild.model import Deck, Frames
from coursebuild.steps.handout import handout
from coursebuild.steps.slides import slides

GOLDEN = Path(__file__).parent / "data" / "slides_geometry.json"
needs_poppler = pytest.mark.skipif(not shutil.which("pdftotext"), reason="needs Poppler")


def build(
    folder: Path,
    deck: Deck | None = None,
    cache: Path | None = None,
    drawings: dict[str, tuple[float, float, str]] | None = None,
    **params: Any,
) -> Path:
    """Run the step `slides` on a deck (the sample's, if none is given); returns the folder with the products."""
    inputs = sample.write_inputs(folder, deck, drawings)
    products = {"frames": folder / "frames", "pdf": folder / "slides.pdf", "geometry": folder / "geometry.json"}
    slides(inputs, products, {"quality": "draft", "theme": "dark", **params}, cache or folder / "cache")
    return folder


def one_slide(*blocks: dict, title: str = "A title") -> Deck:
    return sample.deck(("Part", title, list(blocks)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("slides"))


def frames_of(folder: Path) -> dict[str, list[Image.Image]]:
    found = Frames.load(folder / "frames" / "frames.json")
    return {k: [Image.open(folder / "frames" / f.png).convert("RGB") for f in v] for k, v in found.slides.items()}


# ------------------------------------------------------------------ products


def test_every_state_has_a_picture(built: Path) -> None:
    found = Frames.load(built / "frames" / "frames.json")
    deck = Deck.load(built / "shown.json")
    assert {k: len(v) for k, v in found.slides.items()} == {
        s.id: 1 if s.kind == "animation" else s.steps + 1 for s in deck.slides
    }
    assert all(f.sha256 == sha256(built / "frames" / f.png) for v in found.slides.values() for f in v)
    assert {i.size for v in frames_of(built).values() for i in v} == {(960, 540)} == {(found.width, found.height)}


def test_the_geometry_is_the_golden_one(built: Path) -> None:
    """Within half a point; a wanted change of the look is accepted with `python tests/slides_sample.py`."""
    golden, found = read_json(GOLDEN)["blocks"], read_json(built / "geometry.json")["blocks"]
    assert list(found) == list(golden)
    for name, box in golden.items():
        assert set(found[name]) == set(box)
        for key, value in box.items():
            wanted = pytest.approx(value, abs=0.5) if isinstance(value, float) else value
            assert found[name][key] == wanted, (name, key)


def test_the_geometry_names_every_block_once_on_its_page(built: Path) -> None:
    deck, found = Deck.load(built / "shown.json"), read_json(built / "geometry.json")
    assert found["page"] == [960, 540]
    for slide in deck.slides:
        ids = {f"t{slide.id}", *(b["id"] for b in typeset.blocks_of(slide.blocks))}
        ids |= {f"st{slide.id}"} if slide.subtitle else set()
        assert {i for i, b in found["blocks"].items() if b["page"] == slide.n} == ids
    assert found["blocks"]["s07b0"] | {"k": 1} == {
        **{"kind": "animation", "page": 7, "k": 1, "x": 0.0, "y": 0.0, "w": 960.0, "h": 540.0},
        **{"iw": 960.0, "ih": 540.0},
    }
    figure = found["blocks"]["s04b0c0b0"]
    assert figure["iw"] / figure["ih"] == pytest.approx(540 / 285, abs=0.01) and figure["ih"] < figure["h"]


def test_a_state_changes_nothing_outside_of_what_it_reveals(built: Path) -> None:
    deck, boxes, pictures = (
        Deck.load(built / "shown.json"),
        read_json(built / "geometry.json")["blocks"],
        frames_of(built),
    )
    for slide in (s for s in deck.slides if s.kind == "content"):
        for step in range(1, slide.steps + 1):
            shown = [
                b
                for b in typeset.blocks_of(slide.blocks)
                if step in {b["step"], b.get("answer_step"), *(i.get("step") for i in b.get("items", []))}
            ]
            places = [boxes[b["id"]] for b in shown]
            changed = ImageChops.difference(*pictures[slide.id][step - 1 : step + 1]).getbbox()
            assert changed, f"{slide.id} state {step} shows nothing new"
            assert changed[0] >= min(p["x"] for p in places) - 3 and changed[1] >= min(p["y"] for p in places) - 8
            assert changed[2] <= max(p["x"] + p["w"] for p in places) + 3
            assert changed[3] <= max(p["y"] + p["h"] for p in places) + 12  # a tall fraction


def test_an_answer_is_marked_in_the_colour_of_good(built: Path) -> None:
    before, after = frames_of(built)["s09"]
    good = typeset.theme.tokens("dark")["good"]
    colour = tuple(int(good[i : i + 2], 16) for i in (1, 3, 5))
    count = [sum(n for n, c in image.getcolors(1 << 20) if c == colour) for image in (before, after)]
    assert count[0] == 0 and count[1] > 300


def test_an_animation_slide_is_its_poster(built: Path) -> None:
    poster = Image.open(built / "clips" / "BackpropFlow_0.png").convert("RGB")
    assert ImageChops.difference(frames_of(built)["s07"][0], poster).getbbox() is None


def test_quality_is_the_size_of_the_pictures(tmp_path: Path) -> None:
    folder = build(tmp_path, one_slide(sample.para("Hello.")), quality="hd", theme="light")
    assert {i.size for v in frames_of(folder).values() for i in v} == {(1280, 720)}
    assert frames_of(folder)["s02"][0].getpixel((5, 5)) == (255, 255, 255)


# ------------------------------------------------------------------ PDF


def words(pdf: Path) -> list[list[tuple[float, float, float, float, str]]]:
    """For each page its words (left, top, right, bottom, text) as Poppler reads them."""
    text = subprocess.run(["pdftotext", "-bbox", pdf, "-"], capture_output=True, text=True, check=True).stdout
    number = r'="([\d.-]+)" '
    word = re.compile(rf"<word xMin{number}yMin{number}xMax{number}yMax".strip() + r'="([\d.-]+)">(.*?)</word>')
    return [[(*map(float, m[:4]), m[4]) for m in word.findall(page)] for page in text.split("<page ")[1:]]


@needs_poppler
def test_every_word_of_the_pdf_lies_in_the_box_of_a_block(built: Path) -> None:
    boxes = list(read_json(built / "geometry.json")["blocks"].values())
    for number, page in enumerate(words(built / "slides.pdf"), 1):
        if number == 1:
            continue
        places = [b for b in boxes if b["page"] == number]
        body = [w for w in page if w[1] > 58 and w[3] < 500]
        assert body or number == 7
        for left, top, right, bottom, text in body:
            middle = (left + right) / 2, (top + bottom) / 2
            inside = [
                b
                for b in places
                if b["x"] - 3 <= middle[0] <= b["x"] + b["w"] + 3 and b["y"] - 9 <= middle[1] <= b["y"] + b["h"] + 9
            ]
            assert inside, (number, text, left, top)


@needs_poppler
def test_the_pdf_is_tagged_and_complete(built: Path) -> None:
    info = subprocess.run(["pdfinfo", built / "slides.pdf"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"Tagged:\s+yes", info) and re.search(r"Pages:\s+10", info) and "CreationDate" not in info
    tags = subprocess.run(["pdfinfo", "-struct", built / "slides.pdf"], capture_output=True, text=True).stdout
    deck = Deck.load(built / "shown.json")
    assert tags.count("H1 ") == 1 and tags.count("H2 ") == len(deck.slides) - 1
    assert "LI (block)" in tags and "Table" in tags and "Figure" in tags and "Formula" in tags
    raw = (built / "slides.pdf").read_bytes()
    assert b"pdfuaid" in raw and b"/Alt" in raw
    text = " ".join(w[4] for page in words(built / "slides.pdf") for w in page)
    for part in ("Backpropagation", "twice", "topological(loss)", "GELU", "DID NOT HOLD", "differences", "10 / 10"):
        assert part in text


# ------------------------------------------------------------------ again, and again


def digests(folder: Path) -> dict[str, str]:
    names = [*sorted((folder / "frames").iterdir()), folder / "slides.pdf", folder / "geometry.json"]
    return {p.name: sha256(p) for p in names}


def test_the_same_deck_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    """In another process, another folder, with another order of hashes."""
    code = f"import test_slides, pathlib; test_slides.build(pathlib.Path({str(tmp_path)!r}))"
    path = f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'scripts'}"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": path, "PYTHONHASHSEED": "7"} | home())
    assert digests(built) == digests(tmp_path)


def home() -> dict[str, str]:
    """The environment without what the test sets."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHASHSEED")}


def test_an_edit_draws_one_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    real = typeset.Sheet.pngs
    monkeypatch.setattr(typeset.Sheet, "pngs", lambda self, ppi: drawn.append(found := real(self, ppi)) or found)
    cache, deck = tmp_path / "cache", sample.deck()
    first = build(tmp_path / "a", deck, cache)
    assert [len(d) for d in drawn] == [25]
    build(tmp_path / "b", deck, cache)
    assert len(drawn) == 1, "nothing changed, nothing is drawn"
    edited = [replace(s, title=sample.spans("Two other claims")) if s.id == "s08" else s for s in deck.slides]
    second = build(tmp_path / "c", replace(deck, slides=edited), cache)
    assert [len(d) for d in drawn] == [25, 3]
    changed = {n for n, digest in digests(second).items() if digests(first)[n] != digest}
    assert changed == {"s08_0.png", "s08_1.png", "s08_2.png", "frames.json", "slides.pdf"}


# ------------------------------------------------------------------ what is refused

LONG = "A sentence that is long enough to fill a line of the slide from its left edge to its right edge, and more. "
WIDE = sample.table("A | B | C", "a | `averyveryverylongname_of_a_thing` | c", align=["left"] * 3, cols=[1, 0.4, 1])
TINY = sample.code("x" * 160, "wide.py", [])
NARROW = sample.columns([1, 9], [sample.para("incomprehensibilities")], [sample.para("wide")])
BROAD = sample.math(" + ".join(f"x_{{{i}}} y_{{{i}}}" for i in range(60)))


@pytest.mark.parametrize(
    ("deck", "what", "line"),
    [
        (one_slide(*[sample.para(LONG * 2) for _ in range(5)]), r"needs \d+ points of height and has \d+", 20),
        (one_slide(sample.para("x"), title=LONG * 2), "title needs", 20),
        (one_slide(WIDE), r"in the table: .* of width", 21),
        (one_slide(TINY), "longest line of code", 21),
        (one_slide(sample.para("x"), BROAD), "formula needs", 22),
        (one_slide(NARROW), "in the para: a word", 21),
        (one_slide(sample.figure("decoy", "A figure that is not there.", "", 500, 300)), "no figure `decoy`", 21),
        (one_slide(sample.para("a 中 b")), r"U\+4E2D", 21),
        (one_slide(sample.para(r"$\text{中}$")), r"U\+4E2D", 21),
        (one_slide(sample.para(r"$\nonsense$")), r"\\nonsense", 21),
        (one_slide({"type": "animation", "step": 0, "scene": "BackFlow", "alt": "x"}), "no clip of the scene", 21),
        (one_slide({"type": "sketch", "step": 0}), "no block of type `sketch`", 21),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(deck: Deck, what: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=what) as caught:
        build(tmp_path, deck)
    assert caught.value.file == "lectures/day04_backpropagation.md.j2"
    assert caught.value.line == line and caught.value.hint
    assert not (tmp_path / "slides.pdf").exists()


def test_a_misspelt_figure_has_a_hint(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="did you mean `decay`"):
        build(tmp_path, one_slide(sample.figure("decoy", "A figure that is not there.", "", 500, 300)))


FRAMED = (  # a drawing with a frame of four colours: what is cut off is missing
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}">'
    '<rect width="{w}" height="{h}" fill="#303030"/>'
    '<rect width="{w}" height="4" fill="#ff0000"/><rect y="{low}" width="{w}" height="4" fill="#00ff00"/>'
    '<rect y="4" width="4" height="{inner}" fill="#0000ff"/>'
    '<rect x="{right}" y="4" width="4" height="{inner}" fill="#ffff00"/></svg>'
)


@pytest.mark.parametrize(("w", "h"), [(760, 330), (760, 331.7), (533.3, 251.4), (399, 399), (1200, 301)])
def test_a_drawing_is_whole_at_any_size(w: float, h: float, tmp_path: Path) -> None:
    svg = FRAMED.format(w=w, h=h, low=h - 4, right=w - 4, inner=h - 8)
    deck = one_slide(sample.figure("framed", "A frame of four colours.", "A caption", w, h))
    folder = build(tmp_path, deck, drawings={"framed": (w, h, svg)}, quality="fullhd")
    picture = frames_of(folder)["s02"][-1]
    box = read_json(folder / "geometry.json")["blocks"]["s02b0"]
    pixels = picture.width / 960  # to a point
    scale = min(w, box["w"]) / w * box["k"] * pixels  # to a unit of the drawing
    middle = [picture.getpixel((picture.width // 2, y)) for y in range(picture.height)]
    row = next(y for y, colour in enumerate(middle) if colour == (255, 0, 0)) + round(20 * scale)
    across = [picture.getpixel((x, row)) for x in range(picture.width)]
    for colour, line in (((255, 0, 0), middle), ((0, 255, 0), middle), ((0, 0, 255), across), ((255, 255, 0), across)):
        assert line.count(colour) == pytest.approx(4 * scale, abs=2), colour


def test_a_full_slide_shrinks_before_it_is_refused(tmp_path: Path) -> None:
    items = [sample.bullets(*[LONG] * 6)]
    folder = build(tmp_path, one_slide(*items))
    box = read_json(folder / "geometry.json")["blocks"]["s02b0"]
    assert 0.8 <= box["k"] < 1 and box["y"] + box["h"] <= 497


HOSTILE = ["#panic()", "$x$ */ // \\", '"]}) #eval("1")', "<b>&amp;</b> {{ x }}", "_a_ *b* @c <d>"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_never_code(text: str, tmp_path: Path) -> None:
    """In prose, code and footer it arrives as it was written."""
    block = sample.para("") | {"spans": [{"k": "text", "t": text}, {"k": "code", "t": text}]}
    folder = build(tmp_path, replace(one_slide(block, title="Plain"), run_line=text, title=text))
    if shutil.which("pdftotext"):
        shown = html.unescape("".join(w[4] for w in words(folder / "slides.pdf")[1]))
        assert shown.count(re.sub(r"\s", "", text)) >= 3


# ------------------------------------------------------------------ handout


@needs_poppler
def test_the_handout_has_slides_and_words(tmp_path: Path) -> None:
    inputs = sample.write_inputs(tmp_path)
    for name in ("a", "b"):
        handout(inputs, {"handout": tmp_path / f"{name}.pdf"}, {"theme": "light"}, tmp_path / name)
    assert sha256(tmp_path / "a.pdf") == sha256(tmp_path / "b.pdf")
    pages = words(tmp_path / "a.pdf")
    text = " ".join(w[4] for page in pages for w in page)
    assert "multiplies it by the local slope" in text and "pause" not in text and "**" not in text
    assert "one local step at a time" in text and len(pages) > 3
    assert max(w[2] for page in pages for w in page) < 595 - 40, "nothing leaves the page"
    assert b"pdfuaid" in (tmp_path / "a.pdf").read_bytes()


@needs_poppler
def test_the_handout_keeps_a_slide_and_its_words_together(tmp_path: Path) -> None:
    """The last words of every slide stand on the page of its picture, which has the number of the slide in its foot."""
    inputs = sample.write_inputs(tmp_path)
    spoken, total = json.loads(inputs["spoken"].read_text()), len(Deck.load(inputs["shown"]).slides)
    for number, slide in enumerate(spoken["slides"], 1):
        slide["beats"] = slide["beats"][:1]
        slide["beats"][0]["text"] = "Something is said here, for a while. " * 25 + f"Endofslide{number}."
    inputs["spoken"].write_text(json.dumps(spoken))
    handout(inputs, {"handout": tmp_path / "h.pdf"}, {"theme": "light"}, tmp_path / "cache")
    pages = [" ".join(w[4] for w in page) for page in words(tmp_path / "h.pdf")]
    found = {int(n): text for text in pages for n in re.findall(r"Endofslide(\d+)", text)}
    assert sorted(found) == list(range(1, len(spoken["slides"]) + 1))
    assert len(pages) < total, "two slides on a page where they fit"
    numbers = [n for n in found if Deck.load(inputs["shown"]).slides[n - 1].kind == "content"]
    assert numbers and all(f"{n} / {total}" in found[n] for n in numbers)


def test_a_bad_formula_in_the_narration_is_named(tmp_path: Path) -> None:
    inputs = sample.write_inputs(tmp_path)
    spoken = json.loads(inputs["spoken"].read_text())
    spoken["slides"][1]["beats"][0]["text"] = r"Look at $\nonsense$."
    inputs["spoken"].write_text(json.dumps(spoken))
    with pytest.raises(CourseError, match=r"\\nonsense") as caught:
        handout(inputs, {"handout": tmp_path / "h.pdf"}, {"theme": "light"}, tmp_path / "cache")
    assert caught.value.line == spoken["slides"][1]["beats"][0]["line"]
