"""Slides as pictures of every state, as a PDF, and as geometry for the renderers that place things themselves."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from coursebuild import fit
from coursebuild.errors import CourseError
from coursebuild.files import cached, entry, is_whole, key_of, link_or_copy, read_json, scratch, sha256, write_json
from coursebuild.keys import source_key
from coursebuild.model import PAGE, QUALITY, Deck, Frame, Frames, JsonDict, Slide
from coursebuild.reads import WITHOUT_LINES, note
from coursebuild.theme import check_contrast
from coursebuild.typeset import Prepared, Preparer, Refused, Sheet

POINTS_PER_INCH = 72


def slides(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Draw the deck `inputs["shown"]`.

    products: "frames" (folder: frames.json and a PNG of every state), "pdf" (final states), "geometry". params:
    "quality" (a name in QUALITY), "theme". A slide is drawn again only when it, a picture on it, the look or the
    number of slides changed. Raises CourseError for what does not fit, and for missing figures and characters.
    """
    weak = check_contrast(params["theme"])
    if weak:
        raise CourseError(f"theme {params['theme']}: {weak[0]}", file="templates/theme.json", hint="at least 4.5:1")
    deck = Deck.load(inputs["shown"])
    note("shown", WITHOUT_LINES)
    prepared = Preparer(deck, inputs["record"], inputs.get("clips"), params["theme"]).run()
    width, height, _ = QUALITY[params["quality"]]
    drawn = _draw(deck, prepared, width, cache)
    boxes = {k: v for slide in deck.slides for k, v in read_json(drawn[slide.id]["geometry"]).items()}
    fit.check_boxes(boxes, deck)
    _write_frames(deck, drawn, (width, height), products["frames"])
    write_json(products["geometry"], {"page": list(PAGE), "blocks": boxes})
    _write_pdf(prepared, products["pdf"], cache)


def _states(slide: Slide) -> int:
    """How many pictures a slide has; an animation slide has one, its poster."""
    return 1 if slide.kind == "animation" else slide.steps + 1


def _draw(deck: Deck, prepared: Prepared, width: int, cache: Path) -> dict[str, dict[str, Path]]:
    """For each slide its files in the cache: "geometry" and the states "0", "1", ..."""
    code = source_key("coursebuild.steps.slides")
    keys = [key_of("slide", code, prepared.only(i).key(), width) for i in range(len(deck.slides))]
    there = [_entries(cache, key, _states(slide)) for key, slide in zip(keys, deck.slides, strict=True)]
    wanted = [i for i, files in enumerate(there) if not all(map(is_whole, files.values()))]
    fresh = _compile(deck, prepared, wanted, width) if wanted else {}
    found: dict[str, dict[str, Path]] = {}
    for i, slide in enumerate(deck.slides):
        if i in fresh:
            boxes, pictures = fresh[i]
            cached(cache, "geometry", keys[i], ".json", partial(_put_json, boxes))
            for state, data in enumerate(pictures):
                cached(cache, "frame", f"{keys[i]}-{state}", ".png", partial(_put, data))
        found[slide.id] = there[i]
    return found


def _entries(cache: Path, key: str, states: int) -> dict[str, Path]:
    """Where the files of a slide are kept."""
    pictures = {str(s): entry(cache, "frame", f"{key}-{s}", ".png") for s in range(states)}
    return {"geometry": entry(cache, "geometry", key, ".json"), **pictures}


def _compile(
    deck: Deck, prepared: Prepared, wanted: list[int], width: int
) -> dict[int, tuple[dict[str, JsonDict], list[bytes]]]:
    """Boxes and pictures of the wanted slides, by slide index, from one run of Typst."""
    pages = [(i, state) for i in wanted for state in range(_states(deck.slides[i]))]
    with scratch("slides") as folder:
        sheet = Sheet(prepared, folder, mode="slides", pages=pages)
        try:
            fit.check_problems(sheet.told("problem"), deck)
        except Refused as error:
            slide = next((deck.slides[i] for i in wanted if _is_refused(prepared, i)), deck.slides[0])
            what = f"slide {slide.n}, `{slide.title_text}`: {error.what}"
            raise CourseError(what, file=deck.source, line=slide.line, hint=error.hint) from None
        told = sheet.told("geo")
        pngs = sheet.pngs(width * POINTS_PER_INCH / PAGE[0])
    out: dict[int, tuple[dict[str, JsonDict], list[bytes]]] = {}
    for i in wanted:
        numbers = [n for n, (index, _) in enumerate(pages) if index == i]
        last = numbers[-1]
        boxes = fit.geometry([{**box, "page": deck.slides[i].n} for box in told if box["page"] == last + 1])
        out[i] = boxes, [_picture(deck.slides[i], prepared, i, pngs[n], width) for n in numbers]
    return out


def _is_refused(prepared: Prepared, index: int) -> bool:
    """Whether Typst refuses this slide alone."""
    with scratch("slide") as folder:
        try:
            Sheet(prepared, folder, mode="slides", pages=[(index, prepared.data["slides"][index]["steps"])]).told("geo")
        except Refused:
            return True
    return False


def _picture(slide: Slide, prepared: Prepared, index: int, png: bytes, width: int) -> bytes:
    """The page's picture; of an animation slide the poster itself where it has the right size already."""
    if slide.kind != "animation":
        return png
    poster = prepared.pictures[prepared.data["slides"][index]["blocks"][0]["file"]]
    with Image.open(poster) as image:
        if image.width == width:
            return poster.read_bytes()
        height = round(width * PAGE[1] / PAGE[0])
        out = io.BytesIO()
        image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS).save(out, "PNG")
        return out.getvalue()


def _put(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def _put_json(value: JsonDict, path: Path) -> None:
    write_json(path, value)


def _write_frames(deck: Deck, drawn: dict[str, dict[str, Path]], size: tuple[int, int], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    frames: dict[str, list[Frame]] = {}
    for slide in deck.slides:
        frames[slide.id] = []
        for state in range(_states(slide)):
            source, name = drawn[slide.id][str(state)], f"{slide.id}_{state}.png"
            link_or_copy(source, folder / name)
            frames[slide.id].append(Frame(name, sha256(source)))
    Frames(*size, frames).save(folder / "frames.json")


def _write_pdf(prepared: Prepared, target: Path, cache: Path) -> None:
    """One page a slide, in its last state."""
    key = key_of("pdf", prepared.key())

    def make(path: Path) -> None:
        pages = [(i, slide["steps"]) for i, slide in enumerate(prepared.data["slides"])]
        with scratch("pdf") as folder:
            path.write_bytes(Sheet(prepared, folder, mode="slides", pages=pages).pdf())

    link_or_copy(cached(cache, "pdf", key, ".pdf", make), target)
