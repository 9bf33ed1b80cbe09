import re

import pytest

from crossbar.backend import DataError
from crossbar.curves.columns import Asked, find, parse_columns, understood
from crossbar.curves.units import factor


def test_columns_are_stated_as_quantity_column_unit() -> None:
    assert parse_columns("V=1:mV, I=Current (raw):uA,t=3") == (
        Asked("V", "1", "mV"),
        Asked("I", "Current (raw)", "uA"),
        Asked("t", "3", None),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("V", "stated as in"),
        ("V=", "stated as in"),
        ("X=1:V", "quantities are"),
        ("V=1:A", "'A' is not one of the units V, mV"),
        ("V=1:V,V=2:V", "stated twice"),
        ("cycle=1:s", "has no unit"),
    ],
)
def test_columns_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_columns(text)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Voltage (V)", ("V", "V")),
        ("voltage_mV", ("V", "mV")),
        ("I [µA]", ("I", "µA")),
        ("Current/nA", ("I", "nA")),
        ("Strom (mA)", ("I", "mA")),
        ("Voltage", ("V", None)),
        ("V", ("V", None)),
        ("Volts", ("V", "Volts")),
        ("time s", ("t", "s")),
        ("abs_Current", (None, None)),
        ("Current density (A/cm2)", (None, None)),
        ("Compliance Current (A)", (None, None)),
        ("Current17", ("I", None)),
        ("Pulse width (s)", ("width", "s")),
        ("Pulse amplitude (V)", ("amplitude", "V")),
        ("Cycle", ("cycle", None)),
        ("point", (None, None)),
    ],
)
def test_headers_say_quantity_and_unit(name: str, meant: tuple[str | None, str | None]) -> None:
    assert understood(name) == meant


@pytest.mark.parametrize(("unit", "value"), [("µA", 1e-6), ("μA", 1e-6), ("nA", 1e-9), ("A", 1.0)])
def test_units_are_known_however_they_are_spelled(unit: str, value: float) -> None:
    assert factor("I", unit, "here") == value


def test_megavolts_are_not_taken_for_millivolts() -> None:
    with pytest.raises(DataError, match="'MV' is not one of the units"):
        find(["Voltage (MV)", "Current (A)"], "f")


def test_a_quantity_without_a_unit_is_refused_with_the_option_that_states_it() -> None:
    with pytest.raises(DataError, match=r"f: the unit of the current \('I'\).*columns='I=2:A'"):
        find(["Voltage (V)", "I"], "f")


def test_a_time_without_a_unit_is_left_out_and_said_to_be() -> None:
    columns = find(["V (V)", "I (A)", "Time"], "f")
    assert "t" not in columns
    assert "time left out" in columns.notes[0]


def test_what_is_stated_overrules_the_header() -> None:
    columns = find(["Voltage (V)", "Current (A)"], "f", parse_columns("I=2:uA"))
    assert columns["I"].factor == 1e-6
    assert columns["V"].index == 0


def test_two_columns_of_one_quantity_in_different_units_are_refused() -> None:
    with pytest.raises(DataError, match=r"mixed units: 'I \(A\)' and 'I \(mA\)'.*columns='I=2'"):
        find(["V (V)", "I (A)", "I (mA)"], "f")


def test_of_two_columns_in_one_unit_the_first_is_taken_and_said_to_be() -> None:
    columns = find(["Source Voltage (V)", "Measured Voltage (V)", "Current (A)"], "f")
    assert columns["V"].index == 0
    assert columns.notes == (
        "voltage taken from 'Source Voltage (V)', not from 'Measured Voltage (V)'",
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("V=3:V", "there is no column 3, there are 2"),
        ("V=Bias:V", "there is no column 'Bias'; columns are A (V), B"),
        ("V=*:V", "may be each of"),
    ],
)
def test_stated_columns_that_are_not_there_are_refused(asked: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        find(["A (V)", "B"], "f", parse_columns(asked))


def test_a_documented_unit_is_used_only_where_the_header_says_none() -> None:
    columns = find(["Source voltage", "Current (mA)"], "f", (), {"V": "V", "I": "A"})
    assert (columns["V"].unit, columns["I"].unit) == ("V", "mA")
    assert columns.notes == (
        "V for 'Source voltage': not in the header, documented for this format",
    )
