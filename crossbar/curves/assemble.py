"""From a table whose columns are understood to curves and pulse tables."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from crossbar.backend import Array, DataError, Indices, Mask
from crossbar.curves.columns import Asked, Columns, find
from crossbar.curves.measured import Curve, Origin, PulseTable
from crossbar.curves.table import UNFIT, Table

OVERFLOW = 9.9e36  # A; Keithley's overflow is 9.9e37 (2400S-900-01 sec. 18, 6487-901-01 sec. 12)


def curves(
    table: Table,
    source: str,
    format: str,
    name: str,
    asked: Sequence[Asked] = (),
    assumed: Mapping[str, str] | None = None,
) -> tuple[Curve, ...]:
    """Return one curve per device of a table; all points are of one where no column says.

    Parameters
    ----------
    table
        The rows.
    source, format
        For the curves' origin.
    name
        Of the device, where no column names it.
    asked, assumed
        As in `crossbar.curves.columns.find`.

    Raises
    ------
    DataError
        If voltage or current are missing, their units not known, fewer than two points are left,
        or the voltage never moves.
    """
    columns = find(table.names, table.where, asked, assumed)
    require(columns, table, ("V", "I"))
    origin = Origin(source, format, columns.described, table.notes + columns.notes)
    return curves_of(table, columns, origin, name)


def curves_of(table: Table, columns: Columns, origin: Origin, name: str) -> tuple[Curve, ...]:
    """Return one curve per device, from columns that are known."""
    values = {role: table.numbers(columns[role].index) for role in ("V", "I")}
    voltage, current = (values[role] * columns[role].factor for role in ("V", "I"))
    usable = ~np.isnan(voltage) & ~np.isnan(current) & np.isfinite(voltage)
    notes = origin.notes
    if not usable.all():
        notes += (f"{int((~usable).sum())} rows left out without voltage or current",)
    over = usable & ~(np.abs(values["I"]) < OVERFLOW)
    if over.any():
        notes += (f"{int(over.sum())} points where the current overflowed are NaN",)
    current = np.where(over, np.nan, current)
    time, notes = _time(table, columns, usable, notes)
    flags = _whole(table, columns, "flags")
    cycles = _whole(table, columns, "cycle")
    origin = Origin(origin.source, origin.format, origin.columns, notes)
    found = []
    for device, mine in _devices(table, columns, usable, name):
        cycle, order = _numbered(None if cycles is None else cycles[mine], int(mine.sum()))
        chosen = np.flatnonzero(mine)[order]
        _refuse_still(voltage[chosen], device, table.where)
        found.append(
            Curve(
                name=device,
                voltage=voltage[chosen],
                current=current[chosen],
                cycle=cycle,
                origin=origin,
                time=None if time is None else time[chosen],
                flags=None if flags is None else flags[chosen].astype(np.uint8),
            )
        )
    return tuple(found)


def pulse_tables(
    table: Table, columns: Columns, origin: Origin, name: str
) -> tuple[PulseTable, ...]:
    """Return one pulse table per device, from a column of conductance or of resistance.

    Raises
    ------
    DataError
        If there is neither.
    """
    if "G" not in columns and "R" not in columns:
        raise DataError(f"{table.where}: there is no column of conductance or resistance")
    which = columns["G" if "G" in columns else "R"]
    values = table.numbers(which.index) * which.factor
    conductance = values if which.role == "G" else reciprocal(values)
    usable = np.isfinite(conductance)
    notes = origin.notes
    if not usable.all():
        notes += (f"{int((~usable).sum())} rows left out without a conductance",)
    amplitude, width = (
        table.numbers(columns[role].index) * columns[role].factor if role in columns else None
        for role in ("amplitude", "width")
    )
    polarity = _polarity(table, columns, amplitude)
    if not polarity.any():
        notes += ("nobody says which pulses are SET and which RESET",)
    cycles = _whole(table, columns, "cycle")
    origin = Origin(origin.source, origin.format, origin.columns, notes)
    found = []
    for device, mine in _devices(table, columns, usable, name):
        cycle, order = _numbered(None if cycles is None else cycles[mine], int(mine.sum()))
        chosen = np.flatnonzero(mine)[order]
        found.append(
            PulseTable(
                name=device,
                conductance=conductance[chosen],
                polarity=polarity[chosen],
                cycle=cycle,
                origin=origin,
                normalised=which.unit == "1",
                amplitude=None if amplitude is None else amplitude[chosen],
                width=None if width is None else width[chosen],
            )
        )
    return tuple(found)


def noted(curve: Curve, notes: tuple[str, ...]) -> Curve:
    """Return the curve with more notes on its origin."""
    return replace(curve, origin=replace(curve.origin, notes=curve.origin.notes + notes))


def reciprocal(resistance: Array) -> Array:
    """Return conductances, S, of resistances, ohm; NaN where one is not finite and above 0."""
    safe = np.where((resistance > 0) & np.isfinite(resistance), resistance, np.nan)
    return np.asarray(1.0 / safe)


def require(columns: Columns, table: Table, roles: Sequence[str]) -> None:
    """Raise `DataError` unless these quantities are there, saying which option states them."""
    missing = [role for role in roles if role not in columns]
    if not missing:
        return
    asked = "columns='V=1:V,I=2:A,t=3:s'" if len(table.names) > 2 else "columns='V=1:V,I=2:A'"
    if not table.headed:
        bare = f"{len(table.names)} columns without a header"
        unfit = next((note for note in table.notes if note.endswith(UNFIT)), bare)
        raise DataError(
            f"{table.where}: {unfit}; say what they are, and in which units, as in {asked}"
        )
    words = " and ".join({"V": "voltage", "I": "current"}.get(role, role) for role in missing)
    raise DataError(
        f"{table.where}: no column is called {words} ({', '.join(table.names)}); say which are, "
        f"and in which units, as in {asked}"
    )


def _time(
    table: Table, columns: Columns, usable: Mask, notes: tuple[str, ...]
) -> tuple[Array | None, tuple[str, ...]]:
    if "t" not in columns:
        return None, notes
    time = table.numbers(columns["t"].index) * columns["t"].factor
    known = time[usable]
    if not np.isfinite(known).all():
        return None, (*notes, "time left out: not every row has one")
    if len(known) > 1 and np.ptp(known) == 0:
        return None, (*notes, f"time left out: it is {known[0]:g} s in every row")
    return time, notes


def _whole(table: Table, columns: Columns, role: str) -> Indices | None:
    """Return a column of whole numbers, None if there is none."""
    if role not in columns:
        return None
    values = table.numbers(columns[role].index)
    if not np.isfinite(values).all() or (values != np.round(values)).any():
        raise DataError(f"{table.where}: {columns[role].name} is not a column of whole numbers")
    return values.astype(np.intp)


def _devices(table: Table, columns: Columns, usable: Mask, name: str) -> list[tuple[str, Mask]]:
    """Return the devices in the order in which they appear, and the rows of each."""
    if "device" not in columns:
        return [(name, usable)]
    words = np.array(table.words(columns["device"].index))
    return [(each, usable & (words == each)) for each in dict.fromkeys(words[usable].tolist())]


def _numbered(cycles: Indices | None, points: int) -> tuple[Indices, Indices]:
    """Return cycles numbered from 0, and the order that sorts the points by them."""
    if cycles is None:
        return np.zeros(points, np.intp), np.arange(points)
    _, numbers = np.unique(cycles, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    return numbers[order], order


def _refuse_still(voltage: Array, device: str, where: str) -> None:
    if len(voltage) < 2:
        raise DataError(f"{where}: {device} has {len(voltage)} points; a curve has two or more")
    if np.ptp(voltage) == 0:
        raise DataError(
            f"{where}: the voltage of {device} never moves: it is {voltage[0]:g} V in all "
            f"{len(voltage)} points, so this is not an I-V sweep"
        )


def _polarity(table: Table, columns: Columns, amplitude: Array | None) -> Indices:
    if "polarity" in columns:
        return np.sign(table.numbers(columns["polarity"].index)).astype(np.intp)
    if amplitude is not None:
        return np.sign(np.nan_to_num(amplitude)).astype(np.intp)
    return np.zeros(len(table), np.intp)
