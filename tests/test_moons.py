from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_ind

from crossbar import load, session
from crossbar.backend import CapacityError, DataError
from crossbar.experiments.moons import make_task, run
from crossbar.experiments.moons_settings import MoonsSettings
from crossbar.experiments.moons_summary import difference, summarise
from crossbar.experiments.moons_view import draw, tables
from crossbar.resumable import Record
from crossbar.session import Session
from crossbar.store import Arrays, Store

SHORT = MoonsSettings(
    training="erm,trinomial",
    repeats=2,
    epochs=150,
    train_points=200,
    test_points=200,
)


@contextmanager
def opened(folder: Path, settings: MoonsSettings, bench: str, seed: int) -> Iterator[Session]:
    with session(
        load(bench), folder / "s.sqlite", experiment="moons", settings=asdict(settings), seed=seed
    ) as s:
        yield s


def results_of(
    folder: Path, settings: MoonsSettings = SHORT, bench: str = "sim", seed: int = 3
) -> dict[str, Arrays]:
    with opened(folder, settings, bench, seed) as s:
        run(settings, s.bench, Record(s.run), s.seed)
        return s.store.results(s.run.id)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    return results_of(tmp_path_factory.mktemp("moons"))


def test_every_network_and_every_draw_is_in_the_record(results: dict[str, Arrays]) -> None:
    assert set(results) == {
        "points",
        "network/erm",
        "network/trinomial",
        *(f"draw/{name}/{k}" for name in ("erm", "trinomial") for k in range(2)),
    }


def test_a_record_holds_what_its_figures_need(results: dict[str, Arrays]) -> None:
    draw = results["draw/erm/0"]
    assert draw["errors_0"].shape == (200, 4)
    assert draw["errors_1"].shape == (200, 1)
    assert draw["target"].shape == draw["reread"].shape == (10, 10)
    assert (draw["status"] >= 0).sum() == 2 * (3 * 4 + 5)
    assert "grid_scores" in results["draw/erm/1"]
    assert "grid_scores" not in draw
    assert results["network/erm"]["matrix_0"].shape == (3, 4)


def test_the_summary_follows_from_the_record_alone(results: dict[str, Arrays]) -> None:
    rows = {row["training"]: row for row in summarise(results)["rows"]}  # type: ignore[attr-defined]
    erm = rows["erm"]
    values = [float(results[f"draw/erm/{k}"]["accuracy"]) for k in range(2)]
    assert erm["hardware_accuracy"]["values"] == values
    assert erm["hardware_accuracy"]["mean"] == pytest.approx(np.mean(values))
    assert erm["hardware_accuracy"]["sd"] == pytest.approx(np.std(values, ddof=1))
    lost = 100 * (erm["software_accuracy"] - np.mean(values))
    assert erm["drop_points"]["mean"] == pytest.approx(lost)
    assert erm["cells"] == 34
    errors = np.concatenate([results[f"draw/erm/{k}"]["errors_1"].ravel() for k in range(2)])
    assert erm["dot_product_error"]["layer_1"]["sd"] == pytest.approx(errors.std())


def test_the_same_seed_gives_the_same_record_bit_for_bit(
    results: dict[str, Arrays], tmp_path: Path
) -> None:
    again = results_of(tmp_path)
    assert list(again) == list(results)
    for name, arrays in results.items():
        for key, values in arrays.items():
            assert again[name][key].tobytes() == values.tobytes(), (name, key)


def test_another_seed_is_another_array(results: dict[str, Arrays], tmp_path: Path) -> None:
    other = results_of(tmp_path, replace(SHORT, training="erm", repeats=1), seed=4)
    assert not np.array_equal(other["draw/erm/0"]["reread"], results["draw/erm/0"]["reread"])


@pytest.mark.parametrize(
    ("mapping", "hidden"), [("differential", 4), ("differential", 8), ("reference", 8)]
)
def test_on_an_ideal_array_hardware_equals_software(
    mapping: str, hidden: int, tmp_path: Path
) -> None:
    settings = replace(SHORT, mapping=mapping, hidden=hidden, training="erm", repeats=1)
    found = results_of(tmp_path, settings, "ideal")
    software = float(found["network/erm"]["accuracy"])
    draw = found["draw/erm/0"]
    assert float(draw["accuracy"]) == float(draw["calibrated_accuracy"]) == software
    assert np.abs(draw["errors_0"]).max() < 1e-9
    assert np.abs(draw["errors_1"]).max() < 1e-9


def test_what_was_finished_before_an_interrupt_is_kept(tmp_path: Path) -> None:
    def impatient(work: str, done: int, total: int) -> None:
        if work == "programming draws" and done == 1:
            raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        opened(tmp_path, SHORT, "sim", 3) as s,
    ):
        run(SHORT, s.bench, Record(s.run), s.seed, impatient)
    with Store.open(tmp_path / "s.sqlite", readonly=True) as store:
        (record,) = store.runs()
        found = store.results(record.id)
        calls = [call.verb for call in store.calls(record.id)]
    assert record.status == "interrupted"
    assert "draw/erm/0" in found
    assert "draw/trinomial/0" not in found
    assert calls[-1] == "close"
    rows = summarise(found)["rows"]
    assert [("hardware_accuracy" in row) for row in rows] == [True, False]  # type: ignore[attr-defined]


def test_a_network_that_does_not_fit_is_refused_before_training(tmp_path: Path) -> None:
    with (
        pytest.raises(CapacityError, match="3x13 and 14x1"),
        opened(tmp_path, SHORT, "sim", 0) as s,
    ):
        run(replace(SHORT, hidden=13), s.bench, Record(s.run), 0)


def test_an_unknown_objective_is_refused_before_training(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="'luck' is not one of erm, trinomial, "),
        opened(tmp_path, SHORT, "sim", 0) as s,
    ):
        run(replace(SHORT, training="luck"), s.bench, Record(s.run), 0)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": 0},
        {"repeats": 0},
        {"train_points": 10},
        {"test_points": 3},
        {"mapping": "pairs"},
        {"training": " , "},
        {"p1": 0.6, "p2": 0.5},
        {"noise": -0.1},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match=next(iter(change))):
        replace(SHORT, **change)  # type: ignore[arg-type]  # the wrong value is the test


def test_objectives_are_named_once_and_keep_their_order() -> None:
    assert replace(SHORT, training="lognormal, erm,erm").objectives == ("lognormal", "erm")


def test_own_points_are_read_split_and_standardised(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{x:.4f},{y:.4f},{'a' if x > 5 else 'b'}" for x, y in rng.normal(5, 2, size=(80, 2))]
    (tmp_path / "own.csv").write_text("\n".join(rows), encoding="utf-8")
    task = make_task(replace(SHORT, data=str(tmp_path / "own.csv")), rng)
    assert len(task.train) + len(task.test) == 80
    assert task.train.inputs.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert task.train.inputs.std(axis=0) == pytest.approx([1, 1])
    assert task.test.class_names == ("a", "b")


def test_a_difference_has_welchs_interval() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(3.0, 2.0, 12), rng.normal(1.0, 0.5, 30)
    expected = ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    found = difference(first, second)
    assert found["mean"] == pytest.approx(first.mean() - second.mean())
    assert found["ci95"] == pytest.approx([expected.low, expected.high])


def test_what_two_draws_cannot_tell_has_no_interval() -> None:
    assert difference(np.array([1.0]), np.array([0.0, 2.0])) == {"mean": 0.0, "ci95": None}
    assert difference(np.ones(3), np.zeros(3)) == {"mean": 1.0, "ci95": [1.0, 1.0]}


def test_every_training_is_compared_with_plain_training(results: dict[str, Arrays]) -> None:
    rows = {row["training"]: row for row in summarise(results)["rows"]}  # type: ignore[attr-defined]
    less = rows["trinomial"]["drop_points_below_erm"]
    drops = [rows[name]["drop_points"]["mean"] for name in ("erm", "trinomial")]
    assert less["mean"] == pytest.approx(drops[0] - drops[1])
    assert "drop_points_below_erm" not in rows["erm"]


SEARCHED = replace(
    SHORT, training="erm,lognormal,device", repeats=1, search=True, evaluations=4, device_programs=1
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    return results_of(tmp_path_factory.mktemp("searched"), SEARCHED)


def test_a_search_keeps_the_candidate_that_bears_drift_best(searched: dict[str, Arrays]) -> None:
    names = [name for name in searched if name.startswith("search/lognormal/")]
    assert len(names) == 4
    values = [float(searched[name]["value"]) for name in names]
    best = searched[names[int(np.argmax(values))]]
    found = searched["network/lognormal"]
    assert float(found["sigma"]) == pytest.approx(float(best["numbers"][0]))
    assert not any(name.startswith(("search/erm", "search/device")) for name in searched)


def test_a_search_has_its_table_and_its_figure(searched: dict[str, Arrays], tmp_path: Path) -> None:
    with opened(tmp_path, SEARCHED, "sim", 3) as s:
        record = s.store.run(s.run.id)
    summary = summarise(searched)
    assert [row["training"] for row in summary["searches"]] == ["lognormal"]  # type: ignore[attr-defined]
    draw(record, searched, summary, tmp_path / "moons.png")
    assert (tmp_path / "moons.png").stat().st_size > 10_000
    assert (tmp_path / "moons-search.png").stat().st_size > 10_000
    titles = [str(getattr(part, "title", "")) for part in tables(record, summary)]
    assert "search over noise, judged under the array's own errors" in titles
    given = replace(record, settings={**record.settings, "drift": 0.3})
    titles = [str(getattr(part, "title", "")) for part in tables(given, summary)]
    assert "search over noise, judged under drift 0.3" in titles


@pytest.mark.parametrize(
    ("asked", "measures"),
    [
        ({"training": "erm"}, False),
        ({"training": "device"}, True),
        ({"training": "lognormal", "search": True}, True),
        ({"training": "lognormal", "search": True, "drift": 0.4}, False),
        ({"training": "device", "search": True, "drift": 0.4}, True),
    ],
)
def test_the_array_is_measured_only_for_what_needs_its_errors(
    asked: dict[str, Any], measures: bool
) -> None:
    assert MoonsSettings(**asked).measures is measures


def test_candidates_are_judged_under_the_errors_of_the_array_or_a_drift(
    searched: dict[str, Arrays], tmp_path: Path
) -> None:
    kept = {"device-errors": searched["device-errors"]}
    given = replace(SEARCHED, drift=0.0)
    with opened(tmp_path, given, "sim", 3) as s:
        run(given, s.bench, Record(s.run, kept), s.seed)
        results = s.store.results(s.run.id)
    for k in range(2):  # the first two are chosen before anything is known
        name = f"search/lognormal/{k}"
        assert np.array_equal(results[name]["numbers"], searched[name]["numbers"])
        assert float(results[name]["undrifted"]) == float(searched[name]["undrifted"])
        assert np.ptp(results[name]["accuracy"]) == 0  # no drift, no spread
        assert np.ptp(searched[name]["accuracy"]) > 0
        assert searched[name]["accuracy"].mean() < float(searched[name]["undrifted"])


def test_device_training_is_of_errors_that_this_bench_made(searched: dict[str, Arrays]) -> None:
    errors = searched["device-errors"]
    assert 80 < len(errors["targets"]) <= 100
    assert not errors["stuck"].any()
    assert (errors["reached"] > 0).all()
    assert "network/device" in searched


def test_a_run_that_goes_on_trains_nothing_again(
    searched: dict[str, Arrays], tmp_path: Path
) -> None:
    kept = {name: arrays for name, arrays in searched.items() if not name.startswith("draw/")}
    works: list[str] = []
    with opened(tmp_path, SEARCHED, "sim", 3) as s:
        record = Record(s.run, kept)
        run(SEARCHED, s.bench, record, s.seed, lambda work, _done, _total: works.append(work))
        results = s.store.results(s.run.id)
    assert {"programming draws", "cells of this pass"} == set(works)
    for name in ("network/device", "device-errors"):
        assert all(np.array_equal(results[name][key], searched[name][key]) for key in kept[name])
    assert set(results) == {name for name in searched if "search/" not in name}


def test_whoever_searches_programs_thirty_times() -> None:
    assert MoonsSettings().draws == 10
    assert MoonsSettings(search=True).draws == 30
    assert MoonsSettings(search=True, repeats=3).draws == 3
