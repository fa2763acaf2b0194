"""Pictures made of cells: a grey picture, a signed heat map, and the same cells unrolled into one column."""

from __future__ import annotations

import numpy as np
from manim import Animation, VGroup, VMobject, smooth

from kit.theme import Theme, at, stroke

LEVELS = 14  # brightnesses; cells of like colour are one path


class Cells(VGroup):
    """The cells of a matrix, row by row. Grey (0 to 1) by default; `signed` colours by sign.

    Cells too weak to be seen are left out: what lies behind the picture is its zero.
    """

    def __init__(self, theme: Theme, values: np.ndarray, *, signed: bool = False, scale: float | None = None) -> None:
        super().__init__()
        self.rows, self.columns = values.shape
        flat = np.asarray(values, float).reshape(-1)
        strength = np.clip(np.abs(flat) / (scale or np.abs(flat).max() or 1.0), 0.0, 1.0)
        level = np.round(strength * LEVELS).astype(int)
        self._members: list[np.ndarray] = []
        for k in range(1, LEVELS + 1):
            for positive in (False, True):
                members = np.flatnonzero((level == k) & ((flat >= 0) == positive))
                if not len(members):
                    continue
                role = ("accent" if positive else "accent2") if signed else "text"
                path = VMobject(stroke_width=0, fill_opacity=1.0)
                self._members.append(members)
                self.add(path.set_fill(theme.mix("surface", role, k / LEVELS), 1.0))

    def grid_boxes(self, x: float, y: float, size: float) -> np.ndarray:
        """Where the cells are in a picture `size` points wide at (x, y): left, top, width, height of each."""
        step = size / self.columns
        row, column = np.divmod(np.arange(self.rows * self.columns), self.columns)
        side = np.full(len(row), step * 0.98)
        return np.stack([x + column * step, y + row * step, side, side], axis=1)

    def column_boxes(self, x: float, y: float, width: float, height: float) -> np.ndarray:
        """Where the cells are when all rows are put below each other in one column."""
        count = self.rows * self.columns
        order = np.arange(count)
        fill = np.full(count, 1.0)
        return np.stack([fill * x, y + order * height / count, fill * width, fill * height / count], axis=1)

    def put(self, boxes: np.ndarray) -> Cells:
        """Draw the cells in these boxes (points)."""
        for path, members in zip(self.submobjects, self._members, strict=True):
            path.points = _rectangles(boxes[members])
        return self


class Rearrange(Animation):
    """Move cells from one arrangement to another, the first rows first."""

    def __init__(self, cells: Cells, begin: np.ndarray, end: np.ndarray, lag: float = 1.2, **kwargs) -> None:
        self.begin_boxes, self.end_boxes, self.lag = begin, end, lag
        row = np.arange(len(begin)) // cells.columns
        self.delay = row / max(cells.rows - 1, 1)
        super().__init__(cells, rate_func=lambda t: t, **kwargs)

    def interpolate_mobject(self, alpha: float) -> None:
        share = np.clip(alpha * (1 + self.lag) - self.lag * self.delay, 0.0, 1.0)
        eased = np.array([smooth(t) for t in np.unique(share)])[np.unique(share, return_inverse=True)[1]]
        self.mobject.put(self.begin_boxes + (self.end_boxes - self.begin_boxes) * eased[:, None])


class Frame(VGroup):
    """The empty ground of a picture: a surface with a fine grid, or without."""

    def __init__(
        self, theme: Theme, x: float, y: float, width: float, height: float, rows: int = 0, columns: int = 0
    ) -> None:
        super().__init__()
        ground = VMobject(stroke_width=stroke(1.0), fill_opacity=1.0)
        ground.set_fill(theme["surface"]).set_stroke(theme["line"])
        ground.points = _rectangles(np.array([[x, y, width, height]]))
        self.add(ground)
        self.grid = VMobject(fill_opacity=0.0).set_stroke(theme["line"], width=stroke(0.5), opacity=0.9)
        lines = [(at(x, y + height * k / rows), at(x + width, y + height * k / rows)) for k in range(1, rows)]
        lines += [(at(x + width * k / columns, y), at(x + width * k / columns, y + height)) for k in range(1, columns)]
        if lines:
            self.grid.points = np.array([[p, p + (q - p) / 3, p + (q - p) * 2 / 3, q] for p, q in lines]).reshape(-1, 3)
            self.add(self.grid)


def _rectangles(boxes: np.ndarray) -> np.ndarray:
    """Boxes (left, top, width, height in points) as closed paths of four straight curves each."""
    x, y, w, h = boxes.T
    corners = np.stack(
        [np.stack([x, y], 1), np.stack([x + w, y], 1), np.stack([x + w, y + h], 1), np.stack([x, y + h], 1)], 1
    )
    following = np.roll(corners, -1, axis=1)
    shares = np.array([0, 1 / 3, 2 / 3, 1])[None, None, :, None]
    flat = (corners[:, :, None, :] + shares * (following - corners)[:, :, None, :]).reshape(-1, 2)
    origin, unit = at(0, 0), at(1, 1) - at(0, 0)
    return origin + np.concatenate([flat, np.zeros((len(flat), 1))], axis=1) * unit
