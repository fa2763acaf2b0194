"""Day 9's functions against torch and closed forms, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.data import TensorDataset, random_split

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day09_overfitting")
SHOWN = ("split", "early_stopping")  # as code on slides
TABLES = ("(places, grid)", "NOISE", "TEMPERATURES")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    import copy
    from types import SimpleNamespace

    torch.manual_seed(0)
    data = SimpleNamespace(data=torch.randint(256, (500, 28, 28)), targets=torch.arange(500) % 10)
    known = {"np": np, "nn": nn, "torch": torch, "F": F, "copy": copy, "random_split": random_split, "dataset": data}
    known |= {"device": torch.device("cpu"), "HIDDEN": 128, "BATCH_SIZE": 64, "LEARNING_RATE": 2e-3}
    known |= {"P": SimpleNamespace(seed=9), "train_indices": torch.arange(500), "SimpleNamespace": SimpleNamespace}
    known |= {"val_x": torch.randn(40, 784), "val_y": torch.arange(40) % 10, "LOOKS": [0, 5, 30]}
    return LESSON.names(known, TABLES)


@pytest.mark.parametrize("n", [10, 1_003])
def test_a_split_loses_nothing_and_is_the_same_each_time(names: dict[str, Any], n: int) -> None:
    train, val = names["split"](TensorDataset(torch.arange(n)), 3)
    assert len(train) == int(0.8 * n)
    assert sorted([*train.indices, *val.indices]) == list(range(n))
    assert names["split"](TensorDataset(torch.arange(n)), 3)[0].indices == train.indices


def test_labels_are_wrong_as_often_as_asked(names: dict[str, Any]) -> None:
    x, given, truth = names["draw"](4, 200, wrong=0.3)
    assert x.shape == (200, 784)
    assert (given[:60] != truth[:60]).all()
    assert (given[60:] == truth[60:]).all()
    assert given.min() >= 0 and given.max() <= 9
    _, shuffled, same = names["draw"](4, 200, shuffled=True)
    assert torch.equal(same, truth)
    assert torch.equal(shuffled.sort().values, truth.sort().values)
    assert not torch.equal(shuffled, truth)
    assert not torch.equal(names["draw"](5, 200)[0], x)


def test_loss_and_accuracy_of_images_are_those_of_torch(names: dict[str, Any]) -> None:
    logits, labels = torch.randn(2, 3, 20, 10), torch.randint(10, (2, 20))
    loss, right = names["per_image"](logits, labels[:, None])
    for run in range(2):
        for epoch in range(3):
            wanted = F.cross_entropy(logits[run, epoch], labels[run]).item()
            assert loss[run, epoch].mean() == pytest.approx(wanted, rel=1e-5)
            wanted = names["accuracy_of"](logits[run, epoch], labels[run])
            assert right[run, epoch].mean() == pytest.approx(wanted)


def test_an_epoch_is_plain_gradient_descent(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 2), torch.randn(50, 3), torch.randint(2, (50,))
    weight, bias = (p.detach().clone().requires_grad_() for p in model.parameters())
    loss = F.cross_entropy(x @ weight.T + bias, y)
    loss.backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    assert names["train_epoch"](model, x, y, optimizer) == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(model.weight.detach(), (weight - 0.5 * weight.grad).detach())


def test_watching_keeps_the_best_epochs(names: dict[str, Any]) -> None:
    model = names["network"](8, 1)
    x, y = torch.randn(64, 784), torch.arange(64) % 10
    log, best = names["watch"](model, x, y, 6)
    losses = [names["loss_of"](val, names["val_y"]) for _, _, val in log]
    accuracies = [names["accuracy_of"](val, names["val_y"]) for _, _, val in log]
    assert len(log) == 7 and log[0][0] is None
    for name, epoch in (("loss", np.argmin(losses)), ("accuracy", np.argmax(accuracies))):
        model.load_state_dict(best[name][1])
        torch.testing.assert_close(names["logits_of"](model, names["val_x"]), log[epoch][2])
    assert not model.training


def test_one_temperature_mends_what_only_it_broke(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    logits = 2 * torch.randn(8_000, 10)
    labels = torch.distributions.Categorical(logits=logits).sample()  # so these logits are as sure as they are right
    honest, one = names["rescaled"](logits, labels)
    assert one == pytest.approx(1.0, rel=0.1)
    mended, three = names["rescaled"](3 * logits, labels)
    assert three == pytest.approx(3.0, rel=0.1)
    assert mended == pytest.approx(honest, rel=0.01)


@pytest.mark.parametrize(
    ("losses", "patience", "expected"),
    [
        ([3.0, 2.0, 1.0], 2, (2, 2)),
        ([3.0, 1.0, 2.0, 2.0, 0.5], 2, (1, 3)),
        ([3.0, 1.0, 2.0, 2.0, 0.5], 3, (4, 4)),
        ([1.0, 1.0, 1.0, 1.0], 2, (0, 2)),
    ],
)
def test_patience(names: dict[str, Any], losses: list[float], patience: int, expected: tuple[int, int]) -> None:
    assert names["early_stopping"](losses, patience) == expected


def test_moments_are_epochs(names: dict[str, Any]) -> None:
    found = type("Found", (), {"val_loss": np.array([[2, 1, 3]]), "val_accuracy": np.array([[0.1, 0.5, 0.5]])})
    lowest, highest = names["moments"](found)
    assert (lowest[0], highest[0]) == (1, 1)
    assert names["at_epochs"](np.array([[5, 6, 7], [1, 2, 3]]), np.array([2, 0])).tolist() == [7, 1]


def test_bias_and_variance_add_up_to_the_error(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    answers, truth = rng.normal(size=(4, 50, 3)), rng.normal(size=(50, 3))
    bias2, variance = names["bias_and_variance"](answers, truth)
    np.testing.assert_allclose(bias2 + variance, ((answers - truth) ** 2).mean(axis=0))
    many = rng.normal(1.5, 2.0, size=(4, 200_000))  # bias 1.5, variance 4, from four draws each
    bias2, variance = names["bias_and_variance"](many, np.zeros(200_000))
    assert bias2.mean() == pytest.approx(2.25, rel=0.03)
    assert variance.mean() == pytest.approx(4.0, rel=0.02)


def test_polynomials_are_least_squares(names: dict[str, Any]) -> None:
    places, grid = names["places"], names["grid"]
    np.testing.assert_allclose(grid[::10], places, atol=1e-12)
    heights = np.random.default_rng(0).normal(size=(2, 20))
    for degree in (0, 3, 9):
        for fit, y in zip(names["fits"](degree, heights), heights, strict=True):
            wanted = np.polynomial.Polynomial.fit(places, y, degree)(grid)
            np.testing.assert_allclose(fit, wanted, atol=1e-8)
    np.testing.assert_allclose(names["fits"](60, heights)[:, ::10], heights, atol=1e-6)  # through every point


def test_pushes_are_kept_only_if_the_set_gets_no_worse(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    hidden, labels = torch.randn(3, 30, 16).relu(), torch.randint(10, (3, 30))
    inside, elsewhere = names["wear_out"](hidden, labels, nn.Linear(16, 10), 30)
    assert inside.shape == elsewhere.shape == (3, 3)
    assert (np.diff(inside, axis=1) >= 0).all()
    layer = nn.Linear(16, 10)
    right = (layer(hidden).argmax(dim=2) == labels).float()
    inside, elsewhere = names["wear_out"](hidden, labels, layer, 0)
    np.testing.assert_allclose(inside[:, 0], right.mean(dim=1))
    np.testing.assert_allclose(elsewhere[0, 0], right[1:].mean(), rtol=1e-6)


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "your_diagnosis = None": 'your_diagnosis = ["under", "over", "fine", "over"]',
    "return None  # your turn: (best": (
        "best = 0\n"
        "    for epoch, loss in enumerate(losses):\n"
        "        if loss < losses[best] - min_delta:\n"
        "            best = epoch\n"
        "        elif epoch - best >= patience:\n"
        "            break\n"
        "    return best, epoch  # "
    ),
    "return None  # your turn: the mean": (
        "return (rng.random((rounds, guessers, images)) < 0.1).mean(axis=2).max(axis=1).mean()  # "
    ),
}
WRONG = {
    "your_diagnosis = None": 'your_diagnosis = ["over", "over", "fine", "over"]',
    "return None  # your turn: (best": "return 0, 3  # ",
    "return None  # your turn: the mean": "return 0.1  # ",
}


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    from math import comb

    world = {**names, "comb": comb}
    assert LESSON.exercises(world, {}).count("not solved yet") == 3
    assert LESSON.exercises(world, SOLUTIONS).count(" solved") == 3
    assert LESSON.exercises(world, WRONG).count("not right yet") == 3
    creeping = {**SOLUTIONS, "return None  # your turn: (best": "return early_stopping(losses, patience)  # "}
    assert LESSON.exercises(world, creeping).count("not right yet") == 1


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {
        "perfect", "moments", "surer", "mistakes", "bias_variance", "widths", "sizes", "worn",
    }  # fmt: skip
    assert m["train_size"] + m["val_size"] == 60_000 and m["test_size"] == 10_000
    assert m["parameters"] == 784 * 128 + 128 + 128 * 10 + 10
    assert m["loss_low"] <= m["loss_end"] and m["noisy_loss_low"] <= m["noisy_loss_end"]
    assert m["wrong_images"] == round(0.3 * m["images"])
    assert m["says_truth_best"] + m["says_given_best"] <= 1
    assert 0 < m["both_wrong_share"] <= 1 - max(m["accuracy_low"], m["clean_val"])  # wrong now is more than wrong twice
    assert m["wrong_added"] == pytest.approx(
        m["both_wrong_share"] * (m["wrong_end"] - m["wrong_low"]), rel=0.5, abs=0.02
    )
    errors = [m[f"width_bias2_{w}"] + m[f"width_variance_{w}"] for w in ("32", "most")]
    assert m["width_more_error"] == pytest.approx(errors[1] - errors[0], abs=1e-6)
    assert m["tuned_end"] <= 1.05 * m["as_is_end"]  # a temperature of one is among those that are tried
    assert m["poly_best_error"] <= m["poly_loose_bias2"] + m["poly_loose_variance"]
    assert m["worn_inside"] >= m["worn_before"]
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    m, epochs = record.metrics, record.metrics["epochs"]
    for name in ("clean", "noisy"):
        loss, accuracy = arrays[f"{name}_val_loss"], arrays[f"{name}_val_accuracy"]
        assert len(loss) == len(accuracy) == epochs + 1
        prefix = "first_noisy" if name == "noisy" else "first"
        assert (loss.argmin(), accuracy.argmax()) == (m[f"{prefix}_lowest"], m[f"{prefix}_highest"])
    assert arrays["wrong_sure"].shape == (epochs + 1, len(arrays["wrong_digits"]))
    assert (arrays["wrong_answers"] != arrays["wrong_digits"]).all()
    assert arrays["wrong_pixels"].max() <= 1
    count = len(arrays["mistake_given"])
    assert arrays["mistake_pixels"].shape == (count, 28, 28)
    assert arrays["mistake_answers"].shape == (epochs + 1, count)
    assert (arrays["mistake_given"] != arrays["mistake_truth"]).all()
    assert arrays["mistake_says_truth"].argmax() == m["first_knows_better"]


@pytest.mark.slow
def test_the_ghosts_are_fits_of_their_points(smoke: tuple[Record, dict]) -> None:
    _, arrays = smoke
    places, grid = arrays["ghost_places"], arrays["ghost_grid"]
    for degree, fits in zip(arrays["ghost_degrees"], arrays["ghost_fits"], strict=True):
        wanted = np.polynomial.Polynomial.fit(places, arrays["ghost_heights"][7], int(degree))(grid)
        np.testing.assert_allclose(fits[7], wanted, atol=1e-3)
    spread = arrays["ghost_fits"].var(axis=1).mean(axis=1)
    assert (np.diff(spread) > 0).all()  # of the stiff one, the best one, the loose one
