from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from crossbar.backend import Array, BenchError, Cells
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.devices import jart_current
from sim_backend.devices.jart import Jart, JartCells, knots_of
from sim_backend.devices.jart_current import JartLaw
from sim_backend.devices.jart_motion import Filaments, Times, velocity

LOW, HIGH = 0.06, 1.98975
ENDS = np.array([LOW, HIGH])
ONE = (np.array([0]), np.array([0]))


def nominal(count: int) -> Filaments:
    m = Jart()
    values = (m.concentration_max, m.concentration_min, m.length, m.radius)
    return Filaments(*(np.full(count, value) for value in values))


def table(voltage: float, knots: Array | None = None) -> Times:
    logs = knots_of(Jart()) if knots is None else knots
    return Times.of(logs, np.array([[voltage]]), Jart().nominal())


def cell(model: Jart | None = None, conductance: float = 2e-4) -> JartCells:
    cells = (model or Jart()).build((1, 1), np.random.default_rng(0))
    cells.place(np.array([[conductance]]), 0.0)
    return cells


def pulsed(cells: JartCells, voltage: float, width: float) -> float:
    cells.pulse(ONE, np.array([voltage]), np.array([width]), np.array([0.0]))
    return float(cells.conductance(0.0)[0, 0])


def test_the_range_of_conductance_is_that_of_the_check_values() -> None:
    G = jart_current.conductance(ENDS)
    np.testing.assert_allclose(G, [94.5e-6, 559.3e-6], rtol=5e-4)
    np.testing.assert_allclose(jart_current.concentration_of(G), ENDS, rtol=1e-12)


@pytest.mark.parametrize(
    ("voltage", "shortest", "longest"),
    [
        (0.342, 1e-3, 10e-3),
        (-0.7065, 1e-3, 10e-3),
        (0.45, 1e-6, 10e-6),
        (-0.9, 10e-6, 100e-6),
    ],
)
def test_full_switches_take_the_stated_times(
    voltage: float, shortest: float, longest: float
) -> None:
    assert shortest < table(voltage).tau[0, -1] < longest


@pytest.mark.parametrize("voltage", [0.342, 0.45, -0.7065, -0.9])
def test_four_hundred_knots_err_by_less_than_a_millionth_of_a_switch(voltage: float) -> None:
    coarse = table(voltage).tau[0]
    N = np.geomspace(LOW, HIGH, 399 * 50 + 1)
    per_log = N / velocity(np.full(len(N), voltage), N, nominal(len(N)))
    fine = np.concatenate([[0], np.cumsum((per_log[1:] + per_log[:-1]) / 2 * np.diff(np.log(N)))])
    assert np.abs(coarse - fine[::50]).max() < 1e-6 * fine[-1]


@pytest.mark.parametrize(
    ("voltage", "start", "width"),
    [(0.342, 0.06, 5e-3), (0.342, 0.06, 9e-3), (0.45, 0.1, 3e-6), (-0.7065, 1.98, 5e-4)],
)
def test_a_pulse_integrates_the_stated_law(voltage: float, start: float, width: float) -> None:
    def law(_: float, N: Array) -> Array:
        speed: Array = np.sign(voltage) * velocity(np.array([voltage]), N, nominal(1))
        return speed

    numeric = solve_ivp(law, (0, width), [start], rtol=1e-9, atol=1e-12, method="LSODA").y[0, -1]
    reached = table(voltage).after(np.array([start]), np.array([width]), np.sign([voltage]))
    assert abs(numeric / start - 1) > 0.01
    assert reached[0] == pytest.approx(numeric, rel=1e-4)


@settings(deadline=None)
@given(st.floats(9.6e-5, 5.58e-4), st.floats(9.6e-5, 5.58e-4))
def test_the_inverse_gives_the_width_that_reaches_the_target(before: float, after: float) -> None:
    width = Jart().widths(np.array([before]), np.array([after]))[0]
    voltage = 0.342 if after > before else -0.7065
    reached = pulsed(cell(conductance=before), voltage, width)
    assert reached == pytest.approx(after, rel=1e-9)


def test_two_pulses_are_the_pulse_of_both_widths() -> None:
    first, second = cell(), cell()
    for _ in range(10):
        pulsed(first, 0.342, 1e-4)
    assert pulsed(first, -0.6, 1e-4) == pytest.approx(
        (pulsed(second, 0.342, 1e-3), pulsed(second, -0.6, 1e-4))[1], rel=1e-9
    )


def test_a_set_speeds_up() -> None:
    times = table(0.342).tau[0]
    assert times[100] > 0.5 * times[-1]  # the first quarter of ln N takes more than half


@pytest.mark.parametrize("voltage", [-4.0, -1.0, -0.2, -1e-3, 1e-3, 0.3, 1.0, 1.49, 3.0])
def test_the_law_inverts_and_its_slope_is_its_derivative(voltage: float) -> None:
    N = np.geomspace(LOW, HIGH, 20)
    law, V = JartLaw(N), np.full(20, voltage)
    np.testing.assert_allclose(law.inverse(law.effective(V)), V, rtol=1e-9)
    h = 1e-5 * abs(voltage)
    numeric = (law.effective(V + h) - law.effective(V - h)) / (2 * h)
    np.testing.assert_allclose(law.slope(V), numeric, rtol=1e-3)
    assert (law.slope(V) > 0).all()


def test_f_is_the_read_voltage_where_conductances_are_stated() -> None:
    N = np.geomspace(LOW, HIGH, 5)
    np.testing.assert_allclose(JartLaw(N).effective(np.full(5, -0.2)), -0.2, rtol=1e-12)


def test_a_cell_under_compliance_follows_the_limited_law() -> None:
    compliance, voltage, width = 6e-5, 0.45, 1e-4
    cells = cell(conductance=1e-4)
    start = float(jart_current.concentration_of(np.array([1e-4]))[0])
    cells.hold((0, 0), voltage, compliance, width, 0.0)

    def law(_: float, N: Array) -> Array:
        limit = jart_current.voltage_of(np.array([compliance]), N, np.ones(1))
        speed: Array = velocity(np.minimum(voltage, limit), N, nominal(1))
        return speed

    numeric = solve_ivp(law, (0, width), [start], rtol=1e-8, atol=1e-10, method="LSODA").y[0, -1]
    reached = float(cells.conductance(0.0)[0, 0])
    assert reached == pytest.approx(jart_current.conductance(np.array([numeric]))[0], rel=1e-3)
    assert reached < 0.9 * pulsed(cell(conductance=1e-4), voltage, width)


def test_a_cell_that_nothing_varies_is_the_same_from_table_to_table() -> None:
    together = Jart().build((4, 4), np.random.default_rng(0))
    alone = Jart().build((4, 4), np.random.default_rng(0))
    voltages = np.linspace(0.3, 0.4, 16)
    word, bit = np.indices((4, 4)).reshape(2, -1)
    together.pulse((word, bit), voltages, np.full(16, 1e-4), np.zeros(16))
    for k in range(16):
        part = slice(k, k + 1)
        alone.pulse((word[part], bit[part]), voltages[part], np.full(1, 1e-4), np.zeros(1))
    np.testing.assert_array_equal(together.conductance(0.0), alone.conductance(0.0))


def test_spreads_are_bounded_and_cycles_walk_within_theirs() -> None:
    model = Jart(device_sigma=0.05, cycle_sigma=0.02)
    cells = model.build((20, 20), np.random.default_rng(1))
    drawn = cells.snapshot()["drawn"]
    length, radius = drawn[2] / 0.4e-9, drawn[3] / 45e-9
    for part in (length, radius):
        assert part.min() == pytest.approx(0.9)
        assert part.max() == pytest.approx(1.1)
        assert part.std() == pytest.approx(0.05, rel=0.15)
    word, bit = np.indices((20, 20)).reshape(2, -1)
    for k in range(40):
        voltages = np.full(400, 0.342 if k % 2 == 0 else -0.7065)
        cells.pulse((word, bit), voltages, np.full(400, 3e-4), np.zeros(400))
    walked = cells.snapshot()["filaments"] / drawn
    assert np.abs(walked - 1).max() <= 0.1 + 1e-12
    assert walked[3].std() > 0.03


def test_zero_volts_move_nothing_and_stress_is_one_at_the_usual_voltages() -> None:
    cells = cell(Jart(cycle_sigma=0.05))
    before = cells.snapshot()
    pulsed(cells, 0.0, 1.0)
    for name, values in cells.snapshot().items():
        np.testing.assert_array_equal(values, before[name])
    at = np.array([0.342, -0.7065, 0.0, 1e-4])
    np.testing.assert_allclose(cells.stress(at)[:3], [1.0, -1.0, 0.0], atol=2e-3)
    assert 0 < cells.stress(at)[3] < 1e-12
    rising = cells.stress(np.linspace(0.05, 1.4, 50))
    assert (np.diff(rising) > 0).all()


def test_a_dose_at_the_usual_voltage_is_a_pulse_there() -> None:
    stressed, written = cell(), cell()
    stressed.disturb(np.array([[1e-4]]), np.array([[0.0]]))
    pulsed(written, 0.342, 1e-4)
    np.testing.assert_array_equal(stressed.conductance(0.0), written.conductance(0.0))


def test_an_array_with_line_resistance_obeys_kirchhoff() -> None:
    bench = replace(
        SimulationSettings.ideal(6, 5), device=Jart(), line_resistance=5.0, read_scheme="floating"
    )
    with SimulatedBackend(bench) as backend:
        G = np.random.default_rng(2).uniform(1e-4, 5.5e-4, (6, 5))
        backend.set_conductances(G)
        V = np.random.default_rng(3).uniform(-0.2, 0.2, (4, 6))
        addressing = backend._addressing
        solution = addressing.circuit.solve(
            backend.conductances, backend._device.law, V, np.zeros((4, 5))
        )
        # what a word line's terminal gives is what its cells take, each by its own law
        N = jart_current.concentration_of(G)
        expected = jart_current.current(solution.voltage, N)
        np.testing.assert_allclose(solution.current, expected, rtol=1e-9)
        dropped = V[:, :, None] - solution.voltage
        first_segment = 5.0 * solution.word_current
        np.testing.assert_array_less(0.9 * np.abs(first_segment), np.abs(dropped[:, :, 0]) + 1e-3)
        assert np.isfinite(backend.read(Cells.all((6, 5)), 0.1).current).all()


def test_a_snapshot_of_walking_filaments_goes_on_bit_for_bit() -> None:
    model = Jart(device_sigma=0.05, cycle_sigma=0.02, step_sigma=0.1)
    settings = replace(SimulationSettings(word_lines=3, bit_lines=3), device=model)
    with SimulatedBackend(settings) as first, SimulatedBackend(settings) as second:
        cells = Cells.all((3, 3))
        first.pulse(cells, np.full(9, 0.36), np.full(9, 1e-4), 0.1)
        second.restore(first.snapshot())
        for backend in (first, second):
            backend.pulse(cells, np.full(9, -0.7), np.full(9, 1e-4), 0.1)
        np.testing.assert_array_equal(first.conductances, second.conductances)


@pytest.mark.parametrize(
    "change",
    [{"concentration_low": 3.0}, {"bound": 1.0}, {"device_sigma": -1.0}, {"rate": 0.0}],
)
def test_impossible_constants_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BenchError):
        Jart(**change)


def test_a_width_to_nowhere_is_refused() -> None:
    with pytest.raises(BenchError, match="not inside"):
        Jart().widths(np.array([1e-4]), np.array([1e-3]))
