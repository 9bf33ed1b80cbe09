import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossbar.backend import Array, Cells, DataError
from instruments.sneak import read_conductances, sneak_error, typical_sneak_error
from sim_backend.array import Circuit
from sim_backend.devices.law import SinhLaw
from sim_backend.schemes import SCHEMES, line_voltages

CONDUCTANCES = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(1e-6, 2e-4))
)


def by_the_simulator(conductances: Array) -> Array:
    """Return what every cell reads as by the simulator's circuit, floating, lines ideal, S."""
    shape = (conductances.shape[0], conductances.shape[1])
    circuit, voltage = Circuit(shape, 0.0), 0.2
    read = np.empty(shape)
    for word, bit in Cells.all(shape):
        cell = Cells.of([(word, bit)])
        lines = line_voltages(SCHEMES["floating"], shape, cell, np.array([voltage]))
        driven = np.arange(shape[0]) == word, np.arange(shape[1]) == bit
        solution = circuit.solve(conductances, SinhLaw(0.0), *lines, driven)
        read[word, bit] = solution.bit_current[0, bit] / voltage
    return read


@given(CONDUCTANCES)
def test_reads_through_floating_lines_are_those_of_the_simulated_array(
    conductances: Array,
) -> None:
    read = read_conductances(conductances)
    assert np.allclose(read, by_the_simulator(conductances), rtol=1e-9)


def test_a_single_line_has_no_sneak_paths() -> None:
    row = np.array([[1e-6, 5e-5, 2e-4]])
    assert np.allclose(sneak_error(row).relative, 0.0, atol=1e-9)
    assert np.allclose(sneak_error(row.T).relative, 0.0, atol=1e-9)


def test_equal_cells_read_as_the_closed_form_says() -> None:
    # The unselected lines of equal cells form two nodes: 9, 81 and 9 cells in series.
    read = read_conductances(np.full((10, 10), 1e-5))
    assert np.allclose(read, 1e-5 * (1 + 1 / (1 / 9 + 1 / 81 + 1 / 9)))


@given(CONDUCTANCES)
def test_sneak_paths_only_ever_add(conductances: Array) -> None:
    assert (sneak_error(conductances).relative >= -1e-9).all()


def test_switches_in_the_path_lower_what_is_read() -> None:
    G = np.array([[1e-4]])
    assert read_conductances(G, 100.0)[0, 0] == pytest.approx(1 / (1e4 + 100.0))


def test_a_cell_that_conducts_nothing_is_refused() -> None:
    for bad in (0.0, -1e-6, np.nan, np.inf):
        with pytest.raises(DataError, match="above 0 S"):
            read_conductances(np.array([[1e-6, bad]]))


def test_a_typical_error_is_as_large_as_the_published_trial_found() -> None:
    # 10x10, log-uniform 5 to 200 µS, lines of 2 ohm: median 570 to 960 %, at most 3500 %.
    error = typical_sneak_error((10, 10), 5e-6, 2e-4)
    assert 5 < error.median < 10
    assert error.largest > 20


def test_the_sentence_names_the_array_the_error_and_the_conductances() -> None:
    error = sneak_error(np.full((10, 10), 1e-5))
    assert error.sentence() == (
        "unselected lines float: in this 10x10 array sneak paths put a read off by +426% (median "
        "of the cells; up to 426%), computed for conductances of 10 to 10 µS"
    )


def test_the_sentence_is_the_same_each_time() -> None:
    one, other = (typical_sneak_error((4, 3), 2e-6, 8e-5).sentence() for _ in range(2))
    assert one == other


@pytest.mark.parametrize(("low", "high"), [(0.0, 1e-4), (1e-4, 1e-6), (np.nan, 1e-4)])
def test_a_range_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(DataError, match="not a range"):
        typical_sneak_error((2, 2), low, high)
