import numpy as np
import pytest

from crossbar import Crossbar
from crossbar.backend import Cells, LimitError
from crossbar.counting import Counted, Tally
from crossbar.crossbar import OFFSET_READS, REFERENCE_READS
from crossbar.guard import Guarded
from crossbar.programming import IsppSettings, WriteVerify
from fake_bench import LIMITS, FakeBench

CELL = WriteVerify(tolerance=0.6e-6, reread_delay=2.0)


def test_what_a_program_takes_is_what_its_report_and_the_bench_say() -> None:
    bench = FakeBench((10, 10))
    counted = Counted(bench)
    crossbar = Crossbar(counted, CELL, IsppSettings())
    report = crossbar.program(np.random.default_rng(0).normal(size=(3, 8)), np.ones((9, 1)))
    tally = counted.tally
    assert tally.pulses == report.pulses.sum() == len(bench.pulsed)
    assert tally.multiplies == OFFSET_READS
    # Partners once; everything at the end and again after the delay; four reads each.
    cells = int(report.programmed.sum())
    assert tally.reads == report.reads.sum() + 4 * (cells // 2) + 2 * 4 * cells
    assert tally.seconds == bench.now == pytest.approx(2.0 + 1e-3 * tally.pulses)


def test_multiplies_are_counted_for_each_block_and_each_copy_of_a_read() -> None:
    counted = Counted(FakeBench((10, 10)))
    crossbar = Crossbar(counted, CELL, IsppSettings())
    crossbar.program(np.ones((3, 8)), np.ones((9, 1)))
    before = counted.tally
    crossbar.matmul(np.ones((7, 3)), 0)
    crossbar.matmul(np.ones((7, 9)), 1)
    assert (counted.tally - before).multiplies == 7 * 2 + 7
    before = counted.tally
    crossbar.take_reference()
    assert counted.tally - before == Tally(multiplies=3 * REFERENCE_READS)
    before = counted.tally
    crossbar.weights(0, repeats=5)
    assert counted.tally - before == Tally(reads=5 * 48)


def test_a_counted_bench_is_the_bench() -> None:
    bench = FakeBench((3, 4))
    counted = Counted(Guarded(bench, LIMITS))
    assert counted.shape == (3, 4)
    assert counted.limits == LIMITS
    assert counted.describe() == {"kind": "fake"}
    counted.wait(1.5)
    assert counted.now == bench.now == 1.5
    cells = Cells.of([(0, 0), (1, 2)])
    assert counted.read(cells, 0.3).current == pytest.approx(bench.read(cells, 0.3).current)
    swept = counted.sweep((0, 1), np.array([0.1, 0.2]), 1e-4, 0.1)
    assert swept.current == pytest.approx([1e-6, 2e-6])
    traced = counted.trace((0, 1), np.array([0.1, 0.2]), 0.1, 1e-4)
    assert traced.current == pytest.approx(swept.current)
    with pytest.raises(LimitError):
        counted.pulse(cells, np.array([9.0, 9.0]), np.full(2, 1e-4), 0.3)
    counted.close()
