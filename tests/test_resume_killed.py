"""`xbar program` killed with SIGKILL in the middle, and gone on with, in real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.backend import Array
from crossbar.bench import load
from crossbar.cli import run
from crossbar.store import Store
from test_bench_serve import serving, written

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL here")

DIES = """
import os, signal, sys
from crossbar.cli import run
from crossbar.store import Run

left = int(sys.argv[1])

def counted(write):
    def writing(*arguments, **named):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return write(*arguments, **named)
    return writing

Run.intent, Run.outcome = counted(Run.intent), counted(Run.outcome)
sys.exit(run(sys.argv[2:]))
"""
"""The command line, killed before it writes one more intent or outcome than it may."""
TARGETS = np.full((10, 10), np.nan)
TARGETS[2:5, 1:5] = np.random.default_rng(3).uniform(10.0, 70.0, (3, 4))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    save("targets.csv", TARGETS)
    return tmp_path


def save(name: str, values: Array) -> None:
    lines = (",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in values)
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def killed(writes: int, *options: str) -> None:
    """Program in a process that is killed after so many writes to the record."""
    command = [sys.executable, "-c", DIES, str(writes), "program", "targets.csv", "--unit", "uS"]
    died = subprocess.run([*command, *options], check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL


def programmed(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    capsys.readouterr()
    assert run(["program", "targets.csv", "--unit", "uS", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def pulses(answered: bool, store: str = "crossbar-runs.sqlite") -> list[tuple[int, int, float]]:
    """Return cell and voltage of every pulse in the record, or of the acknowledged ones."""
    names = ("word", "bit", "voltages")
    with Store.open(store, readonly=True) as opened:
        calls = [c for record in opened.runs() for c in opened.calls(record.id)]
    return [
        pulse
        for c in calls
        if c.verb == "pulse" and (c.answered is not None or not answered)
        for pulse in zip(*(c.asked[name].tolist() for name in names), strict=True)
    ]


SAME = (
    *("status", "pulses", "verified_S", "reread_S", "rereads", "disturb", "multiply_error"),
    *("energy_per_cell_J", "reads_per_cell", "seconds_per_cell", "seconds"),
)


def test_killed_between_calls_the_result_is_that_of_an_uninterrupted_run_to_the_last_bit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = programmed(capsys, "--array", "whole.npz", "--store", "whole.sqlite")
    killed(40, "--array", "kept.npz")
    before = pulses(answered=True)
    killed(20, "--array", "kept.npz", "--resume", "1")
    found = programmed(capsys, "--array", "kept.npz", "--resume", "last")
    assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}
    whole = pulses(answered=True, store="whole.sqlite")
    assert 0 < len(before) < len(whole)
    assert whole[: len(before)] == before
    assert pulses(answered=True) == pulses(answered=False) == whole
    assert found["resumed"]["runs"] == [1, 2]
    assert found["resumed"]["pulses_in_doubt"] == 0
    with np.load("whole.npz") as one, np.load("kept.npz") as other:
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_killed_within_a_pulse_it_counts_and_no_pulse_is_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = programmed(capsys, "--array", "whole.npz", "--store", "whole.sqlite")
    killed(61, "--array", "kept.npz")
    every, before = pulses(answered=False), pulses(answered=True)
    assert len(every) > len(before) > 0
    found = programmed(capsys, "--array", "kept.npz", "--resume", "1")
    assert found["resumed"]["pulses_in_doubt"] == 1
    assert pulses(answered=False)[: len(every)] == every
    assert pulses(answered=False, store="whole.sqlite")[: len(every)] == every
    assert np.sum(found["pulses"]) == len(pulses(answered=False))
    assert found["success_at_verify"] == expected["success_at_verify"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets here")
def test_on_a_bench_of_instruments_that_was_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = written(tmp_path)
    save("targets.csv", np.where(np.arange(100).reshape(10, 10) == 23, 40.0, np.nan))
    with serving(bench):
        killed(31, "--bench", str(bench))
        before = pulses(answered=True)
        killed(6, "--bench", str(bench), "--resume", "1")
        every = pulses(answered=False)
        found = programmed(capsys, "--bench", str(bench), "--resume", "2")
    assert 0 < len(before) < len(every)
    assert pulses(answered=True)[: len(before)] == before
    assert pulses(answered=False)[: len(every)] == every
    # A staircase of one cell: a pulse that was made twice would be a step that is there twice.
    steps = [volt for _, _, volt in pulses(answered=False)]
    up = np.array(steps[: next((k for k, v in enumerate(steps) if v < 0), len(steps))])
    np.testing.assert_allclose(np.diff(up), 0.05)
    assert found["pulses"][2][3] == len(steps)
    assert found["success_at_verify"] == 1.0


REFUSED: dict[str, tuple[list[str], str]] = {
    "another array": (["--array", "other.npz", "--resume", "1"], "on the array in kept.npz, not"),
    "no array": (["--resume", "1"], "bench sim has a fresh array each time"),
    "another kind": (["--bench", "virtual", "--resume", "1"], "was on a bench of kind 'sim'"),
    "no run": (["--array", "kept.npz", "--resume", "7"], "there is no run 7"),
    "no number": (["--array", "kept.npz", "--resume", "x"], "a run is a number or 'last'"),
    "another cell": (
        ["--bench", "tight.toml", "--array", "kept.npz", "--resume", "1"],
        "bench tight is not what it was when run 1 began: it has programming.cell.tolerance = "
        "2e-06 where it had 1e-06",
    ),
}


def test_what_cannot_be_gone_on_with_is_refused_before_anything_is_driven(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    killed(40, "--array", "kept.npz")
    text = load("sim").text.replace("tolerance = 1e-6", "tolerance = 2e-6")
    (folder / "tight.toml").write_text(text, encoding="utf-8")
    kept = Path("kept.npz").read_bytes()

    def told(*options: str) -> str:
        capsys.readouterr()
        assert run(["program", "targets.csv", "--unit", "uS", *options]) == 2
        return capsys.readouterr().err

    for options, message in REFUSED.values():
        assert message in told(*options)
    save("targets.csv", TARGETS + 1.0)
    assert "run 1 had other targets for 12 of the cells" in told(
        "--array", "kept.npz", "--resume", "1"
    )
    assert Path("kept.npz").read_bytes() == kept
    save("targets.csv", TARGETS)
    programmed(capsys, "--array", "kept.npz", "--resume", "1")
    assert "run 2 is finished" in told("--array", "kept.npz", "--resume", "2")
    assert "run 1 was gone on with by run 2" in told("--array", "kept.npz", "--resume", "1")
