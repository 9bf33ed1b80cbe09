from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array, Cells, Indices
from crossbar.bench import load, open_bench
from crossbar.programming import (
    POLICIES,
    SecantSettings,
    Status,
    WriteVerify,
    check_pulses,
    write_verify,
)
from policy_runs import ALONE, SHARING, ObedientBench, answers, linear, rounds

Asked = list[tuple[Indices, Array, Array]]
EVERY = ALONE + SHARING


@pytest.mark.parametrize("name", EVERY)
@given(asked=rounds())
def test_no_policy_leaves_its_amplitudes_and_widths(name: str, asked: Asked) -> None:
    pulses = POLICIES[name]()
    set_most, reset_most = pulses.strongest
    shortest, longest = pulses.widths
    for (index, now, target), (volts, widths, _) in zip(
        asked, answers(pulses.policy(4), asked), strict=True
    ):
        assert volts.shape == widths.shape == index.shape
        assert np.isfinite(volts).all()
        assert np.all((volts >= reset_most) & (volts <= set_most))
        assert np.all((widths >= shortest) & (widths <= longest))
        assert np.all(volts[target > now] > 0)
        assert np.all(volts[target < now] < 0)


@pytest.mark.parametrize("name", EVERY)
@given(asked=rounds())
def test_a_policy_answers_the_same_questions_alike(name: str, asked: Asked) -> None:
    pulses = POLICIES[name]()
    for once, again in zip(
        answers(pulses.policy(4), asked), answers(pulses.policy(4), asked), strict=True
    ):
        for first, second in zip(once, again, strict=True):
            assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ALONE)
@given(asked=rounds(), cell=st.integers(0, 3))
def test_without_a_shared_prior_no_cell_influences_another(
    name: str, asked: Asked, cell: int
) -> None:
    together = answers(POLICIES[name]().policy(4), asked)
    alone = POLICIES[name]().policy(4)
    for (index, now, target), (volts, widths, _) in zip(asked, together, strict=True):
        own = index == cell
        voltage, width = alone.next(index[own], now[own], target[own])
        assert np.array_equal(voltage, volts[own])
        assert np.array_equal(width, widths[own])


@pytest.mark.parametrize("name", EVERY)
def test_the_simulated_bench_allows_the_pulses_of_every_policy(name: str) -> None:
    check_pulses(POLICIES[name](), load("sim").limits)


# The shortest width of secant is below what a virtual bench makes.
@pytest.mark.parametrize("name", [name for name in EVERY if name != "secant"])
@pytest.mark.parametrize("bench", ["virtual", "virtual-switched", "virtual-mux"])
def test_the_virtual_benches_allow_the_pulses_of_the_others(name: str, bench: str) -> None:
    check_pulses(POLICIES[name](), load(bench).limits)


@pytest.mark.parametrize("name", EVERY)
@given(
    targets=st.lists(st.floats(2e-6, 80e-6), min_size=1, max_size=5),
    size=st.floats(0.05e-6, 2e-6),
)
def test_every_policy_stops_on_a_linear_device(
    name: str, targets: list[float], size: float
) -> None:
    bench = ObedientBench(len(targets), linear(size=size))
    cells = Cells.of((0, k) for k in range(len(targets)))
    settings = WriteVerify(pulses=60)
    report = write_verify(
        bench, cells, np.array(targets), settings, POLICIES[name](), np.zeros(len(targets))
    )
    assert report.pulses.max() <= 60
    inside = np.abs(bench.conductance[0] - targets) <= settings.tolerance * (1 + 1e-9)
    assert np.array_equal(inside, report.status == Status.VERIFIED)


@pytest.mark.parametrize(
    ("name", "most"),
    [("ispp", 40), ("width", 15), ("coarse-fine", 12), ("log-step", 10), ("pi", 12), ("model", 8)],
)
def test_a_linear_device_is_programmed_in_few_pulses(name: str, most: int) -> None:
    targets = np.linspace(20e-6, 70e-6, 6)
    bench = ObedientBench(6, linear())
    cells = Cells.of((0, k) for k in range(6))
    report = write_verify(bench, cells, targets, WriteVerify(), POLICIES[name](), np.zeros(6))
    assert (report.status == Status.VERIFIED).all()
    assert np.mean(report.pulses) <= most


def test_secant_needs_two_pulses_where_the_width_says_it_all() -> None:
    bench = ObedientBench(3, linear())
    cells = Cells.of((0, k) for k in range(3))
    targets = np.array([20e-6, 30e-6, 40e-6])
    settings = WriteVerify(tolerance=1e-9)
    report = write_verify(bench, cells, targets, settings, SecantSettings(), np.zeros(3))
    assert report.pulses.tolist() == [2, 2, 2]


@pytest.mark.parametrize("name", EVERY)
def test_no_policy_wastes_its_budget_on_a_stuck_cell(name: str) -> None:
    bench = ObedientBench(1, linear())
    bench.stuck[0, 0] = True
    cells = Cells.of([(0, 0)])
    report = write_verify(
        bench, cells, np.array([40e-6]), WriteVerify(), POLICIES[name](), np.zeros(1)
    )
    assert report.status.tolist() == [Status.STUCK]
    assert report.pulses[0] < 60


def four_levels(name: str, seed: int) -> tuple[float, float]:
    """Return pulses per cell and the share verified, four levels within 2.5 % of the range."""
    targets = np.random.default_rng(seed).choice(np.linspace(2e-6, 80e-6, 4), (10, 10))
    with open_bench("sim", seed=seed) as bench:
        cells, offset = Cells.all((10, 10)), np.zeros(10)
        settings = replace(bench.programming.cell, tolerance=0.025 * 78e-6)
        report = write_verify(
            bench.backend, cells, targets.ravel(), settings, POLICIES[name](), offset
        )
    moving = report.status != Status.STUCK
    return float(np.mean(report.pulses)), float(np.mean(report.status[moving] == Status.VERIFIED))


def test_coarse_jumps_need_a_third_of_the_pulses_of_a_plain_staircase() -> None:
    runs = {n: [four_levels(n, seed) for seed in range(2)] for n in ("ispp", *SHARING)}
    pulses = {name: float(np.mean([p for p, _ in done])) for name, done in runs.items()}
    assert all(share >= 0.97 for done in runs.values() for _, share in done)
    assert pulses["coarse-fine"] <= min(9.0, pulses["ispp"] / 3)
    assert pulses["model"] <= pulses["coarse-fine"]
