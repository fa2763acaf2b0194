"""The PPTX slides, read back by python-pptx, a schema validator and LibreOffice."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import sample_deck
from lxml import etree
from pptx import Presentation
from pptx.enum.shapes import MSO_SHAPE_TYPE as KIND
from pptx.util import Pt
from pptx_geometry import overflow, to_pdf, words

from coursebuild import fonts
from coursebuild.errors import CourseError
from coursebuild.measure import lines
from coursebuild.pptx.check import problems
from coursebuild.pptx.fit import WIDER, caption_size
from coursebuild.shown import Sources, clean, plain_markdown, safe_link
from coursebuild.steps.pptx import pptx

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
TEXT = "{http://schemas.openxmlformats.org/drawingml/2006/main}t"


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> dict[str, Path]:
    return sample_deck.make_with_geometry(tmp_path_factory.mktemp("sample"))


def build(sample: dict[str, Path], target: Path, theme: str = "dark", **changed: Path | None) -> Path:
    inputs = {name: sample[name] for name in ("shown", "spoken", "geometry", "clips", "record")} | changed
    pptx(inputs, {"pptx": target}, {"theme": theme}, sample["cache"])
    return target


@pytest.fixture(scope="session")
def deck(sample, tmp_path_factory) -> Path:
    return build(sample, tmp_path_factory.mktemp("pptx") / "deck.pptx")


@pytest.fixture
def opened(deck):
    return Presentation(str(deck))


def notes_of(slide) -> str:
    return slide.notes_slide.notes_text_frame.text


def all_text(presentation) -> str:
    roots = [s._element for s in presentation.slides]
    return "\n".join("".join(t.text or "" for t in root.iter(TEXT)) for root in roots)


# ------------------------------------------------------------------ the file


def test_the_same_inputs_give_the_same_bytes_in_another_process(sample, deck, tmp_path):
    paths = {name: str(sample[name]) for name in ("shown", "spoken", "geometry", "clips", "record")}
    program = (
        "import sys, json; from pathlib import Path; from coursebuild.steps.pptx import pptx\n"
        f"pptx({{k: Path(v) for k, v in {paths!r}.items()}}, {{'pptx': Path({str(tmp_path / 'b.pptx')!r})}}, "
        f"{{'theme': 'dark'}}, Path({str(tmp_path / 'other_cache')!r}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent.parent)
    assert (tmp_path / "b.pptx").read_bytes() == deck.read_bytes()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_schema_validator_finds_nothing(sample, tmp_path, theme):
    path = build(sample, tmp_path / "deck.pptx", theme)
    tool = Path(sys.executable).with_name("openxml-audit")
    done = subprocess.run([tool, "-o", "json", "--policy", "strict", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[:2000]


def test_every_part_is_wellformed_and_every_relation_has_its_target(deck):
    with zipfile.ZipFile(deck) as package:
        names = set(package.namelist())
        assert not [n for n in names if "thumbnail" in n or "printerSettings" in n]
        for name in names:
            if not name.endswith((".xml", ".rels")):
                continue
            root = etree.fromstring(package.read(name))
            if name.endswith(".rels"):
                base = Path("/" + name).parent.parent
                for relation in root:
                    if relation.get("TargetMode") != "External":
                        target = (base / relation.get("Target")).as_posix()
                        target = re.sub(r"[^/]+/\.\./", "", target).lstrip("/")
                        assert target in names, (name, target)


def test_shape_ids_are_unique_on_each_slide(opened):
    for slide in opened.slides:
        ids = [e.get("id") for e in slide._element.iter(f"{P}cNvPr")]
        assert len(ids) == len(set(ids))


# ------------------------------------------------------------------ what people edit


def test_layouts_and_real_title_placeholders(opened):
    assert [lay.name for lay in opened.slide_layouts] == ["Title", "Content", "Two columns", "Title only", "Animation"]
    titles = [s.shapes.title.text_frame.text for s in opened.slides]
    assert titles[0] == "Backpropagation" and titles[3] == "Gradients flow back"
    assert opened.slides[1].slide_layout.name == "Content" and opened.slides[3].slide_layout.name == "Animation"
    body = next(p for p in opened.slides[1].placeholders if p.placeholder_format.idx == 1)
    assert [p.level for p in body.text_frame.paragraphs] == [0, 0, 1, 0]


def test_text_tables_and_code_are_native(opened):
    slides_ = list(opened.slides)
    assert "δ(l)" in all_text(opened)
    table = next(s for s in slides_[6].shapes if s.has_table).table
    assert table.cell(0, 2).text_frame.text == "Max slope" and table.cell(3, 3).text_frame.text.startswith("Passes")
    code = next(s for s in slides_[5].shapes if s.name.startswith("Code: "))
    expected = "\n".join("".join(text for text, _ in row) for row in sample_deck.CODE)
    assert code.text_frame.text == expected


def test_superscripts_and_links(opened):
    runs = [r for s in opened.slides[1].shapes if s.has_text_frame for p in s.text_frame.paragraphs for r in p.runs]
    raised = [r.text for r in runs if r._r.rPr is not None and r._r.rPr.get("baseline") == "30000"]
    assert "".join(raised) == "(l)"
    links = [r.hyperlink.address for r in runs if r.hyperlink.address]
    assert set(links) == {"https://www.nature.com/articles/323533a0?a=1&b=2"}
    relations = {r._r.rPr.hlinkClick.rId for r in runs if r.hyperlink.address}
    assert len(relations) == 1, "words of one link are one link"


def test_code_says_that_it_is_monospaced(opened):
    code = next(s for s in opened.slides[5].shapes if s.name.startswith("Code: "))
    run = code.text_frame.paragraphs[0].runs[0]
    faces = [e for e in run._r.rPr if etree.QName(e).localname in ("latin", "ea", "cs")]
    assert [(e.get("panose"), e.get("pitchFamily")) for e in faces] == [("02000009000000000000", "49")] * 3


def test_pictures_movies_and_tables_have_alt_text_and_the_rest_is_decorative(opened):
    seen = set()
    for slide in opened.slides:
        for shape in slide.shapes:
            properties = shape._element.xpath(".//p:cNvPr")[0]
            decorative = b"decorative" in etree.tostring(properties)
            if shape.shape_type in (KIND.PICTURE, KIND.MEDIA, KIND.TABLE) and not decorative:
                assert len(properties.get("descr", "")) > 10, shape.name
                seen.add(shape.shape_type)
    assert seen == {KIND.PICTURE, KIND.MEDIA, KIND.TABLE}


def test_formulas_are_bitmap_and_vector(deck):
    with zipfile.ZipFile(deck) as package:
        svgs = [n for n in package.namelist() if n.endswith(".svg")]
        assert len(svgs) == 2
        for name in svgs:
            assert etree.fromstring(package.read(name)).tag.endswith("svg")
        slide = package.read("ppt/slides/slide3.xml").decode()
    assert slide.count("svgBlip") >= 2 and r"LaTeX: \delta" in slide


def test_notes_hold_what_is_said_and_where_the_numbers_come_from(opened):
    text = notes_of(opened.slides[1])
    beats = text.split("\n")
    assert beats[0] == "Beat 0 of slide 2: every factor, δ⁽ˡ⁾ and p.grad."
    assert [b.count("[click]") for b in beats] == [0, 1, 1, 1, 0]
    assert beats[-1].startswith("Where the numbers come from: scripts/day04_sample.py (sha256 0123456789ab)")
    for fact in ("preset quick", "seed 7", "torch 2.5.1", "digits (scikit-learn, n = 1797)", "2025-01-02"):
        assert fact in beats[-1]


def test_sections_follow_the_kickers(deck):
    with zipfile.ZipFile(deck) as package:
        root = etree.fromstring(package.read("ppt/presentation.xml"))
    sections = [e for e in root.iter() if etree.QName(e).localname == "section"]
    assert [s.get("name") for s in sections] == ["Start", "The maths", "Evidence", "Check"]
    listed = [e.get("id") for s in sections for e in s.iter() if etree.QName(e).localname == "sldId"]
    assert listed == [e.get("id") for e in root.find(f"{P}sldIdLst")]


# ------------------------------------------------------------------ builds and the movie


def clicks(slide) -> list[list[tuple[str, int | None]]]:
    """The targets of each click of a slide's main sequence, as (shape name, paragraph)."""
    names = {str(s.shape_id): s.name for s in slide.shapes}
    main = [c for c in slide._element.iter(f"{P}cTn") if c.get("nodeType") == "mainSeq"]
    if not main:
        return []
    out = []
    for click in main[0].find(f"{P}childTnLst"):
        targets = []
        for target in click.iter(f"{P}spTgt"):
            paragraph = next((int(r.get("st")) for r in target.iter(f"{P}pRg")), None)
            targets.append((names[target.get("spid")], paragraph))
        out.append(targets)
    return out


def test_a_click_for_every_step(opened):
    steps = [sample_deck.last_step(blocks) for _, kind, _, blocks in sample_deck.contents() if kind != "animation"]
    found = [len(clicks(s)) for s in opened.slides if s.slide_layout.name != "Animation"]
    assert found == steps


def test_bullets_appear_in_step_order_and_the_answer_last(opened):
    assert clicks(opened.slides[1]) == [
        [("Bullets", 1), ("Bullets", 2)],
        [("Bullets", 3)],
        [("Callout", None), ("Callout edge", None)],
    ]
    answer = [name for name, _ in clicks(opened.slides[7])[0]]
    assert answer == ["Frame B", "Tick B", "Text"]


def test_the_movie_fills_the_slide_and_starts_by_itself(opened, sample):
    slide = opened.slides[3]
    movie = next(s for s in slide.shapes if s.shape_type == KIND.MEDIA)
    assert (movie.left, movie.top, movie.width, movie.height) == (0, 0, opened.slide_width, opened.slide_height)
    commands = [c.get("cmd") for c in slide._element.iter(f"{P}cmd")]
    assert commands == ["playFrom(0.0)", "togglePause"]
    relations = [r.target_part.blob for r in slide.part.rels.values() if not r.is_external and "media" in r.reltype]
    assert (sample["clips"] / "Flow.mp4").read_bytes() in relations
    poster = slide.part.related_part(movie._element.xpath(".//a:blip/@r:embed")[0])
    assert poster.blob == (sample["clips"] / "Flow_1.png").read_bytes()
    order = [s.shape_id for s in slide.shapes]
    assert order.index(slide.shapes.title.shape_id) < order.index(movie.shape_id)


# ------------------------------------------------------------------ faults are refused


def test_the_check_finds_seeded_faults(opened):
    assert problems(opened) == []
    second, third = opened.slides[1], opened.slides[2]
    callout = next(s for s in second.shapes if s.name == "Callout")
    callout.top -= Pt(40)
    formula = next(s for s in third.shapes if s.name == "Formula")
    formula.left = Pt(900)
    formula._element.xpath(".//p:cNvPr")[0].set("descr", "")
    next(iter(second._element.iter(f"{P}spTgt"))).set("spid", "999")
    found = "\n".join(problems(opened))
    assert "slide 2: 'Bullets' overlaps 'Callout'" in found
    assert "slide 3: 'Formula' leaves the slide" in found and "slide 3: 'Formula' has no alt text" in found
    assert "slide 2: a build points at shape 999" in found


def with_geometry(sample, tmp_path, change) -> Path:
    data = json.loads(sample["geometry"].read_text())
    change(data["blocks"])
    path = tmp_path / "geometry.json"
    path.write_text(json.dumps(data))
    return path


def test_the_build_refuses_overlap(sample, tmp_path):
    def raise_callout(blocks):
        blocks["s02b1"]["y"] = blocks["s02b0"]["y"] + 20

    geometry = with_geometry(sample, tmp_path, raise_callout)
    with pytest.raises(CourseError, match="slide 2: 'Bullets' overlaps 'Callout'"):
        build(sample, tmp_path / "deck.pptx", geometry=geometry)


def test_text_that_needs_more_lines_is_shrunk_then_refused(sample, tmp_path):
    def narrow(width):
        return lambda blocks: blocks["s03b1"].update(w=width)

    natural = build(sample, tmp_path / "a.pptx")
    tight = build(sample, tmp_path / "b.pptx", geometry=with_geometry(sample, tmp_path, narrow(500)))
    sizes = []
    for path in (natural, tight):
        shape = next(s for s in Presentation(str(path)).slides[2].shapes if s.name == "Text")
        sizes.append(shape.text_frame.paragraphs[0].runs[0].font.size.pt)
    assert sizes[0] == 23 and 18 <= sizes[1] < 23
    with pytest.raises(CourseError, match=r"needs .* points of height in PPTX"):
        build(sample, tmp_path / "c.pptx", geometry=with_geometry(sample, tmp_path, narrow(200)))


def test_missing_things_name_the_line_and_the_next_step(sample, tmp_path):
    with pytest.raises(CourseError, match="there is no clip of the scene `Flow`") as caught:
        build(sample, tmp_path / "deck.pptx", clips=None)
    assert caught.value.file == "lectures/day04_sample.md.j2" and caught.value.line
    empty = with_geometry(sample, tmp_path, lambda blocks: blocks.pop("s05b0"))
    with pytest.raises(CourseError, match="s05b0 has no place"):
        build(sample, tmp_path / "deck.pptx", geometry=empty)


def test_hostile_and_unwritable_text_survives(sample, tmp_path):
    shown = json.loads(sample["shown"].read_text())
    strange = sample_deck.UNWRITABLE + sample_deck.HOSTILE[:20]
    for block in shown["slides"][1]["blocks"]:
        block["step"] = 0
    shown["slides"][1]["blocks"][0]["items"][0]["spans"] = [{"k": "text", "t": strange}]
    shown["slides"][2]["kicker"] = shown["title"] = shown["run_line"] = "A\x00<&>\"']]>\ud800"
    path = tmp_path / "shown.json"
    path.write_text(json.dumps(shown))
    deck = Presentation(str(build(sample, tmp_path / "deck.pptx", shown=path)))
    text = all_text(deck)
    assert clean(strange) in text and "\ufffd" in text and "A\ufffd<&>\"']]>\ufffd" in text


@pytest.mark.parametrize(
    "href", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "//host/x", "x.html"]
)
def test_links_that_run_code_or_read_files_are_refused(href):
    with pytest.raises(CourseError, match="a link may not go to"):
        safe_link(href)


def test_links_become_valid_addresses():
    assert safe_link('https://a.b/c d"<>?q=1&r=ü#x') == "https://a.b/c%20d%22%3C%3E?q=1&r=%C3%BC#x"


def test_spoken_markdown_becomes_plain_text():
    spoken = r"**Bold** and *thin* `x_1`, [a link](https://a.b), $\alpha^2$; it costs \$5 and not $\nope$"
    assert plain_markdown(spoken) == r"Bold and thin x_1, a link, α²; it costs $5 and not $\nope$"


def test_folders_and_files_are_both_accepted(sample):
    files = {"record": sample["record"] / "record.json", "clips": sample["clips"] / "clips.json"}
    inputs = {name: sample[name] for name in ("shown", "spoken", "geometry")}
    assert Sources.load(inputs | files).record == Sources.load({**inputs, **sample}).record


# ------------------------------------------------------------------ LibreOffice draws it


@pytest.mark.office
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="needs LibreOffice")
def test_libreoffice_puts_every_word_into_its_box(sample, deck, tmp_path):
    presentation = Presentation(str(deck))
    pdf = to_pdf(deck, tmp_path, fonts.font_dir())
    assert overflow(presentation, pdf) == []
    pages = words(pdf)
    assert len(pages) == len(presentation.slides)
    assert {"Explain", "backward", "Gradients"} <= {w for w, _ in pages[1]}

    box = next(s for s in presentation.slides[1].shapes if s.name == "Callout")
    box.height = Pt(4)  # a seeded fault: the text is now outside of its box
    broken = tmp_path / "broken.pptx"
    presentation.save(str(broken))
    assert any("slide 2" in line for line in overflow(Presentation(str(broken)), pdf))


def test_a_caption_that_nearly_fills_its_line_leaves_room_for_a_wider_font():
    """Its source stands right below: a second line would lie on it."""
    text = "Loss on images that no network has seen while it was learning, one curve for each seed, again"
    shrunk = 0
    for end in range(20, len(text), 4):
        spans = [{"k": "text", "t": text[:end].strip()}]
        if lines(spans, 17, 700) == 1:
            size = caption_size(spans, 17, 700)
            assert 14 < size <= 17
            assert lines(spans, size, 700 / WIDER) == 1
            shrunk += size < 17
    assert shrunk


STAND_IN = Path("/usr/share/fonts/truetype/dejavu")  # what LibreOffice on Linux takes where Inter is missing; 9 % wider


@pytest.mark.office
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None or not STAND_IN.is_dir(), reason="needs LibreOffice and DejaVu")
def test_without_the_courses_fonts_nothing_collides(deck, tmp_path):
    pages = words(pdf := to_pdf(deck, tmp_path, STAND_IN))
    assert "Backpropagation" in {w for w, _ in pages[0]}, "the title of the cover is not broken"
    for number, places in enumerate(pages, 1):
        for i, (a, (x0, y0, x1, y1)) in enumerate(places):
            for b, (u0, v0, u1, v1) in places[i + 1 :]:
                across, down = min(x1, u1) - max(x0, u0), min(y1, v1) - max(y0, v0)
                over = across > 1 and down > 0.4 * min(y1 - y0, v1 - v0)  # boxes hold more than the letters
                assert not over or min(len(a), len(b)) < 3, f"slide {number}: {a!r} over {b!r}"
    listed = subprocess.run(["pdffonts", str(pdf)], capture_output=True, text=True, check=True).stdout
    assert "Inter" not in listed and "DejaVuSansMono" in listed, "code keeps to a monospaced font"
