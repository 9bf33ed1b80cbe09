"""The pattern generator: 16 pins that play pulses and stored bits."""

import math
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Second
from sim_backend.virtual.libdwf.chassis import (
    BASE_CLOCK,
    PATTERN_BUFFER,
    PATTERNS,
    SOURCES,
    TICK,
    Chassis,
)
from sim_backend.virtual.libdwf.failure import invalid
from sim_backend.virtual.libdwf.intervals import joined, scattered
from sim_backend.virtual.libdwf.memory import read_array, write
from sim_backend.virtual.libdwf.parameters import (
    Functions,
    Parameter,
    bit_set,
    constants,
    functions,
    named,
)
from sim_backend.virtual.libdwf.pattern import (
    CUSTOM,
    IDLE_OPEN,
    PULSE,
    THREE_STATE,
    Pin,
    Run,
)
from sim_backend.virtual.libdwf.sequencer import Program, Sequencer
from sim_backend.virtual.signals import Steps

PINS = 16
_MANY_RUNS = 5000  # more in one interval are looked at on a coarse grid: nobody samples them
_DIVIDER = (1, 0x7FFFFFFF)  # assumed
_COUNTER = (0, 0x7FFF)  # assumed
_LONGEST = (2**47 - 1) * TICK  # s; the run counter has 48 bits, by pydwf's pulse playback example


class Settings:
    """Settings of the whole generator."""

    source = 0
    slope = 0
    wait = 0.0
    run = 0.0
    repeat = 0
    repeat_trigger = 0


_GENERATOR = (
    Parameter("DigitalOutTriggerSource", "source", choices=SOURCES),
    Parameter("DigitalOutTriggerSlope", "slope", choices=(0, 1, 2)),
    Parameter("DigitalOutRun", "run", limits=(0.0, _LONGEST)),
    Parameter("DigitalOutWait", "wait", limits=(0.0, _LONGEST)),
    Parameter("DigitalOutRepeat", "repeat", limits=(0, 0x7FFF)),
    Parameter("DigitalOutRepeatTrigger", "repeat_trigger", limits=(0, 1)),
)
_PIN = (
    Parameter("DigitalOutEnable", "enable", limits=(0, 1)),
    Parameter("DigitalOutOutput", "output", choices=(0, 1, 2, 3)),
    Parameter("DigitalOutType", "kind", choices=(PULSE, CUSTOM)),
    Parameter("DigitalOutIdle", "idle", choices=(0, 1, 2, 3)),
    Parameter("DigitalOutDividerInit", "divider_init", limits=(0, _DIVIDER[1])),
    Parameter("DigitalOutDivider", "divider", limits=_DIVIDER),
    Parameter("DigitalOutRepetition", "repetition", limits=(0, 0x7FFF)),
)


class DigitalOut:
    """The pattern generator."""

    def __init__(self, chassis: Chassis) -> None:
        self._chassis = chassis
        self.sequencer = Sequencer()
        self._run = Run()
        self._reset()
        chassis.triggered.append(self.sequencer)
        chassis.edges[PATTERNS] = self.sequencer.edge

    def functions(self) -> Functions:
        """Return its functions by name."""
        made = functions(_GENERATOR, self._whole, lambda: self._changed(None))
        made |= functions(_PIN, self._pin, self._changed)
        made["FDwfDigitalOutTriggerSourceInfo"] = constants(bit_set(SOURCES))
        made["FDwfDigitalOutInternalClockInfo"] = constants(BASE_CLOCK)
        made["FDwfDigitalOutCount"] = constants(PINS)
        made["FDwfDigitalOutCounterInfo"] = constants(*_COUNTER)
        made["FDwfDigitalOutRepetitionInfo"] = constants(0x7FFF)
        made |= named(self)
        return made

    def reset(self) -> None:
        """Stop, and forget all settings."""
        self._chassis.advance()
        self._reset()

    def stop(self) -> None:
        """Stop, and keep the settings."""
        self._chassis.advance()
        self.sequencer.stop()

    def levels(self, start: Second, end: Second) -> tuple[Steps, int]:
        """Return the levels of its pins in an interval, and which pins it drives."""
        driven = [(k, pin) for k, pin in enumerate(self._applied) if pin.enable]
        mask = bit_set(k for k, pin in driven if self._drives(pin))
        idle = sum(pin.idle_level() << k for k, pin in driven)
        pieces: list[tuple[NDArray[np.float64], NDArray[Any]]] = []
        cursor = start
        self.sequencer.forget(start)
        if driven and self.sequencer.cycles(start, end) > _MANY_RUNS:
            return self._coarse(driven, idle, start, end), mask
        for begin, finish in self.sequencer.runs(start, end) if driven else ():
            if begin > cursor:
                pieces.append((np.array([cursor]), np.array([idle], np.int32)))
                cursor = begin
            first = max(math.floor((cursor - begin) / TICK + 1e-3), 0)
            last = math.ceil((min(finish, end) - begin) / TICK - 1e-3)
            if last > first:
                times, values = self._run.steps(driven, begin, first, last)
                times[0] = cursor
                pieces.append((times, values))
            cursor = min(finish, end)
        if cursor < end or not pieces:
            pieces.append((np.array([cursor]), np.array([idle], np.int32)))
        return joined(pieces), mask

    def _coarse(
        self, driven: list[tuple[int, Pin]], idle: int, start: Second, end: Second
    ) -> Steps:
        """Return the levels at so many moments of an interval that nobody samples."""
        times = scattered(start, end)
        within = self.sequencer.within(times)
        ticks = np.nan_to_num(within / TICK).astype(np.int64)
        running = np.zeros(len(times), np.int32)
        for channel, pin in driven:
            running |= pin.levels(ticks) << channel
        return Steps(times, np.where(np.isnan(within), idle, running))

    def _drives(self, pin: Pin) -> bool:
        # A pin with three states, or that is left open while idle, is taken as open or driven for
        # all of the interval: the wiring only knows levels.
        if pin.output == THREE_STATE:
            return False
        return pin.idle != IDLE_OPEN or self.sequencer.program is not None

    def _reset(self) -> None:
        self._settings = Settings()
        self._pending = [Pin() for _ in range(PINS)]
        self._applied = [copy(pin) for pin in self._pending]
        self._dirty: set[int] = set()
        self.sequencer.stop()

    def _whole(self) -> list[Settings]:
        return [self._settings]

    def _pin(self, channel: int) -> list[Pin]:
        if not 0 <= channel < PINS:
            raise invalid(1, f"there is no pin {channel}, only 0 to {PINS - 1}")
        return [self._pending[channel]]

    def _changed(self, channel: int | None) -> None:
        if channel is not None:
            self._dirty.add(channel)
        if self._chassis.auto_configure and self._dirty:
            self._chassis.advance()
            self._apply()

    def _apply(self) -> None:
        for channel in self._dirty:
            self._applied[channel] = copy(self._pending[channel])
            self._run.changed(channel)
        self._dirty.clear()

    def FDwfDigitalOutReset(self) -> None:
        """Stop and forget all settings."""
        self.reset()

    def FDwfDigitalOutConfigure(self, start: int) -> None:
        """Take the settings, and start or stop."""
        self._chassis.advance()
        self._apply()
        wanted = self._settings
        if not start:
            self.sequencer.stop()
            return
        run = round(wanted.run / TICK) * TICK
        wait = round(wanted.wait / TICK) * TICK
        program = Program(
            wanted.source, wanted.slope, wait, run, wanted.repeat, bool(wanted.repeat_trigger)
        )
        self.sequencer.start(program, self._chassis.now)

    def FDwfDigitalOutStatus(self, state: Any) -> None:
        """Tell the state; a run that will end is waited for."""
        write(state, self._chassis.poll(self.sequencer))

    def FDwfDigitalOutRunStatus(self, ticks: Any) -> None:
        """Tell the ticks that are left of this run; all ones (48 bits) outside of runs."""
        position = self.sequencer.position(self._chassis.now)
        program = self.sequencer.program
        left = 2.0**48 - 1
        if position is not None and program is not None and program.run > 0:
            left = float(round((program.run - max(position[1], 0.0)) / TICK))
        write(ticks, left)

    def FDwfDigitalOutRepeatStatus(self, count: Any) -> None:
        """Tell how many runs are left; 65535 outside of runs."""
        position = self.sequencer.position(self._chassis.now)
        program = self.sequencer.program
        left = 0xFFFF
        if position is not None and program is not None:
            left = max(program.repeat - position[0] - 1, 0)
        write(count, left)

    def FDwfDigitalOutOutputInfo(self, channel: int, outputs: Any) -> None:
        """Tell which kinds of output a pin can be."""
        self._pin(channel)
        write(outputs, bit_set((0, 1, 2, 3)))

    def FDwfDigitalOutDataInfo(self, channel: int, bits: Any) -> None:
        """Tell how many bits a pin can store."""
        self._pin(channel)
        write(bits, PATTERN_BUFFER[self._chassis.configuration])

    def FDwfDigitalOutDataSet(self, channel: int, data: Any, count: int) -> None:
        """Store the bits of a pin, the first in the lowest bit of the first byte."""
        pin = self._pin(channel)[0]
        most = PATTERN_BUFFER[self._chassis.configuration]
        if not 0 < count <= most:
            raise invalid(3, f"countOfBits {count} is not in 1 to {most}, the buffer of a pin")
        octets = read_array(data, -(-count // 8), np.uint8)
        pin.bits = np.unpackbits(octets, count=count, bitorder="little")
        self._changed(channel)

    def FDwfDigitalOutCounterSet(self, channel: int, low: int, high: int) -> None:
        """Set for how many counts a pin is low and high."""
        pin = self._pin(channel)[0]
        if max(low, high) > _COUNTER[1]:
            raise invalid(2, f"counts of {low} low and {high} high exceed {_COUNTER[1]}")
        pin.low, pin.high = low, high
        self._changed(channel)

    def FDwfDigitalOutCounterGet(self, channel: int, low: Any, high: Any) -> None:
        """Tell for how many counts a pin is low and high."""
        pin = self._pin(channel)[0]
        write(low, pin.low)
        write(high, pin.high)

    def FDwfDigitalOutCounterInitSet(self, channel: int, high: int, count: int) -> None:
        """Set the first level of a pin, and for how many counts it holds."""
        pin = self._pin(channel)[0]
        pin.init_high, pin.init_count = int(bool(high)), min(count, _COUNTER[1])
        self._changed(channel)

    def FDwfDigitalOutCounterInitGet(self, channel: int, high: Any, count: Any) -> None:
        """Tell the first level of a pin, and for how many counts it holds."""
        pin = self._pin(channel)[0]
        write(high, pin.init_high)
        write(count, pin.init_count)
