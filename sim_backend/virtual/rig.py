"""The simulated array under line voltages that are functions of time."""

import weakref
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.optimize import bisect

from crossbar.backend import Array, LimitError, Ohm, Second, Volt
from sim_backend.devices.device import Device
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.array_circuit import ArrayCircuit
from sim_backend.virtual.edges import Edges
from sim_backend.virtual.faults import Faults
from sim_backend.virtual.held import Held, Part

Watch: TypeAlias = Callable[[Array, Array, Array, Second], None]
"""Told of terminal voltages before the array lives through them; parameters as for `Rig.live`."""

WRITE_STRESS = 2e-3
"""Stress, in units of the rate at threshold, from which a segment can write.  # assumed

The default cell reaches it at +1.45 V and -0.65 V. What is below is dose for `Device.disturb`.
"""

FULLY_SELECTED = 0.9
"""Of the largest cell voltage: cells above it are written, all others are half selected.

# assumed: V/2 leaves 0.5 elsewhere, and line resistance costs a selected cell a few percent.
"""

QUIET: Volt = 2e-3
"""Below it no cell is stressed: converters' offsets are no signal.  # assumed"""

PENDING_DOSE: Second = 1e-6
"""Stress that may wait before it moves the cells, s at threshold: 1.5e-4 of the default range."""

PENDING_SEGMENTS = 1024
"""Segments whose stress may wait."""


class Rig:
    """One simulated array on its terminals.

    What is approximated:

    - Line voltages are constant within a segment; conductances hold still while they only read.
    - A write moves the cells that see at least `FULLY_SELECTED` of the largest voltage, by the
      voltages at its beginning; all others take its stress as a dose.
    - Doses of segments that cannot write move the cells together, once they matter or before the
      next write; where all lines are driven these doses are those of lines without resistance.

    Parameters
    ----------
    settings
        What the array is made of; converters, times and schemes are not used.
    lead
        Resistance between each terminal and its line, ohm.
    edges
        How the lines follow; at once by default.
    faults
        What is wrong with it.
    rng
        Source of all chance, from `settings.seed` by default. The device is the first to draw, so
        that one seed gives the cells of a `SimulatedBackend`.
    """

    def __init__(
        self,
        settings: SimulationSettings,
        *,
        lead: Ohm = 0.0,
        edges: Edges | None = None,
        faults: Faults | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.rng = np.random.default_rng(settings.seed) if rng is None else rng
        self.shape = (settings.word_lines, settings.bit_lines)
        self.device: Device = settings.device.build(self.shape, self.rng)
        self.circuit = ArrayCircuit(
            self.device,
            self.shape,
            settings.line_resistance,
            lead,
            Faults() if faults is None else faults,
        )
        self.now: Second = 0.0
        self.watch: Watch | None = None
        """Somebody who looks at every terminal voltage; see `sim_backend.virtual.witness`."""
        self._edges = edges
        self._onset = self._write_onset(1.0), -self._write_onset(-1.0)
        self._pending: list[tuple[Array, Array, Array]] = []
        self._pending_dose, self._pending_count = 0.0, 0
        self._deferred: Callable[[], None] | None = None
        self._unfrozen: weakref.WeakSet[Held] = weakref.WeakSet()

    @property
    def conductances(self) -> Array:
        """True small-signal conductances now, without faults, S: for studies and tests."""
        self.settle()
        return self.healthy(self.now)

    def set_conductances(self, conductances: Array) -> None:
        """Place every cell exactly, S, shape `shape`: for studies and tests.

        Raises
        ------
        LimitError
            If the shape is wrong, or a conductance is negative or not finite.
        """
        placed = np.asarray(conductances, dtype=np.float64)
        if placed.shape != self.shape or not np.all((placed >= 0) & np.isfinite(placed)):
            raise LimitError(f"conductances have to be finite, zero or more, and {self.shape}")
        self.settle()
        self._freeze()
        self.device.place(placed, self.now)

    def healthy(self, time: Second) -> Array:
        """Return the cells' small-signal conductances at a bench time, faults aside, S."""
        return self.device.conductance(time)

    def hold(self, word: Array, bit: Array, widths: Array, start: Second) -> Array:
        """Return the bit-line currents, A, of `live`, all of them: ``(n, n_bit)``."""
        return self.live(word, bit, widths, start).currents()

    def live(self, word: Array, bit: Array, widths: Array, start: Second) -> Held:
        """Let the array live through consecutive segments of constant line voltages.

        Parameters
        ----------
        word, bit
            Terminal voltages, V, ``(n, n_word)`` and ``(n, n_bit)``; NaN leaves a terminal open.
        widths
            s, shape ``(n,)``.
        start
            Bench time at which the first begins, s.
        """
        if self.watch is not None:
            self.watch(word, bit, widths, start)
        if self._deferred is not None:
            self.settle()
        high, low = self._extremes(word, bit)
        ends: Array = start + np.cumsum(widths)
        held = Held(self, word, bit)
        writes = np.flatnonzero((high > self._onset[0]) | (low < self._onset[1])).tolist()
        begin = 0
        for k in [*writes, len(widths)]:
            if k > begin:
                rows = slice(begin, k)
                held.add(_part(rows, high[rows], low[rows], ends[rows], widths[rows]))
                self._unfrozen.add(held)
                self._wait(word[rows], bit[rows], widths[rows], high[rows], low[rows])
            if k < len(widths):
                at = float(ends[k] - widths[k])
                held.know(k, *self._write(word[k : k + 1], bit[k : k + 1], float(widths[k]), at))
            begin = k + 1
        self.now = float(ends[-1]) if len(ends) else start
        return held

    def defer(self, action: Callable[[], None]) -> None:
        """Have something done before anybody looks at the cells or moves them."""
        self._deferred = action

    def settle(self) -> None:
        """Let all that waits move the cells."""
        action, self._deferred = self._deferred, None
        if not self._pending and action is None:
            return
        self._freeze()
        self._settle_doses()
        if action is not None:
            action()

    def stressed(self, voltage: Array, width: Second, start: Second) -> None:
        """Let cells see these voltages, V: write the fully selected ones, disturb the others."""
        rates = self.device.stress(np.where(np.abs(voltage) > QUIET, voltage, 0.0))
        size = np.abs(voltage)
        chosen = (size >= FULLY_SELECTED * size.max()) & (np.abs(rates) > WRITE_STRESS)
        word, bit = np.nonzero(chosen)
        if len(word):
            spans, starts = np.full(len(word), width), np.full(len(word), start)
            self.device.pulse((word, bit), voltage[chosen], spans, starts)
        self.disturbed(np.where(chosen, 0.0, voltage), width)

    def disturbed(self, voltage: Array, width: Second) -> None:
        """Let cells see these voltages as stress alone, V."""
        doses = self.device.stress(np.where(np.abs(voltage) > QUIET, voltage, 0.0)) * width
        self.device.disturb(np.maximum(doses, 0.0), np.maximum(-doses, 0.0))

    def writes(self, voltage: Array) -> bool:
        """Return True if one of these cell voltages is enough to write, V."""
        return bool(voltage.max() > self._onset[0] or voltage.min() < self._onset[1])

    def _write(self, word: Array, bit: Array, width: Second, start: Second) -> tuple[Array, Array]:
        """Let the array live through a segment that can write; return what flows as it begins."""
        self.settle()
        self._freeze()
        flow = self.circuit.flow(self.healthy(start), word, bit)
        seen = flow.voltage[0]
        if self._edges is not None:
            strongest = float(seen.flat[np.abs(seen).argmax()])
            width = self._edges.effective(self.device, strongest, width)
        self.stressed(seen, width, start)
        return flow.current[0], flow.sigma[0]

    def _write_onset(self, sign: float) -> Volt:
        """Return the magnitude at which a cell's stress reaches `WRITE_STRESS`, V."""

        def excess(voltage: float) -> float:
            rate = self.device.stress(np.array([sign * voltage]))[0]
            return float(abs(rate)) - WRITE_STRESS

        return float(bisect(excess, 0.0, 100.0, xtol=1e-6))

    def _extremes(self, word: Array, bit: Array) -> tuple[Array, Array]:
        """Return bounds of the highest and the lowest cell voltage of each segment, V."""
        if self.circuit.all_driven(word, bit):
            return word.max(axis=1) - bit.min(axis=1), word.min(axis=1) - bit.max(axis=1)
        # A sneak path can see any difference between driven lines, in either direction.
        lines = np.hstack([word, bit])
        span = np.fmax.reduce(lines, axis=1) - np.fmin.reduce(lines, axis=1)
        span[np.isnan(span)] = 0.0
        return span, -span

    def _wait(self, word: Array, bit: Array, widths: Array, high: Array, low: Array) -> None:
        """Keep the stress of segments that cannot write for later."""
        extremes = np.array([high.max(), low.min()])
        if np.abs(extremes).max() <= QUIET:
            return
        self._pending.append((word, bit, widths))
        self._pending_count += len(widths)
        rates: Array = np.abs(self.device.stress(extremes))
        self._pending_dose += float(rates.max() * widths.sum())
        if self._pending_dose > PENDING_DOSE or self._pending_count > PENDING_SEGMENTS:
            self.settle()

    def _settle_doses(self) -> None:
        waiting, self._pending = self._pending, []
        self._pending_dose, self._pending_count = 0.0, 0
        doses = np.zeros((2, *self.shape))
        for word, bit, widths in waiting:
            if self.circuit.all_driven(word, bit):
                voltage = word[:, :, None] - bit[:, None, :]
            else:
                voltage = self.circuit.flow(self.healthy(self.now), word, bit).voltage
            rates = self.device.stress(np.where(np.abs(voltage) > QUIET, voltage, 0.0))
            for k, sign in enumerate((1.0, -1.0)):
                doses[k] += np.tensordot(widths, np.maximum(sign * rates, 0.0), axes=1)
        if waiting:
            self.device.disturb(doses[0], doses[1])

    def _freeze(self) -> None:
        for held in self._unfrozen:
            held.freeze()
        self._unfrozen.clear()


def _part(rows: slice, high: Array, low: Array, ends: Array, widths: Array) -> Part:
    """Return segments whose conductances count at the middle of those that carry current."""
    loud = np.flatnonzero(np.maximum(high, -low) > QUIET)
    first, last = (loud[0], loud[-1]) if loud.size else (0, 0)
    middle = float(ends[first] - widths[first] + ends[last]) / 2
    return Part(rows.start, rows.stop, middle, None)
