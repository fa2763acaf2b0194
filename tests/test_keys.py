"""What counts for a step: files and their digests, imports, versions, and the parts of an input that were read."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from coursebuild import flow, keys, parts, reads, voices
from coursebuild.digests import Digests
from coursebuild.files import key_of, write_json
from coursebuild.flow import Step
from coursebuild.model import Figure, Record
from coursebuild.stamps import fingerprint, keep_options, last_options, reasons, write_stamp
from coursebuild.work import Done

LONG_AGO = 1_600_000_000


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# ------------------------------------------------------------------ digests


class Clock:
    """The time that Digests sees."""

    def __init__(self, monkeypatch) -> None:
        self.now = time.time_ns()
        monkeypatch.setattr("coursebuild.digests.time.time_ns", lambda: self.now)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch)


def reading(digests: Digests, path: Path, monkeypatch) -> tuple[str | None, bool]:
    """(the digest, whether the file was read for it)."""
    read = []
    real = hashlib.file_digest
    monkeypatch.setattr("coursebuild.digests.hashlib.file_digest", lambda *a: (read.append(1), real(*a))[1])
    return digests.content(path), bool(read)


def test_a_settled_file_is_read_once(tmp_path, clock, monkeypatch):
    file, digests = tmp_path / "a", Digests()
    file.write_text("one")
    assert reading(digests, file, monkeypatch) == (sha("one"), True)
    assert reading(digests, file, monkeypatch) == (sha("one"), True)  # it was written a moment ago
    clock.now += 3_000_000_000
    assert reading(digests, file, monkeypatch) == (sha("one"), True)
    assert reading(digests, file, monkeypatch) == (sha("one"), False)
    digests.file = tmp_path / "kept"
    digests.save()
    later = Digests()
    later.open(tmp_path / "kept")
    assert reading(later, file, monkeypatch) == (sha("one"), False)


@pytest.mark.parametrize("moment", [0, 10**9, 2**62], ids=["clock set back", "1970", "clock far ahead"])
def test_equal_size_and_old_times_do_not_hide_a_change(tmp_path, clock, moment):
    """`touch -d` sets the time of the contents, not that of the status; and no clock makes an old digest count."""
    file, digests = tmp_path / "a", Digests()
    file.write_text("one")
    clock.now += 3_000_000_000
    status = file.stat()
    assert digests.content(file) == sha("one")
    clock.now = moment
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digests.content(file) == sha("two")


def test_a_file_from_the_future_is_read_every_time(tmp_path, clock, monkeypatch):
    file, digests = tmp_path / "a", Digests()
    file.write_text("one")
    os.utime(file, (LONG_AGO * 2, LONG_AGO * 2))
    clock.now += 3_000_000_000
    for _ in range(2):
        assert reading(digests, file, monkeypatch) == (sha("one"), True)


def flipped(data: bytes) -> bytes:
    return data[:90] + bytes([data[90] ^ 1]) + data[91:]


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: b"\xff" + data, flipped])
def test_a_damaged_list_of_digests_is_an_empty_one(tmp_path, clock, damage):
    file, kept, digests = tmp_path / "a", tmp_path / "kept", Digests()
    file.write_text("one")
    clock.now += 3_000_000_000
    digests.open(kept)
    digests.content(file)
    digests.save()
    kept.write_bytes(damage(kept.read_bytes()))
    later = Digests()
    later.open(kept)
    assert later.files == {} and later.content(file) == sha("one")


def test_a_folder_is_the_names_and_contents_in_it(tmp_path):
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a").write_text("one")
    found = {Digests().content(folder)}
    (folder / "in" / ".a.part").write_text("being written")
    assert Digests().content(folder) in found
    (folder / "in" / "a").rename(folder / "in" / "b")
    found.add(Digests().content(folder))
    (folder / "in" / "b").write_text("two")
    found.add(Digests().content(folder))
    (folder / "in" / "gone").symlink_to(folder / "nothing")
    found.add(Digests().content(folder))
    assert len(found) == 4 and Digests().content(tmp_path / "nothing") is None


# ------------------------------------------------------------------ imports and versions


def test_the_files_behind_a_file(tmp_path):
    texts = {
        "main.py": "import pack.used\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pack.typed\n"
        "def later():\n    from pack import lazy\n    import numpy.linalg\n",
        "pack/__init__.py": "",
        "pack/used.py": "from .beside import thing\nTABLE = 'table.toml'\n",
        "pack/beside.py": "from . import below\n",
        "pack/below.py": "",
        "pack/lazy.py": "import json, yaml\n",
        "pack/typed.py": "import typst\n",
        "pack/alone.py": "",
        "pack/table.toml": "",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    files, foreign = keys.closure(tmp_path / "main.py", (tmp_path,))
    behind = ("__init__.py", "below.py", "beside.py", "lazy.py", "table.toml", "used.py")
    assert [str(f.relative_to(tmp_path)) for f in files] == ["main.py", *(f"pack/{name}" for name in behind)]
    assert foreign == ("numpy", "yaml")
    files, foreign = keys.closure(tmp_path / "main.py", (tmp_path,), unused=("pack.lazy",))
    assert "lazy.py" not in {f.name for f in files} and foreign == ("numpy",)


def test_the_code_of_a_file_has_no_comments(tmp_path):
    file = tmp_path / "a.py"
    found = []
    for text in ("x = 1\n", "# one\nx  =  1  # two\n", '"""Told."""\nx = 1\n', "x = 2\n", "x = = 1\n"):
        file.write_text(text)
        found.append(keys.code_digest(file))
    assert found[0] == found[1] and len(set(found)) == 4


def test_what_steps_start_as_processes_counts():
    for step, runner in (("run", "script_runner"), ("animate", "scene_runner")):
        assert f"coursebuild/{runner}.py" in keys.code(f"coursebuild.steps.{step}", None, keys.ROOT)
    assert "manim" in keys.tools("coursebuild.steps.animate", None)
    assert "coursebuild/speech/lexicon.toml" in keys.code("coursebuild.steps.narrate", None, keys.ROOT)


def test_of_the_voices_only_the_one_that_speaks_counts():
    assert set(flow.VOICES) == set(voices.VOICES)
    unused = tuple(f"coursebuild.voices.{name}" for name in flow.VOICES if name != "silent")
    code = keys.code("coursebuild.steps.narrate", None, keys.ROOT, unused)
    assert "coursebuild/voices/silent.py" in code and "coursebuild/voices/piper.py" not in code
    assert "onnxruntime" not in keys.tools("coursebuild.steps.narrate", None, unused)


def test_an_experiment_does_not_depend_on_what_typesets_slides():
    tools = keys.tools("coursebuild.steps.run", None)
    assert "matplotlib" in tools and not {"typst", "jinja2", "av", "manim"} & set(tools)


# ------------------------------------------------------------------ parts


@pytest.fixture
def record(tmp_path) -> Path:
    folder = tmp_path / "record"
    folder.mkdir()
    np.savez_compressed(folder / "arrays.npz", weights=np.arange(6.0))
    figure = Figure(400.0, 300.0, 7, {"fit.dark.svg": sha("1"), "fit.light.svg": sha("2")})
    value = Record(
        day=1,
        slug="lines",
        metrics={"accuracy": 0.91, "losses": [1.0, 0.5], "spare": 3},
        claims={"is it better?": True},
        figures={"fit": figure},
        arrays={"weights": [6]},
        arrays_sha256="x",
        provenance={"preset": "quick", "seed": None, "date": "2026-01-02", "device": "CPU", "python": "3.11.7"},
    )
    value.save(folder / "record.json")
    return folder / "record.json"


def change(path: Path, *way: str, to: object) -> None:
    value = json.loads(path.read_text())
    inner = value
    for name in way[:-1]:
        inner = inner[name]
    inner[way[-1]] = to
    write_json(path, value)


def test_a_record_notes_what_is_asked_of_it(record):
    assert type(reads.noted(Record.load(record)).metrics) is dict  # outside of a step it is as it was
    with reads.noting() as found:
        asked = reads.noted(Record.load(record))
        assert asked.metrics["accuracy"] == 0.91 and asked.claims["is it better?"]
        assert "fit" in asked.figures and asked.figures["fit"].width == 400.0
        assert asked.provenance.get("recorded") is None
        reads.figure_file("fit", "fit.dark.svg")
    assert found["record"] == {
        *("/day", "/slug", "/metrics/accuracy", "/claims/is it better?", "?/figures/fit", "/figures/fit/width"),
        *("/provenance/recorded", "/figures/fit/sha256/fit.dark.svg"),
    }
    with reads.noting() as found:
        list(reads.noted(Record.load(record)).metrics)
    assert "/metrics" in found["record"]


def test_what_parts_hold(record):
    wanted = ["/metrics/accuracy", "/metrics/losses", "?/claims/is it better?", "?/metrics/none", "/metrics/none"]
    held = parts.values(record, [*wanted, "/arrays/weights", "?", "#size"])
    assert [held[part] for part in wanted] == [0.91, [1.0, 0.5], True, False, None]
    assert held["?"] is True and held["#size"] == record.stat().st_size
    np.savez_compressed(record.with_name("arrays.npz"), other=np.ones(3), weights=np.arange(6.0))
    assert parts.values(record, ["/arrays/weights"])["/arrays/weights"] == held["/arrays/weights"]
    np.savez_compressed(record.with_name("arrays.npz"), weights=np.arange(6.0) + 1)
    assert parts.values(record, ["/arrays/weights"])["/arrays/weights"] != held["/arrays/weights"]


# ------------------------------------------------------------------ stamps


@pytest.fixture
def step(record, tmp_path) -> Step:
    product = tmp_path / "out" / "product"
    product.parent.mkdir()
    product.write_text("made")
    params = {"preset": "quick", "settings": {"epochs": 3}, "list": (1, 2)}
    made = Step("day01-x", 1, "coursebuild.steps.copy:copy", {"record": record}, {"product": product}, params)
    noted = {"record": ["/metrics/accuracy", "/claims/is it better?", "/figures/fit/sha256/fit.dark.svg"]}
    write_stamp(made, tmp_path / "out", fingerprint(made, tmp_path), Done(1.0, 1.0, 1, noted))
    return made


def test_only_the_parts_that_were_read_count(step, record, tmp_path):
    out = tmp_path / "out"
    assert reasons(step, tmp_path, out) == []
    change(record, "metrics", "spare", to=4)
    change(record, "provenance", "date", to="2030-01-01")
    change(record, "figures", "fit", "sha256", "fit.light.svg", to=sha("9"))
    assert reasons(step, tmp_path, out) == []
    change(record, "metrics", "accuracy", to=0.92)
    change(record, "claims", "is it better?", to=False)
    change(record, "figures", "fit", "sha256", "fit.dark.svg", to=sha("9"))
    assert set(reasons(step, tmp_path, out)) == {
        "metric accuracy 0.91 -> 0.92",
        "claim is it better?: did not hold this time",
        "figure fit changed",
    }
    record.unlink()
    assert reasons(step, tmp_path, out)[0] == "record (record/record.json) is missing"


def test_reasons_name_what_changed(step, record, tmp_path, monkeypatch):
    out = tmp_path / "out"
    params = step.params | {"preset": "full", "settings": {"epochs": 5}}
    other = Step(step.name, 1, step.function, step.inputs, step.products, params)
    assert reasons(other, tmp_path, out) == ["preset quick -> full", "settings epochs 3 -> 5"]
    source = tmp_path / "lecture.md"
    source.write_text("one")
    more = Step(step.name, 1, step.function, step.inputs | {"lecture": source}, step.products, step.params, (source,))
    assert reasons(more, tmp_path, out) == ["lecture (lecture.md) is new", "lecture.md is new"]
    monkeypatch.setattr(keys, "PYTHON", "3.99.0")
    assert reasons(step, tmp_path, out) == [f"Python {__import__('platform').python_version()} -> 3.99.0"]
    monkeypatch.undo()
    step.products["product"].write_text("by hand")
    assert reasons(step, tmp_path, out) == ["product product was changed by hand"]
    step.products["product"].unlink()
    assert reasons(step, tmp_path, out) == ["product is missing"]


def test_tools_and_code_are_told_by_name(step, tmp_path):
    out = tmp_path / "out"
    file = out / ".stamps" / "day01-x.json"
    value = json.loads(file.read_text())
    value["tools"] = {"Python": value["tools"]["Python"], "manim": "0.22.0"}
    value["code"]["coursebuild/codec.py"] = "old"
    value["code"]["coursebuild/steps/copy.py"] = "old"
    del value["digest"]
    file.write_text(json.dumps({"digest": key_of(value), **value}))
    assert reasons(step, tmp_path, out) == [
        "manim is no longer used",
        "coursebuild/codec.py is no longer used",
        "coursebuild/steps/copy.py changed",
    ]


def test_a_file_of_the_course_hides_none_of_the_builder(tmp_path):
    """Both have scripts/lab/plots.py: each counts under a name of its own."""
    script = tmp_path / "scripts" / "day01_x.py"
    (script.parent / "lab").mkdir(parents=True)
    script.write_text("from lab import plots\n")
    own = script.parent / "lab" / "plots.py"
    own.write_text("SIZE = 1\n")
    files = keys.code("coursebuild.data_command", script, tmp_path)  # which imports lab, too
    assert files["scripts/lab/plots.py"] == keys.code_digest(own)
    assert files["coursebuild/data_command.py"]
    (tmp_path / "coursebuild").mkdir()
    (tmp_path / "coursebuild" / "data_command.py").write_text("")
    assert (
        files["coursebuild/data_command.py"]
        == keys.code("coursebuild.data_command", script, tmp_path)["coursebuild/data_command.py of the builder"]
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"inputs": {}}'])
def test_a_damaged_stamp_is_no_stamp(step, tmp_path, text):
    (tmp_path / "out" / ".stamps" / "day01-x.json").write_text(text)
    assert reasons(step, tmp_path, tmp_path / "out")


def test_the_options_of_the_last_build(tmp_path):
    assert last_options(4, tmp_path) is None
    keep_options({4, 5}, {"preset": "smoke", "out": tmp_path}, tmp_path)
    keep_options({5}, {"preset": "full"}, tmp_path)
    assert last_options(4, tmp_path) == {"preset": "smoke"} and last_options(5, tmp_path) == {"preset": "full"}
