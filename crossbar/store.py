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
import os
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from numpy.typing import ArrayLike

from crossbar.backend import Second, StoreError
from crossbar.blob import Arrays, pack, plain_json, unpack
from crossbar.provenance import process_stamp, provenance
from crossbar.records import SELECT_RUN, Call, Plain, RunRecord, Status, run_record
from crossbar.schema import connect, translated

__all__ = ["Arrays", "Call", "Plain", "Run", "RunRecord", "Status", "Store", "error_text"]

_PAGE = 256  # calls per query: no read transaction stays open while a caller works on them


class Store:
    """The runs of a laboratory. `Store.open` opens one; leave it with ``with`` or `close`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, patience: Second) -> None:
        self.path = path
        self._connection = connection
        self._patience = patience
        self._where = os.fspath(path)
        self._file = _identity(self._where)

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
        return cls(path, connect(path, readonly=readonly, patience=patience), patience)

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
            *(
                experiment,
                _wall(),
                "running",
                kind,
                str(bench.get("name", kind)),
                plain_json(bench),
            ),
            *(None if seed is None else str(seed), plain_json(settings), plain_json(provenance())),
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
        return [run_record(row) for row in self._rows(f"{SELECT_RUN} ORDER BY id")]

    def run(self, number: int) -> RunRecord:
        """Return one run.

        Raises
        ------
        StoreError
            If there is no such run.
        """
        rows = self._rows(f"{SELECT_RUN} WHERE id = ?", number)
        if not rows:
            raise StoreError(f"{self.path}: there is no run {number}")
        return run_record(rows[0])

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
        with translated(self.path, self._patience):
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
        # SQLite would go on writing to a file that nobody can find any more.
        if _identity(self._where) != self._file:
            raise StoreError(f"{self.path}: the run store was moved or deleted while it was open")
        with translated(self.path, self._patience):
            return int(self._connection.execute(statement, values).lastrowid or 0)

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with translated(self.path, self._patience):
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
            (self.id, _wall(), plain_json(content)),
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
            (status, _wall(), error, None if summary is None else plain_json(summary), self.id),
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


def _identity(path: str) -> tuple[int, int] | None:
    """Return which file a path leads to; None if there is none, or it cannot be reached."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def error_text(problem: BaseException) -> str:
    """Return the error as the record says it: its type and its message."""
    return f"{type(problem).__name__}: {problem}".removesuffix(": ")


def _wall() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
