"""Day 33: a trained translator looks back: real queries, keys, scores, weights and contexts, step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from kit.beams import Beams
from kit.heatmap import Cells
from kit.scene import LectureScene
from kit.theme import MARGIN, PAGE_WIDTH, at, stroke
from kit.tokens import TokenBars, TokenRow, rounded
from kit.typeset import Typeset
from manim import FadeIn, FadeOut, Line, VGroup

WIDTH = PAGE_WIDTH - 2 * MARGIN
READ, WRITTEN = 146.0, 474.0  # tops of the rows of words
KEYS, KEY_HIGH = 184.0, 44.0  # top and height of the pictures of the keys
SCORES, GROUND, BAR = 250.0, 330.0, 62.0  # baseline of the scores; foot and height of the bars
CONTEXT = (404.0, 394.0, 152.0, 38.0)  # left, top, width, height of the picture of the context
QUERY = (60.0, 394.0, 152.0, 38.0)


def folded(vector: np.ndarray, rows: int) -> np.ndarray:
    """A vector as a picture with so many rows; what is missing in the last column is zero."""
    columns = -(-len(vector) // rows)
    padded = np.zeros(rows * columns)
    padded[: len(vector)] = vector
    return padded.reshape(columns, rows).T


class AttentionWeights(LectureScene):
    """A translator reads a test sentence; each of its words has a key, drawn as a small picture of numbers.

    The decoder's query is compared with every key. The scores become weights by a softmax, bars that sum to one.
    Beams as thick as the weights bring the words' states together in one context, and the next word is written. For
    every further word there are other weights and another context. Without attention the context is always the same.
    """

    def construct(self) -> None:
        self.source, self.ours = self.metric("hook_source"), self.metric("hook_attention")
        self.alpha = self.array("hook_alpha").astype(float)  # (T, S)
        self.scores = self.array("hook_scores").astype(float)
        if not np.allclose(self.alpha.sum(axis=1), 1, atol=1e-4) or len(self.source) != self.alpha.shape[1]:
            raise ValueError("hook_alpha must have a row for each step and a column for each word, and rows sum to 1")
        self.step = self.first_jump()
        with self.beat("Every word that was read has a key"):
            self.keys()
        with self.beat("The decoder asks: its query meets every key"):
            self.compare()
        with self.beat("Softmax: scores become weights"):
            self.weigh()
        with self.beat("The context: a mean of all words, by these weights"):
            self.gather()
        with self.beat("Again for every word: another question, another context"):
            self.go_on()
        with self.beat("Without attention: the same context at every step"):
            self.without()

    def first_jump(self) -> int:
        """The first step (after the first word) that looks elsewhere than one word further on; else the second."""
        top = self.alpha.argmax(axis=1)
        jumps = [t for t in range(1, len(top) - 1) if top[t] - top[t - 1] not in (0, 1)]
        return jumps[0] if jumps else min(1, len(top) - 1)

    # ---------------------------------------------------------------- parts

    def picture(self, vector: np.ndarray, box: Sequence[float], rows: int, scale: float, frame: str) -> VGroup:
        """A vector as signed cells in a box, with a frame of this colour."""
        values = folded(np.asarray(vector, float), rows)
        left, top, width, height = box
        row, column = np.divmod(np.arange(values.size), values.shape[1])
        wide, high = width / values.shape[1], height / rows
        boxes = np.stack(
            [left + column * wide, top + row * high, np.full(values.size, wide), np.full(values.size, high)], axis=1
        )
        ground = rounded(left - 3, top - 3, width + 6, height + 6, 4.0).set_fill(self.theme["surface"], 1.0)
        ground.set_stroke(self.theme[frame], stroke(1.6))
        return VGroup(ground, Cells(self.theme, values, signed=True, scale=scale).put(boxes))

    def key_box(self, i: int) -> tuple[float, float, float, float]:
        return (self.read.middle(i) - 16, KEYS, 32.0, KEY_HIGH)

    def label(self, words: str, x: float, y: float, align: str = "left", size: float = 16) -> Typeset:
        return self.words(words, size, "muted").put(x, y, align)

    def numbers(self, values: np.ndarray, baseline: float, digits: int, role: str = "text") -> VGroup:
        """A number below each word that was read."""
        shown = (f"{v:.{digits}f}".replace("-", "−") for v in values)
        return VGroup(
            self.words(text, 14, role).put(self.read.middle(i), baseline, "center") for i, text in enumerate(shown)
        )

    # ---------------------------------------------------------------- 1 keys

    def keys(self) -> None:
        self.read = TokenRow(self.type, self.source, (MARGIN, READ, WIDTH, 30.0), size=17, narrowest=44.0)
        last_left, last_width = self.read.columns[-1]
        shift = (PAGE_WIDTH - MARGIN - last_left - last_width) / 2  # centre the row
        self.read = TokenRow(self.type, self.source, (MARGIN + shift, READ, WIDTH, 30.0), size=self.read.size,
                             narrowest=44.0)  # fmt: skip
        self.play(FadeIn(self.read, lag_ratio=0.15), run_time=1.6)
        keys = self.array("hook_keys").astype(float)
        scale = float(np.quantile(np.abs(keys), 0.98))
        self.shown_keys = VGroup(self.picture(k, self.key_box(i), 8, scale, "muted") for i, k in enumerate(keys))
        self.play(FadeIn(self.shown_keys, lag_ratio=0.1), run_time=1.6)
        note = VGroup(
            self.words(f"a key: {keys.shape[1]} numbers, made from the encoder's state of that word", 18).put(
                MARGIN, 290
            ),
            self.words("#pos[positive] and #neg[negative]", 18, "muted").put(MARGIN, 318),
        )  # fmt: skip
        self.write_lines(note, 0.8)
        self.wait(1.0)
        self.play(FadeOut(note), run_time=0.4)

    # ---------------------------------------------------------------- 2 scores

    def compare(self) -> None:
        self.write = TokenRow(self.type, self.ours, (MARGIN, WRITTEN, WIDTH, 30.0), size=17)
        self.told = self.label("written so far", MARGIN, WRITTEN - 10)
        self.play(FadeIn(self.told), *(FadeIn(self.write[t]) for t in range(self.step)), run_time=0.8)
        queries = self.array("hook_queries").astype(float)
        self.query_scale = float(np.quantile(np.abs(queries), 0.98))
        self.query = self.picture(queries[self.step], QUERY, 4, self.query_scale, "violet")
        self.query_word = self.label("query", QUERY[0], QUERY[1] - 12)
        self.play(FadeIn(self.query), FadeIn(self.query_word), run_time=0.7)
        self.formula_shown = self.formula("(q dot k) / sqrt(d)", 20).put(PAGE_WIDTH - MARGIN, 420, "right")
        self.play(FadeIn(self.formula_shown), run_time=0.4)
        self.score_numbers = self.numbers(self.scores[self.step], SCORES, 1)
        start = at(QUERY[0] + QUERY[2] / 2, QUERY[1] - 26)
        for i, number in enumerate(self.score_numbers):
            ray = Line(start, at(self.read.middle(i), SCORES + 10), stroke_width=stroke(2.0))
            ray.set_stroke(self.theme["violet"])
            frame = self.shown_keys[i][0]
            frame.set_stroke(self.theme["violet"], stroke(2.6))
            self.add(ray)
            self.play(FadeIn(number), run_time=0.27)
            self.remove(ray)
            frame.set_stroke(self.theme["muted"], stroke(1.6))
        self.add(self.score_numbers)  # as one, so that they can be taken away as one
        self.wait(1.2)

    # ---------------------------------------------------------------- 3 weights

    def weigh(self) -> None:
        self.bars = TokenBars(self.type, self.read.columns, GROUND, BAR)
        left, right = self.read.columns[0][0], sum(self.read.columns[-1])
        self.ground = Line(at(left, GROUND), at(right, GROUND), stroke_width=stroke(1.2))
        self.ground.set_stroke(self.theme["muted"])
        self.add(self.bars)
        formula = self.formula('alpha = "softmax"("scores")', 20).put(PAGE_WIDTH - MARGIN, 420, "right")
        self.play(FadeIn(self.ground), FadeOut(self.formula_shown), FadeIn(formula), run_time=0.5)
        self.formula_shown = formula
        self.play(self.bars.to(self.alpha[self.step]), run_time=1.6)
        self.weight_numbers = self.numbers(self.alpha[self.step], GROUND + 20, 2, "accent")
        self.play(FadeIn(self.weight_numbers, lag_ratio=0.1), run_time=1.0)
        self.light_top()
        self.wait(1.6)

    def light_top(self) -> None:
        """Frame the word that has the largest weight now."""
        for i in range(len(self.source)):
            self.read.unlight(i)
        self.read.light(int(self.alpha[self.step].argmax()), "accent")

    # ---------------------------------------------------------------- 4 context

    def gather(self) -> None:
        contexts = self.array("hook_context").astype(float)
        self.context_scale = float(np.quantile(np.abs(contexts), 0.98))
        starts = [(self.read.middle(i), GROUND + 4) for i in range(len(self.source))]
        self.beams = Beams(self.theme, starts, [(CONTEXT[0] + CONTEXT[2] / 2, CONTEXT[1] - 5)], widest=34.0)
        self.add(self.beams)
        self.play(FadeOut(self.weight_numbers), run_time=0.3)
        self.play(self.beams.to(self.alpha[self.step]), run_time=1.4)
        self.context = self.picture(contexts[self.step], CONTEXT, 4, self.context_scale, "accent")
        formula = self.formula("c = alpha V", 20).put(PAGE_WIDTH - MARGIN, 420, "right")
        self.context_word = self.label("context", CONTEXT[0] + CONTEXT[2] + 14, CONTEXT[1] + 25)
        self.play(
            FadeIn(self.context), FadeIn(self.context_word), FadeOut(self.formula_shown), FadeIn(formula), run_time=0.8
        )
        self.formula_shown = formula
        self.wait(0.8)
        self.write.light(self.step, "accent")
        self.play(FadeIn(self.write[self.step]), run_time=0.7)
        self.wait(1.6)

    # ---------------------------------------------------------------- 5 go on

    def go_on(self) -> None:
        contexts, queries = self.array("hook_context").astype(float), self.array("hook_queries").astype(float)
        for step in range(self.step + 1, len(self.ours)):
            self.write.unlight(step - 1)
            self.step = step
            query = self.picture(queries[step], QUERY, 4, self.query_scale, "violet")
            context = self.picture(contexts[step], CONTEXT, 4, self.context_scale, "accent")
            scores = self.numbers(self.scores[step], SCORES, 1)
            self.remove(self.query, self.score_numbers)
            self.add(query, scores)
            self.play(self.bars.to(self.alpha[step]), self.beams.to(self.alpha[step]), run_time=0.8)
            self.light_top()
            self.remove(self.context)
            self.add(context)
            self.write.light(step, "accent")
            self.play(FadeIn(self.write[step]), run_time=0.4)
            self.wait(0.4)
            self.query, self.context, self.score_numbers = query, context, scores
        self.write.unlight(self.step)
        self.wait(1.6)

    # ---------------------------------------------------------------- 6 the other translator

    def without(self) -> None:
        gone = [self.bars, self.ground, self.beams, self.context, self.context_word, self.query, self.query_word]
        gone += [self.score_numbers, self.shown_keys, self.formula_shown, self.write, self.told]
        self.play(*(FadeOut(m) for m in gone), run_time=0.6)
        for i in range(len(self.source)):
            self.read.unlight(i)
        fixed = np.repeat(self.array("hook_fixed_context")[None].astype(float), len(self.metric("hook_fixed")), axis=0)
        rows = (
            ("with attention: a context for every step", self.ours, self.array("hook_context").astype(float), 226.0),
            ("without: one context for all of them", self.metric("hook_fixed"), fixed, 380.0),
        )
        truth = self.metric("hook_truth")
        for words, tokens, contexts, top in rows:
            row = TokenRow(self.type, tokens, (MARGIN, top + 62, WIDTH, 30.0), size=17, narrowest=48.0)
            for i, word in enumerate(tokens):
                if word not in truth and word[0].isalnum():  # not its signs
                    row.light(i, "bad")
            scale = float(np.quantile(np.abs(contexts), 0.98))
            pictures = VGroup(
                self.picture(c, (row.middle(i) - 21, top + 8, 42.0, 42.0), 8, scale, "muted")
                for i, c in enumerate(contexts)
            )
            self.play(FadeIn(self.label(words, MARGIN, top - 8, size=17)), run_time=0.4)
            for picture, token in zip(pictures, row, strict=True):
                self.play(FadeIn(picture), FadeIn(token), run_time=0.27)
            self.wait(1.0)
        self.wait(1.6)
