from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from crossbar.backend import Array, BenchError, Cells
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.devices.poole_frenkel import REGIMES, PooleFrenkel
from sim_backend.devices.poole_frenkel_law import PooleFrenkelLaw

SHAPE = (5, 6)


def exact(regime: str) -> PooleFrenkel:
    return PooleFrenkel(regime, 0.0, 0.0, cycle_sigma=0.0, read_sigma=0.0)


def current(regime: str, resistance: float, voltage: float) -> float:
    c, k = exact(regime).emission(np.array(resistance), np.array(0.0), np.array(0.0))
    return float(c * voltage * np.exp(k * np.sqrt(voltage)))


@pytest.mark.parametrize(
    ("regime", "resistance", "expected"),
    [("high", 1.905e6, 2.038e6), ("low", 289.9, 289.6)],
)
def test_the_resistance_at_a_tenth_of_a_volt_is_that_of_the_check_values(
    regime: str, resistance: float, expected: float
) -> None:
    assert 0.1 / current(regime, resistance, 0.1) == pytest.approx(expected, rel=5e-4)


@pytest.mark.parametrize("regime", REGIMES)
def test_the_resistance_is_reproduced_within_a_tenth_over_the_window(regime: str) -> None:
    window = REGIMES[regime]
    for G in np.geomspace(window.conductance_off, window.conductance_on, 9):
        ratio = 0.1 / current(regime, 1 / G, 0.1) * G
        assert 0.99 < ratio < 1.1


@pytest.mark.parametrize(("regime", "low", "high"), [("high", 1.91, 2.00), ("low", 1.06, 1.11)])
def test_the_nonlinearity_at_half_a_volt_is_that_of_the_check_values(
    regime: str, low: float, high: float
) -> None:
    window = REGIMES[regime]
    at_ends = [
        current(regime, 1 / G, 0.5) / (0.5 * G)
        for G in (window.conductance_off, window.conductance_on)
    ]
    assert min(at_ends) == pytest.approx(low, abs=0.01)
    assert max(at_ends) == pytest.approx(high, abs=0.01)


@settings(deadline=None)
@given(st.floats(-4, 4), st.floats(0, 5))
def test_the_law_inverts_and_its_slope_is_its_derivative(voltage: float, k: float) -> None:
    law, V = PooleFrenkelLaw(np.array([k])), np.array([voltage])
    np.testing.assert_allclose(law.inverse(law.effective(V)), V, atol=1e-9)
    h = 1e-6
    if abs(voltage) > 1e-3:
        numeric = (law.effective(V + h) - law.effective(V - h)) / (2 * h)
        np.testing.assert_allclose(law.slope(V), numeric, rtol=1e-3)


def test_the_spread_of_the_law_is_that_of_the_residuals() -> None:
    model = PooleFrenkel("high", current_residual=0.15, permittivity_residual=0.3)
    cells = model.build((200, 200), np.random.default_rng(0))
    sure = exact("high").build((1, 1), np.random.default_rng(0))
    one = np.array([[0.4]])
    growth = np.log(cells.law.effective(np.full((200, 200), 0.4)) / 0.4)
    # ln f is k (√V - √0.1), and k goes with (d eps)^-1/2
    k = growth / np.log(sure.law.effective(one)[0, 0] / 0.4)
    assert np.log(k).std() == pytest.approx(0.15, rel=0.03)
    small = np.log(cells.conductance(0.0)) - growth * np.sqrt(0.1) / (np.sqrt(0.4) - np.sqrt(0.1))
    assert small.std() == pytest.approx(0.15, rel=0.03)


def test_pulses_move_a_cell_through_the_window_and_both_ways() -> None:
    cells = exact("low").build((1, 1), np.random.default_rng(0))
    one = np.array([0])

    def pulsed(voltage: float) -> float:
        cells.pulse((one, one), np.array([voltage]), np.array([1.0]), np.array([0.0]))
        return float(cells.conductance(0.0)[0, 0])

    window = REGIMES["low"]
    assert pulsed(4.0) == pytest.approx(window.conductance_on, rel=0.01)
    assert pulsed(-4.0) == pytest.approx(window.conductance_off, rel=0.1)


def test_a_multiply_sums_the_currents_of_each_cells_own_law() -> None:
    model = PooleFrenkel("high", current_residual=0.3, permittivity_residual=0.5, read_sigma=0.0)
    bench = replace(SimulationSettings.ideal(*SHAPE), device=model)
    with SimulatedBackend(bench) as backend:
        G = np.random.default_rng(1).uniform(6e-7, 2.5e-6, SHAPE)
        backend.set_conductances(G)
        V = np.random.default_rng(2).uniform(-0.5, 0.5, (7, SHAPE[0]))
        law = backend._device.law
        found = backend.drive(V).current
        expected = np.array([(law.effective(v[:, None] * np.ones(SHAPE)) * G).sum(0) for v in V])
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        backend.set_conductances(G)
        reads = backend.read(Cells.all(SHAPE), 0.1).current
        np.testing.assert_allclose(reads.reshape(SHAPE), 0.1 * G, rtol=1e-12)
    with SimulatedBackend(replace(bench, line_resistance=1e-3)) as resistive:
        resistive.set_conductances(G)
        np.testing.assert_allclose(resistive.drive(V).current, expected, rtol=1e-5, atol=1e-12)


def test_a_sweep_holds_the_compliance_by_the_cells_own_law() -> None:
    bench = replace(SimulationSettings.ideal(1, 1), device=exact("high"))
    with SimulatedBackend(bench) as backend:
        G = 2e-6
        backend.set_conductances(np.array([[G]]))
        swept = backend.sweep((0, 0), np.array([0.1, 0.3, 0.5]), 5e-7, 1e-6)
        k = backend._device.law.slope(np.array([[0.1]]))[0, 0] / np.sqrt(0.1) * 2

    def carried(V: float) -> float:
        k_true = k - 2 / np.sqrt(0.1)
        return float(G * V * np.exp(k_true * (np.sqrt(V) - np.sqrt(0.1))))

    free = [carried(0.1), carried(0.3)]
    np.testing.assert_allclose(swept.current[:2], np.minimum(free, 5e-7), rtol=1e-6)
    assert swept.current[2] == pytest.approx(5e-7, rel=1e-9)
    assert swept.voltage[2] == pytest.approx(
        brentq(lambda V: carried(V) - 5e-7, 0.1, 0.6), rel=1e-6
    )


def test_placing_outside_the_window_is_exact_and_scales_the_cell() -> None:
    cells = PooleFrenkel().build(SHAPE, np.random.default_rng(0))
    wanted: Array = np.linspace(0.0, 1e-3, 30).reshape(SHAPE)
    cells.place(wanted, 0.0)
    np.testing.assert_allclose(cells.conductance(0.0), wanted, rtol=1e-12)
    assert np.isfinite(cells.law.effective(np.full(SHAPE, 0.5))).all()


@pytest.mark.parametrize("change", [{"regime": "middle"}, {"rate": 0.0}, {"temperature": -1.0}])
def test_impossible_constants_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BenchError):
        PooleFrenkel(**change)  # type: ignore[arg-type]
