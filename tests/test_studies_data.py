"""Generated data are what their sentences say."""

import numpy as np
import pytest
import torch
from torch import Generator

from crossbar.studies import antibody, connector, glycans, named
from crossbar.studies.pillars import loss
from crossbar.studies.scenes import GRID, LENGTH, POINTS, WIDTH, Box, scenes


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_sequences_bind_exactly_where_their_labels_say_but_for_the_errors() -> None:
    data = antibody.load(None, rng(), 1000)
    residues = data.train.inputs.argmax(1).numpy()
    binding = np.array([antibody.binds(row) for row in residues])
    wrong = np.mean(binding != data.train.labels.numpy().astype(bool))
    sd = np.sqrt(antibody.ERRORS * (1 - antibody.ERRORS) / 1000)
    assert abs(wrong - antibody.ERRORS) < 4 * sd
    assert abs(binding.mean() - antibody.BINDERS) < 4 * np.sqrt(0.24 / 1000)


def test_every_place_of_a_sequence_has_one_residue() -> None:
    data = antibody.load(None, rng(), 100)
    assert torch.equal(data.train.inputs.sum(1), torch.ones(100, antibody.LENGTH))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AAYGDCRAAAAIAKHSAA", True),
        ("AAWGEARVCRHTAAAAAA", True),
        ("AAYGDCRAAAAAAAAAAA", False),
        ("IAKHSAAAAYGDCRAAAA", False),
        ("AAYADCRAAAAIAKHSAA", False),
    ],
    ids=["both", "next to each other", "one", "in the other order", "with an error"],
)
def test_binding_takes_both_motifs_in_order(text: str, expected: bool) -> None:
    residues = np.array([antibody.RESIDUES.index(letter) for letter in text])
    assert antibody.binds(residues) is expected


def test_trees_are_trees_with_the_chain_of_their_kingdom_alone() -> None:
    data = glycans.load(None, rng(), 200)
    for packed, kingdom in zip(data.train.inputs.numpy(), data.train.labels.tolist(), strict=True):
        n = int(packed[:, : glycans.SUGARS].sum())
        assert glycans.FEWEST <= n <= glycans.NODES
        assert not packed[n:].any()
        bonds = packed[:n, glycans.SUGARS : glycans.SUGARS + n]
        np.testing.assert_array_equal(bonds, bonds.T)
        assert bonds.sum() == 2 * (n - 1)
        reached = np.linalg.matrix_power(bonds + np.eye(n), n)
        assert (reached > 0).all()
        sugars = packed[:n, : glycans.SUGARS].argmax(1)
        chains = [glycans.has_chain(sugars, bonds, k) for k in range(glycans.KINGDOMS)]
        assert [k for k, there in enumerate(chains) if there] == [kingdom]
        assert set(range(glycans.KINGDOMS)) <= set(sugars.tolist())


def test_nodes_that_are_not_there_change_no_score() -> None:
    data = glycans.load(None, rng(), 40)
    model = named("glycans").networks["graph"](data, Generator().manual_seed(0))
    inputs = data.test.inputs[:5].clone()
    n = inputs[..., : glycans.SUGARS].sum((-1, -2)).long()
    with torch.no_grad():
        expected = model(inputs)
        for example, count in zip(inputs, n.tolist(), strict=True):
            example[count:, glycans.SUGARS :] = 1.0  # bonds of nobody
        torch.testing.assert_close(model(inputs), expected)


def test_labelled_cells_are_those_whose_middle_is_in_a_box() -> None:
    _, labels = scenes(200, rng())
    covered = labels.sum((1, 2))
    # One to four boxes of 8 m²; a cell is 1 m², and some cells of a box near the edge are outside.
    assert covered.min() > 0
    assert covered.max() <= 4 * (LENGTH + 1) * (WIDTH + 1)
    assert labels.mean() == pytest.approx(2.2 * LENGTH * WIDTH / GRID**2, rel=0.25)


def test_points_are_within_their_cells_and_fill_them_from_the_front() -> None:
    inputs, _ = scenes(20, rng())
    there = inputs[..., 3]
    assert set(np.unique(there)) == {0.0, 1.0}
    assert (np.diff(there, axis=-1) <= 0).all()
    assert np.abs(inputs[..., :2]).max() <= 0.5
    assert not inputs[there == 0].any()
    assert there.sum(-1).max() == POINTS


def test_most_points_of_a_box_are_on_it() -> None:
    box = Box(8.0, 12.0, 0.7)
    along, across = box.inward(*box.outward(np.array([2.0, -1.0]), np.array([0.5, 1.0])))
    np.testing.assert_allclose(along, [2.0, -1.0])
    np.testing.assert_allclose(across, [0.5, 1.0])


def test_order_of_a_cells_points_changes_no_score() -> None:
    data = named("pillars").load(None, rng(), 20)
    model = named("pillars").networks["pillars"](data, Generator().manual_seed(0))
    inputs = data.test.inputs[:3]
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), model(inputs.flip(-2)))


def test_a_cell_in_a_box_counts_three_times() -> None:
    scores = torch.tensor([[[1.0, -2.0]]])
    labels = torch.tensor([[[1, 0]]])
    expected = (3 * np.log1p(np.exp(-1.0)) + np.log1p(np.exp(-2.0))) / 2
    assert loss(scores, labels).item() == pytest.approx(expected)


def test_answers_are_words_of_the_kind_that_is_asked_for() -> None:
    data = connector.load(None, rng(), 200)
    about_colour = data.train.inputs[:, 3, 0, 0].bool()
    assert torch.equal(data.train.labels >= len(connector.SHAPES), about_colour)


def test_only_the_connector_has_parameters_and_the_rest_is_always_the_same() -> None:
    data = connector.load(None, rng(), 20)
    first, second = (connector.linear(data, Generator().manual_seed(k)) for k in (0, 1))
    assert {name for name, _ in first.named_parameters()} == {"connector.weight", "connector.bias"}
    for (name, frozen), same in zip(first.named_buffers(), second.buffers(), strict=True):
        assert torch.equal(frozen, same), name
    assert not torch.equal(*(next(model.parameters()) for model in (first, second)))
