"""How often the 95 % bound of the spread is one: simulated cycles of a known spread.

``python benchmarks/bench_coverage.py [--json] [--simulations N]``. Each simulation draws the same
mean curve C times with log-normal deviations of a known sigma, and asks whether the bound lies
above it. A bound of 95 % should in 95 % of them. ``paper`` is the form that the paper's text
describes; ``paper, geometric`` the same with the other mean; ``corrected`` our default. All three
take the points of a cycle for independent; the last rows show what becomes of the default where
they are not (two deviations of a cycle correlated by r), beside ``correlated``, which estimates how
many independent ones they are worth.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from rows import Row, arguments, show
from scipy.special import chdtri

from crossbar.backend import Array
from crossbar.merit.spread import CONFIDENCE, spread

POINTS, SIMULATIONS, SEED = 50, 2000, 0
CELLS = ((0.05, 5), (0.3, 5), (0.3, 20), (0.8, 5))
"""Sigma and cycles."""
CORRELATIONS = (0.0, 0.1, 0.3, 0.8)
ALLOWED = (0.93, 0.99)

Bound = Callable[[Array], float]


def geometric(conductance: Array) -> float:
    """Return the paper's bound with the geometric mean, which no form of ours offers."""
    logarithm = np.log(conductance)
    squares = float(((logarithm - logarithm.mean(axis=0)) ** 2).sum())
    return float(np.sqrt(squares / chdtri(conductance.size, CONFIDENCE)))


BOUNDS: Mapping[str, Bound] = {
    "paper": lambda G: spread(G, "paper").bound,
    "paper, geometric": geometric,
    "corrected": lambda G: spread(G, "corrected").bound,
    "correlated": lambda G: spread(G, "correlated").bound,
}


def cycles(rng: np.random.Generator, sigma: float, count: int, r: float) -> Array:
    """Return conductances, S, two points of a cycle deviating with a correlation of `r`."""
    own, common = rng.normal(size=(count, POINTS)), rng.normal(size=(count, 1))
    deviation = sigma * (np.sqrt(1 - r) * own + np.sqrt(r) * common)
    return np.asarray(np.geomspace(1e-6, 1e-5, POINTS) * np.exp(deviation))


def coverage(form: str, sigma: float, count: int, r: float, simulations: int) -> float:
    """Return the part of the simulations in which the bound is above the true sigma."""
    rng = np.random.default_rng(SEED)
    bound = BOUNDS[form]
    above = [bound(cycles(rng, sigma, count, r)) >= sigma for _ in range(simulations)]
    return float(np.mean(above))


def rows(simulations: int) -> Iterator[Row]:
    """Yield the coverage of each form in each cell, with its binomial standard error."""
    low, high = ALLOWED
    for sigma, count in CELLS:
        for form in ("paper", "paper, geometric", "corrected"):
            part = coverage(form, sigma, count, 0.0, simulations)
            error = float(np.sqrt(part * (1 - part) / simulations))
            name = f"sigma {sigma:g}, {count} cycles: {form}"
            if form == "corrected":
                target = f"{low:g} to {high:g}"
                yield Row(name, part, error, "", target, low <= part <= high)
            else:
                yield Row(name, part, error, "")
    for r in CORRELATIONS:
        for form in ("corrected", "correlated"):
            part = coverage(form, 0.3, 5, r, simulations)
            error = float(np.sqrt(part * (1 - part) / simulations))
            yield Row(f"sigma 0.3, 5 cycles, correlation {r:g}: {form}", part, error, "")


def main() -> None:
    """Simulate and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument(
        "--simulations", type=int, default=SIMULATIONS, help="of each cell of the table"
    )
    chosen = parser.parse_args()
    title = f"coverage of the 95 % bound, {chosen.simulations} simulations, {POINTS} points"
    show(rows(chosen.simulations), as_json=chosen.json, title=title)


if __name__ == "__main__":
    main()
