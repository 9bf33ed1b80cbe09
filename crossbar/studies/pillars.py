"""Boxes in point clouds: a network shaped like PointPillars on generated scenes."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, relu

from crossbar.studies.initial import initialised
from crossbar.studies.metrics import AVERAGE_PRECISION, OVERLAP
from crossbar.studies.scenes import FEATURES, GRID, scenes
from crossbar.studies.task import Build, Dataset, Task, dealt, no_folder, sizes

SIZE = 800
RARE = 3.0  # assumed
"""Weight of a cell in a box against one that is not: about one of 15 is."""


def load(folder: Path | None, rng: np.random.Generator, size: int | None) -> Dataset:
    """Return generated scenes; one example is every cell with its points.

    Raises
    ------
    DataError
        If a folder is given, or the size is too small.
    """
    no_folder(folder, "pillars")
    counts = sizes(size, SIZE)
    inputs, labels = scenes(sum(counts), rng)
    return Dataset(
        *dealt(inputs, labels, counts),
        sentence=f"generated point clouds of {GRID} m x {GRID} m with 1 to 4 boxes, walls and "
        f"bushes, in place of KITTI: {counts[0]} to train, {counts[1]} to validate, {counts[2]} "
        "to test; a cell of 1 m counts as one that a box covers or as one that none does",
        classes=2,
    )


class Pillars(nn.Module):
    """Points to pillars by a linear layer and a maximum, pillars to cells by 2D convolutions.

    Two scales are joined before the head, as in PointPillars; there is no normalisation, no
    regression of a box's sides and no suppression of neighbours.

    References
    ----------
    Lang et al., CVPR (2019), arXiv 1812.05784.
    """

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Linear(FEATURES - 1 + 3, 16)
        self.near = nn.Conv2d(16, 24, 3, padding=1)
        self.near_again = nn.Conv2d(24, 24, 3, padding=1)
        self.far = nn.Conv2d(24, 32, 3, stride=2, padding=1)
        self.far_again = nn.Conv2d(32, 32, 3, padding=1)
        self.head = nn.Conv2d(24 + 32, 24, 3, padding=1)
        self.last = nn.Conv2d(24, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logit of every cell, ``(n, GRID, GRID)``, of its points."""
        place, there = x[..., :-1], x[..., -1:]
        middle = (place * there).sum(-2, keepdim=True) / there.sum(-2, keepdim=True).clamp(min=1.0)
        pillars = relu(self.points(torch.cat([place, place - middle], -1))) * there
        near = relu(self.near(pillars.amax(-2).movedim(-1, -3)))
        near = relu(self.near_again(near))
        far = relu(self.far_again(relu(self.far(near))))
        both = torch.cat([near, interpolate(far, scale_factor=2.0)], -3)
        scores: Tensor = self.last(relu(self.head(both)))
        return scores.squeeze(-3)


def pillars(data: Dataset, generator: Generator) -> nn.Module:
    """Return `Pillars`."""
    return initialised(Pillars, generator)


def loss(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy over cells, those in a box counting `RARE` times."""
    return binary_cross_entropy_with_logits(
        scores, labels.to(scores), pos_weight=torch.tensor(RARE, device=scores.device)
    )


NETWORKS: Mapping[str, Build] = MappingProxyType({"pillars": pillars})

TASK = Task(
    name="pillars",
    about="which cells of the ground a box covers",
    load=load,
    networks=NETWORKS,
    loss=loss,
    measures=(AVERAGE_PRECISION, OVERLAP),
    seen=10_000,
    learning_rate=3e-3,
    batch=16,
)
