import json
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
from crossbar.backend import Array, DataError, Flag, LimitError, Sweep
from crossbar.experiments.iv import APPROACH, IvSettings, approach, pieces, staircase
from crossbar.experiments.iv_summary import summarise, swept_cells
from crossbar.store import Arrays
from instruments.staircase import Measured, held_below
from rehearsals import keithley, rehearsal
from sim_backend import SimulatedBackend
from sim_backend.devices.perovskite import Perovskite
from sim_backend.settings import SimulationSettings

SHORT = IvSettings(cell="3,4", step=0.25, cycles=2, piece=20)


def rows(results: dict[str, Arrays]) -> list[dict[str, Any]]:
    return summarise(results)["rows"]  # type: ignore[return-value]


def test_a_cycle_goes_from_zero_to_both_ends_and_back() -> None:
    asked = staircase(IvSettings(vmax=0.3, vmin=-0.2, step=0.1))
    assert asked.tolist() == [0, 0.1, 0.2, 0.3, 0.2, 0.1, 0, -0.1, -0.2, -0.1, 0]


def test_the_ends_are_reached_whatever_the_step() -> None:
    asked = staircase(IvSettings(vmax=0.25, vmin=-0.2, step=0.1, read_order="up"))
    assert asked.tolist() == [0, 0.1, 0.2, 0.25, 0.2, 0.1, 0]


def test_down_up_begins_with_the_lowest_voltage() -> None:
    asked = staircase(IvSettings(vmax=0.1, vmin=-0.1, step=0.1, read_order="down-up"))
    assert asked.tolist() == [0, -0.1, 0, 0.1, 0]


@pytest.mark.parametrize("piece", [0, 1, 7, 1000])
def test_pieces_cover_every_point_of_every_cycle_once(piece: int) -> None:
    settings = replace(SHORT, piece=piece)
    points = np.arange(len(staircase(settings)))
    seen = [(c, k) for c, part in pieces(settings, len(points)) for k in points[part]]
    assert seen == [(c, k) for c in range(2) for k in points]


@pytest.mark.parametrize("bench", BENCHES)
def test_every_bench_sweeps_what_was_asked(bench: str, tmp_path: Path) -> None:
    results = acquire(tmp_path, "iv", SHORT, bench)
    (swept,) = swept_cells(results)
    asked = np.tile(staircase(SHORT), 2)
    free = (swept.flags & Flag.COMPLIANCE) == 0
    assert swept.cell == (3, 4)
    assert swept.cycle.tolist() == [0] * (len(asked) // 2) + [1] * (len(asked) // 2)
    assert swept.voltage[free] == pytest.approx(asked[free], abs=0.02)
    assert (np.abs(swept.voltage) <= np.abs(asked) + 0.02).all()
    assert np.abs(swept.current).max() <= 1.05 * SHORT.compliance
    assert (np.diff(swept.time) > 0).all()
    (row,) = rows(results)
    assert row["whole_cycles"] == 2
    assert row["compliance_points"] == np.count_nonzero(~free) > 0
    assert row["ratio"]["median"] > 3
    assert drawn(tmp_path, "iv", SHORT, results).startswith(b"\x89PNG")


def test_conductances_of_a_loop_are_those_of_the_simulated_cell(tmp_path: Path) -> None:
    device = Perovskite(relax_mean=0.0, relax_sigma=0.0, cycle_sigma=0.0, read_sigma=1e-4)
    backend = SimulatedBackend(SimulationSettings(device=device))
    before = backend.conductances[3, 4]
    settings = replace(SHORT, cycles=1, read_order="up", dwell=1e-3, compliance=1e-3)
    results = acquire_from(backend, tmp_path, "iv", settings)
    after = backend.conductances[3, 4]
    (row,) = rows(results)
    # The law is G sinh(V): at 0.3 V it is 1.5 % above Ohm's, between points 0.25 V apart 2 % more.
    assert row["outgoing_S"]["mean"] == pytest.approx(before, rel=0.04)
    assert row["returning_S"]["mean"] == pytest.approx(after, rel=0.04)
    assert row["ratio"]["mean"] == pytest.approx(after / before, rel=0.05)


def test_on_an_ideal_array_every_point_obeys_ohm(tmp_path: Path) -> None:
    results = acquire(tmp_path, "iv", replace(SHORT, vmax=0.4, vmin=-0.4, step=0.1), "ideal")
    (swept,) = swept_cells(results)
    away = swept.voltage != 0
    conductance = swept.current[away] / swept.voltage[away]
    assert conductance == pytest.approx(conductance[0])


def test_the_pieces_do_not_show_in_a_curve(tmp_path: Path) -> None:
    device = Perovskite(relax_mean=0.0, relax_sigma=0.0, cycle_sigma=0.0, read_sigma=1e-6)
    curves = []
    for piece in (0, 7):
        backend = SimulatedBackend(SimulationSettings(device=device, seed=1))
        results = acquire_from(backend, tmp_path, "iv", replace(SHORT, piece=piece))
        curves.append(swept_cells(results)[0].current)
    assert curves[0] == pytest.approx(curves[1], rel=0.02, abs=2e-7)


def test_a_call_that_begins_near_the_compliance_is_led_there() -> None:
    def ending(current: float) -> Sweep:
        one = np.ones(1)
        return Sweep(1.5 * one, current * one, one, np.zeros(1, dtype=np.uint8))

    assert approach(ending(1e-6), 1e-4).tolist() == []
    assert approach(ending(-1e-4), 1e-4) == pytest.approx(1.5 * np.array(APPROACH))


class SoftwareCompliance(SimulatedBackend):
    """A bench that looks at a current only after it has flowed, and remembers the largest."""

    largest = 0.0

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: float, dwell: float
    ) -> Sweep:
        """Sweep a resistor of 10 kilohm as the bench's drivers do."""

        def measure(voltage: float) -> Measured:
            self.largest = max(self.largest, abs(1e-4 * voltage))
            return Measured(voltage, 1e-4 * voltage, 0)

        points, conductance = [], 0.0
        for asked in voltages.tolist():
            point, lowered = held_below(compliance, asked, conductance, measure)
            conductance = 1e-4 if point.voltage else conductance
            points.append((point.voltage, point.current, 2 if lowered else 0))
        voltage, current, flags = np.array(points, dtype=np.float64).T
        return Sweep(
            voltage, current, np.arange(float(len(points))) * float(dwell), flags.astype(np.uint8)
        )


@pytest.mark.parametrize("piece", [1, 5, 0])
def test_the_software_compliance_holds_at_the_beginning_of_every_call(
    piece: int, tmp_path: Path
) -> None:
    settings = replace(SHORT, step=0.1, piece=piece, cycles=1, compliance=5e-5)
    backend = SoftwareCompliance(SimulationSettings())
    (swept,) = swept_cells(acquire_from(backend, tmp_path, "iv", settings))
    assert backend.largest <= settings.compliance * (1 + 1e-9)
    assert len(swept.voltage) == len(staircase(settings))


def test_all_cells_of_an_array_are_swept_one_after_another(tmp_path: Path) -> None:
    settings = IvSettings(cells="all", vmax=0.2, vmin=-0.2, step=0.1, cycles=1)
    results = acquire(tmp_path, "iv", settings)
    assert [swept.cell for swept in swept_cells(results)] == [
        (word, bit) for word in range(10) for bit in range(10)
    ]
    assert drawn(tmp_path, "iv", settings, results).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vmax": 6.0}, r"--vmax 6 V is outside this bench's ±5 V"),
        ({"vmin": -6.0}, r"--vmin -6 V is outside"),
        ({"compliance": 0.1}, r"--compliance 0.1 A is outside this bench's ±0.001 A"),
        ({"dwell": 2.0}, r"--dwell 2 s is above this bench's 1 s"),
        ({"dwell": 1.0, "cycles": 50}, r"--cycles 50 of this sweep .* limit 'stress'"),
    ],
    ids=str,
)
def test_what_is_outside_the_limits_is_refused_before_anything_is_driven(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(LimitError, match=said):
        acquire(tmp_path, "iv", replace(SHORT, **change))
    assert undriven(tmp_path)


def test_a_cell_that_does_not_exist_is_refused_before_anything_is_driven(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="word line 12 does not exist"):
        acquire(tmp_path, "iv", replace(SHORT, cell="12,0"))
    assert undriven(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"vmax": -1.0},
        {"vmin": 0.0},
        {"vmax": float("nan")},
        {"step": 0.0},
        {"step": 1e-9},
        {"cycles": 0},
        {"piece": -1},
        {"compliance": 0.0},
        {"dwell": -1.0},
        {"read_order": "sideways"},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="--" + next(iter(change)).replace("_", "-")):
        replace(SHORT, **change)


@pytest.mark.parametrize("bench", ["sim", "virtual"])
def test_an_interrupt_keeps_every_finished_piece(bench: str, tmp_path: Path) -> None:
    results = interrupted(tmp_path, "iv", SHORT, "points", 60, bench)
    (row,) = rows(results)
    assert row["points"] == 73  # a cycle of 20 + 20 + 13, and 20 more
    assert row["whole_cycles"] == 1
    assert drawn(tmp_path, "iv", SHORT, results).startswith(b"\x89PNG")


def test_a_run_without_a_point_has_nothing_to_show(tmp_path: Path) -> None:
    results = interrupted(tmp_path, "iv", SHORT, "points", 0)
    assert summarise(results)["rows"] == []


def test_the_command_prints_rows_for_scripts_and_writes_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from crossbar.curves.pymeasure_csv import read

    monkeypatch.chdir(tmp_path)
    assert command("iv --cells 0-1,5 --step 0.5 --cycles 2 --csv curves/new --json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["cell"] for row in told["rows"]] == [[0, 5], [1, 5]]
    first = read(tmp_path / told["csv"][0])
    assert first.cycles == 2
    assert len(first) == told["rows"][0]["points"]


def test_the_csv_opens_in_pymeasure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results_class = pytest.importorskip("pymeasure.experiment.results").Results
    monkeypatch.chdir(tmp_path)
    assert command("iv --step 0.5 --cycles 1 --csv here --store s.sqlite") == 0
    (path,) = (tmp_path / "here").glob("*.csv")
    loaded = results_class.load(str(path))
    (swept,) = swept_cells(recorded(tmp_path)[1])
    assert loaded.data["Current (A)"].to_numpy() == pytest.approx(swept.current)


def test_an_array_that_is_kept_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    again = "iv --step 0.5 --cycles 1 --read-order up --store s.sqlite --array a.npz"
    ratios = []
    for _ in range(2):
        assert command(again) == 0
        (row,) = rows(recorded(tmp_path)[1])
        ratios.append(row["ratio"]["mean"])
    assert ratios[0] > 5
    assert ratios[1] < 3


def test_the_table_fits_eighty_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert command("iv --cells 9,7-9 --step 0.5 --cycles 2") == 0
    said = capsys.readouterr().out
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize("bench", ["sim", "virtual-switched", "virtual-mux"])
def test_a_triangle_is_one_waveform_per_cycle_and_the_same_curve(
    bench: str, tmp_path: Path
) -> None:
    slow = IvSettings(
        vmax=0.3, vmin=-0.3, step=0.01, cycles=3, cell="3,4", dwell=1e-4, compliance=1e-5
    )
    slopes = []
    for settings in (slow, replace(slow, drive="triangle")):
        results = acquire(tmp_path, "iv", settings, bench)
        parts = [piece for name, piece in results.items() if name.startswith("sweep/")]
        voltage, current = (np.concatenate([p[k] for p in parts]) for k in ("voltage", "current"))
        assert len(voltage) == 3 * 121
        slopes.append(np.polyfit(voltage, current, 1)[0])
    assert len(parts) == 3
    assert recorded(tmp_path)[2].count("trace") == 3
    assert slopes[1] == pytest.approx(slopes[0], rel=0.1)


def test_a_bench_without_generators_refuses_a_triangle_and_says_what_works(
    tmp_path: Path,
) -> None:
    with pytest.raises(LimitError, match="a staircase works"):
        acquire(tmp_path, "iv", IvSettings(drive="triangle", cell="3,4"), "virtual")


def test_the_table_of_a_triangle_claims_no_compliance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("iv --drive triangle --dwell 1e-4 --cycles 2 --store s.sqlite") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "triangle" in said
    assert "a waveform has no compliance" in said


@pytest.mark.parametrize(("model", "limit"), [("2400", 50e-6), ("6487", 25e-6)])
def test_a_source_meter_sweeps_with_its_own_compliance(
    model: str, limit: float, tmp_path: Path
) -> None:
    bench = rehearsal(tmp_path, *keithley(model, reads=False))
    settings = IvSettings(
        cell="3,4", vmax=4.0, vmin=-3.0, step=0.2, cycles=2, compliance=50e-6, dwell=1e-3
    )
    results = acquire(tmp_path, "iv", settings, bench)
    parts = [piece for name, piece in results.items() if name.startswith("sweep/")]
    current, flags = (np.concatenate([p[k] for p in parts]) for k in ("current", "flags"))
    assert np.nanmax(np.abs(current)) <= 1.03 * limit
    assert np.nanmax(np.abs(current)) >= 0.9 * limit
    assert (flags & Flag.COMPLIANCE).any()
