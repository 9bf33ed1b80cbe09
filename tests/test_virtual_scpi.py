import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_backend.virtual.scpi import (
    Command,
    Interpreter,
    ScpiError,
    Status,
    Tree,
    boolean,
    number,
    only,
    word,
)


class Box:
    """An instrument with a level, a state and a name."""

    def __init__(self) -> None:
        self.level, self.on, self.said = 0.0, False, ""
        self.status = Status()
        commands = {
            **self.status.commands(),
            "SOURce:VOLTage[:LEVel][:IMMediate]": Command(
                self.set_level, lambda _: str(self.level)
            ),
            "SOURce:VOLTage:PROTection": Command(ask=lambda _: "prot"),
            "SOURce:VOLTage:STATe": Command(self.set_state, lambda _: str(int(self.on))),
            "STATus:QUEue": Command(ask=lambda _: "queue"),
            "[SENSe]:NAME": Command(self.set_name, lambda _: self.said),
        }
        self.interpreter = Interpreter(Tree(commands), self.status)

    def set_level(self, given: list[str]) -> None:
        self.level = number(given, -10, 10)

    def set_state(self, given: list[str]) -> None:
        self.on = boolean(given)

    def set_name(self, given: list[str]) -> None:
        self.said = only(given)

    def tell(self, line: str) -> str | None:
        return self.interpreter.handle(line)


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.mark.parametrize(
    "header",
    [
        "SOUR:VOLT",
        ":SOUR:VOLT",
        "source:voltage",
        "SOURCE1:VOLT",
        "SOUR:VOLTAGE:LEV",
        "SOUR:VOLT:IMM",
        "SOUR:VOLT:LEVEL:IMMEDIATE",
    ],
)
def test_a_header_has_many_spellings(box: Box, header: str) -> None:
    assert box.tell(f"{header} 2.5;:{header.removeprefix(':')}?") == "2.5"


@pytest.mark.parametrize(
    "header", ["SOU:VOLT", "SOURC:VOLT", "VOLT", "SOUR:VOLT:LEVE", "SOUR::VOLT"]
)
def test_what_is_neither_short_nor_long_is_no_header(box: Box, header: str) -> None:
    assert box.tell(f"{header} 2.5") is None
    code = (box.tell("SYST:ERR?") or "").partition(",")[0]
    assert code in ("-113", "-102")
    assert box.level == 0


def test_a_long_form_belongs_to_its_own_node(box: Box) -> None:
    assert box.tell("SOUR:VOLT:STATE?") == "0"
    assert box.tell("SOUR:VOLT:STATUS?") is None
    assert box.tell("STATUS:QUE?") == "queue"


def test_a_unit_after_a_semicolon_starts_where_the_last_one_did(box: Box) -> None:
    assert box.tell("SOUR:VOLT:LEV 1;STAT ON;PROT?") == "prot"
    assert (box.level, box.on) == (1, True)


def test_a_common_command_does_not_move_the_path(box: Box) -> None:
    assert box.tell("SOUR:VOLT:STAT ON;*CLS;STAT?") == "1"


def test_a_leading_colon_starts_at_the_root(box: Box) -> None:
    assert box.tell("SOUR:VOLT 1;:SOUR:VOLT?") == "1.0"
    assert box.tell("SOUR:VOLT:STAT 1;SOUR:VOLT?") is None


def test_replies_of_one_message_are_one_reply(box: Box) -> None:
    assert box.tell("*OPC?;SOUR:VOLT?;VOLT:STAT?;") == "1;0.0;0"


def test_quotes_keep_separators_together(box: Box) -> None:
    assert box.tell("SENS:NAME 'a;b,c';NAME?") == "'a;b,c'"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SOUR:VOLT", "-109"),
        ("SOUR:VOLT 1,2", "-108"),
        ("SOUR:VOLT x", "-104"),
        ("SOUR:VOLT 11", "-222"),
        ("SOUR:VOLT nan", "-222"),
        ("SOUR:VOLT:PROT 1", "-113"),
        ("*RST", "-113"),
    ],
)
def test_what_is_wrong_is_queued_and_nothing_is_done(box: Box, line: str, code: str) -> None:
    assert box.tell(line) is None
    assert (box.tell("SYST:ERR?") or "").startswith(f"{code},")
    assert box.tell("SYST:ERR?") == '0,"No error"'
    assert box.level == 0


def test_after_a_command_error_the_rest_of_a_message_is_not_understood(box: Box) -> None:
    assert box.tell("FOO;:SOUR:VOLT 1") is None
    assert box.level == 0


def test_after_an_execution_error_the_rest_is_done(box: Box) -> None:
    assert box.tell("SOUR:VOLT 11;VOLT 2") is None
    assert box.level == 2


def test_a_full_error_queue_says_so(box: Box) -> None:
    for _ in range(15):
        box.tell("FOO")
    replies = [box.tell("SYST:ERR?") for _ in range(11)]
    assert replies[0] == '-113,"Undefined header"'
    assert replies[9] == '-350,"Queue overflow"'
    assert replies[10] == '0,"No error"'


def test_events_sum_up_in_the_status_byte(box: Box) -> None:
    assert box.tell("*ESR?") == "128"
    box.tell("*ESE 32;*SRE 32")
    assert box.tell("*STB?") == "0"
    box.tell("FOO")
    assert box.tell("*STB?") == str(32 + 4 + 64)
    assert box.tell("*ESR?") == "32"
    assert box.tell("*STB?") == "4"
    assert box.tell("*CLS;*STB?") == "0"


@pytest.mark.parametrize(("code", "bit"), [(-410, 4), (-350, 8), (-222, 16), (-113, 32), (840, 8)])
def test_each_kind_of_error_has_its_event(box: Box, code: int, bit: int) -> None:
    box.tell("*ESR?")
    box.status.fail(ScpiError(code, "x"))
    assert box.tell("*ESR?") == str(bit)


def test_operation_complete_is_an_event(box: Box) -> None:
    box.tell("*CLS;*OPC")
    assert box.tell("*ESR?") == "1"


def test_measurement_events_sum_up_too(box: Box) -> None:
    box.status.measurement_events |= 512
    assert box.tell("STAT:MEAS:ENAB 512;:*STB?") == "1"
    assert box.tell("STAT:MEAS?") == "512"
    assert box.tell("*STB?") == "0"


def test_nothing_may_be_asked_after_an_identity(box: Box) -> None:
    box.interpreter._tree = Tree({**box.status.commands(), "*IDN": Command(ask=lambda _: "BOX")})
    assert box.tell("*OPC?;*IDN?") == "1;BOX"
    assert box.tell("*IDN?;*ESE 7;*OPC?") == "BOX"
    assert (box.tell("SYST:ERR?") or "").startswith("-440")
    assert box.tell("*ESE?") == "7"


def test_in_488_1_mode_a_message_has_one_question(box: Box) -> None:
    box.interpreter.one_question = True
    assert box.tell("*ESE 3;*ESE?;*ESE 4;*OPC?") == "3"
    assert box.tell("*ESE?") == "3"


def test_a_word_is_one_of_those_allowed() -> None:
    assert word(["'current'"], ["VOLTage", "CURRent"]) == "CURR"
    with pytest.raises(ScpiError):
        word(["CURRE"], ["VOLTage", "CURRent"])


@given(st.text(max_size=60))
def test_no_message_breaks_an_instrument(line: str) -> None:
    box = Box()
    box.tell(line)
    assert box.tell("*OPC?") == "1"


@given(st.lists(st.sampled_from(["SOUR", "VOLT", ":", ";", "?", " ", ",", "1", "*", "'", "STAT"])))
def test_no_heap_of_pieces_breaks_an_instrument(pieces: list[str]) -> None:
    box = Box()
    box.tell("".join(pieces))
    assert box.tell("*OPC?") == "1"
    assert abs(box.level) <= 10
