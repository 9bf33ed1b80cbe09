from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acquired import (
    BENCHES,
    acquire,
    acquire_from,
    command,
    drawn,
    interrupted,
    recorded,
    undriven,
)
from crossbar.backend import DataError, LimitError
from crossbar.experiments.endurance import EnduranceSettings
from crossbar.experiments.endurance_view import cycles, summarise
from crossbar.store import Arrays
from sim_backend import SimulatedBackend
from sim_backend.settings import LIMITS, SimulationSettings

SHORT = EnduranceSettings(cell="3,4", cycles=10)


def rows(results: dict[str, Arrays]) -> list[dict[str, Any]]:
    return summarise(results)["rows"]  # type: ignore[return-value]


@pytest.mark.parametrize("bench", BENCHES)
def test_a_cell_is_cycled_on_every_bench(bench: str, tmp_path: Path) -> None:
    results = acquire(tmp_path, "endurance", SHORT, bench)
    (row,) = rows(results)
    assert (row["cycles"], row["end"]) == (10, "cycles")
    assert row["ratio"]["median"] > 5
    assert drawn(tmp_path, "endurance", SHORT, results).startswith(b"\x89PNG")


def test_the_off_conductance_is_the_one_of_the_simulated_cell(tmp_path: Path) -> None:
    backend = SimulatedBackend(SimulationSettings(seed=2))
    results = acquire_from(backend, tmp_path, "endurance", replace(SHORT, reads=4))
    last = cycles(results)[3, 4]["off"][-1]
    assert last == pytest.approx(backend.conductances[3, 4], rel=0.06)


def test_a_window_that_stays_closed_ends_a_cell(tmp_path: Path) -> None:
    settings = replace(SHORT, set_voltage=0.5, reset_voltage=0.5, patience=3)
    (row,) = rows(acquire(tmp_path, "endurance", settings))
    assert (row["cycles"], row["end"]) == (3, "window")


def test_a_budget_that_ends_is_a_result_and_no_error(tmp_path: Path) -> None:
    limits = replace(LIMITS, pulses=13)
    backend = SimulatedBackend(SimulationSettings(limits=limits))
    results = acquire_from(backend, tmp_path, "endurance", SHORT)
    (row,) = rows(results)
    assert (row["cycles"], row["end"]) == (6, "budget")
    assert recorded(tmp_path)[0].status == "finished"
    assert drawn(tmp_path, "endurance", SHORT, results).startswith(b"\x89PNG")


def test_the_next_cell_is_cycled_when_one_has_ended(tmp_path: Path) -> None:
    settings = replace(SHORT, cell=None, cells="1,8-9", cycles=6)  # with this seed some are stuck
    found = rows(acquire(tmp_path, "endurance", settings))
    assert [row["cell"] for row in found] == [[1, 8], [1, 9]]


def test_cycles_are_in_blocks_and_none_is_lost_between_them(tmp_path: Path) -> None:
    results = acquire(tmp_path, "endurance", replace(SHORT, cycles=60))
    assert [n for n in results if n.startswith("cycles/")] == [f"cycles/3,4/{k}" for k in range(3)]
    assert cycles(results)[3, 4]["cycle"].tolist() == list(range(60))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"set_voltage": 6.0}, "--set-voltage 6 V is outside this bench's ±5 V"),
        ({"reset_voltage": 6.0}, "--reset-voltage 6 V"),
        ({"set_width": 1e-9}, "--set-width 1e-09 s is outside"),
        ({"reset_width": 2.0}, "--reset-width 2 s"),
        ({"read_voltage": 0.6}, "--read-voltage 0.6 V"),
    ],
    ids=str,
)
def test_what_is_outside_the_limits_is_refused_before_anything_is_driven(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(LimitError, match=said):
        acquire(tmp_path, "endurance", replace(SHORT, **change))
    assert undriven(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"cycles": 0}, {"patience": 0}, {"window": 0.5}, {"reads": 0}, {"set_voltage": -1.0}],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="--" + next(iter(change)).replace("_", "-")):
        replace(SHORT, **change)


@pytest.mark.parametrize("bench", ["sim", "virtual"])
def test_an_interrupt_keeps_every_cycle(bench: str, tmp_path: Path) -> None:
    results = interrupted(tmp_path, "endurance", SHORT, "cycles", 7, bench)
    (row,) = rows(results)
    assert (row["cycles"], row["end"]) == (7, "interrupted")
    assert np.isfinite(cycles(results)[3, 4]["off"]).all()
    assert drawn(tmp_path, "endurance", SHORT, results).startswith(b"\x89PNG")


def test_the_table_fits_eighty_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert command("endurance --cells 3,4-5 --cycles 12") == 0
    said = capsys.readouterr().out
    assert "all cycles" in said
    assert max(map(len, said.splitlines())) <= 80
