"""Binding sequences: a convolutional network on generated sequences with planted motifs."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from torch import Generator, nn

from crossbar.losses import cross_entropy
from crossbar.studies.initial import initialised
from crossbar.studies.metrics import ACCURACY, AUC, MATTHEWS
from crossbar.studies.task import Build, Dataset, Task, dealt, no_folder, sizes

SIZE = 2000
LENGTH = 32
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
MOTIFS = (("YW", "G", "DE", RESIDUES, "R"), ("ILV", RESIDUES, "KR", "H", "ST"))  # assumed
"""Residues that may stand at each place of a motif; what binds has the first before the second."""

BINDERS = 0.4  # assumed
ERRORS = 0.03  # assumed
"""Share of the labels that are wrong, as those of an assay are."""

PATTERN = re.compile(".*".join("".join(f"[{letters}]" for letters in m) for m in MOTIFS))
Residues = NDArray[np.intp]


def load(folder: Path | None, rng: np.random.Generator, size: int | None) -> Dataset:
    """Return generated sequences; one example has a row for each kind of residue, 1 where it is.

    Raises
    ------
    DataError
        If a folder is given, or the size is too small.
    """
    no_folder(folder, "antibody")
    counts = sizes(size, SIZE)
    total = sum(counts)
    labels = (rng.random(total) < BINDERS).astype(np.int64)
    inputs = np.zeros((total, len(RESIDUES), LENGTH), dtype=np.float32)
    for k, label in enumerate(labels):
        residues = _planted(rng) if label else _other(rng)
        inputs[k, residues, np.arange(LENGTH)] = 1.0
    labels ^= rng.random(total) < ERRORS
    return Dataset(
        *dealt(inputs, labels, counts),
        sentence=f"generated sequences of {LENGTH} residues, in place of antibodies: "
        f"{100 * BINDERS:.0f} % bind, having two planted motifs, the others have one, two with an "
        f"error, or none, and {100 * ERRORS:.0f} % of the labels are wrong: {counts[0]} to train, "
        f"{counts[1]} to validate, {counts[2]} to test",
        classes=2,
    )


def binds(residues: Residues) -> bool:
    """Return whether both motifs are in a sequence, the second one after the first."""
    return PATTERN.search("".join(RESIDUES[k] for k in residues)) is not None


def _planted(rng: np.random.Generator, which: tuple[int, ...] = (0, 1)) -> Residues:
    """Return a random sequence with these motifs, each in its half."""
    residues = rng.integers(len(RESIDUES), size=LENGTH)
    for number in which:
        motif, half = MOTIFS[number], LENGTH // 2
        place = number * half + rng.integers(half - len(motif) + 1)
        for k, letters in enumerate(motif):
            residues[place + k] = RESIDUES.index(letters[rng.integers(len(letters))])
    return residues


def _other(rng: np.random.Generator) -> Residues:
    """Return a sequence that does not bind, though most are near to one that does."""
    kinds = ((), (0,), (1,), (0, 1), (0, 1))
    which = kinds[rng.integers(len(kinds))]
    residues = _planted(rng, which)
    while binds(residues):
        residues[rng.integers(LENGTH)] = rng.integers(len(RESIDUES))
    return residues


def cnn(data: Dataset, generator: Generator) -> nn.Module:
    """Return two convolutions along the sequence, the maximum over it, and three linear layers.

    In the shape of Mason's network for antibody sequences, which has one convolution.

    References
    ----------
    Mason et al., Nat. Biomed. Eng. 5, 600 (2021).
    """
    return initialised(
        lambda: nn.Sequential(
            *(nn.Conv1d(data.shape[0], 32, 5, padding=2), nn.ReLU()),
            *(nn.Conv1d(32, 32, 5, padding=2), nn.ReLU()),
            *(nn.AdaptiveMaxPool1d(2), nn.Flatten()),
            *(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()),
            nn.Linear(32, data.classes),
        ),
        generator,
    )


NETWORKS: Mapping[str, Build] = MappingProxyType({"cnn": cnn})

TASK = Task(
    name="antibody",
    about="whether a sequence binds",
    load=load,
    networks=NETWORKS,
    loss=cross_entropy,
    measures=(ACCURACY, AUC, MATTHEWS),
    seen=40_000,
    learning_rate=4e-3,
)
