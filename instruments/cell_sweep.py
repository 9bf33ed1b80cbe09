"""Curves of one cell by W1 and the amplifier: point by point, or as one waveform."""

from functools import partial

import numpy as np

from crossbar.backend import (
    Ampere,
    Array,
    Flag,
    Mask,
    Ohm,
    Second,
    Siemens,
    Sweep,
    Volt,
)
from instruments.cell_runs import CellRuns
from instruments.pulse_read import Margins
from instruments.settings import SenseTable
from instruments.staircase import Measured, Point, held_below
from instruments.timing import Timer
from instruments.trace import Trace
from instruments.wiring import Sensing

ROOM = 0.8
"""Part of the high gain's full scale that a point is expected to stay below to be taken there;
assumed."""

TELLING: Volt = 0.02
"""Below this a point does not tell a conductance from noise; assumed."""


class CellSweep:
    """Sweeps of single cells.

    Parameters
    ----------
    runs
        Of the instrument.
    sensing
        From amplifier outputs to currents.
    sense
        The amplifier.
    margins
        Its lead comes before each point.
    rail
        Of the rails' bias, as a part of the voltage.
    in_series
        Resistance of both switches, ohm.
    timer
        Of the times of a sweep.
    """

    def __init__(
        self,
        runs: CellRuns,
        sensing: Sensing,
        sense: SenseTable,
        margins: Margins,
        rail: float,
        in_series: Ohm,
        timer: Timer,
    ) -> None:
        self._runs = runs
        self._sensing = sensing
        self._sense = sense
        self._margins = margins
        self._rail = rail
        self._in_series = in_series
        self._timer = timer

    def sweep(
        self,
        pair: tuple[int, int],
        bit: int,
        voltages: Array,
        compliance: Ampere,
        dwell: Second,
    ) -> Sweep:
        """Apply each voltage for `dwell`, measured in its second half.

        Parameters
        ----------
        pair
            Word address and bit address of the cell.
        bit
            Its bit line.
        voltages
            V, shape ``(n,)``.
        compliance
            A.
        dwell
            s.

        Raises
        ------
        LimitError
            If the dwell is too short to measure in.
        InstrumentError
            If a current cannot be brought below the compliance.
        """
        plan = Point.fitting(dwell, self._margins.lead, self._margins.steps)
        points, times = [], np.empty(len(voltages))
        conductance = 0.0
        for k, asked in enumerate(voltages.tolist()):
            measure = partial(self._point, plan, pair, bit, conductance)
            point, lowered = held_below(compliance, asked, conductance, measure)
            if abs(point.voltage) >= TELLING:
                conductance = abs(point.current / point.voltage)
            flags = point.flags | (Flag.COMPLIANCE if lowered else 0)
            points.append((point.voltage, point.current, flags))
            times[k] = self._timer.now
        table = np.array(points, dtype=np.float64).reshape(-1, 3)
        return Sweep(table[:, 0], table[:, 1], times, table[:, 2].astype(np.uint8))

    def trace(
        self,
        pair: tuple[int, int],
        bit: int,
        voltages: Array,
        interval: Second,
        largest: Ampere,
    ) -> Sweep:
        """Play a waveform, and return what flowed, free of the amplifier's offset.

        The rails follow it. What they drive through the bit line is measured first, in a run with
        W1 at 0 V, and taken out. The voltage is W1's less what both switches take; the current
        follows it late by the amplifier's time constant.

        Raises
        ------
        LimitError
            If it does not fit the instrument, or is too fast for the amplifier.
        """
        steps = self._margins.steps
        plan = Trace.fitting(
            interval, len(voltages), max(self._margins.lead, steps.step), steps.wait
        )
        low_gain = largest >= ROOM * self._sense.full_scale[0]
        bias = self._rail * voltages if self._rail else None
        rails, spoilt = np.zeros(len(voltages)), np.zeros(len(voltages), dtype=np.bool_)
        if bias is not None:
            # The rails drive a current of their own through the bit line: the low gain holds more.
            low_gain = True
            still = np.zeros(len(voltages))
            lead, seen = self._runs.trace(plan, pair, still, bias, low_gain=low_gain)
            rails, spoilt = self._current(lead, seen, bit, low_gain=low_gain)
        lead, seen = self._runs.trace(plan, pair, voltages, bias, low_gain=low_gain)
        ended = self._timer.now
        total, beyond = self._current(lead, seen, bit, low_gain=low_gain)
        current = total - rails
        across = seen[0] - lead[0] - self._in_series * current
        flags = np.where(beyond | spoilt, np.uint8(Flag.CLIPPED), np.uint8(0))
        return Sweep(across, current, plan.times(ended), flags)

    def _current(self, lead: Array, seen: Array, bit: int, *, low_gain: bool) -> tuple[Array, Mask]:
        """Return the current beyond that in the lead, A, and where the amplifier was at its end."""
        before, during = (
            self._sensing.current(volts, bit, low_gain=low_gain) for volts in (lead[1], seen[1])
        )
        return during - before, np.abs(seen[1]) >= self._sense.largest

    def _point(
        self, plan: Point, pair: tuple[int, int], bit: int, conductance: Siemens, voltage: Volt
    ) -> Measured:
        """Take one point, at the high gain if the conductance seen last promises that it fits."""
        bias = self._rail * voltage
        expected = conductance * abs(voltage)
        # The rails drive a current of their own through the bit line: the low gain holds more.
        safe = not bias and 0 < expected < ROOM * self._sense.full_scale[0]
        for low_gain in (False, True) if safe else (True,):
            w1, seen = self._runs.point(plan, pair, voltage, bias, low_gain=low_gain)
            clipped = bool((np.abs(seen) >= self._sense.largest).any())
            if not clipped:
                break
        baseline, total = self._sensing.current(seen, bit, low_gain=low_gain)
        current = float(total - baseline)
        # The lead's 0 V is W1's own: the difference is free of scope 1's offset.
        across = float(w1[1] - w1[0]) - self._in_series * current
        return Measured(across, current, Flag.CLIPPED if clipped else 0)
