"""The virtual Analog Discovery 2 through pydwf."""

from typing import Any

import numpy as np
import pytest
from pydwf import (
    DwfAnalogOutFunction,
    DwfAnalogOutNode,
    DwfDigitalOutIdle,
    DwfDigitalOutType,
    DwfState,
    DwfTriggerSource,
)

from virtual_discovery import Witness, opened

CARRIER = DwfAnalogOutNode.Carrier


def custom(device: Any, channel: int, volts: list[float], duration: float) -> None:
    out = device.analogOut
    peak = float(np.max(np.abs(volts))) or 1.0
    out.nodeEnableSet(channel, CARRIER, True)
    out.nodeFunctionSet(channel, CARRIER, DwfAnalogOutFunction.Custom)
    out.nodeAmplitudeSet(channel, CARRIER, peak)
    out.nodeDataSet(channel, CARRIER, np.asarray(volts, float) / peak)
    out.nodeFrequencySet(channel, CARRIER, 1.0 / duration)
    out.triggerSourceSet(channel, DwfTriggerSource.None_)
    out.runSet(channel, duration)
    out.repeatSet(channel, 1)


def arm(device: Any, *, rate: float, size: int, source: Any) -> Any:
    scope = device.analogIn
    scope.frequencySet(rate)
    scope.bufferSizeSet(size)
    scope.triggerSourceSet(source)
    # The position is that of the middle of the buffer: this begins at the trigger.
    scope.triggerPositionSet(0.5 * size / rate)
    scope.configure(False, True)
    return scope


def test_a_custom_waveform_is_seen_by_the_scope_that_it_triggers() -> None:
    with opened() as device:
        custom(device, 0, [0.0, 1.5, 1.5, -0.5], 400e-6)
        scope = arm(device, rate=1e6, size=500, source=DwfTriggerSource.AnalogOut1)
        assert scope.status(True) == DwfState.Armed
        device.analogOut.configure(0, True)
        assert scope.status(True) == DwfState.Done
        seen = scope.statusData(0, 500)
    # 14 bits over 10 V out, 14 bits over 5 V in
    expected = np.repeat([0.0, 1.5, -0.5, 0.0], [100, 200, 100, 100])
    np.testing.assert_allclose(seen, expected, atol=5e-4)


def test_a_pulse_that_nobody_samples_still_reaches_the_wiring() -> None:
    witness = Witness()
    with opened(witness) as device:
        custom(device, 1, [1.0, 1.0, 0.0], 300e-6)
        device.analogOut.configure(1, True)
        assert device.analogOut.status(1) == DwfState.Done
    charge = sum(
        float(np.sum(np.diff(np.append(s.waveforms[1].time, s.end)) * s.waveforms[1].value))
        for s in witness.seen
    )
    assert charge == pytest.approx(200e-6, rel=1e-3)


def test_every_moment_of_the_bench_is_shown_to_the_wiring_once() -> None:
    witness = Witness()
    with opened(witness) as device:
        custom(device, 0, [1.0], 5e-3)
        device.analogOut.configure(0, True)
        device.analogOut.status(0)
        device.digitalIO.status()
    starts = [s.start for s in witness.seen]
    ends = [s.end for s in witness.seen]
    assert starts[0] == 0.0
    assert starts[1:] == ends[:-1]


def test_patterns_trigger_the_scope_and_reach_the_pins() -> None:
    witness = Witness()
    with opened(witness) as device:
        out = device.digitalOut
        out.enableSet(10, True)
        out.typeSet(10, DwfDigitalOutType.Custom)
        out.idleSet(10, DwfDigitalOutIdle.Low)
        out.dividerSet(10, 4)
        out.dataSet(10, "10110001")
        out.enableSet(9, True)
        out.dividerSet(9, 2)
        out.counterSet(9, 1, 1)
        out.idleSet(9, DwfDigitalOutIdle.Low)
        out.runSet(8 * 40e-9)
        out.repeatSet(1)
        scope = arm(device, rate=100e6, size=100, source=DwfTriggerSource.DigitalOut)
        assert scope.status(True) == DwfState.Armed
        out.configure(True)
        assert scope.status(True) == DwfState.Done
    run = max(witness.seen, key=lambda s: len(s.pins.time))
    begin = run.pins.time[0]
    middles = begin + 40e-9 * (np.arange(8) + 0.75)
    assert "".join(str(v >> 10 & 1) for v in run.pins.at(middles)) == "10110001"
    clock = run.pins.at(begin + 20e-9 * (np.arange(16) + 0.5)).astype(int) >> 9 & 1
    assert clock.tolist() == [0, 1] * 8
    assert run.pins.value[-1] == 0


def test_a_static_level_has_precedence_over_a_pattern() -> None:
    witness = Witness()
    with opened(witness) as device:
        for pin in (0, 1, 2):
            device.digitalOut.enableSet(pin, True)
            device.digitalOut.counterSet(pin, 0, 1)
        device.digitalOut.configure(True)
        device.digitalIO.outputEnableSet(0b001)
        device.digitalIO.outputSet(0b010)
        device.digitalIO.configure()
        device.digitalIO.status()
        # DIO 0: driven low; DIO 1: set but not enabled, so open; DIO 2: left to the pattern
        assert device.digitalIO.inputStatus() == 0b100


def test_supplies_need_their_own_switch_and_the_common_one() -> None:
    witness = Witness()
    with opened(witness) as device:
        supplies = device.analogIO
        supplies.channelNodeSet(0, 0, 1)
        supplies.channelNodeSet(0, 1, 4.5)
        supplies.channelNodeSet(1, 1, -5.0)
        supplies.enableSet(True)
        supplies.configure()
        assert witness.seen[-1].supplies == (0.0, 0.0)
        supplies.status()
        assert witness.seen[-1].supplies == (4.5, 0.0)
        assert supplies.channelNodeStatus(0, 1) == 4.5
    assert witness.seen[-1].supplies == (4.5, 0.0)


def test_settings_wait_for_configure_unless_they_are_applied_at_once() -> None:
    with opened() as device:
        device.digitalIO.outputEnableSet(1)
        device.digitalIO.outputSet(1)
        device.digitalIO.status()
        assert device.digitalIO.inputStatus() == 0
        device.autoConfigureSet(True)
        device.digitalIO.outputSet(1)
        device.digitalIO.status()
        assert device.digitalIO.inputStatus() == 1
