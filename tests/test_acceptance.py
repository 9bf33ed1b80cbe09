"""A cell is accepted when it holds: passes after a re-read, and what pulses did to neighbours."""

import numpy as np
import pytest

from crossbar import Crossbar
from crossbar.backend import Array, Cells, Reading
from crossbar.bench import open_bench
from crossbar.programming import IsppSettings, Status, WriteVerify
from crossbar.programming.disturb import Look, change, summed
from crossbar.programming.metrics import NOTHING, Metrics
from crossbar.programming.order import ORDERS
from fake_bench import FakeBench

CELL = WriteVerify(tolerance=0.6e-6, reread_delay=0.0)
WATCHED = Metrics(rereads=(), disturb=True, multiplies=0)


class Relaxing(FakeBench):
    """Cells that fall back by a part of what they were moved, once, when time passes."""

    def __init__(self, shape: tuple[int, int], part: float, step: float = 1e-6) -> None:
        super().__init__(shape, step)
        self._settled = self.conductance.copy()
        self._part = part

    def wait(self, duration: float) -> None:
        super().wait(duration)
        if duration > 0:
            self.conductance -= self._part * (self.conductance - self._settled)
            self._settled = self.conductance.copy()


class Disturbing(FakeBench):
    """A pulse on a cell moves every other cell of its word line by a part of its conductance."""

    part = 0.01

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: float) -> Reading:
        before = self.conductance.copy()
        super().pulse(cells, voltages, widths, read_voltage)
        touched = np.zeros(self.shape, dtype=np.bool_)
        touched[cells.word, :] = True
        touched[cells.word, cells.bit] = False
        self.conductance[touched] = before[touched] * (1 + self.part)
        return self.read(cells, read_voltage)


def crossbar(bench: FakeBench, settings: WriteVerify, metrics: Metrics = NOTHING) -> Crossbar:
    return Crossbar(bench, settings, IsppSettings(), metrics=metrics)


def test_cells_that_left_their_band_are_written_again_until_they_hold() -> None:
    targets = np.array([[30e-6, 12e-6, 11e-6]])
    once = crossbar(
        Relaxing((1, 3), part=0.2), WriteVerify(tolerance=0.6e-6, reread_delay=1.0)
    ).program_conductances(targets)
    assert once.success_at_verify == 1.0
    assert once.success_on_reread == pytest.approx(2 / 3)
    assert once.left == ()
    settings = WriteVerify(tolerance=0.6e-6, reread_delay=1.0, passes=4, pass_delay=1.0)
    again = crossbar(Relaxing((1, 3), part=0.2), settings).program_conductances(targets)
    assert again.success_on_reread == 1.0
    # 20 µS relax by 4, what was added to make up for them by 0.8, and then the cell holds.
    assert again.left == (1, 1, 0)
    assert len(again.passes) == 3
    assert [len(report.cells) for report in again.passes] == [3, 1, 1]
    assert again.pulses.tolist() == [[20 + 4 + 1, 2, 1]]
    assert again.summary()["left_band_cells"] == [1, 1, 0]


def test_a_cell_that_was_given_up_is_not_written_again() -> None:
    bench = Relaxing((1, 2), part=0.5)
    bench.stuck[0, 0] = True
    settings = WriteVerify(tolerance=0.6e-6, reread_delay=0.0, passes=3, pulses=12, stuck_pulses=2)
    report = crossbar(bench, settings).program_conductances(np.array([[40e-6, 40e-6]]))
    assert report.pulses[0, 1] == 12
    assert report.status[0, 1] == Status.BUDGET
    assert report.left == (0,)


def test_weights_are_aimed_at_what_their_partners_have_become() -> None:
    weights = np.random.default_rng(11).normal(size=(5, 3))
    error = {}
    for passes in (1, 4):
        bench = Relaxing((6, 6), part=0.1)
        settings = WriteVerify(tolerance=0.6e-6, reread_delay=0.0, passes=passes, pass_delay=1.0)
        xbar = crossbar(bench, settings)
        report = xbar.program(weights)
        bench.wait(1.0)
        x = np.random.default_rng(2).uniform(-1, 1, size=(50, 5))
        error[passes] = np.sqrt(np.mean(xbar.matmul(x).errors ** 2)) * report.placed[0].scale
    assert error[4] < error[1] / 2


def test_what_a_pass_did_to_cells_that_were_not_pulsed_is_logged() -> None:
    bench = Disturbing((2, 3))
    targets = np.full((2, 3), np.nan)
    targets[0, 1] = 15e-6
    report = crossbar(bench, CELL, WATCHED).program_conductances(targets)
    (log,) = report.disturb
    # Five pulses on a word line of three: two cells moved by 1 % five times, the others not.
    moved = 1.01**5 - 1
    assert log.untouched.cells == 5
    assert log.untouched.largest == pytest.approx(moved)
    assert log.untouched.total == pytest.approx(2 * moved)
    assert log.untouched.mean == pytest.approx(2 * moved / 5)
    assert log.untouched.noise == pytest.approx(0.0, abs=1e-12)
    assert log.finished.cells == 1
    assert log.finished.largest == pytest.approx(0.0)


def test_what_was_done_first_suffers_while_the_others_are_written() -> None:
    bench = Disturbing((1, 2))
    report = crossbar(bench, CELL, WATCHED).program_conductances(np.array([[15e-6, 40e-6]]))
    (log,) = report.disturb
    assert log.untouched.cells == 0
    assert log.finished.cells == 2
    assert log.finished.largest > 0.2
    assert np.abs(report.ended[0, 0] - 15e-6) > CELL.tolerance
    summary = report.summary()["disturb"]
    assert isinstance(summary, dict)
    assert summary["untouched"]["mean"] is None
    assert summary["finished"]["max"] == log.finished.largest


def test_every_pass_has_its_own_log_and_they_add_up() -> None:
    settings = WriteVerify(tolerance=0.6e-6, reread_delay=0.0, passes=5)
    bench = Disturbing((1, 2))
    report = crossbar(bench, settings, WATCHED).program_conductances(np.array([[15e-6, 40e-6]]))
    assert len(report.disturb) == len(report.passes) > 1
    whole = summed([log.finished for log in report.disturb])
    assert whole.total == pytest.approx(sum(log.finished.total for log in report.disturb))
    assert whole.largest == max(log.finished.largest for log in report.disturb)


def test_read_noise_is_told_from_disturb() -> None:
    rng = np.random.default_rng(0)
    shape, error = (200, 200), np.full((200, 200), 1e-7)
    looks = [Look(10e-6 + 1e-7 * rng.standard_normal(shape), error) for _ in "12"]
    found = change(looks[0], looks[1], np.ones(shape, dtype=np.bool_), 2e-6)
    assert found.mean == pytest.approx(found.noise, rel=0.02)


def test_a_change_of_next_to_nothing_is_relative_to_the_floor() -> None:
    still = np.zeros((1, 1))
    looks = [Look(np.array([[value]]), still) for value in (1e-9, 1.001e-6)]
    chosen = np.ones((1, 1), dtype=np.bool_)
    assert change(looks[0], looks[1], chosen, 2e-6).largest == pytest.approx(0.5)


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_names_each_cell_once(name: str) -> None:
    rng = np.random.default_rng(1)
    for count in (0, 1, 3, 60):
        word, bit = np.unravel_index(rng.permutation(64)[:count], (8, 8))
        now, wanted = rng.uniform(1e-6, 8e-5, (2, count))
        groups = ORDERS[name](Cells(word, bit), now, wanted)
        places = np.concatenate([np.empty(0, dtype=np.intp), *groups])
        assert sorted(places.tolist()) == list(range(count))
        assert all(group.size for group in groups) or count == 0


def test_orders_are_what_their_names_say() -> None:
    cells = Cells.block(range(2), range(4))
    now = np.full(8, 20e-6)
    wanted = np.array([25, 80, 10, 30, 19, 5, 60, 40]) * 1e-6
    groups = {name: ORDERS[name](cells, now, wanted) for name in ORDERS}
    assert [group.tolist() for group in groups["lines"]] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert groups["largest-first"][0].tolist() == [1, 6]
    assert groups["high-first"][0].tolist() == [1, 6]
    assert groups["low-first"][0].tolist() == [5, 2]
    assert [group.tolist() for group in groups["set-first"]] == [[0, 1, 3, 6, 7], [2, 4, 5]]
    assert [group.tolist() for group in groups["reset-first"]] == [[2, 4, 5], [0, 1, 3, 6, 7]]


@pytest.mark.parametrize("order", ORDERS)
def test_a_pass_in_groups_is_one_pass_and_its_progress_goes_up(order: str) -> None:
    seen: list[tuple[int, int]] = []
    bench = FakeBench((3, 4))
    targets = np.random.default_rng(5).uniform(5e-6, 40e-6, (3, 4))
    settings = WriteVerify(tolerance=0.6e-6, reread_delay=0.0, order=order)
    report = crossbar(bench, settings).program_conductances(
        targets, lambda done, of: seen.append((done, of))
    )
    assert len(report.passes) == 1
    assert report.success_at_verify == 1.0
    assert seen == sorted(seen)
    assert seen[-1] == (12, 12)
    assert report.pulses.sum() == len(bench.pulsed)


def test_passes_make_more_cells_hold_on_the_simulated_array() -> None:
    targets = np.random.default_rng(1).uniform(5e-6, 75e-6, (10, 10))
    held = {}
    for passes, order in ((1, "together"), (6, "largest-first")):
        with open_bench("sim", seed=4) as bench:
            cell = WriteVerify(passes=passes, order=order, tolerance=4e-6)
            report = Crossbar(bench.backend, cell, bench.programming.pulses).program_conductances(
                targets
            )
            held[passes] = report.success_on_reread
    assert held[6] > 1.5 * held[1]
