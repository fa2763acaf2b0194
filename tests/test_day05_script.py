"""Day 5's functions against torch and NumPy, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day05_activation_functions")
SHOWN = ("Tower", "collapse", "sigmoid", "tanh", "gain_for", "matched_start")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions and classes of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "pairwise": pairwise, "device": torch.device("cpu")}
    known |= {"DEPTH": 8, "WIDTH": 64, "BATCH_SIZE": 64, "loss_fn": nn.CrossEntropyLoss()}
    return LESSON.names(known)


XS = np.concatenate([np.linspace(-30, 30, 601), [-1e-6, 1e-6, -1e-3, 1e-3, -800.0, 800.0]])


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu", "silu"])
def test_bends_and_slopes_are_those_of_torch(names: dict[str, Any], name: str) -> None:
    if name == "silu":
        function, slope = lambda x: x * names["sigmoid"](x), None
    else:
        function, slope = names[name], names[f"{name}_slope"]
    theirs = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu, "leaky_relu": nn.LeakyReLU(0.01)}
    oracle = theirs.get(name, nn.functional.silu)
    places = torch.tensor(XS, requires_grad=True)
    values = oracle(places)
    values.sum().backward()
    np.testing.assert_allclose(function(XS), values.detach().numpy(), rtol=1e-12, atol=1e-300)
    if slope:
        np.testing.assert_allclose(slope(XS), places.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_no_overflow_and_no_lost_digits(names: dict[str, Any]) -> None:
    far = np.array([-1000, -89, 89, 1000], dtype=np.float32)
    with np.errstate(all="raise", under="ignore"):
        assert names["sigmoid"](far)[[0, 3]].tolist() == [0, 1]
        assert names["tanh"](far).tolist() == [-1, -1, 1, 1]
    tiny = np.float32(1e-4)
    assert names["tanh"](tiny) == pytest.approx(1e-4, rel=1e-6)
    with np.errstate(all="ignore"):
        assert np.isnan(names["tanh_as_written"](np.float32(89)))
        assert names["sigmoid_as_written"](np.float32(-1000)) == 0


def test_linear_layers_collapse(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(5, 4), nn.Linear(4, 7), nn.Linear(7, 3)]
    x = torch.randn(6, 5)
    with torch.no_grad():
        W, b = names["collapse"](layers)
        torch.testing.assert_close(x @ W.T + b, nn.Sequential(*layers)(x))


def test_a_tower_has_the_sizes_it_says(names: dict[str, Any]) -> None:
    tower = names["Tower"](nn.Tanh())
    assert sum(p.numel() for p in tower.parameters()) == 784 * 64 + 64 + 7 * (64 * 64 + 64) + 64 * 10 + 10
    assert tower(torch.zeros(3, 784)).shape == (3, 10)
    assert names["Tower"](nn.Tanh(), depth=0)(torch.zeros(3, 784)).shape == (3, 10)


def test_gains_are_the_known_ones(names: dict[str, Any]) -> None:
    relu, middle = names["gain_for"](nn.ReLU())
    assert relu == pytest.approx(2**0.5, rel=0.01)  # He's
    assert middle == 0
    assert names["gain_for"](nn.Identity())[0] == pytest.approx(1, rel=0.01)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()  # the expectation over a standard normal variable
    for act, numpy_act in ((nn.Tanh(), np.tanh), (nn.Sigmoid(), lambda z: 0.5 * np.tanh(z / 2))):
        assert names["gain_for"](act)[0] == pytest.approx((weights @ numpy_act(nodes) ** 2) ** -0.5, rel=0.01)
    assert names["gain_for"](nn.Sigmoid())[1] == 0.5


@pytest.mark.parametrize("act", [nn.Sigmoid(), nn.Tanh(), nn.ReLU()])
def test_a_matched_start_keeps_the_size_of_the_signal(names: dict[str, Any], act: nn.Module) -> None:
    torch.manual_seed(1)
    sizes = []
    for _ in range(20):
        tower = names["Tower"](act)
        names["matched_start"](tower)
        zs, _ = names["measure"](tower, torch.randn(100, 784), torch.zeros(100, dtype=torch.long))
        sizes.append([z.pow(2).mean().sqrt().item() for z in zs])
    assert np.abs(np.log(np.median(sizes, axis=0))).max() < 0.3


def test_deltas_and_factors_multiply_to_the_gradient(names: dict[str, Any]) -> None:
    torch.manual_seed(2)
    tower = names["Tower"](nn.Sigmoid())
    images, labels = torch.randn(30, 784), torch.randint(10, (30,))
    zs, deltas = names["measure"](tower, images, labels)
    # by hand: one step back through the last hidden layer
    with torch.no_grad():
        s = torch.sigmoid(zs[6])
        torch.testing.assert_close(deltas[6], (deltas[7] @ tower.hidden[7].weight) * s * (1 - s))
    weights, slopes = names["factors"](tower, zs, deltas)
    product = (weights * slopes).prod() * deltas[-1].norm()
    torch.testing.assert_close(product, deltas[0].norm(), rtol=1e-4, atol=0)
    assert slopes.max() <= 0.25
    assert names["spread"](torch.ones(5, 3)) == 0
    assert names["spread"](torch.tensor([[0.0, 1.0], [2.0, 1.0]])) == pytest.approx(1.0)


def test_dead_units_are_found(names: dict[str, Any]) -> None:
    torch.manual_seed(4)
    network = names["Tower"](nn.ReLU(), depth=1)
    x = torch.randn(20, 784)
    with torch.no_grad():
        network.hidden[0].bias[3], network.hidden[0].bias[4] = -1e6, 1e6
    shares = names["share_on"](network, x)
    assert shares.shape == (64,)
    assert (shares[3], shares[4]) == (0, 1)
    assert shares[0] == ((x @ network.hidden[0].weight[0] + network.hidden[0].bias[0]) > 0).float().mean()
    network(x).sum().backward()
    assert network.hidden[0].weight.grad[3].abs().max() == 0  # nothing is learned through it


def test_training_is_plain_gradient_descent(names: dict[str, Any]) -> None:
    names = dict(names)
    torch.manual_seed(3)
    x, y = torch.randn(64, 784), torch.randint(10, (64,))
    globals_of_train = names["train"].__globals__
    globals_of_train |= {"x": x, "y": y}
    tower = names["Tower"](nn.Tanh(), depth=1)
    before = tower.out.weight.detach().clone()
    loss = nn.functional.cross_entropy(tower(x), y)
    (wanted,) = torch.autograd.grad(loss, [tower.out.weight])
    losses = names["train"](tower, 0.1, 1, 0)
    assert losses.tolist() == [pytest.approx(loss.item(), rel=1e-5)]  # one batch, one step
    torch.testing.assert_close(tower.out.weight.detach(), before - 0.1 * wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "return None  # your turn\n\n\ndef silu_slope": "return x * sigmoid(x)\n\n\ndef silu_slope",
    "return None  # your turn: the slope": "return sigmoid(x) + x * sigmoid_slope(x)",
    "your_twin = None": "your_twin = (2, 2, -1)",
    "return None  # your turn\n\n\nanswers": "return int(np.ceil(np.log(1e-6) / np.log(r)))\n\n\nanswers",
}
WRONG = {
    "return None  # your turn\n\n\ndef silu_slope": "return x * sigmoid(x)\n\n\ndef silu_slope",
    "return None  # your turn: the slope": "return sigmoid_slope(x)",
    "your_twin = None": "your_twin = (2, 1, -1)",
    "return None  # your turn\n\n\nanswers": "return round(1e-6 / r)\n\n\nanswers",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    known = {**names, "xs": np.linspace(-5, 5, 1001)}
    return LESSON.exercises(known, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"shapes", "stripes", "start", "towers", "sigmoid_starts", "dead", "smooth"}
    assert len(record.claims) >= 10
    assert m["shapes_difference"] < 1e-12
    assert m["collapse_difference"] < 1e-4
    assert m["sigmoid_steepest"] == 0.25
    assert m["relu_slope_at_zero"] == 0
    assert m["tanh_refused"] is True
    assert m["tanh_fails_at"] == 89
    assert m["sigmoid_warned"] is True
    assert m["gain_relu"] == pytest.approx(2**0.5, rel=0.01)
    assert m["layer_sigmoid_default"] == pytest.approx(
        m["weights_sigmoid_default"] * m["slopes_sigmoid_default"], rel=1e-6
    )
    assert m["slopes_sigmoid_default"] <= 0.25


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    for act in ("sigmoid", "tanh", "relu"):
        for start in ("default", "matched"):
            weights, slopes = arrays[f"factors_{act}_{start}"]
            walk = np.concatenate([[1.0], np.cumprod(weights * slopes)])[::-1]
            np.testing.assert_allclose(arrays[f"delta_{act}_{start}"], walk, rtol=1e-4)
            assert arrays[f"hist_{act}_{start}"].shape == (8, len(arrays["edges"]) - 1)
            assert arrays[f"hist_{act}_{start}"].sum(axis=1).max() <= 1 + 1e-6
            assert walk[0] == pytest.approx(record.metrics[f"arrive_{act}_{start}"], rel=1e-4)  # as the lecture says it
    assert arrays["digits"].shape == (3, 28, 28)
    assert -1e-6 < arrays["digits"].min() < arrays["digits"].max() < 1 + 1e-6
    moments = len(arrays["dying_steps"])
    assert arrays["dying_steps"][-1] == record.metrics["small_steps"] == len(arrays["dying_loss_relu"])
    for key in ("relu", "leaky"):
        assert arrays[f"dying_{key}"].shape == (moments, 64)
        assert record.metrics[f"dying_{key}_off"] == pytest.approx((arrays[f"dying_{key}"][-1] == 0).mean())
    np.testing.assert_array_equal(arrays["dying_relu"][0], arrays["dying_leaky"][0])  # the same weights
