import numpy as np
import pytest
import torch

from crossbar.losses import accuracy, binary, binary_accuracy, cross_entropy, squared_error


def test_losses_are_their_formulas() -> None:
    scores, labels = torch.tensor([0.3, -1.2]).double(), torch.tensor([1.0, 1.0]).double()
    expected = np.mean(np.log1p(np.exp([-0.3, 1.2])))
    assert binary(scores, labels).item() == pytest.approx(expected)
    assert binary(scores[:, None], labels).item() == pytest.approx(expected)
    several = torch.tensor([[1.0, 2.0, 0.5]]).double()
    expected = np.log(np.exp([1.0, 2.0, 0.5]).sum()) - 2.0
    assert cross_entropy(several, torch.tensor([1])).item() == pytest.approx(expected)
    assert squared_error(scores, labels).item() == pytest.approx((0.7**2 + 2.2**2) / 2)


def test_one_example_is_a_batch_too() -> None:
    score, label = torch.tensor([[0.3]]), torch.tensor([1.0])
    assert binary(score, label).item() == pytest.approx(np.log1p(np.exp(-0.3)))
    assert binary_accuracy(score, label).item() == 1.0


def test_accuracies_count_the_examples_that_are_right() -> None:
    scores = torch.tensor([0.1, -0.1, 2.0, 0.0])
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0])
    assert binary_accuracy(scores, labels).item() == 0.5
    several = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])
    assert accuracy(several, torch.tensor([1, 1, 1])).item() == pytest.approx(2 / 3)
