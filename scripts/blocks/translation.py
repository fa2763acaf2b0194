"""A small translator that days 33 to 35 share: words, batches, an encoder, a decoder with or without attention.

    corpus = load_corpus(3_000, most_words=12, closed=700)  # Multi30k en -> fr, else the labelled stand-in
    model, history = train_translator(corpus, "scaled", seed=0, epochs=4, learning_rate=1e-2, batch_size=32)
    found = translate(model, corpus.test.batch([0, 1]))   # tokens, alpha (n, T, S), scores (n, T, S), ...
    corpus.target.decode(found.tokens[0])                 # ["un", "chien", "noir", ...]

Kinds of attention: "additive" (Bahdanau), "scaled" (scaled dot product with W_q and W_k), "general" (Luong),
"dot", and "none": then every step gets the same context, the encoder's last states. `matched_hidden` finds the
hidden size at which a model of another kind has as many parameters. Masks are True where a position is KEPT.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from blocks.sentences import (
    BOS,
    EOS,
    PAD,
    SPECIAL,
    UNK,
    Batch,
    Corpus,
    Sentences,
    Split,
    Vocabulary,
    load_corpus,
    make_corpus,
    tokenize,
    was_standin,
)

__all__ = ["BOS", "EOS", "KINDS", "PAD", "SPECIAL", "UNK", "Attention", "Batch", "Corpus", "Encoder", "History"]
__all__ += ["Sentences", "Split", "Translation", "Translator", "Vocabulary", "bleu", "clock", "count_parameters"]
__all__ += ["evaluate_forced", "exact", "load_corpus", "make_corpus", "matched_hidden", "tokenize", "train_step"]
__all__ += ["train_translator", "translate", "translate_split", "was_standin", "word_loss"]
KINDS = ("none", "dot", "general", "scaled", "additive")


# ------------------------------------------------------------------ the model


class Encoder(nn.Module):
    """A bidirectional GRU: a state for every word, which has read both ways, and a summary of the whole."""

    def __init__(self, words: int, embed: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, embed, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(embed, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(n, S) -> states (n, S, hidden), zero at PAD, and summary (n, hidden): the last states of both directions."""
        embedded = self.dropout(self.embedding(source))  # (n, S, embed)
        if int(lengths.min()) == source.shape[1]:  # nothing is padded
            states, last = self.gru(embedded)  # last: (2, n, hidden / 2)
        else:  # each direction has to begin and end with the words, not with PAD
            packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
            states, last = self.gru(packed)
            states, _ = pad_packed_sequence(states, batch_first=True, total_length=source.shape[1])
        return states, torch.cat([last[0], last[1]], dim=1)


class Attention(nn.Module):
    """Scores, weights and context of every decoder state. Values are the encoder's states themselves."""

    def __init__(self, kind: str, hidden: int, size: int) -> None:
        super().__init__()
        if kind not in KINDS[1:]:
            raise ValueError(f"there is no attention {kind!r}; there are: {', '.join(KINDS[1:])}")
        self.kind = kind
        if kind in ("scaled", "additive"):
            self.W_q = nn.Linear(hidden, size, bias=False)
            self.W_k = nn.Linear(hidden, size, bias=False)
        if kind == "additive":
            self.v = nn.Linear(size, 1, bias=False)
        if kind == "general":
            self.W_k = nn.Linear(hidden, hidden, bias=False)

    def queries(self, decoder: Tensor) -> Tensor:
        return self.W_q(decoder) if hasattr(self, "W_q") else decoder

    def keys(self, encoder: Tensor) -> Tensor:
        return self.W_k(encoder) if hasattr(self, "W_k") else encoder

    def scores(self, Q: Tensor, K: Tensor) -> Tensor:
        """(n, T, d) and (n, S, d) -> (n, T, S)."""
        if self.kind == "additive":
            return self.v(torch.tanh(Q[:, :, None] + K[:, None])).squeeze(-1)
        scores = Q @ K.transpose(-2, -1)
        return scores / math.sqrt(K.shape[-1]) if self.kind == "scaled" else scores

    def forward(self, decoder: Tensor, encoder: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """context (n, T, hidden), alpha (n, T, S), scores (n, T, S; -inf where the mask is False)."""
        scores = self.scores(self.queries(decoder), self.keys(encoder))
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], -torch.inf)
        alpha = scores.softmax(dim=-1)
        return alpha @ encoder, alpha, scores


Change = Callable[[Tensor, Tensor], Tensor]  # (alpha (n, T, S), mask (n, S)) -> another alpha


class Translator(nn.Module):
    """Encoder, decoder GRU and readout; the context comes from attention, or is the same at every step ("none").

    The query is the decoder's state after it has read the last word (Luong's order), so that in training all T
    queries of a sentence are one matrix. `use_mask = False` lets attention look at PAD, to see what goes wrong.
    """

    def __init__(
        self,
        source_words: int,
        target_words: int,
        kind: str = "scaled",
        embed: int = 64,
        hidden: int = 96,
        attention_size: int = 64,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.kind, self.use_mask = kind, True
        self.encoder = Encoder(source_words, embed, hidden, dropout)
        self.bridge = nn.Linear(hidden, hidden)  # the encoder's summary -> the decoder's first state
        self.embedding = nn.Embedding(target_words, embed, padding_idx=PAD)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(embed, hidden, batch_first=True)
        self.attention = None if kind == "none" else Attention(kind, hidden, attention_size)
        self.combine = nn.Linear(2 * hidden, embed)  # state and context -> what the next word is read off from
        self.out = nn.Linear(embed, target_words)

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """states (n, S, hidden), summary (n, hidden), first decoder state (1, n, hidden)."""
        states, summary = self.encoder(batch.source, batch.lengths)
        return states, summary, torch.tanh(self.bridge(summary))[None]

    def look(self, decoder: Tensor, states: Tensor, summary: Tensor, mask: Tensor, change: Change | None = None):
        """context (n, T, hidden), alpha and scores (n, T, S); with "none" the summary, and alpha and scores None."""
        if self.attention is None:
            return summary[:, None].expand(-1, decoder.shape[1], -1), None, None
        context, alpha, scores = self.attention(decoder, states, mask if self.use_mask else None)
        if change is not None:
            alpha = change(alpha, mask)
            context = alpha @ states
        return context, alpha, scores

    def read(self, decoder: Tensor, context: Tensor) -> Tensor:
        """Logits (n, T, target words) from state and context."""
        combined = torch.tanh(self.combine(torch.cat([decoder, context], dim=-1)))
        return self.out(self.dropout(combined))

    def steps(self, batch: Batch, change: Change | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Teacher forcing, all steps at once: decoder states and contexts (n, T, hidden), and alpha (n, T, S)."""
        states, summary, first = self.encode(batch)
        embedded = self.dropout(self.embedding(batch.target[:, :-1]))
        decoder, _ = self.gru(embedded, first)
        context, alpha, _ = self.look(decoder, states, summary, batch.mask, change)
        return decoder, context, alpha

    def forward(self, batch: Batch, change: Change | None = None) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: logits (n, T, target words) for target[:, 1:], and alpha (n, T, S)."""
        decoder, context, alpha = self.steps(batch, change)
        return self.read(decoder, context), alpha


def count_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def matched_hidden(kind: str, parameters: int, source_words: int, target_words: int, **sizes: int) -> int:
    """The (even) hidden size at which a Translator of this kind comes nearest to so many parameters."""

    def distance(hidden: int) -> int:
        with torch.device("meta"):  # shapes only, nothing is allocated
            model = Translator(source_words, target_words, kind, **{**sizes, "hidden": hidden})
        return abs(count_parameters(model) - parameters)

    near = sizes.get("hidden", 96)
    return min(range(max(2, near - near // 2) // 2 * 2, 2 * near + 2, 2), key=distance)


# ------------------------------------------------------------------ training


@dataclass
class History:
    """What a training run left: one entry per check in `steps`, `seconds`, `val_loss`, `val_accuracy`."""

    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of training alone
    val_loss: list[float] = field(default_factory=list)  # per word, teacher forcing
    val_accuracy: list[float] = field(default_factory=list)  # share of the next words that are right, teacher forcing
    train_loss: list[float] = field(default_factory=list)  # of every step

    def check(self, step: int, seconds: float, loss: float, accuracy: float) -> None:
        """Note what a look at the validation set found."""
        self.steps.append(step)
        self.seconds.append(seconds)
        self.val_loss.append(loss)
        self.val_accuracy.append(accuracy)


def word_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy of the next words; PAD does not count."""
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch.target[:, 1:].flatten(), ignore_index=PAD)


def train_step(model: Translator, batch: Batch, optimizer: torch.optim.Optimizer, clip: float = 1.0) -> float:
    """One step with teacher forcing: the true words go in, each next word is asked for."""
    decoder, context, _ = model.steps(batch)
    real = batch.target[:, 1:] != PAD  # only real words are read off, and only they count
    loss = nn.functional.cross_entropy(model.read(decoder[real], context[real]), batch.target[:, 1:][real])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.item()


@torch.no_grad()
def evaluate_forced(model: Translator, split: Split, change: Change | None = None) -> tuple[float, float]:
    """Loss per word and share of right next words, given the true words before."""
    model.eval()
    loss, right, words = 0.0, 0, 0
    for batch in split.batches(250):
        logits, _ = model(batch, change)
        truth = batch.target[:, 1:]
        count = int((truth != PAD).sum())
        loss += word_loss(logits, batch).item() * count
        right += int(((logits.argmax(-1) == truth) & (truth != PAD)).sum())
        words += count
    return loss / words, right / words


def clock(device: torch.device) -> float:
    """Seconds; on a CPU those that this process has computed, so that other programs do not count."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def train_translator(
    corpus: Corpus,
    kind: str,
    seed: int,
    epochs: int,
    learning_rate: float = 3e-3,
    batch_size: int = 64,
    checks: int = 8,
    use_mask: bool = True,
    on_step: Callable[[int, Translator], None] | None = None,
    **sizes: Any,
) -> tuple[Translator, History]:
    """A trained Translator and its history. The learning rate falls to zero along a straight line.

    `sizes` are those of Translator (embed, hidden, attention_size, dropout). `on_step(steps done, model)` is called
    before the first step (0) and after every one; its time is not counted.
    """
    torch.manual_seed(seed)
    device = corpus.train.device
    model = Translator(len(corpus.source), len(corpus.target), kind, **sizes).to(device)
    model.use_mask = use_mask
    optimizer = torch.optim.Adam(model.parameters(), learning_rate, fused=True)
    total = epochs * math.ceil(len(corpus.train) / batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / total))
    at = {round(total * (k + 1) / checks) for k in range(checks)}
    history, seconds, step = History(), 0.0, 0
    if on_step:
        on_step(0, model)
    for epoch in range(epochs):
        start = clock(device)
        for batch in corpus.train.batches(batch_size, seed=1_000 * seed + epoch):
            model.train()
            history.train_loss.append(train_step(model, batch, optimizer))
            schedule.step()
            step += 1
            if step in at or on_step:
                seconds += clock(device) - start
                if step in at:
                    history.check(step, seconds, *evaluate_forced(model, corpus.val))
                if on_step:
                    on_step(step, model)
                start = clock(device)
        seconds += clock(device) - start
    model.eval()
    return model, history


# ------------------------------------------------------------------ translating


@dataclass(frozen=True)
class Translation:
    """What greedy decoding did, all on the CPU. Rows after a sentence's EOS mean nothing; `lengths` counts with EOS."""

    tokens: Tensor  # (n, T): the words, EOS, then PAD
    lengths: Tensor  # (n,)
    log_p: Tensor  # (n, T): of the chosen words
    context: Tensor  # (n, T, hidden)
    decoder: Tensor  # (n, T, hidden): its states; with attention, queries are made of them
    encoder: Tensor  # (n, S, hidden): its states; keys are made of them, values are they
    alpha: Tensor | None  # (n, T, S); None without attention
    scores: Tensor | None  # (n, T, S), before the softmax


@torch.no_grad()
def translate(model: Translator, batch: Batch, most: int = 30, change: Change | None = None) -> Translation:
    """Greedy decoding: at each step the likeliest word. `change` may replace the attention weights of every step."""
    model.eval()
    states, summary, hidden = model.encode(batch)
    words = torch.full((len(batch.source), 1), BOS, device=batch.source.device)
    done = torch.zeros(len(batch.source), dtype=torch.bool, device=batch.source.device)
    rows: list[tuple] = []
    for _ in range(most):
        decoder, hidden = model.gru(model.embedding(words), hidden)  # one step: (n, 1, hidden)
        context, alpha, scores = model.look(decoder, states, summary, batch.mask, change)
        logits = model.read(decoder, context)
        logits[..., [PAD, BOS]] = -torch.inf  # these are never written
        log_p, words = logits.log_softmax(-1).max(dim=-1)  # (n, 1) each
        words = words.masked_fill(done[:, None], PAD)
        rows.append((words, log_p, context, decoder, alpha, scores))
        done = done | (words[:, 0] == EOS)
        if done.all():
            break
    columns = [None if part[0] is None else torch.cat(part, dim=1).cpu() for part in zip(*rows, strict=True)]
    tokens, log_p, context, decoder, alpha, scores = columns
    lengths = (tokens != PAD).sum(dim=1)
    return Translation(tokens, lengths, log_p, context, decoder, states.cpu(), alpha, scores)


def translate_split(
    model: Translator, split: Split, target: Vocabulary, change: Change | None = None, size: int = 250, most: int = 30
) -> list[list[str]]:
    """The words of the translation of every sentence of a split."""
    found: list[list[str]] = []
    for batch in split.batches(size):
        found += [target.decode(row) for row in translate(model, batch, most, change).tokens]
    return found


# ------------------------------------------------------------------ how good


def exact(found: list[list[str]], split: Split) -> float:
    """The share of sentences that are the reference, word for word."""
    return sum(words == truth for words, (_, truth) in zip(found, split.pairs, strict=True)) / len(found)


def bleu(found: list[list[str]], references: list[list[str]]) -> float:
    """Corpus BLEU, 0 to 1: geometric mean of the precisions of 1 to 4 words in a row, times the brevity penalty."""
    matched, total = [0] * 4, [0] * 4
    for words, truth in zip(found, references, strict=True):
        for n in range(1, 5):
            have, want = (Counter(tuple(s[i : i + n]) for i in range(len(s) - n + 1)) for s in (words, truth))
            matched[n - 1] += sum((have & want).values())
            total[n - 1] += max(len(words) - n + 1, 0)
    if not min(matched):
        return 0.0
    precision = math.exp(sum(math.log(m / t) for m, t in zip(matched, total, strict=True)) / 4)
    length, wanted = sum(map(len, found)), sum(map(len, references))
    return precision * min(1.0, math.exp(1 - wanted / length))
