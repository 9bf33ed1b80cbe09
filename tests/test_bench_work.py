import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.backend import Array
from crossbar.bench import load, open_bench
from crossbar.cli import run
from crossbar.cli.bench_view import LEFT_AS, named_cells, report_table
from crossbar.cli.output import console
from crossbar.mapping import Window
from crossbar.programming.report import Status
from crossbar.results import ProgramReport
from crossbar.store import Store

TARGETS = np.random.default_rng(1).uniform(10.0, 70.0, (10, 10))
INPUTS = np.random.default_rng(2).uniform(-0.3, 0.3, (3, 10))
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with targets in µS and inputs in V, seen through 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    monkeypatch.setattr(console, "_width", 80)
    save("targets.csv", TARGETS)
    save("inputs.csv", INPUTS)
    return tmp_path


def save(name: str, values: Array) -> None:
    lines = (",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in values)
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def xbar(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command prints; it has to succeed and to keep to 80 columns."""
    capsys.readouterr()
    assert run(list(arguments)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    if "--json" not in arguments:
        assert max(map(len, captured.out.splitlines())) <= 80
    return captured.out


def parsed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(xbar(capsys, *arguments, "--json"))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that a refused command prints."""
    capsys.readouterr()
    assert run(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_three_commands_on_one_array_agree_with_one_session(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = ("--array", "array.npz")
    programmed = parsed(capsys, "program", "targets.csv", "--unit", "uS", *kept)
    found = parsed(capsys, "read", "--wait", "3600", *kept)
    product = parsed(capsys, "matmul", "inputs.csv", *kept)
    with open_bench("sim") as bench:
        report = bench.crossbar().program_conductances(TARGETS * 1e-6)
        programmed_at = bench.backend.now
        bench.backend.wait(3600.0)
        conductances = bench.crossbar().read(4)
        crossbar = bench.crossbar()
        again = crossbar.read(4)
        raw = [bench.backend.drive(INPUTS).current - crossbar.offset for _ in range(4)]
        end = bench.backend.now
    np.testing.assert_array_equal(programmed["reread_S"], report.reread)
    np.testing.assert_array_equal(programmed["status"], report.status)
    np.testing.assert_array_equal(found["conductance_S"], conductances.value)
    np.testing.assert_array_equal(product["current_A"], np.mean(raw, axis=0))
    np.testing.assert_array_equal(product["predicted_A"], INPUTS @ again.value)
    times = [made["bench_time_s"] for made in (programmed, found, product)]
    assert times == [programmed_at, pytest.approx(programmed_at + 3600, abs=1), end]
    assert product["bench"]["memory"] == "array.npz"


def test_without_a_file_each_command_starts_on_a_fresh_array_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fresh = parsed(capsys, "read")
    assert "a fresh array (--array FILE keeps one)" in xbar(
        capsys, "program", "targets.csv", "--unit", "uS"
    )
    assert parsed(capsys, "read")["conductance_S"] == fresh["conductance_S"]
    assert "array kept in a.npz" in xbar(capsys, "read", "--array", "a.npz")


def test_waiting_lets_the_conductances_relax(capsys: pytest.CaptureFixture[str]) -> None:
    xbar(capsys, "program", "targets.csv", "--unit", "uS", "--array", "a.npz")
    soon = np.array(parsed(capsys, "read", "--array", "a.npz")["conductance_S"])
    later = parsed(capsys, "read", "--array", "a.npz", "--wait", "1e5")
    assert later["waited_s"] == 1e5
    assert np.median(np.abs(np.array(later["conductance_S"]) / soon - 1)) > 0.05


def test_read_shows_every_cell_and_writes_what_program_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = xbar(capsys, "read", "--bench", "ideal", "--output", "now.csv")
    assert "conductance (µS): word lines down, bit lines across" in output
    assert output.count("5.00") == 100
    assert "mean of 4 reads at 0.3 V; bench time" in output
    assert Path("conductances.png").read_bytes().startswith(PNG)
    lines = Path("now.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# conductances (S)")
    values = np.loadtxt("now.csv", delimiter=",")
    np.testing.assert_allclose(values, 5e-6, rtol=1e-6)
    save("now.csv", values + 1e-5)
    assert "100.0 %" in xbar(capsys, "program", "now.csv", "--bench", "ideal")


def test_json_of_read_says_what_made_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    made = parsed(capsys, "read", "--seed", "3", "--repeats", "5")
    assert np.array(made["conductance_S"]).shape == (10, 10)
    assert np.array(made["standard_error_S"]).shape == (10, 10)
    assert (made["seed"], made["repeats"], made["clipped_cells"]) == (3, 5, 0)
    assert (made["read_voltage_V"], made["waited_s"]) == (0.3, 0.0)
    assert made["bench"]["kind"] == "sim"
    assert made["programming"]["cell"]["read_voltage"] == 0.3
    assert Path(made["figure"]).read_bytes().startswith(PNG)
    assert Path(made["store"]).exists()


def test_program_reports_what_became_of_each_cell(capsys: pytest.CaptureFixture[str]) -> None:
    output = xbar(capsys, "program", "targets.csv", "--unit", "uS", "--figure", "map.svg")
    for word in ("in ±1 µS", "stuck", "out of reach", "out of pulses", "bench time", "map.svg"):
        assert word in output
    assert "<svg" in Path("map.svg").read_text(encoding="utf-8")
    made = parsed(capsys, "program", "targets.csv", "--unit", "uS")
    status = np.array(made["status"])
    assert made["status_meaning"] == {
        "-1": "not programmed",
        "0": "verified",
        "1": "budget",
        "2": "stuck",
        "3": "unreached",
        "4": "unreadable",
        "5": "reversals",
        "6": "energy",
    }
    assert made["stuck_cells"] == np.argwhere(status == Status.STUCK).tolist() != []
    np.testing.assert_allclose(made["target_S"], TARGETS * 1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("S", 1e-6), ("mS", 1e-3), ("uS", 1.0), ("nS", 1e3)])
def test_targets_are_taken_in_the_unit_that_is_said(
    unit: str, factor: float, capsys: pytest.CaptureFixture[str]
) -> None:
    one = np.full((10, 10), np.nan)
    one[2, 3] = 30.0
    save("one.csv", one * factor)
    made = parsed(capsys, "program", "one.csv", "--unit", unit, "--bench", "ideal")
    assert made["target_S"][2][3] == pytest.approx(30e-6)
    assert made["cells"] == 1
    assert made["target_S"][0][0] is None
    assert made["status"][0][0] == -1


def test_matmul_shows_currents_beside_what_the_cells_predict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = ("--bench", "ideal", "--targets", "targets.csv", "--unit", "uS")
    output = xbar(capsys, "matmul", "inputs.csv", *given, "--output", "currents.csv")
    assert "bit-line currents (µA): inputs down, bit lines across" in output
    assert "figure in products.png, numbers in currents.csv" in output
    assert Path("products.png").read_bytes().startswith(PNG)
    written = np.loadtxt("currents.csv", delimiter=",")
    np.testing.assert_allclose(written, INPUTS @ TARGETS * 1e-6, rtol=1e-6, atol=1e-12)
    made = parsed(capsys, "matmul", "inputs.csv", *given)
    np.testing.assert_allclose(made["current_A"], written, rtol=1e-8, atol=1e-15)
    assert made["rms_difference_A"] < 1e-12
    assert made["clipped_readings"] == 0
    assert np.array(made["conductance_S"]).shape == (10, 10)


def test_large_arrays_are_told_of_and_drawn(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = load("ideal").text.replace("_lines = 10", "_lines = 64")
    (folder / "big.toml").write_text(text, encoding="utf-8")
    output = xbar(capsys, "read", "--bench", "big.toml")
    assert "64 x 64 values, too many to print" in output
    assert Path("conductances.png").read_bytes().startswith(PNG)


def test_every_command_is_recorded_with_its_results(capsys: pytest.CaptureFixture[str]) -> None:
    xbar(capsys, "program", "targets.csv", "--unit", "uS", "--array", "a.npz")
    xbar(capsys, "read", "--array", "a.npz", "--wait", "5")
    made = parsed(capsys, "matmul", "inputs.csv", "--array", "a.npz")
    with Store.open(Path("crossbar-runs.sqlite")) as store:
        records = [store.run(k) for k in (1, 2, 3)]
        assert [r.experiment for r in records] == ["program", "read", "matmul"]
        assert all(r.status == "finished" for r in records)
        assert records[1].settings["wait"] == 5.0
        assert all(r.bench["memory"] == "a.npz" for r in records)
        np.testing.assert_array_equal(
            store.results(3)["currents"]["current"], np.array(made["current_A"])
        )


REFUSED: dict[str, tuple[list[str], str]] = {
    "no folder for the array": (["read", "--array", "no/a.npz"], "there is no such folder"),
    "no array": (["read", "--array", "targets.csv"], "is not the memory of a simulated array"),
    "no folder": (["read", "--output", "no/a.csv"], "there is no folder no"),
    "figure": (["read", "--figure", "a.xyz"], ".png, .pdf, .svg"),
    "forgotten unit": (["program", "targets.csv"], "targets.csv, read as S (--unit): target"),
    "no targets": (["program", "empty.csv"], "every field is empty"),
    "shape": (["program", "inputs.csv"], "targets of shape (3, 10) are not one per cell"),
    "voltage": (["matmul", "targets.csv"], "targets.csv, input 0, word line 0: "),
    "columns": (["matmul", "narrow.csv"], "2 columns; this array has 10 word lines"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save("empty.csv", np.full((10, 10), np.nan))
    save("narrow.csv", np.zeros((1, 2)))
    assert message in refused(capsys, *arguments)


def test_an_array_of_another_seed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    xbar(capsys, "read", "--array", "a.npz")
    line = refused(capsys, "read", "--array", "a.npz", "--seed", "1")
    assert "was made with seed = 0, this bench has 1" in line


def test_inputs_beyond_the_limit_are_refused_before_anything_is_programmed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    save("inputs.csv", INPUTS + 0.3)
    line = refused(capsys, "matmul", "inputs.csv", "--targets", "targets.csv", "--unit", "uS")
    assert "is outside ±0.5 V" in line
    with Store.open(Path("crossbar-runs.sqlite")) as store:
        assert store.run(1).status == "failed"
        assert [call.verb for call in store.calls(1)] == ["close"]


def report(status: Array) -> ProgramReport:
    shape = status.shape
    return ProgramReport(
        placed=(),
        shortfall=(),
        passes=(),
        target=np.full(shape, 2e-5),
        verified=np.full(shape, 2e-5),
        ended=np.full(shape, 2e-5),
        reread=np.full(shape, 2e-5),
        status=status.astype(np.int8),
        pulses=np.ones(shape, dtype=np.intp),
        reads=np.ones(shape, dtype=np.intp),
        reversals=np.zeros(shape, dtype=np.intp),
        energy=np.full(shape, 1e-9),
        elapsed=np.full(shape, 0.25),
        rereads=(),
        left=(),
        disturb=(),
        multiply=None,
        clipped=0,
        tolerance=1e-6,
        window=Window(2e-6, 80e-6),
        reread_delay=10.0,
        seconds=1.0,
    )


def test_the_table_names_the_cells_of_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    console.print(report_table(report(np.array([[0, 1], [2, 3], [4, 5], [6, 0]]))))
    output = capsys.readouterr().out
    cells = ("(1, 0)", "(1, 1)", "(2, 0)", "(0, 1)", "(2, 1)", "(3, 0)")
    for name, cell in zip(LEFT_AS, cells, strict=True):
        (line,) = (line for line in output.splitlines() if name in line)
        assert cell in line


def test_many_cells_are_counted() -> None:
    cells = [(0, bit) for bit in range(11)]
    assert named_cells(cells).endswith("(0, 7) and 3 more")
    assert named_cells([]) == "none"


def test_a_bench_that_is_no_simulation_refuses_an_array_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = replace(load("sim"), kind="laboratory")
    monkeypatch.setattr("crossbar.bench.load", lambda spec: real)
    assert "keeps its own array" in refused(capsys, "read", "--array", "a.npz")
