import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar.backend import Array
from instruments.slots import Slots, Superposition, read_slots

CAPACITY = 512


def answered(slots: Slots, conductances: Array, offset: Array) -> Array:
    """Return the current of each slot: one cell's, and the amplifier's offset on its bit line."""
    current: Array = slots.level * conductances[slots.word, slots.bit] + offset[slots.bit]
    return current


def multiplied(voltages: Array, conductances: Array, offset: Array, capacity: int) -> Array:
    """Return what `Superposition` makes of vectors on an array with an offset, run by run."""
    words = np.flatnonzero(voltages.any(axis=0))
    product = np.empty((len(voltages), conductances.shape[1]))
    done = 0
    while done < conductances.shape[1]:
        bits = list(range(done, conductances.shape[1]))
        runs = Superposition.fitting(len(voltages), words, bits, capacity)
        for begin in range(0, len(voltages), runs.vectors):
            part = voltages[begin : begin + runs.vectors]
            slots = runs.slots(part)
            assert len(slots) <= capacity
            sums = runs.sum(answered(slots, conductances, offset))[: len(part)]
            product[begin : begin + len(part), runs.bits] = sums
        done += len(runs.bits)
    return product


def test_a_read_has_its_cells_in_order_and_then_a_zero_of_each_bit_line() -> None:
    slots, zero = read_slots(np.array([3, 1, 2]), np.array([7, 0, 7]), 0.3)
    assert slots.word.tolist() == [3, 1, 2, 1, 3]
    assert slots.bit.tolist() == [7, 0, 7, 0, 7]
    assert slots.level.tolist() == [0.3, 0.3, 0.3, 0.0, 0.0]
    assert zero.tolist() == [4, 3, 4]


def test_slots_can_be_chosen() -> None:
    slots, _ = read_slots(np.array([3, 1]), np.array([7, 0]), 0.3)
    assert slots[np.array([1])].word.tolist() == [1]
    assert len(slots[1:]) == 3


@given(
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(1, 8),
    st.sampled_from([12, 40, CAPACITY]),
    st.integers(0, 2**32 - 1),
)
def test_word_lines_add_up_and_the_offset_is_there_once(
    batch: int, n_word: int, n_bit: int, capacity: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    conductances = rng.uniform(1e-6, 1e-4, (n_word, n_bit))
    voltages = rng.choice([0.0, 0.3, -0.1], (batch, n_word))
    offset = rng.normal(0, 1e-6, n_bit)
    product = multiplied(voltages, conductances, offset, capacity)
    assert np.allclose(product, voltages @ conductances + offset, rtol=0, atol=1e-15)


def test_zeros_read_as_the_offset_each_time_anew() -> None:
    runs = Superposition.fitting(3, np.array([], dtype=np.intp), range(2), CAPACITY)
    currents = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert np.array_equal(runs.sum(currents.ravel()), currents)


def test_four_vectors_of_a_full_array_share_a_run() -> None:
    runs = Superposition.fitting(100, np.arange(10), range(10), CAPACITY)
    assert (runs.vectors, runs.zeros) == (4, 2)
    assert Superposition.fitting(1, np.arange(10), range(10), CAPACITY).zeros == 10


def test_runs_of_a_batch_are_equally_long() -> None:
    assert Superposition.fitting(5, np.arange(10), range(10), CAPACITY).vectors == 3


def test_noise_of_the_zeros_adds_no_more_than_that_of_the_word_lines() -> None:
    runs = Superposition.fitting(1, np.arange(10), range(10), CAPACITY)
    noise = np.random.default_rng(1).standard_normal((4000, runs.levels * 10))
    spread = np.std([runs.sum(one) for one in noise])
    assert spread == pytest.approx(np.sqrt(10 + 81 / 10 + 0.1), rel=0.15)


def test_a_flag_of_any_slot_is_a_flag_of_its_sum() -> None:
    runs = Superposition.fitting(1, np.array([0, 1]), range(3), CAPACITY)
    flags = np.zeros(runs.levels * 3, dtype=np.uint8)
    flags[-1] = 1
    assert runs.any(flags).tolist() == [[0, 0, 1]]
