import json
from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import (
    Array,
    Backend,
    BenchError,
    Cells,
    ClosedError,
    LimitError,
    Reading,
)
from quiet_bench import EXACT, QUIET, conductances, placed
from sim_backend import Adc, Dac, Ideal, SimulatedBackend, SimulationSettings, Tia

ONE = np.array([0.0])


def test_it_is_a_backend_and_says_so() -> None:
    with SimulatedBackend(EXACT) as simulated:
        backend: Backend = simulated
        assert backend.shape == (3, 5)
        assert backend.limits.voltage == 5.0
        described = backend.describe()
        assert described["kind"] == "sim"
        assert described["seed"] == 0
        assert described["assumed"] == ["read_time", "dead_time", "limits"]
        assert json.loads(json.dumps(described)) == described


def test_an_ideal_bench_multiplies_like_numpy() -> None:
    backend = placed(EXACT)
    V = np.random.default_rng(1).uniform(-0.5, 0.5, (50, 3))
    reading = backend.drive(V)
    np.testing.assert_allclose(reading.current, V @ conductances((3, 5)), rtol=1e-9, atol=1e-18)
    assert not reading.flags.any()


def test_same_seed_and_same_calls_give_identical_numbers() -> None:
    def run(seed: int) -> list[Array]:
        backend = SimulatedBackend(SimulationSettings(word_lines=4, bit_lines=6, seed=seed))
        cells = Cells.all(backend.shape)
        out = [backend.pulse(cells, np.full(24, 3.3), np.full(24, 1e-4), 0.2).current]
        backend.wait(5.0)
        out.append(backend.drive(np.full((3, 4), 0.2)).current)
        out.append(backend.read(cells, 0.2).current)
        out.append(backend.sweep((1, 2), np.linspace(0, 3, 9), 1e-4, 1e-3).current)
        return [*out, backend.conductances]

    for a, b in zip(run(1), run(1), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(run(1)[0], run(2)[0])


def test_a_generator_given_replaces_the_seed() -> None:
    a = SimulatedBackend(SimulationSettings(seed=5))
    b = SimulatedBackend(SimulationSettings(seed=9), np.random.default_rng(5))
    np.testing.assert_array_equal(a.conductances, b.conductances)
    assert b.describe()["seed"] != 9


def test_a_cell_that_occurs_twice_is_pulsed_in_order_and_verified_each_time() -> None:
    settings = replace(EXACT, device=QUIET)
    cells = Cells.of([(0, 0), (1, 3), (0, 0)])
    V, widths = np.array([3.2, 3.2, -2.4]), np.array([1e-4, 2e-4, 3e-4])
    together = SimulatedBackend(settings)
    currents = together.pulse(cells, V, widths, 0.1).current
    alone = SimulatedBackend(settings)
    one_by_one = [
        alone.pulse(cells[k : k + 1], V[k : k + 1], widths[k : k + 1], 0.1).current[0]
        for k in range(3)
    ]
    # One by one, half-select stress arrives between the pulses: the difference is that small.
    np.testing.assert_allclose(currents, one_by_one, rtol=2e-4)
    assert currents[2] < currents[0]
    assert together.now == pytest.approx(alone.now)


def test_the_clock_counts_what_takes_time() -> None:
    backend = SimulatedBackend(replace(EXACT, read_time=1e-4, dead_time=1e-5))
    backend.read(Cells.of([(0, 0), (1, 1)]), 0.1)
    assert backend.now == pytest.approx(2e-4)
    backend.drive(np.zeros((7, 3)))
    assert backend.now == pytest.approx(9e-4)
    backend.pulse(Cells.of([(0, 0)]), np.array([3.0]), np.array([1e-3]), 0.1)
    assert backend.now == pytest.approx(9e-4 + 1.11e-3)
    backend.wait(1e4)
    backend.sweep((0, 0), np.zeros(5), 1e-4, 2e-3)
    assert backend.now == pytest.approx(1e4 + 9e-4 + 1.11e-3 + 1e-2)


def test_read_stress_follows_the_law_and_is_as_small_as_documented() -> None:
    for voltage, bound in ((0.2, 1.7e-7), (0.5, 7.5e-7)):
        backend = SimulatedBackend(replace(EXACT, device=QUIET))
        fresh = backend.conductances
        backend.drive(np.full((1000, 3), voltage))
        per_read = (backend.conductances - fresh) / 9.5e-5 / 1000
        assert (per_read > 0).all()
        assert (per_read < bound).all()


def test_a_multiply_stresses_each_word_line_by_its_own_voltage() -> None:
    backend = SimulatedBackend(replace(EXACT, device=QUIET))
    fresh = backend.conductances
    backend.drive(np.tile([0.0, 0.3, 0.5], (1000, 1)))
    moved = (backend.conductances - fresh) / 9.5e-5
    expected = 150 * 1000 * 1e-4 * np.sinh(np.array([0.0, 0.3, 0.5]) / 0.25) / np.sinh(12.0)
    np.testing.assert_allclose(moved, np.repeat(expected[:, None], 5, axis=1), rtol=1e-3)


def test_generic_write_verify_reaches_any_conductance_of_ideal_devices() -> None:
    backend = SimulatedBackend(EXACT)
    cells, wanted = Cells.all((3, 5)), conductances((3, 5), 4).ravel()
    read = backend.read(cells, 0.1).current / 0.1
    for _ in range(3):
        error = wanted - read
        widths = np.maximum(np.abs(error) / 9.5e-5 / Ideal().rate, 1e-9)
        volts = np.where(error > 0, 3.0, -2.5)
        read = backend.pulse(cells, volts, widths, 0.1).current / 0.1
    assert np.abs(read - wanted).max() < 1e-3 * 9.5e-5


def test_a_reading_beyond_the_largest_range_is_flagged() -> None:
    backend = placed(replace(EXACT, adc=Adc(bits=None, ranges=(1e-6,), noise=0.0)))
    reading = backend.drive(np.full((1, 3), 0.4))
    assert reading.clipped.all()
    np.testing.assert_array_equal(reading.current, 1e-6)


def test_amplifier_errors_are_the_same_for_reads_and_multiplies() -> None:
    settings = replace(EXACT, tia=Tia(gain_sigma=0.05, offset_sigma=1e-7))
    backend = placed(settings)
    driven = backend.drive(np.array([[0.0, 0.0, 0.3]])).current[0]
    read = backend.read(Cells.block([2], range(5)), 0.3).current
    np.testing.assert_allclose(read, driven, rtol=1e-9)
    assert np.abs(driven / (0.3 * conductances((3, 5))[2]) - 1).max() > 0.01


def requests() -> list[tuple[str, tuple[object, ...]]]:
    inside, outside = Cells.of([(0, 0)]), Cells.of([(3, 0)])
    volts, width, nan = np.array([3.0]), np.array([1e-4]), np.array([np.nan])
    return [
        ("read", (outside, 0.1)),
        ("read", (inside, np.nan)),
        ("read", (inside, 9.0)),
        ("pulse", (outside, volts, width, 0.1)),
        ("pulse", (inside, nan, width, 0.1)),
        ("pulse", (inside, volts, nan, 0.1)),
        ("pulse", (inside, volts, -width, 0.1)),
        ("pulse", (inside, volts, np.array([1e-4, 1e-4]), 0.1)),
        ("pulse", (inside, volts, width, np.nan)),
        ("drive", (np.zeros((2, 5)),)),
        ("drive", (np.zeros(3),)),
        ("drive", (np.full((1, 3), np.nan),)),
        ("sweep", ((0, 9), volts, 1e-4, 1e-3)),
        ("sweep", ((0, 0), nan, 1e-4, 1e-3)),
        ("sweep", ((0, 0), volts, 0.0, 1e-3)),
        ("sweep", ((0, 0), volts, 1e-4, np.nan)),
        ("wait", (-1.0,)),
        ("wait", (np.nan,)),
        ("set_conductances", (np.zeros((5, 3)),)),
        ("set_conductances", (np.full((3, 5), -1e-6),)),
    ]


@pytest.mark.parametrize(("verb", "arguments"), requests())
def test_what_cannot_be_done_is_refused_and_nothing_happens(
    verb: str, arguments: tuple[object, ...]
) -> None:
    backend = placed(replace(EXACT, dac=Dac(bits=None, range=5.0)))
    before, now = backend.conductances, backend.now
    with pytest.raises(LimitError):
        getattr(backend, verb)(*arguments)
    assert backend.now == now
    np.testing.assert_array_equal(backend.conductances, before)


def test_no_cells_are_no_readings() -> None:
    backend = SimulatedBackend(SimulationSettings())
    none = Cells.of([])
    readings: list[Reading] = [
        backend.read(none, 0.1),
        backend.pulse(none, np.array([]), np.array([]), 0.1),
    ]
    assert all(reading.current.shape == (0,) for reading in readings)
    assert backend.drive(np.zeros((0, 10))).current.shape == (0, 10)
    assert backend.sweep((0, 0), np.array([]), 1e-4, 1e-3).current.shape == (0,)
    assert backend.now == 0.0


def test_closing_twice_is_fine_and_verbs_refuse_afterwards() -> None:
    with SimulatedBackend(EXACT) as backend:
        pass
    backend.close()
    cell = Cells.of([(0, 0)])
    for call in (
        lambda: backend.read(cell, 0.1),
        lambda: backend.pulse(cell, np.array([3.0]), np.array([1e-4]), 0.1),
        lambda: backend.drive(np.zeros((1, 3))),
        lambda: backend.sweep((0, 0), ONE, 1e-4, 1e-3),
        lambda: backend.wait(1.0),
    ):
        with pytest.raises(ClosedError):
            call()


@pytest.mark.parametrize(
    "change",
    [
        {"read_scheme": "halves"},
        {"word_lines": 0},
        {"line_resistance": -1.0},
        {"read_time": float("nan")},
    ],
)
def test_impossible_benches_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BenchError):
        SimulationSettings(**change)  # type: ignore[arg-type]
