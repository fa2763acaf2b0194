"""The parts of the page that show measurements: builds, steps, rivals, floors."""

from __future__ import annotations

from statistics import median

from tests.bench.films import OURS
from tests.bench.stats import by_round, paired_ratio
from tests.bench.tables import NOTHING, mebibytes, number, table
from tests.bench.targets import JsonDict, cpu, middle


def absent(data: JsonDict, part: str) -> str:
    return f"Not measured: {data.get('missing', {}).get(part, 'it was not part of this run')}.\n"


# ------------------------------------------------------------------ builds


def builds(data: JsonDict) -> str:
    out = []
    if data.get("day"):
        day = data["day"]
        out.append(
            f"Day {day['number']}: {day['minutes']:.1f} minutes of film, `build.py {day['number']} {day['options']}`."
            " The experiment runs with its smallest preset, so that it is the builder that is measured"
            + (
                f"; with its default preset it takes {number(cpu(day['experiment'])[0])} CPU s"
                if day.get("experiment")
                else ""
            )
            + ".\n"
        )
        out.append(_commands(day["commands"], "cold"))
    else:
        out.append(absent(data, "day"))
    for name, how in (("course", ""), ("fifty", ", of which one was built and the others are copies of it")):
        if data.get(name):
            course = data[name]
            out.append(f"A generated course of {course['days']} small days{how}, `build.py all {course['options']}`.\n")
            out.append(_commands(course["commands"], "cold"))
        else:
            out.append(f"Generated days ({name}). " + absent(data, name))
    if data.get("five"):
        five = data["five"]
        out.append(
            f"A lecture of {five['minutes']:.2f} minutes, cut from day {data['day']['number']}: {five['slides']}"
            f" slides, {five['animated_share']:.0%} of the time animated. `build.py --only video`;"
            " the experiment has run.\n"
        )
        out.append(_commands(five["commands"], "film, cold"))
    return "\n".join(out)


def _commands(commands: JsonDict, first: str) -> str:
    def row(name: str) -> list[str]:
        runs = commands[name]
        usage = [r["usage"] for r in runs]
        before = cpu(commands.get(first, []))
        ratio = paired_ratio(before, by_round(cpu(runs), len(before))) if name != first else None
        ran = [len(r["steps"]) for r in runs]
        peak = max(u["peak"] for u in usage)
        return [
            name,
            number(median(cpu(runs))),
            number(median(u["wall"] for u in usage)),
            number(ratio, "×"),
            f"{median(ran):g}",
            mebibytes(peak) if peak else NOTHING,
            str(len(runs)),
        ]

    head = ("built after", "CPU s", "wall s", f"{first} / this", "steps run", "peak MiB", "n")
    return table(head, map(row, commands))


# ------------------------------------------------------------------ steps


def steps(data: JsonDict) -> str:
    day = data.get("day")
    if not day:
        return absent(data, "day")
    runs = day["commands"]["cold"]
    names = list(middle(runs)["steps"])

    def costs(step: str, what: str) -> list[float]:
        return [r["steps"][step][what] for r in runs if what in r["steps"].get(step, {})]

    def row(step: str) -> list[str]:
        spent, peak = costs(step, "cpu_seconds"), costs(step, "peak_bytes")
        value = median(spent) if spent else None
        return [
            step,
            number(value),
            number(value / day["minutes"] if value is not None else None),
            number(median(costs(step, "seconds") or [0])),
            mebibytes(max(peak)) if peak else NOTHING,
        ]

    whole = [median(cpu(runs)) - median([sum(costs_of(r)) for r in runs])] if costs_of(runs[0]) else []
    rows = [row(name) for name in sorted(names, key=lambda n: -median(costs(n, "cpu_seconds") or [0]))]
    rows += [["start, imports, plan, stamps", number(v), number(v / day["minutes"]), NOTHING, NOTHING] for v in whole]
    head = ("step of the cold build", "CPU s", "CPU s per minute of film", "wall s", "peak MiB")
    said = "" if whole else "The stamps of this build hold no CPU seconds.\n\n"
    files = [[f"`{name}`", mebibytes(size), mebibytes(size / day["minutes"])] for name, size in day["files"].items()]
    return said + table(head, rows) + "\n" + table(("product", "MiB", "MiB per minute of film"), files)


def costs_of(built: JsonDict) -> list[float]:
    """CPU seconds of the steps of a build."""
    return [step["cpu_seconds"] for step in built["steps"].values() if "cpu_seconds" in step]


# ------------------------------------------------------------------ rivals and floors


def rivals(data: JsonDict) -> str:
    part = data.get("part")
    if not part:
        return absent(data, "part")
    width, height = part["size"]
    out = [
        f"Slides {', '.join(part['slides'])} of day {data['day']['number']}: {part['seconds']:.0f} s,"
        f" {part['states']} pictures, {part['sentences']} sentences, {width}x{height}, 30 frames a second. All get the"
        " same PNG and WAV files; the time includes the start of each program. Drawing the pictures and"
        " speaking are not in it.\n",
        _usages(part),
        *[f"Not measured: {name}: {reason}.\n" for name, reason in part.get("failed", {}).items()],
        _judged(part["judged"], data.get("seeks", {}).get("part", {})),
    ]
    if "seeks" in data.get("missing", {}):
        out.append("Seeks. " + absent(data, "seeks"))
    whole = data.get("whole")
    if whole:
        out.append(f"The whole film, {whole['seconds'] / 60:.1f} minutes, clips ready:\n")
        out += [_usages(whole), _judged(whole["judged"], data.get("seeks", {}).get("whole", {}))]
    else:
        out.append("The whole film. " + absent(data, "whole"))
    return "\n".join(out)


def _usages(part: JsonDict) -> str:
    usage = part["usage"]
    ours = cpu(usage.get(OURS, []))

    def row(name: str) -> list[str]:
        runs = usage[name]
        value = median(cpu(runs))
        ratio = paired_ratio(cpu(runs), ours) if name != OURS else None
        wall = median(u["wall"] for u in runs)
        peak = max(u["peak"] for u in runs)
        a_minute = number(60 * value / part["seconds"])
        return [name, number(value), a_minute, number(ratio, "×"), number(wall), mebibytes(peak), str(len(runs))]

    head = ("by", "CPU s", "per minute of film", "CPU / ours", "wall s", "peak MiB", "n")
    return table(head, map(row, usage))


def _judged(judged: JsonDict, seeks: JsonDict) -> str:
    def row(name: str) -> list[str]:
        j, s = judged[name], seeks.get(name, {})
        return [
            name,
            number(j["sync"]["between"]),
            number(j["sync"]["picture"]),
            number(j["sync"]["sound"]),
            f"{j['psnr_mean']:.1f} / {j['psnr_min']:.1f}",
            mebibytes(j["bytes"]),
            f"{j['coded_pictures']:,}",
            number(s.get("median_ms")),
            f"{s['wrong']} of {s['n']}" if s else NOTHING,
            "yes" if j["starts_at_once"] else "no",
        ]

    head = (
        *("by", "sound to picture, ms", "picture to plan, ms", "sound to plan, ms", "PSNR dB, mean / worst", "MiB"),
        *("coded pictures", "seek ms, median", "wrong picture after a seek", "plays before it is loaded"),
    )
    return "Largest deviations, and what came out:\n\n" + table(head, map(row, judged))


def floors(data: JsonDict) -> str:
    out = []
    floors, part = data.get("floors"), data.get("part", {})
    if floors:
        ours = median(cpu(part["usage"][OURS])) if part.get("usage", {}).get(OURS) else None
        rows = [
            [f"every frame, libx264 {preset}", number(1000 * a_frame), number(floors["cpu_whole"][preset])]
            for preset, a_frame in floors["cpu_per_frame"].items()
        ]
        each = 1000 * floors["once"] / floors["pictures"]
        rows.append(["each picture once, our settings", number(each), number(floors["once"])])
        said = f"libx264 alone, from memory, on the slides above ({floors['sampled_frames']} frames sampled)."
        if ours:
            slowest = floors["cpu_whole"]["ultrafast"] / ours
            said += (
                f" Who codes every frame cannot get below {slowest:.1f} times what our whole process costs for them."
            )
        out.append(f"{said}\n\n{table(('', 'CPU ms per picture', 'CPU s for the piece'), rows)}")
    else:
        out.append(absent(data, "floors"))
    clip = data.get("clip_floor", {}).get("scenes", {})
    if clip:
        out.append("A clip against Manim's rasterisation plus libx264 alone on the same frames:\n")
        rows = [
            [name, number(s["ours"]), number(s["floor"]), number(s["ratio"], "×"), str(s["n"])]
            for name, s in clip.items()
        ]
        out.append(table(("scene", "CPU s", "floor CPU s", "CPU / floor", "n"), rows))
    else:
        out.append("Clips. " + absent(data, "clip_floor"))
    return "\n".join(out)
