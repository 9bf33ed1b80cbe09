"""Made-up answers of a fabrication: usability over the grid of recipes, with one best region.

Nobody measured such a landscape; these only have the shape that one may have.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.search_space import Categorical, Ordinal, Point, Space

# 5 * 8 * 7 * 6 * 5 = 8,400 as in the paper (arXiv 2412.02779); lengths and diameters are its own,
# types and silver are assumed, since it does not list them.
RECIPES = Space(
    (
        Categorical("type", ("MAPbI3", "MAPbBr3", "MAPbCl3", "FAPbI3", "CsPbI3")),
        Ordinal("length", (0.6e-6, 1e-6, 1.2e-6, 1.5e-6, 1.8e-6, 2e-6, 2.5e-6, 3e-6)),
        Ordinal("diameter", (10e-9, 50e-9, 100e-9, 150e-9, 200e-9, 250e-9, 300e-9)),
        Ordinal("deposition", (300.0, 600.0, 900.0, 1200.0, 1500.0, 1800.0)),
        Ordinal("silver", (50e-9, 100e-9, 200e-9, 400e-9, 600e-9)),
    )
)
START: Point = {
    "type": "MAPbBr3",
    "length": 1e-6,
    "diameter": 250e-9,
    "deposition": 600.0,
    "silver": 100e-9,
}
"""The paper's first recipe."""
BEST = 0.93
"""Largest value, the paper's best usability."""
NEAR = 0.98
"""Part of the largest value at which a search has arrived."""

Landscape = dict[tuple[float, ...], float]


def landscape(rng: np.random.Generator, *, hard: bool) -> NDArray[Any]:
    """Return a value for each row of ``RECIPES.grid()``.

    Each type multiplies a bump by a factor; the bump is Gaussian, correlated between variables,
    and lies elsewhere for each type. A hard landscape has four narrow maxima of 85 % of the best.
    """
    rows = RECIPES.grid()
    kind, place = rows[:, 0].astype(int), rows[:, 1:]
    factors = rng.permutation(np.append(1.0, rng.uniform(0.5, 0.9, 4)))
    widths = rng.uniform(0.2, 0.35, 4)
    mixing = np.linalg.qr(np.eye(4) + 0.3 * rng.standard_normal((4, 4)))[0]
    centre = rng.uniform(0.2, 0.8, 4)
    values = np.zeros(len(rows))
    for k, factor in enumerate(factors):
        own = kind == k
        off = (place[own] - centre - rng.normal(0, 0.1, 4)) @ mixing / widths
        values[own] = factor * np.exp(-0.5 * np.sum(off**2, axis=1))
    if hard:
        for _ in range(4):
            off = (place - place[rng.integers(len(rows))]) / 0.12
            peak = 0.85 * values.max() * np.exp(-0.5 * np.sum(off**2, axis=1))
            own = kind == rng.integers(5)
            values[own] = np.maximum(values, peak)[own]
    return np.asarray(BEST * values / values.max())


def chance(values: NDArray[Any], draws: int) -> NDArray[Any]:
    """Return the probability that recipes drawn at random have arrived, after 1 to `draws`."""
    good = int(np.sum(values >= NEAR * values.max()))
    missed = [(len(values) - good - k) / (len(values) - k) for k in range(draws)]
    return 1.0 - np.array(list(itertools.accumulate(missed, lambda a, b: a * b)))
