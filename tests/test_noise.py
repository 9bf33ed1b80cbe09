from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from crossbar.backend import DataError
from crossbar.noise import LAWS, code_shift, instances
from crossbar.training_settings import NoiseSettings
from small_training import generator

SAMPLES = 400_000


def factors(name: str, noise: NoiseSettings, shape: tuple[int, ...] = (SAMPLES,)) -> torch.Tensor:
    law = LAWS[name]
    return law.at(law.draw(shape, torch.empty(0).double(), generator()), noise)


@pytest.mark.parametrize(("p1", "p2"), [(0.05, 0.1), (0.3, 0.5), (0.0, 0.2), (0.25, 0.75), (1, 0)])
def test_trinomial_factors_occur_as_often_as_p1_and_p2_say(p1: float, p2: float) -> None:
    eta = factors("trinomial", NoiseSettings(p1=(p1,), p2=(p2,))).numpy()
    probabilities = {0.0: p1, 0.5: p2, 1.0: 1 - p1 - p2}
    assert set(np.unique(eta)) <= set(probabilities)
    for value, p in probabilities.items():
        four_sigma = 4 * np.sqrt(p * (1 - p) / SAMPLES) + 1e-12
        assert abs(np.mean(eta == value) - p) <= four_sigma


NOISE = NoiseSettings(p1=(0.15,), p2=(0.3,), sigma=0.4, spread=0.3, drop=0.2)
MEAN = {
    "trinomial": 1 - 0.15 - 0.15,
    "gaussian": 1.0,
    "laplace": 1.0,
    "bernoulli": 0.8,
    "lognormal": np.exp(0.4**2 / 2),
}
SD = {
    "trinomial": np.sqrt((1 - 0.15 - 0.75 * 0.3) - 0.7**2),
    "gaussian": 0.3,
    "laplace": 0.3,
    "bernoulli": 0.4,
    "lognormal": np.exp(0.4**2 / 2) * np.sqrt(np.exp(0.4**2) - 1),
}


@pytest.mark.parametrize("name", sorted(LAWS))
def test_factors_have_the_moments_of_their_law(name: str) -> None:
    drawn = factors(name, NOISE).numpy()
    assert abs(drawn.mean() - MEAN[name]) < 4 * SD[name] / np.sqrt(SAMPLES)
    assert drawn.std() == pytest.approx(SD[name], rel=0.01)


@pytest.mark.parametrize("name", sorted(LAWS))
def test_rescaled_factors_have_a_mean_of_one(name: str) -> None:
    drawn = factors(name, replace(NOISE, rescale=True)).numpy()
    assert abs(drawn.mean() - 1) < 4 * SD[name] / MEAN[name] / np.sqrt(SAMPLES)


def test_factors_that_are_always_zero_cannot_be_rescaled() -> None:
    with pytest.raises(DataError, match="always 0"):
        factors("trinomial", NoiseSettings(p1=(1.0,), p2=(0.0,), rescale=True))


@pytest.mark.parametrize(
    ("name", "law", "numbers"),
    [
        ("gaussian", "norm", (1.0, 0.3)),
        ("laplace", "laplace", (1.0, 0.3 / np.sqrt(2))),
        ("lognormal", "lognorm", (0.4,)),
    ],
)
def test_continuous_factors_follow_their_distribution_function(
    name: str, law: str, numbers: tuple[float, ...]
) -> None:
    drawn = factors(name, NOISE, (20_000,)).numpy()
    assert stats.kstest(drawn, law, args=numbers).pvalue > 0.01


def test_lognormal_factors_keep_the_median() -> None:
    assert factors("lognormal", NOISE).median().item() == pytest.approx(1.0, abs=0.005)


def test_the_law_of_laplace_is_finite_where_the_uniform_number_is_zero() -> None:
    for dtype in (torch.float32, torch.float64):
        assert torch.isfinite(LAWS["laplace"].factors(torch.zeros(1, dtype=dtype), NOISE)).all()


@pytest.mark.parametrize("name", sorted(LAWS))
def test_factors_are_independent_between_parameters_and_draws(name: str) -> None:
    drawn = factors(name, NOISE, (50_000, 3)).numpy()
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.02
    assert abs(np.corrcoef(drawn[:-1, 0], drawn[1:, 0])[0, 1]) < 0.02


def test_the_published_codes_number_is_binomial() -> None:
    shift = code_shift((SAMPLES,), NoiseSettings(shift=(0.01,)), generator()).numpy()
    counts = np.bincount(np.rint(shift / 0.01).astype(int), minlength=11)
    expected = stats.binom(10, 0.25).pmf(np.arange(11))
    assert np.allclose(counts / SAMPLES, expected, atol=4 * np.sqrt(0.25 / SAMPLES))


def test_fresh_noise_is_always_the_same_generators() -> None:
    chance, own = instances(NoiseSettings(), g := generator()), [g] * 3
    assert [next(chance) for _ in own] == own


def test_virtual_chips_come_again_after_the_last() -> None:
    chance = instances(NoiseSettings(instance="chip", chips=12, draws=4), generator())
    numbers = [torch.rand(5, generator=next(chance)) for _ in range(7)]
    for step in range(4):
        assert torch.equal(numbers[step], numbers[step + 3])
    assert not torch.equal(numbers[0], numbers[1])
