"""Day 33's functions against torch and plain loops, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from blocks import translation
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

LESSON = Lesson("day33_attention")
SHOWN = ("attention", "decoder_step")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson."""
    known = {"np": np, "nn": nn, "torch": torch, "F": F, "math": math, "translation": translation, "Counter": Counter}
    return LESSON.names(known)


def test_attention_is_torchs(names: dict[str, Any]) -> None:
    Q, K, V = torch.randn(3, 4, 8), torch.randn(3, 6, 8), torch.randn(3, 6, 5)
    keep = torch.arange(6) < torch.tensor([6, 2, 4])[:, None, None]
    for mask in (None, keep):
        context, alpha = names["attention"](Q, K, V, mask)
        full = None if mask is None else mask.expand(3, 4, 6)
        torch.testing.assert_close(context, F.scaled_dot_product_attention(Q, K, V, attn_mask=full))
        torch.testing.assert_close(alpha.sum(dim=-1), torch.ones(3, 4))
        assert alpha.shape == (3, 4, 6)
    assert (alpha[1, :, 2:] == 0).all()


def test_additive_scores_are_those_of_a_loop(names: dict[str, Any]) -> None:
    W_q, W_k, v = nn.Linear(5, 3, bias=False), nn.Linear(7, 3, bias=False), nn.Linear(3, 1, bias=False)
    Q, K = torch.randn(2, 4, 5), torch.randn(2, 6, 7)
    scores = names["additive_scores"](Q, K, W_q, W_k, v)
    assert scores.shape == (2, 4, 6)
    one = (v.weight[0] * torch.tanh(W_q.weight @ Q[1, 2] + W_k.weight @ K[1, 5])).sum()
    assert scores[1, 2, 5].item() == pytest.approx(one.item(), abs=1e-6)


@pytest.fixture
def weights() -> tuple[torch.Tensor, torch.Tensor]:
    keep = torch.tensor([[True] * 4, [True, True, False, False]])
    return torch.randn(2, 3, 4).masked_fill(~keep[:, None], -torch.inf).softmax(dim=-1), keep


@pytest.mark.parametrize("change", ["hardest", "uniform", "shuffled", "topless"])
def test_changed_weights_are_still_weights(names: dict[str, Any], weights: tuple, change: str) -> None:
    alpha, keep = weights
    changed = names[change](alpha, keep)
    torch.testing.assert_close(changed.sum(dim=-1), torch.ones(2, 3))
    assert (changed[1, :, 2:] == 0).all()
    top = alpha.argmax(dim=-1)
    if change == "hardest":
        assert (changed.gather(-1, top[..., None]) == 1).all()
    elif change == "uniform":
        assert changed[0, 0, 0] == 0.25 and changed[1, 0, 0] == 0.5
    elif change == "shuffled":
        torch.testing.assert_close(changed.sort(dim=-1).values, alpha.sort(dim=-1).values)
    else:
        assert (changed.gather(-1, top[..., None]) < 1e-6).all()
        assert changed[1].argmax(dim=-1).tolist() == (1 - top[1]).tolist()


def test_softmax_along_the_wrong_axis(names: dict[str, Any]) -> None:
    attention = translation.Attention("scaled", 6, 4)
    decoder, encoder, mask = torch.randn(2, 3, 6), torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool)
    _, alpha, _ = names["wrong_axis"](attention, decoder, encoder, mask)
    torch.testing.assert_close(alpha.sum(dim=1), torch.ones(2, 5))
    _, alone, _ = names["wrong_axis"](attention, decoder[:, :1], encoder, mask)
    assert (alone == 1).all()  # one step: every word has all the weight
    mask[1, 3:] = False
    context, _, _ = names["wrong_axis"](attention, decoder, encoder, mask, fill=-torch.inf)
    assert context[1].isnan().all() and not context[0].isnan().any()


def test_counting_words(names: dict[str, Any]) -> None:
    alpha = torch.tensor([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]])
    assert names["words_looked_at"](alpha).tolist() == pytest.approx([1, 4, 2])
    assert names["agreement"](["a", "b"], ["b", "a"]) == 1
    assert names["agreement"](["a", "a"], ["a", "b"]) == 0.5
    assert names["agreement"]([], ["a"]) == 0


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


def test_every_formula_of_the_syllabus_is_code() -> None:
    for wanted in ("Q @ K.transpose(-2, -1) / math.sqrt(d_k)", "F.softmax(scores, dim=-1)", "alpha @ V"):
        assert wanted in LESSON.source
    assert "is_causal=True" in LESSON.source


SOLUTIONS = {
    "your_weight = None": "your_weight = 6 / (6 + 3 + 1)",
    "return None  # your turn\n\n\nanswer = local_mask": (
        "return (torch.arange(S)[None] - torch.arange(T)[:, None]).abs() <= width\n\n\nanswer = local_mask"
    ),
    "return None  # your turn: a tensor": (
        "s = [sum(float(a * b) for a, b in zip(q, k)) / math.sqrt(len(q)) for k in keys]\n"
        "    e = [math.exp(x) for x in s]\n"
        "    return sum(x / sum(e) * v for x, v in zip(e, values))  # "
    ),
}
WRONG = {
    "your_weight = None": "your_weight = math.log(6) / (math.log(6) + math.log(3))",
    "return None  # your turn\n\n\nanswer = local_mask": (
        "return (torch.arange(S)[None] - torch.arange(T)[:, None]) <= width\n\n\nanswer = local_mask"
    ),
    "return None  # your turn: a tensor": "return values.mean(dim=0)  # ",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    torch.manual_seed(0)
    return LESSON.exercises(names, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {"training", "lengths", "scoring", "interventions", "alignment"}
    assert m["sdpa_difference"] < 1e-5
    assert m["step_difference"] < 1e-5
    assert m["additive_difference"] < 1e-5
    assert m["causal_difference"] < 1e-5
    assert m["rows_causal"] == 0 and m["rows_open"] == m["rows"]
    assert m["wrong_nan"] and m["wrong_silent"]
    assert m["fixed_parameters"] == pytest.approx(m["attention_parameters"], rel=0.02)
    assert m["lead"] == pytest.approx(m["attention_bleu"] - m["fixed_bleu"])
    assert {m["attention_rate"], m["fixed_rate"]} <= {1e-2, 2e-2} and m["rates"] == 2
    assert m["largest_plain_256"] > m["largest_scaled_256"] > 0.1  # of ten
    assert 0 <= m["hook_made_up"] <= m["hook_fixed_words"]
    assert m["short_n"] + m["middle_n"] + m["long_n"] == m["test_pairs"]
    assert sum(m["hand_alpha"]) == pytest.approx(1)
    assert m["hand_context"] == pytest.approx(np.dot(m["hand_alpha"], [1, 2, 3]))
    assert len(record.claims) >= 5


@pytest.mark.slow
def test_the_arrays_of_the_animation_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    m = record.metrics
    scores, alpha = (torch.tensor(arrays[f"hook_{name}"]).float() for name in ("scores", "alpha"))
    assert alpha.shape == (len(m["hook_attention"]), len(m["hook_source"]))
    torch.testing.assert_close(scores.softmax(dim=-1), alpha, rtol=1e-4, atol=1e-5)
    Q, K = (torch.tensor(arrays[f"hook_{name}"]).float() for name in ("queries", "keys"))
    torch.testing.assert_close(Q @ K.T / math.sqrt(Q.shape[-1]), scores, rtol=1e-3, atol=1e-4)
    context = alpha @ torch.tensor(arrays["hook_values"]).float()
    torch.testing.assert_close(context, torch.tensor(arrays["hook_context"]).float(), rtol=1e-3, atol=1e-4)
    assert arrays["hook_fixed_context"].shape == (m["fixed_hidden"],)
