"""Linear and Conv2d as matrices that something else multiplies with, biases digital."""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbar.backend import DataError

Pair: TypeAlias = tuple[int, int]


class Multiplies(Protocol):
    """What holds one matrix and multiplies with it."""

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        """Return the products of inputs ``(batch, n_in)`` with the matrix, ``(batch, n_out)``."""
        ...


Build: TypeAlias = Callable[[str, Tensor], nn.Module]
"""``build(name, weights)``: what holds a matrix of shape ``(n_in, n_out)``; a `Multiplies`."""


class MatrixLayer(nn.Module):
    """A layer whose products come from elsewhere; base of the two below.

    Parameters
    ----------
    replaced
        Its parameters are taken over, and trained on as they were.
    """

    banks: nn.ModuleList

    def __init__(self, replaced: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = replaced.weight, replaced.bias
        self.seen: list[Tensor] | None = None

    def matrices(self) -> list[Tensor]:
        """Return the matrices that the weights are, each ``(n_in, n_out)``."""
        raise NotImplementedError

    def rows(self, x: Tensor) -> list[Tensor]:
        """Return the inputs of each matrix, ``(n, n_in)``, that the layer's own input is."""
        raise NotImplementedError

    def digital(self, x: Tensor) -> Tensor:
        """Return what the layer gives without any array."""
        raise NotImplementedError

    def program(self) -> None:
        """Program the matrices anew, as the weights are now."""
        for bank, matrix in zip(self.banks, self.matrices(), strict=True):
            bank.program(matrix)  # type: ignore[operator]

    def _note(self, x: Tensor) -> None:
        """Keep what arrives, for whoever asked by making `seen` a list."""
        if self.seen is not None:
            self.seen.append(x.detach())


class MatrixLinear(MatrixLayer):
    """A Linear.

    Parameters
    ----------
    linear
        What it replaces.
    name
        Of the layer in its model.
    build
        Makes what multiplies.
    """

    def __init__(self, linear: nn.Linear, name: str, build: Build) -> None:
        super().__init__(linear)
        self.banks = nn.ModuleList([build(name, linear.weight.detach().T)])

    def matrices(self) -> list[Tensor]:
        """Return the one matrix."""
        return [self.weight.T]

    def rows(self, x: Tensor) -> list[Tensor]:
        """Return the input, its leading axes as one."""
        return [x.reshape(-1, x.shape[-1])]

    def digital(self, x: Tensor) -> Tensor:
        """Return the layer in software."""
        return functional.linear(x, self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(..., n_out)`` for ``(..., n_in)``."""
        self._note(x)
        product = _multiply(self.banks[0], self.rows(x)[0], self.weight.T)
        if self.bias is not None:
            product = product + self.bias
        return product.reshape(*x.shape[:-1], -1)


class MatrixConv2d(MatrixLayer):
    """A Conv2d: every patch of its input is an input of the matrix; groups are matrices apart.

    Parameters
    ----------
    conv
        What it replaces.
    name
        Of the layer in its model.
    build
        Makes what multiplies.
    """

    def __init__(self, conv: nn.Conv2d, name: str, build: Build) -> None:
        super().__init__(conv)
        self.groups, self.kernel = conv.groups, _pair(conv.kernel_size)
        self.stride, self.dilation = _pair(conv.stride), _pair(conv.dilation)
        # As torch itself pads: both sides of the last axis first.
        self.around = list(conv._reversed_padding_repeated_twice)
        self.mode = "constant" if conv.padding_mode == "zeros" else conv.padding_mode
        names = [name] if self.groups == 1 else [f"{name}[{k}]" for k in range(self.groups)]
        parts = [matrix.detach() for matrix in self.matrices()]
        self.banks = nn.ModuleList(build(n, m) for n, m in zip(names, parts, strict=True))

    def matrices(self) -> list[Tensor]:
        """Return one matrix per group, its inputs channel by channel."""
        return [part.flatten(1).T for part in self.weight.chunk(self.groups)]

    def rows(self, x: Tensor) -> list[Tensor]:
        """Return every patch of the images, image by image, one set per group."""
        padded = functional.pad(x, self.around, mode=self.mode)
        patches = functional.unfold(
            padded, self.kernel, dilation=self.dilation, stride=self.stride
        ).transpose(1, 2)
        return [part.flatten(0, 1) for part in patches.chunk(self.groups, dim=2)]

    def digital(self, x: Tensor) -> Tensor:
        """Return the layer in software."""
        padded = functional.pad(x, self.around, mode=self.mode)
        return functional.conv2d(
            padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(batch, channels, height, width)``."""
        self._note(x)
        if x.ndim != 4:
            raise DataError(f"images of shape {tuple(x.shape)} are not (batch, channels, y, x)")
        parts = zip(self.banks, self.rows(x), self.matrices(), strict=True)
        product = torch.cat([_multiply(bank, rows, matrix) for bank, rows, matrix in parts], dim=1)
        if self.bias is not None:
            product = product + self.bias
        images = product.reshape(len(x), -1, product.shape[1]).transpose(1, 2)
        return images.reshape(len(x), -1, *self._size(x))

    def _size(self, x: Tensor) -> Pair:
        """Return height and width of the output."""
        before = x.shape[2] + sum(self.around[2:]), x.shape[3] + sum(self.around[:2])
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        height, width = ((before[k] - reach[k]) // self.stride[k] + 1 for k in range(2))
        return height, width


def _multiply(bank: nn.Module, x: Tensor, weights: Tensor) -> Tensor:
    product: Tensor = bank.multiply(x, weights)  # type: ignore[operator]
    return product


def _pair(value: tuple[int, ...]) -> Pair:
    return value[0], value[1]
