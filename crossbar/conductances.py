"""Weights through conductances and back, differentiable: what devices make of a torch module.

`crossbar.mapping` has the rule for an array of numbers; this is the same rule in torch, with one
scale for each layer, its biases included.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import Module, Parameter

from crossbar.device_errors import DeviceErrors
from crossbar.double_weights import halves
from crossbar.mapping import MAPPINGS, Window
from crossbar.sites import noisy_parameters, site_of

SWING = MAPPINGS["differential"].swing


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """The conductances that a parameter asks of its devices.

    Parameters
    ----------
    plus
        S, the parameter's shape.
    minus
        Of the partners, S, same shape; None for double weights, whose partner is a parameter too.
    scale
        Conductance difference that stands for a weight of 1, S.
    """

    plus: Tensor
    minus: Tensor | None
    scale: Tensor


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


def asked_conductances(
    model: Module, window: Window, *, perturb_bias: bool = True
) -> dict[str, Asked]:
    """Return the conductances that a module's parameters ask for, by name, differentiable.

    Parameters
    ----------
    model
        Any module; never changed. Every site is a matrix with a scale of its own, so that the
        largest of its weights and biases uses the whole window. Double weights ask for one
        conductance each, any other parameter for a pair.
    window
        Conductances that there are.
    perturb_bias
        Whether biases are on the devices too.

    Raises
    ------
    DataError
        If no parameter is on the devices.
    """
    matrices: dict[str, dict[str, Parameter]] = {}
    for name, parameter in noisy_parameters(model, perturb_bias=perturb_bias).items():
        matrices.setdefault(site_of(name), {})[name] = parameter
    double, asked = halves(model), {}
    for matrix in matrices.values():
        scale = scale_of(list(matrix.values()), window)
        for name, parameter in matrix.items():
            if name in double:
                asked[name] = Asked(window.low + scale * parameter, None, scale)
            else:
                asked[name] = Asked(*conductance_pair(parameter, scale, window), scale)
    return asked


def drawn(conductances: Tensor, errors: DeviceErrors, draws: int, generator: Generator) -> Tensor:
    """Return what devices make of conductances, S, shape ``(draws, *conductances.shape)``.

    Pathwise: which error a device has is chance, and a constant to the gradient.
    """
    shape = (draws, *conductances.shape)
    dtype = torch.promote_types(conductances.dtype, torch.float32)
    draw = torch.randn if errors.law.normal else torch.rand
    chance = draw(shape, generator=generator, dtype=dtype, device=generator.device)
    wanted = conductances.detach().cpu().double().numpy()
    response = errors.law.response(wanted, chance.cpu().numpy())
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
    model, perturb_bias
        As in `asked_conductances`.
    errors
        What becomes of conductances.
    draws
        How many virtual chips.
    generator
        Of their errors: as many numbers as there are devices, whatever the weights are.

    Returns
    -------
    dict
        By name, shape ``(draws, *parameter.shape)`` each.

    Raises
    ------
    DataError
        If no parameter is on the devices.
    """
    sets = {}
    wanted = asked_conductances(model, errors.window, perturb_bias=perturb_bias)
    for name, asked in wanted.items():
        reached = drawn(asked.plus, errors, draws, generator)
        if asked.minus is None:
            sets[name] = (reached - errors.window.low) / asked.scale
        else:
            partners = drawn(asked.minus, errors, draws, generator)
            sets[name] = (reached - partners) / asked.scale
    return sets
