"""A switch board of 32 relays that does not exist; protocol: docs/switch-board.md.

It answers byte for byte as the firmware does; the tests hold one against the other.
"""

import binascii
from typing import Protocol

from crossbar.backend import Second
from sim_backend.virtual.clock import Clock

CHANNELS = 32
RELEASE, OPERATE = 5, 5
"""What the firmware waits after opening and after closing relays, ms."""
LONGEST = 47
"""Characters of a line; the firmware's buffer."""
SHORTEST = len("0000 X 0000")
READY = f"BOOT READY crossbar-switch 1 {CHANNELS} {RELEASE} {OPERATE}"
"""What a board says once when it starts, before the checksum."""


class Relays(Protocol):
    """What the board switches, and the time it takes: a `sim_backend.virtual.world.World`."""

    clock: Clock

    def switch(self, closed: frozenset[int]) -> None:
        """Close these channels and open all others."""
        ...


class VirtualSwitchBoard:
    """The board behind its serial port.

    Parameters
    ----------
    world
        Told of every change, and asked for the time.
    breaks
        False makes it a board whose firmware forgot to open before it closes.
    stuck
        Outputs that stay closed whatever they are told.
    """

    def __init__(
        self, world: Relays, *, breaks: bool = True, stuck: frozenset[int] = frozenset()
    ) -> None:
        self.events: list[tuple[Second, frozenset[int]]] = []
        """Bench time of each change, s, and what was closed after it."""
        self._world = world
        self._breaks = breaks
        self._stuck = stuck
        self._closed = stuck
        self._buffer = b""

    @property
    def closed(self) -> frozenset[int]:
        """The channels that are closed."""
        return self._closed

    def boot(self) -> str:
        """Start anew, with every relay open; return the ready line."""
        self._buffer = b""
        self._switch(frozenset())
        return _framed(READY)

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
        self._world.clock.call()
        if len(line) > LONGEST:
            return _framed("???? ERR LINE")
        if len(line) < SHORTEST or line != _framed(line[:-5]):
            return _framed("???? ERR CHECKSUM")
        return _framed(f"{line[:4]} {self._answer(line[5:-5])}")

    def _answer(self, command: str) -> str:
        name, _, argument = command.partition(" ")
        if name == "CLOSE":
            if len(argument) != 8 or not set(argument) <= set("0123456789ABCDEF"):
                return "ERR ARGUMENT"
            return self._close(int(argument, 16))
        match command:
            case "IDENT":
                return f"IDENT {READY.removeprefix('BOOT READY ')}"
            case "READ":
                return f"READ {self._mask:08X}"
            case "OPEN":
                self._open()
                return f"OPEN {self._mask:08X}"
        return "ERR COMMAND"

    def _close(self, mask: int) -> str:
        wanted = frozenset(channel for channel in range(CHANNELS) if mask >> channel & 1)
        if self._breaks:
            self._open()
        else:
            self._switch(self._closed | wanted)
        if self._breaks and self._closed:
            return f"ERR READBACK {self._mask:08X}"
        self._switch(wanted)
        self._world.clock.sleep(OPERATE * 1e-3)
        return f"CLOSE {self._mask:08X}"

    def _open(self) -> None:
        self._switch(frozenset())
        self._world.clock.sleep(RELEASE * 1e-3)

    def _switch(self, closed: frozenset[int]) -> None:
        closed |= self._stuck
        if closed == self._closed:
            return
        self._closed = closed
        self._world.switch(closed)
        self.events.append((self._world.clock.now, closed))

    @property
    def _mask(self) -> int:
        return sum(1 << channel for channel in self._closed)


def _framed(body: str) -> str:
    """Return a body with its checksum, without the end of the line."""
    return f"{body} {binascii.crc_hqx(body.encode('latin-1', 'replace'), 0xFFFF):04X}"
