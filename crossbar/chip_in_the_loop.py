"""Fine-tuning with the chip in the loop: products measured, gradients digital.

A few steps after programming. Forward, every product is what the crossbar gave; backward, the
gradient passes through the digital weights as if they had given it (straight-through). Two ways:
`tune_lines` changes a gain and an offset behind each output, which are digital and take no pulse;
`tune_weights` adds changes up digitally, and writes those that have become larger than a write can
be trusted with, which takes pulses.

References
----------
Adding changes up digitally and writing only the large ones: Nandakumar et al., Frontiers in
Neuroscience 14, 406 (2020).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from crossbar.backend import Array, DataError, Mask, Second
from crossbar.loop_settings import LineSettings, WeightSettings
from crossbar.losses import Loss, binary
from crossbar.network import Layer, Network, check_inputs
from crossbar.offload import HardwareLayer, HardwareNetwork, Line, spread_over
from crossbar.weight_rewriting import Rewriting

Progress: TypeAlias = Callable[[int, int], None]

_ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "linear": lambda z: z,
        "relu": torch.relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
    }
)


class Rewritable(Protocol):
    """What a crossbar has to offer for its weights to be tuned: `crossbar.Crossbar` does."""

    def weights(self, layer: int = 0) -> Array:
        """Return a matrix as its cells hold it now."""
        ...

    def rewrite(self, layer: int, weights: ArrayLike, *, pulses: int | None = None) -> Rewriting:
        """Write the weights that are not NaN, with this many pulses at the most."""
        ...

    def wait(self, duration: Second) -> None:
        """Let bench time pass with every line at 0 V."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What a fine-tuning did.

    Parameters
    ----------
    hardware
        The network, ready to run.
    losses
        Measured on the chip before the first step and after each that was made.
    kept
        Which of these states the network is left in: of lines the best; of weights, which would
        have to be written again, the last.
    written
        Weights that were written, one after the other.
    pulses
        Pulses that it took.
    """

    hardware: HardwareNetwork
    losses: Array
    kept: int
    written: int = 0
    pulses: int = 0


def tune_lines(
    hardware: HardwareNetwork,
    inputs: ArrayLike,
    labels: ArrayLike,
    settings: LineSettings | None = None,
    *,
    loss: Loss = binary,
    progress: Progress | None = None,
) -> Tuned:
    """Tune a gain and an offset behind each output, digitally, and leave the best of them there.

    The first layer's products do not hang on any line and are measured once. Where lines are there
    already, it goes on from them. However it is left, by an interrupt too, the best lines measured
    so far stay.

    Parameters
    ----------
    hardware
        The network on the crossbar; its layers are changed.
    inputs, labels
        Training inputs, shape ``(n, n_in)``, and their labels, as the loss takes them.
    loss
        Of scores and labels.
    progress
        Called with steps done and steps in all.

    Raises
    ------
    DataError, LimitError
        As `HardwareNetwork.run`; also if there is not one label for each input.
    """
    s = settings if settings is not None else LineSettings()
    x, y = _chosen(hardware.network, inputs, labels, s.inputs)
    matrices = [torch.tensor(layer.layer.matrix) for layer in hardware.layers]
    lines = [_line(layer) for layer in hardware.layers]
    optimiser = torch.optim.Adam([p.requires_grad_() for line in lines for p in line])
    losses: list[float] = []
    best = [_plain(line) for line in lines]
    first = hardware.layers[0].multiply(x.numpy()).values
    try:
        for step in range(s.steps + 1):
            measured = loss(_scores(hardware.layers, matrices, lines, x, first), y)
            losses.append(measured.item())
            if losses[-1] == min(losses):
                best = [_plain(line) for line in lines]
            if progress is not None:
                progress(step, s.steps)
            if step < s.steps:
                optimiser.param_groups[0]["lr"] = s.learning_rate * (1 - step / s.steps)
                _descend(optimiser, measured)
    finally:
        for layer, line in zip(hardware.layers, best, strict=True):
            layer.line = line
    return Tuned(hardware, np.array(losses), int(np.argmin(losses)))


def tune_weights(
    hardware: HardwareNetwork,
    crossbar: Rewritable,
    inputs: ArrayLike,
    labels: ArrayLike,
    settings: WeightSettings | None = None,
    *,
    loss: Loss = binary,
    progress: Progress | None = None,
) -> Tuned:
    """Tune the weights on the chip by writing a few of them anew at each step.

    It starts from the weights as the cells hold them. What was written when it is left stays: an
    interrupt costs nothing, and a `BudgetError` of the bench ends it there.

    Parameters
    ----------
    hardware
        The network on the crossbar; its layers are changed.
    crossbar
        The one that it is on.
    inputs, labels, loss, progress
        As in `tune_lines`.

    Raises
    ------
    DataError, LimitError
        As `tune_lines`.
    BudgetError
        If a cell has used up what the bench allows it.
    """
    s = settings if settings is not None else WeightSettings()
    x, y = _chosen(hardware.network, inputs, labels, s.inputs)
    writer = _Writer(hardware, crossbar, s)
    lines = [_line(layer) for layer in hardware.layers]
    optimiser = torch.optim.Adam(writer.wanted, lr=s.learning_rate)
    enough = loss(torch.from_numpy(hardware.network(x.numpy())), y).item() + s.goal
    losses: list[float] = []
    for step in range(s.steps + 1):
        measured = loss(_scores(hardware.layers, writer.wanted, lines, x), y)
        losses.append(measured.item())
        if progress is not None:
            progress(step, s.steps)
        if step == s.steps or losses[-1] <= enough or writer.spent:
            break
        _descend(optimiser, measured)
        writer.write()
    network = Network(tuple(layer.layer for layer in hardware.layers))
    tuned = replace(hardware, network=network)
    return Tuned(tuned, np.array(losses), len(losses) - 1, writer.written, writer.pulses)


class _Writer:
    """Keeps what weights are wanted beside what the cells hold, and writes the largest changes."""

    def __init__(
        self, hardware: HardwareNetwork, crossbar: Rewritable, settings: WeightSettings
    ) -> None:
        self._layers, self._crossbar, self._settings = hardware.layers, crossbar, settings
        self._held = [crossbar.weights(layer.index) for layer in hardware.layers]
        placed, tolerance = hardware.report.placed, hardware.report.tolerance
        # One cell of one copy is moved for a weight, and is averaged with the others.
        self._least = [settings.threshold * tolerance / (p.scale * p.copies) for p in placed]
        self.wanted = [torch.tensor(held, requires_grad=True) for held in self._held]
        self.written = self.pulses = 0

    @property
    def spent(self) -> bool:
        """True if there are no pulses left."""
        limit = self._settings.pulses
        return limit is not None and self.pulses >= limit

    def write(self) -> None:
        """Write the largest changes of each matrix, wait, and read what has become of all."""
        for k, layer in enumerate(self._layers):
            wanted = self.wanted[k].detach().numpy()
            chosen = _largest(wanted - self._held[k], self._least[k], self._settings.writes)
            if not chosen.any():
                continue
            limit = self._settings.pulses
            left = None if limit is None else limit - self.pulses
            done = self._crossbar.rewrite(
                layer.index, np.where(chosen, wanted, np.nan), pulses=left
            )
            if done.report is None:
                continue
            asked = np.where(chosen, wanted, layer.layer.matrix)
            layer.layer = Layer(asked[:-1], asked[-1], layer.layer.activation)
            self.written += int(chosen.sum())
            self.pulses += done.pulses
        self._crossbar.wait(self._settings.pause)
        self._held = [self._crossbar.weights(layer.index) for layer in self._layers]


def _largest(change: Array, least: float, count: int) -> Mask:
    """Return which changes are above `least`, the largest if they are more than `count`."""
    size = np.abs(change)
    rank = np.argsort(np.argsort(-size, axis=None)).reshape(size.shape)
    return np.asarray((size > least) & (rank < count), dtype=np.bool_)


def _scores(
    layers: tuple[HardwareLayer, ...],
    matrices: list[Tensor],
    lines: list[tuple[Tensor, Tensor]],
    x: Tensor,
    first: Array | None = None,
) -> Tensor:
    """Return measured scores with the gradient that digital layers would have.

    `first` are products of the first layer that are known already.
    """
    values = x
    for k, (layer, matrix, (gain, offset)) in enumerate(zip(layers, matrices, lines, strict=True)):
        known = first if k == 0 else None
        product = layer.multiply(values.detach().numpy()).values if known is None else known
        digital = values @ matrix[:-1] + matrix[-1]
        through = digital + (torch.from_numpy(product) - digital).detach()
        values = _ACTIVATIONS[layer.layer.activation](gain * through + offset)
    return values


def _descend(optimiser: torch.optim.Optimizer, measured: Tensor) -> None:
    optimiser.zero_grad()
    measured.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _chosen(
    network: Network, inputs: ArrayLike, labels: ArrayLike, count: int
) -> tuple[Tensor, Tensor]:
    """Return inputs and labels that are measured, spread over those given."""
    x, y = check_inputs(inputs, network.widths[0]), np.asarray(labels)
    if len(y) != len(x) or not len(x):
        raise DataError(f"{len(y)} labels are not one for each of {len(x)} inputs")
    chosen = spread_over(len(x), count)
    return torch.tensor(x[chosen]), torch.tensor(y[chosen])


def _line(layer: HardwareLayer) -> tuple[Tensor, Tensor]:
    outputs = len(layer.layer.biases)
    if layer.line is None:
        return torch.ones(outputs, dtype=torch.float64), torch.zeros(outputs, dtype=torch.float64)
    return torch.tensor(layer.line.gain), torch.tensor(layer.line.offset)


def _plain(line: tuple[Tensor, Tensor]) -> Line:
    gain, offset = (values.detach().numpy().copy() for values in line)
    return Line(gain, offset)
