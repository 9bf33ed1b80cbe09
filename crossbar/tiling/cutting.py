"""How a matrix is cut into tiles."""

from dataclasses import dataclass
from itertools import pairwise

from crossbar.backend import CapacityError


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a matrix that one array holds.

    Parameters
    ----------
    inputs, outputs
        Rows and columns of the matrix; each output takes two bit lines.
    """

    inputs: slice
    outputs: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return self.inputs.stop - self.inputs.start, self.outputs.stop - self.outputs.start


def cut(shape: tuple[int, int], room: tuple[int, int]) -> list[list[Tile]]:
    """Return the tiles of a matrix, row of tiles by row of tiles.

    Parameters
    ----------
    shape
        ``(n_in, n_out)`` of the matrix.
    room
        Inputs and outputs that one array has room for.

    Raises
    ------
    CapacityError
        If it has room for none.
    """
    if min(room) < 1:
        raise CapacityError(
            f"a tile with room for {room[0]} inputs and {room[1]} outputs holds no weight: an "
            "output takes two bit lines"
        )
    return [
        [Tile(rows, columns) for columns in _parts(shape[1], room[1])]
        for rows in _parts(shape[0], room[0])
    ]


def _parts(length: int, most: int) -> list[slice]:
    """Return as few parts as there can be, of sizes that differ by one at most."""
    count = -(-length // most)
    ends = [length * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(ends)]
