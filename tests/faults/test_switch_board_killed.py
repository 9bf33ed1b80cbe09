"""A program that dies with relays closed: its board opens them, by the wall's second.

The board is in a process of its own, which keeps its state when the program dies.
"""

import signal
import socket
import subprocess
import sys
import time
from functools import partial

import pytest

from instruments.switch_board import SwitchBoard
from sim_backend.virtual.plugged import Plugged
from sim_backend.virtual.remote import HostProcess, RemoteBench

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets here"
)

WORKS = """
import sys, time
from instruments.switch_board import SwitchBoard
board = SwitchBoard(sys.argv[1], beat=float(sys.argv[2]))
board.open()
board.select({3, 19})
time.sleep(1.5)
print("held" if board.closed() == {3, 19} else "dropped", flush=True)
sys.stdin.read()
"""
SECOND = 1.1


@pytest.mark.parametrize(
    ("beat", "said"), [("0.25", b"held\n"), ("0", b"dropped\n")], ids=["beats", "no beats"]
)
def test_beats_hold_relays_while_a_program_works_and_its_death_lets_them_go(
    beat: str, said: bytes
) -> None:
    host = HostProcess(partial(Plugged, "loopback", wall=True), tied=True)
    try:
        with RemoteBench(host.path) as bench:
            port = bench.state()["ports"]["switch board"]
        program = subprocess.Popen(
            [sys.executable, "-c", WORKS, port, beat],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            assert program.stdout.readline() == said
        finally:
            program.send_signal(signal.SIGKILL)
            program.wait(60)
            program.stdin.close()
            program.stdout.close()
        time.sleep(SECOND)
        with SwitchBoard(port) as after:
            assert after.found_closed == frozenset()
            assert after.drops == 1
    finally:
        host.end()
