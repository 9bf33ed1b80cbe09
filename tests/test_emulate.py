"""Programs that know nothing of us, run on virtual instruments."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossbar import cli

MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from crossbar.cli import main
sys.argv[0] = "xbar"
main()
"""
# With the command line of the product, in a process as a shell would start it.
XBAR = [sys.executable, "-c", MAIN, "bench", "emulate"]

MEASURE = """
import os, sys, time
import pyvisa, serial
from pydwf import DwfAnalogOutFunction, DwfAnalogOutNode, DwfLibrary, DwfState

print(sys.argv[1:], __name__, os.path.basename(__file__), sys.path[0] == os.path.dirname(__file__))

began = time.monotonic()
with DwfLibrary().deviceControl.open(-1) as device:
    out, scope = device.analogOut, device.analogIn
    out.nodeFunctionSet(0, DwfAnalogOutNode.Carrier, DwfAnalogOutFunction.DC)
    out.nodeOffsetSet(0, DwfAnalogOutNode.Carrier, 1.25)
    out.nodeEnableSet(0, DwfAnalogOutNode.Carrier, True)
    out.configure(0, True)
    time.sleep(3600)
    scope.frequencySet(1e6)
    scope.bufferSizeSet(1000)
    scope.configure(True, True)
    while scope.status(True) != DwfState.Done:
        time.sleep(1)
    print(round(float(scope.statusData(0, 1000).mean()), 2), "V")
print("an hour took less than ten minutes:", time.monotonic() - began < 600)

manager = pyvisa.ResourceManager()
print(sorted(manager.list_resources()))
meter = manager.open_resource("GPIB0::24::INSTR")
meter.write(":SOUR:VOLT 1; :SENS:CURR:PROT 1e-3; :FORM:ELEM CURR; :OUTP ON")
print(round(float(meter.query(":READ?")) * 1e6), "uA")
meter.write(":OUTP OFF")

with serial.Serial(os.environ["CROSSBAR_SWITCH_BOARD"], 115200, timeout=60) as board:
    board.write(b"0001 IDENT F50E\\n")
    print(board.readline().decode().strip())
for library in ("@py", "@ivi", "/usr/lib/libvisa.so"):
    other = pyvisa.ResourceManager(library).open_resource("GPIB0::22::INSTR")
    print(other.query("*IDN?").split(",")[1])
"""

FAILS = """
import atexit
from pydwf import DwfLibrary

def safe():
    print("at the end:", DwfLibrary().deviceEnum.enumerateDevices())

atexit.register(safe)

def measure():
    raise ValueError("a resistor is missing")

measure()
"""

WAITS = """
import sys
try:
    print("ready", flush=True)
    while True:
        sys.stdin.read(1)
finally:
    print("made safe", flush=True)
"""


def run(folder: Path, program: str, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "program.py").write_text(program, encoding="utf-8")
    command = [*XBAR, *options] if options[-1:] != ("python",) else [sys.executable]
    return subprocess.run(
        [*command, folder / "program.py", "--gain", "3"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def own(text: str) -> str:
    """Return what a program wrote, without what we wrote before it."""
    return "".join(line for line in text.splitlines(True) if not line.startswith("xbar: "))


def test_a_program_finds_every_instrument_where_a_real_one_would_be(tmp_path: Path) -> None:
    done = run(tmp_path, MEASURE)
    assert own(done.stderr) == ""
    assert done.stdout.splitlines() == [
        "['--gain', '3'] __main__ program.py True",
        "1.25 V",
        "an hour took less than ten minutes: True",
        "['GPIB0::22::INSTR', 'GPIB0::24::INSTR']",
        "100 uA",
        "0001 IDENT crossbar-switch 2 32 5 5 1000 F404",
        *["MODEL 6487"] * 3,
    ]
    assert done.returncode == 0
    told = done.stderr.splitlines()
    assert told[0] == "xbar: virtual Analog Discovery 2 at libdwf"
    assert any("switch board: /dev/" in line for line in told)
    assert any("TCPIP0::127.0.0.1::" in line for line in told)


def test_an_error_looks_as_it_does_without_us_and_what_is_registered_for_the_end_runs(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, FAILS, "--wiring", "switched", "--keithley", "6487", "--seed", "7")
    alone = run(tmp_path, FAILS.replace("print(", "0 and print("), "python")
    assert own(done.stderr) == alone.stderr.partition("Exception ignored in atexit")[0]
    assert done.stdout == "at the end: 1\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("program", "code", "says"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("x = = 1", 1, "SyntaxError: invalid syntax\n"),
    ],
)
def test_a_program_ends_with_its_own_exit_code(
    tmp_path: Path, program: str, code: int, says: str
) -> None:
    done = run(tmp_path, program)
    assert done.returncode == code
    assert own(done.stderr).endswith(says)


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_does_to_a_program_what_it_does_without_us(
    tmp_path: Path, sign: signal.Signals, code: int
) -> None:
    (tmp_path / "program.py").write_text(WAITS, encoding="utf-8")
    child = subprocess.Popen(
        [*XBAR, tmp_path / "program.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(sign)
    out, wrong = child.communicate(timeout=60)
    assert child.returncode == code
    assert out == ("made safe\n" if sign == signal.SIGINT else "")
    assert own(wrong).endswith("KeyboardInterrupt\n" if sign == signal.SIGINT else "")
    assert "the bench is at 0 V" not in wrong


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["missing.py"], "cannot run missing.py: No such file"),
        (["--wiring", "round", os.devnull], "no wiring is called 'round'; there are loopback"),
        (["--keithley", "2450", os.devnull], "no source meter is called '2450'"),
    ],
)
def test_what_cannot_be_emulated_is_refused(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["bench", "emulate", *options]) == cli.REFUSED
    assert says in capsys.readouterr().err
