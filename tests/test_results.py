import json

import numpy as np
import pytest

from crossbar.backend import Flag
from crossbar.mapping import Window
from crossbar.programming.report import Status
from crossbar.results import Product, ProgramReport


def report(status: object, verified: object, reread: object, ended: object = None) -> ProgramReport:
    """Return a report of cells with the target 20 µS in a band of ±1 µS."""
    state = np.array(status, dtype=np.int8)
    target = np.where(state >= 0, 20e-6, np.nan)
    return ProgramReport(
        placed=(),
        shortfall=(np.array([[0.0, -0.25]]), np.zeros((0, 2))),
        passes=(),
        target=target,
        verified=np.array(verified) * 1e-6,
        ended=np.array(verified if ended is None else ended) * 1e-6,
        reread=np.array(reread) * 1e-6,
        status=state,
        pulses=np.array([[1, 2, 3], [4, 50, 0]]),
        reads=np.ones(state.shape, dtype=np.intp),
        reversals=np.zeros(state.shape, dtype=np.intp),
        energy=np.full(state.shape, 1e-9),
        elapsed=np.full(state.shape, 0.25),
        rereads=(),
        left=(),
        disturb=(),
        multiply=None,
        clipped=0,
        tolerance=1e-6,
        window=Window(2e-6, 80e-6),
        reread_delay=10.0,
        seconds=12.5,
    )


MIXED = report(
    [[0, 0, 1], [2, 3, -1]],
    [[20.5, 19.5, 30.0], [20.0, 10.0, np.nan]],
    [[20.5, 25.0, 30.0], [20.0, 10.0, np.nan]],
)


def test_cells_are_found_by_how_programming_left_them() -> None:
    found = {status: list(MIXED.left_as(status)) for status in Status}
    assert found == {
        Status.VERIFIED: [(0, 0), (0, 1)],
        Status.BUDGET: [(0, 2)],
        Status.STUCK: [(1, 0)],
        Status.UNREACHED: [(1, 1)],
        Status.UNREADABLE: [],
        Status.REVERSALS: [],
        Status.ENERGY: [],
    }
    assert list(MIXED.stuck) == [(1, 0)]
    assert MIXED.programmed.sum() == 5


def test_a_stuck_cell_is_no_success_even_on_its_target() -> None:
    assert MIXED.success_at_verify == pytest.approx(2 / 5)
    assert MIXED.success_on_reread == pytest.approx(1 / 5)


def test_the_summary_is_plain_and_counts_what_was_programmed() -> None:
    summary = MIXED.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["cells"] == 5
    assert summary["stuck_cells"] == [[1, 0]]
    assert (summary["out_of_budget_cells"], summary["unreached_cells"]) == (1, 1)
    assert summary["pulses_per_cell"] == {
        "mean": 12.0,
        "median": 3.0,
        "p95": pytest.approx(40.8),
        "max": 50,
    }
    assert summary["largest_weight_shortfall"] == [0.25, 0.0]
    assert (summary["reread_delay_s"], summary["seconds"]) == (10.0, 12.5)
    # Errors of the four cells that are not stuck: 0.5, 5, 10 and -10 µS.
    assert summary["reread_error_sd_S"] == pytest.approx(np.std([0.5, 5.0, 10.0, -10.0]) * 1e-6)


def test_a_report_of_nothing_has_no_shares_and_no_warnings() -> None:
    empty = report(np.full((2, 3), -1), np.full((2, 3), np.nan), np.full((2, 3), np.nan))
    summary = empty.summary()
    assert np.isnan(empty.success_at_verify)
    assert summary["reread_error_sd_S"] is None
    assert summary["pulses_per_cell"] == {"mean": None, "median": None, "p95": None, "max": 0}


def test_a_product_knows_its_errors_and_its_clipped_values() -> None:
    flags = np.array([[Flag.CLIPPED, Flag.COMPLIANCE], [0, Flag.CLIPPED | Flag.COMPLIANCE]])
    product = Product(
        values=np.array([[1.0, 2.0], [3.0, 4.0]]),
        digital=np.array([[1.5, 2.0], [2.0, 4.0]]),
        uncertainty=np.ones(2),
        uncertainty_age=0.0,
        flags=flags.astype(np.uint8),
    )
    np.testing.assert_array_equal(product.errors, [[-0.5, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(product.clipped, [[True, False], [False, True]])
