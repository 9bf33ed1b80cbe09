"""What a bench costs in calls of libdwf, counted on the virtual Analog Discovery 2.

``python benchmarks/bench_calls.py [--json]``. A call is a USB round trip of about a millisecond on
a real bench, and the virtual one lets a millisecond of bench time pass for each. Counts are of the
steady state and exact. Beside them stand the calls that the same work takes if every step is a
call of its own: configure, switch, start, poll, fetch (counted on code that did so, 2026).

Our own Python is what the work takes of the processor's time, less the time inside the functions
of libdwf and less what the stopwatches around them take. It is bounded from above: pydwf's share
counts as ours, and the virtual instruments run in between, so that our code comes back to caches
that hold other things.
"""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import Array, Backend, Cells
from crossbar.bench import load
from crossbar.bench_settings import hardware_settings, virtual_settings
from crossbar.guard import Guarded
from instruments.backend import HardwareBackend
from sim_backend.virtual.bench import VirtualBench
from sim_backend.virtual.clock import Clock

NAIVE = {"pulse": 28, "scan": 2800, "multiply": 58}
"""Calls of code that makes one call per step, for a pulse, a 10x10 scan and a multiply."""
SHAPE = (10, 10)
ROUNDS = 15


@dataclass
class Watched:
    """Time spent inside the functions of libdwf."""

    seconds: float = 0.0
    calls: int = 0
    own: float = 0.0
    """What one stopwatch takes of those who call, s."""

    def watch(self) -> None:
        """Put a stopwatch around every function of every libdwf that is loaded."""
        found = [each for each in gc.get_objects() if isinstance(each, ctypes.CDLL)]
        for library in found:
            for name, function in list(vars(library).items()):
                if name.startswith("FDwf"):
                    setattr(library, name, self._timed(function))
        nothing = self._timed(lambda *_: 1)
        start = time.thread_time()
        for _ in range(20_000):
            nothing(1, 2)
        self.own = (time.thread_time() - start - self.seconds) / 20_000
        self.seconds, self.calls = 0.0, 0

    def _timed(self, function: Any) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            start = time.thread_time()
            try:
                return function(*given)
            finally:
                self.calls += 1
                self.seconds += time.thread_time() - start

        return call

    @property
    def not_ours(self) -> float:
        """Time inside libdwf and in the stopwatches, s."""
        return self.seconds + self.calls * self.own


@contextmanager
def bench(name: str) -> Iterator[tuple[Backend, VirtualBench]]:
    """Open a virtual bench behind its guard."""
    description = load(name)
    assert description.rehearsed is not None  # noqa: S101
    drivers = hardware_settings(description.rehearsed)
    with (
        VirtualBench(virtual_settings(description, None)) as virtual,
        HardwareBackend(drivers, timer=virtual.clock) as backend,
    ):
        yield Guarded(backend, description.limits), virtual


def counted(clock: Clock, work: Callable[[], object], rounds: int = 3) -> int:
    """Return how many calls the work takes once it has been done before."""
    for _ in range(rounds):
        before = clock.calls
        work()
    return clock.calls - before


def pulses(backend: Backend) -> Callable[[], object]:
    """Return work that pulses another cell at another amplitude each time."""
    state = {"n": 0}

    def work() -> object:
        n = state["n"] = state["n"] + 1
        cell = Cells.of([(n % 10, (3 * n) % 10)])
        return backend.pulse(cell, np.array([1.0 + 0.01 * n]), np.array([1e-4]), 0.3)

    return work


def own_share(
    backend: Backend, clock: Clock, watched: Watched, requests: list[Array]
) -> tuple[float, float]:
    """Return the part of the time that is spent in our own Python, and its seconds."""
    bench_start, elsewhere = clock.now, watched.not_ours
    start = time.thread_time()
    for request in requests:
        backend.drive(request)
    own = time.thread_time() - start - (watched.not_ours - elsewhere)
    return own / (own + clock.now - bench_start), own


def parallel_rows() -> Iterator[Row]:
    """Yield the figures of the parallel wiring."""
    rng = np.random.default_rng(0)
    with bench("virtual-parallel") as (backend, virtual):
        clock = virtual.clock
        yield at_most("parallel: pulse + verify of one cell", counted(clock, pulses(backend)), 10)
        everything = Cells.all(SHAPE)
        scan = counted(clock, lambda: backend.read(everything, 0.3))
        yield at_most("parallel: full 10x10 scan", scan, 100)
        one = counted(clock, lambda: backend.drive(rng.uniform(-0.3, 0.3, (1, 10))))
        yield at_most("parallel: one multiply", one, 8)
        vectors = rng.uniform(-0.3, 0.3, (100, 10))
        batch = counted(clock, lambda: backend.drive(vectors))
        yield at_most("parallel: 100 multiplies in one request", batch, 800)
        singles = [vector[None] for vector in vectors]
        calls = counted(clock, lambda: [backend.drive(single) for single in singles])
        yield at_most("parallel: 100 multiplies, each its own request", calls, 800)
        watched = Watched()
        watched.watch()
        for what, requests in (("each its own request", singles), ("in one request", [vectors])):
            backend.drive(requests[0])
            rounds = [own_share(backend, clock, watched, requests) for _ in range(ROUNDS)]
            share, spread = percent([share for share, _ in rounds])
            own = 1e6 * statistics.median(own for _, own in rounds) / len(vectors)
            target = ("at most 1 %", share <= 1.0) if requests is singles else (None, None)
            yield Row(f"own Python in these, {what}", share, spread, "%", *target)
            yield Row(f"own Python per multiply, {what}", own, None, "us")
    yield from (
        Row(f"one call per step: {name}", count, None, "calls")
        for name, count in (("multiply", NAIVE["multiply"]), ("scan", NAIVE["scan"]))
    )


def switched_rows() -> Iterator[Row]:
    """Yield the figures of the switched wiring."""
    with bench("virtual-switched") as (backend, virtual):
        clock = virtual.clock
        yield at_most("switched: pulse + verify of one cell", counted(clock, pulses(backend)), 10)
        everything = Cells.all(SHAPE)
        scan = counted(clock, lambda: backend.read(everything, 0.3))
        yield at_most("switched: full 10x10 scan", scan, 20)
        vectors = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 10))
        one = counted(clock, lambda: backend.drive(vectors))
        yield Row("switched: one multiply, by superposition", one, None, "calls")
    yield Row("one call per step: pulse + verify", NAIVE["pulse"], None, "calls")


def percent(shares: list[float]) -> tuple[float, float]:
    """Return median and spread, %."""
    return 100 * statistics.median(shares), 100 * statistics.pstdev(shares)


def at_most(name: str, count: int, most: int) -> Row:
    """Return an exact count and whether it is within its budget."""
    return Row(name, count, None, "calls", f"at most {most}", count <= most)


def main() -> None:
    """Count, measure and print."""
    chosen = arguments(str(__doc__).splitlines()[0]).parse_args()
    rows = [*parallel_rows(), *switched_rows()]
    show(rows, as_json=chosen.json, title="calls of libdwf on the virtual bench, steady state")


if __name__ == "__main__":
    main()
