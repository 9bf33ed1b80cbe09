import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi, chi2

from crossbar.backend import Array, DataError
from crossbar.certificates.chi_square import WeightedChiSquare
from crossbar.certificates.lognormal import drift_norm
from crossbar.certificates.spreads import Chosen, Spreads

NONE = np.zeros(6, dtype=np.bool_)
ALL = np.ones(6, dtype=np.bool_)
SIGMAS = np.array([0.2, 0.5, 0.3, 1.0, 0.25, 0.7])
LAST = np.array([False, False, False, True, True, True])


def test_equal_weights_are_a_scaled_chi_square() -> None:
    law = WeightedChiSquare(np.full(9, 0.3))
    for q in (0.01, 0.5, 0.95):
        assert law.quantile(q) == pytest.approx(0.3 * chi2.ppf(q, 9), rel=1e-12)
    assert law.cdf(2.0) == pytest.approx(float(chi2.cdf(2.0 / 0.3, 9)), rel=1e-12)


def test_pairs_of_equal_weights_have_a_closed_form() -> None:
    # Two weights twice each: a sum of two exponential variables of means 2a and 2b.
    a, b = 0.4, 3.0
    law = WeightedChiSquare([a, a, b, b])
    for t in (0.5, 3.0, 20.0):
        tail = (a * np.exp(-t / (2 * a)) - b * np.exp(-t / (2 * b))) / (a - b)
        assert law.cdf(t) == pytest.approx(1 - tail, abs=1e-11)
        assert law.quantile(1 - tail) == pytest.approx(t, rel=1e-9)


def test_any_weights_agree_with_draws() -> None:
    weights = np.array([0.04, 0.3, 1.0, 1.0, 2.5])
    law, n = WeightedChiSquare(weights), 400_000
    draws = np.random.default_rng(0).standard_normal((n, 5)) ** 2 @ weights
    for q in (0.05, 0.5, 0.95):
        below = np.mean(draws <= law.quantile(q))
        assert abs(below - q) < 4 * np.sqrt(q * (1 - q) / n)


def test_thousands_of_weights_do_not_underflow() -> None:
    weights = np.random.default_rng(1).uniform(0.02, 0.2, size=3000)
    law = WeightedChiSquare(weights)
    mean, sd = weights.sum(), np.sqrt(2 * (weights**2).sum())
    assert law.quantile(0.5) == pytest.approx(mean, rel=1e-3)
    assert law.quantile(0.975) == pytest.approx(mean + 1.96 * sd, rel=5e-3)


def test_the_distance_of_equal_noise_is_the_norm() -> None:
    noise = Spreads(np.full(6, 0.4), ALL, NONE)
    log_delta = np.random.default_rng(2).normal(size=(5, 6))
    np.testing.assert_allclose(
        noise.distances(log_delta), np.linalg.norm(log_delta, axis=1) / 0.4, rtol=1e-12
    )
    for q in (0.5, 0.95):
        expected = float(drift_norm(0.2, 6, q)) / 0.4
        assert float(noise.drift_distance(0.2, q)) == pytest.approx(expected, rel=1e-9)


def test_a_common_factor_that_no_vote_sees_is_not_counted() -> None:
    noise = Spreads(np.full(6, 0.4), ALL, LAST)
    assert noise.distances(np.where(LAST, 3.0, 0.0)) == pytest.approx(0.0, abs=1e-7)
    # One degree of freedom fewer.
    assert float(noise.drift_distance(0.2, 0.5)) == pytest.approx(0.5 * chi.ppf(0.5, 5), rel=1e-9)


def test_the_distance_is_the_shortest_over_common_factors() -> None:
    noise = Spreads(SIGMAS, ALL, LAST)
    for log_delta in np.random.default_rng(3).normal(size=(8, 6)):

        def length(common: float, given: Array = log_delta) -> float:
            return float(np.linalg.norm((given + common * LAST) / SIGMAS))

        shortest = minimize_scalar(length).fun
        assert float(noise.distances(log_delta)) == pytest.approx(shortest, rel=1e-6)


def test_what_cannot_move_is_not_counted() -> None:
    moved = np.array([True, True, False, True, True, False])
    noise = Spreads(SIGMAS, moved, NONE)
    assert float(noise.distances([0, 0, 9.0, 0, 0, -9.0])) == 0.0
    short = Spreads(SIGMAS[moved], ALL[:4], NONE[:4])
    assert noise.drift_distance(0.1, 0.9) == pytest.approx(short.drift_distance(0.1, 0.9))
    still = Spreads(SIGMAS, NONE, NONE)
    assert float(still.drift_distance(1.0, 0.5)) == 0.0


@pytest.mark.parametrize("common", [NONE, LAST], ids=["all", "up to a common factor"])
def test_the_distance_of_drift_draws_is_as_draws_have_it(common: Chosen) -> None:
    noise, n = Spreads(SIGMAS, ALL, common), 200_000
    draws = noise.distances(0.2 * np.random.default_rng(4).standard_normal((n, 6)))
    for q in (0.5, 0.95):
        below = np.mean(draws <= noise.drift_distance(0.2, q))
        assert abs(below - q) < 4 * np.sqrt(q * (1 - q) / n)


def test_draws_of_the_noise_have_its_sigmas() -> None:
    noise = Spreads(SIGMAS, ALL, NONE)
    logs = np.log(noise.factors(50_000, np.random.default_rng(5)))
    np.testing.assert_allclose(logs.std(axis=0), SIGMAS, rtol=0.02)
    np.testing.assert_allclose(logs.mean(axis=0), 0, atol=0.02)


def test_noise_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(DataError, match="not positive"):
        Spreads(np.zeros(6), ALL, NONE)
    with pytest.raises(DataError, match="fit together"):
        Spreads(SIGMAS, ALL[:2], NONE)
    with pytest.raises(DataError, match="drift sigma"):
        Spreads(SIGMAS, ALL, NONE).drift_distance(np.nan, 0.5)
    with pytest.raises(DataError, match="quantile"):
        Spreads(SIGMAS, ALL, NONE).drift_distance(0.1, 1.0)
    with pytest.raises(DataError, match="weights"):
        WeightedChiSquare([])
