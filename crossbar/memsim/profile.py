"""A measured device as the few numbers that decide what it does to a network."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.measured import Curve, PulseTable
from crossbar.memsim.from_merit import numbers_of, sigma_by, usability_by
from crossbar.memsim.profile_file import read_profile, write_profile
from crossbar.merit.device import Merit, MeritSettings, merit, merit_of_pulses
from crossbar.merit.usability import DEFAULT_FORM

IDEAL_LEVELS = 32
"""Of the device that a usability without a measurement stands for: 5 bit."""


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """What a device does to the weights that it holds.

    Parameters
    ----------
    name
        Of the device.
    curve
        Mean conductance over the cycles at each step of the positive branch, the whole of it, S,
        or in units that nobody stated where `normalised`.
    k0, k1
        First and last point of the operative segment, in which the conductance rises.
    length
        Points of the segment that are in order: all of them, or fewer if it is gapped.
    l_min
        Levels that a weight's magnitude is divided into.
    rho
        Non-monotonic factor, 0 or more; 0 is ideal.
    sigma
        Standard deviation of the logarithm of the conductance over its mean, as estimated.
    sigma_ub
        Its upper 95 % bound: networks are perturbed with it.
    form
        Closed form of the usability, key of `crossbar.merit.usability.FORMS`.
    normalised
        True if the conductances are not in siemens.
    source
        File, folder or run that the device is from; empty if it is not a measurement.
    convention
        What the profile is, in words: a measurement, or what was assumed in place of one.
    choices
        With what settings the numbers were found, in words.
    notes
        What else has to be known of the source.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or the form is unknown.
    """

    name: str
    curve: tuple[float, ...]
    k0: int
    k1: int
    length: int
    l_min: int
    rho: float
    sigma: float
    sigma_ub: float
    form: str = DEFAULT_FORM
    normalised: bool = False
    source: str = ""
    convention: str = "measured"
    choices: tuple[str, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "curve", tuple(float(G) for G in self.curve))
        if not (self.curve and np.isfinite(self.curve).all()):
            raise DataError(f"{self.name}: a mean curve needs points, all of them finite")
        if not 0 <= self.k0 <= self.k1 < len(self.curve):
            raise DataError(
                f"{self.name}: points {self.k0} to {self.k1} are no segment of a curve of "
                f"{len(self.curve)}"
            )
        if not 1 <= self.length <= self.k1 - self.k0 + 1:
            raise DataError(
                f"{self.name}: {self.length} points in order, where the segment has "
                f"{self.k1 - self.k0 + 1}"
            )
        if self.l_min < 1:
            raise DataError(f"{self.name}: l_min = {self.l_min} is not at least 1")
        for name in ("rho", "sigma", "sigma_ub"):
            if not 0 <= getattr(self, name) < np.inf:
                raise DataError(f"{self.name}: {name} = {getattr(self, name)} is not 0 or more")
        # By A3's constraint, whatever the formula for rho: a factor of 0 says there are enough.
        if (self.rho == 0) != (self.length >= self.l_min):
            raise DataError(
                f"{self.name}: rho = {self.rho} does not fit {self.length} points in order, where "
                f"{self.l_min} are wanted"
            )
        self.usability()  # refuses a form that there is not

    @classmethod
    def from_iv(cls, curve: Curve, settings: MeritSettings | None = None) -> Self:
        """Return the profile of a device whose I-V cycles were measured.

        Parameters
        ----------
        curve
            Of one device, two cycles at least.
        settings
            How the figures of merit are found; None takes the defaults.

        Raises
        ------
        DataError
            If they cannot be found, or there is no spread between cycles.
        """
        return cls.from_merit(merit(curve, settings))

    @classmethod
    def from_pulses(cls, table: PulseTable, settings: MeritSettings | None = None) -> Self:
        """Return the profile of a device whose conductance was measured after each pulse.

        Parameters
        ----------
        table
            Of one device, two cycles at least.
        settings
            How the figures of merit are found; None takes the defaults.

        Raises
        ------
        DataError
            If they cannot be found, or there is no spread between cycles.
        """
        return cls.from_merit(merit_of_pulses(table, settings))

    @classmethod
    def from_merit(cls, found: Merit) -> Self:
        """Return the profile of a device whose figures of merit are known.

        Raises
        ------
        DataError
            If there is no spread between cycles.
        """
        return cls(**numbers_of(found))

    @staticmethod
    def at(
        usability: float, *, form: str = DEFAULT_FORM, like: "DeviceProfile | None" = None
    ) -> "DeviceProfile":
        """Return a device that nobody measured, but that is worth a given usability.

        The convention: rho = 0, on an ideal ramp of 32 levels, and the sigma that the form gives
        for it, estimate and bound being one. With `like`, the curve, its segment and rho are those
        of a measured device instead, and only sigma is the form's.

        Parameters
        ----------
        usability
            Above 0, at most 1.
        form
            Key of `crossbar.merit.usability.FORMS`.
        like
            A profile whose range of weights is to be kept.

        Raises
        ------
        DataError
            If the form is unknown, or no sigma gives this usability.
        """
        base, kept = (_ideal(), "an ideal ramp, rho = 0") if like is None else (like, "")
        sigma = sigma_by(form, usability, base.rho)
        kept = kept or f"curve and rho = {base.rho:g} of {base.name}"
        return replace(
            base,
            name=f"usability {usability:g}",
            sigma=sigma,
            sigma_ub=sigma,
            form=form,
            convention=f"not measured: {kept}; sigma is what {form} gives for {usability:g}",
        )

    def usability(self, form: str | None = None) -> float:
        """Return what the device is worth, 0 to 1: a function of rho and of sigma's bound.

        Parameters
        ----------
        form
            Key of `crossbar.merit.usability.FORMS`; the profile's own if None. A usability says
            nothing without the name of its form.

        Raises
        ------
        DataError
            If the form is unknown.
        """
        return usability_by(form or self.form, self.rho, self.sigma_ub)

    def save(self, path: Path | str) -> None:
        """Write the profile to a TOML file, whole or not at all.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        write_profile(self, Path(path))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Return the profile that `save` wrote, or that a person did.

        Raises
        ------
        DataError
            If the file cannot be read, has an unknown or a missing key, or a value of the wrong
            kind, or if its usability is not the one that its other numbers give.
        """
        return read_profile(cls, Path(path))


def _ideal() -> DeviceProfile:
    ramp = np.linspace(0.0, 1.0, IDEAL_LEVELS)
    return DeviceProfile(
        name="ideal",
        curve=tuple(ramp),
        k0=0,
        k1=IDEAL_LEVELS - 1,
        length=IDEAL_LEVELS,
        l_min=IDEAL_LEVELS,
        rho=0.0,
        sigma=0.0,
        sigma_ub=0.0,
        normalised=True,
    )
