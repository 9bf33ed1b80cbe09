import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.backend import Array, DataError, Mask
from sim_backend.array import Circuit
from sim_backend.devices.law import SinhLaw
from sim_backend.nodes import solve_full
from sim_backend.wires import Wires

SEEDS = st.integers(0, 2**32 - 1)
OHMIC = SinhLaw(0.0)


def drawn(seed: int, shape: tuple[int, int]) -> Array:
    return np.random.default_rng(seed).uniform(5e-6, 1e-3, shape)


def masks(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Mask, Mask]:
    word, bit = rng.random(shape[0]) < 0.6, rng.random(shape[1]) < 0.6
    word[rng.integers(shape[0])] = True
    return word, bit


@settings(max_examples=40, deadline=None)
@given(
    SEEDS,
    st.sampled_from([(0.0, 0.0, 0.0), (0.0, 40.0, 9.0), (1e-6, 0.0, 0.0), (15.0, 200.0, 30.0)]),
    st.sampled_from([0.0, 3.0]),
    st.booleans(),
)
def test_every_segment_obeys_ohm_and_power_is_balanced(
    seed: int, ohms: tuple[float, float, float], b: float, floats: bool
) -> None:
    shape, rng = (4, 6), np.random.default_rng(seed)
    wires, G = Wires(shape, *ohms), drawn(seed, shape)
    word, bit = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (3, 6))
    driven = masks(rng, shape) if floats else None
    found = solve_full(wires, G, SinhLaw(b), word, bit, driven)
    # Rounding of a solution whose voltages are of the order of a volt, and whose Newton stops at
    # 1e-12 of the current.
    assert found.ohm_residual.max() < 1e-11
    power = found.power
    parts = power.cells + power.word_wires + power.bit_wires + power.source + power.sense
    np.testing.assert_allclose(parts, power.delivered, rtol=1e-9, atol=1e-18)
    if driven is not None:
        largest = np.abs(found.current).max()
        assert np.abs(found.word_segment[:, ~driven[0], 0]).max(initial=0) < 1e-9 * largest
        assert np.abs(found.bit_segment[:, -1, ~driven[1]]).max(initial=0) < 1e-9 * largest


@pytest.mark.parametrize("b", [0.0, 2.0])
def test_cells_are_those_of_the_circuit(b: float) -> None:
    G, rng = drawn(1, (5, 4)), np.random.default_rng(2)
    word, bit = rng.uniform(0, 1, (7, 5)), np.zeros((7, 4))
    found = solve_full(Wires((5, 4), 10.0, 50.0), G, SinhLaw(b), word, bit)
    expected = Circuit((5, 4), 10.0, 50.0).solve(G, SinhLaw(b), word, bit)
    np.testing.assert_allclose(found.voltage, expected.voltage, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found.bit_segment[:, -1], expected.bit_current, rtol=1e-10)
    np.testing.assert_allclose(found.word_segment[:, :, 0], expected.word_current, rtol=1e-10)


def test_one_cell_by_hand() -> None:
    # 1 kohm behind 100 ohm of source, 10 ohm of segment twice, 40 ohm of sense.
    found = solve_full(
        Wires((1, 1), 10.0, 100.0, 40.0),
        np.array([[1e-3]]),
        OHMIC,
        np.ones((1, 1)),
        np.zeros((1, 1)),
    )
    ampere = 1 / 1160
    assert found.current[0, 0, 0] == pytest.approx(ampere, rel=1e-14)
    assert found.word[0, 0, 0] == pytest.approx(1 - 110 * ampere, rel=1e-14)
    assert found.bit[0, 0, 0] == pytest.approx(50 * ampere, rel=1e-13)
    assert found.lost[0, 0, 0] == pytest.approx(160 * ampere, rel=1e-13)
    assert found.power.source[0] == pytest.approx(100 * ampere**2, rel=1e-13)
    assert found.power.bit_wires[0] == pytest.approx(10 * ampere**2, rel=1e-13)


def test_a_uniform_line_loses_voltage_like_an_infinite_ladder() -> None:
    # Far from its end a word line with grounded cells decays by the same factor per segment.
    n, r, g = 400, 5.0, 1e-3
    G = np.full((1, n), g)
    found = solve_full(Wires((1, n), r), G, OHMIC, np.ones((1, 1)), np.zeros((1, n)))
    shunt = 1 / (1 / g + r)  # a cell and its bit line's only segment
    factor = 1 + r * shunt / 2 - np.sqrt(r * shunt + (r * shunt / 2) ** 2)
    np.testing.assert_allclose(found.word[0, 0, 1:50] / found.word[0, 0, :49], factor, rtol=1e-10)


def test_the_far_corner_sees_least_of_equal_cells() -> None:
    found = solve_full(
        Wires((10, 10), 5.0),
        np.full((10, 10), 1e-4),
        OHMIC,
        np.full((1, 10), 0.2),
        np.zeros((1, 10)),
    )
    lost = found.lost[0]
    # Farthest from the drivers (right) and from the sinks (top).
    assert int(np.argmax(lost)) == 9
    assert int(np.argmin(lost)) == 90
    assert lost.min() > 0


def test_a_floating_line_fixed_by_nothing_is_refused() -> None:
    G = drawn(3, (3, 3))
    G[1] = 0
    driven = np.array([True, False, True]), np.ones(3, bool)
    for ohms in (0.0, 5.0):
        with pytest.raises(DataError, match="floating"):
            solve_full(Wires((3, 3), ohms), G, OHMIC, np.ones((1, 3)), np.zeros((1, 3)), driven)
    # Two lines that only hold each other, though each of them conducts.
    G = np.diag([1e-4, 1e-4, 1e-4])
    driven = np.array([True, False, True]), np.array([True, False, True])
    with pytest.raises(DataError, match="floating"):
        solve_full(Wires((3, 3), 5.0), G, OHMIC, np.ones((1, 3)), np.zeros((1, 3)), driven)
