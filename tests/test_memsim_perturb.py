from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.memsim import DeviceProfile
from crossbar.memsim.out_of_range import SPANS
from crossbar.memsim.perturb import ORDERS, Perturbation, outputs, parameter_sets, perturb
from memsim_devices import noisy, short
from memsim_modules import MODULES, Tied, contents, made, same

DRAWS = 20_000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def one_matrix(weights: list[float], dtype: torch.dtype = torch.float32) -> nn.Linear:
    linear = nn.Linear(len(weights), 1, bias=False, dtype=dtype)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([weights], dtype=dtype))
    return linear


def weight(module: nn.Module) -> Tensor:
    values: Tensor = module.state_dict()["weight"]
    return values


@pytest.mark.parametrize(
    ("span", "held"),
    [("segment", [0.625, 0.25, 0.0, 1.0]), ("curve", [6 / 11, 3 / 11, 0.0, 1.0])],
)
def test_weights_out_of_range_become_what_was_worked_out_by_hand(
    span: str, held: list[float]
) -> None:
    # Parts of the largest weight, 2, to the nearest of 9 levels; the first five are in range.
    asked = [0.0, 0.25, -0.52, 0.74, 1.03, -1.24, 1.5, -1.75, 2.0]
    a, b, c, d = (2 * part for part in held)
    perturbed = perturb(one_matrix(asked), short(), rng(), span=span)
    expected = torch.tensor([[*asked[:5], -a, b, -c, d]])
    torch.testing.assert_close(weight(perturbed), expected, rtol=1e-6, atol=0)
    assert torch.equal(weight(perturbed)[0, :5], torch.tensor(asked[:5]))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", MODULES)
def test_a_device_with_every_level_and_no_spread_changes_nothing(name: str, order: str) -> None:
    module, _ = made(name)
    assert same(contents(module), perturb(module, short(l_min=5), rng(), order=order))


@given(
    st.lists(st.floats(1e-6, 1e-4), min_size=1, max_size=12),
    st.data(),
    st.lists(st.floats(-8, 8), min_size=1, max_size=20),
    st.sampled_from(SPANS),
)
def test_the_mapping_is_the_formula_weight_by_weight(
    curve: list[float], data: st.DataObject, asked: list[float], span: str
) -> None:
    k0 = data.draw(st.integers(0, len(curve) - 1))
    k1 = data.draw(st.integers(k0, len(curve) - 1))
    l_min = data.draw(st.integers(1, 20))
    length = k1 - k0 + 1
    rho = max(0.0, 1 - length / l_min)
    profile = DeviceProfile("any", tuple(curve), k0, k1, length, l_min, rho, 0.0, 0.0)
    ends = [curve[k0], curve[k1]] if span == "segment" else curve
    low, high = min(ends), max(ends)
    w_max = max(abs(w) for w in asked) or 1.0
    expected = []
    for w in asked:
        n = k0 + round(abs(w) / w_max * (l_min - 1))
        G_x = curve[min(n, len(curve) - 1)]
        part = (G_x - low) / (high - low) if high > low else float(G_x > low)
        expected.append(w if n <= k1 else np.sign(w) * w_max * min(max(part, 0.0), 1.0))
    found = weight(perturb(one_matrix(asked, torch.float64), profile, rng(), span=span))
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-12)


def test_zero_stays_zero_and_signs_stay() -> None:
    linear = one_matrix([0.0, -0.0, 1e-30, -3.0, 2.0, -1.9])
    perturbed = weight(perturb(linear, short(sigma=0.5), rng()))
    assert (perturbed[0, :2] == 0).all()
    assert (torch.sign(perturbed) * torch.sign(linear.weight) >= 0).all()


def test_a_matrix_of_zeros_stays_as_it_is() -> None:
    assert not weight(perturb(one_matrix([0.0, 0.0]), short(), rng())).any()


def test_drift_keeps_the_median_and_raises_the_mean() -> None:
    sigma = 0.4
    weights = torch.full((DRAWS,), -1.5, dtype=torch.float64)
    module = nn.Linear(DRAWS, 1, bias=False).double()
    with torch.no_grad():
        module.weight.copy_(weights)
    perturbed = weight(perturb(module, noisy(sigma), rng())).numpy()
    # Standard errors: of the median sqrt(pi / 2) sigma / sqrt(n), of the mean sd / sqrt(n).
    of_median = 1.5 * np.sqrt(np.pi / 2) * sigma / np.sqrt(DRAWS)
    assert abs(np.median(perturbed) + 1.5) < 4 * of_median
    mean = -1.5 * np.exp(sigma**2 / 2)
    sd = abs(mean) * np.sqrt(np.exp(sigma**2) - 1)
    assert abs(perturbed.mean() - mean) < 4 * sd / np.sqrt(DRAWS)
    assert abs(perturbed.mean() + 1.5) > 8 * sd / np.sqrt(DRAWS)
    assert np.std(np.log(perturbed / -1.5)) == pytest.approx(sigma, rel=0.02)


def test_a_network_is_perturbed_with_the_upper_bound_of_sigma() -> None:
    estimated = replace(noisy(0.3), sigma=0.0)
    module, _ = made("mlp")
    bounded = perturb(module, noisy(0.3), rng())
    assert same(contents(bounded), perturb(module, estimated, rng()))


@pytest.mark.parametrize("name", MODULES)
def test_the_original_is_never_touched(name: str) -> None:
    module, inputs = made(name)
    before, score = contents(module), module(inputs).detach()
    perturbed = perturb(module, short(sigma=0.3), rng())
    with torch.no_grad():
        for value in (*perturbed.parameters(), *perturbed.buffers()):
            value.zero_()
    assert same(before, module)
    assert torch.equal(score, module(inputs).detach())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_the_original_is_not_touched_by_outputs_of_many_draws() -> None:
    module, inputs = made("convolution and batch norm")
    before = contents(module)
    outputs(module, parameter_sets(module, noisy(0.3), rng(), 2), inputs)
    assert same(before, module)


def test_the_original_is_untouched_after_an_error() -> None:
    module, inputs = made("convolution and batch norm")
    before = contents(module)

    def refuse(name: str, parameter: nn.Parameter) -> bool:
        if name == "4.bias":
            raise LookupError(name)
        return True

    with pytest.raises(LookupError, match=r"4\.bias"):
        perturb(module, noisy(0.3), rng(), include=refuse)
    with pytest.raises(RuntimeError):
        outputs(module, parameter_sets(module, noisy(0.3), rng(), 2), inputs[:, :, :2])
    assert same(before, module)


@pytest.mark.parametrize("name", MODULES)
def test_a_copy_has_everything_that_the_original_has(name: str) -> None:
    module, inputs = made(name)
    module.train()
    perturbed = perturb(module, noisy(0.2), rng())
    assert perturbed.training
    assert type(perturbed) is type(module)
    for (key, old), (other, new) in zip(
        module.state_dict().items(), perturbed.state_dict().items(), strict=True
    ):
        assert (key, old.dtype, old.device) == (other, new.dtype, new.device)
        assert (old.shape, old.stride()) == (new.shape, new.stride())
        assert old.data_ptr() != new.data_ptr() or old.numel() == 0
    assert [p.requires_grad for p in perturbed.parameters()] == [
        p.requires_grad for p in module.parameters()
    ]
    assert perturbed.eval()(inputs).shape == module.eval()(inputs).shape


def test_a_copy_can_be_trained_and_starts_without_gradients() -> None:
    module, inputs = made("mlp")
    module(inputs).sum().backward()
    perturbed = perturb(module, noisy(0.2), rng())
    assert all(parameter.grad is None for parameter in perturbed.parameters())
    perturbed(inputs).sum().backward()
    assert all(parameter.grad is not None for parameter in perturbed.parameters())


def test_batch_norm_weights_are_on_the_device_and_running_statistics_are_not() -> None:
    module, _ = made("convolution and batch norm")
    before, after = contents(module), perturb(module, noisy(0.3), rng()).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"0.weight", "0.bias", "1.weight", "4.weight", "4.bias"}  # 1.bias is zero


def test_biases_stay_in_software_if_asked() -> None:
    for name in MODULES:
        module, _ = made(name)
        before = contents(module)
        after = perturb(module, noisy(0.3), rng(), perturb_bias=False).state_dict()
        kept = {key for key in before if torch.equal(before[key], after[key])}
        biases = {key for key, _ in module.named_parameters() if "bias" in key}
        assert biases <= kept, name
        assert any("weight" in key for key in set(before) - kept), name


def test_only_what_is_included_is_on_the_device() -> None:
    module, _ = made("mlp")
    before = contents(module)
    after = perturb(module, noisy(0.3), rng(), include=lambda name, p: name == "2.weight")
    changed = {key for key, value in after.state_dict().items() if (value != before[key]).any()}
    assert changed == {"2.weight"}


def test_parameters_that_are_no_floats_are_left_alone() -> None:
    module, _ = made("odd parameters")
    asked: list[str] = []

    def include(name: str, parameter: nn.Parameter) -> bool:
        asked.append(name)
        return True

    after = perturb(module, noisy(0.3), rng(), include=include).state_dict()
    for key in ("whole", "complex", "empty"):
        assert torch.equal(module.state_dict()[key], after[key])
        assert key not in asked
    assert not torch.equal(module.state_dict()["linear.weight"], after["linear.weight"])


def test_tied_weights_stay_tied_and_are_drawn_once() -> None:
    module, _ = made("embedding with tied weights")
    perturbed = perturb(module, noisy(0.3), rng())
    assert isinstance(perturbed, Tied)
    assert perturbed.embedding.weight is perturbed.output.weight
    factor = perturbed.output.weight.detach() / module.state_dict()["output.weight"]
    drawn = np.exp(0.3 * rng().standard_normal((5, 3)))
    np.testing.assert_allclose(factor.numpy(), drawn, rtol=1e-5)


def test_parameters_that_share_memory_are_two_devices() -> None:
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    module[1].weight.data = module[0].weight.data
    perturbed = perturb(module, noisy(0.3), rng()).state_dict()
    sets = parameter_sets(module, noisy(0.3), rng(), 1)
    for name, values in sets.items():
        assert torch.equal(perturbed[name], values[0])
    assert not torch.equal(perturbed["0.weight"], perturbed["1.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("order", ORDERS)
def test_dtypes_are_kept(dtype: torch.dtype, order: str) -> None:
    module = nn.Linear(64, 64).to(dtype)
    perturbed = perturb(module, short(l_min=300, sigma=0.1), rng(), order=order)
    assert {parameter.dtype for parameter in perturbed.parameters()} == {dtype}
    assert all(torch.isfinite(parameter).all() for parameter in perturbed.parameters())


def test_the_layout_in_memory_is_kept() -> None:
    module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    perturbed = perturb(module, short(sigma=0.1), rng())
    assert perturbed.weight.stride() == module.weight.stride()
    assert not perturbed.weight.is_contiguous()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_module_stays_on_its_processor_and_draws_the_same_numbers_there() -> None:
    module, _ = made("mlp")
    there = perturb(module.cuda(), short(sigma=0.3), rng())
    assert all(parameter.is_cuda for parameter in there.parameters())
    here = contents(perturb(module.cpu(), short(sigma=0.3), rng()))
    for name, values in contents(there.cpu()).items():
        torch.testing.assert_close(values, here[name])


def test_the_same_seed_gives_the_same_numbers_and_another_others() -> None:
    module, _ = made("transformer")
    first = perturb(module, short(sigma=0.3), rng(3))
    torch.rand(5)  # torch's own chance plays no part
    assert same(contents(first), perturb(module, short(sigma=0.3), rng(3)))
    assert not same(contents(first), perturb(module, short(sigma=0.3), rng(4)))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", MODULES)
def test_sets_are_what_perturb_gives_one_after_the_other(name: str, order: str) -> None:
    module, _ = made(name)
    profile, one_by_one = short(sigma=0.4), rng(5)
    sets = parameter_sets(module, profile, rng(5), 3, Perturbation(order=order))
    for k in range(3):
        perturbed = perturb(module, profile, one_by_one, order=order)
        for key, parameter in perturbed.named_parameters():
            if key in sets:
                assert torch.equal(sets[key][k], parameter)


@pytest.mark.parametrize(
    "name", ["mlp", "convolution and batch norm", "embedding with tied weights"]
)
def test_outputs_of_all_draws_together_are_those_of_each(name: str) -> None:
    module, inputs = made(name)
    together = outputs(module, parameter_sets(module, short(sigma=0.4), rng(5), 4), inputs)
    one_by_one = rng(5)
    for k in range(4):
        alone: Tensor = perturb(module, short(sigma=0.4), one_by_one)(inputs)
        torch.testing.assert_close(together[k], alone.detach(), rtol=1e-5, atol=1e-6)


def test_drift_before_the_mapping_is_another_device() -> None:
    linear = one_matrix([0.1, 1.24, -1.5, 2.0])
    drifted = perturb(linear, noisy(0.5), rng())
    expected = perturb(drifted, short(), rng()).state_dict()["weight"]
    found = perturb(linear, short(sigma=0.5), rng(), order="drift then map").state_dict()["weight"]
    torch.testing.assert_close(found, expected)
    usual = perturb(linear, short(sigma=0.5), rng()).state_dict()["weight"]
    assert not torch.equal(usual, found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "drift"}, "order 'drift' is unknown; known are map then drift"),
        ({"span": "whole"}, "span 'whole' is unknown"),
    ],
)
def test_unknown_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        perturb(made("mlp")[0], noisy(0.1), rng(), **options)


def test_modules_that_no_device_can_hold_are_refused() -> None:
    with pytest.raises(DataError, match=r"weight holds NaN or infinity"):
        perturb(one_matrix([1.0, float("nan")]), noisy(0.1), rng())
    with pytest.raises(DataError, match="has no shape yet"):
        perturb(nn.LazyLinear(3), noisy(0.1), rng())
    module = nn.Linear(2, 2)
    module.computed = module.weight * 2
    with pytest.raises(DataError, match="Linear cannot be copied"):
        perturb(module, noisy(0.1), rng())
