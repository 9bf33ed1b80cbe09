import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from crossbar.backend import BudgetError, Cells, DataError, Limits
from crossbar.blob import plain_json
from crossbar.exposure import opened
from crossbar.guard import Guarded
from crossbar.recorder import Recorded
from crossbar.spent import counts, plain, settle, spent
from crossbar.store import Store
from sim_backend import SimulatedBackend
from sim_backend.settings import SimulationSettings

SHAPE = (10, 10)
LIMITS = SimulatedBackend(SimulationSettings()).limits


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "runs.sqlite") as opened_store:
        yield opened_store


def guarded(limits: Limits = LIMITS) -> Guarded:
    backend = SimulatedBackend(SimulationSettings())
    return Guarded(backend, limits)


def damage(backend: Recorded, rng: np.random.Generator, verbs: list[str]) -> None:
    """Give cells a little of everything, some of it refused."""
    for verb in verbs:
        cell = (int(rng.integers(10)), int(rng.integers(10)))
        volts = rng.uniform(-2, 2, 5)
        if verb == "pulse":
            # Some cells more than once in a call.
            cells = Cells(rng.integers(0, 3, 5), rng.integers(0, 3, 5))
            backend.pulse(cells, volts, np.full(5, 1e-4), 0.1)
        elif verb == "sweep":
            backend.sweep(cell, volts, 1e-4, 1e-3)
        elif verb == "trace":
            backend.trace(cell, volts, 1e-4, 1e-4)
        else:
            with pytest.raises(Exception, match="outside"):
                backend.pulse(Cells.of([cell]), np.array([99.0]), np.array([1e-4]), 0.1)


@settings(max_examples=15)
@given(
    verbs=st.lists(st.sampled_from(["pulse", "sweep", "trace", "refused"]), max_size=8),
    seed=st.integers(0, 2**32),
)
def test_a_record_says_of_every_cell_what_the_guard_counted(
    verbs: list[str], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Store.open(tmp_path_factory.mktemp("runs") / "runs.sqlite") as store:
        guard = guarded()
        run = store.start(experiment="x", settings={}, bench={"kind": "sim"})
        damage(Recorded(guard, run), np.random.default_rng(seed), verbs)
        pulses, stress = spent(store.calls(run.id), SHAPE)
    np.testing.assert_array_equal(pulses, guard.pulses)
    np.testing.assert_allclose(stress, guard.stress, rtol=1e-12)


ASKED: dict[str, ArrayLike] = {
    "word": [1, 1],
    "bit": [2, 2],
    "voltages": [2.0, 1.0],
    "widths": [1e-3, 1e-3],
}


def test_an_intent_without_outcome_counts_and_so_does_one_that_failed(store: Store) -> None:
    run = store.start(experiment="x", settings={}, bench={"kind": "sim"})
    run.intent("pulse", 0.0, ASKED)
    run.outcome(run.intent("pulse", 0.0, ASKED), 0.0, error="InstrumentError: gone")
    run.outcome(run.intent("pulse", 0.0, ASKED), 0.0, error="BudgetError: no")
    pulses, stress = spent(store.calls(run.id), SHAPE)
    assert (pulses[1, 2], pulses.sum()) == (4, 4)
    assert stress[1, 2] == pytest.approx(2 * 5e-3)


def test_a_guard_that_knows_nothing_is_told_all_and_refuses_what_is_beyond(store: Store) -> None:
    run = store.start(experiment="x", settings={}, bench={"kind": "sim"})
    run.intent("pulse", 0.0, ASKED)
    guard = guarded(Limits(5.0, 0.5, 1e-3, 1e-6, 1.0, 3, 100.0))
    settle(guard, counts(None, SHAPE), store.calls(run.id))
    assert guard.pulses[1, 2] == 2
    one = np.array([1.0]), np.array([1e-4]), 0.1
    guard.pulse(Cells.of([(1, 2)]), *one)
    with pytest.raises(BudgetError, match="3 pulses used, 1 more asked, 3 allowed"):
        guard.pulse(Cells.of([(1, 2)]), *one)


def test_budgets_that_are_kept_get_only_what_they_lack(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSBAR_STATE", str(tmp_path))
    backend = SimulatedBackend(SimulationSettings())
    cells, one = Cells.of([(3, 4)]), (np.array([1.5]), np.array([1e-4]), 0.1)
    with opened("mine", SHAPE) as exposure:
        Guarded(backend, LIMITS, exposure).pulse(cells, *one)
        guard = Guarded(backend, LIMITS, exposure)
        before = counts(plain(guard), SHAPE)
        run = store.start(experiment="x", settings={}, bench={"kind": "sim"})
        Recorded(guard, run).pulse(cells, *one)
        # Killed after the intent, before the guard has counted it.
        run.intent("pulse", 0.0, ASKED)
    for _ in range(2):  # what it was told once it knows
        with opened("mine", SHAPE) as exposure:
            settle(Guarded(backend, LIMITS, exposure), before, store.calls(run.id))
    with opened("mine", SHAPE) as exposure:
        assert exposure.pulses[3, 4] == 2
        assert exposure.pulses[1, 2] == 2
        assert exposure.stress[1, 2] == pytest.approx(5e-3)
        assert exposure.stress[3, 4] == pytest.approx(2 * 1.5**2 * 1e-4)


def test_counts_come_back_from_a_note_and_damaged_ones_are_refused() -> None:
    guard = guarded()
    guard.pulse(Cells.of([(0, 1)]), np.array([1.0]), np.array([1e-4]), 0.1)
    note = json.loads(plain_json(plain(guard)))
    pulses, stress = counts(note, SHAPE)
    np.testing.assert_array_equal(pulses, guard.pulses)
    np.testing.assert_array_equal(stress, guard.stress)
    with pytest.raises(DataError, match=r"noted for \(10, 10\), not \(3, 4\)"):
        counts(note, (3, 4))
    for wrong in ({"pulses": note["pulses"]}, [1], {"pulses": "a", "stress": "b"}):
        with pytest.raises(DataError, match="damaged"):
            counts(wrong, SHAPE)
