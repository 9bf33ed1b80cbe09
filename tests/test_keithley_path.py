from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import numpy as np
import pytest

from crossbar.backend import Array, Flag, InstrumentError, Sweep
from instruments.analog_discovery import Pattern
from instruments.keithley_path import KeithleyPath
from instruments.selectors import Selector
from instruments.settings import KeithleyTable
from instruments.source_meter import SourceMeter
from sim_backend.virtual.clock import FastClock

CONDUCTANCE = 1e-5


class Bench:
    """A source meter and a relay that refuse what would throw the relay under voltage."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.on = False
        self.voltage = 0.0
        self.relay = False
        self.overflow = False

    def open(self) -> None:
        self.log.append("open")

    def close(self) -> None:
        self.log.append("close")

    def identify(self) -> str:
        return "KEITHLEY INSTRUMENTS INC.,MODEL 6487,1234567,C01"

    def configure(self, voltage: float, compliance: float, *, nplc: float = 1.0) -> None:
        assert voltage >= 0
        self.log.append(f"configure {voltage:g} V {compliance:g} A {nplc:g}")

    @contextmanager
    def energised(self) -> Iterator[None]:
        assert self.relay
        self.on = True
        try:
            yield
        finally:
            self.safe()

    def source(self, voltage: float) -> None:
        assert self.on
        self.voltage = voltage

    def rest(self) -> None:
        assert self.on
        self.voltage = 0.0
        self.log.append("rest")

    def measure(self) -> tuple[float, float, Flag]:
        current = np.nan if self.overflow else self.voltage * CONDUCTANCE
        return self.voltage, current, Flag.CLIPPED if self.overflow else Flag(0)

    def sweep(
        self, voltages: Array, compliance: float, dwell: float, *, nplc: float = 1.0
    ) -> Sweep:
        assert self.relay
        self.log.append(f"sweep {compliance:g} A {dwell:g} s {nplc:g}")
        return Sweep(voltages, voltages * CONDUCTANCE, voltages, np.zeros(len(voltages), np.uint8))

    def safe(self) -> None:
        self.on, self.voltage = False, 0.0
        self.log.append("off")

    def hold(self, word: int, bit: int, *, relay: bool) -> None:
        assert self.voltage == 0.0
        assert relay == self.relay or not self.on
        self.relay = relay
        self.log.append(f"hold {word} {bit}")

    def release(self) -> None:
        assert not self.on
        self.relay = False
        self.log.append("release")

    def select(self, word: int, bit: int) -> Mapping[int, Pattern]:
        raise AssertionError


def path_of(bench: Bench) -> KeithleyPath:
    table = KeithleyTable("6487", "GPIB0::22::INSTR", reads=True, nplc=0.1)
    meter, selector = cast(SourceMeter, bench), cast(Selector, bench)
    made = KeithleyPath(meter, table, selector, 1e-3, 2e-5, 1e-2, FastClock())
    made.open()
    return made


def test_reads_throw_the_relay_once_and_only_while_nothing_is_driven() -> None:
    bench = Bench()
    reading = path_of(bench).read([(1, 2), (3, 4), (1, 2)], -0.3)
    assert np.allclose(reading.current, -0.3 * CONDUCTANCE)
    assert bench.log == [
        "open",
        "configure 0.3 V 0.001 A 0.1",
        "hold 1 2",
        "rest",
        "hold 3 4",
        "rest",
        "hold 1 2",
        "off",
        "release",
    ]


def test_an_overflow_is_an_error_and_leaves_nothing_on() -> None:
    bench = Bench()
    bench.overflow = True
    with pytest.raises(InstrumentError, match=r"overflowed at addresses \(1, 2\)"):
        path_of(bench).read([(1, 2)], 0.3)
    assert not bench.on
    assert not bench.relay


def test_an_interrupt_switches_off_before_the_relay_is_thrown_back() -> None:
    bench = Bench()
    path = path_of(bench)

    def interrupt() -> tuple[float, float, Flag]:
        raise KeyboardInterrupt

    bench.measure = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        path.read([(1, 2)], 0.3)
    assert not bench.on
    assert bench.log[-3:] == ["off", "off", "release"]


def test_no_relay_is_thrown_while_it_is_not_sure_that_nothing_is_driven() -> None:
    bench = Bench()

    def unsure() -> None:
        raise InstrumentError("SOUR:VOLT? is 0.3, and was set to 0")

    bench.rest = unsure  # type: ignore[method-assign]
    with pytest.raises(InstrumentError, match="was set to 0"):
        path_of(bench).read([(1, 2), (3, 4)], 0.3)
    assert "hold 3 4" not in bench.log
    assert bench.log[-3:] == ["off", "off", "release"]


def test_a_sweep_is_the_source_meter_s_own() -> None:
    bench = Bench()
    swept = path_of(bench).sweep((1, 2), np.array([0.1, 0.2]), 1e-4, 1e-3)
    assert np.allclose(swept.current, [1e-6, 2e-6])
    assert bench.log[1:] == ["hold 1 2", "sweep 0.0001 A 0.001 s 0.1", "release"]


def test_a_sweep_of_no_points_drives_nothing() -> None:
    bench = Bench()
    assert not len(path_of(bench).sweep((1, 2), np.empty(0), 1e-4, 1e-3).current)
    assert bench.log == ["open"]


def test_it_says_what_is_at_the_relay() -> None:
    described = path_of(Bench()).describe()
    assert "MODEL 6487" in str(described["identity"])
    assert described["reads"] is True
