import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from crossbar.backend import StoreError
from crossbar.store import Run, Store

BENCH = {"kind": "sim", "name": "bench of the test", "model": "linear"}


def start(store: Store, experiment: str = "trial") -> Run:
    return store.start(experiment=experiment, settings={"gain": 2.0}, bench=BENCH, seed=7)


def leave_by(problem: BaseException, store: Store, *, close: bool) -> None:
    with start(store) as run:
        run.finish("finished", {"kept": True})
        if close:
            store.close()
        raise problem


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store:
        with start(store) as run:
            first = run.intent("pulse", 0.5, {"voltages": [1.0, -1.0], "read_voltage": 0.1})
            run.outcome(first, 0.75, {"current": [1e-6, 2e-6], "flags": np.array([0, 1], np.uint8)})
            second = run.intent("read", 0.75, {"voltage": 9.0})
            run.outcome(second, 0.75, error="LimitError: 9 V is outside ±0.2 V")
            third = run.intent("wait", None, {})
            run.note({"done": 3, "of": np.int64(4)})
            run.result("accuracy", {"value": np.float32(0.5), "labels": ["a", "µ"]})
            run.finish("finished", {"accuracy": np.float64(0.5)})
        record = store.run(run.id)
        assert (record.experiment, record.status, record.error) == ("trial", "finished", None)
        assert (record.bench_kind, record.bench_name) == ("sim", "bench of the test")
        assert (record.bench, record.seed) == (BENCH, 7)
        assert (record.settings, record.summary) == ({"gain": 2.0}, {"accuracy": 0.5})
        assert record.started.endswith("+00:00")
        assert record.ended is not None
        assert record.started < record.ended
        assert "numpy" in str(record.provenance["versions"])
        calls = list(store.calls(run.id))
        assert [call.id for call in calls] == [first, second, third]
        assert [call.verb for call in calls] == ["pulse", "read", "wait"]
        assert (calls[0].bench_started, calls[0].bench_ended) == (0.5, 0.75)
        np.testing.assert_array_equal(calls[0].asked["voltages"], [1.0, -1.0])
        assert calls[0].answered is not None
        assert calls[0].answered["flags"].dtype == np.uint8
        np.testing.assert_array_equal(calls[0].answered["current"], [1e-6, 2e-6])
        assert calls[1].error == "LimitError: 9 V is outside ±0.2 V"
        assert calls[1].answered is None
        assert (calls[2].ended, calls[2].answered, calls[2].bench_started) == (None, None, None)
        results = store.results(run.id)
        assert results["accuracy"]["value"] == 0.5
        assert results["accuracy"]["labels"].tolist() == ["a", "µ"]
        assert [note for _, note in store.notes(run.id)] == [{"done": 3, "of": 4}]


def test_runs_keep_their_calls_apart_and_in_order(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store:
        runs = [start(store, "one"), start(store, "two")]
        for k in range(600):
            runs[k % 2].intent("read", float(k), {"k": k})
        for which, run in enumerate(runs):
            assert [int(c.asked["k"]) for c in store.calls(run.id)] == list(range(which, 600, 2))
        assert [record.experiment for record in store.runs()] == ["one", "two"]


def test_calls_can_be_followed_while_the_run_goes_on(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store, start(store) as run:
        run.intent("read", 0.0, {})
        for seen, _ in enumerate(store.calls(run.id)):
            if seen < 9:
                run.intent("read", 0.0, {})
                with Store.open(store.path) as other:
                    start(other)
        assert seen == 9


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (ValueError("out of range"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(1), "failed"),
    ],
)
def test_leaving_a_run_by_an_exception_says_so(
    tmp_path: Path, problem: BaseException, status: str
) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store:
        with pytest.raises(type(problem)):
            leave_by(problem, store, close=False)
        record = store.run(1)
        assert record.status == status
        assert record.error is not None
        assert record.error.startswith(type(problem).__name__)
        assert record.summary == {"kept": True}


def test_the_first_error_is_kept_when_the_store_fails_too(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs.sqlite")
    with pytest.raises(ValueError, match="first") as caught:
        leave_by(ValueError("first"), store, close=True)
    assert "could not be marked" in caught.value.__notes__[0]


def test_records_cannot_be_changed_or_deleted(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with Store.open(path) as store, start(store) as run:
        call = run.intent("read", 0.0, {})
        run.outcome(call, 0.0, {})
        run.result("r", {})
        run.note({})
        with pytest.raises(StoreError, match="UNIQUE"):
            run.outcome(call, 0.0, error="second thoughts")
        with pytest.raises(StoreError, match="UNIQUE"):
            run.result("r", {})
        with pytest.raises(StoreError, match="FOREIGN KEY"):
            run.outcome(call + 1, 0.0, {})
    for table in ("intents", "outcomes", "results", "notes"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            alter(path, f"DELETE FROM {table}")  # noqa: S608 - our own words
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        alter(path, "UPDATE outcomes SET error = 'x'")


def test_store_waits_for_a_lock_as_long_as_it_says_and_then_gives_up(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with Store.open(path, patience=0.05) as store, start(store) as run:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        began = perf_counter()
        with pytest.raises(StoreError, match=r"runs\.sqlite: locked .* waited 0\.05 s"):
            run.intent("read", 0.0, {})
        assert perf_counter() - began >= 0.05
        other.execute("ROLLBACK")
        other.close()
        run.intent("read", 0.0, {})


def test_listing_works_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with Store.open(path) as store, start(store):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with Store.open(path, readonly=True, patience=0.0) as reader:
            assert len(reader.runs()) == 1
            with pytest.raises(StoreError, match="readonly"):
                start(reader)
        other.close()


def test_full_disk_is_a_store_error_and_earlier_records_stay(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with Store.open(path) as store:
        run = start(store)
        run.intent("read", 0.0, {"kept": 1})
        store._connection.execute("PRAGMA max_page_count = 30")
        with pytest.raises(StoreError, match=r"disk may be full \(database or disk is full\)"):
            run.intent("read", 0.0, {"large": np.zeros(100_000)})
    with Store.open(path) as store:
        assert [int(call.asked["kept"]) for call in store.calls(run.id)] == [1]
        start(store).intent("read", 0.0, {"large": np.zeros(100_000)})


def write_until_full(path: str) -> None:
    """In a process of its own: no file of it may grow beyond 1 MB."""
    with Store.open(path) as store:
        run = start(store)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        done = 0
        try:
            while True:
                run.intent("read", 0.0, {"block": np.full(10_000, done)})
                done += 1
        except StoreError as problem:
            sys.stdout.write(f"{done}\n{problem}\n")


def test_records_survive_a_disk_that_fills_up_under_them(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    child = subprocess.run(
        [sys.executable, __file__, str(path)], capture_output=True, text=True, check=True
    )
    done, message = child.stdout.splitlines()
    assert "disk may be full" in message
    with Store.open(path) as store:
        blocks = [int(call.asked["block"][-1]) for call in store.calls(1)]
        assert blocks == list(range(int(done)))
        assert int(done) > 3
        assert store._rows("PRAGMA integrity_check") == [("ok",)]


def test_run_of_a_dead_process_is_shown_as_died(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with Store.open(path) as store:
        for _ in range(4):
            start(store)
        start(store).finish()
        alter(path, f"UPDATE runs SET pid = {child.pid} WHERE id IN (2, 3, 5)")  # noqa: S608
        alter(path, "UPDATE runs SET host = 'elsewhere' WHERE id = 3")
        # The number of a dead process, given to another one since: this one.
        alter(path, "UPDATE runs SET process = 'boot:1' WHERE id = 4")
        statuses = [record.status for record in store.runs()]
        assert statuses == ["running", "died", "running", "died", "finished"]
        assert store.run(2).ended is None


def test_what_is_not_plain_is_refused_by_name(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store:
        with pytest.raises(StoreError, match="object"):
            store.start(experiment="x", settings={"a": object()}, bench=BENCH)
        with pytest.raises(StoreError, match="kind"):
            store.start(experiment="x", settings={}, bench={"name": "b"})
        with start(store) as run, pytest.raises(StoreError, match="'thing' of object"):
            run.result("r", {"thing": np.array([object()])})
        with pytest.raises(StoreError, match="there is no run 99"):
            store.run(99)
        large = store.start(experiment="x", settings={"p": tmp_path}, bench=BENCH, seed=2**127)
        assert store.run(large.id).seed == 2**127
        assert store.run(large.id).settings == {"p": str(tmp_path)}


def test_closed_store_says_so(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "runs.sqlite")
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.runs()


def test_records_are_in_the_order_of_time(tmp_path: Path) -> None:
    with Store.open(tmp_path / "runs.sqlite") as store, start(store) as run:
        for _ in range(5):
            run.outcome(run.intent("wait", 0.0, {}), 0.0, {})
        calls = list(store.calls(run.id))
        assert all(call.ended is not None and call.started <= call.ended for call in calls)
        assert all(before.started <= after.started for before, after in pairwise(calls))


if __name__ == "__main__":
    write_until_full(sys.argv[1])
