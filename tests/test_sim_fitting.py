import csv
import gzip
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Array, DataError
from crossbar.bench import load
from crossbar.bench_settings import simulation_settings
from shared_data import shared
from sim_backend import Perovskite, SimulatedBackend, SimulationSettings
from sim_backend.fitting import Cycle, Fit, Pulses, fit_pulses, fit_sweeps, pool, stuck_cells
from sim_backend.fitting.course import Drive, conducted, states_after

DWELL = 1e-3
STEADY = {
    "conductance_off_sigma": 0.0,
    "conductance_on_sigma": 0.0,
    "threshold_sigma": 0.0,
    "rate_sigma": 0.0,
    "relax_mean": 0.0,
    "relax_sigma": 0.0,
    "retention_exponent": 0.0,
    "retention_sigma": 0.0,
    "stuck_off": 0.0,
    "stuck_on": 0.0,
}
"""One device, which keeps what it was set to."""

KNOWN = Perovskite(
    **STEADY,
    conductance_off=2e-6,
    conductance_on=8e-5,
    nonlinearity=0.7,
    voltage_scale=0.2,
    rate=1 / DWELL,
    cycle_sigma=0.25,
    read_sigma=0.01,
)


def loop(largest: float, step: float = 0.05) -> Array:
    up = np.arange(0.0, largest + 1e-9, step)
    return np.concatenate([up, up[-2::-1], -up[1:], -up[-2::-1]])


def cycles(model: Perovskite, count: int, seed: int, compliance: float = 1e-2) -> list[Cycle]:
    settings = replace(SimulationSettings.ideal(1, 1), device=model, seed=seed)
    with SimulatedBackend(settings) as backend:
        swept = [backend.sweep((0, 0), loop(4.0), compliance, DWELL) for _ in range(count)]
    return [Cycle(s.voltage, s.current) for s in swept]


@lru_cache(maxsize=4)
def swept(seed: int) -> Fit:
    return fit_sweeps(cycles(KNOWN, 10, seed), DWELL)


def far_off(fit: Fit, known: Mapping[str, float]) -> dict[str, float]:
    """Return by how many standard errors fitted constants miss known ones."""
    missed = {n: (fit.constants[n] - value) / fit.errors[n] for n, value in known.items()}
    return {name: miss for name, miss in missed.items() if not abs(miss) < 4}


@pytest.mark.parametrize("seed", [0, 2])
def test_a_fit_to_noisy_sweeps_recovers_the_constants_within_its_errors(seed: int) -> None:
    fit = swept(seed)
    names = [
        "conductance_off",
        "conductance_on",
        "set_threshold",
        "reset_threshold",
        "voltage_scale",
        "set_exponent",
        "reset_exponent",
        "nonlinearity",
        "read_sigma",
        "cycle_sigma",
    ]
    assert not far_off(fit, {name: getattr(KNOWN, name) for name in names})
    # and the errors are small enough to mean something
    assert all(fit.errors[name] < 0.25 * fit.constants[name] for name in names)
    assert fit.rms < 0.03 < fit.baseline


def test_what_sweeps_cannot_tell_is_listed_as_assumed_and_stays_at_its_default() -> None:
    fit = swept(0)
    assert {"relax_sigma", "stuck_on", "retention_exponent", "rate_sigma"} <= set(fit.assumed)
    assert "rate" in fit.chosen
    assert not set(fit.assumed) & (set(fit.fitted) | set(fit.chosen))
    assert set(fit.assumed) | set(fit.fitted) | set(fit.chosen) == set(fit.constants)
    for name in fit.assumed:
        assert fit.constants[name] == getattr(Perovskite(), name)


def test_the_simulated_curve_is_that_of_the_measured_points() -> None:
    fit = swept(0)
    assert fit.quantity == "current"
    assert fit.applied.shape == fit.measured.shape == fit.simulated.shape
    far = np.abs(fit.applied) > 0.5
    assert np.median(np.abs(np.log(fit.simulated[far] / fit.measured[far]))) < 0.02


def test_the_table_is_a_device_of_a_bench_file(tmp_path: Path) -> None:
    fit = swept(0)
    assert max(len(line) for line in fit.toml().splitlines()) <= 110
    path = tmp_path / "fitted.toml"
    text = load("sim").text.replace('[device]\nmodel = "perovskite"\n', fit.toml())
    path.write_text(text, encoding="utf-8")
    device = simulation_settings(load(str(path)), None).device
    assert isinstance(device, Perovskite)
    for name, value in fit.constants.items():
        assert getattr(device, name) == pytest.approx(value, rel=1e-5)


def test_a_device_connected_the_other_way_round_is_the_same_device() -> None:
    forward = cycles(KNOWN, 2, 4)
    backward = [Cycle(-cycle.voltage, -cycle.current) for cycle in forward]
    one, other = fit_sweeps(forward, DWELL), fit_sweeps(backward, DWELL)
    assert any("other way round" in note for note in other.notes)
    np.testing.assert_allclose(
        list(one.constants.values()), list(other.constants.values()), rtol=1e-6
    )
    np.testing.assert_allclose(other.applied, -one.applied)


def test_points_under_a_compliance_do_not_bend_the_fit() -> None:
    commanded = loop(4.0)
    model = replace(KNOWN, read_sigma=0.003)
    limited = [Cycle(commanded, cycle.current) for cycle in cycles(model, 4, 1, compliance=3e-4)]
    fit = fit_sweeps(limited, DWELL)
    assert any("compliance" in note for note in fit.notes)
    assert fit.device.set_threshold == pytest.approx(KNOWN.set_threshold, abs=0.1)
    assert fit.device.conductance_off == pytest.approx(KNOWN.conductance_off, rel=0.05)


def test_a_sweep_without_times_says_that_its_rate_is_assumed() -> None:
    fit = fit_sweeps(cycles(KNOWN, 2, 0))
    assert any("dwell" in note for note in fit.notes)
    assert fit.device.rate == pytest.approx(10.0)
    assert "cycle_sigma" in fit.assumed  # of two cycles


OHMIC = Cycle(loop(2.0), 1e-5 * loop(2.0) * (1 + 1e-3 * np.sin(np.arange(len(loop(2.0))))))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([], "no cycles"),
        ([OHMIC], "ohmic"),
        ([Cycle(np.zeros(40), np.ones(40))], "never moves"),
        ([Cycle(loop(1.0)[:10], loop(1.0)[:10])], "fewest"),
        ([Cycle(loop(2.0), np.full(len(loop(2.0)), np.nan))], "fewest"),
        ([Cycle(loop(2.0), np.zeros(len(loop(2.0))))], "every current is zero"),
        (
            [
                Cycle(
                    loop(2.0),
                    1e-9 * np.sign(np.gradient(loop(2.0))) + 1e-12 * loop(2.0),
                )
            ],
            "against the voltage|open",
        ),
        (
            [Cycle(loop(2.0), 1e-12 * np.random.default_rng(0).standard_normal(len(loop(2.0))))],
            "noise|against|open",
        ),
        ([Cycle(loop(2.0), np.ones(3))], "no curve"),
    ],
)
def test_cycles_that_no_switching_device_made_are_refused(bad: list[Cycle], words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit_sweeps(bad)


def test_the_fast_course_is_that_of_the_simulated_cell() -> None:
    quiet = replace(KNOWN, cycle_sigma=0.0, read_sigma=0.0, fresh_state=0.0)
    (cycle,) = cycles(quiet, 1, 0)
    drive = Drive(cycle.voltage, cycle.current, np.zeros(len(cycle.voltage), bool), DWELL)
    course = conducted(quiet, states_after(quiet, drive, 0.0), cycle.voltage)
    np.testing.assert_allclose(course, cycle.current, rtol=1e-6, atol=1e-15)


def pulsed(seed: int, amplitudes: tuple[tuple[float, ...], tuple[float, ...]]) -> Pulses:
    cells = KNOWN_AT_150.build((1, 1), np.random.default_rng(seed))
    noise, one, now = np.random.default_rng(seed + 99), np.array([0]), 0.0
    rows = []
    for train in range(6):
        for choice in amplitudes:
            amplitude = choice[train % len(choice)]
            for _ in range(60):
                cells.pulse((one, one), np.array([amplitude]), np.array([1e-4]), np.array([now]))
                now += 1e-4
                read = 1 + KNOWN.read_sigma * noise.standard_normal()
                rows.append((cells.conductance(now)[0, 0] * read, amplitude))
    G, signed = np.array(rows).T
    return Pulses(G, np.sign(signed).astype(int), np.abs(signed), np.full(len(G), 1e-4))


KNOWN_AT_150 = replace(KNOWN, rate=150.0)


@pytest.mark.parametrize("seed", [0, 2])
def test_a_fit_to_noisy_pulses_recovers_the_constants_within_its_errors(seed: int) -> None:
    fit = fit_pulses(pulsed(seed, ((3.0, 3.2, 3.3), (-2.2, -2.4, -2.5))))
    # thresholds are stated at the amplitudes that were used, 0.2 V above the known ones
    known = {
        "rate": 150.0 * math.e,
        "reset_threshold": 2.4,
        "voltage_scale": 0.2,
        "conductance_on": 8e-5,
        "set_exponent": 1.5,
        "reset_exponent": 2.0,
        "read_sigma": 0.01,
        "cycle_sigma": 0.25,
    }
    assert not far_off(fit, known)
    assert "set_threshold" in fit.chosen
    assert fit.rms < 0.03


def test_pulses_of_one_amplitude_leave_the_voltage_scale_assumed() -> None:
    fit = fit_pulses(pulsed(1, ((3.2,), (-2.4,))))
    assert "voltage_scale" in fit.assumed
    assert fit.device.voltage_scale == Perovskite().voltage_scale
    assert fit.quantity == "conductance"
    assert "model = " in fit.toml()


def test_a_table_in_no_unit_keeps_the_default_window_and_says_so() -> None:
    table = pulsed(1, ((3.2,), (-2.4,)))
    scaled = (table.conductance - table.conductance.mean()) / table.conductance.std()
    fit = fit_pulses(Pulses(scaled, table.polarity, normalised=True))
    assert {"conductance_off", "conductance_on", "rate", "set_threshold"} <= set(fit.chosen)
    assert "no unit" in fit.chosen["conductance_on"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (Pulses(np.full(50, 1e-5), np.ones(50, int)), "never moves"),
        (Pulses(np.linspace(1, 2, 10), np.ones(10, int)), "fewest"),
        (Pulses(np.linspace(-1, 2, 50), np.ones(50, int)), "normalised"),
        (Pulses(np.linspace(1, 2, 50), np.zeros(50, int)), "polarity"),
        (Pulses(np.linspace(1, 2, 50), np.ones(49, int)), "shape"),
        (
            Pulses(
                1e-5 * (1 + 0.1 * np.random.default_rng(0).standard_normal(80)),
                np.tile(np.repeat([1, -1], 20), 2),
            ),
            "little better|hardly better",
        ),
    ],
)
def test_tables_that_pulses_did_not_make_are_refused(bad: Pulses, words: str) -> None:
    with pytest.raises(DataError, match=words):
        fit_pulses(bad)


def made(device: Perovskite, error: float = 1e-3) -> Fit:
    one = swept(0)
    errors = {n: error * one.constants[n] for n in one.errors if one.constants[n]}
    return replace(one, device=device, errors=errors)


def test_pooling_finds_the_median_and_the_spread_between_devices() -> None:
    rng, fits = np.random.default_rng(5), []
    for _ in range(200):
        threshold = 1 + 0.05 * rng.standard_normal()
        device = replace(
            KNOWN,
            conductance_off=2e-6 * float(np.exp(0.3 * rng.standard_normal())),
            conductance_on=8e-5 * float(np.exp(0.1 * rng.standard_normal())),
            set_threshold=3.0 * threshold,
            reset_threshold=2.2 * threshold,
        )
        fits.append(made(device))
    pooled = pool(fits)
    known = {
        "conductance_off_sigma": 0.3,
        "conductance_on_sigma": 0.1,
        "threshold_sigma": 0.05,
        "set_threshold": 3.0,
        "conductance_off": 2e-6,
    }
    assert not far_off(pooled, known)
    assert pooled.constants["conductance_off_sigma"] == pytest.approx(0.3, rel=0.2)
    assert "rate_sigma" in pooled.assumed


def test_few_devices_leave_the_spread_between_them_assumed() -> None:
    pooled = pool([made(KNOWN), made(replace(KNOWN, conductance_off=3e-6))])
    assert "conductance_off_sigma" in pooled.assumed
    with pytest.raises(DataError, match="population"):
        pool([made(KNOWN)])


def test_stuck_cells_are_those_that_move_less_than_half_of_the_median() -> None:
    rng = np.random.default_rng(1)
    G = np.tile(np.linspace(1e-5, 1e-4, 20), (50, 1)) * (1 + 0.01 * rng.standard_normal((50, 20)))
    G[[3, 17, 30]] = np.array([[2e-5], [5e-5], [9e-5]])
    found = stuck_cells(G)
    np.testing.assert_array_equal(np.flatnonzero(found.stuck), [3, 17, 30])
    np.testing.assert_allclose(found.values, [2e-5, 5e-5, 9e-5])
    assert found.probability == pytest.approx(3 / 50)
    model = found.model(of="ideal")
    assert model.values == pytest.approx((2e-5, 5e-5, 9e-5))
    with pytest.raises(DataError, match="no device moves"):
        stuck_cells(np.full((3, 4), 1e-5))


def test_a_published_device_is_fitted_far_better_than_without_switching() -> None:
    path = shared("joksas-mnn-cam/uniformity_iv.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as opened:
        rows = [row for row in csv.DictReader(opened) if row["device"] == "D2"]
    points = np.array(
        [[float(r[key]) for key in ("cycle", "voltage_V", "current_A")] for r in rows]
    )
    measured = [Cycle(*points[points[:, 0] == k, 1:].T) for k in np.unique(points[:, 0])[:3]]
    fit = fit_sweeps(measured)
    assert fit.rms < 0.5
    assert fit.baseline > 3.0
    assert 1e-9 < fit.device.conductance_off < 1e-8
    assert 1.0 < fit.device.set_threshold < 1.6
    assert any("compliance" in note for note in fit.notes)
