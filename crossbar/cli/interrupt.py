"""Ctrl-C and SIGTERM: an interrupt that cannot get lost.

Python drops an exception that a signal raises inside a destructor or a callback from C, and the
work would go on. So the request is also remembered, and raised again at the next step of progress.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# One per process, because signals are.
_asked = threading.Event()


def listen() -> None:
    """Turn SIGINT and SIGTERM into KeyboardInterrupt, unless the shell has SIGINT ignored."""
    # A bench PC that shuts down leaves the bench as safe as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def check() -> None:
    """Raise KeyboardInterrupt if one was asked for and has not arrived."""
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt


def arrived() -> None:
    """Forget the request, because its KeyboardInterrupt was caught where it belongs."""
    _asked.clear()


@contextmanager
def at_bench() -> Iterator[None]:
    """Say of an interrupt that leaves the block, which opens a bench, how it leaves the bench."""
    try:
        yield
    except KeyboardInterrupt as problem:
        problem.add_note("the bench is at 0 V")
        raise


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
