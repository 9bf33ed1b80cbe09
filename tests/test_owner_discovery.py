"""What we assume of an Analog Discovery 2 and of libdwf; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator

import numpy as np
import pytest
from pydwf import (
    DwfDeviceParameter,
    DwfEnumConfigInfo,
    DwfErrorCode,
    DwfLibraryError,
    DwfState,
    DwfTriggerSource,
)

from instruments.analog_discovery import Acquisition, Trigger
from instruments.discovery_credible import TURNS, turns
from instruments.discovery_devices import is_marked, open_device
from owner_bench import assumes, check_page, choose_places, say_what_is_not_tried
from owner_discovery import (
    CARRIER,
    LOOSE,
    PYDWF,
    SDK,
    Discovery,
    discovery,
    load_waveform,
    played,
    watch_w1,
)

SLOW = Acquisition(rate=1e6, samples=1000)


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


def other_index(opened: Discovery) -> int:
    """Return the number of the open device in libdwf's list."""
    catalogue = opened.device.dwf.deviceEnum
    numbers = range(catalogue.enumerateDevices())
    return next(n for n in numbers if catalogue.serialNumber(n) == opened.ad2.identity.serial)


# Finding, opening and closing.


@assumes(
    "libdwf is version 3, the one whose functions pydwf knows",
    PYDWF,
    "documented",
)
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


@assumes(
    "deviceIsOpened sees that a device is open",
    f"{PYDWF}, deviceIsOpened",
    "documented",
)
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
    f"{PYDWF}, autoConfigureSet",
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


@assumes(
    "with AutoConfigure off a static pin waits for Configure",
    f"{PYDWF}, autoConfigureSet",
    "documented",
)
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
    f"{PYDWF}, DwfState; memristor-discovery waits for Armed",
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


@assumes(
    "an automatic timeout of 0 s is none: the scope waits for its trigger",
    f"{PYDWF}, triggerAutoTimeoutSet",
    "documented",
)
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


# Supplies, and what a call costs.


@assumes(
    "V+ and V- come up within 0.1 s and their read-back is true to 0.1 V",
    "nobody",
    "guessed",
)
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
    "while the supplies are on the master enable reads so, and after a reset it does not",
    f"{SDK}, FDwfAnalogIOEnableStatus; that an overcurrent opens it too is not tried",
    "remembered",
)
def test_the_master_enable_tells_whether_supplies_are_on(alone: Discovery) -> None:
    alone.ad2.supplies(1.0, -1.0)
    alone.ad2.confirm()
    alone.device.reset()
    alone.device.analogIO.status()
    assert not alone.device.analogIO.enableStatus()


@assumes(
    "the divider of the logic analyser's clock stays as it was set, and a reset changes it",
    f"{PYDWF}, DigitalIn.dividerSet",
    "guessed",
)
def test_a_reset_takes_the_mark_away(alone: Discovery) -> None:
    alone.record(SLOW)
    assert is_marked(alone.device)
    alone.device.reset()
    assert not is_marked(alone.device)


@assumes(
    "an input at rest is never still: of 1000 samples on the 5 V range at least 15 turn",
    "nobody",
    "guessed",
)
def test_an_input_at_rest_is_never_still(alone: Discovery) -> None:
    found = [turns(samples) for samples in alone.record(SLOW)]
    alone.place.note(f"{found} turns in 1000 samples")
    assert min(found) >= TURNS


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
