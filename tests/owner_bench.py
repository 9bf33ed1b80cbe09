"""What the tests for owners share: the table of assumptions, and instruments to try them on.

Every such test runs on virtual instruments, and once more on the owner's when ``--bench`` names a
bench file of kind "hardware" and ``--wired`` says what hangs on them instead of the crossbar. What
cannot run there is skipped, and says why. docs/owner-tests.md is the page for owners.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from pyvisa.highlevel import VisaLibraryBase

from crossbar.backend import Array
from crossbar.bench import load
from instruments.analog_discovery import Acquisition, AnalogDiscovery, Trigger
from instruments.timing import Monotonic, Timer
from instruments.visa import Link
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.signals import Signal, Steps, Stimulus
from sim_backend.virtual.world import Loopback, Netlist, World

PAGE = Path(__file__).parents[1] / "docs" / "owner-tests.md"
LARGEST = 1.0
"""What no test puts on an owner's wires more of, V; held to on virtual instruments."""
HIGH = 3.3
"""Level of a digital pin, V; AD2 reference manual."""

INCLUDES = {
    "nothing": ("nothing",),
    "loopback": ("nothing", "loopback"),
    "pins": ("nothing", "loopback", "pins"),
    "dac": ("dac",),
    "relays": ("relays",),
}
"""What tests may run on each thing that ``--wired`` names."""

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Assumption:
    """A row of the page.

    Parameters
    ----------
    what
        Is assumed.
    source
        Where that comes from.
    sure
        ``documented``, ``seen`` (in other people's code), ``remembered``, or ``guessed``.
    """

    what: str
    source: str
    sure: str


TABLE: dict[str, dict[str, Assumption]] = {}
"""Assumptions by test module and test."""


def assumes(what: str, source: str, sure: str) -> Callable[[Test], Test]:
    """Enter a test into the table."""
    assert sure in ("documented", "seen", "remembered", "guessed")

    def enter(test: Test) -> Test:
        TABLE.setdefault(test.__module__, {})[test.__name__] = Assumption(what, source, sure)
        return test

    return enter


def check_page(module: str) -> None:
    """Fail unless the page has exactly the rows of a test module, in its order."""
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition(f"(`tests/{module}.py`)")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `test_.*\|$", section, flags=re.MULTILINE)
    wanted = [f"| `{n}` | {a.what} | {a.source} | {a.sure} |" for n, a in TABLE[module].items()]
    assert rows == wanted


def choose_places(metafunc: pytest.Metafunc, *fixtures: str) -> None:
    """Let a test that uses one of these fixtures run on virtual instruments, and on the owner's."""
    places = ["virtual"] if metafunc.config.getoption("--bench") is None else ["virtual", "bench"]
    for fixture in fixtures:
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, places, indirect=True)


def say_what_is_not_tried(request: pytest.FixtureRequest) -> None:
    """Skip, where a whole module ran on virtual instruments only."""
    if request.config.getoption("--bench") is None:
        pytest.skip("no instruments of yours: pytest --bench lab.toml (docs/owner-tests.md)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test runs.

    Parameters
    ----------
    real
        False on virtual instruments.
    wired
        What hangs on the Analog Discovery 2, a key of `INCLUDES`.
    tables
        The owner's bench file; empty on virtual instruments.
    properties
        Of the test's report.
    """

    real: bool
    wired: str
    tables: Mapping[str, Any]
    properties: list[tuple[str, object]]

    def note(self, what: str) -> None:
        """Keep a measured number for the owner's report."""
        if self.real:
            self.properties.append(("measured", what))


def place(request: pytest.FixtureRequest, needs: str | None) -> Place:
    """Return where the test runs; the fixture's parameter says which of the two.

    Parameters
    ----------
    request
        Of the fixture.
    needs
        What has to hang on the Analog Discovery 2; None if the test does not use it.
    """
    properties = request.node.user_properties
    if request.param == "virtual":
        return Place(real=False, wired="pins", tables={}, properties=properties)
    bench, wired = request.config.getoption("--bench"), request.config.getoption("--wired")
    description = load(bench)
    if description.kind != "hardware":
        pytest.skip(f"bench {bench} is of kind {description.kind}: it has no instruments of yours")
    if wired is None:
        pytest.skip("disconnect the crossbar, then say what is connected instead: --wired")
    if needs is not None and needs not in INCLUDES[wired]:
        pytest.skip(f"needs --wired {needs}; connected is: {wired}")
    return Place(real=True, wired=wired, tables=description.tables, properties=properties)


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


@dataclass(frozen=True, slots=True)
class Meter:
    """An open source meter.

    Parameters
    ----------
    place
        Virtual or real.
    link
        The way to it; below the driver, which would refuse much of what is tried here.
    timer
        Virtual or real time.
    resistor
        Between its terminals, ohm; None if they are open.
    measure_query
        True if MEAS? may be sent to a real one.
    library
        VISA library through which the link goes.
    """

    place: Place
    link: Link
    timer: Timer
    resistor: float | None
    measure_query: bool = False
    library: str | VisaLibraryBase = ""

    @contextmanager
    def handed_over(self) -> Iterator[str]:
        """Leave the instrument to a driver for a block; yield its VISA address."""
        self.link.close()
        try:
            yield self.link.name
        finally:
            self.link.open()

    def tell(self, *commands: str) -> None:
        """Send commands."""
        for command in commands:
            self.link.write(command)

    def ask(self, question: str, expected: float = 0.0) -> str:
        """Return the reply to a question."""
        return self.link.ask(question, expected)

    def numbers(self, question: str, expected: float = 0.0) -> list[float]:
        """Return the numbers of a reply."""
        return [float(part) for part in self.ask(question, expected).split(",")]

    def number(self, question: str, expected: float = 0.0) -> float:
        """Return a reply that is one number."""
        (only,) = self.numbers(question, expected)
        return only

    def resistance(self, below: float = float("inf")) -> float:
        """Return the resistor between the terminals, ohm; skip the test without a fitting one."""
        if self.resistor is None or not self.resistor < below:
            pytest.skip(f"needs a resistor below {below:g} ohm between the terminals: --resistor")
        return self.resistor
