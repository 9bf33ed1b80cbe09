import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import DataError
from crossbar.memsim import DeviceProfile
from crossbar.memsim.out_of_range import SPANS, out_of_range
from memsim_devices import SHORT_CURVE, short

# (G_x - G_min) / (G_max - G_min) for G_x of 3.5, 2, 0.5 and 6, clipped to 0 ... 1 by hand.
BEYOND = {"segment": [0.625, 0.25, 0.0, 1.0], "curve": [3 / 5.5, 1.5 / 5.5, 0.0, 1.0]}


@pytest.mark.parametrize("span", SPANS)
def test_levels_beyond_the_segment_follow_the_conductance_that_is_there(span: str) -> None:
    table = out_of_range(short(), span)
    assert (table.levels, table.exact) == (9, 5)
    np.testing.assert_allclose(table.beyond, BEYOND[span], rtol=1e-14)


@pytest.mark.parametrize("span", SPANS)
def test_levels_beyond_the_curve_take_its_last_point(span: str) -> None:
    table = out_of_range(short(l_min=12), span)
    np.testing.assert_allclose(table.beyond, [*BEYOND[span], 1.0, 1.0, 1.0], rtol=1e-14)


@pytest.mark.parametrize("l_min", [1, 2, 4, 5])
def test_a_segment_with_the_levels_that_are_wanted_changes_nothing(l_min: int) -> None:
    assert out_of_range(short(l_min)).identity


def test_a_segment_that_starts_later_is_counted_from_its_start() -> None:
    profile = DeviceProfile("late", (9.0, 1.0, 3.0, 2.0), 1, 2, 2, 4, 0.5, 0.0, 0.0)
    table = out_of_range(profile)
    assert table.exact == 2
    np.testing.assert_allclose(table.beyond, [0.5, 0.5])


def test_a_gapped_segment_counts_its_points_and_goes_on_at_its_end() -> None:
    profile = DeviceProfile("gapped", SHORT_CURVE, 0, 4, 3, 5, 0.4, 0.0, 0.0)
    table = out_of_range(profile)
    assert table.exact == 3
    np.testing.assert_allclose(table.beyond, BEYOND["segment"][:2])


def test_a_device_that_never_rises_holds_what_is_above_its_only_level() -> None:
    falling = DeviceProfile("falling", (3.0, 2.0, 4.0), 0, 0, 1, 3, 2 / 3, 0.0, 0.0)
    np.testing.assert_array_equal(out_of_range(falling).beyond, [0.0, 1.0])
    flat = DeviceProfile("flat", (3.0, 3.0), 0, 0, 1, 3, 2 / 3, 0.0, 0.0)
    np.testing.assert_array_equal(out_of_range(flat, "curve").beyond, [0.0, 0.0])


def test_an_unknown_span_is_refused() -> None:
    with pytest.raises(DataError, match="'whole' is unknown; known are segment, curve"):
        out_of_range(short(), "whole")


@given(
    st.lists(st.floats(1e-9, 1e-3), min_size=1, max_size=20),
    st.integers(1, 40),
    st.sampled_from(SPANS),
    st.integers(-20, 20),
)
def test_parts_are_from_0_to_1_and_do_not_hang_on_the_unit(
    curve: list[float], l_min: int, span: str, exponent: int
) -> None:
    def table(scale: float) -> np.ndarray:
        scaled = tuple(scale * G for G in curve)
        rho = max(0.0, 1 - 1 / l_min)
        return out_of_range(DeviceProfile("d", scaled, 0, 0, 1, l_min, rho, 0.0, 0.0), span).beyond

    beyond = table(1.0)
    assert beyond.shape == (l_min - 1,)
    assert ((beyond >= 0) & (beyond <= 1)).all()
    # Powers of two, by which numbers are scaled without rounding.
    np.testing.assert_array_equal(beyond, table(2.0**exponent))
