import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.figures.one_shot import OneShotFigure, one_shot_figure

WANTED = np.array([100e-6, 200e-6, 400e-6])
WAYS = ("do nothing", "noise-free inverse", "network", "something else")


def drawn(ways: tuple[str, ...] = WAYS, points: int = 3) -> OneShotFigure:
    reached = {name: np.linspace(100e-6, 300e-6, points) for name in ways}
    noise = np.array([0.0, 0.01])
    shares = {name: np.array([1.0, 0.9]) for name in ways}
    return OneShotFigure(WANTED, reached, noise, shares, 0.95, "noise (%)")


def test_every_way_has_a_panel_with_its_share_and_a_course() -> None:
    figure = one_shot_figure(drawn(), "One pulse", "seed 0")
    *panels, last = figure.axes
    # 100 of 100, 200 of 200 and 300 of 400 uS are within half of the target.
    assert [axes.get_title(loc="left") for axes in panels] == [f"{name}: 100 %" for name in WAYS]
    assert [line.get_label() for line in last.get_lines()][: len(WAYS)] == list(WAYS)
    assert np.array(last.get_lines()[0].get_ydata()).tolist() == pytest.approx([100.0, 90.0])


def test_an_odd_number_of_ways_fits_too() -> None:
    assert len(one_shot_figure(drawn(WAYS[:3]), "One pulse").axes) == 4


def test_nothing_and_what_does_not_belong_together_are_refused() -> None:
    with pytest.raises(DataError, match="one way"):
        one_shot_figure(drawn(()), "One pulse")
    with pytest.raises(DataError, match="belong together"):
        one_shot_figure(drawn(points=2), "One pulse")
