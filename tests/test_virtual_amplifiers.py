import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array, BenchError, Indices
from sim_backend import Tia
from sim_backend.virtual.amplifiers import STICKY, Amplifiers, Pace, Sense, Settled
from sim_backend.virtual.faults import Faults

TAU = 1e-6


def amplifiers(tia: Tia | None = None, faults: Faults | None = None) -> Amplifiers:
    none = Tia(gain_sigma=0.0, offset_sigma=0.0)
    rng = np.random.default_rng(0)
    return Amplifiers(Sense(), none if tia is None else tia, 3, faults or Faults(), rng)


def output(amplifier: Amplifiers, current: float, *, bias: float = 0.0, low: bool = False) -> Array:
    return amplifier.output(
        np.arange(3), np.full(3, current), np.full(3, bias), np.full(3, low, dtype=bool)
    )


def follower(
    time: list[float], target: list[float], before: Settled | None = None, slewing: float = 0.0
) -> Settled:
    levels = np.array(target)

    def reached(steps: Indices) -> Array:
        return levels[steps]

    n = len(time)
    return Settled(np.array(time), np.full(n, TAU), np.full(n, slewing), reached, before)


def test_output_is_bias_minus_current_times_resistance() -> None:
    np.testing.assert_allclose(output(amplifiers(), 1e-5), -1.0)
    np.testing.assert_allclose(output(amplifiers(), 1e-5, low=True), -0.05)
    np.testing.assert_allclose(output(amplifiers(), 1e-5, bias=0.3), -0.7)


def test_output_stops_at_the_rails() -> None:
    np.testing.assert_array_equal(output(amplifiers(), 1.0), -10.0)
    np.testing.assert_array_equal(output(amplifiers(), -1.0), 10.0)


def test_gain_and_offset_are_each_amplifiers_own() -> None:
    drawn = amplifiers(Tia(gain_sigma=0.01, offset_sigma=1e-8))
    np.testing.assert_allclose(output(drawn, 1e-5), -(1e-5 * drawn.gain + drawn.offset) * 1e5)
    assert len(set(drawn.gain)) == len(set(drawn.offset)) == 3


def test_dead_amplifier_stays_at_zero_and_offset_adds() -> None:
    wrong = amplifiers(faults=Faults(dead=frozenset({1}), offsets={2: 1e-6}))
    np.testing.assert_allclose(output(wrong, 1e-5), [-1.0, 0.0, -1.1])


def test_step_is_approached_exponentially() -> None:
    times = np.array([0.5e-5, 1e-5, 1.1e-5, 1.3e-5, 2e-4])
    expected = np.array([0, 0, 1 - np.exp(-1), 1 - np.exp(-3), 1])
    np.testing.assert_allclose(follower([0, 1e-5], [0, 1]).at(times), expected, atol=1e-12)


def test_step_starts_where_the_one_before_has_come_to() -> None:
    signal = follower([0, 1e-5, 1.1e-5], [0, 1, 0])
    reached = 1 - np.exp(-1)
    np.testing.assert_allclose(signal.at(np.array([1.2e-5])), reached * np.exp(-1))


def test_large_step_slews_first_and_joins_its_end_smoothly() -> None:
    signal = follower([0, 1e-5], [0, 1], slewing=3e-6)
    # A slope of 1/(slewing + tau) per second until one tau of it is left.
    np.testing.assert_allclose(signal.at(np.array([1.1e-5, 1.3e-5])), [0.25, 0.75])
    np.testing.assert_allclose(signal.at(np.array([1.4e-5])), 1 - 0.25 * np.exp(-1))


def test_only_targets_that_matter_are_asked_for() -> None:
    asked: list[int] = []

    def reached(steps: Indices) -> Array:
        asked.extend(steps.tolist())
        return steps.astype(np.float64)

    time = np.linspace(0, 9e-4, 10)
    signal = Settled(time, np.full(10, TAU), np.zeros(10), reached, None)
    signal.at(np.array([5.5e-4]))
    signal.at(np.array([5.5e-4, 7e-4 + TAU]))
    assert asked == [5, 6, 7]


def test_signal_goes_on_from_the_one_before() -> None:
    first = follower([0, 1e-5], [0, 1])
    second = follower([1.1e-5], [0], first.until(1.1e-5, moved=True))
    np.testing.assert_allclose(second.at(np.array([1.2e-5])), (1 - np.exp(-1)) * np.exp(-1))


def test_signal_that_has_settled_leaves_nothing_behind() -> None:
    first = follower([0, 1e-5], [0, 1])
    assert first.until(1e-3, moved=False) is None
    assert first.until(1.2e-5, moved=False) is first


def test_ends_of_signals_do_not_pile_up() -> None:
    signal: Settled | None = None
    for k in range(50):
        start = k * 1e-3
        before = None if signal is None else signal.until(start, moved=True)
        signal = follower([start], [k], before)
        assert before is None or before._before is None


@given(
    st.lists(st.floats(1e-8, 3e-5), min_size=1, max_size=12),
    st.lists(st.floats(0, 4e-4), min_size=1, max_size=20),
)
def test_looking_all_at_once_or_one_by_one_shows_the_same(
    gaps: list[float], moments: list[float]
) -> None:
    time = np.concatenate([[0.0], np.cumsum(gaps)]).tolist()
    target = np.random.default_rng(len(gaps)).uniform(-1, 1, len(time)).tolist()
    times = np.sort(moments)
    together = follower(time, target).at(times)
    single = follower(time, target)
    alone = [float(single.at(np.array([moment]))[0]) for moment in times[::-1].tolist()]
    np.testing.assert_allclose(alone[::-1], together, atol=1e-6)


def test_slow_part_that_still_moves_is_not_hidden() -> None:
    time, moved = np.array([0.0, 1e-7, 2e-5]), np.array([1e-6, 1e-8, 1e-8])
    np.testing.assert_array_equal(Pace().constants(time, moved, first=True), [1e-6, 1e-6, 1e-8])


def test_pace_is_kept_across_intervals() -> None:
    pace = Pace()
    pace.constants(np.array([0.0]), np.array([1e-6]), first=True)
    soon = pace.constants(np.array([1e-7]), np.array([1e-8]), first=False)
    np.testing.assert_array_equal(soon, [1e-6])
    late = pace.constants(np.array([2 * STICKY * 1e-6]), np.array([1e-8]), first=True)
    np.testing.assert_array_equal(late, [1e-8])


def test_impossible_parts_are_refused() -> None:
    with pytest.raises(BenchError):
        Sense(rail=0.0)
    with pytest.raises(BenchError):
        Sense(feedback=(1e5, -1.0))
