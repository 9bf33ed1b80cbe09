import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
import serial
from pymeasure.adapters import ProtocolAdapter

from crossbar.backend import ClosedError, DeadlineError, InstrumentError, LimitError
from instruments.visa import Link
from sim_backend.virtual.lines import Fault
from sim_backend.virtual.servers import PtyServer, TcpServer
from sim_backend.virtual.visa import library

SERVERS = [TcpServer, PtyServer]
DEADLINE = 0.06
PATIENCE = 10.0
"""Where a reply will come: other tests may have the processor."""


class Echo:
    """Answers ``n?`` with ``n``, and keeps one register as IEEE 488.2 has it.

    Parameters
    ----------
    one_question
        True if it hears only the first question of a message.
    """

    def __init__(self, *, one_question: bool = False) -> None:
        self.heard: list[str] = []
        self.cleared = 0
        self.enabled = "0"
        self.one_question = one_question

    def handle(self, line: str) -> str | None:
        self.heard.append(line)
        replies: list[str] = []
        for part in line.split(";"):
            if part.startswith("*ESE "):
                self.enabled = part.removeprefix("*ESE ")
            if part.endswith("?") and not (self.one_question and replies):
                replies.append(self.enabled if part == "*ESE?" else part.strip(":?"))
        return ";".join(replies) if replies else None

    def clear(self) -> None:
        self.cleared += 1


BEFORE = 3
"""Messages that an opened link sends before its first question: it gets into step, and finds out
whether replies can be marked."""


@contextmanager
def linked(kind: type[TcpServer], faults: dict[int, Fault] | None = None) -> Iterator[Link]:
    """Yield an open link; faults are counted from the first question after it is open."""
    shifted = {number + BEFORE: fault for number, fault in (faults or {}).items()}
    with kind(Echo(), faults=shifted) as server:
        link = Link(server.resource, deadline=PATIENCE, library="@py")
        link.open()
        try:
            yield link
        finally:
            link.close()


def in_step(link: Link) -> None:
    """Do what the first question does before it is asked."""
    with link.lock:
        link._catch_up()


def test_a_constructor_opens_nothing() -> None:
    link = Link("TCPIP0::127.0.0.1::1::SOCKET")
    with pytest.raises(ClosedError, match="is not open"):
        link.ask("a?")
    link.close()


def test_opening_sends_nothing() -> None:
    echo = Echo()
    link = Link("GPIB0::1::INSTR", library=library({"GPIB0::1::INSTR": echo}))
    link.open()
    link.open()
    assert echo.heard == []
    link.close()
    link.close()


@pytest.mark.parametrize("resource", ["GPIB0::9::INSTR", "nonsense", "ASRL/dev/nothing::INSTR"])
def test_what_cannot_be_opened_is_an_error(resource: str) -> None:
    found = library({"GPIB0::1::INSTR": Echo()}) if resource.startswith("GPIB") else "@py"
    with pytest.raises(InstrumentError, match="could not be opened"):
        Link(resource, library=found).open()


def test_a_port_where_nobody_listens_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    link = Link(f"TCPIP0::127.0.0.1::{port}::SOCKET", deadline=DEADLINE, library="@py")
    link.open()
    with pytest.raises(InstrumentError):
        link.ask("a?")
    link.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_questions_are_answered_in_order(kind: type[TcpServer]) -> None:
    with linked(kind) as link:
        for number in range(50):
            assert link.ask(f"{number}?") == str(number)


def test_a_socket_does_not_wait_for_acknowledgements() -> None:
    with linked(TcpServer) as link:
        assert link._resource is not None
        interface = link._resource.visalib.sessions[link._resource.session].interface  # type: ignore[attr-defined]
        assert interface.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        begin = time.perf_counter()
        for number in range(10):
            link.write("x")
            link.write("y")
            link.ask(f"{number}?")
        # Nagle's algorithm would take 40 ms for each.
        assert time.perf_counter() - begin < 0.3


def test_a_serial_port_has_one_owner() -> None:
    with PtyServer(Echo()) as server:
        first = Link(server.resource, library="@py")
        first.open()
        with pytest.raises(InstrumentError, match="exclusively lock"):
            Link(server.resource, library="@py").open()
        with pytest.raises(serial.SerialException, match="exclusively lock"):
            serial.Serial(server.device, exclusive=True)
        assert first.ask("a?") == "a"
        first.close()
        second = Link(server.resource, library="@py")
        second.open()
        assert second.ask("b?") == "b"
        second.close()


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("fault", [Fault.DROP, Fault.DROP_COMMAND, Fault.LATE, Fault.NO_END])
def test_a_reply_that_is_lost_or_late_never_answers_another_question(
    kind: type[TcpServer], fault: Fault
) -> None:
    with linked(kind, {0: fault}) as link:
        in_step(link)
        link.deadline = DEADLINE
        with pytest.raises(DeadlineError, match="did not reply in time"):
            link.ask("first?")
        assert not link.in_step
        link.deadline = PATIENCE
        for number in range(3):
            assert link.ask(f"{number}?") == str(number)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_second_copy_of_a_reply_never_answers_another_question(kind: type[TcpServer]) -> None:
    with linked(kind, {0: Fault.DOUBLE}) as link:
        for number in range(3):
            assert link.ask(f"{number}?") == str(number)


@pytest.mark.parametrize("kind", SERVERS)
def test_noise_is_an_error(kind: type[TcpServer]) -> None:
    with linked(kind, {0: Fault.GARBAGE}) as link:
        with pytest.raises(InstrumentError, match="is no reply"):
            link.ask("first?")
        assert link.ask("second?") == "second"


@pytest.mark.parametrize("kind", SERVERS)
def test_an_instrument_that_hangs_is_an_error_within_the_deadline(kind: type[TcpServer]) -> None:
    with linked(kind, {0: Fault.HANG}) as link:
        in_step(link)
        link.deadline = DEADLINE
        begin, busy = time.perf_counter(), time.process_time()
        for _ in range(2):
            with pytest.raises(DeadlineError):
                link.ask("a?")
        # The second finds it out of step: silence, and one more deadline.
        assert time.perf_counter() - begin < 2.0
        assert time.process_time() - busy < 0.5


@pytest.mark.parametrize("kind", SERVERS)
def test_a_link_that_breaks_is_an_error_at_once_and_does_not_spin(kind: type[TcpServer]) -> None:
    with linked(kind, {0: Fault.UNPLUG}) as link:
        begin, busy = time.perf_counter(), time.process_time()
        for _ in range(3):
            with pytest.raises(InstrumentError):
                link.ask("a?")
        assert time.perf_counter() - begin < PATIENCE / 2
        assert time.process_time() - busy < 0.5


def test_a_link_that_was_reset_works_when_it_is_opened_anew() -> None:
    with linked(TcpServer, {0: Fault.UNPLUG}) as link:
        with pytest.raises(InstrumentError):
            link.ask("a?")
        link.reopen()
        assert link.ask("b?") == "b"


def test_a_peer_that_says_farewell_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        link = Link(f"TCPIP0::127.0.0.1::{port}::SOCKET", deadline=PATIENCE, library="@py")
        link.open()
        server.accept()[0].close()
        begin = time.perf_counter()
        with pytest.raises(InstrumentError):
            link.ask("a?")
        assert time.perf_counter() - begin < PATIENCE / 2
        link.close()


def test_a_peer_that_does_not_read_is_an_error_within_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        link = Link(f"TCPIP0::127.0.0.1::{port}::SOCKET", deadline=DEADLINE, library="@py")
        link.open()
        deaf, _ = server.accept()

        def shout() -> None:
            while True:
                link.write("x" * 4000)

        begin = time.perf_counter()
        with pytest.raises(InstrumentError):
            shout()
        assert time.perf_counter() - begin < 2.0
        link.close()
        deaf.close()


def test_an_instrument_that_does_not_stop_talking_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        link = Link(f"TCPIP0::127.0.0.1::{port}::SOCKET", deadline=DEADLINE, library="@py")
        link.open()
        loud, _ = server.accept()
        loud.settimeout(0.01)

        def talk() -> None:
            while not done:
                try:
                    loud.sendall(b"blah\n" * 50)
                except TimeoutError:
                    continue
                except OSError:
                    return

        done: list[bool] = []
        thread = Thread(target=talk)
        thread.start()
        try:
            begin = time.perf_counter()
            with pytest.raises(InstrumentError):
                link.ask("a?")
            assert time.perf_counter() - begin < 3.0
        finally:
            done.append(True)
            link.close()
            thread.join()
            loud.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_an_exchange_that_ctrl_c_ends_leaves_no_reply_for_the_next(
    kind: type[TcpServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    with linked(kind) as link:
        assert link.ask("a?") == "a"
        with monkeypatch.context() as patch:

            def interrupted(expected: float) -> str:
                raise KeyboardInterrupt

            patch.setattr(link, "_take", interrupted)
            with pytest.raises(KeyboardInterrupt):
                link.ask("b?")
        assert link.ask("c?") == "c"


def ask_often(link: Link, name: str, wrong: list[str]) -> None:
    for number in range(150):
        reply = link.ask(f"{name}{number}?")
        if reply != f"{name}{number}":
            wrong.append(reply)


@pytest.mark.parametrize("kind", SERVERS)
def test_two_threads_get_their_own_replies(kind: type[TcpServer]) -> None:
    wrong: list[str] = []
    with linked(kind) as link:
        threads = [Thread(target=ask_often, args=(link, name, wrong)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_message_that_must_not_be_sent_is_not() -> None:
    def refuse(message: str) -> None:
        raise LimitError(message)

    echo = Echo()
    found = library({"GPIB0::1::INSTR": echo})
    link = Link("GPIB0::1::INSTR", library=found, check=refuse)
    link.open()
    with pytest.raises(LimitError):
        link.write("x")
    with pytest.raises(NotImplementedError):
        link.write_bytes(b"x\n")
    assert echo.heard == []
    link.close()


def test_a_busy_instrument_is_cleared_where_that_cannot_hang() -> None:
    terminal, bus, sock = Echo(), Echo(), Echo()
    with PtyServer(terminal) as pty, TcpServer(sock) as tcp:
        for link in (
            Link(pty.resource, library="@py"),
            Link("GPIB0::1::INSTR", library=library({"GPIB0::1::INSTR": bus})),
            Link(tcp.resource, library="@py"),
        ):
            link.open()
            before = bus.cleared
            link.interrupt()
            assert link.ask("a?") == "a"
            link.close()
    assert terminal.cleared == 1
    assert bus.cleared > before - 1 >= 0
    assert sock.cleared == 0


def test_an_adapter_that_is_open_already_is_used_as_it_is() -> None:
    link = Link(ProtocolAdapter([("a?", "1"), ("b", None)]))
    link.open()
    assert link.ask("a?") == "1"
    link.write("b")
    link.reopen()
    link.interrupt()
    link.close()


# Replies that are marked.


def marked(faults: dict[int, Fault] | None = None, *, one_question: bool = False) -> Link:
    echo = Echo(one_question=one_question)
    shifted = {number + BEFORE: fault for number, fault in (faults or {}).items()}
    found = library({"GPIB0::1::INSTR": echo}, faults={"GPIB0::1::INSTR": shifted})
    link = Link("GPIB0::1::INSTR", deadline=1.0, library=found)
    link.open()
    assert link.marked is None
    return link


def heard(link: Link) -> list[str]:
    assert not isinstance(link._library, str)
    return link._library.line(link.name).messages  # type: ignore[attr-defined,no-any-return]


def test_a_question_travels_with_a_mark_that_comes_back() -> None:
    link = marked()
    assert link.ask("a?") == "a"
    assert link.marked
    assert heard(link)[BEFORE:] == ["*ESE 103;a?;*ESE?"]
    link.close()


def test_an_instrument_that_hears_one_question_is_asked_one_at_a_time() -> None:
    link = marked(one_question=True)
    assert link.ask("a?") == "a"
    assert link.marked is False
    assert link.ask_all(["b?", "c?"]) == ["b", "c"]
    assert heard(link)[-3:] == ["a?", "b?", "c?"]
    link.close()


def test_one_reply_that_is_lost_does_not_end_the_marking() -> None:
    link = marked({-1: Fault.DROP})
    assert link.ask("a?") == "a"
    assert link.marked
    link.close()


def test_several_questions_are_one_message_and_have_a_reply_each() -> None:
    link = marked()
    assert link.ask_all(["a?", "b?", "c?"]) == ["a", "b", "c"]
    assert heard(link)[BEFORE:] == ["*ESE 103;:a?;:b?;:c?;*ESE?"]
    many = [f"{name}{name * 40}?" for name in "abcdefgh"]
    assert link.ask_all(many) == [question.removesuffix("?") for question in many]
    assert len(heard(link)) == BEFORE + 3
    assert link.ask_all([]) == []
    link.close()


def test_a_question_that_is_refused_is_an_error_at_once() -> None:
    link = marked()
    with pytest.raises(InstrumentError, match="does not answer 'a'"):
        link.ask("a")  # no question: only the mark comes
    with pytest.raises(InstrumentError, match="are no replies to ':a\\?;:b;:c\\?'"):
        link.ask_all(["a?", "b", "c?"])
    assert link.in_step
    assert link.ask("d?") == "d"
    link.close()


@pytest.mark.parametrize("fault", [Fault.REPLACE, Fault.TRUNCATE, Fault.GARBAGE, Fault.NO_END])
def test_a_reply_without_its_mark_is_none(fault: Fault) -> None:
    link = marked({0: fault})
    with pytest.raises(InstrumentError):
        link.ask("5?")
    assert not link.in_step
    assert link.ask("6?") == "6"
    link.close()


def test_a_reply_to_an_earlier_question_is_skipped() -> None:
    for kind in SERVERS:
        with linked(kind, {0: Fault.LATE}) as link:
            in_step(link)
            link.deadline = DEADLINE
            with pytest.raises(DeadlineError):
                link.ask("first?")
            # As if nobody knew: the mark alone tells the late reply from this one.
            link._in_step, link.deadline = True, PATIENCE
            assert link.ask("second?") == "second"
