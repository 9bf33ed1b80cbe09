from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import Array, BenchError, Cells
from quiet_bench import QUIET, conductances
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.virtual.faults import Faults
from sim_backend.virtual.netlist_switched import SwitchedNetlist, SwitchedParts
from sim_backend.virtual.netlists import NETLISTS
from sim_backend.virtual.signals import Signal, Steps, Stimulus

SHAPE = (10, 10)
EXACT = SimulationSettings.ideal(*SHAPE)
PLAIN = SwitchedParts(switch=0.0, tolerance=0.0)
MUX = replace(PLAIN, floating=True)
SERIAL = replace(PLAIN, select="serial")
READ = 0.2
HIGH, LOW = 1e5, 5e3
POWERED = (5.0, -5.0)
ENABLE, GAIN, RELAY = 1 << 8, 1 << 9, 1 << 10


def at(word: int, bit: int) -> int:
    return word | bit << 4 | ENABLE


class Bench:
    """The wiring with somebody at its pins."""

    def __init__(
        self,
        parts: SwitchedParts = PLAIN,
        settings: SimulationSettings = EXACT,
        faults: Faults | None = None,
    ) -> None:
        self.netlist = SwitchedNetlist(settings, parts, faults)
        self.G = conductances(self.netlist.rig.shape)
        self.netlist.rig.set_conductances(self.G)
        self.now = 0.0

    def live(
        self,
        pins: int,
        w1: float = 0.0,
        w2: float = 0.0,
        duration: float = 1e-3,
        supplies: tuple[float, float] = POWERED,
    ) -> tuple[Signal, Signal]:
        start, self.now = self.now, self.now + duration
        waves = Steps.constant(start, w1), Steps.constant(start, w2)
        return self.netlist.respond(
            Stimulus(start, self.now, waves, Steps.constant(start, pins), supplies)
        )

    def look(
        self,
        pins: int,
        w1: float = READ,
        w2: float = 0.0,
        supplies: tuple[float, float] = POWERED,
    ) -> float:
        """The amplifier's output when all has settled, V."""
        moment = np.array([self.now + 5e-4])
        return float(self.live(pins, w1, w2, supplies=supplies)[1].at(moment)[0])

    def current(self, word: int, bit: int, w1: float = READ) -> float:
        return -self.look(at(word, bit) | GAIN, w1) / LOW

    def source(
        self, voltage: float, limit: float, pins: int, duration: float
    ) -> tuple[float, float]:
        self.netlist.set_source(voltage, limit)
        self.live(pins | RELAY, duration=duration)
        return self.netlist.source_reading()


def test_addressed_cell_is_read_alone() -> None:
    bench = Bench()
    for word, bit in ((0, 0), (3, 7), (9, 9)):
        assert bench.current(word, bit) == pytest.approx(READ * bench.G[word, bit], rel=1e-9)


def test_gain_pin_takes_the_smaller_resistor() -> None:
    bench = Bench()
    small, large = bench.look(at(1, 2) | GAIN, 0.02), bench.look(at(1, 2), 0.02)
    assert large / small == pytest.approx(HIGH / LOW, rel=1e-9)


def test_first_scope_input_is_on_w1() -> None:
    one, _ = Bench().live(0, w1=0.7)
    assert one.at(np.array([5e-4])) == 0.7


def test_without_enable_nothing_is_selected() -> None:
    bench = Bench()
    assert bench.look(at(1, 2) & ~ENABLE) == 0.0


def test_rails_follow_w2_by_the_jumper() -> None:
    for ratio in (1, 2):
        bench = Bench(replace(PLAIN, ratio=ratio))
        seen = -bench.look(at(1, 2) | GAIN, w1=0.3, w2=0.1) / LOW
        others = np.delete(bench.G[:, 2], 1).sum()
        assert seen == pytest.approx(0.3 * bench.G[1, 2] + 0.1 * others, rel=1e-9)
        # With no word line selected the cells at the selected bit line see only the rail.
        assert -bench.look(at(11, 2) | GAIN, w2=0.1) / LOW == pytest.approx(
            0.1 * bench.G[:, 2].sum(), rel=1e-9
        )


def test_switches_are_in_the_path() -> None:
    bench = Bench(SwitchedParts(switch=100.0, tolerance=0.0))
    assert bench.current(3, 3) < READ * bench.G[3, 3] / (1 + 100.0 * bench.G[3, 3])
    settings = replace(EXACT, word_lines=1, bit_lines=1)
    alone = Bench(SwitchedParts(switch=100.0), settings)
    assert alone.current(0, 0) == pytest.approx(READ / (1 / alone.G[0, 0] + 200.0), rel=1e-9)


@pytest.mark.parametrize(("address", "resistance"), [(10, 10e3), (12, 47e3)])
def test_references_are_at_spare_addresses(address: int, resistance: float) -> None:
    bench = Bench(SwitchedParts(switch=5.0, tolerance=0.0))
    assert bench.current(address, address) == pytest.approx(READ / (resistance + 10.0), rel=1e-9)


@pytest.mark.parametrize(("word", "bit"), [(10, 12), (11, 11), (15, 15), (10, 3), (3, 12)])
def test_other_spare_addresses_are_open(word: int, bit: int) -> None:
    assert Bench().current(word, bit) == 0.0


def test_arrays_that_use_the_spare_addresses_have_no_references() -> None:
    bench = Bench(settings=SimulationSettings.ideal(16, 16))
    assert bench.current(10, 10) == pytest.approx(READ * bench.G[10, 10], rel=1e-9)
    assert bench.current(15, 15) == pytest.approx(READ * bench.G[15, 15], rel=1e-9)


def test_lines_read_as_in_the_simulation() -> None:
    settings = replace(EXACT, device=QUIET, line_resistance=2.0)
    bench = Bench(settings=settings)
    backend = SimulatedBackend(settings)
    backend.set_conductances(bench.G)
    expected = backend.read(Cells.of([(2, 8)]), READ).current[0]
    assert bench.current(2, 8) == pytest.approx(expected, rel=1e-8)


def test_multiplexers_show_the_sneak_currents_of_the_simulation() -> None:
    settings = replace(EXACT, device=QUIET, line_resistance=2.0, read_scheme="floating")
    bench = Bench(MUX, settings)
    backend = SimulatedBackend(settings)
    backend.set_conductances(bench.G)
    for cell in ((2, 8), (0, 0)):
        expected = backend.read(Cells.of([cell]), READ).current[0]
        assert bench.current(*cell) == pytest.approx(expected, rel=1e-8)
        assert expected > 2 * READ * bench.G[cell]


def test_multiplexers_ignore_w2() -> None:
    bench = Bench(MUX)
    assert bench.look(at(2, 3) | GAIN) == bench.look(at(2, 3) | GAIN, w2=1.0)


def test_without_supplies_all_lines_are_open() -> None:
    bench = Bench(settings=replace(EXACT, device=QUIET))
    before = bench.netlist.rig.conductances
    assert bench.look(at(1, 2), w1=3.5, supplies=(0.0, 0.0)) == 0.0
    np.testing.assert_array_equal(bench.netlist.rig.conductances, before)


def scanned(bench: Bench, step: float = 4e-5) -> tuple[Array, Array]:
    """Both gains of every cell, one after another in one interval; output and times looked at."""
    pins = [at(i, j) | g for i in range(10) for j in range(10) for g in (0, GAIN)]
    end = bench.now + step * len(pins)
    times = np.linspace(bench.now, end, len(pins), endpoint=False)
    waves = Steps.constant(bench.now, 0.02), Steps.constant(bench.now, 0.0)
    _, out = bench.netlist.respond(
        Stimulus(bench.now, end, waves, Steps(times, np.array(pins)), POWERED)
    )
    return out.at(times + 0.9 * step).reshape(10, 10, 2), out.at(times + 2e-7).reshape(10, 10, 2)


def test_scan_reads_every_cell_at_both_gains() -> None:
    bench = Bench()
    seen, early = scanned(bench)
    np.testing.assert_allclose(-seen[..., 0] / HIGH, 0.02 * bench.G, rtol=1e-9)
    np.testing.assert_allclose(-seen[..., 1] / LOW, 0.02 * bench.G, rtol=1e-9)
    assert np.abs(early / seen - 1).max() > 0.1


def played(bench: Bench, cell: tuple[int, int], voltage: float, bias: float, width: float) -> None:
    """One pulse on W1 with its bias on W2, as two custom waveforms."""
    times = np.array([bench.now, bench.now + 1e-4, bench.now + 1e-4 + width])
    first = Steps(times, np.array([0.0, voltage, 0.0]))
    second = Steps(times + 1e-16, np.array([0.0, bias, 0.0]))
    end = bench.now + 2 * width + 2e-4
    pins = Steps.constant(bench.now, at(*cell))
    bench.netlist.respond(Stimulus(bench.now, end, (first, second), pins, POWERED))
    bench.now = end


def test_pulse_moves_its_cell_as_the_simulation_does() -> None:
    settings = replace(EXACT, device=QUIET, line_resistance=2.0)
    bench = Bench(settings=settings)
    backend = SimulatedBackend(settings)
    backend.set_conductances(bench.G)
    for voltage in (3.2, -2.4):
        played(bench, (4, 7), voltage, voltage / 2, 1e-4)
        backend.pulse(Cells.of([(4, 7)]), np.array([voltage]), np.array([1e-4]), 0.0)
        seen, expected = bench.netlist.rig.conductances, backend.conductances
        np.testing.assert_allclose(seen, expected, rtol=1e-6)
        assert abs(seen[4, 7] - bench.G[4, 7]) > 1e-7


def test_pulse_with_open_lines_disturbs_cells_on_neither_line() -> None:
    disturbed = []
    for parts in (PLAIN, MUX):
        bench = Bench(parts, replace(EXACT, device=QUIET))
        for _ in range(10):
            played(bench, (4, 7), -2.4, -1.2, 1e-4)
        moved = np.delete(np.delete(bench.G - bench.netlist.rig.conductances, 4, 0), 7, 1)
        disturbed.append(float(np.abs(moved).max()))
    assert disturbed[0] < 1e-15
    assert disturbed[1] > 1e-10


@pytest.mark.parametrize(("word", "bit"), [(0, 0), (9, 3)])
def test_switch_board_selects_lines(word: int, bit: int) -> None:
    bench = Bench(SERIAL)
    assert bench.look(at(word, bit) | GAIN) == 0.0
    bench.netlist.switch(frozenset({word, 16 + bit}))
    assert -bench.look(GAIN) / LOW == pytest.approx(READ * bench.G[word, bit], rel=1e-9)


def test_switch_board_joins_several_lines() -> None:
    bench = Bench(SERIAL)
    bench.netlist.switch(frozenset({1, 2, 16, 20}))
    expected = READ * bench.G[[1, 2]][:, [0, 4]].sum()
    assert -bench.look(GAIN) / LOW == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("channel", "resistance"), [(10, 10e3), (12, 47e3)])
def test_switch_board_has_the_references(channel: int, resistance: float) -> None:
    bench = Bench(SERIAL)
    bench.netlist.switch(frozenset({channel, 16 + channel}))
    assert -bench.look(GAIN) / LOW == pytest.approx(READ / resistance, rel=1e-9)


def test_switch_board_throws_the_relay() -> None:
    bench = Bench(SERIAL)
    bench.netlist.set_source(0.1, 1e-3)
    bench.netlist.switch(frozenset({2, 16 + 3, 31}))
    bench.live(0)
    assert bench.netlist.source_reading() == pytest.approx((0.1, 0.1 * bench.G[2, 3]), rel=1e-9)
    assert bench.look(GAIN) == 0.0


def test_relay_puts_the_source_meter_on_the_cell() -> None:
    bench = Bench()
    expected = 0.1, 0.1 * bench.G[2, 3]
    assert bench.source(0.1, 1e-3, at(2, 3), 0.1) == pytest.approx(expected, rel=1e-9)
    assert bench.look(at(2, 3) | RELAY, w1=0.5) == 0.0


def test_source_meter_sees_nothing_without_the_relay_and_nothing_when_open() -> None:
    bench = Bench()
    bench.netlist.set_source(0.1, 1e-3)
    bench.live(at(2, 3))
    assert bench.netlist.source_reading() == (0.1, 0.0)
    bench.netlist.open_source()
    bench.live(at(2, 3) | RELAY)
    assert bench.netlist.source_reading() == (0.0, 0.0)


def test_source_meter_reads_the_references() -> None:
    bench = Bench()
    assert bench.source(1.0, 1e-2, at(10, 10), 0.1)[1] == pytest.approx(1e-4, rel=1e-9)
    voltage, current = bench.source(1.0, 1e-5, at(10, 10), 0.1)
    assert current == pytest.approx(1e-5, rel=1e-5)
    assert voltage == pytest.approx(0.1, rel=1e-5)


def test_open_lines_add_sneak_currents_to_the_source_meter() -> None:
    bench = Bench(MUX)
    assert bench.source(0.1, 1e-2, at(2, 3), 0.1)[1] > 2 * 0.1 * bench.G[2, 3]


def test_limit_lowers_the_voltage_until_the_current_fits() -> None:
    for parts in (PLAIN, MUX):
        bench = Bench(parts, replace(EXACT, device=QUIET, line_resistance=2.0))
        voltage, current = bench.source(0.5, 2e-6, at(2, 3), 1e-3)
        assert current == pytest.approx(2e-6, rel=1e-5)
        assert 0 < voltage < 0.5
        assert current <= 2e-6


def test_forming_under_a_limit_moves_the_cell_as_a_sweep_of_the_simulation() -> None:
    settings = replace(EXACT, device=QUIET)
    bench = Bench(settings=settings)
    backend = SimulatedBackend(settings)
    for each in (bench.netlist.rig, backend):
        each.set_conductances(np.full(SHAPE, 1e-5))
    bench.source(3.2, 3e-4, at(2, 3), 0.01)
    backend.sweep((2, 3), np.array([3.2]), 3e-4, 0.01)
    seen = bench.netlist.rig.conductances[2, 3]
    assert seen == pytest.approx(backend.conductances[2, 3], rel=1e-6)
    assert seen > 1.2e-5


def test_a_dwell_in_many_intervals_is_one_hold() -> None:
    settings = replace(EXACT, device=replace(QUIET, cycle_sigma=0.3))
    moved = []
    for intervals in (1, 50):
        bench = Bench(settings=settings)
        bench.netlist.set_source(3.2, 3e-4)
        for _ in range(intervals):
            bench.live(at(2, 3) | RELAY, duration=0.01 / intervals)
        moved.append(bench.netlist.rig.conductances[2, 3])
    assert moved[0] == pytest.approx(moved[1], rel=1e-9)


def test_stuck_relay_stays_where_it_is() -> None:
    always = Bench(faults=Faults(relay=True))
    assert always.look(at(1, 2)) == 0.0
    never = Bench(faults=Faults(relay=False))
    assert never.source(0.1, 1e-3, at(2, 3), 0.1) == (0.1, 0.0)


def test_broken_lines_are_dark() -> None:
    bench = Bench(faults=Faults(broken=frozenset({("word", 1), ("bit", 4)})))
    assert abs(bench.current(1, 2)) < 1e-15
    assert bench.current(3, 4) == 0.0
    assert bench.current(3, 2) > 0


def test_dead_amplifier_and_offset() -> None:
    assert Bench(faults=Faults(dead=frozenset({0}))).look(at(1, 2)) == 0.0
    bench = Bench(faults=Faults(offsets={0: 1e-6}))
    assert bench.current(1, 2) == pytest.approx(READ * bench.G[1, 2] + 1e-6, rel=1e-9)


def test_every_name_builds_its_wiring() -> None:
    for build in NETLISTS.values():
        netlist = build(EXACT)
        start, end = 0.0, 1e-3
        low = Steps.constant(start, 0.0)
        one, two = netlist.respond(
            Stimulus(start, end, (low, low), Steps.constant(start, 0), POWERED)
        )
        assert max(abs(float(signal.at(np.array([end]))[0])) for signal in (one, two)) < 0.01


def test_jumper_fits_the_write_scheme_by_default() -> None:
    assert SwitchedNetlist(replace(EXACT, write_scheme="third")).parts.ratio == 2
    assert SwitchedNetlist(EXACT).parts.ratio == 1


@pytest.mark.parametrize("wrong", [{"ratio": 3}, {"switch": -1.0}, {"select": "usb"}])
def test_impossible_parts_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BenchError):
        replace(PLAIN, **wrong)  # type: ignore[arg-type]


def test_more_lines_than_addresses_are_refused() -> None:
    with pytest.raises(BenchError):
        SwitchedNetlist(SimulationSettings.ideal(17, 4))
    with pytest.raises(BenchError):
        SwitchedNetlist(SimulationSettings.ideal(16, 16), SERIAL)
