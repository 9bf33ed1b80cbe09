import numpy as np
import pytest
from scipy.special import ndtr

from crossbar.backend import DataError
from crossbar.certificates.lognormal import drift_norm, lower_bound, margins, radii
from crossbar.network import Layer, Network
from crossbar.smoothing import equal
from crossbar.votes import noisy_classes


def half_space(offset: float) -> tuple[Network, float, float]:
    """Return a network that is a half-space in the logarithms of its parameters.

    ``w x > b`` is ``ln eta_w - ln eta_b > -ln(w x / b)``: a normal vector of length sqrt 2.
    """
    x, b = 1.7, 0.9
    return Network((Layer(np.array([[b * np.exp(offset) / x]]), np.array([-b])),)), x, offset


@pytest.mark.parametrize("offset", [0.2, 0.9, 2.0])
def test_the_bound_is_reached_by_a_half_space_and_by_no_other_drift(offset: float) -> None:
    smoothing = 0.4
    share = ndtr(offset / (smoothing * np.sqrt(2)))
    rng = np.random.default_rng(0)
    for length in (0.1, 0.7, 1.5):
        worst = length * np.array([-1.0, 1.0]) / np.sqrt(2)
        others = rng.normal(size=(20, 2))
        others *= length / np.linalg.norm(others, axis=1, keepdims=True)
        left = ndtr((offset + np.vstack([worst, others]) @ [1, -1]) / (smoothing * np.sqrt(2)))
        bound = lower_bound(share, length / smoothing)
        assert left[0] == pytest.approx(float(bound), abs=1e-12)
        assert np.all(left[1:] >= bound - 1e-12)


def test_the_radius_is_where_a_half_space_loses_its_majority() -> None:
    network, x, offset = half_space(0.5)
    smoothing = 0.3
    (radius,) = radii([ndtr(offset / (smoothing * np.sqrt(2)))], smoothing)
    assert radius == pytest.approx(offset / np.sqrt(2))
    away = np.array([-1.0, 1.0]) / np.sqrt(2)
    for length, kept in ((radius * 0.999, 1), (radius * 1.001, 0)):
        delta = np.exp(length * away)
        assert noisy_classes(network, [[x]], delta[None])[0, 0] == kept


def test_votes_of_that_network_are_the_closed_form() -> None:
    network, x, offset = half_space(0.4)
    smoothing, votes = 0.35, 40_000
    factors = equal(network, smoothing).factors(votes, np.random.default_rng(1))
    for drift in (np.zeros(2), np.array([-0.2, 0.1])):
        expected = ndtr((offset + drift[0] - drift[1]) / (smoothing * np.sqrt(2)))
        counted = noisy_classes(network, [[x]], factors * np.exp(drift)).mean()
        assert abs(counted - expected) < 4 * np.sqrt(expected * (1 - expected) / votes)


def test_a_higher_share_is_a_larger_margin() -> None:
    shares = np.linspace(0, 1, 101)
    assert np.all(np.diff(margins(shares)) > 0)
    assert margins(0.5) == 0
    assert margins(shares[:50]).max() < 0
    assert margins(1.0) == np.inf


def test_a_drift_draw_is_as_long_as_the_chi_law_says() -> None:
    rng = np.random.default_rng(2)
    lengths = np.linalg.norm(0.2 * rng.standard_normal((200_000, 17)), axis=1)
    for quantile in (0.5, 0.95):
        norm = float(drift_norm(0.2, 17, quantile))
        assert np.mean(lengths <= norm) == pytest.approx(quantile, abs=0.005)
    # The length that the issue of drift is often said to have, sigma sqrt(n), is near the median.
    assert float(drift_norm(0.2, 17, 0.5)) == pytest.approx(0.2 * np.sqrt(17), rel=0.03)


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(DataError, match="outside 0 and 1"):
        margins([0.5, 1.01])
    with pytest.raises(DataError, match="smoothing"):
        radii([0.9], 0.0)
    with pytest.raises(DataError, match="drift sigma"):
        drift_norm(-0.1, 3, 0.5)
    with pytest.raises(DataError, match="quantile"):
        drift_norm(0.1, 3, 1.0)
    with pytest.raises(DataError, match="at least one parameter"):
        drift_norm(0.1, 0, 0.5)
