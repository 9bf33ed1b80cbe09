"""State of an array of perovskite cells; the laws are those of `sim_backend.devices.perovskite`."""

from collections.abc import Mapping
from types import EllipsisType
from typing import TYPE_CHECKING

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Second, Volt
from sim_backend.devices import kinetics, parameters
from sim_backend.devices.device import Law, State, Where
from sim_backend.devices.law import SinhLaw, limited_voltage

if TYPE_CHECKING:
    from sim_backend.devices.perovskite import Perovskite

SOURCES = {
    "set_threshold": "arXiv 2412.02779, near +3 V",
    "reset_threshold": "arXiv 2412.02779, near -2.2 V",
}

STATE = (
    "off",
    "span",
    "exponent",
    "movable",
    "set_rate",
    "reset_rate",
    "base",
    "relax",
    "written",
)
"""Arrays of `PerovskiteCells`, without their underscore: what was drawn, then what changes."""


class PerovskiteCells:
    """State and individual constants of every cell of an array.

    Between writes a cell is its base state x, what was drawn for it at its last write, and that
    write's time; its conductance at any time follows in closed form. A write starts from the
    conductance relaxed until then and makes the result the new base. A write starts inside [0, 1]:
    what relaxation has moved beyond the ends of the range is lost when the pulse forms the state
    anew. A disturb, or a pulse below `write_dose`, moves the base and leaves relaxation alone.
    """

    def __init__(
        self, model: "Perovskite", shape: tuple[int, int], rng: np.random.Generator
    ) -> None:
        m = model
        self._model = m
        self._rng = rng
        self._law = SinhLaw(m.nonlinearity)

        def log_normal(median: float, sigma: float) -> Array:
            return median * np.exp(sigma * rng.standard_normal(shape))

        self._off = log_normal(m.conductance_off, m.conductance_off_sigma)
        self._span = log_normal(m.conductance_on, m.conductance_on_sigma) - self._off
        thresholds = 1.0 + m.threshold_sigma * rng.standard_normal(shape)
        if self._span.min(initial=1.0) <= 0 or thresholds.min(initial=1.0) <= 0:
            raise BenchError("the spreads are so wide that a cell has no range or no threshold")
        rates = log_normal(m.rate, m.rate_sigma)
        self._exponent = log_normal(m.retention_exponent, m.retention_sigma)
        chance = rng.random(shape)
        off, on = chance < m.stuck_off, chance > 1.0 - m.stuck_on
        stuck = off | on
        self._base = np.where(off, 0.0, np.where(on, 1.0, m.fresh_state * rng.random(shape)))
        self._exponent[stuck] = 0.0
        rates[stuck] = 0.0
        self._movable = ~stuck
        self._set_rate = rates * self._at_median(m.set_threshold, thresholds)
        self._reset_rate = rates * self._at_median(m.reset_threshold, thresholds)
        self._relaxation = m.relaxation
        windows = self._relaxation.windows
        self._relax = np.zeros(shape if windows == 1 else (windows, *shape))
        self._written = np.zeros(shape)

    @property
    def law(self) -> Law:
        """Hyperbolic sine."""
        return self._law

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return small-signal conductances, S, relaxed until these times, without read noise."""
        whole = isinstance(cells, EllipsisType)
        size = self._off.size
        flat = np.arange(size) if isinstance(cells, EllipsisType) else self._flat(cells)
        at = np.broadcast_to(times, self._off.shape if whole else flat.shape).reshape(-1)
        reached = np.empty(flat.size)
        for part in kinetics.blocks(flat.size):
            reached[part] = self._relaxed(flat[part], at[part])
        return reached.reshape(self._off.shape) if whole else reached

    def noise(self, conductances: Array) -> Array:
        """Return `read_sigma` times the conductances, and `read_floor` with them, S."""
        m = self._model
        noise = m.read_sigma * conductances
        return np.hypot(noise, m.read_floor) if m.read_floor else noise

    def stress(self, voltages: Array) -> Array:
        """Return the signed rate of a median cell in units of its rate at threshold."""
        m = self._model
        return kinetics.signed_ratio(voltages, m.set_threshold, m.reset_threshold, m.voltage_scale)

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Apply one programming pulse to each of several different cells."""
        flat, gains = self._flat(cells), self._cycle_gains(len(widths))
        drawn = self._relaxation.draw(self._rng, len(widths))
        for part in kinetics.blocks(len(widths)):
            rates = self._rate(flat[part], voltages[part]) * gains[part]
            doses = np.copysign(rates * widths[part], voltages[part])
            self._write(flat[part], doses, starts[part], widths[part], drawn[:, part])

    def hold(
        self,
        cell: tuple[int, int],
        voltage: Volt,
        compliance: Ampere,
        width: Second,
        start: Second,
    ) -> None:
        """Hold one cell at a voltage, lowered as its current would exceed the compliance."""
        flat = self._flat((np.array([cell[0]]), np.array([cell[1]])))
        starts, sign = np.array([start]), float(np.sign(voltage))
        gain = self._cycle_gains(1)
        first = self._state(flat, starts)

        def rate(voltages: Array) -> Array:
            return gain * self._rate(flat, voltages)

        def voltage_after(doses: Array) -> Array:
            states = self._moved(np.broadcast_to(first, doses.shape), sign * doses)
            grown = self._off.take(flat) + states * self._span.take(flat)
            return limited_voltage(self._law, grown, voltage, compliance)

        dose = kinetics.dose_under_compliance(rate, voltage_after, voltage, width)
        drawn = self._relaxation.draw(self._rng, 1)
        self._write(flat, np.array([sign * dose]), starts, np.array([width]), drawn)

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Move the base states of stressed cells, SET before RESET; nothing else changes."""
        base = self._base.reshape(-1)
        for dose, rate, sign in (
            (set_dose, self._set_rate, 1.0),
            (reset_dose, self._reset_rate, -1.0),
        ):
            hit = np.flatnonzero((dose > 0) & self._movable)
            for part in kinetics.blocks(hit.size):
                some = hit[part]
                base[some] = self._moved(base[some], sign * rate.take(some) * dose.take(some))

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell, stuck ones too, at exactly this conductance, S; retention starts anew."""
        self._base = np.ascontiguousarray((conductances - self._off) / self._span)
        self._relax = np.zeros_like(self._relax)
        self._written = np.full_like(self._base, now)

    def snapshot(self) -> State:
        """Return copies of the arrays in `STATE`."""
        return {name: getattr(self, f"_{name}").copy() for name in STATE}

    def restore(self, state: State) -> None:
        """Take over a snapshot."""
        for name in STATE:
            setattr(self, f"_{name}", np.array(state[name], order="C"))

    def describe(self) -> Mapping[str, object]:
        """Return the model's constants and which of them are assumed."""
        return parameters.described("perovskite", self._model, SOURCES)

    def _at_median(self, threshold: Volt, factors: Array) -> Array:
        """Return each cell's rate at the median threshold, in units of its rate at its own."""
        reference = threshold * factors
        return kinetics.sinh_ratio(
            np.full_like(reference, threshold), reference, self._model.voltage_scale
        )

    def _cycle_gains(self, count: int) -> Array:
        return np.exp(self._model.cycle_sigma * self._rng.standard_normal(count))

    def _flat(self, cells: tuple[Indices, Indices]) -> Indices:
        """Return positions in a flat array: several times as fast as by word and bit line."""
        flat: Indices = cells[0] * self._off.shape[1] + cells[1]
        return flat

    def _rate(self, flat: Indices, voltages: Array) -> Array:
        own = np.where(voltages > 0, self._set_rate.take(flat), self._reset_rate.take(flat))
        return own * np.abs(self.stress(voltages))

    def _moved(self, states: Array, doses: Array) -> Array:
        m = self._model
        return kinetics.moved(states, doses, m.set_exponent, m.reset_exponent)

    def _relaxed(self, flat: Indices, times: Array) -> Array:
        """Return the conductances of cells, S, each at its own time."""
        m = self._model
        elapsed = np.maximum(times - self._written.take(flat), 0.0)
        kept = (1.0 + elapsed / m.retention_start) ** -self._exponent.take(flat)
        ohmic = self._off.take(flat) + self._base.take(flat) * kept * self._span.take(flat)
        slopes = self._relax.reshape(self._relaxation.windows, -1)
        return ohmic * np.exp(self._relaxation.shift(slopes, elapsed, flat))

    def _state(self, flat: Indices, times: Array) -> Array:
        """Return the states from which a write at these times starts."""
        now = (self._relaxed(flat, times) - self._off.take(flat)) / self._span.take(flat)
        return np.clip(now, 0.0, 1.0)

    def _write(
        self, flat: Indices, doses: Array, starts: Array, widths: Array, drawn: Array
    ) -> None:
        # What relaxation draws is drawn for every pulse, whatever it does, so that the stream does
        # not depend on the outcome.
        m = self._model
        base, written = self._base.reshape(-1), self._written.reshape(-1)
        relax = self._relax.reshape(len(drawn), -1)
        writes = (np.abs(doses) >= m.write_dose) & self._movable.take(flat)
        before = np.where(writes, self._state(flat, starts), base[flat])
        after = self._moved(before, doses)
        ohmic = self._off.take(flat) + after * self._span.take(flat)
        fresh = self._relaxation.slopes(drawn, ohmic)
        base[flat] = after
        for own, new in zip(relax, fresh, strict=True):
            own[flat] = np.where(writes, new, own[flat])
        written[flat] = np.where(writes, starts + widths, written[flat])
