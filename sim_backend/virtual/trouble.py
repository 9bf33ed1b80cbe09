"""Trouble with a virtual Analog Discovery 2: what goes wrong from one call of libdwf on.

libdwf says of every call whether it was done, so a call that it reports as done and has not done is
not among them: nothing above could tell.
"""

import ctypes
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Protocol

import numpy as np

from crossbar.backend import Array, Second
from sim_backend.virtual.clock import Clock
from sim_backend.virtual.libdwf.failure import UNKNOWN, Failure
from sim_backend.virtual.libdwf.signatures import Prototype, prototypes
from sim_backend.virtual.signals import Stimulus

SLOW: Second = 3.0
"""What a slow call takes; longer than any deadline of the drivers."""
DATA = "FDwfAnalogInStatusData"
NOISE = 1e30
"""What garbage is, V."""
OPENING = ("FDwfDeviceOpen", "FDwfDeviceOpenEx", "FDwfDeviceConfigOpen")


class Trouble(Enum):
    """What goes wrong with an Analog Discovery 2."""

    REFUSED = "one call fails, and is not carried out"
    LOST = "one call is carried out, and reported as failed"
    SLOW = "one call takes seconds"
    UNPLUGGED = "the USB plug is pulled: its outputs die, every further call fails"
    CUT = "it has a supply of its own: its outputs go on, every further call fails"
    RESET = "another program resets it"
    TRIPPED = "its supplies trip"
    STUCK = "the scope's inputs stick at the last sample that was taken"
    STALE = "the scope hands out one record a second time"
    GARBAGE = "one record of the scope is noise beyond any range"
    INTERRUPT = "somebody presses Ctrl-C during one call"


class Troubled(Protocol):
    """A virtual Analog Discovery 2."""

    serial: str

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        """Do what a C function does; raise `Failure` if it fails."""
        ...

    def stimulus(self, start: Second, end: Second) -> Stimulus:
        """Return what its pins do from `start` to `end`."""
        ...


class TroubledDiscovery:
    """A virtual Analog Discovery 2 with trouble ahead.

    Parameters
    ----------
    discovery
        The one that works.
    clock
        Bench time, in which a slow call is slow.
    trouble
        By number of the call, counted from 0 or from `plan`.
    """

    def __init__(
        self, discovery: Troubled, clock: Clock, trouble: Mapping[int, Trouble] | None = None
    ) -> None:
        self.serial = discovery.serial
        self._discovery = discovery
        self._clock = clock
        self._handle: int | None = None
        self._last: dict[int, Array] = {}
        self.plan(trouble or {})

    def plan(self, trouble: Mapping[int, Trouble]) -> None:
        """Take other trouble, counted from the next call; what was wrong is right again."""
        self.calls = 0
        """How many there have been."""
        self.met: Trouble | None = None
        """What has gone wrong by now."""
        self._trouble = dict(trouble)
        self._gone = False
        self._spoilt: Trouble | None = None

    def stimulus(self, start: Second, end: Second) -> Stimulus:
        """Return what its pins do from `start` to `end`."""
        return self._discovery.stimulus(start, end)

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        """Do what a C function does, or what goes wrong instead.

        Raises
        ------
        Failure
            If it fails.
        """
        trouble = self._trouble.get(self.calls)
        self.calls += 1
        self.met = trouble or self.met
        if trouble is Trouble.UNPLUGGED:
            self._power_down()
        self._gone |= trouble in (Trouble.UNPLUGGED, Trouble.CUT)
        if self._gone or trouble is Trouble.REFUSED:
            self._clock.call()
            raise Failure(UNKNOWN, "the device does not answer")
        if trouble is Trouble.SLOW:
            self._clock.sleep(SLOW)
        if trouble is Trouble.RESET:
            self._inner("FDwfDeviceReset")
        if trouble is Trouble.TRIPPED:
            self._inner("FDwfAnalogIOEnableSet", 0)
            self._inner("FDwfAnalogIOConfigure")
        if trouble in (Trouble.STUCK, Trouble.STALE, Trouble.GARBAGE):
            self._spoilt = trouble
        if trouble is Trouble.INTERRUPT:
            raise KeyboardInterrupt
        self._discovery.call(prototype, arguments)
        if prototype.name in OPENING:
            self._handle = arguments[-1][0]
        if prototype.name == DATA and self._trouble:
            self._spoil(*arguments[1:])
        if trouble is Trouble.LOST:
            raise Failure(UNKNOWN, "no reply came")

    def _spoil(self, channel: int, into: Any, count: int) -> None:
        """Change a record that was handed out."""
        record = np.ctypeslib.as_array(ctypes.cast(into, ctypes.POINTER(ctypes.c_double)), (count,))
        before, spoilt = self._last.get(channel), self._spoilt
        if spoilt is Trouble.GARBAGE:
            record[:] = NOISE
            self._spoilt = None if channel else spoilt
        elif spoilt is Trouble.STUCK and before is not None:
            record[:] = before[-1]
        elif spoilt is Trouble.STALE and before is not None and len(before) == count:
            record[:] = before
            self._spoilt = None if channel else spoilt
        self._last[channel] = record.copy()

    def _power_down(self) -> None:
        self._inner("FDwfDeviceReset")
        self._inner("FDwfAnalogIOEnableSet", 0)
        self._inner("FDwfAnalogIOConfigure")

    def _inner(self, name: str, *arguments: Any) -> None:
        """Let something happen to the device that no program has asked for; nothing if closed."""
        if self._handle is not None:
            with suppress(Failure):
                self._discovery.call(_prototype(name), (self._handle, *arguments))


def _prototype(name: str) -> Prototype:
    return next(each for each in prototypes() if each.name == name)
