"""Day 34's functions against independent oracles, its exercises against their solutions, and a whole smoke run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from coursebuild.model import Record
from tests.lessons import Lesson

translation = pytest.importorskip("blocks.translation")

LESSON = Lesson("day34_visualizing_attention")
SHOWN = ("plot_attention", "erasure_map")  # as code on slides


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """The functions of the script, without running the lesson, and a small untrained translator."""
    pairs = [(["a", "black", "dog", "runs"], ["un", "chien", "noir", "court"]), (["two", "men"], ["deux", "hommes"])]
    corpus = translation.make_corpus(pairs, pairs, pairs)
    known = {"np": np, "nn": nn, "torch": torch, "translation": translation, "replace": replace, "corpus": corpus}
    known |= {"device": torch.device("cpu"), "rng": np.random.default_rng(0)}
    known = LESSON.names(known)
    torch.manual_seed(0)
    known["model"] = translation.Translator(len(corpus.source), len(corpus.target), "scaled", hidden=16).eval()
    return known


PAIR = (["a", "black", "dog", "runs"], ["un", "chien", "noir", "court"])


def test_tau_is_that_of_scipy(names: dict[str, Any]) -> None:
    assert names["kendall_tau"]([0, 1, 2, 3]) == 1
    assert names["kendall_tau"]([3, 2, 1]) == -1
    for seed in range(5):
        path = np.random.default_rng(seed).permutation(9)
        assert names["kendall_tau"](path) == pytest.approx(stats.kendalltau(np.arange(9), path).statistic)


def test_rank_correlation_is_that_of_scipy(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(4, 7)), rng.normal(size=(4, 7)).round(0)  # with ties
    wanted = [stats.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(names["rank_correlation"](a, b), wanted)


def test_words_looked_at(names: dict[str, Any]) -> None:
    alpha = np.array([[1.0, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(names["words_looked_at"](alpha), [1, 4, 2])


def test_the_dictionary_is_used_only_where_it_is_sure(names: dict[str, Any]) -> None:
    dictionary = {"black": {"noir", "noire"}, "dog": {"chien"}, "small": {"petit"}, "little": {"petit"}}
    find = names["dictionary_links"]
    assert find(*PAIR, dictionary) == [(1, 2), (2, 1)]
    assert find(["dog", "dog"], ["chien"], dictionary) == []  # which of the two?
    assert find(["dog"], ["chien", "chien"], dictionary) == []
    assert find(["small", "little", "dog"], ["petit", "chien"], dictionary) == [(1, 2)]
    assert names["crossing"]([(1, 2), (2, 1)]) == [True, True]
    assert names["crossing"]([(0, 0), (1, 2), (2, 1)]) == [False, True, True]


def test_hits_ask_for_the_strongest_cell(names: dict[str, Any]) -> None:
    alpha = np.array([[0.9, 0.1], [0.6, 0.4]])
    assert names["hits"]([alpha], [[(0, 0), (1, 1)]]).tolist() == [True, False]


def test_ibm_model_1_is_plain_expectation_maximisation(names: dict[str, Any]) -> None:
    pairs = [("the house", "la maison"), ("the book", "le livre"), ("a book", "un livre"), ("the", "la")]
    pairs = [(source.split(), target.split()) for source, target in pairs]
    table, link, row = names["pairs_of_words"](pairs)
    ids: dict[str, int] = {}
    source = np.array([ids.setdefault(word, len(ids)) for word, _ in table])
    p = names["ibm_model_1"](link, row, source, rounds=6)
    t = dict.fromkeys(table, 1.0)
    for _ in range(6):
        counts, totals = dict.fromkeys(table, 0.0), dict.fromkeys(ids, 0.0)
        for english, french in pairs:
            for f in french:
                whole = sum(t[e, f] for e in english)
                for e in english:
                    counts[e, f] += t[e, f] / whole
                    totals[e] += t[e, f] / whole
        t = {(e, f): counts[e, f] / totals[e] for e, f in table}
    np.testing.assert_allclose(p, [t[pair] for pair in table])
    assert p[table["book", "livre"]] > 0.7


def test_a_map_has_a_row_for_each_word_and_sums_to_one(names: dict[str, Any]) -> None:
    pairs = [PAIR, (["two", "men"], ["deux", "hommes"])]
    for (source, target), (alpha, log_p) in zip(pairs, names["read"](names["model"], pairs), strict=True):
        assert alpha.shape == (len(target), len(source) + 1)
        assert log_p.shape == (len(target),)
        np.testing.assert_allclose(alpha.sum(axis=1), 1, atol=1e-5)
    alone = names["maps"](names["model"], pairs[1:])[0]
    np.testing.assert_allclose(alone, names["maps"](names["model"], pairs)[1], atol=1e-5)


def test_erasure_is_the_difference_of_two_runs(names: dict[str, Any]) -> None:
    source, target = PAIR
    effect = names["erasure_map"](names["model"], source, target)
    assert effect.shape == (4, 4)
    whole = names["read"](names["model"], [PAIR])[0][1]
    without = names["read"](names["model"], [(["a", "dog", "runs"], target)])[0][1]
    np.testing.assert_allclose(effect[:, 1], whole - without, atol=1e-5)


def test_gradient_times_input_is_a_directional_derivative(names: dict[str, Any]) -> None:
    """Scaling the embedding of one word by 1 + h changes log p by h times its gradient times input."""
    model, (source, target) = names["model"], PAIR
    found = names["gradient_map"](model, source, target)
    assert found.shape == (4, 4)
    assert not model.training
    h, changed = 1e-2, []
    for sign in (1, -1):
        grown = names["model"].encoder.embedding.weight.data.clone()
        model.encoder.embedding.weight.data[names["corpus"].source.index["black"]] *= 1 + sign * h
        changed.append(names["read"](model, [PAIR])[0][1])
        model.encoder.embedding.weight.data = grown
    np.testing.assert_allclose(found[:, 1], (changed[0] - changed[1]) / (2 * h), rtol=0.02, atol=2e-5)


def test_shares_of_a_state_sum_to_one(names: dict[str, Any]) -> None:
    shares = names["sources_of_states"](names["model"], PAIR[0])
    assert shares.shape == (4, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_blurring_keeps_rows_and_leaves_padding_alone(names: dict[str, Any]) -> None:
    alpha = torch.tensor([[[0.7, 0.3, 0.0]]])
    mask = torch.tensor([[True, True, False]])
    torch.testing.assert_close(names["blurred"](0.0)(alpha, mask), alpha)
    torch.testing.assert_close(names["blurred"](1.0)(alpha, mask), torch.tensor([[[0.5, 0.5, 0.0]]]))
    torch.testing.assert_close(names["blurred"](0.5)(alpha, mask), torch.tensor([[[0.6, 0.4, 0.0]]]))


@pytest.mark.parametrize("name", SHOWN)
def test_what_slides_show_fits_them(name: str) -> None:
    LESSON.fits(name)


SOLUTIONS = {
    "your_tau = None": "your_tau = (5 - 1) / 6",
    "return None  # your turn: a number of a column": "return alpha[:, :-1].sum(axis=0).argmin()",
    'return None  # your turn: "healthy"': (
        "padding = [alpha[:, np.array(names) == '<pad>'].sum() / len(alpha) for alpha, names in sheets]\n"
        "    if np.mean(padding) > 1e-4:\n        return 'no mask'\n"
        "    columns = [len(set(alpha.argmax(axis=1))) / len(alpha) for alpha, _ in sheets]\n"
        "    return 'healthy' if np.mean(columns) > 0.55 else 'shuffled'  #"
    ),
}
WRONG = {
    "your_tau = None": "your_tau = 5 / 6",
    "return None  # your turn: a number of a column": "return alpha[:, :-1].sum(axis=1).argmin()",
    'return None  # your turn: "healthy"': "return 'healthy'  #",
}


def exercises(names: dict[str, Any], answers: dict[str, str]) -> str:
    """What the exercise cells print when the starters hold these answers."""
    rng = np.random.default_rng(2)
    sources = [["w"] * int(n) for n in rng.integers(5, 9, size=40)]
    pairs = [(source, ["m"] * len(source)) for source in sources]

    class Fake:
        """A translator whose maps are sharp, flat, or partly on padding."""

        def __init__(self, kind: str) -> None:
            self.kind = kind

        def __call__(self, batch: Any) -> tuple[None, torch.Tensor]:
            lengths = torch.tensor([len(source) + 1 for source in sources])
            columns = torch.arange(9)
            inside = columns[None, None] < lengths[:, None, None]
            scores = 9.0 * torch.eye(9)[None].expand(40, -1, -1) if self.kind == "healthy" else torch.zeros(40, 9, 9)
            return None, scores.masked_fill(~inside & (self.kind != "no mask"), -torch.inf).softmax(-1)

    class Whole:
        def batch(self, indices: Any) -> None:
            return None

    known = {**names, "broken": {kind: Fake(kind) for kind in ("healthy", "shuffled", "no mask")}}
    known |= {"test_pairs": pairs, "split_of": lambda pairs: Whole()}
    known["test_maps"] = [list(rng.dirichlet(np.ones(6), size=(20, 4)))]
    return LESSON.exercises(known, answers)


def test_exercises_know_right_from_wrong(names: dict[str, Any]) -> None:
    assert exercises(names, {}).count("not solved yet") == 3
    assert exercises(names, SOLUTIONS).count(" solved") == 3
    assert exercises(names, WRONG).count("not right yet") == 3


@pytest.mark.slow
def test_smoke_run_measures_what_a_lecture_says(smoke: tuple[Record, dict]) -> None:
    record, _ = smoke
    m = record.metrics
    assert set(record.figures) == {
        "hook", "two_ways", "autoscale", "four", "agreement", "reversed", "three_maps", "erasure", "broken", "sinks",
    }  # fmt: skip
    assert m["healthy_padding"] == pytest.approx(0, abs=1e-5)
    assert m["healthy_differ"] == 0  # with a mask, padding changes nothing
    assert m["fused_matrices"] == 0
    assert m["blank_low"] < m["uniform"] < m["blank_high"]
    assert 1 <= m["looked_at"] <= m["blank_looked_at"] <= m["most_words"] + 1
    assert m["links_changed"] < m["links"]
    assert 0 < m["erase_own"] < 1
    assert len(record.claims) >= 12


@pytest.mark.slow
def test_the_arrays_of_the_animations_belong_together(smoke: tuple[Record, dict]) -> None:
    record, arrays = smoke
    m = record.metrics
    columns, rows = len(m["source_words"]) + 1, len(m["target_words"])
    assert arrays["snapshots"].shape == (len(arrays["steps"]), rows, columns)
    assert arrays["steps"][0] == 0 and arrays["steps"][-1] == m["steps"]
    assert arrays["seed_maps"].shape[1:] == arrays["reverse_map"].shape == (rows, columns)
    np.testing.assert_allclose(arrays["snapshots"][-1], arrays["seed_maps"][0], atol=1e-5)
    assert arrays["written_alpha"].shape == (len(m["translation_words"]), columns)
    assert len(arrays["blur_weights"]) == len(m["blur_words"]) == len(arrays["blur_alpha"])
    assert m["blur_words"][0] == m["translation_words"]
    assert m["blur_none_bleu"] == pytest.approx(arrays["blur_bleu"][0])
    last = arrays["blur_alpha"][-1, : max(1, len(m["blur_words"][-1]))]
    np.testing.assert_allclose(last, 1 / columns, atol=1e-5)  # fully blurred: uniform
    assert len(arrays["written_links"]) == len(arrays["written_crossing"]) == m["story_rings"]
