"""Layouts: which are chosen, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import LimitError
from instruments import frame_plans
from instruments.frame_plans import Pace, cost
from instruments.frames import CELLS

PACE = Pace(period=10, lead=2e-5, step=2e-5, dead=2e-5, inputs=5)


def test_a_whole_array_is_read_in_one_frame() -> None:
    layout = frame_plans.multiply(2, 10, PACE)
    assert layout.slots == 10
    assert cost(layout, 10, PACE) < 0.015


def test_several_dense_vectors_share_a_frame() -> None:
    layout = frame_plans.multiply(10, 100, PACE)
    assert layout.slots == 3
    assert cost(layout, 100, PACE) < 0.35


def test_pulses_of_one_width_share_a_frame() -> None:
    assert frame_plans.pulse(1e-4, 100, PACE).slots == 3


@given(st.floats(1e-5, 1.0))
def test_every_width_from_the_shortest_on_is_made_to_a_percent(width: float) -> None:
    layout = frame_plans.pulse(width, 1, PACE)
    assert layout.width == pytest.approx(width, rel=1e-2 if width < 3e-5 else 1e-3)
    assert layout.cells <= CELLS


def test_a_width_between_two_that_are_possible_is_made_as_the_nearer() -> None:
    assert frame_plans.pulse(1.071e-5, 1, PACE).width == pytest.approx(1.064e-5)
    assert frame_plans.pulse(1.073e-5, 1, PACE).width == pytest.approx(1.08e-5)


@pytest.mark.parametrize("width", [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1, 1.0])
def test_round_widths_are_exact(width: float) -> None:
    assert frame_plans.pulse(width, 1, PACE).width == pytest.approx(width, rel=1e-12)


@pytest.mark.parametrize("width", [1e-7, 5e-6, 9.99e-6])
def test_what_the_dac_cannot_settle_to_is_refused(width: float) -> None:
    with pytest.raises(LimitError, match="at least 1e-05 s"):
        frame_plans.pulse(width, 1, PACE)


def test_a_dwell_that_no_reading_fits_is_refused() -> None:
    with pytest.raises(LimitError, match="does not fit a reading"):
        frame_plans.hold(1e-4, PACE)


def test_sck_is_never_faster_than_allowed() -> None:
    slow = Pace(period=100, lead=2e-5, step=2e-5, dead=2e-5, inputs=5)
    for words in (1, 10):
        assert frame_plans.multiply(words, 3, slow).period >= 100
    assert frame_plans.pulse(1e-4, 3, slow).period >= 100


def test_sck_has_equal_halves() -> None:
    periods = [frame_plans.multiply(w, n, PACE).period for w in range(1, 11) for n in (1, 3, 9)]
    periods += [frame_plans.pulse(w, 1, PACE).period for w in np.linspace(1e-5, 2e-5, 11)[::5]]
    assert all(period % 2 == 0 for period in periods)
