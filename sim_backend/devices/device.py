"""What the array needs from a device model: an I-V law, a state, how pulses move it."""

from collections.abc import Mapping
from types import EllipsisType
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Ampere, Array, Indices, Second, Volt

State: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays by name: all that a simulated part has drawn and all that has changed since."""

Where: TypeAlias = tuple[Indices, Indices] | EllipsisType
"""Word lines and bit lines of the cells meant, or ``...`` for the whole array."""


class Law(Protocol):
    """An I-V law, I = G f(V), with G the small-signal conductance.

    Where f is `shared`, all cells of a line that see one voltage need it only once, and a multiply
    without line resistance is one matrix product. Where it is not, each cell has an f of its own,
    which its state may have a part in: the last axes of voltages are then those of the cells that
    the law is of, and a law holds for the states from which it was taken. Such a model may state
    G at a read voltage instead of 0 V; f is then that voltage there, and its slope at 0 V is not 1.
    """

    @property
    def linear(self) -> bool:
        """True where f(V) = V exactly."""
        ...

    @property
    def shared(self) -> bool:
        """True if f is the same for all cells, whatever their state."""
        ...

    def at(self, cells: "Where") -> "Law":
        """Return the law of these cells, voltages then being shaped like them.

        Parameters
        ----------
        cells
            Word lines and bit lines; a law that is `shared` returns itself.
        """
        ...

    def effective(self, voltage: Array) -> Array:
        """Return f(V), V: the voltage at which an ohmic G would carry the same current."""
        ...

    def slope(self, voltage: Array) -> Array:
        """Return df/dV, dimensionless; 1 at 0 V unless G is stated at another voltage."""
        ...

    def inverse(self, effective: Array) -> Array:
        """Return the voltage, V, at which f takes this value."""
        ...


class Device(Protocol):
    """The state of every cell of one array; all chance is from the generator it was built with."""

    @property
    def law(self) -> Law:
        """The I-V law of every cell, as its state is now."""
        ...

    def conductance(self, times: Second | Array, cells: Where = ...) -> Array:
        """Return the G of the law, S, at bench times, with relaxation but no read noise.

        Parameters
        ----------
        times
            Bench time, s: one for all or one per cell. A time before a cell's last write counts
            as that write's end.
        cells
            Which cells, each any number of times; the whole array by default.
        """
        ...

    def noise(self, conductances: Array) -> Array:
        """Return the standard deviation, S, by which one read's conductance departs from these."""
        ...

    def stress(self, voltages: Array) -> Array:
        """Return the rate at which a median cell moves, in units of its rate at threshold.

        Positive drives SET, negative RESET. Each cell's own rate is this times a factor that does
        not depend on the voltage, so that doses of half-select stress add up before the cell is
        known.
        """
        ...

    def pulse(
        self, cells: tuple[Indices, Indices], voltages: Array, widths: Array, starts: Array
    ) -> None:
        """Apply one programming pulse to each of several different cells.

        Parameters
        ----------
        cells
            Word lines and bit lines, shape ``(n,)`` each, no cell twice.
        voltages
            At the cell, V, shape ``(n,)``; positive is SET.
        widths
            s, shape ``(n,)``.
        starts
            Bench time at which each pulse begins, s, shape ``(n,)``.
        """
        ...

    def hold(
        self,
        cell: tuple[int, int],
        voltage: Volt,
        compliance: Ampere,
        width: Second,
        start: Second,
    ) -> None:
        """Hold one cell at a voltage, lowered as its current would exceed the compliance."""
        ...

    def disturb(self, set_dose: Array, reset_dose: Array) -> None:
        """Apply accumulated stress to every cell: sum of `stress` times width, s, each ≥ 0.

        SET before RESET. It moves states and nothing else: no relaxation starts.
        """
        ...

    def place(self, conductances: Array, now: Second) -> None:
        """Put every cell at exactly this conductance, S, as no experiment could."""
        ...

    def snapshot(self) -> State:
        """Return copies of every array of the state, drawn constants included; simulation only.

        Names, shapes and types do not depend on what has happened to the cells.
        """
        ...

    def restore(self, state: State) -> None:
        """Take over a snapshot of cells of the same model, constants and shape."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return the model's name, its constants, and which of them nobody measured."""
        ...


class DeviceModel(Protocol):
    """The parameters of a device model: a frozen dataclass that builds arrays of such devices."""

    @property
    def name(self) -> str:
        """Key of the model in `DEVICES`."""
        ...

    def build(self, shape: tuple[int, int], rng: np.random.Generator) -> Device:
        """Return fresh devices for an array of this shape, with their spreads drawn."""
        ...
