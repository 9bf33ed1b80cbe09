"""A witness of a virtual bench: looks at every terminal, knows nothing of drivers, forgets nothing.

It stands between the world and the wiring, and at the array. What it notes is what happened, not
what anybody asked for; what should never happen it notes as a violation at once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from crossbar.backend import Ampere, Array, Limits, Second, Volt
from sim_backend.virtual.netlists import ArrayNetlist
from sim_backend.virtual.signals import Signal, Stimulus

GAIN_ERROR, OFFSET = 0.02, 0.02
"""Share and V by which sources and converters may miss what they were told.  # assumed"""
REST: Volt = 0.02
"""Below it a line counts as at 0 V: converters have offsets.  # assumed"""
ACROSS = 0.75
"""Of the largest voltage of a moment: cells above it are the ones that are meant.  # assumed

A V/2 scheme leaves 0.5 elsewhere."""
TOGETHER: Second = 1e-9
"""Stretches closer together than this are one."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never happen, and did.

    Parameters
    ----------
    kind
        ``envelope``, ``limit``, ``hot switching`` or ``two cells``.
    time
        Bench time, s.
    text
        What was seen.
    """

    kind: str
    time: Second
    text: str


@dataclass(frozen=True, slots=True)
class Dose:
    """A voltage above that of reads, which cells saw for a while.

    Parameters
    ----------
    start, width
        Bench time and how long, s.
    voltage
        Largest across a cell, with its sign, V.
    cells
        Those that saw it, as word line and bit line; empty where half-selected lines saw it.
    """

    start: Second
    width: Second
    voltage: Volt
    cells: tuple[tuple[int, int], ...]

    @property
    def end(self) -> Second:
        """Bench time, s."""
        return self.start + self.width


class Witness:
    """A wiring as the world sees it, with somebody who watches.

    Parameters
    ----------
    netlist
        The wiring; its array is watched from now on.
    limits
        Nothing beyond them may reach a cell.
    relay_pin
        DIO that throws a mechanical relay; None if there is none.
    """

    def __init__(
        self, netlist: ArrayNetlist, limits: Limits, *, relay_pin: int | None = None
    ) -> None:
        self._netlist = netlist
        self._limits = limits
        self._relay_pin = relay_pin
        self._quiet = limits.read_voltage * (1 + GAIN_ERROR) + OFFSET
        self._waveforms = (0.0, 0.0)
        self._relay = 0
        self._source: tuple[Volt, Ampere] | None = None
        self._closed: frozenset[int] = frozenset()
        self._now: Second = 0.0
        self.violations: list[Violation] = []
        self.doses: list[Dose] = []
        netlist.rig.watch = self._watch

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        """Let the interval pass, with an eye on the relay's pin."""
        self._now = stimulus.start
        if self._relay_pin is not None:
            self._look_at_relay(stimulus, self._relay_pin)
        answer = self._netlist.respond(stimulus)
        first, second = stimulus.waveforms
        self._waveforms = float(first.value[-1]), float(second.value[-1])
        self._now = stimulus.end
        return answer

    def set_source(self, voltage: Volt, limit: Ampere) -> None:
        """Take what a source meter drives."""
        if not abs(voltage) <= self._limits.voltage * (1 + GAIN_ERROR) + OFFSET:
            self._note("envelope", f"the source meter drives {voltage:g} V")
        # At 0 V a limit does no harm: a meter that is off stands at its own.
        if voltage and not abs(limit) <= self._limits.current * (1 + GAIN_ERROR):
            self._note("limit", f"the source meter drives {voltage:g} V with {limit:g} A at most")
        self._source = voltage, limit
        self._netlist.set_source(voltage, limit)

    def open_source(self) -> None:
        """Open the source meter's output."""
        self._source = None
        self._netlist.open_source()

    def source_reading(self) -> tuple[Volt, Ampere]:
        """Return what the source meter sees."""
        return self._netlist.source_reading()

    def switch(self, closed: frozenset[int]) -> None:
        """Close channels of the switch board, with an eye on what is live and on how many."""
        words = sorted(channel for channel in closed if channel < 16)
        bits = sorted(channel for channel in closed if 16 <= channel < 31)
        if len(words) > 1 or len(bits) > 1:
            self._note("two cells", f"channels {words} and {bits} are closed at once")
        if closed != self._closed and (live := self._live(*self._waveforms)):
            changed = sorted(closed ^ self._closed)
            self._note("hot switching", f"channels {changed} are switched with {live}")
        self._closed = closed
        self._netlist.switch(closed)

    def seen(self) -> dict[str, object]:
        """Return what was seen, as plain values."""
        return {
            "violations": [asdict(violation) for violation in self.violations],
            "doses": [asdict(dose) for dose in self.doses],
            "driven": dict(self.driven()),
        }

    def driven(self) -> Mapping[str, object]:
        """Return what a source meter drives and which relays are closed, as far as any."""
        found: dict[str, object] = {}
        if self._source is not None and abs(self._source[0]) > 0:
            found["source meter"] = self._source[0]
        if self._closed:
            found["relays"] = sorted(self._closed)
        return found

    def _live(self, first: Volt, second: Volt) -> str:
        """Return what is not at 0 V, in words; nothing if all is."""
        named = {"W1": first, "W2": second}
        if self._source is not None:
            named["the source meter"] = self._source[0]
        return ", ".join(f"{name} at {v:g} V" for name, v in named.items() if abs(v) > REST)

    def _look_at_relay(self, stimulus: Stimulus, pin: int) -> None:
        levels = np.asarray(stimulus.pins.value) >> pin & 1
        before = np.concatenate([[self._relay], levels[:-1]])
        for k in np.flatnonzero(levels != before):
            at = stimulus.pins.time[k : k + 1]
            first, second = (float(wave.at(at)[0]) for wave in stimulus.waveforms)
            if live := self._live(first, second):
                self._note("hot switching", f"the relay is thrown with {live}", float(at[0]))
        self._relay = int(levels[-1])

    def _watch(self, word: Array, bit: Array, widths: Array, start: Second) -> None:
        """Note what is above the voltage of reads; called before the array lives through it."""
        lines = np.hstack([word, bit])
        if np.isnan(lines).all():
            return
        span = np.fmax.reduce(lines, axis=1) - np.fmin.reduce(lines, axis=1)
        ends = start + np.cumsum(widths)
        for k in np.flatnonzero((span > self._quiet) & (widths > 0)).tolist():
            self._note_dose(word[k], bit[k], float(ends[k] - widths[k]), float(widths[k]))

    def _note_dose(self, word: Array, bit: Array, start: Second, width: Second) -> None:
        across = word[:, None] - bit
        if np.isnan(across).all():
            return
        size = np.abs(across)
        peak = float(np.nanmax(size))
        if peak <= self._quiet:
            return
        place = np.unravel_index(np.nanargmax(size), size.shape)
        voltage = float(across[place])
        if not peak <= self._limits.voltage * (1 + GAIN_ERROR) + OFFSET:
            cell = tuple(int(n) for n in place)
            self._note("envelope", f"{voltage:.3g} V across cell {cell}", start)
        chosen = np.argwhere(np.nan_to_num(size) >= ACROSS * peak)
        # Those of one line at most: at more the voltage is that of half-selected lines.
        few = len(chosen) <= max(across.shape)
        cells = tuple((int(w), int(b)) for w, b in chosen) if few else ()
        last = self.doses[-1] if self.doses else None
        if (
            last is not None
            and last.cells == cells
            and abs(start - last.end) <= TOGETHER
            and abs(voltage - last.voltage) <= GAIN_ERROR * peak
        ):
            self.doses[-1] = Dose(last.start, start + width - last.start, last.voltage, cells)
        else:
            self.doses.append(Dose(start, width, voltage, cells))

    def _note(self, kind: str, text: str, time: Second | None = None) -> None:
        self.violations.append(Violation(kind, self._now if time is None else time, text))
