"""What no pipeline can go below: libx264 alone, fed with finished pictures from memory.

`python floors.py CONTENT.json REPORT.json` codes a sample of the film's frames with several presets, every frame (as
each rival must), and each picture once with the settings of our film.
"""

from __future__ import annotations

import json
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from coursebuild import codec
from tests.bench.content import Content, load

SAMPLE = 240  # frames
PRESETS = ("medium", "veryfast", "ultrafast")


def planes(png: str) -> av.VideoFrame:
    with Image.open(png) as image:
        return codec.to_yuv(np.asarray(image.convert("RGB")))


def sample(content: Content) -> list[str]:
    """The pictures of SAMPLE frames: each as often, in proportion, as in the film."""
    return [s.png for s in content.stills for _ in range(max(1, round(SAMPLE * s.frames / content.frames)))]


def every_frame(names: list[str], content: Content, preset: str) -> float:
    """CPU seconds a frame of libx264, its defaults but for `preset`."""
    pictures = {name: planes(name) for name in dict.fromkeys(names)}
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = content.width, content.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, content.fps), Fraction(content.fps)
    context.options, context.thread_count = {"preset": preset}, 1
    begin = time.process_time()
    for number, name in enumerate(names):
        frame = pictures[name]
        frame.pts, frame.time_base, frame.pict_type = number, context.time_base, 0
        context.encode(frame)
    context.encode(None)
    return (time.process_time() - begin) / len(names)


def once(content: Content) -> float:
    """CPU seconds of coding each picture of the film once, as our film does: a coder per slide."""
    pictures = [(s.slide, planes(s.png)) for s in content.stills]
    begin = time.process_time()
    last, context = "", None
    for number, (slide, frame) in enumerate(pictures):
        if slide != last:
            if context is not None:
                context.encode(None)
            context, last = av.CodecContext.create("libx264", "w"), slide
            codec.configure(context, content.width, content.height)
            context.options = codec.video_options(content.width, content.height)
        frame.pts, frame.time_base = number, codec.TICK
        context.encode(frame)
    if context is not None:
        context.encode(None)
    return time.process_time() - begin


def main(content: Content, report: Path) -> None:
    names = sample(content)
    found = {preset: every_frame(names, content, preset) for preset in PRESETS}
    report.write_text(
        json.dumps(
            {
                "sampled_frames": len(names),
                "cpu_per_frame": found,
                "cpu_whole": {preset: value * content.frames for preset, value in found.items()},
                "once": once(content),
                "pictures": len(content.stills),
            }
        )
    )


if __name__ == "__main__":
    main(load(Path(sys.argv[1])), Path(sys.argv[2]))
