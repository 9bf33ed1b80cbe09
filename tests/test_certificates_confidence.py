import numpy as np
import pytest
from scipy.stats import binom

from crossbar.backend import DataError
from crossbar.certificates.confidence import decide, interval, lower_limit


@pytest.mark.parametrize("alpha", [0.05, 1e-3])
@pytest.mark.parametrize("trials", [1, 7, 60])
def test_the_limit_is_above_the_truth_no_more_often_than_alpha(trials: int, alpha: float) -> None:
    counts = np.arange(trials + 1)
    limits = lower_limit(counts, trials, alpha)
    # The limits are where the probability jumps: just below each of them it is largest.
    for truth in np.concatenate([np.linspace(0.001, 0.999, 200), limits[1:] * (1 - 1e-9)]):
        wrong = binom.pmf(counts, trials, truth)[limits > truth].sum()
        assert wrong <= alpha * (1 + 1e-6)


def test_the_limit_is_the_share_under_which_so_many_successes_have_probability_alpha() -> None:
    limits = lower_limit([1, 400, 990, 1000], 1000, 0.01)
    tails = binom.sf(np.array([0, 399, 989, 999]), 1000, limits)
    assert tails == pytest.approx(np.full(4, 0.01), rel=1e-6)


def test_the_limit_at_the_ends_is_the_closed_form() -> None:
    assert lower_limit(0, 50, 0.01) == 0
    assert lower_limit(50, 50, 0.01) == pytest.approx(0.01 ** (1 / 50))


def test_the_interval_covers_from_both_sides() -> None:
    trials, counts = 40, np.arange(41)
    bounds = np.array([interval(int(k), trials) for k in counts])
    for truth in np.linspace(0.01, 0.99, 99):
        outside = (bounds[:, 0] > truth) | (bounds[:, 1] < truth)
        assert binom.pmf(counts, trials, truth)[outside].sum() <= 0.05
    low, high = interval(0, 40)
    assert low == 0
    assert high == pytest.approx(1 - 0.025 ** (1 / 40))


def test_the_class_is_chosen_by_the_first_votes_and_bounded_by_the_second() -> None:
    decision = decide([[3, 7], [6, 4], [5, 5]], [[10, 90], [20, 80], [49, 51]], 0.05)
    assert decision.classes.tolist() == [1, 0, 0]
    expected = lower_limit([90, 20, 49], 100, 0.05)
    np.testing.assert_array_equal(decision.shares, expected)
    # The second point's class was chosen by chance: its few votes make it abstain.
    assert decision.abstained.tolist() == [False, True, True]


def test_choosing_and_counting_with_the_same_votes_would_be_wrong_too_often() -> None:
    # Two equally likely classes: whatever is chosen, its true share is a half.
    rng, alpha = np.random.default_rng(0), 0.05
    counts = rng.binomial(200, 0.5, size=20_000)
    votes = np.column_stack([200 - counts, counts])
    first = rng.binomial(200, 0.5, size=20_000)
    apart = decide(np.column_stack([200 - first, first]), votes, alpha)
    wrong = np.mean(apart.shares > 0.5)
    assert wrong <= alpha
    both = np.mean(decide(votes, votes, alpha).shares > 0.5)
    # Whichever class came out best: either of two errors.
    assert both > alpha
    assert both == pytest.approx(2 * wrong, rel=0.1)


def test_counts_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(DataError, match="points, classes"):
        decide([[1, 2]], [[1, 2], [3, 4]], 0.01)
    with pytest.raises(DataError, match="need the same"):
        decide([[1, 2], [1, 2]], [[1, 2], [3, 4]], 0.01)
    with pytest.raises(DataError, match="alpha"):
        lower_limit(1, 2, 1.0)
    with pytest.raises(DataError, match="number of trials"):
        lower_limit(3, 2, 0.1)
