"""The votes of a network's noisy copies, counted in pieces that a record keeps one by one."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from crossbar.backend import Array
from crossbar.experiments.moons import Progress
from crossbar.network import Labels, Network
from crossbar.resumable import Record
from crossbar.store import Arrays
from crossbar.votes import counted, n_parameters, noisy_classes

LOGNORMAL, TRINOMIAL = LAWS = ("log-normal", "trinomial")
SELECTION = 500
"""Votes that choose the class, before those that are counted for it."""
PIECE = 1000
"""Votes that are recorded together: what an interrupt loses at most."""
CHIPS = 200
"""Copies at each drift that are looked at one by one."""
_VOTES, _CHIPS = 2, 3
"""Keys of the random numbers; 0 and 1 are those of the points and of the training."""


@dataclass(frozen=True, slots=True, eq=False)
class Ballot:
    """Who votes on what.

    Parameters
    ----------
    network
        Without noise.
    inputs
        Points that are voted on, shape ``(n, n_in)``.
    labels
        Of the first of them.
    factors
        ``factors(count, rng)`` returns the factors of so many noisy copies.
    """

    network: Network
    inputs: Array
    labels: Labels
    factors: Callable[[int, np.random.Generator], Array]


def kept(record: Record, name: str, make: Callable[[], Arrays]) -> Arrays:
    """Return a piece of the record; it is made only if an interrupted run did not have it."""
    arrays = record.finished(name)
    if arrays is None:
        arrays = make()
        record.result(name, arrays)
    return arrays


def vote(
    law: str, ballot: Ballot, votes: int, record: Record, seed: int, progress: Progress
) -> None:
    """Let noisy copies vote: first those that choose the class, then those that are counted.

    Parameters
    ----------
    law
        One of `LAWS`.
    votes
        How many are counted.
    record
        Receives ``selection/<law>`` and ``votes/<law>/<k>``.
    seed
        Each piece has its own random numbers, so that it is the same whatever was done before.
    progress
        Told of the votes.
    """
    sizes = [min(PIECE, votes - start) for start in range(0, votes, PIECE)]
    names = [f"selection/{law}", *(f"votes/{law}/{k}" for k in range(len(sizes)))]
    done, total = 0, SELECTION + votes
    for k, (name, size) in enumerate(zip(names, [SELECTION, *sizes], strict=True)):
        progress(f"votes under {law} noise", done, total)
        rng = _generator(seed, _VOTES, LAWS.index(law), k)
        kept(record, name, partial(_piece, ballot, size, rng))
        done += size
    progress(f"votes under {law} noise", total, total)


def chips(ballot: Ballot, drifts: tuple[float, ...], seed: int) -> Arrays:
    """Return the accuracies of single copies that have drifted, shape ``(drifts, CHIPS)``.

    Nothing is proved by them; they are what the certificates do not speak of.
    """
    shape = CHIPS, n_parameters(ballot.network)
    normal = _generator(seed, _CHIPS).standard_normal(shape)
    return {"accuracy": np.array([_accuracy(ballot, np.exp(sigma * normal)) for sigma in drifts])}


def _piece(ballot: Ballot, size: int, rng: np.random.Generator) -> Arrays:
    """Return the votes for class 1 at every point, and what share each copy gets right."""
    classes = noisy_classes(ballot.network, ballot.inputs, ballot.factors(size, rng))
    labels = ballot.labels
    return {
        "votes": np.asarray(size),
        "ones": counted(classes, 2)[:, 1],
        "accuracy": np.mean(classes[:, : len(labels)] == labels, axis=1),
    }


def _accuracy(ballot: Ballot, factors: Array) -> Array:
    classes = noisy_classes(ballot.network, ballot.inputs, factors)
    return np.asarray(np.mean(classes == ballot.labels, axis=1))


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
