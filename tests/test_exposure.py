"""What cells have received counts from program to program."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BudgetError, Cells, Limits, StoreError
from crossbar.exposure import FOLDER, NAME, opened, received
from crossbar.guard import Guarded
from sim_backend import SimulatedBackend, SimulationSettings

IDEAL = SimulationSettings.ideal(3, 4)
LIMITS: Limits = replace(IDEAL.limits, pulses=5, stress=1.0)
ONE, WIDTH = np.array([1.0]), np.array([1e-3])


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "state"))
    return tmp_path / "state" / NAME


def pulses(array: str, count: int, cell: tuple[int, int] = (1, 2), volts: float = 1.0) -> Guarded:
    """Give a cell pulses as one program would, and return its guard."""
    with SimulatedBackend(IDEAL) as backend, opened(array, backend.shape) as exposure:
        guard = Guarded(backend, LIMITS, exposure)
        for _ in range(count):
            guard.pulse(Cells.of([cell]), volts * ONE, WIDTH, 0.1)
        return guard


def test_a_budget_goes_on_in_the_next_program() -> None:
    pulses("A", 3)
    pulses("A", 2)
    with pytest.raises(BudgetError, match="5 pulses used, 1 more asked, 5 allowed"):
        pulses("A", 1)
    pulses("A", 1, cell=(0, 0))
    pulses("B", 1)


def test_stress_goes_on_too_and_sweeps_count() -> None:
    limits = replace(LIMITS, stress=5e-3)
    for _ in range(2):
        with SimulatedBackend(IDEAL) as backend, opened("A", backend.shape) as exposure:
            Guarded(backend, limits, exposure).sweep((2, 3), np.array([1.0, 1.0]), 1e-4, 1e-3)
    with (
        SimulatedBackend(IDEAL) as backend,
        opened("A", backend.shape) as exposure,
        pytest.raises(BudgetError, match=r"stress of 0\.004 V² s used"),
    ):
        Guarded(backend, limits, exposure).sweep((2, 3), np.array([1.0, 1.0]), 1e-4, 1e-3)


def test_what_is_refused_is_not_counted() -> None:
    guard = pulses("A", 5)
    with pytest.raises(BudgetError):
        pulses("A", 1)
    found = received("A", (3, 4))
    assert found is not None
    np.testing.assert_array_equal(found.pulses, guard.pulses)
    np.testing.assert_array_equal(found.stress, guard.stress)


def test_a_pulse_counts_before_it_is_given() -> None:
    class Dies(SimulatedBackend):
        def pulse(self, *_: object) -> None:  # type: ignore[override]
            raise KeyboardInterrupt

    with Dies(IDEAL) as backend, opened("A", backend.shape) as exposure:
        guard = Guarded(backend, LIMITS, exposure)
        with pytest.raises(KeyboardInterrupt):
            guard.pulse(Cells.of([(1, 2)]), ONE, WIDTH, 0.1)
    found = received("A", (3, 4))
    assert found is not None
    assert found.pulses[1, 2] == 1


def test_what_cannot_be_counted_is_not_given(state: Path) -> None:
    given: list[object] = []

    class Counts(SimulatedBackend):
        def pulse(self, *asked: object) -> None:  # type: ignore[override]
            given.append(asked)

    with Counts(IDEAL) as backend, opened("A", backend.shape) as exposure:
        guard = Guarded(backend, LIMITS, exposure)
        exposure._connection.execute("DROP TABLE received")
        with pytest.raises(StoreError, match="cannot be kept"):
            guard.pulse(Cells.of([(1, 2)]), ONE, WIDTH, 0.1)
        assert not guard.pulses.any()
    assert not given


def test_a_program_that_is_killed_loses_no_count(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
import test_exposure
from crossbar.exposure import opened
from crossbar.guard import Guarded
from dataclasses import replace
from crossbar.backend import Cells
from sim_backend import SimulatedBackend
with SimulatedBackend(test_exposure.IDEAL) as backend, opened("A", backend.shape) as exposure:
    guard = Guarded(backend, replace(test_exposure.LIMITS, pulses=10**9), exposure)
    while True:
        guard.pulse(Cells.of([(1, 2)]), test_exposure.ONE, test_exposure.WIDTH, 0.1)
        print(guard.pulses[1, 2], flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    told = 0
    for _ in range(20):
        told = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    told = max([told, *(int(line) for line in process.stdout.read().split())])
    process.wait(60)
    process.stdout.close()
    found = received("A", (3, 4))
    assert found is not None
    assert found.pulses[1, 2] in (told, told + 1)


def test_nothing_is_known_of_an_array_that_received_nothing(state: Path) -> None:
    assert received("A", (3, 4)) is None
    assert not state.exists()
    with opened("A", (3, 4)):
        pass
    assert received("A", (3, 4)) is None


def test_a_file_that_is_none_of_ours_is_refused(state: Path) -> None:
    state.parent.mkdir()
    state.write_text("my notes, which are longer than a page header of SQLite" * 40)
    with pytest.raises(StoreError, match="cannot be kept"), opened("A", (3, 4)):
        pass
    assert state.read_text().startswith("my notes")
