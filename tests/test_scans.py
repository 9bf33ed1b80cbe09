import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array, BenchError
from instruments.scans import BITS, RECORD, TICK, WAVEFORM, Record, Scan, Steps, address_bits, ticks

STEPS = Steps.of(1e-5, 1e-5)
COUNTS = st.integers(1, STEPS.capacity)


def times(scan: Scan) -> Array:
    """Return the time of every sample of a record, ticks."""
    return scan.record.interval * np.arange(scan.record.samples, dtype=np.float64)


def test_durations_become_ticks_that_are_not_shorter() -> None:
    assert ticks(1e-5) == 1000
    assert ticks(1.0001e-8) == 2
    assert ticks(0.0) == 0


@given(COUNTS)
def test_patterns_waveform_and_record_fit_their_buffers(count: int) -> None:
    scan = Scan(count, STEPS)
    assert len(scan.gain()) <= BITS
    assert count <= WAVEFORM
    assert scan.record.samples <= RECORD


@given(COUNTS, st.integers(1, 100))
def test_every_gain_of_every_slot_comes_out_where_it_belongs(count: int, fastest: int) -> None:
    scan = Scan(count, STEPS, fastest)
    step = times(scan) // STEPS.step
    expected = np.arange(2 * count, dtype=np.float64).reshape(-1, 2)
    assert np.allclose(scan.cut(step), expected)


@given(COUNTS)
def test_what_happens_while_waiting_is_not_averaged(count: int) -> None:
    scan = Scan(count, STEPS)
    waiting = times(scan) % STEPS.step < STEPS.wait
    assert not scan.cut(np.where(waiting, 5.0, 0.0)).any()


@given(COUNTS)
def test_the_level_of_each_slot_is_seen_without_its_edge(count: int) -> None:
    scan = Scan(count, STEPS)
    at = times(scan)
    level = np.where(at % STEPS.slot < STEPS.wait, -9.0, at // STEPS.slot)
    assert np.allclose(scan.levels(level), np.arange(count))


def test_the_gain_pin_is_low_first_for_the_high_gain() -> None:
    assert Scan(2, STEPS).gain().tolist() == [0, 1, 0, 1]


def test_a_full_array_takes_a_few_milliseconds() -> None:
    assert Scan(110, STEPS).duration == pytest.approx(110 * 40e-6)


def test_a_record_is_no_faster_than_asked() -> None:
    assert Record.covering(0, 1000, 100) == Record(0, 100, 10)
    assert Record.covering(0, 1000, 100).rate == pytest.approx(1 / (100 * TICK))
    assert Record.covering(50, 50 + 3 * RECORD, 1) == Record(50, 3, RECORD)


def test_the_last_sample_of_a_window_is_left_to_a_late_scope() -> None:
    record = Record(0, 10, 100)
    late = np.where(np.arange(100) >= 51, 0.0, 1.0)
    assert record.means(late, np.array([0]), np.array([520])) == pytest.approx(1.0)


def test_steps_that_do_not_fit_a_record_are_refused() -> None:
    with pytest.raises(BenchError, match="does not fit a record"):
        assert Steps.of(1e-1, 1e-7).capacity


def test_an_address_goes_out_lowest_line_first() -> None:
    lines = address_bits(np.array([0, 5, 10, 12]), 4)
    assert [line.tolist() for line in lines] == [
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 1, 0, 1],
        [0, 0, 1, 1],
    ]


@given(st.lists(st.integers(0, 15), min_size=1))
def test_address_lines_together_are_the_addresses(addresses: list[int]) -> None:
    lines = address_bits(np.array(addresses), 4)
    assert (np.array(lines).astype(int).T @ [1, 2, 4, 8]).tolist() == addresses
