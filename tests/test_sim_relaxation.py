"""Heavy tails, windows, knee and bound of the law by which conductances relax."""

from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import Array
from quiet_bench import QUIET, built, every, pulsed
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.devices.perovskite import Perovskite
from sim_backend.devices.relaxation import Relaxation

LAW = Relaxation(
    mean=0.0, sigma=0.01, tail=0.0, start=1e-3, end=1e3, window=0.0, knee=0.0, power=4.0, most=0.0
)
MANY = 40_000
SHAPE = (100, 100)


def drawn(law: Relaxation) -> Array:
    return law.draw(np.random.default_rng(0), MANY)


def test_by_default_a_shift_is_one_slope_times_the_logarithm_of_time() -> None:
    assert LAW.windows == 1
    slopes, times = drawn(LAW), np.geomspace(1e-4, 1e2, MANY)
    np.testing.assert_array_equal(LAW.slopes(slopes, np.ones(MANY)), slopes)
    np.testing.assert_allclose(LAW.shift(slopes, times), slopes[0] * np.log1p(times / 1e-3))


def test_relaxation_is_over_at_its_end() -> None:
    for law in (LAW, replace(LAW, window=2.0)):
        slopes = drawn(law)
        ended, later = (law.shift(slopes, np.full(MANY, t)) for t in (1e3, 1e9))
        np.testing.assert_array_equal(ended, later)


@pytest.mark.parametrize("tail", [0.0, 0.5, 2.5])
def test_the_tail_stretches_quantiles_as_the_hyperbolic_sine_does(tail: float) -> None:
    slopes = np.abs(drawn(replace(LAW, tail=tail))[0])
    median, far = np.percentile(slopes, (50, 90))
    z = np.array([0.6745, 1.6449])  # quartile and 95th percentile of the standard normal
    expected = np.sinh(tail * z) / tail if tail else z
    assert median == pytest.approx(0.01 * expected[0], rel=0.03)
    assert far / median == pytest.approx(expected[1] / expected[0], rel=0.04)


def test_increments_in_different_windows_are_independent_and_add_up() -> None:
    law = replace(LAW, window=float(np.log(10.0)))
    slopes = drawn(law)
    assert len(slopes) == law.windows == 7  # 1 + t/t0 passes six decades and a bit
    ends = 1e-3 * (10.0 ** np.arange(6) - 1)
    at_ends = np.array([law.shift(slopes, np.full(MANY, t)) for t in ends])
    increments = np.diff(at_ends, axis=0)
    np.testing.assert_allclose(increments, slopes[:5] * np.log(10.0), atol=1e-12)
    correlation = np.corrcoef(increments)
    assert np.abs(correlation - np.eye(5)).max() < 0.02


def test_what_is_written_above_the_knee_relaxes_less() -> None:
    law = replace(LAW, knee=5e-5, power=4.0)
    slopes = drawn(law)
    for conductance, share in ((5e-6, 1.0), (5e-5, 0.5), (1e-4, 1 / 17)):
        found = law.slopes(slopes, np.full(MANY, conductance))
        np.testing.assert_allclose(found, share * slopes, rtol=2e-4)


def test_slopes_approach_their_bound_and_never_exceed_it() -> None:
    law = replace(LAW, sigma=1.0, tail=3.0, most=0.2)
    slopes = law.slopes(drawn(law), np.ones(MANY))
    assert 0.19 < np.abs(slopes).max() < 0.2
    small = replace(LAW, sigma=1e-6, most=0.2)
    np.testing.assert_allclose(small.slopes(drawn(small), np.ones(MANY)), drawn(small), rtol=1e-4)


def test_cells_relax_by_the_law_from_the_conductance_that_was_written() -> None:
    model = replace(
        QUIET, relax_sigma=0.01, relax_tail=1.5, relax_window=1.0, relax_knee=4e-5, relax_most=0.3
    )
    cells = built(model, SHAPE)
    cells.place(np.full(SHAPE, 4e-5), 0.0)
    written = pulsed(cells, SHAPE, 2.4, 1e-4)
    law = model.relaxation
    slopes = law.slopes(drawn(law), np.full(MANY, float(np.median(written))))
    for time in (1e-2, 1.0, 100.0):
        shift = np.abs(np.log(cells.conductance(1e-4 + time) / written))
        expected = np.abs(law.shift(slopes, np.full(MANY, time)))
        for percent in (50, 90):
            assert np.percentile(shift, percent) == pytest.approx(
                np.percentile(expected, percent), rel=0.06
            )


def test_a_write_forgets_how_the_cell_was_relaxing_in_every_window() -> None:
    model = replace(QUIET, relax_sigma=0.05, relax_window=1.0)
    cells = built(model, SHAPE)
    pulsed(cells, SHAPE, 3.2, 1e-3)
    first = cells.snapshot()["relax"]
    cells.pulse(every(SHAPE), np.full(10_000, 3.2), np.full(10_000, 1e-3), np.full(10_000, 1.0))
    second = cells.snapshot()["relax"]
    assert first.shape == second.shape == (model.relaxation.windows, *SHAPE)
    assert not np.any(first == second)


def test_read_noise_of_the_cell_and_of_the_floor_add_in_squares() -> None:
    cells = built(replace(QUIET, read_sigma=0.03, read_floor=4e-7), (1, 1))
    assert cells.noise(np.array([1e-5]))[0] == pytest.approx(5e-7)


def test_a_bench_whose_cells_relax_in_windows_goes_on_as_it_would_have() -> None:
    settings = SimulationSettings(device=Perovskite(relax_window=1.0, relax_tail=2.0))
    cells = every((10, 10))
    with SimulatedBackend(settings) as one, SimulatedBackend(settings) as other:
        one.wait(3.0)
        one._device.pulse(cells, np.full(100, 3.3), np.full(100, 1e-4), np.full(100, 3.0))
        other.restore(one.snapshot())
        for bench in (one, other):
            bench.wait(0.5)
        np.testing.assert_array_equal(one.conductances, other.conductances)
