from dataclasses import replace

import numpy as np
import pytest

from quiet_bench import QUIET, conductances
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.virtual.rig import Rig
from sim_backend.virtual.source_path import Connection, SourcePath

EXACT = SimulationSettings.ideal(3, 5)
CELL = (1, 2)


def rig_of(settings: SimulationSettings = EXACT) -> Rig:
    rig = Rig(settings)
    rig.set_conductances(conductances(rig.shape))
    return rig


def to(*, open_lines: bool = False, beside: float = 0.0, rail: float = 0.0) -> Connection:
    rest = np.nan if open_lines else rail
    lines = np.full(3, rest), np.full(5, rest)
    return Connection(*lines, np.array([CELL[0]]), np.array([CELL[1]]), beside)


def test_reading_is_the_cells_current() -> None:
    rig = rig_of()
    expected = 0.1, 0.1 * rig.conductances[CELL]
    assert SourcePath(rig).reading(to(), 0.1, 1e-3) == pytest.approx(expected)


def test_reading_adds_what_lies_beside_the_array() -> None:
    rig = rig_of()
    expected = 0.1 * (rig.conductances[CELL] + 1e-4)
    assert SourcePath(rig).reading(to(beside=1e-4), 0.1, 1e-3)[1] == pytest.approx(expected)


def test_reading_has_the_noise_of_the_cell() -> None:
    rig = rig_of(replace(EXACT, device=replace(QUIET, read_sigma=0.01)))
    path = SourcePath(rig)
    seen = [path.reading(to(), 0.1, 1e-3)[1] for _ in range(2000)]
    assert np.std(seen) / np.mean(seen) == pytest.approx(0.01, rel=0.06)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("open_lines", [False, True])
def test_voltage_is_lowered_to_the_limit(sign: float, open_lines: bool) -> None:
    rig = rig_of(replace(EXACT, device=QUIET, line_resistance=2.0))
    voltage, current = SourcePath(rig).reading(to(open_lines=open_lines), sign * 0.4, 1e-6)
    assert abs(current) == pytest.approx(1e-6, rel=1e-5)
    assert 0 < sign * voltage < 0.4


def test_rails_that_drive_more_than_the_limit_leave_no_voltage() -> None:
    rig = rig_of()
    voltage, current = SourcePath(rig).reading(to(rail=0.1), 0.4, 1e-7)
    assert (voltage, current) == (0.0, 1e-7)


def test_hold_waits_until_somebody_looks() -> None:
    rig = rig_of(replace(EXACT, device=QUIET))
    path = SourcePath(rig)
    before = rig.healthy(0.0)
    path.hold(to(), 3.2, 1e-3, 1e-3, 0.0)
    np.testing.assert_array_equal(rig.healthy(0.0), before)
    assert rig.conductances[CELL] > before[CELL]


def test_sweep_moves_the_cell_as_in_the_simulation() -> None:
    settings = replace(EXACT, device=QUIET)
    rig, backend = rig_of(settings), SimulatedBackend(settings)
    backend.set_conductances(rig.conductances)
    steps, limit, dwell = np.array([2.8, 3.0, 3.2, -2.2, -2.4]), 2e-4, 1e-3
    expected = backend.sweep(CELL, steps, limit, dwell)
    path = SourcePath(rig)
    for k, voltage in enumerate(steps.tolist()):
        path.hold(to(), voltage, limit, dwell, k * dwell)
        seen = path.reading(to(), voltage, limit)
        assert seen[0] == pytest.approx(expected.voltage[k], rel=1e-5)
        assert seen[1] == pytest.approx(expected.current[k], rel=1e-5)
    assert rig.conductances[CELL] == pytest.approx(backend.conductances[CELL], rel=1e-6)


def test_change_of_connection_ends_a_hold() -> None:
    rig = rig_of(replace(EXACT, device=QUIET))
    path = SourcePath(rig)
    before = rig.conductances
    path.hold(to(), 3.2, 1e-3, 1e-3, 0.0)
    elsewhere = replace(to(), high=np.array([0]), low=np.array([0]))
    path.hold(elsewhere, 3.2, 1e-3, 1e-3, 1e-3)
    moved = rig.conductances - before
    assert moved[CELL] > 1e-7
    assert moved[0, 0] > 1e-7


def test_several_lines_at_once_are_all_written() -> None:
    rig = rig_of(replace(EXACT, device=QUIET))
    before = rig.conductances
    both = replace(to(), high=np.array([0, 1]))
    SourcePath(rig).hold(both, 3.2, 1e-2, 1e-3, 0.0)
    moved = rig.conductances - before
    assert np.all(moved[[0, 1], 2] > 1e-7)


def test_small_voltage_is_a_read() -> None:
    rig = rig_of(replace(EXACT, device=QUIET))
    before = rig.conductances
    SourcePath(rig).hold(to(), 0.1, 1e-3, 1e-2, 0.0)
    np.testing.assert_allclose(rig.conductances, before, rtol=1e-5)
