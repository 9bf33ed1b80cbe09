"""How matrices share an array, before anybody knows which physical lines: a packing problem.

An array offers slots: pairs of bit lines with the `differential` mapping, single bit lines beside
the shared one with `reference`. A column of a matrix takes one slot for as many word lines as it
has inputs, and another column may stand below it, because only one of them is driven at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from crossbar.backend import Indices

Shape = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """Rows and columns of one stacked matrix."""

    matrix: int
    rows: range
    columns: range


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of a stacked matrix in its place: the block of cells that one drive uses.

    Parameters
    ----------
    part
        What lies there.
    slots
        Slot of each column.
    first
        Logical word line of the first row; the others follow.
    """

    part: Rectangle
    slots: range
    first: int

    @property
    def lines(self) -> slice:
        """Its logical word lines."""
        return slice(self.first, self.first + len(self.part.rows))


@dataclass(frozen=True, slots=True)
class Stacking:
    """How the copies of a matrix are laid: some one above the other, the others side by side.

    Copies above each other are driven together, and their currents add up on the bit line.

    Parameters
    ----------
    shape
        Of the matrix.
    above, beside
        Copies along word lines and along bit lines; their product is the number of copies.
    """

    shape: Shape
    above: int
    beside: int

    @property
    def size(self) -> Shape:
        """Rows and columns of all copies together."""
        return self.shape[0] * self.above, self.shape[1] * self.beside

    def indices(self, part: Rectangle) -> tuple[Indices, Indices, Indices]:
        """Return inputs ``(n,)``, outputs ``(m,)`` and copies ``(n, m)`` of a rectangle."""
        above, inputs = np.divmod(np.arange(*_ends(part.rows)), self.shape[0])
        beside, outputs = np.divmod(np.arange(*_ends(part.columns)), self.shape[1])
        return inputs, outputs, above[:, None] * self.beside + beside


@dataclass(frozen=True, slots=True)
class Layout:
    """Where every matrix lies, in logical lines.

    Parameters
    ----------
    stackings
        Of each matrix.
    patches
        In the order in which they are driven, matrix by matrix.
    """

    stackings: tuple[Stacking, ...]
    patches: tuple[Patch, ...]

    @property
    def slots(self) -> int:
        """How many slots it needs, counted from the first."""
        return max(patch.slots.stop for patch in self.patches)

    def indices(self, patch: Patch) -> tuple[Indices, Indices, Indices]:
        """Return a patch's inputs ``(n,)``, outputs ``(m,)`` and copies ``(n, m)``."""
        return self.stackings[patch.part.matrix].indices(patch.part)

    def bands(self) -> Iterator[list[Patch]]:
        """Yield groups of patches that share slots: their word lines are chosen together."""
        left = list(self.patches)
        while left:
            band, slots = [left.pop(0)], set[int]()
            for patch in band:  # which grows meanwhile
                slots.update(patch.slots)
                band += [p for p in left if slots & set(p.slots)]
                left = [p for p in left if not slots & set(p.slots)]
            yield sorted(band, key=self.patches.index)


def lay_out(shapes: Sequence[Shape], copies: Sequence[int], slots: int, words: int) -> Layout:
    """Return the layout with the fewest drives, and among those the one with the fewest slots.

    Where every matrix has room beside the others they lie there, from the left, in order.

    Parameters
    ----------
    shapes
        ``(n_in, n_out)`` of each matrix.
    copies
        Pairs of cells for each weight of each matrix.
    slots, words
        Slots and word lines of the array. The matrices' cells are not more than it has.
    """
    ways = [
        [Stacking(shape, k, n // k) for k in range(1, n + 1) if n % k == 0]
        for shape, n in zip(shapes, copies, strict=True)
    ]
    layouts = [_packed(stackings, slots, words) for stackings in product(*ways)]
    return min(layouts, key=lambda layout: (len(layout.patches), layout.slots))


def _packed(stackings: tuple[Stacking, ...], slots: int, words: int) -> Layout:
    sizes = [stacking.size for stacking in stackings]
    if max(rows for rows, _ in sizes) <= words and sum(columns for _, columns in sizes) <= slots:
        return Layout(stackings, _beside(sizes))
    return Layout(stackings, _folded(sizes, slots, words))


def _beside(sizes: Sequence[Shape]) -> tuple[Patch, ...]:
    starts = np.cumsum([0, *(columns for _, columns in sizes)]).tolist()
    return tuple(
        Patch(Rectangle(k, range(rows), range(columns)), range(start, start + columns), 0)
        for k, ((rows, columns), start) in enumerate(zip(sizes, starts, strict=False))
    )


def _folded(sizes: Sequence[Shape], slots: int, words: int) -> tuple[Patch, ...]:
    """Return patches that fill the array from the top, tall matrices first.

    What does not fit as a whole is cut: by columns, and where no slot has room for a whole column,
    by rows; the last free cell can always be used.
    """
    height = np.zeros(slots, dtype=np.intp)
    tallest = sorted(range(len(sizes)), key=lambda k: -sizes[k][0])
    waiting = [Rectangle(k, range(sizes[k][0]), range(sizes[k][1])) for k in tallest]
    patches: list[Patch] = []
    while waiting:
        whole = waiting.pop(0)
        first, run, rows = _widest(height, words, len(whole.rows), len(whole.columns))
        columns = min(len(whole.columns), len(run))
        used = run[:columns]
        part = Rectangle(whole.matrix, whole.rows[:rows], whole.columns[:columns])
        patches.append(Patch(part, used, first))
        height[used.start : used.stop] += rows
        rest = (
            Rectangle(whole.matrix, whole.rows, whole.columns[columns:]),
            Rectangle(whole.matrix, whole.rows[rows:], whole.columns[:columns]),
        )
        waiting = [r for r in rest if len(r.rows) and len(r.columns)] + waiting
    return tuple(sorted(patches, key=lambda patch: patch.part.matrix))


def _widest(height: Indices, words: int, rows: int, columns: int) -> tuple[int, range, int]:
    """Return level, neighbouring slots filled so far, and rows for the largest piece that fits.

    Whole columns come before any larger piece of cut ones.
    """
    ends = np.flatnonzero(np.diff(height)) + 1
    found = []
    for start, stop in zip([0, *ends.tolist()], [*ends.tolist(), len(height)], strict=True):
        level = int(height[start])
        fitting = min(rows, words - level)
        if fitting > 0:
            area = fitting * min(columns, stop - start)
            found.append((fitting == rows, area, -level, -start, range(start, stop), fitting))
    _, _, level, _, run, fitting = max(found, key=lambda entry: entry[:4])
    return -level, run, fitting


def _ends(numbers: range) -> tuple[int, int]:
    return numbers.start, numbers.stop
