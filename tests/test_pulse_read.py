import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array, LimitError
from instruments.pulse_read import Margins, PulseRead
from instruments.scans import RECORD, TICK, WAVEFORM, Steps

MARGINS = Margins(lead=2000, gap=2000, settle=2000, steps=Steps(1000, 1000))
WIDTHS = st.floats(1e-5, 1.0)


def times(plan: PulseRead) -> Array:
    """Return the time of every sample of a record, ticks."""
    record = plan.record
    return record.start + record.interval * np.arange(record.samples, dtype=np.float64)


def played(plan: PulseRead, waveform: Array) -> Array:
    """Return what the scope sees of a waveform."""
    sample = (times(plan) // plan.interval).astype(int)
    seen: Array = np.append(waveform, 0.0)[np.minimum(sample, len(waveform))]
    return seen


@given(WIDTHS)
def test_a_pulse_has_its_width_within_a_thousandth(width: float) -> None:
    assert PulseRead.fitting(width, MARGINS).width == pytest.approx(width, rel=1e-3)


@pytest.mark.parametrize("width", [1e-6, 2e-6, 1e-5, 1e-4, 1e-3, 0.123, 1.0])
def test_round_widths_are_exact(width: float) -> None:
    assert PulseRead.fitting(width, MARGINS).width == pytest.approx(width, rel=1e-12)


@given(WIDTHS)
def test_waveform_and_record_fit_their_buffers(width: float) -> None:
    plan = PulseRead.fitting(width, MARGINS)
    assert len(plan.drive(1.0, 0.1)) == len(plan.bias(0.5)) <= WAVEFORM
    assert plan.record.samples <= RECORD


def test_the_bias_is_on_before_the_pulse_and_off_with_it() -> None:
    plan = PulseRead.fitting(1e-4, MARGINS)
    drive, bias = plan.drive(2.0, 0.3, 1.0), plan.bias(1.0)
    on = np.flatnonzero(drive == 2.0)
    assert len(on) * plan.interval * TICK == pytest.approx(1e-4)
    assert (bias[: on[-1] + 1] == 1.0).all()
    assert (bias[on[-1] + 1 :] == 0.0).all()
    assert on[0] * plan.interval * TICK >= 2e-5
    assert (drive[: on[0]] == 1.0).all()


@given(WIDTHS)
def test_the_record_shows_pulse_gap_and_read_at_their_levels(width: float) -> None:
    plan = PulseRead.fitting(width, MARGINS)
    seen = plan.levels(played(plan, plan.drive(-3.0, 0.3)))
    assert np.allclose(seen, [-3.0, 0.0, 0.3])


@given(WIDTHS)
def test_gap_and_read_are_each_seen_at_both_gains_and_never_across_a_change(width: float) -> None:
    plan = PulseRead.fitting(width, MARGINS)
    start, duration = plan.high_gain
    at = times(plan) * TICK
    high = (at >= start) & (at < start + duration)
    read = at >= plan.read * TICK
    assert np.array_equal(plan.cut(10.0 * high + 1.0 * read), [[10.0, 0.0], [11.0, 1.0]])


def test_every_window_begins_after_what_it_waits_for() -> None:
    plan = PulseRead.fitting(1e-6, MARGINS)
    start, duration = plan.high_gain
    at = times(plan) * TICK
    # A microsecond short of each wait still reads as the value before.
    late = (at >= plan.read * TICK) & (at < plan.read * TICK + 19e-6)
    changing = (at >= start + duration) & (at < start + duration + 9e-6)
    after = (at >= plan.end * TICK) & (at < plan.end * TICK + 9e-6)
    assert np.array_equal(plan.cut(np.where(late | changing | after, 5.0, 0.0)), np.zeros((2, 2)))


@pytest.mark.parametrize("width", [5e-7, 1e-9, 0.0, np.nan, np.inf])
def test_a_pulse_that_is_mostly_edge_is_refused(width: float) -> None:
    with pytest.raises(LimitError, match="edges"):
        PulseRead.fitting(width, MARGINS)


def test_a_width_between_the_ticks_is_refused_and_a_near_one_named() -> None:
    with pytest.raises(LimitError, match=r"no waveform .* of 1\.2e-06 s is near"):
        PulseRead.fitting(1.2034567e-6, MARGINS)


def test_a_pulse_without_bias_needs_no_lead() -> None:
    plan = PulseRead.fitting(1e-4, Margins(0, 2000, 2000, Steps(1000, 1000)))
    assert plan.begin == 0
    assert plan.drive(1.0, 0.1)[0] == 1.0
