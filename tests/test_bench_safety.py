"""However a session on a bench ends, every line is at 0 V and everything is off afterwards.

A short session is played once to count its calls of libdwf. Then it is played again and again, and
each time another call fails, or is interrupted by Ctrl-C. What counts is what the virtual
instruments drive when the block is left, not what the driver believes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest

from crossbar.backend import Cells, CrossbarError
from crossbar.bench import load
from crossbar.bench_settings import hardware_settings, virtual_settings
from instruments.backend import HardwareBackend
from sim_backend.virtual.bench import VirtualBench

WIRINGS = ("parallel", "switched")
EVERY = 1 if os.environ.get("CROSSBAR_EVERY_CALL") else 5
"""Only every fifth call is made to fail in `make test`; `make torture` takes all of them."""
MIDDLE = 0x8000
"""The code of 0 V."""


class Sabotage:
    """Raises an error in one call of libdwf, instead of what the call should do."""

    def __init__(self, bench: VirtualBench, at: int | None, error: BaseException) -> None:
        self.calls = 0
        inner = bench.discovery.call

        def call(prototype: Any, arguments: Any) -> None:
            self.calls += 1
            if self.calls - 1 == at:
                raise error
            inner(prototype, arguments)

        setattr(bench.discovery, "call", call)  # noqa: B010  # the instance's, not the class's


@contextmanager
def opened(wiring: str) -> Iterator[VirtualBench]:
    with VirtualBench(virtual_settings(load(f"virtual-{wiring}"), None)) as bench:
        yield bench


def play(wiring: str, bench: VirtualBench) -> None:
    """Open, pulse, read, multiply, sweep, play a waveform where there is a generator, close."""
    drivers = hardware_settings(load(f"lab-{wiring}"))
    cells = Cells.of([(1, 2), (3, 4)])
    with HardwareBackend(drivers, timer=bench.clock) as backend:
        backend.pulse(cells, np.array([3.0, -2.0]), np.full(2, 1e-4), 0.3)
        backend.read(cells, 0.3)
        backend.drive(np.full((1, 10), 0.2))
        backend.sweep((0, 0), np.array([0.1, 0.2]), 1e-4, 1e-3)
        if wiring != "parallel":
            triangle = np.concatenate([np.linspace(0, 2, 30), np.linspace(2, 0, 30)])
            backend.trace((2, 2), triangle, 1e-4, 1e-4)


def driven(bench: VirtualBench) -> dict[str, object]:
    """Return everything that is not at rest."""
    now = bench.clock.now
    pins = bench.discovery.stimulus(now, now + 1e-3)
    left: dict[str, object] = {
        f"W{k + 1}": float(signal.value[-1])
        for k, signal in enumerate(pins.waveforms)
        if abs(signal.value[-1]) > 1e-9
    }
    if pins.supplies != (0.0, 0.0):
        left["supplies"] = pins.supplies
    for name in ("word_dac", "bit_dac"):
        dac = getattr(bench.netlist, name, None)
        if dac is not None and any(code != MIDDLE for code in dac.registers.output):
            left[name] = list(dac.registers.output)
    return left


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_session_that_ends_well_leaves_nothing_on(wiring: str) -> None:
    with opened(wiring) as bench:
        play(wiring, bench)
        assert driven(bench) == {}


@pytest.mark.parametrize("wiring", WIRINGS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("the link broke")], ids=type)
def test_whatever_call_fails_or_is_interrupted_leaves_nothing_on(
    wiring: str, error: BaseException
) -> None:
    with opened(wiring) as bench:
        total = Sabotage(bench, None, error)
        play(wiring, bench)
    left_on = {}
    for at in range(0, total.calls, EVERY):
        with opened(wiring) as bench:
            Sabotage(bench, at, error)
            with suppress(KeyboardInterrupt, CrossbarError):
                play(wiring, bench)
            if still := driven(bench):
                left_on[at] = still
    assert left_on == {}


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_bench_that_forgets_to_close_is_caught_by_this_test(
    wiring: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The planted bug: leaving the block does nothing.
    monkeypatch.setattr(HardwareBackend, "__exit__", lambda *_: None)
    with opened(wiring) as bench:
        play(wiring, bench)
        assert "supplies" in driven(bench)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_opening_drives_no_line(wiring: str) -> None:
    with opened(wiring) as bench:
        seen: list[float] = []
        respond = bench.netlist.respond

        def watch(stimulus: Any) -> Any:
            seen.extend(float(np.abs(signal.value).max()) for signal in stimulus.waveforms)
            inputs = respond(stimulus)
            for name in ("word_dac", "bit_dac"):
                if (dac := getattr(bench.netlist, name, None)) is not None:
                    seen.extend(abs(code - MIDDLE) * 5 / MIDDLE for code in dac.registers.output)
            return inputs

        setattr(bench.netlist, "respond", watch)  # noqa: B010  # the instance's
        with HardwareBackend(hardware_settings(load(f"lab-{wiring}")), timer=bench.clock):
            pass
        assert seen
        assert max(seen) == 0.0
