"""Reading measured files of any known format: one file, a folder, or many."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.columns import Asked, parse_columns
from crossbar.curves.formats import FORMATS, Peek
from crossbar.curves.measured import Curve, Measurements, Origin
from crossbar.curves.source import Source

ENDINGS = frozenset({".csv", ".txt", ".tsv", ".dat", ".xlsx", ".sqlite"})
"""Files of a folder that are data; each may be gzipped. A file named by itself may end in any."""

_NOT_DATA = re.compile(r"(readme|licen[cs]e|copying|notice|authors|changelog)\b.*", re.IGNORECASE)
_CYCLE = re.compile(
    r"(?P<device>.*?)[ _.-]*(?:cycle|cyc|loop)[ _.-]*(?P<number>\d+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Guess:
    """Which format a file was taken for, and why.

    Parameters
    ----------
    format
        Key of `crossbar.curves.formats.FORMATS`.
    reason
        To be read after "because".
    """

    format: str
    reason: str

    def __str__(self) -> str:
        return f"taken for {self.format!r} because {self.reason}"


def guess(path: str | Path) -> Guess:
    """Return the format that a file is taken for if nobody says.

    Raises
    ------
    DataError
        If the file is empty, cannot be opened, or is of no known format.
    """
    return _guessed(Source.of(path))


def read(
    path: str | Path, *, format: str | None = None, columns: str | None = None
) -> Measurements:
    """Return everything that a file holds, or all data files of a folder and its folders.

    Parameters
    ----------
    path
        The file or folder; a run of a store is ``FILE.sqlite#RUN``.
    format
        Key of `crossbar.curves.formats.FORMATS`; guessed by default, and then the guess and its
        reason are the first note of every origin.
    columns
        What the columns are, as in ``"V=1:mV,I=Current:uA,t=3:s"``; overrules header and format.

    Returns
    -------
    Measurements
        Cycles are those of the files: of their own columns, or numbered in the files' names.

    Raises
    ------
    DataError
        If nothing can be read, a quantity or its unit is not stated, or a file of the folder
        cannot be read; `read_many` reads the others.
    """
    asked = () if columns is None else parse_columns(columns)
    if format is not None and format not in FORMATS:
        raise DataError(f"format {format!r} is unknown; known are {', '.join(FORMATS)}")
    if not Path(path).is_dir():
        return _read(Source.of(path), format, asked)
    files = list(data_files(path))
    if not files:
        raise DataError(f"{path}: the folder holds no data files ({', '.join(sorted(ENDINGS))})")
    everything = Measurements()
    refused: list[DataError] = []
    for file in files:
        try:
            everything += _read(Source.of(file), format, asked)
        except DataError as problem:
            refused.append(problem)
    if refused:
        others = f" ({len(refused)} of {len(files)} files cannot be read)" if refused[1:] else ""
        raise DataError(f"{refused[0]}{others}")
    return replace(everything, curves=join_cycles(everything.curves))


def read_many(
    paths: Iterable[str | Path], *, format: str | None = None, columns: str | None = None
) -> tuple[list[tuple[str, Measurements]], list[tuple[str, str]]]:
    """Read many files, and every data file of folders among them; bad ones stop nothing.

    Returns
    -------
    tuple
        Path and content of each file that was read, and path and reason of each that was not.

    Raises
    ------
    DataError
        If the format or the columns asked for make no sense for any file.
    """
    if columns is not None:
        parse_columns(columns)
    if format is not None and format not in FORMATS:
        raise DataError(f"format {format!r} is unknown; known are {', '.join(FORMATS)}")
    good: list[tuple[str, Measurements]] = []
    bad: list[tuple[str, str]] = []
    for path in paths:
        files = list(data_files(path)) if Path(path).is_dir() else [path]
        if not files:
            bad.append((str(path), f"{path}: the folder holds no data files"))
        for file in files:
            try:
                good.append((str(file), read(file, format=format, columns=columns)))
            except DataError as problem:
                bad.append((str(file), str(problem)))
    return good, bad


def data_files(folder: str | Path) -> Iterator[Path]:
    """Yield the data files of a folder and of its folders, in the order of their names."""
    for path in sorted(Path(folder).rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or _NOT_DATA.fullmatch(path.name) or not path.is_file():
            continue
        if Source(path).ending in ENDINGS:
            yield path


def join_cycles(curves: Sequence[Curve]) -> tuple[Curve, ...]:
    """Return the curves, those of one device in one folder joined where names number the cycles.

    ``A1_cycle1.csv`` and ``A1_cycle2.csv`` become the two cycles of ``A1``.
    """
    groups: dict[tuple[str, ...], list[tuple[int, Curve]]] = {}
    for place, curve in enumerate(curves):
        found = _CYCLE.fullmatch(curve.name)
        if found is None or curve.cycles > 1:
            groups[("", str(place))] = [(0, curve)]
        else:
            key = (str(Path(curve.origin.source).parent), found["device"])
            groups.setdefault(key, []).append((int(found["number"]), curve))
    return tuple(
        members[0][1] if len(members) == 1 else _joined(name, sorted(members, key=lambda m: m[0]))
        for (_, name), members in groups.items()
    )


def _joined(name: str, members: list[tuple[int, Curve]]) -> Curve:
    parts = [curve for _, curve in members]
    first = parts[0].origin
    notes = tuple(dict.fromkeys(note for part in parts for note in part.origin.notes))
    said = f"{len(parts)} files joined as cycles, by the numbers in their names"
    times = [part.time for part in parts if part.time is not None]
    flags = [part.flags for part in parts if part.flags is not None]
    return Curve(
        name=name,
        voltage=np.concatenate([part.voltage for part in parts]),
        current=np.concatenate([part.current for part in parts]),
        cycle=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        origin=Origin(str(Path(first.source).parent), first.format, first.columns, (*notes, said)),
        time=np.concatenate(times) if len(times) == len(parts) else None,
        flags=np.concatenate(flags) if len(flags) == len(parts) else None,
    )


def _guessed(source: Source) -> Guess:
    peek = Peek.at(source)
    clues = {name: one.clue(peek) for name, one in FORMATS.items()}
    best = max(clues, key=lambda name: clues[name].sureness)
    if clues[best].sureness > 0:
        return Guess(best, clues[best].reason)
    raise DataError(
        f"{source}: no known format: not text, a workbook, or a run store; known formats are "
        f"{', '.join(FORMATS)}"
    )


def _read(source: Source, format: str | None, asked: Sequence[Asked]) -> Measurements:
    guessed = _guessed(source) if format is None else None
    name = format if guessed is None else guessed.format
    one = FORMATS[name or ""]
    if asked and not one.takes_columns:
        raise DataError(f"{source}: the columns of format {name!r} are fixed; state none")
    found = one.read(source, asked)
    if guessed is None:
        return found
    note = str(guessed)
    return Measurements(
        tuple(replace(data, origin=_first_note(data.origin, note)) for data in found.curves),
        tuple(replace(data, origin=_first_note(data.origin, note)) for data in found.pulses),
        tuple(replace(data, origin=_first_note(data.origin, note)) for data in found.readings),
    )


def _first_note(origin: Origin, note: str) -> Origin:
    return replace(origin, notes=(note, *origin.notes))
