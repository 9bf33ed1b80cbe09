"""The waveform generator: W1 and W2."""

from typing import Any

import numpy as np

from crossbar.backend import Second, Volt
from sim_backend.virtual.libdwf.chassis import (
    SOURCES,
    WAVEFORM_1,
    WAVEFORM_BUFFER,
    Chassis,
)
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.memory import read_array, write
from sim_backend.virtual.libdwf.parameters import (
    Functions,
    Parameter,
    bit_set,
    constants,
    functions,
    named,
)
from sim_backend.virtual.libdwf.sequencer import Program, Sequencer
from sim_backend.virtual.libdwf.waveform import (
    FUNCTIONS,
    Node,
    Stream,
    converted,
)
from sim_backend.virtual.libdwf.waveform_channel import (
    CARRIER,
    IDLE_INITIAL,
    IDLE_OFF,
    IDLE_OFFSET,
    Channel,
    Settings,
)
from sim_backend.virtual.signals import Steps

CHANNELS = 2
SPAN: Volt = 5.0  # reference manual: 14 bits over ± 5 V
BITS = 14
_LONGEST = 2.0**47 * 1e-8  # s; assumed as for patterns
_NODES = 3
_APPLY = 3  # fStart of FDwfAnalogOutConfigure: take the settings without starting

_PARAMETERS = (
    Parameter("AnalogOutTriggerSource", "source", choices=SOURCES),
    Parameter("AnalogOutTriggerSlope", "slope", choices=(0, 1, 2)),
    Parameter("AnalogOutRun", "run", limits=(0.0, _LONGEST)),
    Parameter("AnalogOutWait", "wait", limits=(0.0, _LONGEST)),
    Parameter("AnalogOutRepeat", "repeat", limits=(0, 0x7FFF)),
    Parameter("AnalogOutRepeatTrigger", "repeat_trigger", limits=(0, 1)),
    Parameter("AnalogOutLimitation", "limitation", limits=(0.0, 0.0)),
    Parameter("AnalogOutMode", "mode", choices=(0,)),
    Parameter("AnalogOutIdle", "idle", choices=(IDLE_OFF, IDLE_OFFSET, IDLE_INITIAL)),
    Parameter("AnalogOutCustomAMFMEnable", "custom_modulation", limits=(0, 1)),
    Parameter("AnalogOutMaster", "master", choices=tuple(range(CHANNELS))),
)
_NODE = (
    Parameter("AnalogOutNodeEnable", "enable", limits=(0, 1)),
    Parameter("AnalogOutNodeFunction", "function", choices=FUNCTIONS),
    Parameter("AnalogOutNodeFrequency", "frequency", limits=(1e-6, 50e6)),
    Parameter("AnalogOutNodeSymmetry", "symmetry", limits=(-100.0, 100.0), info=(0.0, 100.0)),
    Parameter("AnalogOutNodePhase", "phase", limits=(-360.0, 360.0), info=(0.0, 360.0)),
)
_WITHOUT_NODE = ("Enable", "Function", "Frequency", "Amplitude", "Offset", "Symmetry", "Phase")


class AnalogOut:
    """The waveform generator.

    Parameters
    ----------
    chassis
        Of the device.
    imperfections
        Of its analog parts.
    """

    def __init__(self, chassis: Chassis, imperfections: Imperfections) -> None:
        self._chassis = chassis
        self._imperfections = imperfections
        self._channels = [Channel(k) for k in range(CHANNELS)]
        for channel in self._channels:
            chassis.triggered.append(channel.sequencer)
            chassis.edges[WAVEFORM_1 + channel.number] = channel.sequencer.edge

    def functions(self) -> Functions:
        """Return its functions by name."""
        made = functions(_PARAMETERS, self._pending, self._changed)
        made |= functions(_NODE, self._node, self._changed)
        made["FDwfAnalogOutTriggerSourceInfo"] = constants(bit_set(SOURCES))
        made["FDwfAnalogOutCount"] = constants(CHANNELS)
        made["FDwfAnalogOutNodeInfo"] = constants(bit_set(range(_NODES)))
        made |= named(self)
        for what in _WITHOUT_NODE:
            for verb in ("Set", "Get", "Info"):
                node = made.get(f"FDwfAnalogOutNode{what}{verb}")
                if node is not None:
                    made[f"FDwfAnalogOut{what}{verb}"] = _of_carrier(node)
        for what in ("DataInfo", "DataSet", "PlayStatus", "PlayData"):
            made[f"FDwfAnalogOut{what}"] = _of_carrier(made[f"FDwfAnalogOutNode{what}"])
        return made

    def reset(self) -> None:
        """Stop all channels, and forget all settings."""
        self.FDwfAnalogOutReset(-1)

    def stop(self) -> None:
        """Stop all channels, and keep the settings."""
        self._chassis.advance()
        for channel in self._channels:
            channel.sequencer.stop()

    def waveform(self, number: int, start: Second, end: Second) -> Steps:
        """Return what a channel puts out in an interval, V."""
        channel = self._channels[number]
        sequencer = self._sequencer(channel)
        sequencer.forget(start)
        signal = channel.signal(sequencer, start, end)
        values = converted(signal.value, SPAN, BITS) + self._imperfections.waveform_offset[number]
        return self._imperfections.softened(number, Steps(signal.time, values), end)

    def _sequencer(self, channel: Channel) -> Sequencer:
        return self._channels[channel.applied.master].sequencer

    def _meant(self, number: int) -> list[Channel]:
        if number == -1:
            return self._channels
        if not 0 <= number < CHANNELS:
            raise invalid(1, f"there is no analog output channel {number}")
        return [self._channels[number]]

    def _pending(self, number: int) -> list[Settings]:
        return [channel.pending for channel in self._meant(number)]

    def _node(self, number: int, node: int) -> list[Node]:
        if not 0 <= node < _NODES:
            raise invalid(2, f"there is no node {node}")
        return [channel.pending.nodes[node] for channel in self._meant(number)]

    def _changed(self, number: int, _node: int = 0) -> None:
        if not self._chassis.auto_configure:
            return
        meant = self._meant(number)
        if any(self._visible(channel) for channel in meant):
            self._chassis.advance()
        for channel in meant:
            channel.applied = channel.pending.copied()

    def _visible(self, channel: Channel) -> bool:
        """Tell whether settings of a channel show at its output."""
        running = self._sequencer(channel).program is not None
        return running or channel.pending.idle != IDLE_OFF or channel.applied.idle != IDLE_OFF

    def FDwfAnalogOutReset(self, number: int) -> None:
        """Stop, and forget all settings."""
        self._chassis.advance()
        for channel in self._meant(number):
            channel.reset()

    def FDwfAnalogOutConfigure(self, number: int, start: int) -> None:
        """Take the settings, and start or stop, together with the channels that follow."""
        self._chassis.advance()
        now = self._chassis.now
        meant = self._meant(number)
        for channel in self._channels:
            master = self._channels[channel.pending.master]
            if channel in meant or master in meant:
                channel.applied = channel.pending.copied()
        if start == _APPLY:
            return
        for channel in meant:
            if not start:
                channel.sequencer.stop()
            elif channel.applied.master == channel.number:
                self._start(channel, now)

    def _start(self, master: Channel, now: Second) -> None:
        wanted = master.applied
        repeats = bool(wanted.repeat_trigger)
        master.sequencer.start(
            Program(wanted.source, wanted.slope, wanted.wait, wanted.run, wanted.repeat, repeats),
            now,
        )
        for channel in self._channels:
            if channel.applied.master == master.number:
                channel.stream = Stream(channel.applied.nodes[CARRIER].data, now)

    def FDwfAnalogOutStatus(self, number: int, state: Any) -> None:
        """Tell the state; a run that will end is waited for."""
        write(state, self._chassis.poll(self._sequencer(self._meant(number)[0])))

    def FDwfAnalogOutRunStatus(self, number: int, left: Any) -> None:
        """Tell what is left of this run, s."""
        sequencer = self._sequencer(self._meant(number)[0])
        position = sequencer.position(self._chassis.now)
        program = sequencer.program
        ends = position is not None and program is not None and program.run > 0
        write(left, program.run - max(position[1], 0.0) if ends else 0.0)  # type: ignore[index, union-attr]

    def FDwfAnalogOutRepeatStatus(self, number: int, left: Any) -> None:
        """Tell how many runs are left."""
        sequencer = self._sequencer(self._meant(number)[0])
        position = sequencer.position(self._chassis.now)
        repeat = sequencer.program.repeat if sequencer.program is not None else 0
        write(left, max(repeat - position[0] - 1, 0) if position is not None else 0)

    def FDwfAnalogOutNodeAmplitudeInfo(self, number: int, node: int, low: Any, high: Any) -> None:
        """Tell the range of the amplitude: volts, or percent of a modulation."""
        self._node(number, node)
        write(low, -_span(node))
        write(high, _span(node))

    def FDwfAnalogOutNodeOffsetInfo(self, number: int, node: int, low: Any, high: Any) -> None:
        """Tell the range of the offset: volts, or percent of a modulation."""
        self.FDwfAnalogOutNodeAmplitudeInfo(number, node, low, high)

    def FDwfAnalogOutNodeAmplitudeSet(self, number: int, node: int, value: float) -> None:
        """Set the amplitude; beyond its range, libdwf takes the nearest value."""
        for each in self._node(number, node):
            each.amplitude = _limited(value, _span(node))
        self._changed(number)

    def FDwfAnalogOutNodeAmplitudeGet(self, number: int, node: int, value: Any) -> None:
        """Tell the amplitude."""
        write(value, self._node(number, node)[0].amplitude)

    def FDwfAnalogOutNodeOffsetSet(self, number: int, node: int, value: float) -> None:
        """Set the offset; beyond its range, libdwf takes the nearest value."""
        for each in self._node(number, node):
            each.offset = _limited(value, _span(node))
        self._changed(number)

    def FDwfAnalogOutNodeOffsetGet(self, number: int, node: int, value: Any) -> None:
        """Tell the offset."""
        write(value, self._node(number, node)[0].offset)

    def FDwfAnalogOutNodeDataInfo(self, number: int, node: int, low: Any, high: Any) -> None:
        """Tell how many samples a custom shape can have."""
        self._node(number, node)
        write(low, 1)
        write(high, WAVEFORM_BUFFER[self._chassis.configuration])

    def FDwfAnalogOutNodeDataSet(self, number: int, node: int, data: Any, count: int) -> None:
        """Set a custom shape, -1 to 1."""
        most = WAVEFORM_BUFFER[self._chassis.configuration]
        nodes = self._node(number, node)
        if not 0 < count <= most:
            raise invalid(4, f"cdData {count} is not in 1 to {most}, the buffer of a channel")
        samples = np.clip(read_array(data, count, np.float64), -1.0, 1.0)
        if not np.isfinite(samples).all():
            raise invalid(3, "rgdData: not a number")
        for each in nodes:
            each.data = samples
        self._changed(number)

    def FDwfAnalogOutNodePlayStatus(
        self, number: int, node: int, free: Any, lost: Any, corrupt: Any
    ) -> None:
        """Tell how many samples can be added to those that are being played."""
        self._node(number, node)
        channel = self._meant(number)[0]
        frequency = channel.applied.nodes[node].frequency
        left = len(channel.stream.samples) - channel.stream.played(frequency, self._chassis.now)
        write(free, WAVEFORM_BUFFER[self._chassis.configuration] - max(left, 0))
        write(lost, max(-left, 0))
        write(corrupt, 0)

    def FDwfAnalogOutNodePlayData(self, number: int, node: int, data: Any, count: int) -> None:
        """Add samples to those that are being played, -1 to 1."""
        self._node(number, node)
        most = WAVEFORM_BUFFER[self._chassis.configuration]
        if not 0 < count <= most:
            raise invalid(4, f"cdData {count} is not in 1 to {most}, the buffer of a channel")
        self._chassis.advance()
        samples = np.clip(read_array(data, count, np.float64), -1.0, 1.0)
        for channel in self._meant(number):
            frequency = channel.applied.nodes[node].frequency
            channel.stream.append(samples, frequency, self._chassis.now)


def _span(node: int) -> float:
    return SPAN if node == CARRIER else 100.0


def _limited(value: float, span: float) -> float:
    if not value == value:
        raise invalid(3, "not a number")
    return min(max(value, -span), span)


def _of_carrier(function: Any) -> Any:
    def without_node(number: int, *arguments: Any) -> None:
        function(number, CARRIER, *arguments)

    return without_node
