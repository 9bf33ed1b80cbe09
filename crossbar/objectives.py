"""What a training minimises: the plain risk, or the risk under errors like those of conductances.

A training objective is one function and one line in `OBJECTIVES`.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Generator, Tensor
from torch.func import functional_call
from torch.nn import Module
from torch.nn.functional import binary_cross_entropy_with_logits

from crossbar.training_settings import TrainingSettings

Objective: TypeAlias = Callable[[Module, Tensor, Tensor, TrainingSettings, Generator], Tensor]


def erm(
    model: Module, inputs: Tensor, labels: Tensor, settings: TrainingSettings, generator: Generator
) -> Tensor:
    """Return the empirical risk: the cross-entropy with the parameters as they are.

    Parameters
    ----------
    model
        Any module with one output per input; never changed.
    inputs
        Shape ``(n, n_in)``.
    labels
        0 or 1 in the inputs' dtype, shape ``(n,)``.
    settings, generator
        Not used here; every objective has this signature.
    """
    return binary_cross_entropy_with_logits(model(inputs).squeeze(-1), labels)


def trinomial(
    model: Module, inputs: Tensor, labels: Tensor, settings: TrainingSettings, generator: Generator
) -> Tensor:
    """Return the cross-entropy averaged over factors 0, 0.5 and 1 on every parameter.

    Biases are multiplied too, because they sit on the crossbar. Nothing is rescaled by
    ``1 / E[eta]``, since the paper mentions none. Parameters as in `erm`.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eq. 1.
    """
    if settings.p1 == settings.p2 == 0:
        return erm(model, inputs, labels, settings, generator)
    eta = trinomial_factors((settings.draws, _count(model)), settings, generator)
    return _averaged(model, inputs, labels, eta)


def lognormal(
    model: Module, inputs: Tensor, labels: Tensor, settings: TrainingSettings, generator: Generator
) -> Tensor:
    """Return the cross-entropy averaged over factors ``exp(sigma N)`` on every parameter.

    The baseline that knows the device's law, though not its every fault: on an array the spread is
    the conductances', with disturb by neighbours and the low end of the window on top.
    Parameters as in `erm`.
    """
    if settings.sigma == 0:
        return erm(model, inputs, labels, settings, generator)
    factors = lognormal_factors((settings.draws, _count(model)), settings, generator)
    return _averaged(model, inputs, labels, factors)


OBJECTIVES: dict[str, Objective] = {"erm": erm, "trinomial": trinomial, "lognormal": lognormal}


def trinomial_factors(
    shape: tuple[int, ...], settings: TrainingSettings, generator: Generator
) -> Tensor:
    """Return independent factors with ``P(0) = p1``, ``P(0.5) = p2``, ``P(1) = 1 - p1 - p2``.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eq. 1. That p1 belongs to 0 and p2 to 0.5 is our reading.
    """
    uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
    halves = (uniform >= settings.p1).double() + (uniform >= settings.p1 + settings.p2).double()
    return 0.5 * halves


def lognormal_factors(
    shape: tuple[int, ...], settings: TrainingSettings, generator: Generator
) -> Tensor:
    """Return independent factors ``exp(sigma N)``: their median is 1, their mean is above 1.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eqs. 4 and 7.
    """
    normal = torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.exp(settings.sigma * normal)


def _count(model: Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _averaged(model: Module, inputs: Tensor, labels: Tensor, factors: Tensor) -> Tensor:
    """Return the cross-entropy averaged over draws; `factors` are ``(draws, n_parameters)``."""
    noisy, start = {}, 0
    for name, parameter in model.named_parameters():
        chosen = factors[:, start : start + parameter.numel()].to(parameter)
        noisy[name] = parameter * chosen.reshape(-1, *parameter.shape)
        start += parameter.numel()
    forward = torch.vmap(lambda draw: functional_call(model, draw, (inputs,)))
    scores = forward(noisy).squeeze(-1)
    return binary_cross_entropy_with_logits(scores, labels.expand_as(scores))
