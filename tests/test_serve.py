"""The preview server: ranges, borders, and pages that reload by themselves."""

from __future__ import annotations

import http.client
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from coursebuild.errors import CourseError
from coursebuild.files import ROOT
from coursebuild.serve import EVENTS, Preview, content_type, find_file, parse_range, serve, watch

FILM = bytes(range(256)) * 400  # 102,400 bytes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    site = tmp_path / "out"
    (site / "day04" / "empty").mkdir(parents=True)
    (site / "index.html").write_text("<!doctype html><title>all</title><body><p>days</p></body>")
    (site / "day04/index.html").write_text("<!doctype html><title>four</title><body><p id=v>one</p></body>")
    (site / "day04/day 04.mp4").write_bytes(FILM)
    (site / "day04/.part.mp4").write_bytes(b"half")
    (tmp_path / "secret.txt").write_text("secret")
    (site / "way_out").symlink_to(tmp_path)
    return site


@pytest.fixture
def preview(root: Path) -> Iterator[Preview]:
    with Preview(root) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
    thread.join(5)


def ask(server: Preview, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A request whose path is sent as it is, unlike a browser's or urllib's."""
    line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    line.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = line.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    line.close()
    return found


# ------------------------------------------------------------------ files


def test_files_with_their_types(preview: Preview, root: Path) -> None:
    status, headers, body = ask(preview, "/day04/day%2004.mp4")
    assert (status, body) == (200, FILM)
    assert headers["content-type"] == "video/mp4" and headers["accept-ranges"] == "bytes"
    assert content_type(Path("a.vtt")) == "text/vtt; charset=utf-8"
    assert content_type(Path("a.pptx")).endswith("presentationml.presentation")
    assert content_type(Path("a.unknown")) == "application/octet-stream"


def test_head_says_the_same_without_a_body(preview: Preview) -> None:
    status, headers, body = ask(preview, "/day04/day%2004.mp4", "HEAD")
    assert (status, headers["content-length"], body) == (200, "102400", b"")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=1000-", 1000, 102_399), ("bytes=-100", 102_300, 102_399),
     ("bytes=102399-999999", 102_399, 102_399), ("bytes=-999999", 0, 102_399), ("bytes=66000-70000", 66_000, 70_000)],
)  # fmt: skip
def test_ranges(preview: Preview, asked: str, first: int, last: int) -> None:
    status, headers, body = ask(preview, "/day04/day%2004.mp4", Range=asked)
    assert status == 206
    assert headers["content-range"] == f"bytes {first}-{last}/102400"
    assert body == FILM[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=102400-", "bytes=9-3", "bytes=-0"])
def test_ranges_outside_the_file(preview: Preview, asked: str) -> None:
    status, headers, _ = ask(preview, "/day04/day%2004.mp4", Range=asked)
    assert (status, headers["content-range"]) == (416, "bytes */102400")


@pytest.mark.parametrize("asked", ["bytes=0-1,5-9", "lines=1-2", "bytes=-", "bytes=a-b", ""])
def test_what_is_no_single_range_gets_the_whole_file(asked: str) -> None:
    assert parse_range(asked, 100) == (HTTPStatus.OK, 0, 100)
    assert parse_range(None, 0) == (HTTPStatus.OK, 0, 0)


# ------------------------------------------------------------------ borders


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/day04/../../secret.txt", "/..%2fsecret.txt", "//etc/passwd",
     "/etc/passwd", "/way_out/secret.txt", "/day04/.part.mp4", "/..%5csecret.txt", "/day04/%00", "/day04/empty/",
     "/index.html/", "/nothing"],
)  # fmt: skip
def test_nothing_outside_the_folder(preview: Preview, path: str) -> None:
    status, _, body = ask(preview, path)
    assert status == 404
    assert b"secret" not in body and b"root:" not in body


def test_only_this_machine_under_its_own_name(preview: Preview) -> None:
    assert preview.server_address[0] == "127.0.0.1"
    assert ask(preview, "/", Host="evil.example")[0] == 403
    assert ask(preview, "/", Host=f"localhost:{preview.server_port}")[0] == 200


def test_other_methods_are_refused(preview: Preview) -> None:
    assert ask(preview, "/", "POST")[0] == 501
    assert ask(preview, "/", "DELETE")[0] == 501


def test_folders(preview: Preview, root: Path) -> None:
    assert b"four" in ask(preview, "/day04/")[2]
    status, headers, _ = ask(preview, "/day04")
    assert (status, headers["location"]) == (301, "/day04/")
    assert find_file(root.resolve(), "/") == root.resolve() / "index.html"


def test_a_port_in_use_is_explained(preview: Preview, root: Path) -> None:
    with pytest.raises(CourseError, match=f"port {preview.server_port} cannot be opened") as caught:
        Preview(root, preview.server_port)
    assert "--port" in caught.value.hint
    with pytest.raises(CourseError, match="nothing to show yet"):
        serve(root / "not_there", 0, None)


# ------------------------------------------------------------------ reloading


def test_the_reloader_is_sent_but_never_written(preview: Preview, root: Path) -> None:
    body = ask(preview, "/day04/")[2]
    assert b"EventSource" in body and EVENTS.encode() in body
    assert body.index(b"EventSource") < body.index(b"</body>")
    assert b"EventSource" not in (root / "day04/index.html").read_bytes()
    assert b"EventSource" in ask(preview, "/day05/")[2], "a page that is not built yet appears when it is"


def listen(server: Preview) -> Callable[[], bytes]:
    """Open the event stream; the answer reads one event."""
    line = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    line.request("GET", EVENTS)
    stream = line.getresponse()
    assert stream.getheader("Content-Type") == "text/event-stream"

    def read() -> bytes:
        lines = []
        while (text := stream.fp.readline()) not in (b"\n", b""):
            lines.append(text)
        return b"".join(lines)

    assert read() == b"retry: 500\n"
    return read


def test_a_changed_source_rebuilds_and_reloads(preview: Preview, tmp_path: Path) -> None:
    sources = tmp_path / "lectures"
    sources.mkdir()
    seen: list[set[Path]] = []

    def rebuild(changed: set[Path]) -> None:
        seen.append(changed)
        if len(seen) == 2:
            raise CourseError("unknown metric `acuracy`", file="lectures/day04.md.j2", line=7, hint="`accuracy`?")

    stop = threading.Event()
    job = (preview, [sources, tmp_path / "not_there"], rebuild, stop, lambda _: None)
    thread = threading.Thread(target=watch, args=job, daemon=True)
    thread.start()
    try:
        event = listen(preview)
        wait_until_watched(sources / "probe", seen)
        assert event() == b'event: reload\ndata: ""\n'
        (sources / "day04.md.j2").write_text("## misspelt")
        failed = event()
        assert failed.startswith(b"event: failed\n") and b"lectures/day04.md.j2:7: unknown metric" in failed
        assert (sources / "day04.md.j2") in seen[1]
        (sources / "day04.md.j2").write_text("## right")
        assert event().startswith(b"event: reload")
    finally:
        stop.set()
        thread.join(5)
    assert not thread.is_alive()


def wait_until_watched(probe: Path, seen: list[set[Path]]) -> None:
    """The watcher says nothing when it is ready: touch a file until it is noticed."""
    for n in range(50):
        probe.write_text(str(n))
        if threading.Event().wait(0.2) or seen:
            break
    assert seen, "no change was noticed in ten seconds"
    threading.Event().wait(1.0)  # what was still on its way
    del seen[1:]


@pytest.mark.browser
def test_a_browser_reloads_and_shows_mistakes(preview: Preview, root: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(preview.url + "day04/")
        wait_for_client(preview)
        preview.tell("failed", "lectures/day04.md.j2:7: <b>wrong</b>")
        tab.wait_for_selector("#build-error")
        assert tab.locator("#build-error").inner_text() == "lectures/day04.md.j2:7: <b>wrong</b>"
        (root / "day04/index.html").write_text("<!doctype html><title>four</title><body><p id=v>two</p></body>")
        preview.tell("reload")
        tab.wait_for_function("document.getElementById('v').textContent === 'two'")
        assert tab.locator("#build-error").count() == 0
        browser.close()


def wait_for_client(server: Preview) -> None:
    for _ in range(100):
        if server._clients:
            return
        threading.Event().wait(0.05)
    raise AssertionError("the page did not open the event stream")


def test_serve_from_start_to_ctrl_c(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from coursebuild.serve import serve; serve(Path(sys.argv[1]), 0, None)"
    )
    with subprocess.Popen([sys.executable, "-uc", code, root], stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        try:
            first = run.stdout.readline()
            url = re.search(r"http://127\.0\.0\.1:\d+/", first)[0]
            with urllib.request.urlopen(url + "day04/", timeout=5) as answer:
                assert b"four" in answer.read()
            run.send_signal(signal.SIGINT)
            assert run.wait(10) == 0
            assert run.stdout.read() == "preview ended\n"
        finally:
            run.kill()
