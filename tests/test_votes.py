from itertools import pairwise

import numpy as np
import pytest

from crossbar.backend import Array, DataError
from crossbar.certificates.trinomial import Trinomial
from crossbar.network import Layer, Network, classify
from crossbar.votes import counted, n_classes, n_parameters, noisy_classes, noisy_scores


def network(*widths: int, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    layers = [
        Layer(rng.normal(size=(a, b)), rng.normal(size=b), "tanh") for a, b in pairwise(widths)
    ]
    last = layers.pop()
    return Network((*layers, Layer(last.weights, last.biases)))


def copy(original: Network, factors: Array) -> Network:
    """Return one noisy copy, layer by layer."""
    layers, rest = [], factors
    for layer in original.layers:
        mine, rest = rest[: layer.matrix.size], rest[layer.matrix.size :]
        matrix = layer.matrix * mine.reshape(layer.matrix.shape)
        layers.append(Layer(matrix[:-1], matrix[-1], layer.activation))
    return Network(tuple(layers))


@pytest.mark.parametrize("widths", [(2, 1), (2, 4, 1), (3, 5, 4, 3)])
def test_copies_score_as_a_plain_loop_over_them(widths: tuple[int, ...]) -> None:
    original, rng = network(*widths), np.random.default_rng(1)
    factors = rng.lognormal(size=(30, n_parameters(original)))
    x = rng.normal(size=(17, widths[0]))
    scores = noisy_scores(original, x, factors)
    classes = noisy_classes(original, x, factors)
    for k, row in enumerate(factors):
        expected = copy(original, row)(x)
        np.testing.assert_allclose(scores[k].T, expected, rtol=1e-12, atol=1e-12)
        chosen = classify(expected) if widths[-1] == 1 else expected.argmax(axis=1)
        assert classes[k].tolist() == chosen.tolist()


def test_many_copies_are_taken_in_portions_without_changing_a_vote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original, rng = network(2, 4, 1), np.random.default_rng(2)
    factors, x = rng.lognormal(size=(500, 17)), rng.normal(size=(40, 2))
    at_once = noisy_classes(original, x, factors)
    monkeypatch.setattr("crossbar.votes.AT_ONCE", 1)
    np.testing.assert_array_equal(noisy_classes(original, x, factors), at_once)


def test_every_copy_votes_once_at_every_point() -> None:
    original, rng = network(2, 3, 3), np.random.default_rng(3)
    classes = noisy_classes(original, rng.normal(size=(9, 2)), rng.normal(size=(200, 21)))
    counts = counted(classes, n_classes(original))
    assert counts.shape == (9, 3)
    assert counts.sum(axis=1).tolist() == [200] * 9
    assert counts[4, 2] == np.sum(classes[:, 4] == 2)
    with pytest.raises(DataError, match="not among 0 to 1"):
        counted(classes, 2)


def test_one_output_has_two_classes() -> None:
    assert n_classes(network(2, 4, 1)) == 2
    assert n_classes(network(2, 5)) == 5


def test_trinomial_factors_have_their_probabilities() -> None:
    n = 200_000
    factors = Trinomial(0.2, 0.5).factors(2, n // 2, np.random.default_rng(4))
    for value, p in ((0.0, 0.2), (0.5, 0.5), (1.0, 0.3)):
        assert abs(np.mean(factors == value) - p) < 4 * np.sqrt(p * (1 - p) / n)
    assert set(np.unique(Trinomial(0.0, 0.0).factors(3, 50, np.random.default_rng(5)))) == {1.0}
    assert set(np.unique(Trinomial(1.0, 0.0).factors(3, 50, np.random.default_rng(5)))) == {0.0}


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="17"):
        noisy_classes(network(2, 4, 1), np.zeros((3, 2)), np.ones((5, 16)))
    with pytest.raises(DataError, match="shape"):
        noisy_classes(network(2, 4, 1), np.zeros((3, 3)), np.ones((5, 17)))
