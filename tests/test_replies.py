import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.adapters import ProtocolAdapter

from crossbar.backend import InstrumentError
from instruments.replies import check_errors, confirm, identity, numbers, obey, register, spell
from instruments.visa import Link


def link(*pairs: tuple[str, str]) -> Link:
    return Link(ProtocolAdapter(list(pairs)))


@given(st.floats(-1e3, 1e3))
def test_a_number_is_spelled_closer_than_any_source_resolves(value: float) -> None:
    assert float(spell(value)) == pytest.approx(value, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("value", [2.5e-7, 1e-9, 25e-6])
def test_a_small_current_is_not_spelled_as_zero(value: float) -> None:
    # PyMeasure's 2600 writes 2.5e-7 A as 0.000000.
    assert float(spell(value)) == value


def test_numbers_are_taken_as_they_are() -> None:
    assert numbers("+1.0E-06,-2,9.9E37", 3) == [1e-6, -2.0, 9.9e37]


@pytest.mark.parametrize(
    "reply", ["", "1,2", "1,2,3,4", "1,,3", "1,2,3A", "a,b,c", "?#", "1,2,1_0", "1,2,0x1", "1,2,1e"]
)
def test_what_is_not_so_many_numbers_is_an_error(reply: str) -> None:
    with pytest.raises(InstrumentError, match="are not 3 numbers"):
        numbers(reply, 3)


@pytest.mark.parametrize("value", [-1.0, 0.5, 9.91e37, 2.0**24, float("nan"), float("inf")])
def test_what_is_no_whole_number_is_no_register(value: float) -> None:
    with pytest.raises(InstrumentError, match="register"):
        register(value)


def test_a_register_is_bits() -> None:
    assert register(1.6384e4) == 1 << 14


@pytest.mark.parametrize("reply", ["2.5E-04", "nan", "-2.5E-05"])
def test_what_reads_back_otherwise_is_an_error(reply: str) -> None:
    with pytest.raises(InstrumentError, match=r"was set to 2\.5e-05"):
        confirm(link(("SOUR:VOLT:ILIM?", reply)), "SOUR:VOLT:ILIM?", 25e-6, 1e-9)


def test_what_reads_back_as_set_is_none() -> None:
    confirm(link(("OUTP?", "0")), "OUTP?", 0)


def test_every_entry_of_the_error_queue_is_told() -> None:
    asked = link(
        ("SYST:ERR?", '-222,"Parameter data out of range"'),
        ("SYST:ERR?", '+802,"OUTPUT blocked by interlock"'),
        ("SYST:ERR?", '0,"No error"'),
    )
    with pytest.raises(InstrumentError, match=r"configuring: -222.*; \+802"):
        check_errors(asked, "configuring")


def test_what_is_no_error_entry_is_an_error() -> None:
    with pytest.raises(InstrumentError, match="no entry of an error queue"):
        check_errors(link(("SYST:ERR?", "1.05E-04")), "configuring")


def test_no_number_is_a_number_that_is_none() -> None:
    found = numbers("NAN,+INF,-nan", 3)
    assert all(value != value or abs(value) == float("inf") for value in found)


def test_an_identity_has_four_parts() -> None:
    assert identity(link(("*IDN?", "MAKER,MODEL 1,22,C3"))) == "MAKER,MODEL 1,22,C3"
    for half in ("MAKER,MODEL 1,22", "MAKER,MODEL 1,22,", "", "1"):
        with pytest.raises(InstrumentError, match="no maker, model, serial number"):
            identity(link(("*IDN?", half)))


def test_a_command_is_obeyed_when_the_instrument_says_so() -> None:
    obey(link(("INIT;*OPC?", "1")), "INIT")
    with pytest.raises(InstrumentError, match="is no completion"):
        obey(link(("INIT;*OPC?", "0")), "INIT")
