"""The page of a day: player, transcript, what was measured, and every file to take along. One static file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from coursebuild import captions, mathtex, web
from coursebuild.errors import CourseError
from coursebuild.links import web_address
from coursebuild.model import FPS, Deck, Record, Script, Speech, Timeline
from coursebuild.reads import SIZE, WITHOUT_LINES, note
from coursebuild.speech.sentences import Atom, split
from coursebuild.speech.written import written

JsonDict = dict[str, Any]

DOWNLOADS = (  # key in params["files"], name on the page, what it is for
    ("pptx", "PowerPoint slides", "Editable: native text, speaker notes, builds and playing clips"),
    ("html", "HTML slides", "One file for any browser; press S for the speaker view"),
    ("pdf", "PDF slides", "To print or to annotate"),
    ("handout", "Handout", "Every slide with what is said about it"),
    ("notebook", "Notebook", "The experiment, to run cell by cell"),
    ("script", "Script", "The same experiment as a plain Python file"),
    ("film", "Video", "With chapters and captions inside, to watch offline"),
    ("srt", "Subtitles", "The captions, for players and translators"),
)
INLINE_SVG_LIMIT = 400_000  # bytes; a larger drawing is shown as its PNG if that is smaller
POSTER_WIDTH = 1280  # pixels


def page(inputs: dict[str, Path], products: dict[str, Path], params: JsonDict, cache: Path) -> None:
    """Write the day's index.html.

    Everything but the downloads is inside the file, so that it also works when opened from a disk. `params`:
    files (key -> final name beside the page), repository (address), branch, syllabus (the day's entry), previous
    and next ({day, title, href} or None), credits (lines). Raises CourseError where the inputs disagree.
    """
    deck, spoken = Deck.load(inputs["shown"]), Script.load(inputs["spoken"])
    timeline = Timeline.load(inputs["timeline"])
    for name in ("shown", "spoken"):
        note(name, WITHOUT_LINES)
    folder = inputs["record"] if inputs["record"].is_dir() else inputs["record"].parent
    record = Record.load(folder / "record.json")
    if {deck.day, spoken.day, record.day} != {deck.day}:
        raise CourseError(
            f"the page of day {deck.day} was given the narration of day {spoken.day} and the record of day"
            f" {record.day}",
            file=inputs["shown"],
            hint=f"build day {deck.day} again from its lecture",
        )
    files = params["files"]
    html = web.render(
        "day.html.j2",
        cache,
        deck=deck,
        syllabus=params.get("syllabus") or {},
        length=web.clock(timeline.frames),
        chapters=_chapters(deck, spoken, timeline),
        files=files,
        poster=web.picture_uri(inputs["poster"], POSTER_WIDTH, cache),
        captions=web.data_uri(inputs["vtt"].read_bytes(), "text/vtt"),
        chapter_track=web.data_uri(_chapter_track(timeline).encode(), "text/vtt"),
        downloads=_downloads(inputs, files),
        colab=colab_url(params["repository"], params["branch"], files.get("notebook")),
        figures=_figures(deck, record, folder),
        claims=sorted(record.claims.items(), key=lambda claim: claim[1]),
        metrics=[(name.replace("_", " "), show_value(v)) for name, v in record.metrics.items()],
        provenance=_provenance(record, params["repository"], params["branch"]),
        previous=params.get("previous"),
        next=params.get("next"),
        credits=[*params.get("credits", []), *_voice(inputs)],
    )
    products["page"].write_text(html, encoding="utf-8")


def _voice(inputs: dict[str, Path]) -> list[str]:
    """The voice's own line of credit, which begins with "Voice:"."""
    note("speech", "/voice_line")
    return [Speech.load(inputs["speech"]).voice_line] if "speech" in inputs else []


# ------------------------------------------------------------------ film


def _chapters(deck: Deck, spoken: Script, timeline: Timeline) -> list[JsonDict]:
    """Slides as chapters, each with its sentences in the paragraphs in which they are said."""
    slides = {slide.id: slide for slide in deck.slides}
    forms = {beat.id: _rich_forms(beat.text) for slide in spoken.slides for beat in slide.beats}
    chapters = []
    for timed in timeline.slides:
        slide = slides.get(timed.id)
        beats = [
            [
                {"at": _seconds(s.start), "html": forms.get(beat.id, {}).get(s.written, escape(s.written))}
                for s in beat.sentences
                if s.written.strip()
            ]
            for beat in timed.beats
        ]
        chapters.append(
            {
                "id": timed.id,
                "title": web.spans(slide.title) if slide and slide.title else escape(timed.title),
                "at": _seconds(timed.start),
                "clock": web.clock(timed.start),
                "beats": [sentences for sentences in beats if sentences],
            }
        )
    return chapters


def _rich_forms(markdown: str) -> dict[str, Markup]:
    """The sentences of a beat: what the captions say -> the same with code and formulas as such.

    A sentence of the timeline that is not among them (of another version of the lecture) stays as it is.
    """
    return {written(p.atoms): Markup().join(map(_atom, p.atoms)) for p in split(markdown) if p.atoms}


def _atom(atom: Atom) -> Markup:
    if atom.kind == "math":
        return Markup(mathtex.mathml(atom.text))
    return Markup("<code>{}</code>").format(atom.text) if atom.kind == "code" else escape(atom.text)


def _seconds(frames: int) -> str:
    """Frames as seconds for an address such as film.mp4#t=12.5."""
    return f"{frames / FPS:.3f}".rstrip("0").rstrip(".")


def _chapter_track(timeline: Timeline) -> str:
    """Chapters as WebVTT, for players that have a menu of their own for them."""

    def stamp(frames: int) -> str:
        seconds, ms = divmod(round(frames * 1000 / FPS), 1000)
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}"

    cues = [
        f"{stamp(s.start)} --> {stamp(s.start + s.frames)}\n{captions.escaped(' '.join(s.title.split()))}\n"
        for s in timeline.slides
    ]
    return "\n".join(["WEBVTT\n", *cues])


# ------------------------------------------------------------------ files


def _downloads(inputs: dict[str, Path], files: dict[str, str]) -> list[JsonDict]:
    """What can be taken along; the size is known for what is an input."""
    for key, *_ in DOWNLOADS:
        note(key, SIZE)
    return [
        {
            "key": key,
            "name": name,
            "purpose": purpose,
            "file": files[key],
            "kind": Path(files[key]).suffix[1:].upper(),
            "size": file_size(inputs[key].stat().st_size) if key in inputs else "",
        }
        for key, name, purpose in DOWNLOADS
        if key in files
    ]


def file_size(n: int) -> str:
    """Bytes in decimal units, as browsers show them."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n >= size:
            return f"{n / size:.0f} {unit}" if n >= 10 * size else f"{n / size:.1f} {unit}"
    return f"{n} bytes"


def colab_url(repository: str, branch: str, notebook: str | None) -> str:
    """Where Colab opens the committed notebook, or nothing for a repository that is not on GitHub."""
    name = _github(repository)
    if not name or not notebook:
        return ""
    return (
        f"https://colab.research.google.com/github/{name}/blob/{web.urlpath(branch)}/notebooks/{web.urlpath(notebook)}"
    )


def _github(repository: str) -> str:
    """`owner/name` of a GitHub address or of itself, else nothing."""
    match = re.fullmatch(r"(?:https://github\.com/)?([\w.-]+/[\w.-]+?)(?:\.git)?/?", repository)
    return match[1] if match else ""


# ------------------------------------------------------------------ what was measured


def _figures(deck: Deck, record: Record, folder: Path) -> list[JsonDict]:
    """The record's figures, those of the slides first and with their words."""
    words = {block["name"]: block for block in _figure_blocks(deck)}
    unknown = sorted(set(words) - set(record.figures))
    if unknown:
        raise CourseError(
            f"the slides show figure `{unknown[0]}`, which the record lacks",
            file=deck.source,
            line=words[unknown[0]].get("line"),
            hint="run the day's experiment again",
        )
    names = [*words, *(name for name in record.figures if name not in words)]
    return [_figure(name, words.get(name, {}), record, folder) for name in names]


def _figure(name: str, words: JsonDict, record: Record, folder: Path) -> JsonDict:
    size, title, alt = record.figures[name], name.replace("_", " "), words.get("alt")
    return {
        "name": name,
        "alt": alt or f"Figure: {title}",
        "title": title,
        "caption": web.spans(words.get("caption") or []) or escape(alt or title.capitalize()),
        "dark": _figure_uri(folder, name, "dark"),
        "light": _figure_uri(folder, name, "light"),
        "width": round(size.width),
        "height": round(size.height),
    }


def _figure_blocks(deck: Deck) -> Iterator[JsonDict]:
    def walk(blocks: list[JsonDict]) -> Iterator[JsonDict]:
        for block in blocks:
            if block["type"] == "figure":
                yield block
            elif block["type"] == "columns":
                for column in block["cols"]:
                    yield from walk(column)

    for slide in deck.slides:
        yield from walk(slide.blocks)


def _figure_uri(folder: Path, name: str, theme: str) -> str:
    """A figure as a `data:` address: a picture, so that nothing inside an SVG can run."""
    svg, png = (folder / "figures" / f"{name}.{theme}.{kind}" for kind in ("svg", "png"))
    if not svg.exists():
        raise CourseError(f"figure `{name}` has no {theme} drawing", file=svg, hint="run the day's experiment again")
    if svg.stat().st_size > INLINE_SVG_LIMIT and png.exists() and png.stat().st_size < svg.stat().st_size:
        return web.data_uri(png.read_bytes(), "image/png")
    return web.data_uri(svg.read_bytes(), "image/svg+xml")


def show_value(value: Any) -> str:
    """A metric for the table: four digits of a fraction, all of a count, the start of a long list."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        start = ", ".join(show_value(v) for v in value[:6])
        return f"{start}, … ({len(value)} values)" if len(value) > 6 else start
    return str(value)


def _provenance(record: Record, repository: str, branch: str) -> list[tuple[str, str | Markup]]:
    """Rows of (what, value) that say where the numbers come from; absent ones are left out."""
    p = record.provenance
    settings = ", ".join(f"{k} = {show_value(v)}" for k, v in (p.get("settings") or {}).items())
    packages = p.get("packages") or {}
    rows = [
        ("Script", _script_link(str(p.get("script", "")), repository, branch)),
        ("Script digest", str(p.get("script_sha256", ""))[:16]),
        ("Preset", f"{p.get('preset', '')}{f' ({settings})' if settings else ''}"),
        ("Seed", show_value(p["seed"]) if p.get("seed") is not None else ""),
        ("Device", str(p.get("device", ""))),
        ("Python", str(p.get("python", ""))),
        ("Packages", ", ".join(f"{name} {packages[name]}" for name in sorted(packages))),
        ("Data", Markup("<br>").join(_data_line(d) for d in p.get("data") or [])),
        ("Took", f"{p['seconds']:.3g} s" if p.get("seconds") is not None else ""),
        ("Date", " ".join(str(p[key]) for key in ("date", "time") if p.get(key))),
    ]
    return [(name, value) for name, value in rows if value]


def _script_link(script: str, repository: str, branch: str) -> str | Markup:
    name = _github(repository)
    if not name or not script:
        return script
    url = f"https://github.com/{name}/blob/{web.urlpath(branch)}/{web.urlpath(script)}"
    return Markup('<a href="{}">{}</a>').format(url, script)


def _data_line(data: JsonDict) -> Markup:
    source, n = str(data.get("source", "")), data.get("n")
    url = web_address(source)
    shown = Markup('<a href="{}">{}</a>').format(url, source) if url else escape(source)
    count = f", {n:,} items" if isinstance(n, int) else ""
    return Markup("{}{}{}{}").format(data.get("name", ""), ": " if source else "", shown, count)
