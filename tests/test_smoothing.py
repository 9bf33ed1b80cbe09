import numpy as np
import pytest

from crossbar.backend import Array, DataError
from crossbar.certificates.confidence import decide
from crossbar.certificates.lognormal import lower_bound
from crossbar.network import Layer, Network
from crossbar.smoothing import LEAST, equal, fitted
from crossbar.votes import counted, noisy_classes, noisy_scores

RNG = np.random.default_rng(0)
NETWORK = Network(
    (
        Layer(RNG.normal(size=(2, 3)), RNG.normal(size=3), "tanh"),
        Layer(RNG.normal(size=(3, 1)), RNG.normal(size=1)),
    )
)
POINTS = RNG.normal(size=(50, 2))


def test_a_common_factor_of_a_linear_last_layer_changes_no_vote() -> None:
    noise = equal(NETWORK, 0.3)
    assert noise.common.tolist() == [False] * 9 + [True] * 4
    factors = noise.factors(200, np.random.default_rng(1))
    scaled = factors * np.where(noise.common, 2.9, 1.0)
    np.testing.assert_array_equal(
        noisy_classes(NETWORK, POINTS, factors), noisy_classes(NETWORK, POINTS, scaled)
    )
    bent = Network((*NETWORK.layers[:-1], Layer(np.ones((3, 1)), np.ones(1), "sigmoid")))
    assert not equal(bent, 0.3).common.any()


def test_parameters_that_are_zero_do_not_move() -> None:
    matrix = np.array([[1.0, 0.0], [0.0, 2.0]])
    network = Network((Layer(matrix, np.array([0.0, 1.0])), Layer(np.ones((2, 1)), np.zeros(1))))
    noise = fitted(network, POINTS, 0.3)
    assert noise.moved.tolist() == [True, False, False, True, False, True, True, True, False]


def test_fitted_noise_is_the_optimum_for_a_half_space() -> None:
    # One input: the score w x + b is linear; its parts are those of w x and of b.
    network = Network((Layer(np.array([[3.0]]), np.array([-0.5])),))
    noise = fitted(network, np.ones((4, 1)), 0.4)
    parts = np.array([3.0, 0.5]) / np.hypot(3.0, 0.5) + LEAST
    np.testing.assert_allclose(noise.sigmas**2 * parts, noise.sigmas[0] ** 2 * parts[0], rtol=1e-3)


def test_fitted_and_equal_noise_make_drifts_equally_far_in_the_root_mean_square() -> None:
    for smoothing in (0.2, 0.5):
        sigmas = fitted(NETWORK, POINTS, smoothing).sigmas
        assert np.mean(sigmas**-2.0) == pytest.approx(smoothing**-2.0)


@pytest.mark.parametrize("allot", ["equal", "fitted"])
def test_no_drift_within_the_certified_distance_takes_the_majority(allot: str) -> None:
    noise = equal(NETWORK, 0.3) if allot == "equal" else fitted(NETWORK, POINTS, 0.3)
    rng, votes = np.random.default_rng(2), 20_000
    x = POINTS[:12]
    factors = noise.factors(votes, rng)
    counts = counted(noisy_classes(NETWORK, x, factors), 2)
    decision = decide(counted(noisy_classes(NETWORK, x, noise.factors(500, rng)), 2), counts, 1e-3)
    closest = 1.0
    for direction in directions(noise.sigmas, x):
        for length in (0.3, 1.0):
            log_delta = direction * length / float(noise.distances(direction))
            left = counted(noisy_classes(NETWORK, x, factors * np.exp(log_delta)), 2) / votes
            of_class = left[np.arange(len(x)), decision.classes]
            bounds = lower_bound(decision.shares, length)
            assert np.all(of_class > bounds - 0.01)
            closest = min(closest, float(np.min(of_class - bounds)))
    # The bound is not idle: some drift along a score's gradient comes near it.
    assert closest < 0.06


def directions(sigmas: Array, x: Array) -> Array:
    """Return random drifts, and for each point the two that change its score fastest."""
    steps = np.exp(0.01 * np.eye(len(sigmas)))
    gradient = (noisy_scores(NETWORK, x, steps)[:, 0] - NETWORK(x)[:, 0]).T / 0.01
    steepest = gradient * sigmas**2
    return np.vstack([steepest, -steepest, np.random.default_rng(3).normal(size=(10, len(sigmas)))])


def test_fitted_noise_needs_one_output() -> None:
    several = Network((Layer(np.ones((2, 3)), np.zeros(3)),))
    with pytest.raises(DataError, match="3 outputs"):
        fitted(several, POINTS, 0.3)
    assert equal(several, 0.3).sigmas.shape == (9,)
    with pytest.raises(DataError, match="positive"):
        equal(NETWORK, 0.0)
