"""A switch board on a line of this process, with faults at chosen messages, and what may not be.

Time is the program's: it passes by waiting, and costs none.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
import serial

from crossbar.backend import CrossbarError
from instruments import framed_serial, switch_board
from instruments.switch_board import SwitchBoard
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.servers import Fault, Line
from sim_backend.virtual.switch_board import BoardFaults, VirtualSwitchBoard
from sim_backend.virtual.world import Loopback, World
from switch_board_dialogue import framed

WORDS, BITS = frozenset(range(10)), frozenset(range(16, 26))
PAIRS = frozenset({0, 16}), frozenset({1, 16}), frozenset({1, 17, 31})
"""What is selected one after another; 31 is the source meter's relay."""
WORK = 1.7
"""How long each selection is worked with, s: longer than the board's patience."""
EXCHANGE = 0.004
"""What one takes, s; docs/switch-board.md."""
LONGEST = 12.0
"""Of a dialogue in which nothing answers, beside the work, s."""
PATIENCE = 1.1
"""Silence after which a board has opened its relays, s."""


class Relays(Loopback):
    """A wiring that remembers which contacts were closed, and since when."""

    def __init__(self, time: "Time") -> None:
        self.log: list[tuple[float, frozenset[int]]] = [(0.0, frozenset())]
        self._time = time

    def switch(self, closed: frozenset[int]) -> None:
        """Close these channels and open all others."""
        self.log.append((self._time.now, closed))


class Time(FastClock):
    """The program's time, and the hearts that beat in it."""

    def __init__(self) -> None:
        super().__init__(latency=0.0)
        self.hearts: list[Heart] = []
        self.look: Callable[[], None] = lambda: None

    def work(self, duration: float) -> None:
        """Let time pass in which the program does something else; its threads live."""
        for _ in range(round(duration / 0.05)):
            self.sleep(0.05)
            self.look()
            for heart in self.hearts:
                heart.pass_by(0.05)


class Heart:
    """Stands for `instruments.heartbeat.Heartbeat`: it beats while the program works."""

    time: Time

    def __init__(self, beat: Callable[[], None], interval: float) -> None:
        self._beat, self._interval, self._since = beat, interval, 0.0

    def start(self) -> None:
        """Begin."""
        self.time.hearts.append(self)

    def stop(self) -> None:
        """End."""
        if self in self.time.hearts:
            self.time.hearts.remove(self)

    def pass_by(self, duration: float) -> None:
        """Beat if it is time to."""
        self._since += duration
        if self._interval and self._since >= self._interval:
            self._since = 0.0
            self._beat()


class Port:
    """Stands for a port of pyserial: what is written is answered at once, waiting costs no time."""

    def __init__(self, line: Line, time: Time) -> None:
        self.timeout = 0.0
        self._line, self._time = line, time
        self._asked, self._said = bytearray(), b""

    @property
    def cts(self) -> bool:
        """Raise, as a pseudo-terminal does: it has no such line."""
        raise OSError("no such line")

    @property
    def in_waiting(self) -> int:
        """Bytes that have come."""
        self._plugged()
        return len(self._said)

    def write(self, data: bytes) -> None:
        """Send."""
        self._plugged()
        self._time.sleep(EXCHANGE)
        self._asked += data
        self._said += self._line.take(self._asked)

    def read(self, most: int) -> bytes:
        """Return what has come, or nothing after a while."""
        self._plugged()
        if not self._said:
            self._time.sleep(self.timeout)
        got, self._said = self._said[:most], self._said[most:]
        return got

    def close(self) -> None:
        """Let go of the line."""

    def _plugged(self) -> None:
        if self._line.unplugged:
            raise serial.SerialException("device reports readiness to read but returned no data")


Change = Callable[["FaultyBoard"], str]
"""What happens to the board when a message comes; returns what it says before the reply."""


class FaultyBoard(VirtualSwitchBoard):
    """A board to which something happens when a message comes."""

    def __init__(self, world: World, faults: BoardFaults, time: Time) -> None:
        super().__init__(world, faults=faults, watch=time)
        self.happens: dict[int, Change] = {}
        self.count = 0
        self.time = time

    def handle(self, line: str) -> str | None:
        """Let happen what is to, then carry out the line."""
        happens = self.happens.get(self.count)
        self.count += 1
        before = "" if happens is None else happens(self)
        reply = super().handle(line)
        self.look()
        return reply if not before or reply is None else f"{before}\n{reply}"

    def spoil(self, **faults: Any) -> str:
        """Give it these faults from now on."""
        self.faults = replace(self.faults, **faults)
        return ""

    def stall(self) -> str:
        """Let so much time pass in which the program is not heard that the relays are dropped."""
        self.time.sleep(PATIENCE)
        return ""

    def restart_unheard(self) -> str:
        """Start anew, with the ready line lost."""
        self.boot()
        return ""


BOARD: Mapping[str, Change] = {
    "restart": FaultyBoard.boot,
    "restart unheard": FaultyBoard.restart_unheard,
    "watchdog drops": FaultyBoard.stall,
    "output stuck closed": lambda b: b.spoil(stuck=frozenset({min(b.closed, default=4)})),
    "output stuck open": lambda b: b.spoil(dead=frozenset({1, 16})),
    "another channel closes": lambda b: b.spoil(swapped={0: 5, 1: 5}),
}
FAULTS: Mapping[str, Fault | Change] = {
    **{fault.name.lower().replace("_", " "): fault for fault in Fault},
    **BOARD,
}
"""What goes wrong with the link, or with the board."""


@dataclass
class Rig:
    """A driver's class and its board.

    Parameters
    ----------
    driver
        The class.
    faults
        Of the board, from the beginning.
    beat
        Between two beats, s.
    left
        What a program before has left closed.
    """

    driver: type[SwitchBoard] = SwitchBoard
    faults: BoardFaults = field(default_factory=BoardFaults)
    beat: float = switch_board.BEAT
    left: frozenset[int] = frozenset()


@dataclass
class Outcome:
    """What has become of a dialogue."""

    board: FaultyBoard
    relays: Relays
    time: Time
    messages: int
    strays: int
    error: BaseException | None
    believed: list[tuple[float, float, frozenset[int]]]
    """Data that the program believes: from when, until when, and through which relays."""


@contextmanager
def stand_ins(line: Line, time: Time) -> Iterator[None]:
    """Put our port, time and heart in the place of those of the driver."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serial, "serial_for_url", lambda *_, **__: Port(line, time))
        patch.setattr(framed_serial, "time", SimpleNamespace(monotonic=lambda: time.now))
        patch.setattr(switch_board, "Heartbeat", type("Hearts", (Heart,), {"time": time}))
        yield


def play(rig: Rig, fault: str | None = None, at: int = 0) -> Outcome:
    """Open, work with a few selections, open all and close, with a fault at a message."""
    time = Time()
    relays = Relays(time)
    board = FaultyBoard(World(FastClock(), relays), rig.faults, time)
    time.look = board.look
    board.handle(framed(f"0000 CLOSE {sum(1 << channel for channel in rig.left):08X}"))
    board.count = 0
    what = None if fault is None else FAULTS[fault]
    if callable(what):
        board.happens[at] = what
    line = Line(board, {at: what} if isinstance(what, Fault) else {}, terminal=False)
    driver = error = None
    believed = []
    with stand_ins(line, time):
        try:
            with rig.driver("a port", beat=rig.beat, sequence=0) as driver:
                for pair in PAIRS:
                    driver.select(pair)
                    began = time.now
                    time.work(WORK)
                    driver.confirm()
                    believed.append((began, time.now, pair))
                driver.open_all()
        except CrossbarError as problem:
            error = problem
    strays = 0 if driver is None else driver.strays
    return Outcome(board, relays, time, len(line.messages), strays, error, believed)


def violations(outcome: Outcome) -> list[str]:
    """Return what happened that may not."""
    found = []
    log = outcome.relays.log
    for moment, closed in log:
        if len(closed & WORDS) > 1 or len(closed & BITS) > 1:
            found.append(f"two lines of a kind at {moment:.3f} s: {sorted(closed)}")
    for began, ended, pair in outcome.believed:
        before = [closed for moment, closed in log if moment <= began][-1:]
        during = [closed for moment, closed in log if began < moment <= ended]
        if {*before, *during} != {pair}:
            found.append(f"believed {sorted(pair)} where there was {during or before}")
    if outcome.error is None and len(outcome.believed) < len(PAIRS):
        found.append("ended early without a word")
    if outcome.time.now > len(PAIRS) * (WORK + PATIENCE) + LONGEST:
        found.append(f"took {outcome.time.now:.1f} s")
    return found + left_closed(outcome)


def left_closed(outcome: Outcome) -> list[str]:
    """Return what was left closed without a word, or longer than a second after the plug is out."""
    board = outcome.board
    if not board.closed:
        return []
    left = sorted(board.closed)
    if "could not confirm" not in str(outcome.error):
        return [f"{left} left closed without a word"]
    outcome.time.sleep(PATIENCE)
    if board.closed - board.faults.stuck:
        return [f"{left} left closed for good"]
    return []
