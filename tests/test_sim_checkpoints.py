"""An array in a file follows its program call by call."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import Backend, BenchError, Cells, LimitError
from sim_backend import SimulatedBackend, SimulationSettings
from sim_backend.memory import followed, remembered

SETTINGS = SimulationSettings(word_lines=2, bit_lines=3, seed=5)
CELLS = Cells.of([(0, 1), (1, 2)])
CALLS: dict[str, Callable[[Backend], object]] = {
    "read": lambda b: b.read(CELLS, 0.3),
    "pulse": lambda b: b.pulse(CELLS, np.full(2, 3.0), np.full(2, 1e-3), 0.3),
    "drive": lambda b: b.drive(np.full((2, 2), 0.1)),
    "sweep": lambda b: b.sweep((0, 0), np.array([0.1, 2.0]), 1e-4, 1e-3),
    "trace": lambda b: b.trace((0, 0), np.array([0.1, 2.0]), 1e-3, 1e-4),
    "wait": lambda b: b.wait(3.0),
}


def test_after_every_call_the_file_is_the_array(tmp_path: Path) -> None:
    file, seen = tmp_path / "array.npz", tmp_path / "seen.npz"
    with followed(SETTINGS, file) as backend, SimulatedBackend(SETTINGS) as alone:
        for call in CALLS.values():
            call(backend)
            call(alone)
            # What another program would find if this one were killed now.
            seen.write_bytes(file.read_bytes())
            with remembered(SETTINGS, seen) as found:
                state, expected = found.snapshot(), alone.snapshot()
            for name, values in expected.items():
                np.testing.assert_array_equal(state[name], values, err_msg=name)


def test_a_refused_call_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "array.npz"
    with followed(SETTINGS, file) as backend:
        backend.wait(1.0)
        kept = file.read_bytes()
        with pytest.raises(LimitError):
            backend.read(Cells.of([(7, 7)]), 0.3)
        assert file.read_bytes() == kept


def test_a_call_whose_array_cannot_be_saved_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with followed(SETTINGS, tmp_path / "array.npz") as backend:
        with monkeypatch.context() as patched:
            patched.setattr(np, "savez", full)
            with pytest.raises(BenchError, match="cannot be saved: No space left"):
                backend.wait(1.0)
        assert backend.now == 1.0
