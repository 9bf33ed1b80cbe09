import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import CapacityError
from crossbar.tiling.cutting import cut

SIZES = st.integers(1, 40)


@given(SIZES, SIZES, SIZES, SIZES)
def test_tiles_cover_every_weight_once_and_fit(n: int, m: int, rows: int, columns: int) -> None:
    seen = [[0] * m for _ in range(n)]
    tiles = cut((n, m), (rows, columns))
    for line in tiles:
        assert len({(tile.inputs.start, tile.inputs.stop) for tile in line}) == 1
        for tile in line:
            assert tile.shape[0] <= rows
            assert tile.shape[1] <= columns
            for i in range(tile.inputs.start, tile.inputs.stop):
                for j in range(tile.outputs.start, tile.outputs.stop):
                    seen[i][j] += 1
    assert all(count == 1 for row in seen for count in row)
    # No more tiles than there have to be.
    assert len(tiles) == -(-n // rows)
    assert len(tiles[0]) == -(-m // columns)


def test_a_tile_without_room_is_refused() -> None:
    with pytest.raises(CapacityError, match="two bit lines"):
        cut((3, 3), (4, 0))
