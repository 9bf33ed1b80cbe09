"""What one pin of the pattern generator does, in ticks of the base clock.

References
----------
WaveForms SDK reference manual, "Digital Out": every pin has a divider (its first period may differ:
the initial divider), which clocks a counter of low and high counts, or a memory of bits.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Second
from sim_backend.virtual.libdwf.chassis import TICK
from sim_backend.virtual.libdwf.intervals import scattered

PULSE, CUSTOM = 0, 1  # DwfDigitalOutType, dwf.h
PUSH_PULL, OPEN_DRAIN, OPEN_SOURCE, THREE_STATE = 0, 1, 2, 3  # DwfDigitalOutOutput, dwf.h
IDLE_INITIAL, IDLE_LOW, IDLE_HIGH, IDLE_OPEN = 0, 1, 2, 3  # DwfDigitalOutIdle, dwf.h

Ticks = NDArray[np.int64]
Levels = NDArray[np.int32]

_MANY_EDGES = 1_000_000  # more in one interval are looked at here and there: nobody samples them


def _no_bits() -> NDArray[np.uint8]:
    return np.zeros(1, np.uint8)


@dataclass(slots=True)
class Pin:
    """Settings of one pin; counts and bits as libdwf's functions take them."""

    enable: int = 0
    output: int = PUSH_PULL
    kind: int = PULSE
    idle: int = IDLE_INITIAL
    divider_init: int = 0
    divider: int = 1
    init_high: int = 0
    init_count: int = 0
    low: int = 1
    high: int = 1
    repetition: int = 0
    bits: NDArray[np.uint8] = field(default_factory=_no_bits)

    @property
    def first(self) -> int:
        """Ticks of the first period of the divider."""
        return self.divider_init or self.divider

    @property
    def constant(self) -> int | None:
        """The level of a counter that never toggles; None if it does, or for memory."""
        if self.kind == CUSTOM or (self.low and self.high):
            return None
        return int(self.high > 0) if self.low or self.high else self.init_high

    @property
    def geometry(self) -> tuple[Any, ...]:
        """What decides where edges can be; the bits of a memory only decide which there are."""
        if self.kind == CUSTOM:
            return (CUSTOM, self.first, self.divider, len(self.bits))
        return (
            PULSE,
            self.first,
            self.divider,
            self.init_high,
            self.init_count,
            self.low,
            self.high,
        )

    def idle_level(self) -> int:
        """Return the level while it does not run."""
        if self.idle == IDLE_INITIAL:
            return int(self.bits[0]) if self.kind == CUSTOM else self.init_high
        return int(self.idle == IDLE_HIGH)

    def toggles(self) -> tuple[int, int, int]:
        """Return the tick of the first toggle, and how long the levels after and before it last."""
        # With an initial count of 0 the counter is loaded with its full count.  # assumed
        count = self.init_count or (self.high if self.init_high else self.low)
        after, before = (self.low, self.high) if self.init_high else (self.high, self.low)
        return self.first + (count - 1) * self.divider, after * self.divider, before * self.divider

    def step(self) -> int:
        """Return the mean ticks from edge to edge."""
        if self.kind == CUSTOM:
            return self.divider
        return max((self.low + self.high) * self.divider // 2, 1)

    def edges(self, start: int, end: int) -> Ticks:
        """Return the ticks in [start, end) at which the level can change."""
        if self.constant is not None:
            return np.empty(0, np.int64)
        if self.kind == CUSTOM:
            skipped = max(-(-(start - self.first) // self.divider), 0)
            return np.arange(self.first + skipped * self.divider, end, self.divider, dtype=np.int64)
        first, after, before = self.toggles()
        period = after + before
        skipped = max((start - first) // period, 0)
        odd = np.arange(first + skipped * period, end, period, dtype=np.int64)
        both = np.concatenate([odd, odd + after])
        return both[(both >= start) & (both < end)]

    def levels(self, ticks: Ticks) -> Levels:
        """Return the level at each tick."""
        constant = self.constant
        if constant is not None:
            return np.full(len(ticks), constant, np.int32)
        if self.kind == CUSTOM:
            if self.divider == 1 and self.first == 1:
                index = ticks
            else:
                index = np.maximum((ticks - self.first) // self.divider + 1, 0)
            held: Levels = self.bits[index % len(self.bits)].astype(np.int32)
            return held
        first, after, before = self.toggles()
        toggled = (ticks >= first) & ((ticks - first) % (after + before) < after)
        return (toggled ^ bool(self.init_high)).astype(np.int32)


class Run:
    """The levels of all enabled pins in a part of a run, computed anew only where they changed."""

    def __init__(self) -> None:
        self._grids: dict[Any, Ticks] = {}
        self._levels: dict[int, tuple[Any, Any, Levels]] = {}

    def changed(self, channel: int) -> None:
        """Forget what was computed of a pin."""
        self._levels.pop(channel, None)

    def steps(
        self, pins: list[tuple[int, Pin]], begin: Second, start: int, end: int
    ) -> tuple[NDArray[np.float64], Levels]:
        """Return times and levels (bit k is pin k) from tick `start` to tick `end` of a run.

        Parameters
        ----------
        pins
            Number and settings of the enabled pins.
        begin
            Bench time of tick 0, s.
        """
        key = (start, end, tuple(pin.geometry for _, pin in pins))
        grid = self._grids.get(key)
        if grid is None:
            if len(self._grids) > 8:
                self._grids.clear()
            grid = self._grids[key] = _grid([pin for _, pin in pins], start, end)
        total = np.zeros(len(grid), np.int32)
        for channel, pin in pins:
            kept = self._levels.get(channel)
            if kept is None or kept[0] is not grid or kept[1] is not pin:
                kept = self._levels[channel] = (grid, pin, pin.levels(grid) << channel)
            total |= kept[2]
        edge = np.empty(len(grid), bool)
        edge[0] = True
        np.not_equal(total[1:], total[:-1], out=edge[1:])
        return np.asarray(begin + grid[edge] * TICK, np.float64), total[edge]


def _grid(pins: list[Pin], start: int, end: int) -> Ticks:
    expected = sum((end - start) // pin.step() for pin in pins if pin.constant is None)
    if expected > _MANY_EDGES:
        return np.unique(scattered(start, end).astype(np.int64))
    return np.unique(np.concatenate([[start], *(pin.edges(start, end) for pin in pins)])).astype(
        np.int64
    )
