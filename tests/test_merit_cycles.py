import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array, DataError
from crossbar.curves import Curve
from crossbar.merit.cycles import BRANCHES, branches, directions, split, turns
from merit_curves import curve, triangle


def only(voltage: Array) -> Curve:
    return curve(voltage, np.zeros(len(voltage)))


def starts(found: Curve) -> list[int]:
    return [0, *(np.flatnonzero(np.diff(found.cycle)) + 1).tolist()]


@pytest.mark.parametrize(("high", "low"), [(2.0, -2.0), (8.0, -1.0), (3.0, 0.0), (0.3, -6.0)])
@pytest.mark.parametrize("cycles", [1, 2, 7])
def test_a_sweep_from_zero_is_divided_into_its_cycles(high: float, low: float, cycles: int) -> None:
    one = triangle(high, low, 0.1)
    found = split(only(np.tile(one, cycles)))
    assert starts(found) == [k * len(one) for k in range(cycles)]
    assert found.origin.notes == ()


def test_a_sweep_that_does_not_reach_zero_is_divided_at_its_lowest_voltage() -> None:
    one = np.concatenate([np.linspace(0.2, 1, 9), np.linspace(0.9, 0.2, 8)])
    assert starts(split(only(np.tile(one, 3)))) == [0, 17, 34]


def test_a_sweep_that_begins_downwards_is_divided_where_it_goes_down() -> None:
    one = -triangle(1.5, -1.0, 0.1)
    assert starts(split(only(np.tile(one, 3)))) == [0, len(one), 2 * len(one)]


def test_a_negative_sweep_of_one_sign_is_divided() -> None:
    one = -triangle(1.5, 0.0, 0.1)
    assert starts(split(only(np.tile(one, 3)))) == [0, len(one), 2 * len(one)]


def test_a_sweep_that_begins_at_its_highest_voltage_keeps_all_its_cycles() -> None:
    one = np.concatenate([np.linspace(2, -2, 40, endpoint=False), np.linspace(-2, 2, 40)])
    found = split(only(np.tile(one, 4)))
    assert starts(found) == [0, 80, 160, 240]


def test_a_sweep_that_begins_anywhere_is_divided_where_it_rises_through_zero() -> None:
    whole = np.sin(np.linspace(0, 2 * np.pi, 200, endpoint=False))
    found = split(only(np.roll(np.tile(whole, 4), 70)))
    assert found.cycles == 3
    assert all(abs(found.voltage[at]) < 0.05 for at in starts(found))
    assert (directions(found.voltage)[1:20] > 0).all()
    assert found.origin.notes == (
        "the first cycle is incomplete: its 70 points are left out",
        "the last cycle is incomplete: its 130 points are left out",
    )


@pytest.mark.parametrize("shift", [0, 13, 50, 77, 100, 130, 199])
def test_one_period_from_anywhere_is_one_cycle(shift: int) -> None:
    whole = 0.8 * np.sin(np.linspace(0, 2 * np.pi, 200, endpoint=False))
    found = split(only(np.roll(whole, shift)))
    assert (found.cycles, len(found)) == (1, 200)


def test_an_incomplete_last_cycle_is_named_and_left_out_or_kept() -> None:
    voltage = triangle(2, -2, 0.1, 3)[:-45]
    left = split(only(voltage))
    assert left.cycles == 2
    assert left.origin.notes == ("the last cycle is incomplete: its 36 points are left out",)
    kept = split(only(voltage), keep_incomplete=True)
    assert (kept.cycles, len(kept)) == (3, len(voltage))


def test_a_last_cycle_of_one_sign_only_is_incomplete() -> None:
    voltage = np.concatenate([triangle(2, -2, 0.1, 2), triangle(2, 0, 0.1)])
    assert split(only(voltage)).cycles == 2


def test_the_only_cycle_stays_even_if_it_does_not_return() -> None:
    found = split(only(np.linspace(0, 3, 31)))
    assert (found.cycles, len(found)) == (1, 31)
    assert found.origin.notes == ("the sweep does not return to where it began",)


def test_cycles_of_growing_amplitude_are_told_apart() -> None:
    parts = [triangle(high, -high, 0.05) for high in (1.0, 1.5, 2.0)]
    lengths = [len(part) for part in parts]
    assert starts(split(only(np.concatenate(parts)))) == [0, lengths[0], sum(lengths[:2])]


@given(
    noise=st.floats(0, 0.02),
    dwell=st.integers(1, 4),
    cycles=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_noise_and_dwells_do_not_change_the_number_of_cycles(
    noise: float, dwell: int, cycles: int, seed: int
) -> None:
    voltage = np.repeat(triangle(2, -1, 0.1, cycles), dwell)
    voltage = voltage + np.random.default_rng(seed).normal(0, noise, len(voltage))
    found = split(only(voltage))
    assert found.cycles == cycles
    assert len(turns(voltage)) == 2 * cycles


def test_a_curve_that_its_source_divides_is_left_as_it_is() -> None:
    divided = Curve("D1", np.zeros(4), np.zeros(4), np.array([0, 0, 1, 1]), only(np.ones(1)).origin)
    assert split(divided) is divided


def test_a_voltage_that_never_moves_is_no_sweep() -> None:
    with pytest.raises(DataError, match=r"D1: the voltage stays at 0\.3 V; that is no sweep"):
        split(only(np.full(10, 0.3)))


def test_two_points_are_no_curve() -> None:
    with pytest.raises(DataError, match="2 points are too few"):
        split(only(np.array([0.0, 1.0])))
    with pytest.raises(DataError, match="0 points are too few"):
        split(only(np.empty(0)))


def test_branches_are_sign_and_direction() -> None:
    voltage = np.array([0, 1, 2, 1, 0, -1, -2, -1, 0.0])
    names = {number: name for name, number in BRANCHES.items()}
    assert [names[each] for each in branches(only(voltage)).tolist()] == [
        *["positive up"] * 3,
        "positive down",
        *["negative down"] * 3,
        *["negative up", "positive up"],
    ]


def test_a_dip_of_the_voltage_on_its_way_up_is_no_turn() -> None:
    voltage = np.array([0, 1, 2, 3, 2.6, 2.7, 3.1, 4, 3, 2, 1, 0.0])
    assert turns(voltage).tolist() == [7]
