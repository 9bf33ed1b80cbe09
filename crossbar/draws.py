"""A module's outputs under several draws of its parameters: together, or one after the other."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import Module

DrawSets: TypeAlias = Callable[[int], dict[str, Tensor]]
"""Given a number of draws, returns parameters by name, shape ``(draws, *parameter.shape)``."""

NUMBERS_TOGETHER = 2**20
"""Parameters of all draws up to which they are evaluated together."""

_TOGETHER = (
    nn.Sequential,
    nn.Linear,
    nn.Tanh,
    nn.ReLU,
    nn.Sigmoid,
    nn.Flatten,
    nn.Identity,
    nn.Softmax,
    nn.LogSoftmax,
)


def together(model: Module, draws: int) -> bool:
    """Return whether a module's draws are best evaluated in one call of ``torch.vmap``.

    That is so for small dense networks, where calls cost more than products. Convolutions with
    weights of their own for each draw are slow, and what a module of another kind does inside
    (draw random numbers, change a buffer) may not be possible together at all.
    """
    numbers = sum(parameter.numel() for parameter in model.parameters())
    # A subclass may compute something else.
    plain = all(type(module) in _TOGETHER for module in model.modules())
    return draws > 1 and draws * numbers <= NUMBERS_TOGETHER and plain


def outputs(model: Module, inputs: Tensor, draws: int, sets: DrawSets) -> Tensor:
    """Return a module's outputs under draws of its parameters, all draws in one batch.

    Parameters
    ----------
    model
        Its parameters are never changed; buffers are, as by any forward pass.
    inputs
        The same for every draw, shape ``(n, ...)``.
    draws
        How many.
    sets
        Makes the parameters; called once for all draws, or for one at a time.

    Returns
    -------
    Tensor
        Shape ``(draws * n, ...)``, draw after draw.
    """
    if together(model, draws):
        forward = torch.vmap(lambda one: functional_call(model, one, (inputs,)))
        stacked: Tensor = forward(sets(draws))
        return stacked.flatten(0, 1)
    return torch.cat([functional_call(model, one, (inputs,)) for one in one_by_one(draws, sets)])


def one_by_one(draws: int, sets: DrawSets) -> Iterator[dict[str, Tensor]]:
    """Yield the parameters of each draw; no more than one draw's are made at a time."""
    for _ in range(draws):
        yield {name: values[0] for name, values in sets(1).items()}
