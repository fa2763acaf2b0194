"""Hostile text: one table of it, through every output format, each read back by a program that is not ours.

A day whose title, metrics, claims, code, device, figure, syllabus and narration are attacks is built next to the same
day with harmless words. An attack that stays text changes no structure: the same elements, attributes, relations,
streams, cues and cells, with other words in them.
"""

from __future__ import annotations

import ast
import html.parser
import json
import re
import shutil
import subprocess
import sys
import unicodedata
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import av
import nbformat
import pytest
from click.testing import CliRunner
from lxml import etree
from pptx import Presentation

from coursebuild import fonts
from coursebuild.cli import main as command_line
from coursebuild.course import find_days, load_syllabus, misnamed
from coursebuild.errors import CourseError, printable
from coursebuild.files import write_json
from coursebuild.model import Figure, Record
from coursebuild.scaffold import create_day
from coursebuild.steps.film import film
from coursebuild.steps.handout import handout
from coursebuild.steps.html import html as html_slides
from coursebuild.steps.lecture import lecture
from coursebuild.steps.narrate import narrate
from coursebuild.steps.notebook import make_notebook
from coursebuild.steps.page import page
from coursebuild.steps.pptx import pptx
from coursebuild.steps.site import site
from coursebuild.steps.slides import slides
from coursebuild.steps.timeline import timeline

HOSTILE = [
    "<script>window.hit=1</script>",
    "'\"><img src=x onerror=window.hit=2>",
    "</style></title></textarea><svg onload=window.hit=3>",
    "]]> --> <!-- <?xml version='1.0'?> &hit; &lt;b&gt;",
    "[x](javascript:window.hit=4) ![y](http://evil.example/)",
    "<https://evil.example/a> http://evil.example/b",
    "**bold** `code` $x^2$ $$y$$ ~~no~~ ::: key",
    '#read("/etc/passwd") #import "@preview/x:0.1.0": y',
    '"]) #sys.inputs \\u{41} $ cal(A) $ <label> @ref',
    "{{ 7*7 }} {% raw %} {# no #} ${HOME} $(id) `id`",
    "_x000D_ _x0041_ %n %s =1+1",
    "a --> b <c.red> <v Bob> {\\an8} NOTE 00:00.000",
    ";FFMETADATA1 [CHAPTER] title=x file=/etc/passwd",
    "''' \"\"\" \\ # %% [markdown] !id %%bash",
    "-rf ../../etc/passwd C:\\x | > /dev/null && x",
    "[pause 9] 1. one - two + three * four # five",
]
HARMLESS = "some harmless words and 12 more"
MESSAGES = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "a\rb",
    "\u202egnp.exe",
    "\x9b1m",
    "\ud83d",
    "\ue000",
    "x\x00y",
    "\u2028z",
]
# What `code`, **bold** and $formulas$ of a claim or of the syllabus may become on the page; none has an address.
INERT = {"b", "i", "code", "math", "mi", "mn", "mo", "mrow", "msup", "mtext"}
FORMULA = re.compile(r"[\u2060\u200b\u00ad]")
SPACE = re.compile(r"\s+")


def attack(n: int) -> str:
    return HOSTILE[n % len(HOSTILE)]


def script_of(words: list[str]) -> str:
    """A script whose code on the slide, comments and texts are the words."""
    rows = "".join(f"    b = {text!r}\n" for text in words[:2])
    marks = "".join(f"# {text}\n" for text in words)
    return f'# %%\n"""Nothing."""\nimport helper\n\n# %% [markdown]\n{marks}\n# %%\ndef attack():\n{rows}    return b\n'


LECTURE = """\
---
day: 4
title: {title}
subtitle: {title}
---
> Welcome. {{{{ run.h00 }}}}

# {{{{ run.h01 }}}}
"""
SLIDE = """
## {{{{ run.h{a:02d} }}}}

- {{{{ run.h{a:02d} }}}}
- **{{{{ run.h{b:02d} }}}}**

| a {{{{ run.h{a:02d} }}}} |
|---|
| {{{{ run.h{b:02d} }}}} |

::: key {{{{ run.h{b:02d} }}}}
{{{{ run.h{a:02d} }}}}
:::

> It says {{{{ run.h{a:02d} }}}}. And {{{{ run.h{b:02d} }}}}.
"""
LAST = """
## Code and figure

{{{{ code("attack", label="f " ~ run.h00) }}}}

> Code.

## Figure

{{{{ figure("loss", alt="A figure of " ~ run.h01, caption="Of " ~ run.h02, width=300, height=150) }}}}

> Figure.

## Read

{{{{ references() }}}}

- [ ] {{{{ run.h03 }}}}
- [x] {{{{ run.h04 }}}}

> Read.

> Yes.
"""


PRODUCTS = {"html": "day.html", "pptx": "day.pptx", "pdf": "day.pdf", "handout": "handout.pdf", "vtt": "day.vtt"}
PRODUCTS |= {
    "srt": "day.srt",
    "film": "day.mp4",
    "page": "index.html",
    "site": "site.html",
    "timeline": "timeline.json",
}
PRODUCTS |= {"script": "day04_hostile.py"}


@dataclass
class Built:
    folder: Path
    words: list[str]

    def __getattr__(self, name: str) -> Path:
        return self.folder / PRODUCTS[name]


def build_day(folder: Path, words: list[str]) -> Built:
    """Every product of a day that is made of these words; no engine, no voice."""
    made, cache = Built(folder, words), folder.parent / "cache"
    source, script, record = folder / "day04_hostile.md.j2", made.script, folder / "record" / "record.json"
    title = json.dumps(words[0])
    bodies = "".join(SLIDE.format(a=n, b=n + 1) for n in range(0, len(words), 2))
    source.write_text(LECTURE.format(title=title) + bodies + LAST.format())
    script.write_text(script_of(words))
    (folder / "helper.py").write_text(f"X = {words!r}\n# {words[13]}\n".replace("'''", '"'))
    measure(record, words)
    entry = dict.fromkeys(("objectives", "concepts", "tools", "learnings"), words)
    entry |= {
        "references": [{"kind": w, "text": w, "url": "https://a.example/"} for w in words[:3]],
        "week": 1,
        "day": 4,
    }
    entry |= {"title": words[1], "errata": [{"syllabus": w, "correct": w, "source": w} for w in words[:4]]}
    spoken, shown, silent = folder / "spoken.json", folder / "shown.json", {"voice": "silent"}
    inputs = {"lecture": source, "script": script, "record": record}
    told = {"shown": shown, "spoken": spoken, "scenes": folder / "scenes.json"}
    lecture(inputs, told, {"course": words[2], "syllabus": entry}, cache)
    narrate({"spoken": spoken}, {"speech": folder / "speech"}, silent, cache)
    speech = {"speech": folder / "speech" / "speech.json"}
    deck = {"shown": shown, "record": record}
    frames, geometry = folder / "frames", folder / "geometry.json"
    look = {"quality": "draft", "theme": "dark"}
    slides(deck, {"frames": frames, "pdf": made.pdf, "geometry": geometry}, look, cache)
    said = deck | {"spoken": spoken}
    handout(said, {"handout": made.handout}, {"theme": "light"}, cache)
    html_slides(said | {"geometry": geometry}, {"html": made.html}, look, cache)
    pptx(said | {"geometry": geometry}, {"pptx": made.pptx}, look, cache)
    timeline(speech, {"timeline": made.timeline, "vtt": made.vtt, "srt": made.srt}, {}, cache)
    plan = {"timeline": made.timeline}
    moving = plan | speech | {"frames": frames / "frames.json"} | deck
    film(moving, {"film": made.film, "poster": folder / "poster.png"}, {"quality": "draft"}, cache)
    files = {"film": "day.mp4", "pptx": "day.pptx", "vtt": "day.vtt"}
    near = {"previous": {"day": 3, "title": words[3], "href": "../day03/index.html"}, "next": None}
    params = {
        "files": files,
        "syllabus": entry,
        "credits": words,
        "repository": "https://github.com/a/b",
        "branch": "main",
        **near,
    }
    page(
        said | plan | speech | {"poster": folder / "poster.png", "vtt": made.vtt, "pptx": made.pptx},
        {"page": made.page},
        params,
        cache,
    )
    cards = {"shown4": shown, "timeline4": made.timeline, "page4": made.page, "poster4": folder / "poster.png"}
    plans = {"weeks": [{"week": 1, "title": words[4]}], "days": [{"day": 5, "week": 1, "title": words[5]}]}
    site(cards, {"index": made.site}, {"course": words[2], "syllabus": plans}, cache)
    return made


def measure(file: Path, words: list[str]) -> None:
    (file.parent / "figures").mkdir(parents=True)
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="200pt" height="100pt"><rect width="9" height="9"/></svg>'
    from PIL import Image

    for theme in ("dark", "light"):
        (file.parent / "figures" / f"loss.{theme}.svg").write_text(svg)
        Image.new("RGB", (20, 10)).save(file.parent / "figures" / f"loss.{theme}.png")
    provenance = dict.fromkeys(("script", "script_sha256", "preset", "device", "python", "date"), words[0])
    provenance |= {
        "device": words[3][:30],
        "packages": {words[1]: words[2]},
        "settings": {words[4]: words[5]},
        "seconds": 1.5,
    }
    provenance |= {"data": [{"name": words[6], "source": "javascript:window.hit=5", "n": 3}], "seed": words[7]}
    metrics = {f"h{i:02d}": text for i, text in enumerate(words)} | {words[8]: [words[9]]}
    claims = {text: bool(i % 2) for i, text in enumerate(dict.fromkeys(words))}
    Record(4, "hostile", metrics, claims, {"loss": Figure(200, 100, 3, {})}, {}, "", provenance).save(file)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, Built]:
    """(the attacked day, the harmless one)."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "bad").mkdir()
    (folder / "good").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fonts, "woff2", lambda *_: b"wOF2")  # cutting fonts is most of the time, and none of the question
        return build_day(folder / "bad", HOSTILE), build_day(folder / "good", [HARMLESS] * len(HOSTILE))


def bare(text: str) -> str:
    """Letters, digits and signs without blanks and without the invisible joiners that some formats need."""
    return SPACE.sub("", unicodedata.normalize("NFKC", FORMULA.sub("", text)))


def holds_all(text: str, words: list[str], but: tuple[str, ...] = ()) -> None:
    found = bare(text)
    missing = [w for w in words if bare(w) not in found and w not in but]
    assert not missing, missing


# ------------------------------------------------------------------ HTML: slides, page, front page


class Markup(html.parser.HTMLParser):
    """What a browser would see: elements with their attributes, addresses, text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple] = []
        self.addresses: set[str] = set()
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, *sorted(name for name, _ in attrs)))
        for name, value in attrs:
            if name in ("href", "src", "poster", "action", "formaction", "data", "srcdoc", "xlink:href"):
                self.addresses.add((value or "").strip())
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment", data[:40]))

    def handle_decl(self, decl: str) -> None:
        self.elements.append(("declaration", decl))

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.text).append(data)


@pytest.mark.parametrize("name", ["html", "page", "site"])
def test_html_has_the_same_elements_whatever_the_words_say(both, name: str) -> None:
    bad, good = (Markup(getattr(day, name).read_text()) for day in both)
    more = {element for element in set(bad.elements) - set(good.elements) if element[0] not in INERT}
    assert not more
    if name == "html":
        assert bad.elements == good.elements
    assert bad.scripts == good.scripts
    schemes = {urlsplit(a).scheme for a in bad.addresses}
    assert schemes <= {"https", "data", ""} and not [
        a for a in bad.addresses if "evil.ex" in a or a.startswith("javascript")
    ]
    assert not [e for e in bad.elements for attribute in e[1:] if attribute.startswith("on") or attribute == "srcdoc"]
    holds_all("".join(bad.text), {"html": HOSTILE, "page": HOSTILE, "site": [HOSTILE[i] for i in (0, 2, 4, 5)]}[name],
              but=(HOSTILE[6], HOSTILE[9]) if name == "page" else ())  # fmt: skip
    policy = 'http-equiv="Content-Security-Policy"'
    assert name != "html" or (policy in both[0].html.read_text() and "unsafe-eval" not in both[0].html.read_text())


@pytest.mark.browser
@pytest.mark.parametrize("name", ["html", "page", "site"])
def test_a_browser_runs_nothing_and_asks_for_nothing(both, name: str) -> None:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        asked, dialogs = [], []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        tab.goto(getattr(both[0], name).as_uri())
        tab.wait_for_timeout(300)
        assert tab.evaluate("window.hit") is None and not dialogs
        assert not [url for url in asked if urlsplit(url).scheme not in ("file", "data", "blob")]
        names = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
        assert not [name for name in tab.evaluate(names) if name.startswith("on")]
        browser.close()


# ------------------------------------------------------------------ PPTX


def texts_of(file: Path) -> str:
    found = []
    for slide in Presentation(str(file)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                found.append(shape.text_frame.text)
            if shape.has_table:
                found += [cell.text for row in shape.table.rows for cell in row.cells]
            found.append(shape._element.xpath(".//p:cNvPr")[0].get("descr") or "")
        found.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(found)


def test_pptx_is_the_same_but_for_its_words(both) -> None:
    holds_all(texts_of(both[0].pptx), HOSTILE)
    shapes = []
    for day in both:
        with zipfile.ZipFile(day.pptx) as archive:
            names = archive.namelist()
            trees = {n: etree.fromstring(archive.read(n)) for n in names if n.endswith((".xml", ".rels"))}
        shapes.append(sorted(names))
        for name, tree in trees.items():
            for relation in tree.iter("{*}Relationship"):
                if relation.get("TargetMode") == "External":
                    assert urlsplit(relation.get("Target")).scheme == "https", name
            for text in tree.iter("{http://schemas.openxmlformats.org/drawingml/2006/main}t"):
                assert not re.search(r"_x[0-9A-Fa-f]{4}_", text.text or ""), "PowerPoint would read a control character"
            assert not [e for e in tree.iter("{*}hlinkClick") if e.get("action")], name
    assert shapes[0] == shapes[1]


def test_a_schema_validator_accepts_the_attacked_pptx(both) -> None:
    tool = Path(sys.executable).with_name("openxml-audit")
    done = subprocess.run([tool, "-o", "json", "--policy", "strict", both[0].pptx], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[:2000]


# ------------------------------------------------------------------ Typst: frames, PDF, handout


@pytest.mark.parametrize("name", ["pdf", "handout"])
def test_typst_shows_the_words_and_obeys_none(both, name: str) -> None:
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext is not installed")
    file = getattr(both[0], name)
    text = subprocess.run(["pdftotext", "-raw", file, "-"], capture_output=True, text=True, check=True).stdout
    holds_all(text, HOSTILE)
    assert "root:x:0" not in text and "daemon" not in text
    for option, allowed in (("-js", ()), ("-url", ("https://a.example/",))):
        told = subprocess.run(["pdfinfo", option, file], capture_output=True, text=True, check=True).stdout
        addresses = {word for line in told.splitlines() for word in line.split() if ":" in word}
        assert addresses <= set(allowed), "a script, or an address that nobody wrote as one"


# ------------------------------------------------------------------ the film, its chapters and captions


def streams(file: Path) -> dict:
    command = ["ffprobe", "-v", "error", "-show_chapters", "-show_format", "-show_streams", "-of", "json", file]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="ffprobe is not installed")
def test_the_film_has_the_same_parts_and_its_titles_are_the_words(both) -> None:
    bad, good = (streams(day.film) for day in both)
    kinds = [[(s["codec_type"], s["codec_name"]) for s in told["streams"]] for told in (bad, good)]
    assert kinds[0] == kinds[1]
    assert [c["tags"].keys() for c in bad["chapters"]] == [c["tags"].keys() for c in good["chapters"]]
    titles = [c["tags"]["title"] for c in bad["chapters"]]
    assert set(HOSTILE[::2]) <= set(titles)
    assert bad["format"]["tags"].keys() == good["format"]["tags"].keys()
    assert bad["format"]["tags"]["title"] == f"Day 4: {HOSTILE[0]}" and bad["format"]["tags"]["album"] == HOSTILE[2]


@pytest.mark.parametrize("kind", ["vtt", "srt", "film"])
def test_captions_are_words(both, kind: str) -> None:
    """Read by FFmpeg's demuxers through PyAV; a cue that a text had made or broken would be one too many."""
    wanted = sum(len(b["sentences"]) for s in json.loads(both[0].timeline.read_text())["slides"] for b in s["beats"])
    with av.open(str(getattr(both[0], kind))) as file:
        stream = file.streams.subtitles[0]
        packets = [bytes(p) for p in file.demux(stream) if p.size > 2]
    texts = [p[2:].decode() if kind == "film" else p.decode() for p in packets]
    assert len(texts) >= wanted
    text = "".join(texts)
    if kind == "vtt":
        assert "<" not in text.replace("&lt;", "") and not re.search(r"&(?!amp;|lt;|gt;)", text)
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    if kind == "srt":
        assert not re.search(r"<[a-zA-Z/]|\{\\", text)
    holds_all(text, [w for i, w in enumerate(HOSTILE) if i != 15])  # sentences of a long text are cues of their own


# ------------------------------------------------------------------ the notebook


def test_the_notebook_has_the_cells_of_the_script(both) -> None:
    found = [make_notebook(day.script, "https://github.com/a/b", "main") for day in both]
    for made in found:
        nbformat.validate(nbformat.reads(nbformat.writes(made), as_version=4))
        assert not [c for c in made.cells if c.cell_type == "raw" or c.get("outputs")]
    assert [c.cell_type for c in found[0].cells] == [c.cell_type for c in found[1].cells]
    setup = next(c.source for c in found[0].cells if c.source.startswith("#@title"))
    assigned = [
        n for n in ast.parse(setup).body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Subscript)
    ]
    texts = {n.targets[0].slice.value: n.value.value for n in assigned}
    assert texts == {"helper.py": (both[0].folder / "helper.py").read_text()}


@pytest.mark.parametrize(
    "text", ["x = 1 '''\n", "x = '''a'''\n", "x = 'a'", "x = 1 # '", "x = 1 \\", "''\n'", "r'''\nimport os\n'''"]
)
def test_a_helper_cannot_leave_its_string(tmp_path: Path, text: str) -> None:
    (tmp_path / "helper.py").write_text(text)
    script = tmp_path / "day04_toy.py"
    script.write_text("# %%\nimport helper\n")
    try:
        made = make_notebook(script, "a/b", "main")
    except CourseError as error:
        assert error.file == str(tmp_path / "helper.py") and error.line
        return
    scope: dict = {}
    code = made.cells[1].source.partition("for name, text")[0]
    exec(compile(code, "cell", "exec"), scope)
    assert scope["files"] == {"helper.py": text}


def test_marks_of_cells_inside_a_text_make_no_cell(tmp_path: Path) -> None:
    script = tmp_path / "day04_toy.py"
    script.write_text('# %%\nx = """\n# %%\n# %% [markdown]\n# %% [raw]\n"""\n')
    made = make_notebook(script, "a/b", "main")
    assert [c.cell_type for c in made.cells] == ["markdown", "code"]


# ------------------------------------------------------------------ names of files, and the terminal


@pytest.mark.parametrize(
    "slug",
    ["../evil", "..", ".", "a/b", "a b", "-rf", "Ünï", "a.b", "", "a\n", "a\x00", "A", "x" * 300, "$(id)", "a;b"],
)
def test_slugs_are_small_letters(tmp_path: Path, slug: str) -> None:
    (tmp_path / "lectures").mkdir()
    (tmp_path / "lectures" / "syllabus.yaml").write_text("weeks: []\ndays: []\n")
    with pytest.raises(CourseError) as caught:
        create_day(5, slug, tmp_path)
    assert "no name for a day" in str(caught.value) and "letters" in caught.value.hint
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["lectures", "syllabus.yaml"]


def test_files_with_hostile_names_are_told_and_not_used(tmp_path: Path) -> None:
    (tmp_path / "lectures").mkdir()
    for name in ("day05_ü.md.j2", "day05_\x1b[31m.md.j2", "day-5.md.j2", "day05_a b.md.j2"):
        (tmp_path / "lectures" / name).write_text("")
    assert find_days(tmp_path) == {}
    told = "\n".join(map(str, misnamed(tmp_path)))
    assert told.count("not named like a day") == 4 and "\x1b" not in told and "\\x1b[31m" in told


@pytest.mark.parametrize("text", MESSAGES)
def test_messages_show_escapes_and_obey_none(text: str) -> None:
    error = CourseError(f"no metric `{text}`", file=f"/x/{text}.md", line=3, hint=f"did you mean `{text}`?")
    for shown in (str(error), printable(text)):
        shown.encode()
        assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Co", "Zl", "Zp") and c != "\n"]
        assert "\u202e" not in shown
    assert "\\" in str(error)


def test_the_command_line_shows_escapes(tmp_path: Path) -> None:
    for arguments in (
        ["\x1b[31m4"],
        ["4", "--set", "\x1b[2Jx=1"],
        ["--only", "\x1b[31mslides"],
        ["4", "--voice", "\x1b]0;x\x07"],
    ):
        result = CliRunner().invoke(command_line, [*arguments, "--out", str(tmp_path)])
        assert result.exit_code == 1 and "\x1b" not in result.output and "\\x1b" in result.output
    write_json(tmp_path / "record.json", {"\x1b[31m": 1})
    with pytest.raises(CourseError) as caught:
        Record.load(tmp_path / "record.json")
    assert "\x1b" not in str(caught.value)


def test_a_record_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    record = Record(
        4,
        "x",
        {"a": 1},
        {},
        {"../../etc/passwd": Figure(1, 1, 1, {})},
        {},
        "",
        {"preset": "", "device": "", "date": ""},
    )
    record.save(tmp_path / "record.json")
    with pytest.raises(CourseError, match="cannot name a file"):
        Record.load(tmp_path / "record.json")


def test_an_address_in_the_syllabus_leads_to_the_web(tmp_path: Path) -> None:
    (tmp_path / "lectures").mkdir()
    text = "weeks: []\ndays:\n- day: 1\n  title: T\n  references:\n"
    text += "  - {kind: Book, text: x,\n     url: 'javascript:alert(1)'}\n"
    (tmp_path / "lectures" / "syllabus.yaml").write_text(text)
    with pytest.raises(CourseError, match="no web address") as caught:
        load_syllabus(tmp_path)
    assert caught.value.line == 7
