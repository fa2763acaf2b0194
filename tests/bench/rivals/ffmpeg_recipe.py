"""Rival (c): the ffmpeg recipe. One `ffmpeg -loop 1` per state with its sentences, then the concat demuxer.

Usage: python ffmpeg_recipe.py CONTENT.json OUT.mp4 PRESET (in the environment of requirements.lock beside tests/bench)
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio_ffmpeg

content = json.loads(Path(sys.argv[1]).read_text())
fps, ffmpeg = content["fps"], imageio_ffmpeg.get_ffmpeg_exe()


def run(*arguments):
    subprocess.run([ffmpeg, "-y", "-v", "error", *arguments], check=True, stdin=subprocess.DEVNULL)


def sound(state, first):
    """Inputs and a filter graph that put the state's sentences at their times."""
    inputs, graph, names = [], [], ""
    for k, sentence in enumerate(state["sentences"]):
        inputs += ["-i", sentence["wav"]]
        delay = (sentence["start"] - state["start"]) * 1000 // fps
        graph.append(f"[{first + k}:a]aresample=48000,adelay={delay}:all=1[a{k}]")
        names += f"[a{k}]"
    graph.append(f"{names}amix=inputs={len(state['sentences'])}:normalize=0,apad[a]")
    return inputs, ";".join(graph)


with tempfile.TemporaryDirectory() as folder:
    made = []
    for number, state in enumerate(content["shown"]):
        target = Path(folder, f"{number:03d}.mp4")
        if state["sentences"]:
            inputs, graph = sound(state, 1)
        else:
            inputs, graph = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono"], "[1:a]anull[a]"
        run(
            *("-loop", "1", "-framerate", str(fps), "-i", state["png"], *inputs, "-filter_complex", graph),
            *("-map", "0:v", "-map", "[a]", "-c:v", "libx264", "-preset", sys.argv[3], "-tune", "stillimage"),
            *("-pix_fmt", "yuv420p", "-c:a", "aac", "-ar", "48000", "-b:a", "128k"),
            *("-t", str(state["frames"] / fps), str(target)),
        )
        made.append(target)
    Path(folder, "list.txt").write_text("".join(f"file '{path}'\n" for path in made))
    run(
        *("-f", "concat", "-safe", "0", "-i", str(Path(folder, "list.txt"))),
        *("-c", "copy", "-movflags", "+faststart", sys.argv[2]),
    )
