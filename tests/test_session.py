import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError, Cells, ClosedError, LimitError, StoreError
from crossbar.bench import Description, load
from crossbar.session import Session, session
from crossbar.store import Store

IDEAL = load("ideal")
ONE = Cells.of([(0, 0)])


def opened(path: Path, seed: int | None = None, description: Description = IDEAL) -> Session:
    """Return a session that was left again, after one read."""
    with session(description, path, experiment="trial", settings={"n": 1}, seed=seed) as s:
        s.bench.backend.read(ONE, 0.1)
    return s


def leave_by(problem: BaseException, path: Path, entered: list[Session]) -> None:
    with session(IDEAL, path, experiment="trial", settings={}) as s:
        entered.append(s)
        raise problem


def test_calls_are_recorded_and_the_bench_is_closed_inside_the_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    left = opened(path, seed=5)
    with pytest.raises((ClosedError, StoreError)):
        left.bench.backend.read(ONE, 0.1)
    with Store.open(path) as store:
        record = store.run(left.run.id)
        assert (record.experiment, record.status, record.seed) == ("trial", "finished", 5)
        assert (record.bench_kind, record.bench_name) == ("sim", "ideal")
        assert record.bench["seed"] == left.seed == 5
        calls = list(store.calls(1))
        assert [call.verb for call in calls] == ["read", "close"]
        assert record.ended is not None
        assert calls[-1].ended is not None
        assert calls[-1].ended <= record.ended


def test_seed_is_the_one_of_the_bench_unless_another_is_given(tmp_path: Path) -> None:
    assert opened(tmp_path / "runs.sqlite").seed == opened(tmp_path / "runs.sqlite", seed=0).seed
    assert opened(tmp_path / "runs.sqlite", seed=9).bench.seed == 9


@pytest.mark.parametrize(
    ("problem", "status"),
    [(ValueError("no"), "failed"), (KeyboardInterrupt(), "interrupted")],
)
def test_however_it_is_left_the_bench_is_closed_and_the_run_ended(
    tmp_path: Path, problem: BaseException, status: str
) -> None:
    path = tmp_path / "runs.sqlite"
    entered: list[Session] = []
    with pytest.raises(type(problem)):
        leave_by(problem, path, entered)
    with pytest.raises((ClosedError, StoreError)):
        entered[0].bench.backend.read(ONE, 0.1)
    with Store.open(path) as store:
        assert store.run(1).status == status
        assert [call.verb for call in store.calls(1)] == ["close"]


def test_the_guard_stands_before_the_bench(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with (
        pytest.raises(LimitError, match="outside"),
        session(IDEAL, path, experiment="trial", settings={}) as s,
    ):
        s.bench.backend.drive(np.full((1, 10), 9.0))
    with Store.open(path) as store:
        first, last = store.calls(1)
        assert (first.verb, last.verb) == ("drive", "close")
        assert (first.error or "").startswith("LimitError")


def test_store_that_cannot_be_opened_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="folder"):
        opened(tmp_path / "no" / "runs.sqlite")
    assert os.listdir(tmp_path) == []


def test_bench_that_cannot_be_opened_leaves_no_run(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    with pytest.raises(BenchError):
        opened(path, description=replace(IDEAL, tables={}))
    with Store.open(path) as store:
        assert store.runs() == []
