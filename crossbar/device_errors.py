"""What devices make of the conductances that were asked of them: from a profile, or measured.

The law is one affine response per device: a conductance ``G`` that was asked for becomes
``gain * G + shift``. That is what a training needs: gain is the slope by which a change of the
weight arrives at the device, 0 for one that is stuck.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import Array, DataError, Indices, Mask
from crossbar.mapping import Window
from crossbar.memsim.out_of_range import OutOfRange, out_of_range
from crossbar.memsim.profile import DeviceProfile
from crossbar.programming.report import Status

if TYPE_CHECKING:
    from crossbar.crossbar import Crossbar
    from crossbar.results import ProgramReport

Progress: TypeAlias = Callable[[int, int], None]

NEIGHBOURS = 25  # assumed
"""Measured writes that a device's error is drawn from, those with the nearest targets."""
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


@dataclass(frozen=True, slots=True, eq=False)
class DeviceErrors:
    """What a device or a bench makes of a conductance.

    Parameters
    ----------
    window
        Conductances that weights are mapped to.
    law
        What becomes of them.
    source
        Where the law is from, in words.
    """

    window: Window
    law: ErrorLaw
    source: str

    @classmethod
    def lognormal(cls, sigma: float, window: Window) -> "DeviceErrors":
        """Return devices whose conductances are off by factors ``exp(sigma N)``, nothing else.

        Raises
        ------
        DataError
            If sigma is not a finite number of at least 0.
        """
        if not 0 <= sigma < np.inf:
            raise DataError(f"sigma = {sigma} is not a finite number of at least 0")
        law = ProfileErrors(window, None, sigma)
        return cls(window, law, f"log-normal factors, sigma {sigma:g}")

    @classmethod
    def from_profile(
        cls, profile: DeviceProfile, window: Window | None = None, span: str = "segment"
    ) -> "DeviceErrors":
        """Return the devices of a profile: its levels, its log-normal spread.

        Both conductances of a weight are devices of their own, where `crossbar.memsim.perturb`
        takes a weight for one device: with a window that begins at 0 the two agree.

        Parameters
        ----------
        profile
            Of the device.
        window
            Conductances that weights are mapped to; None for the ends of the operative segment.
        span
            One of `crossbar.memsim.out_of_range.SPANS`.

        Raises
        ------
        DataError
            If the segment has no conductances in between and no window is given, or the span is
            unknown.
        """
        if window is None:
            ends = sorted(profile.curve[k] for k in (profile.k0, profile.k1))
            if not 0 <= ends[0] < ends[1]:
                raise DataError(
                    f"{profile.name}: the operative segment, {ends[0]} S to {ends[1]} S, is no "
                    "window; give one"
                )
            window = Window(*ends)
        law = ProfileErrors(window, out_of_range(profile, span), profile.sigma_ub)
        return cls(window, law, f"profile {profile.name}")

    @classmethod
    def measured(
        cls,
        targets: ArrayLike,
        reached: ArrayLike,
        window: Window,
        *,
        stuck: ArrayLike | None = None,
        neighbours: int = NEIGHBOURS,
        source: str = "measured",
    ) -> "DeviceErrors":
        """Return devices that err as writes did that were made.

        Parameters
        ----------
        targets, reached
            S, same shape; writes with a NaN in one of them are left out.
        window
            Conductances that weights are mapped to.
        stuck
            True for cells that no pulse moved, same shape: they are drawn as they are. Without
            it no cell counts as stuck, and the error of one that was moves with the target.
        neighbours
            Of how many writes, at least, one is drawn: those with the nearest targets, as many
            below as above. Writes with the very target that is asked for are all among them.
        source
            Where they are from, in words.

        Raises
        ------
        DataError
            If there is no write, the shapes differ, or a number is not finite.
        """
        wanted, got = (np.asarray(x, dtype=np.float64).ravel() for x in (targets, reached))
        fixed = np.zeros(len(wanted), np.bool_) if stuck is None else np.asarray(stuck).ravel()
        if not len(wanted) == len(got) == len(fixed):
            raise DataError(
                f"{len(wanted)} targets, {len(got)} conductances reached, {len(fixed)} stuck or not"
            )
        kept = np.flatnonzero(~(np.isnan(wanted) | np.isnan(got)))
        if not (len(kept) and np.isfinite(wanted[kept]).all() and np.isfinite(got[kept]).all()):
            raise DataError("errors need at least one write, its target and what it reached finite")
        if neighbours < 1:
            raise DataError(f"neighbours = {neighbours} is not 1 or more")
        # Shuffled before sorting, so that neighbours with one target are not neighbours in time.
        kept = np.random.default_rng(0).permutation(kept)
        kept = kept[np.argsort(wanted[kept], kind="stable")]
        law = MeasuredErrors(
            wanted[kept], got[kept], fixed[kept].astype(np.bool_), min(neighbours, len(kept))
        )
        return cls(window, law, f"{source}, {len(kept)} writes")

    @classmethod
    def from_report(cls, report: "ProgramReport", neighbours: int = NEIGHBOURS) -> "DeviceErrors":
        """Return devices that err as the cells of a program did when they were read again."""
        return cls.measured(
            report.target,
            report.reread,
            report.window,
            stuck=report.status == Status.STUCK,
            neighbours=neighbours,
            source=f"a program, {report.reread_delay:g} s after it",
        )

    def response(self, asked: ArrayLike, rng: np.random.Generator) -> Response:
        """Return a draw of the response of devices, one for each conductance asked for, S."""
        conductances = np.asarray(asked, dtype=np.float64)
        draw = rng.standard_normal if self.law.normal else rng.random
        return self.law.response(conductances, draw(conductances.shape))


def measure_errors(
    crossbar: "Crossbar",
    rng: np.random.Generator,
    repeats: int = 5,
    progress: Progress | None = None,
    *,
    neighbours: int = NEIGHBOURS,
) -> DeviceErrors:
    """Return what a bench makes of conductances, by programming its whole array several times.

    Half of the targets are the low end of the window, as the differential mapping asks for, and
    half are anywhere in it. What a cell is when it is read again counts. A write leaves cells as
    they are on this bench; that `Crossbar.program` works around stuck ones is not in it.

    Parameters
    ----------
    crossbar
        On any bench: its cells are programmed.
    rng
        Of the targets.
    repeats
        How often every cell is programmed.
    progress
        Called with the cells done and in all, of each pass.
    neighbours
        As in `DeviceErrors.measured`.

    Raises
    ------
    DataError
        If it is not to be programmed at all.
    """
    if repeats < 1:
        raise DataError(f"repeats = {repeats}: errors take at least one write of every cell")
    window, shape = crossbar.settings.window, crossbar.backend.shape
    targets, reached, stuck = [], [], []
    for _ in range(repeats):
        wanted = rng.uniform(window.low, window.high, shape)
        wanted[rng.random(shape) < 0.5] = window.low
        report = crossbar.program_conductances(wanted, progress)
        targets.append(wanted)
        reached.append(report.reread)
        stuck.append(report.status == Status.STUCK)
    return DeviceErrors.measured(
        np.array(targets),
        np.array(reached),
        window,
        stuck=np.array(stuck),
        neighbours=neighbours,
        source=f"{repeats} programs of {shape[0]}x{shape[1]} cells, "
        f"read {crossbar.settings.reread_delay:g} s after",
    )
