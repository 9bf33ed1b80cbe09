"""A virtual bench as a whole: the clock, the wiring, and the instruments that are plugged in."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, field
from types import MappingProxyType, TracebackType

import numpy as np

from crossbar.backend import BenchError, Second, Volt
from sim_backend.settings import SimulationSettings
from sim_backend.virtual import visa
from sim_backend.virtual.clock import Clock, FastClock, WallClock
from sim_backend.virtual.faults import Faults
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.imperfections import Imperfections
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.ltc2668 import MIDDLE
from sim_backend.virtual.netlist_switched import RELAY
from sim_backend.virtual.netlists import NETLISTS, ArrayNetlist
from sim_backend.virtual.servers import PtyServer, TcpServer
from sim_backend.virtual.switch_board import VirtualSwitchBoard
from sim_backend.virtual.trouble import Trouble, TroubledDiscovery
from sim_backend.virtual.visa import Instrument
from sim_backend.virtual.witness import Witness
from sim_backend.virtual.world import Terminals, World

CLOCKS = ("fast", "wall")
EXACT: Volt = 1e-9
"""Below it a generator is at 0 V."""
METER, BOARD = "keithley", "switch_board"
METERS: Mapping[str, Callable[[Terminals, Clock], Instrument]] = MappingProxyType(
    {"6487": Virtual6487, "2400": Virtual2400}
)
"""What stands in for each source meter."""


@dataclass(frozen=True, slots=True)
class ScopeFaults:
    """What the scope of the virtual Analog Discovery 2 adds to the truth.

    Parameters
    ----------
    noise
        Of one sample at the full rate, V rms.
    offset
        Standard deviation of the two inputs' offsets, V.
    bandwidth
        Of the inputs, first order, Hz.

    Raises
    ------
    BenchError
        If a number is negative, or the bandwidth zero.
    """

    noise: Volt = 1e-3  # assumed
    offset: Volt = 2e-3  # assumed
    bandwidth: float = 30e6  # Analog Discovery 2 reference manual, with its BNC adapter

    def __post_init__(self) -> None:
        if not (min(self.noise, self.offset) >= 0 and self.bandwidth > 0):
            raise BenchError("noise and offset are zero or more, the bandwidth above zero")


@dataclass(frozen=True, slots=True)
class SourceMeterSlot:
    """A source meter that is plugged in, its terminals on the wiring's relay.

    Parameters
    ----------
    model
        ``6487`` or ``2400``.
    resource
        VISA address at which it answers.

    Raises
    ------
    BenchError
        If there is no such model.
    """

    model: str
    resource: str

    def __post_init__(self) -> None:
        if self.model not in METERS:
            raise BenchError(f"model = {self.model!r} is not one of {', '.join(METERS)}")


@dataclass(frozen=True, slots=True)
class VirtualSettings:
    """Everything that a virtual bench is made of.

    Parameters
    ----------
    simulation
        The array, its cells and the spread of the amplifiers.
    netlist
        A name in `sim_backend.virtual.netlists.NETLISTS`.
    clock
        ``fast`` or ``wall``.
    latency
        What one call of an instrument's library takes by the fast clock, s.
    scope
        What the scope adds.
    source_meter
        A Keithley, if there is one.
    switch_board
        True if there is a switch board, on a pseudo-terminal.
    host
        Socket of the process that the instruments live in; None if it is the drivers' own.
    witness
        True if somebody watches every terminal; see `sim_backend.virtual.witness`.

    Raises
    ------
    BenchError
        If there is no such netlist or clock, or the latency is impossible.
    """

    simulation: SimulationSettings
    netlist: str
    clock: str = "fast"
    latency: Second = 1e-3  # assumed
    scope: ScopeFaults = field(default_factory=ScopeFaults)
    source_meter: SourceMeterSlot | None = None
    switch_board: bool = False
    host: str | None = None
    witness: bool = False

    def __post_init__(self) -> None:
        if self.netlist not in NETLISTS:
            raise BenchError(f"netlist = {self.netlist!r} is not one of {', '.join(NETLISTS)}")
        if self.clock not in CLOCKS:
            raise BenchError(f"clock = {self.clock!r} is not one of {', '.join(CLOCKS)}")
        FastClock(self.latency)

    def make_clock(self) -> Clock:
        """Return a new clock as described."""
        return FastClock(self.latency) if self.clock == "fast" else WallClock()


class VirtualBench:
    """Instruments that do not exist, plugged in while the block runs.

    Parameters
    ----------
    settings
        What the bench is made of.
    netlist
        A wiring in place of the one that the settings name.
    faults
        What is wrong with the wiring that the settings name.

    Raises
    ------
    BenchError
        If a real libdwf is loaded in this process.
    """

    def __init__(
        self,
        settings: VirtualSettings,
        netlist: ArrayNetlist | None = None,
        *,
        faults: Faults | None = None,
    ) -> None:
        self.settings = settings
        self.clock = settings.make_clock()
        build = NETLISTS[settings.netlist]
        self.netlist = netlist or build(settings.simulation, faults=faults)
        self.witness = self._watching() if settings.witness else None
        """Who watches the terminals, if anybody does."""
        self.world = World(self.clock, self.witness or self.netlist)
        whole = VirtualDiscovery(self.world, imperfections=self._imperfections())
        self.discovery = TroubledDiscovery(whole, self.clock)
        meter = settings.source_meter
        self._meter = None if meter is None else METERS[meter.model](self.world, self.clock)
        self._board = VirtualSwitchBoard(self.world) if settings.switch_board else None
        self.ports: dict[str, str] = {}
        """Where instruments answer that the drivers look for elsewhere, by their table there."""
        self._plugged = ExitStack()

    def __enter__(self) -> "VirtualBench":
        slot = self.settings.source_meter
        with ExitStack() as plugged:
            plugged.enter_context(mounted(self.discovery))
            if slot is not None and self._meter is not None:
                plugged.enter_context(visa.mounted({slot.resource: self._meter}, self.clock))
            if self._board is not None:
                self.ports[BOARD] = plugged.enter_context(PtyServer(self._board)).device
            self._plugged = plugged.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._plugged.close()

    def serve(self, lock: AbstractContextManager[bool]) -> ExitStack:
        """Serve all but the Analog Discovery 2 to other programs, until the stack is closed.

        Parameters
        ----------
        lock
            Held by whoever uses an instrument: they share one world.
        """
        with ExitStack() as served:
            if self._meter is not None:
                meter = served.enter_context(TcpServer(self._meter, lock=lock))
                self.ports[METER] = meter.resource
            if self._board is not None:
                self.ports[BOARD] = served.enter_context(PtyServer(self._board, lock=lock)).device
            return served.pop_all()

    def _imperfections(self) -> Imperfections:
        """Return what the scope adds, its offsets drawn; the array draws from its own seed."""
        scope, seed = self.settings.scope, self.settings.simulation.seed
        first, second = scope.offset * np.random.default_rng([seed, 1]).standard_normal(2)
        return Imperfections(
            noise=scope.noise,
            scope_offset=(float(first), float(second)),
            scope_bandwidth=scope.bandwidth,
            seed=seed,
        )

    def _watching(self) -> Witness:
        """Return a witness; the relay is on a pin where no switch board has it."""
        on_pin = self.settings.source_meter is not None and not self.settings.switch_board
        limits = self.settings.simulation.limits
        return Witness(self.netlist, limits, relay_pin=RELAY if on_pin else None)

    def driven(self) -> dict[str, object]:
        """Return everything that is not at rest now, as somebody with a meter would find it."""
        self.world.advance()
        now = self.clock.now
        pins = self.discovery.stimulus(now, now)
        found: dict[str, object] = {
            f"W{k + 1}": float(wave.value[-1])
            for k, wave in enumerate(pins.waveforms)
            if abs(wave.value[-1]) > EXACT
        }
        found |= {name: code for name, code in self.dacs().items() if code}
        if pins.supplies != (0.0, 0.0):
            found["supplies"] = pins.supplies
        if self._board is not None and self._board.closed:
            found["relays"] = sorted(self._board.closed)
        return found | dict(self.witness.driven() if self.witness is not None else {})

    def seen(self) -> Mapping[str, object]:
        """Return what the witness has seen, as plain values; nothing without one."""
        return {} if self.witness is None else self.witness.seen()

    def plan(self, trouble: Mapping[int, str]) -> None:
        """Let trouble happen to the Analog Discovery 2, by name.

        Parameters
        ----------
        trouble
            Names in `Trouble`, by number of the call of libdwf, counted from the next one.

        Raises
        ------
        BenchError
            If there is no such trouble.
        """
        unknown = sorted(set(trouble.values()) - set(Trouble.__members__))
        if unknown:
            raise BenchError(
                f"{', '.join(unknown)}: no trouble of {', '.join(Trouble.__members__)}"
            )
        self.discovery.plan({at: Trouble[name] for at, name in trouble.items()})

    @property
    def array(self) -> None:
        """No name: the array is a fresh one each time."""
        return None

    def dacs(self) -> Mapping[str, int]:
        """Return how far the outputs of each converter on the board are from 0 V at most, codes."""
        parts = {name: getattr(self.netlist, name, None) for name in ("word_dac", "bit_dac")}
        return {
            name: max(abs(code - MIDDLE) for code in dac.registers.output)
            for name, dac in parts.items()
            if dac is not None
        }

    def describe(self) -> Mapping[str, object]:
        """Return what the virtual instruments and the array behind them are made of."""
        s = self.settings
        plain = s.simulation.plain()
        kept = ("shape", "line_resistance", "tia")
        return {
            "netlist": s.netlist,
            "seed": s.simulation.seed,
            "clock": s.clock,
            "latency": s.latency,
            "scope": asdict(s.scope),
            "source_meter": None if s.source_meter is None else asdict(s.source_meter),
            "switch_board": s.switch_board,
            "device": dict(self.netlist.rig.device.describe()),
            **{name: plain[name] for name in kept},
            "assumed": ["latency", "scope", "line_resistance", "tia"],
        }
