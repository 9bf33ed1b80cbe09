"""One process at a time: a lock file that says who holds it."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossbar.backend import BenchError

ATTEMPTS = 5
"""To take a lock that others take over at the same time; one of them gets it at each."""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold ``<file>.lock`` while the block runs.

    A lock whose process on this host is dead is taken over.

    Raises
    ------
    BenchError
        If another process holds it, or it cannot be made.
    """
    lock = file.with_name(f"{file.name}.lock")
    mine = _claim(os.getpid())
    try:
        for _ in range(ATTEMPTS):
            if _made(lock, mine):
                break
            _take_over(lock, file)
        else:
            raise BenchError(f"{file}: other processes kept taking {lock.name}; try again")
    except OSError as problem:
        raise BenchError(
            f"{file}: {lock.name} cannot be made beside it: {problem.strerror or problem}"
        ) from problem
    try:
        yield
    finally:
        if _content(lock) == mine:
            lock.unlink(missing_ok=True)


def _claim(pid: int) -> bytes:
    holder = {"pid": pid, "host": socket.gethostname(), "started": _started(pid)}
    return json.dumps(holder).encode()


def _started(pid: int) -> str | None:
    """Return what tells a living process from a later one of the same number, None if unknown.

    Boot id and start time in clock ticks (proc(5), /proc/pid/stat, field 22).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name, field 2, may contain spaces and brackets; what follows its last bracket may not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _made(lock: Path, content: bytes) -> bool:
    """Make the lock file and return True, or False if there is one."""
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    return True


def _content(lock: Path) -> bytes | None:
    try:
        return lock.read_bytes()
    except FileNotFoundError:
        return None


def _take_over(lock: Path, file: Path) -> None:
    """Remove a dead process's lock, or raise `BenchError` saying who holds it."""
    seen = _content(lock)
    if seen is None:
        return
    try:
        holder = json.loads(seen)
        pid, host, started = int(holder["pid"]), str(holder["host"]), holder["started"]
    except (ValueError, TypeError, KeyError) as problem:
        raise BenchError(
            f"{file} is in use: {lock.name} beside it does not say by whom; "
            "remove it if nobody has the array open"
        ) from problem
    if host != socket.gethostname() or _alive(pid, started):
        raise BenchError(
            f"{file} is in use by process {pid} on {host}; one process at a time "
            f"(if that one is gone, remove {lock.name})"
        )
    _remove(lock, seen, file)


def _remove(lock: Path, seen: bytes, file: Path) -> None:
    """Remove a lock if it still says what was seen; one process at a time does this."""
    taking = lock.with_name(f"{lock.name}.taking")
    if not _made(taking, b""):
        raise BenchError(
            f"{file}: another process is taking over {lock.name}; try again "
            f"(if there is none, remove {taking.name})"
        )
    try:
        # Its owner is dead and others cannot be here, so it stays what it is until it is gone.
        if _content(lock) == seen:
            lock.unlink()
    finally:
        taking.unlink()


def _alive(pid: int, started: str | None) -> bool:
    """Return whether a process on this host still runs; True where that cannot be found out."""
    if started is not None:
        return _started(pid) == started
    if os.name != "posix":  # signal 0 is a question on POSIX only; on Windows it is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
