from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Flag, InstrumentError, LimitError
from instruments.scans import RECORD, TICK, WAVEFORM, Steps
from instruments.staircase import Measured, Point, held_below

STEPS = Steps(1000, 1000)


@given(st.floats(4e-5, 1.0), st.integers(0, 2000))
def test_a_point_has_its_dwell_and_shows_its_baseline(dwell: float, lead: int) -> None:
    point = Point.fitting(dwell, lead, STEPS)
    drive = point.drive(2.0)
    assert len(drive) == len(point.bias(1.0)) <= WAVEFORM
    assert point.record.samples <= RECORD
    assert point.dwell * point.interval * TICK == pytest.approx(dwell, rel=2e-3, abs=1e-7)
    times = point.record.interval * np.arange(point.record.samples)
    seen = drive[np.minimum(times // point.interval, len(drive) - 1)]
    assert np.allclose(point.cut(seen), [0.0, 2.0])
    assert point.lead * point.interval >= max(lead, STEPS.step)


@pytest.mark.parametrize("dwell", [0.0, 1e-6, -1.0, np.nan, np.inf])
def test_a_dwell_that_is_too_short_to_measure_in_is_refused(dwell: float) -> None:
    with pytest.raises(LimitError, match="too short"):
        Point.fitting(dwell, 0, STEPS)


def ohmic(conductance: float, taken: list[float]) -> Callable[[float], Measured]:
    """Return what measures a resistor, and lists at which voltages it did."""

    def measure(voltage: float) -> Measured:
        taken.append(voltage)
        return Measured(voltage, conductance * voltage, 0)

    return measure


def test_below_the_limit_a_point_is_taken_once_where_it_was_asked() -> None:
    taken: list[float] = []
    point, lowered = held_below(1e-4, 0.5, 0.0, ohmic(1e-4, taken))
    assert (taken, lowered) == ([0.5], False)
    assert point.current == pytest.approx(5e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_above_the_limit_the_voltage_is_lowered_until_it_holds(sign: int) -> None:
    taken: list[float] = []
    point, lowered = held_below(1e-5, sign * 0.5, 0.0, ohmic(1e-4, taken))
    assert lowered
    assert point.voltage * sign == pytest.approx(0.099)
    assert abs(point.current) <= 1e-5


def test_a_known_conductance_keeps_the_next_point_below_from_the_start() -> None:
    taken: list[float] = []
    _, lowered = held_below(1e-5, 0.5, 1e-4, ohmic(1e-4, taken))
    assert taken == [pytest.approx(0.099)]
    assert lowered


def test_a_conductance_that_has_fallen_lets_the_voltage_rise_again() -> None:
    taken: list[float] = []
    point, lowered = held_below(1e-5, 0.5, 1e-3, ohmic(1e-5, taken))
    assert taken == [pytest.approx(0.0099), 0.5]
    assert not lowered
    assert point.current == pytest.approx(5e-6)


def test_what_is_clipped_is_more_than_it_says() -> None:
    taken: list[float] = []

    def measure(voltage: float) -> Measured:
        taken.append(voltage)
        clipped = abs(voltage) > 0.3
        return Measured(voltage, min(1e-5 * voltage, 3e-6), Flag.CLIPPED if clipped else 0)

    point, lowered = held_below(1e-4, 1.0, 0.0, measure)
    assert taken == [1.0, 0.5, 0.25]
    assert lowered
    assert point.voltage == 0.25


def test_a_current_that_does_not_come_down_is_an_error() -> None:
    with pytest.raises(InstrumentError, match="stays above 1e-05 A"):
        held_below(1e-5, 0.5, 0.0, lambda voltage: Measured(voltage, 1e-3, 0))


def test_a_cell_that_every_attempt_changes_is_brought_below_the_limit() -> None:
    rng = np.random.default_rng(0)
    conductance = 0.0

    def measure(voltage: float) -> Measured:
        nonlocal conductance
        # As a perovskite cell does, which relaxes anew, by some 15 %, after every write.
        conductance *= float(rng.lognormal(0.0, 0.15))
        return Measured(voltage, conductance * voltage, 0)

    for _ in range(20_000):
        conductance = 1e-4
        point, lowered = held_below(1e-4, 3.0, conductance, measure)
        assert lowered
        assert abs(point.current) <= 1e-4
