"""Silicon-oxide memristors that conduct by Poole-Frenkel emission, each cell by a law of its own.

For each cell with state x in [0, 1]:
- its resistance at 0.1 V is about R, with 1/R = G_off + x (G_on - G_off);
- current I = c V exp(k sqrt|V|), k = sqrt(e^3 / (pi d eps)) / (k_B T);
- ln c and ln(d eps) are linear in ln R, plus residuals that are drawn once for each cell;
- SET: dx/dt = k(V) (1-x)^γ_set; RESET: dx/dt = -k(V) x^γ_reset, with
  k(V) = k_V sinh(|V|/V_s)/sinh(V_0/V_s).

Conduction is what was published of these devices; how they switch was not, and is assumed.

References
----------
Joksas et al., Adv. Sci. 9 (2022) 2105784, and the constants in the code of that paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Second, Siemens, Volt
from sim_backend.devices import kinetics, parameters
from sim_backend.devices.device import Law, State, Where
from sim_backend.devices.law import limited_voltage
from sim_backend.devices.poole_frenkel_law import READ, PooleFrenkelLaw

ELEMENTARY_CHARGE = 1.602176634e-19
"""C; SI, exact."""
BOLTZMANN = 1.380649e-23
"""J/K; SI, exact."""
BISECTIONS = 60
"""Halvings of ln R that leave it exact to rounding."""


@dataclass(frozen=True, slots=True)
class Regime:
    """A range of resistances, and the regressions that were fitted to its devices.

    Parameters
    ----------
    conductance_off, conductance_on
        Ends of the range, S at 0.1 V.
    current
        Slope and intercept of ln c against ln R, in SI units.
    permittivity
        The same of ln(d eps): electrode distance times permittivity, F.
    """

    conductance_off: Siemens
    conductance_on: Siemens
    current: tuple[float, float]
    permittivity: tuple[float, float]


SOURCE = "joksas/nonideality-aware-mnn-training, awarememristor/plotting/figures.py"

REGIMES: dict[str, Regime] = {
    "low": Regime(6.90e-4, 3.45e-3, (-1.12, 0.628), (-1.34, -25.9)),
    "high": Regime(5.25e-7, 2.62e-6, (-1.03, -0.251), (-0.0901, -37.1)),
}
"""Low resistance with little nonlinearity, high resistance with much; `SOURCE`."""

MAY_BE_ZERO = ("current_residual", "permittivity_residual", "cycle_sigma", "read_sigma")

STATE = ("state", "factor", "current_shift", "permittivity_shift")
"""Arrays of `PooleFrenkelCells`, without their underscore."""


@dataclass(frozen=True, slots=True)
class PooleFrenkel:
    """Constants of the silicon-oxide device; every sigma is of a normal or of ln of a log-normal.

    Parameters
    ----------
    regime
        Key of `REGIMES`.
    current_residual, permittivity_residual
        Device-to-device spread of ln c and of ln(d eps) about their regressions, independent of
        each other.
    temperature
        K.
    set_voltage, reset_voltage
        V_0: magnitudes of the voltages at which the state moves at `rate`, V.
    voltage_scale
        V_s, V: the rate grows e-fold for each.
    rate
        k_V, 1/s.
    set_exponent, reset_exponent
        γ of each polarity.
    cycle_sigma
        Cycle-to-cycle: each pulse's dose is multiplied by exp(σN).
    read_sigma
        Standard deviation of one read, as a fraction of the current.

    Raises
    ------
    BenchError
        If a constant is impossible.

    Notes
    -----
    The residuals are a guess: the covariance that the paper's code draws them from is computed
    from data that are printed nowhere.
    """

    regime: str = "high"  # of the paper's two
    current_residual: float = 0.2  # assumed: a guess
    permittivity_residual: float = 0.2  # assumed: a guess
    temperature: float = 293.15  # joksas/nonideality-aware-mnn-training, nonidealities.py
    set_voltage: Volt = 2.0  # assumed
    reset_voltage: Volt = 1.5  # assumed
    voltage_scale: Volt = 0.25  # assumed
    rate: float = 150.0  # assumed
    set_exponent: float = 1.5  # assumed
    reset_exponent: float = 2.0  # assumed
    cycle_sigma: float = 0.1  # assumed
    read_sigma: float = 0.005  # assumed

    name: ClassVar[str] = "poole-frenkel"

    def __post_init__(self) -> None:
        if self.regime not in REGIMES:
            raise BenchError(f"no regime is called {self.regime!r}; there are {', '.join(REGIMES)}")
        parameters.check(self, may_be_zero=MAY_BE_ZERO, signed=())

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> "PooleFrenkelCells":
        """Return cells that all start at the regime's lower end, with residuals drawn."""
        return PooleFrenkelCells(self, shape, rng)

    def emission(
        self, resistances: Array, current_shift: Array, permittivity_shift: Array
    ) -> tuple[Array, Array]:
        """Return c, S, and k, V^-1/2, of devices of these resistances at 0.1 V, ohm.

        Parameters
        ----------
        resistances
            Any shape.
        current_shift, permittivity_shift
            Residuals of ln c and of ln(d eps).
        """
        m, logs = REGIMES[self.regime], np.log(resistances)
        current = np.exp(m.current[0] * logs + m.current[1] + current_shift)
        permittivity = m.permittivity[0] * logs + m.permittivity[1] + permittivity_shift
        charge = np.sqrt(ELEMENTARY_CHARGE**3 / np.pi)
        return current, charge * np.exp(-permittivity / 2) / (BOLTZMANN * self.temperature)


class PooleFrenkelCells:
    """States and residuals of every cell of an array; nothing relaxes between pulses.

    A cell that is placed outside what its state can reach keeps the ratio as a factor: every
    conductance of that cell is larger, or smaller, by it from then on.
    """

    def __init__(
        self, model: PooleFrenkel, shape: tuple[int, int], rng: np.random.Generator
    ) -> None:
        self._model = model
        self._rng = rng
        self._current_shift = model.current_residual * rng.standard_normal(shape)
        self._permittivity_shift = model.permittivity_residual * rng.standard_normal(shape)
        self._state = np.zeros(shape)
        self._factor = np.ones(shape)

    @property
    def law(self) -> Law:
        """The law of every cell at its present state."""
        return PooleFrenkelLaw(self._emission(self._resistance(self._state), ...)[1])

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return conductances at 0.1 V, S; the same at all times."""
        return self._at(self._resistance(self._state[cells]), cells)

    def noise(self, conductances: Array) -> Array:
        """Return `read_sigma` times the conductances, S."""
        return self._model.read_sigma * conductances

    def stress(self, voltages: Array) -> Array:
        """Return the signed rate in units of the rate at `set_voltage` or `reset_voltage`."""
        m = self._model
        reference = np.where(voltages > 0, m.set_voltage, m.reset_voltage)
        return np.copysign(kinetics.sinh_ratio(voltages, reference, m.voltage_scale), voltages)

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Apply one programming pulse to each of several different cells."""
        rates = self._model.rate * self._cycle_gains(len(widths)) * self.stress(voltages)
        self._state[cells] = self._moved(self._state[cells], rates * widths)

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
        sign, speed = float(np.sign(voltage)), self._model.rate * self._cycle_gains(1)
        before = self._state[cells]

        def rate(voltages: Array) -> Array:
            return speed * np.abs(self.stress(voltages))

        def voltage_after(doses: Array) -> Array:
            states = self._moved(np.broadcast_to(before, doses.shape), sign * doses)
            grown = self._resistance(states)
            law = PooleFrenkelLaw(self._emission(grown, cells)[1])
            return limited_voltage(law, self._at(grown, cells), voltage, compliance)

        dose = kinetics.dose_under_compliance(rate, voltage_after, voltage, width)
        self._state[cells] = self._moved(before, np.array([sign * dose]))

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Move the states of stressed cells, SET before RESET."""
        for dose, sign in ((set_dose, 1.0), (reset_dose, -1.0)):
            hit = dose > 0
            if hit.any():
                doses = sign * self._model.rate * dose[hit]
                self._state[hit] = self._moved(self._state[hit], doses)

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell at exactly this conductance at 0.1 V, S."""
        m = REGIMES[self._model.regime]
        self._factor = np.ones(np.shape(conductances))
        low = np.full(self._factor.shape, -np.log(m.conductance_on))
        high = np.full(self._factor.shape, -np.log(m.conductance_off))
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            conducts_more = self._at(np.exp(middle), ...) > conductances
            low, high = np.where(conducts_more, middle, low), np.where(conducts_more, high, middle)
        span = m.conductance_on - m.conductance_off
        self._state = np.clip((np.exp(-(low + high) / 2) - m.conductance_off) / span, 0.0, 1.0)
        self._factor = conductances / self.conductance(now)

    def snapshot(self) -> State:
        """Return copies of the arrays in `STATE`."""
        return {name: getattr(self, f"_{name}").copy() for name in STATE}

    def restore(self, state: State) -> None:
        """Take over a snapshot."""
        for name in STATE:
            setattr(self, f"_{name}", np.array(state[name]))

    def describe(self) -> Mapping[str, object]:
        """Return the model's constants, which are assumed, and the regime's own."""
        sources = {"regime": SOURCE, "temperature": SOURCE}
        return parameters.described("poole-frenkel", self._model, sources)

    def _resistance(self, states: Array) -> Array:
        """Return R of these states, ohm."""
        m = REGIMES[self._model.regime]
        resistances: Array = 1.0 / (
            m.conductance_off + states * (m.conductance_on - m.conductance_off)
        )
        return resistances

    def _emission(self, resistances: Array, cells: Where) -> tuple[Array, Array]:
        return self._model.emission(
            resistances, self._current_shift[cells], self._permittivity_shift[cells]
        )

    def _at(self, resistances: Array, cells: Where) -> Array:
        """Return the conductances at 0.1 V, S, of cells whose R is this."""
        current, exponent = self._emission(resistances, cells)
        conductances: Array = self._factor[cells] * current * np.exp(exponent * np.sqrt(READ))
        return conductances

    def _moved(self, states: Array, doses: Array) -> Array:
        m = self._model
        return kinetics.moved(states, doses, m.set_exponent, m.reset_exponent)

    def _cycle_gains(self, count: int) -> Array:
        return np.exp(self._model.cycle_sigma * self._rng.standard_normal(count))
