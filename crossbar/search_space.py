"""What a search may propose: points of a box, a grid or a mixture, within linear limits.

A point is what a person writes, ``{"p1": 0.1, "type": "MAPbI3"}``; a row is the same as the codes
of its variables, for a model.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.stats import qmc

from crossbar.backend import Array, DataError, Mask
from crossbar.search_variables import Categorical, Continuous, Ordinal, Variable

__all__ = ["Categorical", "Continuous", "Limit", "Ordinal", "Point", "Space", "Variable"]

Point: TypeAlias = Mapping[str, float | str]
"""A value for each variable of a space, by name."""

GRID_SIZE = 2**20
"""Largest grid that is ever enumerated."""
_TRIED = 2**16
"""Rows drawn before limits that hold nowhere are given up."""
SAME = 1e-9
"""Codes that differ by less, in units of a range, are the same point."""
_SLACK = 1e-12
"""Relative: levels that meet a limit exactly may miss it by their rounding."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The sum of numbers, each times its weight, is at most a number.

    Parameters
    ----------
    weights
        Names and weights, in the variables' own units.
    most
        What the sum may be.
    """

    weights: tuple[tuple[str, float], ...]
    most: float


@dataclass(frozen=True, slots=True)
class Space:
    """Every point that a search may propose.

    Parameters
    ----------
    variables
        At least one, with different names.
    limits
        Linear ones, of numbers only; all of them hold.

    Raises
    ------
    DataError
        If a name is there twice, or a limit is on something that is no number of this space.
    """

    variables: tuple[Variable, ...]
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(self.variables))
        object.__setattr__(self, "limits", tuple(self.limits))
        if not self.variables or len(set(self.names)) < len(self.names):
            raise DataError(f"variables {self.names}: one or more are needed, all different")
        numbers = {variable.name for variable in self.variables if variable.ordered}
        for limit in self.limits:
            finite = np.isfinite([limit.most, *(weight for _, weight in limit.weights)]).all()
            if not finite or not {name for name, _ in limit.weights} <= numbers:
                raise DataError(f"{limit} is not one of finite numbers and {sorted(numbers)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the variables, in order."""
        return tuple(variable.name for variable in self.variables)

    @property
    def size(self) -> int | None:
        """Points of the grid, before limits; None if a variable has no end of values."""
        counts = [len(v.codes) for v in self.variables if v.codes is not None]
        return math.prod(counts) if len(counts) == len(self.variables) else None

    def rows(self, points: Sequence[Point]) -> Array:
        """Return points as rows, shape ``(n, variables)``.

        Numbers between levels, outside a range or beyond a limit are rows too: what was measured
        was measured.

        Raises
        ------
        DataError
            If a variable is missing or unknown, or a value is none that it can have.
        """
        for point in points:
            if set(point) != set(self.names):
                given, known = ", ".join(point), ", ".join(self.names)
                raise DataError(f"a point of {given}; this space has {known}")
        listed = [[v.code(point[v.name]) for v in self.variables] for point in points]
        return np.array(listed, dtype=np.float64).reshape(len(points), len(self.variables))

    def points(self, rows: Array) -> list[dict[str, float | str]]:
        """Return rows as points; what has levels takes the nearest one."""
        return [
            {v.name: v.value(float(code)) for v, code in zip(self.variables, row, strict=True)}
            for row in rows
        ]

    def numbers(self, point: Point) -> Array:
        """Return a point as numbers in the variables' own units, of a choice its index."""
        given = [point[name] for name in self.names]
        return np.array(
            [
                v.code(x) if isinstance(x, str) else x
                for v, x in zip(self.variables, given, strict=True)
            ],
            dtype=np.float64,
        )

    def point(self, numbers: Array) -> dict[str, float | str]:
        """Return the point that `numbers` made numbers of, exactly."""
        return {
            v.name: float(x) if v.ordered else v.value(float(x))
            for v, x in zip(self.variables, numbers, strict=True)
        }

    def within(self, rows: Array) -> Mask:
        """Return which rows keep every limit, shape ``(n,)``."""
        kept = np.ones(len(rows), dtype=np.bool_)
        for limit in self.limits:
            total = np.zeros(len(rows))
            for name, weight in limit.weights:
                k = self.names.index(name)
                total += weight * self.variables[k].number(rows[:, k])
            kept &= total <= limit.most + _SLACK * max(1.0, abs(limit.most))
        return kept

    def grid(self) -> Array:
        """Return every row that keeps the limits, of a space with an end of points.

        Raises
        ------
        DataError
            If it has none, or more than `GRID_SIZE`.
        """
        size = self.size
        if size is None or size > GRID_SIZE:
            raise DataError(f"a space of {size or 'endless'} points is not enumerated")
        codes = [v.codes for v in self.variables if v.codes is not None]
        rows = np.stack(np.meshgrid(*codes, indexing="ij"), axis=-1).reshape(size, -1)
        return np.asarray(rows[self.within(rows)])

    def spread(self, count: int, rng: np.random.Generator) -> Array:
        """Return `count` rows that fill the space evenly, within the limits.

        Raises
        ------
        DataError
            If the limits leave no room for so many.
        """
        sequence = qmc.Sobol(len(self.variables), rng=rng)
        rows = np.empty((0, len(self.variables)))
        while len(rows) < count:
            if sequence.num_generated >= max(_TRIED, 16 * count):
                raise DataError(f"limits of {', '.join(self.names)} leave hardly any point")
            # Powers of 2 keep the sequence balanced.
            portion = sequence.num_generated or 2 ** math.ceil(math.log2(count))
            rows = np.vstack([rows, self._kept(sequence.random(portion))])
        return rows[:count]

    def nearest(self, rows: Array) -> Array:
        """Return rows moved into their ranges and onto their values; limits are not looked at."""
        columns = []
        for variable, column in zip(self.variables, rows.T, strict=True):
            codes = variable.codes
            if codes is None:
                columns.append(np.clip(column, 0.0, 1.0))
            else:
                columns.append(codes[np.abs(column[:, None] - codes).argmin(axis=1)])
        return np.column_stack(columns)

    def _kept(self, unit: Array) -> Array:
        """Return numbers from 0 to 1 as rows within the limits, each value equally often."""
        columns = []
        for variable, column in zip(self.variables, unit.T, strict=True):
            codes = variable.codes
            columns.append(column if codes is None else codes[(column * len(codes)).astype(int)])
        rows = np.column_stack(columns)
        return np.asarray(rows[self.within(rows)])


def untaken(rows: Array, taken: Array) -> Mask:
    """Return which rows are none of those that are taken, shape ``(n,)``."""
    free = np.ones(len(rows), dtype=np.bool_)
    for row in taken:
        free &= np.abs(rows - row).max(axis=1) > SAME
    return free
