"""The same slides by every rival and by us, in turn; then what came out is judged, and the floors are measured."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursebuild.files import ROOT
from tests.bench import judge, meter
from tests.bench.content import Content, Work, chosen, content_of, cut_inputs, inputs_of, moved
from tests.bench.meter import BenchError, Usage
from tests.bench.profiles import hot_spots
from tests.bench.seeking import browser, seeks
from tests.bench.stats import alternated

HERE = Path(__file__).resolve().parent
SEEKS = 60
PRESETS = ("medium", "ultrafast")
OURS = "this project"


@dataclass(frozen=True)
class Part:
    """Some slides of a lecture in `folder`, as every rival gets them. `builder`: the project that is measured."""

    content: Content
    folder: Path
    builder: Path
    slides: list[str]

    @classmethod
    def of(cls, work: Work, folder: Path, seconds: float | None, builder: Path) -> Part:
        """Slides that fill about `seconds`; the whole lecture if None."""
        folder.mkdir()
        if seconds is None:
            plan, inputs = work.plan, inputs_of(work)
        else:
            plan = moved(work.plan, chosen(work.plan, seconds))
            inputs = cut_inputs(work, plan, folder)
        (folder / "inputs.json").write_text(json.dumps({k: str(v) for k, v in inputs.items()}))
        content = content_of(work, plan)
        content.save(folder / "content.json")
        (folder / "films").mkdir()
        return cls(content, folder, builder, [s.id for s in plan.slides])

    def film(self, name: str) -> Path:
        return self.folder / "films" / f"{name.replace(' ', '_')}.mp4"

    def make(self, name: str, python: Path, program: str, *more: str) -> Usage:
        """Run a rival (a program in rivals/); what the whole process cost."""
        target = self.film(name)
        target.unlink(missing_ok=True)
        source = self.folder / ("inputs.json" if program == "ours.py" else "content.json")
        argv = [python, HERE / "rivals" / program, source, target, *more]
        log = self.folder / f"{target.stem}.log"
        usage = meter.run(argv, cwd=self.folder, log=log, env={"PYTHONPATH": str(self.builder)})
        if not target.exists():
            raise BenchError("it ended without a film")
        return usage

    def ours(self, *more: str) -> Usage:
        return self.make(OURS, Path(sys.executable), "ours.py", *more)


def ways(part: Part, rivals: Path) -> dict[str, Callable[[], Usage]]:
    """All ways to make the film of a part. `rivals`: Python with moviepy and an ffmpeg binary."""

    def of(name: str, python: Path, program: str, *more: str) -> Callable[[], Usage]:
        return lambda: part.make(name, python, program, *more)

    found = {OURS: part.ours, "Manim, wait": of("Manim, wait", Path(sys.executable), "manim_waits.py")}
    for label, program in (("moviepy", "moviepy_clips.py"), ("ffmpeg recipe", "ffmpeg_recipe.py")):
        for preset in PRESETS:
            name = f"{label}, {preset}"
            found[name] = of(name, rivals, program, preset)
    return found


def compare(part: Part, rivals: Path, rounds: int, seconds: float, fast_ones: int) -> dict[str, Any]:
    """Costs of all ways in turn, and a judgement of each film.

    `fast_ones`: 0 leaves the rivals' fast presets out, 1 takes them into the first round alone, 2 into all.
    """
    found = ways(part, rivals)
    fast = {name for name in found if name.endswith(PRESETS[1])}
    if not fast_ones:
        found = {name: way for name, way in found.items() if name not in fast}
    usages, failed = alternated(found, rounds, seconds, fast if fast_ones == 1 else frozenset())
    made = [name for name in usages if part.film(name).exists()]
    profile = part.folder / "ours.prof"
    part.ours(str(profile))
    stills = part.content.stills
    return {
        "slides": part.slides,
        "seconds": part.content.seconds,
        "states": len(stills),
        "sentences": sum(len(s.sentences) for s in part.content.shown),
        "size": [part.content.width, part.content.height],
        "usage": {name: [dataclasses.asdict(u) for u in found] for name, found in usages.items() if found},
        "failed": failed,
        "judged": {name: judge.judged(part.film(name), part.content) for name in made},
        "profile": hot_spots(profile),
    }


def whole_film(part: Part, rivals: Path, rounds: int, seconds: float, with_rival: bool) -> dict[str, Any]:
    """Our film of the whole lecture, its clips ready; the same by moviepy only if asked for."""
    usages, failed = alternated({OURS: part.ours}, rounds, seconds)
    if failed:
        raise BenchError(failed[OURS])
    found = {OURS: [dataclasses.asdict(u) for u in usages[OURS]]}
    if with_rival:
        name = "moviepy, medium"
        found[name] = [dataclasses.asdict(part.make(name, rivals, "moviepy_clips.py", PRESETS[0]))]
    return {
        "seconds": part.content.seconds,
        "states": len(part.content.stills),
        "usage": found,
        "judged": {name: judge.judged(part.film(name), part.content) for name in found},
    }


def seek_all(part: Part, count: int = SEEKS) -> dict[str, Any]:
    """Chromium's seeks in every film of a part that there is, `count` in each."""
    with browser(part.folder / "films") as page:
        films = sorted((part.folder / "films").glob("*.mp4"))
        return {path.stem.replace("_", " "): seeks(page, path.name, part.content, count) for path in films}


def floors(part: Part) -> dict[str, Any]:
    """libx264 alone on the part's frames."""
    report = part.folder / "floors.json"
    argv = [sys.executable, HERE / "floors.py", part.folder / "content.json", report]
    meter.run(argv, cwd=part.folder, log=part.folder / "floors.log", env={"PYTHONPATH": str(ROOT)})
    return json.loads(report.read_text())
