"""Made-up answers of a fabrication: usability over the paper's 8,400 recipes, five kinds of it.

Nobody measured such a landscape. Each agrees with what arXiv 2412.02779 states of its own: the best
device has 0.93, and the first recipe, with which every search begins, about 0.36. Which type is the
best is drawn anew for each, so that no order of the types is favoured.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.campaigns.definition import Definition
from crossbar.campaigns.definition_file import example, parse

Array = NDArray[Any]
PAPER: Definition = parse(example("paper"), "paper")
ROWS: Array = PAPER.space.grid()
START: int = int(np.abs(ROWS - PAPER.space.rows([PAPER.start[0].recipe])).max(axis=1).argmin())
"""The paper's first recipe."""
BEST = 0.93
FIRST = (0.26, 0.46)
"""Between which the value of the first recipe is: the paper's is 0.36."""
TRIES = 5000

_type = ROWS[:, 0].astype(int)
_place = ROWS[:, 1:]
_SILVER = np.array([50.0, 100.0, 200.0, 400.0, 600.0])


def _logarithmic_silver() -> Array:
    """Return the places with silver by its logarithm."""
    place = _place.copy()
    index = np.rint(np.interp(place[:, 3], (_SILVER - 50) / 550, np.arange(5))).astype(int)
    place[:, 3] = (np.log(_SILVER / 50) / np.log(12))[index]
    return place


def _bump(rng: np.random.Generator) -> Array:
    """Return a Gaussian bump, correlated between variables, elsewhere for each type."""
    factors = rng.permutation(np.append(1.0, rng.uniform(0.5, 0.9, 4)))
    widths = rng.uniform(0.2, 0.35, 4)
    mixing = np.linalg.qr(np.eye(4) + 0.3 * rng.standard_normal((4, 4)))[0]
    centre = rng.uniform(0.2, 0.8, 4)
    values = np.zeros(len(ROWS))
    for k, factor in enumerate(factors):
        own = _type == k
        off = (_place[own] - centre - rng.normal(0, 0.1, 4)) @ mixing / widths
        values[own] = factor * np.exp(-0.5 * np.sum(off**2, axis=1))
    return values


def _narrow(rng: np.random.Generator) -> Array:
    """Return the bump with four narrow maxima beside it, of 85 % of the best."""
    values = _bump(rng)
    for _ in range(4):
        off = (_place - _place[rng.integers(len(ROWS))]) / 0.12
        peak = 0.85 * values.max() * np.exp(-0.5 * np.sum(off**2, axis=1))
        own = _type == rng.integers(5)
        values[own] = np.maximum(values, peak)[own]
    return values


def _skewed(rng: np.random.Generator) -> Array:
    """Return a product of lopsided responses with long tails; types follow their chemistry."""
    described = np.array(list(PAPER.variables[0].descriptors.values())).T
    chemistry = (described - described.mean(0)) / described.std(0)
    lean = chemistry @ rng.normal(0, 0.5, 4)
    quality = 1 / (1 + np.exp(-(lean - lean.mean()) / (lean.std() + 1e-9)))
    quality = (0.5 + 0.5 * quality / quality.max()) * rng.uniform(0.9, 1, 5)
    place, centre = _logarithmic_silver(), rng.uniform(0.15, 0.85, 4)
    shift = 0.04 * rng.standard_normal((4, 4)) @ chemistry.T
    left, right = rng.uniform(0.2, 0.5, 4), rng.uniform(0.2, 0.5, 4)
    values = np.ones(len(ROWS))
    for j in range(4):
        off = place[:, j] - centre[j] - shift[j, _type]
        values /= 1 + (off / np.where(off < 0, left[j], right[j])) ** 2
    return np.asarray(values * quality[_type])


def _cliff(rng: np.random.Generator) -> Array:
    """Return what gets better and better up to a plane, beyond which devices are shorted."""
    slope = rng.uniform(0.3, 1, 4) * rng.choice([-1, 1], 4)
    rise = _place @ slope
    rise = (rise - rise.min()) / (rise.max() - rise.min())
    edge = rng.uniform(0.55, 0.75) + 0.05 * rng.standard_normal(5)
    off = (_place - rng.uniform(0.2, 0.8, 4)) / rng.uniform(0.35, 0.6, 4)
    factors = rng.permutation(np.append(1.0, rng.uniform(0.6, 0.95, 4)))
    bump = factors[_type] * np.exp(-0.5 * np.sum(off**2, axis=1))
    return np.asarray(bump * (0.3 + 0.7 * rise) / (1 + np.exp((rise - edge[_type]) / 0.03)))


def _sampled(rng: np.random.Generator) -> Array:
    """Return a draw of a rough Gaussian process (Matern 5/2), half of it each type's own."""
    place = _logarithmic_silver()[_type == 0]
    off = (place[:, None] - place[None]) / rng.uniform(0.35, 0.8, 4)
    d = np.sqrt(np.sum(off**2, axis=-1))
    covariance = (1 + np.sqrt(5) * d + 5 / 3 * d**2) * np.exp(-np.sqrt(5) * d)
    root = np.linalg.cholesky(covariance + 1e-6 * np.eye(len(d)))
    common, own = root @ rng.standard_normal(len(d)), rng.standard_normal((5, len(d))) @ root.T
    values = 0.8 * common + 0.45 * own + 0.5 * rng.standard_normal((5, 1))
    squeezed = 1 / (1 + np.exp(-1.2 * values))
    low, high = squeezed.min(), squeezed.max()
    return np.asarray((0.03 + 0.97 * (squeezed - low) / (high - low)).ravel())


KINDS: Mapping[str, Callable[[np.random.Generator], Array]] = MappingProxyType(
    {
        "bump": _bump,
        "narrow maxima": _narrow,
        "skewed": _skewed,
        "cliff": _cliff,
        "sampled": _sampled,
    }
)


def landscape(kind: str, seed: int) -> Array:
    """Return a value for each row of `ROWS`; the best is `BEST`, the first about that of the paper.

    Raises
    ------
    RuntimeError
        If no draw agrees with the first recipe.
    """
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    for _ in range(TRIES):
        values = KINDS[kind](rng)
        values = BEST * values / values.max()
        if FIRST[0] <= values[START] <= FIRST[1]:
            return np.asarray(values)
    raise RuntimeError(f"no landscape {kind} agrees with the first recipe")
