from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import Array, BenchError, Cells
from quiet_bench import QUIET, conductances
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.virtual.faults import Faults, Leak
from sim_backend.virtual.netlist_parallel import ParallelNetlist, ParallelParts
from sim_backend.virtual.signals import Steps
from spi_frames import CS_BIT, CS_WORD, IDLE, POWERED, code, sent, steps, stimulus, word

EXACT = SimulationSettings.ideal(10, 10)
HIGH, LOW = 1e5, 5e3
WRITE, WRITE_ALL, UPDATE_ALL, NOW, ALL_NOW, SHOW = 0, 8, 9, 3, 10, 11
READ_CODE = code(0.2)
READ = (READ_CODE / 65536 - 0.5) * 10
HALF_BIT = 1e-6


class Bench:
    """The wiring with somebody at its pins: commands to the converters, and looks at the scope."""

    def __init__(
        self,
        settings: SimulationSettings = EXACT,
        faults: Faults | None = None,
        *,
        supplies: tuple[float, float] = POWERED,
        exact: bool = True,
    ) -> None:
        parts = ParallelParts.exact() if exact else ParallelParts()
        self.netlist = ParallelNetlist(settings, parts, faults)
        self.G = conductances(self.netlist.rig.shape) / 10
        self.netlist.rig.set_conductances(self.G)
        self.supplies, self.now, self.pins = supplies, 0.0, IDLE

    def send(self, *words: int, select: Sequence[int] = (CS_WORD,)) -> None:
        levels = [self.pins]
        for number in words:
            levels += sent(number, select, rest=self.pins)
        pins = steps(levels, self.now, HALF_BIT)
        self.now += len(levels) * HALF_BIT
        self.netlist.respond(stimulus(pins, self.now, self.supplies))

    def look(self, address: int = 0, gain: int = 0, after: float = 1e-4) -> tuple[float, float]:
        """Both scope inputs, so long after address and gain were set."""
        self.pins = IDLE | address | gain << 3
        start, self.now = self.now, self.now + 1e-3
        inputs = self.netlist.respond(
            stimulus(Steps.constant(start, self.pins), self.now, self.supplies)
        )
        one, two = (float(signal.at(np.array([start + after]))[0]) for signal in inputs)
        return one, two

    def currents(self, gain: int = 1) -> Array:
        """Current of each bit line, A."""
        seen = np.array([self.look(address, gain) for address in range(5)])
        resistance = LOW if gain else HIGH
        return -seen.T.ravel() / resistance


def test_bit_lines_appear_at_the_inputs_of_the_multiplexers() -> None:
    bench = Bench()
    bench.send(word(NOW, 3, READ_CODE))
    np.testing.assert_allclose(bench.currents(), READ * bench.G[3], rtol=1e-9)
    np.testing.assert_allclose(bench.currents(gain=0), READ * bench.G[3], rtol=1e-9)


def test_many_word_lines_add_up() -> None:
    bench = Bench()
    levels = np.linspace(-0.2, 0.2, 10)
    bench.send(*(word(NOW, k, code(level)) for k, level in enumerate(levels.tolist())))
    driven = (np.array([code(level) for level in levels.tolist()]) / 65536 - 0.5) * 10
    np.testing.assert_allclose(bench.currents(), driven @ bench.G, rtol=1e-9, atol=1e-15)


def test_amplifiers_sit_on_their_bias() -> None:
    bench = Bench()
    bench.send(word(NOW, 1, READ_CODE), select=(CS_BIT,))
    bench.send(word(NOW, 10, READ_CODE))
    one, two = bench.look(address=1, gain=1)
    assert one == pytest.approx(READ + READ * bench.G[:, 1].sum() * LOW)
    assert two == pytest.approx(-READ / 1e5 * LOW)


def test_reference_row_drives_every_bit_line() -> None:
    bench = Bench()
    bench.send(word(NOW, 10, READ_CODE))
    np.testing.assert_allclose(bench.currents(gain=0), READ / 1e5, rtol=1e-9)


def test_reference_resistors_differ_within_their_tolerance() -> None:
    references = Bench(exact=False).netlist.references
    assert 0 < np.abs(references / 1e5 - 1).max() <= 1e-3


def test_monitor_pins_show_the_converters() -> None:
    bench = Bench()
    assert bench.look(address=5) == (0.0, 0.0)
    bench.send(word(NOW, 4, READ_CODE), word(SHOW, 0, 0x14))
    bench.send(word(NOW, 9, code(-1.0)), word(SHOW, 0, 0x19), select=(CS_BIT,))
    one, two = bench.look(address=5)
    assert one == pytest.approx(READ)
    assert two == pytest.approx(-1.0, abs=1e-4)


@pytest.mark.parametrize("address", [6, 7])
def test_ground_and_open_input_read_zero(address: int) -> None:
    bench = Bench()
    bench.send(word(ALL_NOW, 0, READ_CODE))
    assert bench.look(address) == (0.0, 0.0)


def test_outputs_clip_at_the_rail() -> None:
    bench = Bench()
    bench.send(word(ALL_NOW, 0, code(-4.0)))
    assert bench.look(gain=0)[0] == 10.0


def test_without_supplies_the_scope_sees_nothing_and_the_lines_stay_driven() -> None:
    bench = Bench(replace(EXACT, device=QUIET), supplies=(0.0, 0.0))
    bench.send(word(NOW, 3, code(3.5)))
    before = bench.netlist.rig.conductances[3].copy()
    assert bench.look(gain=1) == (0.0, 0.0)
    assert np.all(bench.netlist.rig.conductances[3] > before)


def test_multiplexer_settles_right_after_a_switch_and_then_has() -> None:
    bench = Bench()
    bench.send(word(NOW, 3, READ_CODE))
    final = bench.look(address=0, gain=0)[0]
    other = bench.look(address=1, gain=0)[0]
    early = bench.look(address=0, gain=0, after=5e-8)[0]
    late = bench.look(address=1, gain=0, after=2e-6)[0]
    assert early == pytest.approx(final + (other - final) * np.exp(-1), rel=1e-6)
    assert late == pytest.approx(other, rel=1e-9)


def test_amplifier_settles_slowly_at_high_gain() -> None:
    bench = Bench()
    bench.send(word(NOW, 3, READ_CODE))
    low = bench.look(gain=1)[0]
    high = bench.look(gain=0)[0]
    bench.look(gain=1)
    seen = bench.look(gain=0, after=0.47e-6)[0]
    assert seen == pytest.approx(high + (low - high) * np.exp(-1), rel=1e-6)


def test_converter_settles_within_a_few_microseconds() -> None:
    bench = Bench()
    levels = [IDLE | 1 << 3, *sent(word(NOW, 3, READ_CODE), rest=IDLE | 1 << 3)]
    pins = steps(levels, 0.0, HALF_BIT)
    update = float(pins.time[-1])
    one, _ = bench.netlist.respond(stimulus(pins, 1e-3))
    seen = one.at(update + np.array([-1e-7, 1e-6, 1e-5, 1e-4]))
    final = -READ * bench.G[3, 0] * LOW
    assert abs(seen[0]) < 1e-12
    assert 0.5 < seen[1] / final < 0.75
    assert seen[2] / final == pytest.approx(1.0, abs=1e-4)
    assert seen[3] / final == pytest.approx(1.0, abs=1e-9)


def test_large_steps_slew() -> None:
    bench = Bench()
    levels = [IDLE, *sent(word(NOW, 10, code(4.9))), *sent(word(SHOW, 0, 0x1A))]
    bench.pins = IDLE | 5
    levels = [level | 5 for level in levels]
    bench.netlist.respond(stimulus(Steps.constant(0.0, IDLE | 5), 1e-3))
    show = steps([IDLE | 5, *[v | 5 for v in sent(word(SHOW, 0, 0x13))]], 1e-3, HALF_BIT)
    bench.netlist.respond(stimulus(show, 2e-3))
    pins = steps([IDLE | 5, *[v | 5 for v in sent(word(NOW, 3, code(4.9)))]], 2e-3, HALF_BIT)
    one, _ = bench.netlist.respond(stimulus(pins, 3e-3))
    slope = np.diff(one.at(float(pins.time[-1]) + np.array([1e-8, 1.1e-7])))[0] / 1e-7
    assert 2e6 < slope <= 5.1e6


def test_pulse_moves_its_cell_as_the_simulation_does() -> None:
    settings = replace(EXACT, device=QUIET, line_resistance=2.0)
    bench = Bench(settings)
    backend = SimulatedBackend(settings)
    backend.set_conductances(bench.G)
    bench.netlist.respond(stimulus(Steps.constant(0.0, IDLE), 1e-6))
    bench.now = 1e-6
    both = (CS_WORD, CS_BIT)
    voltage, width = 3.2, 1e-3
    words = [
        (word(WRITE_ALL, 0, code(voltage / 2)), both),
        (word(WRITE, 4, code(voltage)), (CS_WORD,)),
        (word(WRITE, 7, 0x8000), (CS_BIT,)),
        (word(WRITE_ALL, 0, 0x8000), both),
    ]
    levels = [IDLE]
    for number, select in words[:3]:
        levels += sent(number, select)
    levels += sent(word(UPDATE_ALL), both)
    levels += [IDLE] * (round(width / HALF_BIT) - 50)
    levels += sent(word(ALL_NOW, 0, 0x8000), both)
    pins = steps(levels, bench.now, HALF_BIT)
    bench.netlist.respond(stimulus(pins, bench.now + 5e-3))
    backend.pulse(Cells.of([(4, 7)]), np.array([voltage]), np.array([width]), 0.0)
    moved = bench.netlist.rig.conductances - bench.G
    expected = backend.conductances - bench.G
    assert moved[4, 7] == pytest.approx(expected[4, 7], rel=0.01)
    np.testing.assert_allclose(moved[4, :7], expected[4, :7], rtol=0.01)


def test_broken_word_line_is_dark_and_the_reference_is_not() -> None:
    bench = Bench(faults=Faults(broken=frozenset({("word", 3)})))
    bench.send(word(NOW, 3, READ_CODE))
    np.testing.assert_allclose(bench.currents(), 0.0, atol=1e-15)
    bench.send(word(NOW, 10, READ_CODE))
    np.testing.assert_allclose(bench.currents(), READ / 1e5, rtol=1e-9)


def test_broken_bit_line_is_dark_and_its_reference_is_not() -> None:
    bench = Bench(faults=Faults(broken=frozenset({("bit", 6)})))
    bench.send(word(NOW, 3, READ_CODE))
    currents = bench.currents()
    assert currents[6] == 0.0
    assert np.all(np.delete(currents, 6) > 0)
    bench.send(word(NOW, 3, 0x8000), word(NOW, 10, READ_CODE))
    np.testing.assert_allclose(bench.currents(), READ / 1e5, rtol=1e-9)


def test_dead_amplifier_reads_zero_and_an_offset_one_too_much() -> None:
    bench = Bench(faults=Faults(dead=frozenset({2}), offsets={8: 1e-6}))
    bench.send(word(NOW, 3, READ_CODE))
    expected = READ * bench.G[3] + np.where(np.arange(10) == 8, 1e-6, 0.0)
    expected[2] = 0.0
    np.testing.assert_allclose(bench.currents(), expected, rtol=1e-9)


def test_shorted_cell_is_seen() -> None:
    bench = Bench(faults=Faults(shorted=frozenset({(3, 5)})))
    bench.send(word(NOW, 3, READ_CODE))
    currents = bench.currents()
    assert np.argmax(currents) == 5
    assert currents[5] == 10.0 / LOW  # the amplifier is at its rail


def test_leak_between_bit_lines_is_seen_with_a_bias() -> None:
    bench = Bench(faults=Faults(leaks=(Leak(("bit", 0), ("bit", 7), 1e-5),)))
    healthy = Bench()
    seen = []
    for each in (bench, healthy):
        each.send(word(NOW, 0, READ_CODE), select=(CS_BIT,))
        seen.append(each.currents())
    extra = seen[0] - seen[1]
    np.testing.assert_allclose(extra[7], READ * 1e-5, rtol=1e-9)


def test_amplifiers_are_drawn_as_those_of_the_simulation() -> None:
    settings = replace(SimulationSettings(), seed=3)
    netlist = ParallelNetlist(settings)
    state = SimulatedBackend(settings).snapshot()
    np.testing.assert_array_equal(netlist.amplifiers.gain, state["readout.gain"])
    np.testing.assert_array_equal(netlist.amplifiers.offset, state["readout.offset"])


def test_scope_that_looks_at_everything_agrees_with_one_that_looks_now_and_then() -> None:
    seen = []
    for times in (np.linspace(0, 6e-4, 3001), np.linspace(0, 6e-4, 61)):
        bench = Bench()
        levels = [IDLE]
        for k in range(4):
            levels += [*sent(word(NOW, k, READ_CODE + 50 * k)), IDLE | k, IDLE | k | 8]
        one, _ = bench.netlist.respond(stimulus(steps(levels, 0.0, HALF_BIT), 1e-3))
        seen.append(one.at(times))
    np.testing.assert_allclose(seen[0][::50], seen[1], atol=1e-12)


def test_intervals_that_are_cut_settle_as_whole_ones() -> None:
    levels = [IDLE, *sent(word(NOW, 3, READ_CODE)), IDLE, IDLE | 1]
    times = np.linspace(4e-5, 6e-5, 401)
    bench = Bench()
    pins = steps(levels, 0.0, HALF_BIT)
    whole, _ = bench.netlist.respond(stimulus(pins, 1e-4))
    expected = whole.at(times)
    bench = Bench()
    seen = []
    for start, end in ((0.0, 5.05e-5), (5.05e-5, 5.22e-5), (5.22e-5, 1e-4)):
        inside = (pins.time > start) & (pins.time < end)
        first = pins.at(np.array([start])).astype(np.int64)
        part = Steps(
            np.concatenate([[start], pins.time[inside]]),
            np.concatenate([first, pins.value[inside]]),
        )
        one, _ = bench.netlist.respond(stimulus(part, end))
        seen.append(one.at(times[(times >= start) & (times < end)]))
    np.testing.assert_allclose(np.concatenate(seen), expected, atol=1e-9)


def test_source_meter_is_not_wired() -> None:
    netlist = Bench().netlist
    netlist.set_source(1.0, 1e-3)
    assert netlist.source_reading() == (0.0, 0.0)
    netlist.open_source()
    netlist.switch(frozenset({1}))


def test_more_lines_than_outputs_are_refused() -> None:
    with pytest.raises(BenchError):
        ParallelNetlist(SimulationSettings.ideal(11, 10))


def test_signals_may_be_looked_at_long_after_their_interval() -> None:
    seen = []
    for late in (False, True):
        bench = Bench()
        bench.send(word(NOW, 3, READ_CODE))
        bench.look(address=0)
        start = bench.now
        one, _ = bench.netlist.respond(stimulus(Steps.constant(start, IDLE | 1), start + 1e-3))
        bench.now += 1e-3
        times = start + np.array([2e-8, 1e-7, 5e-4])
        if late:
            for address in (2, 3, 4):
                bench.look(address)
            bench.netlist.rig.set_conductances(bench.G * 2)
        seen.append(one.at(times))
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-12)
