import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.cli import run as xbar
from crossbar.cli.resuming import resumed
from crossbar.experiments import EXPERIMENTS
from crossbar.experiments.study_settings import FOLDER, StudySettings
from crossbar.experiments.study_summary import measured, summarise
from crossbar.store import Arrays, Store
from crossbar.studies.task import NO_CLAIM
from idx_files import write_mnist
from memsim_devices import short
from study_runs import NAMES, SHORT, STORE, differences, recorded, studied


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study")
    studied(path)
    return path


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Arrays]:
    return recorded(folder, 1)


def test_every_unit_is_a_piece_of_the_record(results: dict[str, Arrays]) -> None:
    assert list(results) == ["data", "study", *NAMES]


def test_a_unit_holds_its_training_and_every_draw(results: dict[str, Arrays]) -> None:
    unit = results[NAMES[0]]
    assert unit["losses"].shape == unit["validation"].shape == (2,)
    assert unit["values"].shape == (3, 3, 3)  # measures, levels, draws
    assert unit["clean"].shape == (3,)
    assert int(unit["parameters"]) > 1000


def test_without_a_spread_every_draw_is_the_network_as_it_is(results: dict[str, Arrays]) -> None:
    for name in NAMES:
        unit = results[name]
        np.testing.assert_array_equal(
            unit["values"][:, 0], np.repeat(unit["clean"][:, None], 3, axis=1)
        )


def test_draws_of_a_level_with_spread_differ(results: dict[str, Arrays]) -> None:
    assert np.ptp(results[NAMES[0]]["values"][2, 2]) > 0


def test_seeds_of_a_study_differ(results: dict[str, Arrays]) -> None:
    assert results[NAMES[0]]["losses"][0] != results[NAMES[2]]["losses"][0]


def test_objectives_share_start_and_order_until_the_noise_begins(tmp_path: Path) -> None:
    found = studied(tmp_path, replace(SHORT, epochs=3, seeds=1, draws=1))
    # The first of three epochs is the warm-up, without noise.
    plain, noisy = (found[name]["losses"] for name in NAMES[:2])
    assert plain[0] == noisy[0]
    assert plain[1] != noisy[1]


def test_the_record_says_what_the_data_are(results: dict[str, Arrays]) -> None:
    data = results["data"]
    assert str(data["sentence"]).startswith("generated trees of 10 to 16 labelled nodes")
    assert str(data["claim"]) == NO_CLAIM
    assert data["counts"].tolist() == [80, 16, 40]
    assert len(str(data["fingerprint"])) == 64


def test_the_same_seed_gives_the_same_record_whatever_else_is_asked(
    results: dict[str, Arrays], tmp_path: Path
) -> None:
    other = studied(tmp_path, replace(SHORT, objectives="lognormal", seeds=1))
    assert differences({NAMES[1]: other[NAMES[1]]}, {NAMES[1]: results[NAMES[1]]}) == []


def test_another_seed_is_another_study(results: dict[str, Arrays], tmp_path: Path) -> None:
    other = studied(tmp_path, replace(SHORT, objectives="erm", seeds=1), seed=4)
    assert str(other["data"]["fingerprint"]) != str(results["data"]["fingerprint"])
    assert other[NAMES[0]]["losses"][0] != results[NAMES[0]]["losses"][0]


@pytest.mark.parametrize("work", ["units", "steps of this unit", "levels of this unit"])
def test_an_interrupted_study_goes_on_to_what_it_would_have_been(
    results: dict[str, Arrays], tmp_path: Path, work: str
) -> None:
    begun: list[int] = []

    def impatient(what: str, done: int, total: int) -> None:
        if what == "steps of this unit" and done == 1:
            begun.append(done)
        if what == work and done and (what == "units" or len(begun) == 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        studied(tmp_path, progress=impatient)
    assert list(recorded(tmp_path, 1)) == ["data", "study", NAMES[0]]
    made: list[str] = []
    found = studied(tmp_path, resume=1, progress=lambda what, done, total: made.append(what))
    assert differences(found, results) == []
    assert made.count("levels of this unit") == 3 * (len(SHORT.levels) + 1)


def test_a_study_of_other_data_does_not_go_on(tmp_path: Path) -> None:
    files, settings = tmp_path / "data", replace(SHORT, task="mnist", network="mlp", size=None)
    files.mkdir()
    write_mnist(files, zipped=False)
    settings = replace(settings, data=str(files))

    def impatient(what: str, done: int, total: int) -> None:
        if what == "units" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        studied(tmp_path, settings, progress=impatient)
    write_mnist(files, zipped=False, train=90)
    with pytest.raises(DataError, match="the data are not those of the run that is gone on with"):
        studied(tmp_path, settings, resume=1)


def test_data_are_looked_for_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mnist").mkdir()
    write_mnist(tmp_path / "mnist", zipped=True)
    settings = replace(SHORT, task="mnist", network="mlp", objectives="erm", seeds=1, size=60)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    sentence = str(studied(tmp_path, settings)["data"]["sentence"])
    assert sentence.startswith("MNIST, 120 + 40")
    monkeypatch.setenv(FOLDER, str(tmp_path / "mnist"))  # without a folder of the task's name
    sentence = str(studied(tmp_path, settings)["data"]["sentence"])
    assert "in place of MNIST" in sentence


def test_the_summary_follows_from_the_record_alone(results: dict[str, Arrays]) -> None:
    summary = summarise(results)
    assert [(row["network"], row["objective"]) for row in summary["rows"]] == [
        ("graph", "erm"),
        ("graph", "lognormal"),
    ]
    values = np.array([results[f"unit/graph/erm/{k}"]["values"] for k in range(2)])
    level = summary["rows"][0]["measures"]["F1"]["levels"][2]
    assert level["median"] == pytest.approx(np.median(values[:, 1, 2]))
    assert level["low"] == pytest.approx(np.quantile(values[:, 1, 2], 0.025))
    assert level["high"] == pytest.approx(np.quantile(values[:, 1, 2], 0.975))
    assert level["seed_sd"] == pytest.approx(np.std(np.median(values[:, 1, 2], axis=1), ddof=1))
    assert [found["sigma"] for found in summary["levels"]] == [0, 0.3, 0.8]
    assert summary["chance"]["AUC"] == 0.5


def test_the_summary_does_not_depend_on_the_order_of_units(results: dict[str, Arrays]) -> None:
    backwards = {name: results[name] for name in reversed(results)}
    assert summarise(backwards) == summarise(results)


def test_nothing_is_measured_before_the_first_unit(results: dict[str, Arrays]) -> None:
    begun = {name: results[name] for name in ("data", "study")}
    assert not measured(begun)
    assert summarise(begun)["rows"] == []
    assert summarise({})["rows"] == []
    assert measured(results)


def test_a_figure_is_drawn_again_from_the_record(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.png"
    assert xbar(["runs", "figure", "1", "--store", str(folder / STORE), "-o", str(path)]) == 0
    assert path.stat().st_size > 10_000


def test_tables_fit_eighty_columns_and_say_what_made_them(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    options = ["--store", str(folder / STORE), "-o", str(tmp_path / "f.png")]
    assert xbar(["runs", "figure", "1", *options]) == 0
    shown = capsys.readouterr().out
    tables, _, files = shown.rpartition("\nrun 1 ")
    assert files.startswith("(finished)")
    assert max(map(len, tables.splitlines())) <= 80
    flat = " ".join(shown.split())
    for said in ("in place of glycans", NO_CLAIM, "seed 3", "2 trainings of each", "3 draws a"):
        assert said in flat
    for name in ("accuracy", "F1", "AUC"):
        assert f"on glycans: {name}, chance" in flat


def test_many_levels_are_split_over_tables(results: dict[str, Arrays], tmp_path: Path) -> None:
    settings = replace(SHORT, sigmas=",".join(f"{k / 10}" for k in range(1, 10)), objectives="erm")
    found = studied(tmp_path, replace(settings, seeds=1, draws=2))
    with Store.open(tmp_path / STORE, readonly=True) as store:
        shown = EXPERIMENTS["study"].tables(store.run(1), summarise(found))
    assert len(shown) == 3 * 2 + 1  # of each measure two, and the notes


def test_usabilities_are_levels_by_their_form(tmp_path: Path) -> None:
    settings = replace(SHORT, usabilities="0.75,0.5", objectives="erm", seeds=1, rho=0.25)
    found = summarise(studied(tmp_path, settings))
    assert (found["by"], found["form"]) == ("usability", "exponential")
    assert [level["usability"] for level in found["levels"]] == pytest.approx([0.75, 0.5])
    assert [level["sigma"] for level in found["levels"]] == pytest.approx([0, np.log(1.5)])


def test_a_profile_without_spread_still_maps_the_weights(tmp_path: Path) -> None:
    short().save(tmp_path / "p.toml")
    settings = replace(SHORT, sigmas="0", objectives="erm", seeds=1)
    settings = replace(settings, device_profile=str(tmp_path / "p.toml"))
    unit = studied(tmp_path, settings)[NAMES[0]]
    assert np.ptp(unit["values"][0, 0]) == 0
    assert unit["values"][0, 0, 0] != unit["clean"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "luck"}, "--task 'luck' is not one of mnist"),
        ({"seeds": 0}, "--seeds 0 is not 1 or more"),
        ({"draws": 0}, "--draws 0"),
        ({"epochs": 0}, "--epochs 0"),
        ({"size": 0}, "--size 0"),
        ({"sigmas": "0,a"}, "--sigmas '0,a' is not a row of numbers"),
        ({"sigmas": ""}, "--sigmas ''"),
        ({"sigmas": "-0.1"}, "is not 0 or more"),
        ({"sigmas": "nan"}, "all finite"),
        ({"usabilities": "0.5", "form": "luck"}, "--form 'luck'"),
        ({"objectives": " , "}, "--objectives ' , ' names nothing"),
        ({"network": ""}, "--network '' names nothing"),
        ({"p1": "0.6", "p2": "0.6"}, "together at most 1"),
        ({"validation_sigma": -1.0}, "--validation-sigma -1.0"),
        ({"usabilities": "0.9", "rho": 0.25}, "no sigma gives a usability of"),
        ({"rho": 1.5}, "2 levels are needed"),
        ({"device_profile": "/nowhere.toml"}, "cannot be read"),
    ],
    ids=str,
)
def test_settings_outside_their_meaning_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(SHORT, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "lenet5"}, "--network 'lenet5' is not one of graph"),
        ({"objectives": "erm,luck"}, "--objectives 'luck' is not one of erm, trinomial"),
        ({"data": "/nowhere"}, "task glycans generates its data"),
    ],
    ids=str,
)
def test_what_a_task_does_not_have_is_refused_before_training(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        studied(tmp_path, replace(SHORT, **change))
    assert not measured(recorded(tmp_path, 1))


def test_every_objective_trains_every_kind_of_task(tmp_path: Path) -> None:
    from crossbar.objectives import OBJECTIVES

    settings = replace(SHORT, objectives=",".join(OBJECTIVES), seeds=1, draws=1, sigmas="0.3")
    found = summarise(studied(tmp_path, settings))
    assert [row["objective"] for row in found["rows"]] == list(OBJECTIVES)


def test_a_run_may_go_on_elsewhere(tmp_path: Path) -> None:
    def impatient(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    away = replace(SHORT, scheduler="tcp://127.0.0.1:1")
    with pytest.raises(KeyboardInterrupt):
        studied(tmp_path, away, progress=impatient)
    given, _ = resumed("study", StudySettings(), "1", tmp_path / STORE, seed=None)
    assert given == SHORT


def test_the_command_prints_plain_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--task", "glycans", "--objectives", "erm", "--seeds", "1", "--draws", "2"]
    files = ["--store", str(tmp_path / "s.sqlite"), "-o", str(tmp_path / "f.png")]
    small = ["--size", "40", "--epochs", "1", "--sigmas", "0.4", "--json"]
    assert xbar(["study", *options, *small, *files]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["bench"] == {"kind": "software"}
    assert shown["data"]["claim"] == NO_CLAIM
    assert shown["rows"][0]["measures"]["accuracy"]["levels"][0]["median"] is not None
