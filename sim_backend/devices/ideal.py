"""A device without faults: ohmic, noiseless, exact, and moved in proportion to its pulse."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Second, Siemens, Volt
from sim_backend.devices import kinetics, parameters
from sim_backend.devices.device import Law, State, Where
from sim_backend.devices.law import SinhLaw, limited_voltage


@dataclass(frozen=True, slots=True)
class Ideal:
    """Constants of the ideal device; it is nobody's device, so all of them are chosen.

    Parameters
    ----------
    conductance_min, conductance_max
        Ends of the range, S; a pulse that would pass an end stops there.
    set_threshold, reset_threshold
        Magnitudes below which a pulse does nothing, V.
    rate
        Fraction of the range moved per volt above threshold and second, 1/(V s).

    Raises
    ------
    BenchError
        If a constant is not positive and finite, or the range is empty.
    """

    conductance_min: Siemens = 5e-6  # assumed: the perovskite's median range
    conductance_max: Siemens = 1e-4  # assumed: the perovskite's median range
    set_threshold: Volt = 2.0  # assumed: below the perovskite's, so that its policies work here
    reset_threshold: Volt = 1.5  # assumed: below the perovskite's, so that its policies work here
    rate: float = 500.0  # assumed: 100 us at 1 V above threshold move 5 % of the range

    name: ClassVar[str] = "ideal"

    def __post_init__(self) -> None:
        parameters.check(self, may_be_zero=(), signed=())
        if self.conductance_min >= self.conductance_max:
            raise BenchError(
                f"conductance_min {self.conductance_min} S is not below "
                f"conductance_max {self.conductance_max} S"
            )

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> "IdealCells":
        """Return cells that all start at `conductance_min`; `rng` is not used."""
        return IdealCells(self, shape)


class IdealCells:
    """Conductances that hold still until a pulse above threshold moves them."""

    def __init__(self, model: Ideal, shape: tuple[int, int]) -> None:
        self._model = model
        self._conductances = np.full(shape, model.conductance_min)
        self._law = SinhLaw(0.0)

    @property
    def law(self) -> Law:
        """Ohm's law."""
        return self._law

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return conductances, S; the same at all times."""
        return np.array(self._conductances[cells])

    def noise(self, conductances: Array) -> Array:
        """Return zeros."""
        return np.zeros_like(conductances)

    def stress(self, voltages: Array) -> Array:
        """Return the signed overdrive, V: what a pulse has above its polarity's threshold."""
        m = self._model
        above = np.where(voltages > 0, voltages - m.set_threshold, -voltages - m.reset_threshold)
        return np.copysign(np.maximum(above, 0.0), voltages)

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Move each cell by rate x overdrive x width x range, up to the end of the range."""
        self._move(cells, self._model.rate * self.stress(voltages) * widths)

    def hold(
        self,
        cell: tuple[int, int],
        voltage: Volt,
        compliance: Ampere,
        width: Second,
        start: Second,
    ) -> None:
        """Hold one cell at a voltage, lowered as its current would exceed the compliance."""
        where = np.array([cell[0]]), np.array([cell[1]])
        before = self._conductances[where]
        sign = float(np.sign(voltage))

        def voltage_after(doses: Array) -> Array:
            grown = self._after(before, sign * doses)
            return limited_voltage(self._law, grown, voltage, compliance)

        dose = kinetics.dose_under_compliance(
            lambda v: self._model.rate * np.abs(self.stress(v)), voltage_after, voltage, width
        )
        self._move(where, np.array([sign * dose]))

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Do nothing: half-selected ideal devices hold still."""

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell at exactly this conductance, S, inside the range or not."""
        self._conductances = np.array(conductances, dtype=np.float64)

    def snapshot(self) -> State:
        """Return the conductances."""
        return {"conductances": self._conductances.copy()}

    def restore(self, state: State) -> None:
        """Take over a snapshot."""
        self._conductances = np.array(state["conductances"])

    def describe(self) -> Mapping[str, object]:
        """Return the model's constants, all of them assumed."""
        return parameters.described(self._model.name, self._model, {})

    def _after(self, conductances: Array, doses: Array) -> Array:
        low, high = self._model.conductance_min, self._model.conductance_max
        ends = np.minimum(conductances, low), np.maximum(conductances, high)
        return np.clip(conductances + doses * (high - low), *ends)

    def _move(self, cells: tuple[Indices, Indices], doses: Array) -> None:
        self._conductances[cells] = self._after(self._conductances[cells], doses)
