"""The guardian: a small process that outlives the owner of a bench, and makes the bench safe.

It waits at a pipe whose other end only the owner has. A word on it says that all is off and nothing
is left to do; its end without that word says that the owner is dead, by whatever: SIGKILL, a crash,
the end of memory. Then the guardian opens the instruments, which finds what was left on and turns
it off, and closes them again, which leaves every line at 0 V and disconnected.

It is ready before the bench drives anything, has everything imported that it will need, ignores
what a terminal sends to everybody in it, and takes the locks that died with the owner.
"""

import logging
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Protocol

from crossbar.backend import BenchError, CrossbarError, InstrumentError, Second
from crossbar.one_owner import folder, held

if TYPE_CHECKING:
    from crossbar.bench_file import Description

LOG = logging.getLogger("crossbar.guardian")

READY, SAFE = b"ready\n", b"safe\n"
ENDING: Second = 10.0
"""Longest that the owner waits for it to end; it may still be at its imports."""

TAKING: Second = 5.0
"""Longest that it waits for the locks of a dead owner: the system frees them at once."""

LONGEST = 400
"""Characters of a problem that are reported."""

REPORTS = "guardian.log"
"""In the folder of locks: a line for each time that a guardian acted."""


class Watched(Protocol):
    """A bench that can say how it was left."""

    @property
    def left_safe(self) -> bool:
        """True if nothing was opened, or everything that was is confirmed to be off."""
        ...


@dataclass(slots=True, eq=False)
class Guard:
    """What the owner holds of its guardian.

    Parameters
    ----------
    process
        The guardian.
    bench
        What it watches over; None until there is something to open.
    """

    process: "subprocess.Popen[bytes]"
    bench: Watched | None = None

    @property
    def safe(self) -> bool:
        """Whether the bench was left safe; what is not, the guardian makes so."""
        return self.bench is None or self.bench.left_safe

    @property
    def pid(self) -> int:
        """Of the guardian's process."""
        return self.process.pid

    def watch(self, bench: Watched) -> None:
        """Return when it is ready, and the bench may be opened.

        Raises
        ------
        InstrumentError
            If it ends instead: nothing is to be driven without it.
        """
        assert self.process.stdout is not None  # noqa: S101 - a pipe, by how it was started
        if self.process.stdout.readline() != READY:
            raise InstrumentError("the guardian of the bench did not start; nothing was driven")
        self.bench = bench


@contextmanager
def guarded(
    description: "Description", seed: int | None, release: Callable[[], None]
) -> Iterator[Guard]:
    """Start the guardian of a bench, and let it go when the block is left.

    Parameters
    ----------
    description
        Of a bench whose instruments outlive this process.
    seed
        As for `crossbar.bench.open_bench`.
    release
        Gives the locks of the bench back: the guardian takes them where it has to act.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", "from crossbar.guardian import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Apart from what a terminal does to this process: on POSIX a session of its own.
        start_new_session=sys.platform != "win32",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    assert process.stdin is not None  # noqa: S101 - a pipe, by how it was started
    guard = Guard(process)
    try:
        # Between two processes of one program: no file, and nothing that anybody else has written.
        task = pickle.dumps((description, seed))
        process.stdin.write(len(task).to_bytes(8, "big") + task)
        process.stdin.flush()
        yield guard
    finally:
        if process.poll() is not None:
            LOG.warning("the guardian of bench %s ended before its owner", description.name)
        if not guard.safe:
            LOG.warning("bench %s was not left safe: its guardian tries again", description.name)
            release()
        with suppress(OSError):
            if guard.safe:
                process.stdin.write(SAFE)
                process.stdin.flush()
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDING)
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    """Be the guardian: read what is guarded, be ready, and wait for the owner's word or its end."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    pipe = sys.stdin.buffer
    description, seed = _task(pipe)
    from crossbar.bench_instruments import instruments_of, make_safe, prepare

    prepare(description)
    instruments = instruments_of(description)
    # The owner may be dead already; whether it was there to read this does not matter.
    with suppress(OSError):
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
    if pipe.readline() == SAFE:
        return
    began = time.monotonic()
    logging.disable(logging.CRITICAL)  # nobody reads this process's errors; the report is a file
    with ExitStack() as locks:
        try:
            locks.enter_context(held(instruments, TAKING))
        except BenchError as problem:
            # Opening the bench, its next owner has found what was left on, and turned it off.
            done = f"left to its next owner: {problem}"
        else:
            done = _made_safe(lambda: make_safe(description, seed))
    _report(description.name, done, time.monotonic() - began)


def _made_safe(make_safe: Callable[[], None]) -> str:
    """Make a bench safe, and return in words whether it is."""
    try:
        make_safe()
    except (CrossbarError, OSError) as problem:
        # Whatever else is in the message, it is of one line that a person can read.
        return f"NOT made safe, take it as live: {str(problem)[:LONGEST]}"
    return "made safe"


def _task(pipe: IO[bytes]) -> "tuple[Description, int | None]":
    """Return what the owner sends first; end this process if it died before it had."""
    size = pipe.read(8)
    task = pipe.read(int.from_bytes(size, "big")) if len(size) == 8 else b""
    if len(size) < 8 or len(task) < int.from_bytes(size, "big"):
        raise SystemExit(0)
    description, seed = pickle.loads(task)  # noqa: S301 - from the parent process, by its own pipe
    return description, seed


def _report(name: str, done: str, took: Second) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    line = f"{now} bench {name}: its owner ended without a word; {done} ({took:.2f} s)\n"
    with suppress(OSError, BenchError), (folder() / REPORTS).open("a", encoding="utf-8") as file:
        file.write(line)


def reports(bench: str, count: int) -> list[str]:
    """Return the last lines of what guardians have done for a bench of this name."""
    try:
        text = (folder() / REPORTS).read_text(encoding="utf-8")
    except OSError:
        return []
    return [line for line in text.splitlines() if f" bench {bench}: " in line][-count:]
