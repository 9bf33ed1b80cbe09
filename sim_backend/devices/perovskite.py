"""Halide-perovskite memristors: threshold switching, spreads, relaxation, drift, stuck cells.

For each cell with state x in [0, 1]:
- conductance: G = G_off + x (G_on - G_off), current I = G sinh(bV)/b;
- SET: dx/dt = k(V) (1-x)^γ_set; RESET: dx/dt = -k(V) x^γ_reset, with
  k(V) = k_th sinh(|V|/V_s)/sinh(V_th/V_s), so that half-select and read disturb need no law of
  their own;
- relaxation: after every write ln G shifts by r ln(1 + t/t0), r drawn anew, t since that write;
- retention: x decays by (1 + t/t_ret)^-ν.

Only the two thresholds come from the paper that this device stands for; the rest is assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Second, Siemens, Volt
from sim_backend.devices import kinetics, parameters
from sim_backend.devices.device import Law, State, Where
from sim_backend.devices.law import SinhLaw, limited_voltage

SOURCES = {
    "set_threshold": "arXiv 2412.02779, near +3 V",
    "reset_threshold": "arXiv 2412.02779, near -2.2 V",
}

MAY_BE_ZERO = (
    "conductance_off_sigma",
    "conductance_on_sigma",
    "threshold_sigma",
    "rate_sigma",
    "cycle_sigma",
    "nonlinearity",
    "read_sigma",
    "relax_sigma",
    "retention_exponent",
    "retention_sigma",
    "stuck_off",
    "stuck_on",
    "fresh_state",
    "write_dose",
)

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


@dataclass(frozen=True, slots=True)
class Perovskite:
    """Constants of the perovskite device; every sigma is of a normal or of ln of a log-normal.

    Parameters
    ----------
    conductance_off, conductance_on
        Medians of the ends of the range, S; each cell's own are log-normal about them.
    conductance_off_sigma, conductance_on_sigma
        Device-to-device spread of ln G at the ends.
    set_threshold, reset_threshold
        Median magnitudes of the switching voltages, V.
    threshold_sigma
        Device-to-device spread of the thresholds, normal, as a fraction of them.
    voltage_scale
        V_s, V: the rate grows e-fold for each.
    rate, rate_sigma
        k_th at threshold, 1/s, and its log-normal device-to-device spread.
    set_exponent, reset_exponent
        γ of each polarity: how strongly a step shrinks toward the end of the range.
    cycle_sigma
        Cycle-to-cycle: each pulse's dose is multiplied by exp(σN).
    nonlinearity
        b of the I-V law, 1/V.
    read_sigma
        Standard deviation of one read, as a fraction of the current.
    relax_mean, relax_sigma
        Of r, drawn for every write.
    relax_start, relax_end
        t0 and the time after which relaxation has ended, s.
    retention_exponent, retention_sigma
        Median ν and its log-normal device-to-device spread.
    retention_start
        t_ret, s.
    stuck_off, stuck_on
        Probability of a cell fixed at its G_off or G_on.
    fresh_state
        Fresh cells start with x uniform between zero and this.
    write_dose
        Dose (k t) from which a pulse counts as a write: below it the cell's relaxation goes on.

    Raises
    ------
    BenchError
        If a constant is impossible, or the range is empty.

    Notes
    -----
    Nobody has measured how such cells relax. `relax_sigma` puts the log-normal spread 10 s after a
    write at 0.44, which by the convention u = exp(-σ) is a usability of 0.64: midway between the
    first (0.36) and the best (0.93) device of arXiv 2412.02779. For scale: 2,800 writes to
    HfO2-like cells in a public log, re-read after 10 s, have median |ΔR/R| 2.5 %, 90th percentile
    17 %. `relax_sigma` is the constant to change for a better or a worse device.
    """

    conductance_off: Siemens = 1e-6  # assumed
    conductance_on: Siemens = 1e-4  # assumed
    conductance_off_sigma: float = 0.20  # assumed
    conductance_on_sigma: float = 0.10  # assumed
    set_threshold: Volt = 3.0  # arXiv 2412.02779, near +3 V
    reset_threshold: Volt = 2.2  # arXiv 2412.02779, near -2.2 V
    threshold_sigma: float = 0.04  # assumed
    voltage_scale: Volt = 0.25  # assumed
    rate: float = 150.0  # assumed: 100 us at threshold move 1.5 % of the range
    rate_sigma: float = 0.3  # assumed
    set_exponent: float = 1.5  # assumed
    reset_exponent: float = 2.0  # assumed
    cycle_sigma: float = 0.25  # assumed
    nonlinearity: float = 1.0  # assumed
    read_sigma: float = 0.005  # assumed
    relax_mean: float = -0.003  # assumed
    relax_sigma: float = 0.048  # assumed
    relax_start: Second = 1e-3  # assumed
    relax_end: Second = 1e5  # assumed
    retention_exponent: float = 0.005  # assumed
    retention_sigma: float = 0.3  # assumed
    retention_start: Second = 1.0  # assumed
    stuck_off: float = 0.01  # assumed
    stuck_on: float = 0.01  # assumed
    fresh_state: float = 0.02  # assumed
    write_dose: float = 1e-4  # assumed: 0.01 % of the range

    name: ClassVar[str] = "perovskite"

    def __post_init__(self) -> None:
        parameters.check(self, may_be_zero=MAY_BE_ZERO, signed=("relax_mean",))
        if self.conductance_off >= self.conductance_on:
            raise BenchError(
                f"conductance_off {self.conductance_off} S is not below "
                f"conductance_on {self.conductance_on} S"
            )
        if self.stuck_off + self.stuck_on > 1:
            raise BenchError(f"{self.stuck_off + self.stuck_on} of the cells cannot be stuck")
        if self.fresh_state > 1:
            raise BenchError(f"fresh_state {self.fresh_state} is above 1")

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> "PerovskiteCells":
        """Return fresh cells near G_off, with every device-to-device spread drawn from `rng`.

        Raises
        ------
        BenchError
            If the spreads gave a cell without a range or with a threshold below zero.
        """
        return PerovskiteCells(self, shape, rng)


class PerovskiteCells:
    """State and individual constants of every cell of an array.

    Between writes a cell is its base state x, the r drawn at its last write, and that write's
    time; its conductance at any time follows in closed form. A write starts from the conductance
    relaxed until then and makes the result the new base. A write starts inside [0, 1]: what
    relaxation has moved beyond the ends of the range is lost when the pulse forms the state anew.
    A disturb, or a pulse below `write_dose`, moves the base and leaves r and the clock alone.
    """

    def __init__(self, model: Perovskite, shape: tuple[int, int], rng: np.random.Generator) -> None:
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
        self._relax = np.zeros(shape)
        self._written = np.zeros(shape)

    @property
    def law(self) -> Law:
        """Hyperbolic sine."""
        return self._law

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return small-signal conductances, S, relaxed until these times, without read noise."""
        m = self._model
        elapsed = np.maximum(times - self._written[cells], 0.0)
        kept = (1.0 + elapsed / m.retention_start) ** -self._exponent[cells]
        relaxing = np.log1p(np.minimum(elapsed, m.relax_end) / m.relax_start)
        ohmic = self._off[cells] + self._base[cells] * kept * self._span[cells]
        return ohmic * np.exp(self._relax[cells] * relaxing)

    def noise(self, conductances: Array) -> Array:
        """Return `read_sigma` times the conductances, S."""
        return self._model.read_sigma * conductances

    def stress(self, voltages: Array) -> Array:
        """Return the signed rate of a median cell in units of its rate at threshold."""
        m = self._model
        threshold = np.where(voltages > 0, m.set_threshold, m.reset_threshold)
        return np.copysign(kinetics.sinh_ratio(voltages, threshold, m.voltage_scale), voltages)

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Apply one programming pulse to each of several different cells."""
        rates = self._rate(cells, voltages) * self._cycle_gains(len(widths))
        self._write(cells, np.copysign(rates * widths, voltages), widths, starts)

    def hold(
        self,
        cell: tuple[int, int],
        voltage: Volt,
        compliance: Ampere,
        width: Second,
        start: Second,
    ) -> None:
        """Hold one cell at a voltage, lowered as its current would exceed the compliance."""
        cells = np.array([cell[0]]), np.array([cell[1]])
        starts, sign = np.array([start]), float(np.sign(voltage))
        gain = self._cycle_gains(1)
        first = self._relaxed(cells, starts)

        def rate(voltages: Array) -> Array:
            return gain * self._rate(cells, voltages)

        def voltage_after(doses: Array) -> Array:
            states = self._moved(np.broadcast_to(first, doses.shape), sign * doses)
            grown = self._off[cells] + states * self._span[cells]
            return limited_voltage(self._law, grown, voltage, compliance)

        dose = kinetics.dose_under_compliance(rate, voltage_after, voltage, width)
        self._write(cells, np.array([sign * dose]), np.array([width]), starts)

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Move the base states of stressed cells, SET before RESET; nothing else changes."""
        for dose, rate, sign in (
            (set_dose, self._set_rate, 1.0),
            (reset_dose, self._reset_rate, -1.0),
        ):
            hit = (dose > 0) & self._movable
            if hit.any():
                self._base[hit] = self._moved(self._base[hit], sign * rate[hit] * dose[hit])

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell, stuck ones too, at exactly this conductance, S; retention starts anew."""
        self._base = (conductances - self._off) / self._span
        self._relax = np.zeros_like(self._base)
        self._written = np.full_like(self._base, now)

    def snapshot(self) -> State:
        """Return copies of the arrays in `STATE`."""
        return {name: getattr(self, f"_{name}").copy() for name in STATE}

    def restore(self, state: State) -> None:
        """Take over a snapshot."""
        for name in STATE:
            setattr(self, f"_{name}", np.array(state[name]))

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

    def _rate(self, cells: tuple[Indices, Indices], voltages: Array) -> Array:
        own = np.where(voltages > 0, self._set_rate[cells], self._reset_rate[cells])
        return own * np.abs(self.stress(voltages))

    def _moved(self, states: Array, doses: Array) -> Array:
        m = self._model
        return kinetics.moved(states, doses, m.set_exponent, m.reset_exponent)

    def _relaxed(self, cells: tuple[Indices, Indices], times: Array) -> Array:
        """Return the states from which a write at these times starts."""
        now = (self.conductance(times, cells) - self._off[cells]) / self._span[cells]
        return np.clip(now, 0.0, 1.0)

    def _write(
        self, cells: tuple[Indices, Indices], doses: Array, widths: Array, starts: Array
    ) -> None:
        # One draw per pulse whatever it does, so that the stream does not depend on the outcome.
        m = self._model
        drawn = m.relax_mean + m.relax_sigma * self._rng.standard_normal(len(doses))
        writes = (np.abs(doses) >= m.write_dose) & self._movable[cells]
        before = np.where(writes, self._relaxed(cells, starts), self._base[cells])
        self._base[cells] = self._moved(before, doses)
        self._relax[cells] = np.where(writes, drawn, self._relax[cells])
        self._written[cells] = np.where(writes, starts + widths, self._written[cells])
