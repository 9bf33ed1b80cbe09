"""Which column of a table is what, and in which unit: as its header says, or as a person does."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from crossbar.backend import DataError
from crossbar.curves.units import UNITS, factor, known, plain

WORDS: dict[str, frozenset[str]] = {
    "amplitude": frozenset({"amplitude"}),
    "width": frozenset({"width", "duration"}),
    "V": frozenset({"voltage", "volt", "volts", "v", "u", "bias", "potential", "spannung"}),
    "I": frozenset({"current", "i", "amp", "amps", "ampere", "amperes", "strom"}),
    "t": frozenset({"time", "t", "timestamp", "seconds", "zeit"}),
    "G": frozenset({"conductance", "g"}),
    "R": frozenset({"resistance", "r"}),
    "up": frozenset({"up", "potentiation", "ltp"}),
    "down": frozenset({"down", "depression", "ltd"}),
    "device": frozenset({"device", "dut", "cell"}),
    "cycle": frozenset({"cycle", "loop"}),
    "polarity": frozenset({"polarity"}),
    "flags": frozenset({"flags"}),
}
"""What a column is by a word of its name; the first quantity that has one of the words."""

SAID: dict[str, str] = {
    "V": "voltage",
    "I": "current",
    "t": "time",
    "G": "conductance",
    "R": "resistance",
    "up": "conductance after SET pulses",
    "down": "conductance after RESET pulses",
}
"""Quantities in words; those not named here are called as in `WORDS`."""

_NOT_THE_VALUE = frozenset(
    {"abs", "log", "log10", "ln", "density", "limit", "compliance", "range", "std", "error"}
)
_BRACKETS = re.compile(r"^(.*?)[\s_]*[(\[{]\s*([^()\[\]{}]+?)\s*[)\]}]\s*$")
_SLASH = re.compile(r"^(.*\S)\s*/\s*(\S+)$")
_LAST_WORD = re.compile(r"^(.*[^\s_,])[\s_,]+(\S+)$")
_SYNTAX = "columns are stated as in 'V=1:mV,I=Current:uA': quantity=number or name of column:unit"


@dataclass(frozen=True, slots=True)
class Asked:
    """One column as a person states it.

    Parameters
    ----------
    role
        Key of `WORDS`.
    column
        Its number, counted from 1, its name, or a pattern like ``Current*``.
    unit
        None if the header says it, or the quantity has none.
    """

    role: str
    column: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table, understood.

    Parameters
    ----------
    role
        Key of `WORDS`.
    index
        Counted from 0.
    name
        As in the header; ``column 2`` where there is none.
    unit
        None for quantities without one.
    factor
        SI value of the unit.
    """

    role: str
    index: int
    name: str
    unit: str | None = None
    factor: float = 1.0

    def __str__(self) -> str:
        said = SAID.get(self.role, self.role)
        return f"{said}: {self.name}" + ("" if self.unit is None else f", {self.unit}")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that are understood, and what has to be known about the choice."""

    chosen: Mapping[str, Column]
    notes: tuple[str, ...] = ()

    def __contains__(self, role: str) -> bool:
        return role in self.chosen

    def __getitem__(self, role: str) -> Column:
        return self.chosen[role]

    @property
    def described(self) -> tuple[str, ...]:
        """The columns in words."""
        return tuple(str(column) for column in self.chosen.values())


def parse_columns(text: str) -> tuple[Asked, ...]:
    """Return the columns that a person states, as in ``V=1:mV,I=Current:uA,t=3:s``.

    Raises
    ------
    DataError
        If the text is not of that form, or a quantity, a unit or a repetition makes no sense.
    """
    asked: list[Asked] = []
    for part in text.split(","):
        role, equals, rest = (piece.strip() for piece in part.partition("="))
        if not equals or not rest:
            raise DataError(f"{part.strip()!r}: {_SYNTAX}")
        if role not in WORDS:
            raise DataError(f"{part.strip()!r}: quantities are {', '.join(WORDS)}")
        if role in (one.role for one in asked):
            raise DataError(f"{role!r} is stated twice in {text!r}")
        column, colon, unit = (piece.strip() for piece in rest.rpartition(":"))
        if not colon:
            column, unit = rest, ""
        if unit:
            factor(role, unit, part.strip()) if role in UNITS else _refuse_unit(part)
        asked.append(Asked(role, column, unit or None))
    return tuple(asked)


def understood(name: str) -> tuple[str | None, str | None]:
    """Return what a column of this name is, and the unit that its name states.

    Returns
    -------
    tuple
        Key of `WORDS` and unit, as it is written; None where the name does not say.
    """
    name = name.strip().strip("\"'").lstrip("#% ").strip()
    for pattern in (_BRACKETS, _SLASH, _LAST_WORD):
        if found := pattern.match(name):
            role = _role(found[1])
            if role is not None and (pattern is not _LAST_WORD or known(role, found[2])):
                return role, found[2]
    role = _role(name)
    spelled = role is not None and len(name) > 1 and known(role, name) and plain(name) != name
    return role, name if spelled else None


def find(
    names: Sequence[str],
    where: str,
    asked: Sequence[Asked] = (),
    assumed: Mapping[str, str] | None = None,
) -> Columns:
    """Return the columns of a table by what they are.

    Parameters
    ----------
    names
        Of the columns, empty where the table has none.
    where
        The file, for errors.
    asked
        What a person states; it overrules the header.
    assumed
        Unit of each quantity whose header says none, where the format is documented to have one.

    Raises
    ------
    DataError
        If a stated column does not exist, the unit of a quantity is not known, or two columns
        claim to be the same in different units.
    """
    headers = _by_role(names)
    notes: list[str] = []
    picked: dict[str, tuple[int, str | None]] = {}
    for one in asked:
        index = _index(one, names, where)
        picked[one.role] = (index, one.unit or understood(names[index])[1])
    taken = {index for index, _ in picked.values()}
    for role, candidates in headers.items():
        free = [candidate for candidate in candidates if candidate[0] not in taken]
        if role not in picked and free:
            picked[role] = free[0]
            notes.extend(_others(role, free, names, where))
    documented = {role: (assumed or {}).get(role) for role, (_, unit) in picked.items() if not unit}
    chosen = {}
    for role, (index, unit) in picked.items():
        column = _with_unit(role, index, unit or documented[role], names, where, notes)
        if column is not None:
            chosen[role] = column
    if said := [f"{unit} for {chosen[role].name}" for role, unit in documented.items() if unit]:
        notes.append(f"{', '.join(said)}: not in the header, documented for this format")
    return Columns({role: chosen[role] for role in WORDS if role in chosen}, tuple(notes))


def matching(names: Sequence[str], pattern: str, where: str) -> list[int]:
    """Return the columns that a number, a name or a pattern like ``Current*`` means.

    Raises
    ------
    DataError
        If there is none.
    """
    if pattern.isdigit():
        if not 1 <= int(pattern) <= len(names):
            raise DataError(f"{where}: there is no column {pattern}, there are {len(names)}")
        return [int(pattern) - 1]
    exact = [i for i, name in enumerate(names) if name.strip() == pattern]
    found = exact or [
        i for i, name in enumerate(names) if fnmatchcase(name.strip().lower(), pattern.lower())
    ]
    if not found:
        there = ", ".join(name for name in names if name) or f"{len(names)} without names"
        raise DataError(f"{where}: there is no column {pattern!r}; columns are {there}")
    return found


def _by_role(names: Sequence[str]) -> dict[str, list[tuple[int, str | None]]]:
    """Return the columns that claim each quantity by their names, with the units they state."""
    headers: dict[str, list[tuple[int, str | None]]] = {}
    for index, name in enumerate(names):
        role, unit = understood(name)
        if role is not None:
            headers.setdefault(role, []).append((index, unit))
    return headers


def _refuse_unit(part: str) -> None:
    raise DataError(f"{part.strip()!r}: this quantity has no unit")


def _role(name: str) -> str | None:
    words = set(re.split(r"[^a-z0-9.]+", name.lower()))
    words |= {word.rstrip("0123456789") for word in words}  # Current1, Current2, ...
    if words & _NOT_THE_VALUE:
        return None
    return next((role for role, meant in WORDS.items() if words & meant), None)


def _index(one: Asked, names: Sequence[str], where: str) -> int:
    found = matching(names, one.column, where)
    if len(found) > 1:
        which = ", ".join(repr(names[i]) for i in found)
        raise DataError(f"{where}: {one.column!r} may be each of {which}; state one by its number")
    return found[0]


def _others(
    role: str, candidates: list[tuple[int, str | None]], names: Sequence[str], where: str
) -> list[str]:
    """Return a note on columns not taken; refuse those whose unit contradicts the one taken."""
    units = {plain(unit) for _, unit in candidates if unit is not None}
    called = [repr(names[index]) for index, _ in candidates]
    if role in ("V", "I", "G", "R") and len(units) > 1:
        raise DataError(
            f"{where}: mixed units: {' and '.join(called)} both claim to be the {SAID[role]}; "
            f"state the right one as in columns='{role}={candidates[0][0] + 1}'"
        )
    if role not in SAID or len(candidates) == 1:
        return []
    others = ", ".join(called[1:4]) + (f" and {len(called) - 4} more" if called[4:] else "")
    return [f"{SAID[role]} taken from {called[0]}, not from {others}"]


def _with_unit(
    role: str,
    index: int,
    unit: str | None,
    names: Sequence[str],
    where: str,
    notes: list[str],
) -> Column | None:
    name = repr(names[index]) if names[index] else f"column {index + 1}"
    if role not in UNITS:
        return Column(role, index, name)
    said = SAID.get(role, role)
    example = f"columns='{role}={index + 1}:{next(iter(UNITS[role]))}'"
    if unit is not None:
        return Column(role, index, name, plain(unit), factor(role, unit, f"{where}: {name}"))
    if role not in ("V", "I", "G", "R", "up", "down"):
        notes.append(f"{said} left out: the unit of {name} is not stated; say it as in {example}")
        return None
    raise DataError(
        f"{where}: the unit of the {said} ({name}) is not stated; say it as in {example}"
    )
