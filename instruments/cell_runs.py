"""The three kinds of run of a bench with one amplifier: a scan, a pulse, a point of a sweep."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from crossbar.backend import Array, InstrumentError, Volt
from instruments.analog_discovery import Acquisition, AnalogDiscovery, Idle, Pattern, Trigger
from instruments.pulse_read import PulseRead
from instruments.scans import TICK, Record, Scan, Steps
from instruments.selectors import Selector
from instruments.settings import SenseTable
from instruments.slots import Slots
from instruments.staircase import Point
from instruments.trace import Trace

W1, W2 = 0, 1
"""Channels of the waveform generators."""
MOST: Volt = 5.0
"""Largest voltage of a generator; AD2 reference manual."""
WIDE: Volt = 50.0
"""Span of the scope input that watches pulses, the coarse one; AD2 reference manual."""
FINE_PART = 0.95
"""Part of the fine range that W1 may use to be watched on it; assumed."""
LEVEL_ERROR: Volt = 0.03
"""Error of W1 as scope 1 sees it that passes, beside `GAIN_ERROR`; assumed."""
GAIN_ERROR = 0.02
"""Part of the voltage that passes besides; assumed: four times the manual's 0.5 %."""

_STEADY = {low: Pattern.of([int(low)], 1e-6, idle=Idle.HIGH) for low in (False, True)}


class CellRuns:
    """Runs of an Analog Discovery 2 whose W1 and amplifier are switched to one cell at a time.

    After a run W1 and W2 are at 0 V and nothing is enabled. The amplifier rests at its low gain:
    there it holds the bit line at 0 V up to the largest currents.

    Parameters
    ----------
    ad2
        The instrument.
    selector
        What switches.
    sense
        The amplifier and the scope.
    steps
        Of the amplifier's gains.
    scan_voltage
        Largest level of a scan, V: its waveforms are resolved for it.
    """

    def __init__(
        self,
        ad2: AnalogDiscovery,
        selector: Selector,
        sense: SenseTable,
        steps: Steps,
        scan_voltage: Volt,
    ) -> None:
        self._ad2 = ad2
        self._selector = selector
        self._gain = sense.gain_pin
        self._span = sense.range
        self._steps = steps
        self._scan_voltage = min(scan_voltage, MOST)
        self._fastest = max(1, int(1 / (sense.rate * TICK)))

    def scan(self, slots: Slots) -> Array:
        """Return the amplifier's outputs, V, shape ``(slots, 2)``: high gain, low gain."""
        seen = np.empty((len(slots), 2))
        for part in self._selector.parts(slots, self._steps.capacity):
            seen[part] = self._scan_part(slots[part])
        return seen

    def pulse(
        self,
        plan: PulseRead,
        pair: tuple[int, int],
        voltage: Volt,
        read_voltage: Volt,
        bias: Volt,
    ) -> Array:
        """Play a pulse with its verify read; return outputs, V, shape ``(2, 2)``.

        Parameters
        ----------
        plan
            Of the waveform.
        pair
            Word address and bit address.
        voltage, read_voltage
            Of the pulse and of the read, V.
        bias
            Of the rails during the pulse, V.

        Returns
        -------
        Array
            In the gap at 0 V and in the read, at high gain and low gain.
        """
        enabled = self._selector.select(*pair)
        patterns = {**enabled, self._gain: _gain_in_pulse(plan)}
        drive = plan.drive(voltage, read_voltage, bias)
        waveforms = drive, plan.bias(bias) if bias else None
        w1, seen = self._triggered(patterns, waveforms, plan, WIDE)
        self._check(plan.levels(w1), np.array([voltage, 0.0, read_voltage]))
        outputs = plan.cut(seen)
        self._ad2.confirm(outputs[1])
        return outputs

    def point(
        self, plan: Point, pair: tuple[int, int], voltage: Volt, bias: Volt, *, low_gain: bool
    ) -> Array:
        """Take one point of a sweep at one gain.

        Returns
        -------
        Array
            V, shape ``(2, 2)``: W1 and the amplifier's output, each in the lead and in the dwell.
        """
        enabled = self._selector.select(*pair)
        waveforms = plan.drive(voltage), plan.bias(bias) if bias else None
        watched = self._span if abs(voltage) <= FINE_PART * self._span / 2 else WIDE
        patterns = {**enabled, self._gain: _STEADY[low_gain]}
        record = self._triggered(patterns, waveforms, plan, watched)
        means = plan.cut(record)
        self._check(means[0], np.array([0.0, voltage]))
        self._ad2.confirm(means[1, 1:])
        return means

    def trace(
        self,
        plan: Trace,
        pair: tuple[int, int],
        voltages: Array,
        bias: Array | None,
        *,
        low_gain: bool,
    ) -> tuple[Array, Array]:
        """Play a waveform on one cell, and on the rails if they have one, at one gain.

        Returns
        -------
        tuple of Array
            V: W1 and the amplifier's output in the lead, shape ``(2,)``, and at each point, shape
            ``(2, points)``.
        """
        patterns = {**self._selector.select(*pair), self._gain: _STEADY[low_gain]}
        largest = float(np.abs(voltages).max(initial=0.0))
        watched = self._span if largest <= FINE_PART * self._span / 2 else WIDE
        waveforms = plan.drive(voltages), None if bias is None else plan.drive(bias)
        lead, points = plan.cut(self._triggered(patterns, waveforms, plan, watched))
        self._check(points[0], voltages)
        self._ad2.confirm(points[1, -1:])
        return lead, points

    def _scan_part(self, slots: Slots) -> Array:
        """Run slots that share a run."""
        ad2, scan = self._ad2, Scan(len(slots), self._steps, self._fastest)
        interval = self._steps.slot * TICK
        stepped = self._selector.prepare(slots, interval)
        ad2.patterns({**stepped, self._gain: _gain_in_scan(self._steps.step)})
        # Two samples per slot: a generator takes no waveform of one.
        ad2.quiet(W2)
        ad2.waveform(
            W1,
            np.repeat(slots.level, 2),
            interval / 2,
            trigger=Trigger.PATTERNS,
            full_scale=self._scan_voltage,
        )
        ad2.scope(_acquisition(scan.record, self._span, Trigger.PATTERNS))
        ad2.arm()
        ad2.start_waveforms()
        ad2.run_patterns(scan.duration)
        w1, seen = ad2.record(scan.duration)
        self._check(scan.levels(w1), slots.level)
        outputs = scan.cut(seen)
        self._ad2.confirm(outputs[np.flatnonzero(slots.level)[-1:]])
        return outputs

    def _triggered(
        self,
        patterns: Mapping[int, Pattern],
        waveforms: tuple[Array, Array | None],
        plan: PulseRead | Point | Trace,
        watched: Volt,
    ) -> Array:
        """Play waveforms with patterns that follow W1; return the record of both scope inputs.

        `watched` is the span of scope 1, V.
        """
        ad2, drive, bias = self._ad2, *waveforms
        interval = plan.interval * TICK
        ad2.patterns(patterns)
        ad2.waveform(W1, drive, interval, full_scale=MOST)
        if bias is None:
            ad2.quiet(W2)
        else:
            ad2.waveform(W2, bias, interval, full_scale=MOST)
        ad2.scope(_acquisition(plan.record, (watched, self._span), Trigger.W1))
        ad2.patterns_after(Trigger.W1, 0.0, plan.duration)
        ad2.arm()
        ad2.start_waveforms()
        return ad2.record(plan.duration)

    def _check(self, seen: Array, commanded: Array) -> None:
        """Turn everything off and raise `InstrumentError` unless W1 was what was commanded."""
        allowed = LEVEL_ERROR + GAIN_ERROR * np.abs(commanded)
        wrong = np.flatnonzero(~(np.abs(seen - commanded) <= allowed))
        if wrong.size:
            worst = wrong[np.argmax(np.abs(seen - commanded)[wrong])]
            self._ad2.safe()
            raise InstrumentError(
                f"W1 was at {seen[worst]:.4g} V at scope 1 where {commanded[worst]:.4g} V was "
                f"commanded, which may be off by {allowed[worst]:.3g} V: is scope 1 wired to W1?"
            )


@lru_cache(maxsize=8)
def _gain_in_scan(step: int) -> Pattern:
    """Return the gain pin of a scan: high gain (low level) first in each slot."""
    return Pattern.of([0, 1], step * TICK, idle=Idle.HIGH)


@lru_cache(maxsize=64)
def _gain_in_pulse(plan: PulseRead) -> Pattern:
    """Return the gain pin of a pulse: low gain but from the gap's middle into the read."""
    start, duration = plan.high_gain
    return Pattern.of([1, 0], duration, first=start, idle=Idle.HIGH)


@lru_cache(maxsize=64)
def _acquisition(record: Record, span: Volt | tuple[Volt, Volt], trigger: Trigger) -> Acquisition:
    return Acquisition(
        rate=record.rate,
        samples=record.samples,
        span=span,
        trigger=trigger,
        start=record.start * TICK,
    )
