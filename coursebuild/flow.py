"""The steps of a day, on one screen: what comes from what. No engine in here."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coursebuild.assets import ASSETS
from coursebuild.course import Day, project_settings, syllabus_of
from coursebuild.errors import CourseError
from coursebuild.files import ROOT
from coursebuild.keys import closure
from coursebuild.overview import overview_file
from coursebuild.reading import read_text

TEMPLATES = ROOT / "templates"
SITE = TEMPLATES / "site"
LOOK = (SITE / "base.html.j2", SITE / "site.css")  # of every page
THEME = {"theme": TEMPLATES / "theme.json"}
VOICES = ("piper", "kokoro", "espeak", "silent")
CREDITS = [f"{a.what}: {a.licence}" for n, a in ASSETS.items() if not n.startswith("piper")]
WANTED = {  # what --only takes, and the steps that it needs to have ended
    "record": ["run"],
    "slides": ["slides", "handout", "pptx", "html"],
    "pdf": ["slides", "handout"],
    "pptx": ["pptx"],
    "html": ["html"],
    "voice": ["narrate"],
    "clips": ["animate"],
    "video": ["film"],
    "notebook": ["notebook"],
    "page": ["page", "week", "site"],
}


@dataclass(frozen=True)
class Options:
    """How a build is wanted."""

    preset: str = "quick"
    quality: str = "fullhd"
    voice: str = "piper"
    theme: str = "dark"
    settings: dict[str, Any] = field(default_factory=dict)
    from_records: bool = False
    cfr: bool = False
    with_outputs: bool = False
    out: Path = ROOT / "out"


@dataclass(frozen=True)
class Step:
    """A function of files. `inputs` and `products` are handed to it by name; what follows counts for its key alone.

    `watch` are files that it reads besides, `runs` one that it executes with all that this imports, and `unused` are
    modules that its code imports and which do nothing with these parameters.
    """

    name: str
    day: int
    function: str  # "coursebuild.steps.narrate:narrate"
    inputs: dict[str, Path]
    products: dict[str, Path]
    params: dict[str, Any] = field(default_factory=dict)
    watch: tuple[Path, ...] = ()
    runs: Path | None = None
    unused: tuple[str, ...] = ()
    gpu: bool = False
    cores: int = 1  # as many as it can use

    @property
    def kind(self) -> str:
        return self.name.partition("-")[2]


def recorded_run(day: Day) -> Path:
    """The folder of a day's committed results; CourseError where there are none."""
    kept = day.root / "records" / f"day{day.number:02d}"
    if not (kept / "record.json").exists():
        again = f"build without --from-records, or run it on a GPU: build.py run {day.number} --preset full --record"
        raise CourseError(f"no recorded run of day {day.number} in records/{kept.name}", hint=again)
    return kept


def plan_day(day: Day, options: Options, syllabus: dict[str, Any], neighbours: dict[str, Day | None]) -> list[Step]:
    """All steps of a day, in an order in which they could run one by one."""
    o, stem = options, day.stem
    project = project_settings()
    there = o.out / f"day{day.number:02d}"
    work = there / "work"
    lecture, script, scene = (day.source(k) for k in ("lecture", "script", "animation"))
    file = {
        "film": f"{stem}.mp4",
        "vtt": f"{stem}.vtt",
        "srt": f"{stem}.srt",
        "pptx": f"{stem}.pptx",
        "html": f"{stem}.html",
        "pdf": f"{stem}.pdf",
        "handout": f"{stem}_handout.pdf",
        "notebook": f"{stem}.ipynb",
        "script": f"{stem}.py",
    }
    out = {k: there / v for k, v in file.items()}
    record = there / "record"
    shown, spoken, scenes = (work / f"{n}.json" for n in ("shown", "spoken", "scenes"))
    entry = syllabus_of(day.number, syllabus)
    steps: list[Step] = []

    def step(kind: str, inputs: dict[str, Path], products: dict[str, Path], function: str = "", **more: Any) -> None:
        function = function or f"coursebuild.steps.{kind}:{kind}"
        steps.append(Step(f"day{day.number:02d}-{kind}", day.number, function, inputs, products, **more))

    if o.from_records:
        kept = {"script": script, "kept": recorded_run(day)}
        step("run", kept, {"record": record}, "coursebuild.steps.recorded:recorded")
    else:
        knobs = {"preset": o.preset, "settings": o.settings, "limit": None, **outside("DL50_FONTS"), **own_data(script)}
        step("run", {"script": script} | THEME, {"record": record}, runs=script, gpu=True, cores=4, params=knobs)
    deck = {"shown": shown, "record": record / "record.json"}
    clips = {"clips": work / "clips" / "clips.json"}
    said = {"spoken": spoken}
    look = {"quality": o.quality, "theme": o.theme}
    step(
        "lecture",
        {"lecture": lecture, "script": script, "record": record / "record.json"},
        {"shown": shown, "spoken": spoken, "scenes": scenes},
        params={"course": project["course"], "syllabus": entry},
    )
    others = tuple(f"coursebuild.voices.{voice}" for voice in VOICES if voice != o.voice)
    step(
        "narrate",
        said,
        {"speech": work / "speech"},
        params={"voice": o.voice, **program(o.voice)},
        unused=others,
        cores=4,
    )
    step(
        "animate",
        {"scene": scene, "record": record / "record.json", "scenes": scenes} | THEME,
        {"clips": work / "clips"},
        params=look,
        runs=scene,
        cores=4,
    )
    geometry = {"geometry": work / "geometry.json"}
    typst = tuple(sorted(TEMPLATES.glob("deck*.typ")))
    step(
        "slides",
        deck | clips | THEME,
        {"frames": work / "frames", "pdf": out["pdf"], **geometry},
        params=look,
        watch=typst,
    )
    paper = {"theme": "light"}
    step("handout", deck | said | clips | THEME, {"handout": out["handout"]}, params=paper, watch=typst)
    everything = deck | said | geometry | clips | THEME
    step("pptx", everything, {"pptx": out["pptx"]}, params={"theme": o.theme}, watch=typst)
    html = (*typst, *(TEMPLATES / f"deck.{x}" for x in ("html.j2", "css", "js")))
    step("html", everything, {"html": out["html"]}, params={"theme": o.theme}, watch=html)
    speech = {"speech": work / "speech" / "speech.json"}
    times = {"timeline": work / "timeline.json", "vtt": out["vtt"], "srt": out["srt"]}
    step("timeline", speech | clips, times)
    timeline = {"timeline": times["timeline"]}
    frames = {"frames": work / "frames" / "frames.json"}
    step(
        "film",
        timeline | speech | frames | clips | deck,
        {"film": out["film"], "poster": there / "poster.png"},
        params={"quality": o.quality, "cfr": o.cfr},
    )
    address = {"repository": project["repository"], "branch": project["branch"]}
    colab = address | {"outputs": o.preset if o.with_outputs else ""}
    inside = tuple(f for f in closure(script, (script.parent,))[0] if f != script)  # the notebook has their text
    proof = {"runs": script if o.with_outputs else None}
    step("notebook", {"script": script}, {"notebook": out["notebook"]}, params=colab, watch=inside, **proof)
    step("script", {"source": script}, {"copy": out["script"]}, "coursebuild.steps.copy:copy")
    step(
        "page",
        deck | said | timeline | speech | {k: out[k] for k in file} | {"poster": there / "poster.png"} | THEME,
        {"page": there / "index.html"},
        params={"files": file, "syllabus": entry, "credits": CREDITS, **address, **_links(neighbours, syllabus)},
        watch=(*LOOK, SITE / "day.html.j2", SITE / "player.js"),
    )
    return steps


def outside(name: str) -> dict[str, str]:
    """A variable of the environment that changes what is made, where it is set."""
    return {name: os.environ[name]} if os.environ.get(name) else {}


def own_data(script: Path) -> dict[str, list[str]]:
    """What the user's folder has of the data that a script and its blocks use: with it, they learn from something else.

    What else the script imports does not count: lab/ names all data sets.
    """
    if not os.environ.get("DL50_DATA"):
        return {}
    from coursebuild.data_command import places

    files, _ = closure(script, (script.parent,))
    texts = [read_text(file, code=True) for file in files if file == script or file.parent.name == "blocks"]
    return {"data": found} if (found := places.of_the_user("\n".join(texts))) else {}


def program(voice: str) -> dict[str, str]:
    """The version of a voice that is a program of the system: no Python package tells it."""
    if voice != "espeak":
        return {}
    from coursebuild.voices import voice_named

    try:
        return {"program": voice_named(voice).identity()}
    except CourseError:  # the step says what is missing
        return {"program": "missing"}


def _links(neighbours: dict[str, Day | None], syllabus: dict[str, Any]) -> dict[str, Any]:
    return {
        side: {
            "day": d.number,
            "title": syllabus_of(d.number, syllabus)["title"] or d.slug,
            "href": f"../day{d.number:02d}/index.html",
        }
        if d
        else None
        for side, d in neighbours.items()
    }


def cards_of(days: list[Day], out: Path) -> dict[str, Path]:
    """What pages that list days need of each."""
    inputs = {}
    for day in days:
        there = out / f"day{day.number:02d}"
        inputs |= {
            f"shown{day.number}": there / "work" / "shown.json",
            f"timeline{day.number}": there / "work" / "timeline.json",
            f"page{day.number}": there / "index.html",
            f"poster{day.number}": there / "poster.png",
        }
    return inputs


def plan_weeks(days: list[Day], options: Options, syllabus: dict[str, Any]) -> list[Step]:
    """out/weekN/index.html for every week that has an overview and a built day."""
    steps = []
    for week in syllabus["weeks"]:
        inside = [d for d in days if week["first"] <= d.number <= week["last"]]
        if not inside or not (overview := overview_file(inside[0].root, week["week"])).exists():
            continue
        name = f"week{week['week']}"
        records = {f"record{d.number}": options.out / f"day{d.number:02d}" / "record" / "record.json" for d in inside}
        titles = {str(d["day"]): d["title"] for d in syllabus["days"] if week["first"] <= d["day"] <= week["last"]}
        steps.append(
            Step(
                f"{name}-week",
                0,
                "coursebuild.steps.week:week",
                {"overview": overview} | cards_of(inside, options.out) | records | THEME,
                {"page": options.out / name / "index.html"},
                {"course": project_settings()["course"], "week": week, "titles": titles},
                watch=(*LOOK, SITE / "week.html.j2"),
            )
        )
    return steps


def plan_site(days: list[Day], options: Options, syllabus: dict[str, Any], weeks: list[Step]) -> Step:
    """out/index.html: all the days that have been built, and those still to come."""
    named = [{k: d.get(k) for k in ("day", "title", "week")} for d in syllabus["days"]]
    pages = {step.name.partition("-")[0]: step.products["page"] for step in weeks}
    return Step(
        "site-site",
        0,
        "coursebuild.steps.site:site",
        cards_of(days, options.out) | pages | THEME,
        {"index": options.out / "index.html"},
        {"course": project_settings()["course"], "syllabus": {"weeks": syllabus["weeks"], "days": named}},
        watch=(*LOOK, SITE / "index.html.j2"),
    )


def plan(
    days: list[Day], options: Options, syllabus: dict[str, Any], every: dict[int, Day], only: list[str] | None = None
) -> list[Step]:
    """The steps of a build. The site counts every day that is built or being built."""
    chosen = {d.number for d in days}
    there = {n: d for n, d in every.items() if n in chosen or (options.out / f"day{n:02d}" / "index.html").exists()}
    numbers = sorted(there)
    steps: list[Step] = []
    for day in days:
        before = max((n for n in numbers if n < day.number), default=None)
        after = min((n for n in numbers if n > day.number), default=None)
        near = {"previous": there.get(before), "next": there.get(after)}
        steps += plan_day(day, options, syllabus, near)
    weeks = plan_weeks(list(there.values()), options, syllabus)
    steps += [*weeks, plan_site(list(there.values()), options, syllabus, weeks)]
    return needed(steps, only) if only else steps


def needed(steps: list[Step], only: list[str]) -> list[Step]:
    """The steps that make what `only` names, with all that these need."""
    kinds = {k for name in only for k in WANTED[name]}
    before, keep = makers(steps), set()
    todo = [s.name for s in steps if s.kind in kinds]
    while todo:
        name = todo.pop()
        if name not in keep:
            keep.add(name)
            todo += before[name]
    return [s for s in steps if s.name in keep]


def makers(steps: list[Step]) -> dict[str, set[str]]:
    """For each step the names of those that make its inputs, or the folders in which they lie."""
    made = {path: s.name for s in steps for path in s.products.values()}
    return {s.name: {made[q] for p in s.inputs.values() for q in (p, *p.parents) if q in made} for s in steps}
