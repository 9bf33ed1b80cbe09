"""What faults cost: time to off after a death, the journal, and promises broken under faults.

Against virtual instruments in a process of their own. The owner is a program that pulses a cell; it
is killed at random times after it has begun. What is on is what the instruments drive, asked of
them again and again.
"""

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from rows import Row, arguments, show

from crossbar.bench import load
from crossbar.exposure import FOLDER as STATE
from crossbar.exposure import opened
from crossbar.one_owner import FOLDER
from crossbar.store import Store
from crossbar.torture.campaign import torture
from sim_backend.virtual.remote import RemoteBench

WIRINGS = "parallel", "switched"
LATEST = 0.5
"""Until the owner is killed, at most, s."""

GIVEN_UP = 10.0
RECORDS, CALLS_OF_A_PULSE = 5000, 7

SERVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from crossbar.cli import main
main()
"""
OWNER = """
import sys
import numpy as np
from crossbar.backend import Cells
from crossbar.bench import open_bench
with open_bench(sys.argv[1]) as bench:
    print("at work", flush=True)
    while True:
        bench.backend.pulse(Cells.of([(1, 2)]), np.array([1.0]), np.array([1e-4]), 0.1)
"""


def bench_file(folder: Path, wiring: str) -> Path:
    """Write the file of a virtual bench in a process of its own."""
    text = load(f"virtual-{wiring}").text
    file = folder / "bench.toml"
    file.write_text(text.replace('kind = "virtual"', 'kind = "virtual"\nhost = "bench.sock"', 1))
    return file


def is_on(seen: RemoteBench) -> bool:
    """Return whether any output of the instruments is not at rest."""
    state = seen.state()
    outputs = state["waveforms"], state["pins"], state["supplies"]
    return outputs != ([0.0, 0.0], 0, [0.0, 0.0]) or any(state["dacs"].values())


def killed(file: Path, seen: RemoteBench, death: signal.Signals, after: float) -> float:
    """Return the time that the bench stays on after its owner was killed, s; infinite for ever."""
    owner = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", OWNER, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None  # noqa: S101
    owner.stdout.readline()
    time.sleep(after)
    owner.send_signal(death)
    began = time.monotonic()
    took = float("inf")
    while time.monotonic() - began < GIVEN_UP:
        if not is_on(seen):
            took = time.monotonic() - began
            break
    owner.kill()
    owner.wait()
    owner.stdout.close()
    time.sleep(0.5)  # until the guardian is gone, which closes what it has turned off
    return took


def times(wiring: str, death: signal.Signals, runs: int, rng: random.Random) -> list[float]:
    """Return the times to off of several kills on one virtual bench."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[FOLDER] = str(folder / "locks")
        file = bench_file(folder, wiring)
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", SERVER, "bench", "serve", "--bench", str(file)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None  # noqa: S101
        try:
            server.stdout.readline()
            with RemoteBench(folder / "bench.sock") as seen:
                return [killed(file, seen, death, rng.uniform(0, LATEST)) for _ in range(runs)]
        finally:
            server.terminate()
            server.stdout.close()
            server.wait()


def counting() -> list[Row]:
    """Return what it costs to write down what cells receive before they do."""
    rows, writes = [], 500
    with tempfile.TemporaryDirectory() as folder:
        os.environ[STATE] = folder
        with opened("an array", (10, 10)) as exposure:
            for count in (1, 100):
                cells, ones = np.arange(count), np.ones(count)
                took = []
                for _ in range(writes):
                    began = time.perf_counter()
                    exposure.receive(cells, ones.astype(np.int64), ones)
                    took.append(1e6 * (time.perf_counter() - began))
                low, middle, high = np.percentile(took, (25, 50, 75))
                name = f"counting a pulse on {count} cells before it is given"
                rows.append(Row(name, float(middle), float(high - low) / 2, "us"))
    return rows


def journal() -> list[Row]:
    """Return what a record of the journal costs, and its part of a run at 1 ms a call."""
    asked: dict[str, ArrayLike] = {"word": np.array([1], np.int32), "bit": np.array([2], np.int32)}
    asked |= {"voltages": np.array([1.0]), "widths": np.array([1e-4]), "read_voltage": 0.1}
    answered: dict[str, ArrayLike] = {"current": np.array([1e-6]), "flags": np.zeros(1, np.uint8)}
    took = []
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "runs.sqlite") as store:
        run = store.start(experiment="cost", settings={}, bench={"kind": "sim"})
        for _ in range(RECORDS):
            began = time.perf_counter()
            call = run.intent("pulse", 0.0, asked)
            run.outcome(call, 0.0, answered)
            took.append(1e6 * (time.perf_counter() - began) / 2)
    low, middle, high = (float(x) for x in np.percentile(took, (25, 50, 75)))
    # Seven calls of libdwf make a pulse with its verify read; benchmarks/bench_calls.py.
    share = 2 * middle / (CALLS_OF_A_PULSE * 1e3) * 100
    return [
        Row("a record of the journal", middle, (high - low) / 2, "us", "under 20", middle < 20),
        Row("journal, of a run at 1 ms a call", share, None, "%", "below 2", share < 2),
    ]


def campaign(runs: int) -> list[Row]:
    """Return what came of whole runs with something going wrong, on both wirings."""
    rows = []
    logging.getLogger("instruments").setLevel(logging.CRITICAL + 1)
    for wiring in WIRINGS:
        found = torture(load(f"virtual-{wiring}"), 0, runs)
        broken = len(found.broken)
        name = f"{wiring}: runs with a fault that broke a promise, of {runs}"
        rows.append(Row(name, broken, None, "", "0", broken == 0))
    return rows


def main() -> None:
    """Kill, measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--runs", type=int, default=10, help="kills of each kind and wiring")
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parser.add_argument("--campaign", type=int, default=170, help="runs with faults per wiring")
    given = parser.parse_args()
    rng, rows, every = random.Random(given.seed), [], []  # noqa: S311
    for wiring in WIRINGS:
        for death in (signal.SIGKILL, signal.SIGSEGV):
            found = times(wiring, death, given.runs, rng)
            every += found
            name = f"{wiring}, {death.name}, {given.runs} kills: median time to off"
            rows.append(Row(name, 1e3 * float(np.median(found)), None, "ms"))
    median, most = 1e3 * float(np.median(every)), 1e3 * max(every)
    left = sum(not np.isfinite(took) for took in every)
    rows += [
        Row("median of all", median, None, "ms", "under 250", median < 250),
        Row("longest of all", most, None, "ms", "under 1000", most < 1000),
        Row(f"left on, of {len(every)}", left, None, "", "0", left == 0),
    ]
    rows += counting() + journal() + campaign(given.campaign)
    show(rows, as_json=given.json, title="a bench whose owner is killed")


if __name__ == "__main__":
    main()
