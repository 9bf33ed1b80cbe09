"""One instrument on one VISA resource: a deadline for every exchange, a lock, one kind of error.

`Link` is an adapter for PyMeasure's instruments. It opens nothing until `Link.open`, and what goes
wrong on the way, in PyVISA, in a socket or in a serial port, arrives as `InstrumentError`.
"""

import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any

import pyvisa
from pymeasure.adapters import Adapter
from pyvisa.constants import InterfaceType, StatusCode
from pyvisa.errors import Error as VisaError
from pyvisa.errors import VisaIOError
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.resources import MessageBasedResource

from crossbar.backend import ClosedError, DeadlineError, InstrumentError, Second

BAUD_RATE = 57600
"""Fastest that both Keithleys take; at 9600 the wire sets the time of a sweep, not the NPLC."""
OPENING: Second = 2.0
QUIET: Second = 0.02
"""Silence after which nothing more is on its way; at 57600 baud a character takes 0.2 ms."""
DRAINING: Second = 0.5
"""Longest time that stale replies are read for before the link counts as broken."""
DEVICE_CLEAR = b"\x18"
"""^X is what a device clear is on a serial port; 6487-901-01, section 9."""


class Link(Adapter):  # type: ignore[misc]  # PyMeasure has no types
    """The way to one instrument.

    Parameters
    ----------
    resource
        VISA address, or an adapter of PyMeasure's that is open already.
    deadline
        Longest wait for a reply, s.
    library
        What ``pyvisa.ResourceManager`` takes: ``""``, ``"@py"``, or a library.
    check
        Looks at each message before it is sent, and raises for one that must not be.
    """

    def __init__(
        self,
        resource: str | Adapter,
        *,
        deadline: Second = 2.0,
        library: str | VisaLibraryBase = "",
        check: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.name = resource if isinstance(resource, str) else repr(resource)
        self.lock = RLock()
        self.deadline = deadline
        self._library = library
        self._check = check
        self._given: Any = None if isinstance(resource, str) else resource
        self._resource: MessageBasedResource | None = None
        # False from the moment a reply is owed until it is here: whatever ends an exchange early,
        # Ctrl-C included, leaves a reply behind that would answer the next question.
        self._in_step = True
        self._nonce = 0
        self._received = bytearray()

    def open(self) -> None:
        """Open the resource; nothing is sent.

        Raises
        ------
        InstrumentError
            If there is none, it is in use, or it cannot be opened.
        """
        if self._given is not None or self._resource is not None:
            return
        with self.lock:
            # An earlier user may have left a reply behind.
            self._in_step = False
            self._received.clear()
            self._resource = opened = self._found()
            try:
                with self._translated("could not be set up"):
                    self._settle(opened)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the resource; a second call does nothing."""
        resource, self._resource = getattr(self, "_resource", None), None
        if resource is not None:
            # The way out: a port that is gone cannot be closed, and that is no news any more.
            with suppress(OSError, VisaError):
                resource.close()

    @property
    def in_step(self) -> bool:
        """False while a reply is owed that nobody waits for any more."""
        return self._in_step

    def reopen(self) -> None:
        """Close and open again.

        Raises
        ------
        InstrumentError
            As for `open`.
        """
        with self.lock:
            self.close()
            self.open()

    def ask(self, command: str, expected: Second = 0.0) -> str:
        """Return the reply to a question, and to this one.

        Parameters
        ----------
        command
            With as many questions as the reply has parts.
        expected
            What the measurement itself takes, s; the deadline begins after it.

        Raises
        ------
        DeadlineError
            If no reply comes in time.
        InstrumentError
            If the link fails.
        ClosedError
            If the link is not open.
        """
        with self.lock:
            self._catch_up()
            return self._exchange(command, expected)

    def interrupt(self) -> None:
        """Clear the device, where that cannot hang, so that it listens although it is busy.

        Raises
        ------
        InstrumentError
            If the link fails.
        """
        resource = self._resource
        if resource is None:
            return
        with self.lock, self._translated("takes no device clear"):
            if resource.interface_type == InterfaceType.asrl:
                resource.write_raw(DEVICE_CLEAR)
            elif _can_clear(resource):
                resource.clear()

    # What PyMeasure calls.

    def _write(self, command: str, **_: Any) -> None:
        if self._check is not None:
            self._check(command)
        if self._given is not None:
            self._given.write(command)
            return
        with self.lock, self._translated(f"did not take {command!r}"):
            resource = self._opened()
            line = _socket(resource)
            # PyVISA-py waits for ever to write to a peer that does not read.
            if line is not None and not select.select([], [line], [], self.deadline)[1]:
                raise TimeoutError(command)
            resource.write(command)

    def _read(self, **_: Any) -> str:
        if self._given is not None:
            return str(self._given.read())
        with self.lock:
            return self._take(0.0)

    def __repr__(self) -> str:
        return f"<Link({self.name!r})>"

    # How an exchange goes.

    def _exchange(self, command: str, expected: Second) -> str:
        self._in_step = False
        self.write(command)
        if self._given is not None:
            reply = str(self._given.read())
        else:
            reply = self._take(expected)
            self.log.debug("READ:%s", reply)
        self._in_step = True
        return reply

    def _take(self, expected: Second) -> str:
        with self._translated("did not reply"):
            line = self._line(self.deadline + expected)
        try:
            if not line.endswith(b"\n"):
                raise ValueError(line)
            return line.decode("ascii").strip()
        except ValueError as problem:
            raise InstrumentError(f"{self.name}: {line!r} is no reply") from problem

    def _line(self, wait: Second) -> bytes:
        resource = self._opened()
        line = _socket(resource)
        if line is None:
            resource.timeout = wait * 1e3
            return resource.read_raw()
        # PyVISA-py reads a closed connection again and again, with a core of its own, until the
        # deadline; so the waiting is done here.
        until = time.monotonic() + wait
        while b"\n" not in self._received:
            ready, _, _ = select.select([line], [], [], max(until - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(self.name)
            came = line.recv(4096)
            if not came:
                raise ConnectionResetError("the other side closed the connection")
            self._received += came
        end = self._received.index(b"\n") + 1
        first = bytes(self._received[:end])
        del self._received[:end]
        return first

    def _catch_up(self) -> None:
        """Get rid of replies to earlier questions."""
        if self._given is not None:
            return
        resource = self._opened()
        with self._translated("is broken"):
            if self._in_step and not (self._received or _has_input(resource)):
                return
            if _can_clear(resource):
                resource.clear()
            else:
                self._drain()
        # Silence proves nothing about a reply that is late: ask for a number that no earlier
        # question was about, and skip what comes before it.
        self._nonce = self._nonce % 254 + 1
        self.write(f"*ESE {self._nonce}")
        # "*ESE?" alone in its message: in 488.1 mode there is one question per message.
        reply = self._exchange("*ESE?", 0.0)
        until = time.monotonic() + DRAINING
        while not _is_number(reply, self._nonce):
            if time.monotonic() > until:
                self._in_step = False
                raise InstrumentError(f"{self.name} answers {reply!r} to *ESE? and does not stop")
            self._in_step = False
            reply = self._take(0.0)
            self._in_step = True

    def _drain(self) -> None:
        """Read until nothing comes; an instrument that talks on and on is broken."""
        until = time.monotonic() + DRAINING
        try:
            while time.monotonic() < until:
                self._line(QUIET)
        except (TimeoutError, VisaIOError) as quiet:
            if not _is_timeout(quiet):
                raise
        else:
            raise OSError("it does not stop sending")
        # A beginning without an end.
        self._received.clear()

    def _found(self) -> MessageBasedResource:
        try:
            manager = pyvisa.ResourceManager(self._library)
            opened = manager.open_resource(self.name, open_timeout=round(OPENING * 1e3))
        except Exception as problem:
            # PyVISA-py raises plain Exception for a socket that it cannot connect.
            raise InstrumentError(f"{self.name} could not be opened: {problem}") from problem
        if not isinstance(opened, MessageBasedResource):
            opened.close()
            raise InstrumentError(f"{self.name} is no instrument that takes messages")
        return opened

    def _opened(self) -> MessageBasedResource:
        if self._resource is None:
            raise ClosedError(f"{self.name} is not open")
        return self._resource

    def _settle(self, resource: MessageBasedResource) -> None:
        """Set what the kind of transport needs."""
        resource.timeout = self.deadline * 1e3
        resource.write_termination = "\n"
        if resource.interface_type != InterfaceType.gpib:
            # On GPIB the end is a line of the bus; PyVISA-py refuses a termination there.
            resource.read_termination = "\n"
        interface = _interface(resource)
        if resource.interface_type == InterfaceType.asrl:
            if hasattr(interface, "exclusive"):
                # It is locked when the next setting is applied, which is the baud rate's.
                interface.exclusive = True
            resource.baud_rate = BAUD_RATE  # type: ignore[attr-defined]
        elif isinstance(interface, socket.socket):
            # Nagle's algorithm holds a second message back until the first is acknowledged: 40 ms.
            interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            interface.settimeout(self.deadline)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Translate what PyVISA, sockets and serial ports raise: the one place that does."""
        try:
            yield
        except (TimeoutError, VisaIOError) as problem:
            if _is_timeout(problem):
                raise DeadlineError(f"{self.name} {what} in time") from problem
            raise InstrumentError(f"{self.name} {what}: {problem}") from problem
        except (OSError, VisaError) as problem:
            # SerialException is an OSError, and so is a connection that was reset.
            raise InstrumentError(f"{self.name} {what}: {problem}") from problem


def _is_timeout(problem: Exception) -> bool:
    if isinstance(problem, VisaIOError):
        return problem.error_code == StatusCode.error_timeout
    return isinstance(problem, TimeoutError)


def _is_number(text: str, number: int) -> bool:
    try:
        return float(text) == number
    except ValueError:
        return False


def _can_clear(resource: MessageBasedResource) -> bool:
    # A serial port has no clear, and PyVISA-py's of a socket whose peer is gone never returns.
    is_serial = resource.interface_type == InterfaceType.asrl
    return not is_serial and resource.resource_class != "SOCKET"


def _interface(resource: MessageBasedResource) -> Any:
    """Return PyVISA-py's own socket or port; None in other libraries, which need no help."""
    sessions = getattr(resource.visalib, "sessions", {})
    return getattr(sessions.get(resource.session), "interface", None)


def _socket(resource: MessageBasedResource) -> socket.socket | None:
    interface = _interface(resource)
    return interface if isinstance(interface, socket.socket) else None


def _has_input(resource: MessageBasedResource) -> bool:
    """Return True if something waits that nobody asked for."""
    line = _socket(resource)
    if line is not None:
        return bool(select.select([line], [], [], 0)[0])
    return bool(getattr(_interface(resource), "in_waiting", 0))
