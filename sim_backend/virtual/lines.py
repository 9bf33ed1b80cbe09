"""Messages on their way to an instrument and back, and what goes wrong with them.

One mechanism for every transport: a TCP socket, a pseudo-terminal, and the VISA library in this
process give a `Line` what came, and send what it returns.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Protocol, TypeAlias

DEVICE_CLEAR = b"\x03\x18"
"""^C and ^X: what a serial port has for a device clear; 6487-901-01, section 9."""
LONGEST_LINE = 65536
NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


class Instrument(Protocol):
    """Anything that answers lines with lines."""

    def handle(self, line: str) -> str | None:
        """Do what a line says; return the reply, None if there is none."""
        ...


class Fault(Enum):
    """What goes wrong with one message."""

    DROP = "the instrument does as told, its reply is lost"
    DROP_COMMAND = "the message never arrives"
    LATE = "the reply comes just before the next one"
    DOUBLE = "the reply comes twice"
    GARBAGE = "the reply is noise"
    TRUNCATE = "half of the reply comes, with an end"
    NO_END = "the reply comes without an end"
    REPLACE = "every number of the reply is another one"
    REPLACE_MARKED = "every number of the reply but its last part is another one"
    HANG = "the instrument does as told, and never says anything again"
    BUSY = "the instrument is stuck in the message, and hears nothing until a device clear"
    UNPLUG = "the link breaks"


Event: TypeAlias = Callable[[], None]
"""What happens at the instrument just before it gets a message."""
LineFaults: TypeAlias = Mapping[int, Fault | Event]
"""What goes wrong, by number of the message, counted from 0."""


class Line:
    """Messages to an instrument, and what goes wrong on the way.

    Parameters
    ----------
    instrument
        Answers lines with lines.
    faults
        By number of the message, over the life of the line.
    terminal
        True where ^C and ^X are a device clear.
    """

    def __init__(self, instrument: Instrument, faults: LineFaults, *, terminal: bool) -> None:
        self.instrument = instrument
        self.messages: list[str] = []
        self.unplugged = False
        self._faults = faults
        self._terminal = terminal
        self._hung = False
        self._busy = False
        self._late = b""

    def take(self, buffer: bytearray) -> bytes:
        """Take the whole lines out of a buffer; return what the instrument sends."""
        if self._terminal:
            self._look_for_clear(buffer)
        sent = b""
        while b"\n" in buffer and not self.unplugged:
            raw, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            sent += self._answer(raw.decode("ascii", errors="replace").strip("\r"))
        if len(buffer) > LONGEST_LINE:
            buffer.clear()
        return sent

    def clear(self) -> None:
        """Give the instrument a device clear: it listens again, and what it would say is gone."""
        self._busy = False
        self._late = b""
        getattr(self.instrument, "clear", lambda: None)()

    def _look_for_clear(self, buffer: bytearray) -> None:
        last = max(buffer.rfind(sign) for sign in DEVICE_CLEAR)
        if last >= 0:
            del buffer[: last + 1]
            self.clear()

    def _answer(self, line: str) -> bytes:
        fault = self._faults.get(len(self.messages))
        self.messages.append(line)
        if fault is not None and not isinstance(fault, Fault):
            fault()
            fault = None
        if fault is Fault.UNPLUG:
            self.unplugged = True
            return b""
        self._hung |= fault is Fault.HANG
        self._busy |= fault is Fault.BUSY
        if self._busy or fault is Fault.DROP_COMMAND:
            return b""
        reply = self.instrument.handle(line)
        if reply is None or self._hung:
            return b""
        before, self._late = self._late, b""
        if fault is Fault.LATE:
            self._late = before + reply.encode("ascii") + b"\n"
            return b""
        return before + _spoilt(reply, fault)


def _spoilt(reply: str, fault: Fault | None) -> bytes:
    whole = reply.encode("ascii") + b"\n"
    front, mark, last = reply.rpartition(";")
    spoilt = {
        None: whole,
        Fault.DROP: b"",
        Fault.DOUBLE: whole * 2,
        Fault.GARBAGE: b"\xff\xfe?#\n",
        Fault.TRUNCATE: whole[: len(whole) // 2] + b"\n",
        Fault.NO_END: whole.rstrip(b"\n"),
        Fault.REPLACE: _other(reply).encode("ascii") + b"\n",
        Fault.REPLACE_MARKED: (f"{_other(front)}{mark}{last}" if mark else _other(reply)).encode(
            "ascii"
        )
        + b"\n",
    }
    return spoilt[fault]


def _other(reply: str) -> str:
    """Return a reply of the same form with other numbers."""
    return NUMBER.sub(lambda found: _another(found[0]), reply)


def _another(number: str) -> str:
    if number.lstrip("+-").isdigit():
        # A state is 0 or 1 and stays one.
        return {"0": "1", "1": "0"}.get(number, str(int(number) + 1))
    return f"{1.25 * float(number) + 1e-3:+.6E}"
