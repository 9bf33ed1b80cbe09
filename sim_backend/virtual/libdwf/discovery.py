"""The virtual Analog Discovery 2: its instruments on one chassis, plugged into a virtual bench."""

from typing import Any

import numpy as np

from crossbar.backend import Array, Second
from sim_backend.virtual.libdwf.analog_in import AnalogIn
from sim_backend.virtual.libdwf.analog_io import AnalogIO
from sim_backend.virtual.libdwf.analog_out import AnalogOut
from sim_backend.virtual.libdwf.buses import Can, I2c, Uart
from sim_backend.virtual.libdwf.chassis import Chassis
from sim_backend.virtual.libdwf.control import Control
from sim_backend.virtual.libdwf.digital_in import DigitalIn
from sim_backend.virtual.libdwf.digital_io import DigitalIO
from sim_backend.virtual.libdwf.digital_out import DigitalOut
from sim_backend.virtual.libdwf.failure import invalid, unsupported
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.protocols import ProtocolPins
from sim_backend.virtual.libdwf.signatures import Prototype
from sim_backend.virtual.libdwf.spi import Spi
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
        self._logic = DigitalIn(chassis)
        self._static = DigitalIO(chassis, self._pins_now)
        self._protocols = ProtocolPins(chassis)
        self._control = Control(chassis, serial, self._reset)
        self._pins = Steps.constant(0.0, 0)
        self._functions: dict[str, Any] = {}
        for part in (
            self._control,
            self._supplies,
            self._waveforms,
            self._patterns,
            self._scope,
            self._logic,
            self._static,
            Spi(chassis, self._protocols, self._pins_at),
            Uart(chassis, self._protocols),
            I2c(chassis),
            Can(chassis),
        ):
            self._functions |= part.functions()
        world.attach(self)

    @property
    def emulated(self) -> frozenset[str]:
        """Names of the functions that do something; all others are not supported."""
        return frozenset(self._functions)

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
        self._chassis.shown = end
        return Stimulus(start, end, waveforms, self._pins, self._supplies.supplies())

    def observe(self, start: Second, end: Second, inputs: tuple[Signal, Signal]) -> None:
        """Take the voltages at scope inputs 1 and 2 in that interval, V."""
        self._scope.observe(start, end, inputs)
        self._logic.observe(start, end, self._pins)

    def _resolved_pins(self, start: Second, end: Second) -> Steps:
        levels, driven = self._patterns.levels(start, end)
        sent, held = self._protocols.levels(start, end)
        # A pin that is set here without being enabled is driven by nobody (pydwf's manual).
        left = ~self._static.enabled & ~self._static.output
        fixed = self._static.enabled & self._static.output
        from_patterns, from_protocols = np.int32(driven & ~held & left), np.int32(held & left)
        times = levels.time
        if len(sent.time) > 1:
            times = np.unique(np.concatenate([levels.time, sent.time]))
            levels, sent = Steps(times, levels.at(times)), Steps(times, sent.at(times))
        values = (levels.value & from_patterns) | (sent.value & from_protocols) | np.int32(fixed)
        return Steps(times, values)

    def _pins_at(self, times: Array) -> Array:
        return self._pins.at(times)

    def _pins_now(self) -> int:
        return int(self._pins_at(np.array([self._chassis.now]))[0])

    def _reset(self) -> None:
        for part in (
            self._waveforms,
            self._patterns,
            self._scope,
            self._logic,
            self._static,
            self._protocols,
            self._supplies,
        ):
            part.reset()
