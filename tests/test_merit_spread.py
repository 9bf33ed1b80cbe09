import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from crossbar.backend import DataError
from crossbar.merit.spread import SPREADS, spread, togetherness
from merit_curves import rising


def test_the_papers_form_is_its_equations() -> None:
    G = rising(5, 20, 0.3)
    x = np.log(G / G.mean(axis=0))
    found = spread(G, "paper")
    assert found.sigma == pytest.approx(np.sqrt(np.mean(x**2)))
    assert found.bound == pytest.approx(np.sqrt(100 * found.sigma**2 / chi2.ppf(0.05, 100)))


def test_the_corrected_form_pays_for_the_estimated_means() -> None:
    G = rising(5, 20, 0.3)
    found = spread(G)
    assert found.form == "corrected"
    assert found.sigma == pytest.approx(np.sqrt(np.log(G).var(axis=0, ddof=1).mean()))
    assert found.bound == pytest.approx(np.sqrt(80 * found.sigma**2 / chi2.ppf(0.05, 80)))


def test_equal_deviations_of_a_cycle_count_as_one() -> None:
    rng = np.random.default_rng(0)
    G = np.geomspace(1, 2, 20) * np.exp(0.2 * rng.normal(size=(6, 1)))
    found = spread(G, "correlated")
    assert found.dof == pytest.approx(5)
    assert found.sigma == pytest.approx(np.log(G[:, 0]).std(ddof=1))
    assert togetherness(G) == pytest.approx(1)
    assert togetherness(rising(20, 50, 0.2)) == pytest.approx(0, abs=0.05)


def test_the_correlated_form_is_between_one_number_and_independent_ones() -> None:
    found = spread(rising(8, 30, 0.2), "correlated")
    assert 7 <= found.dof <= 7 * 30
    assert found.bound > spread(rising(8, 30, 0.2), "corrected").bound


@pytest.mark.parametrize("sigma", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("cycles", [3, 5, 20])
def test_the_default_bound_covers_95_percent_and_the_papers_does_not(
    sigma: float, cycles: int
) -> None:
    draws = [rising(cycles, 50, sigma, seed) for seed in range(300)]
    covered = np.mean([spread(G).bound >= sigma for G in draws])
    assert 0.91 <= covered <= 0.99
    if sigma < 0.5:
        assert np.mean([spread(G, "paper").bound >= sigma for G in draws]) < 0.9


@given(
    st.floats(0.01, 1.5), st.floats(1e-9, 1e9), st.sampled_from(list(SPREADS)), st.integers(0, 50)
)
def test_the_spread_does_not_depend_on_the_unit(
    sigma: float, scale: float, form: str, seed: int
) -> None:
    G = rising(4, 12, sigma, seed)
    own, scaled = spread(G, form), spread(scale * G, form)
    assert scaled.sigma == pytest.approx(own.sigma, rel=1e-6)
    assert scaled.bound == pytest.approx(own.bound, rel=1e-6)


@given(st.floats(0.01, 1.0), st.floats(1.01, 3), st.sampled_from(list(SPREADS)), st.integers(0, 50))
def test_more_noise_of_the_same_shape_is_more_spread(
    sigma: float, more: float, form: str, seed: int
) -> None:
    little, much = (spread(rising(4, 12, s, seed), form) for s in (sigma, more * sigma))
    assert much.sigma > little.sigma
    assert much.bound > little.bound


@pytest.mark.parametrize("form", list(SPREADS))
def test_equal_cycles_have_no_spread(form: str) -> None:
    found = spread(rising(3, 10, 0.0), form)
    assert found.sigma == pytest.approx(0, abs=1e-7)
    assert found.bound == pytest.approx(0, abs=1e-7)


def test_one_cycle_says_nothing_about_the_spread() -> None:
    with pytest.raises(DataError, match="one cycle says nothing about the spread"):
        spread(rising(1, 10, 0.1))


def test_what_has_no_logarithm_is_refused() -> None:
    G = rising(3, 10, 0.1)
    for bad in (0.0, -1e-6, np.nan, np.inf):
        G[1, 2] = bad
        with pytest.raises(DataError, match="not positive"):
            spread(G)


def test_what_cannot_be_asked_is_refused() -> None:
    G = rising(3, 10, 0.1)
    with pytest.raises(DataError, match="no spread form 'usual'"):
        spread(G, "usual")
    with pytest.raises(DataError, match="not between 0 and 1"):
        spread(G, confidence=95)
    with pytest.raises(DataError, match="not cycles by points"):
        spread(G[0])
