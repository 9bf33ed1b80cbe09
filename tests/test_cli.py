import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from crossbar.backend import BenchError, DataError
from crossbar.cli import run
from crossbar.schema import APPLICATION_ID, VERSION
from crossbar.store import Store

STORE = "crossbar-runs.sqlite"
TOML = (resources.files("crossbar") / "benches" / "sim.toml").read_text("utf-8")
QUICK = ["--repeats", "1", "--epochs", "5", "--training", "erm"]
ROW = ",".join(["0.1"] * 10)
Files = dict[str, str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def earlier_run() -> None:
    with Store.open(STORE) as store:
        bench = {"kind": "sim"}
        with store.start(experiment="earlier", settings={}, bench=bench, seed=7) as started:
            started.result("kept", {"value": 1.0})


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the only line that a refused command prints."""
    code = run(arguments)
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("xbar: ")
    assert code == 2
    return line


def bench(old: str, new: str) -> Files:
    assert old in TOML
    return {"lab.toml": TOML.replace(old, new, 1)}


def points(line: Callable[[int], str]) -> Files:
    return {"points.csv": "\n".join(map(line, range(30)))}


def targets(value: str, lines: int = 10, columns: int = 10) -> Files:
    return {"targets.csv": "\n".join([",".join([value] * columns)] * lines)}


READ = ["read", "--bench", "lab.toml"]
MOONS = ["moons", *QUICK]
DATA = [*MOONS, "--data", "points.csv"]
MATMUL = ["matmul", "inputs.csv"]
PROGRAM = ["program", "targets.csv"]

BAD: dict[str, tuple[Files, list[str], list[str]]] = {
    "negative seed": (bench("seed = 0", "seed = -1"), READ, ["lab", "seed = -1 is below 0"]),
    "endless converter range": (
        bench("ranges = [1e-5, 1e-4, 1e-3]", "ranges = [1e-5, inf]"),
        READ,
        ["lab, [adc]", "finite"],
    ),
    "pulses spent in the middle": (
        bench("pulses = 100000", "pulses = 25"),
        [*MOONS, "--bench", "lab.toml"],
        ["cell (", "25 allowed by the limit 'pulses'"],
    ),
    "misspelt key": (
        bench("read_voltage = 0.5 ", "read_volage = 0.5 "),
        READ,
        ["lab, [limits]", "unknown key 'read_volage'", "did you mean 'read_voltage'?"],
    ),
    "unknown key far from any": (
        bench("word_lines = 10", "word_lines = 10\nxyzzy = 1"),
        READ,
        ["'array.xyzzy'", "known are", "line_resistance"],
    ),
    "missing key": (
        bench("pulses = 100000 ", "# "),
        READ,
        ["lab, [limits]", "missing key 'pulses'"],
    ),
    "missing table": (bench("\n[tia]\n", "\n"), READ, ["lab", "missing table [tia]"]),
    "text for a whole number": (
        bench("word_lines = 10", 'word_lines = "10"'),
        READ,
        ["array.word_lines = '10'", "valid integer"],
    ),
    "true for a whole number": (
        bench("word_lines = 10", "word_lines = true"),
        READ,
        ["array.word_lines = True", "valid integer"],
    ),
    "number for a table": (
        {"lab.toml": "tia = 3\n" + TOML.replace("\n[tia]\n", "\n", 1)},
        READ,
        ["tia", "table", "3"],
    ),
    "a limit below zero": (
        bench("current = 1e-3", "current = -1.0"),
        READ,
        ["current", "positive"],
    ),
    "a limit that is NaN": (bench("current = 1e-3", "current = nan"), READ, ["current", "nan"]),
    "wrong kind": (bench('kind = "sim"', 'kind = "psychic"'), READ, ["kind = 'psychic'", "sim"]),
    "unknown device": (
        bench('model = "perovskite"', 'model = "peroskite"'),
        READ,
        ["'peroskite'", "perovskite"],
    ),
    "no TOML": (bench("seed = 0", "seed = = 0"), READ, ["lab", "not TOML", "line 6"]),
    "unknown bench": ({}, ["read", "--bench", "nosuch"], ["'nosuch'", "sim, ideal"]),
    "bench is a folder": ({"lab.toml/x": ""}, READ, ["lab.toml", "directory"]),
    "network too large for pairs": (
        {},
        [*MOONS, "--hidden", "13"],
        ["3x13 and 14x1", "53 pairs of cells", "10x10", "3x12 and 13x1 would fit"],
    ),
    "network too large for a reference": (
        {},
        [*MOONS, "--hidden", "23", "--mapping", "reference"],
        ["reference", "93 cells", "10x10", "3x22 and 23x1 would fit"],
    ),
    "unknown mapping": ({}, [*MOONS, "--mapping", "odd"], ["'odd'", "differential, reference"]),
    "unknown training": ({}, [*MOONS, "--training", "erm,odd"], ["'odd'", "erm, trinomial"]),
    "no repeats": ({}, [*MOONS, "--repeats", "0"], ["repeats = 0", "1"]),
    "probabilities above one": (
        {},
        [*MOONS, "--p1", "0.6", "--p2", "0.5"],
        ["p1 = 0.6", "p2 = 0.5", "1"],
    ),
    "data with two columns": (points(lambda k: f"{k},{k % 2}"), DATA, ["line 1", "2 columns"]),
    "data with NaN": (
        points(lambda k: f"{k},nan,{k % 2}"),
        DATA,
        ["line 1, column 2", "'nan'", "finite"],
    ),
    "data of one class": (points(lambda k: f"{k},{k * k},1"), DATA, ["1 class", "two"]),
    "data missing": ({}, DATA, ["points.csv", "does not exist"]),
    "inputs with three columns": (
        {"inputs.csv": "0.1,0.1,0.1"},
        MATMUL,
        ["inputs.csv", "3 columns", "10 word lines"],
    ),
    "inputs with text": (
        {"inputs.csv": f"{ROW}\n{ROW[:-3]}high"},
        MATMUL,
        ["inputs.csv, line 2, column 10", "'high'"],
    ),
    "inputs with NaN": ({"inputs.csv": f"{ROW[:-3]}nan"}, MATMUL, ["column 10", "'nan'", "finite"]),
    "inputs with inf": ({"inputs.csv": f"{ROW[:-3]}inf"}, MATMUL, ["column 10", "'inf'", "finite"]),
    "inputs above the limit": (
        {"inputs.csv": f"{ROW[:-3]}1.8"},
        MATMUL,
        ["1.8 V", "outside ±0.5 V", "word line 9"],
    ),
    "inputs missing": ({}, MATMUL, ["inputs.csv"]),
    "targets above the window": (
        targets("200"),
        [*PROGRAM, "--unit", "uS"],
        ["0.0002 S", "2e-06 S to 8e-05 S"],
    ),
    "targets in another unit": (targets("20"), PROGRAM, ["20 S", "2e-06 S to 8e-05 S", "--unit"]),
    "targets of the wrong shape": (
        targets("20", 2, 3),
        [*PROGRAM, "--unit", "uS"],
        ["(2, 3)", "(10, 10)"],
    ),
    "targets of the wrong shape for matmul": (
        targets("20", 1, 1) | {"inputs.csv": ROW},
        [*MATMUL, "--targets", "targets.csv", "--unit", "uS"],
        ["(1, 1)", "(10, 10)"],
    ),
    "figure with an unknown ending": (
        {},
        [*MOONS, "--figure", "moons.bmp"],
        ["moons.bmp", "'.bmp'", ".png, .pdf, .svg"],
    ),
    "figure without an ending": ({}, ["read", "--figure", "moons"], ["moons", ".png, .pdf, .svg"]),
    "figure in no folder": (
        {},
        [*MOONS, "--figure", "no/moons.png"],
        ["no/moons.png", "folder no"],
    ),
    "figure that is a folder": ({"a.png/x": ""}, [*MOONS, "--figure", "a.png"], ["is a folder"]),
    "run that does not exist": ({}, ["runs", "figure", "9"], ["there is no run 9"]),
    "figure of a run without one": ({}, ["runs", "figure", "1"], ["'earlier'", "moons"]),
    "run of no number": ({}, ["runs", "show", "first"], ["'first'", "'last'"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing_behind(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, arguments, words = BAD[name]
    earlier_run()
    for path, text in files.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
    before = set(folder.rglob("*"))
    line = refused(arguments, capsys)
    assert [word for word in words if word not in line] == []
    # The write-ahead log belongs to the store; it goes when the last reader is gone.
    assert {p for p in folder.rglob("*") if not p.name.startswith(STORE)} <= before
    with Store.open(STORE, readonly=True) as store:
        first, *later = store.runs()
        assert (first.experiment, first.status) == ("earlier", "finished")
        assert store.results(1)["kept"]["value"] == 1.0
        assert {record.status for record in later} <= {"failed"}


def test_nothing_is_made_where_the_request_is_refused_before_a_bench_is_opened(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["read", "--bench", "nosuch"],
        ["moons", "--figure", "no/moons.png"],
        ["moons", "--figure", "moons.bmp"],
        ["moons", "--repeats", "0"],
        ["runs", "list"],
        ["runs", "figure", "1"],
    ):
        refused(arguments, capsys)
        assert os.listdir(folder) == []


def test_bench_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("lab.toml").write_bytes(b"kind = \xff\xfe")
    assert "lab.toml" in refused(READ, capsys)


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["CREATE TABLE diary (day TEXT)"], ["not a run store", "another program"]),
        (
            [f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {VERSION + 1}"],
            [f"version {VERSION + 1}", f"up to {VERSION}"],
        ),
    ],
    ids=["of another program", "of a newer version"],
)
def test_store_that_is_none_is_refused_and_not_altered(
    statements: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect("other.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    before = Path("other.sqlite").read_bytes()
    for arguments in (["read"], ["runs", "list"]):
        line = refused([*arguments, "--store", "other.sqlite"], capsys)
        assert [word for word in ["other.sqlite", *words] if word not in line] == []
    assert Path("other.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("notes.txt", ["not a run store"]),
        ("folder", ["is a folder"]),
        ("no/runs.sqlite", ["folder", "does not exist"]),
    ],
)
def test_store_path_that_cannot_be_one_is_refused(
    store: str, words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("notes.txt").write_text("remember the milk\n" * 100)
    Path("folder").mkdir()
    line = refused(["read", "--store", store], capsys)
    assert [word for word in [store, *words] if word not in line] == []
    assert sorted(os.listdir(folder)) == ["folder", "notes.txt"]
    assert Path("notes.txt").read_text() == "remember the milk\n" * 100


def test_locked_store_is_said_after_the_wait(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier_run()
    monkeypatch.setattr(Store, "open", staticmethod(partial(Store.open, patience=0.05)))
    with closing(sqlite3.connect(STORE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        line = refused(["read"], capsys)
        other.execute("ROLLBACK")
    assert "locked by another process; waited 0.05 s" in line
    assert not Path("conductances.png").exists()
    assert run(["read"]) == 0


def test_debug_raises_instead() -> None:
    with pytest.raises(BenchError, match="nosuch"):
        run(["read", "--bench", "nosuch"], debug=True)
    with pytest.raises(DataError, match="folder"):
        run(["read", "--figure", "no/a.png"], debug=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["moons", "--nope"], ["--nope", "xbar moons --help"]),
        (["nope"], ["'nope'", "xbar --help"]),
        (["runs", "nope"], ["'nope'"]),
        (["moons", "--repeats", "many"], ["--repeats", "valid integer"]),
        (["read", "--repeats", "1"], ["--repeats", "2"]),
        (["program"], ["argument"]),
        (["program", "t.csv", "--unit", "kS"], ["'kS'", "uS"]),
        (["runs", "export", "1", "--format", "xls"], ["'xls'", "csv", "h5"]),
        ([], ["Usage", "moons"]),
        (["runs"], ["Usage", "figure"]),
    ],
)
def test_usage_errors_are_said_without_a_traceback(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert [word for word in words if word not in said.err] == []


COMMANDS = [
    [],
    ["moons"],
    ["read"],
    ["program"],
    ["matmul"],
    ["info"],
    ["runs"],
    ["runs", "list"],
    ["runs", "show"],
    ["runs", "figure"],
    ["runs", "export"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_is_not_cut(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--help"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "--help" in said.out
    assert "..." not in said.out.replace("[ARGS]...", "")
    assert max(map(len, said.out.splitlines())) <= 80


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), typer.Abort()])
def test_an_interrupted_command_says_so(
    problem: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise problem

    monkeypatch.setattr("crossbar.bench.load", interrupt)
    assert run(["read"]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert "interrupted" in line


def test_moons_is_shown_recorded_and_redrawn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*MOONS, "--figure", "a.svg"]) == 0
    table, error = capsys.readouterr()
    assert error == ""
    assert max(map(len, table.splitlines())) <= 80
    assert "run 1 (finished)" in table
    assert run(["runs", "figure", "last"]) == 0
    again = capsys.readouterr().out
    assert again.splitlines()[:-1] == table.splitlines()[:-1]
    assert run(["runs", "figure", "1", "--json", "--figure", "b.pdf"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["run"], said["figure"], said["settings"]["epochs"]) == (1, "b.pdf", 5)
    assert (said["rows"][0]["training"], said["bench"]["kind"]) == ("erm", "sim")
    for name, start in (("run-1.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("b.pdf", b"%PDF")):
        assert Path(name).read_bytes().startswith(start)
    assert run(["runs", "show", "last"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert len(shown.splitlines()) < 60
    for words in ("run         1, moons, finished", "epochs=5", "xbar runs figure 1"):
        assert words in shown


def test_matrices_come_and_go_as_csv(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savetxt("targets.csv", np.full((10, 10), 20.0), delimiter=",", fmt="%g")
    Path("inputs.csv").write_text(f"{ROW}\n{ROW}\n")
    chosen = ["--bench", "ideal", "--json"]
    wanted = ["--targets", "targets.csv", "--unit", "uS", "--output", "currents.csv"]
    assert run(["matmul", "inputs.csv", *wanted, *chosen]) == 0
    said: Any = json.loads(capsys.readouterr().out)
    written = np.loadtxt("currents.csv", delimiter=",")
    np.testing.assert_allclose(written, said["current_A"], rtol=1e-8)
    # Ten cells of 20 µS within ±1 µS at 0.1 V each.
    np.testing.assert_allclose(written, 20e-6, atol=1.1e-6)


def test_info_lists_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert run(["info", "--bench", "sim"]) == 0
    assert capsys.readouterr().out == TOML


def test_a_negative_seed_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["read", "--seed", "-1"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_that_fails_after_a_draw_says_how_to_see_what_was_finished(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # About 25 pulses a cell and draw: 90 are spent in the first few draws, not in the first.
    (folder / "lab.toml").write_text(TOML.replace("pulses = 100000", "pulses = 90"), "utf-8")
    quick = ["--repeats", "20", "--epochs", "5", "--training", "erm"]
    line = refused(["moons", "--bench", "lab.toml", *quick], capsys)
    assert "limit 'pulses'; what was finished before: xbar runs figure 1" in line
    with Store.open(STORE, readonly=True) as store:
        assert store.run(1).status == "failed"
        assert "draw/erm/0" in store.results(1)
    assert run(["runs", "figure", "1"]) == 0
