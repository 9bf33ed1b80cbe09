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
from crossbar.backend import Cells, DataError, LimitError
from crossbar.experiments.form import FormSettings
from crossbar.experiments.form_view import summarise
from crossbar.guard import Guarded
from crossbar.store import Arrays
from sim_backend import SimulatedBackend
from sim_backend.settings import LIMITS, SimulationSettings

SHORT = FormSettings(cell="3,4", start=2.0, step=0.25)


def rows(results: dict[str, Arrays]) -> list[dict[str, Any]]:
    return summarise(results)["rows"]  # type: ignore[return-value]


@pytest.mark.parametrize("method", ["pulse", "sweep"])
@pytest.mark.parametrize("bench", BENCHES)
def test_a_cell_is_formed_on_every_bench(bench: str, method: str, tmp_path: Path) -> None:
    settings = replace(SHORT, method=method, width=1e-3)
    results = acquire(tmp_path, "form", settings, bench)
    (row,) = rows(results)
    assert row["outcome"] == "conductance"
    assert row["before_S"] < settings.target <= row["after_S"]
    assert drawn(tmp_path, "form", settings, results).startswith(b"\x89PNG")


def test_a_formed_cell_conducts_what_it_is_said_to(tmp_path: Path) -> None:
    backend = SimulatedBackend(SimulationSettings(seed=2))
    (row,) = rows(acquire_from(backend, tmp_path, "form", SHORT))
    # sinh(0.3 V) is 1.5 % above Ohm's law, the amplifier's gain within 1.5 %, a read within 0.5 %.
    assert row["after_S"] == pytest.approx(backend.conductances[3, 4], rel=0.05)
    assert row["before_S"] < 6e-6


def test_no_pulse_follows_the_one_that_formed_and_none_is_above_the_last_amplitude(
    tmp_path: Path,
) -> None:
    (row,) = rows(results := acquire(tmp_path, "form", SHORT))
    ramp = results["ramp/3,4/0"]
    assert ramp["voltage"].tolist() == [2.0 + 0.25 * k for k in range(row["pulses"])]
    assert row["voltage_V"] == ramp["voltage"][-1] <= SHORT.stop
    assert (ramp["conductance"][:-1] < SHORT.target).all()


def test_a_cell_that_cannot_be_formed_is_given_up_with_a_reason(tmp_path: Path) -> None:
    settings = replace(SHORT, polarity="negative", width_stop=1e-3)
    (row,) = rows(acquire(tmp_path, "form", settings))
    assert row["outcome"] == "gave_up"
    assert "below the conductance" in row["reason"]
    assert (row["voltage_V"], row["width_s"]) == (-4.5, 1e-3)


def test_a_cell_that_conducts_already_is_left_alone(tmp_path: Path) -> None:
    results = acquire(tmp_path, "form", replace(SHORT, target=1e-7))
    (row,) = rows(results)
    assert (row["outcome"], row["pulses"]) == ("already", 0)
    assert "pulse" not in recorded(tmp_path)[2]


def test_a_sweep_stops_at_a_current(tmp_path: Path) -> None:
    settings = replace(SHORT, method="sweep", target=1.0, stop_current=5e-5, width=1e-3)
    results = acquire(tmp_path, "form", settings)
    (row,) = rows(results)
    assert row["outcome"] == "current"
    current = np.concatenate([a["current"] for n, a in results.items() if n.startswith("ramp/")])
    assert current[-1] >= 5e-5 > current[:-1].max()
    assert current.max() <= 1.1 * settings.compliance


def test_a_used_up_budget_is_an_outcome(tmp_path: Path) -> None:
    limits = replace(LIMITS, pulses=40)
    guarded = Guarded(SimulatedBackend(SimulationSettings()), limits)
    guarded.pulse(Cells.of([(3, 4)] * 30), np.full(30, -1.0), np.full(30, 1e-6), 0.3)
    settings = replace(SHORT, polarity="negative", width_stop=1e-3)
    (row,) = rows(acquire_from(guarded, tmp_path, "form", settings))
    assert (row["outcome"], row["pulses"]) == ("budget", 10)
    assert "used up" in row["reason"]


def test_more_pulses_than_the_budget_are_refused_before_anything_is_driven(tmp_path: Path) -> None:
    guarded = Guarded(SimulatedBackend(SimulationSettings()), replace(LIMITS, pulses=30))
    with pytest.raises(LimitError, match="33 pulses; the limit 'pulses' of this bench is 30"):
        acquire_from(guarded, tmp_path, "form", SHORT)
    assert undriven(tmp_path)


def test_ramps_grow_in_width_up_to_the_last() -> None:
    assert SHORT.widths == (1e-4, 1e-3, 1e-2)
    assert replace(SHORT, width_stop=5e-4, width_factor=2.0).widths == (1e-4, 2e-4, 4e-4, 5e-4)
    assert replace(SHORT, width_stop=1e-4).widths == (1e-4,)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stop": 6.0}, "--stop 6 V is outside this bench's ±5 V"),
        ({"width": 1e-7}, "--width 1e-07 s is outside"),
        ({"width_stop": 2.0}, "--width-stop 2 s is outside"),
        ({"read_voltage": 1.0}, "--read-voltage 1 V"),
        ({"method": "sweep", "compliance": 0.1}, "--compliance 0.1 A"),
    ],
    ids=str,
)
def test_what_is_outside_the_limits_is_refused_before_anything_is_driven(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(LimitError, match=said):
        acquire(tmp_path, "form", replace(SHORT, **change))
    assert undriven(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"start": 5.0},
        {"step": 0.0},
        {"target": -1.0},
        {"method": "magic"},
        {"polarity": "both"},
        {"width": 1.0},
        {"width_factor": 1.0},
        {"stop_current": 1e-5},
        {"reads": 0},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="--" + next(iter(change)).replace("_", "-")):
        replace(SHORT, **change)


@pytest.mark.parametrize("bench", ["sim", "virtual"])
def test_an_interrupt_keeps_every_pulse(bench: str, tmp_path: Path) -> None:
    settings = replace(SHORT, target=1.0)
    results = interrupted(tmp_path, "form", settings, "pulses of this cell", 14, bench)
    assert len(results["ramp/3,4/0"]["voltage"]) == 11
    assert len(results["ramp/3,4/1"]["voltage"]) == 3
    assert rows(results) == []
    assert drawn(tmp_path, "form", settings, results).startswith(b"\x89PNG")


def test_the_command_says_what_became_of_the_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert command("form --cells 1,7-9") == 0
    said = capsys.readouterr().out
    assert "formed 2, not needed 1" in said
    assert max(map(len, said.splitlines())) <= 80
    assert (tmp_path / "form.png").exists()
