"""Made-up answers of a fabrication: usability over the grid of recipes, with one best region.

Nobody measured such a landscape; these only have the shape that one may have.
"""

import itertools
from typing import Any

import numpy as np
from fabrication_landscapes import BEST, KINDS, PAPER
from numpy.typing import NDArray

from crossbar.search_space import Point

RECIPES = PAPER.space
START: Point = PAPER.start[0].recipe
"""The paper's first recipe."""
NEAR = 0.98
"""Part of the largest value at which a search has arrived."""


def landscape(rng: np.random.Generator, *, hard: bool) -> NDArray[Any]:
    """Return a value for each row of ``RECIPES.grid()``: a bump, with narrow maxima if it is hard.

    Unlike those of `fabrication_landscapes.landscape` the first recipe may give anything.
    """
    values = KINDS["narrow maxima" if hard else "bump"](rng)
    return np.asarray(BEST * values / values.max())


def chance(values: NDArray[Any], draws: int) -> NDArray[Any]:
    """Return the probability that recipes drawn at random have arrived, after 1 to `draws`."""
    good = int(np.sum(values >= NEAR * values.max()))
    missed = [(len(values) - good - k) / (len(values) - k) for k in range(draws)]
    return 1.0 - np.array(list(itertools.accumulate(missed, lambda a, b: a * b)))
