"""The simulated array under line voltages that are functions of time."""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import bisect

from crossbar.backend import Array, Indices, LimitError, Mask, Ohm, Second, Volt
from sim_backend.array import Circuit, Solution
from sim_backend.devices.device import Device
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.faults import Damage, Faults

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

EDGE, EDGE_POINTS = 10.0, 96
"""Time constants of an edge that count, and points on it."""

FACTORS = 128
"""Circuits kept, one per set of driven terminals: a scan with floating lines needs one per cell."""


@dataclass(slots=True, eq=False)
class Part:
    """Consecutive segments during which conductances hold still.

    Parameters
    ----------
    begin, end
        Range of the segments.
    time
        Bench time whose conductances count, s.
    conductances
        S; None as long as the array has not been moved since.
    """

    begin: int
    end: int
    time: Second
    conductances: Array | None


class Held:
    """Line voltages that were held one after another; the currents are found when asked for.

    Each segment has one draw of read noise per bit line until `again` is called.
    """

    def __init__(self, rig: "Rig", word: Array, bit: Array, parts: list[Part]) -> None:
        self._rig = rig
        self._word = word
        self._bit = bit
        self._parts = parts
        self._exact = np.full(bit.shape, np.nan)
        self._sigma = np.zeros(bit.shape)
        self._noisy = np.full(bit.shape, np.nan)

    def currents(self, which: Indices | None = None) -> Array:
        """Return the current into each bit line's terminal, A, ``(n, n_bit)``.

        Parameters
        ----------
        which
            Segments asked for; all by default.
        """
        asked = np.arange(len(self._bit)) if which is None else which
        fresh = asked[np.isnan(self._noisy[asked, 0])]
        if fresh.size:
            self._solve(fresh[np.isnan(self._exact[fresh, 0])])
            noise = self._rig.draw((len(fresh), self._bit.shape[1]))
            self._noisy[fresh] = self._exact[fresh] + self._sigma[fresh] * noise
        values: Array = self._noisy[asked]
        return values

    def again(self) -> None:
        """Forget the noise: the next `currents` are another read of the same levels."""
        self._noisy[:] = np.nan

    def freeze(self) -> None:
        """Keep the conductances that count: the array is about to be moved."""
        for part in self._parts:
            if part.conductances is None:
                part.conductances = self._rig.healthy(part.time)

    def _solve(self, unknown: Indices) -> None:
        for part in self._parts:
            rows = unknown[(unknown >= part.begin) & (unknown < part.end)]
            if rows.size:
                G = part.conductances
                self._exact[rows], self._sigma[rows] = self._rig.terminal_currents(
                    self._rig.healthy(part.time) if G is None else G,
                    self._word[rows],
                    self._bit[rows],
                )


class Rig:
    """One simulated array on its terminals.

    What is approximated:

    - Line voltages are constant within a segment; conductances hold still while they only read.
    - A write moves the cells that see at least `FULLY_SELECTED` of the largest voltage, by the
      voltages at its beginning; all others take its stress as a dose.
    - Doses of segments that cannot write move the cells together, once they matter or before the
      next write.

    Parameters
    ----------
    settings
        What the array is made of; converters, times and schemes are not used.
    lead
        Resistance between each terminal and its line, ohm.
    edge
        Slope, V/s, and time constant, s, with which the lines follow: they shorten a write.
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
        edge: tuple[float, Second] | None = None,
        faults: Faults | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.rng = np.random.default_rng(settings.seed) if rng is None else rng
        self.shape = (settings.word_lines, settings.bit_lines)
        self.device: Device = settings.device.build(self.shape, self.rng)
        self.now: Second = 0.0
        self._edge = edge
        self._segment, self._lead = settings.line_resistance, lead
        self._damage = Damage.of(Faults() if faults is None else faults, self.shape)
        whole = self._damage.word.all() and self._damage.bit.all()
        self._circuit = Circuit(self.shape, self._segment, lead, prepared=True) if whole else None
        self._circuits: OrderedDict[bytes, Circuit] = OrderedDict()
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
        if self._deferred is not None:
            self.settle()
        high, low = self._extremes(word, bit)
        ends: Array = start + np.cumsum(widths)
        parts: list[Part] = []
        begin = 0
        for k in np.flatnonzero((high > self._onset[0]) | (low < self._onset[1])).tolist():
            if k > begin:
                parts.append(self._part(slice(begin, k), high, low, ends, widths))
                parts[-1].conductances = self.healthy(parts[-1].time)
                self._wait(word[begin:k], bit[begin:k], widths[begin:k], high, low)
            self.settle()
            self._freeze()
            at = float(ends[k] - widths[k])
            before = self.healthy(at)
            parts.append(Part(k, k + 1, at, before))
            self._write(before, word[k : k + 1], bit[k : k + 1], float(widths[k]), at)
            begin = k + 1
        rest = slice(begin, len(widths))
        if begin < len(widths):
            parts.append(self._part(rest, high, low, ends, widths))
            self._wait(word[rest], bit[rest], widths[rest], high[rest], low[rest])
        held = Held(self, word, bit, parts)
        self._unfrozen.add(held)
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

    def _settle_doses(self) -> None:
        if not self._pending:
            return
        waiting, self._pending = self._pending, []
        self._pending_dose, self._pending_count = 0.0, 0
        doses = np.zeros(self.shape), np.zeros(self.shape)
        for word, bit, widths in waiting:
            voltage = self._cell_voltages(word, bit)
            rates = self.device.stress(np.where(np.abs(voltage) > QUIET, voltage, 0.0))
            doses[0][:] += np.tensordot(widths, np.maximum(rates, 0.0), axes=1)
            doses[1][:] += np.tensordot(widths, np.maximum(-rates, 0.0), axes=1)
        self.device.disturb(*doses)

    def healthy(self, time: Second) -> Array:
        """Return the cells' small-signal conductances at a bench time, faults aside, S."""
        return self.device.conductance(time)

    def draw(self, shape: tuple[int, int]) -> Array:
        """Return standard normal numbers."""
        return self.rng.standard_normal(shape)

    def terminal_currents(self, healthy: Array, word: Array, bit: Array) -> tuple[Array, Array]:
        """Return the current into each bit line's terminal and its sigma by read noise, A.

        Parameters
        ----------
        healthy
            Conductances, S, faults aside.
        word, bit
            Terminal voltages as for `live`.
        """
        current, sigma = np.zeros(bit.shape), np.zeros(bit.shape)
        squares = self._damage.noise(self.device.noise(healthy)).ravel() ** 2
        law = self.device.law
        for rows, circuit, solution in self.solved(healthy, word, bit):
            current[rows] = solution.bit_current
            if squares.any():
                at_cells = squares * law.effective(solution.voltage).reshape(-1, squares.size) ** 2
                weights = circuit.shares().reshape(self.shape[1], -1) ** 2
                sigma[rows] = np.sqrt(at_cells @ weights.T)
        driven = ~np.isnan(bit) & self._damage.bit
        between = self._damage.between
        if between is not None:
            volts = np.where(driven, bit, 0.0)
            current += volts @ between - volts * (driven @ between)
        return np.where(driven, current, 0.0), np.where(driven, sigma, 0.0)

    def solved(
        self, healthy: Array, word: Array, bit: Array
    ) -> Iterator[tuple[Indices | slice, Circuit, Solution]]:
        """Yield solutions for all inputs, grouped by which terminals are driven, with their rows.

        Inputs that drive no word line or no bit line carry no current and are left out.
        """
        G, law = self._damage.conductances(healthy), self.device.law
        if self._circuit is not None and not np.isnan(word.sum() + bit.sum()):
            yield slice(None), self._circuit, self._circuit.solve(G, law, word, bit)
            return
        driven = np.hstack([~np.isnan(word) & self._damage.word, ~np.isnan(bit) & self._damage.bit])
        masks, member = np.unique(driven, axis=0, return_inverse=True)
        for k, mask in enumerate(masks):
            lines = mask[: self.shape[0]], mask[self.shape[0] :]
            if mask.sum() < 2:
                continue
            rows = np.flatnonzero(member.ravel() == k)
            circuit = self._circuit_of(mask)
            known = np.where(lines[0], word[rows], 0.0), np.where(lines[1], bit[rows], 0.0)
            yield rows, circuit, circuit.solve(G, law, *known, lines)

    def _circuit_of(self, mask: Mask) -> Circuit:
        key = mask.tobytes()
        circuit = self._circuits.pop(key, None)
        if circuit is None:
            circuit = Circuit(self.shape, self._segment, self._lead, prepared=True)
            while len(self._circuits) >= FACTORS:
                self._circuits.popitem(last=False)
        self._circuits[key] = circuit
        return circuit

    def _write_onset(self, sign: float) -> Volt:
        """Return the magnitude at which a cell's stress reaches `WRITE_STRESS`, V."""

        def excess(voltage: float) -> float:
            rate = self.device.stress(np.array([sign * voltage]))[0]
            return float(abs(rate)) - WRITE_STRESS

        return float(bisect(excess, 0.0, 100.0, xtol=1e-6))

    def _extremes(self, word: Array, bit: Array) -> tuple[Array, Array]:
        """Return bounds of the highest and the lowest cell voltage of each segment, V."""
        if not np.isnan(word.sum() + bit.sum()) and self._circuit is not None:
            return word.max(axis=1) - bit.min(axis=1), word.min(axis=1) - bit.max(axis=1)
        # A sneak path can see any difference between driven lines, in either direction.
        lines = np.hstack([word, bit])
        span = np.fmax.reduce(lines, axis=1) - np.fmin.reduce(lines, axis=1)
        span[np.isnan(span)] = 0.0
        return span, -span

    def _part(self, rows: slice, high: Array, low: Array, ends: Array, widths: Array) -> Part:
        loud = np.flatnonzero(np.maximum(high[rows], -low[rows]) > QUIET) + rows.start
        first, last = (loud[0], loud[-1]) if loud.size else (rows.start, rows.start)
        middle = float(ends[first] - widths[first] + ends[last]) / 2
        return Part(rows.start, rows.stop, middle, None)

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

    def _freeze(self) -> None:
        for held in self._unfrozen:
            held.freeze()
        self._unfrozen.clear()

    def _cell_voltages(self, word: Array, bit: Array) -> Array:
        """Return the voltage across each cell, V; all driven, lines have no resistance here."""
        if self._circuit is not None and not np.isnan(word.sum() + bit.sum()):
            return word[:, :, None] - bit[:, None, :]
        voltage = np.zeros((len(word), *self.shape))
        for rows, _, solution in self.solved(self.healthy(self.now), word, bit):
            voltage[rows] = solution.voltage
        return voltage

    def _write(self, G: Array, word: Array, bit: Array, width: Second, start: Second) -> None:
        for _, _, solution in self.solved(G, word, bit):
            seen = solution.voltage[0]
            if self._edge is not None:
                width = self._effective(float(seen.flat[np.abs(seen).argmax()]), width)
            self.stressed(seen, width, start)

    def _effective(self, voltage: Volt, width: Second) -> Second:
        """Return how long the full voltage would do what a pulse with its edges does, s.

        The pulse rises from 0 V at its beginning and falls to 0 V from its end on.
        """
        slew, constant = self._edge or (np.inf, 0.0)
        ramp = max(abs(voltage) / slew - constant, 0.0)
        left = constant / (constant + ramp)
        age = np.linspace(0.0, ramp + EDGE * constant, EDGE_POINTS)
        to_go = np.where(
            age < ramp,
            1.0 - age * (1.0 - left) / (ramp or 1.0),
            left * np.exp(-np.maximum(age - ramp, 0.0) / constant),
        )
        rates = self.device.stress(voltage * np.concatenate([1.0 - to_go, to_go, [1.0]]))
        if rates[-1] == 0.0:
            return width
        rising, falling = (rates[:-1] / rates[-1]).reshape(2, -1)
        part = age <= width
        done = float(np.trapezoid(rising[part], age[part])) + max(width - float(age[-1]), 0.0)
        # A pulse that ends while it still rises falls from where it is, and less is left to do.
        return done + float(np.trapezoid(falling, age)) * min(width / float(age[-1]), 1.0)

    def stressed(self, voltage: Array, width: Second, start: Second) -> None:
        """Let cells see these voltages, V: write the fully selected ones, disturb the others."""
        rates = self.device.stress(np.where(np.abs(voltage) > QUIET, voltage, 0.0))
        size = np.abs(voltage)
        chosen = (size >= FULLY_SELECTED * size.max()) & (np.abs(rates) > WRITE_STRESS)
        cells = np.nonzero(chosen)
        count = len(cells[0])
        if count:
            spans, starts = np.full(count, width), np.full(count, start)
            self.device.pulse((cells[0], cells[1]), voltage[chosen], spans, starts)
        self.disturbed(np.where(chosen, 0.0, voltage), width)

    def disturbed(self, voltage: Array, width: Second) -> None:
        """Let cells see these voltages as stress alone, V."""
        doses = self.device.stress(np.where(np.abs(voltage) > QUIET, voltage, 0.0)) * width
        self.device.disturb(np.maximum(doses, 0.0), np.maximum(-doses, 0.0))

    def writes(self, voltage: Array) -> bool:
        """Return True if one of these cell voltages is enough to write, V."""
        return bool(voltage.max() > self._onset[0] or voltage.min() < self._onset[1])
