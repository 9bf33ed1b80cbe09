"""What a simulated bench is made of."""

from dataclasses import asdict, dataclass, field

import numpy as np

from crossbar.backend import BenchError, Limits, Ohm, Second
from sim_backend.converters import Adc, Dac, Tia
from sim_backend.devices.device import DeviceModel
from sim_backend.devices.ideal import Ideal
from sim_backend.devices.perovskite import Perovskite
from sim_backend.schemes import SCHEMES

LIMITS = Limits(
    voltage=5.0,  # assumed: the DAC's range
    read_voltage=0.5,  # assumed: far below every threshold
    current=1e-3,  # assumed
    width_min=1e-6,  # assumed
    width_max=1.0,  # assumed
    pulses=1_000_000,  # assumed: a simulated cell does not wear out
    stress=1e6,  # assumed: a simulated cell does not wear out
)

ASSUMED = ("line_resistance", "read_time", "dead_time", "tia", "adc", "limits")
"""Settings whose defaults nobody measured."""


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """Everything that a simulated bench is made of; equal settings give equal numbers.

    Parameters
    ----------
    word_lines, bit_lines
        Size of the array.
    line_resistance
        Of each line segment from cell to cell and from terminal to cell, ohm.
    read_scheme, write_scheme
        Keys of `SCHEMES`: what unselected lines do.
    device
        Constants of the device model, an instance of a value of `DEVICES`.
    dac, tia, adc
        Converters.
    read_time
        Duration of one read and of one multiply, s.
    dead_time
        Between the end of a pulse and its verify read, s.
    limits
        What the bench accepts.
    seed
        Of all chance.

    Raises
    ------
    BenchError
        If a scheme is unknown, or a size or time is impossible.
    """

    word_lines: int = 10
    bit_lines: int = 10
    line_resistance: Ohm = 2.0  # assumed
    read_scheme: str = "grounded"
    write_scheme: str = "half"
    device: DeviceModel = field(default_factory=Perovskite)
    dac: Dac = field(default_factory=Dac)
    tia: Tia = field(default_factory=Tia)
    adc: Adc = field(default_factory=Adc)
    read_time: Second = 1e-4  # assumed
    dead_time: Second = 1e-5  # assumed
    limits: Limits = LIMITS
    seed: int = 0

    def __post_init__(self) -> None:
        for scheme in (self.read_scheme, self.write_scheme):
            if scheme not in SCHEMES:
                raise BenchError(f"no scheme is called {scheme!r}; there are {', '.join(SCHEMES)}")
        if self.seed < 0:
            raise BenchError(f"seed = {self.seed} is below 0")
        if min(self.word_lines, self.bit_lines) < 1:
            raise BenchError(f"{self.word_lines} x {self.bit_lines} lines have no cells")
        for name in ("line_resistance", "read_time", "dead_time"):
            if not 0 <= getattr(self, name) < np.inf:
                raise BenchError(f"{name} {getattr(self, name)} has to be zero or more")

    @classmethod
    def ideal(cls, word_lines: int, bit_lines: int) -> "SimulationSettings":
        """Return a bench without faults: ideal devices, lines and converters."""
        return cls(
            word_lines=word_lines,
            bit_lines=bit_lines,
            line_resistance=0.0,
            device=Ideal(),
            dac=Dac(bits=None),
            tia=Tia(gain_sigma=0.0, offset_sigma=0.0),
            # One range above any sum of currents: nothing clips.
            adc=Adc(bits=None, ranges=(1e3,), noise=0.0),
        )

    def plain(self) -> dict[str, object]:
        """Return the settings without the device as text, numbers, lists and mappings.

        Under ``"assumed"`` are those at a default that nobody measured.
        """
        defaults = SimulationSettings()
        converters = {n: asdict(getattr(self, n)) for n in ("dac", "tia", "adc", "limits")}
        converters["adc"]["ranges"] = list(self.adc.ranges)
        names = ("line_resistance", "read_scheme", "write_scheme", "read_time", "dead_time", "seed")
        return {
            "shape": [self.word_lines, self.bit_lines],
            **{name: getattr(self, name) for name in names},
            **converters,
            "assumed": [n for n in ASSUMED if getattr(self, n) == getattr(defaults, n)],
        }
