"""Time as drivers see it: an argument, so that a rehearsal is quicker than the experiment."""

import time
from typing import Protocol

from crossbar.backend import Second


class Timer(Protocol):
    """A clock that can be read and slept by."""

    @property
    def now(self) -> Second:
        """Seconds since some fixed moment; never runs back."""
        ...

    def sleep(self, duration: Second) -> None:
        """Return after `duration` seconds; at once if it is zero or less."""
        ...


class Monotonic:
    """The computer's own clock."""

    @property
    def now(self) -> Second:
        """Seconds of the monotonic clock."""
        return time.monotonic()

    def sleep(self, duration: Second) -> None:
        """Sleep for `duration` seconds."""
        if duration > 0:
            time.sleep(duration)
