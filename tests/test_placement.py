from itertools import permutations

import numpy as np
import pytest

from crossbar.backend import Array, CapacityError
from crossbar.mapping import MAPPINGS, Placed, Window, solve_targets
from crossbar.placement import check_fits, place

WINDOW = Window(10e-6, 70e-6)
RNG = np.random.default_rng(7)


def healthy(shape: tuple[int, int] = (10, 10)) -> Array:
    return np.full(shape, np.nan)


def lost(matrix: Array, placed: Placed, fixed: Array, mapping: str) -> float:
    targets = solve_targets(
        matrix * placed.scale,
        MAPPINGS[mapping],
        WINDOW,
        fixed[np.ix_(placed.words, placed.plus)],
        fixed[np.ix_(placed.words, placed.minus)],
    )
    return float(np.sum(targets.shortfall**2))


@pytest.mark.parametrize(("mapping", "hidden"), [("differential", 4), ("reference", 8)])
def test_the_moons_network_fits_ten_by_ten(mapping: str, hidden: int) -> None:
    matrices = [RNG.normal(size=(3, hidden)), RNG.normal(size=(hidden + 1, 1))]
    first, second = place(matrices, MAPPINGS[mapping], WINDOW, healthy())
    own = np.concatenate([first.plus, second.plus])
    assert len(set(own.tolist())) == len(own)
    assert not set(own.tolist()) & set(np.concatenate([first.minus, second.minus]).tolist())
    assert first.words.tolist() == [0, 1, 2]
    assert second.words.tolist() == list(range(hidden + 1))


@pytest.mark.parametrize(("mapping", "hidden"), [("differential", 5), ("reference", 9)])
def test_one_hidden_unit_more_does_not_fit_and_the_error_says_why(
    mapping: str, hidden: int
) -> None:
    with pytest.raises(CapacityError, match=rf"3x{hidden} and {hidden + 1}x1.*has 10 and 10"):
        check_fits([(3, hidden), (hidden + 1, 1)], MAPPINGS[mapping], (10, 10))


def test_the_reference_is_one_bit_line_for_all_matrices() -> None:
    matrices = [RNG.normal(size=(3, 4)), RNG.normal(size=(5, 2))]
    placed = place(matrices, MAPPINGS["reference"], WINDOW, healthy())
    assert len({int(b) for p in placed for b in p.minus}) == 1


def test_word_lines_with_stuck_cells_are_avoided() -> None:
    fixed = healthy()
    fixed[1, :] = 5e-6
    matrix = RNG.normal(size=(9, 5))
    (placed,) = place([matrix], MAPPINGS["differential"], WINDOW, fixed)
    assert 1 not in placed.words
    assert lost(matrix, placed, fixed, "differential") == 0.0


def test_bit_lines_with_stuck_cells_are_taken_last() -> None:
    fixed = healthy()
    fixed[:, 0] = 5e-6
    (placed,) = place([RNG.normal(size=(10, 4))], MAPPINGS["reference"], WINDOW, fixed)
    assert 0 not in {*placed.plus.tolist(), *placed.minus.tolist()}


def test_the_shared_reference_takes_the_healthiest_bit_line() -> None:
    fixed = healthy((4, 3))
    fixed[0, 0] = fixed[1, 1] = 5e-6
    (placed,) = place([RNG.normal(size=(4, 2))], MAPPINGS["reference"], WINDOW, fixed)
    assert placed.minus.tolist() == [2, 2]


def test_the_word_lines_chosen_are_the_best_of_all_orders() -> None:
    rng = np.random.default_rng(3)
    fixed = healthy((4, 4))
    fixed[rng.random((4, 4)) < 0.4] = 80e-6
    matrix = rng.normal(size=(4, 2))
    (placed,) = place([matrix], MAPPINGS["differential"], WINDOW, fixed)
    others = [
        lost(
            matrix,
            Placed(np.array(order), placed.plus, placed.minus, placed.scale),
            fixed,
            "differential",
        )
        for order in permutations(range(4))
    ]
    assert min(others) > 0  # otherwise the test would pass for any order
    assert lost(matrix, placed, fixed, "differential") == pytest.approx(min(others), rel=1e-4)


def test_a_placement_is_kept_where_moving_gains_nothing() -> None:
    matrix = RNG.normal(size=(3, 2))
    before = Placed(
        words=np.array([4, 2, 7]), plus=np.array([5, 7]), minus=np.array([6, 8]), scale=1.0
    )
    (after,) = place([matrix], MAPPINGS["differential"], WINDOW, healthy(), [before])
    assert after.words.tolist() == [4, 2, 7]
    assert (after.plus.tolist(), after.minus.tolist()) == ([5, 7], [6, 8])
