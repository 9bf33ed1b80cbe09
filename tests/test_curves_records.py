"""Curves of this project's own run stores."""

from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.curves.reading import guess, read
from crossbar.store import Store


def store(path: Path, experiment: str = "iv") -> Path:
    with (
        Store.open(path) as lab,
        lab.start(experiment=experiment, settings={}, bench={"kind": "sim"}) as run,
    ):
        run.result("asked", {"cells": np.array([[1, 2]]), "voltage": np.array([0.0, 1.0])})
        for cell in ((1, 2), (3, 4)):
            for piece in range(3):
                run.result(
                    f"sweep/{cell[0]},{cell[1]}/{piece}",
                    {
                        "cell": np.array(cell),
                        "cycle": np.full(2, piece // 2),
                        "voltage": np.array([0.0, 1.0]),
                        "current": np.array([0.0, 1e-6 * (piece + 1)]),
                        "time": np.array([0.0, 0.1]) + piece,
                        "flags": np.array([0, 2]),
                    },
                )
    return path


def test_pieces_of_a_run_are_one_curve_per_cell(tmp_path: Path) -> None:
    path = store(tmp_path / "lab.sqlite")
    assert guess(path).format == "record"
    first, second = read(f"{path}#1").curves
    assert (first.name, second.name) == ("run 1 cell 1,2", "run 1 cell 3,4")
    assert first.current.tolist() == [0, 1e-6, 0, 2e-6, 0, 3e-6]
    assert first.cycle.tolist() == [0, 0, 0, 0, 1, 1]
    assert first.flags is not None
    assert first.flags.tolist() == [0, 2] * 3
    assert first.time is not None
    assert first.time[-1] == 2.1
    assert first.origin.source == f"{path}#1"


def test_without_a_number_all_iv_runs_are_read(tmp_path: Path) -> None:
    path = store(store(store(tmp_path / "lab.sqlite"), "moons"))
    assert [curve.name for curve in read(path).curves] == [
        f"run {run} cell {cell}" for run in (1, 3) for cell in ("1,2", "3,4")
    ]


def test_a_run_without_curves_says_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lab.sqlite"
    with (
        Store.open(path) as lab,
        lab.start(experiment="moons", settings={}, bench={"kind": "sim"}) as run,
    ):
        run.result("points", {"x": np.zeros(3)})
    with pytest.raises(DataError, match=r"run 1 \(moons\) holds no curve"):
        read(f"{path}#1")
    with pytest.raises(DataError, match="holds no curves of an 'iv' run"):
        read(path)
    with pytest.raises(DataError, match="there is no run 7"):
        read(f"{path}#7")
