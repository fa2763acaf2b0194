"""The kit of the scenes: record, typesetting, network, cells. Oracles: Pillow, NumPy, the slides' own renderer."""

from __future__ import annotations

import string
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import slides_sample
from PIL import Image, ImageFont
from scene_sample import write_record

from coursebuild.assets import asset_folder
from coursebuild.files import ROOT
from coursebuild.steps.slides import slides
from coursebuild.theme import THEME_FILE, tokens

manim = pytest.importorskip("manim")

from kit.axes import Axes  # noqa: E402
from kit.graph import GraphArrow, GraphNode  # noqa: E402
from kit.heatmap import Cells, Rearrange  # noqa: E402
from kit.network import Edges, Nodes, Pulse, Strip, between, strongest  # noqa: E402
from kit.record import KitError, Record  # noqa: E402
from kit.scene import LectureScene, snap  # noqa: E402
from kit.theme import Theme, at, on_page, stroke, units  # noqa: E402
from kit.typeset import Typesetter, factor_digits, number, plain, signed  # noqa: E402

FONTS = [asset_folder(name) for name in ("inter", "jetbrains-mono", "stix")]


@pytest.fixture(scope="module")
def theme() -> Theme:
    return Theme.load("dark", THEME_FILE)


@pytest.fixture(scope="module")
def setter(theme: Theme) -> Typesetter:
    return Typesetter(theme, FONTS)


# ------------------------------------------------------------------ record


def test_a_scene_without_a_run_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DL50_RECORD", raising=False)
    with pytest.raises(KitError, match=r"build.py run N"):
        LectureScene(renderer=None).setup()
    monkeypatch.setenv("DL50_RECORD", str(tmp_path))
    with pytest.raises(KitError, match=r"no record.json"):
        LectureScene(renderer=None).setup()


def test_the_record_gives_numbers_and_notes_their_names(tmp_path: Path) -> None:
    record = Record(write_record(tmp_path).parent)
    assert record.metric("side") == 2.0
    assert np.array_equal(record.array("values"), np.arange(5))
    with pytest.raises(KitError, match="no metric 'sid'; did you mean 'side'"):
        record.metric("sid")
    with pytest.raises(KitError, match="no array 'zzz'; there are: unused, values"):
        record.array("zzz")
    assert record.reads == {"metrics": {"side"}, "arrays": {"values"}}


# ------------------------------------------------------------------ theme and page


def test_the_page_is_that_of_the_slides(theme: Theme) -> None:
    assert np.allclose(at(480, 270), 0)
    assert np.allclose(at(0, 0), [-64 / 9, 4, 0])  # manim's upper left corner at 16:9
    assert on_page(*at(123, 45)[:2]) == pytest.approx((123, 45))
    assert units(540) == 8
    assert stroke(1) == pytest.approx(100 * 8 / 540)
    assert theme["accent"].to_hex().upper() == tokens("dark")["accent"].upper()
    with pytest.raises(KeyError, match="there is no colour 'blue'"):
        theme["blue"]
    with pytest.raises(KeyError, match="there are: dark, light"):
        Theme.load("grey", THEME_FILE)


# ------------------------------------------------------------------ typesetting


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0, 2, "0"),
        (0.4673, 3, "0.467"),
        (-0.068, 2, "-0.068"),
        (0.9996, 2, "1.0"),
        (12.34, 2, "12"),
        (12345.6, 2, "12346"),
        (2.4e-4, 2, "2.4 dot 10^(-4)"),
        (-1.04e7, 3, "-1.04 dot 10^(7)"),
        (0.001, 2, "0.0010"),
    ],
)
def test_numbers(value: float, digits: int, expected: str) -> None:
    assert number(value, digits) == expected


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((0.5, 0.5), 3),
        ((-0.576259, 0.244185), 3),  # -0.576 * 0.244 = -0.1405, shown -0.141
        ((-0.105496, 0.235822), 4),  # -0.105 * 0.236 = -0.0248, but the product is -0.0249
        ((0.0, 0.25), 3),
    ],
)
def test_shown_factors_multiply_to_the_shown_product(factors: tuple[float, float], expected: int) -> None:
    digits = factor_digits(*factors)
    assert digits == expected
    one, other = (Decimal(number(f, digits)) for f in factors)
    assert f"{one * other:.2e}" == f"{Decimal(factors[0] * factors[1]):.2e}" or one * other == 0


def test_signed_numbers_have_the_colour_of_their_sign() -> None:
    assert signed(0.5) == "pos(0.50)"
    assert signed(-0.5) == "neg(-0.50)"
    assert signed(-0.00123, places=4) == "neg(-0.0012)"


def test_width_is_that_of_the_font(setter: Typesetter) -> None:
    """Pillow measures the same variable font at the same size (no kerning between equal letters)."""
    font = ImageFont.truetype(str(FONTS[0] / "files" / "Inter[opsz,wght].ttf"), 1000)
    axes = [axis["name"] for axis in font.get_variation_axes()]
    font.set_variation_by_axes([{"optical size": 18, "weight": 400}[name.decode().lower()] for name in axes])
    for text in ("HHHHHHHH", "oooooooo", "$$$$", "####", "@@@", "****"):
        assert setter.words(plain(text), 20).advance == pytest.approx(font.getlength(text) * 20 / 1000, rel=0.01)


def test_pieces_stand_on_their_baseline(setter: Typesetter) -> None:
    for align, left in (("left", 300), ("center", 250), ("right", 200)):
        piece = setter.words("HxH", 30).put(300, 200, align)
        shown = piece.ink()
        assert shown[3] == pytest.approx(200, abs=0.3)  # no letter reaches below the line
        assert shown[1] == pytest.approx(200 - 30 * 1490 / 2048, abs=0.3)  # Inter's capital height
        share = {"left": 0, "center": 0.5, "right": 1}[align]
        assert shown[0] == pytest.approx(300 - share * piece.advance, abs=4), left


def test_any_text_can_be_a_title(setter: Typesetter) -> None:
    piece = setter.words(plain(string.printable.replace("\n", "").replace("\r", "").replace("\x0b\x0c", "")))
    assert piece.advance > 500


def test_parts_have_the_colours_of_their_roles(setter: Typesetter, theme: Theme) -> None:
    piece = setter.formula("pos(1) + neg(2) + dim(3) + 4")
    shown = {part.get_fill_color().to_hex().upper() for part in piece}
    assert shown == {tokens("dark")[role].upper() for role in ("accent", "accent2", "muted", "text")}


def test_a_bar_of_a_fraction_is_a_line(setter: Typesetter) -> None:
    lines = [part for part in setter.formula("a/b", 40) if part.get_stroke_width() > 0]
    assert len(lines) == 1
    assert lines[0].get_fill_opacity() == 0


def test_a_formula_that_typst_rejects_is_named(setter: Typesetter) -> None:
    with pytest.raises(KitError, match=r"cannot set 'frac\(a'"):
        setter.formula("frac(a")


# ------------------------------------------------------------------ network and cells


def test_edges_are_in_the_order_of_a_weight_matrix(theme: Theme) -> None:
    left, right = Nodes(theme, 3, 100, 200, 400, 8), Nodes(theme, 2, 300, 200, 400, 8)
    starts, ends = between(left, right)
    weights = np.arange(6).reshape(2, 3)  # (right, left)
    for edge, weight in enumerate(weights.reshape(-1)):
        to, from_ = np.argwhere(weights == weight)[0]
        assert on_page(*starts[edge][:2]) == pytest.approx((108, left.heights[from_]))
        assert on_page(*ends[edge][:2]) == pytest.approx((292, right.heights[to]))


def test_strongest_edges_of_many(theme: Theme) -> None:
    strip, nodes = Strip(4, 50, 100, 10, 400), Nodes(theme, 2, 300, 200, 400, 8)
    starts, ends, values = strongest(strip, nodes, np.array([[0.1, -5, 0, 2], [3, 0.2, 0, -0.3]]), 3)
    assert values.tolist() == [-5, 3, 2]
    assert [on_page(*p[:2])[1] for p in starts] == pytest.approx([250, 150, 450])
    assert [on_page(*p[:2])[1] for p in ends] == pytest.approx([200, 400, 200])


def test_a_window_of_the_edges(theme: Theme) -> None:
    starts, ends = np.zeros((2, 3)), np.array([[4.0, 0, 0], [4.0, 4, 0]])
    edges = Edges(theme, starts, ends, np.array([1.0, -0.5]))
    assert len(edges) == 2  # one path per colour and width
    edges.window(0.25, 0.5)
    xs = np.concatenate([path.points[:, 0] for path in edges])
    assert (xs.min(), xs.max()) == pytest.approx((1, 2))
    assert all(len(path.points) == 0 for path in edges.window(0.7, 0.7))
    strong, weak = sorted(edges, key=lambda p: -p.get_stroke_width())
    assert strong.get_stroke_opacity() > weak.get_stroke_opacity()
    before = strong.get_stroke_opacity()
    assert edges.attenuate(0.5)[0].get_stroke_opacity() < before
    edges.attenuate(1.0)
    assert strong.get_stroke_opacity() == pytest.approx(before)


def test_a_pulse_begins_and_ends_dark(theme: Theme) -> None:
    edges = Edges(theme, np.zeros((1, 3)), np.array([[1.0, 0, 0]]), np.ones(1))
    for backward, seen in ((False, (0.325, 0.675)), (True, (0.325, 0.675))):
        pulse = Pulse(edges, backward, length=0.35, rate_func=manim.linear)
        for share in (0.0, 1.0):
            pulse.interpolate_mobject(share)
            assert sum(len(path.points) for path in edges) == 0
        pulse.interpolate_mobject(0.5)
        xs = np.concatenate([path.points[:, 0] for path in edges])
        assert (xs.min(), xs.max()) == pytest.approx(seen)


def test_cells_are_where_the_pixels_are(theme: Theme) -> None:
    values = np.zeros((4, 4))
    values[1, 2], values[3, 0] = 1.0, 0.5
    cells = Cells(theme, values)
    grid, column = cells.grid_boxes(100, 50, 40), cells.column_boxes(10, 200, 5, 160)
    cells.put(grid)
    assert len(cells) == 2  # two brightnesses; zeros are not drawn
    boxes = [(*on_page(*path.get_corner(manim.UL)[:2]), path.width / units(1)) for path in cells]
    assert sorted(boxes) == [pytest.approx((100, 80, 9.8)), pytest.approx((120, 60, 9.8))]
    move = Rearrange(cells, grid, column)
    move.interpolate_mobject(1.0)
    tops = sorted(on_page(*path.get_corner(manim.UL)[:2])[1] for path in cells)
    assert tops == pytest.approx([200 + 6 * 10, 200 + 12 * 10])
    move.interpolate_mobject(0.0)
    assert sorted(on_page(*path.get_corner(manim.UL)[:2])[0] for path in cells) == pytest.approx([100, 120])


def test_signed_cells_have_the_colours_of_signs(theme: Theme) -> None:
    colours = {path.get_fill_color().to_hex().upper() for path in Cells(theme, np.array([[1.0, -1.0]]), signed=True)}
    assert colours == {tokens("dark")["accent"].upper(), tokens("dark")["accent2"].upper()}


def test_nodes_take_the_brightness_of_their_activation(theme: Theme) -> None:
    nodes = Nodes(theme, 3, 100, 100, 200, 8)
    brighten = nodes.brighten(np.array([0.0, 0.5, 1.0]))
    brighten.interpolate_mobject(1.0)
    shown = [disc.get_fill_color().to_hex().upper() for disc in nodes]
    assert (shown[0], shown[2]) == (tokens("dark")["surface"].upper(), tokens("dark")["text"].upper())
    assert shown[1] not in (shown[0], shown[2])


def test_rings_are_as_wide_as_their_values(theme: Theme) -> None:
    rings = Nodes(theme, 3, 100, 100, 200, 8).rings(np.array([-1.0, 0.5, 0.0]), 1.0)
    widths = [ring.get_stroke_width() for ring in rings]
    assert widths[0] == pytest.approx(2 * widths[1])
    assert widths[2] > 0  # a delta of zero is still a ring, hardly seen
    assert rings[0].get_stroke_color().to_hex().upper() == tokens("dark")["accent2"].upper()


def test_an_arrow_ends_before_its_node(setter: Typesetter) -> None:
    one, other = GraphNode(setter, "x", 100, 300), GraphNode(setter, "z", 400, 300)
    there, back = GraphArrow(one, other), GraphArrow(one, other, back=True)
    assert on_page(*there.get_right()[:2])[0] < 400 - 30
    assert on_page(*back.get_left()[:2])[0] > 100 + 30
    assert there.middle[1] != back.middle[1]


def test_axes_put_values_on_the_page(setter: Typesetter) -> None:
    axes = Axes(setter, (100, 150, 400, 300), (0, 10), (-1, 1), "epoch", "loss")
    assert on_page(*axes.point(5, 0)[:2]) == pytest.approx((300, 300))
    curve = axes.curve(np.array([0.0, 10.0]), np.array([-1.0, 1.0]))
    assert on_page(*curve.get_start()[:2]) == pytest.approx((100, 450))
    assert on_page(*curve.get_end()[:2]) == pytest.approx((500, 150))


# ------------------------------------------------------------------ time


@pytest.mark.parametrize("rate", [15, 30])
def test_durations_are_whole_frames_at_every_rate(rate: int) -> None:
    with manim.tempconfig({"frame_rate": rate}):
        for k in range(1, 400):
            asked = k / 15 + 0.02
            assert len(np.arange(0, snap(asked), 1 / rate)) == k * rate // 15  # as manim counts them
            assert round(snap(asked) * rate) == k * rate // 15
        assert snap(snap(0.4)) == snap(0.4)


# ------------------------------------------------------------------ one film


@contextmanager
def a_scene(folder: Path, monkeypatch: pytest.MonkeyPatch, title: str, kicker: str) -> Iterator[LectureScene]:
    """A scene that is set up and has played nothing, in 1280 x 720."""
    monkeypatch.setenv("DL50_RECORD", str(write_record(folder / "record").parent))
    monkeypatch.setenv("DL50_THEME", "dark")
    monkeypatch.setenv("DL50_TITLE", title)
    monkeypatch.setenv("DL50_KICKER", kicker)
    monkeypatch.setenv("DL50_FONTS", ":".join(str(f) for f in FONTS))
    settings = {"pixel_width": 1280, "pixel_height": 720, "media_dir": str(folder), "verbosity": "ERROR"}
    with manim.tempconfig(settings):
        scene = LectureScene()
        scene.setup()
        yield scene


@pytest.mark.parametrize(("asked", "name_takes"), [(4.0, 0.4), (0.2, 0.2), (None, 0.4)])
def test_the_name_of_a_beat_arrives_at_its_own_speed(
    asked: float | None, name_takes: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[manim.Animation] = []
    with a_scene(tmp_path, monkeypatch, "A title", "Part") as scene:
        monkeypatch.setattr(manim.Scene, "play", lambda _, *animations: played.extend(animations))
        dot = manim.Dot()
        with pytest.raises(KitError, match="plays nothing"), scene.beat("A name"):  # nothing is really drawn
            scene.play(dot.animate.shift(manim.RIGHT), **({"run_time": asked} if asked else {}))
    move, name = played[:2]
    assert name.run_time == pytest.approx(name_takes, abs=0.01)
    assert move.run_time == pytest.approx(asked or 1.0, abs=0.01)


def test_the_title_is_where_the_slides_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The upper part of a slide, drawn by Typst, and of a scene, drawn by Cairo, differ in antialiasing alone."""
    deck = slides_sample.deck(("Watch", "Follow one picture", [slides_sample.para("words")]))
    inputs = slides_sample.write_inputs(tmp_path, deck)
    products = {"frames": tmp_path / "frames", "pdf": tmp_path / "a.pdf", "geometry": tmp_path / "g.json"}
    slides(inputs, products, {"quality": "hd", "theme": "dark"}, tmp_path / "cache")
    content = next(s for s in deck.slides if s.kind == "content")
    expected = np.asarray(Image.open(next((tmp_path / "frames").glob(f"*{content.id}*.png"))).convert("L")).astype(int)

    with a_scene(tmp_path, monkeypatch, content.title_text, content.kicker) as scene:
        scene.renderer.update_frame(scene)
        ours = np.asarray(Image.fromarray(scene.camera.pixel_array[:, :, :3]).convert("L")).astype(int)

    def rows_and_columns(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        light = picture[40:140] > 128
        return np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))

    for one, other in zip(rows_and_columns(ours), rows_and_columns(expected), strict=True):
        assert abs(one.min() - other.min()) <= 1
        assert abs(one.max() - other.max()) <= 1
    difference = np.abs(ours[40:140] - expected[40:140])
    assert difference.mean() < 0.6


def test_no_scene_types_a_measured_number() -> None:
    """Decimal fractions in a formula or in words of a scene would be results typed by hand."""
    import re

    for path in sorted((ROOT / "animations").glob("day*.py")):
        texts = re.findall(r"""(?:formula|words|line)\(\s*f?(["'])(.*?)\1""", path.read_text(encoding="utf-8"))
        bare = [re.sub(r"\{[^{}]*\}", "", text) for _, text in texts]  # without what an f-string computes
        typed = [text for text in bare if re.search(r"(?<![\w.:])\d+\.\d+(?!\d*(?:em|pt))", text)]  # no lengths
        assert typed == [], path.name
