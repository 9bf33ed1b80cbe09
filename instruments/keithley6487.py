"""Keithley 6487: picoammeter and voltage source, on PyMeasure's `Instrument`.

Numbers in parentheses are pages of its reference manual, 6487-901-01. Its limit is coarse: 25 uA,
250 uA, 2.5 mA and 25 mA; a gentler one takes a 2400 or a series resistor. It measures current only,
so the voltage of a reading is the one that it says it sources.
"""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import numpy as np
from pymeasure.adapters import Adapter
from pymeasure.instruments import Instrument, SCPIMixin
from pyvisa.highlevel import VisaLibraryBase

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
from instruments.keithley6487_limits import (
    RESOLUTION,
    Rules,
    limit_below,
    reading_time,
    voltage_range,
)
from instruments.keithley6487_settings import (
    AT_REST,
    AT_ZERO,
    SWITCHED_ON,
    ZERO_CHECK_OFF,
    configuration,
    in_force,
    limiting,
    ranging,
    sweeping,
)
from instruments.off_switch import OffSwitch
from instruments.read_back import check, check_replies, put, switch
from instruments.replies import check_errors, numbers, obey, register, spell
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

OVERFLOWED, INTERLOCK_OPEN, IN_COMPLIANCE = 1 << 7, 1 << 11, 1 << 14
"""Bits of the measurement condition register (9-16); a reading's own status has no compliance."""
NEAR_LIMIT = 0.98
"""Share of the limit that counts as compliance in an internal sweep, which has no flag for it."""
POINTS_AT_MOST = 3000
"""Length of the buffer. From memory: contract test."""
LOWEST_RANGE: Ampere = 2e-9

ASKED_OFF = "SOUR:VOLT:STAT?"
OFF = (
    "SOUR:VOLT:STAT OFF",
    # With a sweep armed, the line above is refused with +840, and this is the only way off.
    "SOUR:VOLT:SWE:ABOR",
    "SOUR:VOLT:STAT OFF",
    "SOUR:VOLT 0",
    # They outlive a sweep, and the next READ? would take as many readings.
    "ARM:COUN 1",
    "TRIG:COUN 1",
)
POINT = ("READ?", "STAT:MEAS:COND?", "SOUR:VOLT:ILIM?", "SOUR:VOLT:STAT?", "SYST:ZCH?")
"""What is asked at each point, as one message where the instrument takes that."""


class Keithley6487(SCPIMixin, Instrument):  # type: ignore[misc]  # PyMeasure has no types
    """A Keithley 6487.

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
        True if the interlock is wired: it is then used on the 10 V range too. The others need it.
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
    ) -> None:
        self._on = False
        rules = Rules(limits, lambda: self._on, self._forget)
        guard = WireGuard(rules.table())
        self.link = Link(resource, deadline=deadline, library=library, check=guard.check)
        super().__init__(self.link, "Keithley 6487")
        self.found_on = False
        self._switch = OffSwitch(self.link, "6487", OFF, ASKED_OFF)
        self._limits = limits
        self._timer = Monotonic() if timer is None else timer
        self._interlock = interlock
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
        """Make safe and close, under the name that PyMeasure's procedures call."""
        self.close()
        super().shutdown()

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
            Largest magnitude of the current, A; the limit is the next one at or below it.
        nplc
            Integration time in cycles of the mains.
        autorange
            False keeps the current range that holds the compliance.

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
        span, limit = voltage_range(voltage), limit_below(compliance, voltage_range(voltage))
        settings = configuration(
            span, limit, compliance, nplc, autorange=autorange, interlock=self._interlock
        )
        with self.link.lock:
            self.safe()
            put(self.link, settings)
            check(self.link, (*AT_REST, *settings))
            check_errors(self.link, "configuring")
            self._configured = (span, limit, nplc)

    def zero(self) -> None:
        """Measure the meter's own offset and subtract it from now on; the output is off.

        Raises
        ------
        InstrumentError
            If the instrument reports an error.
        """
        with self.link.lock:
            self.safe()
            for command in (
                "SYST:ZCH ON",
                f"SENS:CURR:RANG {LOWEST_RANGE:g}",
                "INIT",
                "SYST:ZCOR:ACQ",
                "SYST:ZCOR ON",
            ):
                obey(self.link, command, 1.0)
            settings = (*ranging(LOWEST_RANGE, autorange=True), ZERO_CHECK_OFF)
            put(self.link, settings)
            check(self.link, (*settings, switch("SYST:ZCOR", on=True)))
            check_errors(self.link, "correcting its zero")

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
        if not abs(voltage) <= span:
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
            If the interlock is open, the source is off or not where it was put, the limit is
            another, the input is switched to zero check, or the link fails.
        """
        span, limit, nplc = self._in_force(on=True)
        with self.link.lock:
            level = self._level
            reading, condition, *kept = self.link.ask_all(POINT, reading_time(nplc))
        bits = register(numbers(condition, 1)[0])
        self._check_interlock(is_open=bool(bits & INTERLOCK_OPEN))
        check_replies(self.link, (limiting(limit), SWITCHED_ON, ZERO_CHECK_OFF), kept)
        current, _, _, voltage = numbers(reading, 4)
        self._check_sourced(voltage, level, span)
        flags = Flag.COMPLIANCE if bits & IN_COMPLIANCE else Flag(0)
        if not abs(current) < OVERFLOW or bits & OVERFLOWED:
            return voltage, float("nan"), flags | Flag.CLIPPED
        return voltage, current, flags

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

        Parameters are those of `SourceMeter.internal_sweep`. A current near the limit counts as
        compliance.

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
        levels = np.linspace(start, stop, points)
        with self.link.lock:
            self.configure(largest, compliance, nplc=nplc)
            with self._switch.live(lambda: self._arm(start, stop, points, dwell), self.safe):
                span, limit, _ = self._in_force(on=True)
                reply = self.link.ask("READ?", points * (dwell + reading_time(nplc)))
                end = self._timer.now
                check(self.link, (*in_force(span, limit), ZERO_CHECK_OFF))
                self._ask_interlock()
                check_errors(self.link, "in an internal sweep")
        table = np.array(numbers(reply, 4 * points)).reshape(points, 4)
        for voltage, level in zip(table[:, 3], levels, strict=True):
            self._check_sourced(float(voltage), float(level), span)
        return self._swept(table, limit, end)

    # How it is done.

    def _swept(self, table: Array, limit: Ampere, end: Second) -> Sweep:
        current, time, _, voltage = table.T
        flags = np.where(np.abs(current) >= NEAR_LIMIT * limit, Flag.COMPLIANCE, 0)
        lost = ~(np.abs(current) < OVERFLOW)
        flags[lost] |= Flag.CLIPPED
        seen = np.where(lost, np.nan, current)
        return Sweep(voltage.copy(), seen, times_until(end, time), flags.astype(np.uint8))

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
            self._ask_interlock()
            self._on = True
            self.write("SOUR:VOLT:STAT ON")
            check(self.link, (SWITCHED_ON, *in_force(span, limit)))
            check_errors(self.link, "switching on")

    def _arm(self, start: Volt, stop: Volt, points: int, dwell: Second) -> None:
        span, limit, _ = self._in_force(on=False)
        swept = sweeping(start, stop, points, dwell, span)
        put(self.link, swept)
        check(self.link, (*swept, *in_force(span, limit)))
        # Its times begin anew, so that they do not do that in the middle.
        self.write("SYST:TIME:RES")
        self._ask_interlock()
        check_errors(self.link, "before an internal sweep")
        self._on = True
        self.write("SOUR:VOLT:SWE:INIT")
        # It picks its range from start and stop, and the range brings its own limit.
        check(self.link, (*in_force(span, limit), SWITCHED_ON))

    def _ask_interlock(self) -> None:
        self._check_interlock(is_open=numbers(self.ask("SOUR:VOLT:INT:FAIL?"), 1)[0] != 0)

    def _check_interlock(self, *, is_open: bool) -> None:
        if is_open:
            raise InstrumentError(f"{self.link.name}: the interlock is open, nothing is driven")

    def _check_sourced(self, voltage: Volt, level: Volt, span: Volt) -> None:
        if not abs(voltage - level) <= RESOLUTION[span]:
            raise InstrumentError(f"{self.link.name} sources {voltage} V, and was told {level} V")

    def _forget(self) -> None:
        self._configured = None
