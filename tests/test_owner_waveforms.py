"""What we assume of an AD2's generators and scope; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator

import numpy as np
import pytest
from pydwf import DwfAnalogInFilter

from crossbar.backend import Array
from instruments.analog_discovery import Acquisition, Trigger
from owner_bench import assumes, check_page, choose_places, say_what_is_not_tried
from owner_discovery import (
    CARRIER,
    LOOSE,
    MANUAL,
    PYDWF,
    SDK,
    TICK,
    Discovery,
    crossing,
    discovery,
    load_waveform,
    played,
    watch_w1,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose_places(metafunc, "alone", "loopback")


@pytest.fixture
def alone(request: pytest.FixtureRequest) -> Iterator[Discovery]:
    with discovery(request, "nothing") as opened:
        yield opened


@pytest.fixture
def loopback(request: pytest.FixtureRequest) -> Iterator[Discovery]:
    with discovery(request, "loopback") as opened:
        yield opened


# The generators.


@assumes("W1 and W2 give ±5 V and no more", MANUAL, "documented")
def test_the_generators_offer_5_volts(alone: Discovery) -> None:
    for channel in range(2):
        low, high = alone.device.analogOut.nodeAmplitudeInfo(channel, CARRIER)
        assert 5.0 <= high <= 5.5
        assert low <= 0.0


@assumes(
    "a custom waveform gives amplitude times sample plus offset, within 10 mV and 1 %",
    f"{SDK}; {MANUAL} for the errors",
    "remembered",
)
def test_w1_gives_amplitude_times_sample_plus_offset(loopback: Discovery) -> None:
    load_waveform(loopback, [1.0, -1.0, 0.5, 0.0], 1e-4, amplitude=0.5, offset=0.1)
    seen = played(loopback, watch_w1(1e6, 390))
    levels = [float(seen[k * 100 + 20 : k * 100 + 80].mean()) for k in range(4)]
    loopback.place.note(f"0.6, -0.4, 0.35, 0.1 V seen as {np.round(levels, 4).tolist()} V")
    assert levels == pytest.approx([0.6, -0.4, 0.35, 0.1], abs=LOOSE)


@assumes("a custom waveform holds each sample; it does not interpolate", SDK, "remembered")
def test_a_sample_is_held_until_the_next(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, -0.5, 0.5, -0.5], 1e-4)
    seen = played(loopback, watch_w1(1e6, 390))
    for k in range(4):
        inside = seen[k * 100 + 10 : k * 100 + 90]
        assert inside == pytest.approx(0.5 * (-1) ** k, abs=LOOSE)


@assumes(
    "a waveform of n samples at frequency 1/(n T) gives each a time of T",
    "memristor-discovery and others play waveforms so",
    "seen",
)
def test_a_sample_lasts_one_interval(loopback: Discovery) -> None:
    samples = [0.0] * 4096
    samples[10], samples[4085] = 0.5, 0.5
    load_waveform(loopback, samples, 1e-6)
    look = watch_w1(1e6, 8192, start=-1e-3)
    found = np.flatnonzero(played(loopback, look) > 0.25)
    assert look.times[found] == pytest.approx([10e-6, 4085e-6], abs=1.5e-6)


@assumes(
    "the output is at 0 V before and after a run (idle at the offset, which is 0)",
    f"{PYDWF}, DwfAnalogOutIdle",
    "documented",
)
def test_w1_is_at_0_volts_around_a_run(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, 0.5], 1e-4)
    seen = played(loopback, watch_w1(1e6, 600, start=-2e-4))
    assert seen[:190] == pytest.approx(0.0, abs=LOOSE)
    assert seen[210:390].mean() == pytest.approx(0.5, abs=LOOSE)
    assert seen[410:] == pytest.approx(0.0, abs=LOOSE)


@assumes(
    "the run ends after exactly the time that was set, 10 ns or so",
    f"{PYDWF}, runSet; how exactly: nobody",
    "guessed",
)
def test_a_run_ends_when_it_should(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, 0.5], 1e-5)
    look = watch_w1(100e6, 3000, start=-2e-6)
    seen = played(loopback, look)
    width = crossing(look.times[::-1], seen[::-1], 0.25) - crossing(look.times, seen, 0.25)
    loopback.place.note(f"20 us pulse: {width * 1e6:.3f} us")
    assert width == pytest.approx(20e-6, abs=3e-8)


@assumes(
    "a run of 0 s lasts until it is stopped",
    f"{PYDWF}, runSet",
    "documented",
)
def test_a_run_of_no_length_goes_on(loopback: Discovery) -> None:
    loopback.ad2.level(0, 0.5)
    loopback.timer.sleep(0.5)
    assert loopback.ad2.measure(0) == pytest.approx(0.5, abs=LOOSE)


@assumes("a generator that is stopped and disabled gives 0 V, the other goes on", SDK, "remembered")
def test_a_disabled_generator_gives_0_volts(loopback: Discovery) -> None:
    for channel in range(2):
        loopback.ad2.level(channel, 0.5)
    loopback.ad2.quiet(0)
    found = [loopback.ad2.measure(n) for n in range(2)]
    assert found == pytest.approx([0.0, 0.5], abs=LOOSE)


@assumes(
    "Configure(-1) starts both generators at once, less than a sample apart", SDK, "remembered"
)
def test_both_generators_start_together(loopback: Discovery) -> None:
    for channel in range(2):
        load_waveform(loopback, [0.5, 0.5], 1e-5, channel=channel)
    look = Acquisition(100e6, 1000, trigger=Trigger.W1, start=-2e-6)
    seen = loopback.record(look, lambda: loopback.device.analogOut.configure(-1, 1))
    skew = crossing(look.times, seen[1], 0.25) - crossing(look.times, seen[0], 0.25)
    loopback.place.note(f"W2 starts {skew * 1e9:.1f} ns after W1")
    assert abs(skew) < TICK


# The scope.


@assumes(
    "the record's time 0 is the start of W1, within 100 ns",
    f"{PYDWF}, DwfTriggerSource; how exactly: nobody",
    "guessed",
)
def test_w1_triggers_the_scope_at_its_start(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, 0.5], 1e-5)
    look = watch_w1(100e6, 1000, start=-2e-6)
    delay = crossing(look.times, played(loopback, look), 0.25)
    loopback.place.note(f"W1 is seen {delay * 1e9:.0f} ns after its trigger")
    assert abs(delay) < 1e-7


@assumes(
    "the trigger position counts from the trigger to the middle of a record",
    f"{PYDWF}, triggerPositionSet",
    "documented",
)
def test_the_trigger_position_is_the_middle_of_the_record(loopback: Discovery) -> None:
    load_waveform(loopback, [0.0, 0.5], 1e-4)
    for start in (-50e-6, 30e-6):
        look = watch_w1(1e6, 500, start)
        assert crossing(look.times, played(loopback, look), 0.25) == pytest.approx(1e-4, abs=2e-6)


@assumes(
    "there are two ranges, about 5 V and 50 V peak to peak, a little wider",
    f"{PYDWF}, channelRangeInfo; the values from memory",
    "remembered",
)
def test_the_scope_has_two_ranges(alone: Discovery) -> None:
    scope = alone.device.analogIn
    found = []
    for wanted in (1.0, 5.0, 50.0):
        scope.channelRangeSet(0, wanted)
        found.append(scope.channelRangeGet(0))
    alone.place.note(f"ranges for 1, 5 and 50 V: {found} V")
    assert found[0] == found[1]
    assert 5.0 <= found[1] <= 6.25
    assert 50.0 <= found[2] <= 62.5


@assumes(
    "an offset of 0 V is taken as it is",
    SDK,
    "remembered",
)
def test_the_scope_takes_an_offset_of_0_volts(alone: Discovery) -> None:
    alone.device.analogIn.channelOffsetSet(0, 0.0)
    assert alone.device.analogIn.channelOffsetGet(0) == pytest.approx(0.0, abs=1e-6)


@assumes(
    "a rate of 100 MHz over a whole number is taken exactly",
    SDK,
    "remembered",
)
def test_the_scope_takes_whole_divisions_of_its_rate(alone: Discovery) -> None:
    scope = alone.device.analogIn
    for divisor in (1, 2, 3, 7, 100, 12345):
        scope.frequencySet(100e6 / divisor)
        assert scope.frequencyGet() == pytest.approx(100e6 / divisor, rel=1e-9)


def still(opened: Discovery, rate: float, kind: DwfAnalogInFilter, span: float = 5.0) -> Array:
    """Return 4000 samples of each input while the generators are off, V."""
    look = Acquisition(rate, 4000, span=span)
    opened.ad2.scope(look)
    for channel in range(2):
        opened.device.analogIn.channelFilterSet(channel, kind)
    opened.ad2.arm()
    return opened.ad2.record(look.duration)


@assumes("samples have 14 bits: steps of 0.3 mV at 5 V", MANUAL, "documented")
def test_the_scope_has_14_bits(loopback: Discovery) -> None:
    assert loopback.device.analogIn.bitsInfo() == 14
    seen = still(loopback, 100e6, DwfAnalogInFilter.Decimate)[0]
    step = float(np.diff(np.unique(np.round(seen, 7))).min())
    loopback.place.note(f"step {step * 1e3:.4f} mV")
    assert 0.9 * 5.0 / 2**14 < step < 1.3 * 5.0 / 2**14


@assumes("noise of a sample at 100 MS/s and 5 V is about 1 mV rms", "nobody", "guessed")
def test_noise_is_about_1_millivolt(loopback: Discovery) -> None:
    noise = still(loopback, 100e6, DwfAnalogInFilter.Decimate).std(axis=1)
    loopback.place.note(f"noise {np.round(noise * 1e3, 3).tolist()} mV rms")
    assert np.all((noise > 1e-4) & (noise < 3e-3))


@assumes(
    "with nothing driven an input reads 0 V within 10 mV",
    MANUAL,
    "remembered",
)
def test_the_scope_reads_0_volts_of_nothing(loopback: Discovery) -> None:
    offset = still(loopback, 1e6, DwfAnalogInFilter.Average).mean(axis=1)
    loopback.place.note(f"offsets {np.round(offset * 1e3, 2).tolist()} mV")
    assert offset == pytest.approx(0.0, abs=LOOSE)


@assumes(
    "the filter Average averages all samples of an interval, so noise falls",
    f"{PYDWF}, DwfAnalogInFilter",
    "documented",
)
def test_the_filter_average_lowers_noise(loopback: Discovery) -> None:
    single = still(loopback, 1e6, DwfAnalogInFilter.Decimate).std(axis=1)
    mean = still(loopback, 1e6, DwfAnalogInFilter.Average).std(axis=1)
    loopback.place.note(f"1 MS/s: {single * 1e3} mV decimated, {mean * 1e3} mV averaged")
    assert np.all(mean < single / 2)


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
