"""Weights through conductances and back, differentiable: what devices make of a torch module.

`crossbar.mapping` has the rule for an array of numbers; this is the same rule in torch, with the
same scale for each layer, its biases included.
"""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn import Module, Parameter

from crossbar.device_errors import DeviceErrors
from crossbar.double_weights import halves
from crossbar.mapping import MAPPINGS, Window
from crossbar.sites import noisy_parameters, site_of

SWING = MAPPINGS["differential"].swing


def scale_of(matrices: Sequence[Tensor], window: Window) -> Tensor:
    """Return the conductance difference that stands for a weight of 1, S: `Mapping.scale`."""
    largest = torch.stack([matrix.abs().max() for matrix in matrices]).max()
    return SWING * window.span / torch.where(largest > 0, largest, torch.ones_like(largest))


def conductance_pair(weights: Tensor, scale: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """Return ``G_plus`` and ``G_minus``, S, by the rule that leaves one of them at the low end.

    References
    ----------
    Joksas et al., Adv. Sci. 9, 2105784 (2022), the min rule.
    """
    difference = scale * weights
    # At 0 the slope is that of G_plus: with none, a bias that begins at 0 would stay there.
    positive = difference >= 0
    nothing = torch.zeros_like(difference)
    plus = window.low + torch.where(positive, difference, nothing)
    return plus, window.low - torch.where(positive, nothing, difference)


def drawn(conductances: Tensor, errors: DeviceErrors, draws: int, generator: Generator) -> Tensor:
    """Return what devices make of conductances, S, shape ``(draws, *conductances.shape)``.

    Pathwise: which error a device has is chance, and a constant to the gradient.
    """
    shape, dtype = (
        (draws, *conductances.shape),
        torch.promote_types(conductances.dtype, torch.float32),
    )
    draw = torch.randn if errors.law.normal else torch.rand
    chance = draw(shape, generator=generator, dtype=dtype, device=generator.device)
    asked = conductances.detach().cpu().double().numpy()
    response = errors.law.response(asked, chance.cpu().numpy())
    gain, shift = (torch.from_numpy(x).to(conductances) for x in (response.gain, response.shift))
    return gain * conductances + shift


def device_sets(
    model: Module,
    errors: DeviceErrors,
    draws: int,
    generator: Generator,
    *,
    perturb_bias: bool = True,
) -> dict[str, Tensor]:
    """Return the parameters that devices make of a module's, differentiable.

    Parameters
    ----------
    model
        Any module; never changed. Every site is a matrix with a scale of its own. Of double
        weights each is one device, any other parameter is a pair.
    errors
        What becomes of conductances.
    draws
        How many virtual chips.
    generator
        Of their errors: as many numbers as there are devices, whatever the weights are.
    perturb_bias
        Whether biases are on the devices too.

    Returns
    -------
    dict
        By name, shape ``(draws, *parameter.shape)`` each.
    """
    matrices: dict[str, dict[str, Parameter]] = {}
    for name, parameter in noisy_parameters(model, perturb_bias=perturb_bias).items():
        matrices.setdefault(site_of(name), {})[name] = parameter
    single, sets = halves(model), {}
    for matrix in matrices.values():
        scale = scale_of(list(matrix.values()), errors.window)
        for name, parameter in matrix.items():
            if name in single:
                asked = errors.window.low + scale * parameter
                reached = drawn(asked, errors, draws, generator) - errors.window.low
            else:
                plus, minus = conductance_pair(parameter, scale, errors.window)
                reached = drawn(plus, errors, draws, generator)
                reached = reached - drawn(minus, errors, draws, generator)
            sets[name] = reached / scale
    return sets
