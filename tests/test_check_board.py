"""The check of a bench whose switch board selects: welded relays, on virtual contacts."""

from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import Array, Checkup, InstrumentError
from crossbar.bench import load
from crossbar.bench_settings import hardware_settings, virtual_settings
from instruments.backend import HardwareBackend
from instruments.settings import SwitchBoardTable, SwitchedTable
from sim_backend.virtual.bench import BOARD, VirtualBench
from sim_backend.virtual.switch_board import BoardFaults
from test_bench_check import complaints, no_progress

PROGRAMMED = np.random.default_rng(0).choice([2e-6, 4e-5, 1.5e-4], (10, 10))
NOTHING = np.zeros((10, 10))
RELAYS = {
    "word": ("word line relays", "open contacts"),
    "bit": ("bit line relays", "open contacts"),
}


def welded(*channels: int) -> BoardFaults:
    return BoardFaults(welded=frozenset(channels))


def check(
    faults: BoardFaults, conductances: Array | None = None, *, wiring: str = "switched"
) -> Checkup:
    """Return the check of a bench whose switch board has faults."""
    description = load(f"virtual-{wiring}")
    assert description.rehearsed is not None
    virtual = replace(
        virtual_settings(description, None), netlist=f"{wiring}-serial", switch_board=True
    )
    drivers = hardware_settings(description.rehearsed)
    assert isinstance(drivers.wiring, SwitchedTable)
    with VirtualBench(virtual) as bench:
        if conductances is not None:
            bench.netlist.rig.set_conductances(conductances)
        assert bench._board is not None
        bench._board.faults = faults
        drivers = replace(
            drivers,
            wiring=replace(drivers.wiring, select="serial"),
            switch_board=SwitchBoardTable(bench.ports[BOARD]),
        )
        with HardwareBackend(drivers, timer=bench.clock) as backend:
            return backend.check(0.3, no_progress)


@pytest.mark.parametrize("wiring", ["switched", "mux"])
def test_a_bench_whose_relays_work_passes(wiring: str) -> None:
    checkup = check(welded(), wiring=wiring)
    assert complaints(checkup) == {}
    parts = {finding.part for finding in checkup.findings}
    assert {"W1", "amplifier", "word line relays", "bit line relays"} <= parts


@pytest.mark.parametrize(
    ("kind", "line", "conductances", "wiring"),
    [
        ("word", 0, None, "switched"),
        ("word", 3, PROGRAMMED, "switched"),
        ("word", 9, None, "mux"),
        ("bit", 0, None, "switched"),
        ("bit", 7, PROGRAMMED, "switched"),
        ("bit", 9, None, "mux"),
    ],
)
def test_a_welded_relay_is_named(
    kind: str, line: int, conductances: Array | None, wiring: str
) -> None:
    channel = line if kind == "word" else 16 + line
    told = complaints(check(welded(channel), conductances, wiring=wiring))
    assert told[RELAYS[kind]].endswith(f"welded: {kind} line {line} (channel {channel})")
    assert (RELAYS["word"] in told) + (RELAYS["bit"] in told) == 1


def test_two_welded_relays_are_told_of_both() -> None:
    told = complaints(check(welded(2, 20)))
    assert RELAYS["word"] in told
    assert RELAYS["bit"] in told


def test_the_source_meters_welded_relay_is_seen_as_a_bench_on_which_nothing_conducts() -> None:
    told = complaints(check(welded(31)))
    assert ("word line 0", "continuity") in told
    assert RELAYS["word"] not in told


def test_where_no_cell_conducts_a_welded_relay_is_not_found() -> None:
    assert RELAYS["word"] not in complaints(check(welded(3), NOTHING))


def test_a_stuck_output_needs_no_check_the_bench_does_not_open() -> None:
    with pytest.raises(InstrumentError, match=r"could not confirm .* channels \[4\] are closed"):
        check(BoardFaults(stuck=frozenset({4})))
