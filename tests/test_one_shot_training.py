import subprocess
import sys

import numpy as np
import pytest
import torch

from crossbar.backend import Array, DataError
from crossbar.network import Network
from crossbar.predictor_training import DenseSettings, _network, train_predictor
from crossbar.programming.predictor import DenseMap, Predictor, Shots, load_predictor
from crossbar.programming.predictor.file import save_predictor
from crossbar.programming.predictor.fitting import Origin
from crossbar.torch_layers import from_torch

LOW, HIGH = 10e-6, 90e-6
ORIGIN = Origin("test", "a closed form", 0)


def pulses(count: int) -> Shots:
    """Return pulses of cells whose ln G moves by 1 in a millisecond, RESET at half the speed."""
    rng = np.random.default_rng(0)
    before, after = rng.uniform(LOW, HIGH, (2, count))
    sign = np.sign(after - before)
    return Shots(before, after, 3.0 * sign, right(before, after))


def right(before: Array, after: Array) -> Array:
    way = np.abs(np.log(after / before))
    return np.asarray(1e-3 * way * np.where(after > before, 1.0, 2.0))


@pytest.fixture(scope="module")
def trained() -> Predictor:
    rng, short = np.random.default_rng(1), DenseSettings(iterations=150)
    return train_predictor(pulses(1500), ORIGIN, rng, seen=(LOW, HIGH), settings=short)


def test_the_networks_are_two_sixteen_sixteen_one(trained: Predictor) -> None:
    for way in (trained.set, trained.reset):
        assert isinstance(way.map, DenseMap)
        assert isinstance(way.map.network, Network)
        assert way.map.network.widths == (2, 16, 16, 1)


def test_training_recovers_a_known_inverse(trained: Predictor) -> None:
    before, target = np.random.default_rng(2).uniform(LOW, HIGH, (2, 500))
    clear = np.abs(target - before) > 10e-6
    found = trained.pulses(before, target, 1e-9, 1.0)[1]
    ratio = found[clear] / right(before, target)[clear]
    assert np.median(np.abs(ratio - 1)) < 0.05
    assert trained.record.set_loss < 0.01


def in_torch(network: Network, x: Array) -> Array:
    """Return what torch makes of the same weights."""
    values = torch.tensor(x)
    for layer in network.layers:
        weights, biases = torch.tensor(layer.weights.T.copy()), torch.tensor(layer.biases.copy())
        values = torch.nn.functional.linear(values, weights, biases)
        values = torch.tanh(values) if layer.activation == "tanh" else values
    return np.asarray(values.numpy())


def test_numpy_says_what_torch_says(trained: Predictor) -> None:
    x = np.random.default_rng(3).uniform(-1, 1, (50, 2))
    for way in (trained.set, trained.reset):
        assert isinstance(way.map, DenseMap)
        assert isinstance(way.map.network, Network)
        np.testing.assert_allclose(way.map.network(x), in_torch(way.map.network, x), rtol=1e-11)
    fresh = _network(torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = fresh(torch.tensor(x)).numpy()
    np.testing.assert_allclose(from_torch(fresh)(x), expected, rtol=1e-11)


def test_the_same_chance_gives_the_same_networks() -> None:
    few, short = pulses(100), DenseSettings(iterations=5)
    first, second = (
        train_predictor(few, ORIGIN, np.random.default_rng(1), settings=short) for _ in range(2)
    )
    x = np.full((3, 2), [2e-5, 4e-5])
    assert np.array_equal(first.set.map.widths(*x.T), second.set.map.widths(*x.T))


def test_a_saved_network_is_used_without_torch(trained: Predictor, tmp_path: object) -> None:
    path = f"{tmp_path}/p.toml"
    save_predictor(trained, path)
    before, target = np.array([2e-5, 6e-5]), np.array([6e-5, 2e-5])
    known = trained.pulses(before, target, 1e-9, 1.0)[1]
    assert np.array_equal(load_predictor(path).pulses(before, target, 1e-9, 1.0)[1], known)
    code = (
        "import sys, numpy as np\n"
        "from crossbar.programming import OneShotSettings\n"
        f"policy = OneShotSettings({path!r}).policy(1)\n"
        "policy.next(np.array([0]), np.array([2e-5]), np.array([6e-5]))\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["iterations", "huber", "pulses"])
def test_impossible_training_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="above zero"):
        DenseSettings(**{name: 0})
