import numpy as np
import pytest

from crossbar import Crossbar
from crossbar.backend import Array, DataError
from crossbar.programming import IsppSettings, WriteVerify
from crossbar.weight_writing import Copies
from fake_bench import FakeBench

CELL = WriteVerify(tolerance=0.6e-6, reread_delay=0.0)
WEIGHTS = np.random.default_rng(5).uniform(0.3, 0.7, (3, 4)) * [[1, -1, 1, -1]]
WEIGHTS[0, 0] = 1.0


def programmed(
    mapping: str = "differential", copies: tuple[int, ...] = (1,)
) -> tuple[FakeBench, Crossbar]:
    bench = FakeBench((9, 10))
    crossbar = Crossbar(bench, CELL, IsppSettings(), mapping=mapping, copies=Copies(copies))
    crossbar.program(WEIGHTS)
    return bench, crossbar


def only(changes: dict[tuple[int, int], float]) -> Array:
    wanted = np.full(WEIGHTS.shape, np.nan)
    for weight, change in changes.items():
        wanted[weight] = WEIGHTS[weight] + change
    return wanted


@pytest.mark.parametrize("mapping", ["differential", "reference"])
@pytest.mark.parametrize("copies", [(1,), (2,)])
def test_named_weights_become_what_they_are_to_be_and_the_others_stay(
    mapping: str, copies: tuple[int, ...]
) -> None:
    bench, crossbar = programmed(mapping, copies)
    pulses, before = len(bench.pulsed), crossbar.weights()
    wanted = only({(0, 1): 0.15, (1, 2): -0.12, (2, 3): -0.1})
    done = crossbar.rewrite(0, wanted)
    assert done.report is not None
    assert len(done.report.cells) == 3
    assert done.pulses == len(bench.pulsed) - pulses > 0
    swing = 1.0 if mapping == "differential" else 0.5
    band = CELL.tolerance / (swing * CELL.window.span) / copies[0]
    named = ~np.isnan(wanted)
    assert np.abs(done.weights - wanted)[named].max() <= band * (1 + 1e-9)
    assert np.array_equal(done.weights[~named], before[~named])
    x = np.eye(3)
    assert crossbar.matmul(x).digital == pytest.approx(np.where(named, wanted, WEIGHTS))


def test_of_a_pair_the_cell_is_moved_that_loses_conductance() -> None:
    bench, crossbar = programmed()
    total = bench.conductance.sum()
    crossbar.rewrite(0, only({(0, 0): -0.2, (1, 1): 0.2}))
    # Two cells, each inside its band before and after.
    bands = 2 * 2 * CELL.tolerance
    assert bench.conductance.sum() == pytest.approx(total - 2 * 0.2 * 78e-6, abs=bands)


def test_where_it_has_nothing_to_lose_the_other_gains() -> None:
    bench, crossbar = programmed()
    before = bench.conductance.copy()
    crossbar.rewrite(0, only({(0, 2): 0.1}))  # its partner lies at the low end
    (moved,) = np.argwhere(bench.conductance != before)
    assert moved.tolist() == [0, 4]
    assert bench.conductance[0, 4] > before[0, 4]


def test_a_stuck_cell_leaves_the_move_to_its_partner() -> None:
    bench = FakeBench((3, 8))
    bench.stuck[0, 4] = True
    bench.conductance[0, 4] = 50e-6
    crossbar = Crossbar(bench, CELL, IsppSettings())
    crossbar.program(WEIGHTS)
    before = bench.conductance.copy()
    crossbar.rewrite(0, only({(0, 2): -0.2}))
    (moved,) = np.argwhere(bench.conductance != before)
    assert moved.tolist() == [0, 5]


def test_pulses_are_shared_so_that_their_budget_holds() -> None:
    wanted = only({(0, 1): 0.25, (1, 2): -0.25, (2, 3): -0.25})
    _, free = programmed()
    assert free.rewrite(0, wanted).pulses > 40
    for budget in (40, 5, 3):
        bench, crossbar = programmed()
        before = len(bench.pulsed)
        done = crossbar.rewrite(0, wanted, pulses=budget)
        assert 0 < len(bench.pulsed) - before == done.pulses <= budget


def test_without_a_pulse_for_each_cell_nothing_is_written_or_asked_for() -> None:
    bench, crossbar = programmed()
    before = bench.conductance.copy()
    done = crossbar.rewrite(0, only({(0, 1): 0.25, (1, 2): -0.25}), pulses=1)
    assert (done.report, done.pulses) == (None, 0)
    assert np.array_equal(bench.conductance, before)
    assert crossbar.matmul(np.eye(3)).digital == pytest.approx(WEIGHTS)


def test_weights_of_another_shape_are_refused() -> None:
    _, crossbar = programmed()
    with pytest.raises(DataError, match=r"\(2, 2\) are not those of a matrix \(3, 4\)"):
        crossbar.rewrite(0, np.zeros((2, 2)))


def test_what_is_known_of_the_products_errors_is_that_of_the_new_conductances() -> None:
    _, crossbar = programmed()
    crossbar.wait(5.0)
    crossbar.rewrite(0, only({(0, 1): 0.2}))
    product = crossbar.matmul(np.random.default_rng(2).uniform(-1, 1, size=(200, 3)))
    assert product.uncertainty == pytest.approx(np.sqrt(np.mean(product.errors**2, axis=0)))
    assert product.uncertainty_age == 0.0
