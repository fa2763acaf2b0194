"""Manim's frames into a clip whose sections can be cut out and joined by stream copy: faster than manim's own way.

Manim copies every frame, codes each `play` to a file of its own and joins them. Here

* a frame is looked at where it was drawn; nothing is copied that did not change,
* only the rows that changed are converted to YUV,
* a frame that equals the one before costs nothing: the sample before it lasts longer,
* every section begins with a key picture, coded with the options of the slides (`coursebuild.codec`).

Works with manim 0.22, whose renderer takes the class of its file writer as an argument; nothing is patched.
Imports manim: only the process that draws a scene may import this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from manim import config
from manim.renderer.cairo_renderer import CairoRenderer
from manim.scene.scene_file_writer import SceneFileWriter
from numpy.typing import NDArray
from PIL import Image

from coursebuild import codec
from coursebuild.model import FPS

PRESET = "superfast"  # x264's, for pictures that move
MARGIN = 8  # rows above and below a change that are converted with it: the chroma filter reaches that far

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Cut:
    """A section: its name and the tick of 1/FPS s at which it begins."""

    name: str
    start: int


class ClipWriter(SceneFileWriter):
    """Writes a whole scene to `target`, and the last picture of each section to `<target>_<n>.png`.

    `cuts`, `posters` and `ticks` (the length) tell afterwards what was written.
    """

    def __init__(self, settings: Any, target: Path) -> None:
        self.target = target
        self.cuts: list[Cut] = []
        self.posters: list[Path] = []
        self.ticks = 0
        self._ticks_per_frame = FPS / config.frame_rate
        if self._ticks_per_frame != int(self._ticks_per_frame):
            raise ValueError(f"{config.frame_rate} frames a second do not divide {FPS}")
        self._film = codec.VideoWriter(target, config.pixel_width, config.pixel_height, PRESET)
        self._canvas: Canvas | None = None
        self._section = "1"
        self._cut_pending = True
        self._shown_key_at: int | None = None
        super().__init__(settings)

    # ---------------------------------------------------------- what manim's renderer calls

    def next_section(self, name: str, type_: str, skip_animations: bool) -> None:
        super().next_section(name, type_, skip_animations)
        self._end_section()
        self._section, self._cut_pending = name, True

    def begin_animation(self, allow_write: bool = False, **_: Any) -> None:
        """Nothing: one file holds all animations."""

    def end_animation(self, allow_write: bool = False) -> None:
        """Nothing, see above."""

    def write_frame(self, pixels: Pixels, *, repeat: int = 1) -> None:
        """Show `pixels` (RGBA, read at once and not kept) for `repeat` frames."""
        if self._canvas is None:
            self._canvas = Canvas(pixels)
        changed = self._canvas.take(pixels)
        if changed or self._cut_pending:
            self._film.show(self._canvas.picture, self.ticks, key=self._cut_pending)
            self._shown_key_at = self.ticks if self._cut_pending else None
        if self._cut_pending:
            self.cuts.append(Cut(self._section, self.ticks))
            self._cut_pending = False
        self.ticks += repeat * int(self._ticks_per_frame)

    def finish(self) -> None:
        self._end_section()
        self._film.end(self.ticks)
        self._film.__exit__(None, None, None)

    def abort_encode_jobs(self, *_: Any, **__: Any) -> None:
        self._film.__exit__(None, None, None)

    # ----------------------------------------------------------

    def _end_section(self) -> None:
        """Save the poster of the section that ends here, if there is one."""
        if self._canvas is None or self._cut_pending:
            return
        if self._shown_key_at is not None and self.ticks > self._shown_key_at + 1:
            # two key pictures must not follow each other when sections are joined (see codec.VideoWriter.end)
            self._film.show(self._canvas.picture, self._shown_key_at + 1)
            self._shown_key_at = None
        poster = self.target.with_name(f"{self.target.stem}_{len(self.posters) + 1}.png")
        Image.fromarray(self._canvas.pixels[:, :, :3]).save(poster, optimize=False, compress_level=6)
        self.posters.append(poster)


class Canvas:
    """The picture that is shown now, as pixels and as YUV; `take` brings both up to date."""

    def __init__(self, first: Pixels) -> None:
        height, width = first.shape[:2]
        self.pixels = first.copy()
        self.picture = av.VideoFrame(width, height, "yuv420p")
        self._planes = [
            np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
            for plane in self.picture.planes
        ]
        self._convert(0, height)

    def take(self, pixels: Pixels) -> bool:
        """Copy and convert the rows that differ; False if none does."""
        height = len(pixels)
        new, old = (p.reshape(height, -1).view(np.uint64) for p in (pixels, self.pixels))
        rows = np.flatnonzero((new != old).any(axis=1))
        if not len(rows):
            return False
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        self.pixels[top:bottom] = pixels[top:bottom]
        self._convert(top, bottom)
        return True

    def _convert(self, top: int, bottom: int) -> None:
        """Convert these rows and those around them whose colour samples they share."""
        height = len(self.pixels)
        first, last = max(0, (top - MARGIN) // 2 * 2), min(height, (bottom + MARGIN + 1) // 2 * 2)
        # the outermost rows of the converted band lack their neighbours, so they are not copied
        keep_first = first if first == 0 else first + MARGIN // 2
        keep_last = last if last == height else last - MARGIN // 2
        band = codec.to_yuv(self.pixels[first:last])
        for plane, part in zip(self._planes, band.planes, strict=True):
            factor = height // len(plane)
            rows = np.frombuffer(part, np.uint8).reshape(-1, part.line_size)[:, : part.width]
            a, b = keep_first // factor, keep_last // factor
            plane[a:b] = rows[a - first // factor : b - first // factor]


class ClipRenderer(CairoRenderer):
    """Cairo's renderer without a copy per frame and with waits of whole frames."""

    def __init__(self, target: Path) -> None:
        writer: Callable[[Any], ClipWriter] = lambda settings: ClipWriter(settings, target)  # noqa: E731
        super().__init__(file_writer_class=writer)  # type: ignore[arg-type]

    def render(self, scene: Any, time: float, moving_mobjects: Any = None) -> None:
        self.update_frame(scene, moving_mobjects)
        self.add_frame(self.camera.pixel_array)

    def freeze_current_frame(self, duration: float) -> None:
        # manim truncates, and so loses a frame where floating point falls short of a whole one
        self.add_frame(self.camera.pixel_array, num_frames=round(duration * self.camera.frame_rate))
