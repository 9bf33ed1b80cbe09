"""Lines with resistance: one line is solved exactly, the array by eliminating the word lines.

Every line is a ladder: nodes in a row, a segment of conductance g from each to the next, a shunt at
each node. Its equations are tridiagonal. The pivots are built from the sum that a ladder's own
continued fraction has, p <- shunt + g p / (g + p), which only adds and multiplies positive numbers:
no digit is lost however small the shunts are beside g, and a floating line is no special case.

With the word lines eliminated, the bit-line nodes w obey (B - s T^-1 s) w = e - s T^-1 e, where T
and B are the ladders of the word lines and of the bit lines, with the cells' slopes s as shunts.
Conjugate gradients preconditioned with B settle in a handful of steps, because what B leaves out is
only how word lines couple the bit lines. B p is carried along with p, and so never computed as a
difference of large numbers.

All arrays are float64 and C-contiguous; lines run along the first axis, so that the inner loops run
over independent lines and the processor takes several at once.
"""

import numpy as np

from crossbar.backend import Array, Indices, Siemens
from sim_backend.compiled import compiled

BLOCK = 16
"""Rows and columns that are transposed at a time: 2 KiB, a small part of any first-level cache."""


@compiled
def factor(shunts: Array, g: Siemens, first: Array, last: Array, inverse: Array) -> None:
    """Write the inverse pivots of every line's equations, ohm.

    Parameters
    ----------
    shunts
        S, shape ``(nodes, lines)``.
    g
        Of a segment, S.
    first, last
        From the first and from the last node to a terminal, S, shape ``(lines,)``.
    inverse
        Receives the result, shape of `shunts`.
    """
    n, m = shunts.shape
    p = shunts[0] + first
    for i in range(n - 1):
        for k in range(m):
            q = 1.0 / (g + p[k])
            inverse[i, k] = q
            p[k] = shunts[i + 1, k] + g * p[k] * q
    for k in range(m):
        inverse[n - 1, k] = 1.0 / (p[k] + last[k])


@compiled
def solve_lines(inverse: Array, g: Siemens, x: Array) -> None:
    """Replace currents into the nodes of every line, A, by the node voltages, V.

    Parameters
    ----------
    inverse, g
        As in `factor`.
    x
        Shape of `inverse`.
    """
    n, m = x.shape
    for i in range(1, n):
        for k in range(m):
            x[i, k] += g * inverse[i - 1, k] * x[i - 1, k]
    for k in range(m):
        x[n - 1, k] *= inverse[n - 1, k]
    for i in range(n - 2, -1, -1):
        for k in range(m):
            x[i, k] = inverse[i, k] * (x[i, k] + g * x[i + 1, k])


@compiled
def times_turned(a: Array, b: Array, out: Array) -> None:
    """Write a times b transposed, element by element; `out` has the shape of `a`."""
    n, m = b.shape
    for top in range(0, n, BLOCK):
        for left in range(0, m, BLOCK):
            for j in range(left, min(left + BLOCK, m)):
                for i in range(top, min(top + BLOCK, n)):
                    out[j, i] = a[j, i] * b[i, j]


@compiled
def settle(
    slope: Array,
    turned: Array,
    g: Siemens,
    word_inverse: Array,
    bit_inverse: Array,
    excess: Array,
    tolerance: float,
    limit: int,
    word: Array,
    bit: Array,
) -> tuple[int, float]:
    """Solve one linear array; return the steps taken and the Kirchhoff residual left.

    Parameters
    ----------
    slope, turned
        Of the cells, S, ``(n_word, n_bit)``, and the same transposed.
    g
        Of a segment, S.
    word_inverse, bit_inverse
        Factors of the word lines, ``(n_bit, n_word)``, and of the bit lines, ``(n_word, n_bit)``.
    excess
        Current of each cell from its word line to its bit line that does not follow from the
        voltages found here, A, shape of `slope`.
    tolerance
        Largest residual at a node, as a fraction of the largest excess.
    limit
        Most steps.
    word, bit
        Receive the node voltages, V: of the word lines ``(n_bit, n_word)``, of the bit lines
        ``(n_word, n_bit)``.
    """
    n, m = slope.shape
    r, z = np.empty((n, m)), np.empty((n, m))
    # Before the first step the old direction counts for nothing, but has to be a number.
    p, q = np.zeros((n, m)), np.zeros((n, m))
    t, sums = np.empty((m, n)), np.empty(m)
    largest = 0.0
    for j in range(m):
        for i in range(n):
            t[j, i] = excess[i, j]
    solve_lines(word_inverse, g, t)
    for i in range(n):
        for j in range(m):
            r[i, j] = excess[i, j] - slope[i, j] * t[j, i]
            bit[i, j] = 0.0
            largest = max(largest, abs(excess[i, j]))
    steps, worst, before = 0, largest, 1.0
    while steps < limit and worst > tolerance * largest:
        # z = B^-1 r, and r z on the way back.
        for j in range(m):
            z[0, j] = r[0, j]
        for i in range(1, n):
            for j in range(m):
                z[i, j] = r[i, j] + g * bit_inverse[i - 1, j] * z[i - 1, j]
        for j in range(m):
            z[n - 1, j] *= bit_inverse[n - 1, j]
            sums[j] = z[n - 1, j] * r[n - 1, j]
        for i in range(n - 2, -1, -1):
            for j in range(m):
                z[i, j] = bit_inverse[i, j] * (z[i, j] + g * z[i + 1, j])
                sums[j] += z[i, j] * r[i, j]
        along = sums.sum()
        beta = along / before if steps > 0 else 0.0
        before = along
        # p is the direction and q is B p, known without a product because B z is r.
        for i in range(n):
            for j in range(m):
                p[i, j] = z[i, j] + beta * p[i, j]
                q[i, j] = r[i, j] + beta * q[i, j]
        times_turned(turned, p, t)
        solve_lines(word_inverse, g, t)
        times_turned(slope, t, z)
        sums[:] = 0.0
        for i in range(n):
            for j in range(m):
                z[i, j] = q[i, j] - z[i, j]
                sums[j] += z[i, j] * p[i, j]
        curvature = sums.sum()
        if not curvature > 0.0:
            # Rounding is all that is left, or the circuit has no solution: the residual tells.
            break
        alpha = along / curvature
        sums[:] = 0.0
        for i in range(n):
            for j in range(m):
                bit[i, j] += alpha * p[i, j]
                r[i, j] -= alpha * z[i, j]
                size = abs(r[i, j])
                sums[j] = size if size > sums[j] else sums[j]
        worst = sums.max()
        steps += 1
    times_turned(turned, bit, word)
    for j in range(m):
        for i in range(n):
            word[j, i] -= excess[i, j]
    solve_lines(word_inverse, g, word)
    return steps, worst / largest if largest > 0.0 else 0.0


@compiled
def settle_all(
    slopes: Array,
    g: Siemens,
    word_ends: Array,
    bit_ends: Array,
    excess: Array,
    tolerance: float,
    limit: int,
    word: Array,
    bit: Array,
    steps: Indices,
    residual: Array,
) -> None:
    """Solve many linear arrays of one geometry, or one array for many excess currents.

    Parameters
    ----------
    slopes
        S, shape ``(batch, n_word, n_bit)``, or ``(1, n_word, n_bit)`` for one array.
    g
        Of a segment, S.
    word_ends, bit_ends
        From each line's end node to its terminal, S, shapes ``(batch, n_word)`` and
        ``(batch, n_bit)``, or 1 instead of the batch; 0 where the line floats.
    excess
        As in `settle`, shape ``(batch, n_word, n_bit)``.
    tolerance, limit
        As in `settle`.
    word, bit
        Receive the node voltages, V, ``(batch, n_word, n_bit)`` both.
    steps, residual
        Receive what `settle` returns, shape ``(batch,)``.
    """
    count, n, m = excess.shape
    turned, word_inverse = np.empty((m, n)), np.empty((m, n))
    bit_inverse, upright = np.empty((n, m)), np.empty((m, n))
    open_word, open_bit = np.zeros(n), np.zeros(m)
    for k in range(count):
        own = k if len(slopes) > 1 else 0
        lines = k if len(word_ends) > 1 else 0
        if k == 0 or len(slopes) > 1 or len(word_ends) > 1:
            turned[:] = slopes[own].T
            # Word lines start at their terminal, bit lines end at theirs.
            factor(turned, g, word_ends[lines], open_word, word_inverse)
            factor(slopes[own], g, open_bit, bit_ends[lines], bit_inverse)
        steps[k], residual[k] = settle(
            slopes[own],
            turned,
            g,
            word_inverse,
            bit_inverse,
            excess[k],
            tolerance,
            limit,
            upright,
            bit[k],
        )
        for i in range(n):
            for j in range(m):
                word[k, i, j] = upright[j, i]
