"""Programs that are killed in the middle of their work, and what they leave behind.

The instruments live in a process of their own, which keeps what it was told when a program dies.
"""

import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossbar import exposure, one_owner
from crossbar.backend import Second, Volt
from crossbar.bench import open_bench
from crossbar.bench_file import Description
from crossbar.bench_rehearsal import hosted, tortured
from crossbar.recorder import Recorded
from crossbar.store import Call, Store
from crossbar.torture.campaign import planned
from crossbar.torture.check import AMPLITUDE, HALF, Finding, requested
from crossbar.torture.plan import HIGHEST

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
LATEST: Second = 0.4
"""After its first answer a program is killed, at most."""
ALLOWED: Second = 1.0
"""Until everything is off."""
GIVEN_UP: Second = 10.0


@dataclass(frozen=True, slots=True)
class Death:
    """What came of one program that was killed.

    Parameters
    ----------
    by
        The signal.
    off
        Time until everything was off, s; infinite if it never was.
    answered
        Calls that the program was answered.
    findings
        What must not have come of it.
    """

    by: str
    off: Second
    answered: int
    findings: tuple[Finding, ...]


def deaths(
    description: Description,
    seed: int,
    count: int,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Death]:
    """Kill so many programs on one virtual bench, by each signal in turn.

    Parameters
    ----------
    description
        Of a virtual bench.
    seed
        Of the plans and of the moments.
    count
        How many.
    progress
        Told of each.

    Raises
    ------
    BenchError
        If the bench is not a virtual one.
    """
    rng, bench = random.Random(seed), tortured(description)  # noqa: S311 - no secret
    found: list[Death] = []
    with tempfile.TemporaryDirectory(prefix="crossbar-deaths-") as name:
        folder = Path(name)
        with _environment(folder), hosted(bench, seed) as (at, watched):
            for k in range(count):
                owner = _Owner(at, seed + k, folder / "runs.sqlite")
                found.append(_killed(owner, watched, SIGNALS[k % len(SIGNALS)], rng))
                progress("kills", k + 1, count)
    return found


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """Keep locks and budgets of these programs apart from those of real benches."""
    before = {name: os.environ.get(name) for name in (one_owner.FOLDER, exposure.FOLDER)}
    os.environ[one_owner.FOLDER] = str(folder / "locks")
    os.environ[exposure.FOLDER] = str(folder / "state")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True, slots=True)
class _Owner:
    """The program that is to be killed."""

    description: Description
    seed: int
    store: Path


def _killed(owner: _Owner, watched: Any, by: str, rng: random.Random) -> Death:
    """Start a program, kill it, and see what it leaves."""
    before = watched.seen()
    process = subprocess.Popen(
        [sys.executable, "-c", "from crossbar.torture.deaths import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None  # noqa: S101 - a pipe, by how it was started
    assert process.stdout is not None  # noqa: S101
    with process.stdin as pipe:
        pipe.write(pickle.dumps(owner))
    guardian = int(process.stdout.readline())
    process.stdout.readline()
    time.sleep(rng.uniform(0.0, LATEST))
    process.send_signal(getattr(signal, by))
    off = _off_after(watched)
    try:
        process.wait(GIVEN_UP)
    except subprocess.TimeoutExpired:
        process.kill()
        off = float("inf")
    answered = 1 + len(process.stdout.read().splitlines())
    process.stdout.close()
    _ended(guardian)
    after = watched.seen()
    findings = [*_judged(before, after, off)]
    with Store.open(owner.store, readonly=True) as store:
        run = store.runs()[-1]
        calls = list(store.calls(run.id))
    largest = owner.description.limits.voltage
    received = _pulses(after["doses"][len(before["doses"]) :], largest)
    findings += _compared(calls, received, answered)
    findings += _budgeted(watched, _pulses(after["doses"], largest))
    return Death(by, off, answered, tuple(findings))


def _off_after(watched: Any) -> Second:
    began = time.monotonic()
    while time.monotonic() - began < GIVEN_UP:
        state = watched.state()
        on = [*state["waveforms"], *state["supplies"], state["pins"], *state["dacs"].values()]
        if not any(on):
            return time.monotonic() - began
    return float("inf")


def _ended(pid: int) -> None:
    """Wait for a guardian, which is nobody's child here."""
    until = time.monotonic() + GIVEN_UP
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if " Z " in Path(f"/proc/{pid}/stat").read_text(encoding="ascii"):
                return
        except OSError:
            return
        time.sleep(0.005)


def _judged(before: Mapping[str, Any], after: Mapping[str, Any], off: Second) -> Iterator[Finding]:
    for violation in after["violations"][len(before["violations"]) :]:
        yield Finding(str(violation["kind"]), str(violation["text"]))
    if not off <= ALLOWED:
        yield Finding("left on", f"for {off:.2f} s, where {ALLOWED:g} s are allowed")
    if after["driven"]:
        yield Finding("left on", f"{after['driven']}")


def _compared(
    calls: Sequence[Call], received: Counter[tuple[int, int]], answered: int
) -> Iterator[Finding]:
    """Yield what the journal does not hold of answers given and of pulses received."""
    kept = sum(call.answered is not None for call in calls if call.verb != "close")
    if kept < answered:
        yield Finding("lost record", f"{answered} calls returned, {kept} are in the journal")
    asked: Counter[tuple[int, int]] = Counter()
    for call in calls:
        if call.verb == "pulse":
            asked.update({cell: len(wanted) for cell, wanted in requested(call).items()})
    for cell, count in received.items():
        if count > asked[cell]:
            yield Finding("unasked", f"cell {cell}: {count} pulses, {asked[cell]} journalled")


def _pulses(doses: Sequence[Mapping[str, Any]], largest: Volt) -> Counter[tuple[int, int]]:
    """Return how many pulses each cell received: what is above half of the largest amplitude."""
    least = AMPLITUDE[0] * HALF * min(HIGHEST, largest) + AMPLITUDE[1]
    return Counter(
        (int(word), int(bit))
        for dose in doses
        if abs(dose["voltage"]) > least
        for word, bit in dose["cells"]
    )


def _budgeted(watched: Any, received: Counter[tuple[int, int]]) -> Iterator[Finding]:
    """Yield cells that received more in their life than their budget knows of."""
    if not received:
        return
    shape = 1 + max(word for word, _ in received), 1 + max(bit for _, bit in received)
    with exposure.opened(f"virtual array {watched.state()['session']}", shape) as spent:
        counted = spent.pulses
    for cell, count in received.items():
        if count > counted[cell]:
            yield Finding("uncounted", f"cell {cell}: {count} pulses, {counted[cell]} counted")


def main() -> None:
    """Be a program that works until it is killed: each answer is a line of standard output."""
    from crossbar.cli import interrupt

    interrupt.listen()  # as the command line does: Python alone loses some interrupts
    # From the parent process, by its own pipe.
    owner: _Owner = pickle.load(sys.stdin.buffer)  # noqa: S301
    rng = np.random.default_rng(owner.seed)
    with open_bench(owner.description) as bench, Store.open(owner.store) as store:
        described = bench.describe()
        _say(described["guardian"])
        with store.start(experiment="torture", settings={}, bench=described) as run:
            recorded = Recorded(bench.backend, run)
            while True:
                for step in planned(owner.description, rng):
                    step.act(recorded)
                    _say("answered")
                    interrupt.check()


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
