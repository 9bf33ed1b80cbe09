"""Programs that others wrote for the instrument run unchanged on the virtual one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pydwf_examples import ENDING, ENDLESS, FAULTY
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.world import Loopback, World

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    run = subprocess.run(
        [sys.executable, HERE / "pydwf_examples.py", tmp_path_factory.mktemp("examples")],
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Exception ignored" not in run.stderr
    return {each["script"]: each for each in map(json.loads, run.stdout.splitlines())}


@pytest.mark.parametrize("script", ENDLESS)
def test_an_endless_example_loops_until_it_is_interrupted(
    script: str, outcomes: dict[str, dict[str, Any]]
) -> None:
    outcome = outcomes[script]
    assert outcome["ended"] == "interrupted", outcome["tail"]
    assert not outcome["refused"], outcome["tail"]
    function, least = ENDLESS[script]
    assert outcome["counts"][function] >= least


@pytest.mark.parametrize("script", ENDING)
def test_an_example_runs_to_its_end(script: str, outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes[script]
    assert outcome["ended"] == "returned", outcome["ended"]
    assert not outcome["refused"], outcome["tail"]
    function, least = ENDING[script]
    assert outcome["counts"][function] >= least


@pytest.mark.parametrize("script", FAULTY)
def test_a_faulty_example_fails_on_its_own_account(
    script: str, outcomes: dict[str, dict[str, Any]]
) -> None:
    outcome = outcomes[script]
    assert FAULTY[script] in outcome["ended"]
    assert "DwfLibraryError" not in outcome["ended"]


@pytest.mark.skipif(sys.platform != "linux", reason="dwfpy needs a library, not callbacks")
def test_dwfpy_generates_measures_and_records(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(FastClock(1e-3), Loopback())
    with mounted(VirtualDiscovery(world)):
        import dwfpy

        monkeypatch.setattr("time.sleep", world.clock.sleep)
        with dwfpy.AnalogDiscovery2() as device:
            assert device.serial_number == "210321VIRT01"
            device.analog_output[0].setup("sine", frequency=1e3, amplitude=1.4, start=True)
            scope = device.analog_input
            scope[0].setup(range=5.0)
            scope.setup_edge_trigger(
                mode="normal", channel=0, slope="rising", level=0.5, hysteresis=0.01
            )
            scope.single(sample_rate=1e6, buffer_size=4000, configure=True, start=True)
            seen = scope[0].get_data()
            assert seen[1999:2001].mean() == pytest.approx(0.5, abs=0.02)
            assert np.ptp(seen) == pytest.approx(2.8, abs=0.02)
            record = scope.record(sample_rate=1e5, length=0.2, configure=True, start=True)
            assert record.lost_samples == 0
            assert np.std(record.channels[0].data_samples) == pytest.approx(1.4 / 2**0.5, rel=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="dwfpy needs a library, not callbacks")
def test_dwfpy_drives_pins_and_sees_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(FastClock(1e-3), Loopback())
    with mounted(VirtualDiscovery(world)):
        import dwfpy

        monkeypatch.setattr("time.sleep", world.clock.sleep)
        with dwfpy.AnalogDiscovery2() as device:
            pin = device.digital_io[3]
            pin.setup(enabled=True, state=True, configure=True)
            device.digital_io.read_status()
            assert pin.input_state
            device.digital_output[0].setup_clock(frequency=1e3)
            device.digital_output[1].setup_pulse(low=2e-3, high=1e-3)
            device.digital_output[2].setup_custom(frequency=1e3, data=[1, 0, 1, 1, 0])
            device.digital_output.configure(start=True)
            logic = device.digital_input
            seen = logic.single(
                sample_rate=1e5, sample_format=16, buffer_size=1500, configure=True, start=True
            )
            assert (seen >> 3 & 1).all()
            assert (seen & 1).mean() == pytest.approx(0.5, abs=0.01)
            assert (seen >> 1 & 1).mean() == pytest.approx(1 / 3, abs=0.01)
            assert (seen >> 2 & 1).mean() == pytest.approx(0.6, abs=0.01)
