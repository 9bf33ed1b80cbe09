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
from crossbar.experiments.cell_probe import Seen
from crossbar.experiments.seek import SeekSettings, switched
from crossbar.experiments.seek_view import summarise
from crossbar.store import Arrays
from sim_backend import SimulatedBackend
from sim_backend.devices.perovskite import Perovskite
from sim_backend.settings import SimulationSettings

SHORT = SeekSettings(cell="3,4", start=1.0, step=0.25, repeats=2)
EXACT = Perovskite(
    relax_mean=0.0,
    relax_sigma=0.0,
    cycle_sigma=0.0,
    read_sigma=1e-5,
    threshold_sigma=0.0,
    rate_sigma=0.0,
    retention_exponent=0.0,
    stuck_on=0.0,
    stuck_off=0.0,
)
"""A device whose switching follows from its constants alone."""


def rows(results: dict[str, Arrays]) -> list[dict[str, Any]]:
    return summarise(results)["rows"]  # type: ignore[return-value]


@pytest.mark.parametrize("bench", BENCHES)
def test_every_bench_finds_where_a_cell_is_set(bench: str, tmp_path: Path) -> None:
    results = acquire(tmp_path, "seek", SHORT, bench)
    (row,) = rows(results)
    assert row["set_V"]["n"] == 2
    assert 1.0 < row["set_V"]["mean"] < 3.5
    assert drawn(tmp_path, "seek", SHORT, results).startswith(b"\x89PNG")


def expected(backend: SimulatedBackend, cell: tuple[int, int], settings: SeekSettings) -> float:
    """Return the first SET amplitude that moves a cell enough: dx/dt = k(V) (1-x)^γ, in steps."""
    low, high = backend._device._off[cell], backend._device._span[cell]  # type: ignore[attr-defined]
    begin = backend.conductances[cell]
    x = (begin - low) / high
    for amplitude in settings.amplitudes:
        k = EXACT.rate * np.sinh(amplitude / EXACT.voltage_scale)
        k /= np.sinh(EXACT.set_threshold / EXACT.voltage_scale)
        time = settings.pulses * settings.width
        for _ in range(1000):
            x += k * (1 - x) ** EXACT.set_exponent * time / 1000
        if low + x * high > begin * (1 + settings.fraction):
            return float(amplitude)
    return float("nan")


@pytest.mark.parametrize("fraction", [0.1, 1.0])
def test_the_amplitude_is_the_one_that_the_device_s_equation_gives(
    fraction: float, tmp_path: Path
) -> None:
    settings = SimulationSettings(device=EXACT, line_resistance=0.0, seed=5)
    sought = replace(SHORT, step=0.1, repeats=1, fraction=fraction)
    truth = expected(SimulatedBackend(settings), (3, 4), sought)
    results = acquire_from(SimulatedBackend(settings), tmp_path, "seek", sought)
    (row,) = rows(results)
    # A change at the edge of the fraction may be seen one step later.
    assert 0 <= row["set_V"]["mean"] - truth <= 0.1 + 1e-9


def test_a_cell_that_does_not_move_is_counted_and_not_averaged(tmp_path: Path) -> None:
    (row,) = rows(
        acquire(tmp_path, "seek", SHORT, "sim")
        and acquire(tmp_path, "seek", replace(SHORT, stop=1.0), "sim")
    )
    assert row["set_V"]["mean"] is None
    assert (row["set_not_found"], row["set_ramps"]) == (2, 2)


def seen(conductance: float, error: float = 1e-7) -> Seen:
    return Seen(conductance, error, 0)


def test_a_change_has_to_be_a_fraction_and_beyond_the_noise() -> None:
    before = seen(1e-5)
    assert switched(before, seen(1.2e-5), 1.0, 0.1)
    assert not switched(before, seen(1.05e-5), 1.0, 0.1)
    assert not switched(before, seen(1.2e-5, 1e-6), 1.0, 0.1)
    assert not switched(before, seen(1.2e-5), -1.0, 0.1)
    assert switched(before, seen(0.8e-5), -1.0, 0.1)
    assert not switched(before, seen(float("nan")), 1.0, 0.1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stop": 6.0}, "--stop 6 V is outside this bench's ±5 V"),
        ({"width": 2.0}, "--width 2 s is outside"),
        ({"read_voltage": 1.0}, "--read-voltage 1 V"),
        ({"width": 1.0, "repeats": 9}, "--repeats 9 would stress"),
        ({"pulses": 10000}, "--repeats 2 would give a cell"),
    ],
    ids=str,
)
def test_what_is_outside_the_limits_is_refused_before_anything_is_driven(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(LimitError, match=said):
        acquire(tmp_path, "seek", replace(SHORT, **change))
    assert undriven(tmp_path)


@pytest.mark.parametrize(
    "change",
    [{"start": 5.0}, {"step": -1.0}, {"reads": 1}, {"fraction": 0.0}, {"settle": -1.0}],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="--" + next(iter(change)).replace("_", "-")):
        replace(SHORT, **change)


def test_an_interrupt_keeps_every_ramp(tmp_path: Path) -> None:
    results = interrupted(tmp_path, "seek", SHORT, "ramps", 3)
    assert set(results) == {"set/3,4/0", "reset/3,4/0", "set/3,4/1"}
    (row,) = rows(results)
    assert (row["set_ramps"], row["reset_ramps"]) == (2, 1)
    assert drawn(tmp_path, "seek", SHORT, results).startswith(b"\x89PNG")


def test_an_interrupt_before_any_reset_ramp_still_has_a_figure(tmp_path: Path) -> None:
    results = interrupted(tmp_path, "seek", SHORT, "ramps", 1)
    assert set(results) == {"set/3,4/0"}
    assert drawn(tmp_path, "seek", SHORT, results).startswith(b"\x89PNG")


def test_the_table_fits_eighty_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert command("seek --cells 3,4-5 --step 0.5 --repeats 2") == 0
    said = capsys.readouterr().out
    assert "RESET (V)" in said
    assert max(map(len, said.splitlines())) <= 80
