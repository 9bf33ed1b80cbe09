"""The parallel wiring on an ideal array, seen from the driver's methods."""

from dataclasses import replace

import numpy as np
import pytest

from crossbar.backend import BenchError, Cells, Flag, LimitError, Limits
from fake_parallel import FakeParallel, Still
from instruments.settings import (
    ArrayTable,
    HardwareSettings,
    ParallelTable,
    SchemesTable,
    SenseTable,
    SwitchedTable,
)
from instruments.wiring_parallel import ParallelWiring

LIMITS = Limits(
    voltage=5.0,
    read_voltage=0.5,
    current=1e-3,
    width_min=1e-6,
    width_max=1.0,
    pulses=10_000,
    stress=1e3,
)
SHAPE = (10, 10)


def settings(shape: tuple[int, int] = SHAPE, write: str = "half") -> HardwareSettings:
    return HardwareSettings(
        limits=LIMITS,
        array=ArrayTable(*shape),
        wiring=ParallelTable("parallel"),
        sense=SenseTable(gain_pin=3),
        schemes=SchemesTable(write),
    )


def conductances(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(1).uniform(5e-6, 6e-5, shape)


def opened(
    fake: FakeParallel, shape: tuple[int, int] = SHAPE, write: str = "half"
) -> ParallelWiring:
    wiring = ParallelWiring(settings(shape, write), fake, fake.timer)  # type: ignore[arg-type]
    wiring.open()
    fake.held.clear()
    fake.calls.clear()
    return wiring


@pytest.fixture
def fake() -> FakeParallel:
    return FakeParallel(conductances())


@pytest.fixture
def wiring(fake: FakeParallel) -> ParallelWiring:
    return opened(fake)


def test_nothing_is_said_before_opening(fake: FakeParallel) -> None:
    ParallelWiring(settings(), fake, Still())  # type: ignore[arg-type]
    assert fake.calls == []


def test_lines_are_at_rest_before_the_supplies_come(fake: FakeParallel) -> None:
    fake.dacs[0].output[3] = 0x9000
    wiring = ParallelWiring(settings(), fake, Still())  # type: ignore[arg-type]
    wiring.open()
    assert fake.calls.index("run") < fake.calls.index("supplies")


def test_a_multiply_is_the_product(fake: FakeParallel, wiring: ParallelWiring) -> None:
    inputs = np.random.default_rng(2).uniform(-0.3, 0.3, (7, 10))
    reading = wiring.drive(inputs)
    assert np.allclose(reading.current, inputs @ fake.conductances, rtol=1e-3, atol=1e-8)
    assert not reading.flags.any()
    assert fake.at_rest


def test_a_small_current_is_read_at_the_high_gain_and_a_large_one_at_the_low_gain(
    fake: FakeParallel, wiring: ParallelWiring
) -> None:
    fake.conductances[:] = 0.0
    fake.conductances[0] = np.linspace(1e-6, 9e-4, 10)
    reading = wiring.drive(np.eye(10)[:1] * 0.5)
    assert np.allclose(reading.current[0], fake.conductances[0] * 0.5, rtol=1e-3)
    assert not reading.flags.any()


def test_what_neither_gain_can_show_is_clipped(fake: FakeParallel, wiring: ParallelWiring) -> None:
    fake.conductances[4, 7] = 2e-3
    reading = wiring.read(Cells.of([(4, 7), (4, 6)]), 0.5)
    assert reading.flags.tolist() == [Flag.CLIPPED, 0]
    assert reading.current[0] == pytest.approx(5e-4, rel=1e-3)


def test_reads_come_in_the_order_asked(fake: FakeParallel, wiring: ParallelWiring) -> None:
    cells = Cells.all(SHAPE)[np.random.default_rng(3).permutation(100)]
    reading = wiring.read(cells, 0.3)
    assert np.allclose(reading.current, fake.conductances[cells.word, cells.bit] * 0.3, rtol=1e-3)


def test_a_whole_scan_is_one_frame(fake: FakeParallel, wiring: ParallelWiring) -> None:
    wiring.read(Cells.all(SHAPE), 0.3)
    assert fake.calls == ["arm", "run"]


def test_a_cell_named_again_is_read_again(fake: FakeParallel, wiring: ParallelWiring) -> None:
    wiring.read(Cells.of([(1, 2), (1, 2), (1, 3)]), 0.3)
    read = [word for _, word, _ in fake.held if word.any()]
    assert len(read) == 1  # one level, held through two slots
    assert len(wiring.read(Cells.of([(1, 2)] * 40), 0.3).current) == 40


def test_a_read_drives_its_word_line_alone(fake: FakeParallel, wiring: ParallelWiring) -> None:
    wiring.read(Cells.of([(3, 1), (6, 2)]), 0.3)
    for _, word, bit in fake.held:
        assert np.count_nonzero(word) <= 1
        assert not bit.any()
    assert fake.at_rest


@pytest.mark.parametrize(
    ("write", "word_rest", "bit_rest"),
    [("grounded", 0.0, 0.0), ("half", 0.5, 0.5), ("third", 1 / 3, 2 / 3)],
)
def test_a_pulse_is_its_cells_alone(write: str, word_rest: float, bit_rest: float) -> None:
    fake = FakeParallel(conductances())
    wiring = opened(fake, write=write)
    wiring.pulse(Cells.of([(3, 8)]), np.array([-2.4]), np.array([1e-4]), 0.3)
    pulsed = [h for h in fake.held if h[1][3] - h[2][8] < -2.0]
    assert len(pulsed) == 1
    duration, word, bit = pulsed[0]
    assert duration == pytest.approx(1e-4)
    assert word[3] == pytest.approx(-2.4, abs=1e-4)
    assert bit[8] == 0.0
    assert np.allclose(np.delete(word, 3), -2.4 * word_rest, atol=2e-4)
    assert np.allclose(np.delete(bit, 8), -2.4 * bit_rest, atol=2e-4)
    assert fake.at_rest


def test_pulses_come_in_order_with_their_own_widths_and_reads(
    fake: FakeParallel, wiring: ParallelWiring
) -> None:
    cells = Cells.of([(0, 0), (1, 1), (0, 0), (2, 9), (2, 9), (5, 5), (0, 1)])
    voltages = np.array([2.0, -1.5, 2.1, 2.2, -2.3, 2.4, 3.0])
    widths = np.array([1e-4, 1e-4, 1e-4, 1e-4, 2e-4, 2e-4, 1e-5])
    reading = wiring.pulse(cells, voltages, widths, 0.25)
    assert np.allclose(reading.current, fake.conductances[cells.word, cells.bit] * 0.25, rtol=1e-3)
    seen = [(d, w[:, None] - b[None, :]) for d, w, b in fake.held if max(abs(w)) > 1.2]
    assert len(seen) == len(cells)
    for k, (word, bit) in enumerate(cells):
        duration, across = seen[k]
        assert duration == pytest.approx(widths[k])
        assert across[word, bit] == pytest.approx(voltages[k], abs=2e-4)


@pytest.mark.parametrize("width", [5e-6, 9.9e-6])
def test_a_width_that_is_not_possible_is_refused_before_the_first_pulse(
    fake: FakeParallel, wiring: ParallelWiring, width: float
) -> None:
    with pytest.raises(LimitError, match="width"):
        wiring.pulse(Cells.of([(0, 0), (1, 1)]), np.full(2, 2.0), np.array([1e-4, width]), 0.3)
    assert fake.calls == []


@pytest.mark.parametrize("width", [1.07e-5, 1.95673e-5, 3.5457e-5])
def test_any_width_from_ten_microseconds_on_is_made_to_a_percent(
    fake: FakeParallel, wiring: ParallelWiring, width: float
) -> None:
    wiring.pulse(Cells.of([(0, 0)]), np.array([2.0]), np.array([width]), 0.3)
    (duration, *_), *_ = [held for held in fake.held if max(abs(held[1])) > 1.2]
    assert duration == pytest.approx(width, rel=1e-2)


def test_no_cells_no_calls(fake: FakeParallel, wiring: ParallelWiring) -> None:
    assert wiring.read(Cells.of([]), 0.3).current.shape == (0,)
    assert wiring.pulse(Cells.of([]), np.empty(0), np.empty(0), 0.3).flags.shape == (0,)
    assert wiring.drive(np.empty((0, 10))).current.shape == (0, 10)
    assert fake.calls == []


def test_a_sweep_follows_the_curve(fake: FakeParallel, wiring: ParallelWiring) -> None:
    asked = np.linspace(-1.0, 1.0, 9)
    swept = wiring.sweep((4, 4), asked, 4e-4, 1e-3)
    assert np.allclose(swept.voltage, asked, atol=1e-4)
    assert np.allclose(swept.current, asked * fake.conductances[4, 4], rtol=2e-3, atol=1e-9)
    assert not swept.flags.any()
    assert np.all(np.diff(swept.time) > 0)
    assert fake.at_rest


def test_a_sweep_stays_below_its_compliance(fake: FakeParallel, wiring: ParallelWiring) -> None:
    fake.conductances[4, 4] = 5e-5
    swept = wiring.sweep((4, 4), np.array([0.2, 0.5, 2.0, 3.0, 0.2]), 4e-5, 1e-3)
    assert (np.abs(swept.current) <= 4e-5).all()
    assert swept.flags.tolist() == [0, 0, Flag.COMPLIANCE, Flag.COMPLIANCE, 0]
    most = max(np.abs(word[4]) for _, word, _ in fake.held)
    assert most <= 4e-5 / 5e-5


def test_a_sweep_point_lasts_its_dwell(fake: FakeParallel, wiring: ParallelWiring) -> None:
    wiring.sweep((4, 4), np.array([1.0]), 4e-4, 2e-3)
    (point,) = [h for h in fake.held if h[1][4] > 0.9]
    assert point[0] == pytest.approx(2e-3)


def test_the_scopes_offsets_do_not_part_the_two_gains() -> None:
    fake = FakeParallel(conductances(), offset=(2e-3, 2e-3))
    wiring = opened(fake)
    inputs = np.zeros((2, 10))
    inputs[1] = 0.2
    zero, many = wiring.drive(inputs).current
    assert np.allclose(many - zero, inputs[1] @ fake.conductances, rtol=1e-3, atol=2e-9)


def test_a_smaller_array_leaves_channels_at_rest() -> None:
    fake = FakeParallel(conductances((7, 4)))
    wiring = opened(fake, shape=(7, 4))
    inputs = np.random.default_rng(2).uniform(-0.3, 0.3, (5, 7))
    current = wiring.drive(inputs).current
    assert np.allclose(current, inputs @ fake.conductances, rtol=1e-3, atol=1e-8)


def test_single_multiplies_after_a_batch_soon_have_a_layout_of_their_own(
    fake: FakeParallel, wiring: ParallelWiring
) -> None:
    inputs = np.random.default_rng(2).uniform(-0.3, 0.3, (60, 10))
    wiring.drive(inputs)
    first = wiring._runner._loaded
    wiring.drive(inputs[:1])
    assert wiring._runner._loaded is first
    for _ in range(20):
        wiring.drive(inputs[:1])
    assert wiring._runner._loaded is not first


def test_its_own_limits_are_the_dacs_and_the_amplifiers() -> None:
    limits = ParallelWiring(settings(), FakeParallel(conductances()), Still()).limits  # type: ignore[arg-type]
    assert limits.voltage == pytest.approx(5.0 - 10 / 65536)
    assert limits.width_min == 1e-5
    assert limits.current == pytest.approx(4.9e-4)
    assert replace(limits, voltage=5.0, width_min=1e-6, current=1e-3) == LIMITS


def test_another_wirings_settings_are_refused() -> None:
    other = replace(settings(), wiring=SwitchedTable("switched"), sense=SenseTable(gain_pin=9))
    with pytest.raises(BenchError, match="not parallel"):
        ParallelWiring(other, FakeParallel(conductances()), Still())  # type: ignore[arg-type]


def test_it_says_that_its_compliance_is_software(wiring: ParallelWiring) -> None:
    described = wiring.describe()
    assert "software" in str(described["compliance"])
    assert described["read_scheme"] == "grounded"
