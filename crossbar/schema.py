"""The file of the run store: its tables, how it is opened, and SQLite's errors in our words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossbar.backend import Second, StoreError

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


def connect(path: Path, *, readonly: bool, patience: Second) -> sqlite3.Connection:
    """Return a connection to a run store; one that may write makes the store if there is none.

    Parameters
    ----------
    path
        The SQLite file, absolute, in a folder that exists.
    readonly
        Only look: nothing is created or changed.
    patience
        How long a request waits while another process writes, s.

    Raises
    ------
    StoreError
        If the folder (or, for `readonly`, the file) does not exist, or the file is locked, of a
        newer version, or not a run store; such a file is not altered.
    """
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the folder of the run store does not exist")
    if readonly and not path.is_file():
        raise StoreError(f"{path}: there is no run store")
    with translated(path, patience):
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode={'ro' if readonly else 'rwc'}",
            uri=True,
            timeout=patience,
            isolation_level=None,  # each statement is its own transaction: committed on return
        )
    try:
        with translated(path, patience):
            _prepare(connection, path, readonly=readonly)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path, patience: Second) -> Iterator[None]:
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
        elif code == sqlite3.SQLITE_CANTOPEN:
            text = f"is a folder, or a file that may not be opened ({problem})"
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
