"""Log-normal device-to-device spread of the resistances of another model's cells.

A cell whose model says R has the resistance R' = R exp(σ(R) z - σ(R)²/2), z drawn once for each
cell, so that the mean of R' over cells is R; σ is linear in R between the ends of the window.

References
----------
D2DLognormal of Joksas et al., Adv. Sci. 9 (2022) 2105784. There z is drawn anew for every batch;
here it is the cell's own, as an array has one set of cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossbar.backend import Ampere, Array, BenchError, Indices, Second, Siemens, Volt
from sim_backend.devices import parameters, wrapping
from sim_backend.devices.device import Device, Law, State, Where

SOURCES = {
    "sigma_on": "Joksas et al., Adv. Sci. 9 (2022) 2105784, more uniform of their two",
    "sigma_off": "Joksas et al., Adv. Sci. 9 (2022) 2105784, more uniform of their two",
}

BISECTIONS = 120
"""Halvings of ln R that leave it exact to rounding over any range of resistances."""


@dataclass(frozen=True, slots=True)
class D2DLognormal:
    """Another model, with a spread of its own for each cell's resistance.

    Parameters
    ----------
    of
        Key of the other model in `DEVICES`.
    constants
        The other model's constants that differ from its defaults.
    sigma_on, sigma_off
        σ at the upper and at the lower end of the window, and beyond them. The paper's settings
        are (.25, .25), more uniform; (.05, .5), less uniform; (.5, .5), high.
    window_on, window_off
        Conductances between which σ is linear in R, S.

    Raises
    ------
    BenchError
        If a constant is impossible, or the other model refuses its own.

    Notes
    -----
    Where σ changes with R, R' of a cell with |z| large does not grow with R throughout: with
    (.05, .5) and a window of five to one, 10 % of the cells conduct more after a small RESET near
    the window's lower end. That is the published law, taken as a cell's.
    """

    of: str = "perovskite"  # assumed
    constants: dict[str, object] | None = None
    sigma_on: float = 0.25  # Joksas et al., Adv. Sci. 9 (2022) 2105784
    sigma_off: float = 0.25  # Joksas et al., Adv. Sci. 9 (2022) 2105784
    window_on: Siemens = 1e-4  # assumed: the perovskite's
    window_off: Siemens = 1e-6  # assumed: the perovskite's

    name: ClassVar[str] = "d2d-lognormal"

    def __post_init__(self) -> None:
        parameters.check(self, may_be_zero=("sigma_on", "sigma_off"), signed=())
        wrapping.wrapped(self.of, self.constants)
        if self.window_off >= self.window_on:
            raise BenchError(
                f"window_off {self.window_off} S is not below window_on {self.window_on} S"
            )

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> "D2DLognormalCells":
        """Return cells of the other model, with a z drawn for each."""
        return D2DLognormalCells(self, shape, rng)

    def disturbed(self, conductances: Array, draws: Array) -> Array:
        """Return 1/R', S, for 1/R and z, which broadcast."""
        sigma = self._sigma(conductances)
        changed: Array = conductances * np.exp(sigma**2 / 2 - sigma * draws)
        return changed

    def undisturbed(self, conductances: Array, draws: Array) -> Array:
        """Return the largest 1/R, S, whose 1/R' is this; its inverse where there is only one.

        R' grows with R up to where its derivative changes sign, and again beyond the window.
        """
        turn = self._turn(draws)
        beyond = conductances < self.disturbed(turn, draws)
        constant = conductances * np.exp(self.sigma_off * draws - self.sigma_off**2 / 2)
        # 1/R' of the window's ends bound ln(1/R): σ lies between sigma_on and sigma_off
        reach = np.abs(draws) * max(self.sigma_on, self.sigma_off) + self.sigma_on**2
        reach = reach + self.sigma_off**2
        safe = np.where(conductances > 0, conductances, 1.0)
        low, high = np.maximum(np.log(safe) - reach, np.log(turn)), np.log(safe) + reach
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            more = self.disturbed(np.exp(middle), draws) > conductances
            low, high = np.where(more, low, middle), np.where(more, middle, high)
        return np.where(beyond, constant, np.exp((low + high) / 2))

    def _sigma(self, conductances: Array) -> Array:
        # σ = a + b R, written with 1/R so that a cell without conductance is at the lower end
        on, off = self.window_on, self.window_off
        inside = np.clip(conductances, off, on)
        sigma: Array = self.sigma_on + (self.sigma_off - self.sigma_on) * (
            (on / inside - 1.0) / (on / off - 1.0)
        )
        return sigma

    def _turn(self, draws: Array) -> Array:
        """Return 1/R, S, up to whose R the disturbed resistance grows; the window's end if all."""
        on, off = 1.0 / self.window_on, 1.0 / self.window_off
        b = (self.sigma_off - self.sigma_on) / (off - on)
        if b == 0.0:
            return np.full(np.shape(draws), self.window_off)
        # d ln R' / d ln R = 1 + b R (z - a) - b² R², zero at one R above zero
        middle = (draws - (self.sigma_on - b * on)) / (2 * b)
        return 1.0 / np.clip(middle + np.sqrt(middle**2 + 1 / b**2), on, off)


class D2DLognormalCells:
    """The cells of another model, each behind its own z.

    A compliance is the other model's to keep: it is told the one that gives the same voltage at the
    cell's present conductance, which errs by what σ changes while the cell is held.
    """

    def __init__(
        self, model: D2DLognormal, shape: tuple[int, int], rng: np.random.Generator
    ) -> None:
        self._model = model
        self._cells: Device = wrapping.wrapped(model.of, model.constants).build(shape, rng)
        self._draws = rng.standard_normal(shape)

    @property
    def law(self) -> Law:
        """The other model's."""
        return self._cells.law

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return the G of the law, S, at bench times, without read noise."""
        return self._model.disturbed(self._cells.conductance(times, cells), self._draws[cells])

    def noise(self, conductances: Array) -> Array:
        """Return the other model's read noise at these conductances, S."""
        return self._cells.noise(conductances)

    def stress(self, voltages: Array) -> Array:
        """Return the other model's stress."""
        return self._cells.stress(voltages)

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Apply one programming pulse to each of several different cells."""
        self._cells.pulse(cells, voltages, widths, starts)

    def hold(
        self,
        cell: tuple[int, int],
        voltage: Volt,
        compliance: Ampere,
        width: Second,
        start: Second,
    ) -> None:
        """Hold one cell at a voltage, lowered as its current would exceed the compliance."""
        at = np.array([cell[0]]), np.array([cell[1]])
        inner = self._cells.conductance(start, at)
        ratio = self._model.disturbed(inner, self._draws[at])[0] / inner[0] if inner[0] else 1.0
        self._cells.hold(cell, voltage, compliance / ratio, width, start)

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Apply accumulated stress to every cell."""
        self._cells.disturb(set_dose, reset_dose)

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell at exactly this conductance, S."""
        self._cells.place(self._model.undisturbed(conductances, self._draws), now)

    def snapshot(self) -> State:
        """Return each cell's z, and the other model's arrays."""
        return {"draws": self._draws.copy(), **wrapping.snapshot(self._cells)}

    def restore(self, state: State) -> None:
        """Take over a snapshot."""
        self._draws = np.array(state["draws"])
        wrapping.restore(self._cells, state)

    def describe(self) -> Mapping[str, object]:
        """Return both models' constants, and which of them nobody measured."""
        return wrapping.described("d2d-lognormal", self._model, SOURCES, self._cells)
