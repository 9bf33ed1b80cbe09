"""A torch module as it is after its weights were written to a measured device, never in place."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import Module, Parameter
from torch.nn.parameter import is_lazy

from crossbar.backend import DataError
from crossbar.memsim.out_of_range import SPANS, OutOfRange, out_of_range
from crossbar.memsim.profile import DeviceProfile

ORDERS = ("map then drift", "drift then map")
"""A weight is written before it drifts; the other order is there to be compared with."""

Include: TypeAlias = Callable[[str, Parameter], bool]
_Model = TypeVar("_Model", bound=Module)


def everything(name: str, parameter: Parameter) -> bool:
    """Return True: every parameter is on the device."""
    return True


@dataclass(frozen=True, slots=True)
class Perturbation:
    """Which parameters are on the device, and how they get there.

    Parameters
    ----------
    include
        Called with the name and the parameter; what it refuses stays in software. Parameters that
        are not real floating-point numbers always do, and so do buffers.
    perturb_bias
        Whether parameters called a bias are on the device too.
    order
        One of `ORDERS`.
    span
        One of `crossbar.memsim.out_of_range.SPANS`.

    Raises
    ------
    DataError
        If the order or the span is unknown.
    """

    include: Include = everything
    perturb_bias: bool = True
    order: str = "map then drift"
    span: str = "segment"

    def __post_init__(self) -> None:
        for name, known in (("order", ORDERS), ("span", SPANS)):
            if getattr(self, name) not in known:
                listed = ", ".join(known)
                raise DataError(f"{name} {getattr(self, name)!r} is unknown; known are {listed}")

    def chosen(self, model: Module) -> dict[str, Parameter]:
        """Return the parameters that are on the device by name; tied ones once.

        Raises
        ------
        DataError
            If one has no shape yet.
        """
        chosen = {}
        for name, parameter in model.named_parameters():
            if is_lazy(parameter):
                raise DataError(f"parameter {name} has no shape yet: call the module once first")
            if not (parameter.is_floating_point() and parameter.numel()):
                continue
            # Also torch's other spellings: bias_ih_l0, in_proj_bias.
            is_bias = "bias" in name.rpartition(".")[2]
            if (self.perturb_bias or not is_bias) and self.include(name, parameter):
                chosen[name] = parameter
        return chosen


def perturb(
    model: _Model,
    profile: DeviceProfile,
    rng: np.random.Generator,
    *,
    include: Include = everything,
    perturb_bias: bool = True,
    order: str = "map then drift",
    span: str = "segment",
) -> _Model:
    """Return a copy of a module with its parameters as one device of the profile would hold them.

    Each parameter is one matrix, with a largest weight of its own. Weights that ask for levels
    beyond the operative segment become what `out_of_range` says; then each is multiplied by
    ``exp(N(0, sigma_ub^2))``. That keeps the sign and the median, not the mean, which grows by
    ``exp(sigma_ub^2 / 2)``. Zero stays zero.

    Parameters
    ----------
    model
        Any module; never changed, not even for a moment. Parametrised modules are perturbed in
        what they store, not in what they compute from it.
    profile
        Of the device.
    rng
        The only source of chance: as many normal numbers as there are parameters on the device
        are drawn, in the order of ``named_parameters``.
    include, perturb_bias, order, span
        As in `Perturbation`.

    Raises
    ------
    DataError
        If an option is unknown, a parameter has no shape yet or is not finite, or the module
        cannot be copied.

    References
    ----------
    BayesMulti, arXiv 2412.02779, eqs. 4, 6 and 7.
    """
    how = Perturbation(include, perturb_bias, order, span)
    return perturbed_copy(model, profile, rng, how)


def perturbed_copy(
    model: _Model, profile: DeviceProfile, rng: np.random.Generator, how: Perturbation
) -> _Model:
    """Return what `perturb` returns, with the options in one value."""
    sets = parameter_sets(model, profile, rng, 1, how)
    copy = copied(model)
    own = dict(copy.named_parameters())
    for name, values in sets.items():
        # Not written into: other tensors may share the storage of the copy's.
        own[name].data = values[0]
    return copy


def parameter_sets(
    model: Module,
    profile: DeviceProfile,
    rng: np.random.Generator,
    draws: int,
    how: Perturbation | None = None,
) -> dict[str, Tensor]:
    """Return the parameters on the device, by name, for several devices of the profile at once.

    Parameters
    ----------
    model
        Any module; never changed.
    profile, rng
        As in `perturb`: as many calls of it, one after the other, draw the same numbers.
    draws
        How many.
    how
        The options; None for the defaults.

    Returns
    -------
    dict
        Shape ``(draws, *parameter.shape)`` each, in the parameter's dtype and on its device.

    Raises
    ------
    DataError
        As `perturb`.
    """
    how = how or Perturbation()
    chosen = how.chosen(model)
    mapping = out_of_range(profile, how.span)
    total = sum(parameter.numel() for parameter in chosen.values())
    factors = np.exp(profile.sigma_ub * rng.standard_normal((draws, total)))
    sets, start = {}, 0
    for name, parameter in chosen.items():
        weights = parameter.detach()
        if not torch.isfinite(weights).all():
            raise DataError(f"parameter {name} holds NaN or infinity; a device holds neither")
        part = torch.from_numpy(factors[:, start : start + parameter.numel()])
        factor = part.to(weights.dtype).to(weights.device).reshape(-1, *weights.shape)
        if how.order == "map then drift":
            sets[name] = _mapped(weights[None], mapping) * factor
        else:
            sets[name] = _mapped(weights * factor, mapping)
        start += parameter.numel()
    return sets


def outputs(model: Module, sets: dict[str, Tensor], *inputs: Tensor) -> Tensor:
    """Return a module's outputs for each of several parameter sets, all in one pass.

    Parameters
    ----------
    model
        What the sets were made of; never changed. It may draw no random numbers, and change no
        buffer: call ``.eval()`` first.
    sets
        From `parameter_sets`.
    inputs
        The same for every set.

    Returns
    -------
    Tensor
        Shape ``(draws, *shape of the output)``.
    """
    copy = copied(model)
    with torch.no_grad():
        forward = torch.vmap(lambda one: functional_call(copy, one, inputs))
        result: Tensor = forward(sets)
    return result


def copied(model: _Model) -> _Model:
    """Return a copy that shares nothing with a module, without its gradients.

    Raises
    ------
    DataError
        If the module holds something that cannot be copied.
    """
    try:
        copy = deepcopy(model)
    except (RuntimeError, TypeError) as problem:
        raise DataError(f"{type(model).__name__} cannot be copied: {problem}") from problem
    for parameter in copy.parameters():
        parameter.grad = None
    return copy


def _mapped(weights: Tensor, mapping: OutOfRange) -> Tensor:
    """Return weights, shape ``(draws, ...)``, as the device holds them before they drift."""
    if mapping.identity:
        return weights
    # Half precision has too few digits to tell levels apart.
    magnitude = weights.abs().to(torch.promote_types(weights.dtype, torch.float32))
    largest = magnitude.flatten(1).amax(1).reshape(-1, *[1] * (weights.ndim - 1))
    # A matrix of zeros has no largest weight to be relative to, and stays as it is.
    part = magnitude / largest.where(largest > 0, torch.ones_like(largest))
    level = torch.round(part * (mapping.levels - 1)).long()
    beyond = torch.from_numpy(mapping.beyond).to(magnitude.dtype).to(weights.device)
    held = beyond[(level - mapping.exact).clamp(min=0)] * largest
    held = torch.sign(weights) * held.to(weights.dtype)
    return torch.where(level < mapping.exact, weights, held)


def count(model: Module, how: Perturbation) -> int:
    """Return how many numbers of a module are on the device."""
    return sum(math.prod(parameter.shape) for parameter in how.chosen(model).values())
