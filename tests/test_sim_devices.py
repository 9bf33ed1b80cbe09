import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from crossbar.backend import Array, BenchError
from quiet_bench import QUIET, built, pulsed, state
from sim_backend.devices import DEVICES
from sim_backend.devices.ideal import Ideal
from sim_backend.devices.perovskite import Perovskite


@pytest.mark.parametrize("name", DEVICES)
def test_placing_is_exact_on_every_model(name: str) -> None:
    cells = DEVICES[name]().build((6, 7), np.random.default_rng(3))
    wanted = np.random.default_rng(4).uniform(0, 2e-4, (6, 7))
    cells.place(wanted, 5.0)
    np.testing.assert_allclose(cells.conductance(5.0), wanted, rtol=1e-11, atol=1e-18)


@pytest.mark.parametrize("name", DEVICES)
def test_description_is_plain_and_names_what_is_assumed(name: str) -> None:
    model = DEVICES[name]()
    described = model.build((2, 2), np.random.default_rng(0)).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["model"] == name == model.name
    assumed = described["assumed"]
    assert isinstance(assumed, list)
    assert "rate" in assumed
    assert ("set_threshold" in assumed) == (name == "ideal")


def test_a_constant_that_a_bench_gives_is_neither_assumed_nor_the_papers() -> None:
    described = built(Perovskite(set_threshold=1.0, rate=10.0), (1, 1)).describe()
    assert described["given"] == ["set_threshold", "rate"]
    assert described["sources"] == {"reset_threshold": "arXiv 2412.02779, near -2.2 V"}
    assumed = described["assumed"]
    assert isinstance(assumed, list)
    assert "rate" not in assumed


def test_ideal_pulse_is_linear_in_overdrive_and_width_and_stops_at_the_ends() -> None:
    cells = Ideal().build((1, 4), np.random.default_rng(0))
    at = np.zeros(4, np.intp), np.arange(4)
    widths = np.array([1e-4, 2e-4, 1e-4, 1.0])
    cells.pulse(at, np.array([3.0, 3.0, 4.0, 4.0]), widths, np.zeros(4))
    moved = (cells.conductance(0.0)[0] - 5e-6) / 9.5e-5
    np.testing.assert_allclose(moved, [0.05, 0.10, 0.10, 1.0], rtol=1e-12)
    cells.pulse(at, np.full(4, -2.5), np.full(4, 1e-4), np.zeros(4))
    after = (cells.conductance(0.0)[0] - 5e-6) / 9.5e-5
    np.testing.assert_allclose(after, moved - 0.05, atol=1e-12)
    before = cells.conductance(0.0)
    cells.pulse(at, np.array([2.0, -1.5, 1.9, 0.0]), np.ones(4), np.zeros(4))
    np.testing.assert_array_equal(cells.conductance(0.0), before)


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("voltage", [3.5, -3.5])
def test_hold_far_below_compliance_is_a_pulse(name: str, voltage: float) -> None:
    held, pulse = (DEVICES[name]().build((2, 2), np.random.default_rng(6)) for _ in range(2))
    for cells in (held, pulse):
        cells.place(np.full((2, 2), 5e-5), 0.0)
    held.hold((1, 0), voltage, 1.0, 1e-4, 0.0)
    pulse.pulse(
        (np.array([1]), np.array([0])), np.array([voltage]), np.array([1e-4]), np.array([0.0])
    )
    np.testing.assert_array_equal(held.conductance(1.0), pulse.conductance(1.0))


@pytest.mark.parametrize(("voltage", "start"), [(3.5, 5e-6), (-2.6, 9e-5)])
def test_hold_under_compliance_solves_the_limited_law(voltage: float, start: float) -> None:
    cells, compliance, width = built(QUIET, (1, 1)), 1.5e-4, 2e-3
    cells.place(np.array([[start]]), 0.0)
    cells.hold((0, 0), voltage, compliance, width, 0.0)
    threshold = 3.0 if voltage > 0 else 2.2

    def law(_: float, x: Array) -> Array:
        G = QUIET.conductance_off + x * (QUIET.conductance_on - QUIET.conductance_off)
        V = np.minimum(abs(voltage), np.arcsinh(compliance / G))
        k = 150.0 * np.sinh(V / 0.25) / np.sinh(threshold / 0.25)
        rate: Array = k * (1 - x) ** 1.5 if voltage > 0 else -k * x**2
        return rate

    x0 = state(np.array([start]))
    numeric = solve_ivp(law, (0, width), x0, rtol=1e-9, atol=1e-12, method="LSODA").y[0, -1]
    free = pulsed_free(voltage, start, width)
    reached = state(cells.conductance(width))[0, 0]
    assert abs(numeric - free) > 0.05  # the compliance matters here
    assert reached == pytest.approx(numeric, abs=2e-3)


def pulsed_free(voltage: float, start: float, width: float) -> float:
    cells = built(QUIET, (1, 1))
    cells.place(np.array([[start]]), 0.0)
    return float(state(pulsed(cells, (1, 1), voltage, width))[0, 0])


@pytest.mark.parametrize(
    "change",
    [
        {"conductance_off": 2e-4},
        {"voltage_scale": 0.0},
        {"rate": float("nan")},
        {"cycle_sigma": -0.1},
        {"stuck_on": 0.6, "stuck_off": 0.6},
        {"fresh_state": 1.5},
    ],
)
def test_impossible_constants_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BenchError):
        Perovskite(**change)
