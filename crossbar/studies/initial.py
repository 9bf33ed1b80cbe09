"""Networks whose first parameters come from a generator that is an argument."""

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Generator
from torch.nn import Module

_Module = TypeVar("_Module", bound=Module)


def initialised(build: Callable[[], _Module], generator: Generator) -> _Module:
    """Return the module that `build` makes, its parameters drawn from the generator alone.

    Weights of more than one dimension and the biases beside them are uniform within
    ``1 / sqrt(n_in)``, torch's own default for linear and convolutional layers; of a layer without
    such weights (a normalisation) weights are 1 and biases 0. Buffers are left to `build`'s module:
    one that has any fills them in ``fill_buffers(generator)``.

    Parameters
    ----------
    build
        Is called where constructors draw no random numbers, so torch's own generator stays as it
        is, also for other threads.
    generator
        The only source of chance.
    """
    with torch.device("meta"):
        module = build()
    module.to_empty(device="cpu")
    with torch.no_grad():
        for layer in module.modules():
            _initialise(layer, generator)
    return module


def _initialise(layer: Module, generator: Generator) -> None:
    own = dict(layer.named_parameters(recurse=False))
    weight = own.get("weight")
    bound = None
    if weight is not None and weight.ndim > 1:
        bound = 1 / math.sqrt(math.prod(weight.shape[1:]))
    for name, parameter in own.items():
        if bound is not None:
            parameter.uniform_(-bound, bound, generator=generator)
        else:
            parameter.fill_(1.0 if name == "weight" else 0.0)
