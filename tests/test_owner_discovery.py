"""What we assume of an Analog Discovery 2 and of libdwf; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator

import numpy as np
import pytest
from pydwf import (
    DwfAnalogInFilter,
    DwfAnalogOutFunction,
    DwfAnalogOutIdle,
    DwfAnalogOutNode,
    DwfDeviceParameter,
    DwfEnumConfigInfo,
    DwfErrorCode,
    DwfLibraryError,
    DwfState,
    DwfTriggerSource,
)

from crossbar.backend import Array
from instruments.analog_discovery import Acquisition, Trigger
from instruments.discovery_devices import open_device
from owner_bench import (
    Discovery,
    assumes,
    check_page,
    choose_places,
    discovery,
    say_what_is_not_tried,
)

CARRIER = DwfAnalogOutNode.Carrier
SDK = "WaveForms SDK manual"
PYDWF = "pydwf 1.1.19"
MANUAL = "AD2 reference manual"

BIT = 5e-7  # s; long against the 30 ns edges of a pin, short against the scope's 81 us
TICK = 1e-8  # s; 100 MHz
SLOW = Acquisition(rate=1e6, samples=1000)
LOOSE = 0.03  # V; AD2 reference manual: 10 mV of offset and 0.5 % at either end


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


def load_waveform(
    opened: Discovery,
    samples: list[float],
    interval: float,
    amplitude: float = 1.0,
    offset: float = 0.0,
    channel: int = 0,
) -> None:
    """Set a waveform up below the driver; it runs once when it is started."""
    out = opened.device.analogOut
    out.nodeEnableSet(channel, CARRIER, 1)
    out.nodeFunctionSet(channel, CARRIER, DwfAnalogOutFunction.Custom)
    out.nodeDataSet(channel, CARRIER, np.array(samples))
    out.nodeFrequencySet(channel, CARRIER, 1 / (len(samples) * interval))
    out.nodeAmplitudeSet(channel, CARRIER, amplitude)
    out.nodeOffsetSet(channel, CARRIER, offset)
    out.triggerSourceSet(channel, DwfTriggerSource.None_)
    out.runSet(channel, len(samples) * interval)
    out.repeatSet(channel, 1)
    out.idleSet(channel, DwfAnalogOutIdle.Offset)


def played(opened: Discovery, acquisition: Acquisition) -> Array:
    """Start the generators and return what scope 1 sees, V; the record is triggered by W1."""
    out = opened.device.analogOut
    seen: Array = opened.record(acquisition, lambda: out.configure(-1, 1))[0]
    return seen


def watch_w1(rate: float, samples: int, start: float = 0.0) -> Acquisition:
    return Acquisition(rate, samples, trigger=Trigger.W1, start=start, channels=(0,))


def crossing(times: Array, volts: Array, level: float) -> float:
    """Return when a record first rises through a level, s."""
    k = int(np.argmax(volts > level))
    part = (level - volts[k - 1]) / (volts[k] - volts[k - 1])
    return float(times[k - 1] + part * (times[k] - times[k - 1]))


def other_index(opened: Discovery) -> int:
    """Return the number of the open device in libdwf's list."""
    catalogue = opened.device.dwf.deviceEnum
    numbers = range(catalogue.enumerateDevices())
    return next(n for n in numbers if catalogue.serialNumber(n) == opened.ad2.identity.serial)


# Finding, opening and closing.


@assumes("libdwf is version 3, the one whose functions pydwf knows", PYDWF, "documented")
def test_the_library_is_version_3(alone: Discovery) -> None:
    identity = alone.ad2.identity
    alone.place.note(f"{identity}")
    assert identity.version.startswith("3.")


@assumes(
    "buffers of scope, generators and patterns in configurations 0 to 7",
    "pydwf documentation, `pydwf list -c` on an AD2",
    "documented",
)
def test_each_configuration_has_its_buffer_sizes(alone: Discovery) -> None:
    catalogue = alone.device.dwf.deviceEnum
    count = catalogue.enumerateConfigurations(other_index(alone))
    wanted = {
        DwfEnumConfigInfo.AnalogInBufferSize: [8192, 16384, 2048, 512, 8192, 8192, 512, 8192],
        DwfEnumConfigInfo.AnalogOutBufferSize: [4096, 1024, 16384, 256, 4096, 4096, 256, 1024],
        DwfEnumConfigInfo.DigitalOutBufferSize: [1024, 0, 0, 16384, 1024, 256, 16384, 256],
    }
    found = {what: [catalogue.configInfo(k, what) for k in range(count)] for what in wanted}
    assert found == wanted


@assumes(
    "configuration 0, once open, holds 8192 samples of scope, 4096 of waveform, 1024 pattern bits",
    "pydwf documentation",
    "documented",
)
def test_the_open_device_has_the_buffers_of_configuration_0(alone: Discovery) -> None:
    capacity = alone.ad2.capacity
    sizes = capacity.scope_samples, capacity.waveform_samples, capacity.pattern_bits
    assert sizes == (8192, 4096, 1024)
    assert capacity.scope_rate == capacity.pattern_clock == 100e6


@assumes("a second open fails with AlreadyOpened (3)", f"{PYDWF}, DwfErrorCode", "remembered")
def test_a_second_open_says_already_opened(alone: Discovery) -> None:
    with pytest.raises(DwfLibraryError) as caught:
        alone.device.dwf.deviceControl.open(other_index(alone), 0)
    code = caught.value.code
    assert code is DwfErrorCode.AlreadyOpened


@assumes("deviceIsOpened sees that a device is open", PYDWF, "documented")
def test_an_open_device_is_listed_as_opened(alone: Discovery) -> None:
    assert alone.device.dwf.deviceEnum.deviceIsOpened(other_index(alone))


@assumes("the parameter OnClose takes 2, shut down", f"{PYDWF}, DwfDeviceParameter", "documented")
def test_on_close_is_set_to_shut_down(alone: Discovery) -> None:
    assert alone.device.paramGet(DwfDeviceParameter.OnClose) == 2


@assumes(
    "with OnClose = 2, closing while W1 plays and pins and supplies are on leaves all of it off "
    "(watch W1 with a multimeter between close and open: opening may switch things off too)",
    f"{PYDWF}, DwfDeviceParameter.OnClose",
    "remembered",
)
def test_closing_shuts_all_outputs_down(loopback: Discovery) -> None:
    ad2 = loopback.ad2
    ad2.level(0, 0.5)
    ad2.supplies(1.0, -1.0)
    assert ad2.measure(0) == pytest.approx(0.5, abs=LOOSE)
    ad2.pins(0b100, 0b100)
    device = ad2._session.device
    ad2._opened = None
    device.close()  # as when a program ends without our driver's leave
    device, _ = open_device(ad2._serial, 0)
    try:
        assert device.analogOut.status(0) is not DwfState.Running
        assert not device.digitalIO.outputEnableGet()
        assert not device.analogIO.enableGet()
    finally:
        device.close()
    ad2.open()
    assert ad2.measure(0) == pytest.approx(0.0, abs=LOOSE)


# What takes effect when.


@assumes(
    "with AutoConfigure off a new voltage waits for Configure, which applies it without new data",
    SDK,
    "documented",
)
def test_a_new_amplitude_waits_for_configure(loopback: Discovery) -> None:
    loopback.ad2.level(0, 0.3)
    out = loopback.device.analogOut
    out.nodeAmplitudeSet(0, CARRIER, 2.5)  # of 5 V: half of 0.3 V
    before = loopback.ad2.measure(0)
    out.configure(0, 1)
    after = loopback.ad2.measure(0)
    assert [before, after] == pytest.approx([0.3, 0.15], abs=LOOSE)


def pin_levels(opened: Discovery) -> int:
    opened.device.digitalIO.status()
    return int(opened.device.digitalIO.inputStatus())


@assumes("with AutoConfigure off a static pin waits for Configure", SDK, "documented")
def test_a_new_pin_level_waits_for_configure(alone: Discovery) -> None:
    alone.ad2.pins(0b11, 0)
    io = alone.device.digitalIO
    io.outputSet(0b01)
    before = pin_levels(alone) & 0b11
    io.configure()
    assert (before, pin_levels(alone) & 0b11) == (0b00, 0b01)


@assumes("new samples play at the next start, without any other call", SDK, "remembered")
def test_new_samples_play_at_the_next_start(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, 0.5], 1e-4)
    look = watch_w1(1e6, 190)
    first = played(loopback, look)
    loopback.device.analogOut.nodeDataSet(0, CARRIER, np.array([-0.5, -0.5]))
    second = played(loopback, look)
    assert first[20:].mean() == pytest.approx(0.5, abs=LOOSE)
    assert second[20:].mean() == pytest.approx(-0.5, abs=LOOSE)


@assumes("starting again plays the waveform again from its first sample", SDK, "remembered")
def test_the_same_waveform_plays_again(loopback: Discovery) -> None:
    load_waveform(loopback, [0.2, 0.5, -0.5], 1e-4)
    look = watch_w1(1e6, 290)
    assert played(loopback, look) == pytest.approx(played(loopback, look), abs=LOOSE)


@assumes(
    "a record goes through Armed, stays there until its trigger, and only then gets Done",
    f"{SDK}; memristor-discovery waits for Armed",
    "seen",
)
def test_armed_comes_before_done(alone: Discovery) -> None:
    scope = alone.device.analogIn
    scope.frequencySet(1e6)
    scope.bufferSizeSet(1000)
    scope.triggerSourceSet(DwfTriggerSource.PC)
    scope.configure(True, True)
    before = await_state(alone, DwfState.Armed)
    alone.timer.sleep(0.02)
    assert scope.status(False) is DwfState.Armed
    alone.device.triggerPC()
    alone.timer.sleep(0.002)
    after = await_state(alone, DwfState.Done)
    alone.place.note(f"states {[s.name for s in (*before, *after)]}")
    assert DwfState.Done not in before


def await_state(opened: Discovery, wanted: DwfState) -> list[DwfState]:
    """Return the states that were seen until this one."""
    seen = [opened.device.analogIn.status(False)]
    while seen[-1] is not wanted:
        assert len(seen) < 1000, f"never {wanted.name}: {set(seen)}"
        seen.append(opened.device.analogIn.status(False))
    return list(dict.fromkeys(seen))


@assumes("an automatic timeout of 0 s is none: the scope waits for its trigger", SDK, "documented")
def test_without_a_timeout_the_scope_waits_for_its_trigger(alone: Discovery) -> None:
    alone.ad2.scope(Acquisition(rate=1e6, samples=1000, trigger=Trigger.PC))
    alone.ad2.arm()
    alone.timer.sleep(1.0)
    assert alone.device.analogIn.status(False) is DwfState.Armed


@assumes("too long a waveform is refused; the driver never sends one", "nobody", "guessed")
def test_a_waveform_longer_than_the_buffer_is_refused(alone: Discovery) -> None:
    out = alone.device.analogOut
    with pytest.raises(DwfLibraryError):
        out.nodeDataSet(0, CARRIER, np.zeros(alone.ad2.capacity.waveform_samples + 1))


@assumes("too long a pattern is refused; the driver never sends one", "nobody", "guessed")
def test_a_pattern_longer_than_the_buffer_is_refused(alone: Discovery) -> None:
    with pytest.raises(DwfLibraryError):
        alone.device.digitalOut.dataSet(0, "0" * (alone.ad2.capacity.pattern_bits + 1))


# The generators.


@assumes("W1 and W2 give ±5 V and no more", MANUAL, "documented")
def test_the_generators_offer_5_volts(alone: Discovery) -> None:
    for channel in range(2):
        low, high = alone.device.analogOut.nodeAmplitudeInfo(channel, CARRIER)
        assert 5.0 <= high <= 5.5
        assert low <= 0.0


@assumes(
    "a custom waveform gives amplitude times sample plus offset, within 10 mV and 1 %",
    f"{SDK}; {MANUAL}",
    "documented",
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


@assumes("a waveform of n samples at frequency 1/(n T) gives each a time of T", SDK, "documented")
def test_a_sample_lasts_one_interval(loopback: Discovery) -> None:
    samples = [0.0] * 4096
    samples[10], samples[4085] = 0.5, 0.5
    load_waveform(loopback, samples, 1e-6)
    look = watch_w1(1e6, 8192, start=-1e-3)
    found = np.flatnonzero(played(loopback, look) > 0.25)
    assert look.times[found] == pytest.approx([10e-6, 4085e-6], abs=1.5e-6)


@assumes(
    "the output is at 0 V before and after a run (idle at the offset, which is 0)", SDK, "seen"
)
def test_w1_is_at_0_volts_around_a_run(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, 0.5], 1e-4)
    seen = played(loopback, watch_w1(1e6, 600, start=-2e-4))
    assert seen[:190] == pytest.approx(0.0, abs=LOOSE)
    assert seen[210:390].mean() == pytest.approx(0.5, abs=LOOSE)
    assert seen[410:] == pytest.approx(0.0, abs=LOOSE)


@assumes("the run ends after exactly the time that was set, 10 ns or so", SDK, "documented")
def test_a_run_ends_when_it_should(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, 0.5], 1e-5)
    look = watch_w1(100e6, 3000, start=-2e-6)
    seen = played(loopback, look)
    width = crossing(look.times[::-1], seen[::-1], 0.25) - crossing(look.times, seen, 0.25)
    loopback.place.note(f"20 us pulse: {width * 1e6:.3f} us")
    assert width == pytest.approx(20e-6, abs=3e-8)


@assumes("a run of 0 s lasts until it is stopped", SDK, "documented")
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


@assumes("the record's time 0 is the start of W1, within 100 ns", SDK, "remembered")
def test_w1_triggers_the_scope_at_its_start(loopback: Discovery) -> None:
    load_waveform(loopback, [0.5, 0.5], 1e-5)
    look = watch_w1(100e6, 1000, start=-2e-6)
    delay = crossing(look.times, played(loopback, look), 0.25)
    loopback.place.note(f"W1 is seen {delay * 1e9:.0f} ns after its trigger")
    assert abs(delay) < 1e-7


@assumes(
    "the trigger position counts from the trigger to the middle of a record", PYDWF, "documented"
)
def test_the_trigger_position_is_the_middle_of_the_record(loopback: Discovery) -> None:
    load_waveform(loopback, [0.0, 0.5], 1e-4)
    for start in (-50e-6, 30e-6):
        look = watch_w1(1e6, 500, start)
        assert crossing(look.times, played(loopback, look), 0.25) == pytest.approx(1e-4, abs=2e-6)


@assumes("there are two ranges, about 5 V and 50 V peak to peak, a little wider", MANUAL, "seen")
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


@assumes("an offset of 0 V is taken as it is", SDK, "documented")
def test_the_scope_takes_an_offset_of_0_volts(alone: Discovery) -> None:
    alone.device.analogIn.channelOffsetSet(0, 0.0)
    assert alone.device.analogIn.channelOffsetGet(0) == pytest.approx(0.0, abs=1e-6)


@assumes("a rate of 100 MHz over a whole number is taken exactly", SDK, "documented")
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


@assumes("with nothing driven an input reads 0 V within 10 mV", MANUAL, "documented")
def test_the_scope_reads_0_volts_of_nothing(loopback: Discovery) -> None:
    offset = still(loopback, 1e6, DwfAnalogInFilter.Average).mean(axis=1)
    loopback.place.note(f"offsets {np.round(offset * 1e3, 2).tolist()} mV")
    assert offset == pytest.approx(0.0, abs=LOOSE)


@assumes(
    "the filter Average averages all samples of an interval, so noise falls", SDK, "remembered"
)
def test_the_filter_average_lowers_noise(loopback: Discovery) -> None:
    single = still(loopback, 1e6, DwfAnalogInFilter.Decimate).std(axis=1)
    mean = still(loopback, 1e6, DwfAnalogInFilter.Average).std(axis=1)
    loopback.place.note(f"1 MS/s: {single * 1e3} mV decimated, {mean * 1e3} mV averaged")
    assert np.all(mean < single / 2)


# Supplies, and what a call costs.


@assumes("V+ and V- come up within 0.1 s and their read-back is true to 0.1 V", MANUAL, "guessed")
def test_supplies_come_up_and_read_back(alone: Discovery) -> None:
    began = alone.timer.now
    alone.ad2.supplies(1.0, -1.0)
    found = (0.0, 0.0)
    while abs(found[0] - 1.0) > 0.1 or abs(found[1] + 1.0) > 0.1:
        assert alone.timer.now - began < 1.0, f"V+ and V- read {found}"
        alone.device.analogIO.status()
        found = tuple(alone.device.analogIO.channelNodeStatus(n, 1) for n in range(2))
    took = alone.timer.now - began
    alone.place.note(f"{found} V after {took * 1e3:.1f} ms")
    assert took < 0.1


@assumes(
    "a call takes about a millisecond: the median is below 3 ms", "comparable boards", "guessed"
)
def test_a_call_takes_about_a_millisecond(alone: Discovery) -> None:
    load_waveform(alone, [0.0] * 4096, 1e-6)
    alone.record(SLOW)
    device = alone.device
    calls = {
        "DigitalIOConfigure": device.digitalIO.configure,
        "AnalogInStatus": lambda: device.analogIn.status(False),
        "AnalogInStatusData of 1000": lambda: device.analogIn.statusData(0, 1000),
        "AnalogOutNodeDataSet of 4096": lambda: device.analogOut.nodeDataSet(
            0, CARRIER, np.zeros(4096)
        ),
    }
    for name, call in calls.items():
        took = []
        for _ in range(100):
            began = alone.timer.now
            call()
            took.append(alone.timer.now - began)
        median, worst = np.median(took), np.quantile(took, 0.99)
        alone.place.note(f"{name}: median {median * 1e3:.3f} ms, p99 {worst * 1e3:.3f} ms")
        assert median < 3e-3


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
