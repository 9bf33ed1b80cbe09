"""Safety: a wrapper that refuses a request outside the limits before anything is driven."""

from collections.abc import Mapping
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import (
    Ampere,
    Array,
    Backend,
    BudgetError,
    Cells,
    LimitError,
    Limits,
    Mask,
    Reading,
    Second,
    Sweep,
    Volt,
)
from crossbar.exposure import Exposure


def stricter(one: Limits, other: Limits) -> Limits:
    """Return the stricter of two limits, field by field.

    Raises
    ------
    BenchError
        If no pulse width is inside both.
    """
    return Limits(
        voltage=min(one.voltage, other.voltage),
        read_voltage=min(one.read_voltage, other.read_voltage),
        current=min(one.current, other.current),
        width_min=max(one.width_min, other.width_min),
        width_max=min(one.width_max, other.width_max),
        pulses=min(one.pulses, other.pulses),
        stress=min(one.stress, other.stress),
    )


class Guarded:
    """A backend that never receives a request outside the limits.

    A call is refused as a whole: either every cell of it is inside the limits and the budgets, or
    nothing is driven and nothing is counted. What is driven is counted first and never given back,
    because a call that failed half-way may have reached the cells.

    Parameters
    ----------
    backend
        The bench, open.
    limits
        The laboratory's limits. Where the bench's own are stricter, those hold.
    exposure
        What the cells have received from programs before, and where what they receive now is
        written before they do; None for an array that is fresh, and nobody's afterwards.

    Raises
    ------
    BenchError
        If no pulse width is inside both limits.
    """

    def __init__(self, backend: Backend, limits: Limits, exposure: Exposure | None = None) -> None:
        self._backend = backend
        self._shape = backend.shape
        self._limits = stricter(limits, backend.limits)
        self._exposure = exposure
        self._pulses = np.zeros(self._shape, dtype=np.int64)
        self._stress = np.zeros(self._shape)
        if exposure is not None:
            self._pulses[:], self._stress[:] = exposure.pulses, exposure.stress

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        return self._shape

    @property
    def limits(self) -> Limits:
        """The stricter of the laboratory's and the bench's limits, field by field."""
        return self._limits

    @property
    def now(self) -> Second:
        """Bench time since opening, s."""
        return self._backend.now

    @property
    def pulses(self) -> NDArray[np.int64]:
        """Pulses that each cell was sent, by programs before too, shape of the array; a copy."""
        return self._pulses.copy()

    @property
    def stress(self) -> Array:
        """Sum of V² t that each cell was sent, V² s, likewise."""
        return self._stress.copy()

    def received(self, pulses: NDArray[np.int64], stress: Array) -> None:
        """Count what cells have received besides, from programs that this one goes on with.

        It may take them beyond their budgets: then they are given nothing more.

        Parameters
        ----------
        pulses, stress
            More of either, V² s, shape of the array.

        Raises
        ------
        StoreError
            If it could not be written down; then nothing is counted.
        """
        where = np.flatnonzero((pulses > 0) | (stress > 0))
        total = self._pulses.flat[where] + pulses.flat[where]
        strain = self._stress.flat[where] + stress.flat[where]
        if self._exposure is not None and where.size:
            self._exposure.receive(where, total, strain)
        self._pulses.flat[where], self._stress.flat[where] = total, strain

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell.

        Raises
        ------
        LimitError
            If the voltage or a cell is outside the limits.
        """
        self._check_cells("read", cells)
        return self._backend.read(cells, self._read_voltage("read", voltage))

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one programming pulse per cell, in order, and return each cell's verify read.

        Raises
        ------
        LimitError
            If a cell, an amplitude, a width or the read voltage is outside the limits.
        BudgetError
            If the call would take a cell beyond its pulses or its stress.
        """
        self._check_cells("pulse", cells)
        asked = (len(cells),)
        voltages = _numbers("pulse: voltages", voltages, asked)
        widths = _numbers("pulse: widths", widths, asked)
        read_voltage = self._read_voltage("pulse: verify read", read_voltage)
        limits = self._limits
        if (k := _first(~(np.abs(voltages) <= limits.voltage))) is not None:
            raise LimitError(
                f"pulse on {_cell(cells, k)}: {_beyond(voltages[k], limits.voltage, 'V')}"
            )
        inside = (widths >= limits.width_min) & (widths <= limits.width_max)
        if (k := _first(~inside)) is not None:
            raise LimitError(
                f"pulse on {_cell(cells, k)}: width {_text(widths[k])} s is outside "
                f"{_text(limits.width_min)} s to {_text(limits.width_max)} s"
            )
        self._charge(cells, np.ones(len(cells)), voltages**2 * widths)
        return self._backend.pulse(cells, voltages, widths, read_voltage)

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector of word-line voltages.

        Raises
        ------
        LimitError
            If a voltage is outside the limits, or the shape is not ``(batch, n_word_lines)``.
        """
        voltages = _numbers("drive: voltages", voltages, (None, self._shape[0]))
        limit = self._limits.read_voltage
        within = np.abs(voltages) <= limit
        if not within.all():
            vector, word = divmod(int((~within).argmax()), self._shape[0])
            raise LimitError(
                f"drive: vector {vector}, word line {word}: "
                f"{_beyond(voltages[vector, word], limit, 'V')}"
            )
        return self._backend.drive(voltages)

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages, quasi-statically, and measure at each.

        Raises
        ------
        LimitError
            If the cell, a voltage, the compliance or the dwell is outside the limits.
        BudgetError
            If the sweep would take the cell beyond its stress.
        """
        cells, voltages, where = self._checked_points("sweep", cell, voltages)
        compliance = self._checked_current(f"{where}: compliance", compliance)
        dwell = self._checked_dwell(f"{where}: dwell", dwell)
        self._charge(cells, np.zeros(1), np.array([np.sum(voltages**2) * dwell]))
        return self._backend.sweep(
            (int(cells.word[0]), int(cells.bit[0])), voltages, compliance, dwell
        )

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell as one waveform, and return what flowed; it counts as a pulse.

        Raises
        ------
        LimitError
            If the cell, a voltage, the interval or the current is outside the limits, or the bench
            has no generator on its lines.
        BudgetError
            If the waveform would take the cell beyond its pulses or its stress.
        """
        cells, voltages, where = self._checked_points("trace", cell, voltages)
        largest = self._checked_current(f"{where}: largest current", largest)
        interval = self._checked_dwell(f"{where}: interval", interval)
        self._charge(cells, np.ones(1), np.array([np.sum(voltages**2) * interval]))
        at = int(cells.word[0]), int(cells.bit[0])
        return self._backend.trace(at, voltages, interval, largest)

    def wait(self, duration: Second) -> None:
        """Let `duration` seconds of bench time pass with every line at 0 V.

        Raises
        ------
        LimitError
            If the duration is negative or not finite.
        """
        duration = _number("wait", duration)
        if not 0 <= duration < np.inf:
            raise LimitError(f"wait: {_text(duration)} s is not a finite time of 0 s or more")
        self._backend.wait(duration)

    def describe(self) -> Mapping[str, object]:
        """Return what made the numbers, as the bench says it."""
        return self._backend.describe()

    def close(self) -> None:
        """Leave every line at 0 V and disconnected; a second call does nothing."""
        self._backend.close()

    def _checked_points(
        self, verb: str, cell: tuple[int, int], voltages: Array
    ) -> tuple[Cells, Array, str]:
        """Return the cell, the voltages, and how to call the request; or raise `LimitError`."""
        if len(cell) != 2:
            raise LimitError(f"a cell is a word line and a bit line, not {cell!r}")
        cells = Cells.of([cell])
        self._check_cells(verb, cells)
        where = f"{verb} on {_cell(cells, 0)}"
        points = _numbers(f"{where}: voltages", voltages, (None,))
        limit = self._limits.voltage
        if (k := _first(~(np.abs(points) <= limit))) is not None:
            raise LimitError(f"{where}, point {k}: {_beyond(points[k], limit, 'V')}")
        return cells, points, where

    def _checked_current(self, what: str, current: Ampere) -> Ampere:
        current = _number(what, current)
        if not 0 < current <= self._limits.current:
            raise LimitError(
                f"{what} {_text(current)} A is outside "
                f"0 A (excluded) to {_text(self._limits.current)} A"
            )
        return current

    def _checked_dwell(self, what: str, dwell: Second) -> Second:
        dwell = _number(what, dwell)
        if not 0 < dwell <= self._limits.width_max:
            raise LimitError(
                f"{what} {_text(dwell)} s is outside "
                f"0 s (excluded) to {_text(self._limits.width_max)} s"
            )
        return dwell

    def _read_voltage(self, what: str, voltage: Volt) -> Volt:
        voltage = _number(what, voltage)
        if not abs(voltage) <= self._limits.read_voltage:
            raise LimitError(f"{what}: {_beyond(voltage, self._limits.read_voltage, 'V')}")
        return voltage

    def _check_cells(self, what: str, cells: Cells) -> None:
        words, bits = self._shape
        inside = (cells.word >= 0) & (cells.word < words) & (cells.bit >= 0) & (cells.bit < bits)
        if (k := _first(~inside)) is not None:
            raise LimitError(
                f"{what}: {_cell(cells, k)} does not exist; this array has "
                f"word lines 0 to {words - 1} and bit lines 0 to {bits - 1}"
            )

    def _charge(self, cells: Cells, pulses: Array, stress: Array) -> None:
        """Count what a call will do to each cell, or raise `BudgetError` and count nothing."""
        flat = cells.word * self._shape[1] + cells.bit
        # Only the cells of this call are summed: one pulse on a large array stays cheap.
        where, place = np.unique(flat, return_inverse=True)
        more = np.bincount(place, pulses, len(where)).astype(np.int64)
        strain = np.bincount(place, stress, len(where))
        total, sum_strain = self._pulses.flat[where] + more, self._stress.flat[where] + strain
        if (k := _first(~(total <= self._limits.pulses))) is not None:
            word, bit = divmod(int(where[k]), self._shape[1])
            raise BudgetError(
                f"cell ({word}, {bit}): {self._pulses[word, bit]} pulses used, "
                f"{more[k]} more asked, {self._limits.pulses} allowed by the limit 'pulses'"
            )
        if (k := _first(~(sum_strain <= self._limits.stress))) is not None:
            word, bit = divmod(int(where[k]), self._shape[1])
            raise BudgetError(
                f"cell ({word}, {bit}): stress of {_text(self._stress[word, bit])} V² s used, "
                f"{_text(strain[k])} V² s more asked, {_text(self._limits.stress)} V² s allowed "
                "by the limit 'stress'"
            )
        if self._exposure is not None:
            # Before anything is driven; if it cannot be written, nothing is.
            self._exposure.receive(where, total, sum_strain)
        self._pulses.flat[where] = total
        self._stress.flat[where] = sum_strain


def _first(refused: Mask) -> int | None:
    """Return the place of the first True, counted through the flattened array."""
    place = int(refused.argmax()) if refused.size else 0
    return place if refused.size and refused.flat[place] else None


def _numbers(what: str, values: Array, shape: tuple[int | None, ...]) -> Array:
    """Return the values as float64, or raise `LimitError` if they are not such an array."""
    try:
        given = np.asarray(values)
    except ValueError as ragged:
        raise LimitError(f"{what} are not an array: {ragged}") from ragged
    if given.dtype.kind not in "fiu":
        raise LimitError(f"{what} are real numbers, not {given.dtype}")
    fits = given.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, given.shape, strict=True)
    )
    if not fits:
        text = ", ".join("any" if size is None else str(size) for size in shape)
        raise LimitError(f"{what} have shape {given.shape}, not ({text})")
    return given.astype(np.float64, copy=False)


def _number(what: str, value: object) -> float:
    if not isinstance(value, Real):
        raise LimitError(f"{what}: {value!r} is not a number")
    return float(value)


def _cell(cells: Cells, k: int) -> str:
    return f"cell ({cells.word[k]}, {cells.bit[k]})"


def _text(value: float) -> str:
    """Return the shortest text that is still this number: 1.5, but never 1.5 for 1.5000001."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def _beyond(value: float, limit: float, unit: str) -> str:
    return f"{_text(value)} {unit} is outside ±{_text(limit)} {unit}"
