"""What to make next: proposals of a campaign, each with what is expected of it and why.

Everything follows from the campaign's definition and what it knows: asked again with the same
knowledge, the same is proposed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr

from crossbar.backend import Array, DataError, Mask
from crossbar.campaigns.definition import Definition
from crossbar.campaigns.recipe_model import RecipeModel
from crossbar.campaigns.records import Made, Recipe, State
from crossbar.campaigns.worth import log_target_improvement, success

LOOKED, LEADING = 512, 50
"""Recipes that are looked at for prospects, and those with the best, whose uncertainty says what
another one would teach."""
NEAREST = 3
CLOUD, TRIED = 64, 4096
"""Rows around the best candidates and in all, where the space is no grid."""
WIDTHS = (0.1, 0.03, 0.01, 0.003)
FINE = 3
"""Digits of a place in a range that proposals have."""
MIDDLE, APART = 0.25, 0.1
"""Of ranges: how far from the middle the first recipes stay, and listed candidates are apart."""
SAME = 1e-9
"""Codes that differ by less are one recipe."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recipe that may be made, and why.

    Parameters
    ----------
    recipe
        A value for each variable.
    mean, sd
        What is expected of it, without the noise of a value.
    gain
        Expected improvement on the best so far, in units of the objective; for a target, of the
        squared distance to it.
    better
        Probability that it is better than the best so far.
    feasible
        Probability that it does not fail; 1 while nothing has failed.
    teaches
        Mean standard deviation of the leading recipes now, and once this one is told.
    nearest
        Recipes made that are most alike, with their numbers, what they gave, and how alike, 0 to 1.
    """

    recipe: Recipe
    mean: float
    sd: float
    gain: float
    better: float
    feasible: float
    teaches: tuple[float, float]
    nearest: tuple[tuple[int, float | None, float], ...]

    def plain(self) -> dict[str, Any]:
        """Return everything but the recipe as plain values, to be kept with it."""
        return {
            "mean": self.mean,
            "sd": self.sd,
            "gain": self.gain,
            "better": self.better,
            "feasible": self.feasible,
            "teaches": list(self.teaches),
            "nearest": [list(one) for one in self.nearest],
        }


class Adviser:
    """What a campaign knows, and what follows for recipes that were not made.

    Parameters
    ----------
    definition
        Of the campaign.
    state
        What it knows.
    """

    def __init__(self, definition: Definition, state: State) -> None:
        self.definition, self.state = definition, state
        self.space = definition.space

    @cached_property
    def told(self) -> tuple[Made, ...]:
        """Recipes that gave a value."""
        return self.state.of("told")

    @cached_property
    def rows(self) -> Array:
        """Those of the recipes that gave a value."""
        return self.space.rows([made.recipe for made in self.told])

    @cached_property
    def values(self) -> Array:
        """What they gave."""
        return np.array([made.value for made in self.told], dtype=np.float64)

    @cached_property
    def sds(self) -> Array:
        """Standard deviations of that; NaN where nobody knows."""
        noise = self.definition.objective.noise
        usual = np.nan if noise is None else noise
        given = [made.current.sd if made.current else None for made in self.told]
        return np.array([usual if sd is None else sd for sd in given], dtype=np.float64)

    @cached_property
    def model(self) -> RecipeModel:
        """What is expected of every recipe.

        Raises
        ------
        DataError
            If nothing was told yet.
        """
        if not self.told:
            raise DataError("no value was told yet, so nothing can be said of other recipes")
        o = self.definition.objective
        return RecipeModel.fit(
            *(self.space, self.rows, self.values, self.sds, o.low, o.high), earlier=self._earlier
        )

    @cached_property
    def _earlier(self) -> RecipeModel | None:
        """What earlier campaigns make expect."""
        if not self.state.earlier:
            return None
        o = self.definition.objective
        recipes, values, sds = zip(*self.state.earlier, strict=True)
        known = np.array([np.nan if sd is None else sd for sd in sds], dtype=np.float64)
        rows = self.space.rows(list(recipes))
        return RecipeModel.fit(self.space, rows, np.array(values), known, o.low, o.high)

    @cached_property
    def _best(self) -> float:
        """The best value that earlier campaigns make expect of what they were told."""
        assert self._earlier is not None  # noqa: S101 - asked for only then
        rows = self.space.rows([recipe for recipe, _, _ in self.state.earlier])
        return float(self._earlier.posterior(rows)[0].max())

    @cached_property
    def expected(self) -> Array:
        """What the model makes of the recipes that gave a value, which under noise is better."""
        return self.model.posterior(self.rows)[0]

    @cached_property
    def leader(self) -> int:
        """Index of the best told recipe, by what the model makes of it."""
        return int(np.argmax(self._worth(self.expected)))

    def propose(self, count: int) -> list[Proposal]:
        """Return what to make next, each in view of those before it and of all that is pending.

        Raises
        ------
        DataError
            If every recipe of a grid is made, or being made.
        """
        pending = [made.recipe for made in self.state.of("pending")]
        found: list[Proposal] = []
        for _ in range(count):
            taken = [*pending, *(proposal.recipe for proposal in found)]
            found.append(self._next(taken))
        return found

    def ranking(self, count: int) -> list[Proposal]:
        """Return the recipes with the best prospects, were one alone made next."""
        pending = self.space.rows([made.recipe for made in self.state.of("pending")])
        rows = self._candidates(pending)
        scores, model = self._scores(rows, pending)
        if self.space.size is None:
            rows, scores = self._refined(rows, scores, pending)
        found: list[int] = []
        for k in np.argsort(-scores, kind="stable"):
            # Of a range, each listed recipe stands for those next to it.
            near = [self._distance(rows[k][None], rows[j])[0] < APART for j in found]
            if self.space.size is not None or not any(near):
                found.append(int(k))
            if len(found) == count:
                break
        return [self._proposal(rows[k], model) for k in found]

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of what recipes would give, noise left out."""
        return self.model.posterior(rows)

    def feasible(self, rows: Array) -> Array:
        """Return the probability that recipes do not fail."""
        failed = self.state.of("failed")
        if not failed:
            return np.ones(len(rows))
        others = self.space.rows([made.recipe for made in failed])
        return success(
            self.model.correlation(rows, self.rows), self.model.correlation(rows, others)
        )

    def _worth(self, values: Array) -> Array:
        """Return how good values are; the larger the better."""
        target = self.definition.objective.target
        return values if target is None else -np.abs(values - target)

    def _next(self, taken: Sequence[Recipe]) -> Proposal:
        pending = self.space.rows(taken)
        if not self.told:
            return self._first(pending)
        rows = self._candidates(pending)
        scores, model = self._scores(rows, pending)
        if self.space.size is None:
            rows, scores = self._refined(rows, scores, pending)
        return self._proposal(rows[int(np.argmax(scores))], model)

    def _first(self, pending: Array) -> Proposal:
        """Return a recipe from the middle of everything, while there is nothing to learn from."""
        rows = self._candidates(pending)
        ordered = [k for k, v in enumerate(self.space.variables) if v.ordered]
        central = np.abs(rows[:, ordered] - 0.5).max(axis=1) if ordered else np.zeros(len(rows))
        # The middle first, then far from those on their way, without going to the ends.
        apart = np.full(len(rows), np.inf)
        for row in pending:
            apart = np.minimum(apart, self._distance(rows, row))
        inside = central <= max(MIDDLE, float(central.min()))
        rank = np.where(inside, apart if len(pending) else -central, -np.inf)
        if self._earlier is not None:
            rank = self._earlier.believing(pending).log_expected_improvement(rows, self._best)
        chosen = rows[int(np.argmax(rank))]
        o = self.definition.objective
        recipe = self.space.points(chosen[None])[0]
        wide = (o.high - o.low) / 2
        mean, sd = o.low + wide, wide
        if self._earlier is not None:
            mean, sd = (float(x[0]) for x in self._earlier.posterior(chosen[None]))
        return Proposal(recipe, mean, sd, sd, 1.0, 1.0, (sd, sd), ())

    def _distance(self, rows: Array, row: Array) -> Array:
        """Return how far rows are from one: in parts of ranges, and 1 for each other choice."""
        off = np.abs(rows - row)
        for k, variable in enumerate(self.space.variables):
            if not variable.ordered:
                off[:, k] = off[:, k] > SAME
        return np.asarray(np.sqrt((off**2).sum(axis=1)))

    def _candidates(self, pending: Array) -> Array:
        """Return recipes that were neither made nor are being made; withdrawn ones may be."""
        made = [m.recipe for m in self.state.recipes if m.status in ("told", "failed")]
        taken = np.vstack([self.space.rows(made), pending])
        if self.space.size is not None:
            grid = self.space.grid()
            rest = grid[_free(grid, taken)]
            if not len(rest):
                raise DataError(f"all {len(grid)} recipes are made, or being made")
            return np.asarray(rest)
        seed = [self.definition.asking.seed, len(taken)]
        return self._fine(self.space.spread(TRIED, np.random.default_rng(seed)))

    def _fine(self, rows: Array) -> Array:
        """Return rows within the limits whose ranges are divided into thousandths.

        Nobody weighs in a millionth of a range, and nobody wants to read one.
        """
        rows = rows.copy()
        for k, variable in enumerate(self.space.variables):
            if variable.codes is None:
                rows[:, k] = np.round(rows[:, k], FINE)
        return np.asarray(rows[self.space.within(rows)])

    def _scores(self, rows: Array, pending: Array) -> tuple[Array, RecipeModel]:
        """Return the logarithm of what each recipe promises, and the model that says so."""
        model, feasible = self.model.believing(pending), np.log(self.feasible(rows))
        asking = self.definition.asking
        if asking.acquisition == "nei":
            found = self.model.log_noisy_expected_improvement(rows, pending, asking.seed)
            return found + feasible, model
        return self._promise(model, rows) + feasible, model

    def _promise(self, model: RecipeModel, rows: Array) -> Array:
        target, expected = self.definition.objective.target, self.expected
        if target is None:
            return model.log_expected_improvement(rows, float(expected.max()))
        mean, sd = model.posterior(rows)
        return log_target_improvement(mean, sd, target, float(np.abs(expected - target).min()))

    def _refined(self, rows: Array, scores: Array, pending: Array) -> tuple[Array, Array]:
        """Return more rows around the best ones, nearer and nearer, with their scores."""
        rng = np.random.default_rng([self.definition.asking.seed, len(rows), len(pending)])
        for width in WIDTHS:
            centres = rows[np.argsort(-scores, kind="stable")[: CLOUD // 8]]
            near = np.repeat(centres, CLOUD, axis=0)
            ordered = [k for k, v in enumerate(self.space.variables) if v.ordered]
            near[:, ordered] += width * rng.standard_normal((len(near), len(ordered)))
            near = self._fine(self.space.nearest(near))
            if len(near):
                rows = np.vstack([rows, near])
                scores = np.append(scores, self._scores(near, pending)[0])
        return rows, scores

    def _proposal(self, row: Array, model: RecipeModel) -> Proposal:
        rows = row[None]
        mean, sd = (float(x[0]) for x in model.posterior(rows))
        gain = float(np.exp(self._promise(model, rows)[0]))
        return Proposal(
            recipe=self.space.points(rows)[0],
            mean=mean,
            sd=sd,
            gain=gain,
            better=self._better(mean, sd),
            feasible=float(self.feasible(rows)[0]),
            teaches=self._teaches(rows, sd, model),
            nearest=self._nearest(rows),
        )

    def _better(self, mean: float, sd: float) -> float:
        """Return the probability that a value is better than the best so far."""
        target, best = self.definition.objective.target, float(self.expected[self.leader])
        spread = max(sd, 1e-12)
        if target is None:
            return float(ndtr((mean - best) / spread))
        off = abs(best - target)
        low, high = (target - off - mean) / spread, (target + off - mean) / spread
        return float(ndtr(high) - ndtr(low))

    def _teaches(self, rows: Array, sd: float, model: RecipeModel) -> tuple[float, float]:
        """Return how uncertain the leading recipes are now, and would be once this one is told."""
        leading = self._leading
        _, now = model.posterior(leading)
        known = self.sds[np.isfinite(self.sds)]
        noise = float(np.median(known)) if len(known) else self.model.noise
        shared = model.covariance(rows, leading)[0]
        after = np.sqrt(np.maximum(now**2 - shared**2 / (sd**2 + noise**2), 0.0))
        return float(now.mean()), float(after.mean())

    @cached_property
    def _leading(self) -> Array:
        rows = self._candidates(self.space.rows([]))
        rng = np.random.default_rng(self.definition.asking.seed)
        rows = rows[rng.permutation(len(rows))[:LOOKED]]
        promise = self._promise(self.model, rows)
        return np.asarray(rows[np.argsort(-promise, kind="stable")[:LEADING]])

    def _nearest(self, rows: Array) -> tuple[tuple[int, float | None, float], ...]:
        """Return the recipes made that are most alike."""
        made = [m for m in self.state.recipes if m.status in ("told", "failed")]
        alike = self.model.correlation(rows, self.space.rows([m.recipe for m in made]))[0]
        best = np.argsort(-alike, kind="stable")[:NEAREST]
        return tuple((made[k].number, made[k].value, float(alike[k])) for k in best)


def _free(rows: Array, taken: Array) -> Mask:
    """Return which rows are none of those that are taken."""
    free = np.ones(len(rows), dtype=np.bool_)
    for row in taken:
        free &= np.abs(rows - row).max(axis=1) > SAME
    return free


def advised(proposals: Sequence[Proposal]) -> list[tuple[Recipe, Mapping[str, Any]]]:
    """Return proposals as a campaign puts them down."""
    return [(proposal.recipe, proposal.plain()) for proposal in proposals]
