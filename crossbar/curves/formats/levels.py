"""Workbooks of retention: a column of read voltage, then one column of current per level."""

import re
from collections.abc import Sequence

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.columns import Asked, matching, understood
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.formats.sheets import ZIP
from crossbar.curves.measured import Measurements, Origin, Readings
from crossbar.curves.source import Source
from crossbar.curves.table import Table, build
from crossbar.curves.units import factor
from crossbar.curves.workbook import sheets

NAME = "levels"
_CALLED = re.compile(r"\d+-levels-retention")
_DOCUMENTED = {"V": "V", "I": "A"}  # joksas/mnn-cam expdata/, mnn/expdata/load.py


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the header of the first sheet."""
    if not peek.head.startswith(ZIP) or peek.source.ending != ".xlsx":
        return NO
    try:
        (first, *_) = sheets(peek.source, most=1).values()
    except (DataError, ValueError):
        return NO
    roles = [understood(name)[0] for name in first[0]] if first else []
    if len(roles) > 2 and roles[0] == "V" and set(roles[1:]) == {"I"}:
        return Clue(0.9, f"its sheet has a voltage and {len(roles) - 1} currents")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the readings of every sheet, one cell per level.

    Raises
    ------
    DataError
        If the file is not a workbook, a sheet is not of this form, or a unit is not stated.
    """
    found = [
        _readings(build(rows, f"{source}, sheet {name}"), source, name, asked)
        for name, rows in sheets(source).items()
        if rows
    ]
    if not found:
        raise DataError(f"{source}: the workbook has no rows")
    return Measurements(readings=tuple(found))


def _readings(table: Table, source: Source, sheet: str, asked: Sequence[Asked]) -> Readings:
    asked = asked or (Asked("V", "1"), Asked("I", "Current*"))
    chosen = {one.role: (matching(table.names, one.column, table.where), one) for one in asked}
    if set(chosen) != {"V", "I"}:
        raise DataError(f"{source}: levels take columns='V=1:V,I=Current*:A'")
    voltages, currents = chosen["V"][0], chosen["I"][0]
    units = {role: _unit(table, role, *chosen[role], source) for role in ("V", "I")}
    voltage = table.numbers(voltages[0]) * factor("V", units["V"], table.where)
    current = np.column_stack([table.numbers(i) for i in currents])
    current *= factor("I", units["I"], table.where)
    with np.errstate(divide="ignore", invalid="ignore"):
        conductance = current / voltage[:, None]
    usable = np.isfinite(conductance)
    unsigned = bool(usable.any() and (conductance[usable] <= 0).all())
    if unsigned:  # currents of a negative voltage that were written without their sign
        conductance = -conductance
    row, level = np.nonzero(usable)
    order = np.lexsort((row, level))
    read_at = np.unique(voltage[np.isfinite(voltage)])
    empty = int((~usable).sum())
    names = f"current: {len(currents)} columns, {table.names[currents[0]]!r} to"
    return Readings(
        name=f"{source.stem} {sheet}",
        conductance=conductance[row[order], level[order]],
        cell=level[order],
        labels=tuple(table.names[i] for i in currents),
        origin=Origin(
            str(source),
            NAME,
            (
                f"voltage: {table.names[voltages[0]]!r}, {units['V']}",
                f"{names} {table.names[currents[-1]]!r}, {units['I']}",
            ),
            (*table.notes, *_notes(source, empty, asked, unsigned=unsigned)),
        ),
        voltage=float(read_at[0]) if len(read_at) == 1 else None,
    )


def _unit(table: Table, role: str, columns: list[int], one: Asked, source: Source) -> str:
    """Return the unit of a quantity: as asked, as all headers say, or as documented."""
    stated = {understood(table.names[i])[1] for i in columns}
    if one.unit is not None:
        return one.unit
    if len(stated) > 1:
        raise DataError(f"{table.where}: mixed units in the columns {one.column!r}")
    unit = stated.pop()
    if unit is not None:
        return unit
    if _CALLED.fullmatch(source.stem):
        return _DOCUMENTED[role]
    raise DataError(
        f"{table.where}: the unit of {table.names[columns[0]]!r} is not stated; say it as in "
        "columns='V=1:V,I=Current*:A'"
    )


def _notes(
    source: Source, empty: int, asked: Sequence[Asked], *, unsigned: bool
) -> tuple[str, ...]:
    notes: tuple[str, ...] = ("successive reads; when each was taken is not recorded",)
    if _CALLED.fullmatch(source.stem) and not any(one.unit for one in asked):
        notes += ("V and A: not in the header, documented for these files",)
    if unsigned:
        notes += ("every current has the sign opposite to its voltage: taken as written without",)
    if empty:
        notes += (f"{empty} cells left out without a number (levels read fewer times)",)
    return notes


FORMAT = Format("xlsx workbook of retention: a voltage, then a current per level", clue, read)
