"""How long the 50 days take on many machines: list scheduling, simulated with the step times of a real build.

    python -m tests.bench.scaling out

reads the stamps below out/ and writes the table of docs/SCALING.md. A machine is one like that on which the times were
measured; a step takes as many cores as it can use; what is ready starts by upward rank, as in `coursebuild.graph`.
Each step also pays for being handed out: OVERHEAD seconds, measured by tests/bench (see the page).
"""

from __future__ import annotations

import argparse
import heapq
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from coursebuild.course import find_days, load_syllabus
from coursebuild.estimates import ranks
from coursebuild.files import ROOT, read_json
from coursebuild.flow import Options, Step, plan
from coursebuild.graph import makers

DAYS = 50
MACHINES = (1, 8, 64)
PAGE = ROOT / "docs" / "SCALING.md"
BEGIN, END = "<!-- simulated -->", "<!-- end -->"


@dataclass(frozen=True)
class Course:
    """Steps, what each needs, and how long each takes (seconds on `cores` cores of one machine)."""

    steps: list[Step]
    before: dict[str, set[str]]
    took: dict[str, float]

    def chain(self) -> float:
        """Seconds of the longest chain: no number of machines is faster."""
        return max(ranks(self.steps, self.before, self.took).values())

    def work(self, cores: int) -> float:
        """Core-seconds of everything."""
        return sum(self.took[s.name] * min(s.cores, cores) for s in self.steps)


def repeat(steps: list[Step], took: dict[str, float], days: int) -> Course:
    """The steps of one day as those of many, and a site that waits for all their pages."""
    one = [s for s in steps if s.day]
    site = next(s for s in steps if not s.day)
    inner = makers(one)
    every, before, times = [], {}, {}
    for day in range(1, days + 1):
        for step in one:
            name = f"day{day:02d}-{step.kind}"
            every.append(replace(step, name=name, day=day))
            before[name] = {f"day{day:02d}-{n.partition('-')[2]}" for n in inner[step.name]}
            times[name] = took[step.name]
    before[site.name] = {n for n in times if n.endswith("-page")}
    return Course([*every, site], before, times | {site.name: took[site.name]})


def makespan(course: Course, machines: int, cores: int, overhead: float = 0.0, gpus: int | None = None) -> float:
    """Seconds until everything is built. `gpus`: how many machines may run experiments (None: all)."""
    rank = ranks(course.steps, course.before, course.took)
    by_name = {s.name: s for s in course.steps}
    missing = {name: len(needed) for name, needed in course.before.items()}
    after: dict[str, list[str]] = {name: [] for name in missing}
    for name, needed in course.before.items():
        for maker in needed:
            after[maker].append(name)
    free = dict.fromkeys(range(machines), cores)
    with_gpu = range(machines if gpus is None else min(gpus, machines))
    ready = [(-rank[n], n) for n, left in missing.items() if not left]
    events: list[tuple[float, int, int, str]] = []  # end, machine, cores, step
    now = 0.0
    while ready or events:
        waiting = []
        for item in sorted(ready):
            step = by_name[item[1]]
            need = min(step.cores, cores) if machines == 1 else cores  # workers of a cluster take one step at a time
            place = next((m for m in (with_gpu if step.gpu else free) if free[m] >= need), None)
            if place is None:
                waiting.append(item)
                continue
            free[place] -= need
            heapq.heappush(events, (now + course.took[step.name] + overhead, place, need, step.name))
        ready = waiting
        now, place, need, name = heapq.heappop(events)
        free[place] += need
        for follower in after[name]:
            missing[follower] -= 1
            if not missing[follower]:
                ready.append((-rank[follower], follower))
    return now


def words(seconds: float) -> str:
    """125 -> "2 min 5 s"; hours from 100 minutes on."""
    if seconds >= 6000:
        return f"{seconds / 3600:.1f} h"
    return f"{int(seconds // 60)} min {round(seconds % 60)} s" if seconds >= 60 else f"{seconds:.0f} s"


def table(course: Course, cores: int, overhead: float) -> str:
    """Markdown: machines, time, speed-up, share of the cores that is busy, and what the bounds are."""
    one = makespan(course, 1, cores, overhead)
    rows = [
        "| machines | 50 days take | times faster | cores busy | no faster than |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for machines in MACHINES:
        took = makespan(course, machines, cores, overhead)
        bound = max(course.chain(), course.work(cores) / (machines * cores))
        busy = course.work(cores) / (took * machines * cores)
        rows.append(f"| {machines} | {words(took)} | {one / took:.1f} | {busy:.0%} | {words(bound)} |")
    return "\n".join(rows)


def measured(out: Path, day: int) -> tuple[list[Step], dict[str, float]]:
    """The plan of a day, and the seconds that its steps took when they were last built into `out`."""
    every = find_days(ROOT)
    steps = plan([every[day]], Options(out=out), load_syllabus(ROOT), {day: every[day]})
    took = {s.name: read_json(out / ".stamps" / f"{s.name}.json")["seconds"] for s in steps}
    return steps, took


def put(text: str, begin: str, end: str) -> None:
    """Write a text, which ends with a new line, between two marks of docs/SCALING.md."""
    page = PAGE.read_text(encoding="utf-8")
    inside = re.compile(f"{begin}.*{end}", re.DOTALL)
    PAGE.write_text(inside.sub(lambda _: f"{begin}\n{text}{end}", page), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="where day 4 was built from nothing")
    parser.add_argument("--day", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2, help="of the machine on which it was built")
    parser.add_argument("--overhead", type=float, default=0.05, help="seconds to hand out a step")
    wanted = parser.parse_args()
    steps, took = measured(wanted.out.resolve(), wanted.day)
    course = repeat(steps, took, DAYS)
    times = ", ".join(f"{s.kind} {took[s.name]:.1f}" for s in sorted(steps, key=lambda s: -took[s.name])[:6])
    text = f"Seconds of a day's steps: {times}. The longest chain of one day: {words(course.chain())}.\n\n"
    text += table(course, wanted.cores, wanted.overhead)
    put(text + "\n", BEGIN, END)
    print(text)
    print(json.dumps({"chain_seconds": course.chain(), "core_seconds": course.work(wanted.cores)}))


if __name__ == "__main__":
    main()
