from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array, DataError
from crossbar.merit.lcis import MODES, lcis

few = st.lists(st.integers(-4, 9), min_size=1, max_size=14).map(
    lambda values: np.array(values, dtype=np.float64)
)
many = st.lists(st.floats(1e-9, 1e-3), min_size=1, max_size=60).map(np.array)


def rises(values: Array, eps: float) -> bool:
    return bool((np.diff(values) > eps * np.abs(values[:-1])).all())


@given(few)
def test_the_contiguous_lcis_is_what_trying_all_runs_finds(values: Array) -> None:
    runs = [
        (b - a + 1, values[b] - values[a], -a)
        for a in range(len(values))
        for b in range(a, len(values))
        if rises(values[a : b + 1], 0.0)
    ]
    length, gain, start = max(runs)
    found = lcis(values)
    assert (found.length, found.G_hi - found.G_lo, -found.start) == (length, gain, start)
    assert found.end == found.start + length - 1
    assert (found.G_lo, found.G_hi) == (values[found.start], values[found.end])


@given(few, st.sampled_from([0.0, 0.1, 0.5]))
def test_the_gapped_lcis_is_as_long_as_any_that_trying_all_finds(values: Array, eps: float) -> None:
    values = np.abs(values[:10]) + 1
    longest = max(
        size
        for size in range(1, len(values) + 1)
        if any(rises(values[list(at)], eps) for at in combinations(range(len(values)), size))
    )
    assert lcis(values, "subsequence", eps).length == longest


@given(many, st.sampled_from([0.0, 0.05]))
def test_the_gapped_lcis_is_as_long_as_the_quadratic_one(values: Array, eps: float) -> None:
    longest = np.ones(len(values), dtype=int)
    for i in range(len(values)):
        before = longest[:i][values[i] > (1 + eps) * values[:i]]
        longest[i] = 1 + before.max(initial=0)
    found = lcis(values, "subsequence", eps)
    assert found.length == longest.max()
    assert found.start <= found.end
    assert found.length == 1 or found.G_lo < found.G_hi
    assert (found.G_lo, found.G_hi) == (values[found.start], values[found.end])


@given(many, st.sampled_from(list(MODES)), st.integers(-40, 40))
def test_the_lcis_does_not_depend_on_the_unit(values: Array, mode: str, power: int) -> None:
    own, scaled = lcis(values, mode), lcis(values * 2.0**power, mode)
    assert (own.start, own.end, own.length) == (scaled.start, scaled.end, scaled.length)


@given(many)
def test_a_gapped_lcis_is_never_the_shorter_one(values: Array) -> None:
    assert lcis(values, "subsequence").length >= lcis(values).length


def test_a_rising_curve_is_its_own_lcis() -> None:
    for mode in MODES:
        found = lcis(np.arange(1.0, 40.0), mode)
        assert (found.start, found.end, found.length) == (0, 38, 39)


def test_of_equal_lengths_the_larger_gain_leads_and_then_the_earlier() -> None:
    assert lcis(np.array([1, 2, 1, 5, 1, 5.0])).start == 2
    assert lcis(np.array([3, 2, 1.0])).start == 0


def test_a_rise_within_eps_does_not_count() -> None:
    values = np.array([1.0, 1.05, 1.5, 2.0])
    assert lcis(values, eps=0.1).length == 3


def test_a_missing_conductance_ends_a_run() -> None:
    found = lcis(np.array([1, 2, np.nan, 3, 4, 5]))
    assert (found.start, found.length) == (3, 3)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(DataError, match="there is no LCIS mode 'longest'"):
        lcis(np.ones(3), "longest")
    with pytest.raises(DataError, match="negative"):
        lcis(np.ones(3), eps=-0.1)
    with pytest.raises(DataError, match="no conductance is a number"):
        lcis(np.full(3, np.nan))
