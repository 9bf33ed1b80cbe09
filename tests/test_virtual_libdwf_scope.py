"""The scope of the virtual Analog Discovery 2."""

from typing import Any

import numpy as np
import pytest
from pydwf import (
    DwfAcquisitionMode,
    DwfAnalogInFilter,
    DwfAnalogOutFunction,
    DwfAnalogOutNode,
    DwfState,
    DwfTriggerSlope,
    DwfTriggerSource,
)

from sim_backend.virtual.clock import WallClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.world import Loopback, World
from virtual_discovery import PERFECT, Witness, opened

CARRIER = DwfAnalogOutNode.Carrier
LSB = 5.0 / 2**14  # V; of the scope on its low range
OUT = 10.0 / 2**14  # V; of the waveform generator


def level(device: Any, volts: float, channel: int = 0) -> None:
    out = device.analogOut
    out.nodeEnableSet(channel, CARRIER, True)
    out.nodeFunctionSet(channel, CARRIER, DwfAnalogOutFunction.DC)
    out.nodeOffsetSet(channel, CARRIER, volts)
    out.configure(channel, True)


def ramp(device: Any, duration: float) -> None:
    """Let W1 rise from -1 V to 1 V and fall back at once, again and again."""
    out = device.analogOut
    out.nodeEnableSet(0, CARRIER, True)
    out.nodeFunctionSet(0, CARRIER, DwfAnalogOutFunction.Custom)
    out.nodeAmplitudeSet(0, CARRIER, 1.0)
    out.nodeDataSet(0, CARRIER, np.linspace(-1, 1, 4000, endpoint=False))
    out.nodeFrequencySet(0, CARRIER, 1.0 / duration)
    out.configure(0, True)


def ready(device: Any, rate: float, size: int, source: Any = DwfTriggerSource.None_) -> Any:
    scope = device.analogIn
    scope.frequencySet(rate)
    scope.bufferSizeSet(size)
    scope.triggerSourceSet(source)
    return scope


def single(device: Any, rate: float, size: int, channel: int = 0) -> Any:
    scope = ready(device, rate, size)
    scope.configure(False, True)
    assert scope.status(True) == DwfState.Done
    return scope.statusData(channel, size)


@pytest.mark.parametrize(("volts", "shown"), [(3.0, 2.5 - LSB), (-3.0, -2.5)])
def test_the_low_range_clips_at_its_ends(volts: float, shown: float) -> None:
    with opened() as device:
        level(device, volts)
        assert set(single(device, 1e6, 16)) == {shown}


def test_the_high_range_is_ten_times_as_coarse() -> None:
    with opened() as device:
        level(device, 3.0)
        device.analogIn.channelRangeSet(0, 20.0)
        assert device.analogIn.channelRangeGet(0) == 50.0
        (seen,) = set(single(device, 1e6, 16))
    assert seen == pytest.approx(3.0, abs=5 * LSB + OUT)
    assert seen / (10 * LSB) == pytest.approx(round(seen / (10 * LSB)))


def test_an_offset_moves_the_range() -> None:
    with opened() as device:
        level(device, 3.0)
        device.analogIn.channelOffsetSet(0, 2.0)
        assert single(device, 1e6, 16)[0] == pytest.approx(3.0, abs=LSB + OUT)


def test_raw_samples_are_parts_of_the_range() -> None:
    with opened() as device:
        level(device, 1.25)
        single(device, 1e6, 16)
        raw = device.analogIn.statusData16(0, 0, 16)
    np.testing.assert_allclose(raw, 2**14, atol=12)


def test_averaging_divides_the_noise_by_the_root_of_the_conversions() -> None:
    noisy = Imperfections(noise=2e-3, seed=3)
    with opened(imperfections=noisy) as device:
        plain = single(device, 1e6, 8000)
        device.analogIn.channelFilterSet(0, DwfAnalogInFilter.Average)
        averaged = single(device, 1e6, 8000)
    assert np.std(plain) == pytest.approx(2e-3, rel=0.05)
    # 100 conversions a sample, and the noise of rounding
    assert np.std(averaged) == pytest.approx((2e-4**2 + LSB**2 / 12) ** 0.5, rel=0.05)


def test_an_averaged_sample_holds_the_mean_of_its_interval() -> None:
    with opened() as device:
        ramp(device, 4e-3)
        device.analogIn.channelFilterSet(0, DwfAnalogInFilter.Average)
        scope = ready(device, 1e3, 16, DwfTriggerSource.AnalogOut1)
        scope.triggerPositionSet(8e-3)
        scope.configure(False, True)
        scope.status(True)
        device.analogOut.configure(0, True)
        assert scope.status(True) == DwfState.Done
        seen = scope.statusData(0, 16)
    np.testing.assert_allclose(seen, [-0.75, -0.25, 0.25, 0.75] * 4, atol=1e-3)


def test_offset_gain_and_bandwidth_show() -> None:
    errors = Imperfections(
        noise=0.0, scope_offset=(0.01, 0.0), scope_gain=(1.02, 1.0), scope_bandwidth=1e4
    )
    with opened(imperfections=errors) as device:
        scope = ready(device, 1e6, 200, DwfTriggerSource.AnalogOut1)
        scope.triggerPositionSet(0.0)
        scope.configure(False, True)
        scope.status(True)
        level(device, 1.0)
        assert scope.status(True) == DwfState.Done
        seen = scope.statusData(0, 200)
    since = 1e-6 * (np.arange(100) + 1)
    rising = 1.02 * (1 - np.exp(-2 * np.pi * 1e4 * since)) + 0.01
    np.testing.assert_allclose(seen[:100], 0.01, atol=LSB)
    np.testing.assert_allclose(seen[100:], rising, atol=2e-3)


@pytest.mark.parametrize("slope", [DwfTriggerSlope.Rise, DwfTriggerSlope.Fall])
def test_the_detector_triggers_where_the_level_is_crossed(slope: DwfTriggerSlope) -> None:
    with opened() as device:
        out = device.analogOut
        out.nodeEnableSet(0, CARRIER, True)
        out.nodeFunctionSet(0, CARRIER, DwfAnalogOutFunction.Triangle)
        out.nodeFrequencySet(0, CARRIER, 200.0)
        out.configure(0, True)
        scope = ready(device, 1e6, 1000, DwfTriggerSource.DetectorAnalogIn)
        scope.triggerLevelSet(0.3)
        scope.triggerConditionSet(slope)
        scope.configure(False, True)
        states = {scope.status(True) for _ in range(12)}
        seen = scope.statusData(0, 1000)
    assert DwfState.Done in states
    sign = 1 if slope == DwfTriggerSlope.Rise else -1
    assert seen[500] == pytest.approx(0.3, abs=0.01)
    assert sign * seen[600] > sign * 0.3 > sign * seen[400]


def test_what_was_seen_before_the_trigger_is_not_lived_through_again() -> None:
    witness = Witness()
    with opened(witness) as device:
        ramp(device, 4e-3)
        scope = ready(device, 1e6, 4000, DwfTriggerSource.PC)
        scope.configure(False, True)
        assert scope.status(True) == DwfState.Armed
        device.digitalIO.status()
        device.triggerPC()
        assert scope.status(True) == DwfState.Done
        seen = scope.statusData(0, 4000)
    # One whole period in the buffer, half of it before the trigger.
    assert np.ptp(seen) == pytest.approx(2.0, abs=2e-3)
    assert np.sum(np.diff(seen) < -1) == 1
    assert [a.end for a in witness.seen[:-1]] == [b.start for b in witness.seen[1:]]


def test_a_scope_that_is_not_triggered_stays_armed() -> None:
    with opened() as device:
        scope = ready(device, 1e6, 100, DwfTriggerSource.AnalogOut2)
        scope.configure(False, True)
        assert {scope.status(True) for _ in range(5)} == {DwfState.Armed}


def test_the_time_for_the_trigger_can_run_out() -> None:
    with opened() as device:
        scope = ready(device, 1e6, 100, DwfTriggerSource.DetectorAnalogIn)
        scope.triggerLevelSet(1.0)
        scope.triggerAutoTimeoutSet(0.02)
        scope.configure(False, True)
        states = [scope.status(True) for _ in range(25)]
        assert states[0] == DwfState.Armed
        assert states[-1] == DwfState.Done
        assert scope.statusAutoTriggered()


def test_a_trigger_can_be_forced() -> None:
    with opened() as device:
        scope = ready(device, 1e6, 100, DwfTriggerSource.PC)
        scope.configure(False, True)
        scope.status(True)
        scope.triggerForce()
        assert scope.status(True) == DwfState.Done


def test_a_trigger_that_is_on_its_way_is_waited_for_after_one_poll() -> None:
    with opened() as device:
        scope = ready(device, 1e6, 100, DwfTriggerSource.AnalogOut1)
        scope.configure(False, True)
        device.analogOut.waitSet(0, 3.0)
        level(device, 1.0)
        states = [scope.status(True) for _ in range(3)]
    assert states == [DwfState.Armed, DwfState.Running, DwfState.Done]


def test_a_record_arrives_in_pieces_without_a_gap() -> None:
    with opened() as device:
        ramp(device, 0.05)
        scope = ready(device, 2e5, 8192)
        scope.acquisitionModeSet(DwfAcquisitionMode.Record)
        scope.recordLengthSet(0.25)
        scope.configure(False, True)
        pieces, state = [], DwfState.Running
        while state != DwfState.Done:
            state = scope.status(True)
            available, lost, corrupt = scope.statusRecord()
            assert (lost, corrupt) == (0, 0)
            pieces.append(scope.statusData(0, available))
    seen = np.concatenate(pieces)
    assert len(seen) == 50_000
    assert len(pieces) > 5
    steps = np.mod(np.diff(seen) + 1.0, 2.0) - 1.0
    np.testing.assert_allclose(steps, 2.0 / 10_000, atol=LSB + OUT)


def test_a_record_that_is_fetched_too_late_has_lost_samples() -> None:
    with opened(latency=0.1) as device:
        scope = ready(device, 1e6, 8192)
        scope.acquisitionModeSet(DwfAcquisitionMode.Record)
        scope.recordLengthSet(0.2)
        scope.configure(False, True)
        lost = 0
        while scope.status(True) != DwfState.Done:
            lost += scope.statusRecord()[1]
        lost += scope.statusRecord()[1]
    assert lost > 100_000


@pytest.mark.parametrize("mode", [DwfAcquisitionMode.ScanShift, DwfAcquisitionMode.ScanScreen])
def test_a_scan_goes_on_and_keeps_the_newest(mode: DwfAcquisitionMode) -> None:
    with opened() as device:
        ramp(device, 1.0)
        scope = ready(device, 1e4, 1000)
        scope.acquisitionModeSet(mode)
        scope.configure(False, True)
        states = {scope.status(True) for _ in range(10)}
        assert states == {DwfState.Running}
        assert scope.statusSamplesValid() < 1000
        for _ in range(200):
            scope.status(True)
        assert scope.statusSamplesValid() == 1000
        seen = scope.statusData(0, 1000)
        turn = scope.statusIndexWrite()
    if mode == DwfAcquisitionMode.ScanScreen:
        seen = np.roll(seen, -turn)
    # 0.1 s of a ramp of 2 V/s, oldest first; it may jump back once.
    assert np.sum(np.diff(seen) < 0) <= 1
    assert np.median(np.diff(seen)) == pytest.approx(2e-4, abs=LSB)


def test_a_status_shows_the_voltages_without_an_acquisition() -> None:
    with opened() as device:
        level(device, 1.5, channel=1)
        device.analogIn.status(False)
        assert device.analogIn.statusSample(1) == pytest.approx(1.5, abs=LSB + OUT)


def test_a_rate_is_a_whole_part_of_the_clock() -> None:
    with opened() as device:
        device.analogIn.frequencySet(3e6)
        assert device.analogIn.frequencyGet() == pytest.approx(100e6 / 33)


@pytest.mark.parametrize(
    ("configuration", "size"),
    list(enumerate([8192, 16384, 2048, 512, 8192, 8192, 512, 8192])),
)
def test_the_buffer_depends_on_the_configuration(configuration: int, size: int) -> None:
    with opened(configuration=configuration) as device:
        assert device.analogIn.bufferSizeInfo()[1] == size
        assert device.analogIn.bufferSizeGet() == size
        device.analogIn.bufferSizeSet(10**6)
        assert device.analogIn.bufferSizeGet() == size


def test_on_a_wall_clock_a_pulse_takes_its_time() -> None:
    from pydwf import DwfLibrary

    world = World(WallClock(), Loopback())
    with mounted(VirtualDiscovery(world, imperfections=PERFECT)):
        device = DwfLibrary().deviceControl.open(0)
        scope = ready(device, 1e5, 500, DwfTriggerSource.AnalogOut1)
        scope.triggerPositionSet(2.5e-3)
        scope.configure(False, True)
        assert scope.status(True) == DwfState.Armed
        device.analogOut.runSet(0, 3e-3)
        device.analogOut.repeatSet(0, 1)
        level(device, 1.0)
        begin = world.clock.now
        assert scope.status(True) == DwfState.Running
        while scope.status(True) != DwfState.Done:
            pass
        assert world.clock.now - begin >= 4.9e-3
        seen = scope.statusData(0, 500)
        device.close()
    np.testing.assert_allclose(seen, np.repeat([1.0, 0.0], [300, 200]), atol=LSB + OUT)
