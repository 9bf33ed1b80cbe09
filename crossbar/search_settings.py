"""The numbers of a search over noise, without torch, so that a command line can show them."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import DataError
from crossbar.training_settings import check_counts


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How long a search over noise is, what it rewards, and within which bounds it stays.

    Parameters
    ----------
    initial
        Candidates that fill the space evenly, before the model chooses.
    evaluations
        Candidates that the model chooses.
    drift
        Sigma of the log-normal drift of the weights, at which candidates are compared.
    draws
        Of the drift, the same for every candidate; their mean accuracy is what is searched for.
    stages
        For noise that each site has of its own: the stage of each site, counted from 0; sites of
        one stage share their noise. Empty: each site is a stage of its own.
    p1, p2
        Largest probabilities of the factors 0 and 0.5.
    together
        Largest sum of the two, for the same site. The default is met by the bounds alone.
    sigma, spread, drop, shift
        Largest value of what `crossbar.training_settings.NoiseSettings` calls so.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows.

    References
    ----------
    Bounds and the budget of 3 + 20: our choice; BayesMulti, arXiv 2412.02779, names none. The code
    of its group begins with 3 candidates and has drop-out up to 0.8 and shifts up to 1e-3.
    """

    initial: int = 3
    evaluations: int = 20
    drift: float = 0.6
    draws: int = 50
    stages: tuple[int, ...] = ()
    p1: float = 0.3
    p2: float = 0.5
    together: float = 0.8
    sigma: float = 1.0
    spread: float = 1.0
    drop: float = 0.8
    shift: float = 1e-3

    def __post_init__(self) -> None:
        check_counts(self, "draws")
        for name, least in (("initial", 2), ("evaluations", 0)):
            count = getattr(self, name)
            if not (isinstance(count, int) and count >= least):
                raise DataError(f"{name} = {count} is not a whole number of at least {least}")
        if not 0 <= self.drift < np.inf:
            raise DataError(f"drift = {self.drift} is not a finite number of at least 0")
        for name, most in (("p1", 1.0), ("p2", 1.0), ("together", 1.0), ("drop", 1.0)):
            if not 0 < getattr(self, name) <= most:
                raise DataError(f"{name} = {getattr(self, name)} is not above 0 and at most {most}")
        for name in ("sigma", "spread", "shift"):
            if not 0 < getattr(self, name) < np.inf:
                raise DataError(f"{name} = {getattr(self, name)} is not positive and finite")
        object.__setattr__(self, "stages", tuple(self.stages))
        if set(self.stages) != set(range(len(set(self.stages)))):
            raise DataError(f"stages {self.stages} are not counted from 0 without a gap")

    @property
    def total(self) -> int:
        """Candidates in all."""
        return self.initial + self.evaluations
