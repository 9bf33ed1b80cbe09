"""What the cells of a real array have received, program after program: their spent budgets.

An array outlives programs, and so do the limits on what its cells may receive. Every pulse is
counted here before it is given, so that one that was never confirmed, because the program was
killed in it, counts as given. An array is told by its name in the bench file.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Indices, Second, StoreError

FOLDER = "CROSSBAR_STATE"
"""Environment variable: where the file is, instead of the user's own folder for such things."""

NAME = "arrays.sqlite"
PATIENCE: Second = 5.0
"""How long to wait while another program writes, s."""

_TABLE = (
    "CREATE TABLE IF NOT EXISTS received (array TEXT, word INTEGER, bit INTEGER, "
    "pulses INTEGER NOT NULL, stress REAL NOT NULL, PRIMARY KEY (array, word, bit)) WITHOUT ROWID"
)


class Exposure:
    """Pulses and stress of every cell of one array, in a file.

    Parameters
    ----------
    connection
        To the file.
    array
        Name of the array.
    shape
        Word lines and bit lines of the bench.
    """

    def __init__(self, connection: sqlite3.Connection, array: str, shape: tuple[int, int]) -> None:
        self._connection, self.array, self._shape = connection, array, shape
        self.pulses: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
        self.stress: Array = np.zeros(shape)
        with _translated():
            rows = connection.execute(
                "SELECT word, bit, pulses, stress FROM received WHERE array = ?", (array,)
            ).fetchall()
        for word, bit, pulses, stress in rows:
            # A bench that uses a part of an array's lines counts for that part.
            if 0 <= word < shape[0] and 0 <= bit < shape[1]:
                self.pulses[word, bit], self.stress[word, bit] = pulses, stress

    def receive(self, cells: Indices, pulses: NDArray[np.int64], stress: Array) -> None:
        """Write down the sums of cells before they are given more.

        Parameters
        ----------
        cells
            Word line times bit lines plus bit line, each once.
        pulses, stress
            In all, what is about to be given included.

        Raises
        ------
        StoreError
            If it could not be written; then nothing must be given.
        """
        words, bits = np.divmod(cells, self._shape[1])
        rows = zip(words.tolist(), bits.tolist(), pulses.tolist(), stress.tolist(), strict=True)
        with _translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO received VALUES (?, ?, ?, ?, ?)",
                    ((self.array, *row) for row in rows),
                )
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        self.pulses.flat[cells], self.stress.flat[cells] = pulses, stress


@contextmanager
def opened(array: str, shape: tuple[int, int]) -> Iterator[Exposure]:
    """Open what the cells of an array have received, for a program that will give them more.

    Raises
    ------
    StoreError
        If the file cannot be made, read or written.
    """
    path = file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise StoreError(f"{path.parent}: no folder can be made: {problem.strerror}") from problem
    with _translated():
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    with closing(connection):
        with _translated():
            connection.execute("PRAGMA journal_mode = WAL")
            # A power cut may lose the last pulses; a program that is killed loses none.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(_TABLE)
        yield Exposure(connection, array, shape)


def received(array: str, shape: tuple[int, int]) -> Exposure | None:
    """Return what the cells of an array have received; None if nothing is known of it.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    if not file().is_file():
        return None
    with opened(array, shape) as exposure:
        return exposure if exposure.pulses.any() or exposure.stress.any() else None


def file() -> Path:
    """Return where the file is, or will be."""
    if given := os.environ.get(FOLDER):
        return Path(given) / NAME
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "crossbar" / NAME


@contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into a `StoreError` that names the file."""
    try:
        yield
    except sqlite3.Error as problem:
        raise StoreError(
            f"{file()}: what the array's cells have received cannot be kept: {problem}"
        ) from problem
