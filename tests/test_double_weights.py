import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.conductances import asked_conductances
from crossbar.deployment import LogNormal
from crossbar.double_weights import doubled, halves, project
from crossbar.fitting import Examples, FitSettings, fit
from crossbar.losses import accuracy, cross_entropy
from crossbar.mapping import Window
from crossbar.torch_layers import from_torch
from memsim_modules import contents, made, same
from small_training import generator, problem

WINDOW = Window(2e-6, 40e-6)


def test_a_doubled_module_computes_what_it_did() -> None:
    for name in ("mlp", "convolution and batch norm"):
        model, inputs = made(name)
        before = contents(model)
        double = doubled(model)
        assert same(before, model)
        assert torch.allclose(double(inputs), model(inputs), atol=1e-6)


def test_one_of_two_is_zero_where_weights_are_kept() -> None:
    model, _, _ = problem()
    stored = halves(doubled(model))
    assert list(stored) == [
        f"{layer}.parametrizations.{name}.original{k}"
        for layer in (0, 2)
        for name in ("weight", "bias")
        for k in (0, 1)
    ]
    plus, minus = (stored[f"0.parametrizations.weight.original{k}"] for k in (0, 1))
    assert torch.all(plus * minus == 0)
    assert torch.equal(plus - minus, model[0].weight)  # type: ignore[index]


def test_new_weights_follow_their_law_and_none_is_negative() -> None:
    stored = halves(doubled(nn.Linear(4, 50_000).double(), generator(1)))
    # N(0.5, 1 / sqrt(4)) clipped at 0: with t = (0.5 - 0) / 0.5 = 1, the mean of the clipped law is
    # 0.5 (Phi(1) + phi(1)) and 15.87 % are 0.
    for k in (0, 1):
        weights = stored[f"parametrizations.weight.original{k}"].detach().numpy()
        assert weights.min() == 0
        assert np.mean(weights == 0) == pytest.approx(0.15866, abs=0.003)
        assert weights.mean() == pytest.approx(0.5 * (0.84134 + 0.24197), rel=0.01)
        bias = stored[f"parametrizations.bias.original{k}"]
        assert torch.all(bias == 0.5)
    first, second = (stored[f"parametrizations.weight.original{k}"].flatten() for k in (0, 1))
    assert abs(np.corrcoef(first.detach().numpy(), second.detach().numpy())[0, 1]) < 0.02


def test_projection_leaves_nothing_negative_and_nothing_else_changed() -> None:
    model, _ = made("convolution and batch norm")
    double = doubled(model)
    with torch.no_grad():
        for half in halves(double).values():
            half.sub_(0.1)
    before = contents(double)
    project(double)
    after = contents(double)
    for name, value in before.items():
        expected = value.clamp(min=0) if name in halves(double) else value
        assert torch.equal(after[name], expected)


def test_a_module_without_double_weights_is_left_alone() -> None:
    model, _, _ = problem()
    before = contents(model)
    project(model)
    assert same(before, model)
    assert not halves(model)


def test_a_doubled_network_can_be_offloaded() -> None:
    model, inputs, _ = problem()
    network = from_torch(doubled(model))
    assert np.allclose(network(inputs.numpy()), model(inputs).detach().numpy())


def test_what_has_no_layer_or_is_doubled_already_is_refused() -> None:
    model, _, _ = problem()
    with pytest.raises(DataError, match="GRU has no dense or convolutional layer"):
        doubled(nn.GRU(2, 3))
    with pytest.raises(DataError, match="0 is parametrised already"):
        doubled(doubled(model))


def digits() -> Examples:
    images, labels = load_digits(return_X_y=True)
    return Examples(torch.tensor(images[:1000] / 16).float(), torch.tensor(labels[:1000]))


def test_the_penalty_lowers_conductances_at_a_similar_accuracy() -> None:
    data = digits()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(nn.Linear(64, 25), nn.Sigmoid(), nn.Linear(25, 10))

    def trained(l1: float) -> tuple[float, float]:
        settings = FitSettings(epochs=20, batch=64, learning_rate=0.02, l1=l1, validation_draws=1)
        found = fit(
            doubled(model, generator(1)),
            data.part(slice(700)),
            data.part(slice(700, None)),
            "erm",
            cross_entropy,
            accuracy,
            settings,
            generator(2),
            deployment=LogNormal(0.0),
        )
        asked = asked_conductances(found.model, WINDOW)
        with torch.no_grad():
            mean: Tensor = torch.cat([one.plus.flatten() for one in asked.values()]).mean()
        return mean.item(), found.validation[found.best_epoch]

    plain, penalised = trained(0.0), trained(1e-3)
    assert penalised[0] < 0.7 * plain[0]
    assert penalised[1] > plain[1] - 0.03
