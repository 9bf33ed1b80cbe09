"""How accurate a network can be on cells that drift, against how many cells it takes.

Networks of several widths, with each weight on one pair of cells or on several, are trained with
each objective and evaluated under log-normal drift: every cell pair has a factor of its own, and a
weight is the mean over its pairs. No array is simulated: what wires, converters and programming
add is what `xbar moons` measures.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from crossbar.backend import Array, DataError
from crossbar.data import Points, moons, standardise
from crossbar.network import classify
from crossbar.resumable import Record
from crossbar.training_settings import NoiseSettings

if TYPE_CHECKING:
    from torch.nn import Module

    from crossbar.fitting import Examples

Progress = Callable[[str, int, int], None]
VALIDATION = 1000
"""Points on which the epoch and the start are chosen; test points play no part."""
PLAIN = "erm"
DRAWS_PER_STEP = 8
LEARNING_RATE = 0.02
"""At its largest. Wider networks bear less, narrower ones more; 0.1 is too much for both."""


@dataclass(frozen=True, slots=True)
class FrontierSettings:
    """What `xbar frontier` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    training: str = field(
        default="erm,lognormal",
        metadata={"help": "Training objectives to compare, separated by commas."},
    )
    hidden: str = field(
        default="4,8,12,16,32,64", metadata={"help": "Hidden units of the 2-H-1 networks."}
    )
    copies: str = field(
        default="1,4", metadata={"help": "Pairs of cells that each weight is the mean of."}
    )
    sigma: float = field(
        default=0.6, metadata={"help": "Of the logarithm of every pair's drift factor."}
    )
    draws: int = field(default=200, metadata={"help": "Draws of the drift per network."})
    seeds: int = field(default=3, metadata={"help": "Networks, and point sets, of each kind."})
    train_points: int = field(default=2000, metadata={"help": "Training points of the moons."})
    test_points: int = field(default=2000, metadata={"help": "Test points of the moons."})
    noise: float = field(default=0.1, metadata={"help": "Standard deviation of the moons' noise."})
    restarts: int = field(
        default=3, metadata={"help": "Starts per network; the best on validation points counts."}
    )
    epochs: int = field(default=100, metadata={"help": "Passes over the training points."})

    def __post_init__(self) -> None:
        for name, least in (
            *(("draws", 2), ("seeds", 1), ("train_points", 40), ("test_points", 20)),
            *(("restarts", 1), ("epochs", 1)),
        ):
            if getattr(self, name) < least:
                raise DataError(f"{name} = {getattr(self, name)} is below {least}")
        for name in ("sigma", "noise"):
            if not 0 <= getattr(self, name) < np.inf:
                raise DataError(f"{name} = {getattr(self, name)} is not a finite number, 0 or more")
        if not self.objectives:
            raise DataError("training names no objective")
        _ = self.widths, self.pairs

    @property
    def objectives(self) -> tuple[str, ...]:
        """The training objectives, each once."""
        named = (name.strip() for name in self.training.split(","))
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def widths(self) -> tuple[int, ...]:
        """Hidden units, in the order given."""
        return _counts("hidden", self.hidden)

    @property
    def pairs(self) -> tuple[int, ...]:
        """Pairs of cells per weight, in the order given."""
        return _counts("copies", self.copies)


def _counts(name: str, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise DataError(f"{name} = {text!r} is not whole numbers of at least 1, with commas")
    return tuple(dict.fromkeys(int(part) for part in parts))


def cells(hidden: int, copies: int) -> int:
    """Return how many cells a 2-H-1 network takes, biases included, two for each pair."""
    return 2 * copies * (4 * hidden + 1)


def run(
    settings: FrontierSettings,
    record: Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Train and evaluate every network, and leave what was measured in the record.

    Parameters
    ----------
    settings
        What to do.
    record
        Receives one piece per network, as soon as it is there.
    seed
        Of points, networks and drift.
    progress
        Told of networks.

    Raises
    ------
    DataError
        If an objective does not exist.
    """
    # Torch takes a second to import.
    from crossbar.objectives import OBJECTIVES

    for name in settings.objectives:
        if name not in OBJECTIVES:
            raise DataError(f"training {name!r} is not one of {', '.join(OBJECTIVES)}")
    work = [
        (name, hidden, copies, k)
        for k in range(settings.seeds)
        for hidden in settings.widths
        for copies in settings.pairs
        for name in settings.objectives
    ]
    with threadpool_limits(limits=1):
        for done, (name, hidden, copies, k) in enumerate(work):
            progress("networks", done, len(work))
            piece = f"network/{name}/{hidden}/{copies}/{k}"
            if record.finished(piece) is None:
                record.result(piece, _evaluated(settings, name, hidden, copies, [seed, k]))
        progress("networks", len(work), len(work))


def _evaluated(
    settings: FrontierSettings, name: str, hidden: int, copies: int, seed: list[int]
) -> dict[str, Array]:
    """Return what one network is worth, on points that its seed alone decides."""
    points, chance, drift = (np.random.default_rng([*seed, part]) for part in range(3))
    train = moons(settings.train_points, settings.noise, points)
    scaling = standardise(train)
    validation, test = (
        scaling(moons(n, settings.noise, points)) for n in (VALIDATION, settings.test_points)
    )
    model, validated = _trained(settings, name, hidden, copies, scaling(train), validation, chance)
    # Torch takes a second to import.
    from torch import Generator

    from crossbar.deployment import LogNormal, evaluate
    from crossbar.losses import binary_accuracy
    from crossbar.torch_layers import from_torch

    shown = _examples(test)
    values = evaluate(
        model,
        shown.inputs,
        shown.labels,
        binary_accuracy,
        LogNormal(settings.sigma, copies),
        settings.draws,
        Generator().manual_seed(int(drift.integers(2**62))),
    )
    network = from_torch(model)
    return {
        "software": np.array(np.mean(classify(network(test.inputs)) == test.labels)),
        "hardware": values,
        "validated": np.array(validated),
        "cells": np.array(float(cells(hidden, copies))),
        **{f"matrix_{k}": layer.matrix for k, layer in enumerate(network.layers)},
    }


def _examples(points: Points) -> "Examples":
    from torch import tensor

    from crossbar.fitting import Examples

    return Examples(tensor(points.inputs).float(), tensor(points.labels).float())


def _trained(
    settings: FrontierSettings,
    name: str,
    hidden: int,
    copies: int,
    train: Points,
    validation: Points,
    rng: np.random.Generator,
) -> tuple["Module", list[float]]:
    """Return the best of some networks by its validation under drift, and that of each."""
    from torch import Generator

    from crossbar.deployment import LogNormal
    from crossbar.fitting import FitSettings, fit
    from crossbar.losses import binary, binary_accuracy
    from crossbar.training import tanh_network

    noise = NoiseSettings(draws=DRAWS_PER_STEP, sigma=settings.sigma, copies=copies)
    fitting = FitSettings(
        epochs=settings.epochs,
        learning_rate=LEARNING_RATE,
        warmup=settings.epochs // 10,
        validate_every=5,
        noise=noise,
    )
    best, found = None, []
    for _ in range(settings.restarts):
        generator = Generator().manual_seed(int(rng.integers(2**62)))
        fitted = fit(
            tanh_network((2, hidden, 1), generator).float(),
            _examples(train),
            _examples(validation),
            name,
            binary,
            binary_accuracy,
            fitting,
            generator,
            # Plain training knows nothing of the drift, its choice of an epoch neither.
            deployment=LogNormal(0.0 if name == PLAIN else settings.sigma, copies),
        )
        found.append(float(fitted.validation[fitted.best_epoch]))
        if best is None or found[-1] > max(found[:-1]):
            best = fitted.model
    if best is None:
        raise DataError("restarts = 0 leaves no network")
    return best, found
