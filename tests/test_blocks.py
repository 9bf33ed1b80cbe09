import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossbar import open_bench
from crossbar.backend import Flag
from crossbar.blocks import Placed
from crossbar.mapping import MAPPINGS, Window
from crossbar.placement import place
from crossbar.weight_writing import Copies
from fake_bench import FakeBench

WINDOW = Window(10e-6, 70e-6)


def folded(hidden: int = 8, copies: tuple[int, ...] = (1,)) -> list[Placed]:
    rng = np.random.default_rng(0)
    matrices = [rng.normal(size=(3, hidden)), rng.normal(size=(hidden + 1, 1))]
    healthy = np.full((10, 10), np.nan)
    return place(matrices, MAPPINGS["differential"], WINDOW, healthy, copies=copies)


def random_bench() -> FakeBench:
    bench = FakeBench((10, 10))
    bench.conductance = np.random.default_rng(1).uniform(1e-6, 80e-6, (10, 10))
    return bench


@pytest.mark.parametrize(
    ("hidden", "copies"), [(4, (1,)), (4, (3, 2)), (8, (1,)), (12, (1,)), (6, (1, 3)), (3, (4, 1))]
)
def test_drives_add_up_to_the_product_with_the_weights_that_lie_there(
    hidden: int, copies: tuple[int, ...]
) -> None:
    bench, rng = random_bench(), np.random.default_rng(2)
    for placed in folded(hidden, copies):
        inputs = rng.uniform(-0.3, 0.3, (20, placed.shape[0]))
        currents = bench.drive(placed.voltages(inputs, 10)).current
        # Every other cell of the array conducts too: none of them may be heard.
        expected = inputs @ placed.weights(bench.conductance) * placed.scale
        assert placed.differences(currents) == pytest.approx(expected, rel=1e-9, abs=1e-18)


def test_no_two_weights_share_a_cell() -> None:
    for hidden, copies in ((12, (1,)), (4, (3, 2))):
        cells = []
        for placed in folded(hidden, copies):
            c = placed.cells
            for lines in (c.plus, c.minus):
                cells += list(zip(c.word.ravel().tolist(), lines.ravel().tolist(), strict=True))
        assert len(set(cells)) == len(cells)


def test_a_flag_is_that_of_every_drive_that_the_product_was_made_of() -> None:
    first, second = folded(8)
    flags = np.zeros((2 * 5, 10), dtype=np.uint8)
    low, high = first.blocks
    flags[3, low.minus[1]] = Flag.CLIPPED
    flags[5 + 2, high.plus[0]] = Flag.COMPLIANCE
    found = first.flags(flags)
    assert found.shape == (5, 8)
    assert found[3, low.outputs[1]] == Flag.CLIPPED
    assert found[2, high.outputs[0]] == Flag.COMPLIANCE
    assert np.count_nonzero(found) == 2
    assert not second.flags(flags[:5]).any()


@settings(max_examples=8)
@given(
    n_in=st.integers(1, 12),
    n_out=st.integers(1, 7),
    copies=st.integers(1, 3),
    mapping=st.sampled_from(["differential", "reference"]),
    seed=st.integers(0, 99),
)
def test_on_an_ideal_array_every_folding_multiplies_like_numpy(
    n_in: int, n_out: int, copies: int, mapping: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    room = 50 if mapping == "differential" else 90
    copies = max(1, min(copies, room // (n_in * n_out)))
    matrix = rng.normal(size=(n_in, n_out))[: room // n_out]
    with open_bench("ideal") as bench:
        xbar = bench.crossbar(mapping, Copies((copies,)))
        report = xbar.program(matrix)
        x = rng.uniform(-1, 1, (20, len(matrix)))
        assert np.abs(xbar.matmul(x).errors).max() < 1e-9
        own = 2 if mapping == "differential" else 1
        assert report.programmed.sum() >= own * matrix.size * copies
