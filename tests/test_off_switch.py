import pytest
from pymeasure.adapters import ProtocolAdapter

from crossbar.backend import ClosedError, InstrumentError
from instruments.off_switch import OffSwitch
from instruments.visa import Link

OPENED = [("*IDN?", "HOUSE,LAMP,1,A"), ("ON?", "0"), ("SYST:ERR?", '0,""')]
OFF = [("OFF", None), ("ON?", "0"), ("*CLS", None)]


def switch(*pairs: tuple[str, str | None]) -> OffSwitch:
    return OffSwitch(Link(ProtocolAdapter(list(pairs))), "LAMP", ("OFF",), "ON?")


def test_off_is_written_before_it_is_asked_for() -> None:
    lamp = switch(*OPENED, *OFF)
    assert not lamp.open()
    lamp.off()


def test_what_is_found_on_is_switched_off() -> None:
    lamp = switch(OPENED[0], ("ON?", "1"), *OFF, OPENED[2])
    assert lamp.open()


def test_what_stays_on_is_tried_once_more_and_then_told() -> None:
    stuck = [("OFF", None), ("ON?", "1"), ("OFF", None), ("*IDN?", "HOUSE,LAMP,1,A"), ("ON?", "1")]
    lamp = switch(*OPENED, *stuck)
    lamp.open()
    with pytest.raises(InstrumentError, match="take it as live"):
        lamp.off()


def test_what_is_not_open_cannot_be_switched_off() -> None:
    with pytest.raises(ClosedError):
        switch().off()


def test_a_block_ends_off_also_if_switching_on_failed() -> None:
    lamp = switch(*OPENED, *OFF)
    lamp.open()

    def fail() -> None:
        raise InstrumentError("burnt out")

    with pytest.raises(InstrumentError, match="burnt out"), lamp.live(fail, lamp.off):
        pytest.fail("it did not go on")


def test_a_source_that_was_closed_in_a_block_is_not_switched_off_again() -> None:
    lamp = switch(*OPENED, *OFF)
    lamp.open()
    with lamp.live(lambda: None, lamp.off):
        lamp.close(lamp.off)
    assert not lamp.opened


def test_closing_closes_even_if_it_could_not_be_made_safe() -> None:
    lamp = switch(*OPENED)
    lamp.open()

    def fail() -> None:
        raise InstrumentError("no answer")

    with pytest.raises(InstrumentError, match="no answer"):
        lamp.close(fail)
    assert not lamp.opened


@pytest.mark.parametrize("reply", ["", "1,1", "on"])
def test_what_does_not_say_whether_it_is_on_is_switched_off(reply: str) -> None:
    lamp = switch(OPENED[0], ("ON?", reply), *OFF)
    with pytest.raises(InstrumentError, match="are not 1 numbers"):
        lamp.open()
    assert not lamp.opened
