from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from crossbar.backend import DataError
from crossbar.data import moons, standardise
from crossbar.network import Network, classify
from crossbar.training import train
from crossbar.training_settings import NoiseSettings, TrainingSettings
from small_training import SHORT, standard_moons


def parameters_of(network: Network) -> list[bytes]:
    return [layer.matrix.tobytes() for layer in network.layers]


@pytest.mark.parametrize(
    "name", ["erm", "trinomial", "lognormal", "bernoulli-activation", "device"]
)
def test_the_same_seed_gives_the_same_network_bit_for_bit(name: str) -> None:
    points = standard_moons(80, 2)
    first = train(points, name, SHORT, np.random.default_rng(3))
    again = train(points, name, SHORT, np.random.default_rng(3))
    other = train(points, name, SHORT, np.random.default_rng(4))
    assert parameters_of(first.network) == parameters_of(again.network)
    assert np.array_equal(first.losses, again.losses)
    assert parameters_of(first.network) != parameters_of(other.network)


@pytest.mark.parametrize("name", ["trinomial", "lognormal"])
def test_a_training_without_noise_is_the_training_with_erm_exactly(name: str) -> None:
    points = standard_moons(80, 2)
    settings = replace(SHORT, noise=NoiseSettings(p1=(0.0,), p2=(0.0,), sigma=0.0))
    plain = train(points, "erm", settings, np.random.default_rng(3))
    same = train(points, name, settings, np.random.default_rng(3))
    assert parameters_of(same.network) == parameters_of(plain.network)


def test_training_leaves_the_global_generators_alone() -> None:
    points = standard_moons(80, 2)
    before, legacy = torch.get_rng_state(), str(np.random.get_state())  # noqa: NPY002
    train(points, "trinomial", SHORT, np.random.default_rng(3))
    assert torch.equal(torch.get_rng_state(), before)
    assert str(np.random.get_state()) == legacy  # noqa: NPY002


def test_the_restart_with_the_lowest_objective_is_kept() -> None:
    points = standard_moons(80, 2)
    settings = replace(SHORT, restarts=4)
    trained = train(points, "erm", settings, np.random.default_rng(3))
    assert trained.selection.shape == (4,)
    scores = torch.tensor(trained.network(points.inputs)).squeeze(-1)
    labels = torch.tensor(points.labels).double()
    loss = nn.functional.binary_cross_entropy_with_logits(scores, labels).item()
    assert loss == pytest.approx(trained.selection.min(), rel=1e-12)


def test_the_progress_counts_every_epoch_of_every_restart() -> None:
    seen: list[tuple[int, int]] = []
    train(
        standard_moons(40, 2),
        "erm",
        SHORT,
        np.random.default_rng(3),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(done, 60) for done in range(1, 61)]


@pytest.mark.parametrize(
    ("objective", "widths", "least"),
    [
        ("erm", (2, 4, 1), 0.97),
        ("erm", (2, 8, 1), 0.97),
        ("trinomial", (2, 4, 1), 0.97),
        ("lognormal", (2, 4, 1), 0.97),
    ],
)
def test_training_learns_moons_it_has_not_seen(
    objective: str, widths: tuple[int, ...], least: float
) -> None:
    rng = np.random.default_rng(7)
    training, test = moons(500, 0.12, rng), moons(2000, 0.12, rng)
    scale = standardise(training)
    gentle = TrainingSettings(noise=NoiseSettings(p1=(0.02,), p2=(0.1,), sigma=0.2))
    trained = train(scale(training), objective, gentle, rng, widths=widths)
    assert trained.network.widths == widths
    assert [layer.activation for layer in trained.network.layers] == ["tanh", "linear"]
    assert trained.losses.shape == (TrainingSettings().epochs,)
    accuracy = np.mean(classify(trained.network(scale(test).inputs)) == test.labels)
    assert accuracy >= least
    assert trained.accuracy >= least


@pytest.mark.parametrize("widths", [(2,), (3, 4, 1), (2, 4, 2), (2, 0, 1), ()])
def test_widths_that_do_not_fit_the_points_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="do not lead from 2 inputs to 1 output"):
        train(standard_moons(20, 0), "erm", SHORT, np.random.default_rng(0), widths=widths)


def test_an_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="'adversarial' is unknown; known are erm, trinomial"):
        train(standard_moons(20, 0), "adversarial", SHORT, np.random.default_rng(0))
