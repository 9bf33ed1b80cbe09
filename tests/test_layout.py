import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.layout import lay_out

Task = tuple[list[tuple[int, int]], list[int], int, int]


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """Return shapes, copies, slots and word lines of an array with room for them, often just so."""
    size = st.integers(1, 9)
    shapes = draw(st.lists(st.tuples(size, size), min_size=1, max_size=3))
    copies = [draw(st.integers(1, 4)) for _ in shapes]
    needed, words = cells(shapes, copies), draw(st.integers(1, 16))
    return shapes, copies, -(-needed // words) + draw(st.integers(0, 5)), words


def cells(shapes: list[tuple[int, int]], copies: list[int]) -> int:
    return sum(n_in * n_out * n for (n_in, n_out), n in zip(shapes, copies, strict=True))


@given(tasks())
def test_every_copy_of_every_weight_has_one_cell_of_its_own(task: Task) -> None:
    shapes, copies, slots, words = task
    layout = lay_out(shapes, copies, slots, words)
    taken, weights = [], []
    for patch in layout.patches:
        inputs, outputs, copy = layout.indices(patch)
        for i, line in enumerate(range(words)[patch.lines]):
            for j, slot in enumerate(patch.slots):
                taken.append((line, slot))
                weights.append((patch.part.matrix, inputs[i], outputs[j], copy[i, j]))
    assert len(set(taken)) == len(taken) == cells(shapes, copies)
    assert max(slot for _, slot in taken) < slots
    assert set(weights) == {
        (k, i, j, c)
        for k, ((n_in, n_out), n) in enumerate(zip(shapes, copies, strict=True))
        for i in range(n_in)
        for j in range(n_out)
        for c in range(n)
    }


@given(tasks())
def test_blocks_that_share_slots_are_in_one_band_and_only_there(task: Task) -> None:
    layout = lay_out(*task)
    bands = list(layout.bands())
    assert sorted(map(hash, layout.patches)) == sorted(hash(p) for band in bands for p in band)
    taken = [{slot for patch in band for slot in patch.slots} for band in bands]
    assert sum(map(len, taken)) == len(set().union(*taken))


@pytest.mark.parametrize(
    ("hidden", "drives"), [(4, [1, 1]), (5, [2, 1]), (8, [2, 1]), (9, [3, 1]), (12, [6, 2])]
)
def test_a_layer_is_cut_only_where_it_has_to_be(hidden: int, drives: list[int]) -> None:
    layout = lay_out([(3, hidden), (hidden + 1, 1)], (1, 1), 5, 10)
    assert [sum(p.part.matrix == k for p in layout.patches) for k in range(2)] == drives


def test_matrices_that_have_room_beside_each_other_lie_there_from_the_left() -> None:
    first, second = lay_out([(3, 4), (5, 1)], (1, 1), 5, 10).patches
    assert (first.slots, first.first) == (range(4), 0)
    assert (second.slots, second.first) == (range(4, 5), 0)


def test_copies_lie_above_each_other_where_that_saves_a_drive() -> None:
    layout = lay_out([(3, 4), (5, 1)], (3, 2), 5, 10)
    assert len(layout.patches) == 2
    inputs, outputs, copies = layout.indices(layout.patches[0])
    assert inputs.tolist() == [0, 1, 2] * 3
    assert outputs.tolist() == [0, 1, 2, 3]
    assert copies[:, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
