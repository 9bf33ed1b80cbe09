"""A virtual bench in a process of its own, as its users see it."""

import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError, Cells
from crossbar.bench import load, open_bench
from crossbar.bench_instruments import served
from crossbar.cli import run
from rehearsals import SERIAL, SERIAL_PLUGGED, keithley, rehearsal, scanned
from sim_backend.virtual.remote import RemoteBench

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets here"
)

CODE = 3.05e-9
"""One code of the scope at the high gain, A."""
MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from crossbar.cli import main
main()
"""
DIES = """
import os, signal, sys
import numpy as np
from crossbar.bench_instruments import opened_instruments
from crossbar.bench import load
with opened_instruments(load(sys.argv[1]), None) as (backend, _, made):
    backend._discovery.level(0, 1.25)
    os.kill(made["guardian"], signal.SIGKILL)  # it would turn the output off
    os.kill(os.getpid(), signal.SIGKILL)
"""


def written(folder: Path, wiring: str = "parallel", host: str = "bench.sock") -> Path:
    """Return the bench file of a virtual bench in a process of its own."""
    text = load(f"virtual-{wiring}").text
    path = folder / "own.toml"
    text = text.replace('kind = "virtual"', f'kind = "virtual"\nhost = "{host}"', 1)
    path.write_text(text, encoding="utf-8")
    return path


@contextmanager
def serving(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Serve a bench in another process, and end that as a service manager would."""
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "bench", "serve", "--bench", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("serving at ")
        yield process
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(60)


def test_what_a_killed_program_left_on_is_found_and_turned_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = written(tmp_path, "switched")
    with serving(bench):
        died = subprocess.run([sys.executable, "-c", DIES, str(bench)], check=False)
        assert died.returncode == -signal.SIGKILL
        with caplog.at_level(logging.WARNING), open_bench(str(bench)):
            pass
        assert "found on, and turned off: W1" in caplog.text
        caplog.clear()
        with caplog.at_level(logging.WARNING), open_bench(str(bench)):
            pass
        assert "found on" not in caplog.text


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("wiring", ["parallel", "switched"])
def test_a_program_that_is_told_to_end_leaves_every_output_off(
    wiring: str, told: signal.Signals, tmp_path: Path
) -> None:
    bench = written(tmp_path, wiring)
    options = ["--store", str(tmp_path / "runs.sqlite"), "--figure", str(tmp_path / "moons.png")]
    with serving(bench), RemoteBench(tmp_path / "bench.sock") as seen:
        program = subprocess.Popen(
            [sys.executable, "-c", MAIN, "moons", "--bench", str(bench), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while seen.state()["supplies"] == [0.0, 0.0] and program.poll() is None:
            pass
        began = seen.now
        while seen.now < began + 3.0 and program.poll() is None:  # in the middle of its work
            pass
        program.send_signal(told)
        assert program.wait(60) == 130
        state = seen.state()
    assert (state["waveforms"], state["pins"], state["supplies"]) == ([0.0, 0.0], 0, [0.0, 0.0])


def test_the_array_is_the_same_one_each_time_and_the_one_that_would_be_in_this_process(
    tmp_path: Path,
) -> None:
    bench = written(tmp_path)
    cell = Cells.of([(2, 3)])
    with open_bench("virtual-parallel") as here:
        expected = here.backend.read(Cells.all((10, 10)), 0.3).current
    with serving(bench):
        with open_bench(str(bench)) as first:
            assert first.describe()["kind"] == "virtual"
            found = first.backend.read(Cells.all((10, 10)), 0.3).current
            for _ in range(30):
                first.backend.pulse(cell, np.array([3.5]), np.array([1e-3]), 0.3)
            programmed = first.backend.read(cell, 0.3).current[0]
        with open_bench(str(bench)) as second:
            later = second.backend.read(cell, 0.3).current[0]
    # Not to the last bit: asking for the ports lets time pass in another number of steps.
    np.testing.assert_allclose(found, expected, rtol=0, atol=CODE)
    assert programmed > 3 * found[23]
    assert later == pytest.approx(programmed, rel=0.5)


def test_a_bench_that_is_made_of_something_else_is_refused(tmp_path: Path) -> None:
    bench = written(tmp_path)
    with serving(bench):
        with (
            pytest.raises(BenchError, match="has seed 0, not 7"),
            open_bench(str(bench), seed=7),
        ):
            pass
        bench.write_text(bench.read_text().replace("line_resistance = 2.0", "line_resistance = 3"))
        with (
            pytest.raises(BenchError, match=r"has line_resistance 2\.0, not 3"),
            open_bench(str(bench)),
        ):
            pass


def test_it_ends_when_it_is_told_to_and_takes_its_socket_along(tmp_path: Path) -> None:
    bench = written(tmp_path)
    with serving(bench) as process:
        assert (tmp_path / "bench.sock").is_socket()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert not (tmp_path / "bench.sock").exists()
    with pytest.raises(BenchError, match="no virtual bench at"), open_bench(str(bench)):
        pass


def test_a_socket_that_a_killed_server_left_is_taken_over(tmp_path: Path) -> None:
    bench = written(tmp_path)
    with serving(bench) as process:
        process.kill()
        process.wait(60)
        assert (tmp_path / "bench.sock").is_socket()
    with serving(bench), open_bench(str(bench)) as opened:
        assert opened.backend.shape == (10, 10)


def test_one_socket_has_one_server(tmp_path: Path) -> None:
    bench = written(tmp_path)
    with serving(bench), pytest.raises(BenchError, match=r"is served at .* already"):
        served(load(str(bench)), None, lambda *_: None)
    (tmp_path / "bench.sock").write_text("my notes")
    with pytest.raises(BenchError, match="exists and is no socket"):
        served(load(str(bench)), None, lambda *_: None)
    assert (tmp_path / "bench.sock").read_text() == "my notes"


def test_a_name_that_cannot_be_a_socket_is_refused(tmp_path: Path) -> None:
    for host in ("no/such/folder.sock", "x" * 200):
        with pytest.raises(BenchError, match="no socket can be made at"):
            served(load(str(written(tmp_path, host=host))), None, lambda *_: None)


@pytest.mark.parametrize(
    ("bench", "message"),
    [
        ("sim", "is of kind 'sim'; only the instruments of a virtual one"),
        ("lab-parallel", "is of kind 'hardware'; only the instruments of a virtual one"),
        ("virtual", 'a line like host = "bench.sock" is missing'),
    ],
)
def test_what_cannot_be_served_is_refused(
    bench: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "serve", "--bench", bench]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [(*SERIAL, *SERIAL_PLUGGED), keithley("2400", reads=True), keithley("6487", reads=True)],
    ids=["switch board", "2400", "6487"],
)
def test_the_other_instruments_are_reached_there_too(
    changes: tuple[tuple[str, str, str], ...], tmp_path: Path
) -> None:
    here = scanned(rehearsal(tmp_path, *changes))
    host = ("virtual", 'kind = "virtual"', 'kind = "virtual"\nhost = "bench.sock"')
    bench = rehearsal(tmp_path, *changes, host)
    with serving(Path(bench)):
        there = scanned(bench)
    np.testing.assert_allclose(there, here, rtol=0.02, atol=2e-8)
