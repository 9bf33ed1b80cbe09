"""Which lines a set of matrices uses, so that they share one array and avoid stuck cells.

Word lines are shared, because only one block of cells is driven at a time and idle word lines lie
at 0 V. Where there are bit lines enough, every matrix takes its own; otherwise a matrix is cut into
blocks that share bit lines on different word lines (`crossbar.layout`), which is how the pairs of a
2-8-1 network (3x8 and 9x1 weights) fit a 10x10 array. With a `reference` mapping the reference bit
line is shared too.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from crossbar.backend import Array, CapacityError, DataError, Indices
from crossbar.blocks import Block, Placed
from crossbar.layout import Layout, Patch, lay_out
from crossbar.mapping import Mapping, Window, solve_targets


def check_fits(
    shapes: Sequence[tuple[int, int]],
    mapping: Mapping,
    array: tuple[int, int],
    copies: Sequence[int] = (1,),
) -> None:
    """Raise `CapacityError` if matrices of these shapes do not fit an array.

    Parameters
    ----------
    shapes
        ``(n_in, n_out)`` of each matrix, a bias counted as an input.
    mapping
        How outputs become bit lines.
    array
        Word lines and bit lines there are.
    copies
        Cells or pairs for each weight: of every matrix, or one number for all.

    Raises
    ------
    DataError
        If the copies are as many neither as the matrices nor as one.
    """
    each = copies_of(shapes, copies)
    needed, room = _cells(shapes, each), mapping.slots(array[1]) * array[0]
    if needed <= room:
        return
    sizes = " and ".join(f"{n_in}x{n_out}" for n_in, n_out in shapes)
    counts = "" if max(each) == 1 else f", {':'.join(map(str, each))} copies,"
    place = "pairs of cells" if mapping.own_partner else "cells beside the reference"
    raise CapacityError(
        f"weights {sizes}{counts} with the {mapping.name} mapping need {needed} {place}; this "
        f"array, {array[0]}x{array[1]}, has {room}{_hint(shapes, each, room)}"
    )


def copies_of(shapes: Sequence[tuple[int, int]], copies: Sequence[int]) -> tuple[int, ...]:
    """Return the number of copies of each matrix.

    Raises
    ------
    DataError
        If they are as many neither as the matrices nor as one.
    """
    each = tuple(copies) * len(shapes) if len(copies) == 1 else tuple(copies)
    if len(each) != len(shapes):
        raise DataError(
            f"{len(each)} numbers of copies are not one for each of {len(shapes)} matrices"
        )
    return each


def _cells(shapes: Sequence[tuple[int, int]], copies: Sequence[int]) -> int:
    return sum(n_in * n_out * n for (n_in, n_out), n in zip(shapes, copies, strict=True))


def _hint(shapes: Sequence[tuple[int, int]], copies: Sequence[int], room: int) -> str:
    """Return what of the same kind would fit: fewer copies, or fewer hidden units."""
    once = _cells(shapes, [1] * len(shapes))
    if max(copies) > 1 and once <= room:
        return f"; {room // once} of each would fit" if room // once > 1 else "; 1 copy would fit"
    if len(shapes) != 2 or shapes[1][0] != shapes[0][1] + 1:
        return ""
    (n_in, _), (_, n_out) = shapes
    # Cells of hidden units, one weight to each output and one from each input, and of biases.
    hidden = (room - copies[1] * n_out) // (copies[0] * n_in + copies[1] * n_out)
    return f"; {n_in}x{hidden} and {hidden + 1}x{n_out} would fit" if hidden > 0 else ""


def place(
    matrices: Sequence[Array],
    mapping: Mapping,
    window: Window,
    fixed: Array,
    previous: Sequence[Placed] = (),
    copies: Sequence[int] = (1,),
) -> list[Placed]:
    """Return a place for every matrix that loses least to cells that cannot be programmed.

    Bit lines with the fewest fixed cells are taken first; then the word lines are chosen that
    minimise the squared shortfall of conductance differences (an assignment problem, solved
    exactly for each group of blocks that share bit lines). Where nothing is lost the lines are
    taken in order.

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
    copies
        As in `check_fits`.

    Raises
    ------
    CapacityError
        If they do not fit.
    """
    shapes = [(m.shape[0], m.shape[1]) for m in matrices]
    check_fits(shapes, mapping, (fixed.shape[0], fixed.shape[1]), copies)
    each = copies_of(shapes, copies)
    layout = lay_out(shapes, each, mapping.slots(fixed.shape[1]), fixed.shape[0])
    before = [block for placed in previous for block in placed.blocks]
    lines = _bit_lines(layout, mapping, fixed, before)
    scales = [mapping.scale(matrix, window) for matrix in matrices]
    differences = [matrix * scale for matrix, scale in zip(matrices, scales, strict=True)]
    blocks: dict[Patch, Block] = {}
    for band in layout.bands():
        last = max(patch.lines.stop for patch in band)
        cost, keep = np.zeros((last, fixed.shape[0])), np.arange(last)
        for patch in band:
            inputs, outputs, _ = layout.indices(patch)
            difference = differences[patch.part.matrix][np.ix_(inputs, outputs)]
            cost[patch.lines] += _cost(difference, mapping, window, fixed, *lines[patch])
            if before:
                keep[patch.lines] = before[layout.patches.index(patch)].words
        words = _assigned(cost, keep, window)
        for patch in band:
            blocks[patch] = _block(layout, patch, words[patch.lines], *lines[patch])
    own = [[blocks[p] for p in layout.patches if p.part.matrix == k] for k in range(len(each))]
    return [Placed(tuple(own[k]), shapes[k], each[k], scales[k]) for k in range(len(each))]


def _assigned(cost: Array, keep: Indices, window: Window) -> Indices:
    """Return the word lines that cost least, S², those to be kept unless another gains anything."""
    # A shortfall of a millionth of the window is not worth programming a word line anew.
    cost = cost + 1e-6 * window.span**2
    cost[np.arange(len(keep)), keep] -= 1e-6 * window.span**2
    _, words = linear_sum_assignment(cost)
    return np.asarray(words, dtype=np.intp)


def _block(layout: Layout, patch: Patch, words: Indices, plus: Indices, minus: Indices) -> Block:
    inputs, outputs, copies = layout.indices(patch)
    return Block(words, inputs, plus, minus, outputs, copies)


def _bit_lines(
    layout: Layout, mapping: Mapping, fixed: Array, before: Sequence[Block]
) -> dict[Patch, tuple[Indices, Indices]]:
    """Return plus and minus bit lines of each patch."""
    if before:
        lines = [(block.plus, block.minus) for block in before]
        return dict(zip(layout.patches, lines, strict=True))
    needed = mapping.bit_lines(layout.slots)
    # Stable, so that a faultless array is filled from the left.
    best = np.argsort((~np.isnan(fixed)).sum(axis=0), kind="stable")[:needed]
    if mapping.own_partner:
        order = np.sort(best)
        plus, minus = order[0::2], order[1::2]
    else:
        # The shared line serves every weight, so it gets the healthiest bit line.
        plus, minus = np.sort(best[1:]), np.full(needed - 1, best[0], dtype=np.intp)
    slots = {patch: slice(patch.slots.start, patch.slots.stop) for patch in layout.patches}
    return {patch: (plus[s], minus[s]) for patch, s in slots.items()}


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
