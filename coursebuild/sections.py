"""The sections of a clip: their frames, and the coded pictures that come of them.

A section begins with a key picture and has a coder of its own, with the options of the slides (`coursebuild.codec`).
So it depends on nothing but its frames: it is taken from the cache if a scene has shown the same frames before.

* a frame is painted only where it changes (`coursebuild.painter`),
* only what changed is converted to YUV,
* a frame that equals the one before lasts longer and costs nothing.

Imports manim: only the process that draws a scene may import this.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from PIL import Image

from coursebuild import codec
from coursebuild.files import cached, key_of, scratch
from coursebuild.inks import Ink, Pixels
from coursebuild.painter import Box, Painter, Stage

PRESET = "superfast"  # x264's, for pictures that move
MARGIN = 8  # pixels around a change that are converted with it: the chroma filter reaches that far
CLIP, POSTER = "clip.mp4", "poster.png"  # in a section's entry


@dataclass
class Section:
    """The frames of a section: those that differ from the one before, and the tick at which each appears."""

    name: str
    start: int  # ticks of 1/FPS s, of the scene
    ticks: int = 0
    frames: list[tuple[int, list[Ink]]] = field(default_factory=list)

    def add(self, inks: list[Ink], ticks: int) -> None:
        """Show `inks` for so many ticks. Inks that are the same object look the same."""
        if not self.frames or list(map(id, inks)) != list(map(id, self.frames[-1][1])):
            self.frames.append((self.ticks, inks))
        self.ticks += ticks

    def key(self, stage: Stage, tools: str) -> str:
        content = hashlib.blake2b(digest_size=32)
        for at, inks in self.frames:
            content.update(f"{at} {len(inks)}:".encode() + b"".join(ink.digest for ink in inks))
        return key_of(tools, [*vars(stage).values()], self.ticks, content.hexdigest())


def entry(section: Section, stage: Stage, tools: str, cache: Path) -> Path:
    """A zip file with the section's clip and poster, made if the cache lacks it; `tools`: versions of what makes it."""
    return cached(cache, "sections", section.key(stage, tools), ".zip", lambda path: make(path, section, stage))


def make(path: Path, section: Section, stage: Stage) -> None:
    """Paint and code the section; clip and poster (its last picture) into a zip file."""
    painter = Painter(stage)
    canvas = Canvas(painter.pixels)
    with scratch("section") as folder:
        with codec.VideoWriter(folder / CLIP, stage.width, stage.height, PRESET) as film:
            for at, inks in section.frames:
                box = painter.show(inks)
                if box is not None:
                    canvas.convert(box)
                if box is not None or at == 0:
                    film.show(canvas.picture, at, key=at == 0)
            film.end(section.ticks)
        Image.fromarray(painter.pixels[:, :, :3]).save(folder / POSTER, optimize=False, compress_level=3)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name in (CLIP, POSTER):
                archive.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())


class Canvas:
    """Pixels (height, width, RGBA), and the same picture as YUV; `convert` brings a part of that up to date."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        height, width = pixels.shape[:2]
        self.picture = av.VideoFrame(width, height, "yuv420p")
        self._planes = [_array(plane) for plane in self.picture.planes]
        self.convert((0, 0, width, height))

    def convert(self, box: Box) -> None:
        """Convert what lies in the box and what shares colour samples with it."""
        height, width = self.pixels.shape[:2]
        rows, columns = _spans(box[1], box[3], height), _spans(box[0], box[2], width)
        (top, bottom), (left, right) = rows[0], columns[0]
        part = codec.to_yuv(self.pixels[top:bottom, left:right])
        for plane, converted in zip(self._planes, part.planes, strict=True):
            factor = height // len(plane)
            (a, b), (c, d) = ([v // factor for v in span[1]] for span in (rows, columns))
            y, x = top // factor, left // factor
            plane[a:b, c:d] = _array(converted)[a - y : b - y, c - x : d - x]


def _spans(begin: int, end: int, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """What to convert, and what to keep of it: the outermost pixels lack their neighbours."""
    wide = max(0, (begin - MARGIN) // MARGIN * MARGIN), min(size, -(-(end + MARGIN) // MARGIN) * MARGIN)
    return wide, (wide[0] and wide[0] + MARGIN // 2, size if wide[1] == size else wide[1] - MARGIN // 2)


def _array(plane: av.video.plane.VideoPlane) -> Pixels:
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
