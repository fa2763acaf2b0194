"""`build.py data`, and docs/DATA.md."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from lab import download, sources
from lab.registry import NoSource, entries

from coursebuild import data_command
from coursebuild.cli import main
from coursebuild.flow import own_data


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("DL50_DATA", raising=False)
    folders = {"DL50_CACHE": "cache", "HF_HOME": "hf", "HF_HUB_CACHE": "hf/hub", "TORCH_HOME": "torch"}
    for name, folder in folders.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setenv("DL50_OFFLINE", "1")


def call(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["data", *words])
    return result.exit_code, result.output


def test_the_document_is_that_of_the_registry() -> None:
    assert data_command.DOCUMENT.read_text(encoding="utf-8") == data_command.document(), (
        "run: python -m coursebuild.data_command"
    )
    for entry in entries().values():
        section = data_command.document().partition(f"## {entry.title}\n")[2].partition("\n## ")[0]
        assert entry.licence in section
        assert all(file.name in section or file.also in section for form in entry.forms for file in form.files[:3])


def test_list_says_where_each_would_come_from(tmp_path, monkeypatch) -> None:
    code, text = call("list")
    assert code == 0
    assert all(f"{name} " in text for name in entries())
    assert text.count("out of reach") == len(entries())
    (tmp_path / "cifar10_jpeg.npz").write_bytes(b"x")
    code, text = call("--data", str(tmp_path), "list")
    assert code == 0
    line = next(line for line in text.splitlines() if line.startswith("cifar10 "))
    assert line.split()[1:] == ["18", "MB", "your", "folder"]


def test_list_online_asks_all_servers_at_once(monkeypatch) -> None:
    monkeypatch.delenv("DL50_OFFLINE")
    monkeypatch.setattr(download, "_answers", {})
    monkeypatch.setattr(download, "_responds", lambda url, seconds: "huggingface" in url)
    text = call("list")[1]
    assert sum("huggingface.co" in line for line in text.splitlines()) == 3
    assert sum("the package index" in line for line in text.splitlines()) == 7


def test_where_names_all_places_in_order() -> None:
    code, text = call("where", "mnist")
    assert code == 0
    words = ["your folder", "your folder", "the cache", "the cache", "package index", "s3.amazonaws.com"]
    lines = [line for line in text.splitlines() if line[:1].isdigit() and line[1] == "."]
    assert [word in line for word, line in zip(words, lines, strict=True)] == [True] * 6
    code, text = call("where", "mnits")
    assert code == 1
    assert "did you mean `mnist`?" in text


def test_fetch_tells_of_all_that_failed() -> None:
    code, text = call("fetch", "names", "tinyshakespeare")
    assert code == 1
    assert "Names could not be had" in text
    assert "Tiny Shakespeare could not be had" in text
    assert "2 could not be had" in text


def test_fetch_makes_the_registrys_call(tmp_path, monkeypatch) -> None:
    content = "First Citizen:\n"
    (tmp_path / "tinyshakespeare.txt").write_text(content)
    monkeypatch.setattr(sources, "problem", lambda path, file: "")
    code, text = call("--data", str(tmp_path), "fetch", "tinyshakespeare")
    assert code == 0
    assert "the file of char-rnn, from the user's own folder" in text
    assert sources.USED[-1]["n"] == len(content)


def test_clean_removes_what_belongs_to_data_and_nothing_else(tmp_path) -> None:
    cache = tmp_path / "cache"
    wheel = entries()["imdb"].forms[0].files[0].name
    for name in ("wheels/font.whl", f"wheels/{wheel}", "files/names/data.zip", "made/glove/x/a.npy", "assets/voice"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(bytes(1000))
    code, text = call("clean", "names")
    assert code == 0
    assert "1 kB removed" in text
    assert not (cache / "files/names").exists()
    assert (cache / "made/glove/x/a.npy").exists()
    assert "2 kB removed" in call("clean")[1]
    left = {p.relative_to(cache).as_posix() for p in cache.rglob("*") if p.is_file()}
    assert left == {"wheels/font.whl", "assets/voice"}


def test_a_script_runs_again_when_the_users_folder_has_what_it_loads(tmp_path, monkeypatch) -> None:
    script = tmp_path / "day.py"
    script.write_text("pairs = texts.multi30k('train', standin=True)\n")
    assert own_data(script) == {}
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    (tmp_path / "names.zip").write_bytes(b"")
    assert own_data(script) == {}
    (tmp_path / "multi30k.zip").write_bytes(b"")
    assert own_data(script) == {"data": ["multi30k: multi30k.zip"]}
    other = tmp_path / "other.py"
    other.write_text("from blocks import pairs\nimport lab\n")
    for folder, text in (("lab", "texts.names()\n"), ("blocks", "")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(text)
    (tmp_path / "blocks" / "pairs.py").write_text("texts.multi30k('train')\n")
    assert own_data(other) == {"data": ["multi30k: multi30k.zip"]}  # by the block, and not what lab/ could load


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(NoSource, match="there is no data set"):
        __import__("lab.registry").registry.entry("nothing")
