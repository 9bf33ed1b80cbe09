"""What the instruments of one virtual Analog Discovery 2 share: time, configuration, triggers."""

from collections.abc import Callable
from typing import Protocol

from crossbar.backend import Second
from sim_backend.virtual.libdwf.sequencer import PC, Sequencer
from sim_backend.virtual.world import World

BASE_CLOCK = 100e6  # Hz, of waveforms, scope, patterns and logic: reference manual of the device
TICK = 1e-8  # s, one period of it

# Samples (scope, waveforms, logic) and bits (patterns) in each device configuration: pydwf's
# manual, from `pydwf list -c` on an Analog Discovery 2.
SCOPE_BUFFER = (8192, 16384, 2048, 512, 8192, 8192, 512, 8192)
WAVEFORM_BUFFER = (4096, 1024, 16384, 256, 4096, 4096, 256, 1024)
LOGIC_BUFFER = (4096, 1024, 0, 16384, 4096, 2048, 16384, 16384)
PATTERN_BUFFER = (1024, 0, 0, 16384, 1024, 256, 16384, 256)

# TRIGSRC, dwf.h
DETECTOR, DETECTOR_LOGIC, SCOPE, LOGIC, PATTERNS = 2, 3, 4, 5, 6
WAVEFORM_1, WAVEFORM_2, EXTERNAL_1, EXTERNAL_2, HIGH, LOW = 7, 8, 11, 12, 15, 16
SOURCES = (0, PC, 2, 3, 4, 5, 6, 7, 8, 11, 12)  # of an Analog Discovery 2

Edge = Callable[[int, Second], Second | None]


class Triggered(Protocol):
    """An instrument that may wait for a trigger."""

    def waiting(self) -> tuple[int, int, Second] | None:
        """Return source, slope, and from when on it counts; None if none is waited for."""
        ...

    def trigger(self, moment: Second) -> None:
        """Take the trigger."""
        ...


class Chassis:
    """Time, device configuration, and the lines on which instruments trigger each other.

    Parameters
    ----------
    world
        The bench in which the device is plugged in.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.configuration = 0
        self.auto_configure = True
        self.triggered: list[Triggered] = []
        self.edges: dict[int, Edge] = {}
        self.shown = world.clock.now
        self._last = -TICK

    @property
    def now(self) -> Second:
        """Bench time, s."""
        return self.world.clock.now

    def call(self) -> None:
        """Account for one call; two calls are never at the same moment."""
        clock = self.world.clock
        clock.call()
        if clock.now < self._last + TICK:
            clock.skip_to(self._last + TICK)
        self._last = clock.now

    def advance(self) -> None:
        """Let the bench live up to now."""
        self.world.advance()

    def skip_to(self, moment: Second) -> None:
        """Let time pass up to `moment` where time is virtual; then let the bench live up to now."""
        self.world.clock.skip_to(moment)
        self.world.advance()

    def edge(self, source: int, slope: int, after: Second) -> Second | None:
        """Return when a trigger source next has an edge; None if that is not known."""
        edge = self.edges.get(source)
        return edge(slope, after) if edge else None

    def resolve(self, until: Second) -> None:
        """Trigger every instrument whose source has an edge up to `until`."""
        settled = False
        while not settled:
            settled = True
            for each in self.triggered:
                wanted = each.waiting()
                if wanted is None:
                    continue
                moment = self.edge(*wanted)
                if moment is not None and moment <= until:
                    # What the scope finds in an interval that is over comes late for others.
                    each.trigger(max(moment, self.shown))
                    settled = False

    def poll(self, output: Sequencer) -> int:
        """Return the state of an output; let time pass first up to what is waited for."""
        self.resolve(self.now)
        wanted = output.waiting()
        if wanted is None:
            self.skip_to(output.awaited(self.now))
        elif output.polled:
            self.skip_to(self.edge(*wanted) or self.now)
        output.polled = True
        self.advance()
        self.resolve(self.now)
        return output.state(self.now)

    def trigger_by_computer(self) -> None:
        """Trigger every instrument that waits for the computer now."""
        now = self.now
        for each in self.triggered:
            wanted = each.waiting()
            if wanted is not None and wanted[0] == PC and wanted[2] <= now:
                each.trigger(now)
