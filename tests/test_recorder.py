import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from crossbar.backend import (
    Ampere,
    Array,
    Backend,
    Cells,
    ClosedError,
    Flag,
    LimitError,
    Limits,
    Reading,
    Second,
    StoreError,
    Sweep,
    Volt,
)
from crossbar.guard import Guarded
from crossbar.recorder import Recorded
from crossbar.store import Call, Run, Store

LIMITS = Limits(2.0, 0.5, 1e-3, 1e-6, 1.0, 10**6, 1e6)
ONE = Cells.of([(1, 2)])


class Bench:
    """Answers with the number of calls it has made; `fault` is raised after a call was made."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.shape = (3, 4)
        self.limits = LIMITS
        self.made: list[str] = []
        self.closed = False
        self.fault = fault

    @property
    def now(self) -> Second:
        if self.closed:
            raise ClosedError("the bench is closed")
        return float(len(self.made))

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        return self._answer("read", (len(cells),))

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        return self._answer("pulse", (len(cells),))

    def drive(self, voltages: Array) -> Reading:
        return self._answer("drive", (len(voltages), self.shape[1]))

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        reading = self._answer("sweep", voltages.shape)
        return Sweep(
            voltages * 0.99,
            reading.current,
            np.arange(len(voltages), dtype=float) * dwell,
            reading.flags,
        )

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        reading = self._answer("trace", voltages.shape)
        return Sweep(voltages * 0.98, reading.current, np.ones(voltages.shape), reading.flags)

    def wait(self, duration: Second) -> None:
        self._answer("wait", ())

    def describe(self) -> Mapping[str, object]:
        return {"kind": "fake"}

    def close(self) -> None:
        if not self.closed:
            self.made.append("close")
        self.closed = True

    def _answer(self, verb: str, shape: tuple[int, ...]) -> Reading:
        if self.closed:
            raise ClosedError("the bench is closed")
        self.made.append(verb)
        if self.fault is not None:
            raise self.fault
        flags = np.full(shape, Flag.CLIPPED, np.uint8)
        return Reading(np.full(shape, float(len(self.made))), flags)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Store.open(tmp_path / "runs.sqlite", patience=0.05) as store:
        yield store.start(experiment="trial", settings={}, bench={"kind": "fake"})


def calls(run: Run) -> list[Call]:
    return list(run._store.calls(run.id))


def pulse(bench: Backend, voltage: float = 1.0) -> Reading:
    return bench.pulse(ONE, np.array([voltage]), np.array([1e-3]), 0.1)


def pulse_for_ever(bench: Backend) -> None:
    while True:
        pulse(bench)


def test_every_verb_is_recorded_with_what_was_asked_and_answered(run: Run) -> None:
    bench: Backend = Recorded(Bench(), run)
    cells = Cells.of([(0, 1), (2, 3)])
    bench.read(cells, 0.2)
    bench.pulse(cells, np.array([1.0, -1.0]), np.array([1e-3, 2e-3]), 0.1)
    bench.drive(np.full((2, 3), 0.3))
    bench.sweep((2, 3), np.array([0.0, 1.0]), 1e-4, 0.5)
    bench.wait(9.0)
    bench.close()
    read, pulsed, driven, swept, waited, closed = calls(run)

    verbs = ["read", "pulse", "drive", "sweep", "wait", "close"]
    assert [call.verb for call in calls(run)] == verbs
    assert [call.bench_started for call in calls(run)] == [0, 1, 2, 3, 4, 5]
    assert [call.bench_ended for call in calls(run)] == [1, 2, 3, 4, 5, None]
    assert all(call.error is None and call.answered is not None for call in calls(run))
    expected: list[tuple[Call, dict[str, ArrayLike], ArrayLike]] = [
        (read, {"word": [0, 2], "bit": [1, 3], "voltage": 0.2}, [1, 1]),
        (
            pulsed,
            {
                "word": [0, 2],
                "bit": [1, 3],
                "voltages": [1, -1],
                "widths": [1e-3, 2e-3],
                "read_voltage": 0.1,
            },
            [2, 2],
        ),
        (driven, {"voltages": np.full((2, 3), 0.3)}, np.full((2, 4), 3)),
        (
            swept,
            {"cell": [2, 3], "voltages": [0, 1], "compliance": 1e-4, "dwell": 0.5},
            [4, 4],
        ),
    ]
    for call, asked, current in expected:
        assert call.answered is not None
        assert list(call.asked) == list(asked)
        for name, value in asked.items():
            np.testing.assert_array_equal(call.asked[name], value)
        np.testing.assert_array_equal(call.answered["current"], current)
        assert (call.answered["flags"] == Flag.CLIPPED).all()
    assert swept.answered is not None
    np.testing.assert_array_equal(swept.answered["voltage"], [0.0, 0.99])
    np.testing.assert_array_equal(swept.answered["time"], [0.0, 0.5])
    assert waited.asked["duration"] == 9.0
    assert (closed.asked, closed.answered) == ({}, {})


def test_the_reading_is_handed_on_unchanged(run: Run) -> None:
    bench = Bench()
    given = Reading(np.array([1.5]), np.array([2], np.uint8))
    bench._answer = lambda verb, shape: given  # type: ignore[method-assign]
    assert pulse(Recorded(bench, run)) is given


def test_intent_is_in_the_file_before_the_bench_is_touched(run: Run) -> None:
    bench = Bench()
    seen: list[list[str]] = []

    def look(verb: str, shape: tuple[int, ...]) -> Reading:
        with Store.open(run._store.path, readonly=True) as other:
            seen.append([f"{call.verb} {call.ended}" for call in other.calls(run.id)])
        return Reading(np.zeros(shape), np.zeros(shape, np.uint8))

    bench._answer = look  # type: ignore[method-assign]
    recorded = Recorded(bench, run)
    for verb, request in REQUESTS.items():
        request(recorded)
        assert seen[-1][-1] == f"{verb} None"


def test_refusal_of_the_guard_is_recorded_and_raised_unchanged(run: Run) -> None:
    bench = Bench()
    recorded = Recorded(Guarded(bench, LIMITS), run)
    with pytest.raises(LimitError, match=r"9 V is outside ±2 V") as caught:
        pulse(recorded, 9.0)
    assert bench.made == []
    (call,) = calls(run)
    assert call.error == f"LimitError: {caught.value}"
    assert call.answered is None
    np.testing.assert_array_equal(call.asked["voltages"], [9.0])


def test_nonsense_is_recorded_as_text_and_refused_by_the_guard(run: Run) -> None:
    recorded = Recorded(Guarded(Bench(), LIMITS), run)
    with pytest.raises(LimitError):
        recorded.drive([[0.0], [0.0, 1.0]])  # type: ignore[arg-type]
    with pytest.raises(LimitError):
        recorded.read(Cells.of([(2**32, -(2**63))]), None)  # type: ignore[arg-type]
    drive, read = calls(run)
    assert drive.asked["voltages"] == "[[0.0], [0.0, 1.0]]"
    assert read.asked["voltage"] == "None"
    assert (read.asked["word"].tolist(), read.asked["bit"].tolist()) == ([2**32], [-(2**63)])


@pytest.mark.parametrize("fault", [OSError("cable"), KeyboardInterrupt(), SystemExit(3)])
def test_fault_of_the_bench_is_recorded_and_raised_unchanged(
    run: Run, fault: BaseException
) -> None:
    with pytest.raises(type(fault)) as caught:
        pulse(Recorded(Bench(fault), run))
    assert caught.value is fault
    (call,) = calls(run)
    assert call.error is not None
    assert call.error.startswith(type(fault).__name__)


def test_call_on_a_closed_bench_is_recorded(run: Run) -> None:
    recorded = Recorded(Bench(), run)
    recorded.close()
    recorded.close()
    with pytest.raises(ClosedError):
        pulse(recorded)
    assert [call.verb for call in calls(run)] == ["close", "pulse"]
    assert calls(run)[1].error == "ClosedError: the bench is closed"


def forbid(run: Run, table: str) -> None:
    """From now on nothing can be added to a table, as on a full disk."""
    run._store._connection.execute(
        f"CREATE TEMP TRIGGER full BEFORE INSERT ON {table} "
        "BEGIN SELECT RAISE(FAIL, 'no space'); END"
    )


REQUESTS: dict[str, Callable[[Backend], object]] = {
    "pulse": pulse,
    "read": lambda bench: bench.read(ONE, 0.1),
    "drive": lambda bench: bench.drive(np.zeros((1, 3))),
    "sweep": lambda bench: bench.sweep((0, 0), np.zeros(1), 1e-4, 1.0),
    "trace": lambda bench: bench.trace((0, 0), np.zeros(1), 1e-4, 1e-6),
    "wait": lambda bench: bench.wait(1.0),
}


def test_a_waveform_is_recorded_with_what_was_asked_and_answered(run: Run) -> None:
    Recorded(Bench(), run).trace((2, 3), np.array([0.0, 1.0]), 1e-4, 1e-6)
    (call,) = calls(run)
    asked = {"cell": [2, 3], "voltages": [0, 1], "interval": 1e-4, "largest": 1e-6}
    assert call.verb == "trace"
    assert {name: np.asarray(call.asked[name]).tolist() for name in asked} == asked
    assert call.answered is not None
    assert call.answered["voltage"].tolist() == [0, 0.98]


@pytest.mark.parametrize("verb", REQUESTS)
def test_call_that_cannot_be_recorded_is_not_made(run: Run, verb: str) -> None:
    bench = Bench()
    recorded = Recorded(bench, run)
    forbid(run, "intents")
    with pytest.raises(StoreError, match="no space"):
        REQUESTS[verb](recorded)
    assert bench.made == ["close"]
    with pytest.raises((ClosedError, StoreError)):
        REQUESTS[verb](recorded)


def test_pulse_does_not_reach_the_bench_when_the_disk_is_full(run: Run) -> None:
    bench = Bench()
    recorded = Recorded(Guarded(bench, LIMITS), run)
    run._store._connection.execute("PRAGMA max_page_count = 40")
    with pytest.raises(StoreError, match="disk may be full"):
        pulse_for_ever(recorded)
    recorded_calls = calls(run)
    assert bench.made.pop() == "close"
    assert len(bench.made) in (len(recorded_calls), len(recorded_calls) - 1)
    assert len(bench.made) > 10
    # What failed was an intent, of which the bench saw nothing, or an outcome, and it was said.
    assert [call.ended for call in recorded_calls[:-1]].count(None) == 0


def test_pulse_does_not_reach_the_bench_while_the_store_is_locked(run: Run) -> None:
    bench = Bench()
    with Store.open(run._store.path) as other:
        other._connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"locked by another process; waited 0\.05 s"):
            pulse(Recorded(bench, run))
    assert bench.made == ["close"]


def test_a_store_that_is_gone_is_not_written_into_the_void(run: Run) -> None:
    bench = Bench()
    recorded = Recorded(bench, run)
    pulse(recorded)
    run._store.path.rename(run._store.path.with_suffix(".away"))
    with pytest.raises(StoreError, match="moved or deleted"):
        pulse(recorded)
    assert bench.made == ["pulse", "close"]


def test_a_bench_is_safe_before_a_slow_store_is_told(run: Run) -> None:
    order: list[str] = []
    bench = Bench()
    recorded = Recorded(bench, run)
    intent = run.intent

    def slow(*given: Any) -> int:
        order.extend(bench.made)
        return intent(*given)

    setattr(run, "intent", slow)  # noqa: B010  # the instance's, not the class's
    recorded.close()
    assert order == ["close"]


def test_reading_that_cannot_be_recorded_is_not_lost_silently(run: Run) -> None:
    bench = Bench()
    forbid(run, "outcomes")
    with pytest.raises(StoreError, match=r"pulse, was done, but .* no space") as caught:
        pulse(Recorded(bench, run))
    assert isinstance(caught.value.__cause__, StoreError)
    assert bench.made == ["pulse", "close"]
    (call,) = calls(run)
    assert call.ended is None


def test_fault_of_the_bench_is_raised_even_if_it_cannot_be_recorded(run: Run) -> None:
    forbid(run, "outcomes")
    with pytest.raises(OSError, match="cable") as caught:
        pulse(Recorded(Bench(OSError("cable")), run))
    assert "could not be recorded" in caught.value.__notes__[0]


@pytest.mark.parametrize("table", ["intents", "outcomes"])
def test_close_reaches_the_bench_even_if_it_cannot_be_recorded(run: Run, table: str) -> None:
    bench = Bench()
    forbid(run, table)
    with pytest.raises(StoreError):
        Recorded(bench, run).close()
    assert bench.closed


def test_close_reaches_the_bench_after_the_store_was_closed(run: Run) -> None:
    bench = Bench()
    run._store.close()
    with pytest.raises(StoreError, match="closed"):
        Recorded(bench, run).close()
    assert bench.closed


def test_large_call_is_one_record_and_costs_milliseconds(run: Run) -> None:
    bench = Recorded(Bench(), run)
    everything = Cells.all((256, 256))
    voltages, widths = np.ones(65_536), np.full(65_536, 1e-3)
    times = []
    for _ in range(5):
        start = perf_counter()
        bench.pulse(everything, voltages, widths, 0.1)
        times.append(perf_counter() - start)
    assert len(calls(run)) == 5
    assert min(times) < 0.25  # measured: 12 ms; the bound leaves room for a slow disk


def pulse_until_killed(store: Path, log: Path) -> None:
    """In a process of its own: say each call's number once it has returned.

    The log stands for the array: what it holds was applied.
    """
    applied = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Logged(Bench):
        def _answer(self, verb: str, shape: tuple[int, ...]) -> Reading:
            os.write(applied, b"x")
            return super()._answer(verb, shape)

    with (
        Store.open(store) as opened,
        opened.start(experiment="killed", settings={}, bench={"kind": "fake"}) as run,
    ):
        recorded = Recorded(Guarded(Logged(), LIMITS), run)
        while True:
            reading = pulse(recorded)
            os.write(1, f"{int(reading.current[0])}\n".encode())


def kill_after(store: Path, log: Path, acknowledged: int, delay: Second) -> int:
    """Return how many calls had been acknowledged when the child was killed."""
    child = subprocess.Popen(
        [sys.executable, __file__, str(store), str(log)], stdout=subprocess.PIPE, bufsize=0
    )
    with child:
        assert child.stdout is not None
        heard = b""
        while heard.count(b"\n") < acknowledged:
            heard += child.stdout.read(4096)
        end = perf_counter() + delay
        while perf_counter() < end:
            pass
        child.kill()
        heard += child.stdout.read()
    numbers = heard[: heard.rfind(b"\n") + 1].split()
    assert numbers == [str(k + 1).encode() for k in range(len(numbers))]
    return len(numbers)


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    chance = random.Random(11)  # noqa: S311 - chance for a test
    for trial in range(1, 9):
        log = tmp_path / f"applied-{trial}"
        acknowledged = kill_after(path, log, chance.randint(1, 300), chance.uniform(0, 2e-3))
        applied = log.stat().st_size
        with Store.open(path) as store:
            assert store._rows("PRAGMA integrity_check") == [("ok",)]
            assert store.run(trial).status == "died"
            recorded = list(store.calls(trial))
            answers = [call.answered["current"][0] for call in recorded if call.answered]
            unanswered = [call for call in recorded if call.ended is None]
        assert answers[:acknowledged] == list(range(1, acknowledged + 1))
        assert acknowledged <= len(answers) <= applied <= len(recorded)
        assert len(unanswered) <= 1
        assert unanswered in ([], recorded[-1:])
    with Store.open(path) as store:
        fresh = store.start(experiment="after", settings={}, bench={"kind": "fake"})
        pulse(Recorded(Bench(), fresh))
        assert [call.verb for call in calls(fresh)] == ["pulse"]


if __name__ == "__main__":
    pulse_until_killed(Path(sys.argv[1]), Path(sys.argv[2]))
