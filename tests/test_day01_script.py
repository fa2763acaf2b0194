"""Day 1's functions against torch and closed forms, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day01_introduction")
SHOWN = ("nearest_template", "train")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "cross_entropy": cross_entropy, "device": torch.device("cpu")}
    known |= {"BATCH_SIZE": 64, "LEARNING_RATE": 1e-3}
    return LESSON.names(known)


def test_it_uses_what_the_syllabus_names() -> None:
    used = {ast.unparse(node) for node in ast.walk(LESSON.tree) if isinstance(node, ast.Attribute)}
    assert {"torch.__version__", "torch.cuda.is_available", "np.array"} <= used


def test_a_threshold_makes_the_fewest_mistakes(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    labels = torch.randint(2, (300,))
    for sign in (1, -1):  # the threes lie above, or below
        values = sign * (torch.randn(300) - 1.2 * labels)
        threshold, three_above = names["best_threshold"](values, labels)
        assert three_above == (sign == 1)
        found = (names["rule_says"](values, threshold, three_above) == labels).sum()
        every = [((values > t) != three_above).long().eq(labels).sum() for t in values]
        assert found >= max(every) - 2  # 400 thresholds are tried, not all


def test_strokes_are_counted_along_the_middle_column(names: dict[str, Any]) -> None:
    image = torch.zeros(1, 28, 28)
    for row in (4, 5, 12, 20, 21):
        image[0, row, 10:18] = 1
    assert names["strokes"](image).tolist() == [3]


def test_templates_are_means_and_the_nearest_is_chosen(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    images, labels = torch.rand(40, 28, 28), torch.arange(40) % 2
    templates = names["make_templates"](images, labels, (0, 1))
    torch.testing.assert_close(templates[1], images[1::2].mean(0).flatten())
    for p in (1, 2):
        wanted = [
            min((0, 1), key=lambda c, x=x: float((x.flatten() - templates[c]).abs().pow(p).sum())) for x in images
        ]
        assert names["nearest_template"](images, templates, p).tolist() == wanted
    score = (
        images.flatten(1) @ (templates[0] - templates[1])
        - (templates[0] @ templates[0] - templates[1] @ templates[1]) / 2
    )
    assert torch.equal((score < 0).long(), names["nearest_template"](images, templates, 2))  # what the animation says


def test_training_is_adam_on_the_mean_loss(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    images, labels = torch.rand(100, 28, 28), torch.randint(2, (100,))
    ours, other = names["make_network"](8, 2), names["make_network"](8, 2)
    other.load_state_dict(ours.state_dict())
    torch.manual_seed(1)
    assert list(names["train"](ours, images, labels, 3)) == [1, 2, 3]
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(other.parameters(), 1e-3)
    for _ in range(3):
        batch = torch.randint(100, (64,))
        loss = -other(images[batch]).log_softmax(1)[torch.arange(64), labels[batch]].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for a, b in zip(ours.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_weight_image_is_the_mean_gradient(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network, images = names["make_network"](16, 2), torch.rand(50, 28, 28, requires_grad=True)
    (network(images) @ torch.tensor([1.0, -1.0])).sum().backward()
    torch.testing.assert_close(
        names["weight_image"](network, images.detach()), images.grad.mean(0), atol=1e-6, rtol=1e-4
    )


def test_wilson_interval(names: dict[str, Any]) -> None:
    low, high = names["wilson"](0.5, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    for end in names["wilson"](0.97, 2_038):  # the ends solve |share - p| = z * sqrt(p (1 - p) / n)
        assert abs(0.97 - end) == pytest.approx(1.96 * np.sqrt(end * (1 - end) / 2_038))


def test_reward_points_where_more_reward_is(names: dict[str, Any]) -> None:
    """The gradient of the surrogate is, on average, that of the expected reward."""
    torch.manual_seed(0)
    logits, labels = torch.randn(3, 4, requires_grad=True), torch.tensor([0, 2, 1])
    expected = logits.softmax(1)[torch.arange(3), labels].mean()
    (wanted,) = torch.autograd.grad(expected, logits)
    many, marks = logits.detach().repeat(200_000, 1).requires_grad_(), labels.repeat(200_000)
    names["right_or_wrong"](many, marks).backward()
    found = -many.grad.reshape(200_000, 3, 4).sum(0)
    torch.testing.assert_close(found, wanted, atol=3e-3, rtol=0)


def test_heaps_of_clear_groups_are_the_groups(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    middles = 20 * torch.eye(3, 10)
    labels = torch.arange(90) % 3
    images = middles[labels] + torch.randn(90, 10)
    centres = names["k_means"](images, 3, 10, seed=3)
    found, shares = names["majority"](centres, images, labels)
    if len(set(found.tolist())) == 3:  # a start with two pictures of one group may stay there
        assert shares.tolist() == [1, 1, 1]
        for centre, name in zip(centres, found, strict=True):
            torch.testing.assert_close(centre, images[labels == name].mean(0))


def test_a_built_curve_meets_its_knots(names: dict[str, Any]) -> None:
    for width in (1, 7, 30):
        net = names["build_curve"](names["wave"], width)
        knots = torch.linspace(-2, 2, width + 1)
        torch.testing.assert_close(names["add_bends"](knots[:, None], *net)[0], torch.sin(3 * knots), atol=1e-4, rtol=0)
        assert net[0].numel() == net[1].numel() == net[2].numel() == width


def test_added_bends_are_a_network_of_torch(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(1, 6), nn.ReLU(), nn.Linear(6, 1)), torch.linspace(-3, 3, 11)[:, None]
    w, b, v, c = (part.detach() for part in model.parameters())
    ours = names["add_bends"](x, w.T[None], b[None, None], v.T[None], c[None, None])
    torch.testing.assert_close(ours[0], model(x).detach()[:, 0])


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "your_count = None": "your_count = 64 * 3 * 32 * 32",
    "return None  # your turn: one number": "return images[:, 18:23, 5:11].mean(dim=(1, 2))  # ",
    "return None  # your turn: five places": "return torch.where(labels == 0, score, -score).argsort()[:5]  # ",
}
WRONG = {
    "your_count = None": "your_count = 64 * 32 * 32",
    "return None  # your turn: one number": "return images[:, :9].mean(dim=(1, 2))  # ",
    "return None  # your turn: five places": "return score.argsort()[:5]  # ",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    torch.manual_seed(0)
    images, labels = torch.rand(400, 28, 28), torch.arange(400) % 2
    images[labels == 0, 18:23, 5:11] += 0.3  # in this world a three is bright at the lower left
    templates = names["make_templates"](images, labels, (0, 1))
    world = {"duel_train": (images, labels), "duel_val": (images, labels), "templates": templates}
    world |= {"difference": templates[0] - templates[1], "RULES": {"ink": names["ink_above"]}}
    world["middle"] = (templates[0] @ templates[0] - templates[1] @ templates[1]) / 2
    return LESSON.exercises({**names, **world}, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    names = {**names, "ink_above": lambda images: images[:, :9].mean(dim=(1, 2))}
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"digits", "rules", "network", "ladder", "others", "gap", "teachers", "universal"}
    assert m["duel_test"] == 2_038
    assert m["others"] == 10_000 - 2_038
    assert m["duel_parameters"] == 784 * 32 + 32 + 32 * 2 + 2
    assert m["ten_parameters"] == 784 * 128 + 128 + 128 * 10 + 10
    assert m["byte_difference"] == 252
    assert m["duel_template"] == pytest.approx(1 - m["template_wrong"] / 2_038)
    assert sum(m[f"first_{kind}"] for kind in ("both", "rescued", "lost", "neither")) == 2_038
    assert m["first_lost"] + m["first_both"] == 2_038 - m["template_wrong"]
    assert len(record.claims) >= 12
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    three, seven = arrays["templates"].astype(float)
    np.testing.assert_allclose(arrays["means"][-1].astype(float)[1], seven, atol=0.03)  # all but a few pictures
    scores = (arrays["shown"].astype(float) * (three - seven)).sum(axis=(1, 2)) - float(arrays["middle"])
    np.testing.assert_allclose(scores, arrays["shown_template"], atol=1e-2)
    right = [(arrays[f"shown_{name}"] > 0) == arrays["shown_three"].astype(bool) for name in ("template", "network")]
    assert (right[0] != right[1]).sum() == record.metrics["shown_disagree"]
    assert len(arrays["shown"]) == record.metrics["shown"]
    total = arrays["curve_parts"].astype(float).sum(axis=1) + float(arrays["curve_floor"])
    np.testing.assert_allclose(total, arrays["curve_wave_10"], atol=1e-3)
    assert (np.diff(arrays["curve_bends"]) >= 0).all()
    assert arrays["weights_steps"][-1] == record.metrics["duel_steps"]
    assert len(arrays["weights"]) == len(arrays["weights_steps"]) == len(arrays["weights_accuracy"])
