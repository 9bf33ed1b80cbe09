"""The search over noise for small networks on points in a plane: what `xbar moons` runs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Generator
from torch.nn import Sequential

from crossbar.bayesmulti import Searched, bayesmulti
from crossbar.data import Points
from crossbar.deployment import Deployment
from crossbar.fitting import Examples
from crossbar.losses import binary_accuracy
from crossbar.network import Network
from crossbar.search import Finished, Keep
from crossbar.search_settings import SearchSettings
from crossbar.torch_layers import from_torch, to_torch
from crossbar.training import tanh_network, train
from crossbar.training_settings import NoiseSettings, TrainingSettings


def search_noise(
    task_train: Points,
    task_validation: Points,
    widths: tuple[int, ...],
    schedule: TrainingSettings,
    objective: str,
    settings: SearchSettings,
    seed: int,
    finished: Finished,
    record: Keep,
    progress: Callable[[str, int, int], None] = lambda work, done, total: None,
    *,
    deployment: Deployment | None = None,
) -> Searched[Network]:
    """Return the network whose training noise is best on the validation points, where it goes.

    Parameters
    ----------
    task_train
        Points that every candidate is trained on, standardised.
    task_validation
        Other points, by which one is chosen; those of the test play no part.
    widths
        As of `crossbar.training.train`.
    schedule
        How candidates are trained; its noise is that of the first candidate.
    objective
        Key of `crossbar.noise_space.SEARCHED`: for ``trinomial`` p1 and p2 of each layer are
        searched, for ``lognormal`` its sigma.
    settings
        Budget, drift and bounds.
    seed
        Of everything: candidates start from the same weights and meet the same draws of noise,
        which makes what they differ by their noise.
    finished
        Returns what an interrupted search had recorded under a name, or None.
    record
        Receives each candidate as ``search/<objective>/<k>``.
    progress
        Told of the candidates.
    deployment
        As of `crossbar.bayesmulti.bayesmulti`.

    Raises
    ------
    DataError
        If the objective has nothing to search, or the widths do not fit the points.
    """
    training_seed, search_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))

    def trained(noise: NoiseSettings) -> Sequential:
        rng = np.random.default_rng(training_seed)
        chosen = replace(schedule, noise=noise)
        return to_torch(train(task_train, objective, chosen, rng, widths=widths).network)

    validation = Examples(
        torch.tensor(task_validation.inputs), torch.tensor(task_validation.labels).double()
    )
    found = bayesmulti(
        tanh_network(widths, Generator()),
        trained,
        validation,
        binary_accuracy,
        settings,
        search_seed,
        objective=objective,
        base=schedule.noise,
        deployment=deployment,
        name=f"search/{objective}",
        finished=finished,
        keep=record,
        progress=lambda done, total: progress(f"search {objective}", done, total),
    )
    return Searched(from_torch(found.trained), found.noise, found.history)
