"""A curve as a PyMeasure results file, and back without loss.

``pymeasure.experiment.results.Results.load`` reads the file, with the device and the origin as
parameters of `crossbar.curves.pymeasure_procedure.MeasuredCurve`.
"""

import json
import os
import re
from pathlib import Path

import numpy as np

from crossbar.backend import DataError
from crossbar.curves.measured import Curve, Origin

PROCEDURE = "crossbar.curves.pymeasure_procedure.MeasuredCurve"
COLUMNS = ("Voltage (V)", "Current (A)", "Cycle")
TIME, FLAGS = "Time (s)", "Flags"
PARAMETERS = ("Device", "Source", "Format", "Columns", "Notes")
_LISTS = ("Columns", "Notes")
_PROCEDURE = re.compile(r"#Procedure: <(.*)>")


def write(curve: Curve, path: str | Path) -> Path:
    """Write a curve as a PyMeasure results file, and return its path.

    The file appears whole or not at all.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    path = Path(path)
    origin = curve.origin
    texts = (curve.name, origin.source, origin.format, _listed(origin.columns))
    values = zip(PARAMETERS, (*texts, _listed(origin.notes)), strict=True)
    head = [f"#Procedure: <{PROCEDURE}>", "#Parameters:"]
    head += [f"#\t{name}: {_escaped(value)}" for name, value in values]
    names = list(COLUMNS)
    columns = [curve.voltage.tolist(), curve.current.tolist(), curve.cycle.tolist()]
    for name, values_or_none in ((TIME, curve.time), (FLAGS, curve.flags)):
        if values_or_none is not None:
            names.append(name)
            columns.append(values_or_none.tolist())
    rows = [",".join(map(repr, row)) for row in zip(*columns, strict=True)]
    lines = [*head, "#Data:", ",".join(names), *rows, ""]
    beside = path.with_name(f"{path.name}.part")
    try:
        beside.write_text("\n".join(lines), encoding="utf-8", newline="\n")
        os.replace(beside, path)
    except OSError as problem:
        raise DataError(f"{path}: cannot be written: {problem}") from problem
    return path


def read(path: str | Path) -> Curve:
    """Return the curve that `write` wrote, its origin as it was.

    Raises
    ------
    DataError
        If the file cannot be read, or was not written so.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"{path}: cannot be read: {problem}") from problem
    if not is_ours(text):
        raise DataError(f"{path}: not a file of a measured curve; its procedure is another")
    lines = text.split("\n")
    head = [line for line in lines if line.startswith("#")]
    try:
        told = dict(line.removeprefix("#\t").split(": ", 1) for line in head if line[1] == "\t")
        words = {name: _unescaped(told[name]) for name in PARAMETERS}
        columns, notes = (tuple(json.loads(words[name])) for name in _LISTS)
        names, *rows = [line.split(",") for line in lines[len(head) :] if line]
        table = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
        return _curve(names, table, words, columns, notes)
    except (KeyError, ValueError, IndexError) as problem:
        raise DataError(f"{path}: a damaged file of a measured curve: {problem!r}") from problem


def is_ours(text: str) -> bool:
    """Return whether the text of a results file is one that `write` wrote."""
    return text.startswith(f"#Procedure: <{PROCEDURE}>\n")


def procedure_of(text: str) -> str:
    """Return the name of the procedure that a results file is of."""
    found = _PROCEDURE.match(text)
    return "unknown" if found is None else found[1]


def _curve(
    names: list[str],
    table: dict[str, tuple[str, ...]],
    words: dict[str, str],
    columns: tuple[str, ...],
    notes: tuple[str, ...],
) -> Curve:
    voltage, current = (np.array(table.get(name, ()), np.float64) for name in COLUMNS[:2])
    return Curve(
        name=words["Device"],
        voltage=voltage,
        current=current,
        cycle=np.array([int(cell) for cell in table.get("Cycle", ())], np.intp),
        origin=Origin(words["Source"], words["Format"], columns, notes),
        time=np.array(table.get(TIME, ()), np.float64) if TIME in names else None,
        flags=np.array([int(cell) for cell in table.get(FLAGS, ())], np.uint8)
        if FLAGS in names
        else None,
    )


def _listed(texts: tuple[str, ...]) -> str:
    return json.dumps(list(texts))


def _escaped(text: str) -> str:
    """Return a text as PyMeasure writes parameters: on one line, in ASCII."""
    return text.encode("unicode_escape").decode("ascii")


def _unescaped(text: str) -> str:
    return text.encode("ascii").decode("unicode_escape")
