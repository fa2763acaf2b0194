"""Day 14's optimisers against torch and closed forms, its exercises against their solutions, and a smoke run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day14_adam")
DOUBLE = torch.double
TORCH = {  # independent of the script's own table
    "sgd_step": lambda p: torch.optim.SGD(p, lr=0.02),
    "momentum_step": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "rmsprop_step": lambda p: torch.optim.RMSprop(p, lr=0.02),
    "adam_step": lambda p: torch.optim.Adam(p, lr=0.02),
    "adamw_step": lambda p: torch.optim.AdamW(p, lr=0.02),
}


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions and tables of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "device": torch.device("cpu"), "loss_fn": nn.CrossEntropyLoss()}
    torch.manual_seed(0)
    known |= {"P": type("P", (), {"epochs": 1}), "train_x": torch.randn(8, 784), "train_y": torch.randint(10, (8,))}
    return LESSON.names(known, ("STEPS", "OPTIMIZERS", "BOWL_RATES", "STAY", "LEFT", "GOOD", "SHOWN"))


@pytest.mark.parametrize("name", list(TORCH))
def test_our_steps_are_those_of_torch(names: dict[str, Any], name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    w, state = torch.randn(3, 4, generator=generator, dtype=DOUBLE), {}
    other = nn.Parameter(w.clone())
    optimizer = TORCH[name]([other])
    for k in range(30):
        other.grad = torch.randn(w.shape, generator=generator, dtype=DOUBLE) * 10.0 ** (k % 5 - 3)
        w = names[name](w, other.grad.clone(), state, 0.02)
        optimizer.step()
    torch.testing.assert_close(w, other.detach(), rtol=1e-10, atol=1e-12)


def test_the_tables_hold_the_same_optimisers(names: dict[str, Any]) -> None:
    assert list(names["STEPS"]) == list(names["OPTIMIZERS"])
    defaults = names["OPTIMIZERS"]["Adam"]([nn.Parameter(torch.zeros(1))], 0.1).defaults
    assert defaults["lr"] == 0.1 and defaults["betas"] == (0.9, 0.999) and defaults["eps"] == 1e-8


def test_warming_up_is_the_closed_form(names: dict[str, Any]) -> None:
    t = np.arange(1, 21)
    m, v = 1 - 0.9**t, 1 - 0.999**t
    np.testing.assert_allclose(
        names["warm_up"](correct=False), np.stack([m, np.sqrt(v), m / np.sqrt(v)], axis=1), rtol=1e-6
    )
    np.testing.assert_allclose(names["warm_up"](correct=True)[:, 2], 1.0, rtol=1e-6)


def test_momentum_is_a_geometric_sum(names: dict[str, Any]) -> None:
    taken = names["steps_with"](lambda p: torch.optim.SGD(p, lr=1.0, momentum=0.9), steps=12)
    np.testing.assert_allclose(taken, (1 - 0.9 ** np.arange(1, 13)) / 0.1)


def bowl(condition: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.diag(torch.tensor([1.0, 1 / condition], dtype=DOUBLE)), torch.ones(2, dtype=DOUBLE)


def test_turning_a_bowl_keeps_its_curvatures_and_its_loss(names: dict[str, Any]) -> None:
    hessian, start = bowl(50.0)
    other, moved = names["turned"](hessian, start, 30)
    torch.testing.assert_close(torch.linalg.eigvalsh(other), torch.linalg.eigvalsh(hessian))
    assert (moved @ other @ moved).item() == pytest.approx((start @ hessian @ start).item())
    assert other[0, 1].abs() > 0.1


def test_the_fewest_steps_on_a_bowl_are_found(names: dict[str, Any]) -> None:
    """Plain descent on a round bowl shrinks by 1 - rate; on a turned one it takes as many steps as before."""
    rates = torch.tensor([0.5, 0.8], dtype=DOUBLE)
    steps, chosen = names["best_run"](names["sgd_step"], [bowl(1.0)], 300, rates)
    assert (steps[0], chosen[0]) == (3.0, 0.8)  # 0.2 to the power 3 is the first below 0.01
    straight = names["turned"](*bowl(30.0), 0), names["turned"](*bowl(30.0), 45)
    for step in ("sgd_step", "momentum_step"):
        steps, _ = names["best_run"](names[step], list(straight), 2_000)
        assert steps[0] == steps[1] < 2_000
    steps, _ = names["best_run"](names["sgd_step"], [bowl(1e4)], 200)
    assert np.isinf(steps[0])


def test_a_path_ends_where_its_steps_lead(names: dict[str, Any]) -> None:
    path, _ = names["path_of"](names["sgd_step"], bowl(10.0), 0.5, steps=7)
    np.testing.assert_allclose(path[-1], [0.5**7, 0.95**7])
    assert names["left_along"](path, bowl(10.0)[0]) == pytest.approx(0.95**7)
    _, sizes = names["path_of"](names["adam_step"], bowl(10.0), 0.1, steps=3)
    np.testing.assert_allclose(sizes[0], [1.0, 0.1])  # the first gradient, corrected


def test_a_valley_ends_where_the_accuracy_leaves_its_best(names: dict[str, Any]) -> None:
    rates = np.array([1e-3, 1e-2, 1e-1, 1.0])
    low, high = names["valley"](rates, np.array([0.80, 0.90, 0.90, 0.50]))
    assert low == pytest.approx(10**-2.2, rel=0.01)  # 0.88 on the straight line from 0.80 to 0.90
    assert high == pytest.approx(10 ** (-1 + 0.02 / 0.4), rel=0.01)
    low, high = names["valley"](rates, np.array([0.91, 0.5, 0.9, 0.9]))  # a second hill does not count
    assert low == pytest.approx(1e-3) and high == pytest.approx(10 ** (-3 + 0.02 / 0.41), rel=0.01)


@pytest.mark.parametrize("name", ["adam_step"])
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "your_factor = None": "your_factor = 1 / (1 - 0.95)",
    "return None  # your turn: the new w\n": "return adam_step(w, g + weight_decay * w, state, lr)\n",
    "return None  # your turn: the new w, with the memory": (
        'state["v"] = state.get("v", 0) + g**2\n    return w - lr * g / (state["v"].sqrt() + eps)  # '
    ),
}
WRONG = {
    "your_factor = None": "your_factor = 1.95",
    "return None  # your turn: the new w\n": "return adamw_step(w, g, state, lr, weight_decay)\n",
    "return None  # your turn: the new w, with the memory": "return rmsprop_step(w, g, state, lr)  # ",
}


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert LESSON.exercises(names, {}).count("not solved yet") == 3
    assert LESSON.exercises(names, SOLUTIONS).count(" solved") == 3
    assert LESSON.exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"loudness", "turned", "rates", "units", "schedules", "decay"}
    assert m["parameters"] == 784 * 128 + 128 + 128 * 10 + 10
    assert m["apart"] < 1e-6
    assert m["first_adam_one"] == pytest.approx(0.001) and m["first_rmsprop_one"] == pytest.approx(0.01)
    assert m["first_adam_eps"] == pytest.approx(0.0005)
    assert m["push_last"] == pytest.approx(10, rel=0.01)
    assert m["warm_highest"] == pytest.approx(6.57, abs=0.05)
    assert m["decay_default"] == m["rmsprop_default"] == 0.01
    assert m["decay_loud_w"] == pytest.approx(m["kept_promised"], abs=0.1)
    assert m["pair_condition"] > 1_000 and m["pair_rare"] < m["pair_common"]


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    hessian = arrays["pair_hessian"]
    assert record.metrics["pair_condition"] == pytest.approx(np.linalg.cond(hessian))
    for name in ("sgd", "momentum", "adam"):
        straight, turned = (arrays[f"pair_{name}_{way}"] for way in ("straight", "turned"))
        assert straight.shape == turned.shape == (record.metrics["pair_shown"] + 1, 2)
        np.testing.assert_allclose(straight[0], [1, 1])
        np.testing.assert_allclose(np.linalg.norm(turned[0]), np.sqrt(2))
        if name != "adam":  # a gradient turns along
            back = turned @ np.array([[1, -1], [1, 1]]) / np.sqrt(2)
            np.testing.assert_allclose(back, straight, atol=1e-6)
    first = hessian @ np.ones(2)
    np.testing.assert_allclose(arrays["pair_usual_straight"][0], first, rtol=1e-6)
    assert arrays["warm"].shape == (20, 3) and arrays["walked"].shape == (2, 20)
    rare = arrays["pair_ink"].reshape(-1)[arrays["pair_pixels"]]
    assert rare[0] > rare[1]
