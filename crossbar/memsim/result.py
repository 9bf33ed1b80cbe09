"""What a sweep over levels gives: values with their spread, and what made them."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from crossbar.backend import Array
from crossbar.memsim.profile import DeviceProfile


@dataclass(frozen=True, slots=True, eq=False)
class LevelSweep:
    """A metric of a network on devices that are worth more or less.

    Parameters
    ----------
    profiles
        The devices, in the order asked for.
    form
        Of the usability, key of `crossbar.merit.usability.FORMS`.
    values
        The metric for each draw, shape ``(levels, repeats)``.
    unperturbed
        The metric of the network as it is.
    metric
        What was measured, in words.
    seed
        Every level starts from it, so that levels differ by their devices and not by their draws.
    convention
        What a level means and how the network was put on the device, in words.
    looped
        Why draws were evaluated one after the other; empty if they were evaluated together.
    """

    profiles: tuple[DeviceProfile, ...]
    form: str
    values: Array
    unperturbed: float
    metric: str
    seed: int
    convention: str
    looped: str = ""

    @property
    def repeats(self) -> int:
        """Number of draws at each level."""
        return int(self.values.shape[1])

    @property
    def usability(self) -> Array:
        """Of each level by `form`, shape ``(levels,)``."""
        return np.array([profile.usability(self.form) for profile in self.profiles])

    @property
    def mean(self) -> Array:
        """Over the draws, shape ``(levels,)``."""
        return np.asarray(self.values.mean(axis=1))

    @property
    def sd(self) -> Array:
        """Standard deviation over the draws, shape ``(levels,)``; NaN of one draw."""
        if self.repeats == 1:
            return np.full(len(self.values), np.nan)
        return np.asarray(self.values.std(axis=1, ddof=1))

    @property
    def interval(self) -> tuple[Array, Array]:
        """Ends of the middle 95 % of the draws, shape ``(levels,)`` each."""
        low, high = np.quantile(self.values, [0.025, 0.975], axis=1)
        return low, high

    @property
    def half_width(self) -> Array:
        """Of the mean's 95 % interval by Student's law, shape ``(levels,)``; NaN of one draw."""
        if self.repeats == 1:
            return self.sd
        return np.asarray(student.ppf(0.975, self.repeats - 1) * self.sd / np.sqrt(self.repeats))
