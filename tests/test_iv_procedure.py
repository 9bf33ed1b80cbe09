import threading
from dataclasses import asdict
from pathlib import Path

import pytest
from pymeasure.experiment import Procedure, Results, Worker

from acquired import recorded
from crossbar.backend import DataError
from crossbar.experiments.iv import IvSettings
from crossbar.experiments.iv_summary import swept_cells
from crossbar.experiments.procedures import COLUMNS, IvProcedure, procedure

SHORT = IvSettings(cells="3,4-5", step=0.5, cycles=2, piece=10)


def worked(folder: Path, made: IvProcedure) -> Results:
    """Run a procedure in one of PyMeasure's workers, to its end."""
    results = Results(made, str(folder / "results.csv"))
    worker = Worker(results, port=None)
    worker.start()
    threading.Thread.join(worker)  # its own join would stop the work
    return results


def test_the_settings_go_to_the_procedure_and_back() -> None:
    made = procedure(SHORT, "sim", 3, Path("s.sqlite"))
    assert made.settings == SHORT
    assert made.parameters_are_set()


@pytest.mark.parametrize("bench", ["sim", "virtual"])
def test_pymeasure_s_results_are_the_record_s(bench: str, tmp_path: Path) -> None:
    results = worked(tmp_path, procedure(SHORT, bench, 3, tmp_path / "s.sqlite"))
    assert results.procedure.status == Procedure.FINISHED
    record, found, verbs = recorded(tmp_path)
    assert (record.status, record.experiment, verbs[-1]) == ("finished", "iv", "close")
    assert record.settings == {**asdict(SHORT)}
    loaded = Results.load(str(tmp_path / "results.csv")).data
    assert list(loaded.columns) == list(COLUMNS)
    for swept in swept_cells(found):
        rows = loaded[loaded["Bit line"] == swept.cell[1]]
        assert rows["Current (A)"].to_numpy() == pytest.approx(swept.current)
        assert rows["Voltage (V)"].to_numpy() == pytest.approx(swept.voltage)
        assert rows["Cycle"].tolist() == swept.cycle.tolist()


def test_what_is_outside_the_limits_fails_in_the_record_s_own_words(tmp_path: Path) -> None:
    settings = IvSettings(vmax=9.0)
    results = worked(tmp_path, procedure(settings, "sim", None, tmp_path / "s.sqlite"))
    assert results.procedure.status == Procedure.FAILED
    record, _, verbs = recorded(tmp_path)
    assert record.error == "LimitError: --vmax 9 V is outside this bench's ±5 V"
    assert verbs == ["close"]


def test_entries_that_make_no_sense_are_refused() -> None:
    made = procedure(SHORT, "sim", None, Path("s.sqlite"))
    made.vmax = -1.0
    with pytest.raises(DataError, match="--vmax"):
        _ = made.settings
