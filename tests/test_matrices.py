import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossbar.backend import Array, DataError
from crossbar.matrices import read_matrix, write_matrix


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "m.csv"
    path.write_text(text, encoding=encoding)
    return path


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.floats(-1e300, 1e300, allow_subnormal=False),
    )
)
def test_what_was_written_is_read_back_to_nine_digits(
    tmp_path_factory: pytest.TempPathFactory, values: Array
) -> None:
    path = tmp_path_factory.mktemp("matrix") / "m.csv"
    write_matrix(path, values, "currents (µA) of 测量.csv")
    np.testing.assert_allclose(read_matrix(path), values, rtol=1e-8)
    assert os.listdir(path.parent) == ["m.csv"]


@pytest.mark.parametrize(
    "text",
    [
        "1,2\n3,4\n",
        "1;2\n3;4",
        "1\t2\n3\t4\n",
        "# siemens; made by hand\n\n 1 , 2 \n  # second\n3,4\n\n",
        '"1","2"\r\n"3","4"\r\n',
        "1e0,2.0\n+3,0.4e1\n",
    ],
)
def test_separators_comments_blank_lines_and_quotes(tmp_path: Path, text: str) -> None:
    np.testing.assert_array_equal(read_matrix(written(tmp_path, text)), [[1, 2], [3, 4]])


def test_byte_order_mark_of_a_spreadsheet_is_no_number(tmp_path: Path) -> None:
    path = written(tmp_path, "1;2\n", encoding="utf-8-sig")
    np.testing.assert_array_equal(read_matrix(path), [[1, 2]])


def test_empty_field_is_nan_only_where_that_is_allowed(tmp_path: Path) -> None:
    path = written(tmp_path, "1,,3\n,5, \n")
    expected = [[1, np.nan, 3], [np.nan, 5, np.nan]]
    np.testing.assert_array_equal(read_matrix(path, empty_allowed=True), expected)
    with pytest.raises(DataError, match=r"m\.csv, line 1, column 2: there is no number"):
        read_matrix(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no numbers"),
        ("# only a comment\n\n", "there are no numbers"),
        ("1,2\n3\n", r"line 2: 1 columns where the first line has 2"),
        ("# a\n1,2\n\n3,4,5\n", r"line 4: 3 columns where the first line has 2"),
        ("1,2\n3,x\n", r"line 2, column 2: 'x' is not a number"),
        ("1,nan\n", r"line 1, column 2: 'nan' is not a finite number"),
        ("1,-inf\n", r"line 1, column 2: '-inf' is not a finite number"),
        ("1,1e999\n", r"line 1, column 2: '1e999' is not a finite number"),
        ("1,1_000\n", r"line 1, column 2: '1_000' is not a finite number"),
        ("1,5;2,5\n", r"line 1, column 1: '1,5' is not a number"),
        ("1,2,\n", r"line 1, column 3: there is no number"),
        ('1,"2\n', r"line 1: "),
        (f"1,{'2' * 200_000}\n", r"line 1: field larger than field limit"),
    ],
)
def test_error_names_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"m\.csv.*{message}"):
        read_matrix(written(tmp_path, text))


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.csv: cannot be read"):
        read_matrix(tmp_path / "no.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_matrix(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_matrix(written(tmp_path, "1,2", encoding="utf-16"))


def test_large_file_is_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(20_000, 10))
    write_matrix(tmp_path / "m.csv", values, "V")
    np.testing.assert_allclose(read_matrix(tmp_path / "m.csv"), values, rtol=1e-8)


@pytest.mark.parametrize("name", ["no/m.csv", "folder"])
def test_file_that_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=f"{name}: cannot be written"):
        write_matrix(tmp_path / name, np.ones((2, 2)), "A")
    assert os.listdir(tmp_path) == ["folder"]


def test_interrupted_writing_keeps_the_earlier_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "1,2\n")

    def interrupt(file: Path, *_: object, **__: object) -> None:
        file.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr("numpy.savetxt", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_matrix(path, np.ones((2, 2)), "A")
    assert os.listdir(tmp_path) == ["m.csv"]
    assert path.read_text() == "1,2\n"
