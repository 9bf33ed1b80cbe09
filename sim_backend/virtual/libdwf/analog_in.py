"""The scope."""

import math
from typing import Any

import numpy as np
from scipy.signal import lfilter

from crossbar.backend import Array, Second, Volt
from sim_backend.virtual.libdwf.acquisition import AVERAGE, Acquisition, Channel, Inputs
from sim_backend.virtual.libdwf.capture import Capture
from sim_backend.virtual.libdwf.chassis import BASE_CLOCK, SCOPE, SCOPE_BUFFER, Chassis
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.memory import write, write_array
from sim_backend.virtual.libdwf.parameters import Functions, named
from sim_backend.virtual.libdwf.scope_settings import BITS, CHANNELS, RANGES, ScopeSettings

_PLENTY = 20.0  # time constants between two samples after which a bandwidth cannot be seen
_RAW_BITS = 16  # of FDwfAnalogInStatusData16


class AnalogIn:
    """The scope: two channels of 14 bits.

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
        self._rng = np.random.default_rng(imperfections.seed)
        self._settings = ScopeSettings(chassis, self._changed)
        self._applied = self._settings.copied()
        self._capture = Capture(chassis, SCOPE, SCOPE_BUFFER, self._converted)
        self._smooth: list[Volt | None] = [None] * CHANNELS
        self._inputs: Inputs | None = None
        self._seen: Second = 0.0
        self._latest = np.zeros(CHANNELS)

    def functions(self) -> Functions:
        """Return its functions by name."""
        return self._settings.functions() | self._capture.functions("FDwfAnalogIn") | named(self)

    def reset(self) -> None:
        """Stop, and forget all settings."""
        self._chassis.advance()
        self._capture.stop()
        self._settings.reset()
        self._applied = self._settings.copied()

    def observe(self, start: Second, end: Second, inputs: Inputs) -> None:
        """Take an interval of both inputs."""
        self._inputs, self._seen = inputs, end
        self._capture.observe(start, end, inputs)

    def _changed(self) -> None:
        if self._chassis.auto_configure:
            self._applied = self._settings.copied()

    def _converted(self, pair: tuple[Array, Array], running: Acquisition) -> Array:
        ratio = 2.0 * math.pi * self._imperfections.scope_bandwidth * running.interval
        converted = np.empty((CHANNELS, len(pair[0])))
        for number, values in enumerate(pair):
            channel = running.settings.channels[number]
            noise = self._noise(channel)
            if channel.filter == AVERAGE:
                noise /= math.sqrt(BASE_CLOCK * running.interval)
            seen = self._smoothed(number, values, math.exp(-ratio)) if ratio < _PLENTY else values
            converted[number] = self._digitised(number, seen, channel, noise)
        return converted

    def _noise(self, channel: Channel) -> Volt:
        return self._imperfections.noise * channel.range / RANGES[0]

    def _smoothed(self, number: int, values: Array, kept: float) -> Array:
        before = self._smooth[number]
        before = float(values[0]) if before is None else before
        smooth, _ = lfilter([1.0 - kept], [1.0, -kept], values, zi=[kept * before])
        self._smooth[number] = float(smooth[-1])
        return np.asarray(smooth)

    def _digitised(self, number: int, values: Array, channel: Channel, noise: Volt) -> Array:
        errors = self._imperfections
        step = channel.range / 2**BITS
        seen = values * (errors.scope_gain[number] / step)
        seen += (errors.scope_offset[number] - channel.offset) / step
        if noise:
            seen += (noise / step) * self._rng.standard_normal(len(values))
        codes = np.clip(np.rint(seen), -(2 ** (BITS - 1)), 2 ** (BITS - 1) - 1)
        volts: Array = (codes * step + channel.offset) * channel.attenuation
        return volts

    def FDwfAnalogInReset(self) -> None:
        """Stop, and forget all settings."""
        self.reset()

    def FDwfAnalogInConfigure(self, _reconfigure: int, start: int) -> None:
        """Take the settings, and start or stop."""
        self._chassis.advance()
        self._applied = self._settings.copied()
        self._smooth = [None] * CHANNELS
        if start:
            self._capture.start(self._applied)
        else:
            self._capture.stop()

    def FDwfAnalogInTriggerForce(self) -> None:
        """Trigger now."""
        self._capture.force()

    def FDwfAnalogInStatus(self, read: int, state: Any) -> None:
        """Tell the state; an acquisition that is running is waited for."""
        write(state, self._capture.poll(read=bool(read)))
        if self._inputs is None:
            return
        now = np.array([self._seen])
        for number, signal in enumerate(self._inputs):
            channel = self._applied.channels[number]
            seen = self._digitised(number, signal.at(now), channel, self._noise(channel))
            self._latest[number] = seen[0]

    def FDwfAnalogInStatusSample(self, number: int, volts: Any) -> None:
        """Tell the voltage at an input at the last status."""
        write(volts, self._latest[_existing(number)])

    def FDwfAnalogInTriggerPositionStatus(self, position: Any) -> None:
        """Tell when the first sample was taken, seconds after the trigger."""
        running = self._capture.acquisition
        write(position, running.first_sample if running is not None else 0.0)

    def FDwfAnalogInStatusData(self, number: int, volts: Any, count: int) -> None:
        """Hand out fetched samples, V."""
        self.FDwfAnalogInStatusData2(number, volts, 0, count)

    def FDwfAnalogInStatusData2(self, number: int, volts: Any, first: int, count: int) -> None:
        """Hand out fetched samples from number `first` on, V."""
        write_array(volts, self._capture.fetched(_existing(number), first, count), np.float64)

    def FDwfAnalogInStatusData16(self, number: int, codes: Any, first: int, count: int) -> None:
        """Hand out fetched samples as parts of the range, 16 bits."""
        channel = self._applied.channels[_existing(number)]
        volts = self._capture.fetched(number, first, count) / channel.attenuation - channel.offset
        write_array(codes, np.rint(volts * (2**_RAW_BITS / channel.range)), np.int16)

    def FDwfAnalogInStatusNoise(self, number: int, low: Any, high: Any, count: int) -> None:
        """Hand out the extremes between samples; this scope takes one conversion a sample."""
        self.FDwfAnalogInStatusNoise2(number, low, high, 0, count)

    def FDwfAnalogInStatusNoise2(
        self, number: int, low: Any, high: Any, first: int, count: int
    ) -> None:
        """Hand out the extremes between samples from number `first` on."""
        self.FDwfAnalogInStatusData2(number, low, first, count)
        self.FDwfAnalogInStatusData2(number, high, first, count)


def _existing(number: int) -> int:
    if not 0 <= number < CHANNELS:
        raise invalid(1, f"there is no analog input channel {number}")
    return number
