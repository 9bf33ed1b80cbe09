import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import BenchError, Cells, DataError, LimitError
from crossbar.mapping import Window
from crossbar.programming import (
    POLICIES,
    Ispp,
    IsppSettings,
    SecantSettings,
    Status,
    WriteVerify,
    check_pulses,
    write_verify,
)
from crossbar.programming.report import CellReport
from crossbar.programming.write_verify import check_targets
from fake_bench import LIMITS, FakeBench

PULSES = IsppSettings(
    set_start=2.0,
    set_step=0.1,
    set_stop=2.5,
    reset_start=1.0,
    reset_step=0.2,
    reset_stop=1.6,
    width=1e-4,
)


def program(
    bench: FakeBench, targets: list[float], settings: WriteVerify | None = None
) -> CellReport:
    cells = Cells.of((0, k) for k in range(len(targets)))
    chosen = settings if settings is not None else WriteVerify(tolerance=0.5e-6)
    return write_verify(bench, cells, np.array(targets), chosen, PULSES, np.zeros(bench.shape[1]))


def test_ispp_steps_up_while_the_direction_repeats_and_stops_at_the_top() -> None:
    policy = Ispp(1, PULSES)
    index, error = np.array([0]), np.array([1e-6])
    volts = [float(policy.next(index, -error, 0 * error)[0][0]) for _ in range(8)]
    assert volts == pytest.approx([2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.5, 2.5])
    assert policy.exhausted(index).all()


def test_ispp_starts_again_on_the_other_staircase_when_the_direction_turns() -> None:
    policy = Ispp(1, PULSES)
    index = np.array([0])
    errors = [1e-6, 1e-6, -1e-6, -1e-6, 1e-6]
    volts = [float(policy.next(index, np.array([-e]), np.zeros(1))[0][0]) for e in errors]
    assert volts == pytest.approx([2.0, 2.1, -1.0, -1.2, 2.0])


def test_ispp_keeps_the_staircase_of_each_cell_apart() -> None:
    policy = Ispp(3, PULSES)
    policy.next(np.array([1]), np.zeros(1), np.array([1e-6]))
    volts, widths = policy.next(np.array([0, 1]), np.zeros(2), np.array([1e-6, 1e-6]))
    assert volts == pytest.approx([2.0, 2.1])
    assert widths == pytest.approx([1e-4, 1e-4])


@pytest.mark.parametrize(
    ("change", "message"),
    [({"set_step": 0.0}, "set_step"), ({"set_stop": 1.0}, "above"), ({"width": np.nan}, "width")],
)
def test_impossible_staircases_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        IsppSettings(**change)


def test_a_staircase_beyond_the_limits_is_refused_before_the_first_pulse() -> None:
    with pytest.raises(LimitError, match=r"6\.0 V.*±5\.0 V"):
        check_pulses(IsppSettings(set_stop=6.0), LIMITS)
    with pytest.raises(LimitError, match=r"-7\.0 V.*±5\.0 V"):
        check_pulses(IsppSettings(reset_stop=7.0), LIMITS)
    with pytest.raises(LimitError, match="width"):
        check_pulses(IsppSettings(width=1e-7), LIMITS)
    with pytest.raises(LimitError, match=r"width 2\.0 s"):
        check_pulses(SecantSettings(width_max=2.0), LIMITS)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_uses_the_fewest_pulses_on_a_perfect_cell(name: str) -> None:
    # The fake cell moves 1 uS a pulse: 30 uS away from the start are 30 pulses, not 31.
    bench = FakeBench((1, 1))
    cells = Cells.of([(0, 0)])
    report = write_verify(
        bench,
        cells,
        np.array([40e-6]),
        WriteVerify(tolerance=0.4e-6),
        POLICIES[name](),
        np.zeros(1),
    )
    assert report.status.tolist() == [Status.VERIFIED]
    assert report.pulses.tolist() == [30]
    assert bench.conductance[0, 0] == pytest.approx(40e-6)


def test_a_cell_inside_its_band_gets_no_pulse() -> None:
    bench = FakeBench((1, 2))
    report = program(bench, [10.4e-6, 12e-6])
    assert report.pulses.tolist() == [0, 2]
    assert [cell[:2] for cell in bench.pulsed] == [(0, 1), (0, 1)]


def test_the_offset_of_a_bit_line_does_not_enter_the_conductance() -> None:
    bench = FakeBench((1, 1))
    bench.offset = np.array([2e-6])
    report = write_verify(
        bench,
        Cells.of([(0, 0)]),
        np.array([20e-6]),
        WriteVerify(tolerance=0.4e-6),
        PULSES,
        bench.offset,
    )
    assert report.verified == pytest.approx([20e-6])
    assert bench.conductance[0, 0] == pytest.approx(20e-6)


def test_a_cell_that_the_strongest_pulses_do_not_move_is_called_stuck() -> None:
    bench = FakeBench((1, 2))
    bench.stuck[0, 0] = True
    report = program(bench, [40e-6, 12e-6], WriteVerify(tolerance=0.5e-6, stuck_pulses=3))
    assert report.status.tolist() == [Status.STUCK, Status.VERIFIED]
    # Five steps to the top of the staircase, three strongest pulses, three the other way.
    assert report.pulses.tolist() == [5 + 3 + 3, 2]
    assert [v for word, bit, v in bench.pulsed if bit == 0][-3:] == [-PULSES.reset_stop] * 3


def test_a_cell_whose_range_ends_short_of_the_target_is_not_called_stuck() -> None:
    bench = FakeBench((1, 1))
    bench.highest = 30e-6
    report = program(bench, [40e-6], WriteVerify(tolerance=0.5e-6, stuck_pulses=3))
    assert report.status.tolist() == [Status.UNREACHED]
    assert report.verified == pytest.approx([30e-6])


def test_a_cell_that_fails_upward_only_can_still_be_programmed_downward() -> None:
    bench = FakeBench((1, 1))
    bench.highest = 30e-6
    program(bench, [40e-6])
    report = program(bench, [20e-6])
    assert report.status.tolist() == [Status.VERIFIED]


def test_a_cell_that_still_moves_is_not_called_stuck_but_runs_out_of_pulses() -> None:
    bench = FakeBench((1, 1), step=0.3e-6)
    report = program(bench, [60e-6], WriteVerify(tolerance=0.5e-6, stuck_pulses=3, pulses=40))
    assert report.status.tolist() == [Status.BUDGET]
    assert report.pulses.tolist() == [40]


def test_a_step_wider_than_the_band_reverses_until_the_pulses_are_spent() -> None:
    bench = FakeBench((1, 1), step=4e-6)
    report = program(bench, [12e-6], WriteVerify(tolerance=0.5e-6, pulses=9))
    assert report.status.tolist() == [Status.BUDGET]
    assert report.pulses.tolist() == [9]
    assert report.reversals.tolist() == [8]


@given(
    targets=st.lists(st.floats(10e-6, 70e-6), min_size=1, max_size=6),
    budget=st.integers(1, 80),
    step=st.floats(0.1e-6, 9e-6),
)
def test_the_loop_always_ends_within_the_budget(
    targets: list[float], budget: int, step: float
) -> None:
    bench = FakeBench((1, len(targets)), step=step)
    report = program(bench, targets, WriteVerify(tolerance=0.5e-6, pulses=budget))
    assert report.pulses.max() <= budget
    assert len(bench.pulsed) == report.pulses.sum()
    inside = np.abs(report.verified - report.target) <= report.tolerance
    assert np.array_equal(inside, report.status == Status.VERIFIED)


def test_a_cell_named_twice_is_refused() -> None:
    bench = FakeBench((1, 1))
    with pytest.raises(LimitError, match="twice"):
        write_verify(
            bench,
            Cells.of([(0, 0), (0, 0)]),
            np.array([1e-5, 2e-5]),
            WriteVerify(),
            PULSES,
            np.zeros(1),
        )
    assert bench.pulsed == []


def test_nothing_to_program_is_no_error() -> None:
    report = program(FakeBench((1, 1)), [])
    assert len(report.cells) == len(report.verified) == 0


def test_progress_ends_with_every_cell_done() -> None:
    seen: list[tuple[int, int]] = []
    bench = FakeBench((1, 2))
    write_verify(
        bench,
        Cells.of([(0, 0), (0, 1)]),
        np.array([12e-6, 14e-6]),
        WriteVerify(tolerance=0.5e-6),
        PULSES,
        np.zeros(2),
        lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (2, 2)
    assert seen == sorted(seen)


@pytest.mark.parametrize("target", [np.nan, 9e-6, 71e-6, np.inf, -1e-5])
def test_targets_outside_the_window_are_refused_with_the_window(target: float) -> None:
    with pytest.raises(DataError, match=r"1e-05 S to 7e-05 S.*1 of 2"):
        check_targets(np.array([20e-6, target]), Window(10e-6, 70e-6))


@pytest.mark.parametrize(
    "change", [{"tolerance": 0.0}, {"pulses": 0}, {"reread_delay": -1.0}, {"read_voltage": np.nan}]
)
def test_impossible_programming_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BenchError, match=next(iter(change))):
        WriteVerify(**change)  # type: ignore[arg-type]  # the wrong value is the test


@given(
    targets=st.lists(st.floats(5e-6, 70e-6), min_size=1, max_size=5),
    step=st.floats(0.1e-6, 15e-6),
    noise=st.sampled_from([0.0, 1e-7]),
    pulses=st.integers(1, 60),
    reversals=st.one_of(st.none(), st.integers(0, 6)),
    energy=st.one_of(st.none(), st.floats(1e-9, 5e-7)),
    verify_reads=st.integers(1, 3),
    policy=st.sampled_from(sorted(POLICIES)),
)
def test_no_budget_is_exceeded_and_the_loop_ends(
    targets: list[float],
    step: float,
    noise: float,
    pulses: int,
    reversals: int | None,
    energy: float | None,
    verify_reads: int,
    policy: str,
) -> None:
    bench = FakeBench((1, len(targets)), step=step)
    bench.noise = noise
    settings = WriteVerify(
        tolerance=0.5e-6,
        pulses=pulses,
        reversals=reversals,
        energy=energy,
        verify_reads=verify_reads,
        guard=1.0 if verify_reads > 1 else 0.0,
    )
    cells = Cells.of((0, k) for k in range(len(targets)))
    wanted = np.array(targets)
    report = write_verify(bench, cells, wanted, settings, POLICIES[policy](), np.zeros(len(cells)))
    for k, left in enumerate(report.status):
        volts = np.array([v for _, bit, v in bench.pulsed if bit == k])
        assert len(volts) == report.pulses[k] <= pulses
        turns = int(np.sum(np.sign(volts[1:]) != np.sign(volts[:-1]))) if len(volts) else 0
        assert turns == report.reversals[k]
        assert reversals is None or turns <= reversals
        spent = left in (Status.BUDGET, Status.REVERSALS, Status.ENERGY)
        assert left == Status.VERIFIED or spent or left in (Status.STUCK, Status.UNREACHED)
    if energy is not None:
        # Exceeded by the last SET at most, and only if it overshot by more than it was to bring.
        over = report.energy > energy
        overshot = report.verified > report.target + step / 2 - 1e-9
        assert np.all(~over | overshot)
    assert np.all(report.reads >= 1 + report.pulses)
    assert report.seconds == pytest.approx(report.elapsed.sum())


def test_a_cell_that_may_not_turn_stops_where_it_would_have_to() -> None:
    bench = FakeBench((1, 2), step=4e-6)
    report = program(bench, [12e-6, 30e-6], WriteVerify(tolerance=0.5e-6, reversals=0))
    assert report.status.tolist() == [Status.REVERSALS, Status.VERIFIED]
    assert report.pulses.tolist() == [1, 5]
    assert report.verified == pytest.approx([14e-6, 30e-6])


def test_energy_is_counted_as_of_an_ohmic_cell_and_is_not_exceeded() -> None:
    bench = FakeBench((1, 1))
    settings = WriteVerify(tolerance=0.4e-6)
    free = program(bench, [14e-6], settings)
    volts, steps = np.array([2.0, 2.1, 2.2, 2.3]), np.array([10.5, 11.5, 12.5, 13.5])
    assert free.energy == pytest.approx([float(np.sum(volts**2 * 1e-4 * steps * 1e-6))])
    bench = FakeBench((1, 1))
    # Three pulses, each foretold with the conductance it is to reach, fit; the fourth does not.
    enough = float(np.sum(volts[:2] ** 2 * 1e-4 * steps[:2] * 1e-6) + volts[2] ** 2 * 1e-4 * 14e-6)
    short = program(bench, [14e-6], WriteVerify(tolerance=0.4e-6, energy=enough * (1 + 1e-9)))
    assert short.status.tolist() == [Status.ENERGY]
    assert short.pulses.tolist() == [3]
    assert short.energy[0] <= enough


def test_a_cell_inside_by_chance_is_not_accepted() -> None:
    accepted = {}
    for reads, guard in ((1, 0.0), (8, 0.0), (8, 2.0)):
        bench = FakeBench((40, 40), step=0.25e-6)
        bench.noise = 0.3 * 0.6e-6  # A, of a read at 0.3 V: 0.6 µS beside a band of ±0.5 µS
        cells = Cells.all(bench.shape)
        settings = WriteVerify(tolerance=0.5e-6, verify_reads=reads, guard=guard, stuck_pulses=20)
        targets = np.full(len(cells), 14e-6)
        report = write_verify(bench, cells, targets, settings, PULSES, np.zeros(40))
        assert (report.status == Status.VERIFIED).mean() > 0.9
        truly = np.abs(bench.conductance - 14e-6) <= 0.5e-6
        accepted[reads, guard] = truly.mean()
        if reads > 1:
            assert np.all(report.reads >= 1 + report.pulses + reads)
    assert accepted[1, 0.0] < 0.6 < accepted[8, 0.0] < accepted[8, 2.0]
    assert accepted[8, 2.0] > 0.97


def test_confirming_reads_wait_once_for_all_cells_of_a_round() -> None:
    bench = FakeBench((1, 3))
    settings = WriteVerify(tolerance=0.5e-6, verify_reads=3, verify_delay=2.0)
    report = program(bench, [12e-6, 12e-6, 13e-6], settings)
    assert bench.waited == 4.0
    assert report.reads.tolist() == [3 + 3, 3 + 3, 4 + 3]


@pytest.mark.parametrize(
    "change",
    [
        {"guard": 1.0},
        {"guard": -1.0},
        {"verify_reads": 0},
        {"passes": 0},
        {"reversals": -1},
        {"energy": 0.0},
        {"pass_delay": np.inf},
        {"order": "random"},
    ],
)
def test_impossible_acceptance_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BenchError, match=next(iter(change))):
        WriteVerify(**change)  # type: ignore[arg-type]  # the wrong value is the test
