from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn
from torch.func import functional_call

from crossbar.backend import Array, DataError
from crossbar.conductances import asked_conductances, conductance_pair, device_sets, scale_of
from crossbar.device_errors import DeviceErrors
from crossbar.double_weights import doubled
from crossbar.mapping import MAPPINGS, Window, solve_targets
from crossbar.memsim.perturb import parameter_sets
from memsim_devices import short
from memsim_modules import contents, same
from small_training import generator, problem

WINDOW = Window(2e-6, 40e-6)
SPREAD = DeviceErrors.lognormal(0.3, WINDOW)
EXACT = DeviceErrors.lognormal(0.0, WINDOW)

matrices = arrays(np.float64, (3, 4), elements=st.floats(-5, 5, allow_subnormal=False))


@given(matrices)
@settings(max_examples=50, deadline=None)
def test_pairs_are_those_that_the_crossbar_is_programmed_with(matrix: Array) -> None:
    mapping, free = MAPPINGS["differential"], np.full(matrix.shape, np.nan)
    scale = scale_of([torch.tensor(matrix)], WINDOW)
    assert scale.item() == pytest.approx(mapping.scale(matrix, WINDOW), rel=1e-12)
    targets = solve_targets(matrix * scale.item(), mapping, WINDOW, free, free)
    plus, minus = conductance_pair(torch.tensor(matrix), scale, WINDOW)
    assert plus.numpy() == pytest.approx(targets.plus, rel=1e-12)
    assert minus.numpy() == pytest.approx(targets.minus, rel=1e-12)


def test_a_layer_has_one_scale_with_its_biases() -> None:
    model, _, _ = problem()
    with torch.no_grad():
        model[0].bias[0] = 7.0  # type: ignore[index]
    asked = asked_conductances(model, WINDOW)
    assert asked["0.weight"].scale.item() == asked["0.bias"].scale.item()
    assert asked["0.weight"].scale.item() == pytest.approx(38e-6 / 7.0)
    assert asked["0.bias"].plus.max().item() == pytest.approx(40e-6)
    assert list(asked_conductances(model, WINDOW, perturb_bias=False)) == ["0.weight", "2.weight"]


def test_weights_come_back_from_devices_that_do_what_is_asked() -> None:
    model, _, _ = problem()
    sets = device_sets(model, EXACT, 2, generator())
    for name, parameter in model.named_parameters():
        assert sets[name].shape == (2, *parameter.shape)
        assert torch.allclose(sets[name], parameter.expand(2, *parameter.shape), rtol=1e-9)


def test_the_draws_are_the_difference_of_two_lognormal_conductances() -> None:
    layer = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.fill_(0.8)
    drawn = device_sets(layer, SPREAD, 100_000, generator())["weight"].detach().numpy().ravel()
    # The one weight is the largest: G_plus = 40 uS, G_minus = 2 uS, k = 38 uS / 0.8.
    factor = 0.8 / 38
    mean, variance = np.exp(0.3**2 / 2), np.exp(0.3**2) * (np.exp(0.3**2) - 1)
    assert drawn.mean() == pytest.approx(factor * (40 - 2) * mean, rel=0.01)
    assert drawn.std() == pytest.approx(factor * np.sqrt((40**2 + 2**2) * variance), rel=0.01)


def test_the_gradient_passes_through_the_mapping_and_its_scale() -> None:
    model, inputs, _ = problem()
    names = [name for name, _ in model.named_parameters()]

    def scores(*values: Tensor) -> Tensor:
        own = {f"model.{name}": value for name, value in zip(names, values, strict=True)}
        result: Tensor = functional_call(
            model, functional_call(_Sets(model), own, ()), (inputs[:3],)
        )
        return result

    given_values = tuple(part.detach().requires_grad_() for part in model.parameters())
    assert torch.autograd.gradcheck(scores, given_values, eps=1e-7, atol=1e-6)


class _Sets(nn.Module):
    """The parameters that devices make of a module's, as a forward pass."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self) -> dict[str, Tensor]:
        return {
            name: one[0] for name, one in device_sets(self.model, SPREAD, 1, generator()).items()
        }


def test_a_weight_of_zero_can_still_move() -> None:
    layer = nn.Linear(2, 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -0.5]]))
        layer.bias.zero_()
    device_sets(layer, EXACT, 1, generator())["bias"].sum().backward()  # type: ignore[no-untyped-call]
    assert layer.bias.grad is not None
    assert layer.bias.grad.item() == pytest.approx(1.0)


def test_a_layer_of_zeros_is_mapped_as_the_crossbar_does_it() -> None:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    asked = asked_conductances(layer, WINDOW)
    assert asked["weight"].scale.item() == pytest.approx(WINDOW.span)
    assert torch.all(device_sets(layer, EXACT, 1, generator())["weight"] == 0)


def test_a_stuck_device_has_no_gradient() -> None:
    stuck = DeviceErrors.measured([2e-6, 40e-6], [5e-6, 5e-6], WINDOW, stuck=[True, True])
    layer = nn.Linear(2, 1, bias=False).double()
    drawn = device_sets(layer, stuck, 1, generator())["weight"]
    assert torch.all(drawn.abs() < 1e-12)
    drawn.sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    assert torch.allclose(layer.weight.grad, torch.zeros(()).double(), atol=1e-12)


def test_double_weights_are_one_device_each() -> None:
    model, inputs, _ = problem()
    double = doubled(model)
    asked = asked_conductances(double, WINDOW)
    assert all(one.minus is None for one in asked.values())
    plain = asked_conductances(model, WINDOW)
    plus, minus = (asked[f"0.parametrizations.weight.original{k}"].plus for k in range(2))
    assert torch.allclose(plus, plain["0.weight"].plus)
    assert plain["0.weight"].minus is not None
    assert torch.allclose(minus, plain["0.weight"].minus)
    sets = {name: one[0] for name, one in device_sets(double, EXACT, 1, generator()).items()}
    assert torch.allclose(functional_call(double, sets, (inputs,)), model(inputs))


@pytest.mark.parametrize("levels", [9, 5, 3])
def test_on_a_window_from_zero_a_profile_does_what_memsim_does(levels: int) -> None:
    layer = nn.Linear(6, 5, bias=False).double()
    with torch.no_grad():
        layer.weight.normal_(generator=generator(2))
    profile = short(levels)
    expected = parameter_sets(layer, profile, np.random.default_rng(0), 1)["weight"]
    errors = DeviceErrors.from_profile(profile, Window(0.0, 1.0))
    found = device_sets(layer, errors, 1, generator())["weight"]
    assert torch.allclose(found, expected, rtol=1e-9)


def test_the_module_stays_as_it_is_and_the_same_generator_gives_the_same_chips() -> None:
    model, _, _ = problem()
    before = contents(model)
    first, again = (device_sets(model, SPREAD, 3, generator(4)) for _ in range(2))
    assert same(before, model)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_chips_stay_the_same_while_weights_change() -> None:
    model, _, _ = problem()
    law = replace(SPREAD, window=Window(0.0, 1.0))
    first = device_sets(model, law, 2, generator(4))["0.weight"] / model[0].weight  # type: ignore[index]
    with torch.no_grad():
        model[0].weight.mul_(torch.tensor([0.5, 2.0]))  # type: ignore[index]
    again = device_sets(model, law, 2, generator(4))["0.weight"] / model[0].weight  # type: ignore[index]
    assert torch.allclose(first, again)


def test_a_module_without_parameters_is_refused() -> None:
    with pytest.raises(DataError, match="Tanh has no parameter that noise can act on"):
        device_sets(nn.Tanh(), SPREAD, 1, generator())
