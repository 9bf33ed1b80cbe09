"""What every source meter can do here, and the procedures that they share."""

from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    Flag,
    InstrumentError,
    LimitError,
    Limits,
    Second,
    Sweep,
    Volt,
)
from instruments.timing import Timer

MAINS = 50.0
"""Lowest mains frequency, Hz: an integration time is at most ``nplc / MAINS``."""
NPLC = (0.01, 10.0)
"""Shortest and longest integration that both instruments take; both manuals."""
NPLC_TOLERANCE = 0.01
"""Of the integration time as read back; both set it in steps of 0.01. # assumed"""
CYCLES_PER_READING = 3.0
"""Integrations in one reading with autozero: signal, zero and reference; 2400S-900-01, 3."""
OVERFLOW = 9e36
"""A reading beyond it is none: overflow is 9.9E37 in one manual, 9.91E37 in another."""


class SourceMeter(Protocol):
    """A voltage source with a current limit and a meter.

    Constructors talk to nothing; ``with`` opens and, however it is left, makes safe and closes.
    """

    found_on: bool
    """True if the output was on when the instrument was opened; it was switched off then."""

    def open(self) -> None:
        """Open the link and see what is there; an output that is on is switched off."""
        ...

    def close(self) -> None:
        """Make safe and close; a second call does nothing."""
        ...

    def identify(self) -> str:
        """Return what the instrument calls itself: maker, model, serial number, firmware."""
        ...

    def configure(
        self, voltage: Volt, compliance: Ampere, *, nplc: float = 1.0, autorange: bool = True
    ) -> None:
        """Set ranges and current limit, read them back; the output is off before and after.

        Parameters
        ----------
        voltage
            Largest magnitude that will be sourced, V.
        compliance
            Largest magnitude of the current, A. The limit in force is never above it.
        nplc
            Integration time in cycles of the mains.
        autorange
            False keeps the current range that holds the compliance.
        """
        ...

    def energised(self) -> AbstractContextManager[None]:
        """Switch the output on at 0 V for a block; it is off after it, whatever happens."""
        ...

    def source(self, voltage: Volt) -> None:
        """Drive a voltage, V, inside `energised`."""
        ...

    def rest(self) -> None:
        """Drive 0 V and make sure of it, inside `energised`: something may be switched now."""
        ...

    def measure(self) -> tuple[Volt, Ampere, Flag]:
        """Return voltage, V, current, A, and what they say about themselves, inside `energised`.

        An overflow is NaN and CLIPPED.
        """
        ...

    def sweep(
        self, voltages: Array, compliance: Ampere, dwell: Second, *, nplc: float = 1.0
    ) -> Sweep:
        """Configure, energise, step through voltages, each checked as it is reached, and make safe.

        Parameters
        ----------
        voltages
            V, shape ``(n,)``, visited in order.
        compliance
            As for `configure`.
        dwell
            Time at each point, s, the reading included. A point lasts longer where the shortest
            reading does, or the link; the times of the sweep tell.
        nplc
            At most; less where a reading would not fit into the dwell.
        """
        ...

    def internal_sweep(
        self,
        start: Volt,
        stop: Volt,
        points: int,
        compliance: Ampere,
        dwell: Second,
        *,
        nplc: float = 1.0,
    ) -> Sweep:
        """As `sweep`, over equal steps, timed by the instrument; the whole of it is one exchange.

        Parameters
        ----------
        start, stop
            First and last voltage, V.
        points
            At least two.
        compliance
            As for `configure`.
        dwell
            Time at each point before its reading, s.
        nplc
            As for `configure`.
        """
        ...

    def safe(self) -> None:
        """Switch the output off: OFF is written before anything is asked, then confirmed.

        Raises
        ------
        InstrumentError
            If it could not be confirmed, also over a link opened anew.
        """
        ...


def check_voltage(voltage: Volt, limits: Limits) -> None:
    """Raise `LimitError` if a voltage is outside the limits, or no number."""
    if not abs(voltage) <= limits.voltage:
        raise LimitError(f"{voltage} V is outside ±{limits.voltage} V")


def check_compliance(compliance: Ampere, limits: Limits) -> None:
    """Raise `LimitError` if a current limit is outside the limits, or no number."""
    if not 0 < compliance <= limits.current:
        raise LimitError(f"compliance {compliance} A is outside 0 to {limits.current} A")


def check_sweep(voltages: Array, compliance: Ampere, dwell: Second, limits: Limits) -> Volt:
    """Return the largest magnitude of a sweep's voltages.

    Raises
    ------
    LimitError
        If anything in it is outside the limits, or no number, or it has no points.
    """
    if not np.size(voltages):
        raise LimitError("a sweep without points")
    largest = float(np.max(np.abs(voltages)))
    check_voltage(largest, limits)
    check_compliance(compliance, limits)
    if not 0 < dwell <= limits.width_max:
        raise LimitError(f"dwell {dwell} s is outside 0 to {limits.width_max} s")
    return largest


def check_nplc(nplc: float) -> None:
    """Raise `LimitError` if an integration time is outside what the instruments take."""
    if not NPLC[0] <= nplc <= NPLC[1]:
        raise LimitError(f"{nplc} NPLC is outside {NPLC[0]} to {NPLC[1]}")


def step_through(
    meter: SourceMeter, voltages: Array, dwell: Second, reading: Second, timer: Timer
) -> Sweep:
    """Return a sweep of a meter that is energised, point by point.

    Parameters
    ----------
    meter
        Energised.
    voltages
        V, shape ``(n,)``.
    dwell
        Time at each point, s.
    reading
        What of it a reading takes, s.
    timer
        Time.
    """
    points: list[tuple[Volt, Ampere, Second, Flag]] = []
    for voltage in voltages:
        begin = timer.now
        meter.source(float(voltage))
        timer.sleep(begin + dwell - reading - timer.now)
        seen, current, flags = meter.measure()
        timer.sleep(begin + dwell - timer.now)
        points.append((seen, current, timer.now, flags))
    table = np.array([point[:3] for point in points], dtype=np.float64)
    marks = np.array([point[3] for point in points], dtype=np.uint8)
    return Sweep(table[:, 0], table[:, 1], table[:, 2], marks)


def times_until(end: Second, stamps: Array) -> Array:
    """Return an instrument's own times as bench times, s, of which the last is `end`.

    Raises
    ------
    InstrumentError
        If they are no times, or run back.
    """
    if not (np.all(np.abs(stamps) < OVERFLOW) and np.all(np.diff(stamps) >= 0)):
        raise InstrumentError(f"{stamps.tolist()} are no times of readings, s")
    past: Array = stamps[-1] - stamps
    return end - past


def fitting_nplc(nplc: float, dwell: Second) -> float:
    """Return the integration time that leaves half of a dwell to settle, or the shortest."""
    return max(min(nplc, dwell / 2 * MAINS / CYCLES_PER_READING), NPLC[0])
