"""An interrupted program goes on: what the record knows is not asked of the bench again.

So do experiments that count what a cell has been through: forming, and endurance.

The program is simply run again, from its beginning, on a bench that answers from the record as long
as the record has the answer: the loop, the policies and all counts are then where they were, and
not a single pulse is repeated. From the first call on that the record does not answer, the bench
itself is asked. If the last call was a pulse of which nobody knows whether it was applied, it
counts as applied, and the cells are read first.

What equals an uninterrupted run, and what does not:

- The pulses in the records of all parts together, in order, are those of one program: none twice,
  none missing.
- On a simulated array that is kept in a file, interrupted between two calls, every number is that
  of the uninterrupted run, to the last bit. Interrupted within a call, one more read is made, and
  from there on chance differs.
- On a bench whose time goes on, cells have relaxed meanwhile. Cells that were done are not read
  again by the loop itself, but by the passes that follow (`WriteVerify.passes`) and the re-reads.
  The time in between does not count as time of the program where the clock starts anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NoReturn, TypeVar

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    Backend,
    Cells,
    DataError,
    Limits,
    Reading,
    Second,
    Sweep,
    Volt,
)
from crossbar.blob import Arrays
from crossbar.records import Call
from crossbar.spent import applied

Answer = TypeVar("Answer")

SAME = 1e-9
"""Relative difference below which two requests are the same: other builds of NumPy round
differently; assumed."""


class Resumed:
    """A backend that answers from the records of interrupted runs first.

    Parameters
    ----------
    backend
        Where what is not in the records is done.
    runs
        For each run that is gone on with, in order, its number and its calls.
    """

    def __init__(self, backend: Backend, runs: Iterable[tuple[int, Iterable[Call]]]) -> None:
        self._backend = backend
        self._calls = _flat(runs)
        self._number, self._run, self._next = next(self._calls, (0, 0, None))
        # What is added to the clock of a run whose bench was opened anew, and the latest time.
        self._shift: Second = 0.0
        self._last: Second = 0.0
        self.replayed = 0
        """Calls that were answered from the records."""
        self.in_doubt = 0
        """Pulses and sweeps that counted as applied because nobody knows; they are not repeated."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self._backend.shape

    @property
    def limits(self) -> Limits:
        """What this bench accepts."""
        return self._backend.limits

    @property
    def now(self) -> Second:
        """Bench time, s; it goes on where the record ends."""
        if self._next is not None and self._next.bench_started is not None:
            return self._next.bench_started + self._shift
        return self._backend.now + self._shift

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell."""
        asked = {"word": cells.word, "bit": cells.bit, "voltage": voltage}
        return self._answered("read", asked, _reading, lambda: self._backend.read(cells, voltage))

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Return the verify reads of pulses; applies them if the record does not say it was done.

        Pulses that may have been applied are not: their cells are read.
        """
        asked = {"word": cells.word, "bit": cells.bit, "voltages": voltages, "widths": widths}
        asked["read_voltage"] = np.asarray(read_voltage)
        known = self._known("pulse", asked)
        if known is None:
            return self._backend.pulse(cells, voltages, widths, read_voltage)
        if known.answered is None:
            self.in_doubt += 1
            return self.read(cells, read_voltage)
        return _reading(known.answered)

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector of word-line voltages."""
        return self._answered(
            "drive", {"voltages": voltages}, _reading, lambda: self._backend.drive(voltages)
        )

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages; a sweep in doubt is not made again, and has no currents.

        Raises
        ------
        DataError
            If the record has something else.
        """
        asked = {"cell": cell, "voltages": voltages, "compliance": compliance, "dwell": dwell}
        known = self._known("sweep", asked)
        if known is None:
            return self._backend.sweep(cell, voltages, compliance, dwell)
        if known.answered is None:
            self.in_doubt += 1
            lost = np.full(len(voltages), np.nan)
            moment = np.full(len(voltages), self.now)
            return Sweep(voltages, lost, moment, np.zeros(len(voltages), dtype=np.uint8))
        return Sweep(*(known.answered[name] for name in ("voltage", "current", "time", "flags")))

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell; nothing that is gone on with so does.

        Raises
        ------
        DataError
            If the record has something else.
        """
        self._refuse_if_known("trace")
        return self._backend.trace(cell, voltages, interval, largest)

    def wait(self, duration: Second) -> None:
        """Let bench time pass, unless it has; a wait that was interrupted begins again."""
        # How long a wait has to be depends on the clock of that day: it is not compared.
        self._answered("wait", {}, lambda _: None, lambda: self._backend.wait(duration))

    def describe(self) -> Mapping[str, object]:
        """Return what made the numbers, as the bench says it."""
        return self._backend.describe()

    def close(self) -> None:
        """Leave every line at 0 V and disconnected."""
        self._backend.close()

    def _answered(
        self,
        verb: str,
        asked: Mapping[str, object],
        answer: Callable[[Arrays], Answer],
        act: Callable[[], Answer],
    ) -> Answer:
        """Return what the record says, or do what harms nobody if it is done twice."""
        while (known := self._known(verb, asked)) is not None:
            if known.answered is not None:
                return answer(known.answered)
        return act()

    def _known(self, verb: str, asked: Mapping[str, object]) -> Call | None:
        """Return the next call of the record and go on to the one after; None at its end.

        Raises
        ------
        DataError
            If that call is not the one that is asked for.
        """
        call = self._next
        if call is None:
            return None
        if call.verb != verb:
            self._refuse_if_known(verb)
        for name, value in asked.items():
            there, here = call.asked[name], np.asarray(value)
            if there.shape != here.shape or not np.allclose(there, here, rtol=SAME, atol=0):
                self._differs(f"{name} of its {verb} are others")
        self._advance(call)
        self.replayed += 1
        return call

    def _advance(self, call: Call) -> None:
        """Go on to the next call, with a clock that never runs back."""
        times = [time for time in (call.bench_started, call.bench_ended) if time is not None]
        self._last = max([self._last, *(time + self._shift for time in times)])
        number, run = self._number, self._run
        self._number, self._run, self._next = next(self._calls, (number, run, None))
        if self._next is None:
            self._shift = max(self._last - self._backend.now, 0.0)
        elif self._run != run and self._next.bench_started is not None:
            self._shift = max(self._last - self._next.bench_started, 0.0)

    def _refuse_if_known(self, verb: str) -> None:
        if self._next is not None:
            self._differs(f"it made a {self._next.verb} where this one makes a {verb}")

    def _differs(self, how: str) -> NoReturn:
        raise DataError(
            f"run {self._run} was another program, from its call {self._number} on: {how}; "
            "targets, settings or the version of the program differ"
        )


def _flat(runs: Iterable[tuple[int, Iterable[Call]]]) -> Iterator[tuple[int, int, Call | None]]:
    """Yield place, run and call of everything that was or may have been done, in order."""
    for run, calls in runs:
        for place, call in enumerate(calls, start=1):
            if call.verb != "close" and applied(call):
                yield place, run, call


def _reading(answered: Arrays) -> Reading:
    return Reading(answered["current"], answered["flags"])
