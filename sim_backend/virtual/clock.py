"""Bench time of the virtual instruments: as fast as the computer, or by the wall."""

import time
from typing import Protocol

from crossbar.backend import BenchError, Second


class Clock(Protocol):
    """Bench time, shared by every instrument of one virtual bench."""

    @property
    def now(self) -> Second:
        """Bench time, s; it never runs back."""
        ...

    @property
    def calls(self) -> int:
        """Exchanges with instruments so far."""
        ...

    def call(self) -> None:
        """Account for one exchange with an instrument."""
        ...

    def sleep(self, duration: Second) -> None:
        """Let bench time pass."""
        ...

    def skip_to(self, moment: Second) -> None:
        """Let bench time pass until `moment`; nothing happens if that is over."""
        ...


class FastClock:
    """Virtual time: it passes only by exchanges, by sleeping, and by waiting for an instrument.

    Parameters
    ----------
    latency
        What one exchange takes, s.

    Raises
    ------
    BenchError
        If the latency is negative or not finite.
    """

    def __init__(self, latency: Second = 1e-3) -> None:
        if not 0 <= latency < float("inf"):
            raise BenchError(f"latency {latency} s is not finite and zero or more")
        self.latency = latency
        self.calls = 0
        self._now = 0.0

    @property
    def now(self) -> Second:
        """Virtual time since the bench was made, s."""
        return self._now

    def call(self) -> None:
        """Let the latency pass."""
        self.calls += 1
        self._now += self.latency

    def sleep(self, duration: Second) -> None:
        """Let virtual time pass; it costs none."""
        if duration > 0:
            self._now += duration

    def skip_to(self, moment: Second) -> None:
        """Move to `moment` unless it is over."""
        self._now = max(self._now, moment)


class WallClock:
    """Real time, since the bench was made."""

    def __init__(self) -> None:
        self.calls = 0
        self._start = time.monotonic()

    @property
    def now(self) -> Second:
        """Seconds since the bench was made."""
        return time.monotonic() - self._start

    def call(self) -> None:
        """Count an exchange; the time it takes, it takes."""
        self.calls += 1

    def sleep(self, duration: Second) -> None:
        """Sleep for `duration` seconds."""
        if duration > 0:
            time.sleep(duration)

    def skip_to(self, moment: Second) -> None:
        """Do nothing: real time cannot be skipped, whoever polls has to poll again."""
