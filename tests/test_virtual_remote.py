import os
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pydwf import (
    DwfAcquisitionMode,
    DwfAnalogOutFunction,
    DwfAnalogOutNode,
    DwfErrorCode,
    DwfLibrary,
    DwfState,
    DwfTriggerSource,
    PyDwfError,
)

from crossbar.backend import Array, BenchError
from instruments.analog_discovery import AnalogDiscovery
from instruments.switch_board import SwitchBoard
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.plugged import Plugged
from sim_backend.virtual.remote import HostProcess, RemoteBench

LEAVES_ON = """
import sys
from pathlib import Path
from pydwf import DwfLibrary, DwfAnalogOutFunction, DwfAnalogOutNode
from sim_backend.virtual.remote import RemoteBench
with RemoteBench(Path(sys.argv[1])):
    with DwfLibrary().deviceControl.open(-1) as device:
        out = device.analogOut
        out.nodeFunctionSet(0, DwfAnalogOutNode.Carrier, DwfAnalogOutFunction.Square)
        out.nodeFrequencySet(0, DwfAnalogOutNode.Carrier, 1e-3)
        out.nodeAmplitudeSet(0, DwfAnalogOutNode.Carrier, 1.25)
        out.nodeEnableSet(0, DwfAnalogOutNode.Carrier, True)
        out.configure(0, True)
        device.digitalIO.outputEnableSet(0b11)
        device.digitalIO.outputSet(0b10)
        print("on", flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Path]:
    process = HostProcess(partial(Plugged, "loopback", seed=1), tied=True)
    yield process.path
    process.end()


def gone(process: int) -> None:
    """Return once a process that is not ours has ended."""
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], 60)
    os.close(descriptor)
    assert ended


def pulse_and_read() -> tuple[Array, list[int], str]:
    """Give a pulse on W1 and record it, with the calls that a program would make."""
    library = DwfLibrary()
    with library.deviceControl.open(-1) as device:
        out, scope, carrier = device.analogOut, device.analogIn, DwfAnalogOutNode.Carrier
        out.nodeEnableSet(0, carrier, True)
        out.nodeFunctionSet(0, carrier, DwfAnalogOutFunction.Custom)
        out.nodeDataSet(0, carrier, np.repeat([0.0, 1.0, 0.5, 0.0], 16))
        out.nodeAmplitudeSet(0, carrier, 1.5)
        out.nodeFrequencySet(0, carrier, 1e4)
        out.runSet(0, 1e-4)
        out.repeatSet(0, 1)
        scope.frequencySet(1e6)
        scope.bufferSizeSet(128)
        scope.channelRangeSet(0, 5.0)
        scope.acquisitionModeSet(DwfAcquisitionMode.Single)
        scope.triggerSourceSet(DwfTriggerSource.AnalogOut1)
        scope.triggerPositionSet(64e-6)
        scope.configure(False, True)
        while scope.status(False) != DwfState.Armed:
            pass
        out.configure(0, True)
        while scope.status(True) != DwfState.Done:
            pass
        steps = list(scope.channelRangeSteps())
        name = device.analogIO.channelName(0)
        return scope.statusData(0, 128), [len(steps)], str(name)


def test_a_pulse_and_a_read_give_the_same_numbers_in_the_process_and_beside_it(
    host: Path,
) -> None:
    here = Plugged("loopback", seed=1)
    with mounted(here.discovery):
        near = pulse_and_read()
    with RemoteBench(host):
        far = pulse_and_read()
    assert np.ptp(near[0]) > 1.4
    np.testing.assert_array_equal(near[0], far[0])
    assert near[1:] == far[1:]


def test_errors_come_across_with_code_and_message(host: Path) -> None:
    with RemoteBench(host), DwfLibrary().deviceControl.open(-1) as device:
        with pytest.raises(PyDwfError, match="already opened") as found:
            DwfLibrary().deviceControl.open(-1)
        assert found.value.code == DwfErrorCode.AlreadyOpened
        with pytest.raises(PyDwfError, match="is not emulated"):
            device.analogImpedance.reset()


def test_a_killed_program_leaves_its_outputs_on_and_the_next_driver_turns_them_off(
    host: Path, caplog: pytest.LogCaptureFixture
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", LEAVES_ON, host], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == b"on\n"
    with RemoteBench(host) as bench:
        with pytest.raises(PyDwfError, match="already opened"):
            DwfLibrary().deviceControl.open(-1)
        child.kill()
        assert child.wait() == -signal.SIGKILL
        child.stdin.close()
        child.stdout.close()
        assert bench.state()["waveforms"][0] == 1.25
        assert bench.state()["pins"] == 0b10
        with AnalogDiscovery(timer=bench):
            assert bench.state()["waveforms"] == [0.0, 0.0]
            assert bench.state()["pins"] == 0
    assert "found on, and turned off" in caplog.text


def test_a_program_that_closes_the_device_leaves_it_off(host: Path) -> None:
    told = subprocess.run([sys.executable, "-c", LEAVES_ON, host], stdin=subprocess.DEVNULL)
    assert told.returncode == 0
    with RemoteBench(host) as bench:
        assert bench.state()["waveforms"][0] == 0.0


def test_the_clock_of_a_remote_bench_is_a_timer_for_drivers(host: Path) -> None:
    with RemoteBench(host) as bench:
        before = bench.now
        bench.sleep(3600.0)
        assert bench.now == before + 3600.0


def test_the_other_instruments_keep_their_state_beside_it(host: Path) -> None:
    with RemoteBench(host) as bench:
        port = bench.state()["ports"]["switch board"]
    first = SwitchBoard(port)
    first.open()
    first.select({3})
    first._port.close()  # as a program that dies
    with SwitchBoard(port) as second:
        assert second.found_closed == {3}


def test_an_interrupt_while_a_reply_is_due_leaves_the_next_exchange_right(host: Path) -> None:
    armed = False

    def interrupt(*_: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    interrupts = 0
    try:
        with RemoteBench(host) as bench:
            signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
            for _ in range(500):
                try:
                    armed = True
                    assert bench.state()["waveforms"] == [0.0, 0.0]
                    assert isinstance(bench.now, float)
                    armed = False
                except KeyboardInterrupt:
                    interrupts += 1
            assert bench.state()["waveforms"] == [0.0, 0.0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert interrupts > 5


def test_only_its_user_can_reach_the_socket(host: Path) -> None:
    assert stat.S_IMODE(host.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"C",
        b"C\xff\xff",
        b"C\x05\x00",
        b"J",
        b"J{}",
        b"J[]",
        b'J{"do": "dance"}',
        b'J{"do": "sleep", "for": "ever"}',
        b"X",
    ],
)
def test_a_message_that_is_none_gets_an_error_and_nothing_else_changes(
    host: Path, message: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(os.fspath(host))
        stranger.sendall(len(message).to_bytes(4, "little") + message)
        assert int.from_bytes(stranger.recv(4), "little") > 4
    with RemoteBench(host) as bench:
        assert bench.now > 0


def test_a_message_beyond_all_reason_ends_the_connection(host: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(os.fspath(host))
        stranger.sendall(b"\xff\xff\xff\xff")
        assert stranger.recv(4) == b""


def test_a_tied_host_ends_with_its_starter_and_another_one_does_not() -> None:
    start = (
        "from functools import partial\n"
        "from sim_backend.virtual.plugged import Plugged\n"
        "from sim_backend.virtual.remote import HostProcess\n"
        "import os, sys\n"
        "host = HostProcess(Plugged, tied=sys.argv[1] == 'tied')\n"
        "print(host._process.pid, host.path, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    for tied in ("tied", "free"):
        said = subprocess.run(
            [sys.executable, "-c", start, tied], stdout=subprocess.PIPE, text=True
        ).stdout
        pid, path = said.split()
        if tied == "tied":
            # The pipe of a process that has ended is what tells: wait for what it does.
            gone(int(pid))
            assert not Path(path).exists()
        else:
            with RemoteBench(Path(path)) as bench:
                assert bench.now >= 0
            os.kill(int(pid), signal.SIGTERM)
            gone(int(pid))


def test_no_host_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no virtual bench at"), RemoteBench(tmp_path / "none"):
        pass


def test_a_host_that_cannot_be_built_is_an_error() -> None:
    with pytest.raises(BenchError, match="did not start"):
        HostProcess(partial(Plugged, "no such wiring"), tied=True)
