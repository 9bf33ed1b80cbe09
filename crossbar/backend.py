"""The one boundary: what a bench can do, in SI units, on many cells per call.

Everything above this file is the same on a simulator, on virtual instruments and on a laboratory's
bench. Implementations are structural (`Backend` is a Protocol): they inherit nothing and import
nothing of ours but this file.

Errors, all of them::

    CrossbarError
    ├── BenchError          a bench description is wrong, or names what does not exist
    ├── DataError           a file or an array given by a person cannot be used
    ├── CapacityError       what was asked does not fit the array
    ├── LimitError          a request is outside the limits; nothing was driven
    │   └── BudgetError     a cell has used up its pulses or its stress
    ├── ClusterError        the machines that share a study cannot be used, or did not finish
    ├── ClosedError         the bench was closed before the request
    ├── InstrumentError     an instrument refused, failed, or did not do what it was told
    │   └── DeadlineError   an instrument did not answer in time
    └── StoreError          the run store is locked, full, foreign or damaged
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import IntFlag
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Volt: TypeAlias = float
Ampere: TypeAlias = float
Siemens: TypeAlias = float
Ohm: TypeAlias = float
Second: TypeAlias = float
VoltSquaredSecond: TypeAlias = float

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.intp]
Mask: TypeAlias = NDArray[np.bool_]
Flags: TypeAlias = NDArray[np.uint8]


class CrossbarError(Exception):
    """Base of every error that this project raises on purpose."""


class BenchError(CrossbarError):
    """A bench description is wrong, or names something that does not exist."""


class DataError(CrossbarError):
    """A file or an array given by a person cannot be used as it is."""


class CapacityError(CrossbarError):
    """What was asked does not fit the array."""


class ClusterError(CrossbarError):
    """The machines that share a study cannot be used, or did not finish their part."""


class LimitError(CrossbarError):
    """A request is outside the limits; it was refused before anything was driven."""


class BudgetError(LimitError):
    """A cell has used up its pulses or its stress; the request was refused."""


class ClosedError(CrossbarError):
    """The bench was closed before the request."""


class InstrumentError(CrossbarError):
    """An instrument refused, failed, or did not do what it was told."""


class DeadlineError(InstrumentError):
    """An instrument did not answer in time."""


class StoreError(CrossbarError):
    """The run store is locked, full, foreign or damaged."""


class Flag(IntFlag):
    """What a reading says about itself besides its value; combined per reading."""

    CLIPPED = 1
    """The converter was at the end of its range: the true value lies beyond the one given."""
    COMPLIANCE = 2
    """The current limit was active: the voltage at the cell was below the one asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The cells that a call addresses, in order; a cell may occur more than once.

    Parameters
    ----------
    word
        Word line of each cell, counted from 0, shape ``(n,)``.
    bit
        Bit line of each cell, counted from 0, shape ``(n,)``.

    Raises
    ------
    LimitError
        If the two are not integers, not one-dimensional, or not of the same length.
    """

    word: Indices
    bit: Indices

    def __post_init__(self) -> None:
        for name in ("word", "bit"):
            lines = np.asarray(getattr(self, name))
            if lines.size == 0:
                lines = lines.astype(np.intp)
            if lines.ndim != 1 or not np.issubdtype(lines.dtype, np.integer):
                raise LimitError(f"{name} lines of cells are whole numbers in a row, not {lines!r}")
            object.__setattr__(self, name, lines.astype(np.intp))
        if len(self.word) != len(self.bit):
            raise LimitError(
                f"{len(self.word)} word lines do not pair with {len(self.bit)} bit lines"
            )

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> "Cells":
        """Return the cells named by ``(word line, bit line)`` pairs."""
        listed = list(pairs)
        return cls(np.array([w for w, _ in listed]), np.array([b for _, b in listed]))

    @classmethod
    def block(cls, words: ArrayLike, bits: ArrayLike) -> "Cells":
        """Return every crossing of the given word lines and bit lines, word line by word line."""
        word, bit = np.meshgrid(np.asarray(words), np.asarray(bits), indexing="ij")
        return cls(word.ravel(), bit.ravel())

    @classmethod
    def all(cls, shape: tuple[int, int]) -> "Cells":
        """Return every cell of an array, word line by word line."""
        return cls.block(np.arange(shape[0]), np.arange(shape[1]))

    def __len__(self) -> int:
        return len(self.word)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.word.tolist(), self.bit.tolist(), strict=True)

    def __getitem__(self, chosen: "Mask | Indices | slice") -> "Cells":
        return Cells(self.word[chosen], self.bit[chosen])

    def check(self, shape: tuple[int, int]) -> None:
        """Raise `LimitError` if a cell lies outside an array of this shape."""
        for lines, count, name in ((self.word, shape[0], "word"), (self.bit, shape[1], "bit")):
            outside = lines[(lines < 0) | (lines >= count)]
            if outside.size:
                raise LimitError(
                    f"{name} line {int(outside[0])} does not exist; this array has "
                    f"{name} lines 0 to {count - 1}"
                )


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked of a bench; every field is mandatory because a forgotten one is unsafe.

    Parameters
    ----------
    voltage
        Largest magnitude of a pulse or of a sweep point, V.
    read_voltage
        Largest magnitude of a read or of a multiply, V.
    current
        Largest compliance that may be set, A. Pulses are bounded by voltage and width only.
    width_min, width_max
        Shortest and longest pulse, s; `width_max` also bounds the dwell at a sweep point.
    pulses
        Pulses that one cell may receive while the bench is open; sweep points are not counted.
    stress
        Sum of V² t that one cell may receive while the bench is open, V² s. Pulses and sweep
        points count; what half-selected neighbours receive does not.

    Raises
    ------
    BenchError
        If a limit is not finite, not positive, or the two widths are in the wrong order.
    """

    voltage: Volt
    read_voltage: Volt
    current: Ampere
    width_min: Second
    width_max: Second
    pulses: int
    stress: VoltSquaredSecond

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value > 0):
                raise BenchError(f"limit {field.name} = {value} is not a positive finite number")
        if self.width_min > self.width_max:
            raise BenchError(f"width_min {self.width_min} s is above width_max {self.width_max} s")


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Measured currents with what each says about itself.

    Parameters
    ----------
    current
        A, one per cell ``(n,)`` or one per input and bit line ``(batch, n_bit_lines)``.
    flags
        `Flag` bits, same shape.
    """

    current: Array
    flags: Flags

    @property
    def clipped(self) -> Mask:
        """True where the converter was at the end of its range."""
        return np.asarray(self.flags & Flag.CLIPPED, dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """One quasi-static I-V measurement, point by point.

    Parameters
    ----------
    voltage
        Measured at the cell, V, shape ``(n,)``.
    current
        Measured, A, shape ``(n,)``.
    time
        Bench time at the end of each point, s, shape ``(n,)``.
    flags
        `Flag` bits, shape ``(n,)``.
    """

    voltage: Array
    current: Array
    time: Array
    flags: Flags


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact that a bench found out about itself, and whether it is as it should be.

    Parameters
    ----------
    part
        What was looked at: ``bit line 3``, ``multiplexer 1``, ``reference (10, 10)``.
    what
        What of it: ``offset``, ``gain``, ``address lines``.
    passed
        True if it is as it should be.
    measured
        In `unit`; NaN where there is no number to it.
    low, high
        What is allowed, in `unit`.
    unit
        SI, or text.
    note
        What is wrong and what to do about it, in words.
    """

    part: str
    what: str
    passed: bool
    measured: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Checkup:
    """What a bench found out about itself, line by line and cell by cell.

    Parameters
    ----------
    findings
        In the order in which they were made.
    conductances
        Of every cell, S, shape of the array.
    """

    findings: tuple[Finding, ...]
    conductances: Array

    @property
    def passed(self) -> bool:
        """True if everything is as it should be."""
        return all(finding.passed for finding in self.findings)


class Backend(Protocol):
    """A bench: one crossbar array and what drives and reads it.

    Every verb raises `LimitError` for what it cannot do and `ClosedError` after `close`. An
    implementation may assume that values are finite and inside `limits`: `crossbar.guard.Guarded`
    stands before it and refuses the rest.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Number of word lines and of bit lines."""
        ...

    @property
    def limits(self) -> Limits:
        """What this bench accepts."""
        ...

    @property
    def now(self) -> Second:
        """Bench time, s: simulated in a simulation, the clock's on hardware; it never runs back."""
        ...

    def read(self, cells: Cells, voltage: Volt) -> Reading:
        """Return one read current per cell, with every other line as the bench's scheme says.

        Parameters
        ----------
        cells
            Read in this order.
        voltage
            On the word line against the bit line, V.
        """
        ...

    def pulse(self, cells: Cells, voltages: Array, widths: Array, read_voltage: Volt) -> Reading:
        """Apply one programming pulse per cell, in order, and return each cell's verify read.

        Parameters
        ----------
        cells
            Pulsed in this order; a cell that occurs twice is pulsed twice.
        voltages
            Pulse amplitude at each cell, word line against bit line, V, shape ``(n,)``; positive
            is SET, negative is RESET.
        widths
            Pulse width, s, shape ``(n,)``.
        read_voltage
            Read voltage of the verify read that follows each pulse, V.
        """
        ...

    def drive(self, voltages: Array) -> Reading:
        """Multiply: return the bit-line currents for each vector of word-line voltages.

        Parameters
        ----------
        voltages
            V, shape ``(batch, n_word_lines)``; the bit lines are held at 0 V.

        Returns
        -------
        Reading
            Currents into the bit lines, A, shape ``(batch, n_bit_lines)``.
        """
        ...

    def sweep(
        self, cell: tuple[int, int], voltages: Array, compliance: Ampere, dwell: Second
    ) -> Sweep:
        """Step one cell through voltages, quasi-statically, and measure at each.

        Parameters
        ----------
        cell
            Word line and bit line.
        voltages
            V, shape ``(n,)``, visited in order.
        compliance
            Largest magnitude of the current, A; points at it are flagged.
        dwell
            Time at each point, s.
        """
        ...

    def trace(
        self, cell: tuple[int, int], voltages: Array, interval: Second, largest: Ampere
    ) -> Sweep:
        """Play voltages on one cell as one waveform, and return what flowed: the fast sweep.

        Nothing limits the current while it plays. A bench whose lines have no waveform generator
        refuses with `LimitError`.

        Parameters
        ----------
        cell
            Word line and bit line.
        voltages
            V, shape ``(n,)``, played in order without a pause.
        interval
            Time at each, s.
        largest
            Largest magnitude of the current that is expected, A: what is beyond may be clipped,
            and is flagged then.
        """
        ...

    def wait(self, duration: Second) -> None:
        """Let `duration` seconds of bench time pass with every line at 0 V."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Return what made the numbers, for the record: kind, models, seed, constants.

        Plain values only (text, numbers, lists, mappings), so that it can be stored as JSON. The
        key ``"kind"`` is ``"sim"``, ``"virtual"`` or the kind of a real bench.
        """
        ...

    def close(self) -> None:
        """Leave every line at 0 V and disconnected; a second call does nothing."""
        ...
