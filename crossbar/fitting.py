"""Train any torch module with any objective, and keep the weights that stand what awaits them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import Module
from torch.nn.utils import clip_grad_value_
from torch.optim.lr_scheduler import OneCycleLR

from crossbar.backend import Array, DataError
from crossbar.deployment import Deployment, evaluate
from crossbar.double_weights import halves, project
from crossbar.fit_settings import FitSettings
from crossbar.losses import Loss, Metric
from crossbar.memsim.perturb import copied
from crossbar.noise import instances
from crossbar.objectives import OBJECTIVES

__all__ = ["Examples", "FitSettings", "Fitted", "Progress", "fit"]

Progress: TypeAlias = Callable[[int, int], None]
_Model = TypeVar("_Model", bound=Module)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What a network is shown, and what it should say.

    Parameters
    ----------
    inputs, labels
        Batch first.

    Raises
    ------
    DataError
        If there is none, or there are not as many of both.
    """

    inputs: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if not len(self.inputs) == len(self.labels) > 0:
            raise DataError(
                f"{len(self.inputs)} inputs and {len(self.labels)} labels: as many of both are "
                "needed, one at least"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device | str) -> "Examples":
        """Return the examples on a device."""
        return Examples(self.inputs.to(device), self.labels.to(device))

    def part(self, chosen: Tensor | slice) -> "Examples":
        """Return some of the examples."""
        return Examples(self.inputs[chosen], self.labels[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class Fitted(Generic[_Model]):
    """A trained module and how it became what it is.

    Parameters
    ----------
    model
        With the weights of the best epoch, ready to be evaluated.
    objective
        Its name in `OBJECTIVES`.
    settings
        What it was trained with.
    losses
        What was descended, mean over each epoch's examples, shape ``(epochs,)``: without noise in
        the warm-up, then the objective; penalties are not in it.
    validation
        Median of the metric over the draws, after each epoch, shape ``(epochs,)``; NaN where there
        was no validation.
    validation_low, validation_high
        Ends of the middle 95 % of the draws, same shape.
    best_epoch
        Counted from 0; the first one whose median is the largest.
    """

    model: _Model
    objective: str
    settings: FitSettings
    losses: Array
    validation: Array
    validation_low: Array
    validation_high: Array
    best_epoch: int


def fit(
    model: _Model,
    train: Examples,
    validation: Examples,
    objective: str,
    loss: Loss,
    metric: Metric,
    settings: FitSettings,
    generator: Generator,
    *,
    deployment: Deployment,
    progress: Progress | None = None,
) -> Fitted[_Model]:
    """Return a trained copy of a module: Adam with one cycle of the learning rate, minibatches.

    After each epoch the network is evaluated on the validation examples as it would be on several
    virtual chips, always the same; the weights with the best median over them are kept.

    Parameters
    ----------
    model
        Any module, batch first; never changed. It is trained where its parameters are.
    train, validation
        Examples; those of the test play no part.
    objective
        A name in `OBJECTIVES`.
    loss, metric
        What is descended; what is validated, the larger the better.
    settings
        Every number.
    generator
        The only source of chance: on a CPU the same state gives the same weights bit for bit, on
        one machine. Neither the order of the examples nor the draws of the validation depend on
        the objective. Random layers of the module, drop-out say, have numbers of their own.
    deployment
        Where the network goes.
    progress
        Called with the steps done and in all.

    Raises
    ------
    DataError
        If the objective is unknown, the module has no parameters or cannot be copied, or the
        metric was never a number.

    References
    ----------
    Validation by the median of 20 draws: Joksas et al., Adv. Sci. 9, 2105784 (2022), their code.
    """
    if objective not in OBJECTIVES:
        raise DataError(f"objective {objective!r} is unknown; known are {', '.join(OBJECTIVES)}")
    copy = copied(model)
    device = next((parameter.device for parameter in copy.parameters()), None)
    if device is None:
        raise DataError(f"{type(model).__name__} has no parameters to train")
    seeds = torch.randint(2**62, (4,), generator=generator, device=generator.device).tolist()
    judge = _Judge(copy, validation.to(device), metric, deployment, settings, seeds[2])
    losses = []
    with _own_chance(seeds[3], device):
        for descended in _descent(
            copy, train.to(device), objective, loss, settings, seeds[:2], progress
        ):
            losses.append(descended)
            judge(len(losses) - 1)
    copy.load_state_dict(judge.kept())
    median, low, high = judge.found
    return Fitted(
        model=copy.eval(),
        objective=objective,
        settings=settings,
        losses=np.array(losses),
        validation=median,
        validation_low=low,
        validation_high=high,
        best_epoch=judge.best,
    )


class _Judge:
    """Validates a module after each epoch that is due, and keeps its best weights."""

    def __init__(
        self,
        model: Module,
        examples: Examples,
        metric: Metric,
        deployment: Deployment,
        settings: FitSettings,
        seed: int,
    ) -> None:
        self._model = model
        self._examples = examples
        self._metric = metric
        self._deployment = deployment
        self._settings = settings
        self._seed = seed
        self._best: dict[str, Tensor] = {}
        self.best = -1
        self.found = np.full((3, settings.epochs), np.nan)

    def __call__(self, epoch: int) -> None:
        """Validate, if it is due after this epoch."""
        settings = self._settings
        if (epoch + 1) % settings.validate_every and epoch + 1 < settings.epochs:
            return
        values = evaluate(
            self._model.eval(),
            self._examples.inputs,
            self._examples.labels,
            self._metric,
            self._deployment,
            settings.validation_draws,
            # Common random numbers: epochs differ by their weights, not by their devices.
            Generator(self._examples.inputs.device).manual_seed(self._seed),
        )
        self.found[:, epoch] = np.quantile(values, [0.5, 0.025, 0.975])
        if self.found[0, epoch] > (self.found[0, self.best] if self._best else -np.inf):
            self.best = epoch
            self._best = {name: value.clone() for name, value in self._model.state_dict().items()}

    def kept(self) -> dict[str, Tensor]:
        """Return the weights of the best epoch."""
        if not self._best:
            raise DataError("the metric was not a number at any validation: nothing can be kept")
        return self._best


def _descent(
    model: Module,
    train: Examples,
    objective: str,
    loss: Loss,
    settings: FitSettings,
    seeds: list[int],
    progress: Progress | None,
) -> Iterator[float]:
    """Train a module in place, yielding the mean of what each epoch descended."""
    device = train.inputs.device
    order, noise = Generator().manual_seed(seeds[0]), Generator(device).manual_seed(seeds[1])
    chance = instances(settings.noise, noise)
    steps, done = -(-len(train) // settings.batch), count(1)
    optimiser = torch.optim.Adam(
        model.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    rate = OneCycleLR(optimiser, settings.learning_rate, total_steps=settings.epochs * steps)
    for epoch in range(settings.epochs):
        model.train()
        descended = OBJECTIVES["erm" if epoch < settings.warmup else objective]
        total = 0.0
        for chosen in torch.split(torch.randperm(len(train), generator=order), settings.batch):
            part = train.part(chosen.to(device))
            optimiser.zero_grad()
            risk = descended(model, part.inputs, part.labels, loss, settings.noise, next(chance))
            (risk + _penalty(model, settings.l1)).backward()  # type: ignore[no-untyped-call]
            if settings.clip is not None:
                clip_grad_value_(model.parameters(), settings.clip)
            optimiser.step()
            project(model)
            rate.step()
            total += risk.item() * len(part)
            if progress is not None:
                progress(next(done), settings.epochs * steps)
        yield total / len(train)


def _penalty(model: Module, l1: float) -> Tensor | float:
    if l1 == 0:
        return 0.0
    penalised = halves(model) or dict(model.named_parameters())
    return l1 * torch.stack([part.abs().sum() for part in penalised.values()]).sum()


@contextmanager
def _own_chance(seed: int, device: torch.device) -> Iterator[None]:
    """Let random layers draw from a seed, and leave torch's own generators as they were."""
    own = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=own):
        torch.default_generator.manual_seed(seed)
        if own:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
