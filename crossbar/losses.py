"""What is descended, and what is reported: losses and metrics over a batch of scores."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor
from torch.nn import functional

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Of scores and labels, batch first: the mean over the batch."""

Metric: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Of scores and labels, batch first: one number, the larger the better."""


def binary(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of two classes.

    Parameters
    ----------
    scores
        Of class 1, shape ``(n,)`` or ``(n, 1)``.
    labels
        0 or 1 in the scores' dtype, shape ``(n,)``.
    """
    return functional.binary_cross_entropy_with_logits(_row(scores), labels)


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of several classes: scores ``(n, classes)``, labels int64."""
    return functional.cross_entropy(scores, labels)


def squared_error(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared difference of scores and labels of one shape."""
    return functional.mse_loss(scores, labels)


def binary_accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the share of examples whose score is above 0 where their label is 1, and only there.

    Shapes as in `binary`.
    """
    return ((_row(scores) > 0) == (labels > 0.5)).double().mean()


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the share of examples whose label has the largest score; shapes as `cross_entropy`."""
    return (scores.argmax(-1) == labels).double().mean()


def _row(scores: Tensor) -> Tensor:
    return scores.squeeze(-1) if scores.ndim == 2 else scores
