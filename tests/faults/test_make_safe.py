"""What a guardian does to a source meter, and if the Analog Discovery 2 is gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crossbar.backend import CrossbarError, InstrumentError
from crossbar.bench import load
from crossbar.bench_settings import hardware_settings, virtual_settings
from instruments.analog_discovery import AnalogDiscovery
from instruments.backend import HardwareBackend
from instruments.wiring_switched import SwitchedWiring
from rehearsals import keithley, rehearsal
from sim_backend.virtual.bench import VirtualBench

ON = {"2400": ("SOUR:VOLT 0.5", "OUTP ON"), "6487": ("SOUR:VOLT 0.5", "SOUR:VOLT:STAT ON")}


@contextmanager
def left_on(folder: Path, model: str) -> Iterator[tuple[Any, HardwareBackend]]:
    """Plug a bench in whose source meter somebody has left on; yield the meter and new drivers."""
    description = load(rehearsal(folder, *keithley(model, reads=False)))
    assert description.rehearsed is not None
    with VirtualBench(virtual_settings(description, None)) as bench:
        meter: Any = bench._meter
        for line in ON[model]:
            meter.handle(line)
        assert meter.on
        yield meter, HardwareBackend(hardware_settings(description.rehearsed), timer=bench.clock)


@pytest.mark.parametrize("model", ["2400", "6487"])
def test_a_source_that_was_left_on_is_off(model: str, tmp_path: Path) -> None:
    with left_on(tmp_path, model) as (meter, backend):
        backend.make_safe()
        assert not meter.on
        assert backend.left_safe


@pytest.mark.parametrize("model", ["2400", "6487"])
def test_it_is_off_even_if_the_discovery_is_gone_and_that_is_said(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: AnalogDiscovery) -> None:
        raise InstrumentError("no Analog Discovery 2 is connected")

    with left_on(tmp_path, model) as (meter, backend):
        monkeypatch.setattr(AnalogDiscovery, "open", gone)
        with pytest.raises(CrossbarError):
            backend.make_safe()
        assert not meter.on
        assert not backend.left_safe


def test_a_guardian_that_forgets_the_source_is_caught_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The planted bug: the sources beside the Analog Discovery 2 are left alone.
    monkeypatch.setattr(SwitchedWiring, "sources_off", lambda _: None)
    with left_on(tmp_path, "2400") as (meter, backend):
        backend.make_safe()
        assert meter.on
