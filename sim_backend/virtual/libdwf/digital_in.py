"""The logic analyser, as far as looking at patterns needs it."""

from typing import Any

import numpy as np

from crossbar.backend import Array, Second
from sim_backend.virtual.libdwf.acquisition import Acquisition, Channel, Settings
from sim_backend.virtual.libdwf.capture import Capture
from sim_backend.virtual.libdwf.chassis import BASE_CLOCK, LOGIC, LOGIC_BUFFER, SOURCES, Chassis
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.memory import write, write_array
from sim_backend.virtual.libdwf.parameters import (
    Functions,
    Parameter,
    bit_set,
    constants,
    functions,
    named,
)
from sim_backend.virtual.signals import Steps

_PINS = 16
_FORMATS = {8: np.uint8, 16: np.uint16, 32: np.uint32}  # bits of a sample in memory
_DIVIDER = 0x7FFFFFFF  # assumed
_LONGEST = 2.0**32 / BASE_CLOCK  # s; assumed
_AFTER = 0x7FFFFFFF  # samples; assumed

_SETTINGS = (
    Parameter("DigitalInClockSource", "clock", choices=(0,)),
    Parameter("DigitalInDivider", "divider", (1, _DIVIDER), info=(_DIVIDER,)),
    Parameter("DigitalInSampleFormat", "format", choices=(8, 16, 32)),
    Parameter("DigitalInSampleMode", "sample_mode", choices=(0,)),
    Parameter("DigitalInSampleSensible", "sensible"),
    Parameter("DigitalInAcquisitionMode", "mode", choices=(0, 1, 2, 3)),
    Parameter("DigitalInTriggerSource", "source", choices=tuple(s for s in SOURCES if s != 3)),
    Parameter("DigitalInTriggerSlope", "slope", choices=(0, 1, 2)),
    Parameter("DigitalInTriggerPosition", "after", (0, _AFTER), info=(_AFTER,)),
    Parameter("DigitalInTriggerPrefill", "before", (0, _AFTER)),
    Parameter(
        "DigitalInTriggerAutoTimeout", "timeout", (0.0, _LONGEST), info=(0.0, _LONGEST, 2.0**32)
    ),
    Parameter("DigitalInCounter", "counter", (0.0, 0.0)),
)


class _Settings:
    clock = 0
    divider = 1
    format = 16
    sample_mode = 0
    sensible = 0xFFFF
    mode = 0
    source = 0
    slope = 0
    after = 0
    before = 0
    timeout = 0.0
    counter = 0.0

    def __init__(self, size: int) -> None:
        self.size = size


class DigitalIn:
    """The logic analyser: all 16 pins, without triggers of its own.

    Parameters
    ----------
    chassis
        Of the device.
    """

    def __init__(self, chassis: Chassis) -> None:
        self._chassis = chassis
        self._capture = Capture(chassis, LOGIC, LOGIC_BUFFER, _as_taken)
        self._settings = _Settings(self._largest)

    def functions(self) -> Functions:
        """Return its functions by name."""
        made = functions(_SETTINGS, lambda: [self._settings], lambda: None)
        made["FDwfDigitalInTriggerSourceInfo"] = constants(bit_set(SOURCES))
        made["FDwfDigitalInInternalClockInfo"] = constants(BASE_CLOCK)
        made["FDwfDigitalInBitsInfo"] = constants(_PINS)
        made["FDwfDigitalInTriggerInfo"] = constants(0, 0, 0, 0)
        made["FDwfDigitalInTriggerGet"] = constants(0, 0, 0, 0)
        return made | self._capture.functions("FDwfDigitalIn") | named(self)

    def reset(self) -> None:
        """Stop, and forget all settings."""
        self._chassis.advance()
        self._capture.stop()
        self._settings = _Settings(self._largest)

    def observe(self, start: Second, end: Second, pins: Steps) -> None:
        """Take an interval of the pins."""
        self._capture.observe(start, end, (pins, pins))

    @property
    def _largest(self) -> int:
        return LOGIC_BUFFER[self._chassis.configuration]

    def FDwfDigitalInReset(self) -> None:
        """Stop, and forget all settings."""
        self.reset()

    def FDwfDigitalInConfigure(self, _reconfigure: int, start: int) -> None:
        """Take the settings, and start or stop."""
        self._chassis.advance()
        wanted = self._settings
        if not start:
            self._capture.stop()
            return
        if not wanted.size:
            raise invalid(0, "this device configuration has no logic analyser")
        frequency = BASE_CLOCK / wanted.divider
        recorded = wanted.mode == 3
        position = (wanted.after - 0.5 * wanted.size) / frequency
        self._capture.start(
            Settings(
                frequency=frequency,
                size=wanted.size,
                mode=wanted.mode,
                length=wanted.after / frequency,
                source=wanted.source,
                position=0.0 if recorded else position,
                timeout=wanted.timeout,
                condition=wanted.slope,
                channels=(Channel(), Channel(enable=0)),
            )
        )

    def FDwfDigitalInStatus(self, read: int, state: Any) -> None:
        """Tell the state; an acquisition that is running is waited for."""
        write(state, self._capture.poll(read=bool(read)))

    def FDwfDigitalInBufferSizeInfo(self, size: Any) -> None:
        """Tell how many samples there can be."""
        write(size, self._largest)

    def FDwfDigitalInBufferSizeSet(self, size: int) -> None:
        """Set how many samples there are; libdwf takes the nearest that is possible."""
        self._settings.size = min(max(size, 1), self._largest)

    def FDwfDigitalInBufferSizeGet(self, size: Any) -> None:
        """Tell how many samples there are."""
        write(size, self._settings.size)

    def FDwfDigitalInInputOrderSet(self, _pins_first: int) -> None:
        """Accept an order of inputs; there are only these 16."""

    def FDwfDigitalInStatusData(self, data: Any, size: int) -> None:
        """Hand out fetched samples."""
        self.FDwfDigitalInStatusData2(data, 0, size)

    def FDwfDigitalInStatusData2(self, data: Any, first: int, size: int) -> None:
        """Hand out fetched samples from number `first` on."""
        kind = _FORMATS[self._settings.format]
        levels = self._capture.fetched(0, first, size // np.dtype(kind).itemsize)
        write_array(data, levels.astype(np.int64), kind)


def _as_taken(pair: tuple[Array, Array], _acquisition: Acquisition) -> Array:
    return np.stack(pair)
