"""A preview of the site on this machine: files with ranges for video, and pages that reload by themselves."""

from __future__ import annotations

import contextlib
import html
import io
import json
import mimetypes
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

import watchfiles

from coursebuild.errors import CourseError
from coursebuild.files import ROOT

HOST = "127.0.0.1"
WATCHED = ("lectures", "scripts", "animations", "templates")
EVENTS = "/__events"  # as in reload.js
HEARTBEAT = 15.0  # seconds between signs of life; a page that has gone is noticed at the next one
MIME = {  # what the standard library does not know everywhere, or asks the system about
    ".css": "text/css",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".py": "text/x-python",
    ".srt": "application/x-subrip",
    ".svg": "image/svg+xml",
    ".vtt": "text/vtt",
    ".webp": "image/webp",
}
RELOADER = ROOT / "templates" / "site" / "reload.js"  # sent with every page, never written into a file


class Preview(ThreadingHTTPServer):
    """Serves a folder to this machine only. `port` 0 takes a free one; see `url`."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self.root = root.resolve()
        self._clients: set[queue.SimpleQueue[tuple[str, Any] | None]] = set()
        self._lock = threading.Lock()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise CourseError(
                f"port {port} cannot be opened: {error.strerror}", hint="choose another one with --port"
            ) from error
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def tell(self, event: str, data: Any = "") -> None:
        """Send an event ("reload", "failed") to every open page."""
        with self._lock:
            for client in self._clients:
                client.put((event, data))

    @contextlib.contextmanager
    def client(self) -> Iterator[queue.SimpleQueue[tuple[str, Any] | None]]:
        box: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        with self._lock:
            self._clients.add(box)
        try:
            yield box
        finally:
            with self._lock:
                self._clients.discard(box)

    def server_close(self) -> None:
        with self._lock:
            for client in self._clients:
                client.put(None)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that goes away while it is served is no news (players drop ranges all the time)."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Preview

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the builder's own lines are what the author reads."""

    def _answer(self, body: bool) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:  # a foreign name that points here
            return self._refuse(HTTPStatus.FORBIDDEN, "this preview answers to localhost only")
        path = unquote(urlsplit(self.path).path)
        if path == EVENTS:
            return self._events() if body else self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "GET only")
        file = find_file(self.server.root, path)
        if file is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "there is no such file, or it is not built yet")
        if file.is_dir():
            return self._to_folder(path)
        if file.suffix == ".html":
            page = add_reloader(file.read_bytes())
            return self._send(io.BytesIO(page), len(page), file, body)
        with file.open("rb") as source:
            self._send(source, os.fstat(source.fileno()).st_size, file, body)

    def _to_folder(self, path: str) -> None:
        """A folder's address ends with a slash, else the links of its page would miss."""
        self.send_response(HTTPStatus.MOVED_PERMANENTLY)
        self.send_header("Location", quote("/" + path.strip("/") + "/"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, source: BinaryIO, size: int, file: Path, body: bool) -> None:
        status, start, stop = parse_range(self.headers.get("Range"), size)
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return self._refuse(status, "no such bytes", f"bytes */{size}")
        self.send_response(status)
        if status == HTTPStatus.PARTIAL_CONTENT:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.send_header("Content-Type", content_type(file))
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Last-Modified", formatdate(file.stat().st_mtime, usegmt=True))
        self.send_header("Cache-Control", "no-store")  # a rebuilt film has the same name
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if body:
            source.seek(start)
            for left in range(stop - start, 0, -65536):
                self.wfile.write(source.read(min(left, 65536)))

    def _refuse(self, status: HTTPStatus, why: str, content_range: str = "") -> None:
        text = add_reloader(f"<!doctype html><title>{status.value}</title><p>{html.escape(why)}</p>".encode())
        self.send_response(status)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _events(self) -> None:
        """Server-sent events until the page or the server goes away."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        with self.server.client() as box, contextlib.suppress(ConnectionError):
            self.wfile.write(b"retry: 500\n\n")
            while True:
                try:
                    event = box.get(timeout=HEARTBEAT)
                except queue.Empty:
                    self.wfile.write(b": here\n\n")
                    continue
                if event is None:
                    return
                self.wfile.write(f"event: {event[0]}\ndata: {json.dumps(event[1])}\n\n".encode())


# ------------------------------------------------------------------ what an address means


def find_file(root: Path, path: str) -> Path | None:
    """The file for an address (a folder only where the slash is missing); None outside `root` or hidden."""
    parts = [part for part in path.split("/") if part]
    if "\0" in path or any(part.startswith(".") or "\\" in part for part in parts):
        return None
    file = root.joinpath(*parts).resolve()  # links that lead out of the folder are refused too
    if not file.is_relative_to(root):
        return None
    if file.is_dir():
        if not (file / "index.html").is_file():
            return None
        return file / "index.html" if path.endswith("/") else file
    return file if file.is_file() and not path.endswith("/") else None


def parse_range(header: str | None, size: int) -> tuple[HTTPStatus, int, int]:
    """Status, first byte and the byte after the last, for a `Range` header.

    One range is what players ask for; several, or another unit, are answered with the whole file (RFC 9110).
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip())
    if not match or match[0] == "bytes=-":
        return HTTPStatus.OK, 0, size
    first, last = match[1], match[2]
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0
    return HTTPStatus.PARTIAL_CONTENT, start, stop


def content_type(file: Path) -> str:
    kind = MIME.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind.endswith(("json", "subrip")) else kind


def add_reloader(page: bytes) -> bytes:
    """The page with the script that listens for a rebuild, at the end of its body."""
    at = page.rfind(b"</body>")
    at = len(page) if at < 0 else at
    return page[:at] + b"<script>\n" + RELOADER.read_bytes() + b"</script>" + page[at:]


# ------------------------------------------------------------------ watching


def watch(
    server: Preview,
    folders: Sequence[Path],
    rebuild: Callable[[set[Path]], None],
    stop: threading.Event,
    say: Callable[[str], None] = print,
) -> None:
    """Call `rebuild` with what changed, then reload the pages; an author's mistake is shown there instead."""
    present = [folder for folder in folders if folder.is_dir()]
    for changes in watchfiles.watch(*present, stop_event=stop, debounce=400, step=100):
        changed = {Path(name) for _, name in changes}
        say("changed: " + ", ".join(sorted(path.name for path in changed)))
        try:
            rebuild(changed)
        except CourseError as error:
            say(str(error))
            server.tell("failed", str(error))
        else:
            server.tell("reload")


def serve(
    root: Path,
    port: int,
    rebuild: Callable[[set[Path]], None] | None,
    *,
    sources: Path = ROOT,
    say: Callable[[str], None] = print,
) -> None:
    """Serve `root` on this machine until Ctrl-C; with `rebuild`, watch the sources under `sources` too."""
    if not root.is_dir():
        raise CourseError("there is nothing to show yet", file=root, hint="build a day first: make lecture DAY=4")
    stop = threading.Event()
    with Preview(root, port) as server:
        say(f"preview: {server.url}  (Ctrl-C ends it)")
        if rebuild is not None:
            folders = [sources / name for name in WATCHED]
            job = partial(watch, server, folders, rebuild, stop, say)
            threading.Thread(target=job, name="watch", daemon=True).start()
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            say("preview ended")
        finally:
            stop.set()
