"""`xbar` as processes of its own: interrupted, terminated, two at once, and on a full disk."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbar.store import Store

STORE = "crossbar-runs.sqlite"
# A shell that runs the tests in the background makes its children ignore Ctrl-C; this one listens.
XBAR = """
import resource, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from crossbar.cli import main
if limit := int(sys.argv.pop(1)):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""
ENOUGH = 120  # s: for the slowest of machines


def xbar(folder: Path, *arguments: str, largest_file: int = 0) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if k != "CROSSBAR_STORE"}
    return subprocess.Popen(
        [sys.executable, "-c", XBAR, str(largest_file), *arguments],
        cwd=folder,
        env=environment | {"COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(child: subprocess.Popen[str], folder: Path, seen: Callable[[Store], bool]) -> None:
    """Return once the store shows what is waited for, while the child still runs."""
    for _ in range(ENOUGH * 20):
        try:
            child.wait(0.05)
        except subprocess.TimeoutExpired:
            # There is no store before the child has made one; then it is one, at once.
            if (folder / STORE).is_file() and (folder / STORE).stat().st_size:
                with Store.open(folder / STORE, readonly=True) as store:
                    if seen(store):
                        return
        else:
            raise AssertionError(f"the child ended: {child.communicate()}")
    raise AssertionError("the store never showed it")


def measured(store: Store) -> bool:
    return any(name.startswith("draw/") for name in store.results(1))


def training(store: Store) -> bool:
    return bool(store.runs()) and "points" in store.results(1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_moons_shows_what_had_finished(tmp_path: Path, number: signal.Signals) -> None:
    child = xbar(tmp_path, "moons", "--repeats", "50", "--epochs", "10", "--training", "erm")
    wait_for(child, tmp_path, measured)
    child.send_signal(number)
    output, errors = child.communicate(timeout=ENOUGH)
    assert child.returncode == 130, errors + output
    line, then = errors.splitlines()
    assert line.startswith("xbar: interrupted; the bench is at 0 V")
    assert then == "continue with: xbar resume 1"
    assert "run 1 (interrupted)" in output
    assert "erm" in output
    assert (tmp_path / "moons.png").read_bytes().startswith(b"\x89PNG")
    with Store.open(tmp_path / STORE) as store:
        record = store.run(1)
        assert (record.status, record.error) == ("interrupted", "KeyboardInterrupt")
        assert measured(store)
        *_, last = store.calls(1)
        assert (last.verb, last.error) == ("close", None)
        assert last.ended is not None


def test_moons_interrupted_before_the_first_draw_says_so(tmp_path: Path) -> None:
    child = xbar(tmp_path, "moons", "--epochs", "1000000", "--training", "erm")
    wait_for(child, tmp_path, training)
    child.send_signal(signal.SIGINT)
    output, errors = child.communicate(timeout=ENOUGH)
    assert child.returncode == 130, errors + output
    assert len(errors.splitlines()) == 2
    assert "run 1 (interrupted)" in output
    assert "no draw on the crossbar was finished" in output
    assert not (tmp_path / "moons.png").exists()
    with Store.open(tmp_path / STORE) as store:
        assert store.run(1).status == "interrupted"
        assert [call.verb for call in store.calls(1)][-1] == "close"


def test_two_runs_may_use_one_store_at_the_same_time(tmp_path: Path) -> None:
    quick = ("moons", "--repeats", "2", "--epochs", "5", "--training", "erm")
    children = [xbar(tmp_path, *quick, "--figure", f"{k}.png") for k in range(2)]
    said = [child.communicate(timeout=ENOUGH) for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert [errors for _, errors in said] == ["", ""]
    with Store.open(tmp_path / STORE) as store:
        assert [record.status for record in store.runs()] == ["finished", "finished"]
        names = [list(store.results(number)) for number in (1, 2)]
        assert names[0] == names[1] == ["points", "network/erm", "draw/erm/0", "draw/erm/1"]


def test_full_disk_in_the_middle_of_moons_is_said_and_the_record_stays(tmp_path: Path) -> None:
    with Store.open(tmp_path / STORE) as store:
        store.start(experiment="earlier", settings={}, bench={"kind": "sim"}).finish()
    arguments = ("moons", "--repeats", "50", "--epochs", "5", "--training", "erm")
    child = xbar(tmp_path, *arguments, largest_file=800_000)
    output, errors = child.communicate(timeout=ENOUGH)
    (line,) = errors.splitlines()
    assert line.startswith("xbar: ")
    assert STORE in line
    assert "the disk may be full" in line
    assert (child.returncode, output) == (2, "")
    assert not list(tmp_path.glob("*.png"))
    with Store.open(tmp_path / STORE) as store:
        first, second = store.runs()
        assert (first.experiment, first.status) == ("earlier", "finished")
        assert second.status in ("failed", "died")
        assert len(list(store.calls(2))) > 3
