"""Ask and tell: what to measure next, by a Gaussian process and expected improvement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.search_space import Point, Space, untaken

if TYPE_CHECKING:
    from crossbar.surrogate import Surrogate

KERNELS = ("matern", "se")
_SHRINKING = (0.1, 0.03, 0.01, 0.003)
"""Widths of the clouds around the best candidates, in units of a range."""
_CLOUD = 64
_CENTRES = 8


class Search(Protocol):
    """Whatever proposes points; larger values are better."""

    def ask(self, pending: Sequence[Point] = ()) -> Point:
        """Return a point to measure, while those in `pending` are being measured."""

    def tell(self, point: Point, value: float | None) -> None:
        """Take in what a point gave; None if its measurement failed."""


@dataclass(frozen=True, slots=True)
class StudySettings:
    """How a study searches.

    Parameters
    ----------
    initial
        Points that fill the space evenly before the model is asked.
    kernel
        ``matern`` (5/2) or ``se``, with a length scale for each variable.
    candidates
        Rows that the expected improvement is computed at where the space is no grid.

    Raises
    ------
    DataError
        If a number is too small, or the kernel is unknown.
    """

    initial: int = 5
    kernel: str = "matern"
    candidates: int = 2048

    def __post_init__(self) -> None:
        # From one value there is no telling how much values differ.
        for name, least in (("initial", 2), ("candidates", 16)):
            if not getattr(self, name) >= least:
                raise DataError(f"{name} = {getattr(self, name)} is below {least}")
        if self.kernel not in KERNELS:
            raise DataError(f"kernel {self.kernel!r} is not one of {', '.join(KERNELS)}")


@dataclass(frozen=True, slots=True)
class Told:
    """A point and the value that it gave; None if its measurement failed."""

    point: Point
    value: float | None


class Study:
    """A search that proposes points and learns from what they give.

    What `ask` returns depends on the space, the settings, the seed, what was told and what is
    pending, and on nothing else: a study that is told the same again goes on as before, bit for
    bit on one machine.
    """

    def __init__(self, space: Space, settings: StudySettings | None = None, seed: int = 0) -> None:
        self.space = space
        self.settings = settings or StudySettings()
        self.seed = seed
        self._told: list[Told] = []

    @property
    def told(self) -> tuple[Told, ...]:
        """Everything told, in order."""
        return tuple(self._told)

    def tell(self, point: Point, value: float | None) -> None:
        """Take in what a point gave, be it one that was asked for or not.

        Parameters
        ----------
        point
            May lie between the levels of a grid, outside a range or beyond a limit.
        value
            The larger the better; None if the measurement failed: the study then goes on as if it
            were the worst so far.

        Raises
        ------
        DataError
            If the point is none of this space, or the value is not finite.
        """
        if value is not None and not np.isfinite(value):
            raise DataError(f"value {value} of {dict(point)} is not finite; failed is None")
        self.space.rows([point])
        self._told.append(Told(dict(point), value))

    def ask(self, pending: Sequence[Point] = ()) -> Point:
        """Return the point to measure next; on a grid, one neither told nor pending.

        Parameters
        ----------
        pending
            Points that are being measured: they are taken to give what the model expects.

        Raises
        ------
        DataError
            If a pending point is none of this space, or every point of a grid is taken.
        """
        taken = self.space.rows([*(told.point for told in self._told), *pending])
        rng = np.random.default_rng([self.seed, len(taken)])
        measured = sum(told.value is not None for told in self._told)
        if len(taken) < self.settings.initial or measured < 2:
            row = self._filling(taken)
        else:
            row = self._promising(taken[len(self._told) :], taken, rng)
        return self.space.points(row[None])[0]

    def batch(self, count: int, pending: Sequence[Point] = ()) -> list[Point]:
        """Return several points to measure at the same time; each counts as pending for the next.

        Raises
        ------
        DataError
            As `ask`.
        """
        asked: list[Point] = []
        for _ in range(count):
            asked.append(self.ask([*pending, *asked]))
        return asked

    def best(self) -> Told:
        """Return the point with the largest value told, the first of several.

        Raises
        ------
        DataError
            If no value was told yet.
        """
        measured = [told for told in self._told if told.value is not None]
        if not measured:
            raise DataError("no point of this study was measured yet")
        return max(measured, key=lambda told: told.value if told.value is not None else -np.inf)

    def posterior(self, points: Sequence[Point]) -> tuple[Array, Array]:
        """Return what the model expects of points without noise: mean and standard deviation.

        Raises
        ------
        DataError
            If no value was told yet, or a point is none of this space.
        """
        self.best()
        return self._model().posterior(self.space.rows(points))

    def _filling(self, taken: Array) -> Array:
        """Return the first row of an even sequence that is not taken."""
        rows = self.space.spread(len(taken) + 1, np.random.default_rng(self.seed))
        free = rows[untaken(rows, taken)]
        if len(free):
            return np.asarray(free[0])
        # Only a grid can be hit twice.
        rest = self._untaken(taken)
        return np.asarray(rest[np.random.default_rng(self.seed).integers(len(rest))])

    def _untaken(self, taken: Array) -> Array:
        grid = self.space.grid()
        rest = grid[untaken(grid, taken)]
        if not len(rest):
            raise DataError(f"all {len(grid)} points of {', '.join(self.space.names)} are taken")
        return np.asarray(rest)

    def _promising(self, pending: Array, taken: Array, rng: np.random.Generator) -> Array:
        """Return the row with the largest expected improvement."""
        model = self._model()
        measured = [told.point for told in self._told if told.value is not None]
        # Under noise the largest value told is luck; what the model makes of it is less so.
        best = float(model.posterior(self.space.rows(measured))[0].max())
        if len(pending):
            model = model.believing(pending)
        if self.space.size is not None:
            rows = self._untaken(taken)
            return np.asarray(rows[np.argmax(model.log_expected_improvement(rows, best))])
        rows = self.space.spread(self.settings.candidates, rng)
        inside = self.space.nearest(taken)
        rows = np.vstack([rows, inside[self.space.within(inside)]])
        scores = model.log_expected_improvement(rows, best)
        for width in _SHRINKING:
            centres = rows[np.argsort(-scores, kind="stable")[:_CENTRES]]
            near = self._around(centres, width, rng)
            rows = np.vstack([rows, near])
            scores = np.append(scores, model.log_expected_improvement(near, best))
        return np.asarray(rows[np.argmax(scores)])

    def _around(self, centres: Array, width: float, rng: np.random.Generator) -> Array:
        """Return rows scattered around some, within the limits; choices change now and then."""
        rows = np.repeat(centres, _CLOUD, axis=0)
        for k, variable in enumerate(self.space.variables):
            if variable.ordered:
                rows[:, k] += width * rng.standard_normal(len(rows))
            elif variable.codes is not None:
                changed = rng.random(len(rows)) < width
                rows[changed, k] = rng.choice(variable.codes, size=int(changed.sum()))
        rows = self.space.nearest(rows)
        return np.asarray(rows[self.space.within(rows)])

    def _model(self) -> "Surrogate":
        # Torch and BoTorch take two seconds to import; a study that is only told needs neither.
        from crossbar.surrogate import Surrogate

        values = [told.value for told in self._told]
        worst = min(value for value in values if value is not None)
        return Surrogate.fit(
            self.space.rows([told.point for told in self._told]),
            np.array([worst if value is None else value for value in values]),
            categorical=[k for k, v in enumerate(self.space.variables) if not v.ordered],
            kernel=self.settings.kernel,
        )
