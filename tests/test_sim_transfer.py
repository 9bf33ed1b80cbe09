import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar.backend import Array, DataError
from sim_backend import transfer as module
from sim_backend.array import Circuit
from sim_backend.devices.law import SinhLaw
from sim_backend.transfer import Transfer
from sim_backend.wires import Wires

SEEDS = st.integers(0, 2**32 - 1)
SHAPES = [(5, 3), (3, 5), (8, 8), (1, 6), (6, 1)]
OHMIC = SinhLaw(0.0)


def drawn(seed: int, shape: tuple[int, int]) -> Array:
    return np.random.default_rng(seed).uniform(1e-6, 1e-3, shape)


def exact(wires: Wires, G: Array) -> Array:
    """Return the matrix input by input, by the circuit's own solver."""
    circuit = Circuit(wires.shape, wires.segment, wires.source, wires.sense)
    n, m = wires.shape
    rows = [circuit.solve(G, OHMIC, np.eye(n)[[i]], np.zeros((1, m))) for i in range(n)]
    return np.concatenate([row.bit_current for row in rows])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ohms", [(20.0, 0.0, 0.0), (20.0, 300.0, 5.0), (0.0, 50.0, 0.0)])
def test_the_matrix_is_what_each_word_line_gives(
    shape: tuple[int, int], ohms: tuple[float, float, float]
) -> None:
    G, wires = drawn(1, shape), Wires(shape, *ohms)
    matrix = Transfer.of(wires, G).matrix
    np.testing.assert_allclose(matrix, exact(wires, G), rtol=1e-11, atol=1e-20)


def test_without_any_resistance_the_matrix_is_the_conductances() -> None:
    G = drawn(2, (4, 3))
    assert np.array_equal(Transfer.of(Wires((4, 3), 0.0), G).matrix, G)


def test_a_matrix_made_in_portions_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for shape in ((7, 5), (5, 7)):
        G, wires = drawn(3, shape), Wires(shape, 10.0)
        whole = Transfer.of(wires, G).matrix
        monkeypatch.setattr(module, "CHUNK_VALUES", 2 * G.size)
        np.testing.assert_array_equal(Transfer.of(wires, G).matrix, whole)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.sampled_from(SHAPES), st.integers(1, 2))
def test_an_update_after_a_write_is_the_matrix_made_anew(
    seed: int, shape: tuple[int, int], writes: int
) -> None:
    rng, wires = np.random.default_rng(seed), Wires((4 * shape[0], 4 * shape[1]), 25.0, 100.0, 9.0)
    G = drawn(seed, wires.shape)
    kept = Transfer.of(wires, G)
    for _ in range(3):
        G = G.copy()
        for _ in range(writes):
            G[rng.integers(wires.shape[0]), rng.integers(wires.shape[1])] = rng.uniform(0, 1e-3)
        kept = kept.updated(G)
    anew = Transfer.of(wires, G)
    if 4 * writes <= min(wires.shape):
        assert kept.updates == 3
    np.testing.assert_allclose(kept.matrix, anew.matrix, rtol=1e-10, atol=1e-13 * G.max())


def test_many_changes_or_many_updates_make_the_matrix_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires((8, 8), 5.0)
    kept = Transfer.of(wires, drawn(4, (8, 8)))
    assert kept.updated(drawn(5, (8, 8))).updates == 0
    monkeypatch.setattr(module, "UPDATES", 2)
    found = []
    for k in range(4):
        G = kept.conductances.copy()
        G[k, k] *= 1.5
        kept = kept.updated(G)
        found.append(kept.updates)
    assert found == [1, 2, 0, 1]


def test_a_circuit_keeps_its_matrix_until_the_cells_change() -> None:
    circuit, G = Circuit((8, 8), 5.0), drawn(6, (8, 8))
    first = circuit.transfer(G)
    assert circuit.transfer(G.copy()) is first
    G[2, 3] *= 2
    assert circuit.transfer(G).updates == 1
    circuit.forget()
    assert circuit.transfer(G).updates == 0


def test_what_was_kept_does_not_change_with_the_array_it_was_made_from() -> None:
    circuit, G = Circuit((3, 3), 5.0), drawn(7, (3, 3))
    before = circuit.transfer(G).matrix.copy()
    G[0, 0] *= 100
    assert not np.allclose(circuit.transfer(G).matrix, before, rtol=1e-3)


def test_an_update_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"\(2, 3\).*\(3, 3\)"):
        Transfer.of(Wires((3, 3), 5.0), drawn(8, (3, 3))).updated(drawn(8, (2, 3)))


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_more_conductance_never_conducts_less(seed: int) -> None:
    # Rayleigh's law: the conductance between joined word terminals and joined bit terminals.
    rng, wires = np.random.default_rng(seed), Wires((4, 5), 40.0)
    G = drawn(seed, (4, 5))
    more = G.copy()
    more[rng.integers(4), rng.integers(5)] *= 1 + rng.random()
    before, after = (Transfer.of(wires, g).matrix.sum() for g in (G, more))
    assert after >= before * (1 - 1e-13)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_word_and_bit_lines_exchanged_give_the_exchanged_matrix(seed: int) -> None:
    # Word lines start at their terminal, bit lines end there: the array is mirrored about the
    # other diagonal, and so are source and sense resistances.
    G = drawn(seed, (4, 6))
    matrix = Transfer.of(Wires((4, 6), 30.0, 200.0, 7.0), G).matrix
    mirrored = Transfer.of(Wires((6, 4), 30.0, 7.0, 200.0), G.T[::-1, ::-1]).matrix
    np.testing.assert_allclose(mirrored, matrix.T[::-1, ::-1], rtol=1e-11)
