"""Exports of Keithley's programs (KickStart, Clarius) and of the 2400s' own panels.

A block of settings may stand above the header; channels and terminals stand in the columns' names
(``CH1 Source``, ``DrainV``); values are in volts, amperes and seconds whether or not it is said.
"""

import re
from collections.abc import Mapping, Sequence

from crossbar.backend import DataError
from crossbar.curves.assemble import curves, noted
from crossbar.curves.columns import Asked, parse_columns, understood
from crossbar.curves.formats.format import NO, Clue, Format, Peek
from crossbar.curves.measured import Curve, Measurements
from crossbar.curves.source import Source
from crossbar.curves.table import Table, text_table

NAME = "keithley"
DOCUMENTED: Mapping[str, str] = {"V": "V", "I": "A", "t": "s"}
"""Base units, in all of these exports whose header states none."""

_CHANNEL = re.compile(r"^(?P<channel>(?:CH|SMU)[ _-]?\d+)[ _-]*(?P<what>.*)$", re.IGNORECASE)
_TERMINAL = re.compile(r"^(?P<channel>[A-Z][A-Za-z]*\d?)[ _]?(?P<what>[VI])(?:\(\d+\))?$")
_ABOVE = re.compile(r"keithley|kickstart|clarius|model.{0,4}\b(?:24\d\d|26\d\d|4200|6487)", re.I)
_SOURCED = re.compile(r"^source(?: value)?\b", re.IGNORECASE)
_READING = re.compile(r"^(?:reading|measure(?:ment)?|value)\b", re.IGNORECASE)
_UNITS = {"amp": "I", "a": "I", "volt": "V", "v": "V"}


def clue(peek: Peek) -> Clue:
    """Return how sure this format is, by the header and by what stands above it."""
    table = peek.table
    if table is None:
        return NO
    if pairs := channels(table.names):
        return Clue(0.8, f"its columns are those of a Keithley channel ({', '.join(pairs)})")
    if any(_ABOVE.search(cell) for row in table.above for cell in row):
        return Clue(0.7, "a Keithley program or instrument is named above the columns")
    return NO


def read(source: Source, asked: Sequence[Asked]) -> Measurements:
    """Return the curves of an export: one per channel whose voltage moves.

    Raises
    ------
    DataError
        If there are no rows of numbers, or no channel has both voltage and current.
    """
    table = text_table(source.text(), str(source))
    return Measurements(curves=of_table(table, str(source), NAME, source.stem, asked))


def channels(names: Sequence[str]) -> dict[str, str]:
    """Return for each channel with voltage and current the columns as `parse_columns` takes them.

    A source is of voltage where a current was measured, and of current where only a voltage was.
    """
    parts: dict[str, dict[str, int]] = {}
    for index, name in enumerate(names):
        bare = name.strip().strip('"')
        if found := _CHANNEL.match(bare) or _TERMINAL.match(bare):
            what = "S" if _SOURCED.match(found["what"]) else understood(found["what"])[0]
            if what in ("V", "I", "t", "S"):
                parts.setdefault(found["channel"], {}).setdefault(what, index)
    complete = {}
    for channel, columns in parts.items():
        if "S" in columns:
            columns.setdefault("V" if "I" in columns else "I", columns["S"])
        if "V" in columns and "I" in columns:
            stated = {role: index for role, index in columns.items() if role != "S"}
            complete[channel] = ",".join(f"{role}={i + 1}" for role, i in stated.items())
    return complete


def of_table(
    table: Table, source: str, format: str, name: str, asked: Sequence[Asked]
) -> tuple[Curve, ...]:
    """Return the curves of a table with such a header, of text or of a sheet.

    Raises
    ------
    DataError
        If no channel has both voltage and current, or no voltage moves.
    """
    if asked:
        return curves(table, source, format, name, asked, DOCUMENTED)
    pairs = channels(table.names)
    if not pairs:
        stated = _reading_and_source(table)
        return curves(table, source, format, name, stated, DOCUMENTED)
    found: list[Curve] = []
    still: list[DataError] = []
    for channel, columns in pairs.items():
        label = name if len(pairs) == 1 else f"{name} {channel}"
        try:
            found.extend(curves(table, source, format, label, parse_columns(columns), DOCUMENTED))
        except DataError as problem:
            still.append(problem)
    if not found:
        raise still[0]
    notes = tuple(f"a channel left out: {problem}" for problem in still)
    return tuple(noted(curve, notes) for curve in found)


def _reading_and_source(table: Table) -> tuple[Asked, ...]:
    """Return the columns of a buffer: Reading with a column of its unit, and Source."""
    reading = next((i for i, n in enumerate(table.names) if _READING.match(n)), None)
    source = next((i for i, n in enumerate(table.names) if _SOURCED.match(n)), None)
    if reading is None or source is None:
        return ()
    units = {
        word
        for i, name in enumerate(table.names)
        if name.strip().lower() in ("unit", "units")
        for word in table.words(i)
    }
    if len(units) > 1:
        raise DataError(f"{table.where}: mixed units: readings are in {', '.join(sorted(units))}")
    unit = next(iter(units), "")
    role = _UNITS.get(unit.lower().split(" ")[0].rstrip("s"))
    if role is None:
        raise DataError(
            f"{table.where}: whether {table.names[reading]!r} is a current is not stated; say it "
            f"as in columns='V={source + 1}:V,I={reading + 1}:A'"
        )
    other = "V" if role == "I" else "I"
    return parse_columns(f"{role}={reading + 1},{other}={source + 1}")


FORMAT = Format("Keithley exports: KickStart, Clarius, instrument buffers", clue, read)
