from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError, Cells, DataError, StoreError
from crossbar.calibration import measure_offset
from crossbar.programming.predictor.collect import Collection, collect
from crossbar.programming.predictor.fitting import Origin, fit_predictor
from crossbar.programming.predictor.journal import shots_of_run
from crossbar.recorder import Recorded
from crossbar.store import Run, Store
from fake_bench import FakeBench
from sim_backend import SimulatedBackend, SimulationSettings

READ = 0.2


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "runs.sqlite")


def started(store: Store) -> Run:
    return store.start(experiment="test", settings={}, bench={"kind": "fake"})


def bench() -> FakeBench:
    made = FakeBench((2, 2))
    made.offset = np.array([1e-6, -2e-6])
    return made


def test_consecutive_reads_of_a_cell_become_a_pulse_with_before_and_after(store: Store) -> None:
    with store, started(store) as run:
        recorded = Recorded(bench(), run)
        measure_offset(recorded, 4)
        recorded.read(Cells.of([(0, 0), (1, 1)]), READ)
        cells = Cells.of([(1, 1), (0, 0), (1, 1)])
        recorded.pulse(cells, np.array([3.0, -2.0, 3.5]), np.array([1e-4, 2e-4, 3e-4]), READ)
        recorded.read(Cells.of([(0, 0)]), READ)
        recorded.pulse(Cells.of([(0, 0)]), np.array([3.0]), np.array([4e-4]), READ)
        shots = shots_of_run(store, run.id)
    assert shots.amplitude.tolist() == [3.0, -2.0, 3.5, 3.0]
    assert shots.width.tolist() == [1e-4, 2e-4, 3e-4, 4e-4]
    # The fake bench answers after all pulses of a call, so that both pulses seem the first's.
    assert shots.before == pytest.approx([10e-6, 10e-6, 12e-6, 9e-6])
    assert shots.after == pytest.approx([12e-6, 9e-6, 12e-6, 10e-6])


def test_a_pulse_without_a_read_before_it_does_not_count(store: Store) -> None:
    with store, started(store) as run:
        recorded = Recorded(bench(), run)
        recorded.pulse(Cells.of([(0, 0)]), np.array([3.0]), np.array([1e-4]), READ)
        recorded.wait(1.0)
        recorded.pulse(Cells.of([(0, 0)]), np.array([3.0]), np.array([1e-4]), READ)
        with pytest.raises(DataError, match="no pulse with a read before"):
            shots_of_run(store, run.id)
        recorded.pulse(Cells.of([(0, 0)]), np.array([3.0]), np.array([2e-4]), READ)
        assert shots_of_run(store, run.id).width.tolist() == [2e-4]


def test_clipped_reads_say_nothing(store: Store) -> None:
    with store, started(store) as run:
        clipping = bench()
        clipping.range = 11.5e-6 * READ
        clipping.offset = np.zeros(2)
        recorded = Recorded(clipping, run)
        recorded.read(Cells.of([(0, 0)]), READ)
        for _ in range(3):
            recorded.pulse(Cells.of([(0, 0)]), np.array([3.0]), np.array([1e-4]), READ)
        shots = shots_of_run(store, run.id)
    assert shots.after == pytest.approx([11e-6])


def test_runs_without_reads_and_runs_that_are_not_there_are_refused(store: Store) -> None:
    with store, started(store) as run:
        Recorded(bench(), run).wait(1.0)
        with pytest.raises(DataError, match="no reads"):
            shots_of_run(store, run.id)
        with pytest.raises(StoreError, match="no run 99"):
            shots_of_run(store, 99)


def collection(**changes: float) -> Collection:
    values = {"rounds": 12, "read_voltage": 0.3, "voltage_spread": 0.3, "width_max": 1e-2}
    return Collection(4.2, 3.4, 2e-6, 8e-5, **(values | changes))  # type: ignore[arg-type]  # rounds


def test_the_record_of_a_collection_gives_back_its_pulses(store: Store) -> None:
    simulated = SimulatedBackend(SimulationSettings(word_lines=6, bit_lines=6, seed=3))
    with store, simulated, started(store) as run:
        recorded = Recorded(simulated, run)
        offset = measure_offset(recorded, 16)
        cells = Cells.all(recorded.shape)
        shots = collect(recorded, cells, collection(), np.random.default_rng(0), offset)
        again = shots_of_run(store, run.id)
    assert len(shots) == 12 * 36
    for name in ("before", "after", "amplitude", "width"):
        np.testing.assert_allclose(getattr(again, name), getattr(shots, name), rtol=1e-12)


def test_a_collection_without_a_known_inverse_learns_where_to_aim() -> None:
    simulated = SimulatedBackend(SimulationSettings(word_lines=8, bit_lines=8, seed=3))
    with simulated:
        offset = measure_offset(simulated, 16)
        cells, rng = Cells.all(simulated.shape), np.random.default_rng(0)
        shots = collect(simulated, cells, collection(rounds=20), rng, offset)
    assert 3.4 - 0.3 <= np.abs(shots.amplitude).min() < np.abs(shots.amplitude).max() <= 4.5
    assert 1e-6 <= shots.width.min() <= shots.width.max() <= 1e-2
    fitted = fit_predictor(shots, Origin("perovskite", "simulated", 3), (2e-6, 8e-5))
    # 1/V_s of the device is 4 per volt.
    assert fitted.set.per_volt == pytest.approx(4.0, abs=1.0)
    late = shots.after[-8 * 64 :]
    assert 1e-5 < np.quantile(late, 0.2) < np.quantile(late, 0.8) < 9e-5


def test_a_known_inverse_is_asked_for_every_pulse() -> None:
    asked: list[int] = []
    made = FakeBench((1, 4))

    def inverse(before: np.ndarray, aim: np.ndarray) -> np.ndarray:
        asked.append(len(before))
        return np.full(len(before), 1e-4)

    settings = collection(rounds=3, voltage_spread=0.0)
    cells, rng = Cells.all(made.shape), np.random.default_rng(0)
    shots = collect(made, cells, settings, rng, np.zeros(4), inverse)
    assert asked == [4, 4, 4]
    assert set(np.abs(shots.amplitude)) <= {4.2, 3.4}
    assert 0.05 < np.std(np.log10(shots.width)) < 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rounds": 0}, "rounds"),
        ({"read_voltage": 0.0}, "read_voltage"),
        ({"width_max": 1e-7}, "widths"),
        ({"voltage_spread": 3.4}, "voltage_spread"),
    ],
)
def test_impossible_collections_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        collection(**change)
