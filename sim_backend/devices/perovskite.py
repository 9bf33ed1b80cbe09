"""Halide-perovskite memristors: threshold switching, spreads, relaxation, drift, stuck cells.

For each cell with state x in [0, 1]:
- conductance: G = G_off + x (G_on - G_off), current I = G sinh(bV)/b;
- SET: dx/dt = k(V) (1-x)^γ_set; RESET: dx/dt = -k(V) x^γ_reset, with
  k(V) = k_th sinh(|V|/V_s)/sinh(V_th/V_s), so that half-select and read disturb need no law of
  their own;
- relaxation: after every write ln G shifts by r ln(1 + t/t0), r drawn anew, t since that write; r
  may also be heavy-tailed, drawn anew as time goes on, and depend on the conductance written
  (`sim_backend.devices.relaxation`);
- retention: x decays by (1 + t/t_ret)^-ν.

Only the two thresholds come from the paper that this device stands for; the rest is assumed.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossbar.backend import BenchError, Second, Siemens, Volt
from sim_backend.devices import parameters
from sim_backend.devices.perovskite_cells import PerovskiteCells
from sim_backend.devices.relaxation import Relaxation

MAY_BE_ZERO = (
    "conductance_off_sigma",
    "conductance_on_sigma",
    "threshold_sigma",
    "rate_sigma",
    "cycle_sigma",
    "nonlinearity",
    "read_sigma",
    "read_floor",
    "relax_sigma",
    "relax_tail",
    "relax_window",
    "relax_knee",
    "relax_most",
    "retention_exponent",
    "retention_sigma",
    "stuck_off",
    "stuck_on",
    "fresh_state",
    "write_dose",
)


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
    read_floor
        Standard deviation of one read that does not depend on the conductance, S; both add up in
        squares.
    relax_mean, relax_sigma
        Of r, drawn for every write.
    relax_start, relax_end
        t0 and the time after which relaxation has ended, s.
    relax_tail
        τ of the heavy tails of r; zero makes r normal.
    relax_window
        Of ln(1 + t/t0), after which r is drawn anew; zero keeps it.
    relax_knee, relax_power
        What is written well above the knee, S, relaxes less, by the power of the distance; a knee
        of zero makes all conductances relax alike.
    relax_most
        What the magnitude of r approaches but never exceeds; zero leaves r unbounded.
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
    read_floor: Siemens = 0.0  # assumed
    relax_mean: float = -0.003  # assumed
    relax_sigma: float = 0.048  # assumed
    relax_start: Second = 1e-3  # assumed
    relax_end: Second = 1e5  # assumed
    relax_tail: float = 0.0  # assumed
    relax_window: float = 0.0  # assumed
    relax_knee: Siemens = 0.0  # assumed
    relax_power: float = 4.0  # assumed; without a knee it is of no account
    relax_most: float = 0.0  # assumed
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

    @property
    def relaxation(self) -> Relaxation:
        """What happens after a write."""
        return Relaxation(
            mean=self.relax_mean,
            sigma=self.relax_sigma,
            tail=self.relax_tail,
            start=self.relax_start,
            end=self.relax_end,
            window=self.relax_window,
            knee=self.relax_knee,
            power=self.relax_power,
            most=self.relax_most,
        )

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> PerovskiteCells:
        """Return fresh cells near G_off, with every device-to-device spread drawn from `rng`.

        Raises
        ------
        BenchError
            If the spreads gave a cell without a range or with a threshold below zero.
        """
        return PerovskiteCells(self, shape, rng)
