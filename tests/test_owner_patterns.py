"""What we assume of an AD2's digital pins; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from pydwf import DwfDigitalOutOutput, DwfDigitalOutType

from crossbar.backend import Array
from instruments.analog_discovery import Acquisition, Idle, Pattern, SpiBus, Square, Trigger
from owner_bench import assumes, check_page, choose_places, say_what_is_not_tried
from owner_discovery import MANUAL, PYDWF, SDK, TICK, Discovery, Seen, discovery

BIT = 5e-7  # s; long against the 30 ns edges of a pin, short against the scope's 81 us
EXACT = 1.5e-8  # s; an edge is seen this well at 100 MS/s
BITS = (1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 1, 0, 1)  # no symmetry


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose_places(metafunc, "alone", "pins")


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[Discovery]:
    with discovery(request, "nothing") as opened:
        yield opened


@pytest.fixture
def pins(request: pytest.FixtureRequest) -> Iterator[Discovery]:
    with discovery(request, "pins") as opened:
        yield opened


def levels(opened: Discovery) -> int:
    """Return what DIO 0 and DIO 1 read back as, bits 0 and 1."""
    opened.device.digitalIO.status()
    return int(opened.device.digitalIO.inputStatus()) & 0b11


def edges_of(bits: Sequence[int], interval: float) -> Array:
    """Return when a pin that idles low changes, s."""
    changes = np.flatnonzero(np.diff([0, *bits, 0]))
    return np.asarray(changes * interval, dtype=np.float64)


def watch(opened: Discovery, bits: Sequence[int], interval: float) -> Seen:
    """Play bits once on DIO 0."""
    opened.ad2.patterns({0: Pattern.of(bits, interval)})
    return opened.watch(len(bits) * interval)


# Static pins.


@assumes("a static pin reads back as it is driven", f"{PYDWF}, DigitalIO", "documented")
def test_static_pins_read_back(alone: Discovery) -> None:
    found = []
    for wanted in (0b01, 0b10, 0b00, 0b11):
        alone.ad2.pins(0b11, wanted)
        found.append(levels(alone))
    assert found == [0b01, 0b10, 0b00, 0b11]


@assumes("a pin's high level is about 3.3 V, its low level 0 V", MANUAL, "documented")
def test_a_pin_gives_3_volts(pins: Discovery) -> None:
    look = Acquisition(rate=1e6, samples=500, span=50.0)
    pins.ad2.pins(0b11, 0b01)
    high, low = -pins.record(look).mean(axis=1)
    pins.place.note(f"high {high:.3f} V, low {low:.3f} V")
    assert (high, low) == (pytest.approx(3.3, abs=0.3), pytest.approx(0.0, abs=0.1))


@assumes(
    "a pin whose static output is enabled ignores its pattern; disabled, the pattern drives it",
    f"{PYDWF}, DigitalOut",
    "documented",
)
def test_static_output_enable_wins_over_a_pattern(alone: Discovery) -> None:
    alone.ad2.patterns({0: Pattern.of([1], BIT, idle=Idle.HIGH)})
    alone.ad2.run_patterns(BIT)
    alone.timer.sleep(1e-3)
    found = [levels(alone) & 1]
    for mask in (0b01, 0b00):
        alone.ad2.pins(mask, 0)
        found.append(levels(alone) & 1)
    assert found == [1, 0, 1]


@assumes(
    "after a run a pattern's pin is at its idle level",
    f"{PYDWF}, DwfDigitalOutIdle",
    "documented",
)
def test_pins_idle_as_asked_after_a_run(alone: Discovery) -> None:
    alone.ad2.patterns(
        {
            0: Pattern.of([1, 0], BIT, idle=Idle.HIGH),
            1: Pattern.of([0, 1], BIT, idle=Idle.LOW),
        }
    )
    alone.ad2.run_patterns(2 * BIT)
    alone.timer.sleep(1e-3)
    assert levels(alone) == 0b01


@assumes("a pattern that is stopped, and never ran, has its pin at the idle level", SDK, "guessed")
def test_a_stopped_pattern_is_at_its_idle_level(alone: Discovery) -> None:
    alone.ad2.patterns({0: Pattern.of([0], BIT, idle=Idle.HIGH)})
    alone.device.digitalOut.configure(False)
    alone.ad2.pins(0, 0)
    assert levels(alone) & 1


# What a pattern is.


@assumes("patterns tick at 100 MHz", f"{MANUAL}; internalClockInfo", "documented")
def test_patterns_tick_at_100_megahertz(alone: Discovery) -> None:
    assert alone.device.digitalOut.internalClockInfo() == 100e6


@assumes("dividers go up to 2^31 - 1 and counters to 2^15 - 1, at least", "nobody", "guessed")
def test_dividers_and_counters_are_long_enough(alone: Discovery) -> None:
    out = alone.device.digitalOut
    divider, counter = out.dividerInfo(0)[1], out.counterInfo(0)[1]
    alone.place.note(f"dividers up to {divider}, counters up to {counter}")
    assert divider >= 2**31 - 1
    assert counter >= 2**15 - 1


@assumes(
    "the first bit to play is the lowest of the first byte",
    f"{PYDWF}, DigitalOut.dataSet",
    "documented",
)
def test_the_lowest_bit_plays_first(pins: Discovery) -> None:
    seen = watch(pins, BITS, BIT)
    middles = (np.arange(len(BITS)) + 0.5) * BIT
    assert [seen.level(0, float(t)) for t in middles] == list(BITS)


@assumes(
    "a bit lasts as many ticks of 10 ns as its divider says",
    "Digilent's example of custom patterns",
    "seen",
)
@pytest.mark.parametrize("divider", [20, 50, 333])
def test_a_bit_lasts_its_divider(pins: Discovery, divider: int) -> None:
    seen = watch(pins, BITS, divider * TICK)
    edges, wanted = seen.edges(0), edges_of(BITS, divider * TICK)
    assert len(edges) == len(wanted)
    assert edges - edges[0] == pytest.approx(wanted - wanted[0], abs=EXACT)


@assumes(
    "DividerInit is the time of the first bit of a run, in ticks",
    "Digilent's example that counts in Gray code",
    "seen",
)
@pytest.mark.parametrize("first", [0.5, 3.0])
def test_the_first_bit_lasts_the_initial_divider(pins: Discovery, first: float) -> None:
    pins.ad2.patterns({0: Pattern.of([1, 0, 1], BIT, first=first * BIT)})
    edges = pins.watch((first + 2) * BIT).edges(0)
    assert np.diff(edges) == pytest.approx([first * BIT, BIT, BIT], abs=EXACT)


@assumes(
    "a Pulse is low for its low count, then high for its high count, and starts with the low one "
    "when CounterInit says low with the low count",
    "Digilent's example of SPI by patterns",
    "seen",
)
def test_a_pulse_pin_begins_low(pins: Discovery) -> None:
    pins.ad2.patterns({0: Square(low=4e-7, high=6e-7), 1: Pattern.of([1], 1e-5)})
    seen = pins.watch(1e-5)
    edges = seen.edges(0) - seen.edges(1)[0]
    wanted = [4e-7, 1e-6, 1.4e-6, 2e-6, 2.4e-6]
    assert edges[:5] == pytest.approx(wanted, abs=EXACT)


@assumes(
    "CounterInit high with the high count begins with the whole high phase",
    "Digilent's example of phases",
    "seen",
)
def test_a_pulse_pin_begins_high_if_told(pins: Discovery) -> None:
    pins.ad2.patterns({0: Square(4e-7, 6e-7, high_first=True), 1: Pattern.of([1], 1e-5)})
    seen = pins.watch(1e-5)
    edges = seen.edges(0) - seen.edges(1)[0]
    assert edges[:4] == pytest.approx([0.0, 6e-7, 1e-6, 1.6e-6], abs=EXACT)


@assumes(
    "CounterInit is the count that the first phase has left",
    "Digilent's example of phases",
    "seen",
)
def test_the_initial_count_is_what_the_first_phase_has_left(pins: Discovery) -> None:
    pins.ad2.patterns({1: Pattern.of([1], 1e-5)})
    out = pins.device.digitalOut
    out.typeSet(0, DwfDigitalOutType.Pulse)
    out.outputSet(0, DwfDigitalOutOutput.PushPull)
    out.dividerSet(0, 10)
    out.dividerInitSet(0, 10)
    out.counterSet(0, 5, 5)
    out.counterInitSet(0, False, 2)
    out.enableSet(0, True)
    pins.ad2.pins(0, 0)
    seen = pins.watch(1e-5)
    edges = seen.edges(0) - seen.edges(1)[0]
    assert edges[:3] == pytest.approx([2e-7, 7e-7, 12e-7], abs=EXACT)


@assumes("pins with different dividers stay in step over a whole run", SDK, "remembered")
def test_two_dividers_stay_in_step(pins: Discovery) -> None:
    pins.ad2.patterns({0: Pattern.of([1, 0], 1e-7), 1: Pattern.of([1, 0, 0, 1, 1, 0, 1, 0], 7e-7)})
    seen = pins.watch(7.7e-5)
    fine, coarse = seen.edges(0), seen.edges(1)
    apart = np.abs(coarse[:, None] - fine).min(axis=1)
    pins.place.note(f"{len(coarse)} edges at most {apart.max() * 1e9:.1f} ns apart")
    assert apart[:-1].max() < EXACT


@assumes("a free-running clock and a pattern of the same interval keep their phase", SDK, "guessed")
def test_a_clock_and_data_keep_their_phase(pins: Discovery) -> None:
    pins.ad2.patterns({0: Square(low=1e-7, high=1e-7), 1: Pattern.of([1, 0], 2e-7)})
    seen = pins.watch(8e-5)
    rises = seen.edges(0)[::2]
    changes = seen.edges(1)
    count = min(len(rises), len(changes))
    assert count > 390
    assert rises[:count] - changes[:count] == pytest.approx(1e-7, abs=EXACT)


# When a run begins and ends.


@assumes(
    "a run ends exactly when its time is over, in the middle of a pattern too",
    f"{PYDWF}, runStatus: runs are counted in clock cycles",
    "documented",
)
@pytest.mark.parametrize("count", [7, 15])
def test_a_run_ends_after_its_last_bit(pins: Discovery, count: int) -> None:
    pins.ad2.patterns({0: Pattern.of([1, 0] * 7 + [1] * 4, BIT), 1: Pattern.of([1], BIT)})
    seen = pins.watch(count * BIT)
    begin, end = seen.edges(1)
    assert end - begin == pytest.approx(count * BIT, abs=EXACT)
    assert seen.edges(0)[-1] == pytest.approx(end, abs=EXACT)


@assumes(
    "a pattern begins anew when it is shorter than the run",
    SDK,
    "remembered",
)
def test_a_short_pattern_repeats_within_a_run(pins: Discovery) -> None:
    pins.ad2.patterns({0: Pattern.of([1, 0, 0], BIT)})
    edges = pins.watch(9 * BIT).edges(0)
    assert edges - edges[0] == pytest.approx(np.array([0, 1, 3, 4, 6, 7]) * BIT, abs=EXACT)


@assumes(
    "Configure(start) plays everything again from the first bit",
    SDK,
    "remembered",
)
def test_a_run_starts_from_the_first_bit_again(pins: Discovery) -> None:
    pins.ad2.patterns({0: Pattern.of(BITS, BIT)})
    first, second = (pins.watch(4 * BIT).edges(0) for _ in range(2))
    assert first == pytest.approx(second, abs=EXACT)


@assumes(
    "the scope's trigger DigitalOut is the start of the run, within 100 ns",
    f"{PYDWF}, DwfTriggerSource; how exactly: nobody",
    "guessed",
)
def test_the_patterns_trigger_the_scope_at_their_start(pins: Discovery) -> None:
    delay = float(watch(pins, [1, 0], BIT).edges(0)[0])
    pins.place.note(f"the first bit is seen {delay * 1e9:.0f} ns after the trigger")
    assert abs(delay) < 1e-7


@assumes(
    "a generator that waits for DigitalOut starts with the run, within 100 ns",
    f"{PYDWF}, DwfTriggerSource; how exactly: nobody",
    "guessed",
)
def test_the_patterns_start_w1(pins: Discovery) -> None:
    pins.ad2.waveform(0, [0.5, 0.5], 1e-5, trigger=Trigger.PATTERNS)
    pins.ad2.patterns({1: Pattern.of([1], 2e-5)})
    pins.ad2.start_waveforms()
    look = Acquisition(100e6, 4000, span=5.0, trigger=Trigger.PATTERNS, start=-2e-6)
    w1, dio = pins.record(look, lambda: pins.ad2.run_patterns(2e-5))
    seen = Seen(look.times, np.array([w1 - 0.25 + 1.65, -dio]))
    apart = float(seen.edges(0)[0] - seen.edges(1)[0])
    pins.place.note(f"W1 starts {apart * 1e9:.0f} ns after the patterns")
    assert abs(apart) < 1e-7


@assumes(
    "patterns that wait for W1 (repeat trigger) run once, a set time after each of its starts",
    SDK,
    "guessed",
)
def test_each_start_of_w1_runs_the_patterns_once(pins: Discovery) -> None:
    pins.ad2.waveform(0, [0.5, 0.5], 1e-5)
    pins.ad2.patterns({1: Pattern.of([1], 5e-6)})
    pins.ad2.patterns_after(Trigger.W1, 4e-6, 5e-6)
    look = Acquisition(100e6, 4000, trigger=Trigger.W1, start=-2e-6)
    for _ in range(2):
        _, dio = pins.record(look, pins.ad2.start_waveforms)
        edges = Seen(look.times, np.array([-dio, -dio])).edges(0)
        pins.place.note(f"runs from {edges * 1e6} us after W1")
        assert edges == pytest.approx([4e-6, 9e-6], abs=1e-7)


# Serial words.

WORD = 0b1011_0010


def decoded(seen: Seen, clock: int = 0, data: int = 1) -> list[int]:
    """Return the levels of the data pin at the rising edges of the clock pin."""
    edges = seen.edges(clock)
    middle = seen.threshold
    return [
        int(np.interp(t, seen.times, seen.volts[data]) > middle)
        for k, t in enumerate(edges)
        if k % 2 == 0
    ]


def wanted_bits() -> list[int]:
    return [WORD >> k & 1 for k in range(7, -1, -1)]


@assumes(
    "the SPI engine in mode 0 sends the highest bit first, valid at rising SCK",
    f"{PYDWF}, orderSet and modeSet",
    "documented",
)
def test_the_spi_engine_sends_the_highest_bit_first(pins: Discovery) -> None:
    bus = SpiBus(clock=0, data=1, select=2, frequency=1e4)
    pins.ad2.spi(bus, [0], bits=8)
    look = Acquisition(rate=2e5, samples=8000, span=50.0, trigger=Trigger.PC)

    def begin() -> None:
        pins.device.triggerPC()
        pins.ad2.spi(bus, [WORD], bits=8)

    volts = pins.record(look, begin)
    assert decoded(Seen(look.times, -volts)) == wanted_bits()


@assumes("a pattern and a Pulse clock make the same word as the SPI engine", "our own", "guessed")
def test_patterns_make_the_same_word_as_the_spi_engine(pins: Discovery) -> None:
    period = 2e-6
    half = period / 2
    pins.ad2.patterns({0: Square(low=half, high=half), 1: Pattern.of(wanted_bits(), period)})
    assert decoded(pins.watch(8 * period)) == wanted_bits()


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
