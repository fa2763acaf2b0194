"""A tiny day with two scenes and a record, for the tests of the kit and of the step `animate`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coursebuild.files import ROOT, sha256, write_json
from coursebuild.model import Record

SCENES = '''
"""Two small scenes."""

from kit.scene import LectureScene
from kit.theme import at, units
from manim import Create, FadeIn, Square, linear

SIZE = 60


class Grow(LectureScene):
    """A square grows.

    This is not for the description.
    """

    def construct(self):
        side = self.metric("side") * SIZE
        square = Square(units(side)).move_to(at(300, 300)).set_fill(self.theme["accent"], 1)
        with self.beat("First"):
            self.play(FadeIn(square), run_time=0.4)
        with self.beat("Second"):
            self.play(square.animate.shift(at(400, 0) - at(0, 0)), run_time=0.6, rate_func=linear)
            self.wait(1.0)
        with self.beat("Rest"):
            self.wait(0.5)


class Count(LectureScene):
    """Numbers of the run."""

    def construct(self):
        with self.beat("Only"):
            self.play(FadeIn(self.formula(f"{self.array('values').sum():.0f}", 60).put(480, 300, "center")))
'''


def write_record(folder: Path, **metrics: float) -> Path:
    """record.json and arrays.npz of a run; returns record.json."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"values": np.arange(5.0), "unused": np.ones((2, 3))}
    np.savez(folder / "arrays.npz", **arrays)
    shapes = {name: list(a.shape) for name, a in arrays.items()}
    digest = sha256(folder / "arrays.npz")
    Record(99, "tiny", {"side": 2.0, "other": 1.0, **metrics}, {}, {}, shapes, digest, {}).save(folder / "record.json")
    return folder / "record.json"


def write_day(folder: Path, scenes: str = SCENES) -> dict[str, Path]:
    """Inputs of the step for a day in `folder`."""
    source = folder / "animations" / "day99_tiny.py"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(scenes, encoding="utf-8")
    wanted = {
        "Grow": {"title": "A square grows", "kicker": "Watch", "beats": 3},
        "Count": {"title": "Numbers", "kicker": "", "beats": 1},
    }
    write_json(folder / "scenes.json", wanted)
    record = write_record(folder / "record")
    theme = ROOT / "templates" / "theme.json"
    return {"scene": source, "record": record, "theme": theme, "scenes": folder / "scenes.json"}


def flow_record(folder: Path) -> Path:
    """A record with all that the scenes of Day 4 read: an untrained network, a picture, its gradients by hand."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:28, 0:28]
    image = np.clip(1.6 - np.abs(np.hypot(x - 14, y - 14) - 8) / 1.5, 0, 1)  # a ring: a zero
    target = np.eye(10)[0]
    arrays: dict[str, np.ndarray] = {"flow_image": image, "flow_label": np.array(0), "flow_eta": np.array(1.0)}
    for name, spread in (("early", 1.0), ("late", 0.5)):
        arrays |= _pass(name, [rng.normal(0, spread / np.sqrt(n), (m, n)) for m, n in _SHAPES], image, target)
    metrics = {f"graph_{k}": 0.5 for k in ("x", "w", "b", "z", "a", "y", "loss", "da", "dz", "dw", "db", "dx")}
    metrics["graph_autograd_difference"] = 1e-17
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", **arrays)
    shapes = {name: list(a.shape) for name, a in arrays.items()}
    digest = sha256(folder / "arrays.npz")
    Record(4, "backpropagation", metrics, {}, {}, shapes, digest, {}).save(folder / "record.json")
    return folder / "record.json"


_SHAPES = ((16, 784), (16, 16), (10, 16))


def _pass(name: str, weights: list[np.ndarray], image: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    a = [image.reshape(-1)]
    for w in weights:
        a.append(1 / (1 + np.exp(-w @ a[-1])))
    delta = (a[3] - target) * a[3] * (1 - a[3])
    found: dict[str, np.ndarray] = {}
    for layer in (3, 2, 1):
        parts = {"W": weights[layer - 1], "b": np.zeros(len(delta)), "a": a[layer], "delta": delta}
        parts["dW"] = np.outer(delta, a[layer - 1])
        found |= {f"flow_{name}_{kind}{layer}": value for kind, value in parts.items()}
        delta = (weights[layer - 1].T @ delta) * a[layer - 1] * (1 - a[layer - 1])
    loss = np.array(0.5 * np.sum((a[3] - target) ** 2))
    return found | {f"flow_{name}_loss": loss, f"flow_{name}_loss_after": loss * 0.8}
