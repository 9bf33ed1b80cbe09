"""Transimpedance amplifiers, and voltages that take time to settle."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, BenchError, Indices, Mask, Ohm, Second, Volt
from sim_backend.converters import Tia
from sim_backend.virtual.faults import Faults

SETTLED = 15.0
"""Time constants after which nothing is left of a step: 3e-7, below a 20-bit converter's code."""

STICKY = 6.0
"""Time constants for which the slowest part that moved still sets the pace."""


@dataclass(frozen=True, slots=True)
class Sense:
    """What the amplifiers and the multiplexers have in common.

    Parameters
    ----------
    feedback
        Resistors at high and at low gain, ohm.
    amplifier
        Time constant at high and at low gain, s.
    multiplexer
        Time constant behind a switch that has just closed, s.
    rail
        Largest output, V.

    Raises
    ------
    BenchError
        If a number is not above zero.
    """

    feedback: tuple[Ohm, Ohm] = (100e3, 5e3)
    amplifier: tuple[Second, Second] = (0.47e-6, 0.1e-6)  # assumed: 4.7 pF over 100 kohm
    multiplexer: Second = 50e-9  # assumed: 100 ohm into cable and scope
    rail: Volt = 10.0  # assumed: on supplies of ±12 V

    def __post_init__(self) -> None:
        if not min(*self.feedback, *self.amplifier, self.multiplexer, self.rail) > 0:
            raise BenchError("resistors, time constants and rail have to be above zero")


class Amplifiers:
    """Transimpedance amplifiers, one per bit line: inverting, their gains and offsets drawn once.

    An amplifier at its rail keeps its virtual ground here; a real one does not.

    Parameters
    ----------
    sense
        Their resistors and rail.
    tia
        Spread of their gains and offsets, drawn as `Readout.drawn` does.
    count
        How many.
    faults
        Dead ones, and offsets on top.
    rng
        Draws them.
    """

    def __init__(
        self, sense: Sense, tia: Tia, count: int, faults: Faults, rng: np.random.Generator
    ) -> None:
        self._sense = sense
        self.gain = 1.0 + tia.gain_sigma * rng.standard_normal(count)
        self.offset = tia.offset_sigma * rng.standard_normal(count)
        for number, current in faults.offsets.items():
            self.offset[number] += current
        self._alive: Mask = np.array([number not in faults.dead for number in range(count)])

    def output(self, number: Indices, currents: Array, bias: Array, low: Mask) -> Array:
        """Return output voltages, V.

        Parameters
        ----------
        number
            Which amplifier each is.
        currents
            Into its input, A.
        bias
            At its other input, V.
        low
            Whether its gain is low.
        """
        resistance = np.where(low, self._sense.feedback[1], self._sense.feedback[0])
        measured = currents * self.gain[number] + self.offset[number]
        rail = self._sense.rail
        volts: Array = np.clip(bias - measured * resistance, -rail, rail)
        return np.where(self._alive[number], volts, 0.0)


class Settled:
    """A voltage that follows steps: it slews, then approaches each target exponentially.

    Targets are found when somebody looks.

    Parameters
    ----------
    time
        When each step begins, s, ascending.
    constant
        Time constant from then on, s, same shape.
    slewing
        How long the voltage first slews, s, same shape.
    target
        Returns where these steps lead, V.
    before
        The voltage until the first step; None if the first is none.
    """

    def __init__(
        self,
        time: Array,
        constant: Array,
        slewing: Array,
        target: Callable[[Indices], Array],
        before: "Settled | None",
    ) -> None:
        self._time, self._constant, self._slewing = time, constant, slewing
        self._target = target
        self._before = before
        self._known = np.full(len(time), np.nan)
        self._long = np.diff(time) > SETTLED * constant[:-1] + slewing[:-1]

    def at(self, times: Array) -> Array:
        """Return the voltage at each time, V."""
        if len(self._time) == 1 and self._before is None:
            if np.isnan(self._known[0]):
                self._known[:] = self._target(np.zeros(1, dtype=np.intp))
            return np.full(times.shape, self._known[0])
        step = np.maximum(np.searchsorted(self._time, times, side="right") - 1, 0)
        age = np.maximum(times - self._time[step], 0.0)
        young = age < SETTLED * self._constant[step] + self._slewing[step]
        asked = np.zeros(len(self._time), bool)
        asked[step] = True
        moving = np.zeros(len(self._time), bool)
        moving[step[young]] = True
        # A step starts where the one before has come to, which had its own start, and so on.
        for k in np.flatnonzero(moving)[::-1].tolist():
            j = k
            while j > 0 and not (asked[j - 1] and moving[j - 1]):
                asked[j - 1] = True
                if self._long[j - 1]:
                    break
                moving[j - 1] = True
                j -= 1
        unknown = np.flatnonzero(asked & np.isnan(self._known))
        if unknown.size:
            self._known[unknown] = self._target(unknown)
        distance = np.zeros(len(self._time))
        for k in np.flatnonzero(moving).tolist():
            distance[k] = self._start(k, distance) - self._known[k]
        values: Array = self._known[step]
        values[young] += distance[step[young]] * self._left(step[young], age[young])
        return values

    def until(self, moment: Second, *, moved: bool) -> "Settled | None":
        """Return what a signal that begins at this time has to start from, None if it is settled.

        Parameters
        ----------
        moment
            Bench time, s.
        moved
            Whether something moves then.
        """
        moving = SETTLED * self._constant[-1] + self._slewing[-1]
        settled = bool(moment - self._time[-1] > moving) or (
            len(self._time) == 1 and self._before is None
        )
        if not settled:
            return self
        # Its end does not depend on what was before, which need not be kept for it.
        return self._cut() if moved else None

    def _cut(self) -> "Settled":
        cut = Settled(self._time, self._constant, self._slewing, self._target, None)
        cut._known = self._known
        return cut

    def _start(self, k: int, distance: Array) -> float:
        if k == 0:
            if self._before is None:
                return float(self._known[0])
            return float(self._before.at(self._time[:1])[0])
        before = float(self._known[k - 1])
        if self._long[k - 1]:
            return before
        last = np.array([k - 1])
        width = self._time[k : k + 1] - self._time[k - 1]
        return before + float(distance[k - 1] * self._left(last, width)[0])

    def _left(self, step: Indices, age: Array) -> Array:
        """Return which part of a step is still to go at this age."""
        constant, slewing = self._constant[step], self._slewing[step]
        share = constant / (constant + slewing)
        after = share * np.exp(-np.maximum(age - slewing, 0.0) / constant)
        if not slewing.any():
            return after
        ramp = 1.0 - age * (1.0 - share) / np.where(slewing > 0, slewing, 1.0)
        return np.where(age < slewing, ramp, after)


class Pace:
    """Time constants of steps, in which a slow part that still moves is not hidden by a fast one.

    It remembers the last step of one interval for the next.
    """

    def __init__(self) -> None:
        self._time = -np.inf
        self._constant: Second = 1.0

    def constants(self, time: Array, moved: Array, *, first: bool) -> Array:
        """Return the time constant of each step, s.

        Parameters
        ----------
        time
            Of each step, s, ascending.
        moved
            Time constant of what moves at each step, s.
        first
            Whether anything moves at the first step; otherwise what moved before goes on.
        """
        kept = moved.copy()
        if first:
            self._carry(kept, 0, float(time[0]) - self._time, self._constant)
        else:
            kept[0] = self._constant if np.isfinite(self._time) else moved[0]
        before = float(time[0]) if first else self._time
        if len(time) > 1 and kept[1:].min() < kept[:-1].max():
            for k, moment in enumerate(time[1:].tolist(), start=1):
                self._carry(kept, k, moment - before, float(kept[k - 1]))
                before = moment
        if first or len(time) > 1:
            self._time = float(time[-1])
        self._constant = float(kept[-1])
        return kept

    def _carry(self, kept: Array, k: int, age: Second, constant: Second) -> None:
        if age < STICKY * constant:
            kept[k] = max(float(kept[k]), constant)
