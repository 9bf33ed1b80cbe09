"""Double weights: one non-negative weight for each memristor, ``W = W_plus - W_minus``.

With a single weight the mapping decides both conductances, and one of them is always the lowest.
With double weights the training decides, and a penalty on their size (`FitSettings.l1`) pushes
both toward the low end of the window: less current for the same products.
"""

from math import prod
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import Module
from torch.nn.utils import parametrize

from crossbar.backend import DataError
from crossbar.memsim.perturb import copied

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Modules whose weight and bias can be double."""
CENTRE = 0.5
"""Mean of the first weights (Joksas et al.'s code, training/architecture.py)."""

_Model = TypeVar("_Model", bound=Module)


class Difference(Module):
    """The parametrisation: what two non-negative weights stand for."""

    def forward(self, plus: Tensor, minus: Tensor) -> Tensor:
        """Return ``plus - minus``."""
        return plus - minus

    def right_inverse(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the smallest pair that stands for these weights."""
        return weights.clamp(min=0), (-weights).clamp(min=0)


def doubled(model: _Model, generator: Generator | None = None) -> _Model:
    """Return a copy of a module in which every dense and convolutional layer has double weights.

    Parameters
    ----------
    model
        Any module; never changed. Its layers in `LAYERS` are parametrised in the copy.
    generator
        Draws new weights by ``N(0.5, 1 / sqrt(n_in))``, none below 0, and sets biases to 0.5, as
        published. None keeps what the layers compute.

    Raises
    ------
    DataError
        If there is no such layer, one is parametrised already, or the module cannot be copied.

    References
    ----------
    Joksas et al., Adv. Sci. 9, 2105784 (2022), and their code for the first weights.
    """
    copy = copied(model)
    layers = [(name, part) for name, part in copy.named_modules() if isinstance(part, LAYERS)]
    if not layers:
        raise DataError(f"{type(model).__name__} has no dense or convolutional layer to double")
    for name, layer in layers:
        if parametrize.is_parametrized(layer):
            raise DataError(f"{name} is parametrised already; double weights cannot be added")
        for own, parameter in list(layer.named_parameters(recurse=False)):
            pair = _first(parameter, generator) if generator is not None else None
            parametrize.register_parametrization(layer, own, Difference())
            if pair is not None:
                halves_of = getattr(layer.parametrizations, own)
                with torch.no_grad():
                    halves_of.original0.copy_(pair[0])
                    halves_of.original1.copy_(pair[1])
    return copy


def halves(model: Module) -> dict[str, nn.Parameter]:
    """Return the double weights that a module stores, each its own device, by name."""
    owners = {
        name
        for name, module in model.named_modules()
        if isinstance(module, parametrize.ParametrizationList)
        and len(module) == 1
        and isinstance(module[0], Difference)
    }
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if name.rpartition(".")[0] in owners
    }


def project(model: Module) -> None:
    """Set double weights below 0 to 0, in place: a conductance is not below the window."""
    with torch.no_grad():
        for half in halves(model).values():
            half.clamp_(min=0)


def _first(parameter: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return the first double weights for a weight or a bias."""
    if parameter.ndim == 1:
        return torch.full_like(parameter, CENTRE), torch.full_like(parameter, CENTRE)
    spread = prod(parameter.shape[1:]) ** -0.5
    plus, minus = (
        torch.randn(parameter.shape, generator=generator, device=generator.device)
        .mul(spread)
        .add(CENTRE)
        .clamp(min=0)
        .to(parameter)
        for _ in range(2)
    )
    return plus, minus
