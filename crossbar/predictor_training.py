"""Train the networks that choose programming pulses; run without torch they are `DenseMap`s."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import Linear, Sequential, Tanh

from crossbar.backend import Array, DataError, Mask, Siemens
from crossbar.network import Layer, Network
from crossbar.programming.predictor.dense import DenseMap
from crossbar.programming.predictor.fitting import Origin, fit_predictor, seen_range
from crossbar.programming.predictor.predictor import Predictor
from crossbar.programming.predictor.shots import Shots
from crossbar.torch_layers import from_torch

HIDDEN = 16


@dataclass(frozen=True, slots=True)
class DenseSettings:
    """How a network is trained.

    Parameters
    ----------
    iterations
        Of L-BFGS over all pulses.
    huber
        Above this error of log10 of the width the loss grows linearly.
    pulses
        At most so many are used, drawn from those there are.
    decay
        Weight of the mean square of weights in the loss: small weights bear the errors of a
        crossbar better, and cost some accuracy where they are exact.

    Raises
    ------
    DataError
        If a value is not positive.
    """

    iterations: int = 400
    huber: float = 0.1  # assumed: about what cycles vary by
    pulses: int = 20_000
    decay: float = 0.0

    def __post_init__(self) -> None:
        if not (self.iterations > 0 and self.huber > 0 and self.pulses > 0):
            raise DataError("iterations, huber and pulses are above zero")
        if not 0 <= self.decay < np.inf:
            raise DataError(f"decay = {self.decay} is not zero or more")


def train_predictor(
    shots: Shots,
    origin: Origin,
    rng: np.random.Generator,
    *,
    seen: tuple[Siemens, Siemens] | None = None,
    settings: DenseSettings | None = None,
) -> Predictor:
    """Return a predictor of two networks, 2-16-16-1 with tanh, one for each polarity.

    Where pulses have several amplitudes their widths are first converted to one, by the rate per
    volt that `fit_predictor` finds.

    Parameters
    ----------
    shots
        Pulses of both polarities.
    origin
        For the record.
    rng
        The only source of chance.
    seen
        Range that the networks' inputs are scaled from, S; by default that of the pulses.

    Raises
    ------
    DataError
        If a polarity has too few pulses.
    """
    chosen = settings or DenseSettings()
    low, high = seen_range(shots) if seen is None else seen
    structured = fit_predictor(shots, origin, (low, high))
    ways, losses = [], []
    for sign, way in ((1, structured.set), (-1, structured.reset)):
        told = shots.of(sign)
        if len(told) > chosen.pulses:
            told = told[np.sort(rng.choice(len(told), chosen.pulses, replace=False))]
        faster = way.per_volt * (np.abs(told.amplitude) - way.amplitude)
        logs = (np.log(told.width) + faster) / np.log(10.0)
        blank = DenseMap(Network((Layer(np.zeros((2, 1)), np.zeros(1)),)), low, high)
        inputs = blank.inputs(told.before, told.after)
        with _one_thread():
            network, loss = _trained(inputs, logs, told.ended(low, high), rng, chosen)
        ways.append(replace(way, map=DenseMap(network, low, high)))
        losses.append(loss)
    record = replace(structured.record, set_loss=losses[0], reset_loss=losses[1])
    return Predictor(ways[0], ways[1], record)


def _trained(
    inputs: Array, logs: Array, ended: Mask, rng: np.random.Generator, settings: DenseSettings
) -> tuple[Network, float]:
    """Return a network that says log10 of the width, and its loss."""
    mean, spread = float(np.mean(logs)), float(np.std(logs)) or 1.0
    x = torch.tensor(inputs, dtype=torch.float64)
    y = torch.tensor((logs - mean) / spread, dtype=torch.float64)
    long_enough = torch.tensor(ended)
    generator = Generator().manual_seed(int(rng.integers(2**63)))
    model = _network(generator)
    optimiser = torch.optim.LBFGS(
        model.parameters(),
        max_iter=settings.iterations,
        history_size=20,
        line_search_fn="strong_wolfe",
        tolerance_change=1e-12,
    )

    def loss() -> Tensor:
        off = model(x)[:, 0] - y
        # A pulse that ran into an end was long enough: only asking for more is an error.
        off = torch.where(long_enough, off.clamp(min=0.0), off)
        delta = settings.huber / spread
        return torch.nn.functional.huber_loss(off, torch.zeros_like(off), delta=delta)

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss() + settings.decay * sum(w.square().mean() for w in model.parameters())
        value.backward()  # type: ignore[no-untyped-call]  # torch's
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]  # torch's
    with torch.no_grad():
        value = float(loss().item()) * spread**2
    *inner, last = from_torch(model).layers
    scaled = Layer(last.weights * spread, last.biases * spread + mean)
    return Network((*inner, scaled)), value


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: layers this small spend more on sharing the work than on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _network(generator: Generator) -> Sequential:
    """Return a fresh 2-16-16-1 with torch's own start, drawn from this generator."""
    modules: list[torch.nn.Module] = []
    for n_in, n_out in ((2, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)):
        linear = Linear(n_in, n_out, device="meta", dtype=torch.float64).to_empty(device="cpu")
        with torch.no_grad():
            for parameter in linear.parameters():
                parameter.uniform_(-(n_in**-0.5), n_in**-0.5, generator=generator)
        modules += [linear, Tanh()]
    return Sequential(*modules[:-1])
