"""A bench whose owner dies, however it dies, goes off.

Against virtual instruments in a process of their own, which keep what they were told when a
program dies, as real ones do.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError, Cells
from crossbar.bench import load, open_bench
from crossbar.cli import run
from crossbar.exposure import opened as exposure_of
from crossbar.guard import Guarded
from crossbar.one_owner import FOLDER, held, holder
from sim_backend.virtual.remote import RemoteBench
from test_bench_serve import serving, written

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets here"
)

RUNS = int(os.environ.get("CROSSBAR_KILLS", "1"))
"""Kills of each kind; `make torture` asks for more."""

OFF = 10.0
"""Longest that anything may stay on here, s: a busy machine is no failure of the guardian's. How
quick it is on a quiet one is what `benchmarks/faults.py` measures."""

STAYS = 1.5
"""How long a bench without a guardian is watched, s."""

AT_WORK = """
import sys
import numpy as np
from crossbar.backend import Cells
from crossbar.bench import open_bench
with open_bench(sys.argv[1]) as bench:
    print(bench.describe()["guardian"], flush=True)
    while True:
        bench.backend.pulse(Cells.of([(1, 2)]), np.array([1.0]), np.array([1e-4]), 0.1)
"""


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "locks"))
    return tmp_path / "locks"


@dataclass
class Owner:
    process: "subprocess.Popen[str]"
    guardian: int


@contextmanager
def owner(bench: Path) -> Iterator[Owner]:
    """Start a program that pulses a cell until it ends, and wait until it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", AT_WORK, str(bench)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Owner(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def on(seen: RemoteBench) -> bool:
    state = seen.state()
    outputs = (
        state["waveforms"],
        state["pins"],
        state["supplies"],
        max(state["dacs"].values(), default=0),
    )
    return outputs != ([0.0, 0.0], 0, [0.0, 0.0], 0)


def off_after(seen: RemoteBench, limit: float = OFF) -> float:
    """Return how long anything stays on, s."""
    began = time.monotonic()
    while on(seen):
        assert time.monotonic() - began < limit, seen.state()
    return time.monotonic() - began


def ended(pid: int) -> None:
    """Wait for a process that is nobody's child here."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        # A child that nobody has waited for is still there, and does nothing any more.
        if Path(f"/proc/{pid}/stat").exists() and " Z " in Path(f"/proc/{pid}/stat").read_text():
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} goes on")


DEATHS = (
    *(("parallel", signal.SIGKILL), ("switched", signal.SIGKILL), ("parallel", signal.SIGTERM)),
    *(
        ("switched", signal.SIGTERM),
        ("parallel", signal.SIGSEGV),
        ("switched", signal.SIGSEGV),
    ),
)
"""Each takes some seconds: `make test` takes the first three."""


@pytest.mark.parametrize(("wiring", "death"), DEATHS[: 3 if RUNS == 1 else None])
def test_whatever_kills_the_owner_everything_goes_off(
    wiring: str, death: signal.Signals, tmp_path: Path, locks: Path
) -> None:
    bench = written(tmp_path, wiring)
    with serving(bench), RemoteBench(tmp_path / "bench.sock") as seen:
        for k in range(RUNS):
            with owner(bench) as at_work:
                time.sleep(0.03 * (k + 1))
                at_work.process.send_signal(death)
                off_after(seen)
                ended(at_work.guardian)
    lines = (locks / "guardian.log").read_text().splitlines()
    assert len(lines) == RUNS
    assert all("made safe" in line and "NOT" not in line for line in lines), lines


def test_without_a_guardian_it_would_stay_on(tmp_path: Path) -> None:
    # The planted bug: the guardian is dead before its owner.
    bench = written(tmp_path)
    with (
        serving(bench),
        RemoteBench(tmp_path / "bench.sock") as seen,
        owner(bench) as at_work,
    ):
        os.kill(at_work.guardian, signal.SIGKILL)
        time.sleep(0.1)
        at_work.process.kill()
        at_work.process.wait(60)
        time.sleep(STAYS)
        assert on(seen)


def test_a_guardian_that_could_not_make_a_bench_safe_says_so(tmp_path: Path, locks: Path) -> None:
    bench = written(tmp_path)
    with serving(bench) as server, owner(bench) as at_work:
        server.kill()  # the instruments are gone
        server.wait(60)
        at_work.process.kill()
        ended(at_work.guardian)
    (line,) = (locks / "guardian.log").read_text().splitlines()
    assert "NOT made safe, take it as live: no virtual bench at" in line


def test_a_guardian_hears_nothing_of_what_a_terminal_sends(tmp_path: Path) -> None:
    bench = written(tmp_path)
    with (
        serving(bench),
        RemoteBench(tmp_path / "bench.sock") as seen,
        owner(bench) as at_work,
    ):
        for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(at_work.guardian, told)
        time.sleep(0.1)
        at_work.process.kill()
        off_after(seen)


def test_a_bench_that_ends_well_needs_no_guardian(tmp_path: Path, locks: Path) -> None:
    bench = written(tmp_path)
    with serving(bench):
        with open_bench(str(bench)) as opened:
            guardian = opened.describe()["guardian"]
        assert isinstance(guardian, int)
        ended(guardian)
    assert not (locks / "guardian.log").exists()


def test_an_error_in_the_block_still_lets_the_guardian_go(tmp_path: Path, locks: Path) -> None:
    bench = written(tmp_path)
    with serving(bench):
        with pytest.raises(ZeroDivisionError), open_bench(str(bench)):
            1 / 0  # noqa: B018
        with open_bench(str(bench)):
            pass
    assert not (locks / "guardian.log").exists()


def test_a_second_owner_is_told_who_is_the_first(tmp_path: Path) -> None:
    bench = written(tmp_path)
    with serving(bench), owner(bench) as at_work:
        message = rf"in use by process {at_work.process.pid} on .* since 20.* UTC"
        with pytest.raises(BenchError, match=message), open_bench(str(bench)):
            pass
        # In the same process too.
    with (
        held(["an instrument"]),
        pytest.raises(BenchError, match=f"process {os.getpid()} on"),
        held(["another", "an instrument"]),
    ):
        pass
    assert holder("an instrument") is None


def test_the_next_owner_finds_a_bench_that_its_guardian_has_made_safe(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = written(tmp_path)
    with serving(bench), RemoteBench(tmp_path / "bench.sock") as seen:
        with owner(bench) as at_work:
            at_work.process.kill()
            off_after(seen)
            ended(at_work.guardian)
        with open_bench(str(bench)) as opened:
            assert opened.backend.shape == (10, 10)
        assert "found on" not in caplog.text


def test_what_cells_received_counts_after_the_owner_was_killed(tmp_path: Path) -> None:
    bench = written(tmp_path)
    with serving(bench):
        with owner(bench) as at_work:
            time.sleep(0.2)
            at_work.process.kill()
            ended(at_work.guardian)
        counts = []
        for _ in range(2):
            with open_bench(str(bench)) as opened:
                backend = opened.backend
                assert isinstance(backend, Guarded)
                counts.append(int(backend.pulses[1, 2]))
                backend.pulse(Cells.of([(1, 2)]), np.array([1.0]), np.array([1e-4]), 0.1)
                assert "array" in opened.describe()
    assert counts[0] > 0
    assert counts[1] == counts[0] + 1
    # Another process has another array, of which nothing is known.
    with serving(bench), open_bench(str(bench)) as opened:
        assert isinstance(opened.backend, Guarded)
        assert not opened.backend.pulses.any()


def test_the_status_of_a_real_array_says_what_it_has_received(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSBAR_STATE", str(tmp_path))
    with exposure_of("the array of bench lab-parallel", (10, 10)) as exposure:
        exposure.receive(np.array([23]), np.array([812]), np.array([1.5]))
    assert run(["bench", "status", "--bench", "lab-parallel"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "cells used 1; most pulses 812 of" in told
    assert "on cell [2, 3]" in told


def test_the_status_says_who_and_since_when(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = written(tmp_path)
    with serving(bench), owner(bench) as at_work:
        assert run(["bench", "status", "--bench", str(bench), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["instruments"]
        assert row["in_use"]
        assert row["by"]["pid"] == at_work.process.pid
        assert row["by"]["guardian"] == at_work.guardian
        assert run(["bench", "status", "--bench", str(bench)]) == 0
        assert str(at_work.process.pid) in capsys.readouterr().out
        at_work.process.kill()
        ended(at_work.guardian)
        assert run(["bench", "status", "--bench", str(bench)]) == 0
        told = capsys.readouterr().out
        assert "nobody" in told
        assert "made safe" in told


@pytest.mark.parametrize(
    ("bench", "message"), [("sim", "a simulation"), ("virtual", "each program's process")]
)
def test_a_bench_without_an_owner_says_so(
    bench: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "status", "--bench", bench]) == 0
    assert message in capsys.readouterr().out


def test_a_real_bench_is_its_instruments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "status", "--bench", "lab-parallel", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["instruments"]
    assert [row["instrument"] for row in rows] == ["Analog Discovery (the only one)"]
    assert load("lab-parallel").kind == "hardware"
