"""An Analog Discovery 2, virtual or the owner's, and what the scope sees of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pydwf import DwfAnalogOutFunction, DwfAnalogOutIdle, DwfAnalogOutNode, DwfTriggerSource

from crossbar.backend import Array
from instruments.analog_discovery import Acquisition, AnalogDiscovery, Trigger
from instruments.timing import Monotonic, Timer
from owner_bench import LARGEST, Place, place
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.signals import Signal, Steps, Stimulus
from sim_backend.virtual.world import Loopback, Netlist, World

SDK = "WaveForms SDK manual"
PYDWF = "pydwf 1.1.19"
MANUAL = "AD2 reference manual"

CARRIER = DwfAnalogOutNode.Carrier
HIGH = 3.3
"""Level of a digital pin, V; AD2 reference manual."""
TICK = 1e-8
"""Of the digital pins and of the fastest samples, s; AD2 reference manual."""
LOOSE = 0.03
"""What a level may be off, V; AD2 reference manual: 10 mV of offset and 0.5 % at either end."""


class Bounded:
    """A wiring that remembers the largest voltage that a generator or a supply put on it, V."""

    def __init__(self, netlist: Netlist) -> None:
        self.largest = 0.0
        self._netlist = netlist

    def __getattr__(self, name: str) -> Any:
        return getattr(self._netlist, name)

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        """Respond as the wiring does."""
        driven = [np.abs(each.value).max() for each in stimulus.waveforms]
        self.largest = max(self.largest, *driven, *map(abs, stimulus.supplies))
        return self._netlist.respond(stimulus)


class CrossedLoopback(Loopback):
    """W1 and W2 on 1+ and 2+, DIO 0 and DIO 1 on 1- and 2-: each scope input sees a difference."""

    def respond(self, stimulus: Stimulus) -> tuple[Steps, Steps]:
        """Return the differences."""
        return self._difference(stimulus, 0), self._difference(stimulus, 1)

    @staticmethod
    def _difference(stimulus: Stimulus, channel: int) -> Steps:
        waveform, pins = stimulus.waveforms[channel], stimulus.pins
        times = np.union1d(waveform.time, pins.time)
        return Steps(times, waveform.at(times) - HIGH * (pins.at(times).astype(int) >> channel & 1))


@dataclass(frozen=True, slots=True)
class Discovery:
    """An open Analog Discovery 2.

    Parameters
    ----------
    place
        Virtual or real.
    ad2
        Its driver.
    timer
        Virtual or real time.
    world
        What the virtual one is plugged into; None of a real one.
    """

    place: Place
    ad2: AnalogDiscovery
    timer: Timer
    world: World | None = None

    @property
    def device(self) -> Any:
        """The device of pydwf below the driver, for what the driver takes for granted."""
        return self.ad2._session.device

    def record(self, acquisition: Acquisition, begin: Callable[[], object] | None = None) -> Array:
        """Return a record that begins with what `begin` does."""
        self.ad2.scope(acquisition)
        self.ad2.arm()
        if begin is not None:
            begin()
        return self.ad2.record(acquisition.duration + max(acquisition.start, 0.0))

    def watch(self, duration: float, acquisition: Acquisition | None = None) -> "Seen":
        """Run the prepared patterns once; return what DIO 0 and DIO 1 did."""
        acquisition = FAST if acquisition is None else acquisition
        volts = self.record(acquisition, lambda: self.ad2.run_patterns(duration))
        return Seen(acquisition.times, -volts)


FAST = Acquisition(rate=100e6, samples=8192, span=50.0, trigger=Trigger.PATTERNS, start=-1e-6)
"""The start of a run of patterns, 10 ns a sample, 81 us long."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What two digital pins did, as the scope saw it.

    Parameters
    ----------
    times
        s after the trigger, shape ``(n,)``.
    volts
        Shape ``(2, n)``.
    threshold
        Between low and high, V.
    """

    times: Array
    volts: Array
    threshold: float = HIGH / 2

    def level(self, pin: int, time: float) -> int:
        """Return the level of a pin at a time."""
        return int(self.volts[pin][np.searchsorted(self.times, time)] > self.threshold)

    def edges(self, pin: int) -> Array:
        """Return when a pin changed, s; interpolated between samples."""
        above = self.volts[pin] - self.threshold
        k = np.flatnonzero(np.diff(above > 0))
        part = above[k] / (above[k] - above[k + 1])
        edges: Array = self.times[k] + part * (self.times[k + 1] - self.times[k])
        return edges


@contextmanager
def discovery(
    request: pytest.FixtureRequest, needs: str, netlist: Callable[[], Netlist] = CrossedLoopback
) -> Iterator[Discovery]:
    """Open an Analog Discovery 2, virtual or the owner's; it needs this wiring."""
    where = place(request, needs)
    if where.real:
        table = where.tables.get("ad2", {})
        with AnalogDiscovery(table.get("serial") or None) as ad2:
            yield _quiet(Discovery(where, ad2, Monotonic()))
        return
    clock = FastClock()
    bounded = Bounded(netlist())
    world = World(clock, bounded)
    with mounted(VirtualDiscovery(world)), AnalogDiscovery(timer=clock) as ad2:
        yield _quiet(Discovery(where, ad2, clock, world))
    assert bounded.largest <= LARGEST


def _quiet(opened: Discovery) -> Discovery:
    if opened.place.wired == "pins":
        # 1- and 2- hang on DIO 0 and 1: low is the ground that the scope measures against.
        opened.ad2.pins(0b11, 0)
    return opened


def load_waveform(
    opened: Discovery,
    samples: list[float],
    interval: float,
    amplitude: float = 1.0,
    offset: float = 0.0,
    channel: int = 0,
) -> None:
    """Set a waveform up below the driver; it runs once when it is started."""
    out = opened.device.analogOut
    out.nodeEnableSet(channel, CARRIER, 1)
    out.nodeFunctionSet(channel, CARRIER, DwfAnalogOutFunction.Custom)
    out.nodeDataSet(channel, CARRIER, np.array(samples))
    out.nodeFrequencySet(channel, CARRIER, 1 / (len(samples) * interval))
    out.nodeAmplitudeSet(channel, CARRIER, amplitude)
    out.nodeOffsetSet(channel, CARRIER, offset)
    out.triggerSourceSet(channel, DwfTriggerSource.None_)
    out.runSet(channel, len(samples) * interval)
    out.repeatSet(channel, 1)
    out.idleSet(channel, DwfAnalogOutIdle.Offset)


def played(opened: Discovery, acquisition: Acquisition) -> Array:
    """Start the generators and return what scope 1 sees, V; the record is triggered by W1."""
    out = opened.device.analogOut
    seen: Array = opened.record(acquisition, lambda: out.configure(-1, 1))[0]
    return seen


def watch_w1(rate: float, samples: int, start: float = 0.0) -> Acquisition:
    return Acquisition(rate, samples, trigger=Trigger.W1, start=start, channels=(0,))


def crossing(times: Array, volts: Array, level: float) -> float:
    """Return when a record first rises through a level, s."""
    k = int(np.argmax(volts > level))
    part = (level - volts[k - 1]) / (volts[k] - volts[k - 1])
    return float(times[k - 1] + part * (times[k] - times[k - 1]))
