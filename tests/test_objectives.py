import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from crossbar.backend import DataError
from crossbar.losses import binary, squared_error
from crossbar.noise import LAWS
from crossbar.objectives import OBJECTIVES, erm, lognormal, noisy_sets, trinomial
from crossbar.sites import sites
from crossbar.training_settings import NoiseSettings
from memsim_modules import contents, same
from small_training import DEVICE, NOISE, generator, problem

ON_WEIGHTS = ("trinomial", "gaussian", "laplace", "bernoulli", "lognormal")
SILENT = NoiseSettings(draws=4, p1=(0.0,), p2=(0.0,), sigma=0.0, spread=0.0, drop=0.0)


def test_an_objective_is_the_mean_over_its_draws() -> None:
    model, inputs, labels = problem()
    noise = NoiseSettings(draws=3, sigma=0.5)
    count = sum(parameter.numel() for parameter in model.parameters())
    law = LAWS["lognormal"]
    losses = []
    for draw in law.at(law.draw((3, count), inputs, generator(4)), noise):
        parts = torch.split(draw, [parameter.numel() for parameter in model.parameters()])
        own = {
            name: parameter * part.reshape(parameter.shape)
            for (name, parameter), part in zip(model.named_parameters(), parts, strict=True)
        }
        losses.append(binary(functional_call(model, own, (inputs,)), labels).item())
    averaged = lognormal(model, inputs, labels, binary, noise, generator(4)).item()
    assert averaged == pytest.approx(np.mean(losses), rel=1e-12)


def test_erm_is_the_cross_entropy() -> None:
    model, inputs, labels = problem()
    p = torch.sigmoid(model(inputs)).squeeze(-1)
    expected = -(labels * torch.log(p) + (1 - labels) * torch.log(1 - p)).mean()
    loss = erm(model, inputs, labels, binary, NOISE, generator())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("name", [*ON_WEIGHTS, *(f"{n}-activation" for n in ON_WEIGHTS[:4])])
def test_without_noise_an_objective_is_erm_exactly(name: str) -> None:
    model, inputs, labels = problem()
    plain = erm(model, inputs, labels, binary, SILENT, generator())
    same_risk = OBJECTIVES[name](model, inputs, labels, binary, SILENT, generator())
    assert torch.equal(same_risk, plain)


FAINT = NoiseSettings(
    draws=4,
    p1=(0.0,),
    p2=(1e-300,),
    sigma=1e-9,
    spread=1e-9,
    drop=1e-300,
    shift=(1e-12,),
    device=replace(DEVICE, law=replace(DEVICE.law, sigma=1e-9)),  # type: ignore[type-var]
)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_the_noisy_path_approaches_erm_as_the_noise_vanishes(name: str) -> None:
    model, inputs, labels = problem()
    plain = erm(model, inputs, labels, binary, FAINT, generator()).item()
    noisy = OBJECTIVES[name](model, inputs, labels, binary, FAINT, generator()).item()
    assert noisy == pytest.approx(plain, rel=1e-7)


def test_with_p1_of_one_every_parameter_is_off_and_the_loss_is_that_of_a_coin() -> None:
    model, inputs, labels = problem()
    noise = NoiseSettings(p1=(1.0,), p2=(0.0,))
    loss = trinomial(model, inputs, labels, binary, noise, generator())
    assert loss.item() == pytest.approx(np.log(2))


def two_parameters() -> tuple[nn.Linear, Tensor, Tensor]:
    model = nn.Linear(1, 1).double()
    with torch.no_grad():
        model.weight.fill_(0.8)
        model.bias.fill_(-0.5)
    return model, torch.tensor([[1.0], [-2.0]]).double(), torch.tensor([1.0, 0.0]).double()


@pytest.mark.parametrize("perturb_bias", [True, False])
def test_trinomial_is_the_expectation_over_all_its_outcomes(perturb_bias: bool) -> None:
    model, inputs, labels = two_parameters()
    p1, p2 = 0.2, 0.3
    chance = {0.0: p1, 0.5: p2, 1.0: 1 - p1 - p2}
    bias_chance = chance if perturb_bias else {1.0: 1.0}
    expected = 0.0
    for (a, pa), (b, pb) in product(chance.items(), bias_chance.items()):
        scores = (a * 0.8 * inputs - b * 0.5).squeeze(-1)
        expected += pa * pb * binary(scores, labels).item()
    draws = 200_000
    noise = NoiseSettings(draws=draws, p1=(p1,), p2=(p2,), perturb_bias=perturb_bias)
    found = trinomial(model, inputs, labels, binary, noise, generator()).item()
    # The loss of one draw lies between 0.3 and 1.0: its standard deviation is below 0.35.
    assert abs(found - expected) < 4 * 0.35 / np.sqrt(draws)


def test_trinomial_on_activations_is_the_expectation_over_all_its_outcomes() -> None:
    model = nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator(3))
    inputs, labels = torch.tensor([[0.7]]).double(), torch.tensor([1.0]).double()
    first, last = model[0], model[2]
    p1, p2, expected = 0.2, 0.3, 0.0
    for (a, pa), (b, pb) in product({0.0: p1, 0.5: p2, 1.0: 1 - p1 - p2}.items(), repeat=2):
        hidden = torch.tanh(first(inputs) * torch.tensor([a, b]))
        expected += pa * pb * binary(last(hidden), labels).item()
    draws = 200_000
    noise = NoiseSettings(draws=draws, p1=(p1,), p2=(p2,))
    objective = OBJECTIVES["trinomial-activation"]
    found = objective(model, inputs, labels, binary, noise, generator()).item()
    assert abs(found - expected) < 4 * 0.5 / np.sqrt(draws)


def test_every_example_has_noise_of_its_own_on_activations() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    inputs = torch.ones(1000, 1)
    seen: list[Tensor] = []

    def keep(scores: Tensor, labels: Tensor) -> Tensor:
        seen.append(scores.detach())
        return scores.mean()

    noise = NoiseSettings(draws=2)
    OBJECTIVES["gaussian-activation"](model, inputs, inputs, keep, noise, generator())
    assert len(np.unique(seen[0].numpy())) > 1900


def test_the_published_code_adds_one_number_to_a_whole_layer() -> None:
    model = nn.Sequential(nn.Linear(1, 3), nn.Linear(3, 1)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    inputs = torch.tensor([[0.0], [1.0]]).double()
    seen: list[Tensor] = []

    def keep(scores: Tensor, labels: Tensor) -> Tensor:
        seen.append(scores.detach().reshape(-1, 2))
        return scores.mean()

    noise = NoiseSettings(draws=50, shift=(0.01,))
    OBJECTIVES["trinomial-code"](model, inputs, inputs, keep, noise, generator())
    added = seen[0] - model(inputs).detach().reshape(1, 2)
    # Three hidden units of weight 1 carry it on: 3 * 0.01 * m, the same for both examples.
    counts = added / 0.03
    assert torch.allclose(counts, counts.round(), atol=1e-9)
    assert torch.allclose(counts[:, 0], counts[:, 1])
    assert 0 <= counts.min() <= counts.max() <= 10
    assert len(np.unique(counts[:, 0].round().numpy())) > 2


def test_each_site_has_the_noise_that_is_given_for_it() -> None:
    model, inputs, labels = problem()
    assert list(sites(model)) == ["0", "2"]
    off = NoiseSettings(draws=1, p1=(0.0, 1.0), p2=(0.0,))
    loss = trinomial(model, inputs, labels, binary, off, generator())
    assert loss.item() == pytest.approx(np.log(2))
    loss.backward()  # type: ignore[no-untyped-call]
    first, last = (next(site.parameters()) for site in sites(model).values())
    assert first.grad is not None
    assert last.grad is not None
    assert torch.all(last.grad == 0)
    with pytest.raises(DataError, match="p1 has 3 numbers; 1 is needed, or 2 for the sites 0, 2"):
        trinomial(model, inputs, labels, binary, replace(off, p1=(0.1, 0.1, 0.1)), generator())
    activation = OBJECTIVES["trinomial-activation"]
    with pytest.raises(DataError, match="p1 has 2 numbers; 1 is needed, or 1 for the sites 0"):
        activation(model, inputs, labels, binary, replace(off, p1=(0.1, 0.1)), generator())


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_an_objective_leaves_the_module_and_gives_each_parameter_a_gradient(name: str) -> None:
    model, inputs, labels = problem()
    before = contents(model)
    noise = replace(NOISE, shift=(0.1,))
    OBJECTIVES[name](model, inputs, labels, binary, noise, generator()).backward()  # type: ignore[no-untyped-call]
    assert same(before, model)
    assert not any(module._forward_hooks for module in model.modules())
    for parameter in model.parameters():
        assert parameter.grad is not None
        assert torch.all(torch.isfinite(parameter.grad))
        assert torch.any(parameter.grad != 0)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_the_gradient_is_that_of_finite_differences_with_the_same_draws(name: str) -> None:
    model, inputs, labels = problem()
    noise = replace(NOISE, shift=(0.1,))

    def risk() -> Tensor:
        return OBJECTIVES[name](model, inputs, labels, binary, noise, generator(2))

    risk().backward()  # type: ignore[no-untyped-call]
    step = 1e-6
    for parameter in model.parameters():
        assert parameter.grad is not None
        flat, slope = parameter.data.view(-1), parameter.grad.view(-1)
        for k in range(0, len(flat), 3):
            kept = flat[k].item()
            flat[k] = kept + step
            above = risk().item()
            flat[k] = kept - step
            below = risk().item()
            flat[k] = kept
            assert slope[k].item() == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_a_failing_module_is_left_without_hooks() -> None:
    model, _, labels = problem()
    with pytest.raises(RuntimeError):
        OBJECTIVES["gaussian-activation"](
            model, torch.ones(3, 7).double(), labels, binary, NOISE, generator()
        )
    assert not any(module._forward_hooks for module in model.modules())


def test_noise_on_activations_needs_sites_that_return_a_tensor() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(2, 3, batch_first=True)
            self.read = nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.read(self.gru(x)[0])
            return scores

    x = torch.ones(2, 4, 2)
    with pytest.raises(DataError, match="gru returns a tuple"):
        OBJECTIVES["laplace-activation"](Last(), x, x, squared_error, NOISE, generator())


def convolutional() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1))


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_any_module_and_any_loss_will_do(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = convolutional()
    x = torch.linspace(-1, 1, 3 * 16).reshape(3, 1, 4, 4)
    noise = replace(NOISE, draws=2)
    loss = OBJECTIVES[name](model, x, torch.ones(3, 1), squared_error, noise, generator())
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_one_draw_is_that_of_a_plain_call() -> None:
    model, inputs, labels = problem()
    one = replace(NOISE, draws=1)
    together: Callable[..., Tensor] = OBJECTIVES["bernoulli"]
    wrapped = Wrapped(model)
    plain = together(wrapped, inputs, labels, binary, one, generator())
    assert torch.equal(together(model, inputs, labels, binary, one, generator()), plain)


class Wrapped(nn.Module):
    """A module of a kind of its own: its draws are evaluated one after the other."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.model(x)
        return scores


def test_device_without_a_device_is_refused() -> None:
    model, inputs, labels = problem()
    with pytest.raises(DataError, match=r"NoiseSettings\.device"):
        OBJECTIVES["device"](model, inputs, labels, binary, NoiseSettings(), generator())


def test_a_weight_on_several_pairs_has_the_mean_of_their_factors() -> None:
    model = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        model.weight.fill_(1.0)
    sigma, copies = 0.6, 4
    noise = NoiseSettings(sigma=sigma, copies=copies)
    with torch.no_grad():
        factors = noisy_sets(model, LAWS["lognormal"], noise, 40_000, generator())["weight"]
    mean = math.exp(sigma**2 / 2)
    variance = (math.exp(sigma**2) - 1) * math.exp(sigma**2) / copies
    assert factors.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(variance / 40_000))
    assert factors.var().item() == pytest.approx(variance, rel=0.1)
