import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossbar.backend import Array, BenchError
from crossbar.mapping import MAPPINGS, Window, solve_targets, weights

WINDOW = Window(10e-6, 70e-6)
MATRICES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 5)),
    elements=st.floats(-50, 50, allow_subnormal=False),
)
FREE = np.nan


def free(matrix: Array) -> Array:
    return np.full(matrix.shape, FREE)


@pytest.mark.parametrize("name", MAPPINGS)
@given(matrix=MATRICES)
def test_weights_come_back_from_their_target_conductances(name: str, matrix: Array) -> None:
    mapping = MAPPINGS[name]
    scale = mapping.scale(matrix, WINDOW)
    targets = solve_targets(matrix * scale, mapping, WINDOW, free(matrix), free(matrix))
    back = weights(targets.plus, targets.minus, scale)
    assert np.allclose(back, matrix, rtol=1e-9, atol=1e-9 * np.abs(matrix).max(initial=1.0))
    assert not targets.shortfall.any()


@pytest.mark.parametrize("name", MAPPINGS)
@given(matrix=MATRICES)
def test_targets_stay_inside_the_window(name: str, matrix: Array) -> None:
    mapping = MAPPINGS[name]
    scale = mapping.scale(matrix, WINDOW)
    targets = solve_targets(matrix * scale, mapping, WINDOW, free(matrix), free(matrix))
    for conductances in (targets.plus, targets.minus):
        assert np.all(conductances >= WINDOW.low * (1 - 1e-12))
        assert np.all(conductances <= WINDOW.high * (1 + 1e-12))


@pytest.mark.parametrize(("name", "swing"), [("differential", 60e-6), ("reference", 30e-6)])
def test_the_largest_weight_uses_the_whole_swing(name: str, swing: float) -> None:
    matrix = np.array([[0.5, -2.0], [1.0, 0.0]])
    scale = MAPPINGS[name].scale(matrix, WINDOW)
    assert scale * 2.0 == pytest.approx(swing)


def test_differential_targets_follow_the_min_rule() -> None:
    # Joksas et al.: G_plus = G_off + max(k w, 0), G_minus = G_off + max(-k w, 0).
    difference = np.array([[30e-6, -20e-6, 0.0]])
    targets = solve_targets(
        difference, MAPPINGS["differential"], WINDOW, free(difference), free(difference)
    )
    assert targets.plus == pytest.approx(np.array([[40e-6, 10e-6, 10e-6]]))
    assert targets.minus == pytest.approx(np.array([[10e-6, 30e-6, 10e-6]]))


def test_a_stuck_partner_is_worked_around_within_the_window() -> None:
    difference = np.array([[30e-6, 30e-6, -20e-6]])
    stuck_minus = np.array([[25e-6, 55e-6, FREE]])
    targets = solve_targets(
        difference, MAPPINGS["differential"], WINDOW, free(difference), stuck_minus
    )
    # 25 + 30 is reachable; 55 + 30 is not, and 15 of it are missing.
    assert targets.plus == pytest.approx(np.array([[55e-6, 70e-6, 10e-6]]))
    assert targets.shortfall == pytest.approx(np.array([[0.0, 15e-6, 0.0]]))


def test_a_stuck_plus_cell_moves_its_own_partner() -> None:
    difference = np.array([[30e-6]])
    targets = solve_targets(
        difference,
        MAPPINGS["differential"],
        WINDOW,
        np.array([[65e-6]]),
        free(difference),
    )
    assert targets.minus == pytest.approx(np.array([[35e-6]]))
    assert not targets.shortfall.any()


def test_a_stuck_plus_cell_does_not_move_the_shared_reference() -> None:
    difference = np.array([[10e-6]])
    targets = solve_targets(
        difference, MAPPINGS["reference"], WINDOW, np.array([[65e-6]]), free(difference)
    )
    assert targets.minus == pytest.approx(WINDOW.middle)
    assert targets.shortfall == pytest.approx(np.array([[10e-6 - 25e-6]]))


@pytest.mark.parametrize(("low", "high"), [(2e-5, 1e-5), (-1e-6, 1e-5), (1e-5, np.inf)])
def test_an_impossible_window_is_refused(low: float, high: float) -> None:
    with pytest.raises(BenchError, match="window"):
        Window(low, high)


def test_a_matrix_of_zeros_has_a_finite_scale() -> None:
    assert MAPPINGS["differential"].scale(np.zeros((2, 2)), WINDOW) == pytest.approx(60e-6)


def test_bit_lines_needed_are_those_of_the_table() -> None:
    # 2-4-1 as pairs and 2-8-1 with a shared reference both just fit ten bit lines.
    assert MAPPINGS["differential"].bit_lines(4 + 1) == 10
    assert MAPPINGS["reference"].bit_lines(8 + 1) == 10
