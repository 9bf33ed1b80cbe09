"""A libdwf that records what it is called with: no physics, for what a driver sends and when."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest

READY, ARMED, DONE, RUNNING, CONFIG = 0, 1, 2, 3, 4
ANSWERS: dict[str, tuple[Any, ...]] = {
    "FDwfEnum": (1,),
    "FDwfEnumDeviceType": (3, 3),
    "FDwfEnumDeviceIsOpened": (0,),
    "FDwfEnumDeviceName": (b"Analog Discovery 2",),
    "FDwfEnumSN": (b"SN:210321ABCDEF",),
    "FDwfEnumConfig": (8,),
    "FDwfGetVersion": (b"3.20.1",),
    "FDwfDeviceConfigOpen": (1,),
    "FDwfAnalogInBufferSizeInfo": (16, 8192),
    "FDwfAnalogInFrequencyInfo": (1e-3, 1e8),
    "FDwfAnalogOutNodeDataInfo": (2, 4096),
    "FDwfDigitalOutDataInfo": (1024,),
    "FDwfDigitalOutInternalClockInfo": (1e8,),
}
"""What goes into the out-parameters, which are the last arguments, in order."""


class Function:
    """One exported function; pydwf hangs its prototype on it."""

    def __init__(self, library: "RecordingLibrary", name: str) -> None:
        self.library, self.name = library, name

    def __call__(self, *arguments: Any) -> int:
        return self.library.called(self.name, arguments)


class RecordingLibrary:
    """Stands where `ctypes.cdll.LoadLibrary` puts the library.

    `fail_at` is the index of the call that fails; `interrupt_at` that of the call during which
    somebody presses Ctrl-C.
    """

    _name = "libdwf.so"

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.answers = dict(ANSWERS)
        self.scope_states: list[int] = []
        self.fail_at: int | None = None
        self.interrupt_at: int | None = None
        self.error_code = 1
        self.on: set[str] = set()
        self.span = [5.0, 5.0]
        self.rate = 1e6
        self.volts = [0.0, 0.0]
        self._armed_states: list[int] = []
        self._pending: dict[str, bool] = {}

    def __getattr__(self, name: str) -> Function:
        if not name.startswith("FDwf"):
            raise AttributeError(name)
        function = Function(self, name)
        setattr(self, name, function)
        return function

    def names(self, since: int = 0) -> list[str]:
        return [name for name, _ in self.calls[since:]]

    def called(self, name: str, arguments: tuple[Any, ...]) -> int:
        if name == "FDwfGetLastError":
            arguments[0].value = self.error_code
            return 1
        if name == "FDwfGetLastErrorMsg":
            arguments[0].value = b"planted"
            return 1
        index = len(self.calls)
        self.calls.append((name, arguments))
        if index == self.interrupt_at:
            raise KeyboardInterrupt
        if index == self.fail_at:
            return 0
        behave: Callable[..., None] | None = getattr(type(self), "_" + name[4:], None)
        if behave is not None:
            behave(self, *arguments)
        for slot, value in zip(
            arguments[len(arguments) - len(self.answers.get(name, ())) :],
            self.answers.get(name, ()),
            strict=True,
        ):
            slot.value = value
        return 1

    def _AnalogInConfigure(self, hdwf: int, reconfigure: bool, start: bool) -> None:
        self._armed_states = list(self.scope_states) or [ARMED, DONE]

    def _AnalogInStatus(self, hdwf: int, read: bool, state: Any) -> None:
        states = self._armed_states
        state.value = states.pop(0) if len(states) > 1 else states[0]

    def _AnalogInStatusData(self, hdwf: int, channel: int, data: Any, count: int) -> None:
        for index in range(count):
            data[index] = self.volts[channel]

    def _AnalogInChannelRangeSet(self, hdwf: int, channel: int, span: float) -> None:
        self.span[channel] = span

    def _AnalogInChannelRangeGet(self, hdwf: int, channel: int, span: Any) -> None:
        span.value = self.span[channel]

    def _AnalogInFrequencySet(self, hdwf: int, rate: float) -> None:
        self.rate = rate

    def _AnalogInFrequencyGet(self, hdwf: int, rate: Any) -> None:
        rate.value = self.rate

    # Which outputs are on. Settings wait for a configure, as they do without auto-configure.

    def _AnalogOutNodeEnableSet(self, hdwf: int, channel: int, node: int, mode: int) -> None:
        self._pending[f"W{channel + 1}"] = bool(mode)

    def _AnalogOutConfigure(self, hdwf: int, channel: int, start: int) -> None:
        for name in ("W1", "W2") if channel == -1 else (f"W{channel + 1}",):
            self._switch(name, bool(start) and self._pending.get(name, False))

    def _DigitalOutEnableSet(self, hdwf: int, pin: int, enable: bool) -> None:
        self._pending[f"pattern {pin}"] = bool(enable)

    def _DigitalOutReset(self, hdwf: int) -> None:
        self._pending |= {f"pattern {pin}": False for pin in range(16)}

    def _DigitalOutConfigure(self, hdwf: int, start: bool) -> None:
        for pin in range(16):
            self._switch(f"pattern {pin}", self._pending.get(f"pattern {pin}", False))

    def _DigitalIOOutputEnableSet(self, hdwf: int, mask: int) -> None:
        self._pending["static"] = bool(mask)

    def _DigitalIOConfigure(self, hdwf: int) -> None:
        self._switch("static", self._pending.get("static", False))

    def _AnalogIOEnableSet(self, hdwf: int, enable: bool) -> None:
        self._pending["supplies"] = bool(enable)

    def _AnalogIOConfigure(self, hdwf: int) -> None:
        self._switch("supplies", self._pending.get("supplies", False))

    def _switch(self, name: str, on: bool) -> None:
        (self.on.add if on else self.on.discard)(name)


def load(monkeypatch: pytest.MonkeyPatch) -> RecordingLibrary:
    """Let pydwf find such a library, and return it."""
    library = RecordingLibrary()
    monkeypatch.setattr(ctypes.cdll, "LoadLibrary", lambda name: library)
    return library
