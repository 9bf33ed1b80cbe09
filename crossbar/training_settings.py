"""The numbers of a training, without torch, so that a command line can show them at once."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import DataError


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Every number of a training; the defaults were chosen on moons with 500 points.

    Parameters
    ----------
    epochs
        Full-batch Adam steps of each restart, the warm-up included.
    warmup
        How many of the epochs, the first, descend on `erm` whatever the objective is. With noise
        from the start, 2-4-1 networks can stop in a nearly linear solution, whose objective is
        higher (0.26 on moons with p1 = 0.05 and p2 = 0.1, where 0.17 was reached this way).
    learning_rate
        At the first step; falls linearly to zero, so that the last step is not the noise's.
    restarts
        Independent initialisations; the one with the lowest objective is kept.
    draws
        Independent noise draws per step, for the objectives that have noise.
    selection_draws
        Noise draws, the same for every restart, over which the objective is averaged to choose.
    p1, p2
        Probabilities of the factors 0 and 0.5, for ``trinomial``.
    sigma
        Standard deviation of the factor's logarithm, for ``lognormal``.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.
    """

    epochs: int = 900
    warmup: int = 300
    learning_rate: float = 0.05
    restarts: int = 3
    draws: int = 8
    selection_draws: int = 256
    p1: float = 0.1
    p2: float = 0.2
    sigma: float = 0.4

    def __post_init__(self) -> None:
        for name in ("epochs", "restarts", "draws", "selection_draws"):
            count = getattr(self, name)
            if not (isinstance(count, int) and count >= 1):
                raise DataError(f"{name} = {count} is not a whole number of at least 1")
        if not (isinstance(self.warmup, int) and 0 <= self.warmup <= self.epochs):
            raise DataError(f"warmup = {self.warmup} is not a number of epochs, 0 to {self.epochs}")
        if not 0 < self.learning_rate < np.inf:
            raise DataError(f"learning_rate = {self.learning_rate} is not positive and finite")
        if not (self.p1 >= 0 and self.p2 >= 0 and self.p1 + self.p2 <= 1):
            raise DataError(
                f"p1 = {self.p1} and p2 = {self.p2} must be at least 0 and together at most 1"
            )
        if not 0 <= self.sigma < np.inf:
            raise DataError(f"sigma = {self.sigma} is not a finite number of at least 0")
