"""One channel of the waveform generator."""

from copy import copy

import numpy as np

from crossbar.backend import Array, Second, Volt
from sim_backend.virtual.libdwf.intervals import joined, scattered
from sim_backend.virtual.libdwf.sequencer import Sequencer
from sim_backend.virtual.libdwf.waveform import PLAY, Node, Stream, modulated, steps
from sim_backend.virtual.signals import Steps

IDLE_OFF, IDLE_OFFSET, IDLE_INITIAL = 0, 1, 2  # DwfAnalogOutIdle, dwf.h
CARRIER = 0  # AnalogOutNode, dwf.h; then frequency and amplitude modulation
_MANY_STEPS = 500_000  # of repeated runs in one interval; more are looked at here and there


class Settings:
    """Settings of a channel, as libdwf's functions take them."""

    source = 0
    slope = 0
    run = 0.0
    wait = 0.0
    repeat = 0
    repeat_trigger = 0
    limitation = 0.0
    mode = 0
    idle = IDLE_OFF
    custom_modulation = 0

    def __init__(self, master: int) -> None:
        self.master = master
        self.nodes = (Node(), Node(amplitude=0.0), Node(amplitude=0.0))

    def copied(self) -> "Settings":
        """Return a copy that later changes leave alone."""
        settings = copy(self)
        carrier, frequency, amplitude = self.nodes
        settings.nodes = (copy(carrier), copy(frequency), copy(amplitude))
        return settings


class Channel:
    """One channel: settings as they are edited, those in force, and where it is in its program.

    Parameters
    ----------
    number
        Counted from 0.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.sequencer = Sequencer()
        self.stream = Stream()
        self.reset()

    def reset(self) -> None:
        """Stop, and forget all settings."""
        self.pending = Settings(self.number)
        self.applied = self.pending.copied()
        self.sequencer.stop()

    def idle_value(self) -> Volt:
        """Return what it puts out while it does not run, V."""
        carrier = self.applied.nodes[CARRIER]
        if self.applied.idle == IDLE_OFF or not carrier.enable:
            return 0.0
        if self.applied.idle == IDLE_OFFSET or carrier.function == PLAY:
            return carrier.offset
        return float(carrier.at(np.zeros(1))[0])

    def signal(self, sequencer: Sequencer, start: Second, end: Second) -> Steps:
        """Return what it puts out in an interval under a program, before the converter, V."""
        steps_shown = sequencer.cycles(start, end) * self._steps_of_run(sequencer)
        if steps_shown > _MANY_STEPS and self.applied.nodes[CARRIER].function != PLAY:
            return self._coarse(sequencer, start, end)
        return self._exact(sequencer, start, end)

    def _run_values(self, begin: Second, start: Second, end: Second) -> tuple[Array, Array]:
        carrier, frequency, amplitude = nodes = self.applied.nodes
        if carrier.function == PLAY and carrier.enable:
            times, values = self.stream.steps(carrier.frequency, start, end)
            return times, carrier.offset + carrier.amplitude * values
        if frequency.enable or amplitude.enable:
            return modulated(nodes, begin, start, end)
        return steps(carrier, begin, start, end)

    def _steps_of_run(self, sequencer: Sequencer) -> float:
        carrier, program = self.applied.nodes[CARRIER], sequencer.program
        if program is None or not program.run:
            return 1.0
        return max(program.run * carrier.frequency * len(carrier.data), 1.0)

    def _exact(self, sequencer: Sequencer, start: Second, end: Second) -> Steps:
        idle = np.array([self.idle_value()])
        pieces: list[tuple[Array, Array]] = []
        cursor = start
        for begin, finish in sequencer.runs(start, end):
            if begin > cursor:
                pieces.append((np.array([cursor]), idle))
                cursor = begin
            stop = min(finish, end)
            pieces.append(self._run_values(begin, cursor, stop))
            cursor = stop
        if cursor < end or not pieces:
            pieces.append((np.array([cursor]), idle))
        return joined(pieces)

    def _coarse(self, sequencer: Sequencer, start: Second, end: Second) -> Steps:
        """Return an interval of so many runs that nobody samples it; without modulation."""
        times = scattered(start, end)
        within = sequencer.within(times)
        carrier = self.applied.nodes[CARRIER]
        running = carrier.at(np.nan_to_num(within) * carrier.frequency)
        return Steps(times, np.where(np.isnan(within), self.idle_value(), running))
