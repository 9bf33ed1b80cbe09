import itertools
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from crossbar.backend import ClosedError, DeadlineError, InstrumentError, LimitError
from instruments.framed_serial import FramedPort
from instruments.switch_board import SwitchBoard
from instruments.switch_board_replies import CHANNELS
from serial_line import serial_line
from sim_backend.virtual.switch_board import BoardFaults
from switch_board_dialogue import framed
from switch_board_driver import SHORT, disturbed, driver, overlaps, text, virtual


class MakesBeforeItBreaks(SwitchBoard):
    """The planted bug: close what is wanted, and only then look after the rest."""

    def select(self, channels: Iterable[int]) -> None:
        mask = sum(1 << channel for channel in channels)
        self._ask(f"CLOSE {mask:08X}", str)


def test_the_exchanges_are_those_of_the_page() -> None:
    heard: list[bytes] = []
    board = virtual()

    def receive(data: bytes) -> bytes:
        heard.append(data)
        return board.receive(data)

    with driver(receive) as d:
        d.select({0, 16})
    assert b"".join(heard) == b"\n" + b"".join(
        text(body) for body in ("0001 IDENT", "0002 BEAT", "0003 OPEN", "0004 CLOSE 00010001")
    )


def test_nothing_is_sent_before_the_port_is_opened() -> None:
    SwitchBoard("/dev/there-is-no-such-port")


def test_what_is_selected_is_closed_and_nothing_else() -> None:
    board = virtual()
    with driver(board.receive) as d:
        for channels in ({0, 16}, {9, 25}, {31}, set(), set(CHANNELS)):
            d.select(channels)
            assert board.closed == d.closed() == channels


def test_two_word_lines_are_never_closed_at_once_even_if_the_firmware_forgot_the_break() -> None:
    board = virtual(BoardFaults(breaks=False))
    with driver(board.receive) as d:
        for word, bit in itertools.product(range(3), range(16, 19)):
            d.select({word, bit})
    assert overlaps(board) == []


def test_a_driver_that_makes_before_it_breaks_is_found() -> None:
    board = virtual(BoardFaults(breaks=False))
    with serial_line(board.receive) as line, MakesBeforeItBreaks(line.port, beat=0) as d:
        d.select({0, 16})
        d.select({1, 16})
    assert overlaps(board) == [{0, 1, 16}]


def test_leaving_opens_every_relay_whatever_happened() -> None:
    board = virtual()

    def work(port: str) -> None:
        with SwitchBoard(port, boot=0) as d:
            d.select({0, 16})
            raise KeyboardInterrupt

    with serial_line(board.receive) as line, pytest.raises(KeyboardInterrupt):
        work(line.port)
    assert board.closed == frozenset()


def test_relays_found_closed_are_opened_and_reported() -> None:
    board = virtual()
    board.handle(framed("0001 CLOSE 00000003"))
    with driver(board.receive) as d:
        assert d.found_closed == {0, 1}
        assert board.closed == frozenset()


def test_a_board_that_resets_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    board = virtual()
    with serial_line(board.receive) as line:
        opened = FramedPort.open

        def resets(port: FramedPort) -> None:
            opened(port)
            line.say(b"\xf0\x0f bootloader " + b"\n" + board.boot().encode() + b"\n")

        monkeypatch.setattr(FramedPort, "open", resets)
        monkeypatch.setattr(FramedPort, "can_reset", True)
        with SwitchBoard(line.port, boot=60.0) as d:
            assert d.strays == 1
            assert d.found_closed == frozenset()


def test_a_board_that_did_not_reset_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FramedPort, "can_reset", True)
    with driver(virtual().receive, boot=SHORT) as d:
        assert d.identify().channels == 32


def test_no_reset_is_waited_for_at_a_pseudo_terminal() -> None:
    began = time.monotonic()
    with driver(virtual().receive, boot=60.0):
        assert time.monotonic() - began < 30


def test_another_instrument_is_refused() -> None:
    def receive(data: bytes) -> bytes:
        return text("0001 IDENT crossbar-switch 1 32 5 5") if b"IDENT" in data else b""

    with (
        serial_line(receive) as line,
        pytest.raises(
            InstrumentError, match=f"{line.port}: wanted crossbar-switch with protocol 2"
        ),
    ):
        SwitchBoard(line.port, boot=0, sequence=0).open()


def test_a_channel_that_does_not_exist_is_refused_before_anything_is_switched() -> None:
    board = virtual()
    with driver(board.receive) as d:
        d.select({0})
        with pytest.raises(LimitError, match="channel 32 is outside 0 to 31"):
            d.select({1, 32})
        assert board.closed == {0}


def test_a_stuck_output_is_an_error_and_nothing_is_closed_beside_it() -> None:
    board = virtual(BoardFaults(stuck=frozenset({4})))
    with serial_line(board.receive) as line, pytest.raises(InstrumentError, match=r"\[4\]"):
        SwitchBoard(line.port, boot=0).open()
    fine = virtual()
    with driver(fine.receive) as d:
        fine.faults = BoardFaults(stuck=frozenset({4}))
        with pytest.raises(InstrumentError, match=r"channels \[4\] are closed instead of \[\]"):
            d.select({0})
        assert fine.closed == {4}
        with pytest.raises(InstrumentError, match="could not confirm that the relays are open"):
            d.close()


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda reply: reply + reply, id="doubled"),
        pytest.param(lambda reply: text("0002 READ 0000FFFF") + reply, id="an older reply first"),
        pytest.param(lambda reply: b"\xff\x00noise\n" + reply, id="noise first"),
        pytest.param(lambda reply: reply[:4] + b"\n" + reply, id="a part of it first"),
        pytest.param(lambda reply: text("0003 READ 0000FFFF") + reply, id="another command's"),
    ],
)
def test_a_reply_that_is_not_the_answer_is_dropped_and_counted(
    disturb: Callable[[bytes], bytes],
) -> None:
    board = virtual()
    wire = disturbed(board, lambda k, reply: disturb(reply) if k == 2 else reply)
    with driver(wire) as d:
        d.open_all()
        assert d.closed() == frozenset()
        assert d.strays == 1


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda _: b"", id="dropped"),
        pytest.param(lambda reply: reply[:-1], id="without its end"),
        pytest.param(lambda reply: reply[:-6] + b"\n", id="without its checksum"),
        pytest.param(lambda reply: reply.replace(b"0", b"1", 1), id="another number"),
        pytest.param(lambda reply: reply.replace(b"OPEN 0", b"OPEN 1"), id="another mask"),
        pytest.param(lambda _: b"x" * 10_000, id="babble"),
    ],
)
def test_an_exchange_without_its_answer_ends_at_the_deadline_and_the_next_one_is_clean(
    disturb: Callable[[bytes], bytes],
) -> None:
    wire = disturbed(virtual(), lambda k, reply: disturb(reply) if k == 2 else reply)
    with driver(wire, deadline=SHORT) as d:
        with pytest.raises(DeadlineError, match=r"no answer to OPEN in 0\.1 s"):
            d.open_all()
        assert d.closed() == frozenset()


def test_a_late_reply_does_not_answer_the_next_question() -> None:
    board = virtual()
    late: list[bytes] = []

    def disturb(k: int, reply: bytes) -> bytes:
        if k == 4:  # READ, while channel 0 is closed
            late.append(reply)
            return b""
        return late.pop() + reply if late else reply

    with driver(disturbed(board, disturb), deadline=SHORT) as d:
        d.select({0})
        with pytest.raises(DeadlineError):
            d.closed()
        board.handle(framed("9999 OPEN"))
        assert d.closed() == frozenset()
        assert d.strays == 1


def test_a_selection_without_its_answer_leaves_every_relay_open() -> None:
    board = virtual()
    wire = disturbed(board, lambda k, reply: b"" if k == 3 else reply)
    with driver(wire, deadline=SHORT) as d:
        with pytest.raises(DeadlineError, match="CLOSE"):
            d.select({0})
        assert [closed for _, closed in board.events] == [{0}, frozenset()]


def test_open_is_said_again_until_it_is_confirmed_and_then_reported_as_not() -> None:
    board = virtual()
    asked: list[bytes] = []

    def receive(data: bytes) -> bytes:
        asked.append(data)
        reply = board.receive(data)
        return reply if len(asked) <= 2 else b""

    with driver(receive, deadline=SHORT) as d:
        with pytest.raises(InstrumentError, match="could not confirm that the relays are open"):
            d.safe()
        assert [b"OPEN" in data for data in asked[2:]] == [True] * 3


def test_a_restart_is_reported_and_does_not_pass_for_an_answer() -> None:
    board = virtual()
    wire = disturbed(
        board, lambda k, reply: board.boot().encode() + b"\n" + reply if k == 4 else reply
    )
    with driver(wire) as d:
        d.select({0})
        with pytest.raises(InstrumentError, match="restarted before READ"):
            d.closed()
        assert d.closed() == frozenset()


def test_half_a_request_that_an_interrupt_left_is_not_glued_to_the_next() -> None:
    board = virtual()
    with driver(board.receive) as d:
        board.receive(b"0009 CLO")
        d._port._clean = False  # as an interrupt leaves it
        d.open_all()
        assert d.strays == 1


def test_threads_get_their_own_answers() -> None:
    board = virtual()
    with driver(board.receive) as d, ThreadPoolExecutor(4) as pool:
        barrier = threading.Barrier(4)

        def work(_: int) -> None:
            barrier.wait()
            for _k in range(10):
                assert d.closed() == frozenset()
                assert d.identify().channels == 32

        list(pool.map(work, range(4)))
        assert d.strays == 0


def test_a_port_in_use_or_missing_is_an_error_and_so_is_a_closed_one() -> None:
    with serial_line(virtual().receive) as line, SwitchBoard(line.port, boot=0) as first:
        with pytest.raises(InstrumentError, match="lock"):
            SwitchBoard(line.port, boot=0).open()
        first.open()
        first.close()
        first.close()
        with pytest.raises(ClosedError):
            first.closed()
    with pytest.raises(InstrumentError, match="no-such-port"):
        SwitchBoard("/dev/no-such-port").open()


def test_a_cable_that_is_pulled_is_an_error_at_once() -> None:
    with serial_line(virtual().receive) as line:
        board = SwitchBoard(line.port, boot=0, deadline=60.0)
        board.open()
    with pytest.raises(InstrumentError, match="could not confirm"):
        board.close()
    with pytest.raises(ClosedError):
        board.closed()


def test_a_number_runs_over_without_harm() -> None:
    board = virtual()
    with serial_line(board.receive) as line:
        port = FramedPort(line.port, 115_200, 5.0, sequence=0xFFFE)
        port.open()
        assert [port.ask("READ") for _ in range(3)] == ["00000000"] * 3
        port.close()
