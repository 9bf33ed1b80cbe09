"""The array between the terminals of a source meter, whose current is limited."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from crossbar.backend import Ampere, Array, Indices, Second, Siemens, Volt
from sim_backend.virtual.rig import Rig

LIMITED = 1e-6
"""Fraction of the limit to which a lowered voltage is found."""


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """What a source meter and the rails are connected to.

    Parameters
    ----------
    word, bit
        Terminal voltages of the lines that the source meter is not on, V; NaN where open.
    high, low
        Word lines on its HI, and bit lines on its LO, which is at 0 V.
    beside
        Conductance from HI to LO beside the array, S.
    """

    word: Array
    bit: Array
    high: Indices
    low: Indices
    beside: Siemens = 0.0

    def same(self, other: "Connection") -> bool:
        """Return True if both are the same connections at the same voltages."""
        mine = (self.word, self.bit, self.high, self.low)
        theirs = (other.word, other.bit, other.high, other.low)
        pairs = zip(mine, theirs, strict=True)
        return self.beside == other.beside and all(
            a.shape == b.shape and np.array_equal(a, b, equal_nan=True) for a, b in pairs
        )


class SourcePath:
    """A source meter on the array.

    The current is that into LO: with floating lines it has come through sneak paths too, with
    driven ones the rails carry the rest. While voltage, limit and connections stay the same the
    time adds up, and the cells are moved once, before somebody looks or anything changes.

    Parameters
    ----------
    rig
        The array.
    """

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._held: tuple[Connection, Volt, Ampere, Second] | None = None
        self._duration = 0.0

    def hold(
        self, to: Connection, voltage: Volt, limit: Ampere, width: Second, start: Second
    ) -> None:
        """Let the array live with the source meter on it.

        Parameters
        ----------
        to
            What it is connected to.
        voltage, limit
            Driven between HI and LO, V, and largest current, A.
        width, start
            s, and bench time, s.
        """
        if self._rig.watch is not None:
            self._rig.watch(*_terminals(to, voltage), np.array([width]), start)
        held = self._held
        if held is None or (held[1], held[2]) != (voltage, limit) or not held[0].same(to):
            self._rig.settle()
            self._held, self._duration = (to, voltage, limit, start), 0.0
            self._rig.defer(self._apply)
        self._duration += width
        self._rig.now = start + width

    def reading(self, to: Connection, voltage: Volt, limit: Ampere) -> tuple[Volt, Ampere]:
        """Return voltage, V, and current, A, at the terminals now, with the cells' read noise."""
        self._rig.settle()
        healthy = self._rig.healthy(self._rig.now)
        level = self._limited(healthy, to, voltage, limit)
        flow = self._rig.circuit.flow(healthy, *_terminals(to, level))
        noise = flow.sigma[0] * self._rig.rng.standard_normal(flow.sigma.shape[1])
        current = float((flow.current[0] + noise)[to.low].sum()) + to.beside * level
        if level != voltage:
            # What limits regulates the current: it is the limit, to the last digit.
            return level, float(np.copysign(limit, current))
        return level, min(max(current, -limit), limit)

    def _apply(self) -> None:
        """Move the cells by what has been held."""
        if self._held is None:
            return
        to, voltage, limit, start = self._held
        width = self._duration
        self._held, self._duration = None, 0.0
        rig = self._rig
        healthy = rig.healthy(start)
        seen = rig.circuit.flow(healthy, *_terminals(to, voltage)).voltage[0]
        if not (rig.writes(seen) and len(to.high) == len(to.low) == 1):
            level = self._limited(healthy, to, voltage, limit)
            lowered = rig.circuit.flow(healthy, *_terminals(to, level)).voltage[0]
            rig.stressed(lowered, width, start)
            return
        cell = int(to.high[0]), int(to.low[0])
        total = abs(self._current(healthy, to, voltage))
        law = rig.device.law.at((to.high, to.low))
        own = abs(float(law.effective(seen[to.high, to.low])[0] * healthy[cell]))
        share = min(own / total, 1.0) if total > 0 else 1.0
        rig.device.hold(cell, float(seen[cell]), limit * share, width, start)
        after = rig.healthy(start + width)
        level = self._limited(after, to, voltage, limit)
        others = rig.circuit.flow(after, *_terminals(to, level)).voltage[0]
        others[cell] = 0.0
        rig.disturbed(others, width)

    def _current(self, healthy: Array, to: Connection, voltage: Volt) -> Ampere:
        flow = self._rig.circuit.flow(healthy, *_terminals(to, voltage))
        return float(flow.current[0, to.low].sum()) + to.beside * voltage

    def _limited(self, healthy: Array, to: Connection, voltage: Volt, limit: Ampere) -> Volt:
        """Return the voltage, lowered until the current is within the limit, V."""

        def excess(level: float) -> float:
            return abs(self._current(healthy, to, level)) - limit * (1 - LIMITED)

        if voltage == 0 or excess(voltage) <= 0:
            return voltage
        if excess(0.0) >= 0:  # the rails alone drive more than the limit
            return 0.0
        return float(brentq(excess, 0.0, voltage, xtol=1e-9 * abs(voltage), rtol=LIMITED))


def _terminals(to: Connection, voltage: Volt) -> tuple[Array, Array]:
    word, bit = to.word.copy(), to.bit.copy()
    word[to.high], bit[to.low] = voltage, 0.0
    return word[None], bit[None]
