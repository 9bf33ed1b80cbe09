"""The parallel wiring on the virtual bench: calls, times at the cells, and how it ends."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from crossbar.backend import Array, Cells, ClosedError
from crossbar.crossbar import Crossbar
from crossbar.guard import Guarded
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.programming.metrics import NOTHING
from instruments.backend import HardwareBackend
from instruments.frame_runner import UPLOADS
from sim_backend.settings import SimulationSettings
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.netlist_parallel import ParallelNetlist
from sim_backend.virtual.world import World
from test_wiring_parallel import settings

REST = 5e-3
"""V: offsets of the converters are below it, levels are above."""


class Clock(FastClock):
    """A clock at which somebody may press Ctrl-C."""

    pressed_in: float | None = None

    def sleep(self, duration: float) -> None:
        pressed, self.pressed_in = self.pressed_in, None
        if pressed is not None and duration > pressed:
            super().sleep(pressed)
            raise KeyboardInterrupt
        self.pressed_in = pressed
        super().sleep(duration)


@dataclass
class Virtual:
    """A virtual bench with its backend, and what its lines have been through."""

    clock: Clock
    netlist: ParallelNetlist
    world: World
    discovery: VirtualDiscovery
    backend: HardwareBackend
    lived: list[tuple[Array, Array, Array]] = field(default_factory=list)

    def calls(self, work: Callable[[], object]) -> int:
        before = self.clock.calls
        work()
        return self.clock.calls - before

    @property
    def conductances(self) -> Array:
        return self.netlist.rig.device.conductance(self.clock.now)

    def across(self, word: int, bit: int) -> list[tuple[float, float]]:
        """Voltage at a cell's lines, and how long, joined where it does not change."""
        self.world.advance()
        joined: list[tuple[float, float]] = []
        for words, bits, widths in self.lived:
            for volt, width in zip(words[:, word] - bits[:, bit], widths, strict=True):
                if joined and abs(joined[-1][0] - volt) < 1e-9:
                    joined[-1] = float(volt), joined[-1][1] + float(width)
                else:
                    joined.append((float(volt), float(width)))
        return joined

    @property
    def at_rest(self) -> bool:
        self.world.advance()
        words, bits, _ = self.lived[-1]
        return bool(np.abs(words[-1]).max() < REST and np.abs(bits[-1]).max() < REST)


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch) -> Iterator[Virtual]:
    clock = Clock(1e-3)
    netlist = ParallelNetlist(SimulationSettings())
    world = World(clock, netlist)
    discovery = VirtualDiscovery(world)
    lived: list[tuple[Array, Array, Array]] = []
    live = netlist.rig.live

    def watched(word: Array, bit: Array, widths: Array, start: float) -> object:
        lived.append((word.copy(), bit.copy(), widths.copy()))
        return live(word, bit, widths, start)

    monkeypatch.setattr(netlist.rig, "live", watched)
    with (
        mounted(discovery),
        HardwareBackend(settings(), timer=clock) as backend,
    ):
        lived.clear()
        yield Virtual(clock, netlist, world, discovery, backend, lived)


def test_calls_are_within_the_budget(virtual: Virtual) -> None:
    backend, rng = virtual.backend, np.random.default_rng(0)
    one, scan = Cells.of([(1, 2)]), Cells.all((10, 10))

    def multiply(count: int) -> Callable[[], object]:
        inputs = rng.uniform(-0.3, 0.3, (count, 10))
        return lambda: backend.drive(inputs)

    def pulse() -> object:
        return backend.pulse(one, rng.uniform(0.5, 1, 1), np.array([1e-4]), 0.3)

    def read() -> object:
        return backend.read(scan, float(rng.uniform(0.2, 0.3)))

    counted = {}
    for name, work in {"pulse": pulse, "scan": read}.items():
        work()
        counted[name] = virtual.calls(work)
    for count in (1, 100):
        multiply(count)()
        counted[f"multiply {count}"] = virtual.calls(multiply(count))
    assert counted == {"pulse": 7, "scan": 7, "multiply 1": 7, "multiply 100": 238}


def test_a_new_layout_takes_about_what_is_assumed(virtual: Virtual) -> None:
    one = np.full((1, 10), 0.1)
    taken = virtual.calls(lambda: virtual.backend.drive(one))
    assert taken - 7 == pytest.approx(UPLOADS, abs=5)


@pytest.mark.parametrize("width", [1e-5, 1e-4, 2.5e-3, 0.1])
def test_a_cell_sees_its_pulse_for_its_width(virtual: Virtual, width: float) -> None:
    virtual.backend.pulse(Cells.of([(4, 7)]), np.array([-1.2]), np.array([width]), 0.3)
    pulsed = [held for volt, held in virtual.across(4, 7) if volt < -1.1]
    assert pulsed == [pytest.approx(width, rel=1e-3)]
    most = max(abs(volt) for volt, _ in virtual.across(4, 6))
    assert most == pytest.approx(0.6, abs=REST)
    assert virtual.at_rest


def test_every_verb_ends_at_rest(virtual: Virtual) -> None:
    backend = virtual.backend
    verbs: list[Callable[[], object]] = [
        lambda: backend.read(Cells.all((10, 10)), 0.3),
        lambda: backend.drive(np.full((5, 10), -0.2)),
        lambda: backend.pulse(Cells.of([(0, 0)] * 4), np.full(4, 1.0), np.full(4, 1e-4), 0.3),
        lambda: backend.sweep((3, 3), np.array([0.1, 0.2]), 1e-4, 1e-3),
        lambda: backend.wait(1.0),
    ]
    for verb in verbs:
        verb()
        assert virtual.at_rest


def test_a_frame_is_asked_for_once_it_is_over(virtual: Virtual) -> None:
    one = Cells.of([(0, 0)])
    virtual.backend.pulse(one, np.array([0.5]), np.array([0.2]), 0.3)
    long = virtual.calls(lambda: virtual.backend.pulse(one, np.array([0.6]), np.array([0.2]), 0.3))
    assert long == 7


def test_reads_are_the_conductances(virtual: Virtual) -> None:
    backend = virtual.backend
    cells = Cells.all((10, 10))
    offset = backend.drive(np.zeros((32, 10))).current.mean(axis=0)
    reads = np.mean([backend.read(cells, 0.3).current for _ in range(8)], axis=0)
    seen = ((reads - offset[cells.bit]) / 0.3).reshape(10, 10)
    assert np.allclose(seen, virtual.conductances, rtol=0.05, atol=1e-7)


def test_ctrl_c_in_a_long_pulse_ends_it(virtual: Virtual) -> None:
    virtual.clock.pressed_in = 0.1
    with pytest.raises(KeyboardInterrupt):
        virtual.backend.pulse(Cells.of([(4, 7)]), np.array([1.2]), np.array([0.5]), 0.3)
    assert virtual.at_rest
    (held,) = [held for volt, held in virtual.across(4, 7) if volt > 1.1]
    assert 0.0 < held < 0.2
    with pytest.raises(ClosedError, match="interrupted"):
        virtual.backend.read(Cells.of([(0, 0)]), 0.1)


def test_a_program_reaches_its_targets_within_the_band(virtual: Virtual) -> None:
    tolerance = 2e-6
    guarded = Guarded(virtual.backend, virtual.backend.limits)
    cell = WriteVerify(read_voltage=0.3, tolerance=tolerance, reread_delay=0.1)
    pulses = IsppSettings(set_stop=4.5, width=1e-4)
    crossbar = Crossbar(guarded, cell, pulses, metrics=NOTHING)
    targets = np.full((10, 10), np.nan)
    targets[2:5, 3:6] = np.linspace(1e-5, 5e-5, 9).reshape(3, 3)
    report = crossbar.program_conductances(targets)
    assert (report.status[2:5, 3:6] == 0).sum() >= 8
    done = report.status == 0
    assert np.abs(report.verified - targets)[done].max() <= tolerance
    # Later pulses at V/2 move cells that were done; the last read has to say so.
    assert np.allclose(report.reread[done], virtual.conductances[done], rtol=0.05, atol=2e-7)
    assert np.median(np.abs(report.reread - targets)[done]) < 3 * tolerance
