"""Which lines a set of matrices uses, so that they share one array and avoid stuck cells.

Every matrix takes bit lines of its own; word lines are shared, because only one matrix is driven at
a time and idle word lines lie at 0 V. With a `reference` mapping the reference bit line is shared
too, which is how a 2-8-1 network (3x8 and 9x1 weights) fits a 10x10 array.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from crossbar.backend import Array, CapacityError, Indices
from crossbar.mapping import Mapping, Placed, Window, solve_targets


def check_fits(shapes: Sequence[tuple[int, int]], mapping: Mapping, array: tuple[int, int]) -> None:
    """Raise `CapacityError` if matrices of these shapes do not fit an array.

    Parameters
    ----------
    shapes
        ``(n_in, n_out)`` of each matrix, a bias counted as an input.
    mapping
        How outputs become bit lines.
    array
        Word lines and bit lines there are.
    """
    words = max(n_in for n_in, _ in shapes)
    bits = mapping.bit_lines(sum(n_out for _, n_out in shapes))
    if words > array[0] or bits > array[1]:
        sizes = " and ".join(f"{n_in}x{n_out}" for n_in, n_out in shapes)
        raise CapacityError(
            f"weights {sizes} with the {mapping.name} mapping need {words} word lines and "
            f"{bits} bit lines; this array has {array[0]} and {array[1]}"
        )


def place(
    matrices: Sequence[Array],
    mapping: Mapping,
    window: Window,
    fixed: Array,
    previous: Sequence[Placed] = (),
) -> list[Placed]:
    """Return a place for every matrix that loses least to cells that cannot be programmed.

    Bit lines with the fewest fixed cells are taken first; then each matrix is given the word lines
    that minimise the squared shortfall of its conductance differences (an assignment problem,
    solved exactly for each matrix). Where nothing is lost the lines are taken in order.

    Parameters
    ----------
    matrices
        Weights, each ``(n_in, n_out)``.
    mapping, window
        Mapping and allowed conductances.
    fixed
        Conductance of cells that cannot be changed, S, array shape, NaN elsewhere.
    previous
        An earlier result for matrices of the same shapes: its bit lines are kept, and word lines
        change only where that gains something, so that little is programmed again.

    Raises
    ------
    CapacityError
        If they do not fit.
    """
    check_fits([m.shape for m in matrices], mapping, fixed.shape)
    lines = _bit_lines(matrices, mapping, fixed, previous)
    placed = []
    for k, (matrix, (plus, minus)) in enumerate(zip(matrices, lines, strict=True)):
        scale = mapping.scale(matrix, window)
        cost = _cost(matrix * scale, mapping, window, fixed, plus, minus)
        keep = previous[k].words if previous else np.arange(matrix.shape[0])
        # A shortfall of a millionth of the window is not worth programming a word line anew.
        cost = cost + 1e-6 * window.span**2
        cost[np.arange(len(keep)), keep] -= 1e-6 * window.span**2
        _, words = linear_sum_assignment(cost)
        placed.append(Placed(words=words.astype(np.intp), plus=plus, minus=minus, scale=scale))
    return placed


def _bit_lines(
    matrices: Sequence[Array], mapping: Mapping, fixed: Array, previous: Sequence[Placed]
) -> list[tuple[Indices, Indices]]:
    """Return plus and minus bit lines for each matrix."""
    if previous:
        return [(p.plus, p.minus) for p in previous]
    outputs = [matrix.shape[1] for matrix in matrices]
    needed = mapping.bit_lines(sum(outputs))
    # Stable, so that a faultless array is filled from the left.
    best = np.argsort((~np.isnan(fixed)).sum(axis=0), kind="stable")[:needed]
    if mapping.own_partner:
        order = np.sort(best)
        starts = np.cumsum([0, *(2 * n for n in outputs)])
        blocks = [order[a:b] for a, b in pairwise(starts)]
        return [(block[0::2], block[1::2]) for block in blocks]
    # The shared line serves every weight, so it gets the healthiest bit line.
    reference, order = best[0], np.sort(best[1:])
    starts = np.cumsum([0, *outputs])
    return [(order[a:b], np.full(b - a, reference, dtype=np.intp)) for a, b in pairwise(starts)]


def _cost(
    difference: Array,
    mapping: Mapping,
    window: Window,
    fixed: Array,
    plus: Indices,
    minus: Indices,
) -> Array:
    """Return the squared shortfall, S², of putting each input on each word line."""
    n_in, n_word = difference.shape[0], fixed.shape[0]
    cost = np.empty((n_in, n_word))
    for word in range(n_word):
        shape = difference.shape
        targets = solve_targets(
            difference,
            mapping,
            window,
            np.broadcast_to(fixed[word, plus], shape),
            np.broadcast_to(fixed[word, minus], shape),
        )
        cost[:, word] = np.sum(targets.shortfall**2, axis=1)
    return cost
