"""Layers on many draws of their parameters at once, laid out as a processor likes it.

Draws stand side by side in the channels of a convolution's maps: the first convolution, whose
input is the same for all, is then one with many channels, and the later ones are grouped. Dense
layers are batched products. A layer becomes a step from values to values; what no rule covers
raises `CannotFollow`.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import Module, functional


class CannotFollow(Exception):
    """There is no rule for something in a module; the message says for what."""


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    """Images or signals of every draw, shape ``(n, draws * channels, *space)``, draw after draw."""

    values: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Anything of every draw, shape ``(draws, n, ...)``."""

    values: Tensor


Value: TypeAlias = Tensor | Maps | Rows
"""A tensor by itself is the same for every draw, batch first."""
Step: TypeAlias = Callable[..., Value]


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """The parameters of every draw, asked for by the parameter that they are draws of.

    Parameters
    ----------
    draws
        How many.
    sets
        By name, shape ``(draws, *parameter.shape)`` each.
    names
        Of the module's parameters, by their identity: tied ones share a name.
    """

    draws: int
    sets: Mapping[str, Tensor]
    names: Mapping[int, str]

    def drawn(self, module: Module) -> bool:
        """Return whether a parameter of this very module differs from draw to draw."""
        own = module.parameters(recurse=False)
        return any(self.names[id(parameter)] in self.sets for parameter in own)

    def stacked(self, parameter: Tensor) -> Tensor:
        """Return a parameter in all draws, shape ``(draws, *parameter.shape)``."""
        found = self.sets.get(self.names[id(parameter)])
        return parameter.expand(self.draws, *parameter.shape) if found is None else found

    def side_by_side(self, parameter: Tensor | None) -> Tensor | None:
        """Return a parameter in all draws along its first axis."""
        return None if parameter is None else self.stacked(parameter).flatten(0, 1)

    def maps(self, x: Value) -> Tensor:
        """Return maps of every draw, whether they differ or not."""
        if isinstance(x, Rows):
            raise CannotFollow("a layer over channels after a dense one")
        return x.values if isinstance(x, Maps) else x.repeat(1, self.draws, *[1] * (x.ndim - 2))


def _unless_shared(step: Step, module: Module, own: Own) -> Step:
    """Return a step that computes once what is the same for every draw."""
    if own.drawn(module):
        return step
    return lambda x: module(x) if isinstance(x, Tensor) else step(x)


def _convolution(module: Any, own: Own) -> Step:
    if module.padding_mode != "zeros":
        raise CannotFollow(f"padding by {module.padding_mode}")
    function = (functional.conv1d, functional.conv2d, functional.conv3d)[
        len(module.kernel_size) - 1
    ]
    weight: Any = own.side_by_side(module.weight)
    bias = own.side_by_side(module.bias)
    if weight.ndim == 4:
        weight = weight.contiguous(memory_format=torch.channels_last)
    rest = (module.stride, module.padding, module.dilation)
    covers = all(pad == 0 for pad in module.padding) and module.groups == 1
    product = _linear(module, own)

    def step(x: Value) -> Value:
        if isinstance(x, Tensor) and module.groups == 1:
            return Maps(function(x, weight, bias, *rest))
        maps = own.maps(x)
        if covers and maps.shape[2:] == module.kernel_size:
            # A kernel as large as its map is a product, and as such several times as fast.
            rows = product(Rows(maps.reshape(len(maps), own.draws, -1).transpose(0, 1)))
            flat = rows.values.transpose(0, 1).reshape(len(maps), -1)  # type: ignore[union-attr]
            return Maps(flat.reshape(*flat.shape, *[1] * (maps.ndim - 2)))
        return Maps(function(maps, weight, bias, *rest, own.draws * module.groups))

    return _unless_shared(step, module, own)


def _linear(module: Any, own: Own) -> Step:
    weight, bias = own.stacked(module.weight).flatten(2), module.bias
    turned = weight.transpose(1, 2).contiguous()
    bias = None if bias is None else own.stacked(bias)

    def step(x: Value) -> Value:
        if isinstance(x, Maps):
            raise CannotFollow("a dense layer over the last axis of maps")
        if isinstance(x, Rows):
            flat = x.values.reshape(own.draws, -1, x.values.shape[-1])
            out = flat @ turned if bias is None else torch.baddbmm(bias[:, None], flat, turned)
            return Rows(out.reshape(*x.values.shape[:-1], -1))
        side = functional.linear(x, weight.flatten(0, 1), None if bias is None else bias.flatten())
        return Rows(side.reshape(*side.shape[:-1], own.draws, -1).movedim(-2, 0))

    return _unless_shared(step, module, own)


def _batch_norm(module: Any, own: Own) -> Step:
    if module.training or module.running_mean is None:
        raise CannotFollow("batch norm by the statistics of a batch")
    mean, variance = module.running_mean.repeat(own.draws), module.running_var.repeat(own.draws)
    weight, bias = own.side_by_side(module.weight), own.side_by_side(module.bias)
    norm = partial(
        functional.batch_norm,
        running_mean=mean,
        running_var=variance,
        weight=weight,
        bias=bias,
        eps=module.eps,
    )
    return _unless_shared(lambda x: Maps(norm(own.maps(x))), module, own)


def _group_norm(module: Any, own: Own) -> Step:
    groups = own.draws * module.num_groups
    weight, bias = own.side_by_side(module.weight), own.side_by_side(module.bias)

    def step(x: Value) -> Value:
        return Maps(functional.group_norm(own.maps(x), groups, weight, bias, module.eps))

    return _unless_shared(step, module, own)


def _each_number(function: Callable[..., Any]) -> Step:
    """Return what treats every number alike."""

    def step(x: Value) -> Value:
        if isinstance(x, Tensor):
            result: Tensor = function(x)
            return result
        return replace(x, values=function(x.values))

    return step


def _each_channel(function: Callable[..., Any]) -> Step:
    """Return what treats every channel alike."""

    def step(x: Value, *rest: Any, **options: Any) -> Value:
        if isinstance(x, Rows):
            raise CannotFollow("a layer over channels after a dense one")
        if isinstance(x, Maps):
            return Maps(function(x.values, *rest, **options))
        result: Tensor = function(x, *rest, **options)
        return result

    return step


def _max_pool(x: Tensor, kernel_size: Any, stride: Any = None, **options: Any) -> Tensor:
    """Return ``max_pool2d``; of windows side by side as maxima of whole maps, which is faster."""
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    rows, columns = x.shape[-2] // height * height, x.shape[-1] // width * width
    if stride not in (None, kernel_size, (height, width)) or options or not rows * columns:
        pooled: Tensor = functional.max_pool2d(x, kernel_size, stride, **options)
        return pooled
    corners = ((i, j) for i in range(height) for j in range(width))
    return reduce(torch.maximum, (x[..., i:rows:height, j:columns:width] for i, j in corners))


def _max_pool_layer(module: Any, own: Own) -> Step:
    plain = (module.padding, module.dilation, module.ceil_mode) == (0, 1, False)
    if module.return_indices:
        raise CannotFollow("a pool that returns indices")
    pool = partial(_max_pool, kernel_size=module.kernel_size, stride=module.stride)
    return _each_channel(pool if plain else module)


def _flatten(own: Own) -> Step:
    def step(x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
        if (start_dim, end_dim) != (1, -1):
            raise CannotFollow(f"flatten from axis {start_dim} to {end_dim}")
        if isinstance(x, Rows):
            return Rows(x.values.flatten(2))
        if isinstance(x, Maps):
            return Rows(x.values.reshape(len(x.values), own.draws, -1).transpose(0, 1))
        return x.flatten(1)

    return step


def _flatten_layer(module: Any, own: Own) -> Step:
    return partial(_flatten(own), start_dim=module.start_dim, end_dim=module.end_dim)


def _both(function: Callable[[Tensor, Tensor], Tensor], own: Own) -> Step:
    """Return what combines two values of one shape number by number, as a skip connection does."""

    def step(x: Value, y: Value) -> Value:
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return function(x, y)
        if isinstance(x, Rows) and isinstance(y, Rows):
            return Rows(function(x.values, y.values))
        return Maps(function(own.maps(x), own.maps(y)))

    return step


def _dropout(module: Module, own: Own) -> Step:
    if module.training:
        raise CannotFollow("dropout draws random numbers")
    return lambda x: x


RISING = (nn.ReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.Hardtanh)
"""Of a larger number these give none that is smaller: they may come after a maximum."""

LAYERS: dict[type[Module], Callable[[Any, Own], Step]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    nn.Linear: _linear,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _batch_norm),
    nn.GroupNorm: _group_norm,
    **dict.fromkeys(
        (*RISING, nn.ELU, nn.GELU, nn.SiLU, nn.LeakyReLU, nn.Hardswish, nn.Identity),
        lambda module, own: _each_number(module),
    ),
    **dict.fromkeys((nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), _dropout),
    nn.MaxPool2d: _max_pool_layer,
    **dict.fromkeys(
        (nn.MaxPool1d, nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
        lambda module, own: _each_channel(module),
    ),
    nn.Flatten: _flatten_layer,
}
"""By the very type of a module: a subclass may compute something else."""

RISING_FUNCTIONS = (torch.relu, functional.relu, torch.tanh, torch.sigmoid, "relu", "tanh")

FUNCTIONS: dict[Any, Callable[[Own], Step]] = {
    **dict.fromkeys((torch.relu, functional.relu, "relu"), lambda own: _each_number(torch.relu)),
    **dict.fromkeys((torch.tanh, "tanh"), lambda own: _each_number(torch.tanh)),
    **dict.fromkeys((torch.sigmoid, "sigmoid"), lambda own: _each_number(torch.sigmoid)),
    **dict.fromkeys((operator.add, operator.iadd, torch.add), partial(_both, torch.add)),
    **dict.fromkeys((operator.mul, torch.mul), partial(_both, torch.mul)),
    **dict.fromkeys((torch.flatten, "flatten"), _flatten),
    functional.max_pool2d: lambda own: _each_channel(_max_pool),
    functional.avg_pool2d: lambda own: _each_channel(functional.avg_pool2d),
    functional.adaptive_avg_pool2d: lambda own: _each_channel(functional.adaptive_avg_pool2d),
}
"""Functions, and methods of a tensor by name."""
