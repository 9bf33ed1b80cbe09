"""What is expected of recipes before anything is told, as the parts of a Gaussian process.

A search that begins with one value cannot learn what is usual from the values, so that it has to
be said: values lie in a known range, what is good lies inside the ranges that people chose rather
than at their ends, and choices of a kind share most of how they depend on the rest. All of this is
a prior, which the values overrule.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossbar.search_space import Space
from crossbar.search_variables import Categorical

with warnings.catch_warnings():
    # linear_operator compiles with torch.jit.script, which torch 2.13 calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from gpytorch.constraints import Positive
    from gpytorch.kernels import Kernel, MaternKernel, ScaleKernel
    from gpytorch.likelihoods import GaussianLikelihood
    from gpytorch.means import Mean
    from gpytorch.priors import NormalPrior

DESCRIBED = 0.5  # assumed
"""Part of what choices share that goes by their descriptors, the rest being their own."""


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected before anything is told; medians, in parts of the objective's range.

    Parameters
    ----------
    centre, centre_sd
        Of a recipe in the middle of all ranges, normal.
    fall
        How much less at the ends of all ranges.
    shape, shape_spread
        Of the part that all choices share: its standard deviation, and the log-normal spread of
        this and of all that follow.
    choice
        By which choices differ whatever the rest is.
    own
        By which choices differ in how they depend on the rest.
    length, length_spread
        Over which it changes, in parts of a variable's range.
    noise, noise_spread
        Standard deviation of a value, where nobody knows it, and the log-normal spread of that.
    """

    centre: float = 0.4
    centre_sd: float = 0.3
    fall: float = 0.4
    shape: float = 0.3
    shape_spread: float = 0.8
    choice: float = 0.15
    own: float = 0.1
    length: float = 0.5
    length_spread: float = 0.5
    noise: float = 0.01
    noise_spread: float = 1.0


AFTER_EARLIER = Prior(shape=0.15, choice=0.08, own=0.05)  # assumed
"""Of the difference to earlier campaigns, where there are some."""


class Bowl(Mean):  # type: ignore[misc]  # gpytorch's classes have no types
    """A constant, less a fall toward the ends of the ordered variables' ranges."""

    def __init__(self, space: Space, prior: Prior) -> None:
        super().__init__()
        self._ordered = [k for k, v in enumerate(space.variables) if v.ordered]
        self.register_parameter("centre", torch.nn.Parameter(torch.tensor([prior.centre]).double()))
        self.register_parameter(
            "raw_fall", torch.nn.Parameter(torch.tensor([np.log(prior.fall)]).double())
        )
        self.register_prior("centre_prior", NormalPrior(prior.centre, prior.centre_sd), "centre")
        self.register_prior(
            "fall_prior", NormalPrior(np.log(prior.fall), prior.shape_spread), "raw_fall"
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of rows."""
        if not self._ordered:
            return torch.as_tensor(self.centre).expand(x.shape[:-1])
        off = (2 * x[..., self._ordered] - 1).square().mean(-1)
        return torch.as_tensor(self.centre - self.raw_fall.exp() * off)


class Like(Mean):  # type: ignore[misc]
    """What earlier campaigns make expect, stretched and shifted by what this one tells."""

    def __init__(self, expected: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._expected = expected
        self.register_parameter("slope", torch.nn.Parameter(torch.ones(1).double()))
        self.register_parameter("shift", torch.nn.Parameter(torch.zeros(1).double()))
        self.register_prior("slope_prior", NormalPrior(1.0, 0.3), "slope")  # assumed
        self.register_prior("shift_prior", NormalPrior(0.0, 0.1), "shift")  # assumed

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of rows."""
        return torch.as_tensor(self.shift + self.slope * self._expected(x))


def covariance(space: Space, prior: Prior) -> Kernel:
    """Return ``shape(x) + own(x) kind(t) + choice kind(t)`` over ordered x and unordered t."""
    ordered = [k for k, v in enumerate(space.variables) if v.ordered]
    kinds = [_Kind(v, k) for k, v in enumerate(space.variables) if isinstance(v, Categorical)]
    alike = kinds[0] if kinds else None
    for kind in kinds[1:]:
        alike = alike * kind
    if not ordered:
        return _scaled(alike, prior.choice, prior)
    shape = MaternKernel(
        nu=2.5,
        ard_num_dims=len(ordered),
        active_dims=ordered,
        lengthscale_constraint=_logarithmic(prior.length),
    )
    _about(shape, "lengthscale", prior.length, prior.length_spread)
    total = _scaled(shape, prior.shape, prior)
    if alike is not None:
        total = total + _scaled(shape * alike, prior.own, prior)
        total = total + _scaled(alike, prior.choice, prior)
    return total


def learnt_noise(prior: Prior) -> GaussianLikelihood:
    """Return the noise of a value that nobody knows the noise of."""
    likelihood = GaussianLikelihood(noise_constraint=_logarithmic(prior.noise**2))
    _about(likelihood.noise_covar, "noise", prior.noise**2, 2 * prior.noise_spread)
    return likelihood


def _logarithmic(initial: float) -> Positive:
    """Return a constraint to numbers above 0, by their logarithm."""
    return Positive(transform=torch.exp, inv_transform=torch.log, initial_value=initial)


def _scaled(kernel: Kernel, sd: float, prior: Prior) -> ScaleKernel:
    """Return a kernel of a standard deviation that is learnt."""
    scaled = ScaleKernel(kernel, outputscale_constraint=_logarithmic(sd**2))
    _about(scaled, "outputscale", sd**2, 2 * prior.shape_spread)
    return scaled


def _about(module: Any, name: str, median: float, spread: float) -> None:
    """Give a positive parameter a log-normal prior, of its logarithm: the mode is the median."""
    prior = NormalPrior(float(np.log(median)), spread)
    module.register_prior(f"{name}_prior", prior, lambda m: getattr(m, name).log())


class _Kind(Kernel):  # type: ignore[misc]
    """1 for the same choice; for others, half of how near their descriptors are, if any."""

    def __init__(self, variable: Categorical, column: int) -> None:
        super().__init__(active_dims=[column])
        known = torch.tensor(variable.descriptors, dtype=torch.float64)
        count = len(variable.choices)
        if known.numel():
            known = (known - known.mean(0)) / known.std(0).clamp_min(1e-12)
            squared = (known[:, None] - known[None]).square().mean(-1)
        self.described = bool(known.numel())
        self.register_buffer("squared", squared if self.described else torch.zeros(count, count))
        if self.described:
            self.register_parameter("raw_reach", torch.nn.Parameter(torch.zeros(1).double()))
            self.register_prior("reach_prior", NormalPrior(0.0, 0.5), "raw_reach")

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **_: object) -> Tensor:
        """Return the covariance of rows of one column, indices of choices."""
        first, second = (x[..., 0].round().long() for x in (x1, x2))
        pairs = (first, second) if diag else (first[..., :, None], second[..., None, :])
        same = (pairs[0] == pairs[1]).to(x1.dtype)
        if not self.described:
            return same
        near = torch.exp(-0.5 * self.squared[pairs] / self.raw_reach.exp() ** 2)
        return DESCRIBED * near + (1 - DESCRIBED) * same
