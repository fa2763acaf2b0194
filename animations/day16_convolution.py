"""Day 16: nine trained weights slide over a real digit; three sheets become one map, two filters two maps."""

from __future__ import annotations

import numpy as np
from kit.pixels import PixelGrid
from kit.scene import LectureScene
from kit.stack import MapStack, Sheet
from kit.theme import at, stroke, units
from kit.typeset import Typeset
from kit.window import NumberGrid, Rays, Window, place, revealed
from manim import FadeIn, FadeOut, LaggedStart, Rectangle, Square, ValueTracker, VGroup, linear, smooth

PIXEL = 9.0  # points
LEFT, TOP, RIGHT = 69.0, 176.0, 648.0  # the digit; the map
GRID, CELL = 410.0, (46.0, 32.0)  # the three grids in the middle
ROWS = (146.0, 258.0, 370.0)  # their upper ends: pixels, kernel, products
NAMES = 560.0  # where what stands beside them begins
RESULT = 496.0  # baseline of the sum


class ConvolutionSliding(LectureScene):
    """A window of 3 by 3 pixels slides over a handwritten five. Nine pixels times nine weights give nine products,
    whose sum is one pixel of the map. The map fills in; then with stride 2, then with a ring of zeros."""

    def construct(self) -> None:
        self.digit, self.kernel = self.array("slide_digit"), self.array("slide_kernel")
        self.bias = float(self.array("slide_bias"))
        self.maps = {name: self.array(f"slide_{name}") for name in ("valid", "stride2", "padded")}
        self.check_numbers()
        with self.beat("Nine pixels, nine weights"):
            self.one_pixel()
        with self.beat("One step to the right"):
            self.a_few_steps()
        with self.beat("The map fills in"):
            self.fill("valid", stride=1, padding=0, seconds=6.0)
        with self.beat("Stride 2: every other place"):
            self.fill("stride2", stride=2, padding=0, seconds=5.0)
        with self.beat("Padding: a ring of zeros"):
            self.padded()

    def check_numbers(self) -> None:
        """The maps must be what the window computes; else a slide would show a sum that is not one."""
        for name, stride, padding in (("valid", 1, 0), ("stride2", 2, 0), ("padded", 1, 1)):
            window = Window(self.theme, LEFT, TOP, PIXEL, stride=stride, padding=padding)
            row, column = (n // 2 for n in self.maps[name].shape)
            total = (window.patch(self.digit, row, column) * self.kernel).sum() + self.bias
            if not np.isclose(total, self.maps[name][row, column], atol=1e-4):
                raise ValueError(f"slide_{name} is not the digit filtered by slide_kernel")

    # ---------------------------------------------------------------- one pixel

    def one_pixel(self) -> None:
        valid = self.maps["valid"]
        self.row, self.column = self.eventful(valid)
        self.scale = float(np.abs(valid).max())
        picture = PixelGrid(self.theme, self.digit[None], 1, LEFT, TOP, 28 * PIXEL, scale=1.0)
        size = self.words("28 × 28", 16, "muted").put(LEFT + 14 * PIXEL, TOP + 28 * PIXEL + 32, "center")
        self.play(FadeIn(picture), FadeIn(size), run_time=0.6)

        self.window = Window(self.theme, LEFT, TOP, PIXEL).put(self.row, self.column)
        pixels = self.window.patch(self.digit, self.row, self.column)
        self.patch = NumberGrid(self.type, pixels, GRID, ROWS[0], CELL, scale=1.0)
        self.rays = Rays(self.theme, self.window, self.patch)
        self.play(FadeIn(self.window), run_time=0.4)
        self.play(FadeIn(self.patch), FadeIn(self.rays), FadeIn(self.name(0, "pixels")), run_time=0.6)
        self.wait(0.4)

        strongest = float(np.abs(self.kernel).max())
        weights = NumberGrid(self.type, self.kernel, GRID, ROWS[1], CELL, signed=True, scale=strongest)
        self.play(FadeIn(weights), FadeIn(self.name(1, "kernel")), run_time=0.6)
        self.wait(0.4)

        self.products = NumberGrid(self.type, pixels * self.kernel, GRID, ROWS[2], CELL, signed=True, scale=strongest)
        cells = [FadeIn(cell, shift=at(0, 0) - at(0, 24)) for cell in self.products]
        self.play(FadeIn(self.name(2, "products")), run_time=0.3)
        self.play(LaggedStart(*cells, lag_ratio=0.35), run_time=2.4)

        ground = Rectangle(width=units(28 * PIXEL), height=units(28 * PIXEL), fill_opacity=0.0)
        ground.set_stroke(self.theme["line"], stroke(1.0)).move_to(at(RIGHT + 14 * PIXEL, TOP + 14 * PIXEL))
        self.seen = np.zeros_like(valid)
        self.map = self.empty_map(26)
        self.total = self.sum_words(valid[self.row, self.column])
        self.play(FadeIn(self.total), FadeIn(self.map), FadeIn(ground), run_time=0.6)
        self.wait(0.4)
        self.fly(self.row, self.column)
        self.wait(0.8)

    def eventful(self, valid: np.ndarray) -> tuple[int, int]:
        """Where five windows in a row differ most, and the first of them sees ink."""
        window, best = Window(self.theme, LEFT, TOP, PIXEL), (-1.0, 0, 0)
        for row, column in np.ndindex(valid.shape[0], valid.shape[1] - 4):
            if (window.patch(self.digit, row, column) > 0.3).sum() >= 3:
                best = max(best, (float(valid[row, column : column + 5].std()), row, column))
        return best[1:]

    def empty_map(self, side: int) -> PixelGrid:
        blank = np.zeros((1, side, side))
        return PixelGrid(self.theme, blank, 1, RIGHT, TOP, side * PIXEL, signed=True, scale=self.scale)

    def name(self, which: int, words: str) -> Typeset:
        return self.words(words, 18, "muted").put(NAMES, ROWS[which] + 54)

    def sum_words(self, value: float) -> Typeset:
        """The sum of the products, plus the bias, with their numbers."""
        products = f"{value - self.bias:.2f} {'+' if self.bias >= 0 else '-'} {abs(self.bias):.2f}"
        formula = f'upright("sum") + b = {products} = {"pos" if value >= 0 else "neg"}({value:.2f})'
        return self.formula(formula, 18).put(GRID + 1.5 * CELL[0], RESULT, "center")

    def fly(self, row: int, column: int) -> None:
        """The sum flies to its place in the map and becomes a pixel."""
        square = Square(units(2 * PIXEL), stroke_width=stroke(1.6), fill_opacity=1.0)
        square.set_fill(self.theme.signed(self.maps["valid"][row, column])).set_stroke(self.theme["text"])
        self.add(square.move_to(at(self.total.ink()[2] + 18, RESULT - 6)))
        target = at(RIGHT + (column + 0.5) * PIXEL, TOP + (row + 0.5) * PIXEL)
        self.play(square.animate.scale(0.5).move_to(target), run_time=0.9)
        self.reveal(row, column)
        self.remove(square)

    def reveal(self, row: int, column: int) -> None:
        self.seen[row, column] = self.maps["valid"][row, column]
        self.map.show(self.seen[None])

    # ---------------------------------------------------------------- the next pixels

    def a_few_steps(self) -> None:
        for step in range(1, 5):
            column = self.column + step
            self.play(self.window.slide(self.row, column), run_time=0.5)
            pixels = self.window.patch(self.digit, self.row, column)
            self.patch.show(pixels)
            self.products.show(pixels * self.kernel)
            self.remove(self.total)
            self.total = self.sum_words(self.maps["valid"][self.row, column])
            self.add(self.total)
            self.reveal(self.row, column)
            self.wait(0.7)

    # ---------------------------------------------------------------- a whole map

    def fill(self, name: str, stride: int, padding: int, seconds: float, slow: int = 6) -> None:
        """The window passes over all places of a map: the first few slowly, then the rest."""
        values = self.maps[name]
        side = values.shape[0]
        leaving = [m for m in (self.map, self.total, getattr(self, "size", None)) if m is not None]
        window = Window(self.theme, LEFT, TOP, PIXEL, stride=stride, padding=padding)
        self.play(*(FadeOut(m) for m in leaving), self.window.animate.move_to(window.get_center()), run_time=0.6)
        self.window.stride, self.window.padding = stride, padding
        self.map = self.empty_map(side)
        done = ValueTracker(0.0)

        def progress(_: object) -> None:
            row, column = place(min(done.get_value(), values.size - 1), side)
            self.window.put(row, column)
            pixels = self.window.patch(self.digit, row, column)
            self.patch.show(pixels, numbers=False)
            self.products.show(pixels * self.kernel, numbers=False)
            self.map.show(revealed(values, done.get_value() + 1)[None])

        self.add(self.map)
        progress(None)
        changing = (self.window, self.patch, self.products, self.map)
        self.window.add_updater(progress)  # it is the first of them, so that the rays follow in the same frame
        for other in changing[1:]:
            other.add_updater(lambda _: None)  # manim draws again what has an updater
        self.play(done.animate.set_value(slow), rate_func=linear, run_time=2.0)
        self.play(done.animate.set_value(values.size - 1), rate_func=smooth, run_time=seconds)
        for other in changing:
            other.clear_updaters()
        progress(None)
        row, column = (int(n + padding) // stride for n in (self.row, self.column))  # back to where there is ink
        self.play(self.window.slide(row, column), run_time=0.6)
        pixels = self.window.patch(self.digit, row, column)
        self.patch.show(pixels)
        self.products.show(pixels * self.kernel)
        self.total = self.sum_words(values[row, column])
        self.size = self.words(f"{side} × {side}", 16, "muted").put(RIGHT + 14 * PIXEL, TOP + 28 * PIXEL + 32, "center")
        self.play(FadeIn(self.size), FadeIn(self.total), run_time=0.5)
        self.wait(1.2)

    def padded(self) -> None:
        ring = VGroup()
        for k in range(30):
            for row, column in ((0, k), (29, k), (k, 0), (k, 29)):
                square = Square(units(PIXEL), stroke_width=stroke(0.6), fill_opacity=1.0)
                square.set_fill(self.theme["bg"]).set_stroke(self.theme["violet"])
                ring.add(square.move_to(at(LEFT + (column - 0.5) * PIXEL, TOP + (row - 0.5) * PIXEL)))
        self.play(LaggedStart(*(FadeIn(square) for square in ring), lag_ratio=0.01), run_time=1.6)
        self.add(ring, self.window, self.rays)  # in this order: the rays follow the window
        self.fill("padded", stride=1, padding=1, seconds=4.0, slow=10)


# -------------------------------------------------------------------- channels

SHEET = 104.0  # points: width of a sheet
SHEET_TOPS = (148.0, 270.0, 392.0)
PHOTO, SHEETS, KERNELS, PARTS, SUM = 60.0, 196.0, 322.0, 418.0, 600.0  # left ends
TINTS = ("bad", "good", "accent")  # of the red, the green and the blue sheet


class SheetsAndMaps(LectureScene):
    """A colour picture is taken apart into three sheets. A filter has a kernel for each; the three results are added
    and make one map. A second filter makes a second map, and all 32 filters a stack of 32."""

    def construct(self) -> None:
        self.photo, self.sheets = self.array("colour_photo"), self.array("colour_sheets")
        self.weight, self.bias = self.array("colour_weight"), self.array("colour_bias")
        self.maps = self.array("colour_maps")
        self.sums = self.sheets.sum(axis=1) + self.bias[:, None, None]  # (2, 32, 32)
        with self.beat("One picture is three sheets"):
            self.take_apart()
        with self.beat("One filter: three kernels, one sum"):
            self.one_pixel()
        with self.beat("One filter makes one map"):
            self.one_map()
        with self.beat("Two filters, two maps; thirty-two, a stack"):
            self.more_maps()

    def take_apart(self) -> None:
        middle = SHEET_TOPS[1]
        photo = Sheet(self.theme, self.photo.transpose(1, 2, 0), PHOTO, middle, SHEET)
        self.play(FadeIn(photo), run_time=0.8)
        self.wait(1.0)
        self.inputs = [
            Sheet(self.theme, values, PHOTO, middle, SHEET, scale=1.0, tint=tint)
            for values, tint in zip(self.photo, TINTS, strict=True)
        ]
        self.add(*self.inputs, photo)
        moves = [sheet.go(SHEETS, top) for sheet, top in zip(self.inputs, SHEET_TOPS, strict=True)]
        self.play(*moves, run_time=1.6)
        size = self.words("3 × 32 × 32", 16, "muted").put(PHOTO + SHEET / 2, middle + SHEET + 24, "center")
        self.play(FadeIn(size), run_time=0.4)
        self.wait(1.0)

    def kernels(self, which: int) -> list[NumberGrid]:
        scale = float(np.abs(self.weight[which]).max())
        return [
            NumberGrid(self.type, sheet, KERNELS, top + 19, (22.0, 22.0), signed=True, scale=scale, numbers=False)
            for sheet, top in zip(self.weight[which], SHEET_TOPS, strict=True)
        ]

    def one_pixel(self) -> None:
        pixel = SHEET / 32
        inner = np.abs(self.sums[0][4:-4, 4:-4])
        self.row, self.column = (int(n) + 4 for n in np.unravel_index(inner.argmax(), inner.shape))
        self.windows = [Window(self.theme, SHEETS, top, pixel, padding=1) for top in SHEET_TOPS]
        for window in self.windows:
            window.put(self.row, self.column)
        self.shown_kernels = self.kernels(0)
        self.play(*(FadeIn(window) for window in self.windows), run_time=0.5)
        self.play(*(FadeIn(kernel) for kernel in self.shown_kernels), run_time=0.7)
        self.wait(0.6)
        parts = VGroup(
            self.formula(self.signed(self.sheets[0, c, self.row, self.column]), 22).put(PARTS + 80, top + 60, "right")
            for c, top in enumerate(SHEET_TOPS)
        )
        self.play(LaggedStart(*(FadeIn(part) for part in parts), lag_ratio=0.6), run_time=1.8)
        total = self.sums[0, self.row, self.column]
        together = self.sheets[0, :, self.row, self.column].sum()
        lines = VGroup(
            self.formula(f'upright("sum") = {self.signed(together)}', 22).put(SUM, 296),
            self.formula(f"b = {self.signed(self.bias[0])}", 22).put(SUM, 332),
            self.formula(f'upright("pixel") = {self.signed(total)}', 22).put(SUM, 368),
        )
        self.write_lines(lines, 0.5)
        self.wait(1.0)
        self.leaving = VGroup(parts, lines)

    def signed(self, value: float) -> str:
        return f"{'pos' if value >= 0 else 'neg'}({value:.2f})"

    def one_map(self) -> None:
        scale = float(np.quantile(np.abs(self.sums), 0.98))
        blank = np.zeros((32, 32))
        look = {"signed": True, "scale": scale}
        self.parts = [Sheet(self.theme, blank, PARTS, top, SHEET, **look) for top in SHEET_TOPS]
        self.first = Sheet(self.theme, blank, SUM, SHEET_TOPS[1], SHEET, **look)
        plus = VGroup(self.words("+", 22).put(PARTS + SHEET / 2, top - 4, "center") for top in SHEET_TOPS[1:])
        arrow = self.formula("=", 26).put((PARTS + SHEET + SUM) / 2, SHEET_TOPS[1] + SHEET / 2 + 8, "center")
        arriving = [FadeIn(m) for m in (*self.parts, self.first, plus, arrow)]
        self.play(FadeOut(self.leaving), *arriving, run_time=0.6)
        self.pass_over(0, self.first, seconds=5.0)
        self.wait(0.8)

    def pass_over(self, which: int, target: Sheet, seconds: float) -> None:
        """The three windows pass over their sheets; three partial maps and their sum fill in."""
        done = ValueTracker(0.0)

        def progress(_: object) -> None:
            count = done.get_value()
            for window in self.windows:
                window.put(*place(min(count, 1023), 32))
            for part, values in zip(self.parts, self.sheets[which], strict=True):
                part.show(revealed(values, count + 1))
            target.show(revealed(self.sums[which], count + 1))

        changing = (*self.windows, *self.parts, target)
        self.windows[0].add_updater(progress)
        for other in changing[1:]:
            other.add_updater(lambda _: None)  # manim draws again what has an updater
        self.play(done.animate.set_value(1023.0), rate_func=smooth, run_time=seconds)
        for other in changing:
            other.clear_updaters()
        progress(None)

    def more_maps(self) -> None:
        scale = self.first.scale_value
        fresh = self.kernels(1)
        second = Sheet(self.theme, np.zeros((32, 32)), SUM, SHEET_TOPS[2], SHEET, signed=True, scale=scale)
        self.play(
            self.first.go(SUM, SHEET_TOPS[0]), FadeIn(second), *(FadeOut(k) for k in self.shown_kernels),
            *(FadeIn(k) for k in fresh), run_time=0.8,
        )  # fmt: skip
        self.pass_over(1, second, seconds=3.5)
        self.wait(0.5)
        stack = MapStack(self.theme, self.maps, 736.0, 372.0, 84.0, step=(2.5, 6.2), signed=True, scale=scale).pile()
        self.play(FadeIn(stack), run_time=0.5)
        self.play(*stack.spread(), run_time=1.8)
        words = self.words("32 filters, 32 maps", 18).put(736, 490)
        self.play(FadeIn(words), run_time=0.5)
        self.wait(1.4)
