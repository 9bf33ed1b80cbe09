"""What noisy copies of a network vote: every parameter multiplied by a random factor of its own."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import Array, DataError
from crossbar.network import ACTIVATIONS, Network, check_inputs

AT_ONCE = 60_000
"""Numbers per layer held at once: what a processor keeps near, found by trial (4 times faster)."""


def n_parameters(network: Network) -> int:
    """Return the number of weights and biases, which is the number of factors of one copy."""
    return sum(layer.matrix.size for layer in network.layers)


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
    points, given = _checked(network, x, factors)
    step = max(1, AT_ONCE // (len(points) * max(network.widths)))
    found = np.empty((len(given), len(points)), dtype=np.int16)
    for start in range(0, len(given), step):
        scores = _scores(network, points, given[start : start + step])
        one = scores.shape[1] == 1
        found[start : start + step] = scores[:, 0] > 0 if one else np.argmax(scores, axis=1)
    return found


def noisy_scores(network: Network, x: ArrayLike, factors: ArrayLike) -> Array:
    """Return the scores of noisy copies, shape ``(copies, outputs, points)``.

    Parameters, and what is raised, as in `noisy_classes`; all are held at once.
    """
    return _scores(network, *_checked(network, x, factors))


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


def _checked(network: Network, x: ArrayLike, factors: ArrayLike) -> tuple[Array, Array]:
    return check_inputs(x, network.widths[0]), check_inputs(factors, n_parameters(network))


def _scores(network: Network, points: Array, factors: Array) -> Array:
    # Points come last, so that every step runs along the longest axis.
    values, start = points.T, 0
    for layer in network.layers:
        matrix = layer.matrix
        chosen = factors[:, start : start + matrix.size].reshape(-1, *matrix.shape)
        noisy = (chosen * matrix).transpose(0, 2, 1)
        values = ACTIVATIONS[layer.activation](noisy[:, :, :-1] @ values + noisy[:, :, -1:])
        start += matrix.size
    return values
