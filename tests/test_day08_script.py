"""Day 8's functions against torch, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day08_mnist_classification")
SHOWN = ("Net", "train_epoch", "evaluate", "save_and_load")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions and classes of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "DataLoader": DataLoader, "TensorDataset": TensorDataset}
    known |= {"device": torch.device("cpu"), "HIDDEN": 128, "DROPOUT": 0.2, "BATCH_SIZE": 64}
    known |= {"MEAN": 0.1307, "STD": 0.3081, "P": type("P", (), {"seed": 8})}
    return LESSON.names(known)


def test_the_models_have_the_known_sizes(names: dict[str, Any]) -> None:
    assert names["count_parameters"](names["Net"]()) == 784 * 128 + 128 + 128 * 10 + 10
    reference = names["Reference"]()
    assert names["count_parameters"](reference) == 1_199_882  # as its authors' network has
    assert reference(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_an_epoch_is_plain_gradient_descent(names: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model, x, y = nn.Linear(3, 2), torch.randn(8, 3), torch.randint(2, (8,))
    weight, bias = (p.detach().clone().requires_grad_() for p in model.parameters())
    loss = nn.functional.cross_entropy(x @ weight.T + bias, y)
    loss.backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = names["train_epoch"](model, [(x, y)], nn.CrossEntropyLoss(), optimizer)
    assert losses == [pytest.approx(loss.item())]
    assert model.training
    torch.testing.assert_close(model.weight.detach(), (weight - 0.5 * weight.grad).detach())


def test_accuracy_counts_images_and_not_batches(names: dict[str, Any]) -> None:
    class Echo(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.one_hot(x.long(), 10).float()

    answers, labels = torch.zeros(5), torch.tensor([0, 0, 0, 0, 1])
    loader = DataLoader(TensorDataset(answers, labels), batch_size=4)
    model = Echo().train()
    assert names["evaluate"](model, loader) == pytest.approx(4 / 5)  # the mean of the batches would be 1/2
    assert not model.training


def test_whole_tensors_are_prepared_as_torchvision_would(names: dict[str, Any]) -> None:
    from PIL import Image
    from torchvision import transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    images = torch.randint(256, (3, 28, 28), dtype=torch.uint8)
    one_by_one = torch.stack([transform(Image.fromarray(image.numpy())) for image in images])
    torch.testing.assert_close(names["prepare"](images), one_by_one, rtol=1e-6, atol=1e-6)


def test_batches_are_those_of_a_plain_loader(names: dict[str, Any]) -> None:
    x, y = torch.randn(10, 1, 2, 2), torch.arange(10)
    ours = list(names["batches"](names["Digits"](x, y), shuffle=True, seed=3, size=4))
    generator = torch.Generator().manual_seed(3)
    plain = list(DataLoader(TensorDataset(x, y), 4, shuffle=True, generator=generator))
    assert [len(labels) for _, labels in ours] == [4, 4, 2]
    for (a, b), (c, d) in zip(ours, plain, strict=True):
        assert torch.equal(a, c)
        assert torch.equal(b, d)


def test_calibration_of_known_answers(names: dict[str, Any]) -> None:
    confidence, right = np.array([0.95, 0.95, 0.65, 1.0]), np.array([1.0, 0.0, 1.0, 1.0])
    ece, n, mean, share = names["calibration"](confidence, right)
    assert n.sum() == 4
    assert n[9] == 3
    assert mean[9] == pytest.approx(2.9 / 3)
    assert share[9] == pytest.approx(2 / 3)
    assert ece == pytest.approx((3 * abs(2.9 / 3 - 2 / 3) + abs(0.65 - 1)) / 4)


def test_images_of_other_kinds_are_what_they_are_called(names: dict[str, Any]) -> None:
    bytes_ = torch.randint(256, (3, 28, 28), dtype=torch.uint8)
    bytes_[:, :, -4:] = 0  # as the border of MNIST's images is
    kinds = names["other_kinds"](names["prepare"](bytes_))
    same = {"rtol": 1e-5, "atol": 1e-5}
    moved = torch.zeros_like(bytes_)
    moved[:, :, 4:] = bytes_[:, :, :-4]
    torch.testing.assert_close(kinds["4 pixels to the right"], names["prepare"](moved), **same)
    torch.testing.assert_close(kinds["black on white"], names["prepare"](255 - bytes_), **same)
    shuffled, usual = (kinds[name].flatten(1) for name in ("pixels shuffled", "as they are"))
    assert not torch.equal(shuffled, usual)
    assert torch.equal(shuffled.sort(dim=1).values, usual.sort(dim=1).values)


def test_smoothing_is_a_running_mean(names: dict[str, Any]) -> None:
    losses = np.arange(10.0)
    smoothed = names["smoothed"](losses, window=4)
    wanted = [losses[max(0, i - 3) : i + 1].mean() for i in range(10)]
    np.testing.assert_allclose(smoothed, wanted)


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "your_count = None": "your_count = 784 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10",
    "return None  # your turn: a list": "return [(predicted[labels == d] == d).float().mean() for d in range(10)]  # ",
    "return None  # your turn: the loss": (
        "opt = torch.optim.Adam(model.parameters(), 1e-2)\n"
        "    return train_epoch(model, [batch] * steps, nn.CrossEntropyLoss(), opt)[-1]  # "
    ),
}
WRONG = {
    "your_count = None": "your_count = 784 * 32 + 32 * 16 + 16 * 10",
    "return None  # your turn: a list": "return [(predicted == labels).float().mean()] * 10  # ",
    "return None  # your turn: the loss": "return 2.3  # ",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    torch.manual_seed(0)
    targets = np.arange(200) % 10
    guess = np.where(np.arange(200) % 7 == 0, 3, targets)
    recall = np.array([[(guess[targets == d] == d).mean() for d in range(10)]])
    batch = {"batch_images": torch.randn(64, 1, 28, 28), "batch_labels": torch.randint(10, (64,))}
    settings = {"P": type("P", (), {"seed": 8}), "guess": guess, "targets": targets, "recall": recall, "best": 0}
    return LESSON.exercises({**names, **batch, **settings}, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {
        "data_cost", "training", "confusion", "gallery", "calibration", "forgotten", "kinds", "race",
    }  # fmt: skip
    assert record.claims["torch.load with weights_only refuses the trojan and the whole module"]
    assert m["trojan_ran_when_unsafe"] and not m["trojan_ran_when_safe"]
    assert m["eval_keeps_graph"] is True
    assert m["load_difference"] == 0
    assert m["same_batch_difference"] < 1e-6
    assert m["pixel_mean"] == pytest.approx(0.1307, abs=5e-5)
    assert m["pixel_sd"] == pytest.approx(0.3081, abs=5e-5)
    assert m["test_accuracy"] == pytest.approx(np.mean(m["test_each"]))
    assert m["errors"] == round(10_000 * (1 - m["best_test_accuracy"]))
    assert m["flow_before_loss"] == pytest.approx(np.log(10), rel=0.1)
    assert m["test_sampling_error"] == pytest.approx(np.sqrt(m["test_accuracy"] * (1 - m["test_accuracy"]) / 10_000))
    assert m["kind_usual_right"] == pytest.approx(m["forget_usual"])
    assert {d["n"] for d in record.provenance["data"]} == {60_000, 10_000}


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    labels = torch.tensor(arrays["flow_labels"]).long()
    for moment in ("before", "stepped", "after"):
        logits = torch.tensor(arrays[f"flow_{moment}_logits"]).float()
        loss = nn.functional.cross_entropy(logits, labels).item()
        assert float(arrays[f"flow_{moment}_loss"]) == pytest.approx(loss, rel=1e-3)
        assert record.metrics[f"flow_{moment}_right"] == (logits.argmax(1) == labels).sum().item()
    assert arrays["flow_after_loss"] < arrays["flow_stepped_loss"] < arrays["flow_before_loss"]
    snapshots = len(arrays["weights_steps"])
    assert arrays["weights"].shape == (snapshots, 16, 28, 28)
    assert len(arrays["weights_accuracy"]) == snapshots
    assert arrays["weights_steps"][-1] == record.metrics["steps"] == len(arrays["curve_loss"])
    assert arrays["always_black"].sum() == record.metrics["always_black"]


@pytest.mark.slow
def test_weights_of_black_pixels_keep_their_grain(smoke: tuple[Record, dict]) -> None:
    """What the last beat of an animation says: to a unit, all these pixels are one."""
    _, arrays = smoke
    black = arrays["always_black"].astype(bool)
    change = (arrays["weights"][-1].astype(float) - arrays["weights"][0])[:, black]  # (16, pixels)
    inside = (arrays["weights"][-1].astype(float) - arrays["weights"][0])[:, ~black]
    assert change.std(axis=1).max() < 0.05 * inside.std(axis=1).min()
