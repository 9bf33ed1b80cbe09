"""The state machine of an output: armed, waiting, running, and how often."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Second

READY, ARMED, DONE, RUNNING, CONFIG, PREFILL, WAIT = 0, 1, 2, 3, 4, 5, 7  # DwfState, dwf.h
NONE, PC = 0, 1  # TRIGSRC, dwf.h
RISE, FALL = 0, 1  # DwfTriggerSlope, dwf.h

_SAME = 1e-12  # s; moments closer than this are one: a ten-thousandth of a clock period


@dataclass(frozen=True, slots=True)
class Program:
    """What an output does once it is started.

    Parameters
    ----------
    source, slope
        What starts it.
    wait
        From the trigger, and before every repetition, s.
    run
        Length of a run, s; 0 runs for ever.
    repeat
        How many runs; 0 repeats for ever.
    repeat_trigger
        Every run needs a trigger of its own.
    """

    source: int
    slope: int
    wait: Second
    run: Second
    repeat: int
    repeat_trigger: bool

    @property
    def cycle(self) -> Second:
        """From the start of a wait to the start of the next, s."""
        return self.wait + self.run if self.run > 0 else math.inf

    @property
    def total(self) -> float:
        """How many runs there are in all."""
        return self.repeat or math.inf

    @property
    def runs(self) -> float:
        """How many runs follow one trigger."""
        return 1 if self.repeat_trigger else self.total


class Sequencer:
    """Where an output is in its program, as a function of time."""

    def __init__(self) -> None:
        self.program: Program | None = None
        self._started: Second = 0.0
        self._triggers: list[Second] = []
        self._fired = 0
        self.polled = False

    def start(self, program: Program, now: Second) -> None:
        """Begin a program; without a trigger source it is triggered at once."""
        self.program = program
        self._started = now
        self._triggers = []
        self._fired = 0
        self.polled = False
        if program.source == NONE:
            self.trigger(now)

    def stop(self) -> None:
        """Leave the program."""
        self.program = None
        self._triggers = []

    def waits_from(self) -> Second | None:
        """Return since when (or from when on) a trigger counts; None if none is waited for."""
        program = self.program
        if program is None:
            return None
        if not self._fired:
            return self._started
        if program.repeat_trigger and self._fired < program.total:
            end = self._triggers[-1] + program.cycle
            return end if end < math.inf else None
        return None

    def waiting(self) -> tuple[int, int, Second] | None:
        """Return source and slope of the trigger that is waited for, and from when on it counts."""
        since = self.waits_from()
        if since is None or self.program is None:
            return None
        return self.program.source, self.program.slope, since

    def trigger(self, moment: Second) -> None:
        """Take a trigger."""
        self._triggers.append(moment)
        self._fired += 1

    def forget(self, before: Second) -> None:
        """Forget triggers whose runs are all over; the last one stays."""
        program = self.program
        while (
            program is not None
            and len(self._triggers) > 1
            and self._triggers[0] + program.runs * program.cycle < before
        ):
            del self._triggers[0]

    def end(self) -> Second:
        """Return when the last run ends, s; infinite if it is not known or never."""
        program = self.program
        if program is None or not self._triggers or self.waits_from() is not None:
            return math.inf
        return self._triggers[-1] + program.runs * program.cycle

    def awaited(self, now: Second) -> Second:
        """Return up to when whoever polls would have to wait for something to change, s."""
        end = self.end()
        if end < math.inf:
            return end
        position = self.position(now)
        return now - min(position[1], 0.0) if position is not None else now

    def state(self, now: Second) -> int:
        """Return the state as DwfState."""
        program = self.program
        if program is None:
            return READY
        if not self._triggers or now < self._triggers[0]:
            return ARMED
        since = now - self._triggers[-1]
        if since >= program.runs * program.cycle - _SAME:
            return DONE if self.waits_from() is None else ARMED
        within = since % program.cycle if program.cycle < math.inf else since
        return WAIT if within < program.wait - _SAME else RUNNING

    def position(self, now: Second) -> tuple[int, Second] | None:
        """Return the running cycle, counted from 0, and the time within its run; None outside."""
        program = self.program
        if program is None or self.state(now) not in (RUNNING, WAIT):
            return None
        since = now - self._triggers[-1]
        cycle = int((since + _SAME) // program.cycle) if program.cycle < math.inf else 0
        return cycle, since - (cycle * program.cycle if cycle else 0.0) - program.wait

    def runs(self, start: Second, end: Second) -> Iterator[tuple[Second, Second]]:
        """Yield start and end of the runs that touch the interval, in order; ends may be inf."""
        program = self.program
        if program is None:
            return
        for trigger in self._triggers:
            if program.cycle == math.inf:
                if trigger + program.wait < end:
                    yield trigger + program.wait, math.inf
                continue
            first = max(int((start - trigger) // program.cycle), 0)
            while first < program.runs:
                begin = trigger + first * program.cycle + program.wait
                if begin >= end - _SAME:
                    break
                if begin + program.run > start + _SAME:
                    yield begin, begin + program.run
                first += 1

    def cycles(self, start: Second, end: Second) -> float:
        """Return how many runs an interval can hold."""
        return (end - start) / self.program.cycle if self.program is not None else 0.0

    def within(self, times: Array) -> Array:
        """Return the time since the last run began at each time, s; NaN outside of runs."""
        program = self.program
        if program is None or not self._triggers:
            return np.full(len(times), np.nan)
        since = times - self._triggers[-1]
        inside = np.mod(since, program.cycle) - program.wait
        over = (since < 0) | (since >= program.runs * program.cycle) | (inside < 0)
        return np.where(over, np.nan, inside)

    def edge(self, slope: int, after: Second) -> Second | None:
        """Return when it next begins (or, falling, ends) to run, at `after` or later."""
        program = self.program
        if program is None:
            return None
        for trigger in self._triggers:
            offset = program.wait if slope != FALL else program.cycle
            # Without a wait the runs follow on each other, and the signal stays high.
            count = program.runs if program.wait > 0 else 1
            if slope == FALL and program.wait <= 0:
                offset = program.runs * program.cycle
            if offset == math.inf:
                continue
            index = 0
            if program.cycle < math.inf:
                index = max(math.ceil((after - trigger - offset - _SAME) / program.cycle), 0)
            moment = trigger + offset + (index * program.cycle if index else 0.0)
            if index < count and moment >= after - _SAME:
                return moment
        return None
