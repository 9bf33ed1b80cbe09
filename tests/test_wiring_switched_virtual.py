"""The wirings of one cell at a time, through pydwf, on the virtual Analog Discovery 2."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import pytest

from crossbar.backend import Array, Cells, Flag, InstrumentError, Limits
from instruments.analog_discovery import AnalogDiscovery
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from instruments.settings import (
    ArrayTable,
    HardwareSettings,
    KeithleyTable,
    SchemesTable,
    SenseTable,
    SwitchBoardTable,
    SwitchedTable,
)
from instruments.sneak import read_conductances
from instruments.source_meter import SourceMeter
from instruments.wiring_switched import SwitchedWiring
from quiet_bench import QUIET
from sim_backend import SimulationSettings, Tia
from sim_backend.virtual.bench import VirtualBench, VirtualSettings
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.servers import PtyServer
from sim_backend.virtual.switch_board import VirtualSwitchBoard
from sim_backend.virtual.visa import library

LIMITS = Limits(
    voltage=4.5,
    read_voltage=0.5,
    current=4e-4,
    width_min=1e-6,
    width_max=1.0,
    pulses=1000,
    stress=1000.0,
)
SHAPE = (10, 10)
CELLS = Cells.all(SHAPE)
KEITHLEYS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "6487": (Keithley6487, Virtual6487),
    "2400": (Keithley2400, Virtual2400),
}
SWITCHES = 7e-3
"""What 5 ohm in series with every line take of a current, as a part of it."""
RESOURCE = "GPIB0::22::INSTR"


def simulation(scheme: str) -> SimulationSettings:
    return SimulationSettings(
        line_resistance=0.0,
        write_scheme=scheme,
        device=QUIET,
        tia=Tia(gain_sigma=0.0),
        limits=LIMITS,
    )


class Rehearsal:
    """A wiring, open, and what is behind it."""

    def __init__(self, virtual: VirtualBench, wiring: SwitchedWiring, ad2: AnalogDiscovery) -> None:
        self.virtual, self.wiring, self.ad2 = virtual, wiring, ad2

    @property
    def conductances(self) -> Array:
        found: Array = self.virtual.netlist.rig.device.conductance(self.virtual.clock.now)
        return found

    def currents(self, voltages: Array | float) -> Array:
        """Return the current through each cell at voltages of the word lines, by the cells' law."""
        law = self.virtual.netlist.rig.device.law
        applied = np.broadcast_to(np.asarray(voltages, dtype=np.float64), SHAPE[:1])
        at_cells: Array = law.effective(applied)[:, None] * self.conductances
        return at_cells

    def calls(self, act: Callable[[], object]) -> int:
        before = self.virtual.clock.calls
        act()
        return self.virtual.clock.calls - before


@contextmanager
def rehearsed(
    netlist: str = "switched",
    scheme: str = "half",
    keithley: KeithleyTable | None = None,
    seed: int = 3,
) -> Iterator[Rehearsal]:
    kind, serial = netlist.removesuffix("-serial"), netlist.endswith("-serial")
    settings = HardwareSettings(
        limits=LIMITS,
        array=ArrayTable(*SHAPE),
        wiring=SwitchedTable(
            kind,
            select="serial" if serial else "dio",
            relay=None if serial else 10,
            ratio=2.0 if scheme == "third" else 1.0,
        ),
        sense=SenseTable(9),
        schemes=SchemesTable("grounded" if kind == "mux" else scheme),
        keithley=keithley,
        switch_board=SwitchBoardTable("/dev/null") if serial else None,
    )
    with ExitStack() as stack:
        virtual = stack.enter_context(VirtualBench(VirtualSettings(simulation(scheme), netlist)))
        drawn = np.random.default_rng(seed).uniform(5e-6, 9e-5, SHAPE)
        virtual.netlist.rig.device.place(drawn, 0.0)
        if serial:
            board = VirtualSwitchBoard(virtual.world)
            port = stack.enter_context(PtyServer(board)).device
            settings = replace(settings, switch_board=SwitchBoardTable(port))
        meter: SourceMeter | None = None
        if keithley is not None:
            driver, instrument = KEITHLEYS[keithley.model]
            plugged = library({RESOURCE: instrument(virtual.world, virtual.clock)}, virtual.clock)
            meter = cast(
                SourceMeter, driver(RESOURCE, LIMITS, timer=virtual.clock, library=plugged)
            )
        ad2 = stack.enter_context(AnalogDiscovery(timer=virtual.clock))
        wiring = SwitchedWiring(settings, ad2, virtual.clock, meter)
        stack.callback(wiring.close)
        wiring.open()
        yield Rehearsal(virtual, wiring, ad2)


def offset(wiring: SwitchedWiring) -> Array:
    mean: Array = wiring.drive(np.zeros((32, SHAPE[0]))).current.mean(axis=0)
    return mean


def pulse(
    wiring: SwitchedWiring, cell: tuple[int, int], voltage: float, width: float = 1e-4
) -> Array:
    one = Cells.of([cell])
    verified: Array = wiring.pulse(one, np.array([voltage]), np.array([width]), 0.3).current
    return verified


@pytest.fixture
def switched() -> Iterator[Rehearsal]:
    with rehearsed() as bench:
        yield bench


def test_a_scan_reads_every_cell(switched: Rehearsal) -> None:
    reads = [switched.wiring.read(CELLS, 0.3).current for _ in range(8)]
    measured = np.mean(reads, axis=0) - offset(switched.wiring)[CELLS.bit]
    assert np.allclose(measured, switched.currents(0.3).ravel(), rtol=SWITCHES, atol=5e-9)


def test_a_verify_read_is_what_a_scan_reads(switched: Rehearsal) -> None:
    cells = Cells.of([(4, 7), (0, 9), (9, 0)])
    verified = [
        switched.wiring.pulse(cells, np.full(3, 0.1), np.full(3, 1e-4), 0.3).current
        for _ in range(8)
    ]
    read = [switched.wiring.read(cells, 0.3).current for _ in range(8)]
    assert np.allclose(np.mean(verified, axis=0), np.mean(read, axis=0), rtol=2e-3, atol=2e-9)


def test_a_multiply_is_the_product(switched: Rehearsal) -> None:
    voltages = np.random.default_rng(5).uniform(-0.3, 0.3, (8, SHAPE[0]))
    product = switched.wiring.drive(voltages).current - offset(switched.wiring)
    expected = np.array([switched.currents(vector).sum(axis=0) for vector in voltages])
    assert np.allclose(product, expected, rtol=SWITCHES, atol=5e-8)


def test_a_scan_takes_seven_calls(switched: Rehearsal) -> None:
    scan = partial(switched.wiring.read, CELLS, 0.3)
    scan()
    assert [switched.calls(scan) for _ in range(3)] == [7, 7, 7]
    assert switched.calls(partial(switched.wiring.read, CELLS, -0.2)) == 8


def test_a_pulse_with_its_verify_read_takes_ten_calls_whatever_changes(
    switched: Rehearsal,
) -> None:
    rng = np.random.default_rng(0)
    pulse(switched.wiring, (9, 9), 0.5)
    for k in range(10):
        cell, voltage = (k, (7 * k) % 10), float(rng.uniform(0.1, 1.0))
        assert switched.calls(partial(pulse, switched.wiring, cell, voltage)) == 10


def test_a_vector_takes_eight_calls_and_shares_its_run_in_a_batch(switched: Rehearsal) -> None:
    drive = switched.wiring.drive
    voltages = np.random.default_rng(7).uniform(-0.3, 0.3, (102, SHAPE[0]))
    drive(voltages[:1])
    assert switched.calls(partial(drive, voltages[1:2])) == 8
    drive(voltages[:4])
    # Two of the runs end on a voltage too small to prove that the supplies are on: that is asked.
    assert switched.calls(partial(drive, voltages[2:])) == 25 * 8 + 2 * 3


def test_going_from_pulses_to_scans_and_back_uploads_little(switched: Rehearsal) -> None:
    scan = partial(switched.wiring.read, CELLS, 0.3)
    one = partial(pulse, switched.wiring, (1, 1), 0.5)
    scan()
    one()
    assert switched.calls(scan) <= 45
    assert switched.calls(one) <= 45


@pytest.mark.parametrize("width", [1e-6, 1e-5, 1e-3, 0.1])
def test_pulses_have_the_width_asked_for_at_the_array(width: float) -> None:
    with rehearsed() as bench:
        pulse(bench.wiring, (1, 1), 2.5, width)
        times, levels = played_by(bench, partial(pulse, bench.wiring, (1, 1), 2.5, width))
        on = np.abs(levels - 2.5) < 0.02
        assert np.diff(times, append=times[-1])[on].sum() == pytest.approx(width, rel=1e-3)


def played_by(bench: Rehearsal, act: Callable[[], object]) -> tuple[Array, Array]:
    """Return when W1 changed while something was done, s, and to what, V."""
    respond = bench.virtual.netlist.respond
    times: list[float] = []
    levels: list[float] = []

    def listen(stimulus: Any) -> Any:
        first = stimulus.waveforms[0]
        times.extend(first.time)
        levels.extend(first.value)
        return respond(stimulus)

    bench.virtual.netlist.respond = listen  # type: ignore[method-assign]
    try:
        act()
    finally:
        del bench.virtual.netlist.respond
    return np.array(times), np.array(levels)


@pytest.mark.parametrize("scheme", ["grounded", "half", "third"])
def test_a_pulse_sets_its_cell_and_spares_the_others(scheme: str) -> None:
    with rehearsed(scheme=scheme) as bench:
        before = bench.conductances
        for _ in range(5):
            pulse(bench.wiring, (4, 7), -3.5)
        moved = np.abs(bench.conductances - before)
        others = moved.copy()
        others[4, 7] = 0.0
        assert moved[4, 7] > 1e-6
        if scheme != "grounded":  # whose other cells on the word line see the whole pulse
            assert others.max() < 0.2 * moved[4, 7]


def test_floating_lines_read_what_sneak_paths_make_of_them() -> None:
    with rehearsed("mux") as bench:
        reads = np.mean([bench.wiring.read(CELLS, 0.1).current for _ in range(4)], axis=0)
        measured = (reads - offset(bench.wiring)[CELLS.bit]) / 0.1
        expected = read_conductances(bench.conductances, 10.0).ravel()
        assert np.allclose(measured, expected, rtol=0.03)


def test_serial_selection_gives_the_same_readings() -> None:
    with rehearsed("switched-serial") as bench:
        cells = Cells.of([(1, 2), (9, 0), (1, 2)])
        zero = bench.wiring.drive(np.zeros((8, SHAPE[0]))).current.mean(axis=0)[cells.bit]
        truth = bench.currents(0.3)[cells.word, cells.bit]
        read = bench.wiring.read(cells, 0.3).current - zero
        assert np.allclose(read, truth, rtol=SWITCHES, atol=2e-8)
        verified = bench.wiring.pulse(cells, np.full(3, 0.2), np.full(3, 1e-4), 0.3).current
        assert np.allclose(verified - zero, truth, rtol=SWITCHES, atol=2e-8)
        vector = np.zeros((2, SHAPE[0]))
        vector[0, [1, 4]] = 0.3, -0.2
        product = bench.wiring.drive(vector).current
        expected = bench.currents(vector[0]).sum(axis=0)
        assert np.allclose(product[0] - product[1], expected, rtol=SWITCHES, atol=5e-8)


@pytest.mark.parametrize("model", list(KEITHLEYS))
def test_a_keithley_reads_after_pulses_of_the_analog_discovery(model: str) -> None:
    with rehearsed(keithley=KeithleyTable(model, RESOURCE, reads=True)) as bench:
        cells = Cells.of([(1, 2), (9, 0)])
        truth = bench.currents(0.3)[cells.word, cells.bit]
        assert np.allclose(bench.wiring.read(cells, 0.3).current, truth, rtol=SWITCHES)
        before = bench.conductances[1, 2]
        verified = pulse(bench.wiring, (1, 2), -3.8)
        after = bench.conductances[1, 2]
        assert after < before - 1e-6
        assert verified == pytest.approx(bench.currents(0.3)[1, 2], rel=SWITCHES)
        # A multiply beside such reads has no offset either.
        assert np.abs(bench.wiring.drive(np.zeros((8, SHAPE[0]))).current).max() < 2e-8


@pytest.mark.parametrize("model", list(KEITHLEYS))
def test_a_keithley_sweeps_under_its_own_compliance(model: str) -> None:
    with rehearsed(keithley=KeithleyTable(model, RESOURCE)) as bench:
        bench.virtual.netlist.rig.device.place(np.full(SHAPE, 2e-4), 0.0)
        swept = bench.wiring.sweep((3, 3), np.linspace(0.0, 0.5, 6), 4e-5, 5e-3)
        assert swept.current[1] == pytest.approx(2e-5, rel=0.02)
        assert np.abs(swept.current).max() <= 4.01e-5
        assert swept.flags[-1] & Flag.COMPLIANCE
        assert not swept.flags[1] & Flag.COMPLIANCE


def test_scope_1_on_the_wrong_wire_is_found_and_leaves_everything_off() -> None:
    with rehearsed() as bench:
        respond = bench.virtual.netlist.respond

        def swapped(stimulus: Any) -> Any:
            first, second = respond(stimulus)
            return second, first

        bench.virtual.netlist.respond = swapped  # type: ignore[method-assign]
        with pytest.raises(InstrumentError, match="is scope 1 wired to W1"):
            bench.wiring.read(CELLS, 0.3)
        bench.virtual.clock.sleep(0.1)
        now = bench.virtual.clock.now
        assert bench.virtual.discovery.stimulus(now, now + 1e-3).supplies == (0.0, 0.0)
