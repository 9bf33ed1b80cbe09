import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar import Crossbar
from crossbar.backend import BenchError, DataError
from crossbar.drift import SCOPES, factors
from crossbar.programmed import RAW
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.weight_writing import Copies
from fake_bench import FakeBench

CELL = WriteVerify(tolerance=0.6e-6, reread_delay=0.0)
RNG = np.random.default_rng(8)
MATRICES = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 1))
X = RNG.uniform(-1, 1, size=(30, 3))


def programmed(copies: tuple[int, ...] = (1,)) -> tuple[FakeBench, Crossbar]:
    bench = FakeBench((10, 10))
    bench.offset = np.linspace(-2e-7, 2e-7, 10)
    crossbar = Crossbar(bench, CELL, IsppSettings(), copies=Copies(copies))
    crossbar.program(*MATRICES)
    return bench, crossbar


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("copies", [(1,), (3, 2)])
def test_a_factor_common_to_all_cells_is_taken_out_exactly(
    scope: str, copies: tuple[int, ...]
) -> None:
    bench, crossbar = programmed(copies)
    crossbar.take_reference()
    before = crossbar.matmul(X).values
    bench.conductance *= 0.7
    assert crossbar.matmul(X).values == pytest.approx(0.7 * before)
    found = crossbar.compensate_drift(scope)
    assert [factor.shape for factor in found] == [(4,), (1,)]
    assert np.concatenate(found) == pytest.approx(1 / 0.7, rel=1e-12)
    assert crossbar.matmul(X).values == pytest.approx(before, rel=1e-9, abs=1e-12)


def test_a_factor_of_each_layer_is_taken_out_where_each_has_one() -> None:
    bench, crossbar = programmed()
    crossbar.take_reference()
    bench.conductance[:, :8] *= 0.7
    bench.conductance[:, 8:] *= 0.9
    first, second = crossbar.compensate_drift("layer")
    assert first == pytest.approx(1 / 0.7)
    assert second == pytest.approx(1 / 0.9)
    over_all = np.concatenate(crossbar.compensate_drift("global"))
    assert np.ptp(over_all) == 0
    assert 1 / 0.9 < over_all[0] < 1 / 0.7


def test_a_calibration_made_before_stays_right_after_a_common_factor() -> None:
    bench, crossbar = programmed()
    bench.gain = 0.9
    crossbar.take_reference()
    crossbar.calibrate(0, X)
    before = crossbar.matmul(X).values
    bench.conductance *= 0.8
    crossbar.compensate_drift()
    assert crossbar.matmul(X).values == pytest.approx(before, rel=1e-9, abs=1e-12)


def test_a_new_reference_starts_from_no_factor() -> None:
    bench, crossbar = programmed()
    crossbar.take_reference()
    raw = crossbar.matmul(X).values
    bench.conductance *= 0.7
    crossbar.compensate_drift()
    crossbar.take_reference()
    assert crossbar.matmul(X).values == pytest.approx(0.7 * raw)


@given(
    st.lists(st.floats(1e-6, 1e-3), min_size=1, max_size=5),
    st.floats(0.1, 10),
    st.sampled_from(SCOPES),
)
def test_any_common_factor_gives_its_inverse(
    currents: list[float], factor: float, scope: str
) -> None:
    before = [np.array(currents), np.array([2e-5])]
    now = [factor * current for current in before]
    for found in factors(before, now, scope):
        assert found == pytest.approx(1 / factor, rel=1e-12)


def test_what_cannot_be_compensated_is_refused() -> None:
    bench, crossbar = programmed()
    with pytest.raises(DataError, match="take one after programming"):
        crossbar.compensate_drift()
    crossbar.take_reference()
    with pytest.raises(BenchError, match="'cell' is not one of global, layer, output"):
        crossbar.compensate_drift("cell")
    bench.range = 1e-6
    with pytest.raises(BenchError, match="layer 0 reads beyond"):
        crossbar.take_reference()
    with pytest.raises(BenchError, match="nothing left to scale"):
        factors([np.ones(2)], [np.array([1.0, 0.0])], "output")
    with pytest.raises(DataError, match="0 matrices"):
        Crossbar(FakeBench((4, 4)), CELL).take_reference()


def test_a_program_makes_the_reference_void() -> None:
    _, crossbar = programmed()
    crossbar.take_reference()
    crossbar.program(*MATRICES)
    with pytest.raises(DataError, match="take one"):
        crossbar.compensate_drift()


def test_corrections_are_taken_away_and_put_back() -> None:
    bench, crossbar = programmed()
    crossbar.take_reference()
    raw = crossbar.matmul(X).values
    bench.conductance *= 0.7
    crossbar.calibrate(0, X)
    crossbar.compensate_drift()
    corrected, kept = crossbar.matmul(X).values, crossbar.corrections
    crossbar.correct_by([RAW, RAW])
    assert crossbar.matmul(X).values == pytest.approx(0.7 * raw)
    crossbar.correct_by(kept)
    assert crossbar.matmul(X).values == pytest.approx(corrected)
    with pytest.raises(DataError, match="1 corrections are not one for each of 2"):
        crossbar.correct_by([RAW])
