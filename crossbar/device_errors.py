"""What devices make of the conductances that were asked of them: from a profile, or measured."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import DataError
from crossbar.error_laws import ErrorLaw, MeasuredErrors, ProfileErrors, Response
from crossbar.mapping import Window
from crossbar.memsim.out_of_range import out_of_range
from crossbar.memsim.profile import DeviceProfile
from crossbar.programming.report import Status

if TYPE_CHECKING:
    from crossbar.crossbar import Crossbar
    from crossbar.results import ProgramReport

Progress: TypeAlias = Callable[[int, int], None]

NEIGHBOURS = 25  # assumed
"""Measured writes that a device's error is drawn from, those with the nearest targets."""


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
    stuck: bool = True,
    neighbours: int = NEIGHBOURS,
) -> DeviceErrors:
    """Return what a bench makes of conductances, by programming its whole array several times.

    Half of the targets are the low end of the window, as the differential mapping asks for, and
    half are anywhere in it, new ones each time: an array that is written with what it holds
    already takes fewer pulses, and its cells disturb each other less. What a cell is when it is
    read again counts.

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
    stuck
        Whether cells that no pulse moves are drawn too. `Crossbar.program` works around them:
        without them the errors of networks that it writes are foretold better.
    neighbours
        As in `DeviceErrors.measured`.

    Raises
    ------
    DataError
        If it is not to be programmed at all, or nothing but stuck cells is left.
    """
    if repeats < 1:
        raise DataError(f"repeats = {repeats}: errors take at least one write of every cell")
    window, shape = crossbar.settings.window, crossbar.backend.shape
    targets, reached = np.empty((repeats, *shape)), np.empty((repeats, *shape))
    fixed = np.empty((repeats, *shape), dtype=np.bool_)
    for k in range(repeats):
        wanted = rng.uniform(window.low, window.high, shape)
        wanted[rng.random(shape) < 0.5] = window.low
        report = crossbar.program_conductances(wanted, progress)
        targets[k], reached[k] = wanted, report.reread
        fixed[k] = report.status == Status.STUCK
    return DeviceErrors.measured(
        targets if stuck else np.where(fixed, np.nan, targets),
        reached,
        window,
        stuck=fixed,
        neighbours=neighbours,
        source=f"{repeats} programs of {shape[0]}x{shape[1]} cells, "
        f"read {crossbar.settings.reread_delay:g} s after" + ("" if stuck else ", no stuck ones"),
    )
