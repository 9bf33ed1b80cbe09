"""A run of the store as a file for other programs: CSV for spreadsheets, HDF5 for arrays."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from crossbar.backend import DataError
from crossbar.store import Arrays, Call, RunRecord, Store

Columns: TypeAlias = dict[str, NDArray[Any]]

_UNITS = {
    "voltage": "V",
    "width": "s",
    "read_voltage": "V",
    "compliance": "A",
    "dwell": "s",
    "duration": "s",
    "current": "A",
    "measured_voltage": "V",
    "time": "s",
}
_LINES = {"word": "word_line", "bit": "bit_line"}
_NAMES = {
    "read": _LINES | {"voltage": "read_voltage"},
    "pulse": _LINES | {"voltages": "voltage", "widths": "width", "read_voltage": "read_voltage"},
    "sweep": {"voltages": "voltage", "compliance": "compliance", "dwell": "dwell"},
    "wait": {"duration": "duration"},
}
_ANSWERS = {"voltage": "measured_voltage", "current": "current", "time": "time", "flags": "flags"}
_ANSWERED = {
    "read": ("current", "flags"),
    "pulse": ("current", "flags"),
    "sweep": ("measured_voltage", "current", "time", "flags"),
}
_ORDER = ["index", "word_line", "bit_line", *_UNITS, "flags"]
_TEXT = h5py.string_dtype()
_BLOCK = 65_536  # rows that are written to HDF5 at once, assumed: small calls are slow one by one


def csv_columns() -> list[str]:
    """Return the column names of `export_csv`, units included."""
    call = ["call", "verb", "wall_start", "wall_end", "bench_start_s", "bench_end_s"]
    return [*call, *(_with_unit(name) for name in _ORDER), "error"]


def export_csv(store: Store, run: int, path: Path, *, overwrite: bool = False) -> None:
    """Write the calls of a run as one tidy table; what does not apply is left empty.

    One row per cell of a read or a pulse (`index` is its place in the call), per point of a sweep,
    and one per wait and close. A multiply has for each input vector (`index`) one row per word
    line with the voltage, then one per bit line with the current. A call that was refused because
    its arrays did not fit together has a single row, with the error. Wall times are UTC.

    Parameters
    ----------
    store
        To read from.
    run
        Number of the run.
    path
        The file to write; it appears when it is complete.
    overwrite
        Replace a file that exists.

    Raises
    ------
    DataError
        If the file exists or cannot be written.
    StoreError
        If there is no such run.
    """
    store.run(run)
    with (
        _replacing(path, overwrite=overwrite) as unfinished,
        unfinished.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(csv_columns())
        for call in store.calls(run):
            head = [call.id, call.verb, call.started, call.ended]
            head += [call.bench_started, call.bench_ended]
            for row in _rows(call):
                writer.writerow([*head, *row, call.error])


def export_h5(store: Store, run: int, path: Path, *, overwrite: bool = False) -> None:
    """Write a run with its settings, its calls and its results as HDF5.

    The file's attributes say what the run was; settings, bench, provenance, summary and notes are
    JSON. ``calls`` has a row per call. ``read``, ``pulse``, ``sweep`` and ``wait`` have columns of
    equal length, a row per cell or point as in `export_csv`; ``drive`` has a row per input vector
    that was answered. Their column ``call`` leads back to ``calls/id``; each quantity has an
    attribute ``unit``. A current that was never answered is NaN. ``results`` has a group per
    result.

    Parameters
    ----------
    store
        To read from.
    run
        Number of the run.
    path
        The file to write; it appears when it is complete.
    overwrite
        Replace a file that exists.

    Raises
    ------
    DataError
        If the file exists or cannot be written.
    StoreError
        If there is no such run.
    """
    record = store.run(run)
    with (
        _replacing(path, overwrite=overwrite) as unfinished,
        # Older formats keep no attribute above 64 KiB, and settings may be larger.
        h5py.File(unfinished, "w", libver=("v108", "v108")) as file,
    ):
        _write_facts(file, record)
        file.attrs["notes"] = json.dumps(store.notes(run))
        _write_calls(file, store, run)
        for result, arrays in store.results(run).items():
            group = file.require_group(f"results/{result}")
            for name, array in arrays.items():
                group[name] = array.astype(_TEXT) if array.dtype.kind == "U" else array


def _write_facts(file: h5py.File, record: RunRecord) -> None:
    for name, value in asdict(record).items():
        if isinstance(value, dict):
            file.attrs[name] = json.dumps(value)
        elif name == "seed" and value is not None:
            # HDF5 has no integer of more than 64 bits.
            file.attrs[name] = value if value.bit_length() < 64 else str(value)
        elif value is not None:
            file.attrs[name] = value


def _write_calls(file: h5py.File, store: Store, run: int) -> None:
    """Write the table of calls and the tables of what each verb asked and got."""
    waiting: dict[str, list[Columns]] = {}
    rows = 0
    for call in store.calls(run):
        tables = {"calls": _call_row(call)}
        columns = _drive_table(call) if call.verb == "drive" else _table(call)
        if columns:
            length = len(next(iter(columns.values())))
            tables[call.verb] = {"call": np.full(length, call.id), **columns}
        for name, table in tables.items():
            waiting.setdefault(name, []).append(table)
            rows += len(next(iter(table.values())))
        if rows >= _BLOCK:
            _append(file, waiting)
            waiting, rows = {}, 0
    _append(file, waiting)


def _append(file: h5py.File, waiting: dict[str, list[Columns]]) -> None:
    for group, tables in waiting.items():
        for name in tables[0]:
            block = np.concatenate([table[name] for table in tables])
            place = f"{group}/{name}"
            if place in file:
                dataset = file[place]
                dataset.resize(len(dataset) + len(block), axis=0)
                dataset[len(dataset) - len(block) :] = block
                continue
            dtype = _TEXT if block.dtype == object else block.dtype
            dataset = file.create_dataset(
                place, data=block, dtype=dtype, maxshape=(None, *block.shape[1:]), chunks=True
            )
            unit = "s" if name.startswith("bench_") else _UNITS.get(name)
            if unit is not None:
                dataset.attrs["unit"] = unit


def _call_row(call: Call) -> Columns:
    row: Columns = {"id": np.array([call.id])}
    for name in ("verb", "started", "ended", "error"):
        row[name] = np.array([getattr(call, name) or ""], dtype=object)
    for name in ("bench_started", "bench_ended"):
        row[name] = np.array([getattr(call, name)], dtype=np.float64)  # None becomes NaN
    return row


def _drive_table(call: Call) -> Columns:
    """Return what a multiply asked and got, a row per input vector; nothing if unanswered."""
    voltages = call.asked.get("voltages", np.empty(0))
    # Without an answer the number of bit lines is not known; the error is in the table of calls.
    if call.answered is None or voltages.ndim != 2:
        return {}
    return {name: _typed(name, array) for name, array in call.answered.items()} | {
        "voltage": _typed("voltage", voltages)
    }


def _table(call: Call) -> Columns:
    """Return what a call asked and got as columns of one length; nothing if they do not fit."""
    names = _NAMES.get(call.verb, {})
    cell = call.asked.get("cell", np.empty(0))
    if not names.keys() <= call.asked.keys() or (call.verb == "sweep" and cell.shape != (2,)):
        return {}
    columns: Columns = {column: call.asked[name] for name, column in names.items()}
    if call.verb == "sweep":
        columns |= {"word_line": cell[0, ...], "bit_line": cell[1, ...]}
    length = next((array.size for array in columns.values() if array.ndim), 1)
    columns |= _answer(call, length)
    fit = all(
        array.shape in ((), (length,)) and array.dtype.kind in "fiu" for array in columns.values()
    )
    if not fit or not columns:
        return {}
    columns = {"index": np.arange(length), **columns}
    return {
        name: np.broadcast_to(_typed(name, array), (length,)) for name, array in columns.items()
    }


def _answer(call: Call, length: int) -> Columns:
    if call.answered is not None:
        return {_ANSWERS[name]: array for name, array in call.answered.items()}
    names = _ANSWERED.get(call.verb, ())
    return {
        name: np.zeros(length) if name == "flags" else np.full(length, np.nan) for name in names
    }


def _typed(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return a column in the type that it has in every call, whatever the first call held."""
    if name in _UNITS:
        return array.astype(np.float64)
    return array.astype(np.uint8 if name == "flags" else np.int64)


def _rows(call: Call) -> Iterator[list[object]]:
    """Yield the rows of a call in the order of `_ORDER`."""
    if call.verb == "drive":
        yield from _drive_rows(call)
        return
    columns = _table(call)
    if not columns:
        yield [None] * len(_ORDER)
        return
    if call.answered is None:
        for name in _ANSWERS.values():
            columns.pop(name, None)
    length = len(columns["index"])
    lists = [columns[name].tolist() if name in columns else [None] * length for name in _ORDER]
    yield from (list(row) for row in zip(*lists, strict=True))


def _drive_rows(call: Call) -> Iterator[list[object]]:
    voltages = call.asked.get("voltages", np.empty(0))
    if voltages.ndim != 2 or voltages.dtype.kind not in "fiu":
        yield [None] * len(_ORDER)
        return
    answered: Arrays = call.answered or {}
    for index, vector in enumerate(voltages.tolist()):
        for word, voltage in enumerate(vector):
            yield _row(index=index, word_line=word, voltage=voltage)
        if answered:
            current, flags = answered["current"][index], answered["flags"][index]
            for bit, pair in enumerate(zip(current.tolist(), flags.tolist(), strict=True)):
                yield _row(index=index, bit_line=bit, current=pair[0], flags=pair[1])


def _row(**values: object) -> list[object]:
    return [values.get(name) for name in _ORDER]


def _with_unit(name: str) -> str:
    return f"{name}_{_UNITS[name]}" if name in _UNITS else name


@contextmanager
def _replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a name beside `path`; what is written there becomes `path` if all goes well."""
    if path.exists() and not overwrite:
        raise DataError(f"{path} exists; it is replaced only if overwriting is asked for")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as problem:
        raise DataError(f"{path} cannot be written: {problem.strerror or problem}") from problem
    finally:
        with suppress(OSError):  # most often it is gone, having become `path`
            unfinished.unlink(missing_ok=True)
