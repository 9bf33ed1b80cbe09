"""One instrument on one VISA resource: a deadline for every exchange, a lock, one kind of error.

`Link` is an adapter for PyMeasure's instruments. It opens nothing until `Link.open`, and what goes
wrong on the way, in PyVISA, in a socket or in a serial port, arrives as `InstrumentError`. A reply
is given to the question that it answers, or to none.
"""

import itertools
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any

from pymeasure.adapters import Adapter
from pyvisa.constants import StatusCode
from pyvisa.errors import Error as VisaError
from pyvisa.errors import VisaIOError
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.resources import MessageBasedResource

from crossbar.backend import ClosedError, DeadlineError, InstrumentError, Second
from instruments.marks import MARKS, is_stale, marked, messages, unmarked
from instruments.visa_resources import can_clear, has_input, is_serial, opened, settle, socket_of

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
        self._marks = itertools.cycle(MARKS)
        self._marked: bool | None = None if self._given is None else False
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
            self._resource = found = opened(self.name, self._library)
            try:
                with self._translated("could not be set up"):
                    settle(found, self.deadline)
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

    @property
    def marked(self) -> bool | None:
        """True if replies are told apart by marks, and not by their order; None if not known."""
        return self._marked

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

    def ask(self, question: str, expected: Second = 0.0) -> str:
        """Return the reply to a question, and to this one.

        Parameters
        ----------
        question
            A message with as many questions as the reply has parts.
        expected
            What the measurement itself takes, s; the deadline begins after it.

        Raises
        ------
        DeadlineError
            If no reply comes in time.
        InstrumentError
            If the instrument refuses to answer, or the link fails.
        ClosedError
            If the link is not open.
        """
        with self.lock:
            self._catch_up()
            return (self._marked_exchange if self._marked else self._exchange)(question, expected)

    def ask_all(self, questions: Sequence[str], expected: Second = 0.0) -> list[str]:
        """Return the replies to several questions, asked at once where the instrument takes that.

        Parameters
        ----------
        questions
            In this order; the reply to each is without semicolons.
        expected
            As for `ask`, of the first.

        Raises
        ------
        InstrumentError
            As for `ask`, and if there is not one reply to each.
        """
        with self.lock:
            self._catch_up()
            if not self._marked:
                return [self.ask(question, expected) for question in questions]
            replies: list[str] = []
            for message, count in messages(questions):
                parts = self.ask(message, expected).split(";")
                if len(parts) != count:
                    raise InstrumentError(f"{self.name}: {parts} are no replies to {message!r}")
                replies += parts
            return replies

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
            if is_serial(resource):
                resource.write_raw(DEVICE_CLEAR)
            elif can_clear(resource):
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
            line = socket_of(resource)
            # PyVISA-py waits for ever to write to a peer that does not read.
            if line is not None and not select.select([], [line], [], self.deadline)[1]:
                raise TimeoutError(command)
            resource.write(command)

    def _read(self, **_: Any) -> str:
        if self._given is not None:
            return str(self._given.read())
        with self.lock:
            return self._take(self.deadline)

    def __repr__(self) -> str:
        return f"<Link({self.name!r})>"

    # How an exchange goes.

    def _exchange(self, question: str, expected: Second) -> str:
        """Return what comes after a question, whatever it is."""
        self._in_step = False
        self.write(question)
        if self._given is not None:
            reply = str(self._given.read())
        else:
            reply = self._take(self.deadline + expected)
            self.log.debug("READ:%s", reply)
        self._in_step = True
        return reply

    def _marked_exchange(self, question: str, expected: Second) -> str:
        """Return what comes with the mark of this question; earlier replies are skipped."""
        mark, wait = next(self._marks), self.deadline + expected
        until = time.monotonic() + wait
        self._in_step = False
        self.write(marked(question, mark))
        while True:
            line = self._take(wait)
            self.log.debug("READ:%s", line)
            reply, found = unmarked(question, line)
            if found == mark:
                break
            if not is_stale(line):
                raise InstrumentError(f"{self.name}: {line!r} is no reply to {question!r}")
            wait = max(until - time.monotonic(), 0.0)
        self._in_step = True
        if not reply:
            raise InstrumentError(f"{self.name} does not answer {question!r}")
        return reply

    def _take(self, wait: Second) -> str:
        with self._translated("did not reply"):
            line = self._line(wait)
        try:
            if not line.endswith(b"\n"):
                raise ValueError(line)
            return line.decode("ascii").strip()
        except ValueError as problem:
            raise InstrumentError(f"{self.name}: {line!r} is no reply") from problem

    def _line(self, wait: Second) -> bytes:
        resource = self._opened()
        line = socket_of(resource)
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

    # How it gets into step.

    def _catch_up(self) -> None:
        """Get rid of replies to earlier questions, if there may be any."""
        if self._given is not None:
            return
        with self._translated("is broken"):
            stray = bool(self._received) or has_input(self._opened())
        if self._in_step and not stray:
            return
        self._get_into_step()
        if self._marked is None:
            self._marked = self._takes_marks()

    def _get_into_step(self) -> None:
        self._in_step = False
        resource = self._opened()
        with self._translated("is broken"):
            if can_clear(resource):
                resource.clear()
            else:
                self._drain()
        # Silence proves nothing about a reply that is late: ask for a number that no earlier
        # question was about, and skip what comes before it.
        mark = next(self._marks)
        self.write(f"*ESE {mark}")
        # "*ESE?" alone in its message: in 488.1 mode there is one question per message.
        reply = self._exchange("*ESE?", 0.0)
        until = time.monotonic() + DRAINING
        while not _is_number(reply, mark):
            self._in_step = False
            if time.monotonic() > until:
                raise InstrumentError(f"{self.name} answers {reply!r} to *ESE? and does not stop")
            reply = self._take(self.deadline)
            self._in_step = True

    def _takes_marks(self) -> bool:
        """Return whether the instrument answers two questions of one message."""
        for _ in range(2):
            try:
                self._marked_exchange("*ESE?", 0.0)
            except InstrumentError as problem:
                # Once may be the link's fault.
                self.log.warning("%s takes no marks: %s", self.name, problem)
                self._get_into_step()
            else:
                return True
        return False

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

    def _opened(self) -> MessageBasedResource:
        if self._resource is None:
            raise ClosedError(f"{self.name} is not open")
        return self._resource

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
