"""What a task of the studies is: data that say what they are, networks, a loss and metrics."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Generator
from torch.nn import Module

from crossbar.backend import DataError
from crossbar.fitting import Examples
from crossbar.losses import Loss
from crossbar.studies.metrics import Measure

NO_CLAIM = "It makes no claim about the paper's numbers."
"""Said of every task's data wherever its numbers are shown."""


LEAST = 5
"""Epochs of a training at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The examples of a task, one tensor each, and what they are.

    Parameters
    ----------
    train
        What networks are trained with.
    validation
        What decides which epoch's weights are kept; never trained with.
    test
        What the numbers shown are of; plays no part in training.
    sentence
        What the data are, without a full stop: what was read, or what was generated in place of
        what.
    classes
        How many there are.
    origin
        Files that were read, each with the SHA-256 of its bytes; empty if nothing was.
    """

    train: Examples
    validation: Examples
    test: Examples
    sentence: str
    classes: int
    origin: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example."""
        return tuple(self.train.inputs.shape[1:])

    def fingerprint(self) -> str:
        """Return the SHA-256 of every number of the examples, in order."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for tensor in (part.inputs, part.labels):
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


Load: TypeAlias = Callable[[Path | None, np.random.Generator, int | None], Dataset]
Build: TypeAlias = Callable[[Dataset, Generator], Module]


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the studies: one file of this package, and one line of its table.

    Parameters
    ----------
    name
        As in the table.
    about
        What is asked of a network, in a few words.
    load
        ``load(folder, rng, size)``: the data. `folder` is a person's own, None for what stands in
        for it; `size` is the number of training examples, None for the task's own.
    networks
        By name: ``build(data, generator)`` returns one, its parameters drawn from the generator.
    loss
        Mean over a batch of what a training descends on, from scores and labels.
    measures
        What is reported, the first of them being what the validation looks at.
    seen
        Examples that a training is shown in all where nobody asks for a number of epochs; each is
        shown `LEAST` times at least.
    learning_rate, batch
        Of a training: the highest rate, and examples per step.
    """

    name: str
    about: str
    load: Load
    networks: Mapping[str, Build]
    loss: Loss
    measures: tuple[Measure, ...]
    seen: int
    learning_rate: float = 2e-3
    batch: int = 64

    def epochs(self, data: Dataset) -> int:
        """Return how often a training is shown its data, where nobody asks for another number."""
        return max(LEAST, math.ceil(self.seen / len(data.train)))


def sizes(
    size: int | None, usual: int, pool: int | None = None, tests: int | None = None
) -> tuple[int, int, int]:
    """Return how many examples train, validate and test: `size`, a fifth and a half of it.

    Parameters
    ----------
    size
        Training examples that a person asked for; None takes the usual number, or what there is.
    usual
        Training examples where nobody asks for another number.
    pool
        Examples that there are; None if there is no end of them.
    tests
        Examples that there are for the test alone, which is the smaller for it; None if those of
        the test come out of the pool.

    Raises
    ------
    DataError
        If there are fewer than asked for, or fewer than 20 are.
    """
    shares = (1, 0.2, 0.5) if tests is None else (1, 0.2)
    most = None if pool is None else int(pool / sum(shares))
    chosen = size if size is not None else usual if most is None else min(usual, most)
    if chosen < 20:
        raise DataError(f"size = {chosen} training examples; at least 20 are needed")
    if most is not None and chosen > most:
        others = "for validation" if tests is not None else "for validation and half for the test"
        raise DataError(
            f"size = {chosen} training examples and a fifth as many {others} are more than the "
            f"{pool} there are; {most} is the most"
        )
    tested = chosen // 2
    return chosen, chosen // 5, tested if tests is None else min(tested, tests)


def dealt(
    inputs: ArrayLike, labels: ArrayLike, counts: tuple[int, int, int]
) -> tuple[Examples, Examples, Examples]:
    """Return generated examples as those of training, validation and test, in this order."""
    x = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
    y = torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64))
    first, second = counts[0], counts[0] + counts[1]
    ends = ((0, first), (first, second), (second, sum(counts)))
    train, validation, test = (Examples(x[a:b].clone(), y[a:b].clone()) for a, b in ends)
    return train, validation, test


def no_folder(folder: Path | None, task: str) -> None:
    """Refuse a folder for a task that has no reader for one.

    Raises
    ------
    DataError
        If one is given.
    """
    if folder is not None:
        raise DataError(f"task {task} generates its data; it reads nothing from {folder}")
