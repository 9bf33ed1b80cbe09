"""Reading by one call: detection, what is stated, bad input, folders, batches."""

from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.curves.measured import Curve, Measurements
from crossbar.curves.reading import data_files, guess, join_cycles, read, read_many

SWEEP = "Voltage (V),Current (A)\n0,0\n0.5,1e-6\n1,2e-6\n0,0\n"


def written(folder: Path, name: str, text: str | bytes = SWEEP) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def only(found: Measurements) -> Curve:
    (curve,) = found.curves
    return curve


def test_the_guess_and_its_reason_are_the_first_note(tmp_path: Path) -> None:
    path = written(tmp_path, "A1.csv")
    guessed = guess(path)
    assert guessed.format == "text"
    assert only(read(path)).origin.notes[0] == str(guessed)
    assert str(guessed).startswith("taken for 'text' because it is text with columns")


def test_a_stated_format_is_not_a_guess(tmp_path: Path) -> None:
    assert only(read(written(tmp_path, "A1.csv"), format="text")).origin.notes == ()


def test_values_are_in_si_units(tmp_path: Path) -> None:
    text = "Time (ms);U [mV];I [µA]\n0;100;1\n10;200;2\n"
    curve = only(read(written(tmp_path, "A1.txt", text)))
    assert curve.voltage.tolist() == pytest.approx([0.1, 0.2])
    assert curve.current.tolist() == pytest.approx([1e-6, 2e-6])
    assert curve.time is not None
    assert curve.time.tolist() == pytest.approx([0, 0.01])
    assert curve.origin.columns == (
        "voltage: 'U [mV]', mV",
        "current: 'I [µA]', uA",
        "time: 'Time (ms)', ms",
    )


def test_a_file_without_a_header_needs_its_columns_stated(tmp_path: Path) -> None:
    path = written(tmp_path, "A1.txt", "0 0\n100 1\n200 2\n")
    with pytest.raises(DataError, match=r"without a header; say what they are.*columns='V=1:V,I=2"):
        read(path)
    curve = only(read(path, columns="V=1:mV,I=2:uA"))
    assert curve.voltage.tolist() == pytest.approx([0, 0.1, 0.2])
    assert curve.current.tolist() == pytest.approx([0, 1e-6, 2e-6])


def test_a_header_that_does_not_fit_its_rows_is_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, "A1.csv", "V (V),I (A)\n1,2.5,3\n4,5.5,6\n")
    with pytest.raises(DataError, match="names 2 columns, the rows have 3; names not used; say"):
        read(path)


def test_a_header_without_units_needs_them_stated(tmp_path: Path) -> None:
    path = written(tmp_path, "A1.txt", "Voltage Current\n0 0\n1 1\n")
    with pytest.raises(DataError, match=r"unit of the voltage \('Voltage'\).*columns='V=1:V'"):
        read(path)
    assert len(read(path, columns="V=Voltage:V,I=Current:mA").curves) == 1


def test_a_header_without_current_names_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column is called current \(Voltage \(V\), Force"):
        read(written(tmp_path, "A1.txt", "Voltage (V),Force (N)\n0,0\n1,1\n"))


def test_devices_and_cycles_come_from_their_columns(tmp_path: Path) -> None:
    rows = [f"{d},{c},{v},{v * 1e-6}" for d in "BA" for c in (7, 3) for v in (0.0, 0.5)]
    path = written(tmp_path, "all.csv", "\n".join(["device,cycle,voltage_V,current_A", *rows]))
    found = read(path).curves
    assert [curve.name for curve in found] == ["B", "A"]
    assert [curve.cycles for curve in found] == [2, 2]
    assert found[0].cycle.tolist() == [0, 0, 1, 1]


def test_voltages_alone_divide_nothing(tmp_path: Path) -> None:
    assert only(read(written(tmp_path, "A1.csv", SWEEP + "0.5,1e-6\n1,2e-6\n0,0\n"))).cycles == 1


def test_rows_without_a_number_are_left_out_and_counted(tmp_path: Path) -> None:
    text = "Voltage (V),Current (A)\n0,0\nnan,1e-6\n0.5,\n1,2e-6\n"
    curve = only(read(written(tmp_path, "A1.csv", text)))
    assert len(curve) == 2
    assert "2 rows left out without voltage or current" in curve.origin.notes


def test_an_overflow_is_nan_in_the_current(tmp_path: Path) -> None:
    curve = only(read(written(tmp_path, "A1.csv", SWEEP + "2,9.91e37\n")))
    assert np.isnan(curve.current).tolist() == [False] * 4 + [True]


def test_a_time_that_never_moves_is_left_out(tmp_path: Path) -> None:
    text = "V (V),I (A),t (s)\n0,0,1.765E+09\n1,1e-6,1.765E+09\n"
    curve = only(read(written(tmp_path, "A1.csv", text)))
    assert curve.time is None
    assert "time left out: it is 1.765e+09 s in every row" in curve.origin.notes


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"\n\n", "the file is empty"),
        ("a.csv", b"Voltage (V)\n0.1\n0.2\n", "only one column"),
        ("a.csv", b"V (V),I (A)\n0.1,1\n0.1,2\n0.1,3\n", "never moves: it is 0.1 V in all 3"),
        ("a.csv", b"V (V),I (A)\n0.1,1\n", "has 1 points"),
        ("a.csv", b"V (V),I (A)\nnan,1\nnan,2\n", "has 0 points"),
        ("a.csv", b"V (V),I (A),I (mA)\n0,1,1\n1,1,1\n", "mixed units"),
        ("a.csv", b"V,I\n0,05,1,23E-06\n0,10,2,46E-06\n", "decimal commas"),
        ("a.bin", bytes(range(256)) * 8, "no known format"),
        ("a.xls", b"\xd0\xcf\x11\xe0" + bytes(600), "no known format"),
        ("a.xlsx", b"PK\x03\x04 not a zip file", "not a workbook that can be read"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00broken", "cannot be read"),
        ("a.txt", b"a letter\nto somebody\n", "no rows of numbers"),
        ("a.sqlite", b"SQLite format 3\x00" + bytes(100), "not a run store"),
    ],
)
def test_bad_files_are_refused_with_one_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as problem:
        read(path)
    assert str(problem.value).startswith(str(path))
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pymesure"}, "format 'pymesure' is unknown; known are pymeasure"),
        ({"columns": "V"}, "stated as in"),
        ({"format": "arc-one", "columns": "V=1:V"}, "columns of format 'arc-one' are fixed"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, "A1.csv"), **options)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read(tmp_path / "nowhere.csv")


def test_a_folder_is_read_but_for_what_is_no_data(tmp_path: Path) -> None:
    for name in ("b/2.csv", "a/1.txt", "README.txt", "LICENSE.upstream", "settings.json", ".x.csv"):
        written(tmp_path, name)
    assert [path.name for path in data_files(tmp_path)] == ["1.txt", "2.csv"]
    assert [curve.name for curve in read(tmp_path).curves] == ["1", "2"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no data files"):
        read(tmp_path)


def test_a_bad_file_of_a_folder_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    written(tmp_path, "1.csv")
    written(tmp_path, "2.csv", "")
    written(tmp_path, "3.csv", "")
    with pytest.raises(DataError, match=r"2.csv: the file is empty \(2 of 3 files cannot be read"):
        read(tmp_path)


def test_files_numbered_as_cycles_are_joined(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        written(tmp_path, f"A1_cycle{number}.csv", SWEEP.replace("2e-6", f"{number}e-5"))
    written(tmp_path, "B1.csv")
    first, second = read(tmp_path).curves
    assert (first.name, first.cycles, second.name) == ("A1", 3, "B1")
    assert first.current[first.voltage == 1].tolist() == pytest.approx([1e-5, 2e-5, 10e-5])
    assert "3 files joined as cycles" in first.origin.notes[-1]


def test_one_file_called_a_cycle_stays_as_it_is(tmp_path: Path) -> None:
    curve = only(read(written(tmp_path, "A1_cycle1.csv")))
    assert join_cycles([curve]) == (curve,)


def test_the_good_files_of_a_batch_are_read_and_the_bad_ones_listed(tmp_path: Path) -> None:
    good = written(tmp_path, "good.csv")
    bad = written(tmp_path, "bad.csv", "")
    inside = written(tmp_path, "folder/inside.csv")
    nothing = tmp_path / "empty"
    nothing.mkdir()
    found, refused = read_many([bad, good, tmp_path / "folder", nothing, tmp_path / "no.csv"])
    assert [path for path, _ in found] == [str(good), str(inside)]
    assert [path for path, _ in refused] == [str(bad), str(nothing), str(tmp_path / "no.csv")]
    assert [reason.split(": ")[1] for _, reason in refused] == [
        "the file is empty",
        "the folder holds no data files",
        "there is no such file",
    ]


def test_a_batch_with_a_misspelt_option_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown"):
        read_many([written(tmp_path, "A1.csv")], format="txt")
