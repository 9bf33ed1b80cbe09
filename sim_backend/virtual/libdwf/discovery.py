"""The virtual Analog Discovery 2: its instruments on one chassis, plugged into a virtual bench."""

from typing import Any

import numpy as np

from crossbar.backend import Second
from sim_backend.virtual.libdwf.analog_in import AnalogIn
from sim_backend.virtual.libdwf.analog_io import AnalogIO
from sim_backend.virtual.libdwf.analog_out import AnalogOut
from sim_backend.virtual.libdwf.chassis import Chassis
from sim_backend.virtual.libdwf.control import Control
from sim_backend.virtual.libdwf.digital_io import DigitalIO
from sim_backend.virtual.libdwf.digital_out import DigitalOut
from sim_backend.virtual.libdwf.failure import invalid, unsupported
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.signatures import Prototype
from sim_backend.virtual.signals import Signal, Steps, Stimulus
from sim_backend.virtual.world import World


class VirtualDiscovery:
    """An Analog Discovery 2 that does not exist.

    Parameters
    ----------
    world
        The bench it is plugged into.
    serial
        Its serial number.
    imperfections
        Of its analog parts; those of a good instrument by default.
    """

    def __init__(
        self,
        world: World,
        *,
        serial: str = "210321VIRT01",
        imperfections: Imperfections | None = None,
    ) -> None:
        errors = imperfections or Imperfections()
        self.serial = serial
        self._chassis = chassis = Chassis(world)
        self._supplies = AnalogIO(chassis)
        self._waveforms = AnalogOut(chassis, errors)
        self._patterns = DigitalOut(chassis)
        self._scope = AnalogIn(chassis, errors)
        self._static = DigitalIO(chassis, self._pins_now)
        self._control = Control(chassis, serial, self._reset)
        self._pins = Steps.constant(0.0, 0)
        self._functions: dict[str, Any] = {}
        for part in (
            self._control,
            self._supplies,
            self._waveforms,
            self._patterns,
            self._scope,
            self._static,
        ):
            self._functions |= part.functions()
        world.attach(self)

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        """Do what a function of libdwf does.

        Raises
        ------
        Failure
            If it fails, or is not emulated.
        """
        function = self._functions.get(prototype.name)
        if function is None:
            raise unsupported(prototype.name)
        self._chassis.call()
        if not prototype.of_device:
            function(*arguments)
            return
        if arguments[0] != self._control.handle:
            raise invalid(0, f"{arguments[0]} is not the handle of an opened device")
        function(*arguments[1:])

    def stimulus(self, start: Second, end: Second) -> Stimulus:
        """Return what its pins do from `start` to `end`."""
        self._chassis.resolve(end)
        waveforms = (
            self._waveforms.waveform(0, start, end),
            self._waveforms.waveform(1, start, end),
        )
        self._pins = self._resolved_pins(start, end)
        return Stimulus(start, end, waveforms, self._pins, self._supplies.supplies())

    def observe(self, start: Second, end: Second, inputs: tuple[Signal, Signal]) -> None:
        """Take the voltages at scope inputs 1 and 2 in that interval, V."""
        self._scope.observe(start, end, inputs)

    def _resolved_pins(self, start: Second, end: Second) -> Steps:
        levels, driven = self._patterns.levels(start, end)
        # A pin that is set here without being enabled is driven by nobody (pydwf's manual).
        left = driven & ~self._static.enabled & ~self._static.output
        fixed = self._static.enabled & self._static.output
        return Steps(levels.time, (levels.value & np.int32(left)) | np.int32(fixed))

    def _pins_now(self) -> int:
        return int(self._pins.at(np.array([self._chassis.now]))[0])

    def _reset(self) -> None:
        for part in (self._waveforms, self._patterns, self._scope, self._static, self._supplies):
            part.reset()
