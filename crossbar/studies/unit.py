"""One unit of a study: a network trained with an objective, then evaluated on every level.

A unit is made from its plan, its name and the data alone, on one thread: in whatever order units
are made, after whatever interrupt, and on whatever machine of the same kind, its numbers are the
same to the last bit.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from crossbar.backend import Array
from crossbar.deployment import Deployment, deployed_sets
from crossbar.fitting import FitSettings, fit
from crossbar.memsim.many import scores_of_draws
from crossbar.memsim.profile import DeviceProfile
from crossbar.studies import named
from crossbar.studies.task import Dataset, Task
from crossbar.studies.tiles import TilePlan, scores_on_tiles

Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Unit:
    """A network, an objective and the number of a training.

    Parameters
    ----------
    network
        Its name in the task's table.
    objective
        Its name in `crossbar.objectives.OBJECTIVES`.
    index
        Counted from 0. Objectives of one network and index begin with the same weights, see the
        examples in the same order, and are evaluated on the same draws.
    """

    network: str
    objective: str
    index: int

    @property
    def name(self) -> str:
        """Of its piece in the record."""
        return f"unit/{self.network}/{self.objective}/{self.index}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What all units of a study share.

    Parameters
    ----------
    task
        Its name in `crossbar.studies.TASKS`.
    settings
        Of every training.
    deployment
        What the validation draws are.
    levels
        Devices that the trained networks are evaluated on.
    draws
        Of each level; the same at every level but for their size.
    seed
        Of the study.
    tiles
        Crossbars that the trained networks are evaluated on, each draw another chip; None for
        parameters that are perturbed by themselves.
    """

    task: str
    settings: FitSettings
    deployment: Deployment
    levels: tuple[DeviceProfile, ...]
    draws: int
    seed: int
    tiles: TilePlan | None = None


def seed_of(*words: object) -> int:
    """Return a seed of 63 bits that follows from the words alone."""
    digest = hashlib.sha256("/".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make(
    plan: Plan, unit: Unit, data: Dataset, progress: Progress = lambda *_: None
) -> dict[str, Array]:
    """Train and evaluate a unit; return what is recorded of it.

    Parameters
    ----------
    plan, unit
        What to do.
    data
        Of the plan's task.
    progress
        Told of training steps and of levels.

    Returns
    -------
    dict
        ``losses``, ``validation`` with its ``validation_low`` and ``_high``, ``best_epoch`` as
        `crossbar.fitting.Fitted` has them; ``values`` of every measure, level and draw, shape
        ``(measures, levels, draws)``; ``clean``, the measures of the network as it is; and
        ``parameters``, how many there are.

    Raises
    ------
    DataError
        If the objective does not fit the network, or the training found no number.
    """
    about = named(plan.task)
    pairing = (plan.seed, plan.task, unit.network, unit.index)
    with _one_thread():
        initial = torch.Generator().manual_seed(seed_of("initial", *pairing))
        network = about.networks[unit.network](data, initial)
        fitted = fit(
            network,
            data.train,
            data.validation,
            unit.objective,
            about.loss,
            about.measures[0].of,
            plan.settings,
            torch.Generator().manual_seed(seed_of("training", *pairing)),
            deployment=plan.deployment,
            progress=lambda done, of: progress("steps of this unit", done, of),
        )
        values, clean = _evaluated(
            fitted.model, about, plan, data, seed_of("draws", *pairing), progress
        )
    return {
        "losses": fitted.losses,
        "validation": fitted.validation,
        "validation_low": fitted.validation_low,
        "validation_high": fitted.validation_high,
        "best_epoch": np.array(fitted.best_epoch),
        "values": values,
        "clean": clean,
        "parameters": np.array(sum(p.numel() for p in network.parameters())),
    }


def _evaluated(
    model: Module, about: Task, plan: Plan, data: Dataset, seed: int, progress: Progress
) -> tuple[Array, Array]:
    """Return the measures on every level and draw, and of the network as it is."""
    clean = _measured(model, about, data, DeviceProfile.at(1.0), 1, seed)[:, 0]
    values = np.empty((len(about.measures), len(plan.levels), plan.draws))
    for k, level in enumerate(plan.levels):
        progress("levels of this unit", k, len(plan.levels))
        if plan.tiles is not None:
            values[:, k] = _on_tiles(model, about, plan, plan.tiles, data, level, seed, progress)
            continue
        # Without a spread all draws are one.
        draws = plan.draws if level.sigma_ub else 1
        values[:, k] = _measured(model, about, data, level, draws, seed)
    progress("levels of this unit", len(plan.levels), len(plan.levels))
    return values, clean


def _measured(
    model: Module, about: Task, data: Dataset, level: DeviceProfile, draws: int, seed: int
) -> Array:
    """Return the measures of the test examples, shape ``(measures, draws)``."""
    generator = torch.Generator().manual_seed(seed)
    inputs, labels = data.test.inputs, data.test.labels

    def sets(count: int) -> dict[str, Tensor]:
        return deployed_sets(model, level, count, generator)

    with torch.no_grad():
        # Not on a faster device, were there one: it would give other last digits.
        every = scores_of_draws(model, inputs, draws, sets, device=inputs.device)
        found = [[float(m.of(scores, labels)) for m in about.measures] for scores in every]
    return np.array(found).T


def _on_tiles(
    model: Module,
    about: Task,
    plan: Plan,
    tiles: TilePlan,
    data: Dataset,
    level: DeviceProfile,
    seed: int,
    progress: Progress,
) -> Array:
    """Return the measures of the test examples on every chip, shape ``(measures, draws)``."""
    found = []
    for draw in range(plan.draws):
        progress("chips of this level", draw, plan.draws)
        chip = seed_of("chip", seed, draw)
        scores = scores_on_tiles(model, tiles, level, data.test.inputs, data.train.inputs, chip)
        found.append([float(m.of(scores, data.test.labels)) for m in about.measures])
    progress("chips of this level", plan.draws, plan.draws)
    return np.array(found).T


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch compute on one thread: with several, sums come out in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
