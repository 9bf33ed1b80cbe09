"""Finding and opening an Analog Discovery 2, what it holds, and turning all of it off."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydwf import (
    DwfAnalogOutIdle,
    DwfAnalogOutNode,
    DwfDeviceID,
    DwfDeviceParameter,
    DwfLibrary,
    DwfState,
)

from crossbar.backend import BenchError, InstrumentError
from instruments.discovery_errors import translated

Step = tuple[str, Callable[..., None], tuple[object, ...]]

_SHUT_DOWN = 2  # value of the parameter OnClose: pydwf 1.1.19, DwfDeviceParameter.OnClose
_MARK = 12_345
"""Divider of the logic analyser's clock, which nobody here uses: a reset changes it."""
_ACTIVE = (DwfState.Armed, DwfState.Wait, DwfState.Running)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which device is open, and through which library.

    Parameters
    ----------
    name
        As the device calls itself.
    serial
        Serial number, 12 characters.
    config
        Number of its device configuration.
    version
        Of libdwf.
    library
        Path of the libdwf that is loaded, or its name where no path is to be had.
    """

    name: str
    serial: str
    config: int
    version: str
    library: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the open device holds in its configuration.

    Parameters
    ----------
    scope_samples
        Samples per channel of one record.
    scope_rate
        Fastest sampling, per second; slower ones are this divided by a whole number.
    waveform_samples
        Samples of a custom waveform.
    pattern_bits
        Bits of a digital pattern.
    pattern_clock
        Ticks per second of the digital patterns.
    """

    scope_samples: int
    scope_rate: float
    waveform_samples: int
    pattern_bits: int
    pattern_clock: float

    @classmethod
    def of(cls, device: Any) -> "Capacity":
        """Ask an open device."""
        return cls(
            scope_samples=device.analogIn.bufferSizeInfo()[1],
            scope_rate=device.analogIn.frequencyInfo()[1],
            waveform_samples=int(device.analogOut.nodeDataInfo(0, DwfAnalogOutNode.Carrier)[1]),
            pattern_bits=device.digitalOut.dataInfo(0),
            pattern_clock=device.digitalOut.internalClockInfo(),
        )


def open_device(serial: str | None, config: int) -> tuple[Any, Identity]:
    """Open the device with a serial number, or the only one there is.

    Raises
    ------
    BenchError
        If the device has no such configuration.
    InstrumentError
        If there is no such device, more than one fits, or it is in use.
    """
    library = DwfLibrary()
    catalogue = library.deviceEnum
    index = _find(catalogue, serial)
    if not 0 <= config < catalogue.enumerateConfigurations(index):
        raise BenchError(f"this Analog Discovery 2 has no device configuration {config}")
    if catalogue.deviceIsOpened(index):
        raise InstrumentError(
            "the Analog Discovery 2 is open elsewhere; close WaveForms and other programs using it"
        )
    identity = Identity(
        name=catalogue.deviceName(index),
        serial=catalogue.serialNumber(index),
        config=config,
        version=library.getVersion(),
        library=_library_path(library.lib),
    )
    return library.deviceControl.open(index, config), identity


def _find(catalogue: Any, serial: str | None) -> int:
    """Return the number of the one device that fits."""
    found = {
        catalogue.serialNumber(index): index
        for index in range(catalogue.enumerateDevices())
        if catalogue.deviceType(index)[0] == DwfDeviceID.Discovery2.value
    }
    if not found:
        raise InstrumentError(
            "no Analog Discovery 2 is connected: check the USB cable, and on Linux that the "
            "Adept 2 runtime is installed"
        )
    there = ", ".join(sorted(found))
    if serial is None:
        if len(found) > 1:
            raise InstrumentError(f"name one by its serial number; connected are {there}")
        return next(iter(found.values()))
    if serial not in found:
        raise InstrumentError(
            f"no Analog Discovery 2 with serial number {serial} is connected; there is {there}"
        )
    return found[serial]


def _library_path(library: Any) -> str:
    """Return where the loaded library lies; the name it was loaded by if that is not told."""
    if sys.platform.startswith("linux"):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            path = line.split(maxsplit=5)[-1]
            if "libdwf" in path:
                return path
    return str(library._name)


def begin(device: Any) -> list[str]:
    """Let nothing happen by itself from now on, and return which outputs were found on."""
    device.autoConfigureSet(0)
    device.paramSet(DwfDeviceParameter.OnClose, _SHUT_DOWN)
    device.digitalIn.dividerSet(_MARK)
    found = [f"W{n + 1}" for n in range(2) if device.analogOut.status(n) in _ACTIVE]
    if device.digitalOut.status() in _ACTIVE:
        found.append("digital patterns")
    static = device.digitalIO.outputEnableGet()
    if static:
        found.append(f"static pins {static:#06x}")
    if device.analogIO.enableGet():
        found.append("supplies")
    return found


def is_marked(device: Any) -> bool:
    """Return whether the device is as `begin` and its program have left it: nobody has reset it."""
    return bool(device.digitalIn.dividerGet() == _MARK)


def _steps_to_off(device: Any) -> list[Step]:
    """Return the calls that turn everything off, the outputs that drive cells first."""
    waveforms, digital, supplies = device.analogOut, device.digitalIO, device.analogIO
    carrier = DwfAnalogOutNode.Carrier
    steps: list[Step] = [("waveforms", waveforms.configure, (-1, 0))]
    for channel in range(2):
        name = f"W{channel + 1}"
        steps += [
            (name, waveforms.nodeOffsetSet, (channel, carrier, 0.0)),
            (name, waveforms.idleSet, (channel, DwfAnalogOutIdle.Offset)),
            (name, waveforms.nodeEnableSet, (channel, carrier, 0)),
        ]
    return [
        *steps,
        ("waveforms", waveforms.configure, (-1, 0)),
        ("patterns", device.digitalOut.reset, ()),
        ("patterns", device.digitalOut.configure, (False,)),
        ("pins", digital.outputEnableSet, (0,)),
        ("pins", digital.outputSet, (0,)),
        ("pins", digital.configure, ()),
        ("supplies", supplies.enableSet, (False,)),
        ("V+", supplies.channelNodeSet, (0, 0, 0.0)),
        ("V-", supplies.channelNodeSet, (1, 0, 0.0)),
        ("supplies", supplies.configure, ()),
    ]


def turn_off(device: Any) -> list[str]:
    """Turn everything off, whatever fails on the way, and return what failed.

    If anything failed, all of it is done once more: off twice is still off.

    Raises
    ------
    KeyboardInterrupt
        If one came meanwhile; only after all has been turned off.
    """
    steps = _steps_to_off(device)
    failures, interrupt = _attempt(steps)
    if failures or interrupt is not None:
        remaining, again = _attempt(steps)
        interrupt = interrupt or again
        if failures and not remaining:
            failures.append("all succeeded when repeated")
    if interrupt is not None:
        raise interrupt
    return failures


def _attempt(steps: list[Step]) -> tuple[list[str], BaseException | None]:
    """Take every step; return what failed, and what wanted to interrupt."""
    failures: list[str] = []
    interrupt: BaseException | None = None
    for name, step, arguments in steps:
        try:
            step(*arguments)
        except Exception as error:
            failures.append(f"{name}: {translated(error)}")
        except BaseException as error:  # it has to wait: a cell may be driven
            interrupt = error
    return failures, interrupt
