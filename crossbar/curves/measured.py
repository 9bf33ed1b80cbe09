"""What was measured of one device, whoever measured it: curves, pulse tables, readings."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, DataError, Indices, Mask, Volt


@dataclass(frozen=True, slots=True)
class Origin:
    """Where data are from, and how they were understood.

    Parameters
    ----------
    source
        Path of the file or folder, or the run of a store.
    format
        Key of `crossbar.curves.formats.FORMATS`.
    columns
        Which column was taken for what, with its unit, in words.
    notes
        What else has to be known: a guess that was made, rows that were left out.
    """

    source: str
    format: str
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points of an I-V measurement of one device in the order they were taken, cycle after cycle.

    Parameters
    ----------
    name
        Of the device.
    voltage
        V, shape ``(n,)``; NaN nowhere.
    current
        A, shape ``(n,)``; NaN where the instrument overflowed.
    cycle
        Number of each point's cycle, ascending from 0; all 0 where the source does not divide.
    origin
        Where it is from.
    time
        s, shape ``(n,)``; None if it was not recorded.
    flags
        `crossbar.backend.Flag` bits, shape ``(n,)``; None if the source has none.

    Raises
    ------
    DataError
        If the shapes differ, a voltage is not finite, or cycles are not ascending from 0.
    """

    name: str
    voltage: Array
    current: Array
    cycle: Indices
    origin: Origin
    time: Array | None = None
    flags: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        _same_length(self)
        if not np.isfinite(self.voltage).all():
            raise DataError(f"{self.name}: a voltage is not a finite number")
        _ascending(self.name, self.cycle)

    def __len__(self) -> int:
        return len(self.voltage)

    @property
    def cycles(self) -> int:
        """How many cycles the points are of."""
        return int(self.cycle[-1]) + 1 if len(self) else 0

    def part(self, chosen: Mask | Indices | slice) -> "Curve":
        """Return some of the points, their cycles numbered anew."""
        _, cycle = np.unique(self.cycle[chosen], return_inverse=True)
        return replace(
            self,
            voltage=self.voltage[chosen],
            current=self.current[chosen],
            cycle=cycle,
            time=None if self.time is None else self.time[chosen],
            flags=None if self.flags is None else self.flags[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class PulseTable:
    """Conductance after each programming pulse of one device, in order.

    Parameters
    ----------
    name
        Of the device.
    conductance
        S or, where `normalised`, in units that nobody stated, shape ``(n,)``.
    polarity
        1 after a SET pulse, -1 after a RESET pulse, 0 where nobody says, shape ``(n,)``.
    cycle
        Number of each pulse's cycle, ascending from 0; a SET train and the RESET train after it
        are one cycle.
    origin
        Where it is from.
    normalised
        True if the conductances are not in siemens.
    amplitude, width
        Of each pulse, V and s, shape ``(n,)``; None if not recorded.

    Raises
    ------
    DataError
        If the shapes differ, or cycles are not ascending from 0.
    """

    name: str
    conductance: Array
    polarity: Indices
    cycle: Indices
    origin: Origin
    normalised: bool = False
    amplitude: Array | None = None
    width: Array | None = None

    def __post_init__(self) -> None:
        _same_length(self)
        _ascending(self.name, self.cycle)

    def __len__(self) -> int:
        return len(self.conductance)


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Readings of one or more cells without a curve: retention, endurance, distributions.

    Parameters
    ----------
    name
        Of the data set.
    conductance
        S, shape ``(n,)``.
    cell
        Which cell or level each is of, numbered from 0, shape ``(n,)``.
    labels
        What each of those numbers is called in the file.
    origin
        Where they are from.
    time
        s since the cell's first, shape ``(n,)``; None if not recorded.
    cycle
        Of endurance, shape ``(n,)``; None if there is none.
    state
        ``"low"`` or ``"high"`` conductance as the file says, shape ``(n,)``; None if it does not.
    voltage
        At which was read, V; None if nobody says.

    Raises
    ------
    DataError
        If the shapes differ.
    """

    name: str
    conductance: Array
    cell: Indices
    labels: tuple[str, ...]
    origin: Origin
    time: Array | None = None
    cycle: Indices | None = None
    state: NDArray[np.str_] | None = None
    voltage: Volt | None = None

    def __post_init__(self) -> None:
        _same_length(self)

    def __len__(self) -> int:
        return len(self.conductance)


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Everything that one file, or one folder of a format that has folders, holds.

    Parameters
    ----------
    curves, pulses, readings
        By device; most files hold one kind only.
    """

    curves: tuple[Curve, ...] = ()
    pulses: tuple[PulseTable, ...] = ()
    readings: tuple[Readings, ...] = ()

    def __add__(self, other: "Measurements") -> "Measurements":
        return Measurements(
            self.curves + other.curves,
            self.pulses + other.pulses,
            self.readings + other.readings,
        )


def _same_length(data: Any) -> None:
    """Raise `DataError` unless every array has one axis, and the same length."""
    arrays = {
        field.name: value
        for field in fields(data)
        if isinstance(value := getattr(data, field.name), np.ndarray)
    }
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise DataError(f"{data.name}: columns of different shapes: {shapes}")


def _ascending(name: str, cycle: Indices) -> None:
    """Raise `DataError` unless cycles count 0, 1, 2 ... without a gap."""
    if len(cycle) and (cycle[0] != 0 or not np.isin(np.diff(cycle), (0, 1)).all()):
        raise DataError(f"{name}: cycles do not count up from 0")
