from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossbar.backend import DataError
from crossbar.bayesmulti import STATE, bayesmulti
from crossbar.data import Points
from crossbar.fitting import Examples
from crossbar.losses import binary_accuracy
from crossbar.network import Layer, Network, classify
from crossbar.noise_search import search_noise
from crossbar.search_settings import SearchSettings
from crossbar.store import Arrays
from crossbar.training_settings import NoiseSettings
from small_training import SHORT, generator, problem, standard_moons

BRIEF = SearchSettings(initial=2, evaluations=2, draws=5)
TRAIN, VALIDATION = standard_moons(80, 1), standard_moons(60, 2)


def nothing(name: str) -> None:
    return None


def ignore(name: str, arrays: Arrays) -> None:
    pass


def searched(validation: Points = VALIDATION, objective: str = "trinomial") -> dict[str, Arrays]:
    kept: dict[str, Arrays] = {}
    search_noise(
        TRAIN, validation, (2, 3, 1), SHORT, objective, BRIEF, 4, nothing, kept.__setitem__
    )
    return kept


def examples() -> Examples:
    _, inputs, labels = problem()
    return Examples(inputs, labels)


def single(weight: float) -> nn.Module:
    """Return a module that multiplies its input."""
    model = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        model.weight.fill_(weight)
    return model


def closeness(scores: Tensor, labels: Tensor) -> Tensor:
    return -(scores - labels).square().mean()


def test_the_noise_whose_network_is_best_is_found() -> None:
    # What the "training" returns depends on p1 and p2 alone, best at 0.2 and 0.35.
    def trained(noise: NoiseSettings) -> nn.Module:
        off = 4 * (noise.p1[0] - 0.2) ** 2 + (noise.p2[0] - 0.35) ** 2
        return single(1.0 - off**0.5)

    ones = Examples(torch.ones(3, 1).double(), torch.ones(3, 1).double())
    settings = SearchSettings(initial=3, evaluations=11, drift=0.0, draws=1)
    found = bayesmulti(single(0.0), trained, ones, closeness, settings, 0)
    assert found.noise.p1[0] == pytest.approx(0.2, abs=0.02)
    assert found.noise.p2[0] == pytest.approx(0.35, abs=0.04)
    assert found.history.best.value == pytest.approx(-((1 - found.trained.weight.item()) ** 2))  # type: ignore[operator]


def test_every_candidate_meets_the_same_drift() -> None:
    model, *_ = problem()
    kept: dict[str, Arrays] = {}
    bayesmulti(
        model, lambda noise: model, examples(), binary_accuracy, BRIEF, 3, keep=kept.__setitem__
    )
    accuracies = [arrays["accuracy"] for arrays in kept.values()]
    assert len({a.tobytes() for a in accuracies}) == 1
    assert accuracies[0].shape == (5,)
    assert np.std(accuracies[0]) > 0


def test_a_candidate_is_worth_its_mean_accuracy_under_drift() -> None:
    kept = searched()
    for arrays in kept.values():
        assert float(arrays["value"]) == pytest.approx(arrays["accuracy"].mean(), rel=1e-12)


def test_what_drift_does_is_that_of_an_independent_simulation() -> None:
    model, inputs, labels = problem()
    settings = SearchSettings(initial=2, evaluations=0, drift=0.5, draws=4000)
    found = bayesmulti(model, lambda noise: model, examples(), binary_accuracy, settings, 3)
    rng = np.random.default_rng(0)
    first, second = (part for part in model if isinstance(part, nn.Linear))  # type: ignore[attr-defined]
    accuracies = []
    for _ in range(4000):
        matrices = [
            np.exp(0.5 * rng.standard_normal(p.shape)) * p.detach().numpy()
            for p in (first.weight, first.bias, second.weight, second.bias)
        ]
        hidden = np.tanh(inputs.numpy() @ matrices[0].T + matrices[1])
        scores = (hidden @ matrices[2].T + matrices[3])[:, 0]
        accuracies.append(np.mean((scores > 0) == (labels.numpy() > 0.5)))
    error = np.std(accuracies) * np.sqrt(2 / 4000)
    assert found.history.best.value == pytest.approx(np.mean(accuracies), abs=4 * error)


def network_of(arrays: Arrays) -> Network:
    return Network(
        (
            Layer(arrays[f"{STATE}0.weight"].T, arrays[f"{STATE}0.bias"], "tanh"),
            Layer(arrays[f"{STATE}2.weight"].T, arrays[f"{STATE}2.bias"]),
        )
    )


def test_candidates_are_judged_on_the_validation_points_and_no_others() -> None:
    still = replace(BRIEF, drift=0.0)
    kept: dict[str, Arrays] = {}
    search_noise(
        TRAIN, VALIDATION, (2, 3, 1), SHORT, "trinomial", still, 4, nothing, kept.__setitem__
    )
    for arrays in kept.values():
        said = classify(network_of(arrays)(VALIDATION.inputs))
        assert float(arrays["value"]) == pytest.approx(np.mean(said == VALIDATION.labels))


def test_wrong_validation_labels_change_the_choice_and_nothing_that_is_trained() -> None:
    wrong = Points(VALIDATION.inputs, 1 - VALIDATION.labels)
    right, turned = searched(), searched(wrong)
    # The first two candidates are chosen before any value counts.
    for k in range(2):
        one, other = (kept[f"search/trinomial/{k}"] for kept in (right, turned))
        assert np.array_equal(one[f"{STATE}0.weight"], other[f"{STATE}0.weight"])
        assert other["accuracy"] == pytest.approx(1 - one["accuracy"])


def test_the_chosen_network_is_the_best_candidate_as_it_was_trained() -> None:
    kept: dict[str, Arrays] = {}
    found = search_noise(
        TRAIN, VALIDATION, (2, 3, 1), SHORT, "lognormal", BRIEF, 4, nothing, kept.__setitem__
    )
    values = [float(kept[f"search/lognormal/{k}"]["value"]) for k in range(4)]
    best = kept[f"search/lognormal/{int(np.argmax(values))}"]
    assert np.array_equal(found.trained.layers[0].matrix, network_of(best).layers[0].matrix)
    assert found.trained.layers[0].activation == "tanh"
    assert found.noise.sigma == best["numbers"][0]


def test_the_first_candidate_is_the_usual_noise() -> None:
    kept = searched()
    first = kept["search/trinomial/0"]
    assert list(first["variables"]) == ["p1 0", "p2 0", "p1 2", "p2 2"]
    assert list(first["numbers"]) == [0.1, 0.2, 0.1, 0.2]


def test_an_interrupted_search_ends_as_an_uninterrupted_one_bit_for_bit() -> None:
    whole = searched()
    early = {name: whole[name] for name in list(whole)[:3]}
    later: dict[str, Arrays] = {}
    found = search_noise(
        TRAIN, VALIDATION, (2, 3, 1), SHORT, "trinomial", BRIEF, 4, early.get, later.__setitem__
    )
    assert list(later) == ["search/trinomial/3"]
    for name, values in whole["search/trinomial/3"].items():
        assert np.array_equal(later["search/trinomial/3"][name], values), name
    worth = [float(arrays["value"]) for arrays in whole.values()]
    best = whole[f"search/trinomial/{int(np.argmax(worth))}"]
    assert np.array_equal(found.trained.layers[1].matrix, network_of(best).layers[1].matrix)


def test_candidates_that_failed_or_diverged_are_passed_over() -> None:
    model, *_ = problem()
    broken = problem()[0]
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    given = iter([None, broken, model, None])
    found = bayesmulti(model, lambda noise: next(given), examples(), binary_accuracy, BRIEF, 3)
    assert [e.value is None for e in found.history.evaluations] == [True, True, False, True]
    assert torch.equal(found.trained[0].weight, model[0].weight)  # type: ignore[index]
    with pytest.raises(DataError, match="all 4 evaluations of the search failed"):
        bayesmulti(model, lambda noise: None, examples(), binary_accuracy, BRIEF, 3)


def test_any_module_can_be_searched_and_keeps_its_buffers() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(8, 1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator(1))

    def trained(noise: NoiseSettings) -> nn.Sequential:
        copy = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(8, 1))
        copy.load_state_dict(model.state_dict())
        copy.get_buffer("1.running_mean").fill_(noise.p1[0])
        return copy

    inputs = torch.randn(20, 1, 6, generator=generator(2))
    data = Examples(inputs, (inputs.sum((1, 2)) > 0).float())
    settings = replace(BRIEF, stages=(0, 0, 1))
    found = bayesmulti(model, trained, data, binary_accuracy, settings, 3)
    assert len(found.noise.p1) == 3
    assert found.noise.p1[0] == found.noise.p1[1]
    buffer = found.trained.get_buffer("1.running_mean")
    assert buffer.numpy() == pytest.approx(np.full(2, found.noise.p1[0]))
    assert float(model.get_buffer("1.running_mean")[0]) == 0.0
    assert not found.trained.training


def test_a_candidate_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="other parameters than the model"):
        bayesmulti(
            nn.Linear(2, 1), lambda noise: nn.Linear(1, 1), examples(), binary_accuracy, BRIEF, 3
        )


def test_the_search_of_a_network_tells_its_progress_by_objective() -> None:
    seen: list[tuple[str, int, int]] = []
    search_noise(
        *(TRAIN, VALIDATION, (2, 3, 1), SHORT, "lognormal", replace(BRIEF, evaluations=0), 4),
        nothing,
        ignore,
        lambda work, done, total: seen.append((work, done, total)),
    )
    assert seen == [("search lognormal", done, 2) for done in range(3)]
