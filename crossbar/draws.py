"""A module's outputs under several draws of its parameters: together, or one after the other."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import Module

DrawSets: TypeAlias = Callable[[int], dict[str, Tensor]]
"""Given a number of draws, returns parameters by name, shape ``(draws, *parameter.shape)``."""

NUMBERS_TOGETHER = 2**14
"""Parameters of a module up to which its draws are evaluated together: up to 64-25-10 (1,885) that
was 1.5 times as fast on one core, for 784-25-10 (19,885) no more, with 8 draws and 128 inputs."""
NUMBERS_DRAWN = 2**22
"""Parameters of all draws up to which their noise is drawn in one call."""

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
    return draws > 1 and numbers <= NUMBERS_TOGETHER and plain


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
    singles = one_by_one(model, draws, sets)
    return torch.cat([functional_call(model, one, (inputs,)) for one in singles])


def one_by_one(model: Module, draws: int, sets: DrawSets) -> Iterator[dict[str, Tensor]]:
    """Yield the parameters of each draw, made as by `portions`."""
    for _, made in portions(model, draws, sets):
        # Unbound, because the gradient of an index is as large as what was indexed.
        for values in zip(*(values.unbind(0) for values in made.values()), strict=True):
            yield dict(zip(made, values, strict=True))


def portions(model: Module, draws: int, sets: DrawSets) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Yield the parameters of all draws: how many draws, and theirs, as memory is spent on them."""
    numbers = sum(parameter.numel() for parameter in model.parameters())
    size = max(1, NUMBERS_DRAWN // max(1, numbers))
    for start in range(0, draws, size):
        portion = min(size, draws - start)
        yield portion, sets(portion)
