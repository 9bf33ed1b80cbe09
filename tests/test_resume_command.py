"""`xbar resume`: interrupted commands are continued, everything else from the record."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.backend import InstrumentError, Sweep
from crossbar.bench import load
from crossbar.cli import run
from crossbar.cli.output import Bars, console, errors
from crossbar.experiments import EXPERIMENTS
from crossbar.experiments.iv import IvSettings
from crossbar.resumable import TAKEN
from crossbar.store import Arrays, Store
from idx_files import write_mnist
from killed import STORE, budgets_kept, contents, pulses, same
from sim_backend import SimulatedBackend

BESIDE = "xbar: interrupted; the bench is at 0 V, and what was finished is in the record"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder, seen through 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    monkeypatch.setattr(console, "_width", 80)
    monkeypatch.setattr(errors, "_width", 80)
    return tmp_path


class Impatient:
    """Somebody who presses Ctrl-C once, when a work has got so far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work, self.at = "", 0
        progress = Bars.__call__

        def call(bars: Bars, work: str, done: int, total: int) -> None:
            if work == self.work and done >= self.at:
                self.work = ""
                raise KeyboardInterrupt
            progress(bars, work, done, total)

        monkeypatch.setattr(Bars, "__call__", call)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Impatient:
    return Impatient(monkeypatch)


Capture = pytest.CaptureFixture[str]


def interrupted(command: str, work: str, at: int, who: Impatient, capsys: Capture) -> str:
    """Interrupt a command, and return what it says on standard error."""
    who.work, who.at = work, at
    capsys.readouterr()
    assert run(command.split()) == 130
    assert who.work == ""
    said = capsys.readouterr()
    assert max(map(len, said.err.splitlines())) <= 80
    return said.err


def resumed(capsys: Capture, *arguments: str) -> Any:
    capsys.readouterr()
    code = run(["resume", *arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out)


def refused(capsys: Capture, *arguments: str) -> str:
    """Return the one line of a refused command."""
    capsys.readouterr()
    assert run(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def of(number: int) -> dict[str, Arrays]:
    return contents()[number][1]


def taken(number: int) -> list[str]:
    with Store.open(STORE, readonly=True) as store:
        return [str(note[TAKEN]) for _, note in store.notes(number) if TAKEN in note]


CASES: dict[str, tuple[str, str, int]] = {
    "iv": ("iv --cells 3,4-5 --step 0.5 --cycles 2 --piece 10", "points", 70),
    "form": ("form --cells 3,4-6 --step 0.5", "cells", 2),
    "seek": ("seek --cells 3,4-5 --repeats 2 --step 0.5", "ramps", 6),
    "endurance": ("endurance --cells 3,4-5 --cycles 30", "cycles", 45),
    "compare-programming": (
        "compare-programming --policies ispp,secant --repeats 1",
        "programmings",
        1,
    ),
    "energy": (
        "energy --repeats 2 --epochs 5 --test-points 20 --hidden 2 --law-points 1",
        "programming draws",
        1,
    ),
    "frontier": (
        "frontier --hidden 4,5 --copies 1 --seeds 1 --epochs 2 --draws 2 --training erm",
        "networks",
        1,
    ),
}
"""Commands on a fresh array each, and where they are interrupted."""


@pytest.mark.parametrize("name", CASES)
def test_whatever_is_interrupted_is_continued_and_holds_every_piece(
    name: str, impatient: Impatient, capsys: Capture
) -> None:
    command, work, at = CASES[name]
    assert run([*command.split(), "--store", "whole.sqlite", "-o", "whole.png"]) == 0
    expected = contents("whole.sqlite")[1][1]
    said = interrupted(command, work, at, impatient, capsys)
    assert said.splitlines()[-1] == "continue with: xbar resume 1"
    before = of(1)
    found = resumed(capsys, "last")
    assert (found["run"], found["status"], found["settings"]["resumes"]) == (2, "finished", 1)
    assert found["resumed"]["runs"] == [1]
    after = of(2)
    # A ramp or a cell may have ended earlier or later; nothing else may differ.
    numbered = {"form": r"/\d+$", "endurance": r"/\d+$"}.get(name, "$^")
    assert _names(after, numbered) == _names(expected, numbered)
    assert taken(2)
    assert all(same(after[piece], before[piece]) for piece in taken(2))
    assert Path(found["figure"]).is_file()
    assert EXPERIMENTS[name].measured(after)


def _names(results: dict[str, Arrays], numbered: str) -> set[str]:
    return {re.sub(numbered, "", name) for name in results}


def test_every_experiment_can_be_continued() -> None:
    assert all(experiment.resumable for experiment in EXPERIMENTS.values())


def test_cycles_are_of_the_run_that_measured_them_and_the_output_says_which(
    impatient: Impatient, capsys: Capture
) -> None:
    command = "iv --cells 3,4-5 --step 0.5 --cycles 3 --piece 10 --array a.npz"
    # A cycle is 27 points in three calls: the second one of the second cell is cut short.
    interrupted(command, "points", 3 * 27 + 27 + 10, impatient, capsys)
    assert run(["resume", "1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "cycles: 4 of run 1, 2 of run 2" in said
    assert "run 2, goes on with run 1" in said
    assert "cycle 2 of 3, cell 3,5 had begun: done anew, and counts twice against the" in said
    assert run(["runs", "figure", "2", "--json"]) == 0
    one, other = json.loads(capsys.readouterr().out)["rows"]
    assert one["cycles_by_run"] == {"1": [0, 1, 2]}
    assert other["cycles_by_run"] == {"1": [0], "2": [1, 2]}
    assert other["whole_cycles"] == 3
    assert 0 < other["bench_seconds"] < 10
    budgets_kept()


def test_halves_of_a_cycle_that_two_runs_measured_are_not_made_one(
    impatient: Impatient, capsys: Capture
) -> None:
    command = "iv --cell 3,4 --step 0.5 --cycles 2 --piece 10 --array a.npz"
    interrupted(command, "points", 27 + 20, impatient, capsys)  # two of three calls of cycle 2
    impatient.work, impatient.at = "points", 27 + 10
    assert run(["resume", "1"]) == 130  # the first of three calls once more
    found = resumed(capsys, "2")
    assert [found["resumed"]["runs"], found["whole_cycles"]] == [[1, 2], 2]
    assert found["rows"][0]["cycles_by_run"] == {"1": [0], "3": [1]}
    made = [call for call in contents()[3][0] if call.verb == "sweep"]
    assert len(made) == 3


def test_endurance_on_an_array_that_is_there_loses_and_repeats_no_cycle(
    impatient: Impatient, capsys: Capture
) -> None:
    command = "endurance --cell 3,4 --cycles 40"
    assert run([*command.split(), "--array", "w.npz", "--store", "whole.sqlite"]) == 0
    interrupted(f"{command} --array a.npz", "cycles", 33, impatient, capsys)
    found = resumed(capsys, "last")
    assert found["resumed"]["calls_from_the_record"] == 1 + 2 * 33
    expected = contents("whole.sqlite")[1][1]
    # Interrupted between two calls, the array and its chance are what they would have been.
    assert list(of(2)) == list(expected)
    assert all(same(of(2)[name], expected[name]) for name in expected)
    assert len(pulses(answered=False)) == 2 * 40
    budgets_kept()


def test_forming_goes_on_with_the_pulse_after_the_last(
    impatient: Impatient, capsys: Capture
) -> None:
    command = "form --cell 3,4 --method sweep --target 5e-5"
    assert run([*command.split(), "--array", "w.npz", "--store", "whole.sqlite"]) == 0
    interrupted(f"{command} --array a.npz", "pulses of this cell", 9, impatient, capsys)
    assert not any(name.startswith("formed/") for name in of(1))
    resumed(capsys, "last")
    expected = contents("whole.sqlite")[1][1]
    assert all(same(of(2)[name], expected[name]) for name in expected)
    budgets_kept()


def test_retention_goes_on_with_the_times_that_are_left(
    impatient: Impatient, capsys: Capture
) -> None:
    command = "retention --cells 3,4-5 --targets 2e-5,6e-5 --last 100 --points 5"
    assert run([*command.split(), "--array", "w.npz", "--store", "whole.sqlite"]) == 0
    interrupted(f"{command} --array a.npz", "seconds", 20, impatient, capsys)
    before = len(of(1))
    found = resumed(capsys, "last")
    assert (found["points"], found["points_asked"]) == (5, 5)
    assert len(found["resumed"]["pieces"]["1"]) == before
    times = [float(of(2)[f"read/{k}"]["time"]) for k in range(5)]
    np.testing.assert_allclose(times, np.geomspace(1, 100, 5), rtol=0.02)
    # Nothing was programmed again.
    assert not any(call.verb == "pulse" for call in contents()[2][0])


def test_retention_on_a_fresh_array_cannot_be_continued_and_says_so_at_once(
    impatient: Impatient, capsys: Capture
) -> None:
    said = interrupted("retention --last 100 --points 5", "seconds", 20, impatient, capsys)
    assert said.splitlines()[0] == BESIDE
    assert "it cannot be continued: its array was a fresh one (--array FILE keeps" in said
    assert "begin xbar retention anew (--array FILE keeps one)" in refused(capsys, "resume", "1")


def test_the_message_of_a_command_without_a_bench_names_none(
    impatient: Impatient, capsys: Capture
) -> None:
    command = "study --task glycans --objectives erm --seeds 2 --draws 2 --size 40 --epochs 1"
    said = interrupted(f"{command} --sigmas 0.4", "units", 1, impatient, capsys).splitlines()
    assert said == [
        "xbar: interrupted; what was finished is in the record",
        "continue with: xbar resume 1",
    ]
    interrupted(f"{command} --sigmas 0.4 --store b.sqlite", "units", 0, impatient, capsys)
    assert resumed(capsys, "last", "--store", "b.sqlite")["run"] == 2


def test_the_message_names_a_store_that_is_not_the_usual_one(
    impatient: Impatient, capsys: Capture
) -> None:
    said = interrupted("iv --store my.sqlite", "points", 1, impatient, capsys)
    assert said.splitlines() == [BESIDE, "continue with: xbar resume 1 --store my.sqlite"]


@pytest.mark.parametrize(
    ("command", "where", "said"),
    [
        ("bench check", "crossbar.bench_instruments.checked", "; the bench is at 0 V"),
        ("bench calibrate", "crossbar.bench_instruments.calibrated", "; the bench is at 0 V"),
        ("read", "crossbar.bench.load", ""),
        ("info", "crossbar.cli.info.import_locations", ""),
    ],
)
def test_a_bench_is_spoken_of_only_where_one_was_opened(
    command: str, where: str, said: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupt)
    assert run(command.split()) == 130
    assert capsys.readouterr().err == f"xbar: interrupted{said}\n"


def program(*options: str) -> list[str]:
    """Write targets of a few cells, and return the command that programs them."""
    wanted = np.full((10, 10), "", dtype="U8")
    wanted[2:4, 1:4] = [["20", "35", "50"], ["15", "60", "42"]]
    Path("targets.csv").write_text("\n".join(map(",".join, wanted)) + "\n", encoding="utf-8")
    return ["program", "targets.csv", "--unit", "uS", *options]


def test_a_program_needs_its_targets_no_more_and_ends_as_if_nothing_had_happened(
    impatient: Impatient, capsys: Capture
) -> None:
    assert run([*program("--array", "w.npz", "--store", "whole.sqlite"), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    command = " ".join(program("--array", "a.npz", "--figure", "map.svg"))
    said = interrupted(command, "cells", 2, impatient, capsys)
    assert said.splitlines() == [BESIDE, "continue with: xbar resume 1"]
    Path("targets.csv").unlink()
    found = resumed(capsys, "1")
    for name in ("pulses", "verified_S", "reread_S", "status"):
        assert found[name] == expected[name]
    assert found["figure"] == "map.svg"
    assert "<svg" in Path("map.svg").read_text(encoding="utf-8")
    budgets_kept()


def test_a_program_on_a_fresh_array_cannot_be_continued_and_says_so_at_once(
    impatient: Impatient, capsys: Capture
) -> None:
    said = interrupted(" ".join(program()), "cells", 2, impatient, capsys)
    assert "it cannot be continued: its array was a fresh one" in said
    line = refused(capsys, "resume", "last")
    assert "bench sim has a fresh array each time" in line
    assert "begin xbar program anew (--array FILE keeps one)" in line


def lab(*changes: tuple[str, str]) -> None:
    """Write a bench file with changes."""
    text = load("sim").text
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    Path("lab.toml").write_text(text, encoding="utf-8")


DIFFERENT = {
    "limits": ("voltage = 5.0   ", "voltage = 4.0   ", "limits.voltage = 4.0 where it had 5.0"),
    "device": ('model = "perovskite"', 'model = "perovskite"\nrate = 90.0', "device.rate = 90.0"),
    "wiring": ("line_resistance = 2.0", "line_resistance = 3.0", "array.line_resistance = 3.0"),
    "programming": ("tolerance = 1e-6", "tolerance = 2e-6", "programming.cell.tolerance = 2e-06"),
    "converter": ("ranges = [1e-5, 1e-4, 1e-3]", "ranges = [1e-4, 1e-3]", "another adc.ranges"),
}


@pytest.mark.parametrize("kind", ["program", "iv"])
def test_a_bench_that_was_changed_is_refused_with_what_differs(
    kind: str, impatient: Impatient, capsys: Capture
) -> None:
    lab()
    options = ["--bench", "lab.toml", "--array", "a.npz"]
    command = program(*options) if kind == "program" else ["iv", *options]
    work = "cells" if kind == "program" else "points"
    interrupted(" ".join(command), work, 1, impatient, capsys)
    kept = Path("a.npz").read_bytes()
    for old, new, message in DIFFERENT.values():
        lab((old, new))
        line = refused(capsys, "resume", "1")
        assert "bench lab is not what it was when run 1 began: it has" in line
        assert message in line
    Path("lab.toml").unlink()
    assert re.search(r"run 1 was on the bench in .*lab.toml, which is not there", _here(capsys))
    assert Path("a.npz").read_bytes() == kept
    # What says nothing of the numbers may change: a comment, the seed that the run has of its own.
    lab(("seed = 0", "seed = 7   # for the next"))
    assert resumed(capsys, "1")["seed"] == 0


def _here(capsys: Capture) -> str:
    return refused(capsys, "resume", "1")


def test_an_array_that_is_gone_is_refused(impatient: Impatient, capsys: Capture) -> None:
    interrupted("iv --array a.npz", "points", 100, impatient, capsys)
    Path("a.npz").unlink()
    line = refused(capsys, "resume", "1")
    assert re.search("a.npz is not there any more, and with it the array that run 1 was on", line)


def test_it_is_continued_where_it_was_begun_whoever_asks_from_wherever(
    folder: Path, impatient: Impatient, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab()
    command = "iv --bench lab.toml --array a.npz --csv curves --step 0.5 --figure mine.png"
    interrupted(command, "points", 1, impatient, capsys)
    (folder / "mine.png").unlink(missing_ok=True)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    found = resumed(capsys, "1", "--store", "../crossbar-runs.sqlite")
    assert Path.cwd() == folder / "elsewhere"
    assert found["figure"] == str(folder / "mine.png")
    assert (folder / "mine.png").is_file()
    assert [Path(path).parent for path in found["csv"]] == [folder / "curves"]
    assert list(Path().iterdir()) == []


def test_a_folder_that_is_gone_is_refused_with_what_works_instead(
    folder: Path, impatient: Impatient, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "old").mkdir()
    monkeypatch.chdir(folder / "old")
    interrupted("iv --array a.npz", "points", 1, impatient, capsys)
    monkeypatch.chdir(folder)
    (folder / "old").rename(folder / "new")
    line = refused(capsys, "resume", "1", "--store", "new/crossbar-runs.sqlite")
    assert "in which run 1 was begun, is not there" in line
    assert "xbar iv --resume 1" in line
    monkeypatch.chdir(folder / "new")
    assert run(["iv", "--resume", "1", "--array", "a.npz"]) == 0


def without_notes() -> None:
    """Make the store one that an earlier version has written."""
    with closing(sqlite3.connect(STORE, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER IF EXISTS notes_no_delete")
        connection.execute("DELETE FROM notes")


def test_a_store_of_an_earlier_version_is_refused_with_the_option_that_works(
    impatient: Impatient, capsys: Capture
) -> None:
    interrupted(
        "moons --training erm --repeats 2 --epochs 5", "programming draws", 1, impatient, capsys
    )
    without_notes()
    line = refused(capsys, "resume", "1")
    assert "run 1 does not say how it was begun" in line
    assert "xbar moons --resume 1" in line
    assert run(["moons", "--resume", "1"]) == 0
    interrupted(" ".join(program("--array", "a.npz")), "cells", 2, impatient, capsys)
    without_notes()
    assert "xbar program TARGETS --resume 3" in refused(capsys, "resume", "last")
    assert run([*program("--array", "a.npz"), "--resume", "3"]) == 0


def started(experiment: str, **ends: Any) -> None:
    with Store.open(STORE) as store:
        begun = store.start(experiment=experiment, settings={}, bench={"kind": "sim"})
        if ends:
            begun.finish(**ends)


def test_what_cannot_be_continued_says_why_and_what_to_do(
    impatient: Impatient, capsys: Capture
) -> None:
    assert "no run store" in refused(capsys, "resume", "last")
    started("read", status="interrupted")
    assert "is a read, which is done in one go: run xbar read again" in refused(
        capsys, "resume", "1"
    )
    started("matmul", status="failed")
    assert "xbar matmul again; targets that take long" in refused(capsys, "resume", "2")
    started("mine", status="failed")
    assert "is of 'mine', which no command of xbar makes" in refused(capsys, "resume", "3")
    started("iv", status="failed")
    assert "run 4 ended before anything was recorded" in refused(capsys, "resume", "4")
    started("iv")
    assert "run 5 is still running, as process" in refused(capsys, "resume", "5")
    assert "there is no run 9" in refused(capsys, "resume", "9")
    assert "a run is a number or 'last'" in refused(capsys, "resume", "first")
    interrupted("iv --step 0.5", "points", 1, impatient, capsys)
    assert run(["resume", "6"]) == 0
    assert "run 6 was gone on with by run 7, which is finished" in refused(capsys, "resume", "6")
    assert "the last run, 7, is finished; interrupted were 1, 2, 3, 4" in refused(
        capsys, "resume", "last"
    )
    assert "run 7 is finished; there is nothing to go on with" in refused(capsys, "resume", "7")


def test_what_the_interrupted_run_gave_a_cell_counts_for_the_one_that_goes_on(
    impatient: Impatient, capsys: Capture
) -> None:
    lab()
    options = ["--bench", "lab.toml", "--array", "a.npz"]
    interrupted(" ".join(program(*options)), "cells", 4, impatient, capsys)
    most = max(
        np.unique([pulse[:2] for pulse in pulses(answered=False)], axis=0, return_counts=True)[1]
    )
    lab(("pulses = 100000 ", f"pulses = {most} "))
    with closing(sqlite3.connect(STORE, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER notes_no_update")
        connection.execute(
            "UPDATE notes SET note = replace(note, '\"pulses\": 100000', '\"pulses\": ' || ?)",
            (str(most),),
        )
    # The bench as it would have been with a budget that is used up now.
    line = refused(capsys, "resume", "1")
    assert f"{most} pulses used, 1 more asked, {most} allowed by the limit 'pulses'" in line


def test_after_an_instrument_failed_the_error_says_how_to_go_on(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, left = SimulatedBackend.sweep, [7]

    def unplugged(*arguments: Any) -> Sweep:
        left[0] -= 1
        if left[0] == 0:
            raise InstrumentError("the bench was unplugged")
        return sweep(*arguments)

    monkeypatch.setattr(SimulatedBackend, "sweep", unplugged)
    line = refused(
        capsys, *["iv", "--step", "0.5", "--cycles", "3", "--piece", "10", "--array", "a.npz"]
    )
    assert line.endswith("xbar runs figure 1; continue with: xbar resume 1")
    found = resumed(capsys, "1")
    assert (found["whole_cycles"], found["rows"][0]["cycles_by_run"]) == (
        3,
        {"1": [0, 1], "2": [2]},
    )


def test_a_run_of_the_window_is_continued_without_it(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    procedures = pytest.importorskip("crossbar.experiments.procedures")
    settings = IvSettings(cell="3,4", step=0.5, cycles=2, piece=10)
    made = procedures.procedure(settings, "sim", 3, folder / STORE)

    def stop(_self: object, _work: str, done: int, _total: int) -> None:
        if done >= 27:
            raise KeyboardInterrupt

    monkeypatch.setattr(procedures.IvProcedure, "_progress", stop)
    monkeypatch.setattr(procedures.IvProcedure, "_watch", lambda *_: None)
    monkeypatch.setattr(procedures.IvProcedure, "should_stop", lambda _: True, raising=False)
    made.execute()
    found = resumed(capsys, "1")
    assert (found["whole_cycles"], found["seed"]) == (2, 3)


def test_the_data_folder_that_the_environment_named_is_that_of_the_record(
    folder: Path, impatient: Impatient, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data" / "mnist").mkdir(parents=True)
    write_mnist(folder / "data" / "mnist", zipped=False)
    monkeypatch.setenv("CROSSBAR_DATA", str(folder / "data"))
    command = "study --objectives erm --seeds 2 --draws 2 --epochs 1 --sigmas 0.4 --size 20"
    interrupted(command, "units", 1, impatient, capsys)
    monkeypatch.delenv("CROSSBAR_DATA")
    found = resumed(capsys, "last")
    assert found["settings"]["data"] == str(folder / "data" / "mnist")
    assert len(found["resumed"]["pieces"]["1"]) == 3


def test_a_window_begins_anew(capsys: Capture) -> None:
    started("iv", status="failed")
    assert "--gui begins anew" in refused(capsys, "iv", "--gui", "--resume", "1")


def test_its_help_fits_80_columns(capsys: Capture) -> None:
    assert run(["resume", "--help"]) == 0
    said = capsys.readouterr().out
    assert "Continue an interrupted run" in said
    assert max(map(len, said.splitlines())) <= 80
