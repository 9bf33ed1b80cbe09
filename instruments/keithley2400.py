"""Keithley 2400: source meter. PyMeasure's class, kept from what it does to a current limit.

PyMeasure reads `current`, `voltage` and `resistance` by MEAS?, which sets the limit back to 105 uA
and switches the output on. Here they go by READ?, and `WireGuard` refuses, on every path that
PyMeasure's class has, what is outside the limits. Numbers in parentheses are pages of the user
manual, 2400S-900-01. Current is not sourced.
"""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import numpy as np
from pymeasure.adapters import Adapter
from pymeasure.instruments.keithley import Keithley2400 as PyMeasureKeithley2400
from pyvisa.highlevel import VisaLibraryBase

from crossbar.backend import (
    Ampere,
    Array,
    Flag,
    InstrumentError,
    LimitError,
    Limits,
    Ohm,
    Second,
    Sweep,
    Volt,
)
from instruments.keithley2400_limits import (
    OVERRANGE,
    Rules,
    check_power,
    reading_time,
    voltage_range,
)
from instruments.keithley2400_settings import (
    AT_REST,
    AT_ZERO,
    SWITCHED_ON,
    configuration,
    in_force,
    limiting,
    sourcing,
    sweeping,
)
from instruments.off_switch import OffSwitch
from instruments.read_back import check, check_replies, put
from instruments.replies import check_errors, numbers, register, spell
from instruments.source_meter import (
    OVERFLOW,
    check_compliance,
    check_nplc,
    check_sweep,
    check_voltage,
    fitting_nplc,
    step_through,
    times_until,
)
from instruments.timing import Monotonic, Timer
from instruments.visa import Link
from instruments.wire_guard import WireGuard

LEVEL_TOLERANCE = (0.01, 0.02)
"""Of the voltage measured against the one sourced, outside compliance: share, and V. # assumed"""
OVERFLOWED, IN_COMPLIANCE, IN_RANGE_COMPLIANCE = 1 << 0, 1 << 3, 1 << 16
"""Bits of a reading's status (18-47; the last from a clone's manual)."""
POINTS_AT_MOST = 2500
OFF_STATES = ("HIMP", "NORM", "ZERO", "GUAR")

ASKED_OFF = "OUTP?"
OFF = (
    "OUTP OFF",
    # In the middle of a sweep it hears nothing else.
    "ABOR",
    "OUTP OFF",
    "SOUR:VOLT:MODE FIX",
    "SOUR:VOLT 0",
    "ARM:COUN 1",
    "TRIG:COUN 1",
)
POINT = ("READ?", "CURR:PROT:TRIP?", "CURR:PROT?", "SOUR:VOLT?")
"""What is asked at each point, as one message where the instrument takes that."""


class Keithley2400(PyMeasureKeithley2400):  # type: ignore[misc]  # PyMeasure has no types
    """A Keithley 2400 that sources voltage, within limits, and never sends MEAS? or CONF.

    Parameters
    ----------
    resource
        VISA address, or an adapter of PyMeasure's that is open already.
    limits
        What may be asked of it.
    timer
        Time; the computer's own clock if None.
    deadline
        Longest wait for a reply beyond what the measurement itself takes, s.
    library
        What ``pyvisa.ResourceManager`` takes.
    interlock
        True if the output-enable line is wired: the output then goes on only while it is closed.
    off_state
        What the output is while it is off: ``NORM`` drives 0 V, ``HIMP`` opens a relay, which
        wears, ``ZERO``, ``GUAR``.

    Raises
    ------
    LimitError
        If there is no such off state.
    """

    def __init__(
        self,
        resource: str | Adapter,
        limits: Limits,
        *,
        timer: Timer | None = None,
        deadline: Second = 2.0,
        library: str | VisaLibraryBase = "",
        interlock: bool = False,
        off_state: str = "NORM",
    ) -> None:
        if off_state not in OFF_STATES:
            raise LimitError(f"{off_state!r} is not one of {', '.join(OFF_STATES)}")
        self._on = False
        rules = Rules(limits, lambda: self._on, self._forget)
        guard = WireGuard(rules.table())
        self.link = Link(resource, deadline=deadline, library=library, check=guard.check)
        # Not PyMeasure's own constructor of this class: it talks to the instrument.
        super(PyMeasureKeithley2400, self).__init__(self.link, "Keithley 2400")
        self.found_on = False
        self._switch = OffSwitch(self.link, "2400", OFF, ASKED_OFF)
        self._limits = limits
        self._timer = Monotonic() if timer is None else timer
        self._interlock = interlock
        self._off_state = off_state
        self._configured: tuple[Volt, Ampere, float] | None = None
        self._level: Volt = 0.0

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> None:
        """Open the link and see what is there; an output that is on is switched off.

        Raises
        ------
        InstrumentError
            If nothing or something else answers.
        """
        if not self._switch.opened:
            self.found_on = self._switch.open()

    def close(self) -> None:
        """Make safe and close; a second call does nothing."""
        self._switch.close(self.safe)

    def shutdown(self) -> None:
        """Make safe and close. PyMeasure's own asks first, and leaves it on if no reply comes."""
        self.close()
        super(PyMeasureKeithley2400, self).shutdown()

    def identify(self) -> str:
        """Return what the instrument calls itself: maker, model, serial number, firmware."""
        return self.ask("*IDN?")

    def ask(self, command: str, query_delay: Second | None = None) -> str:
        """Return the reply to a question, as one exchange that no other thread gets between."""
        return self.link.ask(command, query_delay or 0.0)

    def safe(self) -> None:
        """Switch the output off: OFF is written before anything is asked, then confirmed.

        Raises
        ------
        InstrumentError
            If it could not be confirmed, also over a link opened anew.
        """
        self._on = False
        self._level = 0.0
        # Whatever happened, ranges and limit are not taken on trust afterwards.
        self._configured = None
        self._switch.off()

    def configure(
        self, voltage: Volt, compliance: Ampere, *, nplc: float = 1.0, autorange: bool = True
    ) -> None:
        """Set ranges and current limit, read them back; the output is off before and after.

        Parameters
        ----------
        voltage
            Largest magnitude that will be sourced, V.
        compliance
            Largest magnitude of the current, A.
        nplc
            Integration time in cycles of the mains.
        autorange
            False keeps the current range that holds the compliance. A lower one would clamp the
            current at its own end instead of at the limit.

        Raises
        ------
        LimitError
            If something is outside the limits or outside what the instrument can do.
        InstrumentError
            If it does not read back as it was set.
        """
        check_voltage(voltage, self._limits)
        check_compliance(compliance, self._limits)
        check_nplc(nplc)
        check_power(voltage, compliance)
        span = voltage_range(voltage)
        settings = configuration(
            span,
            compliance,
            nplc,
            autorange=autorange,
            interlock=self._interlock,
            off_state=self._off_state,
        )
        with self.link.lock:
            self.safe()
            put(self.link, settings)
            check(self.link, (*AT_REST, *settings))
            check_errors(self.link, "configuring")
            self._configured = (span, compliance, nplc)

    def energised(self) -> AbstractContextManager[None]:
        """Switch the output on at 0 V for a block; it is off after it, whatever happens."""
        return self._switch.live(self._switch_on, self.safe)

    def source(self, voltage: Volt) -> None:
        """Drive a voltage, V, inside `energised`.

        Raises
        ------
        LimitError
            If it is outside the limits or outside what was configured.
        InstrumentError
            Outside `energised`, or if the link fails.
        """
        check_voltage(voltage, self._limits)
        span, _, _ = self._in_force(on=True)
        if not abs(voltage) <= span * OVERRANGE:
            raise LimitError(f"{voltage} V is outside ±{span} V, the range that was configured")
        with self.link.lock:
            self._level = voltage
            self.write(f"SOUR:VOLT {spell(voltage)}")

    def rest(self) -> None:
        """Drive 0 V and make sure of it, inside `energised`: something may be switched now.

        Raises
        ------
        InstrumentError
            If the instrument does not say so, or the link fails.
        """
        with self.link.lock:
            self.source(0.0)
            check(self.link, [AT_ZERO])

    def measure(self) -> tuple[Volt, Ampere, Flag]:
        """Return voltage, V, current, A, and what they say about themselves, inside `energised`.

        Raises
        ------
        InstrumentError
            If level or limit are not what was set, the voltage is not the one sourced, though not
            in compliance, or the link fails.
        """
        span, limit, nplc = self._in_force(on=True)
        with self.link.lock:
            level = self._level
            reading, tripped, *kept = self.link.ask_all(POINT, reading_time(nplc))
            check_replies(self.link, (limiting(limit), sourcing(level, span)), kept)
        voltage, current, _, _, status = numbers(reading, 5)
        in_compliance = numbers(tripped, 1)[0] != 0
        return self._judged(voltage, current, register(status), level, tripped=in_compliance)

    def sweep(
        self, voltages: Array, compliance: Ampere, dwell: Second, *, nplc: float = 1.0
    ) -> Sweep:
        """Configure, energise, step through voltages, each checked as it is reached, and make safe.

        Parameters are those of `SourceMeter.sweep`.

        Raises
        ------
        LimitError
            If something is outside the limits; nothing was sent.
        InstrumentError
            As for `measure`.
        """
        largest = check_sweep(voltages, compliance, dwell, self._limits)
        chosen = fitting_nplc(nplc, dwell)
        with self.link.lock:
            self.configure(largest, compliance, nplc=chosen)
            with self.energised():
                found = step_through(self, voltages, dwell, reading_time(chosen), self._timer)
                check_errors(self.link, "in a sweep")
        return found

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

        Parameters are those of `SourceMeter.internal_sweep`.

        Raises
        ------
        LimitError
            If something is outside the limits; nothing was sent.
        InstrumentError
            As for `measure`.
        """
        ends = np.array([start, stop], dtype=np.float64)
        largest = check_sweep(ends, compliance, dwell, self._limits)
        if not (2 <= points <= POINTS_AT_MOST and start != stop):
            raise LimitError(f"{points} points from {start} V to {stop} V are no sweep")
        with self.link.lock:
            self.configure(largest, compliance, nplc=nplc)
            span, limit, _ = self._in_force(on=False)
            swept = sweeping(start, stop, points, dwell, span)
            put(self.link, swept)
            check(self.link, swept)
            # Its times begin anew, so that they do not do that in the middle.
            self.write("SYST:TIME:RES")
            with self.energised():
                reply = self.link.ask("READ?", points * (dwell + reading_time(nplc)))
                end = self._timer.now
                check(self.link, (SWITCHED_ON, *in_force(span, limit)))
                check_errors(self.link, "in an internal sweep")
        table = np.array(numbers(reply, 5 * points)).reshape(points, 5)
        levels = np.linspace(start, stop, points)
        judged = [
            self._judged(row[0], row[1], register(row[4]), level, tripped=False)
            for row, level in zip(table.tolist(), levels.tolist(), strict=True)
        ]
        found = np.array([point[:2] for point in judged], dtype=np.float64)
        flags = np.array([point[2] for point in judged], dtype=np.uint8)
        return Sweep(found[:, 0], found[:, 1], times_until(end, table[:, 3]), flags)

    # What PyMeasure reads by MEAS?.

    @property
    def voltage(self) -> Volt:
        """Voltage at the terminals now, V."""
        return self.measure()[0]

    @property
    def current(self) -> Ampere:
        """Current now, A."""
        return self.measure()[1]

    @property
    def resistance(self) -> Ohm:
        """Voltage over current now, ohm; NaN without current."""
        voltage, current, _ = self.measure()
        return voltage / current if current else float("nan")

    # How it is done.

    def _judged(
        self, voltage: Volt, current: Ampere, status: int, level: Volt, *, tripped: bool
    ) -> tuple[Volt, Ampere, Flag]:
        limited = tripped or bool(status & (IN_COMPLIANCE | IN_RANGE_COMPLIANCE))
        flags = Flag.COMPLIANCE if limited else Flag(0)
        if not (abs(current) < OVERFLOW and abs(voltage) < OVERFLOW) or status & OVERFLOWED:
            seen = voltage if abs(voltage) < OVERFLOW else float("nan")
            return seen, float("nan"), flags | Flag.CLIPPED
        share, least = LEVEL_TOLERANCE
        if not limited and not abs(voltage - level) <= share * abs(level) + least:
            raise InstrumentError(
                f"{self.link.name} measures {voltage} V, was told {level} V, and does not limit"
            )
        return voltage, current, flags

    def _in_force(self, *, on: bool) -> tuple[Volt, Ampere, float]:
        if self._configured is None:
            raise InstrumentError(f"{self.link.name} is not configured")
        if on and not self._on:
            raise InstrumentError(f"{self.link.name} is off; use `with meter.energised()`")
        return self._configured

    def _switch_on(self) -> None:
        if self._on:
            raise InstrumentError(f"{self.link.name} is on already")
        span, limit, _ = self._in_force(on=False)
        with self.link.lock:
            check(self.link, (*in_force(span, limit), AT_ZERO))
            self._on = True
            self.write("OUTP ON")
            # ROUT:TERM and a fixed range may have changed the limit on the way.
            check(self.link, (SWITCHED_ON, *in_force(span, limit)))
            check_errors(self.link, "switching on")

    def _forget(self) -> None:
        self._configured = None
