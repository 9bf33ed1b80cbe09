"""What safety and the journal cost: one call that pulses every cell of a simulated 256x256 array.

``python benchmarks/journal.py [--json]``. The same call on the bare backend, behind the guard, and
behind guard and journal, in turn; medians over rounds, and the ratio round by round.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import Backend, Cells
from crossbar.guard import Guarded
from crossbar.recorder import Recorded
from crossbar.store import Store
from sim_backend import SimulatedBackend, SimulationSettings

SIDE, ROUNDS, RECORDS = 256, 15, 2000


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call takes, s."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(times: list[float]) -> tuple[float, float]:
    """Return median and half the interquartile range, in ms."""
    low, middle, high = statistics.quantiles(times, n=4)
    return 1e3 * middle, 1e3 * (high - low) / 2


def main() -> None:
    """Measure and print."""
    chosen = arguments(str(__doc__).splitlines()[0]).parse_args()
    settings = SimulationSettings(word_lines=SIDE, bit_lines=SIDE, line_resistance=0.0)
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "runs.sqlite") as store,
        SimulatedBackend(settings) as bare,
    ):
        run = store.start(experiment="benchmark", settings={}, bench=bare.describe())
        guarded = Guarded(bare, bare.limits)
        benches: dict[str, Backend] = {
            "bare backend": bare,
            "behind the guard": guarded,
            "behind guard and journal": Recorded(guarded, run),
        }
        cells = Cells.all((SIDE, SIDE))
        volts, widths = np.full(len(cells), 2.0), np.full(len(cells), 1e-6)
        times: dict[str, list[float]] = {name: [] for name in benches}
        for _ in range(ROUNDS + 1):
            for name, bench in benches.items():
                pulse = partial(bench.pulse, cells, volts, widths, 0.1)
                times[name].append(seconds(pulse))
        rows = [
            Row(f"65,536 pulses in one call, {name} (± quartile)", *median(t[1:]), "ms")
            for name, t in times.items()
        ]
        pairs = zip(times["behind guard and journal"][1:], times["bare backend"][1:], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        rows.append(Row("time with guard and journal over time without", ratio, None, "1"))
        arrays = {"word": np.zeros(1, np.int32), "bit": np.zeros(1, np.int32), "volt": volts[:1]}
        single = [seconds(lambda: run.intent("pulse", 0.0, arrays)) for _ in range(RECORDS)]
        middle, spread = median(single)
        rows.append(Row("one small record (± quartile)", 1e3 * middle, 1e3 * spread, "us"))
        each = 1e3 * middle * len(cells) / 1e3
        rows.append(Row("a record per pulse would add, instead", each, None, "ms"))
        run.finish()
    show(rows, as_json=chosen.json, title=f"journal and guard, {SIDE}x{SIDE} simulated, no wires")


if __name__ == "__main__":
    main()
