"""The driver of the switch board on a virtual one, behind a pseudo-terminal."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from instruments.switch_board import SwitchBoard
from serial_line import serial_line
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.switch_board import BoardFaults, VirtualSwitchBoard
from sim_backend.virtual.world import Loopback, World
from switch_board_dialogue import framed

SHORT = 0.1  # s: deadline of exchanges that are made to fail
LINES = frozenset(range(10)), frozenset(range(16, 26))
"""Word lines and bit lines on the board: of each at most one may be closed at a time."""

Board = VirtualSwitchBoard
Wire = Callable[[bytes], bytes]


def virtual(faults: BoardFaults | None = None, watch: FastClock | None = None) -> Board:
    world = World(FastClock(), Loopback())
    return Board(world, faults=faults, watch=watch or FastClock(latency=0.0))


def text(body: str) -> bytes:
    return framed(body).encode() + b"\n"


@contextmanager
def driver(
    receive: Wire, *, deadline: float = 5.0, boot: float = 0.0, beat: float = 0.0
) -> Iterator[SwitchBoard]:
    with serial_line(receive) as line:
        board = SwitchBoard(line.port, deadline=deadline, boot=boot, beat=beat, sequence=0)
        board.open()
        yield board
        board._port.close()


def disturbed(board: Board, disturb: Callable[[int, bytes], bytes]) -> Wire:
    """Return the board behind a wire that changes the k-th reply."""
    count = itertools.count()

    def receive(data: bytes) -> bytes:
        reply = board.receive(data)
        return disturb(next(count), reply) if reply else b""

    return receive


def overlaps(board: Board) -> list[frozenset[int]]:
    """Return what was closed whenever two word lines or two bit lines were closed at once."""
    return [c for _, c in board.events if any(len(c & lines) > 1 for lines in LINES)]
