import pytest

from crossbar.backend import DataError
from crossbar.experiments.cell_choice import chosen_cells

SHAPE = (4, 6)


@pytest.mark.parametrize(
    ("cell", "cells", "expected"),
    [
        (None, None, [(0, 0)]),
        ("3,4", None, [(3, 4)]),
        ("3, 4", None, [(3, 4)]),
        (None, "3,4", [(3, 4)]),
        (None, "0-2,5", [(0, 5), (1, 5), (2, 5)]),
        (None, "0,0 1-2,0-1", [(0, 0), (1, 0), (1, 1), (2, 0), (2, 1)]),
        (None, "0,0; 0,0 0,1", [(0, 0), (0, 1)]),
    ],
)
def test_cells_are_named_as_lines_and_ranges(
    cell: str | None, cells: str | None, expected: list[tuple[int, int]]
) -> None:
    assert list(chosen_cells(cell, cells, SHAPE)) == expected


def test_all_is_every_cell() -> None:
    assert len(chosen_cells(None, "all", SHAPE)) == 24


@pytest.mark.parametrize(
    ("cell", "cells", "said"),
    [
        ("1,1", "2,2", "both"),
        ("4,0", None, "word line 4 does not exist.* 0 to 3"),
        (None, "0,3-6", "bit line 6 does not exist"),
        (None, "2-1,0", "count down"),
        ("0-1,0", None, "--cell '0-1,0'"),
        ("3", None, "--cell '3'"),
        (None, "1;2", "--cells '1'"),
        (None, "-1,0", "--cells '-1,0'"),
        (None, "", "--cells ''"),
        ("three,four", None, "--cell 'three,four'"),
    ],
)
def test_what_names_no_cell_is_refused(cell: str | None, cells: str | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        chosen_cells(cell, cells, SHAPE)
