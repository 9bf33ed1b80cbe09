"""A switch board of 32 relays that does not exist; protocol: docs/switch-board.md.

It answers byte for byte as the firmware does; the tests hold one against the other.
"""

import binascii
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from crossbar.backend import Second
from sim_backend.virtual.clock import Clock, WallClock

CHANNELS = 32
RELEASE, OPERATE, WATCHDOG = 5, 5, 1000
"""What the firmware waits after opening and after closing relays, and without a request, ms."""
LONGEST = 47
"""Characters of a line; the firmware's buffer."""
SHORTEST = len("0000 X 0000")
MOST_DROPS = 0xFFFF
READY = f"BOOT READY crossbar-switch 2 {CHANNELS} {RELEASE} {OPERATE} {WATCHDOG}"
"""What a board says once when it starts, before the checksum."""


class Relays(Protocol):
    """What the board switches, and the time it takes: a `sim_backend.virtual.world.World`."""

    clock: Clock
    busy: Second
    """What it took to compute, by the wall, s."""

    def switch(self, closed: frozenset[int], moment: Second | None = None) -> None:
        """Close these channels and open all others, now or at a moment before now."""
        ...

    def watch(self, look: Callable[[], None]) -> None:
        """Call this whenever time is about to pass."""
        ...


class Watch(Protocol):
    """What a watchdog goes by."""

    @property
    def now(self) -> Second:
        """Seconds since some fixed moment."""
        ...


class ProgramTime:
    """The wall's time as a program feels it: what the world takes to compute is not its silence.

    Parameters
    ----------
    world
        Whose computing does not count.
    """

    def __init__(self, world: Relays) -> None:
        self._world = world

    @property
    def now(self) -> Second:
        """Seconds since some fixed moment."""
        return time.monotonic() - self._world.busy


@dataclass(frozen=True, slots=True)
class BoardFaults:
    """What is wrong with a switch board; nothing by default.

    Parameters
    ----------
    breaks
        False makes it a board whose firmware forgot to open before it closes.
    watches
        False makes it a board whose watchdog never opens anything.
    stuck, dead
        Outputs that stay closed, or open, whatever they are told. They are read back so.
    swapped
        Which output is switched in the place of one that was told. It is read back so.
    welded
        Channels whose contact stays closed whatever its coil does. No read-back shows it.
    """

    breaks: bool = True
    watches: bool = True
    stuck: frozenset[int] = frozenset()
    dead: frozenset[int] = frozenset()
    swapped: Mapping[int, int] = field(default_factory=dict)
    welded: frozenset[int] = frozenset()


class VirtualSwitchBoard:
    """The board behind its serial port.

    Its watchdog is about programs, and they live by the wall: while a bench on the fast clock waits
    for hours, its program is alive, and while nobody asks anything, its time stands still. A drop
    takes place when the board or the world is asked next. Nobody can see a difference: all that a
    virtual bench does, it does when it is asked. So there is no thread that takes the world's lock.

    Parameters
    ----------
    world
        Told of every change, and asked for the time.
    faults
        What is wrong with it; they may change in mid-work.
    watch
        What the watchdog goes by: by default the world's clock if that is the wall's, and
        `ProgramTime` otherwise.
    """

    def __init__(
        self, world: Relays, *, faults: BoardFaults | None = None, watch: Watch | None = None
    ) -> None:
        self.events: list[tuple[Second, frozenset[int]]] = []
        """Bench time of each change of a contact, s, and which were closed after it."""
        self.faults = BoardFaults() if faults is None else faults
        self._world = world
        if watch is None:
            watch = world.clock if isinstance(world.clock, WallClock) else ProgramTime(world)
        self._watch = watch
        self._lock = Lock()
        self._told: frozenset[int] = frozenset()
        self._shown: frozenset[int] = frozenset()
        self._heard = watch.now
        self._let_go: Second | None = None
        self._drops = 0
        self._dropped = False
        self._buffer = b""
        world.watch(self.look)

    @property
    def closed(self) -> frozenset[int]:
        """The channels whose contacts are closed."""
        self._drop_if_silent()
        return self._outputs | self.faults.welded

    def boot(self) -> str:
        """Start anew, with every relay open; return the ready line."""
        self._buffer = b""
        self._drops, self._dropped, self._heard = 0, False, self._watch.now
        self._switch(frozenset())
        return _framed(READY)

    def look(self) -> None:
        """Let the watchdog look, and the world have what it did."""
        self._drop_if_silent()
        moment, self._let_go = self._let_go, None
        self._show(moment)

    def receive(self, data: bytes) -> bytes:
        """Take bytes from the serial port; return what the board sends."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        replies = (self.handle(line.decode("latin-1")) for line in lines)
        return b"".join(reply.encode("latin-1") + b"\n" for reply in replies if reply is not None)

    def handle(self, line: str) -> str | None:
        """Carry out one line and return the reply; an empty line has none."""
        line = line.replace("\r", "").removesuffix("\n")
        if not line:
            return None
        self._drop_if_silent()
        if len(line) > LONGEST:
            return _framed("???? ERR LINE")
        if len(line) < SHORTEST or line != _framed(line[:-5]):
            return _framed("???? ERR CHECKSUM")
        reply = _framed(f"{line[:4]} {self._answer(line[5:-5])}")
        self._heard = self._watch.now
        return reply

    def _answer(self, command: str) -> str:
        if command == "BEAT":
            # It takes no bench time and does not touch the world: beats come by the wall's time,
            # from a thread beside whatever the bench does, and every run is to repeat.
            return f"BEAT {_mask(self._outputs)} {self._drops:04X}"
        self._world.clock.call()
        name, _, argument = command.partition(" ")
        if name == "CLOSE":
            if len(argument) != 8 or not set(argument) <= set("0123456789ABCDEF"):
                return "ERR ARGUMENT"
            return self._close(int(argument, 16))
        match command:
            case "IDENT":
                return f"IDENT {READY.removeprefix('BOOT READY ')}"
            case "READ":
                return f"READ {_mask(self._outputs)}"
            case "OPEN":
                before = _mask(self._outputs)
                self._open()
                self._dropped = False
                return f"OPEN {_mask(self._outputs)} {before}"
        return "ERR COMMAND"

    def _close(self, mask: int) -> str:
        if self._dropped:
            return "ERR DROPPED"
        wanted = frozenset(channel for channel in range(CHANNELS) if mask >> channel & 1)
        if self.faults.breaks:
            self._open()
        else:
            self._switch(self._told | wanted)
        if self.faults.breaks and self._outputs:
            return f"ERR READBACK {_mask(self._outputs)}"
        self._switch(wanted)
        self._world.clock.sleep(OPERATE * 1e-3)
        return f"CLOSE {_mask(self._outputs)}"

    def _open(self) -> None:
        self._switch(frozenset())
        self._world.clock.sleep(RELEASE * 1e-3)

    def _switch(self, told: frozenset[int]) -> None:
        self.look()  # what the watchdog did comes before it
        self._told = told
        self._show()

    def _drop_if_silent(self) -> None:
        """Open every relay if there was no request for too long while one was closed."""
        with self._lock:  # the world may look while a beat arrives
            end = self._heard + WATCHDOG * 1e-3
            if not self._told or self._watch.now < end or not self.faults.watches:
                return
            self._told, self._dropped = frozenset(), True
            self._drops = min(self._drops + 1, MOST_DROPS)
            # Where the bench goes by the same clock, it was then; elsewhere it is now.
            self._let_go = end if self._watch is self._world.clock else None

    def _show(self, moment: Second | None = None) -> None:
        """Let the world know which contacts are closed if that changed, now or at a moment."""
        contacts = self._outputs | self.faults.welded
        if contacts == self._shown:
            return
        self._shown = contacts
        self._world.switch(contacts, moment)
        self.events.append((self._world.clock.now if moment is None else moment, contacts))

    @property
    def _outputs(self) -> frozenset[int]:
        """The channels whose outputs are closed, as they are read back."""
        faults = self.faults
        switched = frozenset(faults.swapped.get(channel, channel) for channel in self._told)
        return (switched | faults.stuck) - faults.dead


def _mask(channels: frozenset[int]) -> str:
    return f"{sum(1 << channel for channel in channels):08X}"


def _framed(body: str) -> str:
    """Return a body with its checksum, without the end of the line."""
    return f"{body} {binascii.crc_hqx(body.encode('latin-1', 'replace'), 0xFFFF):04X}"
