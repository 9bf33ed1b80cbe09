"""Device models by name; a new model is one file and one line here."""

from sim_backend.devices.d2d_lognormal import D2DLognormal
from sim_backend.devices.device import DeviceModel
from sim_backend.devices.ideal import Ideal
from sim_backend.devices.jart import Jart
from sim_backend.devices.perovskite import Perovskite
from sim_backend.devices.poole_frenkel import PooleFrenkel
from sim_backend.devices.stuck import Stuck

DEVICES: dict[str, type[DeviceModel]] = {
    "ideal": Ideal,
    "perovskite": Perovskite,
    "poole-frenkel": PooleFrenkel,
    "jart-v1b": Jart,
    "stuck": Stuck,
    "d2d-lognormal": D2DLognormal,
}
"""Each value is a `DeviceModel`: a frozen dataclass of constants, built with keyword arguments."""
