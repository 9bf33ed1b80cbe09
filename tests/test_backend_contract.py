"""What a bench is: every backend passes these, simulated, virtual or real.

``pytest tests/test_backend_contract.py --bench lab.toml`` runs them on a bench of yours. They read
every cell, and pulse two of them, `pulsed`, with the strongest pulses of the file's policy.
Every backend is opened as the program opens it, behind the guard and the recorder.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest

from crossbar.backend import (
    Array,
    Backend,
    Cells,
    ClosedError,
    Flag,
    LimitError,
    Reading,
    Sweep,
)
from crossbar.bench import Bench, Description, load, open_bench
from crossbar.recorder import Recorded
from crossbar.store import Store

PULSE = 1e-4  # s: the width of the pulses, where the limits allow it
BRIEF = 1e-4  # s: the dwell at a point of a curve that is to leave a cell as it is
Two: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

VARIANTS = {
    "sim": {},
    "sim-seed": {"seed = 0": "seed = 7"},
    "ideal": {},
    "sim-floating": {
        'read_scheme = "grounded"': 'read_scheme = "floating"',
        "word_lines = 10": "word_lines = 4",  # each cell takes a circuit of its own to solve
        "bit_lines = 10": "bit_lines = 3",
    },
    "sim-third": {'write_scheme = "half"': 'write_scheme = "third"'},
    "sim-ideal-wires": {"line_resistance = 2.0": "line_resistance = 0.0"},
    "sim-tall": {"word_lines = 10": "word_lines = 7", "bit_lines = 10": "bit_lines = 4"},
}

VIRTUAL = ("virtual-parallel", "virtual-switched", "virtual-mux")


def described(name: str, folder: Path) -> Description:
    """Return a bench that comes with the program, or one of its variants written to a file."""
    if name in VIRTUAL:
        return load(name)
    text = load(name.split("-")[0]).text
    for old, new in VARIANTS[name].items():
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return load(str(path))


@pytest.fixture(params=[*VARIANTS, *VIRTUAL, "bench"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "bench":
        given = request.config.getoption("--bench")
        if given is None:
            pytest.skip("no bench of yours: pytest --bench lab.toml")
        description = load(given)
    else:
        description = described(request.param, tmp_path)
    with Store.open(tmp_path / "runs.sqlite") as store, open_bench(description) as opened:
        run = store.start(experiment="contract", settings={}, bench=opened.describe())
        with run, closing(Recorded(opened.backend, run)) as backend:
            yield Bench(opened.name, opened.kind, backend, opened.programming, opened.seed)


@pytest.fixture
def backend(bench: Bench) -> Backend:
    return bench.backend


@pytest.fixture
def read_voltage(bench: Bench) -> float:
    return bench.programming.cell.read_voltage


@pytest.fixture
def pulsed(backend: Backend) -> tuple[tuple[int, int], tuple[int, int]]:
    """The two cells that these tests pulse."""
    word_lines, bit_lines = backend.shape
    return (0, 0), (min(2, word_lines - 1), min(1, bit_lines - 1))


@pytest.fixture
def width(backend: Backend) -> float:
    limits = backend.limits
    return min(max(PULSE, limits.width_min), limits.width_max)


def conductances(backend: Backend, voltage: float, repeats: int = 16) -> tuple[Array, Array]:
    """Return mean and standard error of every cell's conductance, offsets taken out, S."""
    cells = Cells.all(backend.shape)
    offset = backend.drive(np.zeros((repeats, backend.shape[0]))).current.mean(axis=0)
    reads = np.array([backend.read(cells, voltage).current for _ in range(repeats)])
    values = (reads - offset[cells.bit]) / voltage
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(repeats)


def test_the_shape_is_two_counts_of_lines(backend: Backend) -> None:
    word_lines, bit_lines = backend.shape
    assert word_lines >= 1
    assert bit_lines >= 1


def test_a_bench_says_what_it_is_in_plain_values(backend: Backend) -> None:
    import json

    assert json.loads(json.dumps(backend.describe()))["kind"]


def test_reads_come_one_per_cell_in_the_order_asked(backend: Backend, read_voltage: float) -> None:
    cells = Cells.all(backend.shape)
    order = np.arange(len(cells))[::-1]
    forward = np.mean([backend.read(cells, read_voltage).current for _ in range(8)], axis=0)
    backward = np.mean([backend.read(cells[order], read_voltage).current for _ in range(8)], axis=0)
    assert forward.shape == (len(cells),)
    assert np.allclose(backward[order], forward, rtol=0.05, atol=1e-7)


def test_no_cells_give_no_readings(backend: Backend, read_voltage: float) -> None:
    reading = backend.read(Cells.of([]), read_voltage)
    assert reading.current.shape == reading.flags.shape == (0,)


def test_reading_does_not_change_a_cell(backend: Backend, read_voltage: float) -> None:
    first, _ = conductances(backend, read_voltage)
    for _ in range(50):
        backend.read(Cells.all(backend.shape), read_voltage)
    second, _ = conductances(backend, read_voltage)
    assert np.allclose(first, second, rtol=0.05, atol=2e-7)


def test_readings_are_finite_and_flagged_with_bytes(backend: Backend, read_voltage: float) -> None:
    reading = backend.read(Cells.all(backend.shape), read_voltage)
    assert isinstance(reading, Reading)
    assert np.isfinite(reading.current).all()
    assert reading.flags.dtype == np.uint8
    assert reading.flags.shape == reading.current.shape


@pytest.mark.parametrize("polarity", ["SET", "RESET"])
def test_set_raises_and_reset_lowers_a_conductance(
    bench: Bench, polarity: str, pulsed: Two, width: float
) -> None:
    backend, pulses = bench.backend, bench.programming.pulses
    cell, voltage = Cells.of([pulsed[0]]), bench.programming.cell.read_voltage
    up, down = pulses.strongest
    # First to the far end, so that there is room to move.
    prepare, amplitude = (down, up) if polarity == "SET" else (up, down)
    widths = np.array([width])
    for _ in range(10):
        before = backend.pulse(cell, np.array([prepare]), widths, voltage).current[0]
    for _ in range(10):
        after = backend.pulse(cell, np.array([amplitude]), widths, voltage).current[0]
    moved = (after - before) / voltage
    assert moved * np.sign(amplitude) > bench.programming.cell.tolerance


def test_a_cell_named_twice_is_pulsed_twice(bench: Bench, pulsed: Two, width: float) -> None:
    up, down = bench.programming.pulses.strongest
    voltage = bench.programming.cell.read_voltage
    cells = Cells.of([pulsed[1], pulsed[0], pulsed[1], pulsed[1]])
    for _ in range(10):
        bench.backend.pulse(cells, np.full(4, down), np.full(4, width), voltage)
    # Not the strongest SET: one of those may fill the cell, and the others then add nothing.
    gentle = np.full(4, 0.8 * up)
    reading = bench.backend.pulse(cells, gentle, np.full(4, width), voltage)
    assert reading.current.shape == (4,)
    assert reading.current[3] > reading.current[2] > reading.current[0]


def test_a_multiply_gives_a_vector_of_bit_line_currents_per_input(
    backend: Backend, read_voltage: float
) -> None:
    word_lines, bit_lines = backend.shape
    reading = backend.drive(np.full((3, word_lines), read_voltage))
    assert reading.current.shape == reading.flags.shape == (3, bit_lines)
    assert backend.drive(np.zeros((0, word_lines))).current.shape == (0, bit_lines)


def test_a_multiply_with_one_word_line_agrees_with_reads_of_its_cells(bench: Bench) -> None:
    backend, voltage = bench.backend, bench.programming.cell.read_voltage
    array = bench.describe()
    if array.get("read_scheme") == "floating":
        pytest.skip("floating lines add sneak currents to a read, which is what they are known for")
    word_lines, bit_lines = backend.shape
    word = min(3, word_lines - 1)
    inputs = np.zeros((16, word_lines))
    inputs[:, word] = voltage
    driven = backend.drive(inputs).current.mean(axis=0)
    cells = Cells.block([word], np.arange(bit_lines))
    read = np.mean([backend.read(cells, voltage).current for _ in range(16)], axis=0)
    assert np.allclose(driven, read, rtol=0.03, atol=2e-8)


def test_currents_of_word_lines_add_up(backend: Backend, read_voltage: float) -> None:
    word_lines = backend.shape[0]
    one_by_one = np.eye(word_lines) * read_voltage
    zero = backend.drive(np.zeros((16, word_lines))).current.mean(axis=0)
    singles = np.mean([backend.drive(one_by_one).current - zero for _ in range(16)], axis=0)
    together = backend.drive(np.full((16, word_lines), read_voltage)).current.mean(axis=0) - zero
    assert np.allclose(together, singles.sum(axis=0), rtol=0.03, atol=1e-7)


def test_the_sign_of_a_read_voltage_is_the_sign_of_its_current(
    backend: Backend, read_voltage: float
) -> None:
    word_lines = backend.shape[0]
    signs = np.stack([np.full(word_lines, read_voltage), np.full(word_lines, -read_voltage)])
    current = np.mean([backend.drive(signs).current for _ in range(8)], axis=0)
    assert np.all(current[0] > 0)
    assert np.all(current[1] < 0)


def test_a_sweep_measures_every_point_in_order(bench: Bench, pulsed: Two) -> None:
    voltage = bench.programming.cell.read_voltage
    asked = np.concatenate([np.linspace(0, voltage, 8), np.linspace(voltage, -voltage, 8)])
    got = bench.backend.sweep(pulsed[0], asked, bench.backend.limits.current, 1e-3)
    assert got.voltage.shape == got.current.shape == got.time.shape == got.flags.shape == (16,)
    assert np.allclose(got.voltage, asked, atol=0.02 * voltage)
    assert np.all(np.diff(got.time) > 0)
    assert np.all(got.current[asked > 0.5 * voltage] > 0)


def test_compliance_bounds_a_sweep_and_is_flagged(bench: Bench, pulsed: Two) -> None:
    backend, voltage = bench.backend, bench.programming.cell.read_voltage
    asked = np.linspace(0, voltage, 6)
    free = backend.sweep(pulsed[0], asked, backend.limits.current, 1e-3)
    compliance = float(np.abs(free.current).max()) / 2
    held = backend.sweep(pulsed[0], asked, compliance, 1e-3)
    assert (held.flags[-1] & Flag.COMPLIANCE) != 0
    assert (held.flags[1] & Flag.COMPLIANCE) == 0
    # Gain and offset of the current meter are part of what it reads.
    assert abs(held.current[-1]) <= compliance * 1.03 + 1e-7
    assert abs(held.voltage[-1]) < abs(free.voltage[-1])


def slope(seen: Sweep, asked: Array, top: float) -> float:
    """Return the conductance between the ends of a curve, free of offsets, S."""
    high, low = asked > 0.8 * top, asked < -0.8 * top
    current = seen.current[high].mean() - seen.current[low].mean()
    return float(current / (seen.voltage[high].mean() - seen.voltage[low].mean()))


@pytest.fixture
def traced(bench: Bench, pulsed: Two) -> tuple[Array, Sweep, Sweep]:
    """A triangle of small voltages, what it gave, and what a staircase of the same gave."""
    backend, top = bench.backend, bench.programming.cell.read_voltage
    ramp = np.linspace(0, top, 50)
    asked = np.concatenate([ramp, ramp[::-1], -ramp, -ramp[::-1]])
    seen = backend.read(Cells.of([pulsed[0]] * 8), top).current
    expected = 4 * float(np.abs(seen).max()) + 1e-6
    # Briefly: a long stay at a read voltage may count as a write, after which a cell relaxes.
    try:
        fast = backend.trace(pulsed[0], asked, BRIEF, min(expected, backend.limits.current))
    except LimitError as refusal:
        pytest.skip(f"this bench says that it has no waveforms: {refusal}")
    stairs = backend.sweep(pulsed[0], asked, backend.limits.current, BRIEF)
    return asked, fast, stairs


def test_a_waveform_gives_the_current_of_a_staircase(
    bench: Bench, traced: tuple[Array, Sweep, Sweep]
) -> None:
    asked, fast, stairs = traced
    top = bench.programming.cell.read_voltage
    assert fast.voltage.shape == fast.current.shape == fast.time.shape == fast.flags.shape
    assert np.allclose(fast.voltage, asked, atol=0.02 * top + 5e-3)
    assert np.allclose(np.diff(fast.time), BRIEF, rtol=0.01)
    assert slope(fast, asked, top) == pytest.approx(slope(stairs, asked, top), rel=0.05, abs=5e-8)


def test_what_a_waveform_drives_beyond_the_range_is_flagged(
    bench: Bench, traced: tuple[Array, Sweep, Sweep], pulsed: Two
) -> None:
    """The bench need not clip, but a number at the end of a range must not pass for a current."""
    asked, fast, _ = traced
    again = bench.backend.trace(pulsed[0], asked, BRIEF, float(np.abs(fast.current).max()) / 2)
    odd = ~np.isclose(again.current, fast.current, rtol=0.2, atol=3e-7)
    assert np.all((again.flags[odd] & Flag.CLIPPED) != 0)


def test_a_waveform_that_is_none_is_refused(bench: Bench, pulsed: Two) -> None:
    backend = bench.backend
    good, current = np.zeros(200), backend.limits.current
    for voltages, interval, largest in (
        (np.full(200, np.nan), 2e-4, current),
        (np.full(200, 1e3), 2e-4, current),
        (good, np.nan, current),
        (good, -1.0, current),
        (good, 2e-4, np.inf),
        (good, 2e-4, 0.0),
    ):
        with pytest.raises(LimitError):
            backend.trace(pulsed[0], voltages, interval, largest)
    with pytest.raises(LimitError):
        backend.trace((backend.shape[0], 0), good, 2e-4, current)


def test_waiting_moves_the_bench_clock(backend: Backend) -> None:
    start = backend.now
    backend.wait(0.01)
    assert backend.now - start >= 0.01


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e3])
def test_a_voltage_that_is_no_voltage_is_refused_and_nothing_moves(
    bench: Bench, bad: float, pulsed: Two
) -> None:
    backend, voltage = bench.backend, bench.programming.cell.read_voltage
    before, error = conductances(backend, voltage)
    one = Cells.of([pulsed[0]])
    inputs = np.zeros((2, backend.shape[0]))
    inputs[1, 0] = bad
    with pytest.raises(LimitError):
        backend.read(one, bad)
    with pytest.raises(LimitError):
        backend.pulse(one, np.array([bad]), np.array([1e-4]), voltage)
    with pytest.raises(LimitError):
        backend.pulse(one, np.array([0.1]), np.array([1e-4]), bad)
    with pytest.raises(LimitError):
        backend.drive(inputs)
    with pytest.raises(LimitError):
        backend.sweep(pulsed[0], np.array([0.0, bad]), 1e-6, 1e-3)
    after, _ = conductances(backend, voltage)
    assert np.allclose(before, after, rtol=0.05, atol=float(10 * error.max() + 2e-7))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_time_that_is_no_time_is_refused(bench: Bench, bad: float, pulsed: Two) -> None:
    backend, voltage = bench.backend, bench.programming.cell.read_voltage
    with pytest.raises(LimitError):
        backend.pulse(Cells.of([pulsed[0]]), np.array([0.1]), np.array([bad]), voltage)
    with pytest.raises(LimitError):
        backend.wait(bad)
    with pytest.raises(LimitError):
        backend.sweep(pulsed[0], np.array([0.0]), 1e-6, bad)


def test_a_cell_that_does_not_exist_is_refused(backend: Backend, read_voltage: float) -> None:
    word_lines, bit_lines = backend.shape
    for cell in ((word_lines, 0), (0, bit_lines), (-1, 0)):
        with pytest.raises(LimitError):
            backend.read(Cells.of([cell]), read_voltage)
        with pytest.raises(LimitError):
            backend.sweep(cell, np.array([0.0]), 1e-6, 1e-3)


def test_arrays_of_the_wrong_shape_are_refused(
    backend: Backend, read_voltage: float, pulsed: Two
) -> None:
    two = Cells.of(pulsed)
    with pytest.raises(LimitError):
        backend.pulse(two, np.array([0.1]), np.array([1e-4, 1e-4]), read_voltage)
    with pytest.raises(LimitError):
        backend.drive(np.zeros((1, backend.shape[0] + 1)))


def test_a_closed_bench_answers_nothing(backend: Backend, read_voltage: float, pulsed: Two) -> None:
    backend.close()
    backend.close()
    with pytest.raises(ClosedError):
        backend.read(Cells.of([pulsed[0]]), read_voltage)
    with pytest.raises(ClosedError):
        backend.drive(np.zeros((1, backend.shape[0])))
