"""Day 34: an attention map is written row by row and then blurred; the same map sharpens while the network learns."""

from __future__ import annotations

import numpy as np
from kit.alignment import AttentionMap
from kit.curve import TrainingCurve
from kit.scene import LectureScene
from kit.theme import MARGIN
from kit.typeset import Typeset, plain
from manim import Create, FadeIn, FadeOut, ValueTracker, VGroup, linear, smooth

BOTTOM, WIDEST, LARGEST = 506.0, 380.0, 38.0  # points: lowest edge, greatest width and largest cell of a map
WORDS = 17.0  # size of the words of a map
SIDE = 636.0  # where the right part of the page begins
AXES = (SIDE, 880.0 - SIDE)  # left and width of the curves


class MapScene(LectureScene):
    """What both scenes share: a map that fills the left part of the page."""

    def map(self, weights: np.ndarray, rows: list[str], columns: list[str]) -> AttentionMap:
        across = max(self.words(plain(word), WORDS).advance for word in rows)
        upright = max(self.words(plain(word), WORDS).advance for word in columns)
        x, y = MARGIN + across + 10, 148 + upright + 10
        cell = min(LARGEST, (BOTTOM - y) / len(rows), WIDEST / len(columns))
        return AttentionMap(self.type, weights, rows, columns, x, y, cell, min(WORDS, 0.62 * cell))


class WordByWord(MapScene):
    """The map of one test sentence fills row by row while the network writes; then its rows are blurred."""

    def construct(self) -> None:
        self.alpha = self.array("written_alpha")
        self.columns = [*self.metric("source_words"), "<eos>"]
        self.written = list(self.metric("translation_words"))
        with self.beat("Columns: what is read"):
            self.columns_first()
        with self.beat("Rows: what is written"):
            self.row_by_row()
        with self.beat("What the dictionary says"):
            self.dictionary()
        with self.beat("Blur it, and translate again"):
            self.blur()

    def columns_first(self) -> None:
        self.shown = self.map(self.alpha, self.written, self.columns).until(0)
        self.play(FadeIn(self.shown.ground), FadeIn(self.shown.image), FadeIn(self.shown.grid), run_time=0.6)
        for word in self.shown.columns:
            self.play(FadeIn(word), run_time=0.25)
        note = VGroup(
            self.words("read by the encoder", 19, "muted").put(SIDE, 200),
            self.words(f"{len(self.columns) - 1} words and an end mark", 19, "muted").put(SIDE, 228),
        )
        self.play(FadeIn(note), run_time=0.5)
        self.wait(1.0)
        self.note = note

    def row_by_row(self) -> None:
        self.play(FadeOut(self.note), run_time=0.3)
        self.strongest = VGroup()
        x = self.shown.right() + 14
        for row, word in enumerate(self.shown.rows):
            best = int(self.alpha[row].argmax())
            share = f"{100 * self.alpha[row, best]:.0f} %"
            middle = self.shown.cell(row, 0)[1] + self.shown.cell_size / 2
            text = f"#pos[{plain(self.columns[best])}] #dim[{plain(share)}]"
            beside = self.words(text, min(15.0, 0.62 * self.shown.cell_size)).put(x, middle + 5)
            filling = ValueTracker(float(row))
            self.shown.image.add_updater(lambda _, filling=filling: self.shown.until(filling.get_value()))
            self.play(FadeIn(word), filling.animate.set_value(row + 1.0), run_time=0.6, rate_func=smooth)
            self.shown.image.clear_updaters()
            self.shown.until(row + 1)
            self.play(FadeIn(beside), run_time=0.2)
            self.wait(0.2)
            self.strongest.add(beside)
        parts = (self.shown.ground, self.shown.image, self.shown.grid, *self.shown.rows, *self.shown.columns)
        self.remove(*parts)  # they came one by one; from here on the map is one piece
        self.add(self.shown)
        self.wait(0.8)

    def dictionary(self) -> None:
        links, swapped = self.array("written_links"), self.array("written_crossing")
        hits = [int(self.alpha[row].argmax()) == column for row, column in links]
        rings = VGroup(
            self.shown.ring(int(row), int(column), "accent2" if hit else "bad")
            for (row, column), hit in zip(links, hits, strict=True)
        )
        self.play(FadeOut(self.strongest), run_time=0.3)
        lines = VGroup(self.words("rings: one obvious translation", 18).put(SIDE - 40, 220))
        self.play(FadeIn(lines[0]), run_time=0.4)
        for ring in rings:
            self.play(Create(ring), run_time=0.45)
        share = f"#text(fill: tone.accent2)[{sum(hits)} of {len(hits)}] on the strongest cell"
        text = share if hits else "none in this translation"
        lines.add(self.words(text, 18).put(SIDE - 40, 252))
        if swapped.any():
            lines.add(self.words(f"{int(swapped.sum())} of them change places", 18).put(SIDE - 40, 284))
        for line in lines[1:]:
            self.play(FadeIn(line), run_time=0.4)
        self.wait(1.4)
        self.rings, self.note = rings, lines

    def blur(self) -> None:
        weights, bleu = self.array("blur_weights"), 100 * self.array("blur_bleu")
        alphas, spoken = self.array("blur_alpha"), self.metric("blur_words")
        top = max(10.0, 10 * float(np.ceil(bleu.max() / 10)))
        curve = TrainingCurve(
            self.type, (AXES[0], 210, AXES[1], 200), 100 * weights, bleu, x_ticks={0: "0", 50: "50", 100: "100"},
            y_ticks={0: "0", top / 2: f"{top / 2:.0f}", top: f"{top:.0f}"}, y_range=(0, top),
            title="BLEU of all translations", x_label="percent uniform",
        )  # fmt: skip
        self.play(FadeOut(self.rings), FadeOut(self.note), FadeIn(curve), run_time=0.6)
        for k, weight in enumerate(weights):
            rows = spoken[k] or ["(nothing)"]
            alpha = alphas[k, : len(rows)]
            if rows == list(self.written):
                self.shown.show(alpha)
            else:
                self.remove(self.shown)
                self.shown, self.written = self.map(alpha, rows, self.columns), rows
                self.add(self.shown)
            curve.until(100 * weight)
            self.wait(0.75 if k else 0.3)
        self.wait(1.6)


class Sharpening(MapScene):
    """One map over the steps of training, with curves; then the maps of other seeds and of reversed English."""

    def construct(self) -> None:
        self.steps, self.snapshots = self.array("steps").astype(int), self.array("snapshots")
        self.columns = [*self.metric("source_words"), "<eos>"]
        self.now = ValueTracker(0.0)  # log10(steps + 1)
        with self.beat("Before training"):
            self.before()
        with self.beat("The map sharpens"):
            self.sharpen()
        with self.beat("Another random start"):
            self.other_seeds()
        with self.beat("Reversed English"):
            self.reversed()

    def before(self) -> None:
        self.shown = self.map(self.snapshots[0], self.metric("target_words"), self.columns)
        self.play(FadeIn(self.shown), run_time=0.8)
        uniform = f"every weight near {1 / len(self.columns):.2f}"
        self.note = VGroup(
            self.words(uniform, 19).put(SIDE, 230),
            self.words(f"one word in {len(self.columns)}", 19, "muted").put(SIDE, 260),
        )
        self.play(FadeIn(self.note), run_time=0.5)
        self.wait(1.2)

    def sharpen(self) -> None:
        found = self.curve("snapshot_found", "dictionary links found", 196, "accent")
        right = self.curve("snapshot_right", "next word right", 364, "accent2", "steps")
        self.play(FadeOut(self.note), FadeIn(found), FadeIn(right), run_time=0.6)
        counter = self.following(self.now, self.told)
        followers = [
            (self.shown, lambda shown: shown.show(self.snapshots[self.snapshot()])),
            (found, lambda curve: curve.until(self.at_step())),
            (right, lambda curve: curve.until(self.at_step())),
        ]
        for follower, update in followers:
            follower.add_updater(update)
        self.add(counter)
        self.play(self.now.animate.set_value(np.log10(self.steps[-1] + 1)), rate_func=linear, run_time=8.0)
        for follower in (self.shown, found, right, counter):
            follower.clear_updaters()
        self.shown.show(self.snapshots[-1])
        self.wait(1.4)
        self.beside = VGroup(found, right, counter)

    def curve(self, name: str, title: str, top: float, role: str, x_label: str = "") -> TrainingCurve:
        measured = self.steps >= 1
        last = int(self.steps[-1])
        ticks = {10**k: f"{10**k:,}" for k in range(6) if 10**k <= last} if x_label else {}
        return TrainingCurve(
            self.type, (AXES[0], top, AXES[1], 96), self.steps[measured], 100 * self.array(name)[measured],
            x_ticks=ticks, y_ticks={0: "0", 50: "50", 100: "100"}, y_range=(0, 100), title=f"{title}, %",
            x_label=x_label, role=role, step_scale="log",
        )  # fmt: skip

    def at_step(self) -> float:
        return 10 ** self.now.get_value() - 1

    def snapshot(self) -> int:
        """The last map that was kept by now."""
        return max(0, int(np.searchsorted(self.steps, self.at_step() + 0.5)) - 1)

    def told(self, _: float) -> Typeset:
        steps = int(self.at_step() + 0.5)
        words = f"#text(weight: 700)[{steps:,} {'step' if steps == 1 else 'steps'}]"
        return self.words(words, 18).put(AXES[0] + AXES[1], 142, "right")

    def other_seeds(self) -> None:
        maps, share = self.array("seed_maps"), ValueTracker(0.0)
        self.play(FadeOut(self.beside), run_time=0.4)
        first = int(self.metric("first_seed"))
        name = self.words(f"seed {first}", 22).put(SIDE, 250)
        self.play(FadeIn(name), run_time=0.4)
        self.wait(0.8)
        for k in range(1, len(maps)):
            one, other = maps[k - 1], maps[k]
            self.shown.add_updater(
                lambda shown, a=one, b=other: shown.show(a + share.get_value() * (b - a)), call_updater=False
            )
            following = self.words(f"seed {first + k}", 22).put(SIDE, 250)
            self.play(FadeOut(name), FadeIn(following), share.animate.set_value(1.0), run_time=1.2)
            self.shown.clear_updaters()
            self.shown.show(other)
            share.set_value(0.0)
            self.wait(1.6)
            name = following
        self.beside = VGroup(name)

    def reversed(self) -> None:
        columns = [*reversed(self.columns[:-1]), "<eos>"]
        turned = self.map(self.array("reverse_map"), self.metric("target_words"), columns)
        lines = VGroup(
            self.words("the English words in reverse", 19).put(SIDE, 230),
            self.words(f"next word right: {100 * self.metric('reverse_accuracy'):.1f} %", 19).put(SIDE, 264),
            self.words(f"in their order: {100 * self.metric('forward_accuracy'):.1f} %", 19, "muted").put(SIDE, 294),
        )
        self.play(FadeOut(self.shown), FadeOut(self.beside), run_time=0.5)
        self.play(FadeIn(turned), run_time=0.8)
        self.write_lines(lines, 0.5)
        self.wait(1.4)
