"""One owner of an instrument at a time, by locks of the operating system.

A lock ends with its process, however that ends. Who holds it, since when, and what watches over it
stands in a file beside it, for the error that others get and for ``xbar bench status``.
"""

import getpass
import hashlib
import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from crossbar.backend import BenchError, Second

FOLDER = "CROSSBAR_LOCKS"
"""Environment variable: where locks are, instead of a folder of the user's among temporary ones."""

LONGEST = 60
"""Characters of what a program was called with that are told."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an instrument.

    Parameters
    ----------
    pid, host
        Of the process.
    since
        When it took the instrument, UTC.
    program
        What it is, as it was called.
    guardian
        Process that makes the instrument safe if this one dies; None where there is none.
    """

    pid: int
    host: str
    since: str
    program: str
    guardian: int | None = None

    def __str__(self) -> str:
        """Return the holder in words."""
        return f"process {self.pid} on {self.host} since {self.since} ({self.program})"

    @classmethod
    def here(cls) -> "Holder":
        """Return this process."""
        called = " ".join([Path(sys.argv[0]).name or "python", *sys.argv[1:]])
        program = called if len(called) <= LONGEST else f"{called[:LONGEST]}..."
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return cls(os.getpid(), socket.gethostname(), now, program)


def folder() -> Path:
    """Return where this user's locks are; made if it does not exist.

    Raises
    ------
    BenchError
        If it cannot be made.
    """
    given = os.environ.get(FOLDER)
    path = Path(given) if given else Path(tempfile.gettempdir()) / f"crossbar-{getpass.getuser()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise BenchError(f"no folder for locks at {path}: {problem.strerror}") from problem
    return path


@contextmanager
def held(instruments: Iterable[str], wait: Second = 0.0) -> Iterator[None]:
    """Hold the locks of these instruments while the block runs.

    Parameters
    ----------
    instruments
        Their names, the same in every program that uses them.
    wait
        How long to wait for each that somebody else holds.

    Raises
    ------
    BenchError
        If another process, or another thread of this one, holds one of them.
    """
    with ExitStack() as stack:
        # In one order, so that two programs never wait for each other.
        for name in sorted(set(instruments)):
            stack.enter_context(_held(name, wait))
        yield


@contextmanager
def _held(name: str, wait: Second) -> Iterator[None]:
    lock, told = _files(name)
    taken = FileLock(lock, timeout=wait, thread_local=False, is_singleton=False)
    try:
        taken.acquire()
    except Timeout as problem:
        who = holder(name)
        said = "another process, which is just opening it" if who is None else str(who)
        raise BenchError(f"{name} is in use by {said}; one owner at a time") from problem
    except OSError as problem:
        raise BenchError(f"{lock}: no lock can be made: {problem.strerror}") from problem
    try:
        told.write_text(json.dumps(asdict(Holder.here())), encoding="utf-8")
        yield
    finally:
        told.unlink(missing_ok=True)
        taken.release()


def holder(name: str) -> Holder | None:
    """Return who says that it holds an instrument; None if nobody does, or it cannot be told."""
    with suppress(OSError, ValueError, TypeError):
        said = json.loads(_files(name)[1].read_text(encoding="utf-8"))
        pid, watched = int(said["pid"]), said.get("guardian")
        told = str(said["host"]), str(said["since"]), str(said["program"])
        return Holder(pid, *told, None if watched is None else int(watched))
    return None


def watched(instruments: Iterable[str], guardian: int) -> None:
    """Say of instruments that this process holds who makes them safe if it dies."""
    said = json.dumps(asdict(replace(Holder.here(), guardian=guardian)))
    for name in instruments:
        _files(name)[1].write_text(said, encoding="utf-8")


def free(name: str) -> bool:
    """Return whether nobody holds an instrument now."""
    try:
        with FileLock(_files(name)[0], timeout=0, thread_local=False, is_singleton=False):
            return True
    except Timeout:
        return False


def _files(name: str) -> tuple[Path, Path]:
    """Return the lock of an instrument, and the file that says who holds it."""
    # Two long names may begin alike: the digest tells them apart.
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    plain = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', name).strip('_')[:60]}-{digest}"
    return folder() / f"{plain}.lock", folder() / f"{plain}.holder"
