import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.cli.resuming import check_here
from crossbar.cli.run_experiment import run_experiment
from crossbar.experiments import EXPERIMENTS, Experiment, Results
from crossbar.resumable import RESUMES, Record, chain, interrupted, passed
from crossbar.store import Arrays, RunRecord, Store

PIECES = 5


@dataclass(frozen=True)
class CountSettings:
    factor: int = field(default=2, metadata={"help": "Of every piece."})
    name: str = field(default="x", metadata={"help": "Of nothing."})


class Count:
    """An experiment without a bench: five numbers, the work of each counted."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.stop_at = PIECES

    def run(
        self,
        settings: CountSettings,
        record: Record,
        seed: int,
        progress: Callable[[str, int, int], None],
    ) -> None:
        for k in range(PIECES):
            progress("pieces", k, PIECES)
            if record.finished(f"piece/{k}") is not None:
                continue
            if k == self.stop_at:
                raise KeyboardInterrupt
            self.made.append(k)
            record.result(f"piece/{k}", {"value": np.array(settings.factor * k + seed)})

    def experiment(self) -> Experiment:
        return Experiment(
            help="Count.",
            settings=CountSettings,
            run=self.run,
            summarise=lambda results: {"values": _values(results)},
            measured=bool,
            tables=lambda _run, _summary: ["counted"],
            draw=_draw,
            piece="piece",
            bench=False,
            resumable=True,
        )


def _values(results: Results) -> list[int]:
    return [int(arrays["value"]) for arrays in results.values()]


def _draw(
    _run: RunRecord, _results: Mapping[str, Arrays], _summary: dict[str, Any], path: Path
) -> None:
    path.write_text("figure")


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    counted = Count()
    table = {**EXPERIMENTS, "count": counted.experiment()}
    monkeypatch.setattr("crossbar.cli.show_experiment.EXPERIMENTS", table)
    return counted


def go(count: Count, folder: Path, settings: CountSettings | None = None, **given: Any) -> None:
    options: dict[str, Any] = {"seed": None, "as_json": True, **given}
    run_experiment(
        "count",
        count.experiment(),
        settings or CountSettings(),
        store=folder / "s.sqlite",
        figure=folder / "f.png",
        **options,
    )


def stopped(count: Count, folder: Path, at: int, **given: Any) -> None:
    count.stop_at = at
    with pytest.raises(KeyboardInterrupt):
        go(count, folder, **given)
    count.stop_at = PIECES


def test_an_experiment_without_a_bench_is_recorded_as_software(
    count: Count, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go(count, tmp_path, seed=7)
    shown = json.loads(capsys.readouterr().out)
    assert shown["values"] == [7, 9, 11, 13, 15]
    assert shown["bench"] == {"kind": "software"}
    assert shown["seed"] == 7
    assert shown["status"] == "finished"


def test_a_resumed_run_makes_only_what_is_missing_and_holds_all(
    count: Count, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(count, tmp_path, 3, seed=5)
    assert count.made == [0, 1, 2]
    go(count, tmp_path, resume="last")
    assert count.made == [0, 1, 2, 3, 4]
    with Store.open(tmp_path / "s.sqlite", readonly=True) as store:
        run = store.run(2)
        assert _values(store.results(2)) == [5, 7, 9, 11, 13]
    assert (run.status, run.seed, run.settings[RESUMES]) == ("finished", 5, 1)


def test_what_several_interrupted_runs_had_finished_is_kept(count: Count, tmp_path: Path) -> None:
    stopped(count, tmp_path, 1)
    stopped(count, tmp_path, 4, resume="1")
    go(count, tmp_path, resume="2")
    assert count.made == [0, 1, 2, 3, 4]
    with Store.open(tmp_path / "s.sqlite", readonly=True) as store:
        assert _values(store.results(3)) == [0, 2, 4, 6, 8]


def test_pieces_of_a_run_that_took_none_of_them_are_not_lost(count: Count, tmp_path: Path) -> None:
    stopped(count, tmp_path, 3)
    # The second run ends before it asks for anything.
    with Store.open(tmp_path / "s.sqlite") as store:
        settings = {**asdict(CountSettings()), RESUMES: 1}
        with store.start(
            experiment="count", settings=settings, bench={"kind": "software"}, seed=0
        ) as run:
            run.finish("interrupted")
    go(count, tmp_path, resume="2")
    assert count.made == [0, 1, 2, 3, 4]


def test_settings_of_the_interrupted_run_are_taken(count: Count, tmp_path: Path) -> None:
    stopped(count, tmp_path, 2, settings=CountSettings(factor=10))
    go(count, tmp_path, resume="1")
    with Store.open(tmp_path / "s.sqlite", readonly=True) as store:
        assert _values(store.results(2)) == [0, 10, 20, 30, 40]


def test_other_settings_are_refused(count: Count, tmp_path: Path) -> None:
    stopped(count, tmp_path, 2, settings=CountSettings(factor=10))
    with pytest.raises(DataError, match="run 1 has --factor 10, not 3"):
        go(count, tmp_path, CountSettings(factor=3), resume="1")


def test_another_seed_is_refused(count: Count, tmp_path: Path) -> None:
    stopped(count, tmp_path, 2, seed=4)
    with pytest.raises(DataError, match="run 1 has seed 4, not 5"):
        go(count, tmp_path, resume="1", seed=5)


def test_a_finished_run_is_not_gone_on_with(count: Count, tmp_path: Path) -> None:
    go(count, tmp_path)
    with pytest.raises(DataError, match="finished; there is nothing to go on with"):
        go(count, tmp_path, resume="1")


def test_a_run_is_gone_on_with_once(count: Count, tmp_path: Path) -> None:
    stopped(count, tmp_path, 2)
    stopped(count, tmp_path, 3, resume="1")
    with pytest.raises(DataError, match="gone on with by run 2; resume that one"):
        go(count, tmp_path, resume="1")


def test_a_run_of_another_experiment_is_refused(count: Count, tmp_path: Path) -> None:
    stopped(count, tmp_path, 2)
    with (
        Store.open(tmp_path / "s.sqlite", readonly=True) as store,
        pytest.raises(DataError, match="run 1 is of 'count', not of 'study'"),
    ):
        interrupted(store, store.run(1), "study")


def test_a_run_on_another_bench_is_refused(count: Count, tmp_path: Path) -> None:
    from crossbar.bench import load

    stopped(count, tmp_path, 2)
    path = tmp_path / "s.sqlite"
    with Store.open(path, readonly=True) as store:
        found = interrupted(store, store.run(1), "count")
    with pytest.raises(DataError, match="run 1 was on bench software software, not on sim sim"):
        check_here(path, found, load("sim"))


def spans(store: Store, *runs: tuple[str, list[tuple[str, float]]]) -> list[int]:
    """Record runs whose calls are at these wall-clock and bench times."""
    numbers = []
    for kind, moments in runs:
        run = store.start(experiment="x", settings={}, bench={"kind": kind})
        numbers.append(run.id)
        for wall, bench in moments:
            call = run.intent("wait", bench, {})
            run.outcome(call, bench)
            for table, key in (("intents", "id"), ("outcomes", "intent")):
                store._connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_update")
                update = f"UPDATE {table} SET wall = ? WHERE {key} = ?"  # noqa: S608 - our words
                store._connection.execute(update, (wall, call))
    return numbers


def test_time_between_runs_counts_where_it_goes_on(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.sqlite") as store:
        runs = spans(
            store,
            ("sim", [("2026-01-01T00:00:00+00:00", 5.0), ("2026-01-01T00:00:10+00:00", 15.0)]),
            ("sim", [("2026-01-01T01:00:00+00:00", 0.0), ("2026-01-01T01:00:07+00:00", 7.0)]),
        )
        assert passed(store, runs, False, runs[0], 9.0) == pytest.approx(6.0 + 7.0)
        assert passed(store, runs, False, runs[1], 2.0) == pytest.approx(5.0)
        since = datetime.now(UTC) - datetime(2026, 1, 1, 1, 0, 7, tzinfo=UTC)
        outage = 3600 - 10.0
        assert passed(store, runs, True, runs[0], 9.0) == pytest.approx(
            6.0 + outage + 7.0 + max(since.total_seconds(), 0.0), abs=60
        )


def test_a_clock_that_was_set_back_takes_no_time_away(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.sqlite") as store:
        runs = spans(store, ("sim", [("2999-01-01T00:00:00+00:00", 4.0)]))
        assert passed(store, runs, True, runs[0], 1.0) == pytest.approx(3.0)


def test_pieces_of_two_runs_are_not_taken_for_one_series(tmp_path: Path) -> None:
    arrays = {"value": np.array(1.0)}
    with Store.open(tmp_path / "s.sqlite") as store:
        run = store.start(experiment="x", settings={}, bench={"kind": "sim"})
        record = Record(run, {"a": arrays, "b": arrays, "c": arrays}, {"a": 1, "b": 2, "c": 1})
        assert not record.finished_together(["a", "b"])
        assert not record.finished_together(["a", "d"])
        assert not record.finished_together(["a", "c"], lambda found: "ended" in found)
        assert store.results(run.id) == {}
        assert record.finished_together(["a", "c"])
        assert list(store.results(run.id)) == ["a", "c"]
        assert record.made_with("a", "c") == ["c", "a"]


def test_a_run_that_says_it_went_on_with_a_later_one_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.sqlite") as store:
        for before in (2, 1):
            store.start(experiment="x", settings={RESUMES: before}, bench={"kind": "sim"})
        with pytest.raises(DataError, match="run 1 cannot have gone on with run 2"):
            chain(store, store.run(2))
