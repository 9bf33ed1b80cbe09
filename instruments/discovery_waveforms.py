"""The two waveform generators of the Analog Discovery 2.

Every output is a custom waveform about 0 V with the idle level at the offset, and the offset is
never anything but zero: whatever stops a generator leaves 0 V.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pydwf import DwfAnalogOutFunction, DwfAnalogOutIdle, DwfAnalogOutNode

from crossbar.backend import Array, LimitError, Second, Volt
from instruments.discovery_devices import Capacity
from instruments.discovery_scope import Trigger

_N_CHANNELS = 2
_FULL_SCALE: Volt = 5.0  # AD2 reference manual: the generators give ±5 V
_SHORTEST: Second = 1e-8  # AD2 reference manual: 100 MS/s
_CARRIER = DwfAnalogOutNode.Carrier
_STOP, _START = 0, 1


@dataclass(slots=True)
class _Generator:
    """What one generator is known to hold; `None` is unknown."""

    ready: bool = False
    enabled: bool | None = None
    trigger: Trigger | None = None
    full_scale: Volt | None = None
    octets: bytes | None = None
    frequency: float | None = None
    run: Second | None = None
    level: Volt | None = None


class Waveforms:
    """The generators of an open device, and what they are known to hold."""

    def __init__(self, device: Any, capacity: Capacity) -> None:
        self._out = device.analogOut
        self._capacity = capacity
        self.forget()

    def forget(self) -> None:
        """Assume nothing of what the generators hold."""
        self._held = [_Generator() for _ in range(_N_CHANNELS)]

    def prepare(
        self, channel: int, samples: ArrayLike, interval: Second, trigger: Trigger, full_scale: Volt
    ) -> None:
        """Upload what differs from the waveform that a generator holds; it runs once."""
        _check_channel(channel)
        volts = np.asarray(samples, dtype=np.float64)
        n = len(volts) if volts.ndim == 1 else 0
        if not 2 <= n <= self._capacity.waveform_samples:
            raise LimitError(
                f"a waveform of shape {volts.shape}: a generator holds 2 to "
                f"{self._capacity.waveform_samples} samples in this device configuration"
            )
        if not _SHORTEST <= interval < float("inf"):
            raise LimitError(f"{interval} s per sample is shorter than {_SHORTEST} s")
        duration = n * interval
        self._upload(channel, volts, 1 / duration, duration, trigger, full_scale)
        self._held[channel].level = None

    def level(self, channel: int, voltage: Volt) -> None:
        """Drive a constant voltage from now on."""
        _check_channel(channel)
        held = self._held[channel]
        if held.level == voltage:
            return
        held.level = None
        # Two equal samples, over and over; how long each lasts is of no account.
        self._upload(channel, np.full(2, voltage), 1e3, 0.0, Trigger.NONE, _FULL_SCALE)
        self._out.configure(channel, _START)
        held.level = voltage

    def _upload(
        self,
        channel: int,
        volts: Array,
        frequency: float,
        run: Second,
        trigger: Trigger,
        full_scale: Volt,
    ) -> None:
        """Send what differs."""
        if not 0 < full_scale <= _FULL_SCALE:
            raise LimitError(f"full scale {full_scale} V is outside 0 to {_FULL_SCALE} V")
        data = volts / full_scale
        if not (data.max() <= 1 and data.min() >= -1):
            worst = float(volts[np.argmax(np.abs(volts))])
            raise LimitError(f"{worst:g} V is outside ±{full_scale:g} V of W{channel + 1}")
        held, out = self._held[channel], self._out
        if not held.ready:
            out.nodeFunctionSet(channel, _CARRIER, DwfAnalogOutFunction.Custom)
            out.nodeOffsetSet(channel, _CARRIER, 0.0)
            out.nodePhaseSet(channel, _CARRIER, 0.0)
            out.idleSet(channel, DwfAnalogOutIdle.Offset)
            out.repeatSet(channel, 1)
            held.ready = True
        if held.full_scale != full_scale:
            out.nodeAmplitudeSet(channel, _CARRIER, full_scale)
            held.full_scale = full_scale
        octets = data.tobytes()
        if held.octets != octets:
            out.nodeDataSet(channel, _CARRIER, data)
            held.octets = octets
        if held.frequency != frequency:
            out.nodeFrequencySet(channel, _CARRIER, frequency)
            held.frequency = frequency
        if held.run != run:
            out.runSet(channel, run)
            held.run = run
        if held.trigger is not trigger:
            out.triggerSourceSet(channel, trigger)
            held.trigger = trigger
        if not held.enabled:
            out.nodeEnableSet(channel, _CARRIER, 1)
            held.enabled = True

    def start(self) -> None:
        """Start both generators, or arm those that wait for a trigger."""
        for channel, held in enumerate(self._held):
            if held.enabled is None:
                self._out.nodeEnableSet(channel, _CARRIER, 0)
                held.enabled = False
        self._out.configure(-1, _START)

    def quiet(self, channel: int) -> None:
        """Stop a generator, and keep `start` from starting it."""
        _check_channel(channel)
        held = self._held[channel]
        if held.enabled is False:
            return
        held.level = None
        self._out.configure(channel, _STOP)
        self._out.nodeEnableSet(channel, _CARRIER, 0)
        self._out.configure(channel, _STOP)
        held.enabled = False


def _check_channel(channel: int) -> None:
    """Raise `LimitError` for a generator that does not exist."""
    if channel not in (0, 1):
        raise LimitError(f"waveform generators are 0 (W1) and 1 (W2), not {channel}")
