"""Day 11's functions against torch and against closed forms, its exercises, and a whole smoke run."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day11_dropout")
SHOWN = ("dropout", "Net")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "product": product, "cache": lambda f: f, "metrics": {}}
    known |= {"device": torch.device("cpu"), "HIDDEN": 128, "BATCH_SIZE": 4, "MEAN": 0.1307, "STD": 0.3081}
    known |= {"loss_fn": nn.CrossEntropyLoss(), "VAL": 3, "LEARNING_RATE": 0.03, "SimpleNamespace": SimpleNamespace}
    return LESSON.names(known)


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.9])
def test_dropout_is_that_of_torch_for_the_same_mask(names: dict[str, Any], p: float) -> None:
    x = torch.randn(50, 40)
    torch.manual_seed(3)
    ours = names["dropout"](x, p)
    torch.manual_seed(3)
    keep = (torch.rand_like(x) >= p).float()
    torch.testing.assert_close(ours, x * keep / (1 - p))
    assert torch.equal(names["dropout"](x, p, training=False), x)
    torch_out = nn.Dropout(p)(x)
    spoke = torch_out != 0
    torch.testing.assert_close(torch_out[spoke], (x / (1 - p))[spoke])
    assert (ours == 0).float().mean() == pytest.approx(p, abs=0.05)


def test_the_model_drops_where_it_says(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x = names["Net"](p=0.5, p_input=0.0, units=30), torch.randn(7, 784)
    plain = nn.functional.linear(torch.relu(model.hidden(x)), model.out.weight, model.out.bias)
    torch.testing.assert_close(model.eval()(x), plain)
    assert not torch.equal(model.train()(x), plain)
    nothing = names["Net"](p=0.0, p_input=1.0, units=30)  # all pixels gone: only the biases speak
    torch.testing.assert_close(nothing.train()(x)[0], nothing.out(nothing.hidden.bias.relu()))


def test_wrong_labels_are_wrong_and_as_many_as_asked_for(names: dict[str, Any]) -> None:
    labels = torch.arange(200) % 10
    given, changed = names["wrong_labels"](labels, 0.3, torch.Generator().manual_seed(1))
    assert changed.sum() == 60
    assert torch.equal(given != labels, changed)
    assert given.min() >= 0
    assert given.max() <= 9
    assert torch.equal(names["wrong_labels"](labels, 0.0, torch.Generator().manual_seed(1))[0], labels)


def test_an_epoch_is_plain_gradient_descent(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 2), torch.randn(4, 3), torch.randint(2, (4,))
    weight, bias = (p.detach().clone().requires_grad_() for p in model.parameters())
    loss = nn.functional.cross_entropy(x @ weight.T + bias, y)
    loss.backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    logged = names["train_epoch"](model, x, y, optimizer, torch.Generator().manual_seed(0))
    assert logged == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(model.weight.detach(), (weight - 0.5 * weight.grad).detach())


def test_all_subnetworks_are_those_of_every_mask(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x = names["Net"](p=0.5, units=3).double(), torch.randn(5, 784).double()
    with torch.no_grad():
        logits, masks = names["all_subnetworks"](model, x)
        assert logits.shape == (8, 5, 10)
        for mask, seen in zip(masks, logits, strict=True):
            torch.testing.assert_close(seen, model.out(model.hidden(x).relu() * mask * 2))
        torch.testing.assert_close(logits.mean(dim=0), model.eval()(x))
        geometric = logits.log_softmax(dim=-1).mean(dim=0).softmax(dim=-1)  # what the slide's formula says
        torch.testing.assert_close(geometric, model.eval()(x).softmax(dim=-1))
    assert len({tuple(mask.tolist()) for mask in masks}) == 8


def test_running_mean_is_a_mean_of_probabilities(names: dict[str, Any]) -> None:
    log_p = torch.randn(6, 4, 10, dtype=torch.double).log_softmax(dim=-1)
    running = names["running_mean"](log_p)
    for k in range(6):
        torch.testing.assert_close(running[k].exp(), log_p[: k + 1].exp().mean(dim=0))


def test_log_loss_is_that_of_torch(names: dict[str, Any]) -> None:
    logits, y = torch.randn(9, 10), torch.randint(10, (9,))
    wanted = nn.functional.cross_entropy(logits, y).item()
    assert names["log_loss"](logits.log_softmax(dim=-1), y) == pytest.approx(wanted, rel=1e-5)
    both = torch.stack([logits, logits + 1]).log_softmax(dim=-1)
    assert names["log_loss"](both, y) == pytest.approx(wanted, rel=1e-5)


def test_broken_units_are_really_gone(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x = names["Net"](units=20), torch.randn(50, 784)
    y = model.eval()(x).argmax(dim=1)
    generator = torch.Generator().manual_seed(0)
    assert names["break_units"](model, x, y, 0.0, generator) == 1.0
    only_biases = (model.out.bias.argmax() == y).float().mean().item()
    assert names["break_units"](model, x, y, 1.0, generator) == pytest.approx(only_biases)


def test_blanked_pixels_are_grey_and_as_many_as_asked_for(names: dict[str, Any]) -> None:
    x = torch.full((50, 784), 2.0)
    out = names["blank_pixels"](x, 0.75, torch.Generator().manual_seed(0))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert (out == 0).float().mean() == pytest.approx(0.75, abs=0.01)


def test_zero_share_counts_whole_blocks(names: dict[str, Any]) -> None:
    out = torch.ones(2, 2, 3)
    out[0, 0] = 0
    out[1, 1, 0] = 0
    assert names["zero_share"](out, (2,)) == pytest.approx(1 / 4)
    assert names["zero_share"](out, ()) == pytest.approx(4 / 12)


def test_scaling_twice_halves_what_the_hidden_layer_says(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x = names["Net"](p=0.5, units=20).eval(), torch.randn(5, 784)
    bias = model.out.bias
    torch.testing.assert_close(2 * (names["twice_scaled"](model, x) - bias), model(x) - bias)


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "return None  # your turn: a tensor in the shape of x": (
        "return x * (torch.rand_like(x) >= p) if training else x * (1 - p)  # "
    ),
    "return None  # your turn: a formula": "return h**2 * p / (1 - p)  # ",
    "your_mean, your_eval = None, None": "your_mean, your_eval = (0 + 0 + 6 + 4) / 4, 2.0",
}
WRONG = {
    "return None  # your turn: a tensor in the shape of x": (
        "return x * (torch.rand_like(x) >= p) / (1 - p) if training else x  # "
    ),
    "return None  # your turn: a formula": "return h**2 * p * (1 - p)  # ",
    "your_mean, your_eval = None, None": "your_mean, your_eval = 2.0, 2.0",
}


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert LESSON.exercises(names, {}).count("not solved yet") == 3
    assert LESSON.exercises(names, SOLUTIONS).count(" solved") == 3
    assert LESSON.exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"rates", "curves", "league", "robust", "samples", "spatial"}
    assert record.claims["over all sub-networks the mean of the logits is eval(), to ten digits"]
    assert m["gradient_same_mask"] and m["eval_changes_nothing"]
    assert m["ours_rest"] == pytest.approx(1.25) == m["dropout_rest"]
    assert m["wrong_images"] == round(0.3 * m["train_images"])
    assert m["gain"] == pytest.approx(m["test_dropout"] - m["test_neither"])
    for way in ("fixed", "slow", "falling"):  # each schedule has all remedies, and pairs them with dropout
        for rival in ("early", "decay"):
            assert m[f"{way}_over_{rival}"] == pytest.approx(m[f"{way}_dropout"] - m[f"{way}_{rival}"])
    assert m["clean_gain"] == pytest.approx(m["clean_dropout"] - m["clean_neither"])
    assert m["misread_clean"] == pytest.approx(m["clean_20_val"] - m["clean_80_val"])
    assert m["place_wrong_hidden_50"] == pytest.approx(m["wrong_50_val"] - m["wrong_0_val"])
    assert m["forget_train_price"] == pytest.approx(m["wrong_50_val"] - m["forget_train"])
    assert m["dropout2d_channels"] == pytest.approx(0.5, abs=0.05) == m["dropout3d_channels"]
    assert m["dropout_channels"] == 0
    assert m["unbatched_channels"] < 0.05
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    digit = record.metrics["digit"]
    masks, logits = arrays["sub_masks"].astype(float), arrays["sub_logits"]
    assert masks.shape == (1024, 10) == logits.shape
    bias = arrays["sub_eval"] - arrays["sub_output"] @ arrays["sub_hidden"]
    np.testing.assert_allclose(2 * (masks * arrays["sub_hidden"]) @ arrays["sub_output"].T + bias, logits, atol=1e-3)
    np.testing.assert_allclose(logits.mean(axis=0), arrays["sub_eval"], atol=1e-4)
    assert arrays["sub_eval"].argmax() == digit
    assert arrays["sub_votes"].sum() == 1024
    assert arrays["sub_votes"][digit] / 1024 == pytest.approx(record.metrics["digit_votes"])
    assert (logits.argmax(axis=1) == digit).sum() == arrays["sub_votes"][digit]
    assert arrays["sub_pixels"].min() > -1e-3
    assert arrays["sub_pixels"].max() < 1 + 1e-3
