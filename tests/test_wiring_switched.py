from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from crossbar.backend import (
    Array,
    BenchError,
    Cells,
    Flag,
    InstrumentError,
    LimitError,
    Limits,
)
from fake_discovery import FEEDBACK, GAIN, FakeDiscovery
from instruments.analog_discovery import AnalogDiscovery
from instruments.settings import (
    ArrayTable,
    CalibrationTable,
    HardwareSettings,
    ParallelTable,
    SchemesTable,
    SenseTable,
    SwitchedTable,
)
from instruments.wiring_switched import SwitchedWiring
from sim_backend.virtual.clock import FastClock

LIMITS = Limits(
    voltage=4.5,
    read_voltage=0.5,
    current=4e-4,
    width_min=1e-7,
    width_max=1.0,
    pulses=1000,
    stress=1000.0,
)
SHAPE = (6, 4)
OFFSET = (5e-3, -3e-3)  # V at the amplifier's output, high gain and low gain


def conductances(seed: int = 0) -> Array:
    """Return an array whose cells read within the high gain, but for one."""
    G = np.random.default_rng(seed).uniform(2e-6, 7e-5, SHAPE)
    G[2, 1] = 3e-4
    return G


def settings(**changes: Any) -> HardwareSettings:
    made = HardwareSettings(
        limits=LIMITS,
        array=ArrayTable(*SHAPE),
        wiring=SwitchedTable("switched", relay=10, r_on=0.0),
        sense=SenseTable(GAIN),
    )
    return replace(made, **changes)


def opened(fake: FakeDiscovery, **changes: Any) -> SwitchedWiring:
    wiring = SwitchedWiring(settings(**changes), cast(AnalogDiscovery, fake), FastClock())
    wiring.open()
    return wiring


def test_every_cell_reads_as_its_own_current_and_the_one_offset() -> None:
    G = conductances()
    wiring = opened(FakeDiscovery(G, OFFSET))
    cells = Cells.all(SHAPE)
    reading = wiring.read(cells, 0.3)
    offset = -OFFSET[0] / FEEDBACK[0]
    assert np.allclose(reading.current, 0.3 * G.ravel() + offset, rtol=1e-9)
    assert not reading.flags.any()


def test_cells_come_in_the_order_asked_and_as_often() -> None:
    G = conductances()
    wiring = opened(FakeDiscovery(G))
    cells = Cells.of([(5, 3), (0, 0), (5, 3), (1, 2)])
    assert np.allclose(wiring.read(cells, -0.2).current, -0.2 * G[cells.word, cells.bit])


def test_more_cells_than_a_run_holds_are_read_in_several() -> None:
    G = conductances()
    fake = FakeDiscovery(G)
    cells = Cells.all(SHAPE)[np.tile(np.arange(24), 30)]
    assert np.allclose(opened(fake).read(cells, 0.3).current, 0.3 * G[cells.word, cells.bit])
    assert fake.calls.count("arm") == 2


def test_a_current_beyond_both_gains_is_flagged() -> None:
    G = conductances()
    G[0, 0] = 5e-3
    reading = opened(FakeDiscovery(G)).read(Cells.of([(0, 0), (0, 1)]), 0.3)
    assert reading.flags.tolist() == [Flag.CLIPPED, 0]


def test_a_multiply_is_the_product_with_the_offset_once() -> None:
    G = conductances()
    wiring = opened(FakeDiscovery(G, OFFSET))
    voltages = np.random.default_rng(1).uniform(-0.4, 0.4, (9, SHAPE[0]))
    voltages[4] = 0.0
    voltages[:, 3] = 0.0
    product = wiring.drive(voltages)
    assert np.allclose(product.current, voltages @ G - OFFSET[0] / FEEDBACK[0], atol=1e-14)
    assert not product.flags.any()


def test_a_multiply_by_nothing_reads_the_offset() -> None:
    wiring = opened(FakeDiscovery(conductances(), OFFSET))
    assert np.allclose(wiring.drive(np.zeros((70, SHAPE[0]))).current, -OFFSET[0] / FEEDBACK[0])
    assert wiring.drive(np.zeros((0, SHAPE[0]))).current.shape == (0, SHAPE[1])


def test_four_vectors_of_an_array_share_a_run() -> None:
    fake = FakeDiscovery(np.full((10, 10), 1e-5))
    wiring = opened(fake, array=ArrayTable(10, 10))
    wiring.drive(np.full((100, 10), 0.1))
    assert fake.calls.count("arm") == 25


@pytest.mark.parametrize("scheme", ["grounded", "half", "third"])
def test_a_pulse_reaches_its_cell_whole_and_the_others_by_the_scheme(scheme: str) -> None:
    G = conductances()
    fake = FakeDiscovery(G, OFFSET)
    fake.ratio = 2.0 if scheme == "third" else 1.0
    table = SwitchedTable("switched", relay=10, ratio=fake.ratio)
    wiring = opened(fake, schemes=SchemesTable(scheme), wiring=table)
    cell, width = Cells.of([(4, 1)]), 1e-3
    reading = wiring.pulse(cell, np.array([-3.0]), np.array([width]), 0.3)
    assert np.allclose(reading.current, 0.3 * G[4, 1] - OFFSET[0] / FEEDBACK[0])
    word, bit = {"grounded": (0, 0), "half": (1 / 2, 1 / 2), "third": (1 / 3, 2 / 3)}[scheme]
    across = np.full(SHAPE, word - bit)
    across[4, :], across[:, 1] = 1 - bit, word
    across[4, 1] = 1.0
    # The bias leads the pulse, and the read follows it.
    assert np.allclose(fake.stress, (3.0 * across) ** 2 * width, rtol=0.03, atol=9e-6)
    assert fake.stress[4, 1] == pytest.approx(9.0 * width, rel=0.01)


def test_a_pulse_at_a_large_current_is_verified_at_the_low_gain_with_the_same_offset() -> None:
    G = conductances()
    wiring = opened(FakeDiscovery(G, OFFSET))
    reading = wiring.pulse(Cells.of([(2, 1)]), np.array([1.0]), np.array([1e-4]), 0.3)
    assert np.allclose(reading.current, 0.3 * G[2, 1] - OFFSET[0] / FEEDBACK[0], rtol=1e-9)


def test_a_calibrated_bench_reads_no_offset_and_true_currents() -> None:
    G = conductances()
    high, low = (-volts / ohm for volts, ohm in zip(OFFSET, FEEDBACK, strict=True))
    calibration = CalibrationTable((high,) * 4, (low,) * 4)
    wiring = opened(FakeDiscovery(G, OFFSET), calibration=calibration)
    assert np.allclose(wiring.read(Cells.all(SHAPE), 0.3).current, 0.3 * G.ravel(), atol=1e-15)


def test_no_pulses_give_no_readings_and_drive_nothing() -> None:
    fake = FakeDiscovery(conductances())
    wiring = opened(fake)
    none = np.empty(0)
    assert wiring.pulse(Cells.of([]), none, none, 0.3).current.shape == (0,)
    assert wiring.read(Cells.of([]), 0.3).current.shape == (0,)
    assert "arm" not in fake.calls


def test_a_width_that_cannot_be_made_is_refused_before_the_first_pulse() -> None:
    fake = FakeDiscovery(conductances())
    wiring = opened(fake)
    cells, widths = Cells.of([(0, 0), (1, 1)]), np.array([1e-4, 1.2034567e-6])
    with pytest.raises(LimitError, match="no waveform"):
        wiring.pulse(cells, np.ones(2), widths, 0.3)
    assert not fake.stress.any()


def test_a_waveform_that_scope_1_does_not_see_turns_everything_off() -> None:
    fake = FakeDiscovery(conductances())
    wiring = opened(fake)
    fake.gain_of_w1 = 0.8
    with pytest.raises(InstrumentError, match=r"W1 was at 0\.24 V at scope 1 where 0\.3 V"):
        wiring.read(Cells.of([(0, 0)]), 0.3)
    assert fake.off
    fake.off = False
    with pytest.raises(InstrumentError, match=r"W1 was at 2\.4 V at scope 1 where 3 V"):
        wiring.pulse(Cells.of([(0, 0)]), np.array([3.0]), np.array([1e-4]), 0.3)
    assert fake.off


@pytest.mark.parametrize("scheme", ["grounded", "half"])
def test_a_sweep_measures_the_cell_alone_whatever_the_rails_add(scheme: str) -> None:
    G = conductances()
    wiring = opened(FakeDiscovery(G, OFFSET), schemes=SchemesTable(scheme))
    voltages = np.array([0.0, 0.1, 0.5, -0.5, 1.0])
    swept = wiring.sweep((1, 2), voltages, 4e-4, 1e-3)
    assert np.allclose(swept.voltage, voltages)
    assert np.allclose(swept.current, voltages * G[1, 2], atol=1e-12)
    assert not swept.flags.any()
    assert (np.diff(swept.time) >= 0).all()


def test_a_sweep_goes_no_further_than_its_compliance() -> None:
    G = conductances()
    wiring = opened(FakeDiscovery(G))
    compliance = 0.6 * G[1, 2]
    swept = wiring.sweep((1, 2), np.linspace(0, 1, 6), compliance, 1e-3)
    assert (np.abs(swept.current) <= compliance).all()
    assert swept.flags.tolist() == [0, 0, 0, 0, Flag.COMPLIANCE, Flag.COMPLIANCE]
    assert swept.voltage[-1] == pytest.approx(0.594)


def test_voltages_of_a_sweep_are_those_behind_the_switches() -> None:
    G = np.full(SHAPE, 1e-4)
    wiring = opened(FakeDiscovery(G), wiring=SwitchedTable("switched", r_on=500.0))
    assert wiring.sweep((0, 0), np.array([1.0]), 4e-4, 1e-3).voltage == pytest.approx(0.9)


def test_limits_are_the_stricter_of_the_file_and_the_instrument() -> None:
    limits = opened(FakeDiscovery(conductances())).limits
    assert (limits.voltage, limits.width_min, limits.read_voltage) == (4.5, 1e-6, 0.5)
    large = replace(LIMITS, voltage=9.0, read_voltage=5.0)
    limits = opened(FakeDiscovery(conductances()), limits=large).limits
    assert limits.voltage == 5.0
    assert limits.read_voltage == pytest.approx(2.375)


def test_opening_selects_nothing_before_the_supplies_and_drives_nothing() -> None:
    fake = FakeDiscovery(conductances())
    opened(fake)
    assert fake.calls == ["pins", "supplies"]
    assert not fake.played


def test_closing_turns_off_before_anything_else() -> None:
    fake = FakeDiscovery(conductances())
    wiring = opened(fake)
    fake.calls.clear()
    wiring.close()
    assert fake.calls[0] == "safe"


def test_floating_lines_are_told_of_with_what_they_add() -> None:
    table = SwitchedTable("mux")
    wiring = opened(FakeDiscovery(conductances()), wiring=table, schemes=SchemesTable("grounded"))
    described = wiring.describe()
    assert described["read_scheme"] == described["write_scheme"] == "floating"
    assert str(described["warning"]).startswith("unselected lines float: in this 6x4 array")
    error = wiring.sneak_error()
    assert error is not None
    assert error.median > 1


def test_rails_need_no_warning() -> None:
    wiring = opened(FakeDiscovery(conductances()))
    described = wiring.describe()
    assert (described["read_scheme"], described["write_scheme"]) == ("grounded", "half")
    assert "warning" not in described
    assert wiring.sneak_error() is None


def test_another_wiring_is_refused() -> None:
    parallel = settings(
        wiring=ParallelTable("parallel"), sense=SenseTable(3), array=ArrayTable(4, 4)
    )
    with pytest.raises(BenchError, match="neither switched nor mux"):
        SwitchedWiring(parallel, cast(AnalogDiscovery, None), FastClock())
