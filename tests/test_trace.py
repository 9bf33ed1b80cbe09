from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Flag, LimitError, Sweep
from crossbar.bench import load
from crossbar.bench_settings import hardware_settings, virtual_settings
from instruments.backend import HardwareBackend
from instruments.scans import TICK
from instruments.trace import Trace
from rehearsals import rehearsal
from sim_backend.virtual.bench import VirtualBench

PLACED = 2e-5 * np.exp(np.random.default_rng(0).uniform(-1, 1, (10, 10)))
RAMP = np.linspace(0, 0.3, 40)
TRIANGLE = np.concatenate([RAMP, RAMP[::-1], -RAMP, -RAMP[::-1]])


def test_a_plan_has_its_lead_its_points_and_ends_at_0_volts() -> None:
    plan = Trace.fitting(1e-5, 3, lead=2000, wait=100)
    assert (plan.interval, plan.lead, plan.points) == (1000, 4, 3)
    assert plan.drive(np.array([1.0, 2.0, 3.0])).tolist() == [0, 0, 0, 0, 1, 2, 3, 0]
    assert plan.duration == pytest.approx(8e-5)
    assert plan.times(1.0) == pytest.approx([1 - 3e-5, 1 - 2e-5, 1 - 1e-5])


def test_points_are_the_means_of_what_was_recorded_while_they_lasted() -> None:
    plan = Trace.fitting(1e-5, 50, lead=2000, wait=100)
    record = plan.record
    at = (record.start + record.interval * np.arange(record.samples)) * TICK
    start = plan.lead * 1e-5
    lead, points = plan.cut(np.where(at < start, 7.0, at - start))
    assert lead == pytest.approx(7.0)
    assert points == pytest.approx((np.arange(50) + 0.5) * 1e-5, abs=2e-7)


@pytest.mark.parametrize(
    ("interval", "points", "message"),
    [(1e-5, 5000, "do not fit a waveform"), (1e-7, 100, "too fast: the amplifier takes")],
)
def test_what_the_instrument_cannot_play_is_refused(
    interval: float, points: int, message: str
) -> None:
    with pytest.raises(LimitError, match=message):
        Trace.fitting(interval, points, lead=200, wait=3000)


def traced(spec: str, largest: float, scale: float = 1.0) -> Sweep:
    """Return a triangle on one of known cells."""
    description = load(spec)
    assert description.rehearsed is not None
    with (
        VirtualBench(virtual_settings(description, None)) as bench,
        HardwareBackend(hardware_settings(description.rehearsed), timer=bench.clock) as backend,
    ):
        bench.netlist.rig.set_conductances(PLACED)
        return backend.trace((2, 7), scale * TRIANGLE, 1e-4, largest)


@pytest.mark.parametrize("scheme", ["grounded", "half"])
@pytest.mark.parametrize("largest", [1e-6, 3e-4])
def test_offset_switches_and_rails_are_taken_out_of_a_waveform(
    scheme: str, largest: float, tmp_path: Path
) -> None:
    text = load("lab-switched").text
    written = next(line for line in text.splitlines() if line.startswith("write = "))
    spec = rehearsal(
        tmp_path,
        ("lab", written, f'write = "{scheme}"'),
        ("virtual", 'model = "perovskite"', 'model = "ideal"'),
    )
    got = traced(spec, largest)
    assert not got.flags.any()
    slope, zero = np.polyfit(got.voltage, got.current, 1)
    assert slope == pytest.approx(PLACED[2, 7], rel=0.02)
    assert zero == pytest.approx(0.0, abs=2e-8)
    assert got.voltage == pytest.approx(TRIANGLE, abs=8e-3)


def test_what_is_beyond_the_gain_that_was_chosen_is_flagged() -> None:
    got = traced("virtual-mux", 1e-6, scale=1.6)
    beyond = np.abs(got.current) > 2.43e-5  # of 24 uA
    assert beyond.any()
    assert np.all((got.flags[beyond] & Flag.CLIPPED) != 0)
    assert not got.flags[np.abs(got.current) < 2.2e-5].any()
