"""A network on many draws of many devices: what a usability is worth in accuracy."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import Module

from crossbar.backend import Array, DataError
from crossbar.memsim.perturb import (
    Perturbation,
    copied,
    count,
    everything,
    parameter_sets,
    perturbed_copy,
)
from crossbar.memsim.profile import DeviceProfile
from crossbar.memsim.result import LevelSweep
from crossbar.merit.usability import DEFAULT_FORM

Metric: TypeAlias = Callable[[Module], Tensor | float]
"""One number for a module, computed with torch's functions wherever draws are to be evaluated
together: it is then called once for many of them, through `torch.vmap`."""

AT_ONCE = 64
"""Draws evaluated together at most: more gain nothing on networks as small as 2-4-1."""

NUMBERS_AT_ONCE = 2**20
"""In all perturbed parameters together and in the largest output of a layer, over the draws that
are evaluated together. Of 2**16 to 2**24 the fastest or near it on one core, from 2-4-1 over
784-192-32-10 to LeNet-5: what is beyond a processor's cache costs more than calls do."""


def sweep(
    model: Module,
    levels: Sequence[DeviceProfile | float],
    metric: Metric,
    repeats: int,
    seed: int,
    *,
    form: str = DEFAULT_FORM,
    how: Perturbation | None = None,
    name: str = "",
) -> LevelSweep:
    """Return a metric of a network on devices of several levels, over many draws of each.

    Parameters
    ----------
    model
        Any module, in the mode it is to be evaluated in; never changed.
    levels
        Devices, or usabilities, which mean `DeviceProfile.at` of them.
    metric
        Of a module, as `Metric` says. It gets a copy of the model. Where its draws cannot be
        evaluated together (it leaves torch, draws random numbers, or has the module change its
        buffers) they are evaluated one after the other, and the result says why.
    repeats
        Draws at each level.
    seed
        Every level starts from it: levels are compared on the same draws.
    form
        Of the usability, by which numbers among `levels` are understood and all are reported.
    how
        Which parameters are on the device, and how they get there; None for the defaults.
    name
        Of the metric; its function's own if empty.

    Raises
    ------
    DataError
        If there is no level, no draw, an unknown form, no parameter on the device or a model that
        `perturb` refuses, or if the metric is not one number.
    """
    if not levels or repeats < 1:
        raise DataError(f"{len(levels)} levels of {repeats} draws: at least one of each is needed")
    how = how or Perturbation()
    if not count(model, how):
        raise DataError("no parameter of the model is on the device: there is nothing to sweep")
    profiles = tuple(
        level if isinstance(level, DeviceProfile) else DeviceProfile.at(level, form=form)
        for level in levels
    )
    looped, values = "", []
    with torch.no_grad(), _own_chance(seed):
        unperturbed, numbers = _as_it_is(model, metric)
        size = max(1, min(AT_ONCE, NUMBERS_AT_ONCE // max(numbers, count(model, how))))
        for profile in profiles:
            if not looped:
                portions = _portions(repeats, size)
                looped, found = _together(model, profile, metric, portions, seed, how)
            if looped:
                found = _one_by_one(model, profile, metric, repeats, seed, how)
            values.append(found)
    return LevelSweep(
        profiles=profiles,
        form=form,
        values=np.array(values),
        unperturbed=unperturbed,
        metric=name or getattr(metric, "__name__", type(metric).__name__),
        seed=seed,
        convention=_convention(levels, form, how),
        looped=looped,
    )


class _Measured(Module):
    """A metric as the forward pass of a module, which is what torch can call with other weights."""

    def __init__(self, model: Module, metric: Metric) -> None:
        super().__init__()
        self.model = model
        self.metric = metric

    def forward(self) -> Tensor | float:
        return self.metric(self.model)


def _together(
    model: Module,
    profile: DeviceProfile,
    metric: Metric,
    portions: Iterable[int],
    seed: int,
    how: Perturbation,
) -> tuple[str, Array]:
    """Return why draws cannot be evaluated together, and the metric of each where they can."""
    rng = np.random.default_rng(seed)
    measured = _Measured(copied(model), metric)
    forward = torch.vmap(lambda sets: functional_call(measured, sets, ()))
    found = []
    for draws in portions:
        sets = parameter_sets(model, profile, rng, draws, how)
        try:
            part = forward({f"model.{name}": values for name, values in sets.items()})
        # Whatever a metric does under vmap: evaluated one by one it is asked again, and an error
        # of its own is raised there.
        except Exception as problem:
            return f"{type(problem).__name__}: {_first_sentence(problem)}", np.empty(0)
        if part.shape != (draws,):
            raise DataError(f"the metric has shape {tuple(part.shape[1:])}; one number is needed")
        found.append(part.double().cpu().numpy())
    return "", np.concatenate(found)


def _one_by_one(
    model: Module,
    profile: DeviceProfile,
    metric: Metric,
    repeats: int,
    seed: int,
    how: Perturbation,
) -> Array:
    rng = np.random.default_rng(seed)
    return np.array(
        [_number(metric(perturbed_copy(model, profile, rng, how))) for _ in range(repeats)]
    )


def _portions(repeats: int, size: int) -> Iterator[int]:
    """Yield how many draws to evaluate together, until all are."""
    for start in range(0, repeats, size):
        yield min(size, repeats - start)


def _as_it_is(model: Module, metric: Metric) -> tuple[float, int]:
    """Return the metric of the network itself, and how many numbers its largest output has."""
    copy, sizes = copied(model), [1]

    def note_size(module: Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    for module in copy.modules():
        module.register_forward_hook(note_size)
    return _number(metric(copy)), max(sizes)


def _first_sentence(problem: Exception) -> str:
    first = str(problem).strip().partition("\n")[0]
    return first.partition(". ")[0].rstrip(".")


def _number(value: Tensor | float) -> float:
    shape = np.shape(value)
    if shape != ():
        raise DataError(f"the metric has shape {shape}; one number is needed")
    return float(value)


@contextlib.contextmanager
def _own_chance(seed: int) -> Iterator[None]:
    """Let dropout and the like draw from the seed too, and leave torch's generator as it was."""
    state = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(state)


def _convention(levels: Sequence[DeviceProfile | float], form: str, how: Perturbation) -> str:
    """Return in words what the levels mean and what was done."""
    measured = sum(isinstance(level, DeviceProfile) for level in levels)
    parts = (
        [f"{measured} of {len(levels)} levels are devices given as profiles"] if measured else []
    )
    if measured < len(levels):
        parts.append(f"a number is usability by {form}, at rho = 0")
    if how.include is not everything:
        parts.append(f"on the device: {getattr(how.include, '__name__', 'chosen parameters')}")
    parts += [
        f"biases {'too' if how.perturb_bias else 'stay in software'}",
        f"{how.order}, range of the {how.span}",
        "exp(N(0, sigma_ub^2)): median 1, mean above 1",
        "the same draws at every level",
    ]
    return "; ".join(parts)
