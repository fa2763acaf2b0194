"""Our own way with the same slides: the film step, in a process of its own, with an empty cache.

Usage: python ours.py INPUTS.json OUT.mp4 [PROFILE] (from the project's folder). PROFILE: a file for cProfile's numbers.
"""

import cProfile
import json
import sys
import tempfile
from pathlib import Path


def make() -> None:
    from coursebuild.steps.film import film

    inputs = {name: Path(path) for name, path in json.loads(Path(sys.argv[1]).read_text()).items()}
    target = Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as cache:
        products = {"film": target, "poster": target.with_suffix(".png")}
        film(inputs, products, {"cfr": False}, Path(cache))


if len(sys.argv) > 3:
    profile = cProfile.Profile()
    profile.runcall(make)
    profile.dump_stats(sys.argv[3])
else:
    make()
