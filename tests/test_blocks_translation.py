"""The translator that days 33 to 35 share. Oracles: torch's attention, plain loops, worked examples of BLEU."""

from __future__ import annotations

import math

import pytest
import torch
from blocks import translation as tr
from torch import nn

PAIRS = [
    (["a", "black", "dog"], ["un", "chien", "noir"]),
    (["a", "dog"], ["un", "chien"]),
    (["a", "white", "dog", "runs", "here"], ["un", "chien", "blanc", "court", "ici"]),
    (["dogs"], ["des", "chiens"]),
]


@pytest.fixture(scope="module")
def corpus() -> tr.Corpus:
    return tr.make_corpus(PAIRS, PAIRS[:2], PAIRS[:2])


def translator(corpus: tr.Corpus, kind: str) -> tr.Translator:
    torch.manual_seed(0)
    return tr.Translator(len(corpus.source), len(corpus.target), kind, embed=8, hidden=12, attention_size=6).eval()


def test_words_numbers_and_signs() -> None:
    assert tr.tokenize("L’homme, en 1994.") == ["l'", "homme", ",", "en", "1994", "."]
    assert tr.tokenize("Ninety-four; it&apos;s") == ["ninety", "-", "four", ";", "it'", "s"]


def test_a_vocabulary_knows_its_words(corpus: tr.Corpus) -> None:
    words = corpus.target
    assert words.words[:4] == tr.SPECIAL
    assert words.words[4:6] == ["chien", "un"]  # the most frequent first
    assert words.decode([tr.BOS, *words.encode(["un", "chien", "vert"]), tr.EOS, 7]) == ["un", "chien", "<unk>"]
    assert len(tr.Vocabulary((s for s, _ in PAIRS), min_count=2)) == 4 + 2  # a, dog


def test_a_batch_is_cut_to_its_longest(corpus: tr.Corpus) -> None:
    batch = corpus.train.batch([1, 0])
    assert batch.source.shape == (2, 4)
    assert batch.lengths.tolist() == [3, 4]
    assert batch.mask.tolist() == [[True, True, True, False], [True] * 4]
    assert batch.target[:, 0].tolist() == [tr.BOS] * 2
    assert batch.source[0, 2] == tr.EOS and batch.target[0, 3] == tr.EOS
    seen = torch.cat([b.lengths for b in corpus.train.batches(3, seed=1)])
    assert sorted(seen.tolist()) == [2, 3, 4, 6]


def test_scaled_attention_is_torchs(corpus: tr.Corpus) -> None:
    attention = tr.Attention("scaled", 12, 6)
    decoder, states = torch.randn(3, 5, 12), torch.randn(3, 4, 12)
    mask = torch.tensor([[True] * 4, [True] * 2 + [False] * 2, [True] * 3 + [False]])
    context, alpha, scores = attention(decoder, states, mask)
    theirs = nn.functional.scaled_dot_product_attention(
        attention.queries(decoder), attention.keys(states), states, attn_mask=mask[:, None].expand(-1, 5, -1)
    )
    torch.testing.assert_close(context, theirs)
    torch.testing.assert_close(alpha.sum(-1), torch.ones(3, 5))
    assert (alpha.masked_select(~mask[:, None].expand_as(alpha)) == 0).all()
    assert torch.isinf(scores.masked_select(~mask[:, None].expand_as(alpha))).all()


@pytest.mark.parametrize("kind", ["dot", "general", "additive"])
def test_scores_are_those_of_a_loop(kind: str) -> None:
    attention = tr.Attention(kind, 6, 4)
    decoder, states = torch.randn(2, 3, 6), torch.randn(2, 5, 6)
    scores = attention.scores(attention.queries(decoder), attention.keys(states))
    q, k = decoder[1, 2], states[1, 4]
    wanted = {
        "dot": lambda: q @ k,
        "general": lambda: q @ attention.W_k.weight @ k,
        "additive": lambda: attention.v.weight[0] @ torch.tanh(attention.W_q.weight @ q + attention.W_k.weight @ k),
    }[kind]()
    assert scores.shape == (2, 3, 5)
    assert scores[1, 2, 4].item() == pytest.approx(wanted.item(), abs=1e-5)


def test_padding_changes_nothing(corpus: tr.Corpus) -> None:
    """A sentence alone and beside a longer one: the same logits; without the mask they differ."""
    model = translator(corpus, "scaled")
    alone, beside = corpus.train.batch([1]), corpus.train.batch([1, 2])
    for use_mask in (True, False):
        model.use_mask = use_mask
        first, second = model(alone)[0][0], model(beside)[0][0, :3]
        assert torch.allclose(first, second, atol=1e-6) == use_mask


@pytest.mark.parametrize("kind", tr.KINDS)
def test_greedy_steps_agree_with_teacher_forcing(corpus: tr.Corpus, kind: str) -> None:
    """Fed with its own words, the parallel decoder gives the same weights, and its likeliest words are these words."""
    model = translator(corpus, kind)
    batch = corpus.train.batch([2, 0])
    found = tr.translate(model, batch, most=6)
    start = torch.full((2, 1), tr.BOS)
    again = tr.Batch(batch.source, batch.lengths, torch.cat([start, found.tokens], dim=1))
    logits, alpha = model(again)
    for row, length in enumerate(found.lengths.tolist()):
        likeliest = tr.EOS + logits[row, :length, tr.EOS :].argmax(-1)  # PAD and BOS are never written
        assert likeliest.tolist() == found.tokens[row, :length].tolist()
    if kind == "none":
        assert alpha is None and found.alpha is None
        assert torch.equal(found.context[:, 0], found.context[:, -1])  # the same at every step
    else:
        torch.testing.assert_close(alpha[1, : found.lengths[1]], found.alpha[1, : found.lengths[1]])


def test_a_change_of_the_weights_changes_the_context(corpus: tr.Corpus) -> None:
    model = translator(corpus, "scaled")
    batch = corpus.train.batch([2, 0])
    found = tr.translate(model, batch, change=lambda alpha, mask: mask[:, None] / mask.sum(1)[:, None, None])
    wanted = found.encoder[1, :4].mean(dim=0)
    torch.testing.assert_close(found.context[1, 0], wanted)


def test_sizes_are_matched() -> None:
    reference = tr.count_parameters(tr.Translator(500, 600, "scaled", hidden=64, embed=32))
    for kind in tr.KINDS:
        hidden = tr.matched_hidden(kind, reference, 500, 600, hidden=64, embed=32)
        own = tr.count_parameters(tr.Translator(500, 600, kind, hidden=hidden, embed=32))
        assert own == pytest.approx(reference, rel=0.015)


def test_training_learns_four_sentences_by_heart(corpus: tr.Corpus) -> None:
    seen: list[int] = []
    model, history = tr.train_translator(
        corpus, "scaled", 1, 60, 1e-2, 2, 4, embed=8, hidden=12, on_step=lambda step, _: seen.append(step)
    )
    assert history.steps == [30, 60, 90, 120]
    assert seen == list(range(121))
    assert tr.translate_split(model, corpus.test, corpus.target) == [t for _, t in PAIRS[:2]]
    assert tr.exact([PAIRS[0][1], ["un"]], corpus.test) == 0.5
    assert history.val_accuracy[-1] == 1.0
    assert tr.evaluate_forced(model, corpus.val)[0] == pytest.approx(history.val_loss[-1], rel=1e-5)


def test_the_loss_does_not_count_padding(corpus: tr.Corpus) -> None:
    batch = corpus.train.batch([0, 1])
    logits = torch.randn(2, 4, len(corpus.target))
    words = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]  # the second sentence is one word shorter
    each = [-logits[i, t].log_softmax(-1)[batch.target[i, t + 1]] for i, t in words]
    assert tr.word_loss(logits, batch).item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)
    model = translator(corpus, "scaled")
    wanted = tr.word_loss(model(batch)[0], batch).item()
    assert tr.train_step(model, batch, torch.optim.SGD(model.parameters(), 0.0)) == pytest.approx(wanted, rel=1e-5)


def test_bleu_of_known_pairs() -> None:
    truth = list("abcdef")
    assert tr.bleu([truth], [truth]) == pytest.approx(1.0)
    assert tr.bleu([["a"] * 6], [truth]) == 0
    assert tr.bleu([truth[:5]], [truth]) == pytest.approx(math.exp(1 - 6 / 5))  # all is right, one word is missing
    one_wrong = tr.bleu([list("abcdxf")], [truth])
    assert one_wrong == pytest.approx((5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    both = tr.bleu([list("abcdxf"), truth], [truth, truth])  # counts are added over the sentences
    assert both == pytest.approx((11 / 12 * 8 / 10 * 6 / 8 * 4 / 6) ** 0.25)
