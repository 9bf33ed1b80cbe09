"""Searches that the project's own is compared with: Optuna's Gaussian process, and chance."""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from crossbar.bayesopt import Search, Study, StudySettings
from crossbar.search_space import Categorical, Continuous, Ordinal, Point, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


class Optuna:
    """Optuna's GPSampler behind `Search`: Matern 5/2, log expected improvement.

    Levels are whole numbers to it, because it has no uneven ones. It knows no limits between
    variables, and may ask for a point again.
    """

    def __init__(self, space: Space, initial: int, seed: int) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = space
        self._trial: tuple[Point, optuna.Trial] | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parts that Optuna calls experimental
            sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=initial)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)

    def ask(self, pending: Sequence[Point] = ()) -> Point:
        """Return its next trial."""
        trial = self._study.ask(self._distributions())
        point: dict[str, float | str] = {}
        for variable in self._space.variables:
            found = trial.params[variable.name]
            if isinstance(variable, Ordinal):
                found = variable.levels[found]
            point[variable.name] = found
        self._trial = point, trial
        return point

    def tell(self, point: Point, value: float | None) -> None:
        """Tell the trial, or add one that was not asked for."""
        from optuna.trial import TrialState, create_trial

        asked, self._trial = self._trial, None
        failed = TrialState.FAIL if value is None else None
        if asked is not None and asked[0] == point:
            self._study.tell(asked[1], value, state=failed)
            return
        params = {
            v.name: v.levels.index(float(point[v.name]))
            if isinstance(v, Ordinal)
            else point[v.name]
            for v in self._space.variables
        }
        self._study.add_trial(
            create_trial(
                params=params,
                distributions=self._distributions(),
                value=value,
                state=failed or TrialState.COMPLETE,
            )
        )

    def _distributions(self) -> "dict[str, BaseDistribution]":
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        made: dict[str, BaseDistribution] = {}
        for variable in self._space.variables:
            if isinstance(variable, Categorical):
                made[variable.name] = CategoricalDistribution(variable.choices)
            elif isinstance(variable, Ordinal):
                made[variable.name] = IntDistribution(0, len(variable.levels) - 1)
            elif isinstance(variable, Continuous):
                made[variable.name] = FloatDistribution(
                    variable.low, variable.high, log=variable.logarithmic
                )
        return made


class Chance:
    """Points drawn at random; what they give is not looked at."""

    def __init__(self, space: Space, initial: int, seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)

    def ask(self, pending: Sequence[Point] = ()) -> Point:
        """Return a random point."""
        return self._space.points(self._space.spread(1, self._rng))[0]

    def tell(self, point: Point, value: float | None) -> None:
        """Do nothing."""


def ours(space: Space, initial: int, seed: int) -> Search:
    """Return the project's own search, on BoTorch."""
    return Study(space, StudySettings(initial=initial), seed)
