"""What a study reports of a network: numbers made of its scores and the true labels.

Each is a `crossbar.losses.Metric`, written so that ``torch.vmap`` can take it over the scores of
several networks at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from crossbar.losses import Metric, accuracy


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric with its name and what a network that knows nothing gets.

    Parameters
    ----------
    name
        As tables and axes have it.
    of
        Of scores and labels.
    chance
        Of the labels alone: the best that scores reach that are the same for every example.
    """

    name: str
    of: Metric
    chance: Callable[[Tensor], float]


def matthews(scores: Tensor, labels: Tensor) -> Tensor:
    """Return Matthews' correlation of two classes; 0 where all are put into one of them.

    Parameters
    ----------
    scores
        Shape ``(n, 2)``.
    labels
        0 or 1, shape ``(n,)``.
    """
    said, true = scores.argmax(-1).double(), labels.double()
    said, true = said - said.mean(), true - true.mean()
    spread = (said.square().mean() * true.square().mean()).sqrt()
    return (said * true).mean() / spread.where(spread > 0, torch.ones_like(spread))


def f1(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the F1 score averaged over the classes that occur; 0 for one never named.

    Parameters
    ----------
    scores
        Shape ``(n, classes)``.
    labels
        Class of each, counted from 0, shape ``(n,)``.
    """
    classes = scores.shape[-1]
    true = one_hot(labels, classes).double()
    said = (scores.argmax(-1)[:, None] == torch.arange(classes, device=scores.device)).double()
    both, there = (true * said).sum(0), true.sum(0)
    each = 2 * both / (said.sum(0) + there).clamp(min=1.0)
    return each.sum() / (there > 0).sum()


def auc(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the area under the receiver's curve: how often a pair is in the right order.

    Of two classes, that of the difference of their scores; of more, the mean over the classes
    that occur, each against the rest. Ties count one half. Parameters as in `f1`.
    """
    if scores.shape[-1] == 2:
        return _area(scores[:, 1] - scores[:, 0], labels.double())
    shares = scores.log_softmax(-1)
    true = one_hot(labels, scores.shape[-1]).double()
    present = true.sum(0) > 0
    each = torch.stack([_area(shares[:, k], true[:, k]) for k in range(true.shape[1])])
    return each.where(present, torch.zeros_like(each)).sum() / present.sum()


def average_precision(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over what is there of the precision at the threshold that just finds it.

    Parameters
    ----------
    scores
        Logits, any shape.
    labels
        1 where something is, else 0, the same shape.
    """
    # searchsorted warns of numbers that do not lie next to each other.
    flat, true = scores.flatten().contiguous(), labels.flatten().double()
    order = flat.sort().values
    # Of all, and of what is there: how many scores are at least this one.
    above = len(flat) - torch.searchsorted(order, flat)
    ascending = torch.argsort(flat)
    # Below a score, ties excluded: what is there among the lower ones.
    lower = torch.cat([true.new_zeros(1), true[ascending].cumsum(0)])
    found = true.sum() - lower[torch.searchsorted(order, flat)]
    return (true * found / above).sum() / true.sum()


def intersection_over_union(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cells that are named and there over those that are either; named: logit above 0.

    Parameters as in `average_precision`.
    """
    said, true = (scores > 0).double(), labels.double()
    both = (said * true).sum()
    return both / (said.sum() + true.sum() - both).clamp(min=1.0)


def _area(values: Tensor, true: Tensor) -> Tensor:
    """Return the area of one class against the rest, by Mann and Whitney's ranks."""
    values = values.contiguous()
    values = values.contiguous()
    order = values.sort().values
    low = torch.searchsorted(order, values)
    high = torch.searchsorted(order, values, right=True)
    ranks = (low + high + 1).double() / 2
    there = true.sum()
    rest = len(true) - there
    pairs = (there * rest).clamp(min=1.0)
    return ((ranks * true).sum() - there * (there + 1) / 2) / pairs


def _majority(labels: Tensor) -> float:
    return float(torch.bincount(labels.flatten()).max() / labels.numel())


def _one_class_f1(labels: Tensor) -> float:
    counts = torch.bincount(labels)
    present = int((counts > 0).sum())
    share = float(counts.max() / labels.numel())
    return 2 * share / (1 + share) / present


ACCURACY = Measure("accuracy", accuracy, _majority)
AUC = Measure("AUC", auc, lambda _: 0.5)
MATTHEWS = Measure("MCC", matthews, lambda _: 0.0)
F1 = Measure("F1", f1, _one_class_f1)
AVERAGE_PRECISION = Measure(
    "average precision", average_precision, lambda labels: float(labels.double().mean())
)
OVERLAP = Measure("IoU", intersection_over_union, lambda labels: float(labels.double().mean()))
