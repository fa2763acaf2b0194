"""The scenes of a built day against their floor: Manim's own rasterisation alone plus libx264 alone.

`python -m tests.bench.clip_floor OUT REPORT ROUNDS` draws every scene of the day in OUT anew, ROUNDS times alternating
with its floor, and writes CPU seconds and their ratios. The floor is two processes:

* `raster`: the scene with Manim's renderer and camera, start-up included, and a writer that drops every frame;
* `x264`: the YUV pictures that our writer codes, ready in memory, through libx264 with our options alone.

So a clip needs less than its floor where it is painted with less work than Manim takes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np

from coursebuild import codec
from coursebuild.files import ROOT, read_json, scratch, write_json
from coursebuild.model import QUALITY, Clips
from coursebuild.steps import animate
from tests.bench.meter import BenchError, run

BATCH = 48  # pictures in memory at a time; 3 MB each at 1080p
ONE_THREAD = dict.fromkeys(animate.THREAD_CAPS, "1") | {"PYTHONHASHSEED": "0"}


def ours(job: dict[str, Any]) -> None:
    """What the builder's process for a scene does."""
    from coursebuild import scene_runner

    file = Path(job["out"]) / "job.json"
    write_json(file, job)
    scene_runner.main(file)


def drawing(job: dict[str, Any]) -> None:
    """Manim's own rasterisation: draw the scene and drop its frames."""
    from coursebuild import frame_writer, scene_runner

    frame_writer.ClipRenderer = manims_renderer()  # type: ignore[misc,assignment]
    scene_runner.summary = lambda scene: {}  # type: ignore[assignment]
    scene_runner.draw(job, Path(job["out"]))


def manims_renderer() -> Any:
    """What takes the place of our renderer: Manim's, with a writer that writes nothing."""
    from manim.renderer.cairo_renderer import CairoRenderer
    from manim.scene.scene_file_writer import SceneFileWriter

    class Dropping(SceneFileWriter):
        def begin_animation(self, *_: Any, **__: Any) -> None: ...

        def end_animation(self, *_: Any, **__: Any) -> None: ...

        def write_frame(self, *_: Any, **__: Any) -> None: ...

        def finish(self) -> None: ...

        def abort_encode_jobs(self, *_: Any, **__: Any) -> None: ...

    return lambda target, shop: CairoRenderer(file_writer_class=Dropping)


class Timed(codec.VideoWriter):
    """A video writer that keeps its pictures until there are enough of them, and notes what coding them costs."""

    cpu, pictures = 0.0, 0  # of all

    def show(self, picture: av.VideoFrame, at: int, key: bool = False) -> None:
        if not hasattr(self, "batch"):
            self.batch: list[tuple[av.VideoFrame, int, bool]] = []
        kept = av.VideoFrame(picture.width, picture.height, picture.format.name)
        for plane, source in zip(kept.planes, picture.planes, strict=True):
            plane.update(np.frombuffer(source, np.uint8))
        self.batch.append((kept, at, key))
        if len(self.batch) == BATCH:
            self.code()

    def code(self, end: int | None = None) -> None:
        batch, self.batch = self.batch, []
        begin = time.process_time()
        for picture, at, key in batch:
            super().show(picture, at, key)
        if end is not None:
            super().end(end)
        Timed.cpu += time.process_time() - begin
        Timed.pictures += len(batch)

    def end(self, at: int) -> None:
        self.code(at)


def coding(job: dict[str, Any]) -> None:
    """CPU seconds that libx264 takes for the pictures of the scene, and how many these are, to coded.json."""
    from coursebuild import scene_runner

    codec.VideoWriter = Timed  # type: ignore[misc]
    scene_runner.draw(job, Path(job["out"]))
    write_json(Path(job["out"]) / "coded.json", {"cpu": Timed.cpu, "pictures": Timed.pictures})


# ------------------------------------------------------------------ what the benchmark calls


def jobs_of(out: Path) -> list[animate.Job]:
    """The scenes of the built days in `out`, at the quality at which they were built."""
    found = []
    for work in sorted(out.glob("day*/work")):
        clips = Clips.load(work / "clips" / "clips.json").scenes
        (source,) = ROOT.glob(f"animations/{work.parent.name}_*.py") if clips else (None,)
        sizes = {QUALITY[name][:2]: name for name in QUALITY}
        wanted = read_json(work / "scenes.json") if clips else {}
        for name, clip in clips.items():
            inputs = {"scene": source, "theme": ROOT / "templates" / "theme.json"}
            inputs["record"] = work.parent / "record" / "record.json"
            look = {"quality": sizes[clip.width, clip.height], "theme": "dark"}
            found.append(animate.job_for(name, wanted[name], inputs, look))
    if not found:
        raise BenchError(f"{out} has no scenes")
    return found


def measured(job: animate.Job, part: str) -> float:
    """CPU seconds of `ours` (the builder's process for a scene), of `raster` or of `x264`, each in a process anew."""
    with scratch("floor") as folder:
        order = animate.order(job, folder, folder / "cache", threads=1)
        write_json(folder / "job.json", order)
        argv = [sys.executable, "-m", "tests.bench.clip_floor", part, str(folder / "job.json")]
        usage = run(argv, cwd=ROOT, log=folder / "log.txt", env=ONE_THREAD | {"PYTHONPATH": str(ROOT)})
        if (folder / "error.json").exists():
            raise BenchError(f"the scene {job.name} failed: {read_json(folder / 'error.json')[0]}")
        return read_json(folder / "coded.json")["cpu"] if part == "x264" else usage.cpu


def compare(out: Path, rounds: int) -> dict[str, Any]:
    """Every scene and its floor, alternated; medians, and the median of the ratios."""
    scenes = {}
    for job in jobs_of(out):
        parts = ("ours", "raster", "x264")
        runs = [{part: measured(job, part) for part in (parts if k % 2 == 0 else parts[::-1])} for k in range(rounds)]
        floors = [r["raster"] + r["x264"] for r in runs]
        scenes[job.name] = {
            "ours": median(r["ours"] for r in runs),
            "floor": median(floors),
            "ratio": median(r["ours"] / floor for r, floor in zip(runs, floors, strict=True)),
            "n": rounds,
            "quality": job.quality,
            "runs": runs,
        }
    return {"scenes": scenes}


def main(arguments: list[str]) -> None:
    if len(arguments) == 2:
        part, file = arguments
        job = read_json(Path(file)) | {"parent": os.getppid()}
        {"ours": ours, "raster": drawing, "x264": coding}[part](job)
        return
    out, report, rounds = arguments
    Path(report).write_text(json.dumps(compare(Path(out), int(rounds)), indent=1), encoding="utf-8")


if __name__ == "__main__":
    os.environ.update(ONE_THREAD)
    main(sys.argv[1:])
