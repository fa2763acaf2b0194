"""Step: scenes of the day -> clips/ (clips.json, a silent mp4 per scene, a poster per section).

Manim's start alone takes a second, a scene many: so a scene is drawn again only if something it shows has
changed. Its key is looked up before manim is imported, and this module never imports it: `scene_runner` does, in a
process per scene.

What a scene depends on is partly known only when it has been drawn, namely which numbers it read from the record.
So an entry is found in two steps: sources, theme, quality and versions lead to the lists of names that were read
when the scene was last drawn; these names' values now complete the key.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursebuild import codec
from coursebuild.assets import asset_folder
from coursebuild.errors import CourseError, did_you_mean, ended
from coursebuild.files import (
    ROOT,
    cached,
    key_of,
    read_json,
    run_command,
    scratch,
    sha256,
    usable_cores,
    write_json,
)
from coursebuild.fonts import fonts_key
from coursebuild.keys import closure, code_digest, source_key, versions
from coursebuild.memory import free_bytes
from coursebuild.model import QUALITY, Clip, Clips, Section
from coursebuild.reading import parse_python
from coursebuild.reads import CODE, note, pointer

RUNNER = "coursebuild.scene_runner"  # imports manim: only a process of its own imports it
LIMIT = 1800  # seconds that a scene may take
THREAD_CAPS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
SCENE_BYTES = 170 * 2**20  # manim and the scene, measured
PIXEL_BYTES = 120  # for every pixel of the picture, by each section that is painted and coded; measured
LOOK = "it said nothing; build it again with --verbose"
FONT_ASSETS = ("inter", "jetbrains-mono", "stix")  # variable fonts: Typst reads them as they are


@dataclass(frozen=True)
class Job:
    """One scene to draw."""

    name: str
    line: int  # of its class
    source: Path
    record: Path  # record.json
    kit: Path
    theme_file: Path
    theme: str
    quality: str
    title: str
    kicker: str
    code: str  # digest of all sources and tools, see `code_key`
    tools: str  # of the builder's part of them, which paints and codes


def animate(inputs: dict[str, Path], products: dict[str, Path], params: dict[str, Any], cache: Path) -> None:
    """Step: inputs scene, record, theme, scenes (JSON; or params["scenes"]) and, if elsewhere, kit; product clips.

    `scenes` has {scene: {"title", "kicker", "beats"}}; params: quality, theme. Raises CourseError for a scene that
    does not exist, that fails, or that has not as many sections as its slide has beats.
    """
    scenes = params["scenes"] if "scenes" in params else read_json(inputs["scenes"])
    jobs = [job_for(name, wanted, inputs, params) for name, wanted in scenes.items()]
    at_once, threads = shares(len(jobs), params["quality"], cores(), free_bytes())
    with ThreadPoolExecutor(at_once) as pool:
        running = [pool.submit(drawn, job, cache, threads) for job in jobs]  # every scene ends, also if one fails
    entries = [future.result() for future in running]
    note("scene", CODE)
    note("theme", "/fonts", pointer("themes", params["theme"]))
    note("record", *(pointer(kind, name) for _, reads in entries for kind, names in reads.items() for name in names))
    folder = products["clips"]
    folder.mkdir(parents=True, exist_ok=True)
    clips = {}
    for job, (entry, _) in zip(jobs, entries, strict=True):
        clips[job.name] = unpack(entry, job, folder)
        check_sections(clips[job.name], job, scenes[job.name]["beats"])
    Clips(clips).save(folder / "clips.json")


def job_for(name: str, wanted: dict[str, Any], inputs: dict[str, Path], params: dict[str, Any]) -> Job:
    """What is needed to draw scene `name`."""
    source, theme_file = inputs["scene"], inputs["theme"]
    if params["quality"] not in QUALITY:
        hint = did_you_mean(params["quality"], QUALITY)
        raise CourseError(f"there is no quality `{params['quality']}`", hint=hint)
    tree = parse_python(source)
    classes = {node.name: node.lineno for node in tree.body if isinstance(node, ast.ClassDef)}
    if name not in classes:
        raise CourseError(f"there is no scene `{name}`", file=source, hint=did_you_mean(name, classes))
    kit = inputs.get("kit") or (
        source.parent / "kit" if (source.parent / "kit").is_dir() else ROOT / "animations" / "kit"
    )
    return Job(
        name,
        classes[name],
        source.resolve(),
        inputs["record"].resolve(),
        kit.resolve(),
        theme_file.resolve(),
        params["theme"],
        params["quality"],
        wanted["title"],
        wanted["kicker"],
        code_key(tree, name, source, kit),
        source_key(RUNNER),
    )


def cores() -> int:
    """The cores that this step may use, as `coursebuild.work` tells its steps."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) else usable_cores()


def shares(scenes: int, quality: str, cores: int, memory: int) -> tuple[int, int]:
    """How many scenes to draw at once, and with how many threads each.

    A scene paints and codes several sections at once, so it can use two cores, and more of them when it has begun:
    where cores are few, scenes come one after the other, or a long one would be alone with one core in the end.
    """
    width, height, _ = QUALITY[quality]
    section = PIXEL_BYTES * width * height
    at_once = max(1, min(scenes, cores // 2, memory // (SCENE_BYTES + 2 * section)))
    return at_once, max(1, min(cores // at_once, (memory // at_once - SCENE_BYTES) // section))


# ------------------------------------------------------------------ keys


def code_key(tree: ast.Module, name: str, source: Path, kit: Path) -> str:
    """Digest of the scene's class, of what stands beside it, of the kit's files that it uses, and of the tools."""
    text = scene_code(tree, name)
    with scratch("scene-code") as folder:  # what is behind the imports of this scene alone
        alone = folder / source.name
        alone.write_text(text, encoding="utf-8")
        files, foreign = closure(alone, (kit.parent, source.parent))
    texts = sorted((f.name, code_digest(f)) for f in files if f != alone)
    return key_of(text, texts, versions(foreign), source_key(RUNNER), fonts_key())


def scene_code(tree: ast.Module, name: str) -> str:
    """The file without the scenes that `name` does not mention, without imports for these, comments and layout."""
    scenes = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(part, ast.FunctionDef) and part.name == "construct" for part in node.body)
    }
    by_name = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    wanted, todo = set(), [by_name[name], *(n for n in tree.body if getattr(n, "name", None) not in scenes)]
    while todo:  # what is no scene stays, and may mention one
        current = todo.pop()
        wanted.add(getattr(current, "name", None))
        mentioned = {n.id for n in ast.walk(current) if isinstance(n, ast.Name)}
        todo += [by_name[scene] for scene in (mentioned & scenes) - wanted]
    kept = [n for n in tree.body if not (isinstance(n, ast.ClassDef) and n.name in scenes - wanted)]
    mentioned = {n.id for node in kept for n in ast.walk(node) if isinstance(n, ast.Name)}
    return ast.unparse(ast.Module([n for n in kept if _is_used(n, mentioned)], []))


def _is_used(node: ast.stmt, mentioned: set[str]) -> bool:
    """Whether a statement is no import, or one that gives a name which is mentioned."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return True
    given = {(a.asname or a.name).partition(".")[0] for a in node.names}
    return bool(given & (mentioned | {"*", "annotations"}))


def show_key(job: Job) -> str:
    """Digest of all that the picture depends on, but for the numbers of the record."""
    theme = read_json(job.theme_file)
    look = {"colours": theme["themes"].get(job.theme), "fonts": theme["fonts"]}
    return key_of(job.code, look, QUALITY[job.quality], job.title, job.kicker)


def values_read(record: Path, reads: dict[str, list[str]]) -> dict[str, Any]:
    """The metrics by these names, and digests of the arrays; None for what the record lacks."""
    metrics = read_json(record)["metrics"]
    found: dict[str, Any] = {"metrics": {name: metrics.get(name) for name in reads["metrics"]}, "arrays": {}}
    if reads["arrays"]:
        with zipfile.ZipFile(record.with_name("arrays.npz")) as arrays:
            there = set(arrays.namelist())
            for name in reads["arrays"]:
                member = f"{name}.npy"
                found["arrays"][name] = sha256(arrays.read(member)) if member in there else None
    return found


# ------------------------------------------------------------------ drawing


def drawn(job: Job, cache: Path, threads: int = 1) -> tuple[Path, dict[str, list[str]]]:
    """The cache entry (a zip file) of a scene, drawn if it is not there, and what it read from the record."""
    base = show_key(job)
    manifest = cache / "scene-reads" / base[:2] / f"{base}.json"
    known = load_manifest(manifest)
    for reads in known:
        entry = entry_path(cache, base, job, reads)
        if entry.exists():
            return cached(cache, "scenes", entry.stem, ".zip", lambda path: draw_into(path, job, cache, threads)), reads
    with scratch("scene") as folder:
        result = draw(job, folder, cache, threads)
        if result["reads"] not in known:
            write_json(manifest, [*known, result["reads"]])
        entry = entry_path(cache, base, job, result["reads"])
        return cached(cache, "scenes", entry.stem, ".zip", lambda path: pack(path, folder, result)), result["reads"]


def draw_into(path: Path, job: Job, cache: Path, threads: int) -> None:
    """Draw again what was found damaged."""
    with scratch("scene") as folder:
        pack(path, folder, draw(job, folder, cache, threads))


def entry_path(cache: Path, base: str, job: Job, reads: dict[str, list[str]]) -> Path:
    key = key_of(base, values_read(job.record, reads))
    return cache / "scenes" / key[:2] / f"{key}.zip"


def load_manifest(path: Path) -> list[dict[str, list[str]]]:
    """The lists of names read; an unreadable file is as good as none."""
    try:
        return [{kind: [str(n) for n in reads[kind]] for kind in ("metrics", "arrays")} for reads in read_json(path)]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return []


def order(job: Job, folder: Path, cache: Path, threads: int) -> dict[str, Any]:
    """What `scene_runner` is told: it leaves the clip in `folder` and finds sections in `cache`."""
    return {
        "file": str(job.source),
        "scene": job.name,
        "record": str(job.record.parent),
        "kit": str(job.kit),
        "theme": job.theme,
        "theme_file": str(job.theme_file),
        "title": job.title,
        "kicker": job.kicker,
        "quality": job.quality,
        "fonts": [str(asset_folder(name)) for name in FONT_ASSETS],
        "out": str(folder),
        "cache": str(cache.resolve()),
        "tools": job.tools,
        "threads": threads,
        "parent": os.getpid(),
    }


def draw(job: Job, folder: Path, cache: Path, threads: int) -> dict[str, Any]:
    """Run the scene in a process of its own; result.json of `scene_runner`. Raises CourseError if it fails."""
    write_json(folder / "job.json", order(job, folder, cache, threads))
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = dict.fromkeys(THREAD_CAPS, "1") | {"PYTHONPATH": path, "PYTHONHASHSEED": "0"}  # the order of sets
    command = [sys.executable, "-m", RUNNER, folder / "job.json"]
    try:
        done = run_command(command, env=environment, cwd=folder, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        what = f"the scene `{job.name}` took more than {LIMIT} s"
        raise CourseError(what, file=job.source, line=job.line, hint="animate less, or in shorter beats") from None
    if (folder / "error.json").exists():
        what, file, line, hint = read_json(folder / "error.json")
        raise CourseError(what, file=file, line=line or job.line, hint=hint)
    if done.returncode or not (folder / "result.json").exists():
        last = " | ".join(done.stdout.strip().splitlines()[-4:])
        how, hint = ended(done.returncode, "the scene")
        raise CourseError(
            f"the scene `{job.name}` ended {how}", file=job.source, line=job.line, hint=hint or last or LOOK
        )
    return verified(read_json(folder / "result.json"), folder / f"{job.name}.mp4", job)


def verified(result: dict[str, Any], clip: Path, job: Job) -> dict[str, Any]:
    """The result, if its sections are those of the file: each begins with a key picture, together they fill it."""
    segment = codec.read_packets(clip)
    keys = {packet.at for packet in segment.packets if packet.key}
    starts = {section["start"] for section in result["sections"]}
    if not starts <= keys or sum(s["frames"] for s in result["sections"]) != segment.frames:
        raise CourseError(f"the clip of `{job.name}` is damaged", file=job.source, line=job.line, hint="build it again")
    return result


# ------------------------------------------------------------------ entries


def pack(path: Path, folder: Path, result: dict[str, Any]) -> None:
    """Put clip, posters and result.json into one file, the same bytes every time."""
    names = sorted([*(p.name for p in folder.glob("*.mp4")), *result["posters"], "result.json"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())


def unpack(entry: Path, job: Job, folder: Path) -> Clip:
    """Put a scene's files into the product folder."""
    with zipfile.ZipFile(entry) as archive:
        result = json.loads(archive.read("result.json"))
        file = f"{job.name}.mp4"
        for name in [file, *result["posters"]]:
            (folder / name).write_bytes(archive.read(name))
    sections = [Section(**section) for section in result["sections"]]
    width, height, _ = QUALITY[job.quality]
    pictures = key_of([sha256(folder / name) for name in result["posters"]])
    return Clip(file, sha256(folder / file), width, height, sections, result["posters"], result["alt"], pictures)


def check_sections(clip: Clip, job: Job, beats: int) -> None:
    """A section for every beat of the narration, or a CourseError with both numbers."""
    if len(clip.sections) == beats:
        return
    names = ", ".join(f"`{section.name}`" for section in clip.sections)
    raise CourseError(
        f"the scene `{job.name}` has {len(clip.sections)} sections, but its slide speaks {beats} beats",
        file=job.source,
        line=job.line,
        hint=f"write one blockquote below animation(...) for each of {names}, or change the scene's self.beat(...)",
    )
