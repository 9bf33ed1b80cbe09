import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.switch_board import OPERATE, RELEASE, VirtualSwitchBoard
from sim_backend.virtual.world import Loopback, World
from switch_board_dialogue import ANSWERED, ASKED, checksum, framed


class Relays(Loopback):
    """A wiring that remembers what was switched."""

    def __init__(self) -> None:
        self.closed: list[frozenset[int]] = []

    def switch(self, closed: frozenset[int]) -> None:
        self.closed.append(closed)


@pytest.fixture
def relays() -> Relays:
    return Relays()


@pytest.fixture
def board(relays: Relays) -> VirtualSwitchBoard:
    return VirtualSwitchBoard(World(FastClock(latency=0.0), relays))


def test_the_checksum_is_the_published_one() -> None:
    assert checksum("123456789") == "29B1"  # reveng's catalogue, CRC-16/IBM-3740


def test_the_board_answers_as_its_page_says(board: VirtualSwitchBoard) -> None:
    assert [board.boot(), *map(board.handle, ASKED)] == ANSWERED


def test_everything_is_open_between_two_selections(
    board: VirtualSwitchBoard, relays: Relays
) -> None:
    for mask in ("00010001", "00020002"):
        board.handle(framed(f"0001 CLOSE {mask}"))
    assert relays.closed == [{0, 16}, frozenset(), {1, 17}]


def test_a_selection_takes_the_relays_times(board: VirtualSwitchBoard) -> None:
    for mask in ("00000001", "00000002"):
        board.handle(framed(f"0001 CLOSE {mask}"))
    release, operate = RELEASE * 1e-3, OPERATE * 1e-3
    times = [time for time, _ in board.events]
    assert times == pytest.approx([release, release + operate, release + operate + release])


def test_a_board_that_forgot_the_break_has_both_closed_at_once(relays: Relays) -> None:
    board = VirtualSwitchBoard(World(FastClock(), relays), breaks=False)
    for mask in ("00000001", "00000002"):
        board.handle(framed(f"0001 CLOSE {mask}"))
    assert frozenset({0, 1}) in relays.closed


def test_a_stuck_output_is_read_back_and_nothing_is_closed_beside_it() -> None:
    board = VirtualSwitchBoard(World(FastClock(), Relays()), stuck=frozenset({4}))
    assert board.handle(framed("0001 OPEN")) == framed("0001 OPEN 00000010")
    assert board.handle(framed("0002 CLOSE 00000001")) == framed("0002 ERR READBACK 00000010")
    assert board.closed == {4}


def test_bytes_may_come_in_any_pieces(board: VirtualSwitchBoard) -> None:
    sent = "".join(f"{line}\r\n" for line in ASKED).encode()
    got = b"".join(board.receive(sent[k : k + 1]) for k in range(len(sent)))
    assert got.decode().splitlines() == ANSWERED[1:]


def test_a_restart_opens_everything_and_forgets_half_a_line(board: VirtualSwitchBoard) -> None:
    board.handle(framed("0001 CLOSE 00000001"))
    board.receive(b"0002 CLO")
    board.boot()
    assert board.closed == frozenset()
    assert board.receive(framed("0003 READ").encode() + b"\n").startswith(b"0003 READ 00000000 ")


@given(st.integers(0, 2**32 - 1), st.integers(0, 31), st.integers(0, 30))
def test_a_garbled_request_switches_nothing(mask: int, place: int, shift: int) -> None:
    board = VirtualSwitchBoard(World(FastClock(), Relays()))
    line = framed(f"0001 CLOSE {mask:08X}")
    at = place % len(line)
    garbled = line[:at] + chr(32 + (ord(line[at]) - 32 + 1 + shift) % 95) + line[at + 1 :]
    assert board.handle(garbled) == framed("???? ERR CHECKSUM")
    assert board.events == []
