from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import DataError, Flag
from crossbar.merit.alignment import align, limited
from crossbar.merit.cycles import split
from merit_curves import curve, rising, swept, switched, triangle


def test_measured_voltages_are_kept_and_nothing_is_interpolated() -> None:
    G = rising(5, 40, 0.3)
    found = align(split(swept(G)))
    np.testing.assert_allclose(found.grid, np.linspace(0, 2, 41)[1:])
    np.testing.assert_allclose(found.conductance, G)
    assert found.left_out == {
        "without a current": 0,
        "at the current limit": 0,
        "at 0 V": 5,
        "of no positive conductance": 0,
    }


@pytest.mark.parametrize("branch", ["positive up", "positive down", "negative down", "negative up"])
def test_each_branch_has_its_own_conductances(branch: str) -> None:
    voltage = triangle(2, -2, 0.1, 3)
    found = align(split(curve(voltage, switched(voltage))), branch=branch)
    at = found.conductance[:, np.argmin(np.abs(found.grid - 0.5))]
    high = branch in ("positive down", "negative down")
    np.testing.assert_allclose(at, 1e-4 if high else 1e-6)


def test_a_grid_of_ones_own_is_interpolated_and_never_extrapolated() -> None:
    voltage = triangle(2, -2, 0.1, 2)
    found = align(split(curve(voltage, voltage * np.abs(voltage))), np.array([0.05, 0.35, 1.15, 3]))
    np.testing.assert_allclose(found.grid, [0.35, 1.15])
    np.testing.assert_allclose(found.conductance, [[0.35, 1.15]] * 2)


def test_noise_on_voltages_leaves_the_conductance_right() -> None:
    rng = np.random.default_rng(0)
    voltage = triangle(2, -2, 0.05, 4)
    voltage = voltage + rng.normal(0, 0.004, len(voltage))
    found = align(split(curve(voltage, 1e-5 * voltage)), v_floor=0.03)
    assert found.conductance.shape[0] == 4
    np.testing.assert_allclose(found.conductance, 1e-5)


def test_cycles_of_other_steps_are_interpolated_to_common_ones() -> None:
    voltage = np.concatenate([triangle(2, -2, 0.1), triangle(2, -2, 0.07)])
    found = align(split(curve(voltage, voltage * np.abs(voltage))))
    assert found.conductance.shape[0] == 2
    np.testing.assert_allclose(found.conductance, [found.grid, found.grid], atol=1e-9)


def test_a_dwell_is_one_reading_of_its_voltage() -> None:
    voltage = np.repeat(triangle(2, -2, 0.1, 2), 3)
    current = voltage * np.tile([0.9, 1.0, 1.1], len(voltage) // 3) * 1e-6
    found = align(split(curve(voltage, current)), v_floor=0.05)
    assert found.conductance.shape == (2, 20)
    np.testing.assert_allclose(found.conductance[:, 1:-1], 1e-6)


def test_points_at_a_plateau_of_the_current_are_left_out_and_counted() -> None:
    voltage = triangle(2, -2, 0.05, 3)
    current = np.minimum(1e-4 * voltage, 1.2e-4)
    found = align(split(curve(voltage, current)))
    assert found.grid.max() < 1.2
    # 1.2 V to 2 V, of three cycles.
    assert found.left_out["at the current limit"] == pytest.approx(3 * 17, abs=3)


def test_a_noisy_plateau_is_one_and_the_round_top_of_a_reset_is_not() -> None:
    rng = np.random.default_rng(0)
    voltage = triangle(2, -2, 0.02)
    noisy = np.minimum(1e-4 * voltage, 1.2e-4)
    noisy = np.where(noisy == 1.2e-4, noisy * (1 + rng.normal(0, 3e-4, len(voltage))), noisy)
    noisy[70] *= 1.005
    assert limited(curve(voltage, noisy)).sum() == pytest.approx(81, abs=2)
    top = 1e-4 * (1 - (voltage - 1) ** 2) * (voltage > 0)
    assert not limited(curve(voltage, top)).any()
    assert not limited(curve(voltage, 1e-4 * voltage)).any()


def test_flagged_points_are_left_out_and_counted() -> None:
    found = split(swept(rising(3, 20, 0.1)))
    flags = np.zeros(len(found), dtype=np.uint8)
    flags[[5, 6]] = Flag.COMPLIANCE
    flags[7] = Flag.CLIPPED
    result = align(replace(found, flags=flags))
    assert result.left_out["at the current limit"] == 3
    assert result.conductance.shape == (3, 17)


def test_a_voltage_at_which_one_cycle_was_limited_is_left_out_of_all() -> None:
    G = rising(3, 30, 0.0)
    G[1] *= 2
    limit = 1.2e-5
    found = split(swept(G))
    result = align(replace(found, current=np.minimum(found.current, limit)))
    assert result.cycles.tolist() == [0, 1, 2]
    assert (result.conductance[1] * result.grid < limit).all()
    assert result.conductance.shape[1] < 30


def test_what_has_no_conductance_is_left_out_and_counted() -> None:
    found = split(swept(rising(3, 20, 0.1)))
    current = found.current.copy()
    current[3], current[4] = np.nan, -1e-9
    result = align(replace(found, current=current), v_floor=0.15)
    assert result.left_out == {
        "without a current": 1,
        "at the current limit": 0,
        "below 0.15 V": 6,
        "of no positive conductance": 1,
    }
    assert result.conductance.shape == (3, 17)


def test_a_cycle_with_hardly_a_usable_point_is_left_out_and_named() -> None:
    found = split(swept(rising(4, 20, 0.1)))
    current = np.where((found.cycle == 2) & (found.voltage < 1.8), np.nan, found.current)
    result = align(replace(found, current=current))
    assert result.cycles.tolist() == [0, 1, 3]
    assert result.cycles_left_out == (2,)
    assert result.conductance.shape == (3, 20)


def test_a_branch_without_usable_points_says_why() -> None:
    voltage = triangle(2, -2, 0.1)
    with pytest.raises(DataError, match="no usable point: 2 at 0 V, 20 of no positive conductance"):
        align(split(curve(voltage, -1e-6 * np.abs(voltage))))
    with pytest.raises(DataError, match="no point is on the negative down branch"):
        align(split(curve(triangle(2, 0, 0.1), triangle(2, 0, 0.1))), branch="negative down")
    with pytest.raises(DataError, match="there is no branch 'up'; there are: positive up"):
        align(split(curve(voltage, voltage)), branch="up")
