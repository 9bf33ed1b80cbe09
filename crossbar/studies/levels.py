"""The devices that a study sweeps over: one base, worth less and less as its sigma grows."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from crossbar.backend import DataError
from crossbar.memsim.profile import IDEAL_LEVELS, DeviceProfile


def base(profile: Path | None, rho: float) -> DeviceProfile:
    """Return the device whose sigma a study varies.

    Parameters
    ----------
    profile
        A device profile that was saved (TOML); its curve and its rho are kept. None for a device
        that nobody measured.
    rho
        Of the latter: 0 for an ideal ramp; else the ramp ends early and falls as it rose, which is
        assumed. The nearest whole number of levels counts.

    Raises
    ------
    DataError
        If the profile cannot be read, rho is given beside it, or rho leaves less than two levels.
    """
    if profile is not None:
        if rho:
            raise DataError(f"rho = {rho:g} and a device profile: the profile has a rho of its own")
        return DeviceProfile.load(profile)
    length = round((1 - rho) * IDEAL_LEVELS) if np.isfinite(rho) else 0
    if not 0 <= rho < 1 or length < 2:
        raise DataError(f"rho = {rho:g} is not 0 to {1 - 2 / IDEAL_LEVELS:g}: 2 levels are needed")
    ideal = DeviceProfile.at(1.0)
    if length == IDEAL_LEVELS:
        return ideal
    steps = np.arange(IDEAL_LEVELS)
    curve = np.clip(np.minimum(steps, 2 * (length - 1) - steps), 0, None) / (length - 1)
    return replace(
        ideal,
        name=f"ramp of {length} levels",
        curve=tuple(curve),
        k1=length - 1,
        length=length,
        rho=1 - length / IDEAL_LEVELS,
        convention=f"not measured: {length} of {IDEAL_LEVELS} levels in order, then falling as "
        "they rose; no spread",
    )


def at_sigma(device: DeviceProfile, sigma: float) -> DeviceProfile:
    """Return a device with another sigma, estimate and bound being one.

    Raises
    ------
    DataError
        If sigma is not a finite number of at least 0.
    """
    own = f"curve and rho = {device.rho:g} of {device.name}" if device.source else ""
    return replace(
        device,
        name=f"sigma {sigma:g}",
        sigma=sigma,
        sigma_ub=sigma,
        convention=f"not measured: {own or _shape(device)}; sigma as given",
    )


def at_usability(device: DeviceProfile, usability: float, form: str) -> DeviceProfile:
    """Return a device with the sigma that makes it worth a usability by a form.

    Raises
    ------
    DataError
        If the form is unknown, or no sigma gives this usability.
    """
    return DeviceProfile.at(usability, form=form, like=device)


def _shape(device: DeviceProfile) -> str:
    """Return what an assumed device is, in words."""
    if device.rho == 0:
        return "an ideal ramp, rho = 0"
    return f"a ramp of {device.length} levels that falls as it rose, rho = {device.rho:g}"
