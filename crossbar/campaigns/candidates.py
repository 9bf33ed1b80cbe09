"""Recipes that may be made: all of a grid, or places of ranges that are looked at closer."""

from collections.abc import Callable

import numpy as np

from crossbar.backend import Array, DataError, Mask
from crossbar.campaigns.knowledge import Knowledge
from crossbar.search_space import SAME, untaken

CLOUD, TRIED = 64, 4096
"""Rows around the best candidates and in all, where the space is no grid."""
WIDTHS = (0.1, 0.03, 0.01, 0.003)
FINE = 3
"""Digits of a place in a range that proposals have."""
MIDDLE = 0.25
"""How far from the middle of all ranges the first recipes stay."""


class Candidates:
    """Rows of a campaign's space that may be proposed.

    Parameters
    ----------
    knows
        What the campaign knows.
    """

    def __init__(self, knows: Knowledge) -> None:
        self._knows, self._space = knows, knows.space

    @property
    def listed(self) -> bool:
        """Whether the space is a grid, every recipe of which is looked at."""
        return self._space.size is not None

    def distance(self, rows: Array, row: Array) -> Array:
        """Return how far rows are from one: in parts of ranges, and 1 for each other choice."""
        off = np.abs(rows - row)
        for k, variable in enumerate(self._space.variables):
            if not variable.ordered:
                off[:, k] = off[:, k] > SAME
        return np.asarray(np.sqrt((off**2).sum(axis=1)))

    def rest(self, pending: Array) -> Array:
        """Return recipes that were neither made nor are being made; withdrawn ones may be."""
        taken = self._taken(pending)
        if self._space.size is not None:
            grid = self._space.grid()
            rest = grid[untaken(grid, taken)]
            if not len(rest):
                raise DataError(f"all {len(grid)} recipes are made, or being made")
            return np.asarray(rest)
        seed = [self._knows.definition.asking.seed, len(taken)]
        return self.fine(self._space.spread(TRIED, np.random.default_rng(seed)))

    def free(self, rows: Array, pending: Array) -> Mask:
        """Return which rows were neither made nor are being made."""
        return untaken(rows, self._taken(pending))

    def _taken(self, pending: Array) -> Array:
        made = [m.recipe for m in self._knows.state.recipes if m.status in ("told", "failed")]
        return np.vstack([self._space.rows(made), pending])

    def fine(self, rows: Array) -> Array:
        """Return rows within the limits whose ranges are divided into thousandths.

        Nobody weighs in a millionth of a range, and nobody wants to read one.
        """
        rows = rows.copy()
        for k, variable in enumerate(self._space.variables):
            if variable.codes is None:
                rows[:, k] = np.round(rows[:, k], FINE)
        return np.asarray(rows[self._space.within(rows)])

    def from_the_middle(self, rows: Array, pending: Array) -> Array:
        """Return how good rows are to begin with: the middle, then apart from what is pending."""
        ordered = [k for k, v in enumerate(self._space.variables) if v.ordered]
        central = np.abs(rows[:, ordered] - 0.5).max(axis=1) if ordered else np.zeros(len(rows))
        if not len(pending):
            return np.asarray(-central)
        apart = np.min([self.distance(rows, row) for row in pending], axis=0)
        inside = central <= max(MIDDLE, float(central.min()))
        return np.where(inside, apart, -np.inf)

    def refined(
        self, rows: Array, scores: Array, score: Callable[[Array], Array]
    ) -> tuple[Array, Array]:
        """Return more rows around the best ones, nearer and nearer, with their scores."""
        rng = np.random.default_rng([self._knows.definition.asking.seed, len(rows)])
        for width in WIDTHS:
            centres = rows[np.argsort(-scores, kind="stable")[: CLOUD // 8]]
            near = np.repeat(centres, CLOUD, axis=0)
            ordered = [k for k, v in enumerate(self._space.variables) if v.ordered]
            near[:, ordered] += width * rng.standard_normal((len(near), len(ordered)))
            near = self.fine(self._space.nearest(near))
            if len(near):
                rows = np.vstack([rows, near])
                scores = np.append(scores, score(near))
        return rows, scores
