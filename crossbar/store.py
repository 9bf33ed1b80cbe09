"""The record of every run: one SQLite file per laboratory, readable while it grows.

What it promises: a record is in the file when the method that wrote it returns, and stays there if
the process is killed a moment later (``kill -9``). The file is in WAL mode with synchronous=NORMAL:
a power cut may lose the last transactions, but neither earlier ones nor the file itself
(https://sqlite.org/wal.html, https://sqlite.org/pragma.html#pragma_synchronous). An intent without
an outcome means that the process died, or could no longer write, in between: the cells may have
received what was intended, so it counts as applied.

Nothing is ever changed or deleted but the state of a run; the tables refuse it.
"""

import json
import math
import os
import re
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import Second, StoreError
from crossbar.provenance import is_alive, process_stamp, provenance

Plain: TypeAlias = dict[str, object]
Arrays: TypeAlias = dict[str, NDArray[Any]]
Status: TypeAlias = Literal["running", "finished", "failed", "interrupted", "died"]

VERSION = 1
APPLICATION_ID = 0x58424152  # "XBAR": how a file says that it is ours, in PRAGMA application_id
_TRIGGERS = "\n".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END;"
    for table in ("intents", "outcomes", "results", "notes")
    for verb in ("update", "delete")
)
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, experiment TEXT NOT NULL, started TEXT NOT NULL, ended TEXT,
    status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'failed', 'interrupted')),
    bench_kind TEXT NOT NULL, bench_name TEXT NOT NULL, bench TEXT NOT NULL,
    seed TEXT, settings TEXT NOT NULL, provenance TEXT NOT NULL, summary TEXT, error TEXT,
    host TEXT NOT NULL, pid INTEGER NOT NULL, process TEXT);
CREATE TABLE IF NOT EXISTS intents (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, verb TEXT NOT NULL,
    wall TEXT NOT NULL, bench_time REAL, arrays BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS intents_of_run ON intents (run);
CREATE TABLE IF NOT EXISTS outcomes (
    intent INTEGER PRIMARY KEY REFERENCES intents, wall TEXT NOT NULL, bench_time REAL,
    arrays BLOB, error TEXT);
CREATE TABLE IF NOT EXISTS results (
    run INTEGER NOT NULL REFERENCES runs, name TEXT NOT NULL, wall TEXT NOT NULL,
    arrays BLOB NOT NULL, PRIMARY KEY (run, name));
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs, wall TEXT NOT NULL,
    note TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS notes_of_run ON notes (run);
{_TRIGGERS}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""
_SELECT_RUN = (
    "SELECT id, experiment, started, ended, status, bench_kind, bench_name, bench, seed, "
    "settings, provenance, summary, error, host, pid, process FROM runs"
)
_KINDS = "biufcSU"  # what can be stored: booleans, numbers, text; never objects
_DTYPE = re.compile(rf"[<|][{_KINDS}]\d+")
_PAGE = 256  # calls per query: no read transaction stays open while a caller works on them


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """What the store knows of a run; times are wall-clock time, ISO 8601 in UTC.

    `status` is ``"died"`` for a run that is still marked as running but whose process, on this
    host, no longer exists. `bench` is what the backend says of itself.
    """

    id: int
    experiment: str
    started: str
    ended: str | None
    status: Status
    bench_kind: str
    bench_name: str
    bench: Plain
    seed: int | None
    settings: Plain
    provenance: Plain
    summary: Plain | None
    error: str | None
    host: str
    pid: int


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call to the bench: what was asked and, if it came to that, what was answered.

    Wall times are ISO 8601 in UTC, bench times in seconds. `ended` is None for an intent without
    an outcome, which counts as applied; `answered` is None for that and for an error.
    """

    id: int
    verb: str
    started: str
    bench_started: Second | None
    asked: Arrays
    ended: str | None
    bench_ended: Second | None
    answered: Arrays | None
    error: str | None


def pack(arrays: Mapping[str, ArrayLike]) -> bytes:
    """Return named arrays as one line of JSON (name, dtype, shape) and raw little-endian bytes.

    Raises
    ------
    StoreError
        If a value is not an array of booleans, numbers or text.
    """
    header, parts = [], []
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.kind not in _KINDS:
            raise StoreError(
                f"array {name!r} of {array.dtype} cannot be stored; numbers and text can"
            )
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        header.append([name, array.dtype.str, array.shape])
        parts.append(array.tobytes())
    return b"".join([json.dumps(header).encode(), b"\n", *parts])


def unpack(blob: bytes) -> Arrays:
    """Return the arrays that `pack` was given; they are read-only views of the bytes.

    Raises
    ------
    StoreError
        If the bytes are damaged: a header that is none, or the wrong number of bytes.
    """
    line, _, raw = blob.partition(b"\n")
    arrays: Arrays = {}
    start = 0
    try:
        for name, dtype_text, shape in json.loads(line):
            if not _DTYPE.fullmatch(dtype_text) or any(size < 0 for size in shape):
                raise ValueError(f"array {name!r} of {dtype_text} and shape {shape}")
            dtype = np.dtype(dtype_text)
            count = math.prod(shape)
            stored = np.frombuffer(raw, dtype, count, start) if count else np.empty(0, dtype)
            arrays[str(name)] = stored.reshape(shape)
            start += count * dtype.itemsize
        if start != len(raw):
            raise ValueError(f"{len(raw)} bytes where the header says {start}")
    except (ValueError, TypeError) as problem:
        raise StoreError(f"stored arrays are damaged: {problem}") from problem
    return arrays


class Store:
    """The runs of a laboratory. `Store.open` opens one; leave it with ``with`` or `close`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, patience: Second) -> None:
        self.path = path
        self._connection = connection
        self._patience = patience

    @classmethod
    def open(cls, path: str | Path, *, readonly: bool = False, patience: Second = 5.0) -> Self:
        """Open a store, or make a new one if the file does not exist.

        Parameters
        ----------
        path
            The SQLite file, in a folder that exists.
        readonly
            Only look: nothing is created or changed, and another process may be writing.
        patience
            How long a request waits while another process writes, s.

        Raises
        ------
        StoreError
            If the folder (or, for `readonly`, the file) does not exist, or the file is locked, of
            a newer version, or not a run store; such a file is not altered.
        """
        path = Path(path).absolute()
        if not path.parent.is_dir():
            raise StoreError(f"{path}: the folder of the run store does not exist")
        if readonly and not path.is_file():
            raise StoreError(f"{path}: there is no run store")
        with _translated(path, patience):
            connection = sqlite3.connect(
                f"{path.as_uri()}?mode={'ro' if readonly else 'rwc'}",
                uri=True,
                timeout=patience,
                isolation_level=None,  # each statement is its own transaction: committed on return
            )
        try:
            with _translated(path, patience):
                _prepare(connection, path, readonly=readonly)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, patience)

    def start(
        self,
        *,
        experiment: str,
        settings: Mapping[str, object],
        bench: Mapping[str, object],
        seed: int | None = None,
    ) -> "Run":
        """Begin a run and record what it will depend on.

        Parameters
        ----------
        experiment
            Its name.
        settings
            Plain values.
        bench
            What `Backend.describe` returned; ``"kind"`` is mandatory, ``"name"`` is the kind if
            it is missing.
        seed
            Of the random numbers, if there is one.

        Raises
        ------
        StoreError
            If the values are not plain, the bench has no kind, or the run cannot be written.
        """
        if "kind" not in bench:
            raise StoreError(f"a bench says its kind; this one says only {', '.join(bench)}")
        kind = str(bench["kind"])
        row = (
            *(experiment, _wall(), "running", kind, str(bench.get("name", kind)), _json(bench)),
            *(None if seed is None else str(seed), _json(settings), _json(provenance())),
            *(socket.gethostname(), os.getpid(), process_stamp(os.getpid())),
        )
        names = "experiment, started, status, bench_kind, bench_name, bench, seed, settings"
        number = self._write(
            f"INSERT INTO runs ({names}, provenance, host, pid, process) "  # noqa: S608 - our words
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return Run(self, number)

    def runs(self) -> list[RunRecord]:
        """Return every run, the oldest first."""
        return [_run_record(row) for row in self._rows(f"{_SELECT_RUN} ORDER BY id")]

    def run(self, number: int) -> RunRecord:
        """Return one run.

        Raises
        ------
        StoreError
            If there is no such run.
        """
        rows = self._rows(f"{_SELECT_RUN} WHERE id = ?", number)
        if not rows:
            raise StoreError(f"{self.path}: there is no run {number}")
        return _run_record(rows[0])

    def calls(self, run: int) -> Iterator[Call]:
        """Yield the calls of a run, in order, as far as they are recorded by now."""
        last = 0
        while rows := self._rows(
            "SELECT id, verb, i.wall, i.bench_time, i.arrays, o.wall, o.bench_time, o.arrays, "
            "error FROM intents i LEFT JOIN outcomes o ON o.intent = id WHERE run = ? AND id > ? "
            "ORDER BY id LIMIT ?",
            *(run, last, _PAGE),
        ):
            for number, verb, wall, time, asked, ended, bench_ended, answered, error in rows:
                got = None if answered is None else unpack(answered)
                yield Call(number, verb, wall, time, unpack(asked), ended, bench_ended, got, error)
            last = rows[-1][0]

    def results(self, run: int) -> dict[str, Arrays]:
        """Return the named arrays of each result of a run, from which its figures are drawn."""
        rows = self._rows("SELECT name, arrays FROM results WHERE run = ? ORDER BY rowid", run)
        return {name: unpack(blob) for name, blob in rows}

    def notes(self, run: int) -> list[tuple[str, Plain]]:
        """Return the notes of a run with their wall-clock times."""
        rows = self._rows("SELECT wall, note FROM notes WHERE run = ? ORDER BY id", run)
        return [(wall, json.loads(note)) for wall, note in rows]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with _translated(self.path, self._patience):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, statement: str, values: tuple[object, ...]) -> int:
        with _translated(self.path, self._patience):
            return int(self._connection.execute(statement, values).lastrowid or 0)

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with _translated(self.path, self._patience):
            return self._connection.execute(query, values).fetchall()


class Run:
    """One run being recorded; `Store.start` begins it.

    Leaving the ``with`` block ends it: finished, failed after an exception, interrupted after
    Ctrl-C. A run that was ended by `finish` stays as it is, unless an exception follows.
    """

    def __init__(self, store: Store, number: int) -> None:
        self.id = number
        self._store = store
        self._ended = False

    def intent(self, verb: str, bench_time: Second | None, arrays: Mapping[str, ArrayLike]) -> int:
        """Record what is about to be asked of the bench, and return the number of this call.

        Parameters
        ----------
        verb
            The backend's verb.
        bench_time
            Bench time before the call, s; None if the bench has none.
        arrays
            What is asked.

        Raises
        ------
        StoreError
            If it could not be recorded; then it must not be done.
        """
        return self._store._write(
            "INSERT INTO intents (run, verb, wall, bench_time, arrays) VALUES (?, ?, ?, ?, ?)",
            (self.id, verb, _wall(), bench_time, pack(arrays)),
        )

    def outcome(
        self,
        call: int,
        bench_time: Second | None,
        arrays: Mapping[str, ArrayLike] | None = None,
        *,
        error: str | None = None,
    ) -> None:
        """Record what came of a call: what was answered, or the text of the error.

        Raises
        ------
        StoreError
            If it could not be recorded, or the call has an outcome already.
        """
        blob = None if arrays is None else pack(arrays)
        self._store._write(
            "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?)", (call, _wall(), bench_time, blob, error)
        )

    def result(self, name: str, arrays: Mapping[str, ArrayLike]) -> None:
        """Record the named arrays of a result.

        Raises
        ------
        StoreError
            If it could not be recorded, or the run has a result of this name already.
        """
        self._store._write(
            "INSERT INTO results VALUES (?, ?, ?, ?)", (self.id, name, _wall(), pack(arrays))
        )

    def note(self, content: Mapping[str, object]) -> None:
        """Record plain values that show how far the run is."""
        self._store._write(
            "INSERT INTO notes (run, wall, note) VALUES (?, ?, ?)",
            (self.id, _wall(), _json(content)),
        )

    def finish(
        self,
        status: Literal["finished", "failed", "interrupted"] = "finished",
        summary: Mapping[str, object] | None = None,
        *,
        error: str | None = None,
    ) -> None:
        """End the run; a second call changes the status and keeps a summary it is not given."""
        self._store._write(
            "UPDATE runs SET status = ?, ended = ?, error = ?, summary = coalesce(?, summary) "
            "WHERE id = ?",
            (status, _wall(), error, None if summary is None else _json(summary), self.id),
        )
        self._ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if problem is None:
            if not self._ended:
                self.finish()
            return
        interrupted = isinstance(problem, KeyboardInterrupt)
        try:
            self.finish("interrupted" if interrupted else "failed", error=error_text(problem))
        except StoreError as second:
            # What went wrong first matters more than that the store could not be told.
            problem.add_note(f"run {self.id} could not be marked as ended: {second}")


def error_text(problem: BaseException) -> str:
    """Return the error as the record says it: its type and its message."""
    return f"{type(problem).__name__}: {problem}".removesuffix(": ")


@contextmanager
def _translated(path: Path, patience: Second) -> Iterator[None]:
    """Turn every error of SQLite into a `StoreError` that names the file."""
    try:
        yield
    except sqlite3.Error as problem:
        # The low byte is the class of the error (https://sqlite.org/rescode.html).
        code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            text = f"locked by another process; waited {patience:g} s"
        elif code == sqlite3.SQLITE_NOTADB:
            text = f"not a run store ({problem})"
        elif code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            text = f"could not be written, the disk may be full ({problem})"
        else:
            text = str(problem)
        raise StoreError(f"{path}: {text}") from problem


def _prepare(connection: sqlite3.Connection, path: Path, *, readonly: bool) -> None:
    """Make an empty file a store; refuse any other file that is not one, without touching it."""

    def ask(question: str) -> Any:
        return connection.execute(question).fetchone()[0]

    def identity() -> tuple[int, int]:
        return ask("PRAGMA application_id"), ask("PRAGMA user_version")

    empty = identity() == (0, 0) and ask("SELECT count(*) FROM sqlite_master") == 0
    if empty and not readonly:
        # Another process may do the same at this moment: nothing in the script minds.
        connection.executescript(_SCHEMA)
    application, version = identity()
    if application != APPLICATION_ID:
        raise StoreError(f"{path}: not a run store, but a database of another program")
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a newer version (store version {version}; "
            f"this program knows versions up to {VERSION})"
        )
    if not readonly:
        if (mode := ask("PRAGMA journal_mode = WAL")) != "wal":
            raise StoreError(f"{path}: this file system allows no WAL journal, only {mode}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")


def _run_record(row: tuple[Any, ...]) -> RunRecord:
    (number, experiment, started, ended, status, kind, name, bench, seed, *rest) = row
    (settings, made_by, summary, error, host, pid, stamp) = rest
    if status == "running" and host == socket.gethostname() and not is_alive(pid, stamp):
        status = "died"
    return RunRecord(
        id=number,
        experiment=experiment,
        started=started,
        ended=ended,
        status=status,
        bench_kind=kind,
        bench_name=name,
        bench=json.loads(bench),
        seed=None if seed is None else int(seed),
        settings=json.loads(settings),
        provenance=json.loads(made_by),
        summary=None if summary is None else json.loads(summary),
        error=error,
        host=host,
        pid=pid,
    )


def _wall() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _json(values: Mapping[str, object]) -> str:
    try:
        return json.dumps(values, default=_plain)
    except (TypeError, ValueError) as problem:
        raise StoreError(f"only plain values can be recorded: {problem}") from problem


def _plain(value: object) -> object:
    """Return a plain form of what experiments often hold."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} {value!r} has no place in JSON")
