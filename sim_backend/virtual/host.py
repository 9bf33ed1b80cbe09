"""A process for virtual instruments alone, so that they outlive a program as real ones do.

What a program that died left on stays on, until somebody opens the instruments again. Programs talk
to the process over a Unix socket that only its user can open; `sim_backend.virtual.remote` is the
other end. Messages are a length and as many bytes: ``C`` and a call of libdwf, or ``J`` and a
request in JSON.
"""

import ctypes
import json
import os
import pickle
import selectors
import signal
import socket
import struct
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

from sim_backend.virtual import marshalling
from sim_backend.virtual.libdwf.failure import UNKNOWN, Failure
from sim_backend.virtual.libdwf.signatures import Prototype, prototypes
from sim_backend.virtual.signals import Stimulus
from sim_backend.virtual.world import World

LENGTH = struct.Struct("<I")
LARGEST = 2 * marshalling.LARGEST
"""Bytes of one message."""
SEND_TIMEOUT = 10.0
"""Longest wait for a program that does not fetch its reply, s; it is disconnected then."""
ON_CLOSE, RUN_ON = 4, 0  # DwfParamOnClose, dwf.h
PARAMETERS = range(1, 11)  # DwfParam, dwf.h
OPENING = ("FDwfDeviceOpen", "FDwfDeviceOpenEx", "FDwfDeviceConfigOpen")


class HostedDiscovery(Protocol):
    """A virtual Analog Discovery 2 as a host process needs it."""

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        """Do what a C function does; raise `Failure` if it fails."""
        ...

    def stimulus(self, start: float, end: float) -> Stimulus:
        """Return what its pins do from `start` to `end`."""
        ...


class HostedBench(Protocol):
    """What a host process owns."""

    @property
    def world(self) -> World:
        """The bench and its clock."""
        ...

    @property
    def discovery(self) -> HostedDiscovery:
        """The Analog Discovery 2."""
        ...

    def serve(self, lock: AbstractContextManager[bool]) -> ExitStack:
        """Serve the other instruments until the stack is closed; whoever uses one holds `lock`."""
        ...

    @property
    def ports(self) -> Mapping[str, str]:
        """Where the other instruments are served, by name."""
        ...

    def dacs(self) -> Mapping[str, int]:
        """Return how far the outputs of each converter on the board are from 0 V at most, codes."""
        ...

    def seen(self) -> Mapping[str, object]:
        """Return what a witness has seen, as plain values; nothing without one."""
        ...

    def plan(self, trouble: Mapping[int, str]) -> None:
        """Let trouble happen, by name, at calls of libdwf counted from the next one."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return what the instruments and what they are wired to are made of."""
        ...


class _Program:
    """A connected program: its bytes so far, and the handles that it got."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = bytearray()
        self.handles: set[int] = set()

    def messages(self) -> list[bytes]:
        """Return the messages that are complete, and forget them."""
        found: list[bytes] = []
        while len(self.received) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self.received)
            if length > LARGEST:
                raise ConnectionError(f"a message of {length} bytes")
            end = LENGTH.size + length
            if len(self.received) < end:
                break
            found.append(bytes(self.received[LENGTH.size : end]))
            del self.received[:end]
        return found

    def send(self, message: bytes) -> None:
        """Send a message; the program has to fetch it in time."""
        self.connection.sendall(LENGTH.pack(len(message)) + message)


class Host:
    """Answers programs at a Unix socket, one message at a time.

    Parameters
    ----------
    bench
        What they share.
    path
        Of the socket; its folder is to be the user's alone.
    """

    def __init__(self, bench: HostedBench, path: Path) -> None:
        self._bench = bench
        self._defaults = self._parameters()
        self._lock = threading.RLock()
        self._selector = selectors.DefaultSelector()
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._listening.bind(os.fspath(path))
        except OSError:
            self._listening.close()
            raise
        finally:
            os.umask(before)
        self._listening.listen()
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        self._ended = False
        self._session = uuid.uuid4().hex

    def watch(self, descriptor: int) -> None:
        """End when this pipe is closed at its other end."""

        def look() -> None:
            if not os.read(descriptor, 1):
                self._ended = True

        self._selector.register(descriptor, selectors.EVENT_READ, look)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Answer until told to end; `ready` is called once when the other ports are known."""
        with self._bench.serve(self._lock):
            ready()
            while not self._ended:
                for key, _ in self._selector.select():
                    key.data()

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        connection.settimeout(SEND_TIMEOUT)
        program = _Program(connection)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._receive(program))

    def _receive(self, program: _Program) -> None:
        try:
            data = program.connection.recv(1 << 16)
            if not data:
                raise ConnectionError("the program has ended")
            program.received += data
            for message in program.messages():
                with self._lock:
                    reply = self._answer(program, message)
                program.send(reply)
        except OSError:
            self._leave(program)

    def _leave(self, program: _Program) -> None:
        """Release what a program that ended had opened; its outputs stay as they are.

        The library's parameters die with the process that set them, so they are the defaults again.
        """
        self._selector.unregister(program.connection)
        program.connection.close()
        with self._lock:
            for handle in program.handles:
                self._carry_out("FDwfDeviceParamSet", handle, ON_CLOSE, RUN_ON)
                self._carry_out("FDwfDeviceClose", handle)
            for parameter, value in self._defaults.items():
                self._carry_out("FDwfParamSet", parameter, value)

    def _carry_out(self, name: str, *arguments: Any) -> None:
        self._bench.discovery.call(prototype(name), arguments)

    def _parameters(self) -> dict[int, int]:
        """Return the library's parameters, of those that there are."""
        found: dict[int, int] = {}
        value = ctypes.pointer(ctypes.c_int())
        for parameter in PARAMETERS:
            with suppress(Failure):
                self._carry_out("FDwfParamGet", parameter, value)
                found[parameter] = value.contents.value
        return found

    def _answer(self, program: _Program, message: bytes) -> bytes:
        if message[:1] == b"C":
            return self._call(program, message[1:])
        try:
            return json.dumps(self._do(json.loads(message[1:]))).encode()
        except (ValueError, KeyError, TypeError) as problem:
            return json.dumps({"error": str(problem)}).encode()

    def _call(self, program: _Program, request: bytes) -> bytes:
        """Return the reply to a call of libdwf."""
        try:
            number = marshalling.function_number(request)
            call = marshalling.layouts()[number].arguments(request)
            self._bench.discovery.call(prototypes()[number], call.arguments)
        except Failure as failure:
            return marshalling.failed(failure)
        except Exception as problem:
            traceback.print_exc()
            return marshalling.failed(Failure(UNKNOWN, f"{type(problem).__name__}: {problem}"))
        name = call.layout.name
        if name in OPENING:
            program.handles.add(call.arguments[-1][0])
        elif name == "FDwfDeviceClose":
            program.handles.discard(call.arguments[0])
        elif name == "FDwfDeviceCloseAll":
            program.handles.clear()
        return call.done()

    def _do(self, request: dict[str, Any]) -> object:
        """Return what a request in JSON asks for."""
        clock = self._bench.world.clock
        match request["do"]:
            case "now":
                return clock.now
            case "call":
                clock.call()
            case "sleep":
                clock.sleep(float(request["for"]))
            case "skip":
                clock.skip_to(float(request["to"]))
            case "state":
                return self._state()
            case "describe":
                return self._bench.describe()
            case "seen":
                self._bench.world.advance()
                return dict(self._bench.seen())
            case "trouble":
                self._bench.plan({int(at): str(what) for at, what in request["plan"].items()})
            case other:
                raise ValueError(f"nothing is called {other!r}")
        return clock.now

    def _state(self) -> dict[str, object]:
        """Return what the outputs do now, as somebody with a meter would see it."""
        world = self._bench.world
        world.advance()
        now = world.clock.now
        stimulus = self._bench.discovery.stimulus(now, now)
        return {
            "now": now,
            "session": self._session,
            "waveforms": [float(wave.value[-1]) for wave in stimulus.waveforms],
            "pins": int(stimulus.pins.value[-1]),
            "supplies": list(stimulus.supplies),
            "dacs": dict(self._bench.dacs()),
            "ports": dict(self._bench.ports),
        }


def prototype(name: str) -> Prototype:
    """Return the prototype of the function of this name."""
    return prototypes()[marshalling.layout_of(name).number]


def main() -> None:
    """Be a host: read from standard input what to be, say when ready, and answer until the end."""
    build: Callable[[], HostedBench]
    # Nobody but the program that started this process can write to its standard input.
    build, tied = pickle.load(sys.stdin.buffer)  # noqa: S301
    with tempfile.TemporaryDirectory(prefix="crossbar-") as folder:
        path = Path(folder) / "bench"
        host = Host(build(), path)
        # The folder is to go when the host is told to end.
        signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit())
        if tied:
            host.watch(sys.stdin.fileno())
        print(path, flush=True)  # noqa: T201
        # Whoever waits for the starter's output must not wait for a host that lives on.
        quiet = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout,) if tied else (sys.stdout, sys.stderr):
            os.dup2(quiet, stream.fileno())
        host.run()


if __name__ == "__main__":
    main()
