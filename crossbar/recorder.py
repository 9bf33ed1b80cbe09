"""The journal: a wrapper that records what is asked of a bench before it, and the answer after."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import (
    Ampere,
    Array,
    Backend,
    Cells,
    CrossbarError,
    Indices,
    Limits,
    Reading,
    Second,
    StoreError,
    Sweep,
    Volt,
)
from crossbar.store import Run, error_text

Answer = TypeVar("Answer")


class Recorded:
    """A backend whose every call is in the run store: the outermost wrapper.

    What is refused by the guard is recorded too, with its reason. A call that cannot be recorded
    is not made, and closes the bench before the error is raised: a full disk, a file that is gone.

    Parameters
    ----------
    backend
        The guarded bench.
    run
        The run that the calls belong to.
    """

    def __init__(self, backend: Backend, run: Run) -> None:
        self._backend = backend
        self._run = run
        self._closed = False

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
        """Bench time since opening, s."""
        return self._backend.now

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell.

        Raises
        ------
        StoreError
            If the call could not be recorded before it, or its answer after it.
        """
        asked = _lines(cells) | {"voltage": voltage}
        return self._call("read", asked, lambda: self._backend.read(cells, voltage), _reading)

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one programming pulse per cell, in order, and return each cell's verify read.

        Raises
        ------
        StoreError
            If the call could not be recorded before it (then no pulse was applied), or its answer
            after it.
        """
        asked = _lines(cells) | {
            "voltages": voltages,
            "widths": widths,
            "read_voltage": read_voltage,
        }
        return self._call(
            "pulse",
            asked,
            lambda: self._backend.pulse(cells, voltages, widths, read_voltage),
            _reading,
        )

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector of word-line voltages.

        Raises
        ------
        StoreError
            If the call could not be recorded before it, or its answer after it.
        """
        return self._call(
            "drive", {"voltages": voltages}, lambda: self._backend.drive(voltages), _reading
        )

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages, quasi-statically, and measure at each.

        Raises
        ------
        StoreError
            If the call could not be recorded before it, or its answer after it.
        """
        asked = {"cell": cell, "voltages": voltages, "compliance": compliance, "dwell": dwell}
        return self._call(
            "sweep", asked, lambda: self._backend.sweep(cell, voltages, compliance, dwell), _swept
        )

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell as one waveform, and return what flowed.

        Raises
        ------
        StoreError
            If the call could not be recorded before it, or its answer after it.
        """
        asked = {"cell": cell, "voltages": voltages, "interval": interval, "largest": largest}
        return self._call(
            "trace", asked, lambda: self._backend.trace(cell, voltages, interval, largest), _swept
        )

    def wait(self, duration: Second) -> None:
        """Let `duration` seconds of bench time pass with every line at 0 V.

        Raises
        ------
        StoreError
            If the call could not be recorded.
        """
        self._call("wait", {"duration": duration}, lambda: self._backend.wait(duration), _nothing)

    def describe(self) -> Mapping[str, object]:
        """Return what made the numbers, as the bench says it."""
        return self._backend.describe()

    def close(self) -> None:
        """Leave every line at 0 V and disconnected, even if that cannot be recorded.

        Raises
        ------
        StoreError
            If the call could not be recorded; the bench is closed nevertheless.
        """
        if self._closed:
            self._backend.close()
            return
        self._closed = True
        now = self._now()
        try:
            # Before anything else: a store may take seconds to say that it cannot be written.
            self._backend.close()
        except BaseException as problem:
            with suppress(StoreError):
                call = self._run.intent("close", now, {})
                self._run.outcome(call, self._now(), error=error_text(problem))
            raise
        self._run.outcome(self._run.intent("close", now, {}), self._now(), {})

    def _call(
        self,
        verb: str,
        asked: Mapping[str, object],
        act: Callable[[], Answer],
        answered: Callable[[Answer], Mapping[str, ArrayLike]],
    ) -> Answer:
        try:
            call = self._run.intent(
                verb, self._now(), {name: _storable(value) for name, value in asked.items()}
            )
        except StoreError as problem:
            self._leave_safe(problem)
            raise
        try:
            answer = act()
        except BaseException as problem:
            try:
                self._run.outcome(call, self._now(), error=error_text(problem))
            except StoreError as second:
                # What went wrong on the bench matters more than that it could not be recorded.
                problem.add_note(f"the outcome of call {call} could not be recorded: {second}")
            raise
        try:
            self._run.outcome(call, self._now(), answered(answer))
        except StoreError as problem:
            lost = StoreError(
                f"call {call}, {verb}, was done, but its outcome could not be recorded: {problem}"
            )
            self._leave_safe(lost)
            raise lost from problem
        return answer

    def _leave_safe(self, problem: StoreError) -> None:
        """Close the bench because of an error, which stays the one that is raised."""
        self._closed = True
        try:
            self._backend.close()
        except CrossbarError as second:
            problem.add_note(f"and closing the bench failed: {second}")

    def _now(self) -> Second | None:
        try:
            return self._backend.now
        except CrossbarError:  # a closed bench has no time
            return None


def _reading(reading: Reading) -> dict[str, ArrayLike]:
    return {"current": reading.current, "flags": reading.flags}


def _swept(swept: Sweep) -> dict[str, ArrayLike]:
    return {
        "voltage": swept.voltage,
        "current": swept.current,
        "time": swept.time,
        "flags": swept.flags,
    }


def _nothing(_: None) -> dict[str, ArrayLike]:
    return {}


def _lines(cells: Cells) -> dict[str, object]:
    return {"word": _short(cells.word), "bit": _short(cells.bit)}


def _short(lines: Indices) -> NDArray[np.signedinteger]:
    """Return line numbers in half the bytes, unless one of them, to be refused, does not fit."""
    short = lines.astype(np.int32)
    return short if np.array_equal(short, lines) else lines


def _storable(value: object) -> NDArray[np.generic]:
    """Return a value as an array; of what is none, which the guard will refuse, its text."""
    try:
        array = np.asarray(value)
    except ValueError:  # ragged
        return np.array(repr(value))
    return array if array.dtype.kind in "biufcSU" else np.array(repr(value))
