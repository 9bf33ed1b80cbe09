"""Waveforms of the virtual Analog Discovery 2, against closed forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydwf import (
    DwfAnalogOutFunction,
    DwfAnalogOutIdle,
    DwfAnalogOutNode,
    DwfState,
    DwfTriggerSource,
)

from crossbar.backend import Array
from sim_backend.virtual.libdwf.imperfections import Imperfections
from virtual_discovery import Witness, opened

CARRIER, FM, AM = DwfAnalogOutNode.Carrier, DwfAnalogOutNode.FM, DwfAnalogOutNode.AM
STEP = 10.0 / 2**14  # V; of the converter


def carrier(device: Any, function: DwfAnalogOutFunction, **settings: float) -> Any:
    out = device.analogOut
    channel = int(settings.pop("channel", 0))
    out.nodeEnableSet(channel, CARRIER, True)
    out.nodeFunctionSet(channel, CARRIER, function)
    for name, value in settings.items():
        getattr(out, f"node{name.capitalize()}Set")(channel, CARRIER, value)
    return out


def seen(witness: Witness, times: Array, channel: int = 0) -> Array:
    """Return what the wiring was shown at these times."""
    values = np.full(len(times), np.nan)
    for each in witness.seen:
        inside = (times >= each.start) & (times < each.end)
        values[inside] = each.waveforms[channel].at(times[inside])
    return values


def started(witness: Witness, device: Any) -> float:
    device.analogOut.configure(0, True)
    return witness.seen[-1].end


SHAPES: dict[Any, Callable[[Array], Array]] = {
    DwfAnalogOutFunction.Sine: lambda x: np.sin(2 * np.pi * x),
    DwfAnalogOutFunction.Square: lambda x: np.where(x < 0.5, 1.0, -1.0),
    DwfAnalogOutFunction.Triangle: lambda x: 2 / np.pi * np.arcsin(np.sin(2 * np.pi * x)),
    DwfAnalogOutFunction.RampUp: lambda x: np.minimum(4 * x - 1, 1.0),
    DwfAnalogOutFunction.RampDown: lambda x: np.minimum(3 - 4 * x, 1.0),
    DwfAnalogOutFunction.Pulse: lambda x: np.where(x < 0.5, 1.0, 0.0),
    DwfAnalogOutFunction.Trapezium: lambda x: np.clip(
        4 / np.pi * np.arcsin(np.sin(2 * np.pi * x)), -1, 1
    ),
}


@pytest.mark.parametrize("function", SHAPES, ids=lambda function: function.name)
def test_a_function_has_its_shape(function: DwfAnalogOutFunction) -> None:
    witness = Witness()
    with opened(witness) as device:
        carrier(device, function, frequency=500.0, amplitude=2.0, offset=0.5, phase=90.0)
        begin = started(witness, device)
        device.analogOut.count()
        device.analogOut.status(0)
    times = np.linspace(begin + 5e-5, begin + 1.9e-3, 40)
    x = np.mod((times - begin) * 500.0 + 0.25, 1.0)
    expected = 0.5 + 2.0 * SHAPES[function](x)
    # A thousand steps a period: half a step of the steepest shape.
    np.testing.assert_allclose(seen(witness, times), expected, atol=2.0 * 4 / 1024 + STEP)


def test_symmetry_moves_the_edge_of_a_square() -> None:
    witness = Witness()
    with opened(witness) as device:
        carrier(device, DwfAnalogOutFunction.Square, frequency=1e3, amplitude=1.0, symmetry=20.0)
        begin = started(witness, device)
        device.analogOut.status(0)
    high = seen(witness, begin + np.array([0.05, 0.19, 0.21, 0.95]) * 1e-3)
    np.testing.assert_allclose(high, [1, 1, -1, -1], atol=STEP)


def test_amplitude_modulation_is_in_percent_of_the_carrier() -> None:
    witness = Witness()
    with opened(witness) as device:
        out = carrier(device, DwfAnalogOutFunction.Sine, frequency=5e3, amplitude=2.0)
        out.nodeEnableSet(0, AM, True)
        out.nodeFunctionSet(0, AM, DwfAnalogOutFunction.Triangle)
        out.nodeFrequencySet(0, AM, 500.0)
        out.nodeAmplitudeSet(0, AM, 40.0)
        out.nodeOffsetSet(0, AM, -40.0)
        begin = started(witness, device)
        out.status(0)
        out.status(0)
    times = begin + np.linspace(1e-6, 1.9e-3, 300)
    since = times - begin
    triangle = 2 / np.pi * np.arcsin(np.sin(2 * np.pi * 500.0 * since))
    expected = 2.0 * (0.6 + 0.4 * triangle) * np.sin(2 * np.pi * 5e3 * since)
    np.testing.assert_allclose(seen(witness, times), expected, atol=0.06)


def test_frequency_modulation_counts_as_many_periods_as_its_integral() -> None:
    witness = Witness()
    with opened(witness, latency=0.0105) as device:
        out = carrier(device, DwfAnalogOutFunction.Square, frequency=2e3, amplitude=1.0)
        out.nodeEnableSet(0, FM, True)
        out.nodeFunctionSet(0, FM, DwfAnalogOutFunction.Sine)
        out.nodeFrequencySet(0, FM, 100.0)
        out.nodeAmplitudeSet(0, FM, 30.0)
        out.nodeOffsetSet(0, FM, 50.0)
        begin = started(witness, device)
        out.status(0)
    times = begin + np.linspace(0, 0.01, 20_001)[:-1]
    rising = np.sum(np.diff(seen(witness, times)) > 1)
    assert rising == pytest.approx(2e3 * 1.5 * 0.01, abs=1)


@pytest.mark.parametrize(
    ("idle", "rest"),
    [
        (DwfAnalogOutIdle.Disable, 0.0),
        (DwfAnalogOutIdle.Offset, 0.25),
        (DwfAnalogOutIdle.Initial, 1.25),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_runs_repeat_after_waits_and_then_rest(idle: DwfAnalogOutIdle, rest: float) -> None:
    witness = Witness()
    with opened(witness) as device:
        out = carrier(
            device, DwfAnalogOutFunction.Custom, frequency=1e3, amplitude=1.0, offset=0.25
        )
        out.nodeDataSet(0, CARRIER, np.array([1.0, -1.0]))
        out.idleSet(0, idle)
        out.waitSet(0, 2e-3)
        out.runSet(0, 1e-3)
        out.repeatSet(0, 2)
        begin = started(witness, device)
        assert out.status(0) == DwfState.Done
        out.status(0)
    milliseconds = np.array([1.0, 2.2, 2.7, 3.5, 4.9, 5.2, 5.7, 6.5])
    expected = [rest, 1.25, -0.75, rest, rest, 1.25, -0.75, rest]
    np.testing.assert_allclose(seen(witness, begin + milliseconds * 1e-3), expected, atol=STEP)


def test_both_channels_start_together() -> None:
    witness = Witness()
    with opened(witness) as device:
        for channel in (0, 1):
            carrier(device, DwfAnalogOutFunction.DC, channel=channel, offset=1.0 + channel).runSet(
                channel, 1e-3
            )
            device.analogOut.repeatSet(channel, 1)
        device.analogOut.configure(-1, True)
        device.analogOut.status(0)
    run = next(each for each in witness.seen if each.waveforms[0].value[0] > 0)
    np.testing.assert_allclose([w.value[0] for w in run.waveforms], [1.0, 2.0], atol=STEP)
    assert run.waveforms[0].time[0] == run.waveforms[1].time[0]


def test_a_follower_runs_with_its_master() -> None:
    witness = Witness()
    with opened(witness) as device:
        carrier(device, DwfAnalogOutFunction.DC, offset=1.0).runSet(0, 1e-3)
        carrier(device, DwfAnalogOutFunction.DC, channel=1, offset=-1.0)
        device.analogOut.masterSet(1, 0)
        begin = started(witness, device)
        device.analogOut.status(1)
    assert seen(witness, np.array([begin + 5e-4]), 1)[0] == pytest.approx(-1.0, abs=STEP)


def test_one_channel_triggers_the_other() -> None:
    witness = Witness()
    with opened(witness) as device:
        carrier(device, DwfAnalogOutFunction.DC, offset=1.0).waitSet(0, 3e-3)
        out = carrier(device, DwfAnalogOutFunction.DC, channel=1, offset=2.0)
        out.triggerSourceSet(1, DwfTriggerSource.AnalogOut1)
        out.configure(1, True)
        assert out.status(1) == DwfState.Armed
        begin = started(witness, device)
        out.status(0)
        out.status(0)
        assert out.status(1) == DwfState.Running
    times = begin + np.array([2.9e-3, 3.1e-3])
    np.testing.assert_allclose(seen(witness, times, 1), [0.0, 2.0], atol=STEP)


def test_the_computer_triggers_a_waiting_channel() -> None:
    with opened() as device:
        out = carrier(device, DwfAnalogOutFunction.DC, offset=1.0)
        out.triggerSourceSet(0, DwfTriggerSource.PC)
        out.configure(0, True)
        assert [out.status(0) for _ in range(3)] == [DwfState.Armed] * 3
        device.triggerPC()
        assert out.status(0) == DwfState.Running


def test_every_run_can_need_a_trigger_of_its_own() -> None:
    with opened() as device:
        out = carrier(device, DwfAnalogOutFunction.DC, offset=1.0)
        out.triggerSourceSet(0, DwfTriggerSource.PC)
        out.repeatTriggerSet(0, True)
        out.repeatSet(0, 2)
        out.runSet(0, 2e-3)
        out.configure(0, True)
        states = []
        for _ in range(2):
            device.triggerPC()
            states += [out.status(0) for _ in range(3)]
    assert states[2] == DwfState.Armed
    assert states[5] == DwfState.Done


def test_stopping_is_immediate() -> None:
    witness = Witness()
    with opened(witness) as device:
        carrier(device, DwfAnalogOutFunction.DC, offset=1.0)
        started(witness, device)
        device.analogOut.configure(0, False)
        stopped = witness.seen[-1].end
        device.analogOut.status(0)
    times = stopped + np.array([-1e-5, 1e-5])
    np.testing.assert_allclose(seen(witness, times), [1.0, 0.0], atol=STEP)


def test_closing_stops_everything_unless_told_otherwise() -> None:
    from pydwf import DwfDeviceParameter

    witness = Witness()
    with opened(witness) as device:
        carrier(device, DwfAnalogOutFunction.DC, offset=1.0)
        started(witness, device)
        library = device.dwf
        device.paramSet(DwfDeviceParameter.OnClose, 0)
        device.close()
        device = library.deviceControl.open(0)
        assert device.analogOut.status(0) == DwfState.Running
        device.close()
        device = library.deviceControl.open(0)
        assert device.analogOut.status(0) == DwfState.Ready
    assert witness.seen[-1].waveforms[0].value[-1] == 0.0


def test_an_amplitude_beyond_the_range_becomes_the_largest() -> None:
    with opened() as device:
        carrier(device, DwfAnalogOutFunction.Sine, amplitude=7.0, offset=-9.0)
        assert device.analogOut.nodeAmplitudeGet(0, CARRIER) == 5.0
        assert device.analogOut.nodeOffsetGet(0, CARRIER) == -5.0


@pytest.mark.parametrize(
    ("configuration", "size"),
    list(enumerate([4096, 1024, 16384, 256, 4096, 4096, 256, 1024])),
)
def test_the_buffer_depends_on_the_configuration(configuration: int, size: int) -> None:
    with opened(configuration=configuration) as device:
        assert device.analogOut.nodeDataInfo(0, CARRIER) == (1, size)
        device.analogOut.nodeDataSet(0, CARRIER, np.zeros(size))


def test_an_endless_waveform_over_an_hour_is_shown_in_so_many_steps() -> None:
    witness = Witness()
    with opened(witness, latency=3600.0) as device:
        carrier(device, DwfAnalogOutFunction.Sine, frequency=1e6, amplitude=1.0)
        device.analogOut.runSet(0, 1e-6)
        device.analogOut.repeatSet(0, 0)
        started(witness, device)
        device.analogOut.status(0)
    values = witness.seen[-1].waveforms[0].value
    assert len(values) <= 200_000
    assert np.std(values) == pytest.approx(0.5**0.5, rel=0.1)


def test_a_finite_bandwidth_rounds_edges_with_its_time_constant() -> None:
    witness = Witness()
    slow = Imperfections(noise=0.0, waveform_bandwidth=1e6)
    with opened(witness, imperfections=slow) as device:
        carrier(device, DwfAnalogOutFunction.DC, offset=1.0)
        begin = started(witness, device)
        device.analogOut.status(0)
    constant = 1 / (2 * np.pi * 1e6)
    times = begin + constant * np.array([0.5, 1.0, 2.0, 10.0])
    np.testing.assert_allclose(
        seen(witness, times), 1 - np.exp(-np.array([0.5, 1.0, 2.0, 10.0])), atol=0.12
    )
