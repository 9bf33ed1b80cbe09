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
    undriven,
)
from crossbar.backend import DataError, LimitError
from crossbar.experiments.retention import RetentionSettings
from crossbar.experiments.retention_view import kept, summarise
from crossbar.store import Arrays
from sim_backend import SimulatedBackend
from sim_backend.devices.perovskite import Perovskite
from sim_backend.settings import SimulationSettings

SHORT = RetentionSettings(cells="0-1,0-1", last=100.0, points=5)


def rows(results: dict[str, Arrays]) -> list[dict[str, Any]]:
    return summarise(results)["rows"]  # type: ignore[return-value]


@pytest.mark.parametrize("bench", BENCHES)
def test_every_bench_reads_at_the_times_that_were_asked_for(bench: str, tmp_path: Path) -> None:
    results = acquire(tmp_path, "retention", SHORT, bench)
    seen = kept(results)
    assert seen.time == pytest.approx(SHORT.times, rel=0.02, abs=0.02)
    assert seen.conductance.shape == (5, 4)
    assert drawn(tmp_path, "retention", SHORT, results).startswith(b"\x89PNG")


@pytest.mark.parametrize("bench", ["sim", "virtual"])
def test_cells_are_programmed_to_the_targets_in_turn(bench: str, tmp_path: Path) -> None:
    settings = replace(SHORT, targets="2e-5, 6e-5", first=0.01, last=0.1)
    results = acquire(tmp_path, "retention", settings, bench)
    about = results["cells"]
    assert about["target"].tolist() == [2e-5, 6e-5] * 2
    assert about["verified"] == pytest.approx(about["target"], abs=1.1e-6)
    assert [row["target_S"] for row in rows(results)] == [2e-5, 6e-5] * 2


def test_the_exponent_is_the_one_of_the_device(tmp_path: Path) -> None:
    device = Perovskite(
        relax_mean=0.0,
        relax_sigma=0.0,
        read_sigma=1e-4,
        retention_exponent=0.05,
        retention_sigma=0.0,
        retention_start=1e-3,
        fresh_state=1.0,
        stuck_off=0.0,
        stuck_on=0.0,
    )
    backend = SimulatedBackend(SimulationSettings(device=device, seed=1))
    settings = replace(SHORT, first=10.0, last=1e6, points=7)
    results = acquire_from(backend, tmp_path, "retention", settings)
    last = kept(results).conductance[-1]
    assert last == pytest.approx(backend.conductances[:2, :2].ravel(), rel=0.05)
    for row in rows(results):
        # Only x decays: a cell whose G_off is not small beside G has a smaller exponent.
        assert 0.03 < row["exponent"] < 0.0505


def test_an_ideal_cell_keeps_its_conductance(tmp_path: Path) -> None:
    results = acquire(tmp_path, "retention", replace(SHORT, targets="3e-5"), "ideal")
    for row in rows(results):
        assert row["first_S"] == pytest.approx(3e-5)
        assert row["change"] == pytest.approx(0.0, abs=1e-12)


def test_a_long_run_takes_no_longer_in_simulation(tmp_path: Path) -> None:
    results = acquire(tmp_path, "retention", replace(SHORT, last=1e9, points=2))
    assert kept(results).time[-1] == pytest.approx(1e9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"read_voltage": 1.0}, "--read-voltage 1 V is outside this bench's ±0.5 V"),
        ({"targets": "1.0"}, "--targets 1 S is outside this bench's window"),
    ],
    ids=str,
)
def test_what_is_outside_the_limits_is_refused_before_anything_is_driven(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(LimitError, match=said):
        acquire(tmp_path, "retention", replace(SHORT, **change))
    assert undriven(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"first": 0.0},
        {"first": 1e4},
        {"points": 1},
        {"reads": 0},
        {"targets": "much"},
        {"targets": "-1e-5"},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="--" + next(iter(change))):
        replace(SHORT, **change)


@pytest.mark.parametrize("bench", ["sim", "virtual"])
def test_an_interrupt_while_waiting_keeps_every_reading(bench: str, tmp_path: Path) -> None:
    results = interrupted(tmp_path, "retention", SHORT, "seconds", 20, bench)
    assert len(kept(results).time) == 3
    assert drawn(tmp_path, "retention", SHORT, results).startswith(b"\x89PNG")


def test_progress_moves_while_it_waits(tmp_path: Path) -> None:
    told: list[int] = []
    acquire(tmp_path, "retention", SHORT, progress=lambda work, done, _: told.append(done))
    assert told == sorted(told)
    assert np.diff(told).max() <= 3
    assert told[-1] == 100


def test_the_table_fits_eighty_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert command("retention --cells 0,0-3 --targets 2e-5 --last 1e6") == 0
    said = capsys.readouterr().out
    assert "sd of ln G" in said
    assert max(map(len, said.splitlines())) <= 80
