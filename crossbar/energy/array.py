"""Power of a multiply, cell by cell, from conductances and the voltages on the word lines.

Every bit line lies at virtual ground, as it does while a bench multiplies: a cell sees the voltage
of its word line. A word line at 0 V costs nothing, but every cell on a driven one conducts, those
on bit lines that nobody reads too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from crossbar.backend import Array, DataError, Second

Watt: TypeAlias = float
Joule: TypeAlias = float
Law: TypeAlias = Callable[[Array], Array]
"""f of an I-V law I = G f(V), from V to V, odd; G is the conductance at the read voltage."""

TERA = 1e12
CONVENTIONS: Mapping[str, str] = MappingProxyType(
    {
        "device": "2 operations per device that a multiply uses",
        "pair": "2 operations per weight, which is a pair of devices",
    }
)
"""How operations are counted: a multiplication and an addition each."""


def ohmic(voltages: Array) -> Array:
    """Return f(V) = V."""
    return voltages


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredLaw:
    """f(V) of a whole array, from its conductances read at several voltages.

    One law for all cells: each counts by its conductance, which makes the power of an array right
    whose cells differ.

    Parameters
    ----------
    voltages
        V, ascending, above zero; the last one is the read voltage.
    ratio
        Sum of the conductances at each, relative to that at the read voltage; between them linear,
        below the first constant.

    Raises
    ------
    DataError
        If the voltages do not ascend from above zero, or the ratios are not as many or not finite.
    """

    voltages: Array
    ratio: Array

    def __post_init__(self) -> None:
        rising = self.voltages.size and self.voltages[0] > 0 and np.all(np.diff(self.voltages) > 0)
        if not (rising and np.all(np.isfinite(self.voltages))):
            raise DataError(f"voltages {self.voltages} V of a law do not ascend from above 0")
        if self.ratio.shape != self.voltages.shape or not np.all(np.isfinite(self.ratio)):
            raise DataError(f"ratios {self.ratio} are not one finite number per voltage of a law")

    @classmethod
    def of(cls, voltages: Array, conductances: Array) -> "MeasuredLaw":
        """Return the law that reads show.

        Parameters
        ----------
        voltages
            V, shape ``(k,)``.
        conductances
            S, shape ``(k, n_word_lines, n_bit_lines)``.
        """
        sums = conductances.sum(axis=(1, 2))
        return cls(voltages, sums / sums[-1] if sums[-1] > 0 else np.ones(len(voltages)))

    def __call__(self, voltages: Array) -> Array:
        """Return f(V), V."""
        return np.asarray(voltages * np.interp(np.abs(voltages), self.voltages, self.ratio))


@dataclass(frozen=True, slots=True, eq=False)
class Dissipation:
    """What an array dissipates while it multiplies.

    Parameters
    ----------
    cells
        W, shape ``(n_word_lines, n_bit_lines)``: mean over the inputs.
    inputs
        W, shape ``(n,)``: of all cells together, for each input.
    """

    cells: Array
    inputs: Array

    @property
    def power(self) -> Watt:
        """Of all cells, mean over the inputs, W."""
        return float(self.cells.sum())


def dissipation(conductances: Array, voltages: Array, law: Law = ohmic) -> Dissipation:
    """Return what cells dissipate: the sum of |V| |I| over them.

    Parameters
    ----------
    conductances
        At the read voltage, S, shape ``(n_word_lines, n_bit_lines)``. Measured ones are taken with
        their sign, so that the noise of cells that hardly conduct cancels in the sums.
    voltages
        Of the word lines, V, shape ``(n, n_word_lines)``.
    law
        Of every cell.

    Raises
    ------
    DataError
        If the shapes do not fit, there is no input, or a number is not finite.

    References
    ----------
    Joksas et al., Adv. Sci. 9 (2022) 2105784: power from |V| |I|, averaged over examples.
    """
    if voltages.ndim != 2 or voltages.shape[1:] != conductances.shape[:1] or not len(voltages):
        raise DataError(
            f"voltages of shape {voltages.shape} do not drive the word lines of an array of shape "
            f"{conductances.shape}"
        )
    if not (np.all(np.isfinite(conductances)) and np.all(np.isfinite(voltages))):
        raise DataError("conductances or voltages hold NaN or infinity: they have no power")
    squares = np.abs(voltages) * np.abs(law(voltages))
    return Dissipation(
        cells=squares.mean(axis=0)[:, None] * conductances,
        inputs=squares @ conductances.sum(axis=1),
    )


def operations(inputs: int, outputs: int, devices: int) -> dict[str, int]:
    """Return the operations of one multiply by each of `CONVENTIONS`.

    Parameters
    ----------
    inputs, outputs
        Of the matrix, the bias counted as an input.
    devices
        That hold it.
    """
    return {"device": 2 * devices, "pair": 2 * inputs * outputs}


def efficiency(count: float, energy: Joule) -> float:
    """Return operations per joule in tera, which is TOPS/W; infinite without energy."""
    return count / energy / TERA if energy > 0 else float("inf")


def power_of(count: float, read_time: Second, tops_per_watt: float) -> Watt:
    """Return the power behind a TOPS/W that was printed, W: the inverse of `efficiency`."""
    return count / (read_time * tops_per_watt * TERA)
