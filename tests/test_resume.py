"""An interrupted program goes on from its record, on a bench that fits on a page."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar import Crossbar
from crossbar.backend import Array, Cells, DataError
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.programming.resume import Resumed
from crossbar.recorder import Recorded
from crossbar.results import ProgramReport
from crossbar.store import Run, Store
from fake_bench import FakeBench

SHAPE = (3, 4)
TARGETS = np.random.default_rng(5).uniform(12e-6, 40e-6, SHAPE)
CELL = WriteVerify(
    tolerance=0.6e-6, reread_delay=1.0, verify_reads=2, guard=1.0, passes=2, order="largest-first"
)


class Killed(BaseException):
    """Stands for the end of the process: nothing after it is recorded."""


class Dying:
    """A run that ends like a killed process after so many writes of intents and outcomes.

    If it ends with an intent, the call is either made, and its answer lost, or not even made.
    """

    def __init__(self, run: Run, writes: int, *, made: bool = True) -> None:
        self._run, self._writes, self._made = run, writes, made

    def _spend(self) -> None:
        if self._writes == 0:
            raise Killed
        self._writes -= 1

    def intent(self, verb: str, bench_time: float | None, arrays: dict[str, Array]) -> int:
        self._spend()
        call = self._run.intent(verb, bench_time, arrays)
        if self._writes == 0 and not self._made:
            raise Killed
        return call

    def outcome(
        self,
        call: int,
        bench_time: float | None,
        arrays: dict[str, Array] | None = None,
        *,
        error: str | None = None,
    ) -> None:
        self._spend()
        self._run.outcome(call, bench_time, arrays, error=error)


def bench() -> FakeBench:
    made = FakeBench(SHAPE, step=1e-6)
    made.noise = 3e-8
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs.sqlite") as opened:
        yield opened


def started(store: Store) -> Run:
    return store.start(experiment="program", settings={}, bench={"kind": "fake"})


def program(
    backend: FakeBench, run: object, store: Store, before: Sequence[int] = ()
) -> tuple[ProgramReport, Resumed]:
    recorded = Recorded(backend, run)  # type: ignore[arg-type]  # a run, or one that dies
    resumed = Resumed(recorded, ((k, store.calls(k)) for k in before))
    report = Crossbar(resumed, CELL, IsppSettings()).program_conductances(TARGETS)
    return report, resumed


def acknowledged(store: Store, *runs: int) -> list[tuple[list[int], list[int], list[float]]]:
    """Return cells and voltages of every pulse that was answered."""
    return [
        (c.asked["word"].tolist(), c.asked["bit"].tolist(), c.asked["voltages"].tolist())
        for run in runs
        for c in store.calls(run)
        if c.verb == "pulse" and c.answered is not None
    ]


def equal(ours: ProgramReport, theirs: ProgramReport) -> None:
    for name in ("target", "verified", "ended", "reread", "status", "pulses", "reads", "energy"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    assert ours.summary() == theirs.summary()


def test_interrupted_between_calls_every_number_is_that_of_an_uninterrupted_run(
    store: Store,
) -> None:
    whole = started(store)
    expected, _ = program(bench(), whole, store)
    total = 2 * sum(1 for _ in store.calls(whole.id))
    for writes in range(0, total, 26):
        backend, first = bench(), started(store)
        with pytest.raises(Killed):
            program(backend, Dying(first, writes), store)
        second = started(store)
        report, resumed = program(backend, second, store, [first.id])
        equal(report, expected)
        assert acknowledged(store, first.id, second.id) == acknowledged(store, whole.id)
        assert resumed.in_doubt == 0
        assert resumed.replayed == writes // 2


def test_interrupted_again_and_again_it_still_is_one_program(store: Store) -> None:
    whole = started(store)
    expected, _ = program(bench(), whole, store)
    backend = bench()
    runs: list[int] = []
    while True:
        run = started(store)
        try:
            report, _ = program(backend, Dying(run, 36), store, runs)
        except Killed:
            runs.append(run.id)
            continue
        break
    equal(report, expected)
    assert len(runs) > 2
    assert acknowledged(store, *runs, run.id) == acknowledged(store, whole.id)


def asked_of(store: Store, *runs: int, answered: bool) -> list[tuple[int, int, float]]:
    """Return cell and voltage of every pulse in the records, or of the acknowledged ones."""
    calls = [c for k in runs for c in store.calls(k) if c.verb == "pulse"]
    names = ("word", "bit", "voltages")
    return [
        pulse
        for c in calls
        if c.answered is not None or not answered
        for pulse in zip(*(c.asked[name].tolist() for name in names), strict=True)
    ]


@settings(max_examples=12)
@given(kills=st.lists(st.integers(0, 60), min_size=1, max_size=4), made=st.booleans())
def test_no_pulse_is_repeated_and_no_cell_is_lost_wherever_the_process_died(
    kills: list[int], made: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Store.open(tmp_path_factory.mktemp("runs") / "runs.sqlite") as store:
        backend = bench()
        runs: list[int] = []
        for writes in kills:
            runs.append(started(store).id)
            dying = Dying(Run(store, runs[-1]), writes, made=made)
            with pytest.raises(Killed):
                program(backend, dying, store, runs[:-1])
        last = started(store)
        report, _ = program(backend, last, store, runs)
        assert (np.abs(report.verified - TARGETS) <= CELL.tolerance).all()
        # What the bench saw is in the records once: acknowledged, or begun when the process died.
        every = asked_of(store, *runs, last.id, answered=False)
        acknowledged = asked_of(store, *runs, last.id, answered=True)
        assert backend.pulsed == (every if made else acknowledged)
        assert report.pulses.sum() == len(every)
        assert Counter(every) >= Counter(acknowledged)


def test_a_pulse_in_doubt_counts_and_its_cells_are_read_before_anything_else(store: Store) -> None:
    whole = started(store)
    program(bench(), whole, store)
    verbs = [c.verb for c in store.calls(whole.id)]
    place = verbs.index("pulse") + 3
    assert verbs[place] == "pulse"
    backend, first, second = bench(), started(store), started(store)
    with pytest.raises(Killed):
        program(backend, Dying(first, 2 * place + 1), store)
    _, resumed = program(backend, second, store, [first.id])
    assert resumed.in_doubt == 1
    doubtful, then = list(store.calls(first.id))[-1], next(store.calls(second.id))
    assert (doubtful.verb, doubtful.answered, then.verb) == ("pulse", None, "read")
    for line in ("word", "bit"):
        np.testing.assert_array_equal(then.asked[line], doubtful.asked[line])


def test_another_program_is_not_gone_on_with(store: Store) -> None:
    backend, first = bench(), started(store)
    with pytest.raises(Killed):
        program(backend, Dying(first, 30), store)
    pulsed = len(backend.pulsed)
    resumed = Resumed(Recorded(backend, started(store)), [(first.id, store.calls(first.id))])
    with pytest.raises(
        DataError, match=rf"run {first.id} was another program, from its call \d+ on"
    ):
        Crossbar(resumed, CELL, IsppSettings()).program_conductances(TARGETS[::-1])
    assert len(backend.pulsed) == pulsed


def test_the_clock_goes_on_where_the_record_ends_though_the_bench_counts_from_zero(
    store: Store,
) -> None:
    first, second = started(store), started(store)
    before = Recorded(bench(), first)
    before.wait(50.0)
    before.read(Cells.of([(0, 0)]), 0.3)
    resumed = Resumed(Recorded(bench(), second), [(first.id, store.calls(first.id))])
    assert resumed.now == 0.0
    resumed.wait(50.0)
    assert resumed.now == 50.0
    resumed.read(Cells.of([(0, 0)]), 0.3)
    resumed.wait(7.0)
    assert resumed.now == 57.0


def test_what_was_refused_is_asked_again_and_what_failed_may_have_been_done(store: Store) -> None:
    first = started(store)
    cells, volt, width = Cells.of([(0, 0)]), np.array([3.0]), np.array([1e-4])
    asked = {"word": cells.word, "bit": cells.bit, "voltages": volt, "widths": width}
    for error in ("InstrumentError: gone", "LimitError: no"):
        call = first.intent("pulse", 0.0, asked | {"read_voltage": 0.3})
        first.outcome(call, 0.0, error=error)
    backend = bench()
    resumed = Resumed(backend, [(first.id, store.calls(first.id))])
    resumed.pulse(cells, volt, width, 0.3)
    assert (backend.pulsed, resumed.in_doubt) == ([], 1)
    resumed.pulse(cells, volt, width, 0.3)
    assert len(backend.pulsed) == 1
