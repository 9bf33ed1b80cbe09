import pytest
from pymeasure.adapters import ProtocolAdapter

from crossbar.backend import InstrumentError
from instruments.read_back import Setting, between, check, check_replies, number, put, switch, words
from instruments.visa import Link


def link(*pairs: tuple[str, str | None]) -> Link:
    return Link(ProtocolAdapter(list(pairs)))


LEVEL, ON, MODE = number("VOLT", 0.25, 1e-3), switch("OUTP", on=True), words("MODE", "FIX")


def test_settings_are_sent_in_their_order_and_asked_for() -> None:
    opened = link(
        ("VOLT 0.25", None),
        ("OUTP ON", None),
        ("MODE FIX", None),
        ("VOLT?", "+2.500000E-01"),
        ("OUTP?", "1"),
        ("MODE?", "FIX"),
    )
    put(opened, (LEVEL, ON, MODE))
    check(opened, (LEVEL, ON, MODE))


@pytest.mark.parametrize(
    ("setting", "reply"),
    [
        (LEVEL, "0.2511"),
        (LEVEL, "nan"),
        (LEVEL, "9.9E37"),
        (ON, "0"),
        (ON, "2"),
        (MODE, "SWE"),
        (MODE, ""),
        (words("FORM", "VOLT", "CURR"), "VOLT"),
        (words("FORM", "VOLT", "CURR"), "VOLT,CURR,TIME"),
        (words("FUNC", "VOLT", "CURR", more=True), '"CURR:DC"'),
    ],
)
def test_what_reads_back_otherwise_is_an_error(setting: Setting, reply: str) -> None:
    with pytest.raises(InstrumentError, match="was set to"):
        check_replies(link(), [setting], [reply])


@pytest.mark.parametrize("reply", ["", "on", "1,1"])
def test_what_is_no_number_is_an_error(reply: str) -> None:
    with pytest.raises(InstrumentError, match="are not 1 numbers"):
        check_replies(link(), [ON], [reply])


def test_words_are_the_same_in_quotes_and_in_another_order() -> None:
    functions = words("FUNC", "VOLT", "CURR", value="'VOLT','CURR'", more=True)
    assert functions.value == "'VOLT','CURR'"
    assert functions.holds('"CURR:DC","VOLT:DC","RES"')
    assert words("FORM", "VOLT", "CURR").holds("CURR, VOLTAGE")


def test_a_number_may_read_back_from_one_end_to_the_other() -> None:
    span = between("RANG", 2.0, 2.0, 2.1)
    assert span.value == "2"
    assert [span.holds(reply) for reply in ("1.99", "2", "2.1", "2.2")] == [
        False,
        True,
        True,
        False,
    ]


def test_of_two_settings_of_one_thing_the_last_one_is_read_back() -> None:
    check(link(("OUTP?", "0"), ("MODE?", "FIX")), (ON, MODE, switch("OUTP", on=False)))


def test_replies_are_one_for_each_setting() -> None:
    with pytest.raises(ValueError, match="zip"):
        check_replies(link(), [ON, MODE], ["1"])
