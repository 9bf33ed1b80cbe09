"""The laws of noise in training: factors about 1 on weights or on activations.

A law turns plain random numbers into factors, so that all parameters of a network can be drawn in
one call although each site has numbers of its own. A new law is one entry of `LAWS`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, repeat

import torch
from torch import Generator, Tensor

from crossbar.backend import DataError
from crossbar.training_settings import NoiseSettings


@dataclass(frozen=True, slots=True)
class Law:
    """A law of independent factors; its functions get the settings of one site.

    Parameters
    ----------
    numbers
        Draws what factors are made of: ``torch.rand`` or ``torch.randn``.
    factors
        Turns the numbers into factors of the same shape.
    mean
        Of a factor.
    silent
        Whether every factor is 1.
    """

    numbers: Callable[..., Tensor]
    factors: Callable[[Tensor, NoiseSettings], Tensor]
    mean: Callable[[NoiseSettings], float]
    silent: Callable[[NoiseSettings], bool]

    def draw(self, shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
        """Return the numbers in the precision of a tensor, on the generator's device."""
        # Half precision has no numbers close to 0, where long tails come from.
        dtype = torch.promote_types(like.dtype, torch.float32)
        return self.numbers(shape, generator=generator, dtype=dtype, device=generator.device)

    def at(self, numbers: Tensor, noise: NoiseSettings) -> Tensor:
        """Return the factors that the numbers stand for, rescaled if the settings say so.

        Raises
        ------
        DataError
            If they cannot be, because every factor is 0.
        """
        factors = self.factors(numbers, noise)
        if not noise.rescale:
            return factors
        if self.mean(noise) == 0:
            raise DataError("factors that are always 0 cannot be divided by their mean")
        return factors / self.mean(noise)


def trinomial(uniform: Tensor, noise: NoiseSettings) -> Tensor:
    """Return factors with ``P(0) = p1``, ``P(0.5) = p2``, ``P(1) = 1 - p1 - p2``.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eq. 1. That p1 belongs to 0 and p2 to 0.5 is our reading.
    """
    (p1,), (p2,) = noise.p1, noise.p2
    return 0.5 * ((uniform >= p1).to(uniform) + (uniform >= p1 + p2).to(uniform))


def gaussian(normal: Tensor, noise: NoiseSettings) -> Tensor:
    """Return normal factors about 1; some are negative."""
    return 1.0 + noise.spread * normal


def laplace(uniform: Tensor, noise: NoiseSettings) -> Tensor:
    """Return factors about 1 by Laplace's law: of the same standard deviation, with longer tails.

    The inverse of the distribution function; the scale is the standard deviation over sqrt(2).
    """
    # torch.rand gives 0 once in 2**24 or 2**53, and the logarithm of 0 would be an infinite factor.
    side = uniform.clamp(min=torch.finfo(uniform.dtype).eps / 4) - 0.5
    scale = noise.spread / math.sqrt(2.0)
    return 1.0 - scale * torch.sign(side) * torch.log1p(-2.0 * side.abs())


def bernoulli(uniform: Tensor, noise: NoiseSettings) -> Tensor:
    """Return factors with ``P(0) = drop`` and ``P(1) = 1 - drop``: drop-out without its rescaling.

    With `NoiseSettings.rescale` it is the drop-out of torch.
    """
    return (uniform >= noise.drop).to(uniform)


def lognormal(normal: Tensor, noise: NoiseSettings) -> Tensor:
    """Return factors ``exp(sigma N)``: their median is 1, their mean is above 1.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eqs. 4 and 7.
    """
    return torch.exp(noise.sigma * normal)


def code_shift(shape: tuple[int, ...], noise: NoiseSettings, generator: Generator) -> Tensor:
    """Return what the published code adds: ``shift`` times a count of 10 trials of chance 1/4.

    References
    ----------
    JingbiaoMei/BayesFTNA, model/randomnoise.py: the first count of a multinomial draw of 10 over 4
    equally likely outcomes.
    """
    trials = torch.rand((*shape, 10), generator=generator, device=generator.device)
    return noise.shift[0] * (trials < 0.25).sum(-1).double()


LAWS: dict[str, Law] = {
    "trinomial": Law(
        torch.rand,
        trinomial,
        mean=lambda noise: 1.0 - noise.p1[0] - noise.p2[0] / 2,
        silent=lambda noise: noise.p1[0] == noise.p2[0] == 0,
    ),
    "gaussian": Law(
        torch.randn, gaussian, mean=lambda noise: 1.0, silent=lambda noise: noise.spread == 0
    ),
    "laplace": Law(
        torch.rand, laplace, mean=lambda noise: 1.0, silent=lambda noise: noise.spread == 0
    ),
    "bernoulli": Law(
        torch.rand,
        bernoulli,
        mean=lambda noise: 1.0 - noise.drop,
        silent=lambda noise: noise.drop == 0,
    ),
    "lognormal": Law(
        torch.randn,
        lognormal,
        mean=lambda noise: math.exp(noise.sigma**2 / 2),
        silent=lambda noise: noise.sigma == 0,
    ),
}


def instances(noise: NoiseSettings, generator: Generator) -> Iterator[Generator]:
    """Yield the generator of the noise of each step, without end.

    With ``instance`` ``"batch"`` it is always the one given, and draws on. With ``"chip"`` the
    virtual chips are drawn once: step after step takes the next `NoiseSettings.draws` of them, and
    begins again after the last.
    """
    if noise.instance == "batch":
        yield from repeat(generator)
    groups = noise.chips // noise.draws
    seeds = torch.randint(2**62, (groups,), generator=generator, device=generator.device)
    for seed in cycle(seeds.tolist()):
        yield Generator(generator.device).manual_seed(seed)
