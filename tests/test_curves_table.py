import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import DataError
from crossbar.curves.source import Source, decoded
from crossbar.curves.table import text_table


@pytest.mark.parametrize(
    "text",
    [
        "V (V)\tI (A)\n0\t1e-6\n0.5\t2e-6\n",
        "V (V),I (A)\r\n0,1e-6\r\n0.5,2e-6\r\n",
        "V (V), I (A)\n0, 1e-6\n0.5, 2e-6\n",
        "V (V);I (A)\n0;1e-6\n0.5;2e-6\n",
        "V (V);I (A)\n0;1e-6\n0,5;2e-6\n",
        "V (V)\tI (A)\n0,0\t1,0E-06\n0,5\t2,0E-06\n",
        "# V (V) I (A)\n0 1e-6\n0.5 2e-6\n",
        "V (V)   I (A)\n  0.0  1e-6\n  0.5  2e-6\n",
        "V (V) I (A)\n0,0 1,0e-6\n0,5 2,0e-6\n",
        '"V (V)","I (A)"\n"0","1e-6"\n"0.5","2e-6"\n',
        "V\tI\nV\tA\n0\t1e-6\n0.5\t2e-6\n",
        "V,I\n(V),(A)\n0,1e-6\n0.5,2e-6\n",
        "Operator: me\nSteps,2\n\nV (V),I (A)\n0,1e-6\n0.5,2e-6\n",
        "V (V),I (A),\n0,1e-6,\n0.5,2e-6,\n",
        "Compliance,1 mA\nV (V),I (A)\n0,1e-6\n0.5,2e-6\nDuration,5 s\n",
        "Compliance,1e-3\nDelay,0.1\nV (V),I (A)\n0,1e-6\n0.5,2e-6\n",
        "V (V) I (A)\n0.0\t1.0D-06\n0.5\t2.0D-06\n",
        "V (V),I (A)\n0,1e-6\nV (V),I (A)\n0.5,2e-6\n",
    ],
)
def test_the_same_table_is_read_from_every_layout(text: str) -> None:
    table = text_table(text, "f")
    assert table.names == ("V (V)", "I (A)")
    assert table.numbers(0).tolist() == [0.0, 0.5]
    assert table.numbers(1).tolist() == [1e-6, 2e-6]


@given(
    rows=st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3), min_size=1, max_size=20
    ),
    separator=st.sampled_from(["\t", ";", ",", " "]),
    header=st.sampled_from(["", "V (V){0}I (A){0}t (s)\n"]),
)
def test_numbers_are_read_back_exactly(
    rows: list[tuple[float, float, float]], separator: str, header: str
) -> None:
    lines = (separator.join(map(repr, row)) for row in rows)
    table = text_table(header.format(separator) + "\n".join(lines), "f")
    assert [tuple(row) for row in np.column_stack([table.numbers(i) for i in range(3)])] == rows


def test_decimal_commas_are_said_to_be_read_as_points() -> None:
    assert text_table("a;b\n0,5;1\n0,6;2\n", "f").notes == ("decimal commas read as points",)


@pytest.mark.parametrize(
    "text",
    [
        "V,I\n0,05,1,23E-06\n0,10,2,46E-06\n",
        "0,1,1,23E-06\n0,2,2,46E-06\n",
        "V,I\n0,1,1,5\n0,2,2,5\n",
        "V\n0,1\n0,2\n",
    ],
)
def test_commas_that_may_be_decimal_or_separate_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="commas may be decimal commas or separate columns"):
        text_table(text, "f")


def test_whole_numbers_in_two_columns_are_no_decimal_commas() -> None:
    assert text_table("1,10\n2,20\n", "f").numbers(1).tolist() == [10, 20]


def test_lines_that_are_no_rows_are_left_out_and_counted() -> None:
    table = text_table("V (V),I (A)\n0,1\nbroken\n0.5,2\ndone,\n", "f")
    assert len(table) == 2
    assert table.notes == ("2 lines left out that are not rows of 2 numbers",)


def test_a_repeated_header_is_not_a_broken_line() -> None:
    table = text_table("a,b\n0,1\na,b\n1,2\n", "f")
    assert table.notes == ("the header stands 2 times; the rows are read as one table",)


def test_words_beside_numbers_are_a_column() -> None:
    table = text_table("device,cycle,V\nD1,1,0.5\nD2,1,0.6\n", "f")
    assert table.words(0) == ("D1", "D2")


def test_an_empty_column_keeps_the_numbers_of_those_after_it() -> None:
    table = text_table("0,,1,\n1,,2,\n", "f")
    assert table.names == ("", "", "")
    assert table.numbers(2).tolist() == [1, 2]


def test_missing_numbers_are_nan() -> None:
    values = text_table("a,b\n0,1\n1,\n2,#N/A\n3,nan\n", "f").numbers(1)
    assert np.isnan(values).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("V\n0.1\n0.2\n", "only one column"),
        ("nothing here\nbut words\n", "no rows of numbers"),
        ("V,I\n1 mV,2 uA\n3 mV,4 uA\n", "units stand beside the numbers"),
        ("V,I\n1,2 uA\n3,4\n5,6\n", "mixed units: row 2 says '2 uA'"),
    ],
)
def test_tables_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=f"f: .*{message}"):
        text_table(text, "f")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_headers_are_read_in_every_encoding(encoding: str) -> None:
    text = "Voltage (V)\tCurrent (µA)\n0.1\t1\n0.2\t2\n"
    assert text_table(decoded(text.encode(encoding), "f"), "f").names[1] == "Current (µA)"


@pytest.mark.parametrize(
    ("raw", "message"), [(b"", "empty"), (b" \r\n\n", "empty"), (bytes(range(256)), "binary")]
)
def test_what_is_no_text_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decoded(raw, "f")


def test_gzipped_files_are_unpacked_whatever_they_are_called(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "a.csv"):
        (tmp_path / name).write_bytes(gzip.compress(b"a,b\n0,1\n"))
        source = Source.of(tmp_path / name)
        assert source.text() == "a,b\n0,1\n"
        assert (source.stem, source.ending) == ("a", ".csv")


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n0,1\n" * 100)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        Source.of(tmp_path / "a.csv.gz").text()


def test_a_run_is_named_after_a_hash(tmp_path: Path) -> None:
    (tmp_path / "lab.sqlite").touch()
    (tmp_path / "odd#3").touch()
    assert Source.of(f"{tmp_path}/lab.sqlite#12").run == 12
    assert Source.of(tmp_path / "odd#3").run is None
    with pytest.raises(DataError, match="no such file"):
        Source.of(tmp_path / "lab.sqlite#twelve")
