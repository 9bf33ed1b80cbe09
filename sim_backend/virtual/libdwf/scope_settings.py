"""Set, Get and Info functions of the scope."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sim_backend.virtual.libdwf.acquisition import Channel, Settings
from sim_backend.virtual.libdwf.chassis import (
    BASE_CLOCK,
    SCOPE_BUFFER,
    SOURCES,
    Chassis,
)
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.memory import write, write_array
from sim_backend.virtual.libdwf.parameters import (
    Function,
    Functions,
    Parameter,
    bit_set,
    constants,
    functions,
)

CHANNELS = 2
BITS = 14  # reference manual
RANGES = (5.0, 50.0)  # V from end to end; the instrument's own are slightly larger
_LONGEST = 2.0**32 / BASE_CLOCK  # s; assumed
_SMALLEST_BUFFER = 16  # assumed

_SCOPE = (
    Parameter("AnalogInRecordLength", "length", limits=(0.0, 1e9)),
    Parameter("AnalogInNoiseSize", "noise_size", limits=(0, 0)),
    Parameter("AnalogInAcquisitionMode", "mode", choices=(0, 1, 2, 3, 5)),
    Parameter("AnalogInTriggerSource", "source", choices=SOURCES),
    Parameter(
        "AnalogInTriggerPosition",
        "position",
        (-_LONGEST, _LONGEST),
        info=(-_LONGEST, _LONGEST, 2.0**33),
    ),
    Parameter(
        "AnalogInTriggerAutoTimeout", "timeout", (0.0, _LONGEST), info=(0.0, _LONGEST, 2.0**32)
    ),
    Parameter("AnalogInTriggerHoldOff", "hold_off", (0.0, _LONGEST), info=(0.0, _LONGEST, 2.0**32)),
    Parameter("AnalogInTriggerType", "kind", choices=(0,)),
    Parameter("AnalogInTriggerChannel", "channel", choices=(0, 1), info=(0, CHANNELS - 1)),
    Parameter("AnalogInTriggerFilter", "filter", choices=(0, 1)),
    Parameter("AnalogInTriggerLevel", "level", (-25.0, 25.0), info=(-25.0, 25.0, 16384)),
    Parameter("AnalogInTriggerHysteresis", "hysteresis", (0.0, 25.0), info=(0.0, 25.0, 8192)),
    Parameter("AnalogInTriggerCondition", "condition", choices=(0, 1, 2)),
    Parameter(
        "AnalogInTriggerLength", "pulse_length", (0.0, _LONGEST), info=(0.0, _LONGEST, 2.0**32)
    ),
    Parameter("AnalogInTriggerLengthCondition", "length_condition", choices=(0, 1, 2)),
    Parameter("AnalogInSamplingSource", "sampling_source", choices=(0,)),
    Parameter("AnalogInSamplingSlope", "sampling_slope", choices=(0, 1, 2)),
    Parameter("AnalogInSamplingDelay", "sampling_delay", (0.0, 0.0)),
    Parameter("AnalogInCounter", "counter", (0.0, 0.0)),
)
_CHANNEL = (
    Parameter("AnalogInChannelEnable", "enable", limits=(0, 1)),
    Parameter("AnalogInChannelFilter", "filter", choices=(0, 1)),
    Parameter("AnalogInChannelOffset", "offset", (-25.0, 25.0), info=(-25.0, 25.0, 16384)),
    Parameter("AnalogInChannelAttenuation", "attenuation"),
    # These two exist and do nothing on an Analog Discovery 2 (pydwf's manual).
    Parameter("AnalogInChannelBandwidth", "bandwidth"),
    Parameter("AnalogInChannelImpedance", "impedance"),
    Parameter("AnalogInChannelCoupling", "coupling", choices=(0,)),
)


class ScopeSettings:
    """The settings as they are edited; what is in force is a copy of them.

    Parameters
    ----------
    chassis
        Of the device.
    changed
        Called after every change.
    """

    def __init__(self, chassis: Chassis, changed: Callable[[], None]) -> None:
        self._chassis = chassis
        self._on_change = changed
        self.reset()

    def reset(self) -> None:
        """Return to what the instrument starts with."""
        self.pending = Settings(size=self._largest)

    def copied(self) -> Settings:
        """Return a copy that later changes leave alone."""
        first, second = self.pending.channels
        return replace(self.pending, channels=(replace(first), replace(second)))

    def functions(self) -> Functions:
        """Return the functions by name."""
        made = functions(_SCOPE, lambda: [self.pending], self._changed)
        made |= functions(_CHANNEL, self._channels, self._changed)
        made["FDwfAnalogInTriggerSourceInfo"] = constants(bit_set(SOURCES))
        made["FDwfAnalogInChannelCount"] = constants(CHANNELS)
        made["FDwfAnalogInChannelCounts"] = constants(CHANNELS, 0, CHANNELS)
        made["FDwfAnalogInBitsInfo"] = constants(BITS)
        made["FDwfAnalogInNoiseSizeInfo"] = constants(0)
        made["FDwfAnalogInFrequencyInfo"] = constants(BASE_CLOCK / 2**32, BASE_CLOCK)
        made["FDwfAnalogInChannelRangeInfo"] = constants(*RANGES, len(RANGES))
        own: dict[str, Function] = {
            "FrequencySet": self._set_frequency,
            "FrequencyGet": lambda value: write(value, self.pending.frequency),
            "BufferSizeInfo": self._tell_sizes,
            "BufferSizeSet": self._set_size,
            "BufferSizeGet": lambda size: write(size, self.pending.size),
            "ChannelRangeSteps": self._tell_ranges,
            "ChannelRangeSet": self._set_range,
            "ChannelRangeGet": self._tell_range,
        }
        return made | {f"FDwfAnalogIn{name}": function for name, function in own.items()}

    @property
    def _largest(self) -> int:
        return SCOPE_BUFFER[self._chassis.configuration]

    def _channels(self, number: int) -> list[Channel]:
        if number == -1:
            return list(self.pending.channels)
        if not 0 <= number < CHANNELS:
            raise invalid(1, f"there is no analog input channel {number}")
        return [self.pending.channels[number]]

    def _changed(self, _channel: int = 0) -> None:
        self._on_change()

    def _set_frequency(self, frequency: float) -> None:
        if not frequency == frequency:
            raise invalid(1, "hzFrequency: not a number")
        # The sample clock is the base clock divided by a whole number.
        divider = round(BASE_CLOCK / min(max(frequency, BASE_CLOCK / 2**32), BASE_CLOCK))
        self.pending.frequency = BASE_CLOCK / divider
        self._on_change()

    def _tell_sizes(self, smallest: Any, largest: Any) -> None:
        write(smallest, _SMALLEST_BUFFER)
        write(largest, self._largest)

    def _set_size(self, size: int) -> None:
        self.pending.size = min(max(size, _SMALLEST_BUFFER), self._largest)
        self._on_change()

    def _tell_ranges(self, ranges: Any, count: Any) -> None:
        if ranges:
            write_array(ranges, np.array(RANGES), np.float64)
        write(count, len(RANGES))

    def _set_range(self, number: int, volts: float) -> None:
        if not volts == volts:
            raise invalid(2, "voltsRange: not a number")
        for channel in self._channels(number):
            fitting = [each for each in RANGES if each >= volts / channel.attenuation - 1e-9]
            channel.range = fitting[0] if fitting else RANGES[-1]
        self._on_change()

    def _tell_range(self, number: int, volts: Any) -> None:
        channel = self._channels(number)[0]
        write(volts, channel.range * channel.attenuation)
