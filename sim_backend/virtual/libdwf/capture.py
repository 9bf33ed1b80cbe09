"""What scope and logic analyser have in common: an acquisition, its samples, and polling it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from crossbar.backend import Array, Second
from sim_backend.virtual.libdwf.acquisition import Acquisition, Inputs, Settings
from sim_backend.virtual.libdwf.chassis import BASE_CLOCK, DETECTOR, Chassis
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.memory import write
from sim_backend.virtual.libdwf.parameters import Functions
from sim_backend.virtual.libdwf.samples import Samples
from sim_backend.virtual.libdwf.sequencer import ARMED, DONE, NONE, PREFILL, READY, RUNNING

_SCAN_PART = 64  # polling a scan lets this part of its buffer pass where time is virtual


class Capture:
    """At most one acquisition at a time, as a computer sees it.

    Parameters
    ----------
    chassis
        Of the device.
    line
        The trigger source that others see when this is triggered.
    memory
        How many samples the device holds in each configuration.
    convert
        Makes samples, shape ``(2, n)``, of the voltages at both inputs.
    """

    def __init__(
        self,
        chassis: Chassis,
        line: int,
        memory: tuple[int, ...],
        convert: Callable[[tuple[Array, Array], Acquisition], Array],
    ) -> None:
        self._chassis = chassis
        self._memory = memory
        self._convert = convert
        self.acquisition: Acquisition | None = None
        self.samples: Samples | None = None
        chassis.triggered.append(self)
        chassis.edges[line] = self._edge

    def start(self, settings: Settings) -> None:
        """Begin an acquisition."""
        self.acquisition = Acquisition(settings, self._chassis.now)
        self.samples = Samples(self.acquisition, self._held)

    def stop(self) -> None:
        """Leave the acquisition; its samples stay."""
        self.acquisition = None

    def waiting(self) -> tuple[int, int, Second] | None:
        """Return source, slope, and from when on a trigger counts; None if none is waited for."""
        running = self.acquisition
        if running is None or running.triggered_at is not None:
            return None
        if running.settings.source in (NONE, DETECTOR):
            return None
        return running.settings.source, running.settings.condition, running.armed_at

    def trigger(self, moment: Second) -> None:
        """Take a trigger."""
        if self.acquisition is not None:
            self.acquisition.trigger(moment)

    def force(self) -> None:
        """Trigger now."""
        self._chassis.advance()
        running = self.acquisition
        if running is not None and running.triggered_at is None:
            running.trigger(max(self._chassis.now, running.armed_at))

    def observe(self, start: Second, end: Second, inputs: Inputs) -> None:
        """Take an interval of both inputs."""
        if self.acquisition is None or self.samples is None:
            return
        for pair in self.acquisition.observe(start, end, inputs):
            self.samples.add(self._convert(pair, self.acquisition))

    def poll(self, *, read: bool) -> int:
        """Return the state; let time pass first up to what is waited for, where it is virtual."""
        chassis, running = self._chassis, self.acquisition
        if running is not None:
            chassis.resolve(chassis.now)
            waits = running.triggered_at is None
            awaited = self._awaited_trigger if waits else self._awaited_samples
            chassis.skip_to(awaited(running))
            running.polls += 1
        chassis.advance()
        if read and self.samples is not None:
            self.samples.fetch()
        return self._state()

    def fetched(self, number: int, first: int, count: int) -> Array:
        """Return samples of an input that were read by the last poll.

        Raises
        ------
        Failure
            If there are not so many.
        """
        view = self.samples.view if self.samples is not None else np.zeros((2, 0))
        samples: Array = view[number, first : first + count] if first >= 0 else view[number, :0]
        if count < 0 or len(samples) < count:
            raise invalid(3, f"samples {first} to {first + count} asked for of {view.shape[1]}")
        return samples

    def functions(self, prefix: str) -> Functions:
        """Return the functions that tell how far it is, by name."""
        return {
            f"{prefix}StatusSamplesLeft": self._tell_left,
            f"{prefix}StatusSamplesValid": self._tell_valid,
            f"{prefix}StatusIndexWrite": self._tell_index,
            f"{prefix}StatusAutoTriggered": self._tell_automatic,
            f"{prefix}StatusRecord": self._tell_record,
            f"{prefix}StatusTime": self._tell_time,
        }

    @property
    def _held(self) -> int:
        return self._memory[self._chassis.configuration]

    def _edge(self, _slope: int, after: Second) -> Second | None:
        running = self.acquisition
        if running is None or running.triggered_at is None or running.triggered_at < after:
            return None
        return running.triggered_at

    def _awaited_trigger(self, running: Acquisition) -> Second:
        now = self._chassis.now
        if now < running.armed_at or not running.polls:
            # The first poll finds it armed, as on an instrument whose computer is quick enough.
            return running.armed_at
        if running.settings.source == DETECTOR:
            return now + running.settings.size * running.interval
        wanted = self.waiting()
        edge = self._chassis.edge(*wanted) if wanted is not None else None
        timeout = running.settings.timeout
        known = [edge] if edge is not None else []
        known += [running.armed_at + timeout] if timeout > 0 else []
        return min(known, default=now)

    def _awaited_samples(self, running: Acquisition) -> Second:
        if running.scans:
            return self._chassis.now + running.settings.size / _SCAN_PART * running.interval
        if not running.records or self.samples is None:
            return running.finish
        # A record is fetched in pieces that the memory of the device holds.
        piece = self.samples.fetched + self._held // 2
        return min(running.finish, running.begin + piece * running.interval)

    def _state(self) -> int:
        running, now = self.acquisition, self._chassis.now
        if running is None:
            return READY
        if running.triggered_at is None:
            return PREFILL if now < running.armed_at else ARMED
        taken = self.samples.taken if self.samples is not None else 0
        return DONE if taken >= running.total else RUNNING

    def _tell_left(self, count: Any) -> None:
        running, samples = self.acquisition, self.samples
        missing = 0.0
        if running is not None and samples is not None and running.total < math.inf:
            missing = running.total - samples.taken
        write(count, int(missing))

    def _tell_valid(self, count: Any) -> None:
        write(count, self.samples.valid if self.samples is not None else 0)

    def _tell_index(self, index: Any) -> None:
        write(index, self.samples.write_index if self.samples is not None else 0)

    def _tell_automatic(self, automatic: Any) -> None:
        running = self.acquisition
        write(automatic, int(running is not None and running.auto_triggered))

    def _tell_record(self, available: Any, lost: Any, corrupt: Any) -> None:
        samples = self.samples
        write(available, samples.valid if samples is not None else 0)
        write(lost, samples.lost if samples is not None else 0)
        write(corrupt, 0)

    def _tell_time(self, second: Any, tick: Any, frequency: Any) -> None:
        running = self.acquisition
        begin = running.begin if running is not None and running.begin < math.inf else 0.0
        write(second, int(begin))
        write(tick, int(begin % 1.0 * BASE_CLOCK))
        write(frequency, int(BASE_CLOCK))
