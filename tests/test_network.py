from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Array, DataError
from crossbar.network import ACTIVATIONS, Layer, Network, classify, load, save, with_bias


def random_network(widths: tuple[int, ...], seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    return Network(
        tuple(
            Layer(rng.normal(size=(a, b)), rng.normal(size=b), "tanh") for a, b in pairwise(widths)
        )
    )


def test_a_network_by_hand() -> None:
    hidden = Layer(np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([0.5, 0.0]), "relu")
    output = Layer(np.array([[1.0], [10.0]]), np.array([-1.0]))
    scores = Network((hidden, output))([[1.0, 1.0], [-3.0, 0.0]])
    assert scores.tolist() == [[2.5], [29.0]]


def test_the_matrix_times_inputs_with_the_constant_one_is_the_layer() -> None:
    rng = np.random.default_rng(1)
    layer = Layer(rng.normal(size=(3, 2)), rng.normal(size=2))
    x = rng.normal(size=(5, 3))
    assert layer.matrix.shape == (4, 2)
    assert np.allclose(with_bias(x) @ layer.matrix, layer(x))


def test_activations_start_with_the_inputs_and_end_with_the_scores() -> None:
    network = random_network((2, 4, 3, 1))
    x = np.random.default_rng(2).normal(size=(6, 2))
    values = network.activations(x)
    assert [v.shape for v in values] == [(6, 2), (6, 4), (6, 3), (6, 1)]
    assert np.array_equal(values[0], x)
    assert np.array_equal(values[-1], network(x))
    assert np.array_equal(values[2], network.layers[1](values[1]))


def test_widths_name_inputs_and_outputs_of_every_layer() -> None:
    assert random_network((2, 4, 3, 1)).widths == (2, 4, 3, 1)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_are_finite_and_silent_for_huge_inputs(name: str) -> None:
    values = ACTIVATIONS[name](np.array([-1e4, -1.0, 0.0, 1.0, 1e4]))
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values) >= 0)


def test_the_sigmoid_is_the_logistic_function() -> None:
    z = np.linspace(-20, 20, 41)
    assert np.allclose(ACTIVATIONS["sigmoid"](z), 1 / (1 + np.exp(-z)), rtol=1e-12, atol=1e-16)


def test_classes_are_one_above_zero_only() -> None:
    assert classify([[-0.1], [0.0], [1e-300]]).tolist() == [0, 0, 1]


@pytest.mark.parametrize("scores", [[[1.0, 2.0]], [1.0, 2.0], [[np.nan]]])
def test_classify_refuses_other_than_one_finite_output(scores: object) -> None:
    with pytest.raises(DataError):
        classify(scores)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weights", "biases", "activation", "message"),
    [
        (np.zeros(3), np.zeros(3), "tanh", "2 axes"),
        (np.zeros((0, 1)), np.zeros(1), "tanh", "2 axes"),
        (np.zeros((2, 3)), np.zeros((3, 1)), "tanh", "1 axes"),
        (np.zeros((2, 3)), np.zeros(2), "tanh", "2 biases do not fit"),
        (np.full((2, 3), np.nan), np.zeros(3), "tanh", "weights hold NaN"),
        (np.zeros((2, 3)), np.full(3, np.inf), "tanh", "biases hold NaN or infinity"),
        (np.zeros((2, 3)), np.zeros(3), "softmax", "'softmax' is unknown"),
    ],
)
def test_a_layer_refuses_what_is_not_one(
    weights: Array, biases: Array, activation: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        Layer(weights, biases, activation)


def test_a_layer_does_not_change_with_the_array_it_was_made_from() -> None:
    weights = np.ones((1, 1))
    layer = Layer(weights, np.zeros(1))
    weights[0, 0] = 5.0
    assert layer.weights[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0, 0] = 5.0


def test_layers_that_do_not_chain_are_refused() -> None:
    with pytest.raises(DataError, match="layer 0 has 3 outputs, layer 1 takes 4"):
        Network(
            (Layer(np.zeros((2, 3)), np.zeros(3)), Layer(np.zeros((4, 1)), np.zeros(1))),
        )
    with pytest.raises(DataError, match="at least one layer"):
        Network(())


@pytest.mark.parametrize("x", [[1.0, 2.0], [[1.0]], [[np.nan, 0.0]], [["a", "b"]], [[1.0], [1, 2]]])
def test_inputs_of_the_wrong_shape_or_kind_are_refused(x: object) -> None:
    with pytest.raises(DataError, match="inputs"):
        random_network((2, 3, 1))(x)  # type: ignore[arg-type]


def test_a_saved_network_comes_back_bit_for_bit(tmp_path: Path) -> None:
    network = random_network((2, 4, 1))
    save(network, tmp_path / "network.bin")
    again = load(tmp_path / "network.bin")
    for before, after in zip(network.layers, again.layers, strict=True):
        assert np.array_equal(before.weights, after.weights)
        assert np.array_equal(before.biases, after.biases)
        assert before.activation == after.activation


def test_files_that_are_not_networks_are_refused(tmp_path: Path) -> None:
    text, other, pickled, plain = (tmp_path / name for name in ("text", "o.npz", "p.npz", "a.npy"))
    text.write_text("not a network")
    np.savez(other, something=np.zeros(3))
    np.savez(pickled, activations=np.array([{"a": 1}], dtype=object))
    np.save(plain, np.zeros(3))
    for path in (text, other, pickled, plain, tmp_path / "missing"):
        with pytest.raises(DataError, match="is not a saved network"):
            load(path)
