"""Train small networks in software, plainly or against the conductance errors that await them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import Linear, Module, Sequential, Tanh

from crossbar.backend import Array, DataError
from crossbar.data import Points
from crossbar.losses import binary
from crossbar.network import Network, classify
from crossbar.noise import instances
from crossbar.objectives import OBJECTIVES, erm
from crossbar.torch_layers import from_torch
from crossbar.training_settings import TrainingSettings

Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A trained network and what made it.

    Parameters
    ----------
    network
        In NumPy, ready to be offloaded.
    objective
        Its name in `OBJECTIVES`.
    settings
        What it was trained with.
    losses
        What was descended at each epoch of the restart that was kept, shape ``(epochs,)``: the
        cross-entropy without noise in the warm-up, then the objective.
    selection
        The objective of each finished restart, by which one was kept, shape ``(restarts,)``.
    accuracy
        Fraction of the training points that the network classifies correctly, without noise.
    """

    network: Network
    objective: str
    settings: TrainingSettings
    losses: Array
    selection: Array
    accuracy: float


def train(
    points: Points,
    objective: str,
    settings: TrainingSettings,
    rng: np.random.Generator,
    *,
    widths: tuple[int, ...] = (2, 4, 1),
    progress: Progress | None = None,
) -> Trained:
    """Return a network trained on two classes of points: tanh inside, one linear output.

    Several are trained from different starts and the one with the lowest training objective is
    kept; test points play no part.

    Parameters
    ----------
    points
        Training points, already standardised.
    objective
        A name in `OBJECTIVES`.
    rng
        The only source of chance: the same state gives the same network bit for bit on one
        machine.
    widths
        Number of inputs, of units in each hidden layer, and 1.
    progress
        Called with the epochs done and in total, over all restarts.

    Raises
    ------
    DataError
        If the objective is unknown or the widths do not fit the points.
    """
    _check(points, objective, widths)
    inputs = torch.tensor(points.inputs, dtype=torch.float64)
    labels = torch.tensor(points.labels, dtype=torch.float64)
    seed, selection_seed = (int(rng.integers(2**63)) for _ in range(2))
    generator = Generator().manual_seed(seed)
    chooser = replace(settings.noise, draws=settings.selection_draws, instance="batch")
    models, losses, selection = [], [], []
    for restart in range(settings.restarts):
        model, history = tanh_network(widths, generator), []
        for loss in _descent(model, objective, inputs, labels, settings, generator):
            history.append(loss)
            if progress is not None:
                done = restart * settings.epochs + len(history)
                progress(done, settings.restarts * settings.epochs)
        with torch.no_grad():
            judge = Generator().manual_seed(selection_seed)
            judged = OBJECTIVES[objective](model, inputs, labels, binary, chooser, judge)
            selection.append(judged.item())
        models.append(model)
        losses.append(history)
    kept = int(np.argmin(selection))
    network = from_torch(models[kept])
    return Trained(
        network=network,
        objective=objective,
        settings=settings,
        losses=np.array(losses[kept]),
        selection=np.array(selection),
        accuracy=float(np.mean(classify(network(points.inputs)) == points.labels)),
    )


def _check(points: Points, objective: str, widths: tuple[int, ...]) -> None:
    if objective not in OBJECTIVES:
        known = ", ".join(OBJECTIVES)
        raise DataError(f"objective {objective!r} is unknown; known are {known}")
    n_in = points.inputs.shape[1]
    if len(widths) < 2 or min(widths) < 1 or widths[0] != n_in or widths[-1] != 1:
        raise DataError(f"widths {widths} do not lead from {n_in} inputs to 1 output")


def tanh_network(widths: tuple[int, ...], generator: Generator) -> Sequential:
    """Return a fresh network in double precision, tanh inside, its last layer linear."""
    modules: list[Module] = []
    for n_in, n_out in pairwise(widths):
        # On "meta" the constructor draws nothing from torch's global generator.
        linear = Linear(n_in, n_out, device="meta", dtype=torch.float64).to_empty(device="cpu")
        # torch's own default for Linear: uniform within 1/sqrt(n_in), weights and biases.
        with torch.no_grad():
            for parameter in linear.parameters():
                parameter.uniform_(-(n_in**-0.5), n_in**-0.5, generator=generator)
        modules += [linear, Tanh()]
    return Sequential(*modules[:-1])


def _descent(
    model: Module,
    objective: str,
    inputs: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    generator: Generator,
) -> Iterator[float]:
    """Train `model` in place with full-batch Adam, yielding the loss that each epoch descended."""
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    chance = instances(settings.noise, generator)
    for epoch in range(settings.epochs):
        # The last steps are small, so that the result does not hang on the last noise draws.
        remaining = 1.0 - epoch / settings.epochs
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * remaining
        optimiser.zero_grad()
        descended = erm if epoch < settings.warmup else OBJECTIVES[objective]
        loss = descended(model, inputs, labels, binary, settings.noise, next(chance))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        yield loss.item()
