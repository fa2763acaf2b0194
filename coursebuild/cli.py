"""The command line. Thin: it reads what is wanted, and calls what does it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from coursebuild.errors import CourseError, did_you_mean, machine_errors
from coursebuild.files import ROOT

PRESETS, QUALITIES, THEMES = ("quick", "full", "smoke"), ("draft", "hd", "fullhd"), ("dark", "light")
VOICES = ("piper", "kokoro", "espeak", "silent")


class Commands(click.Group):
    """`build.py 4` is `build.py build 4`; a CourseError, or what the system refuses, is one message and status 1."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            if args[0].isalpha() and args[0] != "all":
                raise CourseError(f"no command `{args[0]}`", hint=did_you_mean(args[0], self.commands))
            args = ["build", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h", "--version"):
            args = ["build", *args]  # build.py --only slides
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with machine_errors():
                return super().invoke(ctx)
        except CourseError as error:
            click.secho(str(error), err=True, fg="red" if sys.stderr.isatty() else None)
            ctx.exit(1)
        except KeyboardInterrupt:  # click itself would end with 1
            ctx.exit(128 + signal.SIGINT)


def root_option(command: Any) -> Any:
    return click.option(
        "--root", type=click.Path(path_type=Path, file_okay=False), default=ROOT, help="Another course's folder."
    )(command)


def use_data(ctx: click.Context, option: click.Parameter, folder: str | None) -> None:
    """Scripts, which run in processes of their own, read the variable."""
    if folder:
        os.environ["DL50_DATA"] = folder


def data_option(command: Any) -> Any:
    kind = click.Path(exists=True, file_okay=False, resolve_path=True)
    text = "Your own folder with data sets and models; the same as DL50_DATA."
    return click.option("--data", type=kind, expose_value=False, callback=use_data, help=text)(command)


def look_options(command: Any) -> Any:
    """Options that change what is built."""
    for option in (
        click.option(
            "--preset",
            type=click.Choice(PRESETS),
            help="Default: full where a GPU is found, else quick.",
        ),
        click.option("--quality", type=click.Choice(QUALITIES), default="fullhd", show_default=True),
        click.option("--voice", default="piper", show_default=True, metavar="NAME", help=", ".join(VOICES)),
        click.option("--theme", type=click.Choice(THEMES), default="dark", show_default=True),
        click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the script."),
        click.option("--from-records", is_flag=True, help="Use the committed results of a GPU run."),
        click.option("--with-outputs", is_flag=True, help="Run the notebook and keep what it printed and drew."),
        click.option("--cfr", is_flag=True, help="Code every frame of the film, for video editors."),
        click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: out/ of the course."),
        click.option("--only", help="Comma-separated: record, slides, pptx, html, pdf, video, notebook, page ..."),
    ):
        command = option(command)
    return data_option(root_option(command))


def jobs_option(command: Any) -> Any:
    text = "Steps at once. Default: as many as the cores and the memory of this machine allow, at most 16."
    return click.option("--jobs", "-j", type=click.IntRange(1), help=text)(command)


def sound_days(days: list[Any], options: Any) -> tuple[list[Any], dict[str, BaseException]]:
    """The days that can be built, and what is wrong with the others; raises where none is left."""
    from coursebuild.flow import recorded_run

    broken: dict[str, BaseException] = {}
    for day in days:
        try:
            day.check()
            if options.from_records:
                recorded_run(day)
        except CourseError as error:
            broken[f"day {day.number}"] = error
    if len(broken) == len(days):
        raise next(iter(broken.values()))
    return [d for d in days if f"day {d.number}" not in broken], broken


def make_plan(days: str, root: Path, **wanted: Any) -> tuple[list[Any], Any, dict[str, BaseException]]:
    """(steps, options, what is wrong with days that are left out) for a command line."""
    from coursebuild.course import find_days, load_syllabus, select
    from coursebuild.digests import known
    from coursebuild.flow import WANTED, Options, plan
    from coursebuild.running import read_settings

    only = [x.strip() for x in (wanted.pop("only") or "").split(",") if x.strip()]
    for name in only:
        if name not in WANTED:
            raise CourseError(f"--only {name}: no such product", hint=did_you_mean(name, WANTED))
    if wanted["voice"] not in VOICES:
        raise CourseError(f"no voice `{wanted['voice']}`", hint=did_you_mean(wanted["voice"], set(VOICES)))
    root = root.resolve()
    out = (wanted.pop("out") or root / "out").resolve()
    settings = read_settings(wanted.pop("settings"))
    wanted["preset"] = wanted["preset"] or ("full" if count_gpus() else "quick")
    options = Options(out=out, settings=settings, **wanted)
    known.open(out / ".stamps" / "digests")
    every, syllabus = find_days(root), load_syllabus(root)
    chosen, broken = sound_days(select(days, every, syllabus), options)
    return plan(chosen, options, syllabus, every, only), options, broken


def count_gpus() -> int:
    """GPUs of this machine, without importing torch."""
    if not Path("/proc/driver/nvidia/gpus").exists():
        return 0
    from coursebuild.executors import gpu_names

    return len(gpu_names())


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """50 Days of Deep Learning: build lectures from real experiments.

    build.py 4 builds day 4 (the default command is `build`); days are written 4, 1-7, 4,8, week3 or all.
    """


@main.command()
@click.argument("days", default="all")
@look_options
@jobs_option
@click.option("--cluster", metavar="ADDRESS", help="Run the steps on the workers of this Dask scheduler.")
@click.option("--verbose", "-v", is_flag=True, help="Show the commands that are run, and whole tracebacks.")
def build(days: str, root: Path, jobs: int | None, cluster: str | None, verbose: bool, **wanted: Any) -> None:
    """Build DAYS: slides, video, notebook and page."""
    steps, options, broken = make_plan(days, root, **wanted)
    sys.exit(run_build(steps, options, root.resolve(), broken, jobs=jobs, cluster=cluster, verbose=verbose))


def run_build(steps: list[Any], options: Any, root: Path, broken: dict, **where: Any) -> int:
    """Build and report; returns the exit status. `where`: jobs, cluster, verbose."""
    from coursebuild.lock import build_lock

    with build_lock(options.out):  # what is stale is looked at inside: another build may just have made it
        return build_alone(steps, options, root, broken, **where)


def build_alone(steps: list[Any], options: Any, root: Path, broken: dict, **where: Any) -> int:
    """`run_build`, with nobody else in the folder."""
    from coursebuild.stamps import keep_options, will_run

    coming = will_run(steps, root, options.out)
    stale = [s for s in steps if coming[s.name]]
    if not stale and not broken:  # neither the engine nor the report's library is even imported
        click.echo(f"{len(steps)} steps, all up to date")
        return write_report(options.out, {"states": dict.fromkeys(coming, "current"), "errors": {}, "exit_code": 0})

    from rich.console import Console

    from coursebuild.doctor import require
    from coursebuild.graph import Outcome, build
    from coursebuild.report import Watch, explain_error, summary, table

    console, verbose = Console(), where.get("verbose", False)
    if stale:
        keep_options({s.day for s in steps if s.day}, options, options.out)
        require(stale, options.out)
        executor, lanes = make_executor(options.out, **where)
        with Watch(console, stale, options.out, lanes) as watch:
            outcome = build(steps, executor, root, options.out, watch)
    else:
        outcome = Outcome(states=dict.fromkeys(coming, "current"))
    outcome.errors |= broken
    console.print(table(steps, outcome, options.out), soft_wrap=True)
    for name, error in outcome.errors.items():
        console.print(f"\n{explain_error(error, name)}", style="red", markup=False, highlight=False, soft_wrap=True)
        if verbose and not isinstance(error, CourseError):
            import traceback

            traceback.print_exception(error)
    return write_report(options.out, summary(outcome))


def write_report(out: Path, report: dict[str, Any]) -> int:
    """Write the machine-readable report; returns the exit status."""
    from coursebuild.files import write_json

    with machine_errors(out):
        write_json(out / "report.json", report)
    return report["exit_code"]


def make_executor(out: Path, jobs: int | None = None, cluster: str | None = None, verbose: bool = False) -> Any:
    """(where the steps run, how many at once)."""
    from coursebuild.executors import Local, default_jobs

    if cluster:
        from coursebuild.cluster import Cluster

        place = Cluster(cluster, out, out / ".cache", verbose)
        return place, len(place.seen())
    jobs = jobs or default_jobs()
    return Local(jobs, out / ".cache", verbose), jobs


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Run the experiments of DAYS, nothing else (needs only torch, torchvision, transformers and matplotlib)."""
    from coursebuild.running import main as run_main

    sys.exit(run_main(list(arguments)))


@main.command()
@click.argument("number", type=click.IntRange(1, 99))
@click.argument("slug")
@root_option
def new(number: int, slug: str, root: Path) -> None:
    """Begin day NUMBER: a lecture, a script and an animation that run."""
    from coursebuild.scaffold import create_day

    for path in create_day(number, slug, root.resolve()):
        click.echo(f"created {os.path.relpath(path)}")


@main.command()
@click.argument("days")
@look_options
def show(days: str, root: Path, **wanted: Any) -> None:
    """Sources and products of DAYS."""
    steps, *_ = make_plan(days, root, **wanted)
    for step in steps:
        click.secho(step.name, bold=True)
        for mark, paths in (("<-", step.inputs.values()), ("->", step.products.values())):
            for path in paths:
                click.echo(f"  {mark} {os.path.relpath(path)}{'' if path.exists() else '  (not there yet)'}")


@main.command()
@click.argument("days")
@look_options
@click.pass_context
def explain(context: click.Context, days: str, root: Path, **wanted: Any) -> None:
    """What would be rebuilt, and why: with the options that are given, else with those of each day's last build."""
    from coursebuild.stamps import will_run

    source = click.core.ParameterSource.COMMANDLINE
    given = [n for n in wanted if context.get_parameter_source(n) is source and n not in ("out", "only")]
    told: dict[str, list[str]] = {}
    for chosen, options_of in [(days, {})] if given else as_built(days, root, wanted["out"]):
        steps, options, _ = make_plan(chosen, root, **{**wanted, **options_of})
        if options_of:
            click.echo(f"day {chosen} as it was built last: {written(options)}")
        told |= will_run(steps, root.resolve(), options.out)
    for name, found in told.items():
        click.echo(f"{name}: {'; '.join(found[:3]) or 'up to date'}{' ...' if len(found) > 3 else ''}")


def as_built(days: str, root: Path, out: Path | None) -> list[tuple[str, dict[str, Any]]]:
    """(days, options) of the last builds: days that were built with the same options are together."""
    import json

    from coursebuild.course import find_days, load_syllabus, select
    from coursebuild.digests import known
    from coursebuild.stamps import last_options

    out = (out or root / "out").resolve()
    known.open(out / ".stamps" / "digests")
    groups: dict[str, list[str]] = {}
    for day in select(days, find_days(root.resolve()), load_syllabus(root)):
        kept = last_options(day.number, out) or {}
        if kept:
            kept["settings"] = [f"{name}={json.dumps(value)}" for name, value in kept["settings"].items()]
        groups.setdefault(json.dumps(kept), []).append(str(day.number))
    return [(",".join(numbers), json.loads(text)) for text, numbers in groups.items()]


def written(options: Any) -> str:
    """Options as they are given on the command line."""
    words = [f"--{name} {getattr(options, name)}" for name in ("preset", "quality", "voice", "theme")]
    words += [f"--set {name}={value}" for name, value in options.settings.items()]
    flags = [name for name in ("from_records", "cfr", "with_outputs") if getattr(options, name)]
    return " ".join(words + [f"--{name.replace('_', '-')}" for name in flags])


@main.command("list")
@root_option
def list_days(root: Path) -> None:
    """The days of the course: which have sources, which are built."""
    from coursebuild.course import find_days, load_syllabus

    found, syllabus = find_days(root), load_syllabus(root)
    for entry in syllabus["days"]:
        number = entry["day"]
        there = (root / "out" / f"day{number:02d}" / "index.html").exists()
        state = ("built" if there else "written") if number in found else "-"
        click.echo(f"{number:3d}  {state:8s} {entry['title']}")


@main.command()
@click.argument("days", default="all")
@root_option
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where the days were built; out/.")
def check(days: str, root: Path, out: Path | None) -> None:
    """Lint lectures without rendering; uses the last record of each day."""
    from coursebuild.checking import check_days

    sys.exit(check_days(days, root.resolve(), out))


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def data(arguments: tuple[str, ...]) -> None:
    """Data sets and pretrained models: list, where, fetch, clean."""
    from coursebuild.data_command import data as commands

    commands.main(list(arguments), prog_name="build.py data", standalone_mode=False)


@main.command()
def doctor() -> None:
    """What this machine has, what is missing, and what to do."""
    from coursebuild.doctor import examine

    sys.exit(examine())


@main.command()
@click.argument("days", default="all")
@look_options
@jobs_option
@click.option("--port", type=int, default=8000, show_default=True)
def serve(days: str, root: Path, jobs: int | None, port: int, **wanted: Any) -> None:
    """Preview out/ on this machine; rebuild DAYS when a source changes."""
    from coursebuild.serve import serve as serve_folder

    def rebuild(_: set[Path]) -> None:
        steps, options, broken = make_plan(days, root, **dict(wanted))
        if run_build(steps, options, root.resolve(), broken, jobs=jobs):
            raise CourseError("the build failed", hint="the terminal shows the table and the reasons")

    try:
        rebuild(set())
    except CourseError as error:  # what was built before can still be looked at
        click.secho(str(error), err=True)
    serve_folder((wanted["out"] or root / "out").resolve(), port, rebuild, sources=root.resolve())
