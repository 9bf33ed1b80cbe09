"""Numbered, checked lines over a serial port: a reply that is not the answer is never used.

Every request carries a number that its reply repeats, and both carry a checksum; so a late, doubled
or garbled line is seen to be one. The lines are those of docs/switch-board.md.
"""

import binascii
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import serial

from crossbar.backend import ClosedError, DeadlineError, InstrumentError, Second

POLL: Second = 0.05
"""Longest wait inside one call of pyserial, s; deadlines are kept to this."""
QUIET: Second = 0.02  # assumed: a board that says nothing for that long has said all
"""Silence after which a line that was in disorder counts as empty, s."""
LONGEST = 4096
"""Bytes of other things than the answer that are read before an instrument counts as babbling."""


class FramedPort:
    """A serial port with an instrument of such lines; one exchange at a time, from any thread.

    Parameters
    ----------
    port
        ``/dev/ttyACM0``, ``COM5``, or a URL that pyserial knows.
    baud
        Bits per second.
    deadline
        Longest wait for one answer, and for the port to take a request, s.
    sequence
        Number of the exchange before the first; a random one by default, so that what is left
        over from another program's exchanges does not fit.
    """

    def __init__(
        self, port: str, baud: int, deadline: Second, *, sequence: int | None = None
    ) -> None:
        self.name = port
        self.strays = 0
        self.lock = threading.RLock()
        self._baud = baud
        self._deadline = deadline
        self._sequence = int.from_bytes(os.urandom(2)) if sequence is None else sequence
        self._serial: Any = None
        self._waiting = b""
        self._clean = False

    @property
    def is_open(self) -> bool:
        """True between `open` and `close`."""
        return self._serial is not None

    @property
    def can_reset(self) -> bool:
        """True if opening the port may have reset the instrument: a line DTR does that.

        Pseudo-terminals have none, and say so when their lines are asked for.
        """
        try:
            _ = self._serial.cts
        except OSError:
            return False
        return True

    def open(self) -> None:
        """Open the port, for this program alone.

        Raises
        ------
        InstrumentError
            If it is not there, or in use.
        """
        with self.lock, _translated(self.name):
            self._waiting, self._clean = b"", False
            self._serial = serial.serial_for_url(
                self.name,
                baudrate=self._baud,
                timeout=POLL,
                write_timeout=self._deadline,
                exclusive=True,
            )

    def close(self) -> None:
        """Close the port, whatever state it is in; a second call does nothing."""
        with self.lock:
            port, self._serial = self._serial, None
            if port is not None:
                with _translated(self.name):
                    port.close()

    def ask(self, command: str) -> str:
        """Send a command and return what follows the command's name in its reply.

        Any other line is counted in `strays` and dropped, until the deadline.

        Raises
        ------
        ClosedError
            If the port is not open.
        DeadlineError
            If no reply to this request came in time, or the port did not take it.
        InstrumentError
            If the instrument refused or restarted, or the port failed.
        """
        with self.lock:
            if self._serial is None:
                raise ClosedError(f"serial port {self.name} is not open")
            self._sequence = (self._sequence + 1) % 0x10000
            number = f"{self._sequence:04X}"
            lead = b""
            if not self._clean:
                self._resynchronise()
                lead = b"\n"  # ends what an interrupted request may have left in the instrument
            self._clean = False
            with _translated(self.name):
                self._serial.write(lead + frame(f"{number} {command}"))
            name = command.partition(" ")[0]
            answer = self._listen(self._deadline, command, _answers(number, name))
            self._clean = True
        _, kind, *rest = answer.split(" ", 2)
        text = rest[0] if rest else ""
        if kind == "ERR":
            raise InstrumentError(f"{self.name}: the instrument refused {command}: {text}")
        return text

    def await_boot(self, longest: Second) -> bool:
        """Return whether the line came that says that the instrument has started."""
        with self.lock:
            try:
                self._listen(longest, "its start", _is_boot)
            except DeadlineError:
                return False
            return True

    def _listen(self, longest: Second, what: str, wanted: Callable[[str], bool]) -> str:
        """Return the first whole line that is wanted; its checksum was right."""
        end = time.monotonic() + longest
        dropped: list[bytes] = []
        heard = 0
        while True:
            line = self._line(end)
            if line is None or heard > LONGEST:
                noise = f"; dropped {dropped[-3:]}" if dropped else ""
                raise DeadlineError(f"{self.name}: no answer to {what} in {longest} s{noise}")
            body = unframe(line)
            if body is not None and wanted(body):
                return body
            if body is not None and _is_boot(body):
                raise InstrumentError(f"{self.name}: the instrument restarted before {what}")
            heard += len(line) + 1
            if line.strip():
                self.strays += 1
                dropped.append(line)

    def _resynchronise(self) -> None:
        """Drop what an exchange without a good end left on the line, until it is quiet."""
        end = time.monotonic() + self._deadline
        left, self._waiting = self._waiting, b""
        with _translated(self.name):
            self._serial.timeout = QUIET
            while time.monotonic() < end and (more := self._serial.read(LONGEST)):
                left += more
            self._serial.timeout = POLL
        self.strays += bool(left.strip())

    def _line(self, end: Second) -> bytes | None:
        """Return the next line without its end, or None if there is none by then."""
        while b"\n" not in self._waiting:
            if time.monotonic() > end or len(self._waiting) > LONGEST:
                return None
            with _translated(self.name):
                self._waiting += self._serial.read(max(1, self._serial.in_waiting))
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line


def frame(body: str) -> bytes:
    """Return a body with its checksum, as the bytes of one line.

    References
    ----------
    CRC-16 of CCITT, polynomial 0x1021, start 0xFFFF; docs/switch-board.md.
    """
    return f"{body} {binascii.crc_hqx(body.encode('ascii'), 0xFFFF):04X}\n".encode("ascii")


def unframe(line: bytes) -> str | None:
    """Return the body of a line, or None if its checksum is wrong."""
    body, space, checksum = line.rstrip(b"\r").rpartition(b" ")
    if not space or checksum != f"{binascii.crc_hqx(body, 0xFFFF):04X}".encode("ascii"):
        return None
    return body.decode("ascii", "replace")


def _answers(number: str, command: str) -> Callable[[str], bool]:
    """Return what recognises the answer to a request."""
    return lambda body: body.split(" ", 2)[:2] in ([number, command], [number, "ERR"])


def _is_boot(body: str) -> bool:
    return body.startswith("BOOT ")


@contextmanager
def _translated(port: str) -> Iterator[None]:
    """Turn what pyserial and the operating system raise into our own errors."""
    try:
        yield
    except serial.SerialTimeoutException as problem:
        raise DeadlineError(f"{port}: does not take what is sent") from problem
    except (OSError, ValueError) as problem:  # SerialException is an OSError
        raise InstrumentError(f"{port}: {problem}") from problem
