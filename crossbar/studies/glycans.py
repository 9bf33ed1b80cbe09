"""Glycans: a graph network on generated labelled trees, each with the chain of its kingdom."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import relu

from crossbar.backend import Array
from crossbar.losses import cross_entropy
from crossbar.studies.initial import initialised
from crossbar.studies.metrics import ACCURACY, AUC, F1
from crossbar.studies.task import Build, Dataset, Task, dealt, no_folder, sizes

SIZE = 3000
NODES = 16
FEWEST = 10
SUGARS = 6
"""Kinds of nodes."""

KINGDOMS = 6
Labels = NDArray[np.int64]


def load(folder: Path | None, rng: np.random.Generator, size: int | None) -> Dataset:
    """Return generated trees; an example has a row per node: what it is, and whom it is bound to.

    Raises
    ------
    DataError
        If a folder is given, or the size is too small.
    """
    no_folder(folder, "glycans")
    counts = sizes(size, SIZE)
    kingdoms = rng.integers(KINGDOMS, size=sum(counts))
    inputs = np.zeros((len(kingdoms), NODES, SUGARS + NODES), dtype=np.float32)
    for example, kingdom in zip(inputs, kingdoms, strict=True):
        sugars, bonds = _tree(int(kingdom), rng)
        n = len(sugars)
        example[np.arange(n), sugars] = 1.0
        example[:n, SUGARS : SUGARS + n] = bonds
    return Dataset(
        *dealt(inputs, kingdoms, counts),
        sentence=f"generated trees of {FEWEST} to {NODES} labelled nodes, in place of glycans: "
        f"each of {KINGDOMS} kingdoms has a chain of three labels that no other has, and all have "
        f"the same labels: {counts[0]} to train, {counts[1]} to validate, {counts[2]} to test",
        classes=KINGDOMS,
    )


def has_chain(sugars: Labels, bonds: Array, kingdom: int) -> bool:
    """Return whether a node of the kingdom's own label is bound to both of the chain's others."""
    first, last = (kingdom + 1) % KINGDOMS, (kingdom + 2) % KINGDOMS
    beside = [bonds @ (sugars == end) > 0 for end in (first, last)]
    return bool(np.any((sugars == kingdom) & beside[0] & beside[1]))


def _tree(kingdom: int, rng: np.random.Generator) -> tuple[Labels, Array]:
    """Return the labels and the bonds of a tree with the chain of its kingdom and no other."""
    while True:
        n = int(rng.integers(FEWEST, NODES + 1))
        bonds, parents = np.zeros((n, n)), [-1, *(int(rng.integers(k)) for k in range(1, n))]
        for child, parent in enumerate(parents[1:], start=1):
            bonds[child, parent] = bonds[parent, child] = 1.0
        middle = int(rng.choice(np.flatnonzero(bonds.sum(axis=0) > 1)))
        ends = rng.choice(np.flatnonzero(bonds[middle]), 2, replace=False)
        sugars = rng.integers(SUGARS, size=n)
        sugars[middle] = kingdom
        sugars[ends] = (np.array([1, 2]) + kingdom) % KINGDOMS
        # Labels alone give nothing away: all of the chains' labels are in every tree.
        complete = set(range(KINGDOMS)) <= set(sugars.tolist())
        if complete and not any(
            has_chain(sugars, bonds, other) for other in range(KINGDOMS) if other != kingdom
        ):
            return sugars, bonds


class GraphConvolution(nn.Module):
    """What a node becomes: of itself, and of the sum of those it is bound to.

    References
    ----------
    Morris et al., AAAI (2019), arXiv 1810.02244: the layer that SweetNet is made of.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.own = nn.Linear(n_in, n_out)
        self.others = nn.Linear(n_in, n_out, bias=False)

    def forward(self, nodes: Tensor, bonds: Tensor) -> Tensor:
        """Return nodes ``(..., n, n_out)`` of nodes ``(..., n, n_in)``."""
        return relu(self.own(nodes) + self.others(bonds @ nodes))


class GraphNetwork(nn.Module):
    """Three graph convolutions, maximum and mean over the nodes, three linear layers: SweetNet.

    SweetNet pools by the most telling nodes between its convolutions; here all are kept.

    References
    ----------
    Burkholz, Quackenbush and Bojar, Cell Reports 35, 109251 (2021).
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList([GraphConvolution(n_in, 32) for n_in in (SUGARS, 32, 32)])
        self.head = nn.Sequential(
            *(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, classes))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the score of every kingdom, of packed trees."""
        nodes, bonds = x[..., :SUGARS], x[..., SUGARS:]
        there = nodes.sum(-1, keepdim=True)
        for convolution in self.convolutions:
            nodes = convolution(nodes, bonds) * there
        mean = nodes.sum(-2) / there.sum(-2)
        scores: Tensor = self.head(torch.cat([nodes.amax(-2), mean], -1))
        return scores


def graph(data: Dataset, generator: Generator) -> nn.Module:
    """Return `GraphNetwork`."""
    return initialised(lambda: GraphNetwork(data.classes), generator)


NETWORKS: Mapping[str, Build] = MappingProxyType({"graph": graph})

TASK = Task(
    name="glycans",
    about="which kingdom a tree of sugars is of",
    load=load,
    networks=NETWORKS,
    loss=cross_entropy,
    measures=(ACCURACY, F1, AUC),
    seen=60_000,
    learning_rate=4e-3,
)
