from itertools import permutations

import numpy as np
import pytest

from crossbar.backend import Array, CapacityError, DataError, Indices
from crossbar.blocks import Block, Placed
from crossbar.mapping import MAPPINGS, Window, solve_targets
from crossbar.placement import check_fits, place

WINDOW = Window(10e-6, 70e-6)
RNG = np.random.default_rng(7)


def healthy(shape: tuple[int, int] = (10, 10)) -> Array:
    return np.full(shape, np.nan)


def only(placed: Placed) -> Block:
    (block,) = placed.blocks
    return block


def lost(
    matrix: Array, block: Block, scale: float, fixed: Array, mapping: str, words: Indices
) -> float:
    targets = solve_targets(
        matrix[np.ix_(block.inputs, block.outputs)] * scale,
        MAPPINGS[mapping],
        WINDOW,
        fixed[np.ix_(words, block.plus)],
        fixed[np.ix_(words, block.minus)],
    )
    return float(np.sum(targets.shortfall**2))


@pytest.mark.parametrize(("mapping", "hidden"), [("differential", 4), ("reference", 8)])
def test_the_moons_network_fits_ten_by_ten(mapping: str, hidden: int) -> None:
    matrices = [RNG.normal(size=(3, hidden)), RNG.normal(size=(hidden + 1, 1))]
    first, second = map(only, place(matrices, MAPPINGS[mapping], WINDOW, healthy()))
    own = np.concatenate([first.plus, second.plus])
    assert len(set(own.tolist())) == len(own)
    assert not set(own.tolist()) & set(np.concatenate([first.minus, second.minus]).tolist())
    assert first.words.tolist() == [0, 1, 2]
    assert second.words.tolist() == list(range(hidden + 1))


@pytest.mark.parametrize(
    ("mapping", "hidden", "needed", "room"),
    [("differential", 13, 53, "50 pairs"), ("reference", 23, 93, "90 cells beside")],
)
def test_one_hidden_unit_more_does_not_fit_and_the_error_says_what_would(
    mapping: str, hidden: int, needed: int, room: str
) -> None:
    fitting = [(3, hidden - 1), (hidden, 1)]
    check_fits(fitting, MAPPINGS[mapping], (10, 10))
    said = f"3x{hidden} and {hidden + 1}x1 .* need {needed} .*has {room.split()[0]}"
    said += f"; 3x{hidden - 1} and {hidden}x1 would fit"
    with pytest.raises(CapacityError, match=said):
        check_fits([(3, hidden), (hidden + 1, 1)], MAPPINGS[mapping], (10, 10))


def test_copies_that_do_not_fit_are_refused_with_how_many_would() -> None:
    shapes, pairs = [(3, 4), (5, 1)], MAPPINGS["differential"]
    check_fits(shapes, pairs, (10, 10), (3, 2))
    with pytest.raises(CapacityError, match=r"4:4 copies.*need 68 .*has 50; 2 of each would fit"):
        check_fits(shapes, pairs, (10, 10), (4,))
    with pytest.raises(CapacityError, match="has 20; 1 copy would fit"):
        check_fits(shapes, pairs, (5, 8), (2,))
    with pytest.raises(DataError, match="3 numbers of copies are not one for each of 2"):
        check_fits(shapes, pairs, (10, 10), (1, 2, 3))


def test_the_reference_is_one_bit_line_for_all_matrices() -> None:
    matrices = [RNG.normal(size=(3, 4)), RNG.normal(size=(5, 2))]
    placed = place(matrices, MAPPINGS["reference"], WINDOW, healthy())
    assert len({int(b) for p in placed for b in only(p).minus}) == 1


def test_word_lines_with_stuck_cells_are_avoided() -> None:
    fixed = healthy()
    fixed[1, :] = 5e-6
    matrix = RNG.normal(size=(9, 5))
    (placed,) = place([matrix], MAPPINGS["differential"], WINDOW, fixed)
    block = only(placed)
    assert 1 not in block.words
    assert lost(matrix, block, placed.scale, fixed, "differential", block.words) == 0.0


def test_bit_lines_with_stuck_cells_are_taken_last() -> None:
    fixed = healthy()
    fixed[:, 0] = 5e-6
    (placed,) = place([RNG.normal(size=(10, 4))], MAPPINGS["reference"], WINDOW, fixed)
    assert 0 not in {*only(placed).plus.tolist(), *only(placed).minus.tolist()}


def test_the_shared_reference_takes_the_healthiest_bit_line() -> None:
    fixed = healthy((4, 3))
    fixed[0, 0] = fixed[1, 1] = 5e-6
    (placed,) = place([RNG.normal(size=(4, 2))], MAPPINGS["reference"], WINDOW, fixed)
    assert only(placed).minus.tolist() == [2, 2]


def test_the_word_lines_chosen_are_the_best_of_all_orders() -> None:
    rng = np.random.default_rng(3)
    fixed = healthy((4, 4))
    fixed[rng.random((4, 4)) < 0.4] = 80e-6
    matrix = rng.normal(size=(4, 2))
    (placed,) = place([matrix], MAPPINGS["differential"], WINDOW, fixed)
    block = only(placed)

    def cost(words: Indices) -> float:
        return lost(matrix, block, placed.scale, fixed, "differential", words)

    others = [cost(np.array(order)) for order in permutations(range(4))]
    assert min(others) > 0  # otherwise the test would pass for any order
    assert cost(block.words) == pytest.approx(min(others), rel=1e-4)


def test_blocks_that_share_bit_lines_are_given_the_best_word_lines_together() -> None:
    rng = np.random.default_rng(4)
    fixed = healthy((4, 4))
    fixed[rng.random((4, 4)) < 0.5] = 80e-6
    matrix = rng.normal(size=(2, 4))  # four outputs on two pairs of bit lines
    (placed,) = place([matrix], MAPPINGS["differential"], WINDOW, fixed)
    first, second = placed.blocks
    assert first.plus.tolist() == second.plus.tolist()

    def cost(order: Indices) -> float:
        return sum(
            lost(matrix, block, placed.scale, fixed, "differential", words)
            for block, words in ((first, order[:2]), (second, order[2:]))
        )

    others = [cost(np.array(order)) for order in permutations(range(4))]
    chosen = np.concatenate([first.words, second.words])
    assert max(others) > 1.5 * min(others) > 0  # otherwise the test would pass for any order
    assert cost(chosen) == pytest.approx(min(others), rel=1e-4)


def test_a_placement_is_kept_where_moving_gains_nothing() -> None:
    matrix = RNG.normal(size=(3, 2))
    lines = np.array([4, 2, 7]), np.arange(3), np.array([5, 7]), np.array([6, 8]), np.arange(2)
    before = Placed((Block(*lines, np.zeros((3, 2), dtype=np.intp)),), (3, 2), 1, 1.0)
    after = only(*place([matrix], MAPPINGS["differential"], WINDOW, healthy(), [before]))
    assert after.words.tolist() == [4, 2, 7]
    assert (after.plus.tolist(), after.minus.tolist()) == ([5, 7], [6, 8])


def test_a_folded_placement_is_kept_except_for_the_word_line_that_is_lost() -> None:
    rng = np.random.default_rng(0)
    matrices = [rng.normal(size=(3, 6)), rng.normal(size=(7, 1))]
    before = place(matrices, MAPPINGS["differential"], WINDOW, healthy())
    fixed = healthy()
    fixed[1, 2:] = 80e-6
    after = place(matrices, MAPPINGS["differential"], WINDOW, fixed, before)
    for old, new in zip(before[0].blocks, after[0].blocks, strict=True):
        assert old.plus.tolist() == new.plus.tolist()
        kept = old.words != 1
        assert old.words[kept].tolist() == new.words[kept].tolist()
    assert 1 not in np.concatenate([block.words for block in after[0].blocks])
    assert only(after[1]).words.tolist() == only(before[1]).words.tolist()
