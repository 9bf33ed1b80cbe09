"""Instruments behind a TCP socket or a pseudo-terminal, in this process or in one of their own.

Servers listen on the loopback interface only. They keep their instrument's state when a client
dies, as real instruments do. ``python -m sim_backend.virtual.servers --help`` runs one alone.
"""

import argparse
import os
import selectors
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from threading import Lock, Thread
from types import TracebackType
from typing import Self

if sys.platform != "win32":
    import tty

from sim_backend.virtual.clock import Clock, WallClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.lines import Fault as Fault
from sim_backend.virtual.lines import Instrument, LineFaults
from sim_backend.virtual.lines import Line as Line
from sim_backend.virtual.world import Resistor

LOOPBACK = "127.0.0.1"


class _Loop:
    """A thread that calls back when a file can be read, until it is told to stop."""

    def __init__(self, serve: Callable[[int], None]) -> None:
        self.selector = selectors.DefaultSelector()
        self._serve = serve
        self._wake, self._waker = os.pipe()
        self.selector.register(self._wake, selectors.EVENT_READ)
        self._thread = Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        os.write(self._waker, b".")
        self._thread.join()
        self.selector.close()
        os.close(self._wake)
        os.close(self._waker)

    def _run(self) -> None:
        while True:
            ready = [key.fd for key, _ in self.selector.select()]
            for file in ready:
                if file != self._wake:
                    self._serve(file)
            # What has arrived before the end is still done.
            if self._wake in ready:
                return


class TcpServer:
    """An instrument behind a TCP socket of the loopback interface, inside ``with``.

    Parameters
    ----------
    instrument
        Answers lines with lines.
    faults
        What goes wrong, by number of the message over the life of the server.
    port
        0 takes a free one.
    lock
        Held while the instrument works; the same for all that share one world.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        faults: LineFaults | None = None,
        port: int = 0,
        lock: AbstractContextManager[bool] | None = None,
    ) -> None:
        self._line = Line(instrument, faults or {}, terminal=False)
        self._port = port
        self._lock = Lock() if lock is None else lock
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}

    def __enter__(self) -> Self:
        self._listener = socket.create_server((LOOPBACK, self._port))
        self._port = self._listener.getsockname()[1]
        self._loop = _Loop(self._serve)
        self._loop.selector.register(self._listener, selectors.EVENT_READ)
        self._loop.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.stop()
        for client, _ in self._clients.values():
            client.close()
        self._listener.close()

    @property
    def resource(self) -> str:
        """Name of the VISA resource."""
        return f"TCPIP0::{LOOPBACK}::{self._port}::SOCKET"

    @property
    def messages(self) -> list[str]:
        """Every line that came, in order."""
        return self._line.messages

    def _serve(self, file: int) -> None:
        if file == self._listener.fileno():
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients[client.fileno()] = (client, bytearray())
            self._loop.selector.register(client, selectors.EVENT_READ)
            return
        client, buffer = self._clients[file]
        try:
            came = client.recv(4096)
            buffer += came
            with self._lock:
                sent = self._line.take(buffer)
            client.sendall(sent)
        except OSError:
            came = b""
        if self._line.unplugged:
            # A reset, not a farewell; the next connection is a new one.
            reset = struct.pack("ii", 1, 0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            self._line.unplugged, came = False, b""
        if not came:
            self._loop.selector.unregister(client)
            client.close()
            del self._clients[file]


class PtyServer:
    """An instrument behind a pseudo-terminal, inside ``with``; not on Windows.

    Parameters
    ----------
    instrument
        Answers lines with lines.
    faults
        What goes wrong, by number of the message over the life of the server.
    lock
        Held while the instrument works; the same for all that share one world.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        faults: LineFaults | None = None,
        lock: AbstractContextManager[bool] | None = None,
    ) -> None:
        self._line = Line(instrument, faults or {}, terminal=True)
        self._lock = Lock() if lock is None else lock
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        # Kept open on both sides: without a client, reading the one side would fail.
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._files = [ours, theirs]
        self._device = os.ttyname(theirs)
        self._loop = _Loop(self._serve)
        self._loop.selector.register(ours, selectors.EVENT_READ)
        self._loop.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.stop()
        self._close()

    @property
    def device(self) -> str:
        """Path of the terminal, for pySerial."""
        return self._device

    @property
    def resource(self) -> str:
        """Name of the VISA resource."""
        return f"ASRL{self._device}::INSTR"

    @property
    def messages(self) -> list[str]:
        """Every line that came, in order."""
        return self._line.messages

    def _serve(self, file: int) -> None:
        self._buffer += os.read(file, 4096)
        with self._lock:
            sent = self._line.take(self._buffer)
        if sent:
            os.write(file, sent)
        if self._line.unplugged:
            self._loop.selector.unregister(file)
            self._close()

    def _close(self) -> None:
        while self._files:
            os.close(self._files.pop())


MODELS: Mapping[str, Callable[[Resistor, Clock], Instrument]] = {
    "6487": Virtual6487,
    "2400": Virtual2400,
}
SERVERS: Mapping[str, Callable[[Instrument], TcpServer | PtyServer]] = {
    "tcp": TcpServer,
    "pty": PtyServer,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve one source meter with a resistor on it, until standard input ends.

    The name of its resource is the one line that is written to standard output.
    """
    parser = argparse.ArgumentParser(prog="sim_backend.virtual.servers", description=main.__doc__)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--transport", choices=SERVERS, default="tcp")
    parser.add_argument("--resistance", type=float, default=1e4, help="ohm")
    chosen = parser.parse_args(arguments)
    clock = WallClock()
    instrument = MODELS[chosen.model](Resistor(chosen.resistance, clock), clock)
    with SERVERS[chosen.transport](instrument) as server:
        sys.stdout.write(f"{server.resource}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    main()
