"""What the driver makes of a board that lets go: confirmations, and beats."""

import gc
import itertools
import logging
import threading
import weakref
from collections.abc import Callable

import pytest

from crossbar.backend import InstrumentError
from instruments.switch_board import BEAT, SwitchBoard
from serial_line import serial_line
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.switch_board import BoardFaults, VirtualSwitchBoard
from switch_board_dialogue import framed
from switch_board_driver import SHORT, driver, overlaps, text, virtual


def test_a_selection_that_lasts_is_confirmed_and_costs_one_exchange() -> None:
    heard: list[bytes] = []
    board = virtual()

    def receive(data: bytes) -> bytes:
        heard.append(data)
        return board.receive(data)

    with driver(receive) as d:
        d.select({0, 16})
        before = len(heard)
        d.confirm()
        assert heard[before:] == [text("0005 BEAT")]


def test_a_drop_is_told_by_the_confirmation_and_then_nothing_is_selected() -> None:
    watch = FastClock()
    board = virtual(watch=watch)
    with driver(board.receive) as d:
        d.select({0, 16})
        watch.sleep(1.1)
        with pytest.raises(InstrumentError, match=r"\[\] are closed instead of \[0, 16\]; its wat"):
            d.confirm()
        assert d.drops == 1
        with pytest.raises(InstrumentError, match="select again"):
            d.confirm()
        d.select({1, 17})
        d.confirm()
        assert board.closed == {1, 17}


@pytest.mark.parametrize("end", [SwitchBoard.open_all, lambda d: d.select({1})])
def test_a_drop_is_told_at_the_end_of_the_selection_once_and_all_is_open(
    end: Callable[[SwitchBoard], None],
) -> None:
    watch = FastClock()
    board = virtual(watch=watch)
    with driver(board.receive) as d:
        d.select({0, 16})
        watch.sleep(1.1)
        with pytest.raises(
            InstrumentError, match=r"\[\] were closed in the end instead of \[0, 16"
        ):
            end(d)
        assert board.closed == frozenset()
        end(d)


def test_relays_that_let_go_without_a_word_are_told_at_the_end_too() -> None:
    board = virtual()
    with driver(board.receive) as d:
        d.select({0, 16})
        board.faults = BoardFaults(dead=frozenset({16}))
        with pytest.raises(InstrumentError, match=r"channels \[0\] were closed in the end instead"):
            d.open_all()


def test_closing_tells_of_a_drop_unless_the_selection_was_confirmed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = FastClock()
    board = virtual(watch=watch)
    for confirmed in (False, True):
        with serial_line(board.receive) as line:
            d = SwitchBoard(line.port, beat=0)
            d.open()
            d.select({0, 16})
            if confirmed:
                d.confirm()
            watch.sleep(1.1)
            if not confirmed:
                with pytest.raises(InstrumentError, match="do not believe what was measured"):
                    d.close()
                continue
            with caplog.at_level(logging.WARNING):
                d.close()
    assert "were closed in the end instead of [0, 16], since it was last confirmed" in caplog.text


def test_a_drop_of_a_program_before_is_no_business_of_the_next_one() -> None:
    watch = FastClock()
    board = virtual(watch=watch)
    board.handle(framed("0001 CLOSE 00000003"))
    watch.sleep(1.1)
    with driver(board.receive) as d:
        assert d.drops == 1
        assert d.found_closed == frozenset()
        d.select({0, 16})
        d.confirm()


def test_a_board_that_opens_its_relays_between_beats_is_refused() -> None:
    with (
        serial_line(virtual().receive) as line,
        pytest.raises(
            InstrumentError, match=r"after 1 s of silence, in which 3 beats 0\.4 s apart"
        ),
    ):
        SwitchBoard(line.port, beat=0.4).open()


class Beats:
    """A board that notes the beats, and lets a test wait for them."""

    def __init__(self, board: VirtualSwitchBoard) -> None:
        self.board = board
        self.count = 0
        self.spoil = False
        self._came = threading.Condition()

    def receive(self, data: bytes) -> bytes:
        reply = self.board.receive(data)
        if b"BEAT" in data:
            with self._came:
                self.count += 1
                self._came.notify_all()
            return b"" if self.spoil else reply
        return reply

    def wait(self, more: int) -> None:
        with self._came:
            wanted = self.count + more
            assert self._came.wait_for(lambda: self.count >= wanted, 60)


def test_the_driver_beats_of_itself_while_relays_are_closed() -> None:
    beats = Beats(virtual())
    with driver(beats.receive, beat=0.001) as d:
        assert beats.count == 1  # of opening
        d.select({0, 16})
        beats.wait(20)
        d.open_all()
        last = beats.count
        for _ in range(100):
            d._beat_once()
        assert beats.count == last
        d.confirm()


def test_a_beat_that_finds_other_relays_is_told_by_the_next_call_and_is_the_last() -> None:
    watch = FastClock()
    beats = Beats(virtual(watch=watch))
    with driver(beats.receive) as d:
        for next_call in (d.closed, d.confirm, d.identify, d.open_all, lambda: d.select({1})):
            d.select({0, 16})
            watch.sleep(1.1)
            d._beat_once()
            last = beats.count
            d._beat_once()
            assert beats.count == last
            with pytest.raises(InstrumentError, match="do not believe what was measured"):
                next_call()


def test_a_beat_without_an_answer_is_told_by_the_next_call_and_the_board_lets_go() -> None:
    watch = FastClock()
    beats = Beats(virtual(watch=watch))
    with driver(beats.receive, deadline=SHORT) as d:
        d.select({0, 16})
        beats.spoil = True
        d._beat_once()
        last = beats.count
        for _ in range(5):
            watch.sleep(0.3)
            d._beat_once()
        assert beats.count == last
        assert beats.board.closed == frozenset()
        with pytest.raises(InstrumentError, match=r"no answer to BEAT in 0\.1 s; do not believe"):
            d.closed()


def test_a_beat_waits_for_nobody() -> None:
    beats = Beats(virtual())
    with driver(beats.receive) as d:
        d.select({0, 16})
        last = beats.count
        with d._port.lock:
            beater = threading.Thread(target=d._beat_once)
            beater.start()
            beater.join(60)
            assert not beater.is_alive()
        assert beats.count == last


def test_beats_beside_exchanges_answer_nobody_elses_question() -> None:
    beats = Beats(virtual())
    with driver(beats.receive, beat=0.0005) as d:
        for word, bit in itertools.product(range(5), range(16, 20)):
            d.select({word, bit})
            assert d.closed() == {word, bit}
            d.confirm()
        assert d.strays == 0
    assert overlaps(beats.board) == []


def test_there_are_three_beats_a_second_or_more() -> None:
    assert BEAT <= 1 / 3


def test_closing_ends_the_thread_and_opening_again_begins_another() -> None:
    board = virtual()
    with serial_line(board.receive) as line:
        d = SwitchBoard(line.port, boot=0)
        for _ in range(2):
            d.open()
            thread = d._heartbeat._thread
            assert thread is not None
            assert thread.is_alive()
            assert thread.daemon
            d.close()
            assert not thread.is_alive()


def test_a_driver_that_was_forgotten_beats_no_more() -> None:
    with serial_line(virtual().receive) as line:
        d = SwitchBoard(line.port, beat=0.001)
        d.open()
        d.select({0})
        thread, gone = d._heartbeat._thread, weakref.ref(d)
        assert thread is not None
        del d
        gc.collect()
        thread.join(60)
        assert not thread.is_alive()
        assert gone() is None
