from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.deployment import Deployment, LogNormal, evaluate
from crossbar.double_weights import doubled, halves
from crossbar.fitting import Examples, FitSettings, Fitted, fit
from crossbar.losses import accuracy, binary, binary_accuracy, cross_entropy, squared_error
from crossbar.memsim import DeviceProfile
from crossbar.training_settings import NoiseSettings
from memsim_modules import contents, same
from small_training import DEVICE, generator, standard_moons

SMALL = FitSettings(
    epochs=6,
    batch=32,
    learning_rate=0.03,
    validation_draws=5,
    noise=NoiseSettings(draws=2, device=DEVICE),
)
MILD = LogNormal(0.3)


def examples(n: int, seed: int) -> Examples:
    points = standard_moons(n, seed)
    return Examples(torch.tensor(points.inputs).float(), torch.tensor(points.labels).float())


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def fitted(
    objective: str = "lognormal",
    settings: FitSettings = SMALL,
    *,
    model: nn.Module | None = None,
    seed: int = 0,
    deployment: Deployment = MILD,
    **more: Any,
) -> Fitted[nn.Module]:
    return fit(
        model if model is not None else network(),
        examples(200, 0),
        examples(100, 1),
        objective,
        binary,
        binary_accuracy,
        settings,
        generator(seed),
        deployment=deployment,
        **more,
    )


@pytest.mark.parametrize("objective", ["erm", "trinomial", "laplace-activation", "device"])
def test_the_same_generator_gives_the_same_weights_bit_for_bit(objective: str) -> None:
    first, again, other = fitted(objective), fitted(objective), fitted(objective, seed=1)
    assert same(contents(first.model), again.model)
    assert np.array_equal(first.losses, again.losses)
    assert np.array_equal(first.validation, again.validation)
    assert not same(contents(first.model), other.model)


def test_the_module_that_is_given_stays_as_it_is_and_so_does_torchs_generator() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.2), nn.BatchNorm1d(8), nn.Linear(8, 1))
    before, state = contents(model), torch.get_rng_state()
    first, again = fitted(model=model), fitted(model=model)
    assert same(before, model)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert same(contents(first.model), again.model)
    assert not first.model.training


@pytest.mark.parametrize("objective", ["erm", "lognormal"])
def test_fitting_learns_moons_it_has_not_seen(objective: str) -> None:
    settings = replace(SMALL, epochs=40, learning_rate=0.15, warmup=15)
    gentle = replace(settings, noise=NoiseSettings(draws=4, sigma=0.1))
    found = fitted(objective, gentle, deployment=LogNormal(0.0))
    test = examples(500, 7)
    assert binary_accuracy(found.model(test.inputs), test.labels) > 0.96
    assert found.losses.shape == found.validation.shape == (40,)
    assert found.losses[-1] < found.losses[0]


class Scale(nn.Module):
    """Scores that are its only parameter: every number of a fit can be worked out."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]).double())

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(len(x))


def constant(n: int) -> Examples:
    return Examples(torch.zeros(n, 1).double(), torch.ones(n).double())


def test_the_epoch_with_the_largest_median_is_kept_and_not_the_last() -> None:
    seen: list[float] = []

    def nearness(scores: Tensor, labels: Tensor) -> Tensor:
        """Be largest at 0.5, which the weight passes on its way to 1."""
        seen.append(scores[0].item())
        return -(scores.mean() - 0.5).abs()

    settings = FitSettings(epochs=40, batch=4, learning_rate=0.1, validation_draws=1)
    found = fit(
        Scale(0.0),
        constant(4),
        constant(2),
        "erm",
        squared_error,
        nearness,
        settings,
        generator(),
        deployment=LogNormal(0.0),
    )
    expected = int(np.argmin(np.abs(np.array(seen) - 0.5)))
    assert 0 < expected < 39
    assert found.best_epoch == expected
    assert found.model.value.item() == seen[expected]
    assert abs(seen[-1] - 0.5) > abs(seen[expected] - 0.5)


def test_the_median_decides_and_neither_the_mean_nor_the_best_draw() -> None:
    # Three draws a validation: by the mean and by the best draw the second epoch would be kept.
    scripted = iter([0.5, 0.6, 0.7, 0.0, 0.5, 9.0, 0.1, 0.2, 0.3])
    settings = FitSettings(epochs=3, batch=4, validation_draws=3)
    found = fit(
        Scale(0.0),
        constant(4),
        constant(2),
        "erm",
        squared_error,
        lambda scores, labels: torch.tensor(next(scripted)),
        settings,
        generator(),
        deployment=LogNormal(0.1),
    )
    assert found.validation.tolist() == pytest.approx([0.6, 0.5, 0.2])
    assert found.best_epoch == 0
    assert found.validation_low[1] == pytest.approx(np.quantile([0, 0.5, 9], 0.025))
    assert found.validation_high[1] == pytest.approx(np.quantile([0, 0.5, 9], 0.975))


def test_every_validation_meets_the_same_devices() -> None:
    factors: list[float] = []

    def factor(scores: Tensor, labels: Tensor) -> Tensor:
        factors.append(scores[0].item())
        return scores[0]

    settings = FitSettings(epochs=3, batch=4, learning_rate=1e-12, validation_draws=4)
    fit(
        Scale(1.0),
        constant(4),
        constant(2),
        "lognormal",
        squared_error,
        factor,
        settings,
        generator(),
        deployment=LogNormal(0.5),
    )
    first, second, third = np.array(factors).reshape(3, 4)
    assert len(set(first)) == 4
    assert first == pytest.approx(second, rel=1e-9)
    assert first == pytest.approx(third, rel=1e-9)


def test_validations_happen_as_often_as_asked_and_after_the_last_epoch() -> None:
    found = fitted(settings=replace(SMALL, validate_every=4))
    assert np.isfinite(found.validation).tolist() == [False, False, False, True, False, True]
    assert found.best_epoch in (3, 5)


def test_what_was_validated_is_what_the_kept_weights_give() -> None:
    found = fitted()
    seed = torch.randint(2**62, (4,), generator=generator()).tolist()[2]
    held = examples(100, 1)
    values = evaluate(
        found.model, held.inputs, held.labels, binary_accuracy, MILD, 5, generator(seed)
    )
    assert np.median(values) == found.validation[found.best_epoch] == np.nanmax(found.validation)


@pytest.mark.parametrize(
    "deployment",
    [LogNormal(0.3), DeviceProfile.at(0.7), DEVICE],
    ids=["log-normal", "profile", "devices"],
)
def test_validation_is_on_what_the_network_is_deployed_on(deployment: Deployment) -> None:
    model = network()
    held = examples(50, 1)

    def sample(draws: int) -> Any:
        return evaluate(
            model, held.inputs, held.labels, binary_accuracy, deployment, draws, generator(2)
        )

    assert np.array_equal(sample(6), sample(6))
    assert len(set(sample(40))) > 3


def test_warm_up_descends_on_the_plain_risk() -> None:
    settings = replace(SMALL, warmup=3)
    noisy, plain = fitted("trinomial", settings), fitted("erm", settings)
    assert np.array_equal(noisy.losses[:3], plain.losses[:3])
    assert noisy.losses[3] > plain.losses[3]


def test_a_fixed_set_of_chips_is_met_again_and_again() -> None:
    scales: list[float] = []

    def spy(scores: Tensor, labels: Tensor) -> Tensor:
        scales.extend(scores.detach()[::4].tolist())
        return scores.mean()

    noise = NoiseSettings(draws=2, instance="chip", chips=4, sigma=0.5)
    settings = FitSettings(epochs=4, batch=4, learning_rate=1e-12, validation_draws=1, noise=noise)
    fit(
        Scale(1.0),
        constant(4),
        constant(2),
        "lognormal",
        spy,
        squared_error,
        settings,
        generator(),
        deployment=LogNormal(0.0),
    )
    assert scales[:4] == pytest.approx(scales[4:], rel=1e-9)
    assert len(set(scales[:4])) == 4


def test_the_progress_counts_every_step() -> None:
    seen: list[tuple[int, int]] = []
    fitted(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 42) for done in range(1, 43)]


def test_a_penalty_shrinks_weights_and_a_clip_bounds_the_steps() -> None:
    def size(found: Fitted[nn.Module]) -> float:
        return sum(part.abs().sum().item() for part in found.model.parameters())

    longer = replace(SMALL, epochs=15)
    assert size(fitted("erm", replace(longer, l1=0.03))) < 0.8 * size(fitted("erm", longer))
    clipped = fitted("erm", replace(SMALL, clip=1e-12))
    assert clipped.losses[-1] > fitted("erm").losses[-1]


def test_double_weights_stay_non_negative() -> None:
    model = doubled(network(), generator(4))
    found = fitted("device", model=model)
    assert all((half >= 0).all() for half in halves(found.model).values())
    assert found.losses[-1] < found.losses[0]


def test_several_classes_and_convolutions_are_fitted_too() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(120, 1, 6, 6))
    labels = rng.integers(3, size=120)
    images[labels == 1, :, :3] += 1.5
    images[labels == 2, :, :, :3] += 1.5
    data = Examples(torch.tensor(images).float(), torch.tensor(labels))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
        )
    found = fit(
        model,
        data,
        data,
        "gaussian",
        cross_entropy,
        accuracy,
        replace(SMALL, epochs=8),
        generator(),
        deployment=LogNormal(0.1),
    )
    assert found.validation[found.best_epoch] > 0.8


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(DataError, match="'adversarial' is unknown; known are erm, trinomial"):
        fitted("adversarial")
    with pytest.raises(DataError, match="Tanh has no parameters to train"):
        fitted(model=nn.Tanh())
    with pytest.raises(DataError, match="3 inputs and 2 labels"):
        Examples(torch.zeros(3, 1), torch.zeros(2))
    with pytest.raises(DataError, match="0 inputs and 0 labels"):
        Examples(torch.zeros(0, 1), torch.zeros(0))
    with pytest.raises(DataError, match=r"sigma = -0.1"):
        LogNormal(-0.1)


def test_a_metric_that_is_never_a_number_keeps_nothing() -> None:
    with pytest.raises(DataError, match="not a number at any validation"):
        fit(
            Scale(0.0),
            constant(4),
            constant(2),
            "erm",
            squared_error,
            lambda scores, labels: torch.tensor(float("nan")),
            FitSettings(epochs=2),
            generator(),
            deployment=LogNormal(0.1),
        )
