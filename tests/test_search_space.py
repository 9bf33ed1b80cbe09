import itertools

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.search_space import Categorical, Continuous, Limit, Ordinal, Point, Space

MIXED = Space(
    (
        Continuous("rate", 1e-4, 1.0, logarithmic=True),
        Ordinal("length", (0.6, 1.0, 3.0)),
        Categorical("type", ("a", "b", "c")),
    )
)
GRID = Space(
    (Ordinal("x", (0.1, 0.2, 0.4)), Ordinal("y", (0.1, 0.3)), Categorical("z", ("a", "b")))
)


def test_codes_are_0_to_1_between_the_ends_and_indices_of_choices() -> None:
    points: list[Point] = [
        {"rate": 1e-4, "length": 0.6, "type": "a"},
        {"rate": 1e-2, "length": 1.8, "type": "b"},
        {"rate": 1.0, "length": 3.0, "type": "c"},
    ]
    expected = [[0, 0, 0], [0.5, 0.5, 1], [1, 1, 2]]
    assert MIXED.rows(points) == pytest.approx(np.array(expected))


def test_a_point_survives_as_a_row_and_exactly_as_numbers() -> None:
    point: Point = {"rate": 0.0123, "length": 1.0, "type": "c"}
    (back,) = MIXED.points(MIXED.rows([point]))
    assert back["rate"] == pytest.approx(0.0123)
    assert (back["length"], back["type"]) == (1.0, "c")
    between: Point = {"rate": 0.0123, "length": 1.7, "type": "b"}
    assert MIXED.point(MIXED.numbers(between)) == between


def test_the_ends_of_a_range_are_met_exactly() -> None:
    awkward = Space((Continuous("x", 0.1, 0.7), Continuous("y", 0.3, 1.1, logarithmic=True)))
    (low, high) = awkward.points(np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert (low, high) == ({"x": 0.1, "y": 0.3}, {"x": 0.7, "y": 1.1})


def test_a_grid_is_every_combination_once() -> None:
    points = [tuple(point.values()) for point in GRID.points(GRID.grid())]
    assert sorted(map(str, points)) == sorted(
        str(p) for p in itertools.product((0.1, 0.2, 0.4), (0.1, 0.3), ("a", "b"))
    )
    assert GRID.size == 12
    assert MIXED.size is None


def test_a_limit_leaves_out_what_is_beyond_it_and_keeps_what_meets_it() -> None:
    # 0.1 + 0.2 is above 0.3 by its rounding.
    limited = Space(
        (Ordinal("x", (0.1, 0.2)), Ordinal("y", (0.1, 0.2))),
        (Limit((("x", 1.0), ("y", 1.0)), 0.3),),
    )
    points = {tuple(point.values()) for point in limited.points(limited.grid())}
    assert points == {(0.1, 0.1), (0.1, 0.2), (0.2, 0.1)}


def test_spread_rows_fill_the_space_evenly_within_its_limits() -> None:
    box = (Continuous("p1", 0.0, 1.0), Continuous("p2", 0.0, 1.0))
    triangle = Space(box, (Limit((("p1", 1.0), ("p2", 1.0)), 0.8),))
    rows = triangle.spread(1000, np.random.default_rng(0))
    assert rows.shape == (1000, 2)
    assert rows.sum(axis=1).max() <= 0.8
    # Uniform over a triangle: its centroid, and a quarter of the points in its half-size corner.
    assert rows.mean(axis=0) == pytest.approx([0.8 / 3, 0.8 / 3], abs=0.01)
    assert np.mean(rows.sum(axis=1) < 0.4) == pytest.approx(0.25, abs=0.02)


def test_more_spread_rows_begin_with_the_fewer() -> None:
    few, many = (MIXED.spread(n, np.random.default_rng(3)) for n in (5, 40))
    assert np.array_equal(few, many[:5])


def test_spread_rows_take_each_level_and_each_choice_as_often() -> None:
    rows = MIXED.spread(3 * 256, np.random.default_rng(1))
    for column in (1, 2):
        _, counts = np.unique(rows[:, column], return_counts=True)
        assert counts == pytest.approx([256] * 3, abs=20)


def test_limits_that_hold_nowhere_are_found_out() -> None:
    empty = Space((Continuous("x", 1.0, 2.0),), (Limit((("x", 1.0),), 0.5),))
    with pytest.raises(DataError, match="limits of x leave hardly any point"):
        empty.spread(1, np.random.default_rng(0))


def test_nearest_moves_rows_into_ranges_and_onto_values() -> None:
    rows = MIXED.nearest(np.array([[1.3, 0.3, 1.6], [-0.2, 0.05, 0.2]]))
    assert rows == pytest.approx(np.array([[1.0, 1 / 6, 2.0], [0.0, 0.0, 0.0]]))


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"rate": 0.1, "length": 1.0}, "a point of rate, length; this space has rate, length, ty"),
        ({"rate": 0.0, "length": 1.0, "type": "a"}, "rate = 0.0 is not a number that it can have"),
        ({"rate": np.nan, "length": 1.0, "type": "a"}, "rate = nan"),
        ({"rate": 0.1, "length": "1.0", "type": "a"}, "length = '1.0'"),
        ({"rate": 0.1, "length": 1.0, "type": "d"}, "type = 'd' is not one of a, b, c"),
    ],
)
def test_points_that_are_none_are_refused(point: Point, message: str) -> None:
    with pytest.raises(DataError, match=message):
        MIXED.rows([point])


def test_impossible_spaces_are_refused() -> None:
    x = Continuous("x", 0.0, 1.0)
    with pytest.raises(DataError, match="x from 1 to 0 is no range"):
        Continuous("x", 1, 0)
    with pytest.raises(DataError, match="no logarithmic range"):
        Continuous("x", 0, 1, logarithmic=True)
    with pytest.raises(DataError, match="are not two or more that rise"):
        Ordinal("x", (1.0, 1.0))
    with pytest.raises(DataError, match="are not two or more different"):
        Categorical("x", ("a",))
    with pytest.raises(DataError, match="all different"):
        Space((x, x))
    with pytest.raises(DataError, match="is not one of finite numbers"):
        Space((x, Categorical("z", ("a", "b"))), (Limit((("z", 1.0),), 1.0),))
    with pytest.raises(DataError, match="a space of endless points is not enumerated"):
        Space((x,)).grid()
