"""A memristor bench without hardware: device physics, array physics, converters, its own clock.

`SimulatedBackend` answers the verbs of `crossbar.backend.Backend`. Below it, each part stands
alone: `array` solves the circuit, `devices` moves the cells, `schemes` says what unselected lines
do, `converters` turn numbers into volts and amperes into numbers.
"""

from sim_backend.backend import SimulatedBackend
from sim_backend.converters import Adc, Dac, Tia
from sim_backend.devices import DEVICES
from sim_backend.devices.ideal import Ideal
from sim_backend.devices.perovskite import Perovskite
from sim_backend.schemes import SCHEMES
from sim_backend.settings import SimulationSettings

__all__ = [
    "DEVICES",
    "SCHEMES",
    "Adc",
    "Dac",
    "Ideal",
    "Perovskite",
    "SimulatedBackend",
    "SimulationSettings",
    "Tia",
]
