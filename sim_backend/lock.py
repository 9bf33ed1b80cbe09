"""One process at a time, by a lock of the operating system: it ends with its process."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from crossbar.backend import BenchError


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold ``<file>.lock`` while the block runs; however a process ends, its lock is gone.

    Who holds it stands in ``<file>.holder``, for the error that another process gets.

    Raises
    ------
    BenchError
        If another process holds it, or it cannot be made.
    """
    if not file.parent.is_dir():
        raise BenchError(f"{file}: no lock can be made beside it: there is no such folder")
    lock = FileLock(file.with_name(f"{file.name}.lock"), timeout=0)
    holder = file.with_name(f"{file.name}.holder")
    try:
        lock.acquire()
        holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
    except Timeout as problem:
        raise BenchError(f"{file} is in use by {_who(holder)}; one process at a time") from problem
    except OSError as problem:
        lock.release()
        raise BenchError(
            f"{file}: no lock can be made beside it: {problem.strerror or problem}"
        ) from problem
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        said = json.loads(holder.read_text())
        return f"process {int(said['pid'])} on {said['host']}"
    except (OSError, ValueError, TypeError, KeyError):
        # It is just opening or closing, and the lock itself is what counts.
        return "another process"
