from typing import Any

import numpy as np
import pytest

from crossbar import open_bench
from crossbar.backend import Array, DataError
from crossbar.device_errors import DeviceErrors, measure_errors
from crossbar.error_laws import MeasuredErrors
from crossbar.mapping import Window
from crossbar.memsim import DeviceProfile
from memsim_devices import noisy, short

WINDOW = Window(2e-6, 40e-6)
SAMPLES = 200_000


def reached(errors: DeviceErrors, asked: Array, seed: int = 0) -> Array:
    response = errors.response(asked, np.random.default_rng(seed))
    return np.asarray(response.gain * asked + response.shift)


def test_lognormal_devices_are_off_by_lognormal_factors() -> None:
    asked = np.full(SAMPLES, 10e-6)
    ratio = np.log(reached(DeviceErrors.lognormal(0.3, WINDOW), asked) / asked)
    assert abs(ratio.mean()) < 4 * 0.3 / np.sqrt(SAMPLES)
    assert ratio.std() == pytest.approx(0.3, rel=0.01)


def test_a_profile_that_has_every_level_is_its_spread_alone() -> None:
    errors = DeviceErrors.from_profile(noisy(0.4))
    assert errors.window == Window(0.0, 1.0)
    ratio = np.log(reached(errors, np.full(SAMPLES, 0.5)) / 0.5)
    assert ratio.std() == pytest.approx(0.4, rel=0.01)
    assert reached(errors, np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_levels_beyond_the_segment_become_what_the_curve_says() -> None:
    # By hand, for SHORT_CURVE: nine levels, five in order, G_x = 3.5, 2, 0.5, 6 of 1 to 5.
    errors = DeviceErrors.from_profile(short(9))
    assert errors.window == Window(1.0, 5.0)
    asked = 1.0 + 4.0 * np.arange(9) / 8
    expected = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 2.0, 1.0, 5.0]
    assert reached(errors, asked) == pytest.approx(expected)


def test_a_profile_without_a_window_needs_one() -> None:
    flat = DeviceProfile("flat", (1.0, 1.0), 0, 0, 1, 2, rho=0.5, sigma=0.1, sigma_ub=0.1)
    with pytest.raises(DataError, match="flat: the operative segment"):
        DeviceErrors.from_profile(flat)
    assert DeviceErrors.from_profile(flat, WINDOW).window == WINDOW


def measured(n: int = 4000, **options: Any) -> tuple[DeviceErrors, Array, Array]:
    """Return errors whose spread grows with the target, and the writes they are from."""
    rng = np.random.default_rng(1)
    targets = rng.uniform(WINDOW.low, WINDOW.high, n)
    got = targets - 0.05 * targets + 0.1 * targets * rng.normal(size=n)
    return DeviceErrors.measured(targets, got, WINDOW, **options), targets, got


@pytest.mark.parametrize("centre", [4e-6, 20e-6, 38e-6])
def test_errors_have_the_statistics_of_the_writes_near_their_target(centre: float) -> None:
    errors, _, _ = measured(neighbours=400)
    error = reached(errors, np.full(SAMPLES, centre)) - centre
    # 400 writes: the mean is known to a twentieth of the spread, the spread to 3.5 %.
    assert error.mean() == pytest.approx(-0.05 * centre, abs=4 * 0.1 * centre / 20)
    assert error.std() == pytest.approx(0.1 * centre, rel=0.15)


def test_an_error_is_that_of_a_write_near_the_target() -> None:
    errors, targets, got = measured(neighbours=10)
    asked = 15e-6
    error = np.unique(reached(errors, np.full(2000, asked)) - asked)
    above = np.sort(targets[targets > asked])[:5]
    below = np.sort(targets[targets < asked])[-5:]
    near = np.isin(targets, np.concatenate([below, above]))
    assert error == pytest.approx(np.sort((got - targets)[near]), rel=1e-9)


@pytest.mark.parametrize("asked", [WINDOW.low, WINDOW.high])
def test_at_an_end_of_the_window_the_writes_next_to_it_are_drawn(asked: float) -> None:
    errors, targets, got = measured(neighbours=6)
    error = np.unique(reached(errors, np.full(2000, asked)) - asked)
    near = np.argsort(np.abs(targets - asked))[:6]
    assert error == pytest.approx(np.sort((got - targets)[near]), rel=1e-9)


@pytest.mark.parametrize("asked", [2e-6, float(np.float32(2e-6))])
def test_writes_of_the_very_target_have_the_same_chance(asked: float) -> None:
    targets = np.concatenate([np.full(40, 2e-6), np.linspace(3e-6, 40e-6, 60)])
    steps = np.arange(100) * 1e-9
    errors = DeviceErrors.measured(targets, targets + steps, WINDOW, neighbours=5)
    error = reached(errors, np.full(SAMPLES, asked)) - asked
    counts = np.bincount(np.rint(error / 1e-9).astype(int), minlength=100)
    assert counts[40:].sum() == 0
    assert counts[:40] == pytest.approx(SAMPLES / 40, abs=5 * np.sqrt(SAMPLES / 40))


def test_a_stuck_cell_stays_what_it_is() -> None:
    errors = DeviceErrors.measured(
        [10e-6, 10e-6], [10.5e-6, 1e-6], WINDOW, stuck=[False, True], neighbours=1
    )
    asked = np.full(2000, 10e-6)
    response = errors.response(asked, np.random.default_rng(0))
    stuck = response.gain == 0
    assert abs(stuck.mean() - 0.5) < 0.05
    assert np.all(response.shift[stuck] == 1e-6)
    assert response.shift[~stuck] == pytest.approx(0.5e-6)
    assert np.all(response.gain[~stuck] == 1)


def test_a_conductance_is_never_negative() -> None:
    errors = DeviceErrors.measured([20e-6], [5e-6], WINDOW)
    assert reached(errors, np.array([3e-6, 18e-6])) == pytest.approx([0.0, 3e-6])
    response = errors.response(np.array([3e-6]), np.random.default_rng(0))
    assert response.gain.tolist() == response.shift.tolist() == [0.0]


def test_writes_that_were_not_read_are_left_out() -> None:
    errors = DeviceErrors.measured([1e-6, np.nan, 3e-6], [1e-6, 2e-6, np.nan], WINDOW)
    assert errors.source == "measured, 1 writes"


@pytest.mark.parametrize(
    ("targets", "got", "options", "message"),
    [
        ([], [], {}, "at least one write"),
        ([1e-6], [np.inf], {}, "at least one write"),
        ([1e-6], [1e-6, 2e-6], {}, "1 targets, 2 conductances reached"),
        ([1e-6], [1e-6], {"stuck": [True, False]}, "2 stuck or not"),
        ([1e-6], [1e-6], {"neighbours": 0}, "neighbours = 0"),
    ],
)
def test_writes_that_say_nothing_are_refused(
    targets: list[float], got: list[float], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        DeviceErrors.measured(targets, got, WINDOW, **options)


def test_a_sigma_that_is_none_is_refused() -> None:
    with pytest.raises(DataError, match="sigma = nan"):
        DeviceErrors.lognormal(np.nan, WINDOW)


def test_an_array_without_faults_reaches_what_is_asked() -> None:
    with open_bench("ideal", seed=0) as bench:
        errors = measure_errors(bench.crossbar(), np.random.default_rng(0), 1)
    asked = np.linspace(errors.window.low, errors.window.high, 50)
    assert reached(errors, asked) == pytest.approx(asked, rel=1e-6)


def test_a_bench_errs_as_it_did_when_it_was_measured() -> None:
    told: list[tuple[int, int]] = []
    with open_bench("sim", seed=5) as bench:
        crossbar = bench.crossbar()
        rng = np.random.default_rng(0)
        errors = measure_errors(crossbar, rng, 3, lambda done, total: told.append((done, total)))
        again = measure_errors(crossbar, rng, 3)
    assert errors.window == crossbar.settings.window
    assert told
    first, second = errors.law, again.law
    assert isinstance(first, MeasuredErrors)
    assert isinstance(second, MeasuredErrors)
    # The same array: its stuck cells are the same each time, every one of them met three times.
    assert first.stuck.sum() == second.stuck.sum() > 0
    assert 0.4 < np.mean(first.targets == errors.window.low) < 0.6
    for low, high in ((0, 2.001e-6), (2.001e-6, 80e-6)):
        inside = (second.targets > low) & (second.targets <= high) & ~second.stuck
        asked = np.repeat(second.targets[inside], 50)
        response = errors.response(asked, np.random.default_rng(1))
        error = (response.gain * asked + response.shift - asked)[response.gain > 0]
        expected = (second.reached - second.targets)[inside]
        assert error.std() == pytest.approx(expected.std(), rel=0.35)
        assert abs(error.mean() - expected.mean()) < 0.5 * expected.std()


def test_stuck_cells_can_be_left_out() -> None:
    found = []
    for stuck in (True, False):
        with open_bench("sim", seed=5) as bench:
            rng = np.random.default_rng(0)
            found.append(measure_errors(bench.crossbar(), rng, 1, stuck=stuck).law)
    everything, moving = found
    assert isinstance(everything, MeasuredErrors)
    assert isinstance(moving, MeasuredErrors)
    assert not moving.stuck.any()
    kept = ~everything.stuck
    assert np.array_equal(np.sort(moving.reached), np.sort(everything.reached[kept]))


def test_errors_from_a_report_are_those_of_its_cells() -> None:
    with open_bench("sim", seed=5) as bench:
        crossbar = bench.crossbar()
        targets = np.random.default_rng(0).uniform(2e-6, 80e-6, (10, 10))
        targets[3] = np.nan
        report = crossbar.program_conductances(targets)
    errors = DeviceErrors.from_report(report)
    assert isinstance(errors.law, MeasuredErrors)
    assert len(errors.law.targets) == 90
    assert errors.law.stuck.sum() == len(report.stuck)
    order = np.argsort(report.target[report.programmed])
    assert np.array_equal(errors.law.reached, report.reread[report.programmed][order])


def test_errors_are_not_measured_without_a_write() -> None:
    with open_bench("ideal") as bench, pytest.raises(DataError, match="repeats = 0"):
        measure_errors(bench.crossbar(), np.random.default_rng(0), 0)
