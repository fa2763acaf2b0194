"""The targets, and what was measured of each. No verdict is written down: all follow from docs/performance.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.bench.films import OURS
from tests.bench.stats import paired_ratio

JsonDict = dict[str, Any]
FRAME_MS = 1000 / 30
FILM_EDITS = ("one word of the narration, film alone", "one word of a bullet, film alone")


@dataclass(frozen=True)
class Target:
    """A number that was asked for. `value` is None where it was not measured, and `missing` says why."""

    name: str
    limit: float
    unit: str
    at_least: bool = False
    value: float | None = None
    n: int = 0
    missing: str = ""
    note: str = ""
    profile: list[list[Any]] = field(default_factory=list)  # [what, CPU seconds, share]
    because: str = ""  # what the profile means for the target

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def goal(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}{self.unit}"


def targets(data: JsonDict) -> list[Target]:
    """All targets, in the order of the report."""
    return [
        _rival(data, "moviepy, medium", 40),
        _rival(data, "Manim, wait", 20),
        _clip(data),
        _five(data),
        *[_edit(data, name) for name in FILM_EDITS],
        _sync(data),
        _seek(data),
        _noop(data, "day", "a build of one day with nothing to do", 1),
        _noop(data, "fifty", "a build of 50 days with nothing to do", 3),
    ]


def cpu(runs: list[JsonDict]) -> list[float]:
    """CPU seconds of runs, whether of a command or of a build."""
    return [run.get("usage", run)["cpu"] for run in runs]


def why(data: JsonDict, *parts: str) -> str:
    """Why a part was not measured."""
    return next((data["missing"][p] for p in parts if p in data.get("missing", {})), "it was not part of this run")


def by_step(built: JsonDict) -> list[list[Any]]:
    """CPU seconds of the steps of a build, largest first, and what is left for the command around them."""
    whole = built["usage"]["cpu"]
    steps = {name: cost["cpu_seconds"] for name, cost in built["steps"].items() if "cpu_seconds" in cost}
    rows = sorted(steps.items(), key=lambda item: -item[1])
    rows.append(("start, imports, plan and stamps", max(0.0, whole - sum(steps.values()))))
    return [[name, round(seconds, 2), round(seconds / whole, 3)] for name, seconds in rows]


def middle(runs: list[JsonDict]) -> JsonDict:
    """The run whose CPU time is the median (the lower of two)."""
    return sorted(runs, key=lambda run: run["usage"]["cpu"])[(len(runs) - 1) // 2]


def _rival(data: JsonDict, rival: str, limit: float) -> Target:
    name = f"slides and assembly: CPU of {rival.replace(', ', ' (')}) / ours"
    part = data.get("part", {})
    usage = part.get("usage", {})
    theirs, ours = cpu(usage.get(rival, [])), cpu(usage.get(OURS, []))
    ratio = paired_ratio(theirs, ours)
    if ratio is None:
        missing = part.get("failed", {}).get(rival) or why(data, "part", "day")
        return Target(name, limit, "×", True, missing=missing)
    n, length = min(len(theirs), len(ours)), part["seconds"]
    note = f"{length:.0f} s of film: {median(theirs):.1f} against {median(ours):.2f} CPU s"
    return Target(name, limit, "×", True, ratio, n, note=note, profile=part.get("profile", []))


def _clip(data: JsonDict) -> Target:
    name = "a clip: CPU / floor of Cairo and libx264"
    scenes = data.get("clip_floor", {}).get("scenes", {})
    if not scenes:
        return Target(name, 1.1, "×", missing=why(data, "clip_floor", "day"))
    worst = max(scenes, key=lambda scene: scenes[scene]["ratio"])
    note = "the worst of " + ", ".join(f"{scene} {found['ratio']:.2f}" for scene, found in scenes.items())
    parts, whole = _clip_parts(scenes[worst]), scenes[worst]["ours"]
    profile = [[what, round(seconds, 2), round(seconds / whole, 3)] for what, seconds in parts]
    because = f"What is ours in `{worst}` is {parts[-1][1]:.2f} CPU s: opening files, posters, checks of the pictures."
    ratio, n = scenes[worst]["ratio"], scenes[worst]["n"]
    return Target(name, 1.1, "×", False, ratio, n, note=note, profile=profile, because=because)


def _clip_parts(scene: JsonDict) -> list[tuple[str, float]]:
    """CPU seconds of a clip: Manim's drawing alone, libx264 alone, and what is left for the writer (median runs)."""
    raster, x264 = (median(run[part] for run in scene["runs"]) for part in ("raster", "x264"))
    rest = max(0.0, scene["ours"] - raster - x264)
    return [("Manim and Cairo alone", raster), ("libx264 alone", x264), ("all the rest", rest)]


def _floor_of_five(data: JsonDict, rows: list[list[Any]], minutes: float) -> str:
    """What the animations and the voice of the lecture cost without any builder."""
    seconds = {str(what).partition("-")[2]: spent for what, spent, _ in rows}
    scenes = data.get("clip_floor", {}).get("scenes", {}).values()
    if not scenes or not {"animate", "narrate"} <= seconds.keys():
        return ""
    share = min(1.0, sum(s["floor"] for s in scenes) / sum(s["ours"] for s in scenes))
    clips, voice = share * seconds["animate"] / minutes, seconds["narrate"] / minutes
    return (
        f"The floor of these animations (Cairo and libx264 alone) is {clips:.1f} CPU s for each minute of this film, "
        f"and the neural voice takes {voice:.1f}: together {clips + voice:.1f}, before any builder has done anything. "
        "The share of the time that is animated decides, and the seconds of Cairo that its scenes need."
    )


def _five(data: JsonDict) -> Target:
    name = "a lecture of five minutes, cold, voice and clips included: CPU seconds per minute of film"
    five = data.get("five", {})
    runs = five.get("commands", {}).get("film, cold", [])
    if not runs:
        return Target(name, 10, " s", missing=why(data, "five", "day"))
    value = median(cpu(runs)) / five["minutes"]
    note = f"{five['minutes']:.2f} min, {five['animated_share']:.0%} of it animated"
    rows = by_step(middle(runs))
    because = _floor_of_five(data, rows, five["minutes"])
    return Target(name, 10, " s", False, value, len(runs), note=note, profile=rows, because=because)


def _edit(data: JsonDict, command: str) -> Target:
    name = f"{command.partition(',')[0]}, until it is in the film: CPU seconds"
    runs = data.get("day", {}).get("commands", {}).get(command, [])
    if not runs:
        return Target(name, 5, " s", missing=why(data, "day"))
    return Target(name, 5, " s", False, median(cpu(runs)), len(runs), profile=by_step(middle(runs)))


def _sync(data: JsonDict) -> Target:
    name = "sound and picture against the timeline, whole film: largest deviation"
    found = data.get("whole", {}).get("judged", {}).get(OURS, {}).get("sync")
    if not found:
        return Target(name, round(FRAME_MS, 1), " ms", missing=why(data, "whole", "day"))
    worst = max(found[k] for k in ("between", "picture", "sound"))
    note = f"{found['states']} pictures, {found['missed']} not found, {found['sentences']} sentences"
    value = float("inf") if found["missed"] else worst
    return Target(name, round(FRAME_MS, 1), " ms", False, value, found["states"], note=note)


def _seek(data: JsonDict) -> Target:
    name = "seek in Chromium, whole film: median"
    found = data.get("seeks", {}).get("whole", {}).get(OURS)
    if not found:
        return Target(name, 100, " ms", missing=why(data, "seeks", "whole", "day"))
    judged = data.get("whole", {}).get("judged", {}).get(OURS, {})
    note = f"longest {found['max_ms']:.0f} ms, {found['wrong']} wrong pictures"
    if judged:
        most = f"{judged['seek_pictures_median']:g}, at most {judged['seek_pictures_max']}"
        note += f"; pictures to decode per seek: median {most}"
    simple = data["seeks"].get("part", {})
    because = ""
    if {OURS, "moviepy, ultrafast"} <= simple.keys():
        ours, theirs = (simple[name]["median_ms"] for name in (OURS, "moviepy, ultrafast"))
        because = (
            f"Little is left to decode. In the film of two slides a seek takes {ours:.0f} ms, and {theirs:.0f} "
            "ms where the pictures are coded without CABAC and deblocking (moviepy, ultrafast), in a larger file."
        )
    return Target(name, 100, " ms", False, found["median_ms"], found["n"], note=note, because=because)


def _noop(data: JsonDict, part: str, what: str, limit: float) -> Target:
    found = data.get(part, {})
    runs = found.get("commands", {}).get("nothing to do", [])
    name = f"{what}: CPU seconds"
    if not runs:
        return Target(name, limit, " s", missing=why(data, part))
    return Target(name, limit, " s", False, median(cpu(runs)), len(runs), profile=found.get("noop_profile", []))
