"""Static pins, and who drives a pin when several instruments want to."""

from collections.abc import Callable
from typing import Any

from sim_backend.virtual.libdwf.chassis import Chassis
from sim_backend.virtual.libdwf.memory import write
from sim_backend.virtual.libdwf.parameters import Functions, Parameter, constants, functions

ALL_PINS = 0xFFFF


class Levels:
    """Which pins are driven, and how."""

    enable = 0
    output = 0


_SETTINGS = (
    ("DigitalIOOutputEnable", "enable"),
    ("DigitalIOOutput", "output"),
)


class DigitalIO:
    """Static levels of the 16 pins.

    A pin whose output is enabled here is driven from here. A pin that is not, but whose level is
    set high here, is driven by nobody. All others are left to patterns and protocols (pydwf's
    manual).

    Parameters
    ----------
    chassis
        Of the device.
    seen
        Returns the levels of all pins now.
    """

    def __init__(self, chassis: Chassis, seen: Callable[[], int]) -> None:
        self._chassis = chassis
        self._seen = seen
        self._inputs = 0
        self._pending = Levels()
        self.enabled = 0
        self.output = 0

    def functions(self) -> Functions:
        """Return its functions by name."""
        made: Functions = {}
        parameters = [Parameter(name, attribute, limits=None) for name, attribute in _SETTINGS]
        plain = functions(parameters, lambda: [self._pending], self._changed)
        for name, function in plain.items():
            made[name] = function
            made[f"{name}64"] = function
        for name in ("OutputEnable", "Output", "Input"):
            made[f"FDwfDigitalIO{name}Info"] = constants(ALL_PINS)
            made[f"FDwfDigitalIO{name}Info64"] = constants(ALL_PINS)
        made["FDwfDigitalIOInputStatus"] = self._input_status
        made["FDwfDigitalIOInputStatus64"] = self._input_status
        made["FDwfDigitalIOPullInfo"] = constants(0, 0)
        made["FDwfDigitalIOReset"] = self.reset
        made["FDwfDigitalIOConfigure"] = self._configure
        made["FDwfDigitalIOStatus"] = self._status
        return made

    def reset(self) -> None:
        """Drive no pin."""
        self._chassis.advance()
        self._pending = Levels()
        self.enabled = self.output = 0

    def _configure(self) -> None:
        self._chassis.advance()
        self.enabled = self._pending.enable & ALL_PINS
        self.output = self._pending.output & ALL_PINS

    def _changed(self) -> None:
        if self._chassis.auto_configure:
            self._configure()

    def _status(self) -> None:
        self._chassis.advance()
        self._inputs = self._seen()

    def _input_status(self, pins: Any) -> None:
        write(pins, self._inputs)
