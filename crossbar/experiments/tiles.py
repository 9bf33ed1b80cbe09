"""A network larger than the array, run on it tile by tile.

Before anything is programmed, the cost is counted tile by tile and, from a rehearsal on a bench
that costs nothing, told in pulses and hours. The product of every tile goes to the record as soon
as it is there; an interrupted run goes on with the tiles that are missing.
"""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from crossbar.backend import Array, DataError
from crossbar.bench import Bench, Programming, load, open_bench
from crossbar.crossbar import Crossbar
from crossbar.experiments.bounds import at_least
from crossbar.mapping import MAPPINGS
from crossbar.resumable import Record

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from crossbar.tiling import Cost, Rehearsal

Progress = Callable[[str, int, int], None]

SIDE = 8
"""Pixels a side of scikit-learn's digits."""

CLASSES = 10
VALIDATED = 200
DRIFT = 0.3
"""Sigma of the training's noise, and of the draws that its best epoch is chosen by."""
NOTHING = "none"
"""Asked for as the rehearsal, it leaves pulses and time unsaid."""


@dataclass(frozen=True, slots=True)
class TilesSettings:
    """What `xbar tiles` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    hidden: int = field(default=16, metadata={"help": "Hidden units of the 64-H-10 network."})
    images: int = field(default=100, metadata={"help": "Test digits, 8x8 pixels, run in a batch."})
    training: str = field(default="lognormal", metadata={"help": "Training objective."})
    epochs: int = field(default=30, metadata={"help": "Of the training, in software."})
    mapping: str = field(
        default="differential",
        metadata={"help": f"How weights become conductances: {', '.join(MAPPINGS)}."},
    )
    plan: bool = field(
        default=False, metadata={"help": "Say what it would cost, and program nothing."}
    )
    rehearsal: str | None = field(
        default=None,
        metadata={
            "help": "Bench to rehearse a tile on: a name, a file, or none. By default sim for a "
            "simulation, virtual for instruments."
        },
    )

    def __post_init__(self) -> None:
        at_least(self, hidden=1, images=10, epochs=1)
        if self.mapping not in MAPPINGS:
            raise DataError(f"mapping {self.mapping!r} is not one of {', '.join(MAPPINGS)}")


def run(
    settings: TilesSettings,
    bench: Bench,
    record: Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Train, tell the cost, and run the test digits tile by tile, everything in the record.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where; its array holds one tile at a time.
    record
        Receives the network, the cost, the product of every tile, and the scores.
    seed
        Of the training, of the digits chosen, and of the rehearsal.
    progress
        Told of the cost, of tiles and of cells.

    Raises
    ------
    DataError
        If the objective does not exist.
    BenchError
        If the bench to rehearse on does not.
    """
    import torch

    from crossbar.tiling import cost_of, multiplexed

    with threadpool_limits(limits=1):
        model, inputs, labels = _network(settings, record, seed, progress)
        crossbar = bench.crossbar(mapping=settings.mapping)
        cost = _cost(settings, bench, crossbar, model, inputs, seed, record, cost_of, progress)
        if settings.plan:
            return
        progress(_short(cost), 0, cost.tiles)
        done = 0

        def keep(name: str, make: Callable[[], Array]) -> Array:
            nonlocal done
            before = record.finished(name)
            if before is None:
                record.begin(name)
                begin = bench.backend.now
                found = make()
                took = np.array(bench.backend.now - begin)
                record.result(name, {"product": found, "seconds": took})
            done += 1
            progress(_short(cost), done, cost.tiles)
            return found if before is None else np.asarray(before["product"])

        on_bench = multiplexed(model, crossbar, told=progress, keep=keep)
        with torch.no_grad():
            scores, digital = on_bench(inputs), model(inputs)
        found = {"scores": scores, "digital": digital, "inputs": inputs, "labels": labels}
        record.result("scores", {name: values.numpy() for name, values in found.items()})


def _network(
    settings: TilesSettings, record: Record, seed: int, progress: Progress
) -> "tuple[Module, Tensor, Tensor]":
    """Return the trained network, in float64, and the test digits, from the record if it has them.

    The digits are scikit-learn's, 1,797 of 8x8 pixels with 16 levels, shuffled by the seed.
    """
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    from crossbar.deployment import LogNormal
    from crossbar.fitting import Examples, FitSettings, fit
    from crossbar.losses import accuracy, cross_entropy
    from crossbar.objectives import OBJECTIVES
    from crossbar.training_settings import NoiseSettings

    if settings.training not in OBJECTIVES:
        raise DataError(f"training {settings.training!r} is not one of {', '.join(OBJECTIVES)}")
    digits = load_digits()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(digits.data))
    images = torch.from_numpy(digits.data[order] / 16.0)
    labels = torch.from_numpy(digits.target[order].astype(np.int64))
    most = len(order) // 3
    if settings.images > most:
        raise DataError(f"images = {settings.images}: {most} of the digits are kept for the test")
    test = images[: settings.images], labels[: settings.images]
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(SIDE * SIDE, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, CLASSES)
    ).double()
    before = record.finished("network")
    if before is None:
        middle = most + VALIDATED
        fitted = fit(
            model,
            Examples(images[middle:], labels[middle:]),
            Examples(images[most:middle], labels[most:middle]),
            settings.training,
            cross_entropy,
            accuracy,
            FitSettings(epochs=settings.epochs, batch=32, noise=NoiseSettings(sigma=DRIFT)),
            torch.Generator().manual_seed(seed),
            deployment=LogNormal(DRIFT),
            progress=lambda done, of: progress("training, steps", done, of),
        )
        model = fitted.model
        found = {name: p.detach().numpy() for name, p in model.named_parameters()}
        right = float((model(images[:most]).argmax(1) == labels[:most]).double().mean())
        record.result("network", {**found, "accuracy": np.array(right)})
    else:
        for name, parameter in model.named_parameters():
            parameter.data.copy_(torch.from_numpy(np.array(before[name])))
    return model.eval(), *test


def _cost(
    settings: TilesSettings,
    bench: Bench,
    crossbar: Crossbar,
    model: "Module",
    inputs: "Tensor",
    seed: int,
    record: Record,
    cost_of: "Callable[..., Cost]",
    progress: Progress,
) -> "Cost":
    """Return the cost, rehearsed if asked for, and record it."""
    where = settings.rehearsal or ("sim" if bench.kind == "sim" else "virtual")
    rehearsal = None
    if where != NOTHING:
        load(where)  # a misspelt name is found here and now
        progress(f"rehearsal on {where}", 0, 1)
        # In a process of its own: virtual instruments stand where those of this bench are.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            asked = (where, bench.programming, settings.mapping, seed)
            rehearsal = pool.submit(rehearsed, *asked).result()
        progress(f"rehearsal on {where}", 1, 1)
    cost: Cost = cost_of(model, crossbar, inputs, rehearsal)
    if record.finished("cost") is None:
        record.result(
            "cost",
            {
                "layers": np.array([name for name, *_ in cost.layers]),
                "shapes": np.array([shape for _, shape, *_ in cost.layers]),
                "tiles": np.array([tiles for *_, tiles, _ in cost.layers]),
                "cells": np.array(cost.cells),
                "drives": np.array(cost.drives),
                "pulses": np.array(np.nan if cost.pulses is None else cost.pulses),
                "seconds": np.array(np.nan if cost.seconds is None else cost.seconds),
                "rehearsed": np.array(cost.rehearsed or ""),
                "array": np.array(crossbar.backend.shape),
            },
        )
    return cost


def rehearsed(where: str, programming: Programming, mapping: str, seed: int) -> "Rehearsal":
    """Return what a tile takes on a bench that costs nothing, programmed as another bench would.

    Parameters
    ----------
    where
        The bench.
    programming
        Of the other bench.
    mapping
        A name in `crossbar.mapping.MAPPINGS`.
    seed
        Of the bench and of the weights.
    """
    from crossbar.tiling import rehearse

    with open_bench(where, seed=seed) as bench, threadpool_limits(limits=1):
        twin = Crossbar(bench.backend, programming.cell, programming.pulses, mapping=mapping)
        shape = "x".join(map(str, bench.backend.shape))
        return rehearse(twin, np.random.default_rng(seed), f"bench {bench.name}, {shape}")


def _short(cost: "Cost") -> str:
    """Return the cost as the name of a bar."""
    if cost.pulses is None or cost.seconds is None:
        return f"{cost.tiles} tiles, {cost.cells} cells"
    minutes = cost.seconds / 60
    time = f"{minutes:.2g} min" if minutes < 90 else f"{minutes / 60:.2g} h"
    return f"{cost.tiles} tiles, {cost.pulses:.2g} pulses, {time}"
