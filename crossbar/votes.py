"""What noisy copies of a network vote: every parameter multiplied by a random factor of its own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import Array, DataError
from crossbar.certificates.trinomial import Trinomial
from crossbar.network import ACTIVATIONS, Network, check_inputs

AT_ONCE = 60_000
"""Numbers per layer held at once: what a processor keeps near, found by trial (4 times faster)."""


def n_parameters(network: Network) -> int:
    """Return the number of weights and biases, which is the number of factors of one copy."""
    return sum(layer.matrix.size for layer in network.layers)


def n_noisy(network: Network) -> int:
    """Return the number of parameters that a factor changes: those that are not 0."""
    return sum(int(np.count_nonzero(layer.matrix)) for layer in network.layers)


def lognormal_factors(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Array:
    """Return independent factors ``exp(sigma N)``."""
    return np.exp(sigma * rng.standard_normal(shape))


def trinomial_factors(shape: tuple[int, ...], noise: Trinomial, rng: np.random.Generator) -> Array:
    """Return independent factors 0, 0.5 and 1 with the noise's probabilities."""
    uniform = rng.random(shape)
    return 0.5 * ((uniform >= noise.p1).astype(np.float64) + (uniform >= noise.p1 + noise.p2))


def n_classes(network: Network) -> int:
    """Return the number of classes: 2 for one output, otherwise one per output."""
    return max(network.widths[-1], 2)


def noisy_classes(network: Network, x: ArrayLike, factors: ArrayLike) -> NDArray[np.int16]:
    """Return the class that each noisy copy of a network gives each point.

    Parameters
    ----------
    x
        Shape ``(points, n_in)``.
    factors
        Shape ``(copies, n_parameters)``: of each layer's weights, by input and then output, and
        then of its biases.

    Returns
    -------
    array
        Shape ``(copies, points)``: 1 where the only output is above 0, otherwise 0; of several
        outputs, the number of the largest one.

    Raises
    ------
    DataError
        If a shape does not fit, or a number is not finite.
    """
    points = check_inputs(x, network.widths[0])
    given = check_inputs(factors, n_parameters(network))
    step = max(1, AT_ONCE // (len(points) * max(network.widths)))
    found = np.empty((len(given), len(points)), dtype=np.int16)
    for start in range(0, len(given), step):
        chosen = slice(start, start + step)
        found[chosen] = _classes(network, points, given[chosen])
    return found


def counted(classes: NDArray[np.int16], n: int) -> NDArray[np.int64]:
    """Return how many copies vote for each class at each point, shape ``(points, n)``.

    Parameters
    ----------
    classes
        From `noisy_classes`.
    n
        Number of classes.

    Raises
    ------
    DataError
        If a class is not among them.
    """
    counts = np.stack([np.count_nonzero(classes == k, axis=0) for k in range(n)], axis=1)
    if counts.sum() != classes.size:
        raise DataError(f"votes for a class that is not among 0 to {n - 1}")
    return counts


def _classes(network: Network, points: Array, factors: Array) -> NDArray[np.int16]:
    # Points come last, so that every step runs along the longest axis.
    values, start = points.T, 0
    for layer in network.layers:
        matrix = layer.matrix
        chosen = factors[:, start : start + matrix.size].reshape(-1, *matrix.shape)
        noisy = (chosen * matrix).transpose(0, 2, 1)
        values = noisy[:, :, :-1] @ values + noisy[:, :, -1:]
        values = ACTIVATIONS[layer.activation](values)
        start += matrix.size
    if values.shape[1] == 1:
        return np.asarray(values[:, 0] > 0, dtype=np.int16)
    return np.asarray(np.argmax(values, axis=1), dtype=np.int16)
