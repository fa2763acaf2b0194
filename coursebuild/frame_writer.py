"""Manim's scenes into clips whose sections can be cut out and joined by stream copy: faster than manim's own way.

Manim paints every frame anew from the first thing that moves, copies it, codes each `play` to a file of its own and
joins them. Here a frame is only noted, as the looks of what it shows. When a section is complete it is painted and
coded (`coursebuild.sections`), unless the cache has it; at the same time as others where there are cores for that.

Works with manim 0.22, whose renderer takes the class of its file writer as an argument; nothing is patched.
Imports manim: only the process that draws a scene may import this.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manim import Mobject, Scene, config
from manim.renderer.cairo_renderer import CairoRenderer
from manim.scene.scene_file_writer import SceneFileWriter
from manim.utils.iterables import list_update

from coursebuild import codec
from coursebuild.files import scratch
from coursebuild.inks import Ink, ink_of
from coursebuild.model import FPS
from coursebuild.painter import Stage
from coursebuild.sections import CLIP, POSTER, Section, entry


@dataclass(frozen=True)
class Shop:
    """Where sections are made: the cache, what stands for the versions of all tools, and how many at a time."""

    cache: Path
    tools: str = ""
    threads: int = 1


@dataclass(frozen=True)
class Cut:
    """A section: its name and the tick of 1/FPS s at which it begins."""

    name: str
    start: int


class ClipRenderer(CairoRenderer):
    """Notes what every frame shows, and has waits of whole frames."""

    def __init__(self, target: Path, shop: Shop) -> None:
        writer: Callable[[Any], ClipWriter] = lambda settings: ClipWriter(settings, target, shop)  # noqa: E731
        super().__init__(file_writer_class=writer)  # type: ignore[arg-type]
        self._inks: dict[int, Ink | None] = {}  # by id of the mobject: how it looked in the frame before
        self._still: list[Mobject] = []  # what this play does not change
        self._noted: set[int] = set()  # ids of those of them that have been looked at

    def save_static_frame_data(self, scene: Scene, static_mobjects: Iterable[Mobject]) -> None:
        """A play begins that does not change these mobjects."""
        self._scene, self._still, self._noted = scene, list(static_mobjects), set()

    def update_frame(self, *_: Any, **__: Any) -> None:
        """Nothing: a frame is painted when its section is complete."""

    def render(self, scene: Scene, time: float, moving_mobjects: Any = None) -> None:
        self._take(1)

    def freeze_current_frame(self, duration: float) -> None:
        # manim truncates, and so loses a frame where floating point falls short of a whole one
        self._take(round(duration * self.camera.frame_rate))

    def _take(self, frames: int) -> None:
        if self.skip_animations:
            return
        self.time += frames / self.camera.frame_rate
        self.file_writer.write_inks(self._look(), frames, self._stage())

    def _stage(self) -> Stage:
        camera = self.camera
        red, green, blue, alpha = (int(v) for v in camera.background[0, 0])
        size = camera.pixel_width, camera.pixel_height, camera.frame_width, camera.frame_height
        return Stage(*size, (red, green, blue, alpha))

    def _look(self) -> list[Ink]:
        """What is seen now, from below to above; an ink is the same object as long as nothing changes."""
        shown = list_update(self._scene.mobjects, self._scene.foreground_mobjects)
        before, self._inks = self._inks, {}
        for mobject in self.camera.get_mobjects_to_display(shown):
            name = id(mobject)
            ink = before.get(name)
            if name not in self._noted:
                new = ink_of(mobject, self.camera)
                if ink is None or new is None or new.look != ink.look:
                    ink = new
            self._inks[name] = ink
        self._noted = self._noted or {id(mobject) for mobject in self._still}
        return [ink for ink in self._inks.values() if ink is not None]


class ClipWriter(SceneFileWriter):
    """Writes a whole scene to `target`, and the last picture of each section to `<target>_<n>.png`.

    `cuts`, `posters` and `ticks` (the length) tell afterwards what was written.
    """

    def __init__(self, settings: Any, target: Path, shop: Shop) -> None:
        self.target, self.shop = target, shop
        self.cuts: list[Cut] = []
        self.posters: list[Path] = []
        self.ticks = 0
        self._ticks_per_frame = FPS // config.frame_rate
        if self._ticks_per_frame * config.frame_rate != FPS:
            raise ValueError(f"{config.frame_rate} frames a second do not divide {FPS}")
        self._section = Section("1", 0)
        self._entries: list[Future[Path]] = []
        self._workers = ThreadPoolExecutor(shop.threads) if shop.threads > 1 else None
        super().__init__(settings)

    # ---------------------------------------------------------- what manim's renderer calls

    def next_section(self, name: str, type_: str, skip_animations: bool) -> None:
        super().next_section(name, type_, skip_animations)
        self._end_section()
        self._section = Section(name, self.ticks)

    def begin_animation(self, allow_write: bool = False, **_: Any) -> None:
        """Nothing: a section holds all its animations."""

    def end_animation(self, allow_write: bool = False) -> None:
        """Nothing, see above."""

    def write_inks(self, inks: list[Ink], frames: int, stage: Stage) -> None:
        """Show these inks for so many frames."""
        self._stage = stage
        self._section.add(inks, frames * self._ticks_per_frame)
        self.ticks += frames * self._ticks_per_frame

    def finish(self) -> None:
        """Wait for the sections and join them."""
        self._end_section()
        packets: list[codec.Packet] = []
        with scratch("clip") as folder:
            for number, (cut, made) in enumerate(zip(self.cuts, self._entries, strict=True), start=1):
                part = folder / f"{number}.mp4"
                poster = self.target.with_name(f"{self.target.stem}_{number}.png")
                with zipfile.ZipFile(made.result()) as archive:
                    part.write_bytes(archive.read(CLIP))
                    poster.write_bytes(archive.read(POSTER))
                self.posters.append(poster)
                packets += [p._replace(at=cut.start + p.at) for p in codec.read_packets(part).packets]
            codec.write_segment(self.target, folder / "1.mp4", packets)
        self.abort_encode_jobs()

    def abort_encode_jobs(self, *_: Any, **__: Any) -> None:
        if self._workers is not None:
            self._workers.shutdown(cancel_futures=True)

    # ----------------------------------------------------------

    def _end_section(self) -> None:
        """Have the section made that ends here, if there is one."""
        section = self._section
        if not section.frames:
            return
        self.cuts.append(Cut(section.name, section.start))
        task = section, self._stage, self.shop.tools, self.shop.cache
        if self._workers is not None:
            self._entries.append(self._workers.submit(entry, *task))
        else:
            self._entries.append(done := Future())
            done.set_result(entry(*task))
        self._section = Section(section.name, self.ticks)
