"""The functions of libdwf that every record calls, without the conversions of pydwf's methods.

pydwf makes its arguments and results anew for each call, and packs bits one by one (0.1 ms for a
full pattern). That is most of what a multiply would cost in Python.
"""

import ctypes
from typing import Any

_OK = 1  # what functions of libdwf return: dwf.h 3.20.1


class Direct:
    """What pydwf's AnalogIn and DigitalOut do, for an open device of pydwf's.

    Every method raises pydwf's error if libdwf refuses.
    """

    def __init__(self, device: Any) -> None:
        self._device = device
        self._lib = device.lib
        self._handle = device.hdwf
        self._state = ctypes.c_ubyte()

    def scope_configure(self, reconfigure: bool, start: bool) -> None:
        """As ``AnalogIn.configure``."""
        if self._lib.FDwfAnalogInConfigure(self._handle, reconfigure, start) != _OK:
            raise self._failure()

    def scope_status(self, read: bool) -> int:
        """As ``AnalogIn.status``, but the number of the state."""
        if self._lib.FDwfAnalogInStatus(self._handle, read, self._state) != _OK:
            raise self._failure()
        return self._state.value

    def scope_data(self, channel: int, into: Any, count: int) -> None:
        """As ``AnalogIn.statusData``, into an array of ours."""
        if self._lib.FDwfAnalogInStatusData(self._handle, channel, into, count) != _OK:
            raise self._failure()

    def pattern_configure(self, start: bool) -> None:
        """As ``DigitalOut.configure``."""
        if self._lib.FDwfDigitalOutConfigure(self._handle, start) != _OK:
            raise self._failure()

    def pattern_data(self, pin: int, octets: bytes, length: int) -> None:
        """As ``DigitalOut.dataSet``, of bits that are packed, the first one lowest."""
        if self._lib.FDwfDigitalOutDataSet(self._handle, pin, octets, length) != _OK:
            raise self._failure()

    def _failure(self) -> Exception:
        failure: Exception = self._device.dwf.exception()
        return failure
