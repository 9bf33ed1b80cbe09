import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm

from crossbar.backend import DataError
from crossbar.bayesopt import Study, StudySettings
from crossbar.search_space import Categorical, Continuous, Limit, Ordinal, Point, Space

BOX = Space((Continuous("a", 0.0, 1.0), Continuous("b", 0.0, 2.0)))
HALF = Space(BOX.variables, (Limit((("a", 1.0), ("b", 1.0)), 0.8),))
GRID = Space(
    (
        Categorical("type", ("x", "y", "z")),
        Ordinal("length", tuple(np.linspace(1, 3, 7))),
        Ordinal("width", tuple(np.linspace(0, 1, 6))),
    )
)
SHORT = StudySettings(initial=4, candidates=256)


def number(point: Point, name: str) -> float:
    return float(point[name])


def bowl(point: Point) -> float:
    """Largest, 0, at a = 0.3 and b = 1.2."""
    return -((number(point, "a") - 0.3) ** 2) - 0.5 * (number(point, "b") - 1.2) ** 2


def ridge(point: Point) -> float:
    """Largest, 1, at type y, length 2 and width 0.4."""
    off = (number(point, "length") - 2) ** 2 + 2 * (number(point, "width") - 0.4) ** 2
    return {"x": 0.5, "y": 1.0, "z": 0.8}[str(point["type"])] * float(np.exp(-2 * off))


def run(study: Study, value: Callable[[Point], float | None], count: int) -> list[Point]:
    asked = []
    for _ in range(count):
        point = study.ask()
        asked.append(point)
        study.tell(point, value(point))
    return asked


def test_the_optimum_of_a_quadratic_is_found_and_better_than_by_chance() -> None:
    ours, chance = [], []
    for seed in range(3):
        study = Study(BOX, SHORT, seed)
        run(study, bowl, 14)
        value = study.best().value
        assert value is not None
        ours.append(-value)
        rng = np.random.default_rng(seed)
        draws = BOX.points(rng.random((14, 2)))
        chance.append(-max(bowl(point) for point in draws))
    assert max(ours) < 1e-3
    assert np.mean(ours) < 0.1 * np.mean(chance)


def test_no_limit_is_ever_exceeded_and_an_optimum_at_one_is_approached() -> None:
    study = Study(HALF, SHORT, 1)
    # It grows beyond the limit, towards (1, 2); at the limit it is largest at a = 0.5.
    asked = run(study, lambda p: number(p, "b") + 2 * number(p, "a") - number(p, "a") ** 2, 14)
    sums = [number(p, "a") + number(p, "b") for p in asked]
    assert max(sums) <= 0.8 + 1e-9
    assert max(sums) > 0.79
    assert number(study.best().point, "a") == pytest.approx(0.5, abs=0.1)


def test_the_same_seed_asks_the_same_and_another_one_does_not() -> None:
    first, again, other = (run(Study(BOX, SHORT, seed), bowl, 7) for seed in (5, 5, 6))
    assert first == again
    assert first != other


@pytest.mark.parametrize("space", [BOX, GRID], ids=["box", "grid"])
def test_a_study_told_the_same_goes_on_the_same(space: Space) -> None:
    value = bowl if space is BOX else ridge
    whole = Study(space, SHORT, 2)
    asked = run(whole, value, 8)
    for known in (2, 6):
        resumed = Study(space, SHORT, 2)
        for told in whole.told[:known]:
            resumed.tell(told.point, told.value)
        assert run(resumed, value, 8 - known) == asked[known:]


def test_asking_changes_nothing() -> None:
    study = Study(BOX, SHORT, 2)
    run(study, bowl, 5)
    assert study.ask() == study.ask()


def test_the_grid_is_asked_for_once_each_until_it_is_exhausted() -> None:
    small = Space((Ordinal("length", (1.0, 2.0, 3.0)), Categorical("type", ("x", "y"))))
    study = Study(small, StudySettings(initial=2), 0)
    asked = run(study, lambda p: number(p, "length") + (p["type"] == "y"), 6)
    assert len({tuple(point.values()) for point in asked}) == 6
    with pytest.raises(DataError, match="all 6 points of length, type are taken"):
        study.ask()


def test_filling_a_grid_does_not_ask_for_what_was_told() -> None:
    pair = Space((Ordinal("length", (1.0, 2.0)), Ordinal("width", (1.0, 2.0))))
    study = Study(pair, StudySettings(initial=4), 0)
    asked = run(study, lambda p: 1.0, 4)
    assert len({tuple(point.values()) for point in asked}) == 4


def test_on_a_grid_the_largest_expected_improvement_of_all_free_points_is_asked_for() -> None:
    study = Study(GRID, SHORT, 3)
    rng = np.random.default_rng(0)
    points = GRID.points(GRID.grid())
    for k in rng.choice(len(points), 12, replace=False):
        study.tell(points[k], ridge(points[k]))
    told = [t.point for t in study.told]
    best = study.posterior(told)[0].max()
    free = [point for point in points if point not in told]
    mean, sd = study.posterior(free)
    z = (mean - best) / sd
    improvement = (mean - best) * norm.cdf(z) + sd * norm.pdf(z)
    assert study.ask() == free[int(np.argmax(improvement))]


def test_on_a_box_hardly_any_point_has_a_larger_expected_improvement() -> None:
    study = Study(BOX, StudySettings(initial=4), 3)
    run(study, bowl, 9)
    best = study.posterior([told.point for told in study.told])[0].max()
    others = BOX.points(np.random.default_rng(0).random((4000, 2)))
    mean, sd = study.posterior([study.ask(), *others])
    z = (mean - best) / sd
    improvement = (mean - best) * norm.cdf(z) + sd * norm.pdf(z)
    assert improvement[0] >= 0.99 * improvement.max()


def test_a_grid_of_choices_and_levels_is_searched_faster_than_by_chance() -> None:
    needed = []
    for seed in range(3):
        study = Study(GRID, SHORT, seed)
        while not study.told or (study.best().value or 0) < 0.98:
            run(study, ridge, 1)
            assert len(study.told) < 40
        needed.append(len(study.told))
    # One point of 126 is the best: by chance 63 are needed on average.
    assert np.mean(needed) < 25


def test_points_asked_together_differ_and_avoid_what_is_pending() -> None:
    study = Study(BOX, SHORT, 2)
    run(study, bowl, 6)
    points = study.batch(3)
    rows = BOX.rows(points)
    distances = np.linalg.norm(rows[:, None] - rows, axis=-1)[np.triu_indices(3, 1)]
    assert distances.min() > 1e-3
    assert study.ask(pending=points[:1]) == points[1]
    assert points[0] == study.ask()


def test_pending_points_count_among_the_initial_ones() -> None:
    study = Study(BOX, SHORT, 2)
    assert study.batch(4) == run(Study(BOX, SHORT, 2), bowl, 4)


def test_points_off_the_grid_are_learnt_from() -> None:
    study = Study(GRID, SHORT, 3)
    off: Point = {"type": "y", "length": 1.95, "width": 0.38}
    outside: Point = {"type": "y", "length": 3.6, "width": -0.2}
    for point in (off, outside):
        before = len(study.told)
        study.tell(point, ridge(point))
        assert study.told[before].point == point
    run(study, ridge, 4)
    assert study.posterior([off])[0] == pytest.approx([ridge(off)], abs=0.1)
    assert study.best().point == off


def test_failed_points_are_kept_and_avoided() -> None:
    def failing(point: Point) -> float | None:
        return None if number(point, "a") > 0.5 else number(point, "a")

    study = Study(BOX, SHORT, 0)
    asked = run(study, failing, 14)
    assert sum(told.value is None for told in study.told) >= 1
    later = [number(point, "a") for point in asked[8:]]
    assert np.mean(np.array(later) > 0.5) <= 0.5
    assert number(study.best().point, "a") == pytest.approx(0.5, abs=0.05)


def test_while_everything_fails_the_space_is_filled() -> None:
    study = Study(BOX, SHORT, 0)
    asked = run(study, lambda point: None, 8)
    assert len({tuple(point.values()) for point in asked}) == 8
    with pytest.raises(DataError, match="no point of this study was measured yet"):
        study.best()


def test_under_noise_the_largest_value_told_is_not_the_one_to_beat() -> None:
    rng = np.random.default_rng(3)
    study = Study(GRID, SHORT, 0)
    points = GRID.points(GRID.grid())
    # Each measured four times, from which the model learns how much of a value is luck.
    for k in np.repeat(rng.choice(len(points), 8, replace=False), 4):
        study.tell(points[k], ridge(points[k]) + 0.3 * float(rng.standard_normal()))
    told = [t.point for t in study.told]
    free = [point for point in points if point not in told]
    mean, sd = study.posterior(free)
    asked = []
    luckiest = max(t.value for t in study.told if t.value is not None)
    for best in (float(study.posterior(told)[0].max()), luckiest):
        z = (mean - best) / sd
        asked.append(free[int(np.argmax((mean - best) * norm.cdf(z) + sd * norm.pdf(z)))])
    assert asked[0] != asked[1]
    assert study.ask() == asked[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"initial": 1}, "initial = 1"), ({"candidates": 3}, "candidates"), ({"kernel": "rbf"}, "se")],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        StudySettings(**change)  # type: ignore[arg-type]  # the wrong value is the test


def test_values_and_points_that_are_none_are_refused() -> None:
    study = Study(BOX, SHORT)
    with pytest.raises(DataError, match="failed is None"):
        study.tell({"a": 0.5, "b": 0.5}, float("nan"))
    with pytest.raises(DataError, match="this space has a, b"):
        study.tell({"a": 0.5}, 1.0)
    assert study.told == ()


def test_telling_needs_no_torch() -> None:
    program = (
        "import sys; from crossbar.bayesopt import Study; "
        "from crossbar.search_space import Continuous, Space; "
        "study = Study(Space((Continuous('a', 0.0, 1.0),))); study.tell(study.ask(), 1.0); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
