from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.experiments.frontier import FrontierSettings, cells, run
from crossbar.experiments.frontier_view import draw, fits_one, measured, summarise, tables
from crossbar.resumable import Record
from crossbar.session import software_session
from crossbar.store import Arrays, Store

SHORT = FrontierSettings(
    training="erm,lognormal",
    hidden="3,5",
    copies="1,2",
    draws=20,
    seeds=1,
    train_points=100,
    test_points=100,
    restarts=2,
    epochs=3,
)


def results_of(folder: Path, earlier: dict[str, Arrays] | None = None) -> dict[str, Arrays]:
    opened = software_session(
        folder / "s.sqlite", experiment="frontier", settings=asdict(SHORT), seed=4
    )
    with opened as s:
        run(SHORT, Record(s.run, earlier or {}), s.seed)
        return s.store.results(s.run.id)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("frontier")


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Arrays]:
    return results_of(folder)


def test_every_kind_of_network_is_in_the_record(results: dict[str, Arrays]) -> None:
    kinds = {
        f"network/{name}/{hidden}/{copies}/0"
        for name in ("erm", "lognormal")
        for hidden in (3, 5)
        for copies in (1, 2)
    }
    assert set(results) == kinds
    assert all(arrays["hardware"].shape == (20,) for arrays in results.values())


def test_cells_are_two_for_each_pair_biases_included() -> None:
    # 2-4-1: 2x4 weights and 4 biases, 4x1 weights and 1 bias.
    assert cells(4, 1) == 2 * (8 + 4 + 4 + 1)
    assert cells(4, 3) == 3 * cells(4, 1)


def test_a_10x10_holds_twelve_hidden_units_and_no_more() -> None:
    assert fits_one(12, 1)
    assert not fits_one(13, 1)
    assert not fits_one(12, 2)


def test_work_that_was_interrupted_ends_with_the_same_numbers(
    results: dict[str, Arrays], tmp_path: Path
) -> None:
    half = dict(list(results.items())[:3])
    again = results_of(tmp_path, half)
    for name, arrays in results.items():
        assert all(np.array_equal(arrays[key], again[name][key]) for key in arrays)


def test_training_is_not_told_of_the_test_points(
    results: dict[str, Arrays], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossbar.data import Points
    from crossbar.experiments import frontier

    real = frontier._trained

    def swapped(*given: object) -> object:
        # Training and validation points only: 100 and 1000 of them.
        assert [len(p) for p in given if isinstance(p, Points)] == [100, frontier.VALIDATION]
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(frontier, "_trained", swapped)
    again = results_of(tmp_path)
    assert set(again) == set(results)


def test_a_row_is_on_the_frontier_if_no_smaller_one_is_as_good() -> None:
    def network(accuracy: float, count: int) -> Arrays:
        return {
            "software": np.array(1.0),
            "hardware": np.array([accuracy - 0.01, accuracy + 0.01]),
            "cells": np.array(float(count)),
        }

    made = {
        "network/erm/4/1/0": network(0.8, 34),
        "network/lognormal/4/1/0": network(0.9, 34),
        "network/lognormal/8/1/0": network(0.85, 66),
        "network/erm/16/1/0": network(0.95, 130),
    }
    rows = summarise(made)["rows"]
    assert isinstance(rows, list)
    assert [row["frontier"] for row in rows] == [False, True, False, True]
    assert rows[0]["draws_p5"] == pytest.approx(0.791)


def test_table_and_figure_come_from_the_record(
    folder: Path, results: dict[str, Arrays], tmp_path: Path
) -> None:
    with Store.open(folder / "s.sqlite", readonly=True) as store:
        record = store.run(1)
    assert measured(results)
    summary = summarise(results)
    assert len(tables(record, summary)) == 2
    draw(record, results, summary, tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": "4,x"}, "hidden = '4,x' is not whole numbers"),
        ({"copies": ""}, "copies = '' is not whole numbers"),
        ({"sigma": float("nan")}, "sigma = nan"),
        ({"draws": 1}, "draws = 1 is below 2"),
        ({"training": ","}, "names no objective"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        FrontierSettings(**given)  # type: ignore[arg-type]


def test_an_unknown_objective_is_refused(tmp_path: Path) -> None:
    settings = FrontierSettings(training="luck")
    opened = software_session(tmp_path / "s.sqlite", experiment="frontier", settings={}, seed=0)
    with opened as s, pytest.raises(DataError, match="'luck' is not one of erm"):
        run(settings, Record(s.run), s.seed)
