"""How long Chromium takes to show another moment of a film, and whether it shows the right picture."""

from __future__ import annotations

import functools
import http.server
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from tests.bench.content import Content
from tests.bench.judge import moments_of
from tests.bench.meter import BenchError

SIZE = (96, 54)  # pixels at which pictures are compared
PAGE = b"<!doctype html><video id=v muted></video><canvas id=c width=96 height=54></canvas>"
FLAGS = ["--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required"]
OPEN = """name => new Promise((r, e) => { const v = document.getElementById('v');
  v.onloadeddata = () => r(v.duration); v.onerror = () => e(v.error.message); v.src = name })"""
SEEK = """async t => { const v = document.getElementById('v');
  const c = document.getElementById('c').getContext('2d', {willReadFrequently: true}), a = performance.now();
  await new Promise(r => { v.onseeked = r; v.currentTime = t }); const took = performance.now() - a;
  await new Promise(r => setTimeout(r, 30)); c.drawImage(v, 0, 0, 96, 54);
  return [took, Array.from(c.getImageData(0, 0, 96, 54).data)] }"""


class Films(http.server.SimpleHTTPRequestHandler):
    """Serves the page and the films of a folder; ranges, as a player asks for them."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if self.path != "/page.html" and not path.is_file():
            self.send_error(404)  # the browser asks for an icon
            return
        data = PAGE if self.path == "/page.html" else path.read_bytes()
        first, last, asked = 0, len(data) - 1, self.headers.get("Range")
        if asked:
            start, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(start), int(end) if end else last
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", "video/mp4" if path.suffix == ".mp4" else "text/html")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(data[first : last + 1])


@contextmanager
def browser(folder: Path) -> Iterator[Any]:
    """A page of Chromium beside the films in `folder`; BenchError where there is no Chromium."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise BenchError("Chromium is not installed: make testtools")
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise BenchError("the package playwright is not installed") from None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Films, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as play:
            running = play.chromium.launch(executable_path=chromium, args=FLAGS)
            page = running.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/page.html")
            yield page
            running.close()
    except Error as error:
        raise BenchError(f"Chromium: {str(error).splitlines()[0]}") from error
    finally:
        server.shutdown()


def thumbnail(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize(SIZE, Image.Resampling.BOX), np.float32)


def seeks(page: Any, film: str, content: Content, count: int) -> dict[str, float]:
    """Seek `count` times in `film` (a name in the folder): milliseconds, and how often the picture was a wrong one."""
    fps, rng = content.fps, random.Random(1)
    moments = moments_of(content)
    chosen = [m for _ in range(-(-count // len(moments))) for m in rng.sample(moments, len(moments))][:count]
    known = {s.png: thumbnail(s.png) for s in content.stills}
    page.evaluate(OPEN, film)
    took, wrong = [], 0
    for at in chosen:
        ms, pixels = page.evaluate(SEEK, at)
        picture = np.array(pixels, np.float32).reshape(SIZE[1], SIZE[0], 4)[..., :3]
        wanted = next(s.png for s in reversed(content.stills) if s.start / fps <= at)
        distance = {png: float(np.abs(image - picture).mean()) for png, image in known.items()}
        wrong += distance[wanted] > min(distance.values()) + 0.02  # grey levels; pictures may be alike
        took.append(ms)
    return {"n": len(took), "median_ms": round(median(took), 1), "max_ms": round(max(took), 1), "wrong": wrong}
