import numpy as np
import pytest
import torch
from torch import nn

from crossbar.deployment import Deployment, LogNormal, deployed_sets, describe, evaluate
from crossbar.losses import binary_accuracy
from crossbar.memsim import DeviceProfile
from crossbar.memsim.levels import sweep
from memsim_devices import noisy
from memsim_modules import contents, same
from small_training import DEVICE, generator, problem

EVERYWHERE: list[Deployment] = [LogNormal(0.5), noisy(0.5), DEVICE]


@pytest.mark.parametrize("deployment", EVERYWHERE, ids=describe)
def test_the_same_generator_gives_the_same_devices(deployment: Deployment) -> None:
    model, _, _ = problem()
    before = contents(model)
    first, again = (deployed_sets(model, deployment, 3, generator(1)) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert same(before, model)
    assert all(values.shape[0] == 3 for values in first.values())


@pytest.mark.parametrize("deployment", EVERYWHERE, ids=describe)
def test_one_draw_after_the_other_is_another_one(deployment: Deployment) -> None:
    model, _, _ = problem()
    own = generator(1)
    first, second = (deployed_sets(model, deployment, 1, own) for _ in range(2))
    assert not torch.equal(first["0.weight"], second["0.weight"])


@pytest.mark.parametrize("deployment", EVERYWHERE, ids=describe)
def test_biases_can_stay_in_software(deployment: Deployment) -> None:
    model, _, _ = problem()
    found = deployed_sets(model, deployment, 1, generator(), perturb_bias=False)
    assert list(found) == ["0.weight", "2.weight"]


@pytest.mark.parametrize("deployment", [LogNormal(0.3), noisy(0.3)], ids=describe)
def test_factors_on_weights_have_the_deployments_sigma(deployment: Deployment) -> None:
    layer = nn.Linear(300, 300).double()
    drawn = deployed_sets(layer, deployment, 1, generator())["weight"] / layer.weight
    assert torch.log(drawn).std().item() == pytest.approx(0.3, rel=0.02)


def test_an_evaluation_agrees_with_a_sweep_over_levels() -> None:
    model, inputs, labels = problem()
    values = evaluate(model, inputs, labels, binary_accuracy, LogNormal(0.5), 400, generator())
    found = sweep(
        model, [noisy(0.5)], lambda m: binary_accuracy(m(inputs), labels), repeats=400, seed=1
    )
    difference = values.mean() - found.mean[0]
    assert abs(difference) < 4 * np.hypot(values.std(), found.sd[0]) / np.sqrt(400)


def test_examples_pass_in_portions_and_none_is_left_out() -> None:
    model, _, _ = problem()
    count = 2**18 + 7  # more than pass a processor's cache at once
    inputs = torch.linspace(-1, 1, 2 * count).double().reshape(count, 2)
    seen: list[int] = []

    def size(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.append(len(scores))
        return scores.sum()

    evaluate(model, inputs, inputs[:, 0], size, LogNormal(0.1), 2, generator())
    assert seen == [count, count]


def test_a_deployment_says_what_it_is() -> None:
    assert describe(LogNormal(0.5)) == "log-normal factors on weights, sigma 0.5"
    assert describe(DEVICE) == "pairs of devices: log-normal factors, sigma 0.4"
    assert describe(DeviceProfile.at(0.7)).startswith("device ")
