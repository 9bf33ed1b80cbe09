from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Array, BenchError, Cells, Indices
from crossbar.bench import load, open_bench
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.devices.stuck import Stuck, StuckCells, scott

SHAPE = (100, 100)


def every(shape: tuple[int, int]) -> tuple[Indices, Indices]:
    word, bit = np.indices(shape)
    return word.ravel(), bit.ravel()


def pulsed(cells: StuckCells, voltage: float, width: float) -> Array:
    n = SHAPE[0] * SHAPE[1]
    cells.pulse(every(SHAPE), np.full(n, voltage), np.full(n, width), np.zeros(n))
    return cells.conductance(1.0)


def test_the_share_is_stuck_at_the_value_and_no_pulse_moves_it() -> None:
    model = Stuck(of="ideal", probability=0.05, conductance=3e-5)
    cells = model.build(SHAPE, np.random.default_rng(0))
    up = pulsed(cells, 4.5, 1.0)
    cells.disturb(np.ones(SHAPE), np.ones(SHAPE))
    down = pulsed(cells, -4.5, 1.0)
    stuck = (up == 3e-5) & (down == 3e-5)
    assert stuck.mean() == pytest.approx(0.05, abs=0.01)
    assert (up[~stuck] == 1e-4).all()
    assert (down[~stuck] == 5e-6).all()


def test_held_stuck_cells_hold_still() -> None:
    cells = Stuck(of="ideal", probability=1.0, conductance=3e-5).build(
        (2, 2), np.random.default_rng(0)
    )
    cells.hold((1, 0), 4.5, 1.0, 1.0, 0.0)
    np.testing.assert_array_equal(cells.conductance(2.0), 3e-5)


def test_stuck_values_have_the_moments_of_the_reflected_kernel_density() -> None:
    values = (1e-5, 2e-5, 9e-5)
    model = Stuck(of="ideal", probability=1.0, values=values)
    drawn = model.draw(200_000, np.random.default_rng(1))
    width = float(np.std(values, ddof=1)) * 3 ** (-1 / 5)
    assert scott(np.array(values)) == pytest.approx(width)
    # the second moment of a kernel does not change when its negative part is reflected
    assert np.mean(drawn**2) == pytest.approx(np.mean(np.square(values)) + width**2, rel=0.02)
    assert (drawn >= 0).all()
    edges = np.array([0.0, 2e-5, 5e-5, 1e-4])
    from scipy.stats import norm

    below = np.mean(
        [norm.cdf(edges, v, width) - norm.cdf(-edges, v, width) for v in values], axis=0
    )
    expected = np.diff(below)
    found = np.histogram(drawn, edges)[0] / len(drawn)
    np.testing.assert_allclose(found, expected, atol=0.005)


def test_the_others_are_the_cells_of_the_same_seed_without_faults() -> None:
    cells = Stuck(of="perovskite", probability=0.1).build(SHAPE, np.random.default_rng(4))
    none = Stuck(of="perovskite", probability=0.0).build(SHAPE, np.random.default_rng(4))
    a, b = pulsed(cells, 3.2, 1e-3), pulsed(none, 3.2, 1e-3)
    assert (a != b).mean() == pytest.approx(0.1, abs=0.01)


def test_a_stuck_cell_keeps_the_law_of_its_place_in_a_model_whose_law_has_a_state() -> None:
    model = Stuck(
        of="poole-frenkel",
        constants={"current_residual": 0, "permittivity_residual": 0.0},
        probability=1.0,
        conductance=2e-6,
    )
    stuck = model.build((1, 1), np.random.default_rng(0))
    from sim_backend.devices.poole_frenkel import PooleFrenkel

    there = PooleFrenkel("high", 0.0, 0.0).build((1, 1), np.random.default_rng(0))
    there.place(np.array([[2e-6]]), 0.0)
    V = np.array([[0.4]])
    np.testing.assert_allclose(stuck.law.effective(V), there.law.effective(V), rtol=1e-12)


def test_a_bench_with_stuck_cells_of_a_spread_model_restores_bit_for_bit() -> None:
    model = Stuck(of="d2d-lognormal", constants={"of": "ideal", "sigma_on": 0.5}, probability=0.2)
    settings = replace(SimulationSettings(word_lines=4, bit_lines=3), device=model)
    with SimulatedBackend(settings) as first, SimulatedBackend(settings) as second:
        first.wait(3.0)
        second.restore(first.snapshot())
        np.testing.assert_array_equal(second.conductances, first.conductances)


def test_the_description_names_both_models() -> None:
    described = Stuck(of="ideal", constants={"rate": 100.0}, probability=0.3).build(
        (1, 1), np.random.default_rng(0)
    )
    told = described.describe()
    constants = told["constants"]
    assert isinstance(constants, dict)
    assert constants["of"] == "ideal"
    assert constants["constants"]["rate"] == 100.0
    given = told["given"]
    assert isinstance(given, list)
    assert {"of", "probability", "rate"} <= set(given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"of": "nothing"}, "not one of"),
        ({"probability": 1.5}, "above 1"),
        ({"constants": {"rote": 1.0}}, "no constant 'rote'"),
        ({"constants": {"rate": "fast"}}, "not a number"),
        ({"values": (-1e-6,)}, "zero or more"),
    ],
)
def test_impossible_constants_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(BenchError, match=words):
        Stuck(**change)  # type: ignore[arg-type]


TABLES = {
    "stuck": """model = "stuck"
of = "d2d-lognormal"
values = [1e-6, 9e-5]
[device.constants]
of = "ideal"
sigma_off = 0.5
[device.constants.constants]
rate = 100
""",
    "poole-frenkel": """model = "poole-frenkel"
regime = "low"
""",
    "jart-v1b": """model = "jart-v1b"
cycle_sigma = 0.02
""",
    "d2d-lognormal": """model = "d2d-lognormal"
sigma_on = 0.05
sigma_off = 0.5
""",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bench_file_names_the_model_and_its_constants(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    before, after = load("sim").text.split('model = "perovskite"\n')
    path.write_text(before + TABLES[name] + after, encoding="utf-8")
    with open_bench(load(str(path))) as bench:
        told = bench.backend.describe()["device"]
        assert isinstance(told, dict)
        assert told["model"] == name
        reading = bench.backend.read(Cells.all(bench.backend.shape), 0.1)
        assert np.isfinite(reading.current).all()
