"""Virtual instruments in a process of their own, as a program that uses them sees it.

The stand-in for libdwf is the same as in one process; behind it each call goes to the host and
comes back. See `sim_backend.virtual.host` for the other end.
"""

import json
import pickle
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from crossbar.backend import BenchError, ClosedError, InstrumentError, Second
from sim_backend.virtual.host import LARGEST, LENGTH, HostedBench
from sim_backend.virtual.libdwf.failure import UNKNOWN, Failure
from sim_backend.virtual.libdwf.mount import mount, unmount
from sim_backend.virtual.libdwf.signatures import Prototype
from sim_backend.virtual.marshalling import layout_of

DEADLINE: Second = 60.0  # assumed: no call of libdwf takes as long

_Replies: TypeAlias = "queue.SimpleQueue[bytes | OSError]"


class _Connection:
    """A connection to a host, on which exchanges are never left half done.

    They are made by a thread of its own: an interrupt that hits a program while it waits leaves the
    thread alone, which fetches the reply all the same.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(DEADLINE)
        try:
            self._socket.connect(str(path))
        except OSError as problem:
            self._socket.close()
            raise BenchError(f"no virtual bench at {path}: {problem}") from problem
        self._wanted: queue.SimpleQueue[tuple[bytes, _Replies] | None] = queue.SimpleQueue()
        # A daemon, because functions that run at the end of a program still use the bench.
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def exchange(self, message: bytes) -> bytes:
        """Return the reply to a message; raises OSError if the host is gone."""
        replies: _Replies = queue.SimpleQueue()  # of one exchange: none can find another's there
        self._wanted.put((message, replies))
        reply = replies.get()
        if isinstance(reply, OSError):
            raise reply
        return reply

    def close(self) -> None:
        """Disconnect, as the end of the program would."""
        self._wanted.put(None)
        self._thread.join()
        self._socket.close()

    def _work(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            message, replies = wanted
            try:
                self._socket.sendall(LENGTH.pack(len(message)) + message)
                (length,) = LENGTH.unpack(self._read(LENGTH.size))
                if length > LARGEST:
                    raise ConnectionError(f"a reply of {length} bytes")
                replies.put(self._read(length))
            except OSError as problem:
                self._socket.close()  # what comes later would answer something else
                replies.put(problem)

    def _read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the virtual bench has ended")
            data += more
        return bytes(data)


class RemoteBench:
    """A virtual bench in another process: its clock, and its Analog Discovery 2 at libdwf's place.

    It is used in a `with` block. Leaving it disconnects, and nothing more: closing the instruments
    is the program's business, and what it leaves on stays on.

    Parameters
    ----------
    path
        Of the host's socket.

    Raises
    ------
    BenchError
        On entering, if no host answers there, or a real libdwf is loaded in this process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: _Connection | None = None

    def __enter__(self) -> Self:
        self._connection = _Connection(self._path)
        mount(self)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        unmount()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        """Have the host do what a C function does."""
        layout = layout_of(prototype.name)
        request = layout.request(arguments)
        try:
            reply = self._exchange(b"C" + request)
        except (InstrumentError, ClosedError) as problem:
            raise Failure(UNKNOWN, str(problem)) from problem
        layout.take(reply, arguments)

    @property
    def now(self) -> Second:
        """Bench time, s."""
        return float(self._ask(do="now"))

    def sleep(self, duration: Second) -> None:
        """Let bench time pass."""
        self._ask(**{"do": "sleep", "for": duration})

    def state(self) -> dict[str, Any]:
        """Return what the outputs do now: waveforms, pins, supplies; and the other ports."""
        found: dict[str, Any] = self._ask(do="state")
        return found

    def seen(self) -> dict[str, Any]:
        """Return what the host's witness has seen; nothing without one."""
        found: dict[str, Any] = self._ask(do="seen")
        return found

    def trouble(self, plan: Mapping[int, str]) -> None:
        """Let trouble happen, by name, at calls of libdwf counted from the next one."""
        self._ask(do="trouble", plan={str(at): what for at, what in plan.items()})

    def describe(self) -> dict[str, Any]:
        """Return what the host's bench says of itself."""
        found: dict[str, Any] = self._ask(do="describe")
        return found

    def _ask(self, **request: object) -> Any:
        reply = json.loads(self._exchange(b"J" + json.dumps(request).encode()))
        if isinstance(reply, dict) and "error" in reply:
            raise InstrumentError(f"the virtual bench refused {request}: {reply['error']}")
        return reply

    def _exchange(self, message: bytes) -> bytes:
        if self._connection is None:
            raise ClosedError("not connected to the virtual bench")
        try:
            return self._connection.exchange(message)
        except OSError as problem:
            raise InstrumentError(f"the virtual bench is gone: {problem}") from problem


class HostProcess:
    """A host process, as the one who started it sees it.

    Parameters
    ----------
    build
        What makes its bench there; importable, as everything that it is made of.
    tied
        True ends the host when this process ends, however it does. False lets it live on, with
        whatever is on, until `end`.

    Raises
    ------
    BenchError
        If it does not start.
    """

    def __init__(self, build: Callable[[], HostedBench], *, tied: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sim_backend.virtual.host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the program, not for its instruments
        )
        pipe, said = self._process.stdin, self._process.stdout
        if pipe is None or said is None:
            raise BenchError("the process of the virtual bench has no pipes")
        with suppress(BrokenPipeError):
            pipe.write(pickle.dumps((build, tied)))
        line = said.readline().decode().strip()
        said.close()
        if not line:
            pipe.close()
            raise BenchError(f"the virtual bench did not start: exit code {self._process.wait()}")
        self.path = Path(line)
        """Of its socket."""

    def end(self) -> None:
        """End it, with what is on in it."""
        self._process.terminate()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
