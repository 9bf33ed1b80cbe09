"""What a campaign has learnt, as arrays: how it went, along every variable, and what matters."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array
from crossbar.campaigns.knowledge import Knowledge

POINTS = 41
"""Along a variable that has no levels."""
SPREAD = 8192
"""Rows that stand for the whole space where it is no grid."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How a campaign went.

    Parameters
    ----------
    numbers
        Of the recipes that gave a value, shape ``(n,)``.
    values, sds
        What they gave; NaN where nobody knows the standard deviation.
    best
        The best so far, after each of them.
    """

    numbers: Array
    values: Array
    sds: Array
    best: Array


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """What is expected along one variable, everything else as in the leading recipe.

    Parameters
    ----------
    name, unit
        Of the variable.
    labels
        Its values, for people.
    places
        Where they are on its axis.
    mean, sd
        What is expected there.
    here
        Place of the leading recipe.
    ordered
        Whether the order of its values means anything.
    """

    name: str
    unit: str
    labels: list[str]
    places: Array
    mean: Array
    sd: Array
    here: float
    ordered: bool


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What is expected over two variables, everything else as in the leading recipe.

    Parameters
    ----------
    first, second
        The slices of the two.
    mean
        Shape ``(second, first)``.
    """

    first: Slice
    second: Slice
    mean: Array


def course(knows: Knowledge) -> Course:
    """Return how the campaign went."""
    target = knows.definition.objective.target
    values = knows.values
    if target is None:
        best = np.maximum.accumulate(values) if len(values) else values
    else:
        order = np.abs(values - target)
        nearest = [int(np.argmin(order[: k + 1])) for k in range(len(values))]
        best = values[nearest]
    numbers = np.array([made.number for made in knows.told], dtype=np.float64)
    return Course(numbers, values, knows.sds, best)


def slices(knows: Knowledge) -> list[Slice]:
    """Return what is expected along each variable through the leading recipe."""
    centre = knows.rows[knows.leader]
    found = []
    for k, table in enumerate(knows.definition.variables):
        codes = _codes(knows, k)
        rows = np.repeat(centre[None], len(codes), axis=0)
        rows[:, k] = codes
        mean, sd = knows.predict(rows)
        values = [knows.space.variables[k].value(float(code)) for code in codes]
        labels = [v if isinstance(v, str) else f"{v:g}" for v in values]
        place, ordered = float(centre[k]), knows.space.variables[k].ordered
        found.append(Slice(table.name, table.unit, labels, codes, mean, sd, place, ordered))
    return found


def pairs(knows: Knowledge) -> list[Pair]:
    """Return what is expected over every two variables through the leading recipe."""
    centre, single = knows.rows[knows.leader], slices(knows)
    found = []
    for i in range(len(single)):
        for j in range(i + 1, len(single)):
            first, second = np.meshgrid(single[i].places, single[j].places)
            rows = np.repeat(centre[None], first.size, axis=0)
            rows[:, i], rows[:, j] = first.ravel(), second.ravel()
            mean, _ = knows.predict(rows)
            found.append(Pair(single[i], single[j], mean.reshape(first.shape)))
    return found


def importance(knows: Knowledge) -> dict[str, tuple[float, float]]:
    """Return how much of what is expected to differ each variable explains, alone and in all.

    Returns
    -------
    dict
        By variable, the first-order and the total Sobol index of the mean over the whole space;
        zeros if nothing is expected to differ.

    References
    ----------
    Sobol, Math. Comput. Simul. 55 (2001) 271; total index by Jansen, Comput. Phys. Commun. 117
    (1999) 35.
    """
    rng = np.random.default_rng(knows.definition.asking.seed)
    first, second = (_everywhere(knows, rng) for _ in range(2))
    means = [knows.predict(rows)[0] for rows in (first, second)]
    both = np.concatenate(means)
    variance, middle = float(np.var(both)), float(np.mean(both))
    found = {}
    for k, table in enumerate(knows.definition.variables):
        mixed = first.copy()
        mixed[:, k] = second[:, k]
        mean, _ = knows.predict(mixed)
        if variance < 1e-18:
            found[table.name] = (0.0, 0.0)
            continue
        # Centred, which leaves the estimates as they are and takes most of their noise away.
        alone = float(np.mean((means[1] - middle) * (mean - means[0]))) / variance
        total = min(float(np.mean((means[0] - mean) ** 2)) / (2 * variance), 1.0)
        found[table.name] = (min(max(alone, 0.0), total), total)
    return found


def _codes(knows: Knowledge, k: int) -> Array:
    codes = knows.space.variables[k].codes
    return np.linspace(0.0, 1.0, POINTS) if codes is None else np.asarray(codes, dtype=np.float64)


def _everywhere(knows: Knowledge, rng: np.random.Generator) -> Array:
    """Return rows drawn over all values alike, whatever the limits."""
    columns = []
    for k in range(len(knows.space.variables)):
        codes = knows.space.variables[k].codes
        columns.append(rng.random(SPREAD) if codes is None else rng.choice(codes, SPREAD))
    return np.column_stack(columns)
