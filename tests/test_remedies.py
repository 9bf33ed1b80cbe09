from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from crossbar import load, session
from crossbar.backend import CapacityError, DataError
from crossbar.crossbar import OFFSET_READS, REFERENCE_READS
from crossbar.experiments.remedies import run
from crossbar.experiments.remedies_settings import RemediesSettings
from crossbar.experiments.remedies_summary import draws, measured, summarise
from crossbar.experiments.remedies_view import draw, tables
from crossbar.loop_settings import LineSettings, WeightSettings
from crossbar.offload import CALIBRATION_INPUTS
from crossbar.resumable import Record
from crossbar.session import Session
from crossbar.store import Arrays

SHORT = RemediesSettings(
    training="erm",
    hidden=3,
    draws=2,
    wait="1,100",
    copies="1,2",
    epochs=120,
    train_points=300,
    test_points=200,
)
PAIRED = 2 * (3 * 3 + 4)  # cells of a 2-3-1 network with pairs


@contextmanager
def opened(folder: Path, settings: RemediesSettings, bench: str, seed: int) -> Iterator[Session]:
    with session(
        load(bench),
        folder / "s.sqlite",
        experiment="remedies",
        settings=asdict(settings),
        seed=seed,
    ) as s:
        yield s


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, dict[str, Arrays]]]:
    with opened(tmp_path_factory.mktemp("remedies"), SHORT, "sim", 1) as s:
        run(SHORT, s.bench, Record(s.run), s.seed)
        yield s, s.store.results(s.run.id)


@pytest.fixture(scope="module")
def results(ran: tuple[Session, dict[str, Arrays]]) -> dict[str, Arrays]:
    return ran[1]


def cost(arrays: Arrays, remedy: str, wait: int) -> list[float]:
    found: list[float] = arrays["cost"][arrays["remedies"].tolist().index(remedy), wait].tolist()
    return found


def test_every_network_and_every_draw_is_in_the_record(results: dict[str, Arrays]) -> None:
    ways = ("1", "2-rest", "1-weights")
    pieces = {f"draw/erm/{way}/{k}" for way in ways for k in range(2)}
    assert set(results) == {"asked", "network/erm", *pieces}
    assert results["asked"]["array"].tolist() == [10, 10]
    assert measured(results)
    assert {way: len(found) for (_, way), found in draws(results).items()} == dict.fromkeys(ways, 2)
    assert results["draw/erm/1/0"]["accuracy"].shape == (7, 2)
    assert results["draw/erm/1-weights/0"]["remedies"].tolist() == ["weights", "weights+lines"]


def test_cells_pulses_and_reads_are_those_of_the_programming(results: dict[str, Arrays]) -> None:
    for way, copies in (("1", 1), ("2-rest", 2)):
        found = results[f"draw/erm/{way}/0"]
        assert found["cells"] == copies * PAIRED
        pulses, reads, multiplies, _ = found["programming"]
        assert pulses == found["pulses"].sum() > 0
        assert reads > pulses  # each is followed by one
        assert multiplies == 0


def test_the_multiplies_of_each_remedy_are_those_that_it_is_made_of(
    results: dict[str, Arrays],
) -> None:
    found, layers, s = results["draw/erm/1/0"], 2, LineSettings()
    reference = layers * REFERENCE_READS
    calibration = layers * (OFFSET_READS + CALIBRATION_INPUTS)
    lines = s.inputs * (1 + (s.steps + 1))
    expected = {
        "none": 0,
        "drift": 2 * reference,
        "once": 2 * reference + calibration,
        "once+drift": 3 * reference + calibration,
        "calibrated": calibration,
        "lines": lines,
        "calibrated+lines": calibration + lines,
    }
    for wait in range(2):
        for name, multiplies in expected.items():
            pulses, reads, counted, seconds = cost(found, name, wait)
            assert (pulses, reads, counted) == (0, 0, multiplies), (name, wait)
            assert (seconds > 0) == (multiplies > 0)


def test_tuned_weights_cost_the_pulses_that_they_took(results: dict[str, Arrays]) -> None:
    s = WeightSettings()
    for k in range(2):
        found = results[f"draw/erm/1-weights/{k}"]
        pulses, reads, multiplies, _ = found["programming"]
        assert pulses == found["pulses"].sum() + found["tuning_pulses"]
        assert reads > pulses
        steps = (multiplies / s.inputs) / 2 - 1
        assert steps == int(steps) <= s.steps
        assert (found["tuning_pulses"] > 0) == (steps > 0)


def test_nothing_is_measured_before_its_time(results: dict[str, Arrays]) -> None:
    for name, arrays in results.items():
        if name.startswith("draw/"):
            assert np.all(arrays["age"] >= results["asked"]["waits"])
            assert np.all(arrays["age"][:, 0] < results["asked"]["waits"][1])


def test_the_summary_follows_from_the_record_alone(results: dict[str, Arrays]) -> None:
    rows = {(row["way"], row["remedy"]): row for row in summarise(results)["rows"]}
    values = {
        key: np.array([results[f"draw/erm/{way}/{k}"]["accuracy"][index, 1] for k in range(2)])
        for key, way, index in (("none", "1", 0), ("cal", "1", 4), ("two", "2-rest", 0))
    }
    calibrated = rows["1", "calibrated"]
    assert calibrated["accuracy"][1]["values"] == values["cal"].tolist()
    won = 100 * (values["cal"] - values["none"])
    assert calibrated["won_points"][1]["mean"] == pytest.approx(won.mean())
    # Of the same draws: Student's interval of the differences, t(0.975, 1) = 12.7062.
    half = 12.7062 * won.std(ddof=1) / np.sqrt(2)
    low, high = calibrated["won_points"][1]["ci95"]
    assert (high - low) / 2 == pytest.approx(half, rel=1e-4)
    other = rows["2-rest", "none"]["won_points"][1]["mean"]
    assert other == pytest.approx(100 * (values["two"].mean() - values["none"].mean()))
    assert rows["1", "none"]["won_points"][0] == {"mean": 0.0, "ci95": [0.0, 0.0]}
    spent = [results[f"draw/erm/1/{k}"] for k in range(2)]
    pulses = np.mean([d["programming"][0] + cost(d, "lines", 1)[0] for d in spent])
    assert rows["1", "lines"]["cost"]["pulses"][1]["mean"] == pytest.approx(pulses)


def test_tables_fit_80_columns_and_say_what_made_them(
    ran: tuple[Session, dict[str, Arrays]], tmp_path: Path
) -> None:
    s, results = ran
    record, summary = s.store.run(s.run.id), summarise(results)
    shown = StringIO()
    console = Console(file=shown, width=80)
    for part in tables(record, summary):
        console.print(part)
    text = shown.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for word in ("2-3-1 on 10x10", "bench sim", "seed 1", "2 (rest)", "calibrated+lines", "±"):
        assert word in text
    draw(record, results, summary, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_on_an_ideal_array_nothing_is_lost_and_nothing_is_written(tmp_path: Path) -> None:
    settings = replace(SHORT, hidden=8, copies="1", draws=1)
    with opened(tmp_path, settings, "ideal", 0) as s:
        run(settings, s.bench, Record(s.run), s.seed)
        found = s.store.results(s.run.id)
    software = float(found["network/erm"]["accuracy"])
    plain = found["draw/erm/1/0"]
    assert plain["drives"] == 3  # the first layer in two blocks
    unchanged = [plain["remedies"].tolist().index(name) for name in ("none", "drift", "calibrated")]
    assert np.all(plain["accuracy"][unchanged] == software)
    assert found["draw/erm/1-weights/0"]["tuning_pulses"] == 0


def test_an_interrupted_run_goes_on_with_what_is_missing(
    results: dict[str, Arrays], tmp_path: Path
) -> None:
    kept = {name: arrays for name, arrays in results.items() if name != "draw/erm/1-weights/1"}
    begun = []

    def progress(work: str, done: int, of: int) -> None:
        if work.startswith(("cells", "training")):
            begun.append(work)

    with opened(tmp_path, SHORT, "sim", 1) as s:
        run(SHORT, s.bench, Record(s.run, kept), s.seed, progress)
        again = s.store.results(s.run.id)
    assert set(again) == set(results)
    assert all(
        np.array_equal(again[name][key], values)
        for name, arrays in kept.items()
        for key, values in arrays.items()
    )
    assert set(begun) == {"cells of this pass"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wait": "10,soon"}, "--wait '10,soon' is not a list of times"),
        ({"wait": "-1"}, "--wait '-1'"),
        ({"wait": ""}, "--wait ''"),
        ({"copies": "two"}, "--copies 'two'"),
        ({"copies": "1,0"}, "--copies '1,0': 1 or more"),
        ({"copies": "1:2:3"}, "1 or more for both layers"),
        ({"remedies": "luck,none"}, "'luck' is not one of none, drift"),
        ({"remedies": "lines"}, "needs 'none'"),
        ({"aim": "high"}, "'high' is not one of rest, each"),
        ({"mapping": "pairs"}, "'pairs' is not one of"),
        ({"draws": 0}, "--draws 0"),
        ({"epochs": 0}, "epochs = 0"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(SHORT, **change)  # type: ignore[arg-type]  # the wrong value is the test


def test_what_does_not_fit_is_refused_before_training(tmp_path: Path) -> None:
    settings = replace(SHORT, copies="1,4")
    with (
        pytest.raises(CapacityError, match=r"4:4 copies.* 3 of each would fit"),
        opened(tmp_path, settings, "sim", 0) as s,
    ):
        run(settings, s.bench, Record(s.run), 0)
    with (
        pytest.raises(DataError, match="training 'luck' is not one of"),
        opened(tmp_path, SHORT, "sim", 0) as s,
    ):
        run(replace(SHORT, training="luck"), s.bench, Record(s.run), 0)


def test_copies_and_aims_are_named_by_layer() -> None:
    settings = replace(SHORT, copies="1,3:2", aim="each,rest")
    assert [way.name for way in settings.ways] == ["1", "3:2-each", "3:2-rest", "1-weights"]
    assert settings.waits == (1.0, 100.0)
    without = replace(settings, remedies="none")
    assert [way.name for way in without.ways] == ["1", "3:2-each", "3:2-rest"]
