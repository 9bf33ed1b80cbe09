"""A matrix on the array and its products, before anybody corrects them by known inputs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import Array, Backend, DataError, Flags, LimitError, Second, Volt
from crossbar.blocks import Placed
from crossbar.calibration import Calibration


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What is done to the products of a matrix, digitally.

    Parameters
    ----------
    calibration
        A straight line for each output; None for none.
    measured
        Bench time at which it was measured, s.
    factor
        Against drift, shape ``(n_out,)``, applied before the line; None for none.
    """

    calibration: Calibration | None = None
    measured: Second = 0.0
    factor: Array | None = None

    def __call__(self, raw: Array) -> Array:
        """Return corrected products, shape ``(..., n_out)``."""
        scaled = raw if self.factor is None else raw * self.factor
        return scaled if self.calibration is None else self.calibration.correct(scaled)


RAW = Correction()
"""Products as the array gives them."""


@dataclass(slots=True, eq=False)
class Programmed:
    """A matrix on the array.

    Parameters
    ----------
    matrix, placed
        What was asked for, and where it lies.
    estimated
        Bench time at which its conductances were read, s.
    correction
        Of its products.
    """

    matrix: Array
    placed: Placed
    estimated: Second
    correction: Correction = RAW


def driven(
    placed: Placed, inputs: Array, voltage: Volt, input_range: float | None, word_lines: int
) -> tuple[Array, float]:
    """Return the voltages of every drive, V, and the input that is driven at `voltage`.

    Parameters
    ----------
    placed
        Where the matrix lies.
    inputs
        Shape ``(batch, n_in)``.
    voltage
        Of an input at the end of its range, V.
    input_range
        Magnitude of such an input; None for the largest of these.
    word_lines
        How many the array has.

    Raises
    ------
    LimitError
        If the range is not a positive finite number, or an input is beyond it.
    """
    largest = float(np.max(np.abs(inputs), initial=0.0))
    full = input_range if input_range is not None else (largest or 1.0)
    if not 0 < full < np.inf:
        raise LimitError(f"input_range {full} is not a positive finite number")
    if not largest <= full:
        raise LimitError(f"input {largest:.6g} is outside ±{full:.6g}, the range of this layer")
    return placed.voltages(inputs * (voltage / full), word_lines), full


def raw_product(
    backend: Backend,
    here: Programmed,
    offset: Array,
    inputs: Array,
    voltage: Volt,
    input_range: float | None,
) -> tuple[Array, Flags]:
    """Return products before any correction, and their flags, shape ``(batch, n_out)``.

    Every block of the matrix is driven with every input, in one call. `offset` is the current of
    each bit line at 0 V, A; the other parameters and errors are those of `driven`.
    """
    placed = here.placed
    voltages, full = driven(placed, inputs, voltage, input_range, backend.shape[0])
    reading = backend.drive(voltages)
    raw = placed.differences(reading.current - offset) * (full / (voltage * placed.scale))
    return raw, placed.flags(reading.flags)


def checked_matrix(matrix: ArrayLike) -> Array:
    """Return a matrix of weights as float64, or raise `DataError`."""
    checked = np.array(matrix, dtype=np.float64)
    if checked.ndim != 2 or checked.size == 0:
        raise DataError(f"weights are a table (n_in, n_out), not an array of shape {checked.shape}")
    if not np.all(np.isfinite(checked)):
        raise DataError(f"weights hold {int((~np.isfinite(checked)).sum())} NaN or infinite values")
    return checked


def checked_inputs(x: ArrayLike, n_in: int) -> Array:
    """Return inputs as float64 of shape ``(..., n_in)``, or raise `DataError`."""
    checked = np.asarray(x, dtype=np.float64)
    if checked.ndim == 0 or checked.shape[-1] != n_in:
        raise DataError(f"inputs of shape {checked.shape} do not end in {n_in}, the layer's inputs")
    if not np.all(np.isfinite(checked)):
        raise DataError(f"inputs hold {int((~np.isfinite(checked)).sum())} NaN or infinite values")
    return checked
