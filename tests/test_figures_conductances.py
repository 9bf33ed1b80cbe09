from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from crossbar.backend import Array
from crossbar.figures.conductances import LABELLED, conductance_map, product_figure
from crossbar.figures.style import save


def conductances(lines: int) -> Array:
    return np.random.default_rng(0).uniform(1e-6, 1e-4, (lines, lines))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("lines", [1, 10, LABELLED, 64])
def test_a_map_is_drawn_with_its_unit_and_small_ones_with_their_values(
    lines: int, tmp_path: Path
) -> None:
    values = conductances(lines)
    figure = conductance_map(values, "Conductances", note="bench sim")
    map_axes, bar = figure.axes
    assert bar.get_ylabel() == "conductance (µS)"
    assert (map_axes.get_xlabel(), map_axes.get_ylabel()) == ("bit line", "word line")
    assert len(texts(figure)) == (lines**2 if lines <= LABELLED else 0)
    if lines <= LABELLED:
        assert texts(figure)[0] == f"{values[0, 0] * 1e6:.1f}"
    save(figure, tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_marked_cells_are_framed_by_kind_and_empty_kinds_left_out() -> None:
    stuck, unreached, spent = (np.zeros((10, 10), dtype=np.bool_) for _ in range(3))
    stuck[1, 8] = stuck[2, 3] = spent[0, 0] = True
    marked = {"stuck": stuck, "out of reach": unreached, "out of pulses": spent}
    figure = conductance_map(conductances(10), "Programmed", marked=marked)
    frames = figure.axes[0].patches
    assert len(frames) == 3
    assert isinstance(frames[0], Rectangle)
    assert frames[0].get_center() == pytest.approx((8.0, 1.0))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["stuck (2)", "out of pulses (1)"]
    assert len({frame.get_linestyle() for frame in frames}) == 2


def test_unknown_cells_stay_empty() -> None:
    values = conductances(4)
    values[1, 1] = np.nan
    assert len(texts(conductance_map(values, "Conductances"))) == 15
    assert texts(conductance_map(np.full((2, 2), np.nan), "Nothing")) == []


def test_products_are_drawn_against_what_they_should_be() -> None:
    predicted = np.random.default_rng(1).normal(size=(3, 10)) * 1e-5
    figure = product_figure(conductances(10), predicted, 0.9 * predicted, note="run 1")
    axes = next(a for a in figure.axes if a.get_ylabel() == "measured (µA)")
    points = axes.lines[1]
    drawn = np.asarray(points.get_xydata(), dtype=np.float64)
    np.testing.assert_allclose(drawn[:, 0], predicted.ravel() * 1e6)
    np.testing.assert_allclose(drawn[:, 1], 0.9 * predicted.ravel() * 1e6)
