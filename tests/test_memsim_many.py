from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from crossbar.backend import DataError
from crossbar.deployment import LogNormal, deployed_sets, evaluate
from crossbar.draws import DrawSets
from crossbar.losses import accuracy
from crossbar.memsim import many
from crossbar.memsim.many import obstacle, scores_of_draws
from crossbar.memsim.perturb import Perturbation, parameter_sets
from memsim_devices import short
from memsim_modules import contents, made, same
from small_training import generator

DRAWS = 5


class Residual(nn.Module):
    """A skip connection, and activations and pools as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding="same", bias=False)
        self.last = nn.Linear(4 * 9, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.first(x), inplace=True)
        x = functional.max_pool2d(torch.tanh(self.second(x) + x), 2)
        x = functional.avg_pool2d(x, kernel_size=2, stride=1).relu()
        result: Tensor = self.last(torch.flatten(functional.adaptive_avg_pool2d(x, 3) * x, 1))
        return result


class Branching(nn.Module):
    """Something that no one can follow without numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.linear(x if x.sum() > 0 else -x)
        return result


class Scaled(nn.Linear):
    """A linear layer that is not one."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * super().forward(x)


def lenet(activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    """Return LeNet-5 for images of 28x28 in one channel."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), activation(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), activation(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 120, 4), activation(), nn.Flatten()),
        *(nn.Linear(120, 84), activation(), nn.Linear(84, 10)),
    )


def images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=generator(3))


Case = tuple[Callable[[], nn.Module], Tensor]
FOLLOWED: dict[str, Case] = {
    "LeNet-5, ReLU": (lenet, images(7, 1, 28, 28)),
    "LeNet-5, tanh": (lambda: lenet(nn.Tanh), images(7, 1, 28, 28)),
    "dense": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Sigmoid(), nn.Linear(5, 2)),
        images(9, 3, 4),
    ),
    "dense without bias, over the last axis": (
        lambda: nn.Sequential(nn.Linear(4, 5, bias=False), nn.GELU(), nn.Linear(5, 2)),
        images(6, 3, 4),
    ),
    "a skip connection and functions": (Residual, images(6, 2, 8, 8)),
    "normalised": (
        lambda: nn.Sequential(
            *(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ELU(), nn.Dropout2d(0.5)),
            *(nn.Conv2d(4, 6, 3, stride=2), nn.GroupNorm(3, 6), nn.SiLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)),
        ),
        images(6, 2, 9, 9),
    ),
    "grouped and depthwise": (
        lambda: nn.Sequential(
            *(nn.Conv2d(4, 8, 3, groups=2), nn.ReLU(inplace=True)),
            *(nn.Conv2d(8, 8, 3, groups=8, dilation=2), nn.AvgPool2d(2), nn.Flatten()),
        ),
        images(6, 4, 12, 12),
    ),
    "pools that overlap, or leave a rest": (
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 3, 2), nn.MaxPool2d(3, 2), nn.Conv2d(3, 2, 1), nn.MaxPool2d((2, 3))),
            *(nn.Conv2d(2, 2, 1), nn.MaxPool2d(2, ceil_mode=True)),
        ),
        images(5, 1, 24, 25),
    ),
    "a sequence": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 2, 2)),
        images(5, 3, 11),
    ),
    "maps at the end": (lambda: nn.Conv2d(1, 3, 3), images(4, 1, 5, 5)),
}
LOOPED: dict[str, tuple[Callable[[], nn.Module], Tensor, str]] = {
    "branches": (Branching, images(5, 4), "control flow"),
    "another layer's child": (
        lambda: nn.Sequential(Scaled(4, 3)),
        images(5, 4),
        "0.weight outside a layer",
    ),
    "recurrent": (lambda: made("recurrent")[0], made("recurrent")[1], ""),
    "transformer": (lambda: made("transformer")[0], made("transformer")[1], ""),
    "circular padding": (
        lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"),
        images(3, 1, 5, 5),
        "padding by circular",
    ),
    "dense over maps": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(3, 2)),
        images(3, 1, 5, 5),
        "last axis of maps",
    ),
    "convolution after a dense layer": (
        lambda: nn.Sequential(nn.Linear(5, 5), nn.Conv2d(1, 2, 3)),
        images(3, 1, 5, 5),
        "over channels after a dense",
    ),
    "part of a flatten": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(2)),
        images(3, 1, 5, 5),
        "flatten from axis 2",
    ),
    "embedding": (lambda: made("embedding with tied weights")[0], torch.tensor([0, 3, 4]), ""),
}


def built(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        model = make().eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                for name, kept in module.named_buffers():
                    if name.startswith("running"):
                        nn.init.uniform_(kept, 0.5, 2.0)
    return model


def drawn(model: nn.Module, how: Perturbation | None = None, seed: int = 7) -> DrawSets:
    rng = np.random.default_rng(seed)
    return lambda draws: parameter_sets(model, short(sigma=0.4), rng, draws, how)


def plainly(model: nn.Module, inputs: Tensor, sets: dict[str, Tensor]) -> Tensor:
    """Return the outputs of every draw as the module itself gives them, one after the other."""
    with torch.no_grad():
        count = len(next(iter(sets.values())))
        each = ({name: v[k] for name, v in sets.items()} for k in range(count))
        return torch.stack([functional_call(model, one, (inputs,)) for one in each])


def assert_scores_are_the_modules(model: nn.Module, inputs: Tensor, sets: DrawSets) -> None:
    kept: list[dict[str, Tensor]] = []

    def noted(draws: int) -> dict[str, Tensor]:
        kept.append(sets(draws))
        return kept[-1]

    given = inputs.clone()
    found = torch.stack(list(scores_of_draws(model, inputs, DRAWS, noted)))
    expected = torch.cat([plainly(model, given, one) for one in kept])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(inputs, given)


@pytest.mark.parametrize("name", FOLLOWED)
def test_draws_together_are_draws_one_by_one(name: str) -> None:
    make, inputs = FOLLOWED[name]
    model = built(make)
    assert obstacle(model, inputs, drawn(model)(2)) == ""
    assert_scores_are_the_modules(model, inputs, drawn(model))


@pytest.mark.parametrize("name", LOOPED)
def test_what_cannot_be_followed_is_looped_over_and_the_reason_is_told(name: str) -> None:
    make, inputs, reason = LOOPED[name]
    model = built(make)
    found = obstacle(model, inputs, drawn(model)(2))
    assert found
    assert reason in found
    assert_scores_are_the_modules(model, inputs, drawn(model))


@pytest.mark.parametrize("name", ["LeNet-5, ReLU", "dense", "a skip connection and functions"])
def test_layers_in_software_are_the_same_for_every_draw(name: str) -> None:
    make, inputs = FOLLOWED[name]
    model = built(make)
    last = list(dict(model.named_parameters()))[-2]
    for how in (
        Perturbation(include=lambda name, p: name == last),
        Perturbation(include=lambda name, p: name != last),
        Perturbation(perturb_bias=False),
    ):
        assert obstacle(model, inputs, drawn(model, how)(2)) == ""
        assert_scores_are_the_modules(model, inputs, drawn(model, how))


def test_what_comes_before_the_first_drawn_layer_is_computed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, inputs = built(lenet), images(3, 1, 28, 28)
    asked = []
    original = functional.conv2d

    def counted(*arguments: Any) -> Tensor:
        asked.append(arguments[1].shape[0])
        return original(*arguments)

    sets = drawn(model, Perturbation(include=lambda name, p: name.startswith("11")))(DRAWS)
    scores = list(scores_of_draws(model, inputs, DRAWS, lambda _: sets))
    monkeypatch.setattr(functional, "conv2d", counted)
    monkeypatch.setattr("torch.nn.modules.conv.F.conv2d", counted)
    again = list(scores_of_draws(model, inputs, DRAWS, lambda _: sets))
    torch.testing.assert_close(again, scores)
    # The probe's two passes and the examples': 6, 16 and 120 channels each, never times the draws.
    assert set(asked) == {6, 16, 120}


def test_portions_of_examples_and_of_draws_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = built(lenet), images(9, 1, 28, 28)
    sets = drawn(model)(DRAWS)
    whole = list(scores_of_draws(model, inputs, DRAWS, lambda _: sets))
    monkeypatch.setattr(many, "NUMBERS_TOGETHER", 4 * 6 * 24 * 24)
    monkeypatch.setattr(many, "DRAWS_AT_ONCE", 2)
    parts = list(scores_of_draws(model, inputs, DRAWS, lambda _: sets))
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)


def test_the_model_is_never_touched() -> None:
    make, inputs = FOLLOWED["normalised"]
    model = built(make)
    before = contents(model)
    list(scores_of_draws(model, inputs, 3, drawn(model)))
    assert same(before, model)
    assert not model.training


def test_a_module_that_learns_from_its_batch_is_looped_over() -> None:
    make, inputs = FOLLOWED["normalised"]
    model = built(make).train()
    assert "batch norm by the statistics" in obstacle(model, inputs, drawn(model)(2))


def test_a_layer_that_was_tampered_with_is_noticed() -> None:
    model, inputs = built(FOLLOWED["dense"][0]), FOLLOWED["dense"][1]
    model[1].register_forward_hook(  # type: ignore[index]
        lambda module, given, output: 2 * output
    )
    assert "other numbers" in obstacle(model, inputs, drawn(model)(2))
    assert_scores_are_the_modules(model, inputs, drawn(model))


def test_an_evaluation_gives_the_metric_of_every_draw() -> None:
    model, inputs = built(lenet), images(40, 1, 28, 28)
    labels = torch.randint(10, (40,), generator=generator(4))
    deployment = LogNormal(0.7)
    found = evaluate(model, inputs, labels, accuracy, deployment, DRAWS, generator(5), device="cpu")
    sets = deployed_sets(model, deployment, DRAWS, generator(5))
    expected = [
        float((scores.argmax(1) == labels).double().mean())
        for scores in plainly(model, inputs, sets)
    ]
    assert len(set(expected)) > 1
    np.testing.assert_array_equal(found, expected)


def test_draws_without_noise_are_the_module_itself() -> None:
    model, inputs = built(lenet), images(3, 1, 28, 28)
    found = list(scores_of_draws(model, inputs, 2, lambda _: {}))
    assert len(found) == 2
    with torch.no_grad():
        torch.testing.assert_close(found[1], model(inputs))


def test_an_evaluation_on_nothing_is_refused() -> None:
    model = built(lenet)
    with pytest.raises(DataError, match="no inputs"):
        list(scores_of_draws(model, images(0, 1, 28, 28), 2, drawn(model)))


def test_a_gpu_takes_over_only_where_there_is_one_and_enough_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = images(3, 1, 28, 28)
    for there in (False, True):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        places = [many._place(inputs, n, None).type for n in (1000, many.WORTH_A_GPU)]
        assert places == ["cpu", "cuda" if there else "cpu"]
        assert many._place(inputs, many.WORTH_A_GPU, "cpu").type == "cpu"
