import csv
import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import ArrayLike
from typer.testing import CliRunner

from crossbar.backend import CrossbarError, DataError, StoreError
from crossbar.cli.runs import app
from crossbar.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store of two runs and go to its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    path = tmp_path / "crossbar-runs.sqlite"
    with Store.open(path) as opened:
        bench = {"kind": "virtual", "name": "rehearsal"}
        with opened.start(
            experiment="write-verify [bold]", settings={"n": 3}, bench=bench, seed=7
        ) as run:
            pulse: dict[str, ArrayLike] = {
                "word": [0, 1],
                "bit": [0, 1],
                "voltages": [1.0, 1.0],
                "widths": [1e-3, 1e-3],
                "read_voltage": 0.1,
            }
            call = run.intent("pulse", 0.0, pulse)
            run.outcome(call, 1.0, {"current": [1e-6, 2e-6], "flags": np.array([1, 3], np.uint8)})
            run.outcome(run.intent("pulse", 1.0, pulse), 1.0, error="LimitError: 9 V")
            run.outcome(run.intent("pulse", 1.0, pulse), 1.0, error="OSError: cable")
            run.intent("pulse", 1.0, pulse)
            run.outcome(run.intent("wait", 1.0, {"duration": 1.0}), 2.0, {})
            run.result("errors", {"relative": np.zeros((2, 3))})
            run.finish("finished", {"reached": 0.5})
        opened.start(experiment="moons", settings={}, bench={"kind": "sim"})
    return path


def xbar(*arguments: str) -> str:
    return invoke(arguments)


def invoke(arguments: Sequence[str]) -> str:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    if result.exception is not None:
        raise result.exception
    return result.output


def test_list_shows_every_run_in_80_columns(store: Path) -> None:
    output = xbar("list")
    assert max(map(len, output.splitlines())) <= 80
    for word in ("write-verify", "[bold]", "virtual", "7", "finished", "moons", "sim", "running"):
        assert word in output


def test_a_waveform_counts_as_a_pulse_as_it_does_for_the_guard(tmp_path: Path) -> None:
    path = tmp_path / "waveform.sqlite"
    with Store.open(path) as store:
        run = store.start(experiment="iv", settings={}, bench={"kind": "sim"})
        run.outcome(run.intent("trace", 0.0, {"voltages": np.ones(5)}), 1.0, {})
    facts = json.loads(xbar("show", "1", "--json", "--store", str(path)))
    assert facts["pulses"] == 1


def test_list_as_json_is_for_programs(store: Path) -> None:
    first, second = json.loads(xbar("list", "--json"))
    assert (first["id"], first["bench_name"], first["seed"]) == (1, "rehearsal", 7)
    assert (second["experiment"], second["status"], second["ended"]) == ("moons", "running", None)


def test_show_says_what_a_run_depended_on_and_did(store: Path) -> None:
    output = xbar("show", "1")
    assert max(map(len, output.splitlines())) <= 80
    for word in ("n=3", "virtual", "numpy=", "revision=", "host", "pulse=4", "reached=0.5"):
        assert word in output
    facts = json.loads(xbar("show", "1", "--json"))
    assert facts["calls"] == {"pulse": 4, "wait": 1}
    assert (facts["failed_calls"], facts["calls_without_outcome"]) == (2, 1)
    assert facts["pulses"] == 6  # answered, failed on the bench, unanswered; not the refused one
    assert facts["clipped_readings"] == 2
    assert facts["results"] == {"errors": {"relative": [2, 3]}}
    assert facts["settings"] == {"n": 3}
    assert facts["provenance"]["versions"]["numpy"] == np.__version__


def test_show_is_compact_marks_what_is_assumed_and_groups_results(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite"
    bench = {
        "kind": "sim",
        "name": "lab",
        "line_resistance": 2.0,
        "scheme": None,
        "assumed": ["line_resistance", "tia"],
        "tia": {"gain": 0.005},
        "device": {
            "constants": {"rate": 150.0, "threshold": 3.0},
            "assumed": ["rate"],
            "sources": {"threshold": "a paper"},
        },
    }
    with Store.open(path) as opened:
        run = opened.start(experiment="trial", settings={"sure": True}, bench=bench)
        for k in range(12):
            run.result(f"draw/erm/{k}", {"a": 1.0})
        run.result("points", {"a": 1.0})
        run.finish("failed", {"rows": [{"a": 0.1234567}]}, error="OSError: [Errno 5] cable")
    output = xbar("show", "1", "--store", str(path))
    said = " ".join(output.split())
    for words in (
        "run 1, trial, failed",
        "error OSError: [Errno 5] cable",
        "settings sure=yes",
        "bench sim lab; line_resistance=2*, scheme=- tia gain=0.005*",
        "device constants(rate=150*, threshold=3), sources(threshold=a paper)",
        "results draw/erm/0...11, points",
        "summary rows=[(a=0.123457)]",
    ):
        assert words in said
    assert len(output.splitlines()) < 30


def test_last_is_the_latest_run(store: Path) -> None:
    assert json.loads(xbar("show", "last", "--json"))["experiment"] == "moons"


def test_export_writes_beside_the_user_and_says_where(store: Path) -> None:
    assert "run-1.csv" in xbar("export", "1", "--format", "csv")
    with open("run-1.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 4 * 2 + 1
    said = json.loads(xbar("export", "1", "--format", "h5", "--output", "a.h5", "--json"))
    assert said == {"run": 1, "format": "h5", "path": "a.h5"}
    with h5py.File("a.h5") as file:
        assert file.attrs["experiment"] == "write-verify [bold]"
    with pytest.raises(DataError, match="exists"):
        xbar("export", "1", "--format", "csv")
    xbar("export", "1", "--format", "csv", "--overwrite")


def test_store_is_named_by_option_or_environment(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert len(json.loads(xbar("list", "--json", "--store", str(store)))) == 2
    monkeypatch.setenv("CROSSBAR_STORE", str(store))
    assert len(json.loads(xbar("list", "--json"))) == 2


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "last"], ["export", "1", "--format", "csv"]]
)
def test_missing_store_is_said_and_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    message = "no run store at crossbar-runs.sqlite; name another with --store or CROSSBAR_STORE"
    with pytest.raises(StoreError, match=f"^{message}$"):
        invoke(arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("7", "there is no run 7"), ("-1", "number or 'last'"), ("first", "number or 'last'")],
)
def test_unknown_run_is_an_error_of_ours(store: Path, name: str, message: str) -> None:
    with pytest.raises(CrossbarError, match=message):
        xbar("show", "--", name)


def test_last_of_an_empty_store_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "empty.sqlite"
    Store.open(path).close()
    with pytest.raises(StoreError, match="no runs yet"):
        xbar("show", "last", "--store", str(path))
    assert json.loads(xbar("list", "--json", "--store", str(path))) == []


def test_listing_changes_nothing_in_the_store(store: Path) -> None:
    before = store.read_bytes()
    xbar("list")
    xbar("show", "last")
    assert store.read_bytes() == before
