"""Images in colour for where CIFAR-10 cannot be had: digits over patches of a photograph.

The recipe is MNIST-M's (Ganin and Lempitsky 2015, section 4): |patch - digit|. The photograph comes with matplotlib.
It is cut into level bands; every other one is used for training, the rest for test.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

SIZE, MARGIN = 32, 2  # a digit has 28 pixels
COUNT = {True: 50_000, False: 10_000}  # as many as CIFAR-10 has, as far as there are digits
BANDS = 6  # of 100 pixels each
ZOOMS = (1, 2, 3)  # pixels of the photograph for one of the patch
SEED = 16


def digits_over_photograph(digits: Any, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images (N, 32, 32, 3) and labels (N,) from the `data` and `targets` of MNIST; always the same."""
    rng = np.random.default_rng(SEED + train)
    count = min(COUNT[train], len(digits.data))
    chosen = rng.permutation(len(digits.data))[:count]
    ink = np.zeros((count, SIZE, SIZE, 1), np.int16)
    ink[:, MARGIN:-MARGIN, MARGIN:-MARGIN, 0] = np.asarray(digits.data)[chosen]
    images = np.abs(_patches(rng, count, train).astype(np.int16) - ink).astype(np.uint8)
    return images, np.asarray(digits.targets)[chosen].astype(np.int64)


def _patches(rng: np.random.Generator, count: int, train: bool) -> np.ndarray:
    """Random squares of the photograph, sometimes mirrored, their colours in a random order: (count, 32, 32, 3)."""
    bands = np.split(_photograph(), BANDS)[not train :: 2]
    band, zoom = rng.integers(len(bands), size=count), rng.choice(ZOOMS, count)
    out = np.empty((count, SIZE, SIZE, 3), np.uint8)
    side = np.arange(SIZE)
    for number, step in itertools.product(range(len(bands)), ZOOMS):
        there = np.flatnonzero((band == number) & (zoom == step))
        small = _shrink(bands[number], step)
        y = rng.integers(0, small.shape[0] - SIZE + 1, len(there))
        x = rng.integers(0, small.shape[1] - SIZE + 1, len(there))
        out[there] = small[(y[:, None] + side)[:, :, None], (x[:, None] + side)[:, None, :]]
    mirrored = rng.random(count) < 0.5
    out[mirrored] = out[mirrored, :, ::-1]
    order = rng.permuted(np.tile(np.arange(3), (count, 1)), axis=1)
    return np.take_along_axis(out, order[:, None, None, :], axis=3)


def _shrink(image: np.ndarray, step: int) -> np.ndarray:
    """Every step x step pixels become their mean."""
    height, width = (n // step * step for n in image.shape[:2])
    blocks = image[:height, :width].reshape(height // step, step, width // step, step, 3)
    return blocks.mean((1, 3)).astype(np.uint8)


def _photograph() -> np.ndarray:
    """A portrait in the public domain (Grace Hopper, US Navy), uint8 (600, 512, 3)."""
    from matplotlib import cbook
    from PIL import Image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB"))
