"""Relaxation fitted to re-reads: constants that are known, and a log of a real chip."""

import os
from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import Array, DataError
from crossbar.bench import load
from crossbar.bench_settings import simulation_settings
from crossbar.curves.reading import read
from crossbar.programming.rereads import measured_rereads, repeat_rereads
from shared_data import shared
from sim_backend import SimulatedBackend
from sim_backend.devices.perovskite import Perovskite
from sim_backend.fitting.relaxation import Rereads, fit_relaxation, reread_again

KNOWN = Perovskite(
    read_sigma=1e-3,
    read_floor=3e-7,
    relax_mean=-1e-3,
    relax_sigma=8e-3,
    relax_tail=2.0,
    relax_start=2e-3,
    relax_window=float(np.log(4.0)),
    relax_knee=7e-5,
    relax_power=6.0,
    relax_most=0.25,
    retention_exponent=4e-3,
    retention_start=2.0,
    retention_sigma=0.0,
)
DELAY = 1.1e-4
TIMES = (0.015, 0.1, 0.5, 2.0, 10.0)


def written(count: int, seed: int = 0) -> Rereads:
    """Writes of a device that is known, verified anywhere in their bands."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(3e-5, 1.2e-4, count)
    verified = middle * (1 + 0.006 * rng.uniform(-1, 1, count))
    times = np.tile(np.array(TIMES), (count, 1))
    bands = Rereads(0.994 * middle, 1.006 * middle, verified, times, np.ones_like(times))
    return reread_again(bands, KNOWN, DELAY, rng)


def sizes(data: Rereads, percent: float) -> Array:
    return np.percentile(np.abs(np.log(data.reread / data.verified[:, None])), percent, axis=0)


def test_a_fit_finds_a_device_that_relaxes_as_the_known_one_does() -> None:
    measured = written(3000)
    fit = fit_relaxation(measured, delay=DELAY)
    assert fit.misfit < 0.1
    fresh = written(3000, seed=1)
    found = reread_again(fresh, fit.device, DELAY, np.random.default_rng(2))
    for percent in (50, 90):
        np.testing.assert_allclose(sizes(found, percent), sizes(fresh, percent), rtol=0.15)
    constants = fit.constants
    assert constants["relax_knee"] == pytest.approx(KNOWN.relax_knee, rel=0.1)
    assert constants["relax_tail"] == pytest.approx(KNOWN.relax_tail, rel=0.3)
    total = np.hypot(constants["read_sigma"] * 8e-5, constants["read_floor"])
    assert total == pytest.approx(np.hypot(1e-3 * 8e-5, 3e-7), rel=0.15)


def test_what_was_not_fitted_stays_as_it_was_given() -> None:
    given = Perovskite(set_threshold=2.0, conductance_on=2e-4)
    fit = fit_relaxation(written(200), given, repeats=1)
    changed = {*fit.fitted, "relax_window", "retention_sigma"}
    assert replace(fit.device, **{name: getattr(given, name) for name in changed}) == given


def test_reads_without_noise_and_relaxation_say_what_the_verify_read_said() -> None:
    still = replace(
        KNOWN,
        read_sigma=0.0,
        read_floor=0.0,
        relax_sigma=0.0,
        relax_mean=0.0,
        retention_exponent=0.0,
    )
    bands = written(50)
    again = reread_again(bands, still, DELAY, np.random.default_rng(0))
    np.testing.assert_allclose(again.reread, np.tile(bands.verified[:, None], (1, len(TIMES))))


def test_writes_that_do_not_fit_together_and_too_few_are_refused() -> None:
    good = written(20)
    with pytest.raises(DataError, match="20 writes are too few"):
        fit_relaxation(good)
    with pytest.raises(DataError, match="shape"):
        replace(good, reread=good.reread[:, :2])
    with pytest.raises(DataError, match="same writes"):
        replace(good, low=good.low[:3])
    with pytest.raises(DataError, match="reread"):
        replace(good, reread=-good.reread)


def test_the_bench_of_the_fitted_device_keeps_what_a_real_chip_kept() -> None:
    path = "Anjiang-Wei-RRAM-Python/testlog_14scheme_testours_100_104_4_Oct12.tsv.gz"
    after, before = read(shared(path)).readings
    everything = measured_rereads(after)
    assert len(everything) == 2800
    assert everything.verified_inside == pytest.approx(0.985, abs=0.001)
    np.testing.assert_allclose(
        everything.inside[[0, 1, 4, 7]], [0.375, 0.317, 0.228, 0.15], atol=1e-3
    )
    few = everything.part(np.arange(0, 2800, 1 if "CROSSBAR_EVERY_CALL" in os.environ else 7))
    bench = load("sim-rram")
    quarter, three = np.percentile(before.conductance, (25, 75)).tolist()
    with SimulatedBackend(simulation_settings(bench, 0)) as backend:
        wanted = bench.programming
        found = repeat_rereads(backend, few, (quarter, three), wanted.cell, wanted.pulses)
    assert found.verified_inside > 0.95
    # Three times what chance makes of 400 writes: 2.5 points, a tenth, a sixth.
    np.testing.assert_allclose(found.inside, everything.inside, atol=0.08)
    for percent, bound in ((50, 0.3), (90, 0.5)):
        measured = np.percentile(np.abs(everything.change), percent, axis=0)
        np.testing.assert_allclose(
            np.percentile(np.abs(found.change), percent, axis=0), measured, rtol=bound
        )
