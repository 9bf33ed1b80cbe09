from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import root

from crossbar.backend import Array, BenchError, DataError, Mask
from sim_backend.array import Circuit
from sim_backend.devices.law import SinhLaw

OHMIC = SinhLaw(0.0)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, shape: tuple[int, int]) -> Array:
    return np.random.default_rng(seed).uniform(5e-6, 1e-4, shape)


def nodal(
    G: Array, r: float, word: Array, bit: Array, driven: tuple[Mask, Mask]
) -> tuple[Array, Array]:
    """Cell voltages and bit-line terminal currents of one input, by stamping a dense matrix."""
    n, m = G.shape

    at = np.arange(2 * n * m).reshape(2, n, m)

    def w(i: int, j: int) -> int:
        return int(at[0, i, j])

    def b(i: int, j: int) -> int:
        return int(at[1, i, j])

    Y, J = np.zeros((2 * n * m, 2 * n * m)), np.zeros(2 * n * m)

    def resistor(p: int, q: int, g: float) -> None:
        Y[p, p] += g
        Y[q, q] += g
        Y[p, q] -= g
        Y[q, p] -= g

    def source(p: int, volts: float) -> None:
        Y[p, p] += 1 / r
        J[p] += volts / r

    for i in range(n):
        for j in range(m):
            resistor(w(i, j), b(i, j), G[i, j])
            if j + 1 < m:
                resistor(w(i, j), w(i, j + 1), 1 / r)
            if i + 1 < n:
                resistor(b(i, j), b(i + 1, j), 1 / r)
    for i in np.flatnonzero(driven[0]).tolist():
        source(w(i, 0), word[i])
    for j in np.flatnonzero(driven[1]).tolist():
        source(b(n - 1, j), bit[j])
    x = np.linalg.solve(Y, J)
    volts = (x[: n * m] - x[n * m :]).reshape(n, m)
    out = [(x[b(n - 1, j)] - bit[j]) / r if driven[1][j] else 0.0 for j in range(m)]
    return volts, np.array(out)


def masks(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Mask, Mask]:
    word, bit = rng.random(shape[0]) < 0.6, rng.random(shape[1]) < 0.6
    word[rng.integers(shape[0])] = True
    return word, bit


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (1, 6), (6, 1), (1, 1)])
@pytest.mark.parametrize("floats", [False, True])
def test_solution_equals_an_independent_dense_nodal_matrix(
    shape: tuple[int, int], floats: bool
) -> None:
    rng = np.random.default_rng(7)
    G = drawn(1, shape) * 50  # strong line effects, so that a wrong segment shows
    word, bit = rng.uniform(-1, 1, (4, shape[0])), rng.uniform(-1, 1, (4, shape[1]))
    driven = masks(rng, shape) if floats else (np.ones(shape[0], bool), np.ones(shape[1], bool))
    solution = Circuit(shape, 20.0).solve(G, OHMIC, word, bit, driven)
    for k in range(4):
        volts, out = nodal(G, 20.0, word[k], bit[k], driven)
        np.testing.assert_allclose(solution.voltage[k], volts, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(solution.bit_current[k], out, rtol=1e-9, atol=1e-14)


def test_sparse_path_of_a_large_array_equals_the_dense_nodal_matrix() -> None:
    shape = (24, 19)
    G = drawn(3, shape)
    word, bit = np.random.default_rng(0).uniform(0, 1, (2, 24)), np.zeros((2, 19))
    driven = np.ones(24, bool), np.ones(19, bool)
    solution = Circuit(shape, 2.0).solve(G, OHMIC, word, bit)
    for k in range(2):
        volts, out = nodal(G, 2.0, word[k], bit[k], driven)
        np.testing.assert_allclose(solution.voltage[k], volts, rtol=1e-9)
        np.testing.assert_allclose(solution.bit_current[k], out, rtol=1e-9)


def test_one_cell_is_a_divider_with_two_segments() -> None:
    current = Circuit((1, 1), 3.0).solve(
        np.array([[1e-3]]), OHMIC, np.array([[0.7]]), np.array([[0.0]])
    )
    assert current.bit_current[0, 0] == pytest.approx(0.7 / (1e3 + 2 * 3.0), rel=1e-12)


def test_one_word_line_is_the_ladder_of_continued_fractions() -> None:
    G, r = drawn(5, (1, 7)) * 100, 11.0
    admittance = 0.0
    for g in G[0, ::-1]:  # from the far end: shunt branch (cell and its bit segment), then series
        admittance += 1 / (1 / g + r)
        admittance = 1 / (1 / admittance + r)
    solution = Circuit((1, 7), r).solve(G, OHMIC, np.array([[1.3]]), np.zeros((1, 7)))
    assert solution.word_current[0, 0] == pytest.approx(1.3 * admittance, rel=1e-11)


def test_one_bit_line_is_a_ladder_too() -> None:
    G, r, n = drawn(6, (6, 1)) * 100, 9.0, 6
    # Thevenin from the top cell down: each adds its branch in parallel, then a segment in series.
    V = np.random.default_rng(2).uniform(0, 1, n)
    volts, ohms = 0.0, np.inf
    for k in range(n):
        branch = 1 / G[k, 0] + r
        total = 1 / (1 / branch + (0.0 if np.isinf(ohms) else 1 / ohms))
        volts = total * (V[k] / branch + (0.0 if np.isinf(ohms) else volts / ohms))
        ohms = total + r
    solution = Circuit((n, 1), r).solve(G, OHMIC, V[None], np.zeros((1, 1)))
    assert solution.bit_current[0, 0] == pytest.approx(volts / ohms, rel=1e-11)


def test_without_line_resistance_a_linear_array_multiplies() -> None:
    G, V = drawn(8, (4, 6)), np.random.default_rng(1).uniform(-1, 1, (9, 4))
    solution = Circuit((4, 6), 0.0).solve(G, OHMIC, V, np.zeros((9, 6)))
    np.testing.assert_allclose(solution.bit_current, V @ G, rtol=1e-13, atol=1e-20)


@pytest.mark.parametrize("floating", [False, True])
def test_small_line_resistance_approaches_none(floating: bool) -> None:
    G, rng = drawn(9, (3, 5)), np.random.default_rng(3)
    word, bit = rng.uniform(0, 1, (1, 3)), rng.uniform(0, 1, (1, 5))
    driven = (np.array([True, False, True]), np.array([True, False, True, True, False]))
    mask = driven if floating else None
    none = Circuit((3, 5), 0.0).solve(G, SinhLaw(1.0), word, bit, mask)
    small = Circuit((3, 5), 1e-4).solve(G, SinhLaw(1.0), word, bit, mask)
    np.testing.assert_allclose(small.voltage, none.voltage, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 2.0, 100.0]), st.sampled_from([0.0, 1.0, 3.0]))
def test_kirchhoff_holds_at_every_floating_line_and_overall(seed: int, r: float, b: float) -> None:
    rng = np.random.default_rng(seed)
    G, law, shape = drawn(seed, (3, 5)), SinhLaw(b), (3, 5)
    driven = masks(rng, shape)
    word, bit = rng.uniform(-1, 1, (3, 3)), rng.uniform(-1, 1, (3, 5))
    s = Circuit(shape, r).solve(G, law, word, bit, driven)
    scale = np.abs(s.current).max()
    assert np.abs(s.word_current[:, ~driven[0]]).max(initial=0) <= 1e-9 * scale
    assert np.abs(s.bit_current[:, ~driven[1]]).max(initial=0) <= 1e-9 * scale
    np.testing.assert_allclose(s.current, G * law.effective(s.voltage), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_reciprocity_and_superposition_of_a_linear_array(seed: int) -> None:
    shape = (3, 5)
    G, circuit = drawn(seed, shape), Circuit(shape, 50.0)
    rng = np.random.default_rng(seed)
    i, j = int(rng.integers(3)), int(rng.integers(5))
    word, bit = np.zeros((2, 3)), np.zeros((2, 5))
    word[0, i], bit[1, j] = 1.0, 1.0
    s = circuit.solve(G, OHMIC, word, bit)
    assert s.bit_current[0, j] == pytest.approx(-s.word_current[1, i], rel=1e-9)
    both = circuit.solve(G, OHMIC, 2 * word[:1] - word[1:], 2 * bit[:1] - bit[1:])
    np.testing.assert_allclose(both.voltage[0], 2 * s.voltage[0] - s.voltage[1], atol=1e-12)


def test_shares_are_the_sensitivities_of_the_bit_lines_to_each_cell() -> None:
    shape, r = (3, 5), 50.0
    G, word, bit = drawn(16, shape) * 10, np.array([[0.4, -0.3, 0.2]]), np.zeros((1, 5))
    driven = np.ones(3, bool), np.array([True, True, False, True, True])
    circuit = Circuit(shape, r)
    solution = circuit.solve(G, OHMIC, word, bit, driven)
    shares = circuit.shares(G, driven)
    for i, j in np.ndindex(shape):
        change = np.zeros(shape)
        change[i, j] = 1e-4 * G[i, j]
        more, less = (nodal(G + s * change, r, word[0], bit[0], driven)[1] for s in (1, -1))
        expected = (more - less) / (2 * change[i, j] * solution.voltage[0, i, j])
        np.testing.assert_allclose(shares[driven[1], i, j], expected[driven[1]], atol=1e-6)


def test_shares_without_lines_are_a_cells_own_bit_line() -> None:
    shares = Circuit((2, 3), 0.0).shares(drawn(1, (2, 3)))
    for i, j in np.ndindex((2, 3)):
        np.testing.assert_array_equal(shares[:, i, j], np.eye(3)[j])


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_an_array_mirrored_about_its_diagonal_gives_the_mirrored_answer(seed: int) -> None:
    # Word lines run right from their source and bit lines up from their sink, so exchanging them
    # means transposing along the other diagonal, with the polarity reversed.
    G, rng = drawn(seed, (3, 5)), np.random.default_rng(seed)
    word, bit = rng.uniform(-1, 1, (1, 3)), rng.uniform(-1, 1, (1, 5))
    a = Circuit((3, 5), 40.0).solve(G, OHMIC, word, bit)
    mirrored = Circuit((5, 3), 40.0).solve(G.T[::-1, ::-1], OHMIC, -bit[:, ::-1], -word[:, ::-1])
    np.testing.assert_allclose(mirrored.voltage[0], a.voltage[0].T[::-1, ::-1], atol=1e-12)


@pytest.mark.parametrize("r", [0.0, 30.0])
def test_nonlinear_solution_agrees_with_a_general_root_finder(r: float) -> None:
    G, law, n = drawn(12, (3, 3)) * 10, SinhLaw(3.0), 3
    word, bit = np.array([0.9, 0.0, -0.4]), np.array([0.0, 0.3, 0.0])
    driven = (np.array([True, False, True]), np.array([True, True, False]))
    solution = Circuit((3, 3), r).solve(G, law, word[None], bit[None], driven)
    expected = _by_root(G, law.effective, r, word, bit, driven).reshape(n, n)
    np.testing.assert_allclose(solution.voltage[0], expected, atol=1e-9)


def _by_root(
    G: Array,
    f: Callable[[Array], Array],
    r: float,
    word: Array,
    bit: Array,
    driven: tuple[Mask, Mask],
) -> Array:
    """Cell voltages from Kirchhoff's current law in loops, all in mA, by MINPACK."""
    n, m = G.shape

    def split(x: Array) -> tuple[Array, Array]:
        if r > 0:
            return x[: n * m].reshape(n, m), x[n * m :].reshape(n, m)
        w = np.where(driven[0], word, x[:n])
        b = np.where(driven[1], bit, x[n:])
        return np.repeat(w[:, None], m, axis=1), np.repeat(b[None], n, axis=0)

    def residual(x: Array) -> Array:
        w, b = split(x)
        I = 1e3 * G * f(w - b)  # noqa: E741
        if r == 0:
            free_w = np.where(driven[0], x[:n] - word, I.sum(axis=1))
            return np.concatenate([free_w, np.where(driven[1], x[n:] - bit, I.sum(axis=0))])
        at_w, at_b = -I, I.copy()
        for i in range(n):
            for j in range(m):
                if j > 0:
                    at_w[i, j] += 1e3 * (w[i, j - 1] - w[i, j]) / r
                    at_w[i, j - 1] -= 1e3 * (w[i, j - 1] - w[i, j]) / r
                elif driven[0][i]:
                    at_w[i, j] += 1e3 * (word[i] - w[i, j]) / r
                if i + 1 < n:
                    at_b[i, j] -= 1e3 * (b[i, j] - b[i + 1, j]) / r
                    at_b[i + 1, j] += 1e3 * (b[i, j] - b[i + 1, j]) / r
                elif driven[1][j]:
                    at_b[i, j] -= 1e3 * (b[i, j] - bit[j]) / r
        return np.concatenate([at_w.ravel(), at_b.ravel()])

    found = root(residual, np.zeros(2 * n * m if r > 0 else n + m), tol=1e-13)
    assert np.abs(residual(found.x)).max() < 1e-9
    w, b = split(found.x)
    volts: Array = (w - b).ravel()
    return volts


def test_newton_settles_where_cells_are_far_from_ohmic() -> None:
    # At 4 V a cell's slope is cosh(8) times its small-signal conductance.
    G, law, shape = drawn(14, (4, 6)), SinhLaw(2.0), (4, 6)
    word, bit = np.array([[4.0, 0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0]]), np.zeros((2, 6))
    driven = np.arange(4) == 0, np.arange(6) == 2
    s = Circuit(shape, 2.0).solve(G, law, word, bit, driven)
    assert np.abs(s.word_current[:, 1:]).max() <= 1e-9 * s.word_current.max()
    for k in range(2):
        expected = _by_root(G, law.effective, 2.0, word[k], bit[k], driven).reshape(shape)
        np.testing.assert_allclose(s.voltage[k], expected, atol=1e-7)


def test_a_line_that_nothing_fixes_is_refused() -> None:
    G = np.zeros((2, 2))
    with pytest.raises(DataError, match="floating"):
        Circuit((2, 2), 0.0).solve(
            G, OHMIC, np.ones((1, 2)), np.zeros((1, 2)), (np.array([True, False]), np.ones(2, bool))
        )


@pytest.mark.parametrize(("shape", "r"), [((0, 3), 1.0), ((2, 2), -1.0), ((2, 2), np.nan)])
def test_impossible_arrays_are_refused(shape: tuple[int, int], r: float) -> None:
    with pytest.raises(BenchError):
        Circuit(shape, r)


@pytest.mark.parametrize("r", [0.0, 3.0])
@given(SEEDS)
def test_leads_are_resistors_in_series_with_the_lines(r: float, seed: int) -> None:
    G, rng = drawn(seed, (3, 4)), np.random.default_rng(seed + 1)
    word, bit = rng.uniform(-1, 1, (2, 3)), rng.uniform(-1, 1, (2, 4))
    lead = 50.0
    solution = Circuit((3, 4), r, lead, lead).solve(G, OHMIC, word, bit)
    # What the leads take off the terminals, the array without leads sees.
    inner = word - lead * solution.word_current, bit + lead * solution.bit_current
    expected = Circuit((3, 4), r).solve(G, OHMIC, *inner)
    np.testing.assert_allclose(solution.voltage, expected.voltage, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("r", [0.0, 25.0])
def test_many_arrays_at_once_are_each_what_they_are_alone(r: float) -> None:
    rng, shape = np.random.default_rng(5), (4, 6)
    G = rng.uniform(1e-6, 1e-3, (7, *shape))
    word, bit = rng.uniform(-1, 1, (7, 4)), rng.uniform(-1, 1, (7, 6))
    circuit = Circuit(shape, r, 2 * r)
    together = circuit.solve_each(G, word, bit)
    for k in range(7):
        alone = circuit.solve(G[k], OHMIC, word[[k]], bit[[k]])
        np.testing.assert_allclose(together.voltage[k], alone.voltage[0], rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(together.bit_current[k], alone.bit_current[0], rtol=1e-11)


@pytest.mark.parametrize("b", [0.0, 2.0])
@pytest.mark.parametrize("r", [0.0, 25.0])
def test_inputs_may_each_drive_other_lines(r: float, b: float) -> None:
    rng, shape, law = np.random.default_rng(6), (4, 5), SinhLaw(b)
    G = rng.uniform(1e-5, 1e-3, shape)
    word, bit = rng.uniform(0, 1, (6, 4)), rng.uniform(0, 0.2, (6, 5))
    drawn_masks = [masks(rng, shape) for _ in range(6)]
    driven = np.array([m[0] for m in drawn_masks]), np.array([m[1] for m in drawn_masks])
    together = Circuit(shape, r).solve(G, law, word, bit, driven)
    for k in range(6):
        alone = Circuit(shape, r).solve(G, law, word[[k]], bit[[k]], drawn_masks[k])
        np.testing.assert_allclose(together.voltage[k], alone.voltage[0], atol=1e-10)


def test_a_solution_says_how_it_was_found_and_how_well() -> None:
    G, one, many = drawn(7, (8, 8)), np.ones((1, 8)), np.random.default_rng(0).random((20, 8))
    zero = np.zeros((20, 8))
    told = {
        (5.0, 0.0, 1): "line elimination and conjugate gradients",
        (5.0, 0.0, 20): "superposition of line elimination and conjugate gradients",
        (5.0, 2.0, 20): "Newton, line elimination and conjugate gradients",
        (0.0, 0.0, 20): "lines at their terminals' voltages",
    }
    for (r, b, count), method in told.items():
        word = one if count == 1 else many
        solution = Circuit((8, 8), r).solve(G, SinhLaw(b), word, zero[:count])
        assert solution.method == method
        assert solution.residual.max() <= 1e-12
        assert (solution.steps.max() > 0) == ("superposition" not in method and r > 0)
    leads = Circuit((8, 8), 0.0, 10.0).solve(G, SinhLaw(2.0), many, zero)
    assert leads.method == "Newton, one node per line"


def test_an_array_that_cannot_be_solved_says_so_and_by_how_much() -> None:
    # A cell law that conducts ever less with voltage has no unique solution to find.
    class Falling(SinhLaw):
        def effective(self, voltage: Array) -> Array:
            return np.asarray(np.sign(voltage) * np.sin(40 * np.abs(voltage)))

        def slope(self, voltage: Array) -> Array:
            return np.asarray(np.abs(40 * np.cos(40 * voltage)))

    G = np.full((4, 4), 1e-2)
    with pytest.raises(DataError, match="did not converge; currents are off by"):
        Circuit((4, 4), 50.0).solve(G, Falling(1.0), np.ones((1, 4)), np.zeros((1, 4)))
