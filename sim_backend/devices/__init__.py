"""Device models by name; a new model is one file and one line here."""

from sim_backend.devices.ideal import Ideal
from sim_backend.devices.perovskite import Perovskite

DEVICES: dict[str, type[Ideal] | type[Perovskite]] = {
    "ideal": Ideal,
    "perovskite": Perovskite,
}
"""Each value is a `DeviceModel`: a frozen dataclass of constants, built with keyword arguments."""
