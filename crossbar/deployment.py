"""Where a trained network goes: a device that nobody measured, a measured one, or a bench's."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import Module

from crossbar.backend import Array, DataError
from crossbar.conductances import device_sets
from crossbar.device_errors import DeviceErrors
from crossbar.losses import Metric
from crossbar.memsim.many import scores_of_draws
from crossbar.memsim.perturb import Perturbation, parameter_sets
from crossbar.memsim.profile import DeviceProfile
from crossbar.noise import LAWS
from crossbar.objectives import noisy_sets
from crossbar.training_settings import NoiseSettings, check_counts


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Weights that drift by factors ``exp(sigma N)``, each by its own.

    Parameters
    ----------
    sigma
        Standard deviation of the factor's logarithm.
    copies
        Pairs of cells that hold each weight together: its factor is the mean of theirs.

    Raises
    ------
    DataError
        If sigma is not a finite number of at least 0, or there is no copy.
    """

    sigma: float
    copies: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < np.inf:
            raise DataError(f"sigma = {self.sigma} is not a finite number of at least 0")
        check_counts(self, "copies")


Deployment: TypeAlias = LogNormal | DeviceProfile | DeviceErrors
"""On a profile a weight is one device, by `DeviceErrors` it is a pair of them."""


def deployed_sets(
    model: Module,
    deployment: Deployment,
    draws: int,
    generator: Generator,
    *,
    perturb_bias: bool = True,
) -> dict[str, Tensor]:
    """Return the parameters that a module's become where it goes, for several draws.

    Parameters
    ----------
    model
        Any module; never changed.
    deployment
        Where.
    draws
        How many.
    generator
        Of the draws: the same state gives the same devices, whatever the weights are.
    perturb_bias
        Whether biases go there too.

    Returns
    -------
    dict
        By name, shape ``(draws, *parameter.shape)`` each; what has no noise is not in it.
    """
    if isinstance(deployment, DeviceErrors):
        return device_sets(model, deployment, draws, generator, perturb_bias=perturb_bias)
    if isinstance(deployment, LogNormal):
        noise = NoiseSettings(
            sigma=deployment.sigma, copies=deployment.copies, perturb_bias=perturb_bias
        )
        return noisy_sets(model, LAWS["lognormal"], noise, draws, generator)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    rng = np.random.default_rng(seed)
    return parameter_sets(model, deployment, rng, draws, Perturbation(perturb_bias=perturb_bias))


def evaluate(
    model: Module,
    inputs: Tensor,
    labels: Tensor,
    metric: Metric,
    deployment: Deployment,
    draws: int,
    generator: Generator,
    *,
    device: torch.device | str | None = None,
) -> Array:
    """Return a metric of a network under each draw of where it goes, shape ``(draws,)``.

    Parameters
    ----------
    model
        In the mode it is to be evaluated in; never changed.
    inputs, labels
        Batch first.
    metric
        Of all scores of a draw.
    deployment, draws, generator
        As in `deployed_sets`.
    device
        As in `crossbar.memsim.many.scores_of_draws`.
    """

    def sets(count: int) -> dict[str, Tensor]:
        return deployed_sets(model, deployment, count, generator)

    with torch.no_grad():
        every = scores_of_draws(model, inputs, draws, sets, device=device)
        return np.array([float(metric(scores, labels.to(scores.device))) for scores in every])


def describe(deployment: Deployment) -> str:
    """Return in words where a network goes."""
    if isinstance(deployment, LogNormal):
        together = f", mean of {deployment.copies}" if deployment.copies > 1 else ""
        return f"log-normal factors on weights, sigma {deployment.sigma:g}{together}"
    if isinstance(deployment, DeviceProfile):
        return f"device {deployment.name}, {deployment.convention}"
    return f"pairs of devices: {deployment.source}"
