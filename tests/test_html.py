"""The HTML slides: what the file holds, and what Chromium does with it, offline and from file://."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sample_deck
from lxml import etree

from coursebuild.errors import CourseError
from coursebuild.steps.html import html, mathml

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]
INPUTS = ("shown", "spoken", "geometry", "clips", "record")


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> dict[str, Path]:
    return sample_deck.make_with_geometry(tmp_path_factory.mktemp("sample"))


def build(sample: dict[str, Path], target: Path, theme: str = "dark", **changed: Path | None) -> Path:
    html({n: sample[n] for n in INPUTS} | changed, {"html": target}, {"theme": theme}, sample["cache"])
    return target


@pytest.fixture(scope="module")
def deck(sample, tmp_path_factory) -> Path:
    return build(sample, tmp_path_factory.mktemp("html") / "deck.html")


class Reader(HTMLParser):
    """Elements with their attributes, and the text of each <section>, as Python's own parser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[str, str] = {}
        self.section = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag == "section":
            self.section = dict(attrs)["id"]
            self.text[self.section] = ""

    def handle_data(self, data):
        if self.section:
            self.text[self.section] += data


@pytest.fixture(scope="module")
def read(deck) -> Reader:
    return Reader(deck.read_text(encoding="utf-8"))


# ------------------------------------------------------------------ the file


def test_the_same_inputs_give_the_same_bytes_in_another_process(sample, deck, tmp_path):
    inputs = {name: str(sample[name]) for name in INPUTS}
    program = (
        "from pathlib import Path; from coursebuild.steps.html import html\n"
        f"html({{k: Path(v) for k, v in {inputs!r}.items()}}, {{'html': Path({str(tmp_path / 'b.html')!r})}}, "
        f"{{'theme': 'dark'}}, Path({str(tmp_path / 'cache')!r}))"
    )
    environment = {"PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    environment |= {k: v for k, v in __import__("os").environ.items() if k.startswith(("DL50", "XDG", "PIP"))}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent.parent, env=environment)
    assert (tmp_path / "b.html").read_bytes() == deck.read_bytes()


def test_nothing_is_loaded_from_elsewhere(read):
    for tag, attributes in read.elements:
        for name in ("src", "poster", "data", "srcset"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, name)
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]


def test_the_policy_allows_our_scripts_by_digest_and_no_others(read, deck):
    policy = next(a["content"] for t, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    allowed = policy.partition("script-src ")[2]
    assert "unsafe" not in allowed and allowed.count("'sha256-") == 4
    import hashlib

    page = deck.read_text(encoding="utf-8")
    for script in re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert digest in allowed


def test_licences_travel_with_the_file(deck):
    page = deck.read_text(encoding="utf-8")
    assert "reveal.js 5.2.0" in page and "Permission is hereby granted, free of charge" in page
    assert "SIL Open Font License 1.1" in page


def test_a_fragment_for_every_step_and_an_address_for_every_slide(read):
    sections = [a["id"] for t, a in read.elements if t == "section"]
    assert sections == [f"s{n:02d}" for n in range(1, len(sections) + 1)]
    found: dict[str, set[int]] = {}
    here = ""
    for tag, attributes in read.elements:
        here = attributes["id"] if tag == "section" else here
        if "fragment" in attributes.get("class", "").split():
            found.setdefault(here, set()).add(int(attributes["data-fragment-index"]))
    for n, (_, kind, _, blocks) in enumerate(sample_deck.contents(), 1):
        steps = 1 if kind == "animation" else sample_deck.last_step(blocks)  # the clip has two sections
        assert found.get(f"s{n:02d}", set()) == set(range(1, steps + 1)), n


def test_lecture_text_is_text_never_markup(read):
    assert sample_deck.HOSTILE in " ".join(read.text["s09"].split())
    scripts = [t for t, _ in read.elements if t == "script"]
    assert len(scripts) == 3
    assert "49" not in read.text["s09"]


def test_hostile_attributes_labels_and_unwritable_characters(sample, tmp_path):
    shown = json.loads(sample["shown"].read_text())
    evil = '"><img src=x onerror=alert(1)>\x00\ud800'
    slides = shown["slides"]
    slides[4]["blocks"][0] |= {"alt": evil, "source": evil}
    slides[5]["blocks"][0]["cols"][0][0]["label"] = evil
    slides[6]["blocks"][0]["alt"] = slides[6]["blocks"][1]["label"] = slides[1]["kicker"] = shown["title"] = evil
    path = tmp_path / "shown.json"
    path.write_text(json.dumps(shown))
    page = Reader(build(sample, tmp_path / "deck.html", shown=path).read_text(encoding="utf-8"))
    assert not [a for t, a in page.elements if "onerror" in a or a.get("src") == "x"]
    assert [a["alt"] for t, a in page.elements if t == "img" and a["alt"]] == [
        evil.translate({0: 0xFFFD, 0xD800: 0xFFFD})
    ]


def test_dangerous_links_are_refused(sample, tmp_path):
    shown = json.loads(sample["shown"].read_text())
    shown["slides"][1]["blocks"][0]["items"][0]["spans"] = [{"k": "text", "t": "x", "href": "javascript:alert(1)"}]
    path = tmp_path / "shown.json"
    path.write_text(json.dumps(shown))
    with pytest.raises(CourseError, match="a link may not go to"):
        build(sample, tmp_path / "deck.html", shown=path)


def test_notes_are_for_the_speaker(read):
    assert "Beat 0 of slide 2: every factor, δ⁽ˡ⁾ and p.grad." in read.text["s02"]
    assert "Where the numbers come from: scripts/day04_sample.py" in read.text["s02"]


@pytest.mark.parametrize(
    "tex", [r"\delta^{(l)}", r"a < b \mathbin{\&} c", r"\text{x y}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"]
)
def test_formulas_are_mathml_with_a_label(tex):
    root = etree.fromstring(str(mathml(tex, True)))
    assert root.get("aria-label") and root.get("display") == "block"
    assert {etree.QName(e).namespace for e in root.iter()} == {"http://www.w3.org/1998/Math/MathML"}


# ------------------------------------------------------------------ Chromium opens it

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
browser_test = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


def until(page, expression: str, seconds: float = 30) -> None:
    """Wait for an expression to hold. Playwright's own wait uses eval, which the deck's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.05)


class Opened:
    """The deck in a page of its own, offline, with all that went wrong in `log`."""

    def __init__(self, browser, path: Path, **options) -> None:
        self.context = browser.new_context(viewport={"width": 960, "height": 540}, **options)
        self.context.set_offline(True)
        self.log: list[str] = []
        self.page = self.context.new_page()
        self.watch(self.page)
        self.page.goto(path.as_uri())
        until(self.page, "window.Reveal && Reveal.isReady()")
        self.page.evaluate("document.fonts.ready")

    def watch(self, page) -> None:
        page.on("console", lambda m: self.log.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.log.append(str(e)))
        page.on(
            "request", lambda r: self.log.append(r.url) if not r.url.startswith(("data:", "blob:", "file:")) else None
        )

    def go(self, slide: int) -> None:
        self.page.evaluate(f"Reveal.slide({slide - 1}, 0, 99)")


@pytest.fixture
def opened(browser, deck):
    found = Opened(browser, deck)
    yield found
    found.context.close()


OVERFLOW = """() => [...Reveal.getCurrentSlide().querySelectorAll('.block, h1, h2:not(.sr), .footer, .kicker')]
  .filter(e => e.scrollHeight > e.clientHeight + 4 || e.scrollWidth > e.clientWidth + 2)
  .map(e => `${e.className || e.tagName} ${e.scrollWidth}>${e.clientWidth} ${e.scrollHeight}>${e.clientHeight}`)"""
FORMULAS = """() => [...Reveal.getCurrentSlide().querySelectorAll('.block.math')]
  .map(b => [b.dataset.id, b.querySelector('math').getBoundingClientRect().width])"""
TEXTS = "[...Reveal.getCurrentSlide().querySelectorAll('.block.bullets, .block.para')].map(b => b.dataset.id)"
OVERLAP = """() => {
  const out = [], s = Reveal.getCurrentSlide(), zoom = 960 / s.getBoundingClientRect().width;
  const all = [...s.querySelectorAll('.block, h1, h2:not(.sr), .kicker, .footer, .subtitle, .run')];
  for (const [i, a] of all.entries()) for (const b of all.slice(i + 1)) {
    const r = a.getBoundingClientRect(), q = b.getBoundingClientRect();
    const w = Math.min(r.right, q.right) - Math.max(r.left, q.left);
    const h = Math.min(r.bottom, q.bottom) - Math.max(r.top, q.top);
    if (w * zoom > 1 && h * zoom > 5) out.push(`${a.className || a.tagName} over ${b.className || b.tagName}: ${h}`);
  }
  return out;
}"""


@browser_test
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_no_slide_overflows_and_nothing_goes_wrong(browser, sample, tmp_path, theme):
    found = Opened(browser, build(sample, tmp_path / "deck.html", theme))
    total = found.page.evaluate("Reveal.getTotalSlides()")
    assert total == len(sample_deck.contents())
    for slide in range(1, total + 1):
        found.go(slide)
        assert found.page.evaluate(OVERFLOW) == [], slide
        assert found.page.evaluate(OVERLAP) == [], slide
    families = found.page.evaluate("[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)")
    assert {"Inter", "JetBrains Mono", "STIX Two Math"} <= {family.strip('"') for family in families}
    assert found.log == []
    found.context.close()


@browser_test
@pytest.mark.browser
@pytest.mark.slow
def test_what_a_browser_sets_larger_than_the_layout_engine_is_set_smaller(browser, opened, sample, tmp_path):
    squeezed = json.loads(sample["geometry"].read_text())
    boxes = squeezed["blocks"]
    for slide in range(1, opened.page.evaluate("Reveal.getTotalSlides()") + 1):
        opened.go(slide)
        for block, width in opened.page.evaluate(FORMULAS):
            boxes[block]["w"] = 0.8 * width
        for block in opened.page.evaluate(TEXTS):
            boxes[block]["h"] *= 0.85
    geometry = tmp_path / "geometry.json"
    geometry.write_text(json.dumps(squeezed))
    found = Opened(browser, build(sample, tmp_path / "deck.html", geometry=geometry))
    formulas = 0
    for slide in range(1, found.page.evaluate("Reveal.getTotalSlides()") + 1):
        found.go(slide)
        assert [line for line in found.page.evaluate(OVERFLOW) if "math" not in line] == [], slide
        for block, width in found.page.evaluate(FORMULAS):
            formulas += 1
            assert 0.9 * boxes[block]["w"] < width < 1.01 * boxes[block]["w"]
    assert formulas > 1 and found.log == []
    found.context.close()


@browser_test
@pytest.mark.browser
@pytest.mark.slow
def test_keys_reveal_step_by_step_and_links_reach_a_slide(opened, deck):
    page = opened.page
    page.goto(deck.as_uri() + "#/s02")
    until(page, "Reveal.isReady() && Reveal.getIndices().h === 1")
    seen = []
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        seen.append(page.locator("#s02 .fragment.visible").count())
    assert seen == [2, 3, 4]
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getCurrentSlide().id") == "s03"
    link = page.locator("#s02 a")
    assert (
        link.get_attribute("href").startswith("https://www.nature.com/")
        and link.get_attribute("rel") == "noopener noreferrer"
    )


@browser_test
@pytest.mark.browser
@pytest.mark.slow
def test_the_quiz_shows_its_answer_on_the_next_key(opened):
    page = opened.page
    page.evaluate("Reveal.slide(7, 0, -1)")
    tick = page.locator("#s08 .right")
    assert tick.evaluate("e => getComputedStyle(e).visibility") == "hidden"
    page.keyboard.press("ArrowRight")
    assert tick.evaluate("e => getComputedStyle(e).visibility") == "visible"


@browser_test
@pytest.mark.browser
@pytest.mark.slow
def test_the_clip_plays_section_by_section(opened):
    page = opened.page
    page.evaluate("Reveal.slide(3, 0, -1)")
    until(page, "document.querySelector('#s04 video').currentTime > 1.0")
    until(page, "document.querySelector('#s04 video').paused")
    state = "(v => [v.currentTime, v.duration, v.videoWidth, v.error, v.muted])(document.querySelector('#s04 video'))"
    now, duration, width, error, muted = page.evaluate(state)
    assert 1.4 < now < 1.75 and abs(duration - 3) < 0.1 and (width, error, muted) == (480, None, True)
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('#s04 video').currentTime > 2.8")
    assert page.evaluate("Reveal.getCurrentSlide().id") == "s04"
    box = page.locator("#s04 video").bounding_box()
    assert (round(box["width"]), round(box["height"])) == (960, 540)
    assert page.locator("#s04 h2").inner_text() == "Gradients flow back"
    assert opened.log == []


@browser_test
@pytest.mark.browser
@pytest.mark.slow
def test_reduced_motion_is_respected(browser, deck):
    found = Opened(browser, deck, reduced_motion="reduce")
    found.page.evaluate("Reveal.slide(3, 0, -1)")
    until(found.page, "document.querySelector('#s04 video').currentTime > 1.3")  # the section's last picture
    assert found.page.evaluate("document.querySelector('#s04 video').paused")
    found.context.close()


@browser_test
@pytest.mark.browser
@pytest.mark.slow
def test_the_speaker_view_shows_notes_and_drives_the_deck(opened):
    opened.page.evaluate("Reveal.slide(1, 0, -1)")
    with opened.context.expect_page() as popup:
        opened.page.keyboard.press("s")
    speaker = popup.value
    opened.watch(speaker)
    until(
        speaker,
        "(document.querySelector('.speaker-controls-notes .value') || {}).innerText?.includes('Beat 0 of slide 2')",
    )
    assert len(speaker.frames) >= 3  # this slide and the next
    before = opened.page.locator("#s02 .fragment.visible").count()
    speaker.keyboard.press("ArrowRight")
    until(opened.page, f"document.querySelectorAll('#s02 .fragment.visible').length > {before}")
    assert opened.log == []


@browser_test
@pytest.mark.browser
@pytest.mark.slow
def test_the_focus_of_the_keyboard_can_be_seen(opened):
    opened.go(6)
    opened.page.focus("#s06 pre")
    opened.page.keyboard.press("Shift+Tab")
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
