from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.memsim import DeviceProfile, levels
from crossbar.memsim.levels import AT_ONCE, Metric, sweep
from crossbar.memsim.perturb import Perturbation, parameter_sets, perturb
from crossbar.merit.usability import DEFAULT_FORM
from memsim_devices import noisy, short
from memsim_modules import contents, made, same


def squared(inputs: Tensor) -> Metric:
    def mean_square(module: nn.Module) -> Tensor:
        result: Tensor = module(inputs).square().mean()
        return result

    return mean_square


def as_a_float(metric: Metric) -> Metric:
    return lambda module: float(metric(module))


@pytest.mark.parametrize("profile", [noisy(0.4), short(sigma=0.4)], ids=lambda p: p.name)
@pytest.mark.parametrize(
    "name", ["mlp", "convolution and batch norm", "embedding with tied weights"]
)
def test_draws_together_are_draws_one_by_one(name: str, profile: DeviceProfile) -> None:
    module, inputs = made(name)
    metric = squared(inputs)
    together = sweep(module, [profile], metric, 5, seed=7)
    one_by_one = sweep(module, [profile], as_a_float(metric), 5, seed=7)
    assert together.looped == ""
    assert "item()" in one_by_one.looped
    np.testing.assert_allclose(together.values, one_by_one.values, rtol=1e-6)


def test_draws_are_those_of_perturb_in_turn() -> None:
    module, inputs = made("mlp")
    metric, rng = squared(inputs), np.random.default_rng(7)
    repeats = AT_ONCE + 3  # more than are evaluated at once
    with torch.no_grad():
        alone = [float(metric(perturb(module, short(sigma=0.3), rng))) for _ in range(repeats)]
    result = sweep(module, [short(sigma=0.3)], metric, repeats, seed=7)
    np.testing.assert_allclose(result.values[0], alone, rtol=1e-6)


def test_draws_of_a_module_with_large_outputs_are_taken_fewer_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module, inputs = made("mlp")  # 6 inputs to 4 units: 24 numbers, more than its 17 parameters
    taken = []
    original = parameter_sets

    def noted(*arguments: Any) -> dict[str, Tensor]:
        taken.append(arguments[3])
        return original(*arguments)

    whole = sweep(module, [0.7], squared(inputs), 7, seed=0)
    monkeypatch.setattr(levels, "parameter_sets", noted)
    monkeypatch.setattr(levels, "NUMBERS_AT_ONCE", 3 * 24)
    parts = sweep(module, [0.7], squared(inputs), 7, seed=0)
    assert taken == [3, 3, 1]
    np.testing.assert_allclose(parts.values, whole.values, rtol=1e-6)


def test_a_result_has_mean_spread_and_what_made_it() -> None:
    module, inputs = made("mlp")
    metric = squared(inputs)
    result = sweep(module, [1.0, 0.7, noisy(0.5)], metric, 40, seed=7)
    assert result.values.shape == (3, 40)
    assert result.repeats == 40
    assert (result.seed, result.metric, result.form) == (7, "mean_square", DEFAULT_FORM)
    np.testing.assert_allclose(result.usability, [1.0, 0.7, noisy(0.5).usability()])
    np.testing.assert_allclose(result.mean, result.values.mean(axis=1))
    np.testing.assert_allclose(result.sd, result.values.std(axis=1, ddof=1))
    low, high = result.interval
    inside = (result.values >= low[:, None]) & (result.values <= high[:, None])
    assert (inside.sum(axis=1)[1:] == 38).all()
    sample = result.values[1]
    expected = stats.t.interval(0.95, 39, sample.mean(), stats.sem(sample))
    assert result.mean[1] - result.half_width[1] == pytest.approx(expected[0])
    with torch.no_grad():
        assert result.unperturbed == float(metric(module))
    np.testing.assert_allclose(result.values[0], result.unperturbed, rtol=1e-6)
    for words in ("1 of 3", DEFAULT_FORM, "rho = 0", "biases too", "map then drift", "segment"):
        assert words in result.convention


def test_one_draw_has_no_spread_rather_than_none() -> None:
    module, inputs = made("mlp")
    result = sweep(module, [0.5], squared(inputs), 1, seed=0)
    assert np.isnan(result.sd).all()
    assert np.isnan(result.half_width).all()


def test_the_same_seed_gives_the_same_values_and_levels_share_their_draws() -> None:
    module, inputs = made("mlp")
    first = sweep(module, [0.6, 0.6, 0.5], squared(inputs), 4, seed=1)
    again = sweep(module, [0.5], squared(inputs), 4, seed=1)
    other = sweep(module, [0.5], squared(inputs), 4, seed=2)
    np.testing.assert_array_equal(first.values[0], first.values[1])
    np.testing.assert_array_equal(first.values[2:], again.values)
    assert (again.values != other.values).all()


def test_the_model_is_never_touched_whatever_the_metric_does_to_it() -> None:
    module, inputs = made("convolution and batch norm")
    before = contents(module)

    def careless(copy: nn.Module) -> Tensor:
        copy.train()
        result: Tensor = copy(inputs).square().mean()
        return result

    result = sweep(module, [0.7], careless, 3, seed=0)
    assert result.looped  # running statistics of many draws cannot be kept in one module
    assert not module.training
    assert same(before, module)


def test_the_model_is_untouched_after_a_metric_that_fails() -> None:
    module, _ = made("mlp")
    before = contents(module)
    calls = []

    def failing(copy: nn.Module) -> float:
        calls.append(copy)
        if len(calls) > 2:
            raise ArithmeticError("in the metric")
        return float(next(copy.parameters()).sum())

    with pytest.raises(ArithmeticError, match="in the metric"):
        sweep(module, [0.7], failing, 5, seed=0)
    assert same(before, module)


def test_dropout_draws_from_the_seed_and_torch_keeps_its_own_chance() -> None:
    module = nn.Sequential(made("mlp")[0], nn.Dropout(0.5)).train()
    inputs = torch.ones(50, 2)
    state = torch.random.get_rng_state()
    first = sweep(module, [0.7], squared(inputs), 3, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(3)
    np.testing.assert_array_equal(
        first.values, sweep(module, [0.7], squared(inputs), 3, seed=1).values
    )
    assert "random" in first.looped


@pytest.mark.parametrize("wrapped", [lambda metric: metric, as_a_float], ids=["torch", "float"])
def test_options_of_the_perturbation_are_respected(wrapped: Callable[[Metric], Metric]) -> None:
    module, _ = made("mlp")
    how = Perturbation(include=lambda name, p: name == "0.bias", perturb_bias=True)

    def moved(copy: nn.Module) -> Tensor:
        total: Tensor = sum(  # type: ignore[assignment]
            (new - old).abs().sum()
            for (name, new), old in zip(copy.named_parameters(), module.parameters(), strict=True)
            if name != "0.bias"
        )
        return total

    assert (sweep(module, [0.5], wrapped(moved), 3, seed=0, how=how).values == 0).all()
    assert (sweep(module, [0.5], wrapped(moved), 3, seed=0).values > 0).all()


def test_what_cannot_be_swept_is_refused() -> None:
    module, inputs = made("mlp")
    metric = squared(inputs)
    with pytest.raises(DataError, match="0 levels of 3 draws"):
        sweep(module, [], metric, 3, seed=0)
    with pytest.raises(DataError, match="1 levels of 0 draws"):
        sweep(module, [0.5], metric, 0, seed=0)
    with pytest.raises(DataError, match="form 'paper' is unknown"):
        sweep(module, [0.5], metric, 1, seed=0, form="paper")
    with pytest.raises(DataError, match="nothing to sweep"):
        sweep(nn.ReLU(), [0.5], metric, 1, seed=0)
    for many in (lambda copy: copy(inputs), lambda copy: copy(inputs).numpy()):
        with pytest.raises(DataError, match="one number is needed"):
            sweep(module, [0.5], many, 3, seed=0)
