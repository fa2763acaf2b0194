"""Draws one scene in a process of its own: `python -m coursebuild.scene_runner job.json`.

The job names scene file, scene, record folder, theme, title, kicker, quality, fonts and the folder for the clip.
Beside the clip it leaves result.json (the sections, and the names that the scene read from the record) or, if the
author made a mistake, error.json (a CourseError's fields). Imports manim, so nothing else imports this.
"""

from __future__ import annotations

import configparser
import gc
import importlib.util
import inspect
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from coursebuild.errors import CourseError, of_the_machine
from coursebuild.files import die_with_parent, read_json, write_json
from coursebuild.model import QUALITY


def main(job_file: Path) -> int:
    """Do the job; the exit status is 0 unless something went wrong that is no mistake of the author."""
    job = read_json(job_file)
    die_with_parent(job["parent"])
    gc.disable()  # the process is short and what it makes is kept until its end: 5 % less work, 1 % more memory
    out = Path(job["out"])
    try:
        write_json(out / "result.json", draw(job, out))
    except (CourseError, OSError, MemoryError) as error:
        told = error if isinstance(error, CourseError) else of_the_machine(error, out)
        if told is None:
            raise
        try:
            write_json(out / "error.json", [told.what, told.file, told.line, told.hint])
        except OSError:  # the disk is full for this too
            return os.EX_IOERR
    return 0


def draw(job: dict[str, Any], out: Path) -> dict[str, Any]:
    """Draw the scene to out/<scene>.mp4 and posters; sections, posters and what it read."""
    source = Path(job["file"])
    os.environ |= {
        "DL50_RECORD": job["record"],
        "DL50_THEME": job["theme"],
        "DL50_THEME_FILE": job["theme_file"],
        "DL50_TITLE": job["title"],
        "DL50_KICKER": job["kicker"],
        "DL50_FONTS": os.pathsep.join(job["fonts"]),
    }
    sys.path.insert(0, str(Path(job["kit"]).parent))
    from manim import tempconfig

    ignore_own_settings()
    width, height, fps = QUALITY[job["quality"]]
    settings = {
        "pixel_width": width,
        "pixel_height": height,
        "frame_rate": fps,
        "media_dir": str(out / "manim"),
        "verbosity": "ERROR",
        "progress_bar": "none",
        "disable_caching": True,  # the builder keeps whole scenes
        "seed": 0,
    }
    with tempconfig(settings):
        from coursebuild.frame_writer import ClipRenderer, Shop

        register_fonts(job["fonts"])
        scene_class = load_scene(source, job["scene"])
        try:
            shop = Shop(Path(job["cache"]), job["tools"], job["threads"])
            scene = scene_class(renderer=ClipRenderer(out / f"{job['scene']}.mp4", shop))
            scene.render()
        except Exception as error:
            raise explain(error, source) from error
    return summary(scene)


def ignore_own_settings() -> None:
    """manim's own defaults, whatever a manim.cfg of this machine's user says."""
    import manim
    from manim._config.utils import config_file_paths

    defaults = configparser.ConfigParser()
    defaults.read(config_file_paths()[0], encoding="utf-8")
    manim.config.digest_parser(defaults)


def load_scene(source: Path, name: str) -> type:
    """The scene class `name` of a file; raises CourseError where the file cannot be imported."""
    spec = importlib.util.spec_from_file_location(source.stem, source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise explain(error, source) from error
    return getattr(module, name)


def register_fonts(folders: list[str]) -> None:
    """Let manim's own `Text` find the course's fonts; the kit sets its words with Typst and needs no such thing."""
    import manimpango

    for folder in folders:
        for file in sorted(Path(folder).rglob("*.[ot]tf")):
            manimpango.register_font(str(file))


def summary(scene: Any) -> dict[str, Any]:
    """What was written, in ticks of 1/FPS s, and the names read from the record."""
    writer = scene.renderer.file_writer
    ends = [cut.start for cut in writer.cuts[1:]] + [writer.ticks]
    reads = scene.record.reads if hasattr(scene, "record") else {"metrics": set(), "arrays": set()}
    return {
        "sections": [
            {"name": cut.name, "start": cut.start, "frames": end - cut.start}
            for cut, end in zip(writer.cuts, ends, strict=True)
        ],
        "posters": [poster.name for poster in writer.posters],
        "reads": {kind: sorted(names) for kind, names in reads.items()},
        "alt": " ".join(inspect.cleandoc(type(scene).__doc__ or "").split("\n\n")[0].split()),
    }


def explain(error: Exception, source: Path) -> CourseError:
    """A mistake in a scene as a CourseError that names the line of the author's file."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == source.resolve()]
    line = frames[-1].lineno if frames else getattr(error, "lineno", None)
    what, _, hint = str(error).partition("; ")
    if type(error).__name__ == "KitError":
        return CourseError(what, file=source, line=line, hint=hint)
    last = traceback.extract_tb(error.__traceback__)[-1]
    hint = f"raised in {Path(last.filename).name}:{last.lineno}, {last.name}"
    return CourseError(f"{type(error).__name__}: {error}", file=source, line=line, hint=hint)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
