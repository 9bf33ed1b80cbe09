"""A feed-forward network in NumPy: what is trained in software and multiplied on a crossbar."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import Array, DataError

Labels: TypeAlias = NDArray[np.int64]


def _relu(z: Array) -> Array:
    return np.maximum(z, 0.0)


def _sigmoid(z: Array) -> Array:
    # The logistic function through tanh: exp(-z) would overflow for large negative z.
    return 0.5 * (1.0 + np.tanh(0.5 * z))


def _linear(z: Array) -> Array:
    return z


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": _linear,
    "relu": _relu,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
}


def with_bias(x: Array) -> Array:
    """Return the inputs with the constant 1 that drives the word line of the biases.

    Parameters
    ----------
    x
        Shape ``(batch, n_in)``; the result has shape ``(batch, n_in + 1)``.
    """
    return np.column_stack([x, np.ones(len(x))])


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One dense layer: ``activation(x @ weights + biases)``.

    Parameters
    ----------
    weights
        Shape ``(n_in, n_out)``; torch's ``Linear.weight`` is the transpose.
    biases
        Shape ``(n_out,)``.
    activation
        A name in `ACTIVATIONS`.

    Raises
    ------
    DataError
        If the shapes do not fit, a value is not finite, or the activation is unknown.
    """

    weights: Array
    biases: Array
    activation: str = "linear"

    def __post_init__(self) -> None:
        for name, axes in (("weights", 2), ("biases", 1)):
            values = _numbers(getattr(self, name), name).copy()
            if values.ndim != axes or values.size == 0:
                raise DataError(f"{name} have shape {values.shape}; a layer needs {axes} axes")
            # The crossbar keeps what was programmed: a layer that changed later would not match.
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        if self.weights.shape[1] != len(self.biases):
            raise DataError(f"{len(self.biases)} biases do not fit weights {self.weights.shape}")
        if self.activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise DataError(f"activation {self.activation!r} is unknown; known are {known}")

    @property
    def matrix(self) -> Array:
        """The weights with the biases as one more row: what the crossbar is programmed with."""
        return np.vstack([self.weights, self.biases])

    def __call__(self, x: ArrayLike) -> Array:
        """Return the layer's outputs, shape ``(batch, n_out)``, for ``(batch, n_in)``."""
        checked = check_inputs(x, len(self.weights))
        return ACTIVATIONS[self.activation](checked @ self.weights + self.biases)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Dense layers one after the other.

    Parameters
    ----------
    layers
        In the order in which they are applied.

    Raises
    ------
    DataError
        If there is no layer, or one layer's outputs are not as many as the next one's inputs.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise DataError("a network needs at least one layer")
        for k, (before, after) in enumerate(pairwise(self.layers)):
            if len(before.biases) != len(after.weights):
                raise DataError(
                    f"layer {k} has {len(before.biases)} outputs, "
                    f"layer {k + 1} takes {len(after.weights)}"
                )

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of inputs, then the number of outputs of every layer."""
        return (len(self.layers[0].weights), *(len(layer.biases) for layer in self.layers))

    def activations(self, x: ArrayLike) -> tuple[Array, ...]:
        """Return the inputs of every layer in order, and the scores as the last entry.

        Parameters
        ----------
        x
            Shape ``(batch, n_in)``.

        Raises
        ------
        DataError
            If the shape is another one or a value is not finite.
        """
        values = [check_inputs(x, self.widths[0])]
        for layer in self.layers:
            values.append(layer(values[-1]))
        return tuple(values)

    def __call__(self, x: ArrayLike) -> Array:
        """Return the scores, shape ``(batch, n_out)``, for inputs of shape ``(batch, n_in)``."""
        return self.activations(x)[-1]


def classify(scores: ArrayLike) -> Labels:
    """Return the class of each score of a network with one output: 1 above 0, otherwise 0.

    Parameters
    ----------
    scores
        Shape ``(batch, 1)``; the result has shape ``(batch,)``.

    Raises
    ------
    DataError
        If there is not exactly one output, or a score is not finite.
    """
    return (check_inputs(scores, 1)[:, 0] > 0).astype(np.int64)


def check_inputs(x: ArrayLike, columns: int) -> Array:
    """Return `x` as float64 of shape ``(batch, columns)``.

    Raises
    ------
    DataError
        If the shape is another one or a value is not finite.
    """
    values = _numbers(x, "inputs")
    if values.ndim != 2 or values.shape[1] != columns:
        raise DataError(f"inputs have shape {values.shape}; (batch, {columns}) is needed")
    return values


def _numbers(values: ArrayLike, name: str) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} are not an array of numbers: {error}") from error
    if not np.all(np.isfinite(array)):
        raise DataError(f"{name} hold NaN or infinity; every value must be finite")
    return array


def save(network: Network, path: Path | str) -> None:
    """Write a network to a NumPy ``.npz`` file; the file name is used as it is given."""
    arrays: dict[str, NDArray[np.float64] | NDArray[np.str_]] = {}
    for k, layer in enumerate(network.layers):
        arrays[f"weights_{k}"] = layer.weights
        arrays[f"biases_{k}"] = layer.biases
    arrays["activations"] = np.array([layer.activation for layer in network.layers])
    with Path(path).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # the stub mistakes **arrays for allow_pickle


def load(path: Path | str) -> Network:
    """Return the network that `save` wrote; nothing in the file is executed.

    Raises
    ------
    DataError
        If the file cannot be read or is not a network.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = [str(name) for name in arrays["activations"]]
            layers = tuple(
                Layer(arrays[f"weights_{k}"], arrays[f"biases_{k}"], name)
                for k, name in enumerate(names)
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a saved network: {error}") from error
    return Network(layers)
