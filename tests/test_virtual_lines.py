import pytest

from sim_backend.virtual.lines import Fault, Line, LineFaults


class Echo:
    """Answers every question with the numbers in it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.cleared = 0

    def handle(self, line: str) -> str | None:
        self.heard.append(line)
        return line.removesuffix("?") if line.endswith("?") else None

    def clear(self) -> None:
        self.cleared += 1


def line(faults: LineFaults, *, terminal: bool = False) -> tuple[Line, Echo]:
    echo = Echo()
    return Line(echo, faults, terminal=terminal), echo


def tell(to: Line, text: str) -> bytes:
    return to.take(bytearray(text.encode() + b"\n"))


@pytest.mark.parametrize(
    ("fault", "reply"),
    [
        (Fault.REPLACE, b"+6.260000E-01,1;124"),
        (Fault.REPLACE_MARKED, b"+6.260000E-01,1;123"),
        (Fault.TRUNCATE, b"+5.000000E"),
        (Fault.DROP, b""),
    ],
)
def test_a_reply_is_spoilt_in_its_own_way(fault: Fault, reply: bytes) -> None:
    spoilt, _ = line({0: fault})
    assert tell(spoilt, "+5.000000E-01,0;123?").removesuffix(b"\n") == reply
    assert tell(spoilt, "7?") == b"7\n"


def test_a_wrong_reply_without_parts_is_wrong_altogether() -> None:
    spoilt, _ = line({0: Fault.REPLACE_MARKED, 1: Fault.REPLACE})
    assert tell(spoilt, "1?") == b"0\n"
    assert tell(spoilt, "MODEL 2400,+9.9E+37?") == b"MODEL 2401,+1.237500E+38\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_stuck_instrument_hears_nothing_until_a_device_clear(*, terminal: bool) -> None:
    stuck, echo = line({1: Fault.BUSY}, terminal=terminal)
    assert tell(stuck, "a?") == b"a\n"
    assert tell(stuck, "b?") == b""
    assert tell(stuck, "c?") == b""
    assert echo.heard == ["a?"]
    if terminal:
        assert stuck.take(bytearray(b"\x18d?\n")) == b"d\n"
    else:
        stuck.clear()
        assert tell(stuck, "d?") == b"d\n"
    assert echo.cleared == 1
    assert stuck.messages == ["a?", "b?", "c?", "d?"]


def test_a_device_clear_takes_a_late_reply_away() -> None:
    late, _ = line({0: Fault.LATE})
    assert tell(late, "a?") == b""
    late.clear()
    assert tell(late, "b?") == b"b\n"


def test_an_event_happens_before_its_message() -> None:
    seen: list[int] = []
    watched, echo = line({1: lambda: seen.append(len(echo.heard))})
    assert tell(watched, "a") == b""
    assert tell(watched, "b?") == b"b\n"
    assert seen == [1]


def test_what_is_unplugged_hears_nothing_of_the_rest() -> None:
    gone, echo = line({0: Fault.UNPLUG})
    assert gone.take(bytearray(b"a?\nb?\n")) == b""
    assert gone.unplugged
    assert echo.heard == []
