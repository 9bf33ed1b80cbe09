import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.backend import Array
from sim_backend.ladders import factor, settle, solve_lines, times_turned

SEEDS = st.integers(0, 2**32 - 1)


def laplacian(nodes: int, g: float) -> Array:
    """Return the conductance matrix of segments in a row."""
    step = np.diff(np.eye(nodes), axis=0)
    matrix: Array = g * step.T @ step
    return matrix


def solved(shunts: Array, g: float, first: Array, last: Array, x: Array) -> Array:
    inverse, answer = np.empty(shunts.shape), x.copy()
    factor(shunts, g, first, last, inverse)
    solve_lines(inverse, g, answer)
    return answer


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 9), st.sampled_from([1e-3, 1.0, 1e3]))
def test_lines_are_solved_as_their_dense_matrices_are(seed: int, nodes: int, g: float) -> None:
    rng = np.random.default_rng(seed)
    shunts, first, last = rng.random((nodes, 3)), rng.random(3), rng.random(3)
    x = rng.normal(size=(nodes, 3))
    found = solved(shunts, g, first, last, x)
    for k in range(3):
        matrix = laplacian(nodes, g) + np.diag(shunts[:, k])
        matrix[0, 0] += first[k]
        matrix[-1, -1] += last[k]
        np.testing.assert_allclose(found[:, k], np.linalg.solve(matrix, x[:, k]), rtol=1e-9)


def test_shunts_twenty_decades_below_the_segments_keep_every_digit() -> None:
    # A floating line of good wire is one node: its voltage is the current over all shunts.
    shunts = np.random.default_rng(1).uniform(1, 9, (50, 1)) * 1e-9
    found = solved(shunts, 1e12, np.zeros(1), np.zeros(1), np.eye(50)[:, :1])
    np.testing.assert_allclose(found[:, 0], 1 / shunts.sum(), rtol=1e-13)


def test_a_transposed_product_is_one_for_every_shape() -> None:
    for n, m in ((1, 1), (3, 40), (40, 3), (33, 17)):
        rng = np.random.default_rng(n)
        a, b, out = rng.random((m, n)), rng.random((n, m)), np.empty((m, n))
        times_turned(a, b, out)
        np.testing.assert_array_equal(out, a * b.T)


def settled(
    slope: Array, g: float, ends: tuple[Array, Array], excess: Array
) -> tuple[Array, Array, int, float]:
    n, m = slope.shape
    turned = np.ascontiguousarray(slope.T)
    word_inverse, bit_inverse = np.empty((m, n)), np.empty((n, m))
    factor(turned, g, ends[0], np.zeros(n), word_inverse)
    factor(slope, g, np.zeros(m), ends[1], bit_inverse)
    word, bit = np.empty((m, n)), np.empty((n, m))
    steps, residual = settle(
        *(slope, turned, g, word_inverse, bit_inverse, excess), 1e-14, 1000, word, bit
    )
    return word.T, bit, steps, residual


@settings(max_examples=40, deadline=None)
@given(
    SEEDS,
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.sampled_from([1e-4, 1e-2, 1.0, 1e4]),
)
def test_an_array_is_solved_as_its_dense_matrix_is(
    seed: int, shape: tuple[int, int], g: float
) -> None:
    rng, (n, m) = np.random.default_rng(seed), shape
    slope = rng.uniform(1e-6, 1e-3, shape)
    ends = rng.random(n) * (rng.random(n) < 0.6), rng.random(m) * (rng.random(m) < 0.6)
    ends[0][0] += 0.1
    excess = 1e-4 * rng.normal(size=shape)
    word, bit, _, residual = settled(slope, g, ends, excess)
    matrix, at = np.zeros((2 * n * m, 2 * n * m)), np.arange(n * m).reshape(shape)
    for i in range(n):
        matrix[np.ix_(at[i], at[i])] += laplacian(m, g)
        matrix[at[i, 0], at[i, 0]] += ends[0][i]
    for j in range(m):
        own = n * m + at[:, j]
        matrix[np.ix_(own, own)] += laplacian(n, g)
        matrix[own[-1], own[-1]] += ends[1][j]
    cell = np.diag(slope.ravel())
    matrix += np.block([[cell, -cell], [-cell, cell]])
    x = np.linalg.solve(matrix, np.concatenate([-excess.ravel(), excess.ravel()]))
    scale = np.abs(x).max()
    np.testing.assert_allclose(word.ravel(), x[: n * m], atol=1e-8 * scale)
    np.testing.assert_allclose(bit.ravel(), x[n * m :], atol=1e-8 * scale)
    assert residual <= 1e-14


@pytest.mark.parametrize(("ohms", "most"), [(1.0, 5), (10.0, 8), (50.0, 13), (1000.0, 40)])
def test_steps_stay_few_where_fixed_points_crawl(ohms: float, most: int) -> None:
    rng, n = np.random.default_rng(0), 64
    slope, volts = rng.uniform(1e-5, 1e-4, (n, n)), rng.uniform(0, 0.2, (n, 1))
    ends = np.full(n, 1 / ohms), np.full(n, 1 / ohms)
    assert settled(slope, 1 / ohms, ends, slope * volts)[2] <= most


def test_nothing_injected_is_nothing_anywhere() -> None:
    slope, ends = np.ones((3, 4)), (np.ones(3), np.ones(4))
    word, bit, steps, residual = settled(slope, 1.0, ends, np.zeros((3, 4)))
    assert not word.any()
    assert not bit.any()
    assert (steps, residual) == (0, 0.0)
