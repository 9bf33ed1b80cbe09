"""What we assume of an LTC2668; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator

import numpy as np
import pytest

from crossbar.backend import Array, Indices
from instruments.analog_discovery import Acquisition, Idle, Pattern, SpiBus, Square, Trigger
from instruments.ltc2668 import BITS, MIDDLE, SPAN_CODES, Command, codes, word
from owner_bench import LARGEST, assumes, check_page, choose_places, say_what_is_not_tried
from owner_discovery import Discovery, discovery
from sim_backend.virtual.ltc2668 import DacSpread, Ltc2668, Pins
from sim_backend.virtual.signals import Stimulus
from sim_backend.virtual.world import Loopback

DATASHEET = "LTC2668 datasheet"
LINDUINO = "Linear Technology's Linduino, LTC2668.h"
SELECT, CLOCK, DATA, LOAD = 8, 9, 10, 12  # DIO, as in the wiring `parallel`
BUS = SpiBus(clock=CLOCK, data=DATA, select=SELECT)
SPAN = 5.0  # V
LOOSE = 0.03  # V: the converter's errors are far below, the scope's are 10 mV and 0.5 %
OTHER = 5  # an output that only the monitor pin shows
PERIOD = 1e-7  # s, of SCK


class Settling:
    """A voltage that approaches each of its levels exponentially.

    Parameters
    ----------
    times, levels
        When each level becomes the aim, s, and what it is, V.
    constant
        Of time, s.
    before
        Voltage at the first time, V.
    """

    def __init__(self, times: Array, levels: Array, constant: float, before: float) -> None:
        self._times, self._levels, self._constant = times, levels, constant
        self._starts = np.empty(len(times))
        for k in range(len(times)):
            self._starts[k] = before
            if k + 1 < len(times):
                before = float(self._within(np.array([k]), times[k + 1 : k + 2])[0])

    def at(self, times: Array) -> Array:
        """Return the voltage at each time, V."""
        return self._within(np.searchsorted(self._times, times, side="right") - 1, times)

    def _within(self, step: Indices, times: Array) -> Array:
        step = np.maximum(step, 0)
        left = np.exp(-(times - self._times[step]) / self._constant)
        level = self._levels[step]
        volts: Array = level + (self._starts[step] - level) * left
        return volts


class Converter(Loopback):
    """An LTC2668 on DIO 8, 9, 10 and 12; output 0 on scope 1, the monitor pin on scope 2."""

    def __init__(self) -> None:
        pins = Pins(SELECT, CLOCK, DATA, LOAD)
        self._dac = Ltc2668(pins, DacSpread(), np.random.default_rng(0))
        self._constant = DacSpread().time_constant
        self._last: tuple[Settling, Settling] | None = None

    def respond(self, stimulus: Stimulus) -> tuple[Settling, Settling]:
        """Let the converter hear its pins; return what the scope sees."""
        times, outputs, shown = self._dac.play(stimulus.pins)
        rows = zip(shown, outputs, strict=True)
        monitor = np.array([0.0 if n is None else row[n] for n, row in rows])
        assert np.abs(outputs).max() <= LARGEST * 1.01
        first, second = outputs[:, 0], monitor
        before = float(first[0]), float(second[0])
        if self._last is not None:
            one, two = (signal.at(times[:1]) for signal in self._last)
            before = float(one[0]), float(two[0])
        self._last = (
            Settling(times, first, self._constant, before[0]),
            Settling(times, second, self._constant, before[1]),
        )
        return self._last


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose_places(metafunc, "fresh")


@pytest.fixture
def fresh(request: pytest.FixtureRequest) -> Iterator[Discovery]:
    """A converter as it is after its supply was switched on."""
    with discovery(request, "dac", Converter) as opened:
        opened.ad2.pins(1 << LOAD | 1 << SELECT, 1 << LOAD | 1 << SELECT)
        yield opened


@pytest.fixture
def dac(fresh: Discovery) -> Iterator[Discovery]:
    """A converter in its ±5 V span with all outputs at 0 V."""
    reset = [word(Command.SPAN_TO_ALL, 0, SPAN_CODES[SPAN]), zero(), word(Command.MONITOR, 0, 0)]
    fresh.ad2.spi(BUS, reset)
    try:
        yield fresh
    finally:
        fresh.ad2.spi(BUS, reset)


def zero() -> int:
    return word(Command.WRITE_TO_ALL_UPDATE_ALL, 0, MIDDLE)


def code(voltage: float) -> int:
    return int(codes(np.array([voltage]), SPAN)[0])


def send(opened: Discovery, *words: int) -> None:
    opened.ad2.spi(BUS, words)


def output(opened: Discovery) -> float:
    """Return output 0, V."""
    opened.timer.sleep(1e-4)
    return opened.ad2.measure(0)


def shown(opened: Discovery, channel: int) -> float:
    """Return another output, which the monitor pin shows, V."""
    send(opened, word(Command.MONITOR, 0, 0x10 | channel))
    opened.timer.sleep(1e-4)
    return opened.ad2.measure(1)


@assumes(
    "after power-up every output is at 0 V (zero or mid-scale, by the MSPAN pins); switch its "
    "supply off and on before this test",
    DATASHEET,
    "remembered",
)
def test_outputs_are_at_0_volts_after_power_up(fresh: Discovery) -> None:
    assert fresh.ad2.measure(0) == pytest.approx(0.0, abs=LOOSE)
    assert shown(fresh, OTHER) == pytest.approx(0.0, abs=LOOSE)


@assumes(
    "span codes: 2 is ±5 V, 3 is ±10 V, 4 is ±2.5 V; 0x8000 is 0 V",
    LINDUINO,
    "seen",
)
@pytest.mark.parametrize("span", sorted(SPAN_CODES))
def test_a_span_code_scales_the_outputs(dac: Discovery, span: float) -> None:
    send(dac, word(Command.SPAN_TO_ALL, 0, SPAN_CODES[span]))
    send(dac, word(Command.WRITE_UPDATE, 0, MIDDLE + 0x8000 // 20))
    assert output(dac) == pytest.approx(span / 20, abs=LOOSE)
    send(dac, word(Command.WRITE_UPDATE, 0, MIDDLE))
    assert output(dac) == pytest.approx(0.0, abs=LOOSE)


@assumes(
    "command 0110 sets the span of one output",
    LINDUINO,
    "seen",
)
def test_span_sets_one_output(dac: Discovery) -> None:
    send(dac, word(Command.SPAN, 0, SPAN_CODES[2.5]))
    send(dac, word(Command.WRITE_TO_ALL_UPDATE_ALL, 0, code(0.8)))
    assert output(dac) == pytest.approx(0.4, abs=LOOSE)
    assert shown(dac, OTHER) == pytest.approx(0.8, abs=LOOSE)


@assumes(
    "0000 writes a code that 0001 brings to that output later",
    LINDUINO,
    "seen",
)
def test_write_waits_for_update(dac: Discovery) -> None:
    send(dac, word(Command.WRITE, 0, code(0.5)), word(Command.WRITE, OTHER, code(0.7)))
    assert output(dac) == pytest.approx(0.0, abs=LOOSE)
    send(dac, word(Command.UPDATE, 0))
    assert output(dac) == pytest.approx(0.5, abs=LOOSE)
    assert shown(dac, OTHER) == pytest.approx(0.0, abs=LOOSE)


@assumes(
    "0011 writes and updates one output",
    LINDUINO,
    "seen",
)
def test_write_update_acts_on_one_output(dac: Discovery) -> None:
    send(dac, word(Command.WRITE, OTHER, code(0.7)), word(Command.WRITE_UPDATE, 0, code(-0.5)))
    assert output(dac) == pytest.approx(-0.5, abs=LOOSE)
    assert shown(dac, OTHER) == pytest.approx(0.0, abs=LOOSE)


@assumes(
    "1000 writes all, and 1001 updates all at once",
    LINDUINO,
    "seen",
)
def test_write_to_all_waits_for_update_all(dac: Discovery) -> None:
    send(dac, word(Command.WRITE_TO_ALL, 0, code(0.5)))
    assert output(dac) == pytest.approx(0.0, abs=LOOSE)
    send(dac, word(Command.UPDATE_ALL))
    assert output(dac) == pytest.approx(0.5, abs=LOOSE)
    assert shown(dac, OTHER) == pytest.approx(0.5, abs=LOOSE)


@assumes(
    "0010 writes one output and updates all",
    LINDUINO,
    "seen",
)
def test_write_update_all_writes_one(dac: Discovery) -> None:
    send(dac, word(Command.WRITE, 0, code(0.3)), word(Command.WRITE_UPDATE_ALL, OTHER, code(0.6)))
    assert output(dac) == pytest.approx(0.3, abs=LOOSE)
    assert shown(dac, OTHER) == pytest.approx(0.6, abs=LOOSE)


@assumes(
    "1010 writes and updates all",
    LINDUINO,
    "seen",
)
def test_write_to_all_update_all_acts_on_every_output(dac: Discovery) -> None:
    send(dac, word(Command.WRITE_TO_ALL_UPDATE_ALL, 0, code(0.4)))
    assert output(dac) == pytest.approx(0.4, abs=LOOSE)
    assert shown(dac, OTHER) == pytest.approx(0.4, abs=LOOSE)


@assumes(
    "1111 does nothing, whatever its channel and data",
    LINDUINO,
    "seen",
)
def test_a_word_of_nothing_changes_nothing(dac: Discovery) -> None:
    send(dac, word(Command.WRITE_UPDATE, 0, code(0.5)))
    send(dac, word(Command.NOTHING), word(Command.NOTHING, 0, 0xFFFF), word(Command.NOTHING, 15, 1))
    assert output(dac) == pytest.approx(0.5, abs=LOOSE)


@assumes(
    "1011 with data 0x10 + n leads output n to the monitor pin",
    LINDUINO,
    "seen",
)
def test_the_monitor_pin_shows_the_output_that_is_asked_for(dac: Discovery) -> None:
    levels = {n: 0.05 * n for n in range(16)}
    send(dac, *(word(Command.WRITE_UPDATE, n, code(v)) for n, v in levels.items()))
    found = {n: shown(dac, n) for n in levels}
    assert found == pytest.approx(levels, abs=0.02)


@assumes(
    "bipolar codes are 0x8000 + voltage / span x 0x8000",
    LINDUINO,
    "seen",
)
def test_codes_are_offset_binary(dac: Discovery) -> None:
    for voltage in (-1.0, -0.3, 0.1, 1.0):
        send(dac, word(Command.WRITE_UPDATE, 0, code(voltage)))
        found = output(dac)
        dac.place.note(f"{voltage} V reads {found:.4f} V")
        assert found == pytest.approx(voltage, abs=LOOSE)


# Words that patterns make, with a clock that runs on.


LEAD = 6  # bit times before the word


def play(opened: Discovery, sent: int, bits: int = BITS) -> Array:
    """Make one word by patterns; return output 0 from the start of the run, 10 ns a sample.

    SCK and data run on before and after the word, while CS is high.
    """
    serial = [sent >> k & 1 for k in range(BITS - 1, -1, -1)][:bits]
    data = [1, 0] * (LEAD // 2) + serial + [1, 0] * 4
    select = [1] * LEAD + [0] * bits + [1] * 8
    opened.ad2.patterns(
        {
            CLOCK: Square(low=PERIOD / 2, high=PERIOD / 2),
            DATA: Pattern.of(data, PERIOD),
            SELECT: Pattern.of(select, PERIOD, idle=Idle.HIGH),
        }
    )
    look = Acquisition(100e6, 4000, trigger=Trigger.PATTERNS, channels=(0,))
    seen: Array = opened.record(look, lambda: opened.ad2.run_patterns(len(data) * PERIOD))[0]
    return seen


def rise(seen: Array, level: float) -> float:
    """Return when a record first rises through a level, s."""
    return float(np.argmax(seen > level)) * 1e-8


@assumes("clocks while CS is high are ignored: SCK may run on, at 10 MHz", DATASHEET, "remembered")
def test_a_word_within_a_running_clock_is_taken(dac: Discovery) -> None:
    play(dac, word(Command.WRITE_UPDATE, 0, code(0.5)))
    assert output(dac) == pytest.approx(0.5, abs=LOOSE)


@assumes("a word is carried out when CS rises, at once", DATASHEET, "remembered")
def test_a_word_is_carried_out_when_select_rises(dac: Discovery) -> None:
    seen = play(dac, word(Command.WRITE_UPDATE, 0, code(0.5)))
    wanted = (LEAD + BITS) * PERIOD
    found = rise(seen, 0.05)
    dac.place.note(f"CS rises at {wanted * 1e6:.2f} us, the output at {found * 1e6:.2f} us")
    assert wanted - 5e-8 < found < wanted + 5e-6


@assumes("a word cut off after 12 bits does nothing", DATASHEET, "remembered")
def test_half_a_word_is_ignored(dac: Discovery) -> None:
    play(dac, word(Command.WRITE_UPDATE, 0, code(0.5)), bits=12)
    assert output(dac) == pytest.approx(0.0, abs=LOOSE)


@assumes("an output settles to 1 % of a step of 1 V within 10 us", DATASHEET, "guessed")
def test_an_output_settles_within_10_microseconds(dac: Discovery) -> None:
    seen = play(dac, word(Command.WRITE_UPDATE, 0, code(1.0)))
    final = float(seen[-1000:].mean())
    smooth = np.convolve(seen, np.ones(20) / 20, mode="same")[20:-20]
    outside = np.flatnonzero(np.abs(smooth - final) > 0.01)
    took = (float(outside[-1]) + 20) * 1e-8 - (LEAD + BITS) * PERIOD
    dac.place.note(f"settled {took * 1e6:.1f} us after CS rose")
    assert took < 1e-5


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
