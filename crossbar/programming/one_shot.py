"""The one-shot policy: a pulse that should be right at once, then the loop for what is left."""

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from crossbar.backend import Array, BenchError, DataError, Indices, Mask, Second, Volt
from crossbar.programming.policy import Policy, Pulses
from crossbar.programming.predictor.file import load_predictor, parse_predictor
from crossbar.programming.predictor.predictor import Predictor
from crossbar.tables import build

BUILT_IN = ("perovskite", "jart-v1b")
"""Predictors that come with the program, by the simulated device that they were made for."""


@dataclass(frozen=True, slots=True)
class OneShotSettings:
    """Which predictor, how often it may try, and what follows it.

    Parameters
    ----------
    predictor
        A name in `BUILT_IN`, or the path of a file of `save_predictor`.
    fallback
        Policy that goes on where the predictor left a cell, a name in `POLICIES`.
    attempts
        Pulses of the predictor for each cell, before the fallback takes over.
    width_min, width_max
        Shortest and longest pulse of the predictor, s.
    loop
        Settings of the fallback; its own defaults where left out.

    Raises
    ------
    BenchError
        If the predictor cannot be read, the fallback does not exist, or a value is out of its
        domain.

    Notes
    -----
    A bench accepts the policy only if it accepts the strongest amplitude and the longest width of
    both parts; the loop probes cells that do not move with the two together.
    """

    predictor: str = "perovskite"
    fallback: str = "ispp"
    attempts: int = 1
    width_min: Second = 1e-6
    width_max: Second = 10e-3
    loop: dict[str, object] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise BenchError(f"one-shot attempts = {self.attempts}: at least one is needed")
        if not 0 < self.width_min <= self.width_max < np.inf:
            raise BenchError(
                f"one-shot widths of {self.width_min} s to {self.width_max} s are no range"
            )
        _ = self.learnt, self.then

    @property
    def learnt(self) -> Predictor:
        """The predictor itself."""
        try:
            if self.predictor in BUILT_IN:
                return _built_in(self.predictor)
            # The file may be written again while the program runs.
            path = Path(self.predictor).absolute()
            return _loaded(path, path.stat().st_mtime_ns)
        except OSError as problem:
            raise BenchError(
                f"one-shot predictor {self.predictor!r} is neither a file nor one of "
                f"{', '.join(BUILT_IN)}"
            ) from problem
        except DataError as problem:
            raise BenchError(f"one-shot: {problem}") from problem

    @property
    def then(self) -> Pulses:
        """The settings of the fallback."""
        from crossbar.programming import POLICIES  # the table that this policy is in itself

        if self.fallback not in POLICIES or POLICIES[self.fallback] is OneShotSettings:
            known = ", ".join(n for n, made in POLICIES.items() if made is not OneShotSettings)
            raise BenchError(f"one-shot fallback = {self.fallback!r} is not one of {known}")
        return build(POLICIES[self.fallback], self.loop, f"one-shot loop ({self.fallback})")

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Amplitudes of SET and RESET, V: the larger of predictor and fallback."""
        own, other = self.learnt.strongest, self.then.strongest
        return max(own[0], other[0]), min(own[1], other[1])

    @property
    def widths(self) -> tuple[Second, Second]:
        """Shortest and longest width of both, s."""
        low, high = self.then.widths
        return min(low, self.width_min), max(high, self.width_max)

    def policy(self, count: int) -> "OneShot":
        """Return the policy for this many cells."""
        ends = self.width_min, self.width_max
        return OneShot(count, self.learnt, self.then.policy(count), ends, self.attempts)


class OneShot:
    """Asks the predictor for a cell's first pulses, and a loop policy for the others.

    Parameters
    ----------
    count
        Number of cells.
    predictor
        Says amplitude and width.
    fallback
        Goes on; for it a cell begins where the predictor left it.
    widths
        Shortest and longest pulse of the predictor, s.
    attempts
        Pulses of the predictor for each cell.

    References
    ----------
    The idea of Ouroboros, arXiv 2403.06712: a network that maps the wanted update to a pulse.
    """

    def __init__(
        self,
        count: int,
        predictor: Predictor,
        fallback: Policy,
        widths: tuple[Second, Second],
        attempts: int = 1,
    ) -> None:
        self._predictor, self._fallback = predictor, fallback
        self._widths, self._attempts = widths, attempts
        self._tried = np.zeros(count, dtype=np.intp)
        self._looping = np.zeros(count, dtype=np.bool_)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        amplitude, width = np.empty(len(index)), np.empty(len(index))
        left = self._tried[index] >= self._attempts
        for chosen, asked in ((~left, self._shoot), (left, self._fallback.next)):
            if chosen.any():
                amplitude[chosen], width[chosen] = asked(
                    index[chosen], conductance[chosen], target[chosen]
                )
        self._looping[index] = left
        return amplitude, width

    def _shoot(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        self._tried[index] += 1
        return self._predictor.pulses(conductance, target, *self._widths)

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse was the strongest of the fallback.

        After a pulse of the predictor there is always the fallback left.
        """
        done = self._looping[index].copy()
        if done.any():
            done[done] = self._fallback.exhausted(index[done])
        return done


@lru_cache(maxsize=8)
def _built_in(name: str) -> Predictor:
    file = resources.files("crossbar") / "programming" / "predictor" / f"{name}.toml"
    return parse_predictor(file.read_text("utf-8"), name)


@lru_cache(maxsize=8)
def _loaded(path: Path, changed: int) -> Predictor:
    del changed  # only tells versions of the file apart
    return load_predictor(path)
