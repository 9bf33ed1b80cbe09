"""How much log-normal noise each parameter of a network gets, so that its vote can be certified."""

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import Array, DataError
from crossbar.certificates.spreads import Chosen, Spreads
from crossbar.network import Network
from crossbar.votes import n_parameters, noisy_scores

STEP = 0.02
"""Of the logarithm of a parameter, up and down, to see what it does to the score."""
LEAST = 0.02
"""Added to every parameter's part in the score, found by trial: 0.005 and 0.05 certify no more."""


def equal(network: Network, smoothing: float) -> Spreads:
    """Return noise of one sigma for all parameters.

    Raises
    ------
    DataError
        If it is not positive and finite.
    """
    return Spreads(np.full(n_parameters(network), smoothing), _moved(network), _common(network))


def fitted(network: Network, x: ArrayLike, smoothing: float) -> Spreads:
    """Return noise that is larger where the score depends less on a parameter.

    The votes then lose less to noise for the same length of drift that is certified. Any choice
    is valid that does not look at the votes.

    Parameters
    ----------
    network
        With one output.
    x
        Points at which the score is looked at, best those of the training, ``(points, n_in)``.
    smoothing
        The sigma of equal noise under which a drift is as far, in the root mean square over draws.

    Raises
    ------
    DataError
        If the network has several outputs, or the smoothing is not positive and finite.

    Notes
    -----
    Where the score is linear in the logarithms, with gradient a, noise of sigmas s gives a margin
    of ``score / sqrt(sum((a s)**2))`` and drift draws a distance of ``sqrt(sum(1 / s**2))``. Their
    ratio is largest for ``s**2`` proportional to ``1 / |a|``.
    """
    if network.widths[-1] != 1:
        raise DataError(f"the network has {network.widths[-1]} outputs; fitted noise needs one")
    moved = _moved(network)
    relative = (_parts(network, x) + LEAST) ** -0.5
    scale = np.sqrt(np.mean(relative[moved] ** -2.0)) if moved.any() else 1.0
    return Spreads(smoothing * scale * relative, moved, _common(network))


def _parts(network: Network, x: ArrayLike) -> Array:
    """Return each parameter's part in the score's gradient, root mean square over points."""
    n = n_parameters(network)
    steps = np.exp(STEP * np.concatenate([np.eye(n), -np.eye(n)]))
    up, down = np.split(noisy_scores(network, x, steps)[:, 0], 2)
    gradient = (up - down) / (2 * STEP)
    lengths = np.linalg.norm(gradient, axis=0)
    return np.asarray(
        np.sqrt(np.mean((gradient / np.where(lengths > 0, lengths, 1.0)) ** 2, axis=1))
    )


def _moved(network: Network) -> Chosen:
    return np.concatenate([layer.matrix.ravel() != 0 for layer in network.layers])


def _common(network: Network) -> Chosen:
    """Return the parameters of a linear last layer: their common factor multiplies all scores."""
    common = np.zeros(n_parameters(network), dtype=np.bool_)
    if network.layers[-1].activation == "linear":
        common[-network.layers[-1].matrix.size :] = True
    return common
