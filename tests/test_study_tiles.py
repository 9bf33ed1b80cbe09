"""Studies whose draws are chips of crossbar tiles."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from crossbar.backend import DataError
from crossbar.experiments.study_summary import summarise
from crossbar.experiments.study_view import tables
from crossbar.store import Arrays, Store
from study_runs import SHORT, STORE, differences, studied

TILED = replace(SHORT, task="mnist", network="mlp", objectives="erm", tile="64x64", read_noise=0.02)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiles")


@pytest.fixture(scope="module")
def results(folder: Path) -> dict[str, Arrays]:
    return studied(folder, TILED)


def test_every_draw_is_another_chip(results: dict[str, Arrays]) -> None:
    # With read noise even devices without a spread differ from chip to chip.
    values = results["unit/mlp/erm/0"]["values"]
    assert values.shape[1:] == (3, 3)
    assert len(np.unique(values[0, 2])) > 1


def test_a_study_on_tiles_is_the_same_twice(results: dict[str, Arrays], tmp_path: Path) -> None:
    assert differences(studied(tmp_path, TILED), results) == []


def test_exact_tiles_of_ideal_devices_are_the_network(tmp_path: Path) -> None:
    exact = replace(TILED, read_noise=0.0, tile_bits=0, sigmas="0", seeds=1, draws=2)
    unit = studied(tmp_path, exact)["unit/mlp/erm/0"]
    np.testing.assert_array_equal(unit["values"][:, 0], np.repeat(unit["clean"][:, None], 2, 1))


def test_the_summary_and_the_table_say_what_the_tiles_are(
    results: dict[str, Arrays], folder: Path
) -> None:
    summary = summarise(results)
    told = "tiles of 64x64 lines, inputs 8 bit, currents 8 bit, amplitude coding, read noise 0.02"
    assert told in summary["tiles"]
    assert "each draw a chip" in summary["conventions"]["level"]
    json.dumps(summary)
    with Store.open(folder / STORE, readonly=True) as store:
        run = store.run(1)
    console = Console(width=80, record=True)
    for part in tables(run, summary):
        console.print(part)
    text = " ".join(console.export_text().split())
    assert "each draw a chip that was calibrated with training examples" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tile": "64"}, "ROWSxCOLUMNS"),
        ({"tile": "ax2"}, "ROWSxCOLUMNS"),
        ({"tile": "1x1"}, "1 x 2"),
        ({"tile_bits": 1}, "dac_bits = 1"),
        ({"coding": "morse"}, "coding"),
        ({"line_resistance": -1.0}, "line-resistance"),
        ({"tile": None}, "--read-noise says what tiles are"),
        ({"coding": "bit-serial", "tile_bits": 0}, "number of bits"),
    ],
    ids=str,
)
def test_impossible_tiles_are_refused_before_training(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        studied(tmp_path, replace(TILED, **change))


def test_a_network_that_cannot_be_on_tiles_is_named(tmp_path: Path) -> None:
    recurrent = replace(TILED, task="antibody", network="all", seeds=1, draws=1, epochs=1, size=40)
    with pytest.raises(DataError, match="multiplies with its"):
        studied(tmp_path, recurrent)
