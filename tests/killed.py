"""Commands that are killed with SIGKILL at a record, and what their stores say afterwards."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.begun import RECEIVED, noted
from crossbar.cli import run
from crossbar.resumable import TAKEN, chain
from crossbar.spent import applied
from crossbar.store import Arrays, Call, Store

STORE = "crossbar-runs.sqlite"
DIES = """
import os, signal, sys
from crossbar.cli import run
from crossbar.store import Store

left, after = int(sys.argv[1]), sys.argv[2] == "after"
write = Store._write

def counted(*arguments):
    global left
    left -= 1
    if left < 0 and not after:
        os.kill(os.getpid(), signal.SIGKILL)
    number = write(*arguments)
    if left <= 0 and after:
        os.kill(os.getpid(), signal.SIGKILL)
    return number

Store._write = counted
sys.exit(run(sys.argv[3:]))
"""
"""The command line, killed as soon as it has written so many records (what was intended was not
done), or before it writes one more (what was intended was done, and its answer is lost)."""
TABLES = ("runs", "notes", "intents", "outcomes", "results")


def killed(records: int, when: str, *arguments: str) -> None:
    """Run a command in a process that is killed at a record."""
    command = [sys.executable, "-c", DIES, str(records), when, *arguments]
    died = subprocess.run(command, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command prints for scripts."""
    capsys.readouterr()
    code = run([*arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out)


def records(store: str = STORE) -> int:
    """Return how many records there are in a store; 0 if there is none."""
    if not Path(store).is_file():
        return 0
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)) as opened:
        found = {name for (name,) in opened.execute("SELECT name FROM sqlite_master")}
        count = "SELECT count(*) FROM "
        return sum(opened.execute(count + name).fetchone()[0] for name in TABLES if name in found)


def contents(store: str = STORE) -> dict[int, tuple[list[Call], dict[str, Arrays]]]:
    """Return calls and results of every run."""
    with Store.open(store, readonly=True) as opened:
        return {r.id: (list(opened.calls(r.id)), opened.results(r.id)) for r in opened.runs()}


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether arrays are the same to the last bit."""
    return set(one) == set(other) and all(
        one[k].tobytes() == other[k].tobytes() and one[k].shape == other[k].shape for k in one
    )


def nothing_lost(before: Mapping[int, tuple[list[Call], dict[str, Arrays]]]) -> None:
    """Every record that there was is there, as it was."""
    now = contents()
    for number, (calls, results) in before.items():
        later = {call.id: call for call in now[number][0]}
        for call in calls:
            assert same(call.asked, later[call.id].asked)
            if call.answered is not None:
                assert same(call.answered, later[call.id].answered or {})
        assert list(results) == list(now[number][1])
        assert all(same(arrays, now[number][1][name]) for name, arrays in results.items())


def pulses(*, answered: bool, store: str = STORE) -> list[tuple[int, int, float]]:
    """Return cell and voltage of every pulse that may have been applied, or was acknowledged."""
    names = ("word", "bit", "voltages")
    return [
        pulse
        for calls, _ in contents(store).values()
        for call in calls
        if call.verb == "pulse" and (call.answered is not None if answered else applied(call))
        for pulse in zip(*(call.asked[name].tolist() for name in names), strict=True)
    ]


def pieces_once(whole: Mapping[str, bool]) -> None:
    """Every whole piece of an interrupted run is in the last one, taken and not made again.

    Parameters
    ----------
    whole
        Pieces that the interrupted runs had recorded, and whether they count as finished.
    """
    with Store.open(STORE, readonly=True) as opened:
        runs = chain(opened, opened.runs()[-1])
        last = runs[-1].id
        taken = [str(note[TAKEN]) for _, note in opened.notes(last) if TAKEN in note]
        results = opened.results(last)
        earlier = {n: a for r in runs[:-1] for n, a in opened.results(r.id).items()}
    assert max(Counter(taken).values(), default=1) == 1
    for name, finished in whole.items():
        assert (name in taken) == finished, name
        assert not finished or same(results[name], earlier[name]), name


def counted() -> tuple[np.ndarray, np.ndarray]:
    """Return pulses and stress that the guard of the last run knew of when it began."""
    with Store.open(STORE, readonly=True) as opened:
        note: Any = noted(opened, opened.runs()[-1].id, RECEIVED)
    if note is None:
        return np.zeros((10, 10)), np.zeros((10, 10))
    return np.array(note["pulses"]), np.array(note["stress"])


def journalled(*, all_runs: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return pulses and stress that runs may have given, by another count than the guard's.

    Of all runs, or of all but the last.
    """
    given, strain = np.zeros((10, 10)), np.zeros((10, 10))
    found = list(contents().values())
    for calls, _ in found if all_runs else found[:-1]:
        for call in filter(applied, calls):
            if call.verb == "pulse":
                for w, b, v, t in zip(
                    *(call.asked[k].tolist() for k in ("word", "bit", "voltages", "widths")),
                    strict=True,
                ):
                    given[w, b] += 1
                    strain[w, b] += v * v * t
            elif call.verb == "sweep":
                word, bit = call.asked["cell"]
                strain[word, bit] += sum(v * v for v in call.asked["voltages"].tolist()) * float(
                    call.asked["dwell"]
                )
    return given, strain


def budgets_kept() -> None:
    """What the interrupted runs may have given the cells counts for the one that goes on."""
    (given, strain), (pulses_known, stress_known) = journalled(), counted()
    np.testing.assert_array_equal(pulses_known, given)
    np.testing.assert_allclose(stress_known, strain, rtol=1e-9)


def kills(default: int = 1) -> int:
    """Return how many kills of each kind are asked for."""
    return int(os.environ.get("CROSSBAR_KILLS", str(default)))
