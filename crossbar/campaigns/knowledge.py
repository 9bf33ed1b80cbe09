"""What a campaign knows as arrays, and the model that follows from it."""

from functools import cached_property

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.campaigns.definition import Definition
from crossbar.campaigns.recipe_model import RecipeModel
from crossbar.campaigns.records import Made, State
from crossbar.campaigns.worth import success


class Knowledge:
    """What was told of a campaign, and what is expected of everything else.

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
            *(self.space, self.rows, self.values, self.sds, o.low, o.high), earlier=self.earlier
        )

    @cached_property
    def earlier(self) -> RecipeModel | None:
        """What earlier campaigns make expect."""
        if not self.state.earlier:
            return None
        o = self.definition.objective
        recipes, values, sds = zip(*self.state.earlier, strict=True)
        known = np.array([np.nan if sd is None else sd for sd in sds], dtype=np.float64)
        rows = self.space.rows(list(recipes))
        return RecipeModel.fit(self.space, rows, np.array(values), known, o.low, o.high)

    @cached_property
    def expected(self) -> Array:
        """What the model makes of the recipes that gave a value, which under noise is better."""
        return self.model.posterior(self.rows)[0]

    @cached_property
    def leader(self) -> int:
        """Index of the best told recipe, by what the model makes of it."""
        return int(np.argmax(self.worth(self.expected)))

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

    def worth(self, values: Array) -> Array:
        """Return how good values are; the larger the better."""
        target = self.definition.objective.target
        return values if target is None else -np.abs(values - target)
