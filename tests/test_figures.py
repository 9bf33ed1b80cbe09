from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from crossbar.backend import DataError
from crossbar.experiments.moons_summary import summarise
from crossbar.figures.moons import moons_figure
from crossbar.figures.style import save, styled
from crossbar.programming import Status
from crossbar.store import Arrays

RNG = np.random.default_rng(0)


def made_up_record(trainings: tuple[str, ...], draws: int) -> dict[str, Arrays]:
    side = 61
    axis = np.linspace(-2, 2, side)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    record: dict[str, Arrays] = {
        "points": {
            "test_inputs": RNG.normal(size=(50, 2)),
            "test_labels": RNG.integers(0, 2, 50),
            "grid": grid,
        }
    }
    for name in trainings:
        record[f"network/{name}"] = {"accuracy": np.array(0.95), "grid_scores": grid[:, 0]}
        for k in range(draws):
            target = RNG.uniform(2e-6, 8e-5, (10, 10))
            record[f"draw/{name}/{k}"] = {
                "accuracy": np.array(0.9 - 0.01 * k),
                "calibrated_accuracy": np.array(0.93),
                "target": target,
                "verified": target,
                "ended": target,
                "reread": target * RNG.lognormal(0, 0.3, (10, 10)),
                "status": np.zeros((10, 10), dtype=np.int8),
                "pulses": RNG.integers(0, 40, (10, 10)),
                "tolerance": np.array(1e-6),
                "reread_delay": np.array(10.0),
                "success_at_verify": np.array(1.0),
                "success_at_end": np.array(0.7),
                "success_on_reread": np.array(0.4),
                "clipped_reads": np.array(0),
                "clipped_products": np.array(0),
                "errors_0": RNG.normal(size=(50, 4)),
                "errors_1": RNG.normal(size=(50, 1)),
                "calibrated_errors_0": RNG.normal(size=(50, 4)),
                "calibrated_errors_1": RNG.normal(size=(50, 1)),
                "digital_sd_0": np.array(2.0),
                "digital_sd_1": np.array(3.0),
                "grid_scores": grid[:, 0] - 0.2,
            }
    return record


@pytest.mark.parametrize(
    ("trainings", "draws"),
    [(("erm",), 1), (("erm", "trinomial", "lognormal"), 3), (("erm", "trinomial"), 0), ((), 0)],
    ids=["one draw", "all", "interrupted before a draw", "interrupted in training"],
)
def test_a_moons_record_is_drawn_as_far_as_it_got(
    trainings: tuple[str, ...], draws: int, tmp_path: Path
) -> None:
    record = made_up_record(trainings, draws)
    path = tmp_path / "moons.png"
    save(moons_figure(record, summarise(record), "title", "note"), path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["moons.png"]


@pytest.mark.parametrize("status", [Status.STUCK, Status.BUDGET])
def test_a_record_without_a_verified_cell_is_drawn(status: Status, tmp_path: Path) -> None:
    record = made_up_record(("erm",), 2)
    for k in range(2):
        record[f"draw/erm/{k}"]["status"][:] = status
    save(moons_figure(record, summarise(record), "", ""), tmp_path / "f.png")
    assert (tmp_path / "f.png").exists()


def test_a_draw_below_chance_is_inside_the_axes() -> None:
    record = made_up_record(("erm",), 2)
    record["draw/erm/0"]["accuracy"] = np.array(0.21)
    figure = moons_figure(record, summarise(record), "", "")
    low, _ = figure.subfigs[0].axes[0].get_ylim()
    assert low <= 20


def test_a_network_that_says_one_class_everywhere_is_drawn(tmp_path: Path) -> None:
    record = made_up_record(("erm",), 1)
    record["draw/erm/0"]["grid_scores"] = np.ones(61 * 61)
    save(moons_figure(record, summarise(record), "", ""), tmp_path / "f.svg")
    assert (tmp_path / "f.svg").exists()


@pytest.mark.parametrize("name", ["f.xyz", "missing/f.png"])
def test_a_figure_that_cannot_be_written_is_refused_and_leaves_nothing(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=name.split("/")[-1]):
        save(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_old_figure_stays_if_the_new_one_cannot_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.png"
    path.write_bytes(b"old")

    def broken(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Figure, "savefig", broken)
    with pytest.raises(DataError, match="no space left"):
        save(Figure(), path)
    assert path.read_bytes() == b"old"


def test_the_house_style_does_not_leak() -> None:
    before = mpl.rcParams["font.size"]
    with styled():
        assert mpl.rcParams["font.size"] == 9
    assert mpl.rcParams["font.size"] == before
