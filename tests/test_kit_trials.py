"""Runs of a search as dots, their shadows, and the best so far."""

from __future__ import annotations

import numpy as np
import pytest

from coursebuild.assets import asset_folder
from coursebuild.theme import THEME_FILE

pytest.importorskip("manim")

from kit.plane import Plane
from kit.theme import Theme, on_page
from kit.trials import AWAY, SHADOW, BestSoFar, Trials
from kit.typeset import Typesetter

BOX = (100.0, 150.0, 400.0, 200.0)
XY = np.array([[0.0, 0.0], [1.0, 0.5], [1.0, 1.0]])


@pytest.fixture(scope="module")
def setter() -> Typesetter:
    return Typesetter(Theme.load("dark", THEME_FILE), [asset_folder("inter"), asset_folder("stix")])


@pytest.fixture
def plane(setter: Typesetter) -> Plane:
    return Plane(setter, BOX, (0.0, 2.0), (0.0, 1.0), zero=False)


def test_better_runs_are_brighter_and_stand_at_their_places(plane: Plane) -> None:
    trials = Trials(plane, XY, np.array([0.1, 0.5, 0.9]), (0.1, 0.9))
    accent = np.array(plane.type.theme["accent"].to_rgb())
    away = [np.abs(np.array(dot.get_fill_color().to_rgb()) - accent).sum() for dot in trials]
    assert away[0] > away[1] > away[2]
    assert away[2] == pytest.approx(0, abs=0.01)
    assert on_page(*trials[1].get_center()[:2]) == pytest.approx((300, 250))


def test_shadows_lie_below_and_left_of_the_plane(plane: Plane) -> None:
    trials = Trials(plane, XY, np.zeros(3), (0.0, 1.0))
    below = [on_page(*mark.get_center()[:2]) for mark in trials.shadows(0)]
    assert below == [pytest.approx((x, 350 + AWAY + SHADOW / 2)) for x in (100, 300, 300)]
    left = [on_page(*mark.get_center()[:2]) for mark in trials.shadows(1)]
    assert left == [pytest.approx((100 - AWAY - SHADOW / 2, y)) for y in (350, 250, 150)]


def test_moved_runs_cast_other_shadows(plane: Plane) -> None:
    trials = Trials(plane, XY, np.zeros(3), (0.0, 1.0))
    assert len(trials.move(XY[::-1])) == 3
    assert on_page(*trials.shadows(0)[0].get_center()[:2])[0] == pytest.approx(300)


def test_the_best_so_far_is_chosen_by_the_other_values(plane: Plane) -> None:
    wide = Plane(plane.type, BOX, (0.0, 5.0), (0.0, 1.0), zero=False)
    chosen_by = np.array([0.2, 0.6, 0.5, 0.9])
    race = BestSoFar(wide, np.array([0.8, 0.1, 0.9, 0.3]), chosen_by)
    assert race.winners.tolist() == [0, 1, 1, 3]
    assert len(race.stairs.points) == 0
    assert race.ring.get_stroke_opacity() == 0
    race.until(3.5)
    end = on_page(*race.stairs.points[-1][:2])
    assert end == pytest.approx((100 + 400 * 3.5 / 5, 350 - 200 * 0.1))
    assert len(race.dots.points) == 3 * 16
    race.until(9)
    assert on_page(*race.ring.get_center()[:2]) == pytest.approx((100 + 400 * 4 / 5, 350 - 200 * 0.3))
    assert len(race.until(0).dots.points) == 0


def test_a_race_needs_both_values_of_every_run(plane: Plane) -> None:
    with pytest.raises(ValueError, match="every run"):
        BestSoFar(plane, np.zeros(3), np.zeros(4))
