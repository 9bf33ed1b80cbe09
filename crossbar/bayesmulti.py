"""BayesMulti: search the training noise with which a network bears drift best.

Candidates are networks trained with different noise. Each is judged on validation examples, never
on those of a test, under the same draws of drift; what it is worth is its mean accuracy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import Module

from crossbar.backend import DataError
from crossbar.bayesopt import StudySettings
from crossbar.deployment import Deployment, LogNormal, evaluate
from crossbar.fitting import Examples
from crossbar.losses import Metric
from crossbar.memsim.perturb import copied
from crossbar.noise_space import NoiseSpace
from crossbar.search import VALUE, Finished, History, Keep, Progress, search
from crossbar.search_settings import SearchSettings
from crossbar.search_space import Point
from crossbar.sites import sites
from crossbar.store import Arrays
from crossbar.training_settings import NoiseSettings

STATE = "state/"
"""Before the names of a candidate's parameters and buffers among its arrays."""
_What = TypeVar("_What")
_Model = TypeVar("_Model", bound=Module)

TrainCandidate: TypeAlias = Callable[[NoiseSettings], _Model | None]
"""Returns a module trained with this noise, or None if there is none to be had. Let every call
begin from the same random state: candidates then differ by their noise alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Searched(Generic[_What]):
    """The best candidate of a search over noise.

    Parameters
    ----------
    trained
        The network.
    noise
        What it was trained with.
    history
        Every candidate; its best value has been chosen among many and is too good by that.
    """

    trained: _What
    noise: NoiseSettings
    history: History


def bayesmulti(
    model: _Model,
    train_candidate: TrainCandidate[_Model],
    validation: Examples,
    metric: Metric,
    settings: SearchSettings,
    seed: int,
    *,
    objective: str = "trinomial",
    base: NoiseSettings | None = None,
    deployment: Deployment | None = None,
    name: str = "search",
    finished: Finished = lambda name: None,
    keep: Keep = lambda name, arrays: None,
    progress: Progress = lambda done, total: None,
) -> Searched[_Model]:
    """Return the candidate with the best mean metric over draws of drift.

    Parameters
    ----------
    model
        A module like those that are trained; never changed.
    train_candidate
        Trains one.
    validation
        Examples that no candidate is trained on, and that no test is made with.
    metric
        Of scores and labels, the larger the better.
    settings
        Budget, drift and bounds.
    seed
        Of the draws and of the choice of candidates.
    objective
        What candidates are trained with, key of `crossbar.noise_space.SEARCHED`.
    base
        Everything of the noise that is not searched; None for the defaults. What is searched of
        it is the first candidate, if it is within the bounds.
    deployment
        What candidates are judged under; None for log-normal factors of `settings.drift`, each
        the mean over as many copies as `base` trains with.
    name, finished, keep, progress
        As of `crossbar.search.search`; parameters and accuracies of each candidate are kept.

    Raises
    ------
    DataError
        If the objective has nothing to search, a candidate has other parameters than the model,
        or there is no candidate whose parameters are finite.

    References
    ----------
    BayesMulti, arXiv 2412.02779: a Gaussian process over the noise of each layer. Expected
    improvement, the kernel and the split are our choice.
    """
    base = base or NoiseSettings()
    where = deployment or LogNormal(settings.drift, base.copies)
    noises = NoiseSpace(objective, tuple(sites(model)), settings)
    shapes = _shapes(model)
    study_seed, drift_seed = (int(s) for s in np.random.SeedSequence(seed).generate_state(2))

    def judged(point: Point) -> Arrays:
        candidate = train_candidate(noises.noise(point, base))
        if candidate is None:
            return _failed(settings)
        if _shapes(candidate) != shapes:
            raise DataError("a candidate has other parameters than the model that was given")
        return _judged(candidate.eval(), validation, metric, where, settings.draws, drift_seed)

    usual = noises.point(base)
    history = search(
        noises.space,
        judged,
        StudySettings(initial=settings.initial),
        settings.total,
        study_seed,
        first=[] if usual is None else [usual],
        name=name,
        finished=finished,
        keep=keep,
        progress=progress,
    )
    best = history.best
    return Searched(_rebuilt(model, best.arrays), noises.noise(best.point, base), history)


def _judged(
    model: Module,
    validation: Examples,
    metric: Metric,
    deployment: Deployment,
    draws: int,
    seed: int,
) -> Arrays:
    """Return accuracies and state of a candidate; its value is NaN if it diverged."""
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    arrays = {STATE + name: _plain(value).numpy() for name, value in state.items()}
    examples = validation.to(next(model.parameters()).device)
    with torch.no_grad():
        clean = float(metric(model(examples.inputs), examples.labels))
    generator = Generator().manual_seed(seed)
    accuracy = evaluate(
        model, examples.inputs, examples.labels, metric, deployment, draws, generator
    )
    # A network of NaN has an accuracy too: that of a coin.
    finite = all(np.isfinite(value).all() for value in arrays.values())
    value = float(np.mean(accuracy)) if finite else np.nan
    return arrays | {
        VALUE: np.asarray(value),
        "accuracy": accuracy,
        "undrifted": np.asarray(clean),
    }


def _failed(settings: SearchSettings) -> Arrays:
    nothing = np.full(settings.draws, np.nan)
    return {VALUE: np.asarray(np.nan), "accuracy": nothing, "undrifted": np.asarray(np.nan)}


def _plain(value: Tensor) -> Tensor:
    """Return a tensor in a precision that NumPy has."""
    return value.float() if value.dtype == torch.bfloat16 else value


def _shapes(model: Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def _rebuilt(model: _Model, arrays: Arrays) -> _Model:
    """Return a copy of the model with a candidate's state, ready to be evaluated."""
    copy = copied(model)
    state = {
        # A copy: what comes from a record cannot be written to, which torch warns of.
        name.removeprefix(STATE): torch.from_numpy(np.array(values))
        for name, values in arrays.items()
        if name.startswith(STATE)
    }
    copy.load_state_dict(state)
    return copy.eval()
