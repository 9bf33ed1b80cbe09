"""Devices whose numbers can be worked out by hand."""

from crossbar.memsim import DeviceProfile

SHORT_CURVE = (1.0, 2.0, 3.0, 4.0, 5.0, 3.5, 2.0, 0.5, 6.0)
"""Rises over its first five points; with nine levels wanted, one point for each."""


def short(l_min: int = 9, sigma: float = 0.0) -> DeviceProfile:
    """Return the device of `SHORT_CURVE`, of which `l_min` levels are wanted."""
    return DeviceProfile(
        name="short",
        curve=SHORT_CURVE,
        k0=0,
        k1=4,
        length=5,
        l_min=l_min,
        rho=max(0.0, 1 - 5 / l_min),
        sigma=sigma,
        sigma_ub=sigma,
    )


def noisy(sigma: float) -> DeviceProfile:
    """Return a device with every level that is wanted, and a spread."""
    return DeviceProfile("noisy", (0.0, 1.0), 0, 1, 2, 2, rho=0.0, sigma=sigma, sigma_ub=sigma)
