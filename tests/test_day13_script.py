"""Day 13's functions against torch's own layers and autograd, its exercises, and a whole smoke run."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day13_batch_normalization")
SHOWN = ("batch_norm", "Layer", "jolted", "fold", "ConvBlock")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions and classes of the script, without running the lesson."""
    torch.manual_seed(0)
    known = {"np": np, "nn": nn, "torch": torch, "pairwise": pairwise, "partial": partial}
    known |= {"device": torch.device("cpu"), "loss_fn": nn.CrossEntropyLoss()}
    known |= {"DEPTH": 8, "WIDTH": 64, "BATCH_SIZE": 64, "MIDDLE": 4, "NOISE": 0.5}
    known |= {"DRIFT_EVERY": 5, "TURN_EVERY": 25, "EDGES": np.linspace(-3, 3, 61), "MOMENTS": np.array([0, 1, 3])}
    known |= {"x": torch.randn(192, 784), "y": torch.randint(10, (192,))}
    known |= {"x_probe": torch.randn(64, 784), "y_probe": torch.randint(10, (64,))}
    return LESSON.names(known)


# ------------------------------------------------------------------ the layer


@pytest.mark.parametrize("momentum", [0.1, 0.3])
def test_forward_and_running_statistics_are_those_of_torch(names: dict[str, Any], momentum: float) -> None:
    theirs = nn.BatchNorm1d(4, momentum=momentum).double()
    nn.init.uniform_(theirs.weight)
    nn.init.uniform_(theirs.bias)
    running = {"mean": torch.zeros(4).double(), "var": torch.ones(4).double()}
    for training in (True, True, False):
        z = 2 * torch.randn(7, 4).double() - 3
        ours = names["batch_norm"](z, theirs.weight, theirs.bias, running, training, momentum=momentum)
        torch.testing.assert_close(ours, theirs.train(training)(z))
    torch.testing.assert_close(running["mean"], theirs.running_mean)
    torch.testing.assert_close(running["var"], theirs.running_var)


def test_backward_is_that_of_autograd(names: dict[str, Any]) -> None:
    z = torch.randn(9, 3, dtype=torch.double, requires_grad=True)
    gamma, beta = (torch.randn(3, dtype=torch.double, requires_grad=True) for _ in range(2))
    dy = torch.randn(9, 3, dtype=torch.double)
    nn.functional.batch_norm(z, None, None, gamma, beta, training=True).backward(dy)
    dz, dgamma, dbeta = names["batch_norm_backward"](dy, z.detach(), gamma.detach())
    for ours, theirs in ((dz, z.grad), (dgamma, gamma.grad), (dbeta, beta.grad)):
        torch.testing.assert_close(ours, theirs)
    assert dz.sum(dim=0).abs().max() < 1e-12  # neither a shift of z
    assert (dz * (z - z.mean(dim=0))).sum(dim=0).abs().max() < 1e-4  # nor its scale changes the loss (but for eps)


def test_pixels_become_rows(names: dict[str, Any]) -> None:
    x = torch.arange(24.0).view(2, 3, 2, 2)
    rows = names["as_rows"](x)
    assert rows.shape == (8, 3)
    torch.testing.assert_close(rows.mean(dim=0), x.mean(dim=(0, 2, 3)))
    assert rows[1].tolist() == x[0, :, 0, 1].tolist()


def test_groups_have_statistics_of_their_own(names: dict[str, Any]) -> None:
    torch.manual_seed(1)
    z = torch.randn(8, 5) + 1
    layer = names["GroupedBatchNorm"](5, size=4)
    wanted = torch.cat([nn.BatchNorm1d(5)(part) for part in z.split(4)])
    torch.testing.assert_close(layer(z), wanted)
    torch.testing.assert_close(layer.running_mean, 0.1 * z.mean(dim=0))
    unbiased = torch.stack([part.var(dim=0) for part in z.split(4)]).mean(dim=0)
    torch.testing.assert_close(layer.running_var, 0.9 + 0.1 * unbiased)
    whole, theirs = names["GroupedBatchNorm"](5, size=8), nn.BatchNorm1d(5)
    torch.testing.assert_close(whole(z), theirs(z))
    torch.testing.assert_close(whole.eval()(z), theirs.eval()(z))


def test_noise_is_one_scale_and_shift_for_each_unit(names: dict[str, Any]) -> None:
    torch.manual_seed(2)
    z = torch.randn(50, 6)
    out = names["jolted"](z)
    centred, moved = z - z.mean(dim=0), out - out.mean(dim=0)
    torch.testing.assert_close(moved / moved.std(dim=0), centred / centred.std(dim=0))  # the shape stays
    assert not torch.allclose(out, names["jolted"](z))  # new ones in every step
    layer, theirs = names["NoisyBatchNorm"](6).eval(), nn.BatchNorm1d(6).eval()
    torch.testing.assert_close(layer(z), theirs(z))
    assert torch.equal(names["NoiseOnly"](6).eval()(z), z)


# ------------------------------------------------------------------ the towers


def test_towers_with_and_without_have_the_same_weights(names: dict[str, Any]) -> None:
    for start in ("default", "He"):
        plain = names["new_tower"](nn.Identity, start, 3)
        normed = names["new_tower"](nn.BatchNorm1d, start, 3)
        for a, b in zip(plain.hidden, normed.hidden, strict=True):
            assert torch.equal(a.linear.weight, b.linear.weight)
            assert b.linear.bias is None
            assert a.linear.bias is not None
    usual = names["new_tower"](nn.Identity, "default", 3).hidden[4].linear
    assert usual.weight.abs().max() <= 1 / 8
    assert usual.weight.std().item() == pytest.approx(1 / np.sqrt(3 * 64), rel=0.03)
    assert plain.hidden[4].linear.weight.std().item() == pytest.approx(np.sqrt(2 / 64), rel=0.03)
    assert plain.hidden[4].linear.bias.abs().max() == 0
    assert sum(p.numel() for p in usual.parameters()) == 64 * 64 + 64
    assert names["new_tower"](nn.LayerNorm, "He", 3).hidden[0].linear.bias is not None


def test_the_order_is_what_it_is_called(names: dict[str, Any]) -> None:
    x = torch.randn(64, 784)
    before = names["Layer"](784, 64, nn.BatchNorm1d)(x)
    after = names["LayerAfter"](784, 64, nn.BatchNorm1d)(x)
    assert before.min() == 0
    assert after.mean(dim=0).abs().max() < 1e-5
    assert after.min() < 0


def test_training_is_gradient_descent_that_comes_to_rest(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, twin = nn.Linear(784, 10), nn.Linear(784, 10)
    twin.load_state_dict(model.state_dict())
    losses = names["train"](model, 0.01, 2, seed=5)
    random = torch.Generator().manual_seed(5)
    for step in range(6):
        if step % 3 == 0:
            batches = torch.randperm(192, generator=random).split(64)
        batch = batches[step % 3]
        twin.zero_grad()
        nn.functional.cross_entropy(twin(names["x"][batch]), names["y"][batch]).backward()
        with torch.no_grad():
            for p in twin.parameters():
                p -= 0.01 * (1 - step / 6) * p.grad
    assert len(losses) == 6
    torch.testing.assert_close(model.weight, twin.weight)


def test_looking_changes_nothing(names: dict[str, Any]) -> None:
    """A watched run is the run that nobody watched: weights, running statistics and losses."""
    watch = names["Watch"](film=True)
    runs = [names["new_tower"](nn.BatchNorm1d, "He", 1) for _ in range(2)]
    losses = [names["train"](m, 0.1, 2, 1, watch=w) for m, w in zip(runs, (None, watch), strict=True)]
    np.testing.assert_array_equal(*losses)
    for key, value in runs[0].state_dict().items():
        if "tracked" not in key:
            assert torch.equal(value, runs[1].state_dict()[key]), key
    assert np.array(watch.drifts).shape == (1, 8)  # steps 0 and 1; step 5 has no step after it
    assert len(watch.turns) == 1
    assert len(watch.pictures) == 3


def test_signals_are_what_the_relus_get(names: dict[str, Any]) -> None:
    model = names["new_tower"](nn.BatchNorm1d, "default", 1)
    zs = names["signals"](model, names["x_probe"])
    assert len(zs) == 8
    assert max(z.mean(dim=0).abs().max().item() for z in zs) < 1e-4
    torch.testing.assert_close(model.out(zs[-1].relu()), model.train()(names["x_probe"]))
    bars, spreads = names["picture"](model)
    assert bars.shape == (8, 60)
    assert bars.sum(axis=1) == pytest.approx(1, abs=0.01)
    assert spreads == pytest.approx(1, abs=0.02)


def test_drift_is_measured_in_spreads(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    a = [torch.randn(1000, 3), 5 * torch.randn(1000, 3)]
    before = names["spread_of"](a)
    assert before.shape == (2, 2, 3)
    moved = names["spread_of"]([a[0] + 0.2, a[1] + 0.5])
    assert names["drift"](before, moved).tolist() == pytest.approx([0.2, 0.1], rel=0.1)
    wider = names["spread_of"]([2 * (v - v.mean(dim=0)) + v.mean(dim=0) for v in a])
    assert names["drift"](before, wider).tolist() == pytest.approx([1.0, 1.0], rel=1e-4)


def test_a_gradient_does_not_turn_without_a_step(names: dict[str, Any]) -> None:
    model = names["new_tower"](nn.BatchNorm1d, "He", 1)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert names["gradient_turn"](model, 0.0) == pytest.approx(1.0)
    assert names["gradient_turn"](model, 0.5) < 0.999
    for key, value in model.state_dict().items():
        assert "tracked" in key or torch.equal(value, before[key])


def test_folded_layers_do_the_same(names: dict[str, Any]) -> None:
    for bias in (True, False):
        linear, bn = nn.Linear(6, 4, bias=bias), nn.BatchNorm1d(4)
        nn.init.uniform_(bn.weight)
        nn.init.uniform_(bn.bias)
        for _ in range(5):
            bn(linear(3 * torch.randn(32, 6)))
        x = torch.randn(10, 6)
        torch.testing.assert_close(names["fold"](linear, bn)(x), bn.eval()(linear(x)), atol=1e-5, rtol=1e-5)


def test_steps_are_counted_from_the_first_full_window(names: dict[str, Any]) -> None:
    known = LESSON.names({"np": np, "WINDOW": 20, "nn": nn, "torch": torch, "loss_fn": None, "BATCH_SIZE": 64})
    assert known["steps_until"](np.array([2.0, 1.0, 0.4, 0.3])) == 22
    assert known["steps_until"](np.array([2.0, 1.0])) == np.inf


def test_curves_part_where_they_differ_by_a_percent(names: dict[str, Any]) -> None:
    one, other = np.array([2.0, 1.0, 0.5]), np.array([2.0, 1.001, 0.6])
    assert names["steps_together"](one, other) == pytest.approx((0.2, 2))
    assert names["steps_together"](one, 0.5 * one) == pytest.approx((0.5, 0))
    assert names["steps_together"](one, one)[1] == 3


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


# ------------------------------------------------------------------ exercises

SOLUTIONS = {
    "your_numbers = None  # your turn: (learned, kept)": "your_numbers = (128, 129)",
    "return None  # your turn: a number": (
        "running = 0.0\n    for mean in means:\n        running += momentum * (mean - running)\n    return running  # "
    ),
    "return None  # your turn: an nn.Linear": (
        "scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)\n"
        "    folded = nn.Linear(linear.in_features, linear.out_features)\n"
        "    with torch.no_grad():\n"
        "        folded.weight.copy_(linear.weight * scale)\n"
        "        folded.bias.copy_(linear.bias + linear.weight @ (bn.bias - scale * bn.running_mean))\n"
        "    return folded  # "
    ),
}
WRONG = {
    "your_numbers = None  # your turn: (learned, kept)": "your_numbers = (128, 128)",
    "return None  # your turn: a number": (
        "running = 0.0\n    for mean in means:\n        running = momentum * running + (1 - momentum) * mean\n"
        "    return running  # "
    ),
    "return None  # your turn: an nn.Linear": "return linear  # ",
}


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert LESSON.exercises(names, {}).count("not solved yet") == 3
    assert LESSON.exercises(names, SOLUTIONS).count(" solved") == 3
    assert LESSON.exercises(names, WRONG).count("not right yet") == 3


# ------------------------------------------------------------------ a smoke run


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"arms", "same_run", "learning", "drift", "forgotten", "groups"}
    assert record.claims["ours and nn.BatchNorm1d agree to 1e-12, in training, in use and in the gradients"]
    assert m["learnable_64"] == 128
    assert m["shape_difference"] < 1e-4
    assert m["bias_gradient"] < 1e-4 * m["weight_gradient"]
    assert m["gradient_ratio"] == pytest.approx(10, rel=0.02)
    assert m["norm_ratio"] == pytest.approx(6, rel=0.1)
    assert m["signs"] > 0.9
    assert m["one_refused"] and "Expected more than 1 value per channel" in m["one_error"]
    assert m["untracked_refused"] and m["untracked_difference"] > 0
    assert m["fold_difference"] < 1e-4
    assert m["start_share"] == pytest.approx(m["start_gain"] / m["whole_gain"])
    assert m["test_he_bn"] - m["test_he"] == pytest.approx(m["on_top"])
    assert 0 <= m["forgot_sorted"] <= 1
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    m = record.metrics
    moments = arrays["moments"]
    assert moments[0] == 0 and moments[-1] == m["steps"]
    for arm in ("plain", "plain_bn", "he", "he_bn"):
        assert arrays[f"hist_{arm}"].shape == (len(moments), 8, 64)
        assert arrays[f"spread_{arm}"].shape == (len(moments), 8)
        assert len(arrays[f"loss_{arm}"]) == m["steps"] - m["window"] + 1
        assert m[f"spread_last_{arm}"] == pytest.approx(arrays[f"spread_{arm}"][-1, -1])
    assert arrays["spread_plain_bn"][0] == pytest.approx(1, abs=0.05)
    batch_mean, _, running_mean, running_var = arrays["chase"].T
    follows = 0.0
    for mean, running in zip(batch_mean, running_mean, strict=True):
        follows += 0.1 * (mean - follows)
        assert running == pytest.approx(follows, abs=1e-4)
    assert (running_var > 0).all()
    assert arrays["mates_p"].shape[1:] == (10,)
    assert arrays["mates"].shape == (len(arrays["mates_p"]), 8, 14, 14)
    assert arrays["mates"].min() >= 0
    assert arrays["mates"].max() <= 1
    assert arrays["mates_p"].sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert m["shown_right"] == (arrays["mates_p"].argmax(axis=1) == m["shown_label"]).sum()
    assert arrays["mates_eval"].argmax() == m["shown_label"]
