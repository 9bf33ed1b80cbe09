"""Curves as PyMeasure results files: back without loss, and as PyMeasure itself reads them."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.experiment.results import Results

from crossbar.backend import DataError
from crossbar.curves.measured import Curve, Origin
from crossbar.curves.pymeasure_csv import read as read_back
from crossbar.curves.pymeasure_csv import write
from crossbar.curves.reading import guess, read

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    n = draw(st.integers(0, 8))

    def column(of: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(of, min_size=n, max_size=n)), np.float64)

    steps = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    cycle = np.cumsum(np.array([0, *steps[1:]][:n], np.intp), dtype=np.intp)
    flags = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    texts = st.lists(st.text(), max_size=3).map(tuple)
    return Curve(
        name=draw(st.text()),
        voltage=column(FINITE),
        current=column(st.floats()),
        cycle=cycle,
        origin=Origin(draw(st.text()), draw(st.text()), draw(texts), draw(texts)),
        time=column(FINITE) if draw(st.booleans()) else None,
        flags=np.array(flags, np.uint8) if draw(st.booleans()) else None,
    )


@given(curve=curves())
def test_a_curve_is_read_back_as_it_was(curve: Curve) -> None:
    with TemporaryDirectory() as folder:
        back = read_back(write(curve, Path(folder, "a.csv")))
    assert (back.name, back.origin) == (curve.name, curve.origin)
    for name in ("voltage", "current", "cycle", "time", "flags"):
        was, now = getattr(curve, name), getattr(back, name)
        if was is None:
            assert now is None
        else:
            assert now.dtype == was.dtype
            np.testing.assert_array_equal(now, was)
            assert (np.signbit(now) == np.signbit(was))[~np.isnan(was)].all()


def example(n: int = 3) -> Curve:
    return Curve(
        name="A1: left\tupper µ",
        voltage=np.linspace(0, 1, n),
        current=np.linspace(0, 1e-6, n),
        cycle=np.zeros(n, np.intp),
        origin=Origin("lab.sqlite#3", "record", ("voltage: V",), ("a note, with\nlines",)),
        time=np.arange(n) / 10,
    )


def test_pymeasure_loads_the_file_with_its_parameters(tmp_path: Path) -> None:
    path = write(example(), tmp_path / "a.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyMeasure's and pandas' own
        results = Results.load(str(path))
    assert type(results.procedure).__name__ == "MeasuredCurve"
    assert results.procedure.source == "lab.sqlite#3"
    assert list(results.data.columns) == ["Voltage (V)", "Current (A)", "Cycle", "Time (s)"]
    assert results.data["Current (A)"].tolist() == pytest.approx([0, 5e-7, 1e-6])


def test_reading_by_format_tells_both_origins(tmp_path: Path) -> None:
    path = write(example(), tmp_path / "a.csv")
    assert guess(path).format == "pymeasure"
    (curve,) = read(path).curves
    assert curve.name == "A1: left\tupper µ"
    assert curve.origin.source == str(path)
    assert "written from lab.sqlite#3 (record)" in curve.origin.notes


def test_a_results_file_of_another_procedure_is_read_by_its_header(tmp_path: Path) -> None:
    text = (
        "#Procedure: <lab.sweeps.IV>\n#Parameters:\n#\tMax: 1 V\n#Data:\n"
        "Voltage (V),Current (uA),Time (s)\n0.0,0.0,0.0\n0.5,1.0,nan\n1.0,nan,0.2\n"
    )
    (tmp_path / "IV2024_1.csv").write_text(text)
    (curve,) = read(tmp_path / "IV2024_1.csv").curves
    assert curve.name == "IV2024_1"
    assert curve.current.tolist() == pytest.approx([0, 1e-6])
    assert "procedure lab.sweeps.IV" in curve.origin.notes


def test_the_units_of_another_procedure_are_not_guessed(tmp_path: Path) -> None:
    text = "#Procedure: <lab.IV>\n#Data:\nVoltage,Current\n0.0,0.0\n1.0,1.0\n"
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match="unit of the voltage"):
        read(tmp_path / "a.csv")


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = write(example(), tmp_path / "a.csv")
    path.write_text(path.read_text().replace("0.5,", "half,"))
    with pytest.raises(DataError, match="damaged"):
        read_back(path)
    path.write_text("V,I\n")
    with pytest.raises(DataError, match="not a file of a measured curve"):
        read_back(path)


def test_a_file_that_cannot_be_written_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        write(example(), tmp_path / "nowhere" / "a.csv")
