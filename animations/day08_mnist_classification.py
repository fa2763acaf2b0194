"""Day 8: 64 real images pass through the network as one matrix; 16 hidden units learn what to look for."""

from __future__ import annotations

import numpy as np
from kit.curve import TrainingCurve
from kit.heatmap import Cells, Frame, Rearrange
from kit.pixels import PixelGrid, matrix_boxes, picture_boxes
from kit.scene import LectureScene
from kit.theme import MARGIN, at, stroke, units
from kit.typeset import Typeset
from manim import Create, FadeIn, FadeOut, Line, Rectangle, ValueTracker, VGroup, VMobject, linear, smooth

TOP, HEIGHT = 186.0, 288.0  # points: upper end and height of the matrices of the batch
SHAPES, HEADS = 492.0, 174.0  # baselines of what stands below and above them
PIXELS, HIDDEN, LOGITS, LOSSES = (60.0, 300.0), (424.0, 128.0), (590.0, 160.0), (784.0, 116.0)  # left and width
LONGEST = 6.0  # of the bars of the losses


def apart(heights: list[float], gap: float) -> list[float]:
    """Ascending heights, moved until neighbours are `gap` apart: first downwards, then back up if the last went far."""
    moved = list(heights)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    moved[-1] = min(moved[-1], max(heights[-1], moved[0] + gap * (len(moved) - 1)))
    for i in range(len(moved) - 2, -1, -1):
        moved[i] = min(moved[i], moved[i + 1] - gap)
    return moved


class BatchThroughNetwork(LectureScene):
    """64 handwritten digits become a matrix with a row for each, then 128 hidden values, ten logits and a loss a row.

    One training step later the loss is smaller, and after training every row's largest logit is that of its digit.
    """

    def construct(self) -> None:
        self.labels = self.array("flow_labels").astype(int)
        self.order = np.argsort(np.argsort(self.labels, kind="stable"))  # image -> its row, sorted by label
        with self.beat("One batch from the loader"):
            self.one_batch()
        with self.beat("A row for every image"):
            self.one_row_each()
        with self.beat("The hidden layer"):
            self.hidden_layer()
        with self.beat("Ten logits a row"):
            self.ten_logits()
        with self.beat("One number: the loss"):
            self.one_number()
        with self.beat(f"One step, then all {int(self.metric('steps')):,}"):
            self.steps()

    def matrix(self, name: str, place: tuple[float, float], scale: float, signed: bool = True) -> VGroup:
        """A matrix with the rows of the batch, on its ground."""
        values = self.array(name)
        left, width = place
        ground = Frame(self.theme, left, TOP, width, HEIGHT)
        cells = Cells(self.theme, values, signed=signed, scale=scale)
        return VGroup(ground, cells.put(matrix_boxes(self.order, values.shape[1], left, TOP, width, HEIGHT)))

    def under(self, place: tuple[float, float], words: str) -> Typeset:
        return self.words(words, 16, "muted").put(place[0] + place[1] / 2, SHAPES, "center")

    def over(self, place: tuple[float, float], formula: str, size: float = 19) -> Typeset:
        return self.formula(formula, size).put(place[0] + place[1] / 2, HEADS, "center")

    # ---------------------------------------------------------------- 1 one batch

    def one_batch(self) -> None:
        self.cells = Cells(self.theme, self.array("flow_pixels"), scale=1.0)
        self.grid = picture_boxes(len(self.labels), 28, 8, MARGIN, 140.0, 370.0)
        self.ground = Frame(self.theme, MARGIN - 4, 136.0, 378.0, 378.0)
        self.play(FadeIn(self.ground), FadeIn(self.cells.put(self.grid)), run_time=1.0)
        code = '#text(font: "JetBrains Mono", size: 17pt)[images, labels = next(iter(loader))]'
        lines = VGroup(
            self.words(code, 17).put(480, 214),
            self.words("64 images, in an order drawn at random", 20).put(480, 262),
            self.words('#text(font: "JetBrains Mono")[images: 64 × 1 × 28 × 28]', 18, "muted").put(480, 300),
            self.words('#text(font: "JetBrains Mono")[labels: 64]', 18, "muted").put(480, 330),
        )
        self.write_lines(lines, 0.6)
        self.wait(1.0)
        self.beside = lines

    # ---------------------------------------------------------------- 2 a row each

    def one_row_each(self) -> None:
        left, width = PIXELS
        rows = matrix_boxes(self.order, 784, left, TOP, width, HEIGHT)
        ground = Frame(self.theme, left, TOP, width, HEIGHT)
        self.play(FadeOut(self.beside), FadeOut(self.ground), FadeIn(ground), run_time=0.5)
        self.add(self.cells)
        self.play(Rearrange(self.cells, self.grid, rows, lag=2.0, run_time=3.6))
        shape = self.under(PIXELS, "64 images × 784 pixels")
        self.play(FadeIn(self.over(PIXELS, "upright(bold(X))")), FadeIn(shape), run_time=0.5)
        words = VGroup(
            self.words("each row is one picture, unrolled", 20).put(424, 250),
            self.words("sorted by label here, only to see better", 18, "muted").put(424, 282),
        )
        self.write_lines(words, 0.5)
        self.play(FadeIn(names := self.label_names()), run_time=0.5)
        self.wait(1.0)
        self.beside, self.names = words, names

    def label_names(self) -> VGroup:
        """Beside the matrix: where the rows of each digit lie."""
        step, x = HEIGHT / len(self.labels), PIXELS[0] + PIXELS[1] + 8
        bars, middles = VGroup(), {}
        for digit in np.unique(self.labels):
            rows = np.sort(self.order[self.labels == digit])
            begin, end = TOP + rows[0] * step, TOP + (rows[-1] + 1) * step
            bar = Line(at(x, begin + 1), at(x, end - 1), stroke_width=stroke(2.0)).set_stroke(self.theme["muted"])
            bars.add(bar)
            middles[digit] = (begin + end) / 2
        places = apart(list(middles.values()), 16.0)
        names = VGroup(
            self.words(str(digit), 16, "muted").put(x + 14, y + 6, "center")
            for digit, y in zip(middles, places, strict=True)
        )
        return VGroup(bars, names)

    # ---------------------------------------------------------------- 3 hidden

    def hidden_layer(self) -> None:
        scale = float(np.quantile(self.array("flow_after_hidden"), 0.99))
        self.hidden = self.matrix("flow_before_hidden", HIDDEN, scale)
        head = self.over(HIDDEN, 'op("ReLU")(upright(bold(X W))_1^T + upright(bold(b))_1)', 16)
        self.play(FadeOut(self.beside), run_time=0.3)
        self.play(FadeIn(self.hidden[0]), FadeIn(head), run_time=0.5)
        self.sweep(self.hidden[1], HIDDEN)
        self.play(FadeIn(self.under(HIDDEN, "64 × 128")), run_time=0.4)
        words = VGroup(
            self.words("one multiplication", 20).put(600, 250),
            self.words("for the whole batch", 20).put(600, 278),
            self.words(f"{64 * 784 * 128:,} products", 18, "muted").put(600, 316),
        )
        self.write_lines(words, 0.4)
        self.wait(1.0)
        self.beside = words

    def sweep(self, cells: Cells, place: tuple[float, float]) -> None:
        """Uncover a matrix from above; a light line passes over all columns of the batch."""
        left, width = place
        cover = Rectangle(width=units(width + 2), height=units(HEIGHT), stroke_width=0, fill_opacity=1.0)
        cover.set_fill(self.theme["surface"]).move_to(at(left + width / 2, TOP + HEIGHT / 2))
        line = Line(at(PIXELS[0], TOP), at(left + width, TOP), stroke_width=stroke(2.0)).set_stroke(self.theme["good"])
        self.add(cells, cover, line)
        done = ValueTracker(0.0)

        def uncover(shown: VMobject) -> None:
            hidden = max(0.01, HEIGHT * (1 - done.get_value()))
            shown.stretch_to_fit_height(units(hidden)).move_to(at(left + width / 2, TOP + HEIGHT - hidden / 2))

        cover.add_updater(uncover)
        line.add_updater(
            lambda shown: shown.move_to(at((PIXELS[0] + left + width) / 2, TOP + HEIGHT * done.get_value()))
        )
        self.play(done.animate.set_value(1.0), rate_func=smooth, run_time=2.2)
        self.remove(cover, line)

    # ---------------------------------------------------------------- 4 logits

    def ten_logits(self) -> None:
        self.scale = float(np.abs(self.array("flow_after_logits")).max()) * 0.6
        before = self.array("flow_before_logits")
        self.logits = self.matrix("flow_before_logits", LOGITS, float(np.abs(before).max()) * 1.5)
        self.play(FadeOut(self.beside), run_time=0.3)
        self.play(FadeIn(self.logits[0]), run_time=0.3)
        self.sweep(self.logits[1], LOGITS)
        heads = VGroup(
            self.words(str(d), 16, "muted").put(LOGITS[0] + (d + 0.5) * LOGITS[1] / 10, HEADS, "center")
            for d in range(10)
        )
        self.brightest = self.colours(float(np.abs(before).max()) * 1.5)
        self.play(FadeIn(heads), FadeIn(self.under(LOGITS, "64 × 10 logits")), FadeIn(self.brightest), run_time=0.5)
        right = int(self.metric("flow_before_right"))
        words = VGroup(
            self.words("largest logit", 18).put(770, 250),
            self.words("is the answer", 18).put(770, 276),
            self.words(f"right: #text(weight: 700)[{right} of 64]", 20).put(770, 320),
            self.words("(untrained)", 17, "muted").put(770, 346),
        )
        self.write_lines(words, 0.3)
        self.wait(1.0)
        self.beside = words

    def colours(self, scale: float) -> Typeset:
        """What the brightest colours of the logits stand for: they are far larger after the training."""
        return self.words(f"brightest: ±{scale:.1f}", 15, "muted").put(LOGITS[0] + LOGITS[1] / 2, SHAPES + 18, "center")

    # ---------------------------------------------------------------- 5 loss

    def losses(self, moment: str) -> np.ndarray:
        """The cross-entropy of each image, from the logits; the mean must be the loss of the run."""
        logits = self.array(f"flow_{moment}_logits").astype(float)
        shifted = logits - logits.max(axis=1, keepdims=True)
        each = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(logits)), self.labels]
        if not np.isclose(each.mean(), float(self.array(f"flow_{moment}_loss")), rtol=1e-3, atol=1e-5):
            raise ValueError(f"flow_{moment}_loss is not the mean cross-entropy of its logits")
        return each

    def bars(self, moment: str) -> VGroup:
        step, longest = HEIGHT / len(self.labels), LOSSES[1]
        bars = VGroup()
        for each, row in zip(self.losses(moment), self.order, strict=True):
            width = max(0.8, min(each / LONGEST, 1.0) * longest)
            bar = Rectangle(width=units(width), height=units(step * 0.72), stroke_width=0, fill_opacity=1)
            bars.add(bar.set_fill(self.theme["bad"]).move_to(at(LOSSES[0] + width / 2, TOP + (row + 0.5) * step)))
        return bars

    def loss_words(self, loss: float) -> Typeset:
        return self.formula(f'upright("mean") = {loss:.3f}', 18).put(LOSSES[0] - 6, SHAPES)

    def one_number(self) -> None:
        self.shown_bars = self.bars("before")
        head = self.formula('-log p_upright("digit")', 18, "bad").put(LOSSES[0], HEADS)
        self.play(FadeOut(self.beside), FadeIn(head), run_time=0.4)
        self.play(FadeIn(self.shown_bars, lag_ratio=0.02), run_time=1.6)
        self.mean = self.loss_words(float(self.array("flow_before_loss")))
        self.play(FadeIn(self.mean), run_time=0.6)
        self.wait(1.6)

    # ---------------------------------------------------------------- 6 steps

    def steps(self) -> None:
        self.change("stepped", "after one step")
        self.wait(1.6)
        self.change("after", f"after {int(self.metric('steps')):,} steps")
        self.wait(2.0)

    def change(self, moment: str, words: str) -> None:
        """The same batch through the network at another moment of its training."""
        scale_hidden = float(np.quantile(self.array("flow_after_hidden"), 0.99))
        hidden = self.matrix(f"flow_{moment}_hidden", HIDDEN, scale_hidden)
        scale = self.scale if moment == "after" else float(np.abs(self.array("flow_before_logits")).max()) * 1.5
        logits = self.matrix(f"flow_{moment}_logits", LOGITS, scale)
        bars, mean = self.bars(moment), self.loss_words(float(self.array(f"flow_{moment}_loss")))
        right = int(self.metric(f"flow_{moment}_right"))
        told = self.words(f"{words}: #text(weight: 700)[{right} of 64 right]", 17).put(900, 122, "right")
        brightest = self.colours(scale)
        old = [self.hidden[1], self.logits[1], self.shown_bars, self.mean, self.brightest]
        if hasattr(self, "told"):
            old.append(self.told)
        new = [hidden[1], logits[1], bars, mean, told, brightest]
        self.play(*(FadeOut(m) for m in old), run_time=0.5)
        self.play(*(FadeIn(m) for m in new), run_time=0.9)
        self.hidden, self.logits, self.shown_bars, self.mean, self.told = hidden, logits, bars, mean, told
        self.brightest = brightest


GRID = (MARGIN, 142.0, 352.0)  # points: left, top, width of the 16 pictures
AXES_LEFT, AXES_WIDTH = 500.0, 390.0


class WeightsEvolving(LectureScene):
    """The incoming weights of 16 hidden units, each as a picture, while the network learns.

    They begin as noise; beside them the training loss and the validation accuracy draw themselves. At the end one unit
    is shown large, before and after: where no training image ever has ink, the noise of the start is still there.
    """

    def construct(self) -> None:
        self.weights = self.array("weights").astype(float)  # (snapshots, 16, 28, 28)
        self.steps_done = self.array("weights_steps").astype(int)
        self.epoch = int(self.metric("batches_per_epoch"))
        with self.beat("Before the first step"):
            self.before()
        early = int(self.metric("early_steps"))
        with self.beat(f"The first {early} steps"):
            self.advance(early, 5.0)
        with self.beat("One pass over the images"):
            self.advance(self.epoch, 4.0)
        with self.beat("The rest"):
            self.advance(int(self.steps_done[-1]), 3.5)
        with self.beat("One unit, before and after"):
            self.one_unit()

    # ---------------------------------------------------------------- the pictures and the curves

    def before(self) -> None:
        scale = float(np.quantile(np.abs(self.weights[-1]), 0.995))
        self.grid = PixelGrid(self.theme, self.weights[0], 4, *GRID, signed=True, scale=scale)
        self.now = ValueTracker(0.0)  # log10 of steps + 1
        legend = VGroup(
            self.words("each picture: the 784 weights into one hidden unit", 18).put(470, 200),
            self.words("#pos[ink here speaks for the unit]", 18).put(470, 240),
            self.words("#neg[ink here speaks against it]", 18).put(470, 268),
            self.words("16 of 128 units, those used most in the end", 17, "muted").put(470, 308),
        )
        self.play(FadeIn(self.grid), run_time=0.8)
        self.write_lines(legend, 0.5)
        self.wait(0.8)
        self.legend = legend

    def curves(self) -> VGroup:
        last = int(self.steps_done[-1])
        ticks = {t: f"{t:,}" for t in (1, 10, 100, 1_000) if t < last}
        losses = self.array("curve_loss").astype(float)
        places = np.unique(np.geomspace(1, len(losses), 240).round().astype(int))
        highest = max(2.5, float(losses.max()))
        loss = TrainingCurve(
            self.type, (AXES_LEFT, 182, AXES_WIDTH, 104), places, losses[places - 1], x_ticks={},
            y_ticks={0: "0", 1: "1", 2: "2"}, y_range=(0, highest), title="training loss, mean of 50 batches",
            role="accent2", step_scale="log",
        )  # fmt: skip
        measured = self.steps_done >= 1
        accuracy = TrainingCurve(
            self.type, (AXES_LEFT, 344, AXES_WIDTH, 104), self.steps_done[measured],
            100 * self.array("weights_accuracy")[measured], x_ticks=ticks,
            y_ticks={0: "0", 50: "50", 100: "100"}, y_range=(0, 100), title="validation accuracy, percent",
            x_label="steps", role="accent", step_scale="log",
        )  # fmt: skip
        return VGroup(loss, accuracy)

    def start_curves(self) -> None:
        self.loss, self.accuracy = self.curves()
        self.play(FadeOut(self.legend), run_time=0.3)
        self.play(FadeIn(self.loss), FadeIn(self.accuracy), run_time=0.6)

    def advance(self, step: int, seconds: float) -> None:
        """Training goes on up to a step: pictures, curves and counters follow."""
        if not hasattr(self, "loss"):
            self.start_curves()
        if hasattr(self, "counter"):
            self.remove(self.counter)
        self.counter = self.following(self.now, self.told)
        followers = [
            (self.grid, lambda grid: grid.show(self.weights[self.snapshot()])),
            *((curve, lambda curve: curve.until(self.steps())) for curve in (self.loss, self.accuracy)),
        ]
        for follower, update in followers:
            follower.add_updater(update)
        self.add(self.counter)
        self.play(self.now.animate.set_value(np.log10(step + 1)), rate_func=linear, run_time=seconds)
        for follower in (self.grid, self.loss, self.accuracy, self.counter):
            follower.clear_updaters()
        self.wait(1.2)

    def steps(self) -> float:
        return 10 ** self.now.get_value() - 1

    def snapshot(self) -> int:
        """The last snapshot that was taken by now."""
        return max(0, int(np.searchsorted(self.steps_done, self.steps() + 0.5)) - 1)

    def told(self, _: float) -> Typeset:
        steps, reached = int(self.steps() + 0.5), self.snapshot()
        share = 100 * float(self.array("weights_accuracy")[reached])
        words = f"{steps:,} {'step' if steps == 1 else 'steps'}, #pos[#text(weight: 700)[{share:.1f} %]]"
        return self.words(words, 18).put(AXES_LEFT + AXES_WIDTH, 140, "right")

    # ---------------------------------------------------------------- one unit

    def one_unit(self) -> None:
        first, last = self.weights[0, 0], self.weights[-1, 0]
        self.play(FadeOut(self.grid), FadeOut(self.loss), FadeOut(self.accuracy), FadeOut(self.counter), run_time=0.5)
        scale = float(np.quantile(np.abs(last), 0.99))
        names, size = ("before training", "after training"), 290.0
        pictures, captions = [], VGroup()
        for picture, name, x in zip((first, last), names, (MARGIN, MARGIN + size + 40), strict=True):
            pictures.append(PixelGrid(self.theme, picture[None], 1, x, 172.0, size, signed=True, scale=scale))
            captions.add(self.words(name, 18).put(x, 160))
        self.play(*(FadeIn(p) for p in pictures), FadeIn(captions), run_time=0.8)
        self.wait(1.0)
        black = self.array("always_black").astype(bool)
        outlines = VGroup(*(self.outline(black, p.picture_box(0)) for p in pictures))
        note = VGroup(
            self.words(f"outside: {int(black.sum())} pixels", 17).put(716, 240),
            self.words("that are black in all", 17).put(716, 266),
            self.words(f"{int(self.metric('train_images')):,} images", 17).put(716, 292),
            self.words("the noise of the start", 17, "muted").put(716, 334),
            self.words("is still there", 17, "muted").put(716, 360),
        )
        self.play(Create(outlines), FadeIn(note, lag_ratio=0.3), run_time=1.6)
        self.wait(2.0)

    def outline(self, mask: np.ndarray, box: tuple[float, float, float, float]) -> VMobject:
        """The border between the pixels of a mask and the others."""
        left, top, width, height = box
        rows, columns = mask.shape
        path = VMobject(fill_opacity=0.0).set_stroke(self.theme["text"], stroke(1.6))
        pieces = []

        def corner(row: int, column: int) -> np.ndarray:
            return at(left + column * width / columns, top + row * height / rows)

        for row in range(rows):
            for column in range(columns):
                if column + 1 < columns and mask[row, column] != mask[row, column + 1]:
                    pieces.append((corner(row, column + 1), corner(row + 1, column + 1)))
                if row + 1 < rows and mask[row, column] != mask[row + 1, column]:
                    pieces.append((corner(row + 1, column), corner(row + 1, column + 1)))
        path.points = np.array([[p, p + (q - p) / 3, p + (q - p) * 2 / 3, q] for p, q in pieces]).reshape(-1, 3)
        return path
