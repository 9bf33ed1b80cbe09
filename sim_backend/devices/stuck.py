"""Cells that no pulse moves, among the cells of another model.

References
----------
StuckAt and StuckDistribution of Joksas et al., Adv. Sci. 9 (2022) 2105784.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Second, Siemens, Volt
from sim_backend.devices import parameters, wrapping
from sim_backend.devices.device import Device, Law, State, Where

SOURCES = {"probability": "Joksas et al., Adv. Sci. 9 (2022) 2105784: StuckAt with p = .05"}


@dataclass(frozen=True, slots=True)
class Stuck:
    """Another model, of whose cells some are stuck, independently of each other.

    Parameters
    ----------
    of
        Key of the other model in `DEVICES`.
    constants
        The other model's constants that differ from its defaults.
    probability
        Of a cell that is stuck.
    conductance
        Where every stuck cell is, S, unless `values` say where they are.
    values
        Conductances of stuck cells that were measured, S: each stuck cell is drawn from a kernel
        density of them.
    bandwidth
        Standard deviation of the kernels, S; Scott's by default. What a normal kernel has below
        0 S is reflected to above.

    Raises
    ------
    BenchError
        If a constant is impossible, or the other model refuses its own.
    """

    of: str = "perovskite"  # assumed
    constants: dict[str, object] | None = None
    probability: float = 0.05  # Joksas et al., Adv. Sci. 9 (2022) 2105784
    conductance: Siemens = 1e-6  # assumed: the perovskite's lower end
    values: tuple[Siemens, ...] = ()  # assumed: none was measured
    bandwidth: Siemens | None = None  # assumed: Scott's

    name: ClassVar[str] = "stuck"

    def __post_init__(self) -> None:
        parameters.check(self, may_be_zero=("probability", "conductance"), signed=())
        wrapping.wrapped(self.of, self.constants)
        if self.probability > 1:
            raise BenchError(f"probability {self.probability} is above 1")
        if not all(0 <= value < np.inf for value in self.values):
            raise BenchError("values of stuck cells have to be finite and zero or more, in S")

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> "StuckCells":
        """Return cells of the other model, those drawn as stuck at their conductances."""
        return StuckCells(self, shape, rng)

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """Return conductances of stuck cells, S, shape ``(count,)``."""
        if not self.values:
            return np.full(count, self.conductance)
        width = scott(np.array(self.values)) if self.bandwidth is None else self.bandwidth
        kernels = rng.choice(np.array(self.values), count)
        return np.abs(kernels + width * rng.standard_normal(count))


def scott(values: Array) -> float:
    """Return Scott's bandwidth of a kernel density in one dimension, zero for a single value.

    References
    ----------
    Scott, Multivariate Density Estimation (1992).
    """
    if len(values) < 2:
        return 0.0
    return float(values.std(ddof=1) * len(values) ** (-1 / 5))


class StuckCells:
    """The cells of another model behind a mask of which are stuck, and where.

    The cell behind a stuck one is put to the same conductance, so that its law is that of its
    place, and is pulsed with 0 V whenever the stuck one is pulsed: what chance the others meet does
    not depend on who is stuck.
    """

    def __init__(self, model: Stuck, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self._model = model
        self._cells: Device = wrapping.wrapped(model.of, model.constants).build(shape, rng)
        self._stuck = rng.random(shape) < model.probability
        self._values = np.zeros(shape)
        self._values[self._stuck] = model.draw(int(self._stuck.sum()), rng)
        if self._stuck.any():
            fresh = self._cells.conductance(0.0)
            self._cells.place(np.where(self._stuck, self._values, fresh), 0.0)

    @property
    def law(self) -> Law:
        """The other model's."""
        return self._cells.law

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return the G of the law, S; of stuck cells the same at all times."""
        moving = self._cells.conductance(times, cells)
        return np.where(self._stuck[cells], self._values[cells], moving)

    def noise(self, conductances: Array) -> Array:
        """Return the other model's read noise, S."""
        return self._cells.noise(conductances)

    def stress(self, voltages: Array) -> Array:
        """Return the other model's stress."""
        return self._cells.stress(voltages)

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Apply one programming pulse to each of several different cells."""
        self._cells.pulse(cells, np.where(self._stuck[cells], 0.0, voltages), widths, starts)

    def hold(
        self,
        cell: tuple[int, int],
        voltage: Volt,
        compliance: Ampere,
        width: Second,
        start: Second,
    ) -> None:
        """Hold one cell at a voltage, lowered as its current would exceed the compliance."""
        self._cells.hold(cell, 0.0 if self._stuck[cell] else voltage, compliance, width, start)

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Move stressed cells that are not stuck."""
        self._cells.disturb(*(np.where(self._stuck, 0.0, dose) for dose in (set_dose, reset_dose)))

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell, stuck ones too, at exactly this conductance, S."""
        self._cells.place(conductances, now)
        self._values = np.where(self._stuck, conductances, 0.0)

    def snapshot(self) -> State:
        """Return which cells are stuck and where, and the other model's arrays."""
        own = {"stuck": self._stuck.copy(), "values": self._values.copy()}
        return {**own, **wrapping.snapshot(self._cells)}

    def restore(self, state: State) -> None:
        """Take over a snapshot."""
        self._stuck, self._values = np.array(state["stuck"]), np.array(state["values"])
        wrapping.restore(self._cells, state)

    def describe(self) -> Mapping[str, object]:
        """Return both models' constants, and which of them nobody measured."""
        return wrapping.described("stuck", self._model, SOURCES, self._cells)
