import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor

from crossbar.studies.metrics import (
    ACCURACY,
    AUC,
    AVERAGE_PRECISION,
    F1,
    MATTHEWS,
    OVERLAP,
    Measure,
    auc,
    average_precision,
    f1,
    intersection_over_union,
    matthews,
)


def scored(classes: int, seed: int = 0, draws: int = 4) -> tuple[Tensor, Tensor]:
    """Return scores of several networks, with ties, and labels."""
    generator = torch.Generator().manual_seed(seed)
    scores = (2 * torch.randn((draws, 200, classes), generator=generator)).round() / 2
    return scores, torch.randint(classes, (200,), generator=generator)


def distinct(classes: int) -> tuple[Tensor, Tensor]:
    """Return scores without ties: rounding makes and breaks those of their softmax."""
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn((200, classes), generator=generator, dtype=torch.float64)
    return scores, torch.randint(classes, (200,), generator=generator)


def maps(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = (2 * torch.randn((3, 10, 8, 8), generator=generator)).round()
    return scores, (torch.rand((10, 8, 8), generator=generator) < 0.2).long()


@pytest.mark.parametrize("classes", [2, 5])
def test_f1_is_that_of_scikit_learn(classes: int) -> None:
    scores, labels = scored(classes)
    expected = reference.f1_score(labels, scores[0].argmax(-1), average="macro")
    assert f1(scores[0], labels).item() == pytest.approx(expected, abs=1e-12)


def test_matthews_correlation_is_that_of_scikit_learn() -> None:
    scores, labels = scored(2)
    expected = reference.matthews_corrcoef(labels, scores[0].argmax(-1))
    assert matthews(scores[0], labels).item() == pytest.approx(expected, abs=1e-12)


def test_matthews_correlation_of_one_answer_to_everything_is_zero() -> None:
    scores, labels = torch.tensor([[0.0, 1.0]] * 6), torch.tensor([0, 1, 1, 0, 1, 0])
    assert matthews(scores, labels).item() == 0


def test_area_of_two_classes_counts_ties_as_scikit_learn_does() -> None:
    scores, labels = scored(2)
    expected = reference.roc_auc_score(labels, scores[0, :, 1] - scores[0, :, 0])
    assert auc(scores[0], labels).item() == pytest.approx(expected, abs=1e-12)


def test_area_of_several_classes_is_the_mean_of_one_against_the_rest() -> None:
    scores, labels = distinct(4)
    shares = scores.softmax(-1)
    expected = reference.roc_auc_score(labels, shares, multi_class="ovr", average="macro")
    assert auc(scores, labels).item() == pytest.approx(expected, abs=1e-9)


def test_area_leaves_out_a_class_that_does_not_occur() -> None:
    scores, labels = distinct(3)
    labels = labels.clamp(max=1)
    two = [reference.roc_auc_score(labels == k, scores.softmax(-1)[:, k]) for k in (0, 1)]
    assert auc(scores, labels).item() == pytest.approx(np.mean(two), abs=1e-9)


def test_average_precision_is_that_of_scikit_learn() -> None:
    scores, labels = maps()
    expected = reference.average_precision_score(labels.flatten(), scores[0].flatten())
    assert average_precision(scores[0], labels).item() == pytest.approx(expected, abs=1e-12)


def test_intersection_over_union_is_that_of_scikit_learn() -> None:
    scores, labels = maps()
    expected = reference.jaccard_score(labels.flatten(), (scores[0] > 0).flatten())
    assert intersection_over_union(scores[0], labels).item() == pytest.approx(expected)


@pytest.mark.parametrize("measure", [ACCURACY, AUC, F1, MATTHEWS], ids=lambda m: m.name)
def test_a_measure_of_classes_takes_several_networks_at_once(measure: Measure) -> None:
    scores, labels = scored(2)
    together = torch.vmap(lambda one: measure.of(one, labels))(scores)
    assert torch.equal(together, torch.stack([measure.of(one, labels) for one in scores]))


@pytest.mark.parametrize("measure", [AVERAGE_PRECISION, OVERLAP], ids=lambda m: m.name)
def test_a_measure_of_cells_takes_several_networks_at_once(measure: Measure) -> None:
    scores, labels = maps()
    together = torch.vmap(lambda one: measure.of(one, labels))(scores)
    assert torch.equal(together, torch.stack([measure.of(one, labels) for one in scores]))


@pytest.mark.parametrize("measure", [ACCURACY, F1, MATTHEWS], ids=lambda m: m.name)
def test_chance_is_the_best_single_answer_to_everything(measure: Measure) -> None:
    labels = torch.tensor([0] * 7 + [1] * 3)
    answers = [torch.eye(2)[[k] * 10] for k in (0, 1)]
    best = max(measure.of(scores, labels).item() for scores in answers)
    assert measure.chance(labels) == pytest.approx(best)


@pytest.mark.parametrize("measure", [AVERAGE_PRECISION, OVERLAP], ids=lambda m: m.name)
def test_chance_of_cells_is_naming_all_of_them(measure: Measure) -> None:
    _, labels = maps()
    everything = measure.of(torch.ones(labels.shape), labels).item()
    assert measure.chance(labels) == pytest.approx(everything)
