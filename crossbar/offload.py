"""Move a trained network onto a crossbar: every multiply there, every activation digital."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import Array, DataError, Indices
from crossbar.network import ACTIVATIONS, Layer, Network, check_inputs, with_bias
from crossbar.results import Product, ProgramReport

if TYPE_CHECKING:
    from torch import nn

    from crossbar.torch_layers import CrossbarNetwork

Progress: TypeAlias = Callable[[int, int], None]

MIN_INPUTS = 3
"""A calibration fits a line, with one input more than a line has numbers."""
CALIBRATION_INPUTS = 64  # assumed
"""Training inputs that each layer is calibrated with: enough to average the read noise."""


class Multiplier(Protocol):
    """What a crossbar has to offer for a network to run on it."""

    def program(self, *matrices: ArrayLike, progress: Progress | None = None) -> ProgramReport:
        """Place every matrix on the array, program it, and return the report."""
        ...

    def matmul(self, x: ArrayLike, layer: int = 0, *, input_range: float | None = None) -> Product:
        """Multiply inputs ``(batch, n_in)`` by a matrix; `input_range` maps to the read voltage."""
        ...

    def calibrate(
        self, layer: int, inputs: ArrayLike, *, input_range: float | None = None
    ) -> object:
        """Find offset and gain of each output of a matrix from known inputs."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Inference:
    """One pass through the hardware, with what every multiply did.

    Parameters
    ----------
    scores
        Shape ``(batch, n_out)``.
    products
        Of every layer in order; their ``errors`` are the errors of the dot products, for the
        inputs that the layer really got.
    beyond
        How many inputs of each layer went beyond its range; see `HardwareLayer.run`.
    """

    scores: Array
    products: tuple[Product, ...]
    beyond: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A straight line for each output, digital: what fine-tuning puts behind a layer's products.

    Parameters
    ----------
    gain, offset
        Without unit and in units of the product, shape ``(n_out,)``.
    """

    gain: Array
    offset: Array

    def __call__(self, products: Array) -> Array:
        """Return ``gain * products + offset``, shape ``(batch, n_out)``."""
        return self.gain * products + self.offset


@dataclass(slots=True, eq=False)
class HardwareLayer:
    """One layer on the crossbar.

    Parameters
    ----------
    layer
        What was programmed.
    crossbar
        Where.
    index
        Number of the matrix on the crossbar.
    input_range
        Largest magnitude among the training inputs and the constant 1 of the biases; it maps to
        the read voltage.
    runs
        Calls so far.
    extended
        Calls so far whose inputs went beyond `input_range`.
    line
        Applied to the products before the activation; None for none.
    """

    layer: Layer
    crossbar: Multiplier
    index: int
    input_range: float
    runs: int = 0
    extended: int = 0
    line: Line | None = None

    def run(self, x: ArrayLike) -> tuple[Array, Product]:
        """Return the layer's outputs, shape ``(batch, n_out)``, and the product they come from.

        Raises
        ------
        DataError, LimitError
            As `multiply`.
        """
        product = self.multiply(x)
        return self.activated(product.values), product

    def activated(self, products: Array) -> Array:
        """Return the outputs for products, shape ``(batch, n_out)``: line, then activation."""
        values = products if self.line is None else self.line(products)
        return ACTIVATIONS[self.layer.activation](values)

    def multiply(self, x: ArrayLike) -> Product:
        """Return the layer's products, biases included, for inputs ``(batch, n_in)``.

        Inputs beyond `input_range` are not clipped: the largest of this call maps to the read
        voltage instead, which makes the others' voltages smaller. `extended` counts such calls.

        Raises
        ------
        DataError
            If the inputs are not finite or not of shape ``(batch, n_in)``, or something else was
            programmed since.
        LimitError
            If the crossbar refuses the request.
        """
        inputs = with_bias(check_inputs(x, len(self.layer.weights)))
        largest = self.reach(inputs)
        product = self.crossbar.matmul(inputs, self.index, input_range=largest)
        expected = inputs @ self.layer.matrix
        # Far above rounding, far below what another matrix would give.
        same = 1e-9 * largest * np.abs(self.layer.matrix).sum(axis=0)
        if not np.all(np.abs(product.digital - expected) <= same):
            raise DataError(f"layer {self.index} is not on the crossbar any more: offload it again")
        self.runs += 1
        self.extended += largest > self.input_range
        return product

    def reach(self, inputs: Array) -> float:
        """Return the magnitude that a call with these inputs, biases included, drives at most."""
        return max(self.input_range, float(np.abs(inputs).max(initial=0.0)))

    def beyond(self, x: Array) -> int:
        """Return how many of the inputs, shape ``(batch, n_in)``, go beyond `input_range`."""
        return int(np.count_nonzero(np.abs(x).max(axis=1, initial=0.0) > self.input_range))


@dataclass(frozen=True, slots=True, eq=False)
class HardwareNetwork:
    """A network whose multiplies run on a crossbar.

    Parameters
    ----------
    network
        What was programmed.
    layers
        The same on the crossbar, with their input ranges and how often these were too small.
    report
        What `Crossbar.program` said about the programming.
    """

    network: Network
    layers: tuple[HardwareLayer, ...]
    report: ProgramReport

    def run(self, x: ArrayLike) -> Inference:
        """Return the scores for inputs ``(batch, n_in)``, with what every multiply did.

        Raises
        ------
        DataError
            If the inputs are not finite or not of shape ``(batch, n_in)``, or something else was
            programmed since.
        LimitError
            If the crossbar refuses the request.
        """
        values = check_inputs(x, self.network.widths[0])
        products, beyond = [], []
        for layer in self.layers:
            beyond.append(layer.beyond(values))
            values, product = layer.run(values)
            products.append(product)
        return Inference(scores=values, products=tuple(products), beyond=tuple(beyond))

    def calibrate(self, inputs: ArrayLike) -> None:
        """Measure gain and offset of every layer's outputs, and correct products by them from now.

        Lines that fine-tuning put behind earlier products are taken away. Worth repeating:
        conductances relax and drift after they were programmed.

        Parameters
        ----------
        inputs
            Typical inputs of the network, shape ``(n, n_in)``; up to `CALIBRATION_INPUTS` of them,
            propagated in software, are used.

        Raises
        ------
        DataError
            If there are fewer than `MIN_INPUTS`, or they do not fit the network.
        """
        arriving = _arriving(self.network, inputs)
        chosen = spread_over(len(arriving[0]), CALIBRATION_INPUTS)
        for layer, x in zip(self.layers, arriving, strict=True):
            reach = layer.reach(x[chosen])
            layer.crossbar.calibrate(layer.index, x[chosen], input_range=reach)
            layer.line = None

    def __call__(self, x: ArrayLike) -> Array:
        """Return the scores, shape ``(batch, n_out)``, for inputs of shape ``(batch, n_in)``."""
        return self.run(x).scores


@overload
def offload(
    model: Network,
    crossbar: Multiplier,
    inputs: ArrayLike,
    *,
    calibrate: bool = True,
    progress: Progress | None = None,
) -> HardwareNetwork: ...


@overload
def offload(
    model: "nn.Module",
    crossbar: Multiplier,
    inputs: ArrayLike,
    *,
    calibrate: bool = True,
    progress: Progress | None = None,
) -> "CrossbarNetwork": ...


def offload(
    model: "Network | nn.Module",
    crossbar: Multiplier,
    inputs: ArrayLike,
    *,
    calibrate: bool = True,
    progress: Progress | None = None,
) -> "HardwareNetwork | CrossbarNetwork":
    """Program a network onto a crossbar, calibrate it, and return it ready to run.

    Parameters
    ----------
    model
        A `Network`, or a torch module that `crossbar.torch_layers.from_torch` can read. The torch
        module that comes back gives the same results.
    crossbar
        Programmed with every layer at once, biases as one more word line.
    inputs
        Training inputs, shape ``(n, n_in)``: they set each layer's input range, and up to
        `CALIBRATION_INPUTS` of them, propagated in software, calibrate each layer.
    calibrate
        Measure gain and offset of every output after programming, with `HardwareNetwork.calibrate`;
        otherwise the products stay as the array gives them until that is called.
    progress
        Handed to `Crossbar.program`.

    Raises
    ------
    DataError
        If the model is of another kind or has parts that cannot run on a crossbar, or the inputs
        do not fit it.
    CapacityError
        If the layers do not fit the array.
    """
    if isinstance(model, Network):
        return _offload(model, crossbar, inputs, calibrate, progress)
    # Whoever has a torch module has imported torch; nobody else should wait for it.
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(model, torch.nn.Module):
        raise DataError(f"a {type(model).__name__} is neither a Network nor a torch module")
    from crossbar.torch_layers import CrossbarNetwork, from_torch

    return CrossbarNetwork(_offload(from_torch(model), crossbar, inputs, calibrate, progress))


def _offload(
    network: Network,
    crossbar: Multiplier,
    inputs: ArrayLike,
    calibrate: bool,
    progress: Progress | None,
) -> HardwareNetwork:
    arriving = _arriving(network, inputs)
    report = crossbar.program(*(layer.matrix for layer in network.layers), progress=progress)
    layers = tuple(
        HardwareLayer(layer, crossbar, k, float(np.abs(x).max()))
        for k, (layer, x) in enumerate(zip(network.layers, arriving, strict=True))
    )
    hardware = HardwareNetwork(network=network, layers=layers, report=report)
    if calibrate:
        hardware.calibrate(inputs)
    return hardware


def spread_over(inputs: int, count: int) -> Indices:
    """Return which of the inputs to take, up to `count` of them: they may be sorted by class."""
    return np.unique(np.linspace(0, inputs - 1, count).astype(np.intp))


def _arriving(network: Network, inputs: ArrayLike) -> list[Array]:
    """Return what reaches each layer in software, with the constant 1 of the biases."""
    arriving = [with_bias(x) for x in network.activations(inputs)[:-1]]
    if len(arriving[0]) < MIN_INPUTS:
        raise DataError(
            f"{len(arriving[0])} training inputs are too few; a calibration needs {MIN_INPUTS}"
        )
    return arriving
