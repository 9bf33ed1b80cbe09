"""Search a space point by point, so that what an interrupted search had found is not found again.

The points are those of `crossbar.bayesopt.Study`; what a point gives is arrays, kept under a name
of its own as soon as they are there. From these arrays alone a search goes on, and is drawn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import DataError
from crossbar.bayesopt import Study, StudySettings
from crossbar.search_space import Point, Space
from crossbar.store import Arrays

VALUE = "value"
"""The array by which points are compared: one number, the larger the better; NaN of a failure."""
VARIABLES, NUMBERS = "variables", "numbers"
"""The arrays that say which point it was: names, and numbers (of a choice its index)."""

Evaluate: TypeAlias = Callable[[Point], Mapping[str, ArrayLike]]
"""Returns what is kept of a point, `VALUE` among it."""
Finished: TypeAlias = Callable[[str], Arrays | None]
"""Returns what is kept under a name by an interrupted search; None if nothing is."""
Keep: TypeAlias = Callable[[str, Arrays], None]
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A point and what it gave.

    Parameters
    ----------
    point
        What was evaluated.
    value
        What it is worth; None if the evaluation failed.
    arrays
        Everything kept of it.
    """

    point: Point
    value: float | None
    arrays: Arrays


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A finished search.

    Parameters
    ----------
    space
        What was searched.
    evaluations
        In their order.
    """

    space: Space
    evaluations: tuple[Evaluation, ...]

    @property
    def best(self) -> Evaluation:
        """The evaluation with the largest value, the first of several.

        Raises
        ------
        DataError
            If every evaluation failed.
        """
        found = [(e.value, -k) for k, e in enumerate(self.evaluations) if e.value is not None]
        if not found:
            raise DataError(f"all {len(self.evaluations)} evaluations of the search failed")
        return self.evaluations[-max(found)[1]]


def search(
    space: Space,
    evaluate: Evaluate,
    settings: StudySettings,
    evaluations: int,
    seed: int,
    *,
    first: Sequence[Point] = (),
    name: str = "search",
    finished: Finished = lambda name: None,
    keep: Keep = lambda name, arrays: None,
    progress: Progress = lambda done, total: None,
) -> History:
    """Return the history of a search for the point with the largest value.

    Parameters
    ----------
    space
        What is searched.
    evaluate
        Given a point, returns what is kept of it. If it draws random numbers, let them be the same
        for every point: what differs then is the point.
    settings
        How points are chosen.
    evaluations
        In all.
    seed
        Of the choice.
    first
        Points to begin with, in place of as many that fill the space.
    name
        Evaluation k is kept as ``<name>/<k>``.
    finished
        Asked before each evaluation; what it returns takes the place of the evaluation.
    keep
        Called after each evaluation that was made.
    progress
        Called with the evaluations done and in all.

    Raises
    ------
    DataError
        If an evaluation has no single `VALUE`, or what was kept is of another space.
    """
    study = Study(space, settings, seed)
    made: list[Evaluation] = []
    for k in range(evaluations):
        progress(k, evaluations)
        arrays = finished(f"{name}/{k}")
        if arrays is None:
            point = first[k] if k < len(first) else study.ask()
            arrays = _described(space, point, evaluate(point))
            keep(f"{name}/{k}", arrays)
        made.append(_evaluation(space, arrays, f"{name}/{k}"))
        study.tell(made[-1].point, made[-1].value)
    progress(evaluations, evaluations)
    return History(space, tuple(made))


def _described(space: Space, point: Point, given: Mapping[str, ArrayLike]) -> Arrays:
    arrays = {name: np.asarray(value) for name, value in given.items()}
    if VALUE not in arrays or arrays[VALUE].shape != ():
        raise DataError(f"an evaluation is to give one number called {VALUE!r}")
    return arrays | {VARIABLES: np.array(space.names), NUMBERS: space.numbers(point)}


def _evaluation(space: Space, arrays: Arrays, name: str) -> Evaluation:
    if tuple(arrays.get(VARIABLES, ())) != space.names:
        raise DataError(f"{name} is not of a search over {', '.join(space.names)}")
    value = float(arrays[VALUE])
    point = space.point(arrays[NUMBERS])
    return Evaluation(point, value if np.isfinite(value) else None, arrays)
