"""Whether a request may be driven: the guard's questions once more, next to the instruments."""

import numpy as np

from crossbar.backend import Ampere, Array, Cells, LimitError, Limits, Second, Volt


def checked_read(cells: Cells, voltage: Volt, shape: tuple[int, int], limits: Limits) -> None:
    """Raise `LimitError` if a cell or the voltage is outside the limits."""
    cells.check(shape)
    _inside("read voltage", np.float64(voltage), limits.read_voltage)


def checked_pulses(
    cells: Cells,
    voltages: Array,
    widths: Array,
    read_voltage: Volt,
    shape: tuple[int, int],
    limits: Limits,
) -> tuple[Array, Array]:
    """Return voltages and widths as arrays, or raise `LimitError` if one is outside the limits."""
    checked_read(cells, read_voltage, shape, limits)
    amplitudes = _row("voltages", voltages, len(cells))
    spans = _row("widths", widths, len(cells))
    _inside("pulse voltage", amplitudes, limits.voltage)
    if not np.all((spans >= limits.width_min) & (spans <= limits.width_max)):
        raise LimitError(
            f"a pulse width is outside {limits.width_min:g} s to {limits.width_max:g} s"
        )
    return amplitudes, spans


def checked_inputs(voltages: Array, word_lines: int, limits: Limits) -> Array:
    """Return the vectors of a multiply, or raise `LimitError` if one is outside the limits."""
    inputs = np.asarray(voltages, dtype=np.float64)
    if inputs.ndim != 2 or inputs.shape[1] != word_lines:
        raise LimitError(
            f"voltages of shape {inputs.shape} do not drive (batch, {word_lines}) lines"
        )
    _inside("a voltage to multiply by", inputs, limits.read_voltage)
    return inputs


def checked_sweep(
    cell: tuple[int, int],
    voltages: Array,
    compliance: Ampere,
    dwell: Second,
    shape: tuple[int, int],
    limits: Limits,
) -> Array:
    """Return the points of a sweep, or raise `LimitError` if anything is outside the limits."""
    Cells.of([cell]).check(shape)
    points = _row("voltages", voltages, np.size(voltages))
    _inside("sweep voltage", points, limits.voltage)
    if not 0 < compliance <= limits.current:
        raise LimitError(
            f"compliance {compliance} A is outside 0 A (excluded) to {limits.current:g} A"
        )
    if not 0 < dwell <= limits.width_max:
        raise LimitError(f"dwell {dwell} s is outside 0 s (excluded) to {limits.width_max:g} s")
    return points


def checked_trace(
    cell: tuple[int, int],
    voltages: Array,
    interval: Second,
    largest: Ampere,
    shape: tuple[int, int],
    limits: Limits,
) -> Array:
    """Return the points of a waveform, or raise `LimitError` if anything is outside the limits."""
    Cells.of([cell]).check(shape)
    points = _row("voltages", voltages, np.size(voltages))
    _inside("voltage of a waveform", points, limits.voltage)
    if not 0 < largest <= limits.current:
        raise LimitError(f"current {largest} A is outside 0 A (excluded) to {limits.current:g} A")
    if not 0 < interval <= limits.width_max:
        raise LimitError(
            f"interval {interval} s is outside 0 s (excluded) to {limits.width_max:g} s"
        )
    return points


def _row(name: str, values: Array, count: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,):
        raise LimitError(f"{name} of shape {array.shape} do not fit {count} pulses or points")
    return array


def _inside(name: str, values: Array | np.float64, largest: Volt) -> None:
    """Raise `LimitError` if a magnitude is above a limit, or not a number."""
    beyond = np.abs(values).max(initial=0.0)
    if not beyond <= largest:
        raise LimitError(f"{name}: {beyond:g} V is outside ±{largest:g} V")
