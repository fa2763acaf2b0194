"""Rival (a): slides as Manim scenes. A picture per state, add_sound and wait; Manim's own writer.

Usage: python manim_waits.py CONTENT.json OUT.mp4 (with Manim's own environment)
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from manim import ImageMobject, Scene, config, tempconfig

content = json.loads(Path(sys.argv[1]).read_text())
fps = content["fps"]


class Lecture(Scene):
    def construct(self):
        for state in content["shown"]:
            picture = ImageMobject(state["png"])
            picture.height = config.frame_height
            self.clear()
            self.add(picture)
            for sentence in state["sentences"]:
                self.add_sound(sentence["wav"], time_offset=(sentence["start"] - state["start"]) / fps)
            self.wait(state["frames"] / fps)


with tempfile.TemporaryDirectory() as folder:
    settings = {
        "pixel_width": content["width"],
        "pixel_height": content["height"],
        "frame_rate": fps,
        "media_dir": folder,
        "verbosity": "ERROR",
        "progress_bar": "none",
    }
    with tempconfig(settings):
        scene = Lecture()
        scene.render()
        shutil.copy(scene.renderer.file_writer.movie_file_path, sys.argv[2])
