"""`xbar tiles`: a network larger than the array, its cost first."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from crossbar import load, session
from crossbar.backend import BenchError, DataError
from crossbar.cli import app
from crossbar.experiments.tiles import TilesSettings, run
from crossbar.experiments.tiles_view import (
    draw,
    measured,
    products,
    summarise,
    tables,
    tile_errors,
)
from crossbar.resumable import Record
from crossbar.store import Arrays, RunRecord, Store

SHORT = TilesSettings(hidden=4, images=20, epochs=3, rehearsal="none")


def done(
    folder: Path,
    settings: TilesSettings = SHORT,
    bench: str = "ideal",
    stop: int | None = None,
    earlier: dict[str, Arrays] | None = None,
) -> tuple[RunRecord, dict[str, Arrays]]:
    file = folder / "s.sqlite"

    def progress(what: str, count: int, total: int) -> None:
        if what.endswith("cells") and count == stop:
            raise KeyboardInterrupt

    with session(load(bench), file, experiment="tiles", settings=asdict(settings), seed=1) as s:
        number = s.run.id
        try:
            run(settings, s.bench, Record(s.run, earlier or {}), s.seed, progress)
        except KeyboardInterrupt:
            if stop is None:
                raise
    with Store.open(file, readonly=True) as store:
        return store.run(number), store.results(number)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, dict[str, Arrays]]:
    return done(tmp_path_factory.mktemp("tiles"))


def test_an_ideal_array_gives_the_network(made: tuple[RunRecord, dict[str, Arrays]]) -> None:
    results = made[1]
    summary = summarise(results)
    # 64 inputs on 10 word lines, 4 outputs on 5 pairs; then 4 and 10.
    assert [layer["tiles"] for layer in summary["layers"]] == [7, 2]
    assert summary["cost"]["cells"] == 2 * (64 * 4 + 4 * 10)
    assert summary["cost"]["pulses"] is None
    assert summary["done"]["tiles"] == 9
    assert summary["accuracy"]["array"] == pytest.approx(summary["accuracy"]["software"], abs=0.11)
    assert all(layer["relative_error"] < 0.03 for layer in summary["layers"])
    json.dumps(summary)


def test_products_are_put_together_from_the_tiles_of_the_record(
    made: tuple[RunRecord, dict[str, Arrays]],
) -> None:
    results = made[1]
    (_, _), (given, _) = products(results)
    scores = given + results["network"]["2.bias"]
    np.testing.assert_allclose(scores, results["scores"]["scores"], rtol=1e-12)
    assert tile_errors(results, 0).shape == (7, 1)
    assert tile_errors(results, 1).shape == (1, 2)
    assert tile_errors(results, 0).max() < 0.05


def test_the_tables_fit_and_the_figure_is_drawn(
    made: tuple[RunRecord, dict[str, Arrays]], tmp_path: Path
) -> None:
    summary = summarise(made[1])
    console = Console(width=80, record=True)
    for part in tables(made[0], summary):
        console.print(part)
    text = console.export_text()
    assert "foreseen" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    draw(made[0], made[1], summary, tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size > 20_000


def test_an_interrupted_run_goes_on_with_the_tiles_that_are_missing(
    made: tuple[RunRecord, dict[str, Arrays]], tmp_path: Path
) -> None:
    _, begun = done(tmp_path, stop=4)
    tiles = [name for name in begun if name.startswith("tile/")]
    assert len(tiles) == 4
    assert measured(begun)
    assert "accuracy" not in summarise(begun)
    _, whole = done(tmp_path, earlier=begun)
    assert set(whole) == set(made[1])
    for name in tiles:  # taken over, not measured again
        np.testing.assert_array_equal(whole[name]["product"], begun[name]["product"])
    np.testing.assert_allclose(
        whole["scores"]["scores"], made[1]["scores"]["scores"], rtol=0.05, atol=0.2
    )


def test_a_plan_programs_nothing_and_says_pulses_and_time(tmp_path: Path) -> None:
    asked = replace(SHORT, plan=True, rehearsal="sim")
    record, results = done(tmp_path, asked, bench="sim")
    assert set(results) == {"network", "cost"}
    summary = summarise(results)
    assert summary["done"]["tiles"] == 0
    assert summary["cost"]["pulses"] > 5 * summary["cost"]["cells"]
    assert summary["cost"]["seconds"] > 10 * summary["cost"]["tiles"]
    assert "rehearsed on bench sim, 10x10" in summary["cost"]["rehearsed"]
    with Store.open(tmp_path / "s.sqlite", readonly=True) as store:
        # Not even an offset is measured: the bench is opened and closed.
        assert [call.verb for call in store.calls(record.id)] == ["close"]
    draw(record, results, summary, tmp_path / "plan.png")


def test_a_bench_to_rehearse_on_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="nowhere"):
        done(tmp_path, replace(SHORT, rehearsal="nowhere.toml"))


def test_impossible_settings_are_refused(tmp_path: Path) -> None:
    for change, message in (
        ({"hidden": 0}, "hidden"),
        ({"images": 3}, "images"),
        ({"mapping": "luck"}, "luck"),
    ):
        with pytest.raises(DataError, match=message):
            replace(SHORT, **change)
    with pytest.raises(DataError, match="training 'luck'"):
        done(tmp_path, replace(SHORT, training="luck"))
    with pytest.raises(DataError, match="kept for the test"):
        done(tmp_path, replace(SHORT, images=1000))


def test_the_command_prints_the_cost(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        app,
        [
            *("tiles", "--bench", "ideal", "--hidden", "4", "--epochs", "2", "--plan", "--json"),
            *("--rehearsal", "none", "--store", str(tmp_path / "s.sqlite")),
            *("--figure", str(tmp_path / "t.png")),
        ],
    )
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.output)["cost"]["tiles"] == 9
