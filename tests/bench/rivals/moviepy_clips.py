"""Rival (b): moviepy. An ImageClip per state with its sentences, concatenated and written with libx264.

Usage: python moviepy_clips.py CONTENT.json OUT.mp4 PRESET (in the environment of requirements.lock beside tests/bench)
"""

import json
import sys
from pathlib import Path

from moviepy import AudioFileClip, CompositeAudioClip, ImageClip, VideoFileClip, concatenate_videoclips

content = json.loads(Path(sys.argv[1]).read_text())
fps = content["fps"]


def picture(state):
    seconds = state["frames"] / fps
    if not state["clip"]:
        return ImageClip(state["png"], duration=seconds)
    start = state["clip_start"] / fps
    moving = VideoFileClip(state["clip"]).subclipped(start, start + state["clip_frames"] / fps)
    held = state["frames"] - state["clip_frames"]
    return concatenate_videoclips([moving, ImageClip(state["png"], duration=held / fps)]) if held > 0 else moving


parts = []
for state in content["shown"]:
    said = [AudioFileClip(s["wav"]).with_start((s["start"] - state["start"]) / fps) for s in state["sentences"]]
    part = picture(state)
    parts.append(part.with_audio(CompositeAudioClip(said).with_duration(state["frames"] / fps)) if said else part)
film = concatenate_videoclips(parts)
film.write_videofile(sys.argv[2], fps=fps, codec="libx264", audio_codec="aac", preset=sys.argv[3], logger=None)
