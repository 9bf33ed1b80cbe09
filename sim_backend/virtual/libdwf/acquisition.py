"""One acquisition of the scope: which samples it takes, and when."""

import math
from dataclasses import dataclass, field

import numpy as np

from crossbar.backend import Array, Second
from sim_backend.virtual.libdwf.chassis import BASE_CLOCK, DETECTOR
from sim_backend.virtual.libdwf.sequencer import FALL, NONE
from sim_backend.virtual.signals import Signal, Steps

SINGLE, SCAN_SHIFT, SCAN_SCREEN, RECORD, OVERSAMPLED, SINGLE_1 = 0, 1, 2, 3, 4, 5  # ACQMODE, dwf.h
DECIMATE, AVERAGE = 0, 1  # FILTER, dwf.h

_SUBSAMPLES = 4  # of a signal that is not made of steps, where it is averaged
_DETECTED = 100_000  # points at which an interval is searched for the trigger level, at most
_SAME = 1e-6  # of a sample; rounding of times

Inputs = tuple[Signal, Signal]


@dataclass(slots=True)
class Channel:
    """Settings of one scope channel, as libdwf's functions take them."""

    enable: int = 1
    filter: int = DECIMATE
    range: float = 5.0
    offset: float = 0.0
    attenuation: float = 1.0
    bandwidth: float = 0.0
    impedance: float = 1e6
    coupling: int = 0


@dataclass(slots=True)
class Settings:
    """Settings of the scope, as libdwf's functions take them."""

    frequency: float = BASE_CLOCK
    size: int = 8192
    noise_size: int = 0
    mode: int = SINGLE
    length: float = 0.0
    source: int = NONE
    position: float = 0.0
    timeout: float = 0.0
    hold_off: float = 0.0
    kind: int = 0
    channel: int = 0
    filter: int = 0
    level: float = 0.0
    hysteresis: float = 0.01
    condition: int = 0
    pulse_length: float = 0.0
    length_condition: int = 0
    sampling_source: int = 0
    sampling_slope: int = 0
    sampling_delay: float = 0.0
    counter: float = 0.0
    channels: tuple[Channel, Channel] = field(default_factory=lambda: (Channel(), Channel()))


class Acquisition:
    """The samples of both channels, from the start of an acquisition on.

    Parameters
    ----------
    settings
        Those that were in force when it was started.
    now
        When it was started, s.
    """

    def __init__(self, settings: Settings, now: Second) -> None:
        self.settings = settings
        self.interval = 1.0 / settings.frequency
        self.scans = settings.mode in (SCAN_SHIFT, SCAN_SCREEN)
        self.records = settings.mode == RECORD
        self.total: float = settings.size
        if self.scans:
            self.total = math.inf
        elif self.records:
            self.total = round(settings.length * settings.frequency) or math.inf
        self._shift = settings.position
        if not self.records:
            # The position is that of the middle of the buffer.
            self._shift -= 0.5 * settings.size * self.interval
        self.armed_at = now + max(-self._shift, 0.0)
        self.triggered_at: Second | None = None
        self.auto_triggered = False
        self.begin: Second = math.inf
        self.polls = 0
        self._history: list[tuple[Second, Second, Inputs]] = []
        self._filled = 0
        self._ready = False
        if settings.source == NONE or self.scans:
            self.triggered_at = self.begin = now

    @property
    def finish(self) -> Second:
        """When the last sample is complete, s; infinite before the trigger, or if it never is."""
        return self.begin + self.total * self.interval

    @property
    def first_sample(self) -> Second:
        """Time of the first sample after the trigger, s."""
        return self.begin - (self.triggered_at or 0.0) if self.triggered_at is not None else 0.0

    def trigger(self, moment: Second) -> None:
        """Take the trigger."""
        self.triggered_at = moment
        self.begin = moment + self._shift

    def observe(self, start: Second, end: Second, inputs: Inputs) -> list[tuple[Array, Array]]:
        """Take an interval of the inputs; return the new samples of both channels, V, in pieces."""
        self._history.append((start, end, inputs))
        if self.triggered_at is None:
            self._detect(start, end, inputs)
        taken = self._collect(end) if self.triggered_at is not None else []
        needed = self._next() if self.triggered_at is not None else end + min(self._shift, 0.0)
        self._history = [piece for piece in self._history if piece[1] > needed]
        return taken

    def _next(self) -> Second:
        return self.begin + self._filled * self.interval

    def _detect(self, start: Second, end: Second, inputs: Inputs) -> None:
        wanted = self.settings
        since = max(start, self.armed_at)
        if wanted.source == DETECTOR and since < end:
            count = int(np.clip((end - since) / self.interval, 2, _DETECTED))
            times = np.linspace(since, end, count)
            moment = self._crossing(times, inputs[wanted.channel].at(times))
            if moment is not None:
                self.trigger(moment)
                return
        if wanted.timeout > 0 and end >= self.armed_at + wanted.timeout:
            self.auto_triggered = True
            self.trigger(self.armed_at + wanted.timeout)

    def _crossing(self, times: Array, values: Array) -> Second | None:
        wanted = self.settings
        sign = -1.0 if wanted.condition == FALL else 1.0
        over = sign * (values - wanted.level)
        if wanted.condition not in (0, FALL):
            over = np.where(over[0] > 0, -over, over)
        # The signal must have been below the level by the hysteresis before it counts as crossing.
        below = np.flatnonzero(over < -wanted.hysteresis)
        first = 0 if self._ready else int(below[0]) if len(below) else len(over)
        above = np.flatnonzero(over[first:] >= 0)
        if len(below):
            self._ready = True
        if not len(above):
            return None
        return float(times[first + above[0]])

    def _collect(self, end: Second) -> list[tuple[Array, Array]]:
        """Take the samples that are complete at `end` out of the intervals in which they lie."""
        complete = min(math.floor((end - self.begin) / self.interval + _SAME), self.total)
        first = self._filled
        if self.scans:
            first = max(first, int(complete) - self.settings.size)
        last = int(complete)
        if last <= first:
            return []
        self._filled = last
        times = self.begin + np.arange(first, last, dtype=np.float64) * self.interval
        if len(self._history) == 1:
            return [self._samples(times, self._history[0][2])]
        ends = [piece[1] for piece in self._history[:-1]]
        cuts = [0, *np.searchsorted(times, np.asarray(ends) - 1e-12), len(times)]
        return [
            self._samples(times[low:high], piece[2])
            for low, high, piece in zip(cuts[:-1], cuts[1:], self._history, strict=True)
            if high > low
        ]

    def _samples(self, times: Array, inputs: Inputs) -> tuple[Array, Array]:
        first, second = (
            self._sampled(channel, signal, times)
            for channel, signal in zip(self.settings.channels, inputs, strict=True)
        )
        return first, second

    def _sampled(self, channel: Channel, signal: Signal, times: Array) -> Array:
        if not channel.enable:
            return np.zeros(len(times))
        if channel.filter == DECIMATE or self.interval <= 1.0 / BASE_CLOCK:
            return signal.at(times)
        if isinstance(signal, Steps):
            return _mean_of_steps(signal, times, self.interval)
        parts = (np.arange(_SUBSAMPLES) + 0.5) * (self.interval / _SUBSAMPLES)
        spread = (times[:, None] + parts).ravel()
        averaged: Array = signal.at(spread).reshape(-1, _SUBSAMPLES).mean(axis=1)
        return averaged


def _mean_of_steps(signal: Steps, times: Array, interval: Second) -> Array:
    """Return the mean of a signal of steps over the interval after each time."""
    if len(signal.time) == 1:
        return np.full(len(times), float(signal.value[0]))
    since = signal.time - signal.time[0]
    area = np.concatenate([[0.0], np.cumsum(np.diff(since) * signal.value[:-1])])
    edges = np.append(times, times[-1] + interval) - signal.time[0]
    after = edges > since[-1]
    total = np.interp(edges, since, area)
    total[after] += (edges[after] - since[-1]) * signal.value[-1]
    mean: Array = np.diff(total) / interval
    return mean
