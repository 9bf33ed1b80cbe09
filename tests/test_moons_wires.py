from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from crossbar import load
from crossbar.backend import BenchError, DataError
from crossbar.bench import open_bench, with_lines
from crossbar.cli import app
from crossbar.experiments.moons import adapted
from crossbar.experiments.moons_settings import MoonsSettings
from crossbar.experiments.moons_summary import summarise
from crossbar.experiments.moons_view import draw, tables
from crossbar.experiments.moons_wires import MULTIPLES, share_lost
from crossbar.resumable import Record
from crossbar.session import session
from crossbar.store import Arrays, RunRecord, Store
from crossbar.wires import Lines, effective, losses

SHORT = MoonsSettings(
    training="erm", repeats=2, epochs=150, train_points=200, test_points=200, line_resistance=5.0
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunRecord, dict[str, Arrays]]:
    from crossbar.experiments.moons import run

    file = tmp_path_factory.mktemp("wires") / "s.sqlite"
    bench = adapted(SHORT, load("sim"))
    settings = {"hidden": 4, "mapping": "differential", "data": None, "noise": 0.1, "drift": None}
    with session(bench, file, experiment="moons", settings=settings, seed=2) as s:
        run(SHORT, s.bench, Record(s.run), s.seed)
        number = s.run.id
    with Store.open(file, readonly=True) as store:
        return store.run(number), store.results(number)


def test_the_bench_has_the_lines_that_were_asked_for(
    made: tuple[RunRecord, dict[str, Arrays]],
) -> None:
    assert made[0].bench["line_resistance"] == 5.0
    assert adapted(replace(SHORT, line_resistance=None), load("sim")) == load("sim")


def test_scores_without_wires_are_those_of_the_conductances_read(
    made: tuple[RunRecord, dict[str, Arrays]],
) -> None:
    draw_ = made[1]["draw/erm/0"]
    assert draw_["wires_ohms"].tolist() == [5.0 * m for m in MULTIPLES]
    scores = draw_["wires_scores"]
    assert scores.shape == (len(MULTIPLES), 200, 1)
    change = np.abs(scores - scores[0]).max(axis=(1, 2))
    assert np.all(np.diff(change) > 0)  # the more resistance, the farther


def test_lost_voltages_are_those_of_the_circuit(
    made: tuple[RunRecord, dict[str, Arrays]],
) -> None:
    draw_ = made[1]["draw/erm/1"]
    part = share_lost(draw_, 0)
    idle = draw_["wires_driven_0"] == 0
    assert idle.any()
    assert np.isnan(part[idle]).all()
    assert np.nanmin(part) >= 0
    assert np.nanmax(part) < 0.1
    # Farther from both terminals, less is left: the corner against its opposite.
    used = np.flatnonzero(~idle)
    assert part[used[0], -1] > part[used[-1], 0]


def test_the_summary_says_what_wires_cost(made: tuple[RunRecord, dict[str, Arrays]]) -> None:
    wires = summarise(made[1])["wires"]
    assert isinstance(wires, dict)
    (row,) = wires["rows"]
    assert row["draws"] == 2
    accuracy = row["accuracy"]
    assert row["lost_points"] == pytest.approx(100 * (accuracy[0] - accuracy[1]))
    assert 0 < row["lost_voltage_mean"] < row["lost_voltage_largest"] < 0.1


def test_the_table_fits_and_the_figure_is_beside_the_other(
    made: tuple[RunRecord, dict[str, Arrays]], tmp_path: Path
) -> None:
    run, results = made
    summary = summarise(results)
    console = Console(width=80, record=True)
    for part in tables(run, summary):
        console.print(part)
    text = console.export_text()
    assert "what wires of 5 ohm per segment cost" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    draw(run, results, summary, tmp_path / "m.png")
    assert (tmp_path / "m-wires.png").stat().st_size > 20_000


@pytest.mark.parametrize("ohm", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_resistances_are_refused(ohm: float) -> None:
    with pytest.raises(DataError, match="line_resistance"):
        replace(SHORT, line_resistance=ohm)


def test_a_real_array_keeps_its_lines() -> None:
    with pytest.raises(BenchError, match="real array"):
        with_lines(load("lab-parallel"), 5.0)
    with pytest.raises(BenchError, match="line_resistance -1"):
        with_lines(load("sim"), -1.0)


def test_a_virtual_array_has_other_lines_too() -> None:
    with open_bench(with_lines(load("virtual"), 7.0), seed=1) as bench:
        assert "7.0" in str(bench.describe())


def test_wires_make_of_conductances_what_the_circuit_says() -> None:
    G = np.random.default_rng(0).uniform(1e-5, 1e-4, (4, 6))
    np.testing.assert_array_equal(effective(G, Lines(0.0)), G)
    volts = np.array([[0.2, 0.0, -0.1, 0.1]])
    lost = losses(G, Lines(10.0), volts)
    assert lost.shape == (4, 6)
    # To first order the whole current is what the lines were asked for.
    expected = volts @ G - volts @ effective(G, Lines(10.0))
    first_order = np.abs(expected).max() / np.abs(volts @ G).max()
    assert 0 < first_order < 0.02


def test_the_command_takes_the_resistance(tmp_path: Path) -> None:
    ran = CliRunner().invoke(
        app,
        [
            *("moons", "--line-resistance", "5", "--training", "erm", "--repeats", "1", "--json"),
            *("--epochs", "40", "--train-points", "60", "--test-points", "40"),
            *("--store", str(tmp_path / "s.sqlite"), "--figure", str(tmp_path / "m.png")),
        ],
    )
    assert ran.exit_code == 0, ran.output
    assert '"segment_ohm": 5.0' in ran.output
    assert (tmp_path / "m-wires.png").exists()
