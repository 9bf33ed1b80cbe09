import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import DataError
from crossbar.merit.cycles import split
from crossbar.merit.switching import SWITCHES, switching
from merit_curves import curve, switched, triangle


@pytest.mark.parametrize("method", list(SWITCHES))
@pytest.mark.parametrize("polarity", [1, -1])
def test_an_abrupt_device_switches_where_it_jumps(method: str, polarity: int) -> None:
    voltage = triangle(2, -2, 0.05, 3)
    device = curve(voltage, switched(voltage, v_set=polarity * 1.2, v_reset=-polarity * 0.8))
    found = switching(split(device), method=method)
    np.testing.assert_allclose(found.v_set, polarity * 1.2)
    step = 0.05 if method == "loop" else 0.0  # the last point before the current falls
    # What begins in the low state has nothing to reset before it has set.
    first = 0 if polarity > 0 else 1
    np.testing.assert_allclose(found.v_reset[first:], -polarity * (0.8 - step))


def test_voltages_are_those_of_each_cycle() -> None:
    voltages = (0.9, 1.1, 1.4)
    one = triangle(2, -2, 0.1)
    current = np.concatenate([switched(one, v_set=each) for each in voltages])
    found = switching(split(curve(np.tile(one, 3), current)))
    np.testing.assert_allclose(found.v_set, voltages)


@given(st.integers(-12, 12), st.floats(0.3, 1.8), st.floats(0.3, 1.8))
def test_switching_does_not_depend_on_the_unit_of_current(
    power: int, v_set: float, v_reset: float
) -> None:
    voltage = triangle(2, -2, 0.1)
    current = switched(voltage, v_set=v_set, v_reset=-v_reset)
    own, scaled = (
        switching(split(curve(voltage, scale * current)), read_voltage=0.2)
        for scale in (1.0, 2.0**power)
    )
    np.testing.assert_array_equal(own.v_set, scaled.v_set)
    np.testing.assert_array_equal(own.v_reset, scaled.v_reset)
    np.testing.assert_allclose(own.on_off, scaled.on_off)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_a_resistor_switches_nowhere_however_noisy(noise: float) -> None:
    voltage = triangle(2, -2, 0.05, 5)
    rng = np.random.default_rng(0)
    found = switching(
        split(curve(voltage, voltage * np.exp(noise * rng.normal(size=len(voltage)))))
    )
    assert np.isnan(found.v_set).all()
    assert np.isnan(found.v_reset).all()


def test_a_diode_switches_nowhere_though_its_current_is_steep() -> None:
    voltage = triangle(1, -1, 0.02, 2)
    found = switching(split(curve(voltage, 1e-9 * np.expm1(12 * voltage))))
    assert np.isnan(found.v_set).all()


def test_a_device_that_sets_only_never_resets() -> None:
    voltage = triangle(2, -2, 0.1)
    found = switching(split(curve(voltage, switched(voltage, v_reset=-9.0))))
    assert found.v_set.tolist() == [1.0]
    assert np.isnan(found.v_reset).all()


def test_a_reset_that_never_lets_the_current_fall_has_no_voltage() -> None:
    voltage = triangle(2, -2, 0.05)
    # Conductance falls as 1/sqrt(V) on the way out, and stays: the current goes on rising.
    out = np.where((voltage < 0) & (np.arange(len(voltage)) < 120), np.abs(voltage), 2.0)
    found = switching(split(curve(voltage, voltage / np.sqrt(np.maximum(out, 0.05)))))
    assert np.isnan(found.v_reset).all()


def test_the_jump_into_the_current_limit_is_the_set() -> None:
    voltage = triangle(2, -2, 0.1)
    found = switching(split(curve(voltage, np.minimum(switched(voltage, v_set=1.3), 5e-5))))
    assert found.v_set.tolist() == [1.3]


@pytest.mark.parametrize("read_voltage", [0.3, -0.3])
def test_the_ratio_is_that_of_the_two_branches_at_the_read_voltage(read_voltage: float) -> None:
    voltage = triangle(2, -2, 0.1, 2)
    found = switching(split(curve(voltage, switched(voltage))), read_voltage=read_voltage)
    np.testing.assert_allclose(found.on_off, 100)
    np.testing.assert_allclose(found.nonlinearity, 1)


def test_nonlinearity_is_the_current_over_twice_that_of_half_the_voltage() -> None:
    voltage = triangle(2, -2, 0.1)
    found = switching(split(curve(voltage, voltage**3)), read_voltage=1.0)
    np.testing.assert_allclose(found.nonlinearity, 4)


def test_a_read_voltage_outside_of_the_sweep_reads_nothing() -> None:
    voltage = triangle(2, -2, 0.1)
    found = switching(split(curve(voltage, voltage)), read_voltage=2.5)
    assert np.isnan(found.on_off).all()
    assert np.isnan(found.nonlinearity).all()


def test_what_cannot_be_asked_is_refused() -> None:
    whole = split(curve(triangle(2, -2, 0.1), triangle(2, -2, 0.1)))
    with pytest.raises(DataError, match="no method 'fast'"):
        switching(whole, method="fast")
    with pytest.raises(DataError, match="reads nothing"):
        switching(whole, read_voltage=0.0)
