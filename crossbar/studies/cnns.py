"""Small convolutional networks in the shapes of well-known ones, for a CPU.

None has running statistics, which no crossbar holds: GroupNorm, or no normalisation at all.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Generator, Tensor, nn

from crossbar.studies.initial import initialised
from crossbar.studies.task import Dataset

STAGES = (16, 16, 32, 64)
"""Channels of the first convolution and after each of three blocks, all but one of which halve."""

GROUPS = 4
"""Of channels in a GroupNorm, and of the convolutions in the ResNeXt-shaped network."""


def alexnet(data: Dataset, generator: Generator) -> nn.Module:
    """Return five convolutions and three linear layers without normalisation, as in AlexNet."""
    return initialised(
        lambda: nn.Sequential(
            *(nn.Conv2d(data.shape[0], 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 48, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(48, 48, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(48, 32, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten()),
            *(nn.Linear(128, 64), nn.ReLU()),
            *(nn.Linear(64, 64), nn.ReLU()),
            nn.Linear(64, data.classes),
        ),
        generator,
    )


def resnet(data: Dataset, generator: Generator) -> nn.Module:
    """Return three residual blocks of two 3x3 convolutions each."""
    return initialised(
        lambda: _staged(data, lambda *sizes: Residual(_basic(*sizes), *sizes)), generator
    )


def resnext(data: Dataset, generator: Generator) -> nn.Module:
    """Return three residual blocks with a grouped 3x3 convolution between two of 1x1 each."""
    return initialised(
        lambda: _staged(data, lambda *sizes: Residual(_grouped(*sizes), *sizes)), generator
    )


def mobilenet(data: Dataset, generator: Generator) -> nn.Module:
    """Return three blocks of a depthwise 3x3 and a 1x1 convolution, as the first MobileNet."""
    return initialised(lambda: _staged(data, _separable), generator)


class Residual(nn.Module):
    """A block whose input is added to its output, through a 1x1 convolution where sizes differ.

    Parameters
    ----------
    block
        From `n_in` to `n_out` channels, every `stride`-th pixel.
    n_in, n_out, stride
        Of the block.
    """

    def __init__(self, block: nn.Module, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.block = block
        same = n_in == n_out and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of both ways."""
        return nn.functional.relu(self.block(x) + self.shortcut(x))


def _staged(data: Dataset, block: Callable[[int, int, int], nn.Module]) -> nn.Module:
    """Return a network of a first convolution, a block per stage and a linear layer."""
    blocks = [
        block(n_in, n_out, 1 if k == 0 else 2) for k, (n_in, n_out) in enumerate(pairwise(STAGES))
    ]
    return nn.Sequential(
        *(*_convolution(data.shape[0], STAGES[0], 3), nn.ReLU()),
        *blocks,
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(STAGES[-1], data.classes),
    )


def _convolution(
    n_in: int, n_out: int, size: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    """Return a convolution and its normalisation, whose offset stands for the bias of both."""
    convolution = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, groups=groups, bias=False)
    return convolution, nn.GroupNorm(GROUPS, n_out)


def _basic(n_in: int, n_out: int, stride: int) -> nn.Module:
    return nn.Sequential(
        *(*_convolution(n_in, n_out, 3, stride), nn.ReLU()), *_convolution(n_out, n_out, 3)
    )


def _grouped(n_in: int, n_out: int, stride: int) -> nn.Module:
    return nn.Sequential(
        *(*_convolution(n_in, n_out, 1), nn.ReLU()),
        *(*_convolution(n_out, n_out, 3, stride, GROUPS), nn.ReLU()),
        *_convolution(n_out, n_out, 1),
    )


def _separable(n_in: int, n_out: int, stride: int) -> nn.Module:
    return nn.Sequential(
        *(*_convolution(n_in, n_in, 3, stride, n_in), nn.ReLU()),
        *(*_convolution(n_in, n_out, 1), nn.ReLU()),
    )
