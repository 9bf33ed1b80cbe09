import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import serial
from pymeasure.instruments.keithley import Keithley2400 as PyMeasureKeithley2400

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.lines import Fault
from sim_backend.virtual.servers import PtyServer, TcpServer
from sim_backend.virtual.world import Resistor

SERVERS = [TcpServer, PtyServer]
QUIET = 0.05


class Echo:
    """Answers every question with itself."""

    def __init__(self) -> None:
        self.cleared = 0

    def handle(self, line: str) -> str | None:
        return line if line.endswith("?") else None

    def clear(self) -> None:
        self.cleared += 1


class Client:
    """Bytes to and from a server, without PyVISA."""

    def __init__(self, resource: str) -> None:
        if resource.startswith("TCPIP"):
            _, host, port, _ = resource.split("::")
            self.socket = socket.create_connection((host, int(port)))
            self.file = self.socket.fileno()
        else:
            self.port = serial.Serial(resource.removeprefix("ASRL").removesuffix("::INSTR"))
            self.file = self.port.fileno()

    def send(self, text: str) -> None:
        os.write(self.file, text.encode())

    def receive(self, wait: float = 5.0) -> bytes:
        """Return what came up to the end of a line; b"" after silence or a farewell."""
        came = b""
        while not came.endswith(b"\n") and select.select([self.file], [], [], wait)[0]:
            piece = os.read(self.file, 1)
            if not piece:
                break
            came += piece
        return came

    def close(self) -> None:
        (self.socket if hasattr(self, "socket") else self.port).close()


@contextmanager
def talking(server: TcpServer | PtyServer) -> Iterator[Client]:
    with server:
        client = Client(server.resource)
        try:
            yield client
        finally:
            client.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_lines_are_answered(kind: type[TcpServer]) -> None:
    with talking(kind(Echo())) as client:
        client.send("a?\nb\nc")
        assert client.receive() == b"a?\n"
        client.send("?\r\n")
        assert client.receive() == b"c?\n"


@pytest.mark.parametrize("kind", SERVERS)
def test_pymeasures_own_2400_opens_and_measures(kind: type[TcpServer]) -> None:
    clock = FastClock()
    virtual = Virtual2400(Resistor(1e4, clock), clock)
    with kind(virtual) as server:
        meter = PyMeasureKeithley2400(
            server.resource, visa_library="@py", read_termination="\n", write_termination="\n"
        )
        meter.source_voltage = 0.5
        meter.compliance_current = 1e-3
        meter.enable_source()
        found = meter.measure_all()
        assert (found["voltage"], found["current"]) == pytest.approx((0.5, 5e-5))
        meter.disable_source()
        assert not meter.source_enabled
        meter.adapter.close()


def test_a_socket_listens_on_the_loopback_interface_only() -> None:
    with TcpServer(Echo()) as server:
        assert server._listener.getsockname()[0] == "127.0.0.1"
        assert server.resource.startswith("TCPIP0::127.0.0.1::")


def test_several_clients_of_a_socket_get_their_own_replies() -> None:
    with TcpServer(Echo()) as server:
        clients = [Client(server.resource) for _ in range(3)]
        for number, client in enumerate(clients):
            client.send(f"{number}?\n")
        assert [client.receive() for client in clients] == [b"0?\n", b"1?\n", b"2?\n"]
        for client in clients:
            client.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_state_outlives_a_client(kind: type[TcpServer]) -> None:
    clock = FastClock()
    virtual = Virtual2400(Resistor(1e4, clock), clock)
    with kind(virtual) as server:
        first = Client(server.resource)
        first.send("OUTP ON\n*OPC?\n")
        assert first.receive() == b"1\n"
        first.close()
        second = Client(server.resource)
        second.send("OUTP?\n")
        assert second.receive() == b"1\n"
        second.close()


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize(
    ("fault", "replies"),
    [
        (Fault.DROP, [b"", b"bb?\n"]),
        (Fault.DROP_COMMAND, [b"", b"bb?\n"]),
        (Fault.LATE, [b"", b"aa?\n", b"bb?\n"]),
        (Fault.DOUBLE, [b"aa?\n", b"aa?\n", b"bb?\n"]),
        (Fault.GARBAGE, [b"\xff\xfe?#\n", b"bb?\n"]),
        (Fault.TRUNCATE, [b"aa\n", b"bb?\n"]),
        (Fault.NO_END, [b"aa?", b"bb?\n"]),
        (Fault.HANG, [b"", b""]),
    ],
)
def test_a_fault_befalls_its_message(
    kind: type[TcpServer], fault: Fault, replies: list[bytes]
) -> None:
    with talking(kind(Echo(), faults={1: fault})) as client:
        client.send("first?\n")
        assert client.receive() == b"first?\n"
        client.send("aa?\n")
        early = 2 if fault is Fault.DOUBLE else 1
        found = [client.receive(wait_for(reply)) for reply in replies[:early]]
        client.send("bb?\n")
        found += [client.receive(wait_for(reply)) for reply in replies[early:]]
        assert found == replies


def wait_for(reply: bytes) -> float:
    """Return how long to wait for a reply: long, unless none or no end will come."""
    return 5.0 if reply.endswith(b"\n") else QUIET


def test_a_message_that_is_dropped_is_not_heard() -> None:
    clock = FastClock()
    virtual = Virtual2400(Resistor(1e4, clock), clock)
    with talking(TcpServer(virtual, faults={0: Fault.DROP_COMMAND})) as client:
        client.send("OUTP ON\nOUTP?\n")
        assert client.receive() == b"0\n"


def test_an_unplugged_socket_is_reset_and_can_be_opened_anew() -> None:
    with TcpServer(Echo(), faults={0: Fault.UNPLUG}) as server:
        client = Client(server.resource)
        client.send("a?\n")
        with pytest.raises(ConnectionResetError):
            client.receive()
        client.close()
        again = Client(server.resource)
        again.send("b?\n")
        assert again.receive() == b"b?\n"
        again.close()


def test_an_unplugged_terminal_is_gone() -> None:
    with PtyServer(Echo(), faults={0: Fault.UNPLUG}) as server:
        client = Client(server.resource)
        client.send("a?\n")
        assert client.receive() == b""
        with pytest.raises(OSError, match="Input/output error"):
            client.send("b?\n")
        client.close()


@pytest.mark.parametrize("sign", ["\x03", "\x18"])
def test_a_terminal_takes_two_signs_for_a_device_clear(sign: str) -> None:
    echo = Echo()
    with talking(PtyServer(echo)) as client:
        client.send(f"half a messa{sign}a?\n")
        assert client.receive() == b"a?\n"
        assert echo.cleared == 1


def test_what_never_ends_is_thrown_away() -> None:
    with talking(TcpServer(Echo())) as client:
        client.send("x" * 100_000)
        client.send("\na?\n")
        assert client.receive() == b"a?\n"


@pytest.mark.parametrize("transport", ["tcp", "pty"])
def test_a_server_in_a_process_of_its_own_ends_with_its_input(transport: str) -> None:
    command = [sys.executable, "-m", "sim_backend.virtual.servers", "6487"]
    with subprocess.Popen(
        [*command, "--transport", transport],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            resource = process.stdout.readline().strip()
            client = Client(resource)
            client.send("SOUR:VOLT:STAT ON\n*IDN?\n")
            assert b"6487" in client.receive()
            client.close()
            again = Client(resource)
            again.send("SOUR:VOLT:STAT?\n")
            assert again.receive() == b"1\n"
            again.close()
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=10) == 0
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
