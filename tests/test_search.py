from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import ArrayLike

from crossbar.backend import DataError
from crossbar.bayesopt import Study, StudySettings
from crossbar.search import History, search
from crossbar.search_space import Categorical, Continuous, Point, Space
from crossbar.store import Arrays

SPACE = Space((Continuous("a", 0.0, 1.0), Categorical("type", ("x", "y"))))
SETTINGS = StudySettings(initial=3, candidates=64)


def value(point: Point) -> float:
    return -((float(point["a"]) - 0.4) ** 2) - (point["type"] == "x")


def evaluate(point: Point) -> Mapping[str, ArrayLike]:
    return {"value": value(point), "curve": [float(point["a"]), 2.0]}


def points_of(history: History) -> list[Point]:
    return [evaluation.point for evaluation in history.evaluations]


def test_every_evaluation_is_kept_under_its_own_name_with_its_point() -> None:
    kept: dict[str, Arrays] = {}
    history = search(SPACE, evaluate, SETTINGS, 5, 1, name="search/it", keep=kept.__setitem__)
    assert list(kept) == [f"search/it/{k}" for k in range(5)]
    for evaluation, arrays in zip(history.evaluations, kept.values(), strict=True):
        assert evaluation.value == float(arrays["value"]) == value(evaluation.point)
        assert list(arrays["variables"]) == ["a", "type"]
        assert arrays["numbers"][0] == evaluation.point["a"] == arrays["curve"][0]
        assert ("x", "y")[int(arrays["numbers"][1])] == evaluation.point["type"]
    assert history.best.value == max(e.value for e in history.evaluations if e.value is not None)


def test_the_points_are_those_of_a_study() -> None:
    study, asked = Study(SPACE, SETTINGS, 1), []
    for _ in range(5):
        asked.append(study.ask())
        study.tell(asked[-1], value(asked[-1]))
    assert points_of(search(SPACE, evaluate, SETTINGS, 5, 1)) == asked


@pytest.mark.parametrize("known", [1, 4])
def test_an_interrupted_search_goes_on_as_if_nothing_had_happened(known: int) -> None:
    whole = search(SPACE, evaluate, SETTINGS, 7, 1)
    kept: dict[str, Arrays] = {}
    evaluated = []

    def counting(point: Point) -> Mapping[str, ArrayLike]:
        evaluated.append(point)
        if len(evaluated) == known + 1:
            raise KeyboardInterrupt
        return evaluate(point)

    with pytest.raises(KeyboardInterrupt):
        search(SPACE, counting, SETTINGS, 7, 1, keep=kept.__setitem__)
    assert len(kept) == known
    before = dict(kept)
    resumed = search(SPACE, counting, SETTINGS, 7, 1, finished=before.get, keep=kept.__setitem__)
    assert points_of(resumed) == points_of(whole)
    # The interrupted one was begun twice, no other one was.
    assert len(evaluated) == 8
    assert len(kept) == 7


def test_failures_are_told_as_such_and_never_the_best() -> None:
    told = search(
        SPACE,
        lambda point: {"value": np.nan if point["type"] == "x" else value(point)},
        SETTINGS,
        7,
        1,
    )
    failed = [e for e in told.evaluations if e.value is None]
    assert failed
    assert all(e.point["type"] == "x" for e in failed)
    assert told.best.point["type"] == "y"
    nothing = search(SPACE, lambda point: {"value": np.nan}, SETTINGS, 4, 1)
    with pytest.raises(DataError, match="all 4 evaluations of the search failed"):
        _ = nothing.best


def test_points_to_begin_with_come_first_and_are_learnt_from() -> None:
    first: list[Point] = [{"a": 0.41, "type": "y"}]
    history = search(SPACE, evaluate, SETTINGS, 5, 1, first=first)
    assert points_of(history)[0] == first[0]
    assert points_of(history)[1] == points_of(search(SPACE, evaluate, SETTINGS, 2, 1))[0]


def test_of_equal_values_the_first_is_the_best() -> None:
    history = search(SPACE, lambda point: {"value": 1.0}, SETTINGS, 4, 1)
    assert history.best is history.evaluations[0]


def test_progress_counts_evaluations() -> None:
    seen: list[tuple[int, int]] = []
    search(SPACE, evaluate, SETTINGS, 3, 1, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_what_is_no_evaluation_is_refused() -> None:
    with pytest.raises(DataError, match="one number called 'value'"):
        search(SPACE, lambda point: {"accuracy": 1.0}, SETTINGS, 1, 1)
    with pytest.raises(DataError, match="one number called 'value'"):
        search(SPACE, lambda point: {"value": [1.0, 2.0]}, SETTINGS, 1, 1)
    other = Space((Continuous("b", 0.0, 1.0),))
    kept: dict[str, Arrays] = {}
    search(other, lambda point: {"value": 1.0}, SETTINGS, 1, 1, keep=kept.__setitem__)
    with pytest.raises(DataError, match="search/0 is not of a search over a, type"):
        search(SPACE, evaluate, SETTINGS, 1, 1, finished=kept.get)
