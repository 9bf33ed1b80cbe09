import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.curves import Curve, Measurements, Origin, PulseTable

ORIGIN = Origin("here.csv", "text")


def curve(cycle: list[int]) -> Curve:
    n = len(cycle)
    return Curve("D1", np.linspace(0, 0.1 * (n - 1), n), np.ones(n), np.array(cycle, int), ORIGIN)


def test_cycles_are_counted() -> None:
    assert curve([0, 0, 1, 1, 2]).cycles == 3
    assert curve([]).cycles == 0


def test_part_of_a_curve_counts_its_cycles_anew() -> None:
    part = curve([0, 0, 1, 1, 2, 2]).part(np.array([2, 3, 5]))
    assert part.cycle.tolist() == [0, 0, 1]
    assert part.voltage.tolist() == pytest.approx([0.2, 0.3, 0.5])
    assert part.time is None


@pytest.mark.parametrize("cycle", [[1, 1], [0, 2], [0, 1, 0]])
def test_cycles_that_do_not_count_up_are_refused(cycle: list[int]) -> None:
    with pytest.raises(DataError, match="do not count up from 0"):
        curve(cycle)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="different shapes"):
        Curve("D1", np.zeros(3), np.zeros(4), np.zeros(3, dtype=np.intp), ORIGIN)
    with pytest.raises(DataError, match="different shapes"):
        PulseTable("P", np.zeros(3), np.zeros(3, int), np.zeros(2, int), ORIGIN)


def test_a_voltage_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(DataError, match="not a finite number"):
        Curve("D1", np.array([0.0, np.nan]), np.zeros(2), np.zeros(2, int), ORIGIN)


def test_measurements_add_up() -> None:
    both = Measurements(curves=(curve([0]),)) + Measurements(curves=(curve([0, 1]),))
    assert [len(each) for each in both.curves] == [1, 2]
