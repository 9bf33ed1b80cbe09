import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import LimitError
from instruments.wire_guard import WireGuard, as_number, is_on


def level(given: object) -> None:
    if not abs(as_number(given)) <= 1:  # type: ignore[arg-type]
        raise LimitError("too high")


def never(given: object) -> None:
    raise LimitError("never")


GUARD = WireGuard({"SOUR:VOLT": level, "SOUR:CURR:*": never, "CURR:PROT": never, "*RCL": never})

LEVELS = [
    "SOUR:VOLT",
    ":SOUR:VOLT",
    "source:voltage",
    "Source1:Voltage",
    "SOUR:VOLT:LEV:IMM:AMPL",
    ":SOURCE:VOLTAGE:LEVEL:IMMEDIATE:AMPLITUDE",
    "SOUR:VOLT:AMPL",
]


@pytest.mark.parametrize("header", LEVELS)
@pytest.mark.parametrize("before", ["", "*CLS;", "SOUR:VOLT:RANG 10;:", "OUTP OFF;:"])
def test_a_level_is_found_in_all_its_spellings(header: str, before: str) -> None:
    message = f"{before}{header.removeprefix(':') if before.endswith(':') else header}"
    GUARD.check(f"{message} 0.5")
    GUARD.check(f"{message}?")
    with pytest.raises(LimitError):
        GUARD.check(f"{message} 1.5")


@given(st.sampled_from(LEVELS), st.floats())
def test_a_level_passes_if_it_is_inside_and_only_then(header: str, value: float) -> None:
    try:
        GUARD.check(f"{header} {value!r}")
    except LimitError:
        assert not abs(value) <= 1
    else:
        assert abs(value) <= 1


@pytest.mark.parametrize(
    "message",
    [
        "MEAS?",
        "MEAS:CURR?",
        ":MEASURE:CURRENT:DC?",
        "measure:voltage?",
        "CONF:CURR",
        ":CONFigure:RESistance",
        "CONF?",
        "*CLS;:MEAS:CURR?",
        "READ?;:CONF:VOLT;",
        " MEAS:CURR? ",
    ],
)
def test_meas_and_conf_do_not_pass(message: str) -> None:
    with pytest.raises(LimitError, match="reset the current limit"):
        GUARD.check(message)


@pytest.mark.parametrize(
    "message", ["STAT:MEAS:COND?", "STAT:MEAS:ENAB 512", "STATUS:MEASUREMENT?"]
)
def test_the_measurement_register_passes(message: str) -> None:
    GUARD.check(message)


def test_a_header_after_a_semicolon_starts_where_the_last_one_did() -> None:
    with pytest.raises(LimitError):
        GUARD.check("SOUR:FUNC VOLT;VOLT 2")
    with pytest.raises(LimitError):
        GUARD.check("SOUR:VOLT:RANG 10;LEV 2")
    GUARD.check("SOUR:VOLT:RANG 10;:VOLT 2")


@pytest.mark.parametrize(
    "header", ["SENS:CURR:PROT", "CURR:PROT:LEV", ":SENSE1:CURRENT:DC:PROTECTION"]
)
def test_sens_may_be_left_out(header: str) -> None:
    with pytest.raises(LimitError):
        GUARD.check(f"{header} 1")


def test_a_rule_with_a_star_is_about_all_below() -> None:
    for header in ("SOUR:CURR:RANG", "SOUR:CURR:TRIG:AMPL", "SOUR:CURR:MODE"):
        with pytest.raises(LimitError):
            GUARD.check(f"{header} 1")
    GUARD.check("SOUR:CURR:RANG?")


@pytest.mark.parametrize("text", ["", "MAX", "1,2", "1 V", "#H10"])
def test_what_is_not_one_number_is_refused(text: str) -> None:
    with pytest.raises(LimitError, match="is not one number"):
        GUARD.check(f"SOUR:VOLT {text}")


@pytest.mark.parametrize(
    ("text", "on"), [("OFF", False), ("off", False), ("0", False), ("ON", True), ("1", True)]
)
def test_only_what_clearly_means_off_is_off(text: str, on: bool) -> None:
    assert is_on([text]) is on
    assert is_on([])
    assert is_on(["0.4"])
