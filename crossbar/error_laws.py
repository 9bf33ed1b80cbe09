"""How the conductance of a device comes from the one that was asked for.

The law is one affine response per device: a conductance ``G`` that was asked for becomes
``gain * G + shift``. That is what a training needs: gain is the slope by which a change of the
weight arrives at the device, 0 for one that is stuck.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from crossbar.backend import Array, Indices, Mask
from crossbar.mapping import Window
from crossbar.memsim.out_of_range import OutOfRange

SAME = 1e-6
"""Relative difference of targets that are one: in single precision the low end is not the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What devices make of conductances: ``gain * G + shift``.

    Parameters
    ----------
    gain
        Slope at the conductance that was asked for, shape of the random numbers.
    shift
        S, same shape, or one that is broadcast to it.
    """

    gain: Array
    shift: Array


class ErrorLaw(Protocol):
    """How the conductance of a device comes from the one that was asked for."""

    normal: ClassVar[bool]
    """Whether errors are made of standard normal numbers, or of uniform ones between 0 and 1."""

    def response(self, asked: Array, chance: Array) -> Response:
        """Return the response of devices to conductances, S, each by a random number of its own.

        The numbers may have one axis more in front: several devices that are asked for the same.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProfileErrors:
    """A device's levels, and log-normal factors on top.

    Parameters
    ----------
    window
        Conductances that stand for the first and the last level.
    levels
        How many there are, and what those become that the device does not reach in order.
    sigma
        Standard deviation of the factor's logarithm.
    """

    window: Window
    levels: OutOfRange | None
    sigma: float
    normal: ClassVar[bool] = True

    def response(self, asked: Array, chance: Array) -> Response:
        """Return the log-normal factor as gain; where no level is in order, it is that of G_x / G.

        A conductance that stands for an out-of-range level is held whatever is asked nearby; its
        slope is taken to be the secant's through zero, or training would never leave it.
        """
        factor = np.exp(self.sigma * chance)
        if self.levels is None or self.levels.identity:
            return Response(gain=factor, shift=np.zeros_like(asked))
        part = np.clip((asked - self.window.low) / self.window.span, 0.0, 1.0)
        level = np.rint(part * (self.levels.levels - 1)).astype(np.intp)
        place = np.maximum(level - self.levels.exact, 0)
        held = self.window.low + self.levels.beyond[place] * self.window.span
        # The first level is always exact, so that nothing is divided by zero.
        beyond = level >= self.levels.exact
        ratio = np.where(beyond, held / np.where(beyond, asked, 1.0), 1.0)
        return Response(gain=factor * ratio, shift=np.zeros_like(asked))


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredErrors:
    """Errors of writes that were made, drawn for targets near theirs.

    Parameters
    ----------
    targets
        S, ascending, shape ``(n,)``.
    reached
        S, same shape.
    stuck
        Cells that no pulse moved, same shape.
    neighbours
        Of how many writes, at least, one is drawn: as many below the target as above it.
    """

    targets: Array
    reached: Array
    stuck: Mask
    neighbours: int
    normal: ClassVar[bool] = False

    def response(self, asked: Array, chance: Array) -> Response:
        """Return the error of one of the nearest writes; a stuck cell stays what it is."""
        drawn = self._drawn(asked, chance)
        gain = np.where(self.stuck, 0.0, 1.0).astype(chance.dtype)[drawn]
        shift = np.where(self.stuck, self.reached, self.reached - self.targets)
        shift = shift.astype(chance.dtype)[drawn]
        # A conductance is not negative, however large the error that comes with a small target.
        below = gain * asked + shift < 0
        gain[below] = 0.0
        shift[below] = 0.0
        return Response(gain=gain, shift=shift)

    def _drawn(self, asked: Array, chance: Array) -> Indices:
        """Return which write each device is like; writes of one target all have the same chance."""
        count, wanted = len(self.targets), min(self.neighbours, len(self.targets))
        first = np.searchsorted(self.targets, asked * (1 - SAME), side="left")
        last = np.searchsorted(self.targets, asked * (1 + SAME), side="right")
        margin = np.maximum(wanted - (last - first) + 1, 0) // 2
        first = np.clip(first - margin, 0, count - wanted)
        last = np.clip(last + margin, first + wanted, count)
        among = np.floor(chance * (last - first)).astype(np.intp)
        return np.asarray(first + np.minimum(among, last - first - 1))
