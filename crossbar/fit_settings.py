"""The numbers of `crossbar.fitting.fit`, without torch, so that a command line can show them."""

from dataclasses import dataclass, field

import numpy as np

from crossbar.backend import DataError
from crossbar.training_settings import NoiseSettings, check_counts, check_warmup


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Every number of `fit`.

    Parameters
    ----------
    epochs
        Passes over the training examples, the warm-up included.
    batch
        Examples of a step.
    learning_rate
        Largest of the one cycle: it rises over the first 30 % of the steps, then falls to nothing.
    weight_decay
        Of Adam.
    warmup
        How many of the epochs, the first, descend on `erm` whatever the objective is.
    l1
        Penalty on the sum of the parameters' magnitudes: of double weights, where there are some.
    clip
        Bound on the magnitude of each number of the gradient; None for none.
    validate_every
        Epochs between validations; the last one is always followed by one.
    validation_draws
        Draws of the deployment, the same at every validation.
    noise
        Of the objective, if it has any.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.
    """

    epochs: int = 10
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    warmup: int = 0
    l1: float = 0.0
    clip: float | None = None
    validate_every: int = 1
    validation_draws: int = 20
    noise: NoiseSettings = field(default_factory=NoiseSettings)

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "batch", "validate_every", "validation_draws")
        check_warmup(self.warmup, self.epochs)
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise DataError(f"{name} = {value} is not positive and finite")
        for name in ("weight_decay", "l1"):
            if not 0 <= getattr(self, name) < np.inf:
                raise DataError(
                    f"{name} = {getattr(self, name)} is not a finite number of at least 0"
                )
