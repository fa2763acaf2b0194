"""Two builds from the same inputs, in circumstances as different as one machine allows, give the same bytes."""

from __future__ import annotations

import base64
import datetime
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from coursebuild.assets import ASSETS, cache_dir
from coursebuild.files import ROOT
from coursebuild.scaffold import create_day
from coursebuild.steps.run import hide_places
from tests.test_course import SYLLABUS

pytestmark = pytest.mark.slow
DRAFT = ["--from-records", "--quality", "draft", "--voice"]
MORE = """\
## More than words

$$ f(x) = \\sum_{i=1}^{n} w_i\\, x_i + b $$ (card)
> A formula, with *emphasis* and `code` and $x^2$ beside it.

| what | value |
| --- | --: |
| slope | {{ run.slope | num(3) }} |
| **points** | {{ run.points | count }} |

::: key Keep
A [link](https://example.org/a?b=1&c=2), an *aside*, and $\\alpha \\le \\beta$.
:::
> A table, and a box.

"""
LOUD = """\
import sys, warnings
warnings.warn(f"this script is {__file__}")
print(sys.prefix, sys.path[0])
class Thing: pass
THING = Thing()
PLACE = __import__("pathlib").Path(__file__).parent
"""
MEASURED = {
    "date": "2001-02-03",
    "time": "04:05:06",
}  # so that the day on which the test runs has no business in any product


@dataclass
class Place:
    """A course somewhere, and the circumstances in which it is built."""

    root: Path
    cwd: Path
    env: dict[str, str]
    jobs: str
    umask: int
    cores: set[int]

    @property
    def out(self) -> Path:
        return self.root / "out"

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "build.py"), *args, "--root", os.path.relpath(self.root, self.cwd)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.cwd,
            env={**os.environ, "DL50_CACHE": str(cache_dir()), "CI": "true", **self.env},
            umask=self.umask,
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores),
        )


def all_well(*running: subprocess.Popen[str]) -> None:
    try:
        for process in running:
            output, _ = process.communicate(timeout=600)
            assert process.returncode == 0, output
    finally:
        for process in running:
            process.kill()


def write_course(root: Path) -> None:
    (root / "lectures").mkdir(parents=True)
    (root / "lectures" / "syllabus.yaml").write_text(SYLLABUS)
    lecture, script, _ = create_day(1, "lines", root)
    lecture.write_text(lecture.read_text().replace("## The code that ran", MORE + "## The code that ran"))
    text = script.read_text().replace("settings.seed_all(P.seed)\n", "")  # it imports torch, which is slow
    script.write_text(text.replace("LIMIT_SECONDS", LOUD + "LIMIT_SECONDS", 1))


def own_settings(home: Path) -> None:
    """A home whose owner likes other pictures: nothing of it may be seen in the course's."""
    (home / ".config" / "manim").mkdir(parents=True)
    (home / ".config" / "manim" / "manim.cfg").write_text("[CLI]\nbackground_color = RED\nframe_height = 6\n")
    (home / ".config" / "matplotlib").mkdir()
    (home / ".config" / "matplotlib" / "matplotlibrc").write_text("lines.linewidth: 9\nxtick.direction: in\n")


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> tuple[Place, Place]:
    """Two courses of the same sources; nothing else about them is the same."""
    base = tmp_path_factory.mktemp("identical")
    far = base / "a much longer way" / "with blanks and ümläuts" / "course"
    homes = [base / "anna", base / "quentin-at-home"]
    own_settings(homes[1])
    cores = sorted(os.sched_getaffinity(0))
    east = {"TZ": "Pacific/Kiritimati", "LANG": "C.UTF-8", "PYTHONHASHSEED": "1", "USER": "anna", "COLUMNS": "200"}
    west = {"TZ": "Etc/GMT+12", "LC_ALL": "C", "PYTHONHASHSEED": "4242", "USER": "quentinq", "COLUMNS": "60"}
    east |= {"HOME": str(homes[0]), "SOURCE_DATE_EPOCH": "1000000000"}
    west |= {"HOME": str(homes[1]), "XDG_CONFIG_HOME": str(homes[1] / ".config"), "OMP_NUM_THREADS": "3"}
    near = Place(base / "c", base / "c", east, "1", 0o022, set(cores[:1]))
    away = Place(far, Path("/"), west, "2", 0o077, set(cores))
    for place in (near, away):
        write_course(place.root)
    homes[0].mkdir()
    for path in far.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return near, away


@pytest.fixture(scope="module")
def runs(places) -> tuple[Path, Path]:
    """What each of the two measured, by the script itself."""
    all_well(*(p.start("run", "1", "--preset", "smoke", "--record") for p in places))
    kept = [p.out / "day01" / "record" for p in places]
    return kept[0], kept[1]


@pytest.fixture(scope="module")
def built(places, runs) -> tuple[Path, Path]:
    """Both built from one record, which is as old as the hills; each has a cache of its own."""
    near, away = places
    records = near.root / "records" / "day01"
    found = json.loads((records / "record.json").read_text())
    found["provenance"] |= MEASURED
    (records / "record.json").write_text(json.dumps(found))
    shutil.rmtree(away.root / "records")
    shutil.copytree(near.root / "records", away.root / "records")
    all_well(*(p.start("1", *DRAFT, "silent", "--jobs", p.jobs) for p in places))
    return near.out, away.out


def files(folder: Path, hidden: bool = False) -> dict[str, Path]:
    """All files of a folder by name; without what begins with a dot, unless that is wanted."""
    found = {p.relative_to(folder): p for p in folder.rglob("*") if p.is_file()}
    return {str(n): p for n, p in found.items() if hidden or not any(part.startswith(".") for part in n.parts)}


def differing(one: dict[str, Path], other: dict[str, Path]) -> list[str]:
    return sorted(n for n in one.keys() & other.keys() if one[n].read_bytes() != other[n].read_bytes())


def test_two_runs_of_a_script_differ_in_date_and_duration_alone(runs):
    one, other = (json.loads((r / "record.json").read_text()) for r in runs)
    assert one["metrics"] and one["arrays"] and one["figures"]
    for record in (one, other):  # the device is "..., 1 core" here and "..., 2 cores" there
        assert {record["provenance"].pop(name) for name in ("date", "time", "seconds", "device")}
    assert one == other
    assert not differing({n: p for n, p in files(runs[0]).items() if n != "record.json"}, files(runs[1]))


def test_every_product_has_the_same_bytes(built):
    one, other = map(files, built)
    assert one.keys() == other.keys()
    wanted = {
        ".mp4",
        ".vtt",
        ".srt",
        ".pptx",
        ".html",
        ".pdf",
        ".ipynb",
        ".py",
        ".png",
        ".svg",
        ".json",
        ".wav",
        ".npz",
    }
    assert wanted <= {Path(name).suffix for name in one}
    assert differing(one, other) == ["report.json"]  # how long each step took, for the author


def test_what_the_two_caches_call_the_same_is_the_same(built):
    one, other = (files(out / ".cache", hidden=True) for out in built)
    one, other = (
        {n: p for n, p in found.items() if not n.startswith("run/")} for found in (one, other)
    )  # has its date
    assert len(one) > 50 and one.keys() == other.keys()
    assert not differing(one, other)


def test_the_neural_voice_says_the_same_alone_and_beside_others(places, built):
    if not (cache_dir() / "wheels" / ASSETS["piper-joe"].filename).exists():
        pytest.skip("the voice is not in the cache")
    all_well(*(p.start("1", *DRAFT, "piper", "--only", "voice", "--jobs", p.jobs, "--out", str(p.root / "said"))
               for p in places))  # fmt: skip
    one, other = (files(p.root / "said" / "day01" / "work" / "speech") for p in places)
    assert sum(name.endswith(".wav") for name in one) > 8 and one.keys() == other.keys()
    assert not differing(one, other)


# ------------------------------------------------------------------ what the products tell of the machine


def inside(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """A file's bytes, and those of all that is packed into it: zip members, PDF streams, data URIs, PNG texts."""
    yield name, data
    if data.startswith(b"PK\3\4"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for item in archive.infolist():
                assert item.date_time == (1980, 1, 1, 0, 0, 0), (name, item)
                yield from inside(f"{name}!{item.filename}", archive.read(item))
    if data.startswith(b"%PDF"):
        for match in re.finditer(rb"(?<!end)stream\r?\n", data):
            try:
                yield f"{name}@{match.start()}", zlib.decompressobj().decompress(data[match.end() :])
            except zlib.error:
                continue  # not deflated: it has been looked at as it is
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            yield f"{name}#text", repr(image.info).encode()
    if name.endswith((".html", "svg", "svg+xml")):
        for kind, packed in re.findall(rb"data:([\w/+-]+);base64,([A-Za-z0-9+/]+)=*", data):
            yield from inside(f"{name}#{kind.decode()}", base64.b64decode(packed + b"=" * (-len(packed) % 4)))


def traces(places: tuple[Place, Place]) -> dict[str, bytes]:
    """What must stand nowhere: places, people, and the date of today in any zone and notation."""
    paths = [ROOT, Path(sys.prefix), *(p.root for p in places), *(Path(p.env["HOME"]) for p in places)]
    found = {str(p): str(p).encode() for p in paths} | {p.as_uri(): p.as_uri().encode() for p in paths}
    found |= {name: name.encode() for name in ("quentin", "ümläuts", "blanks%20and", "/tmp/", "dl50-", "site-packages")}
    if len(socket.gethostname()) > 4:
        found["host"] = socket.gethostname().encode()
    now = datetime.datetime.now(datetime.UTC)
    for hours in (-24, -12, 0, 14):
        day = now + datetime.timedelta(hours=hours)
        for form in ("%Y-%m-%d", "D:%Y%m%d", "%Y%m%dT", "%d %b %Y", "%d %B %Y", "%b %d %Y"):
            found[day.strftime(form)] = day.strftime(form).encode()
    return found


def test_no_product_tells_where_when_or_by_whom_it_was_built(places, built):
    unwanted, seen = traces(places), 0
    for out in built:
        for name, path in files(out).items():
            if name == "report.json":
                continue
            for part, data in inside(name, path.read_bytes()):
                seen += 1
                plain = re.sub(rb"base64,[A-Za-z0-9+/=]+", b"", data)
                told = [what for what, trace in unwanted.items() if trace in plain]
                assert not told, (part, told)
    assert seen > 300  # it did look into the files


def test_the_log_and_the_settings_of_a_run_tell_no_path(runs):
    for record in runs:
        log = (record / "stdout.log").read_text()
        assert "this script is ./scripts/day01_lines.py" in log and str(Path(sys.prefix)) not in log
        settings = json.loads((record / "record.json").read_text())["provenance"]["settings"]
        assert settings["THING"] == "<__main__.Thing object>" and settings["PLACE"].endswith("Path('./scripts')")


def test_only_whole_names_of_places_are_hidden(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/")  # as in some containers: every path begins with it
    log, course = tmp_path / "log", tmp_path / "course"
    log.write_bytes(f"{course}/a {course}s {course}-2 x{course} '{course}' 1/2 \xff".encode("latin-1"))
    hide_places([log], {course: "."})
    rest = str(tmp_path).replace(tempfile.gettempdir(), "<tmp>", 1)
    wanted = f"./a {rest}/courses {rest}/course-2 x{course} '.' 1/2 \xff"
    assert log.read_bytes() == wanted.encode("latin-1")


def test_film_and_slides_carry_no_date_but_that_of_the_numbers(built):
    day = built[0] / "day01"
    asked = ["ffprobe", "-v", "error", "-show_format", "-show_streams", str(day / "day01_lines.mp4")]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert "TAG:title=" in told and "creation_time" not in told and "2001-02-03" in told
    for name in ("day01_lines.pdf", "day01_lines_handout.pdf"):
        info = subprocess.run(["pdfinfo", str(day / name)], capture_output=True, text=True, check=True).stdout
        assert "Pages:" in info and "Date:" not in info
    with zipfile.ZipFile(day / "day01_lines.pptx") as deck:
        core, about = (deck.read(f"docProps/{part}.xml").decode() for part in ("core", "app"))
        slides = [n for n in deck.namelist() if re.fullmatch(r"ppt/slides/slide\d+\.xml", n)]
    assert re.findall(r"<dcterms:\w+ [^>]*>([^<]*)<", core) == ["2001-02-03T00:00:00Z"] * 2
    assert "<Application>coursebuild</Application>" in about and f"<Slides>{len(slides)}</Slides>" in about
    assert "Microsoft" not in about and "<MMClips>1</MMClips>" in about
