"""Day 16's functions against torch and NumPy, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

import ast
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day16_convolution")
SHOWN = ("conv2d_loops",)  # as code on slides
FIGURES = {"matrix", "cost", "hidden_kernel", "few_images", "filters", "energy", "feature_maps", "dimensions"}
FIGURES |= {"edges_and_shifts"}


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions and classes of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "F": F, "device": torch.device("cpu")}
    known |= {"BATCH_SIZE": 5, "LEARNING_RATE": 1e-2}
    return LESSON.names(known)


@pytest.mark.parametrize(("stride", "padding", "size"), list(product((1, 2, 3), (0, 1, 2), (1, 2, 3, 5))))
def test_loops_are_torchs_convolution(names: dict[str, Any], stride: int, padding: int, size: int) -> None:
    torch.manual_seed(0)
    x, K, b = torch.randn(3, 8, 7), torch.randn(4, 3, size, size), torch.randn(4)
    ours = names["conv2d_loops"](x, K, b, stride, padding)
    torch.testing.assert_close(ours, F.conv2d(x[None], K, b, stride, padding)[0], rtol=1e-4, atol=1e-5)


def test_the_matrix_is_sparse_and_shares_its_numbers(names: dict[str, Any]) -> None:
    kernel, x = torch.randn(3, 3), torch.randn(9, 6)
    matrix = names["conv_matrix"](kernel, 9, 6)
    assert tuple(matrix.shape) == (7 * 4, 9 * 6)
    assert set(matrix.values().tolist()) == set(kernel.flatten().tolist())
    by_matrix = (matrix @ x.reshape(-1, 1)).reshape(7, 4)
    torch.testing.assert_close(by_matrix, F.conv2d(x[None, None], kernel[None, None])[0, 0], rtol=1e-4, atol=1e-5)


def test_patches_give_the_same_maps(names: dict[str, Any]) -> None:
    x, K = torch.randn(2, 3, 8, 6), torch.randn(5, 3, 3, 3)
    torch.testing.assert_close(names["conv_unfold"](x, K), F.conv2d(x, K), rtol=1e-4, atol=1e-5)


def test_output_size_counts_the_places_of_the_window(names: dict[str, Any]) -> None:
    for W, K, S, P, D in product(range(1, 12), (1, 2, 3), (1, 2, 3), (0, 1, 2), (1, 2)):
        starts = [i for i in range(0, W + 2 * P, S) if i + D * (K - 1) < W + 2 * P]  # those that do not stick out
        assert max(0, names["output_size"](W, K, S, P, D)) == len(starts) == names["torch_size"](W, K, S, P, D)
    assert names["output_size"](32, 5, 2, 2) == 16  # the quiz
    assert names["output_size"](32, 3, 2) == 15


def test_a_hidden_kernel_is_found(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    x, hidden = torch.randn(4, 1, 12, 12), torch.randn(1, 1, 3, 3)
    path = names["learn_kernel"](x, F.conv2d(x, hidden), steps=150)
    assert path.shape == (151, 9)
    torch.testing.assert_close(path[-1], hidden.flatten(), rtol=1e-3, atol=1e-3)


def test_energy_of_known_patterns(names: dict[str, Any]) -> None:
    ramp = torch.tensor([-1.0, 0.0, 1.0]).expand(3, 3)
    lines = torch.tensor([1.0, -2.0, 1.0]).expand(3, 3)
    filters = torch.stack([torch.ones(3, 3), ramp, ramp.T, ramp + 0.7 * ramp.T, lines, torch.ones(3, 3) + ramp])
    shares = names["pattern_energy"](filters)
    expected = [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [9 / 15, 6 / 15, 0]]
    torch.testing.assert_close(shares, torch.tensor(expected), rtol=0, atol=1e-5)
    torch.manual_seed(0)
    chance = names["pattern_energy"](torch.randn(20_000, 3, 3)).mean(0)
    torch.testing.assert_close(chance, torch.tensor([1 / 9, 2 / 9, 6 / 9]), rtol=0, atol=0.01)


def test_moving_the_image_moves_the_map(names: dict[str, Any]) -> None:
    conv, x = nn.Conv2d(1, 2, 3, padding=1), torch.randn(3, 1, 8, 8)
    error = names["shift_error"]
    assert error(names["circular"](conv, 1), x, 3, 1) < 1e-6
    assert error(names["circular"](conv, 2), x, 2, 2) < 1e-6
    assert error(names["circular"](conv, 2), x, 1, 2) > 0.1


def test_the_rivals_have_as_many_parameters(names: dict[str, Any]) -> None:
    count = names["count_parameters"]
    assert count(names["Net"]()) <= count(names["rival"]()) <= 1.02 * count(names["Net"]())
    assert names["Net"]()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert names["ColourNet"]()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert count(names["ColourNet"]().conv) == 896


def test_training_learns_and_leaves_frozen_layers_alone(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    x, y = torch.rand(10, 1, 28, 28), torch.arange(10)
    net = names["Net"]()
    net.conv1.requires_grad_(False)
    kept = net.conv1.weight.clone()
    names["train"](net, x, y, seed=0, steps=60, lr=3e-3)
    assert names["accuracy"](net, x, y) == 1.0
    assert torch.equal(kept, net.conv1.weight)


def test_shuffling_moves_every_pixel_of_every_image_alike(names: dict[str, Any]) -> None:
    order = torch.randperm(784)
    names["shuffled"] = order
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(names["shuffle"](x).flatten(1)[:, order.argsort()], x.flatten(1))


def test_clips_of_both_kinds_have_the_same_frames(names: dict[str, Any]) -> None:
    clips, kinds = names["make_clips"](torch.rand(3, 1, 28, 28))
    assert clips.shape == (6, 1, 4, 28, 28)
    assert kinds.tolist() == [0, 0, 0, 1, 1, 1]
    assert torch.equal(clips[:3].flip(2), clips[3:])
    assert torch.equal(clips[0, 0, 0].roll(2, dims=1), clips[0, 0, 1])
    one = names["Watcher"](1)  # frame by frame: it cannot tell the two kinds apart
    torch.testing.assert_close(one(clips[:3]), one(clips[3:]))


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


def test_the_syllabus_tools_are_used() -> None:
    calls = [node for node in ast.walk(LESSON.tree) if isinstance(node, ast.Call)]
    called = {ast.unparse(call.func) for call in calls}
    assert {"nn.Conv1d", "nn.Conv2d", "nn.Conv3d", "F.conv2d"} <= called
    shown = {ast.unparse(call) for call in calls}
    assert "nn.Conv2d(in_channels=3, out_channels=32, kernel_size=3, stride=1, padding=1)" in shown
    assert all(any(f"padding='{word}'" in call for call in shown) for word in ("same", "valid"))


SOLUTIONS = {
    "your_size, your_parameters = None, None": "your_size, your_parameters = 112, 64 * (3 * 49 + 1)",
    "return None  # your turn: x is": "return F.conv2d(F.conv2d(x, thin.view(1, 1, 3, 1)), thin.view(1, 1, 1, 3))  # ",
    "return None  # your turn: receptive": (
        "n = 1\n    for size, stride in zip(kernels[::-1], strides[::-1]):\n"
        "        n = (n - 1) * stride + size\n    return n  # "
    ),
}
WRONG = {
    "your_size, your_parameters = None, None": "your_size, your_parameters = 112, 64 * 3 * 49",
    "return None  # your turn: x is": "return F.conv2d(x, thin.view(1, 1, 3, 1))  # ",
    "return None  # your turn: receptive": "return sum(kernels) - len(kernels) + 1  # ",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    given = {"digit": torch.rand(1, 28, 28)}
    return LESSON.exercises({**names, **given}, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) >= FIGURES
    assert record.claims["loops, matrix, unfold and F.conv2d agree to within a hundred-thousandth"]
    assert record.claims["the formula with floor and dilation gives PyTorch's size in every case"]
    assert record.claims["padding='same' with stride 2 is refused"]
    assert record.claims["with stride 1 the maps move with the image, to within rounding"]
    assert (m["correlation_first"], m["convolution_first"]) == (21, 12)
    assert m["matrix_nonzero"] == pytest.approx(9 / 784)
    assert (m["pad_corner"], m["pad_edge"]) == pytest.approx((4 / 9, 6 / 9))
    sizes = {name: m[f"size_{name}"] for name in ("valid", "one", "same", "stride", "stride_one", "dilated")}
    assert sizes == {"valid": 26, "one": 28, "same": 28, "stride": 13, "stride_one": 14, "dilated": 24}
    assert (m["conv_parameters_colour"], m["conv_parameters_deep"]) == (896, 73_856)
    assert m["linear_parameters_digit"] == 784 * 16 * 784 + 16 * 784
    assert m["shuffle_error"] < 1e-4  # to linear layers, shuffled pixels are the same task
    assert m["motion_one"] == 0.5  # frame by frame, one of each pair is right


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    _, arrays = smoke
    digit, kernel, bias = (torch.tensor(arrays[f"slide_{k}"])[None, None] for k in ("digit", "kernel", "bias"))
    for name, how in {"valid": {}, "stride2": {"stride": 2}, "padded": {"padding": 1}}.items():
        maps = F.conv2d(digit, kernel, bias.reshape(1), **how)[0, 0]
        np.testing.assert_allclose(arrays[f"slide_{name}"], maps, atol=1e-5)
    photo, weight, bias = (torch.tensor(arrays[f"colour_{k}"]) for k in ("photo", "weight", "bias"))
    maps = F.conv2d(photo[None], weight, bias, padding=1)[0]
    np.testing.assert_allclose(arrays["colour_sheets"].sum(1) + bias.numpy()[:, None, None], maps, atol=1e-4)
    assert min(np.abs(arrays["colour_maps"] - m.numpy()).max(axis=(1, 2)).min() for m in maps) < 1e-4
