"""The numbers of a training, without torch, so that a command line can show them at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from crossbar.backend import DataError
from crossbar.device_errors import DeviceErrors

INSTANCES = ("batch", "chip")
"""Whether every step meets new errors, or one of a fixed set of virtual chips."""
PER_SITE = ("p1", "p2", "shift")
"""Settings with one number for every site, or one for each."""


@dataclass(frozen=True, slots=True)
class NoiseSettings:
    """What the noise of a training objective is; each law reads what is its own.

    A site is a module that owns parameters, in the order of ``named_modules``; its weight and its
    bias share what is given per site. Objectives on activations act on every site but the last.

    Parameters
    ----------
    draws
        Independent noise draws per step, over which the loss is averaged.
    p1, p2
        Probabilities of the factors 0 and 0.5, for ``trinomial``: one number for every site, or
        one for each.
    sigma
        Standard deviation of the factor's logarithm, for ``lognormal``.
    spread
        Standard deviation of the factor about 1, for ``gaussian`` and ``laplace``.
    drop
        Probability of the factor 0, for ``bernoulli``.
    shift
        Scale of what ``trinomial-code`` adds: one number for every site, or one for each.
    rescale
        Divide every factor by its mean. The paper of ``trinomial`` mentions none of it.
    copies
        Independent factors that each parameter is multiplied by the mean of, for laws on weights:
        pairs of cells that hold it together.
    perturb_bias
        Whether parameters called a bias have noise too: on a crossbar they have.
    instance
        One of `INSTANCES`.
    chips
        How many virtual chips there are where `instance` is ``chip``: a multiple of `draws`. Each
        step trains on the next `draws` of them.
    device
        What becomes of conductances, for ``device``.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.
    """

    draws: int = 8
    p1: tuple[float, ...] = (0.1,)
    p2: tuple[float, ...] = (0.2,)
    sigma: float = 0.4
    spread: float = 0.2
    drop: float = 0.2
    shift: tuple[float, ...] = (1e-3,)
    rescale: bool = False
    copies: int = 1
    perturb_bias: bool = True
    instance: str = "batch"
    chips: int = 32
    device: DeviceErrors | None = None

    def __post_init__(self) -> None:
        for name in PER_SITE:
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        check_counts(self, "draws", "chips", "copies")
        self._check_trinomial()
        for name in ("sigma", "spread"):
            if not 0 <= getattr(self, name) < np.inf:
                raise DataError(
                    f"{name} = {getattr(self, name)} is not a finite number of at least 0"
                )
        if not 0 <= self.drop <= 1:
            raise DataError(f"drop = {self.drop} is not a probability")
        if self.instance not in INSTANCES:
            raise DataError(f"instance {self.instance!r} is not one of {', '.join(INSTANCES)}")
        if self.instance == "chip" and self.chips % self.draws:
            raise DataError(f"chips = {self.chips} is not a multiple of draws = {self.draws}")

    def _check_trinomial(self) -> None:
        sizes = {len(self.p1), len(self.p2)} - {1}
        if len(sizes) > 1:
            raise DataError(f"p1 has {len(self.p1)} numbers and p2 has {len(self.p2)}")
        count = max(len(self.p1), len(self.p2))
        for p1, p2 in zip(_spread(self.p1, count), _spread(self.p2, count), strict=True):
            if not (p1 >= 0 and p2 >= 0 and p1 + p2 <= 1):
                raise DataError(
                    f"p1 = {p1} and p2 = {p2} must be at least 0 and together at most 1"
                )

    def per_site(self, sites: Sequence[str]) -> tuple["NoiseSettings", ...]:
        """Return the settings of each site, with one number where there could be several.

        Raises
        ------
        DataError
            If there are several numbers, but not one for each site.
        """
        for name in PER_SITE:
            if (given := len(getattr(self, name))) not in (1, len(sites)):
                raise DataError(
                    f"{name} has {given} numbers; 1 is needed, or {len(sites)} for the sites "
                    f"{', '.join(sites)}"
                )
        p1, p2, shift = (_spread(getattr(self, name), len(sites)) for name in PER_SITE)
        return tuple(
            replace(self, p1=(p1[k],), p2=(p2[k],), shift=(shift[k],)) for k in range(len(sites))
        )


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
    selection_draws
        Noise draws, the same for every restart, over which the objective is averaged to choose.
    noise
        Of the objective, if it has any.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.
    """

    epochs: int = 900
    warmup: int = 300
    learning_rate: float = 0.05
    restarts: int = 3
    selection_draws: int = 256
    noise: NoiseSettings = field(default_factory=NoiseSettings)

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "restarts", "selection_draws")
        check_warmup(self.warmup, self.epochs)
        if not 0 < self.learning_rate < np.inf:
            raise DataError(f"learning_rate = {self.learning_rate} is not positive and finite")


def check_counts(settings: object, *names: str) -> None:
    """Raise `DataError` unless these settings are whole numbers of at least 1."""
    for name in names:
        count = getattr(settings, name)
        if not (isinstance(count, int) and count >= 1):
            raise DataError(f"{name} = {count} is not a whole number of at least 1")


def check_warmup(warmup: int, epochs: int) -> None:
    """Raise `DataError` unless the warm-up is a part of the epochs."""
    if not (isinstance(warmup, int) and 0 <= warmup <= epochs):
        raise DataError(f"warmup = {warmup} is not a number of epochs, 0 to {epochs}")


def _numbers(name: str, given: Sequence[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(number) for number in given)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} = {given!r} is not a row of numbers, one or one a site") from error
    if not (numbers and np.isfinite(numbers).all()):
        raise DataError(f"{name} = {given!r}: at least one number, all of them finite, is needed")
    return numbers


def _spread(numbers: tuple[float, ...], count: int) -> tuple[float, ...]:
    return numbers * count if len(numbers) == 1 else numbers
