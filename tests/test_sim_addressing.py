from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import (
    Cells,
)
from quiet_bench import EXACT, QUIET, conductances, placed
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.addressing import rounds
from sim_backend.array import Circuit
from sim_backend.devices.law import SinhLaw


@pytest.mark.parametrize("scheme", ["grounded", "half", "third", "floating"])
@pytest.mark.parametrize("r", [0.0, 40.0])
def test_reads_equal_the_circuit_with_the_schemes_terminals(scheme: str, r: float) -> None:
    backend = placed(
        replace(EXACT, read_scheme=scheme, line_resistance=r, device=replace(QUIET, rate=1e-30))
    )
    G = conductances((3, 5))
    fractions = {"grounded": (0.0, 0.0), "half": (0.5, 0.5), "third": (1 / 3, 2 / 3)}
    a, b = fractions.get(scheme, (0.0, 0.0))
    cells = Cells.of([(2, 4), (0, 1), (2, 0), (2, 4)])
    measured = backend.read(cells, 0.4).current
    for (i, j), current in zip(cells, measured, strict=True):
        word, bit = np.full((1, 3), 0.4 * a), np.full((1, 5), 0.4 * b)
        word[0, i], bit[0, j] = 0.4, 0.0
        driven = (np.arange(3) == i, np.arange(5) == j) if scheme == "floating" else None
        expected = Circuit((3, 5), r).solve(G, SinhLaw(1.0), word, bit, driven).bit_current[0, j]
        assert current == pytest.approx(expected, rel=1e-9)


def test_floating_lines_let_sneak_paths_in_and_grounded_lines_do_not() -> None:
    errors = {}
    for scheme in ("floating", "grounded"):
        settings = replace(SimulationSettings.ideal(8, 8), read_scheme=scheme, line_resistance=2.0)
        backend = SimulatedBackend(settings)
        G = np.full((8, 8), 1e-4)
        G[3, 5] = 5e-6
        backend.set_conductances(G)
        current = backend.read(Cells.of([(3, 5)]), 0.2).current[0]
        errors[scheme] = abs(current / (0.2 * 5e-6) - 1)
    assert errors["floating"] > 5.0
    assert errors["grounded"] < 0.01


def test_drive_with_lines_equals_the_circuit_and_word_and_bit_are_not_exchanged() -> None:
    settings = replace(EXACT, line_resistance=50.0, device=replace(QUIET, rate=1e-30))
    V = np.random.default_rng(1).uniform(0, 0.5, (4, 3))
    reading = placed(settings).drive(V)
    s = Circuit((3, 5), 50.0).solve(conductances((3, 5)), SinhLaw(1.0), V, np.zeros((4, 5)))
    np.testing.assert_allclose(reading.current, s.bit_current, rtol=1e-9)


@pytest.mark.parametrize("r", [0.0, 200.0])
def test_read_noise_of_a_multiply_equals_noise_drawn_cell_by_cell(r: float) -> None:
    n, sigma = 4000, 0.05
    device = replace(QUIET, read_sigma=sigma, rate=1e-30)
    backend = placed(replace(EXACT, line_resistance=r, device=device))
    V = np.array([0.4, -0.3, 0.2])
    readings = backend.drive(np.tile(V, (n, 1))).current
    G, rng = conductances((3, 5)), np.random.default_rng(9)
    circuit, law = Circuit((3, 5), r), SinhLaw(1.0)
    brute = np.array(
        [
            circuit.solve(
                G * (1 + sigma * rng.standard_normal(G.shape)), law, V[None], np.zeros((1, 5))
            ).bit_current[0]
            for _ in range(1500)
        ]
    )
    np.testing.assert_allclose(readings.std(axis=0), brute.std(axis=0), rtol=0.07)
    exact = circuit.solve(G, law, V[None], np.zeros((1, 5))).bit_current[0]
    assert np.abs(readings.mean(axis=0) - exact).max() < 5 * brute.std(axis=0).max() / np.sqrt(n)


def test_noise_of_a_read_with_floating_lines_includes_the_sneak_paths() -> None:
    device = replace(QUIET, read_sigma=0.03, rate=1e-30, nonlinearity=0.0)
    backend = placed(replace(EXACT, read_scheme="floating", device=device))
    readings = backend.read(Cells(np.full(1500, 1), np.full(1500, 2)), 0.4).current
    G, rng = conductances((3, 5)), np.random.default_rng(9)
    word, bit = np.array([[0.0, 0.4, 0.0]]), np.zeros((1, 5))
    driven, circuit = (np.arange(3) == 1, np.arange(5) == 2), Circuit((3, 5), 0.0)
    brute = [
        circuit.solve(
            G * (1 + 0.03 * rng.standard_normal(G.shape)), SinhLaw(0.0), word, bit, driven
        ).bit_current[0, 2]
        for _ in range(1500)
    ]
    assert readings.std() == pytest.approx(np.std(brute), rel=0.08)
    assert readings.mean() == pytest.approx(np.mean(brute), rel=0.005)


def test_noise_of_a_read_under_half_bias_includes_the_half_selected_cells() -> None:
    device = replace(QUIET, read_sigma=0.1, rate=1e-30, nonlinearity=0.0)
    for r in (0.0, 1e-3):
        backend = placed(replace(EXACT, read_scheme="half", device=device, line_resistance=r))
        readings = backend.read(Cells(np.full(4000, 1), np.full(4000, 2)), 0.4).current
        volts = np.array([0.2, 0.4, 0.2])
        expected = 0.1 * np.sqrt(((volts * conductances((3, 5))[:, 2]) ** 2).sum())
        assert readings.std() == pytest.approx(expected, rel=0.05)


def test_with_lines_too_each_cell_is_read_at_its_own_time() -> None:
    device = replace(QUIET, relax_sigma=0.1, relax_start=1e-5)
    currents = []
    for r in (0.0, 1e-6):
        backend = SimulatedBackend(replace(EXACT, device=device, line_resistance=r))
        cells = Cells.all((3, 5))
        pulsed = backend.pulse(cells, np.full(15, 3.3), np.full(15, 1e-3), 0.2).current
        currents.append(np.concatenate([pulsed, backend.read(cells, 0.2).current]))
    np.testing.assert_allclose(currents[0], currents[1], rtol=1e-5)


@pytest.mark.parametrize("scheme", ["grounded", "half", "third"])
def test_half_selected_cells_move_as_the_law_says_for_their_voltage(scheme: str) -> None:
    settings = replace(EXACT, write_scheme=scheme, device=QUIET, read_time=0.0)
    backend = SimulatedBackend(settings)
    backend.set_conductances(np.full((3, 5), 4e-5))
    backend.pulse(Cells.of([(1, 2)]), np.array([3.2]), np.array([1e-2]), 0.1)
    a, b = {"grounded": (0.0, 0.0), "half": (0.5, 0.5), "third": (1 / 3, 2 / 3)}[scheme]
    x0 = (4e-5 - 5e-6) / 9.5e-5
    for i in range(3):
        for j in range(5):
            V = 3.2 * (1.0 if i == 1 else a) - 3.2 * (0.0 if j == 2 else b)
            threshold, n = (3.0, 1.5) if V > 0 else (2.2, 2.0)
            D = 150 * 1e-2 * np.sinh(abs(V) / 0.25) / np.sinh(threshold / 0.25)
            left = (1 - x0) if V > 0 else x0
            left = (left ** (1 - n) + (n - 1) * D) ** (1 / (1 - n))
            expected = 1 - left if V > 0 else left
            measured = (backend.conductances[i, j] - 5e-6) / 9.5e-5
            assert measured == pytest.approx(expected, rel=1e-9)


def test_third_disturbs_less_than_half_and_half_less_than_grounded() -> None:
    worst = []
    for scheme in ("third", "half", "grounded"):
        backend = SimulatedBackend(replace(EXACT, write_scheme=scheme, device=QUIET))
        backend.set_conductances(np.full((3, 5), 4e-5))
        backend.pulse(Cells.of([(1, 2)]), np.array([3.0]), np.array([1e-2]), 0.1)
        moved = np.abs(backend.conductances - 4e-5)
        worst.append(max(moved[1, 0], moved[0, 2]))
    # On the selected lines; the others see V/3 of the other polarity, whose threshold is lower.
    assert worst[0] < worst[1] / 5 < worst[1] < worst[2] / 5


def test_line_resistance_weakens_a_pulse_and_floating_lines_can_be_written() -> None:
    def reached(line_resistance: float = 0.0, write_scheme: str = "half") -> float:
        settings = replace(
            SimulationSettings.ideal(6, 6),
            device=QUIET,
            line_resistance=line_resistance,
            write_scheme=write_scheme,
        )
        backend = SimulatedBackend(settings)
        backend.set_conductances(np.full((6, 6), 5e-5))
        backend.pulse(Cells.of([(0, 5)]), np.array([3.2]), np.array([1e-4]), 0.1)
        return float(backend.conductances[0, 5])

    free, wired = reached(), reached(line_resistance=10.0)
    assert 5e-5 < wired < free
    assert reached(write_scheme="floating") == pytest.approx(free, rel=1e-9)


def test_rounds_keep_every_cells_own_order() -> None:
    rng = np.random.default_rng(3)
    cells = Cells(rng.integers(0, 3, 500), rng.integers(0, 5, 500))
    parts = list(rounds(cells, (3, 5)))
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    visited: dict[tuple[int, int], int] = {}
    for part in parts:
        assert len(set(cells[part])) == len(part)
        for position, cell in zip(part.tolist(), cells[part], strict=True):
            assert visited.get(cell, -1) < position
            visited[cell] = position
