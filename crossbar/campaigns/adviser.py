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
from scipy.stats import norm

from crossbar.backend import Array
from crossbar.campaigns.candidates import Candidates
from crossbar.campaigns.definition import Definition
from crossbar.campaigns.knowledge import Knowledge
from crossbar.campaigns.recipe_model import RecipeModel
from crossbar.campaigns.records import Recipe, State
from crossbar.campaigns.worth import log_target_improvement

LOOKED, LEADING = 512, 50
"""Recipes that are looked at for prospects, and those with the best, whose uncertainty says what
another one would teach."""
NEAREST = 3
APART = 0.1
"""Of ranges: how far candidates are apart that are listed beside each other."""


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
        self.knows = Knowledge(definition, state)
        self._candidates = Candidates(self.knows)

    def propose(self, count: int) -> list[Proposal]:
        """Return what to make next, each in view of those before it and of all that is pending.

        Raises
        ------
        DataError
            If every recipe of a grid is made, or being made.
        """
        pending = [made.recipe for made in self.knows.state.of("pending")]
        found: list[Proposal] = []
        for _ in range(count):
            taken = [*pending, *(proposal.recipe for proposal in found)]
            found.append(self._next(self.knows.space.rows(taken)))
        return found

    def ranking(self, count: int) -> list[Proposal]:
        """Return the recipes with the best prospects, were one alone made next."""
        taken = [made.recipe for made in self.knows.state.of("pending")]
        rows, scores, model = self._scored(self.knows.space.rows(taken))
        found: list[int] = []
        for k in np.argsort(-scores, kind="stable"):
            # Of a range, each listed recipe stands for those next to it.
            near = (self._candidates.distance(rows[k][None], rows[j])[0] < APART for j in found)
            if self._candidates.listed or not any(near):
                found.append(int(k))
            if len(found) == count:
                break
        return [self._proposal(rows[k], model) for k in found]

    def _next(self, pending: Array) -> Proposal:
        if not self.knows.told:
            return self._first(pending)
        rows, scores, model = self._scored(pending)
        return self._proposal(rows[int(np.argmax(scores))], model)

    def _first(self, pending: Array) -> Proposal:
        """Return a recipe to begin with: from the middle, or what earlier campaigns promise."""
        rows, earlier = self._candidates.rest(pending), self.knows.earlier
        o = self.knows.definition.objective
        mean = sd = (o.high - o.low) / 2
        mean += o.low
        if earlier is None:
            k = int(np.argmax(self._candidates.from_the_middle(rows, pending)))
        else:
            means, sds = earlier.believing(pending).posterior(rows)
            k = int(np.argmax(self.knows.worth(means)))
            mean, sd = float(means[k]), float(sds[k])
        recipe = self.knows.space.points(rows[k][None])[0]
        return Proposal(recipe, mean, sd, sd, 1.0, 1.0, (sd, sd), ())

    def _scored(self, pending: Array) -> tuple[Array, Array, RecipeModel]:
        """Return candidates, the logarithm of what each promises, and the model that says so."""
        model, rows = self.knows.model.believing(pending), self._candidates.rest(pending)

        def score(some: Array) -> Array:
            return self._promise(model, some, pending) + np.log(self.knows.feasible(some))

        scores = score(rows)
        if not self._candidates.listed:
            rows, scores = self._candidates.refined(rows, scores, score)
            scores = np.where(self._candidates.free(rows, pending), scores, -np.inf)
        return rows, scores, model

    def _promise(self, model: RecipeModel, rows: Array, pending: Array) -> Array:
        asking, expected = self.knows.definition.asking, self.knows.expected
        target = self.knows.definition.objective.target
        if asking.acquisition == "nei":
            # It knows of what is pending by itself.
            return self.knows.model.log_noisy_expected_improvement(rows, pending, asking.seed)
        if target is None:
            return model.log_expected_improvement(rows, float(expected.max()))
        mean, sd = model.posterior(rows)
        return log_target_improvement(mean, sd, target, float(np.abs(expected - target).min()))

    def _gain(self, mean: float, sd: float) -> float:
        """Return what a recipe is expected to improve the best so far by."""
        best = float(self.knows.expected[self.knows.leader])
        target, spread = self.knows.definition.objective.target, max(sd, 1e-12)
        if target is not None:
            one = np.array([mean]), np.array([spread])
            return float(np.exp(log_target_improvement(*one, target, abs(best - target))[0]))
        z = (mean - best) / spread
        return float(spread * (z * ndtr(z) + norm.pdf(z)))

    def _proposal(self, row: Array, model: RecipeModel) -> Proposal:
        rows = row[None]
        mean, sd = (float(x[0]) for x in model.posterior(rows))
        return Proposal(
            recipe=self.knows.space.points(rows)[0],
            mean=mean,
            sd=sd,
            gain=self._gain(mean, sd),
            better=self._better(mean, sd),
            feasible=float(self.knows.feasible(rows)[0]),
            teaches=self._teaches(rows, sd, model),
            nearest=self._nearest(rows),
        )

    def _better(self, mean: float, sd: float) -> float:
        """Return the probability that a value is better than the best so far."""
        target = self.knows.definition.objective.target
        best = float(self.knows.expected[self.knows.leader])
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
        known = self.knows.sds[np.isfinite(self.knows.sds)]
        noise = float(np.median(known)) if len(known) else self.knows.model.noise
        shared = model.covariance(rows, leading)[0]
        after = np.sqrt(np.maximum(now**2 - shared**2 / (sd**2 + noise**2), 0.0))
        return float(now.mean()), float(after.mean())

    @cached_property
    def _leading(self) -> Array:
        """Rows with the best prospects, of some from everywhere."""
        nothing = self.knows.space.rows([])
        rows = self._candidates.rest(nothing)
        rng = np.random.default_rng(self.knows.definition.asking.seed)
        rows = rows[rng.permutation(len(rows))[:LOOKED]]
        promise = self._promise(self.knows.model, rows, nothing)
        return np.asarray(rows[np.argsort(-promise, kind="stable")[:LEADING]])

    def _nearest(self, rows: Array) -> tuple[tuple[int, float | None, float], ...]:
        """Return the recipes made that are most alike."""
        made = [m for m in self.knows.state.recipes if m.status in ("told", "failed")]
        others = self.knows.space.rows([m.recipe for m in made])
        alike = self.knows.model.correlation(rows, others)[0]
        best = np.argsort(-alike, kind="stable")[:NEAREST]
        return tuple((made[k].number, made[k].value, float(alike[k])) for k in best)


def advised(proposals: Sequence[Proposal]) -> list[tuple[Recipe, Mapping[str, Any]]]:
    """Return proposals as a campaign puts them down."""
    return [(proposal.recipe, proposal.plain()) for proposal in proposals]
