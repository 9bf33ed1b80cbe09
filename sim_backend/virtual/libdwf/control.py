"""Finding, opening and closing the device, its parameters, and the computer's trigger."""

from collections.abc import Callable
from functools import partial
from typing import Any

from crossbar.backend import Second
from sim_backend.virtual.libdwf.chassis import (
    EXTERNAL_1,
    LOGIC_BUFFER,
    PATTERN_BUFFER,
    SCOPE_BUFFER,
    SOURCES,
    WAVEFORM_BUFFER,
    Chassis,
)
from sim_backend.virtual.libdwf.failure import ALREADY_OPENED, Failure, invalid
from sim_backend.virtual.libdwf.memory import write, write_text
from sim_backend.virtual.libdwf.parameters import Functions, bit_set, constants, named

DISCOVERY_2, REVISION_C = 3, 3  # DEVID and DEVVER, dwf.h
_TYPE, _USB = 0x08000000, 1  # enumfilter, dwf.h
_KINDS = 0x0FFFFFFF & ~_TYPE
CONFIGURATIONS = len(SCOPE_BUFFER)
_TOOLTIP, _OTHER = -1, -2  # DECI, dwf.h
_ON_CLOSE, _RUN_ON = 4, 0  # DwfParamOnClose, dwf.h: 0 goes on, 1 stops, 2 shuts down
_PARAMETERS = {1: 0, 2: 1, 3: 100, _ON_CLOSE: 1, 5: 1, 6: 600, 7: 1, 8: 100_000_000, 9: 0, 10: 0}
_TEXT = 32
_TRIGGER_PINS = 2

# DECI, dwf.h: what a configuration holds
_HOLDS = {
    1: (2,) * CONFIGURATIONS,
    2: (2,) * CONFIGURATIONS,
    3: (5,) * CONFIGURATIONS,
    4: (16,) * CONFIGURATIONS,
    5: (16,) * CONFIGURATIONS,
    6: (16,) * CONFIGURATIONS,
    7: SCOPE_BUFFER,
    8: WAVEFORM_BUFFER,
    9: LOGIC_BUFFER,
    10: PATTERN_BUFFER,
}


class Control:
    """One device, found on USB, that can be open once.

    Parameters
    ----------
    chassis
        Of the device.
    serial
        Its serial number.
    reset
        Resets all instruments.
    """

    def __init__(self, chassis: Chassis, serial: str, reset: Callable[[], None]) -> None:
        self._chassis = chassis
        self._serial = serial
        self._reset = reset
        self._defaults = dict(_PARAMETERS)
        self._parameters = dict(_PARAMETERS)
        self._pins = [0] * _TRIGGER_PINS
        self._opened = 0
        self.handle: int | None = None
        for pin in range(_TRIGGER_PINS):
            # A trigger pin shows its source and can be triggered on at the same time.
            chassis.edges[EXTERNAL_1 + pin] = partial(self._pin_edge, pin)

    def functions(self) -> Functions:
        """Return its functions by name."""
        made = named(self)
        made["FDwfDeviceTriggerInfo"] = constants(bit_set(SOURCES))
        made["FDwfDeviceTriggerSlopeInfo"] = constants(bit_set((0, 1, 2)))
        made["FDwfEnumConfig"] = constants(CONFIGURATIONS)
        made["FDwfEnumAnalogInChannels"] = constants(2)
        made["FDwfEnumAnalogInBufferSize"] = constants(SCOPE_BUFFER[0])
        made["FDwfEnumAnalogInBits"] = constants(14)
        made["FDwfEnumAnalogInFrequency"] = constants(100e6)
        return made

    def _pin_edge(self, pin: int, slope: int, after: Second) -> Second | None:
        return self._chassis.edge(self._pins[pin], slope, after)

    @staticmethod
    def _found(wanted: int) -> int:
        kinds = wanted & _KINDS
        return int(kinds == 0 or bool(kinds & _USB) or kinds == DISCOVERY_2)

    @staticmethod
    def _this(index: int) -> None:
        if index != 0:
            raise invalid(0, f"there is no device {index}, only device 0")

    def FDwfEnum(self, wanted: int, count: Any) -> None:
        """Look for devices."""
        write(count, self._found(wanted))

    def FDwfEnumStart(self, wanted: int) -> None:
        """Begin to look for devices."""
        self._looked_for = wanted

    def FDwfEnumStop(self, count: Any) -> None:
        """Tell what was found."""
        write(count, self._found(getattr(self, "_looked_for", 0)))

    def FDwfEnumDeviceType(self, index: int, kind: Any, revision: Any) -> None:
        """Tell what the device is."""
        self._this(index)
        write(kind, DISCOVERY_2)
        write(revision, REVISION_C)

    def FDwfEnumDeviceIsOpened(self, index: int, opened: Any) -> None:
        """Tell whether the device is open."""
        self._this(index)
        write(opened, int(self.handle is not None))

    def FDwfEnumUserName(self, index: int, name: Any) -> None:
        """Tell the name that its owner gave it."""
        self._this(index)
        write_text(name, "Discovery2", _TEXT)

    def FDwfEnumDeviceName(self, index: int, name: Any) -> None:
        """Tell what it is called."""
        self._this(index)
        write_text(name, "Analog Discovery 2", _TEXT)

    def FDwfEnumSN(self, index: int, serial: Any) -> None:
        """Tell the serial number."""
        self._this(index)
        write_text(serial, f"SN:{self._serial}", _TEXT)

    def FDwfEnumConfigInfo(self, configuration: int, what: int, value: Any) -> None:
        """Tell what a device configuration holds."""
        if not 0 <= configuration < CONFIGURATIONS:
            raise invalid(0, f"there is no configuration {configuration}")
        if what in (_TOOLTIP, _OTHER):
            write_text(value, "" if what == _OTHER else "virtual Analog Discovery 2", _TEXT)
        elif what in _HOLDS:
            write(value, _HOLDS[what][configuration])
        else:
            raise invalid(1, f"there is no configuration info {what}")

    def FDwfDeviceOpen(self, index: int, handle: Any) -> None:
        """Open the device in its first configuration."""
        self.FDwfDeviceConfigOpen(index, 0, handle)

    def FDwfDeviceConfigOpen(self, index: int, configuration: int, handle: Any) -> None:
        """Open the device."""
        write(handle, 0)
        if index != -1:
            self._this(index)
        if not 0 <= configuration < CONFIGURATIONS:
            raise invalid(1, f"there is no configuration {configuration}")
        if self.handle is not None:
            raise Failure(ALREADY_OPENED, f"device {self._serial} is already opened")
        if configuration != self._chassis.configuration:
            self._chassis.configuration = configuration
            self._reset()
        self._parameters = dict(self._defaults)
        self._chassis.auto_configure = True
        self._opened += 1
        self.handle = self._opened
        write(handle, self.handle)

    def FDwfDeviceClose(self) -> None:
        """Close the device; unless told otherwise, everything stops."""
        if self._parameters[_ON_CLOSE] != _RUN_ON:
            self._reset()
        self.handle = None

    def FDwfDeviceCloseAll(self) -> None:
        """Close every device."""
        if self.handle is not None:
            self.FDwfDeviceClose()

    def FDwfDeviceReset(self) -> None:
        """Reset all instruments."""
        self._reset()

    def FDwfDeviceEnableSet(self, enable: int) -> None:
        """Stop all instruments if not enabled."""
        if not enable:
            self._reset()

    def FDwfDeviceAutoConfigureSet(self, automatic: int) -> None:
        """Set whether settings take effect at once."""
        self._chassis.auto_configure = bool(automatic)

    def FDwfDeviceAutoConfigureGet(self, automatic: Any) -> None:
        """Tell whether settings take effect at once."""
        write(automatic, int(self._chassis.auto_configure))

    def FDwfDeviceTriggerSet(self, pin: int, source: int) -> None:
        """Set what a trigger pin shows."""
        if not 0 <= pin < _TRIGGER_PINS:
            raise invalid(1, f"there is no trigger pin {pin}")
        if source not in SOURCES:
            raise invalid(2, f"there is no trigger source {source}")
        self._chassis.advance()
        self._pins[pin] = source

    def FDwfDeviceTriggerGet(self, pin: int, source: Any) -> None:
        """Tell what a trigger pin shows."""
        if not 0 <= pin < _TRIGGER_PINS:
            raise invalid(1, f"there is no trigger pin {pin}")
        write(source, self._pins[pin])

    def FDwfDeviceTriggerPC(self) -> None:
        """Trigger every instrument that waits for the computer."""
        self._chassis.advance()
        self._chassis.trigger_by_computer()

    def FDwfParamSet(self, parameter: int, value: int) -> None:
        """Set a parameter of devices that are opened from now on."""
        self._defaults[_known(parameter, 0)] = value

    def FDwfParamGet(self, parameter: int, value: Any) -> None:
        """Tell a parameter of devices that are opened from now on."""
        write(value, self._defaults[_known(parameter, 0)])

    def FDwfDeviceParamSet(self, parameter: int, value: int) -> None:
        """Set a parameter of this device."""
        self._parameters[_known(parameter, 1)] = value

    def FDwfDeviceParamGet(self, parameter: int, value: Any) -> None:
        """Tell a parameter of this device."""
        write(value, self._parameters[_known(parameter, 1)])


def _known(parameter: int, position: int) -> int:
    if parameter not in _PARAMETERS:
        raise invalid(position, f"there is no parameter {parameter} on an Analog Discovery 2")
    return parameter
