"""Beats for an instrument that lets go of everything when it hears none: a thread of their own."""

import threading
import weakref
from collections.abc import Callable
from typing import Any

from crossbar.backend import Second


class Heartbeat:
    """Calls a method again and again, between `start` and `stop`, from a thread of its own.

    The thread is a daemon and knows the method's object weakly: it keeps neither the process alive
    nor an object that everybody else has forgotten.

    Parameters
    ----------
    beat
        A method that never raises.
    interval
        Between two calls, s; 0 for none at all.
    """

    def __init__(self, beat: Callable[[], None], interval: Second) -> None:
        self._beat: weakref.WeakMethod[Any] = weakref.WeakMethod(beat)
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; nothing if it has begun."""
        if self._thread is not None or self._interval == 0:
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=_beats, args=(self._beat, self._stop, self._interval), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until a call that is under way has returned."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()


def _beats(beat: "weakref.WeakMethod[Any]", stop: threading.Event, interval: Second) -> None:
    while not stop.wait(interval):
        call = beat()
        if call is None:
            return
        call()
        del call
