import csv
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import ArrayLike

from crossbar import export
from crossbar.backend import DataError, StoreError
from crossbar.export import csv_columns, export_csv, export_h5
from crossbar.store import Run, Store

Export = Callable[..., None]
PULSES = 3
SETTINGS = {"gain": 2.0, "long": "x" * 100_000}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Store.open(tmp_path / "runs.sqlite") as store:
        yield record(store)


def record(store: Store) -> Run:
    rng = np.random.default_rng(3)
    run = store.start(experiment="trial", settings=SETTINGS, bench={"kind": "sim"}, seed=7)
    for _ in range(PULSES):
        call = run.intent(
            "pulse",
            1.0,
            {
                "word": np.array([0, 2], np.int32),
                "bit": np.array([1, 3], np.int32),
                "voltages": rng.normal(size=2),
                "widths": rng.uniform(size=2),
                "read_voltage": 0.1,
            },
        )
        run.outcome(call, 2.0, {"current": rng.normal(size=2), "flags": np.array([0, 3], np.uint8)})
    call = run.intent("read", 2.0, {"word": [1], "bit": [2], "voltage": 0.2})
    run.outcome(call, 3.0, {"current": [1e-6], "flags": np.array([1], np.uint8)})
    call = run.intent("drive", 3.0, {"voltages": rng.normal(size=(2, 3))})
    run.outcome(
        call, 4.0, {"current": rng.normal(size=(2, 4)), "flags": np.zeros((2, 4), np.uint8)}
    )
    call = run.intent(
        "sweep", 4.0, {"cell": [2, 3], "voltages": [0.0, 1.0], "compliance": 1e-4, "dwell": 0.5}
    )
    swept = {"voltage": [0.0, 0.9], "current": [0.0, 1e-4], "time": [0.5, 1.0]}
    run.outcome(call, 5.0, swept | {"flags": np.array([0, 2], np.uint8)})
    run.outcome(run.intent("wait", 5.0, {"duration": 9.0}), 14.0, {})
    call = run.intent("read", 14.0, {"word": [9], "bit": [2], "voltage": 0.2})
    run.outcome(call, 14.0, error='LimitError: cell (9, 2), "not\nhere"')
    call = run.intent("drive", 14.0, {"voltages": [0.5, 0.5, 0.5]})
    run.outcome(call, 14.0, error="LimitError: shape")
    call = run.intent("drive", 14.0, {"voltages": np.full((1, 3), 9.0)})
    run.outcome(call, 14.0, error="LimitError: 9 V")
    # As somebody would write it who does not think of types: whole numbers, and 64 bits of them.
    asked: dict[str, ArrayLike] = {
        "word": [2**40],
        "bit": [1],
        "voltages": [1],
        "widths": [1],
        "read_voltage": 0,
    }
    run.outcome(run.intent("pulse", 14.0, asked), 14.0, error="LimitError: cell")
    run.intent("pulse", 14.0, asked | {"word": [0]})
    run.result("moons", {"accuracy": np.array([0.5, 0.75]), "labels": ["a", "µ"], "n": 2})
    run.result("draw/sim/0", {"currents": [1.0]})
    run.result("draw", {"count": 1})
    run.note({"epoch": 1})
    run.finish("finished", {"accuracy": 0.75})
    return run


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, str]], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


def test_csv_holds_every_cell_of_every_pulse_to_the_last_bit(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    export_csv(run._store, run.id, path)
    rows = rows_of(path)
    assert list(rows[0]) == csv_columns()
    calls = list(run._store.calls(run.id))
    pulses = [row for row in rows if row["verb"] == "pulse" and row["current_A"]]
    assert len(pulses) == 2 * PULSES
    for k, call in enumerate(calls[:PULSES]):
        mine = pulses[2 * k : 2 * k + 2]
        assert call.answered is not None
        for column, array in {
            "word_line": call.asked["word"],
            "bit_line": call.asked["bit"],
            "voltage_V": call.asked["voltages"],
            "width_s": call.asked["widths"],
            "current_A": call.answered["current"],
            "flags": call.answered["flags"],
        }.items():
            assert numbers(mine, column) == array.tolist()
        for row in mine:
            assert (row["call"], row["read_voltage_V"]) == (str(call.id), "0.1")
            assert (row["wall_start"], row["wall_end"]) == (call.started, call.ended)
            assert (row["bench_start_s"], row["bench_end_s"], row["error"]) == ("1.0", "2.0", "")


def test_csv_lays_out_multiplies_sweeps_waits_and_errors(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    export_csv(run._store, run.id, path)
    rows = rows_of(path)
    calls = {call.id: call for call in run._store.calls(run.id)}

    driven = [row for row in rows if row["call"] == "5"]
    assert calls[5].answered is not None
    inputs = [row for row in driven if row["word_line"]]
    outputs = [row for row in driven if row["bit_line"]]
    assert len(inputs) + len(outputs) == len(driven) == 2 * (3 + 4)
    assert numbers(inputs, "voltage_V") == calls[5].asked["voltages"].ravel().tolist()
    assert numbers(inputs, "index") == [0, 0, 0, 1, 1, 1]
    assert numbers(outputs, "current_A") == calls[5].answered["current"].ravel().tolist()
    assert numbers(outputs, "bit_line") == [0, 1, 2, 3] * 2

    swept = [row for row in rows if row["verb"] == "sweep"]
    assert numbers(swept, "measured_voltage_V") == [0.0, 0.9]
    assert numbers(swept, "time_s") == [0.5, 1.0]
    assert numbers(swept, "flags") == [0, 2]
    assert [(row["word_line"], row["bit_line"]) for row in swept] == [("2", "3")] * 2

    (waited,) = [row for row in rows if row["verb"] == "wait"]
    assert waited["duration_s"] == "9.0"

    refused, malformed, beyond, _, _, _, unanswered = rows[-7:]
    assert refused["error"] == 'LimitError: cell (9, 2), "not\nhere"'
    assert (refused["word_line"], refused["current_A"], refused["flags"]) == ("9", "", "")
    assert (malformed["error"], malformed["voltage_V"]) == ("LimitError: shape", "")
    assert (beyond["error"], beyond["voltage_V"]) == ("LimitError: 9 V", "9.0")
    assert (unanswered["wall_end"], unanswered["error"], unanswered["current_A"]) == ("", "", "")
    assert unanswered["voltage_V"] == "1.0"


@pytest.mark.parametrize("block", [1, 3, 65_536])
def test_h5_holds_every_call_whatever_the_block(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(export, "_BLOCK", block)
    path = tmp_path / "run.h5"
    export_h5(run._store, run.id, path)
    calls = list(run._store.calls(run.id))
    with h5py.File(path) as file:
        assert file["calls/id"][:].tolist() == [call.id for call in calls]
        assert file["calls/verb"].asstr()[:].tolist() == [call.verb for call in calls]
        assert file["calls/error"].asstr()[:].tolist() == [call.error or "" for call in calls]
        assert file["calls/ended"].asstr()[-1] == ""
        assert np.isnan(file["calls/bench_ended"][-1])
        assert file["calls/bench_started"].attrs["unit"] == "s"
        pulse = file["pulse"]
        for name, kept in {"voltage": "voltages", "width": "widths", "word_line": "word"}.items():
            stored = np.concatenate([c.asked[kept] for c in calls if c.verb == "pulse"])
            np.testing.assert_array_equal(pulse[name], stored)
        answered = [c.answered["current"] for c in calls[:PULSES] if c.answered]
        np.testing.assert_array_equal(
            pulse["current"], np.concatenate([*answered, [np.nan, np.nan]])
        )
        np.testing.assert_array_equal(pulse["call"], [1, 1, 2, 2, 3, 3, calls[-2].id, calls[-1].id])
        assert pulse["flags"][:].tolist() == [0, 3] * 3 + [0, 0]
        assert (pulse["width"].attrs["unit"], pulse["current"].attrs["unit"]) == ("s", "A")
        assert calls[4].answered is not None
        np.testing.assert_array_equal(file["drive/voltage"], calls[4].asked["voltages"])
        np.testing.assert_array_equal(file["drive/current"], calls[4].answered["current"])
        assert file["drive/call"][:].tolist() == [5, 5]
        assert file["sweep/measured_voltage"][:].tolist() == [0.0, 0.9]
        assert file["sweep/word_line"][:].tolist() == [2, 2]
        assert file["wait/duration"][:].tolist() == [9.0]


def test_h5_says_what_the_run_was(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    export_h5(run._store, run.id, path)
    with h5py.File(path) as file:
        said = dict(file.attrs)
        assert (said["experiment"], said["status"], said["seed"]) == ("trial", "finished", 7)
        assert json.loads(said["settings"]) == SETTINGS
        assert json.loads(said["summary"]) == {"accuracy": 0.75}
        assert json.loads(said["provenance"]) == run._store.run(run.id).provenance
        assert json.loads(said["notes"])[0][1] == {"epoch": 1}
        moons = file["results/moons"]
        assert moons["accuracy"][:].tolist() == [0.5, 0.75]
        assert moons["labels"].asstr()[:].tolist() == ["a", "µ"]
        assert moons["n"][()] == 2
        assert file["results/draw/sim/0/currents"][:].tolist() == [1.0]
        assert file["results/draw/count"][()] == 1


@pytest.mark.parametrize("seed", [None, 2**127])
def test_h5_of_an_empty_run_can_be_written(run: Run, tmp_path: Path, seed: int | None) -> None:
    empty = run._store.start(experiment="empty", settings={}, bench={"kind": "sim"}, seed=seed)
    export_h5(run._store, empty.id, tmp_path / "run.h5")
    with h5py.File(tmp_path / "run.h5") as file:
        assert list(file) == []
        assert file.attrs.get("seed") == (None if seed is None else str(seed))


@pytest.mark.parametrize("write", [export_csv, export_h5])
def test_existing_file_is_replaced_only_on_request(run: Run, tmp_path: Path, write: Export) -> None:
    path = tmp_path / "run"
    path.write_text("precious")
    with pytest.raises(DataError, match="run exists"):
        write(run._store, run.id, path)
    assert path.read_text() == "precious"
    write(run._store, run.id, path, overwrite=True)
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("write", [export_csv, export_h5])
def test_failure_leaves_no_half_file_and_keeps_the_old_one(
    run: Run, tmp_path: Path, write: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    path.write_text("precious")
    complete = run._store.calls

    def torn(number: int) -> Iterator[object]:
        yield next(complete(number))
        raise StoreError("stored arrays are damaged")

    monkeypatch.setattr(run._store, "calls", torn)
    with pytest.raises(StoreError, match="damaged"):
        write(run._store, run.id, path, overwrite=True)
    assert path.read_text() == "precious"
    assert [name for name in os.listdir(tmp_path) if not name.startswith("runs")] == ["run"]


@pytest.mark.parametrize("write", [export_csv, export_h5])
def test_what_cannot_be_written_or_found_is_said(run: Run, tmp_path: Path, write: Export) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write(run._store, run.id, tmp_path / "no folder" / "run")
    with pytest.raises(StoreError, match="there is no run 9"):
        write(run._store, 9, tmp_path / "run")
    assert not (tmp_path / "run").exists()
