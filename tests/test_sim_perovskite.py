from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from crossbar.backend import Array, BenchError
from quiet_bench import QUIET, built, every, pulsed, state
from sim_backend.devices.ideal import Ideal
from sim_backend.devices.perovskite import Perovskite

MANY = (200, 200)


def test_pulses_integrate_the_stated_law() -> None:
    for voltage, threshold, sign in ((3.1, 3.0, 1.0), (-2.4, 2.2, -1.0)):
        cells = built(QUIET, (1, 1))
        cells.place(np.array([[4e-5]]), 0.0)
        k = 150.0 * np.sinh(abs(voltage) / 0.25) / np.sinh(threshold / 0.25)

        def law(_: float, x: Array, k: float = k, sign: float = sign) -> Array:
            return k * (1 - x) ** 1.5 if sign > 0 else -k * x**2

        start = state(np.array([4e-5]))
        expected = solve_ivp(law, (0, 2e-3), start, rtol=1e-10, atol=1e-12).y[0, -1]
        assert state(pulsed(cells, (1, 1), voltage, 2e-3))[0, 0] == pytest.approx(
            expected, abs=1e-7
        )


def test_a_pulse_at_threshold_moves_between_one_and_two_percent() -> None:
    assert 0.01 < state(pulsed(built(QUIET, (1, 1)), (1, 1), 3.0, 1e-4))[0, 0] < 0.02


def test_zero_volts_move_nothing() -> None:
    cells = built(Perovskite(), (5, 5))
    before = cells.conductance(0.0)
    cells.pulse(every((5, 5)), np.zeros(25), np.full(25, 1.0), np.zeros(25))
    np.testing.assert_array_equal(cells.conductance(0.0), before)


def test_device_to_device_spreads_are_recovered() -> None:
    model = replace(QUIET, conductance_off_sigma=0.2, conductance_on_sigma=0.1)
    cells = built(model, MANY)
    low = np.log(cells.conductance(0.0))
    high = np.log(pulsed(cells, MANY, 5.0, 1e6))
    for logs, median, sigma in ((low, 5e-6, 0.2), (high, 1e-4, 0.1)):
        assert logs.std() == pytest.approx(sigma, rel=0.03)
        assert np.median(logs) == pytest.approx(np.log(median), abs=0.005)


def inferred_doses(G: Array) -> Array:
    """Dose that takes a fresh cell to these conductances, by inverting the law."""
    dose: Array = ((1 - state(G)) ** -0.5 - 1) / 0.5
    return dose


def test_rate_threshold_and_cycle_spreads_are_recovered() -> None:
    nominal = 150.0 * 1e-4
    for name, sigma, per_volt in (
        ("rate_sigma", 0.3, 1.0),
        ("cycle_sigma", 0.25, 1.0),
        ("threshold_sigma", 0.04, 3.0 / 0.25),  # ln dose = (V - V_th)/V_s far above V_s
    ):
        model = replace(QUIET, **{name: sigma})
        logs = np.log(inferred_doses(pulsed(built(model, MANY), MANY, 3.0, 1e-4)) / nominal)
        assert logs.std() == pytest.approx(sigma * per_volt, rel=0.03)
        assert np.mean(logs) == pytest.approx(0.0, abs=0.01)


def test_reset_thresholds_spread_about_their_own_median() -> None:
    cells = built(replace(QUIET, threshold_sigma=0.04), MANY)
    cells.place(np.full(MANY, QUIET.conductance_on), 0.0)
    x = state(pulsed(cells, MANY, -2.2, 1e-4))
    logs = np.log((1 / x - 1) / (150.0 * 1e-4))  # from x = 1, dx/dt = -k x² gives 1/x - 1 = k t
    assert logs.std() == pytest.approx(0.04 * 2.2 / 0.25, rel=0.03)
    assert np.mean(logs) == pytest.approx(0.0, abs=0.01)


def test_cycle_spread_is_drawn_anew_and_device_spread_is_not() -> None:
    model = replace(QUIET, rate_sigma=0.3, cycle_sigma=0.25)
    cells = built(model, MANY)
    doses = []
    for _ in range(2):
        cells.place(np.full(MANY, QUIET.conductance_off), 0.0)
        doses.append(np.log(inferred_doses(pulsed(cells, MANY, 3.0, 1e-4))))
    between = np.cov(doses[0].ravel(), doses[1].ravel())[0, 1]
    within = np.var(doses[0] - doses[1]) / 2
    assert np.sqrt(between) == pytest.approx(0.3, rel=0.03)
    assert np.sqrt(within) == pytest.approx(0.25, rel=0.03)


def test_relaxation_exponent_and_its_spread_are_recovered_and_it_ends() -> None:
    cells = built(replace(QUIET, relax_mean=-0.003, relax_sigma=0.02), MANY)
    written = pulsed(cells, MANY, 3.0, 1e-3)
    exponents = [
        np.log(cells.conductance(1e-3 + t) / written) / np.log(1 + t / 1e-3) for t in (0.1, 10.0)
    ]
    np.testing.assert_allclose(exponents[0], exponents[1], atol=1e-12)
    assert exponents[0].mean() == pytest.approx(-0.003, abs=3e-4)
    assert exponents[0].std() == pytest.approx(0.02, rel=0.03)
    np.testing.assert_array_equal(cells.conductance(1e6), cells.conductance(1e7))
    assert (cells.conductance(1e9) > 0).all()


def test_default_relaxation_spreads_as_documented_in_ten_seconds() -> None:
    cells = built(Perovskite(stuck_off=0.0, stuck_on=0.0), MANY)
    written = pulsed(cells, MANY, 3.2, 1e-3)
    shift = np.log(cells.conductance(10.0) / written)
    assert shift.std() == pytest.approx(0.44, abs=0.01)


def test_a_disturb_moves_the_base_and_leaves_relaxation_alone() -> None:
    model = replace(QUIET, relax_sigma=0.05)
    disturbed, alone = built(model, (4, 4)), built(model, (4, 4))
    for cells in (disturbed, alone):
        pulsed(cells, (4, 4), 3.2, 1e-3)
    dose = np.zeros((4, 4))
    dose[1, 2] = 1e-5
    disturbed.disturb(dose, np.zeros((4, 4)))
    ratio = disturbed.conductance(5.0) / alone.conductance(5.0)
    assert 1.0 < ratio[1, 2] < 1.01
    ratio[1, 2] = 1.0
    np.testing.assert_array_equal(ratio, 1.0)
    # The same relative shift goes on: no new exponent, no new clock.
    np.testing.assert_allclose(
        disturbed.conductance(50.0) / disturbed.conductance(5.0),
        alone.conductance(50.0) / alone.conductance(5.0),
        rtol=1e-12,
    )


def test_a_pulse_too_weak_to_write_leaves_relaxation_alone() -> None:
    model = replace(QUIET, relax_sigma=0.05)
    weak, alone = built(model, (4, 4)), built(model, (4, 4))
    for cells in (weak, alone):
        pulsed(cells, (4, 4), 3.2, 1e-3)
    n = 16
    weak.pulse(every((4, 4)), np.full(n, 0.5), np.full(n, 1e-6), np.full(n, 1.0))
    np.testing.assert_allclose(weak.conductance(9.0), alone.conductance(9.0), rtol=1e-6)


def test_a_write_starts_from_the_relaxed_conductance() -> None:
    cells = built(replace(QUIET, relax_mean=0.05), (1, 1))
    pulsed(cells, (1, 1), 3.2, 1e-3)
    relaxed = cells.conductance(10.0)[0, 0]
    # The smallest pulse that counts as a write: it starts the clock anew and hardly moves.
    one = np.array([0])
    cells.pulse((one, one), np.array([3.0]), np.array([1e-6]), np.array([10.0]))
    assert cells.conductance(10.0 + 1e-6)[0, 0] == pytest.approx(relaxed, rel=1e-3)


def test_retention_decays_by_the_stated_power() -> None:
    cells = built(replace(QUIET, retention_exponent=0.005), (3, 3))
    cells.place(np.full((3, 3), 8e-5), 2.0)
    x = state(cells.conductance(np.full((3, 3), 2.0 + 99.0)))
    np.testing.assert_allclose(x, state(np.array([8e-5]))[0] * 100.0**-0.005, rtol=1e-12)


def test_stuck_cells_have_their_share_and_ignore_pulses() -> None:
    cells = built(replace(QUIET, stuck_off=0.02, stuck_on=0.03), MANY)
    up = pulsed(cells, MANY, 5.0, 1e6)
    n = up.size
    cells.disturb(np.full(MANY, 1e3), np.zeros(MANY))
    down = pulsed(cells, MANY, -5.0, 1e6)
    assert (up < 6e-6).sum() / n == pytest.approx(0.02, rel=0.1)
    assert (down > 9e-5).sum() / n == pytest.approx(0.03, rel=0.1)


def test_spreads_that_leave_a_cell_without_threshold_are_refused() -> None:
    with pytest.raises(BenchError, match="threshold"):
        built(Perovskite(threshold_sigma=1.0), (20, 20))
    with pytest.raises(BenchError):
        Ideal(conductance_min=1e-4)
