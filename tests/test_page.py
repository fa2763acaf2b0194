"""The page of a day and the front page: what is in them, and how they behave in a browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
from lxml import html as lxml_html
from page_sample import (
    CAPTIONS,
    CLAIMS,
    LECTURE,
    Sample,
    make_day,
    make_record,
    make_site,
    make_syllabus,
    make_timeline,
)

from coursebuild import web
from coursebuild.errors import CourseError
from coursebuild.files import read_json, write_json
from coursebuild.links import web_address
from coursebuild.model import Deck, Record, Speech, Timeline
from coursebuild.steps.page import colab_url, file_size, page, show_value
from coursebuild.steps.site import site

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
HOSTILE = "</script><script>window.hit=1</script><img src=x onerror='window.hit=1'>\"{{ 7*7 }}"


def build(sample: Sample) -> lxml_html.HtmlElement:
    page(sample.inputs, sample.products, sample.params, sample.cache)
    return lxml_html.document_fromstring(sample.html)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("site")
    sample = make_day(folder)
    build(sample)
    make_site(folder, sample)
    return sample


@pytest.fixture(scope="module")
def tree(made: Sample) -> lxml_html.HtmlElement:
    return lxml_html.document_fromstring(made.html)


def pick(tree: lxml_html.HtmlElement, css: str) -> list[lxml_html.HtmlElement]:
    """The elements for the little of CSS that is used here: a.b, #id, [k], [k='v'], [k^='v'], descendants, commas."""
    paths = []
    for selector in css.split(", "):
        path = ""
        for part in selector.replace(" > ", " >").split(" "):
            path += "/" if part.startswith(">") else "//"
            tag, rest = re.match(r">?(\w*)(.*)", part).groups()
            path += tag or "*"
            for name in re.findall(r"\.([\w-]+)", re.sub(r"\[.*?\]", "", rest)):
                path += f"[contains(concat(' ', @class, ' '), ' {name} ')]"
            path += "".join(f"[@id='{name}']" for name in re.findall(r"#([\w-]+)", rest))
            path += "".join(f"[@{k}{f'={v}' if v else ''}]" for k, v in re.findall(r"\[([\w-]+)(?:=('.*?'))?\]", rest))
            path += "".join(f"[starts-with(@{k}, {v})]" for k, v in re.findall(r"\[([\w-]+)\^=('.*?')\]", rest))
        paths.append("." + path)
    return tree.xpath(" | ".join(paths))


def words(element: lxml_html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


# ------------------------------------------------------------------ contents


def test_every_sentence_is_in_the_transcript_at_its_time(tree: lxml_html.HtmlElement) -> None:
    lines = pick(tree, "#lines a.line")
    timed = [s for slide in make_timeline().slides for beat in slide.beats for s in beat.sentences]
    assert len(lines) == len(timed) == sum(len(beat) for _, beats in LECTURE for beat in beats)
    for line, sentence in zip(lines, timed, strict=True):
        assert abs(float(line.get("data-at")) - sentence.start / 30) < 0.001
        assert line.get("href") == f"day04_backpropagation.mp4#t={line.get('data-at')}"
    assert words(lines[0]) == LECTURE[0][1][0][0]
    assert len(pick(lines[4], "math mfrac")) == 4, "the chain rule is MathML"
    assert len(pick(tree, "#lines math")) == 3


def test_pauses_are_not_in_the_transcript(tmp_path: Path) -> None:
    sample = make_day(tmp_path, film=False)
    timeline = Timeline.load(sample.inputs["timeline"])
    slide = timeline.slides[0]
    beat = replace(slide.beats[0], sentences=[replace(slide.beats[0].sentences[0], written="")])
    slides = [replace(slide, beats=[beat]), *timeline.slides[1:]]
    replace(timeline, slides=slides).save(sample.inputs["timeline"])
    tree = build(sample)
    assert all(words(line) for line in pick(tree, "#lines a.line"))
    assert LECTURE[0][0] not in words(pick(tree, "#lines")[0])
    assert LECTURE[0][0] in words(pick(tree, ".chapters")[0])


def test_a_sentence_of_another_version_stays_as_the_captions_have_it(tmp_path: Path) -> None:
    sample = make_day(tmp_path, film=False)
    spoken = read_json(sample.inputs["spoken"])
    for slide in spoken["slides"]:
        slide["beats"] = []
    write_json(sample.inputs["spoken"], spoken)
    lines = pick(build(sample), "#lines a.line")
    assert words(lines[4]) == CAPTIONS[LECTURE[1][1][0][0]]
    assert not pick(lines[4], "math")


def test_verdicts_are_those_of_the_run(tree: lxml_html.HtmlElement) -> None:
    shown = {words(pick(c, "span")[-1]): words(pick(c, ".verdict")[0]) for c in pick(tree, ".claims li")}
    assert len(shown) == len(CLAIMS)
    for sentence, held in CLAIMS.items():
        if "$" not in sentence:
            assert shown[sentence].endswith("DID NOT HOLD") is not held
    assert "4 of 6 claims held" in words(tree)


def test_figures_have_both_themes_and_the_words_of_the_slides(tree: lxml_html.HtmlElement) -> None:
    figures = pick(tree, "figure")
    assert len(figures) == 2
    for figure in figures:
        dark, light = pick(figure, "img")
        assert dark.get("src") != light.get("src")
        assert dark.get("alt") == light.get("alt") and len(dark.get("alt")) > 60
        assert "only-dark" in dark.get("class") and "only-light" in light.get("class")
    assert pick(figures[1], "figcaption math")


def test_a_figure_without_a_caption_is_explained_by_its_alt_text(tmp_path: Path) -> None:
    sample = make_day(tmp_path, film=False)
    shown = read_json(sample.inputs["shown"])
    blocks = [b for slide in shown["slides"] for b in slide["blocks"]]
    blocks += [b for block in blocks for column in block.get("cols", []) if block["type"] == "columns" for b in column]
    figure = next(b for b in blocks if b["type"] == "figure")
    figure["caption"] = []
    write_json(sample.inputs["shown"], shown)
    assert words(pick(build(sample), "figcaption")[0]) == " ".join(figure["alt"].split())


def test_the_voice_is_credited_with_its_own_line(made: Sample, tmp_path: Path) -> None:
    speech = tmp_path / "speech.json"
    Speech(voice="tone", voice_line="Voice: a tone", slides=[]).save(speech)
    products = {"page": tmp_path / "index.html"}
    page({**made.inputs, "speech": speech}, products, {**made.params, "credits": []}, tmp_path / "cache")
    foot = pick(lxml_html.parse(str(products["page"])).getroot(), "footer p")
    assert words(foot[0]) == "Voice: a tone"


def test_a_figure_of_the_slides_that_the_record_lacks_is_an_error(tmp_path: Path) -> None:
    sample = make_day(tmp_path, film=False)
    record = read_json(sample.inputs["record"] / "record.json")
    del record["figures"]["loss_curve"]
    write_json(sample.inputs["record"] / "record.json", record)
    with pytest.raises(CourseError, match="`loss_curve`, which the record lacks") as caught:
        build(sample)
    assert caught.value.line == 50 and caught.value.hint
    make_record(sample.inputs["record"])
    (sample.inputs["record"] / "figures/loss_curve.light.svg").unlink()
    with pytest.raises(CourseError, match="no light drawing"):
        build(sample)


def test_files_of_another_day_are_refused(tmp_path: Path) -> None:
    sample = make_day(tmp_path, film=False)
    record = Record.load(sample.inputs["record"] / "record.json")
    replace(record, day=5).save(sample.inputs["record"] / "record.json")
    with pytest.raises(CourseError, match="the record of day 5"):
        build(sample)


def test_a_heavy_drawing_is_shown_as_its_png(tmp_path: Path) -> None:
    sample = make_day(tmp_path, film=False)
    svg = sample.inputs["record"] / "figures/loss_curve.dark.svg"
    svg.write_text(svg.read_text() + f"<!--{'x' * 500_000}-->")
    svg.with_suffix(".png").write_bytes(sample.inputs["poster"].read_bytes())
    dark = pick(build(sample), "figure img.only-dark")
    assert [img.get("src")[:14] for img in dark] == ["data:image/png", "data:image/svg"]


def test_every_local_link_leads_to_a_file_or_a_place(made: Sample, tree: lxml_html.HtmlElement) -> None:
    folder = made.products["page"].parent
    outside = {"../day03/index.html", "../day05/index.html"}
    for link in pick(tree, "a[href]"):
        href = link.get("href")
        if href.startswith("https:") or href.startswith("http:") or href in outside:
            continue
        path, _, place = href.partition("#")
        if path:
            assert (folder / unquote(path)).is_file(), href
        elif place:
            assert tree.get_element_by_id(place) is not None


def test_downloads_say_what_they_are_and_how_large(tree: lxml_html.HtmlElement) -> None:
    shown = [words(a) for a in pick(tree, ".files a")]
    assert any(s.startswith("PPTX") and s.endswith("148 kB") for s in shown)
    assert len(pick(tree, ".files a[download]")) == 8
    badge = pick(tree, "a[href^='https://colab']")[0].get("href")
    notebook = "owner/50-days-of-deep-learning/blob/main/notebooks/day04_backpropagation.ipynb"
    assert badge == f"https://colab.research.google.com/github/{notebook}"


def test_provenance_is_complete(tree: lxml_html.HtmlElement) -> None:
    rows = {words(pick(r, "dt")[0]): words(pick(r, "dd")[0]) for r in pick(tree, ".provenance div")}
    assert rows["Preset"] == "quick (epochs = 7, batch = 64, learning_rate = 0.1)"
    assert rows["Packages"] == "matplotlib 3.10.7, numpy 2.3.4, torch 2.9.0"
    assert rows["Data"].endswith("1,797 items")
    assert {"Script", "Seed", "Device", "Python", "Date", "Took"} <= set(rows)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "yes"), (101770, "101,770"), (0.9263000000000001, "0.9263"), (2.1374e-9, "2.137e-09"), ("plain", "plain"),
     ([1, 2.5], "1, 2.5"), (list(range(9)), "0, 1, 2, 3, 4, 5, … (9 values)")],
)  # fmt: skip
def test_show_value(value: object, shown: str) -> None:
    assert show_value(value) == shown


def test_small_words() -> None:
    assert [web.clock(f) for f in (0, 29, 30, 1799, 30 * 3600)] == ["0:00", "0:00", "0:01", "0:59", "1:00:00"]
    assert [file_size(n) for n in (999, 1000, 37_000, 8_412_345, 10**10)] == [
        "999 bytes", "1.0 kB", "37 kB", "8.4 MB", "10 GB"]  # fmt: skip
    assert colab_url("https://gitlab.com/a/b", "main", "x.ipynb") == ""
    assert colab_url("a/b.git", "dev/x", "x.ipynb").endswith("/github/a/b/blob/dev/x/notebooks/x.ipynb")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a < b & `x<y`", "a &lt; b &amp; <code>x&lt;y</code>"),
        ("it costs $5 and $6", "it costs $5 and $6"),
        (r"\$x\$ and \* are signs", "$x$ and * are signs"),
        ("**bold *both* end** 2 * 3 * 4", "<b>bold <i>both</i> end</b> 2 * 3 * 4"),
        ("snake_case and 5*3*2", "snake_case and 5*3*2"),
        (HOSTILE[:9], "&lt;/script&gt;"),
    ],
)
def test_rich_text(text: str, html: str) -> None:
    assert str(web.rich(text)) == html


def test_only_the_web_is_linked() -> None:
    assert web_address("https://a.example/x") == "https://a.example/x"
    for bad in ("javascript:alert(1)", "data:text/html,x", "//a.example", "file:///etc/passwd", "https:", "", None):
        assert web_address(bad) == ""


def hostile_day(folder: Path) -> Sample:
    """Every text that reaches the page is an attack."""
    sample = make_day(folder, film=False)
    deck = Deck.load(sample.inputs["shown"])
    slides = [
        replace(s, title=[{"k": "text", "t": HOSTILE}, {"k": "code", "t": HOSTILE}], blocks=[]) for s in deck.slides
    ]
    replace(
        deck, title=HOSTILE, subtitle=HOSTILE, run_line=HOSTILE, course=HOSTILE, slides=slides, language='"><b>'
    ).save(sample.inputs["shown"])
    timeline = read_json(sample.inputs["timeline"])
    for slide in timeline["slides"]:
        slide["title"] = HOSTILE + "\n\n00:00.000 --> 00:09.000\nfake"
        for sentence in (s for b in slide["beats"] for s in b["sentences"]):
            sentence["written"] = HOSTILE
    write_json(sample.inputs["timeline"], timeline)
    record = Record.load(sample.inputs["record"] / "record.json")
    provenance = dict.fromkeys(("script", "preset", "device", "python", "date"), HOSTILE)
    provenance |= {"data": [{"name": HOSTILE, "source": "javascript:alert(1)", "n": 3}], "packages": {HOSTILE: HOSTILE}}
    replace(record, claims={HOSTILE: True}, metrics={HOSTILE: HOSTILE}, provenance=provenance).save(
        sample.inputs["record"] / "record.json"
    )
    entry = {key: [HOSTILE] for key in ("objectives", "concepts", "tools", "learnings")}
    entry |= {"week": HOSTILE, "references": [{"kind": HOSTILE, "text": HOSTILE, "url": "javascript:window.hit=1"}]}
    entry["errata"] = [{"syllabus": HOSTILE, "correct": HOSTILE, "source": "javascript:window.hit=1"}]
    side = {"day": 3, "title": HOSTILE, "href": f"../{HOSTILE}"}
    sample.params.update(syllabus=entry, previous=side, credits=[HOSTILE], branch=HOSTILE)
    return sample


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    tree = build(hostile_day(tmp_path))
    assert len(pick(tree, "script")) == 3, "ours and no other"
    assert not [i for i in pick(tree, "img") if i.get("onerror") or i.get("src") == "x"]
    assert not [a for a in pick(tree, "[href], [src]") if (a.get("href") or "").startswith("javascript")]
    assert len(pick(tree, "#lines code")) > 5 and len(pick(tree, "#lines a")) > 15
    assert "{{ 7*7 }}" in words(tree), "and is not a template either"
    assert not [k for e in tree.iter() if isinstance(e.tag, str) for k in e.attrib if k.startswith("on")]


@pytest.mark.parametrize("name", ["day04/index.html", "index.html"])
def test_pages_are_well_formed(made: Sample, name: str) -> None:
    """A strict look: tags nest and close, ids are unique, labels point at something, headings do not skip."""
    from html.parser import HTMLParser

    void = {"meta", "link", "img", "br", "source", "track", "path", "rect"}

    class Strict(HTMLParser):
        stack: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list) -> None:
            assert len({k for k, _ in attrs}) == len(attrs), f"an attribute twice: {attrs}"
            if tag not in void:
                self.stack.append(tag)

        def handle_startendtag(self, tag: str, attrs: list) -> None: ...

        def handle_endtag(self, tag: str) -> None:
            if tag not in void:
                assert self.stack.pop() == tag, self.getpos()

    text = (made.products["page"].parent.parent / name).read_text(encoding="utf-8")
    parser = Strict()
    parser.stack = []
    parser.feed(text)
    assert parser.stack == []
    tree = lxml_html.document_fromstring(text)
    ids = [e.get("id") for e in pick(tree, "[id]")]
    assert len(ids) == len(set(ids))
    for e in pick(tree, "[aria-labelledby]"):
        assert e.get("aria-labelledby") in ids
    levels = [int(h.tag[1]) for h in tree.iter("h1", "h2", "h3", "h4")]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert all(i.get("alt") is not None for i in pick(tree, "img"))


@pytest.mark.parametrize("name", ["day04/index.html", "index.html"])
def test_nothing_is_asked_of_the_outside(made: Sample, name: str) -> None:
    text = (made.products["page"].parent.parent / name).read_text(encoding="utf-8")
    tree = lxml_html.document_fromstring(text)
    for e in pick(tree, "[src], [poster], link[href]"):
        address = e.get("src") or e.get("poster") or e.get("href")
        assert address.startswith("data:") or not re.match(r"[a-z]+:|//", address), address
    assert not re.search(r"url\((?!data:)|@import", text)


def test_the_page_depends_on_nothing_but_its_inputs(made: Sample, tmp_path: Path) -> None:
    again = {"page": tmp_path / "index.html"}
    page(made.inputs, again, made.params, tmp_path / "another cache")
    assert again["page"].read_bytes() == made.products["page"].read_bytes()


# ------------------------------------------------------------------ the front page


def test_the_front_page_has_what_is_built_and_what_is_to_come(made: Sample) -> None:
    tree = lxml_html.parse(str(made.products["page"].parent.parent / "index.html")).getroot()
    cards = pick(tree, ".days > li a")
    assert [c.get("href") for c in cards] == ["day04/index.html"]
    assert "Backpropagation" in words(cards[0]) and "0:38" in words(cards[0])
    assert len(pick(tree, ".week li")) == 16 and len(pick(tree, ".week .to-come")) == 15
    assert words(pick(tree, ".week h3")[0]) == "Week 1 The Absolute Basics"
    assert "1 of 16 days built" in words(tree)


def test_an_empty_course_and_a_day_beyond_the_syllabus(made: Sample, tmp_path: Path) -> None:
    index = tmp_path / "index.html"
    site({}, {"index": index}, {"course": "C", "syllabus": make_syllabus()}, tmp_path)
    assert "No day is built yet" in index.read_text()
    inputs = {f"{kind}4": made.inputs[kind] for kind in ("shown", "timeline", "poster")}
    inputs["page4"] = made.products["page"]
    site(inputs, {"index": index}, {"course": "C", "syllabus": {"weeks": [], "days": []}}, tmp_path)
    assert "More" in words(pick(lxml_html.fromstring(index.read_text()), ".week h3")[0])
    inputs = {key.replace("4", "5"): path for key, path in inputs.items()}
    with pytest.raises(CourseError, match="day 5 say that they are day 4"):
        site(inputs, {"index": index}, {"course": "C", "syllabus": make_syllabus()}, tmp_path)


# ------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def tab(browser, made: Sample) -> Iterator:
    """A new window on the day's page; afterwards nothing may have been complained about or asked for."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark", reduced_motion="reduce")
    window, trouble = context.new_page(), []
    window.on("console", lambda m: trouble.append(m.text) if m.type in ("error", "warning") else None)
    window.on("pageerror", lambda e: trouble.append(str(e)))
    window.on("request", lambda r: trouble.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    window.goto(made.products["page"].as_uri())
    window.wait_for_function("document.getElementById('film').readyState > 0")
    yield window
    context.close()
    assert trouble == []


def now(tab) -> float:
    return tab.evaluate("document.getElementById('film').currentTime")


def current(tab, where: str) -> list[str]:
    return tab.locator(f"{where} [aria-current]").all_inner_texts()


@pytest.mark.browser
def test_chapters_and_sentences_seek(tab) -> None:
    film = "document.getElementById('film')"
    timeline = make_timeline()
    tab.locator(".chapters a").nth(3).click()
    tab.wait_for_function(f"!{film}.seeking && !{film}.paused")
    assert abs(now(tab) - timeline.slides[3].start / 30) < 1.5
    assert current(tab, ".chapters")[0].endswith("The code that ran")
    tab.evaluate(f"{film}.pause()")
    tab.locator("#lines a.line").nth(12).click()
    tab.wait_for_function(f"!{film}.seeking")
    sentence = [s for slide in timeline.slides for beat in slide.beats for s in beat.sentences][12]
    assert abs(now(tab) - sentence.start / 30) < 1.5
    tab.evaluate(f"{film}.pause()")
    assert tab.url.endswith("index.html"), "the link to the video file was not followed"


@pytest.mark.browser
def test_the_highlight_follows_the_film(tab) -> None:
    assert current(tab, "#lines") == [], "nothing is marked before the film starts"
    tab.evaluate("document.getElementById('film').currentTime = 26.5")
    tab.wait_for_function("document.querySelector('#lines [aria-current]') !== null")
    assert current(tab, ".chapters")[0].endswith("Do we have to believe it?")
    panel, line = tab.locator("#lines").bounding_box(), tab.locator("#lines [aria-current]").bounding_box()
    assert panel["y"] <= line["y"] and line["y"] + line["height"] <= panel["y"] + panel["height"], "it is in view"
    tab.evaluate("document.getElementById('film').currentTime = 0")
    tab.wait_for_function("document.querySelector('#lines [aria-current]').dataset.at === '0'")
    assert len(current(tab, "#lines")) == len(current(tab, ".chapters")) == 1


@pytest.mark.browser
def test_the_reader_can_stop_following(tab) -> None:
    tab.locator("#lines").hover()
    tab.mouse.wheel(0, 50)
    tab.wait_for_function("document.getElementById('follow').ariaPressed === 'false'")
    tab.wait_for_timeout(200)
    top = tab.evaluate("document.getElementById('lines').scrollTop")
    tab.evaluate("document.getElementById('film').currentTime = 36")
    tab.wait_for_function("document.querySelector('#lines [aria-current]') !== null")
    assert tab.evaluate("document.getElementById('lines').scrollTop") == top
    tab.locator("#follow").click()
    assert tab.evaluate("document.getElementById('lines').scrollTop") > top


@pytest.mark.browser
def test_the_transcript_works_from_the_keyboard(tab) -> None:
    assert tab.locator("#lines a[tabindex='0']").count() == 1, "one stop of the Tab key, not twenty"
    tab.locator("#lines").focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    index = "[...document.querySelectorAll('#lines a')].indexOf(document.activeElement)"
    assert tab.evaluate(index) == 2
    tab.keyboard.press("Enter")
    tab.wait_for_function("document.getElementById('film').currentTime > 2")
    assert tab.locator("#lines a").nth(2).get_attribute("aria-current") == "true"
    tab.evaluate("document.getElementById('film').pause()")


@pytest.mark.browser
def test_a_link_to_a_moment_and_the_speed(tab) -> None:
    tab.evaluate("location.hash = '#t=20.5'")
    tab.wait_for_function("Math.abs(document.getElementById('film').currentTime - 20.5) < 0.1")
    tab.locator("#speed").select_option("1.5")
    assert tab.evaluate("document.getElementById('film').playbackRate") == 1.5


@pytest.mark.browser
def test_captions_and_chapters_are_loaded(tab) -> None:
    cues = """kind => { const t = [...document.getElementById('film').textTracks].find(t => t.kind === kind);
        t.mode = 'hidden'; return new Promise(done => setTimeout(() => done(t.cues.length), 300)); }"""
    assert tab.evaluate(cues, "captions") == sum(len(beat) for _, beats in LECTURE for beat in beats)
    assert tab.evaluate(cues, "chapters") == len(LECTURE)


@pytest.mark.browser
def test_the_theme_switch_stays(tab) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    shown = "[...document.querySelectorAll('figure img')].filter(i => i.offsetWidth).map(i => i.className)"
    assert tab.evaluate(shown) == ["only-dark"] * 2
    dark = tab.evaluate(ground)
    tab.locator("#theme-toggle").click()
    light = tab.evaluate(ground)
    assert light == "rgb(255, 255, 255)" != dark
    assert tab.evaluate(shown) == ["only-light"] * 2
    tab.reload()
    assert tab.evaluate(ground) == light


@pytest.mark.browser
def test_without_javascript_everything_is_there(browser, made: Sample) -> None:
    context = browser.new_context(java_script_enabled=False)
    window = context.new_page()
    window.goto(made.products["page"].as_uri())
    assert not window.locator("#theme-toggle").is_visible() and not window.locator("#follow").is_visible()
    assert window.locator("#lines a.line").first.get_attribute("href").endswith("#t=0")
    assert window.locator("figure img:visible").count() == 2
    context.close()


@pytest.mark.browser
def test_hostile_text_does_nothing_in_a_browser(browser, tmp_path: Path) -> None:
    sample = hostile_day(tmp_path)
    build(sample)
    context = browser.new_context()
    window = context.new_page()
    window.goto(sample.products["page"].as_uri())
    assert window.evaluate("window.hit") is None
    cues = window.evaluate("""() => { const t = document.getElementById('film').textTracks[1]; t.mode = 'hidden';
        return new Promise(done => setTimeout(() => done(t.cues.length), 300)); }""")
    assert cues == len(LECTURE), "a title cannot add a chapter"
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 360, 768, 1440])
@pytest.mark.parametrize("name", ["day04/index.html", "index.html"])
def test_nothing_is_wider_than_the_window(browser, made: Sample, width: int, name: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 700})
    window = context.new_page()
    window.goto((made.products["page"].parent.parent / name).as_uri())
    window.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert window.evaluate("document.documentElement.scrollWidth") == width
    beyond = window.evaluate("""() => [...document.querySelectorAll('main *, header *, footer *')]
        .filter(e => !e.closest('.visually-hidden, .scroll, .pan, math, svg') && e.getClientRects().length)
        .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 90))""")
    assert beyond == []
    context.close()


@pytest.mark.browser
def test_labels_of_figures_can_be_read_on_a_phone(browser, made: Sample) -> None:
    """A figure keeps its size there and its frame scrolls, by finger and by key."""
    context = browser.new_context(viewport={"width": 360, "height": 700})
    window = context.new_page()
    window.goto(made.products["page"].as_uri())
    assert window.evaluate(
        "[...document.querySelectorAll('.pan img')].every(i => !i.offsetWidth || i.offsetWidth > 550)"
    )
    pan = window.locator(".pan").first
    assert pan.evaluate("e => { e.scrollLeft = 200; return e.scrollLeft; }") == 200
    assert pan.get_attribute("tabindex") == "0" and pan.get_attribute("aria-label")
    context.close()


WEAK_TEXT = """() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const bright = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (css) => css.match(/[\\d.]+/g).map(Number);
  const ground = (e) => { for (; e; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; }
    return [255, 255, 255]; };
  const weak = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || !e.getClientRects().length || e.closest('video, script, .length')) continue;
    const [a, b] = [bright(numbers(getComputedStyle(e).color)), bright(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push(ratio.toFixed(2) + ' ' + node.data.trim().slice(0, 40));
  }
  return weak;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("name", ["day04/index.html", "index.html"])
def test_all_text_can_be_read(browser, made: Sample, scheme: str, name: str) -> None:
    """Contrast of at least 4.5 (WCAG AA) for every piece of text as the browser has it; names for every control."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 800})
    window = context.new_page()
    window.goto((made.products["page"].parent.parent / name).as_uri())
    window.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    if "day04" in name:
        window.evaluate("location.hash = '#t=20'")  # so that a chapter and a sentence are marked
        window.wait_for_function("document.querySelector('#lines [aria-current]') !== null")
    assert window.evaluate(WEAK_TEXT) == []
    nameless = window.evaluate("""() => [...document.querySelectorAll('button, a, select, video, nav, [role=region]')]
        .filter(e => !(e.ariaLabel || e.getAttribute('aria-labelledby') || e.labels?.length || e.textContent.trim()))
        .map(e => e.outerHTML.slice(0, 80))""")
    assert nameless == []
    context.close()
