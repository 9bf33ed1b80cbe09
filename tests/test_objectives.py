from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from crossbar.objectives import (
    OBJECTIVES,
    erm,
    lognormal,
    lognormal_factors,
    trinomial,
    trinomial_factors,
)
from crossbar.training_settings import TrainingSettings
from small_training import SHORT, generator, problem

SAMPLES = 400_000


@pytest.mark.parametrize(("p1", "p2"), [(0.05, 0.1), (0.3, 0.5), (0.0, 0.2), (0.25, 0.75), (1, 0)])
def test_trinomial_factors_occur_as_often_as_p1_and_p2_say(p1: float, p2: float) -> None:
    eta = trinomial_factors((SAMPLES,), TrainingSettings(p1=p1, p2=p2), generator()).numpy()
    probabilities = {0.0: p1, 0.5: p2, 1.0: 1 - p1 - p2}
    assert set(np.unique(eta)) <= set(probabilities)
    for value, p in probabilities.items():
        four_sigma = 4 * np.sqrt(p * (1 - p) / SAMPLES) + 1e-12
        assert abs(np.mean(eta == value) - p) <= four_sigma


def test_trinomial_factors_have_the_moments_of_the_distribution() -> None:
    p1, p2 = 0.15, 0.3
    eta = trinomial_factors((SAMPLES,), TrainingSettings(p1=p1, p2=p2), generator()).numpy()
    mean = 1 - p1 - p2 / 2
    variance = (1 - p1 - 0.75 * p2) - mean**2
    assert abs(eta.mean() - mean) < 4 * np.sqrt(variance / SAMPLES)
    assert eta.var() == pytest.approx(variance, rel=0.01)


def test_trinomial_factors_are_independent_between_parameters_and_draws() -> None:
    eta = trinomial_factors((50_000, 3), TrainingSettings(p1=0.3, p2=0.3), generator()).numpy()
    between_parameters = np.corrcoef(eta.T) - np.eye(3)
    assert np.abs(between_parameters).max() < 0.02
    assert abs(np.corrcoef(eta[:-1, 0], eta[1:, 0])[0, 1]) < 0.02


def test_lognormal_factors_keep_the_median_and_raise_the_mean() -> None:
    factors = lognormal_factors((SAMPLES,), TrainingSettings(sigma=0.4), generator()).numpy()
    assert np.median(factors) == pytest.approx(1.0, abs=0.005)
    assert np.std(np.log(factors)) == pytest.approx(0.4, rel=0.01)
    assert factors.mean() == pytest.approx(np.exp(0.4**2 / 2), rel=0.005)


def test_an_objective_is_the_mean_over_its_draws() -> None:
    model, inputs, labels = problem()
    settings = TrainingSettings(draws=3, sigma=0.5)
    count = sum(parameter.numel() for parameter in model.parameters())
    factors = lognormal_factors((3, count), settings, generator(4))
    originals = [parameter.detach().clone() for parameter in model.parameters()]
    losses = []
    for draw in factors:
        start = 0
        for parameter, original in zip(model.parameters(), originals, strict=True):
            chosen = draw[start : start + original.numel()].reshape(original.shape)
            parameter.data = original * chosen
            start += original.numel()
        losses.append(erm(model, inputs, labels, settings, generator()).item())
    for parameter, original in zip(model.parameters(), originals, strict=True):
        parameter.data = original
    averaged = lognormal(model, inputs, labels, settings, generator(4)).item()
    assert averaged == pytest.approx(np.mean(losses), rel=1e-12)


def test_erm_is_the_cross_entropy() -> None:
    model, inputs, labels = problem()
    p = torch.sigmoid(model(inputs)).squeeze(-1)
    expected = -(labels * torch.log(p) + (1 - labels) * torch.log(1 - p)).mean()
    loss = erm(model, inputs, labels, SHORT, generator())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize(
    ("objective", "settings"),
    [(trinomial, TrainingSettings(p1=0, p2=0)), (lognormal, TrainingSettings(sigma=0))],
)
def test_without_noise_an_objective_is_erm_exactly(
    objective: Callable[..., Tensor], settings: TrainingSettings
) -> None:
    model, inputs, labels = problem()
    plain = erm(model, inputs, labels, settings, generator())
    assert torch.equal(objective(model, inputs, labels, settings, generator()), plain)


def test_the_noisy_path_approaches_erm_as_the_noise_vanishes() -> None:
    model, inputs, labels = problem()
    plain = erm(model, inputs, labels, SHORT, generator()).item()
    settings = TrainingSettings(sigma=1e-9, p1=0.0, p2=1e-300)
    for objective in (trinomial, lognormal):
        noisy = objective(model, inputs, labels, settings, generator()).item()
        assert noisy == pytest.approx(plain, rel=1e-8)


def test_with_p1_of_one_every_parameter_is_off_and_the_loss_is_that_of_a_coin() -> None:
    model, inputs, labels = problem()
    loss = trinomial(model, inputs, labels, TrainingSettings(p1=1.0, p2=0.0), generator())
    assert loss.item() == pytest.approx(np.log(2))


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_an_objective_leaves_the_parameters_and_gives_each_a_gradient(name: str) -> None:
    model, inputs, labels = problem()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    OBJECTIVES[name](model, inputs, labels, SHORT, generator()).backward()  # type: ignore[no-untyped-call]
    for parameter, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
        assert parameter.grad is not None
        assert torch.all(torch.isfinite(parameter.grad))
        assert torch.any(parameter.grad != 0)
