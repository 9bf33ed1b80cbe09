"""From a recipe to devices, to I-V files, to a usability: the simulated laboratory."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.campaigns.from_files import telling_of_files
from crossbar.campaigns.laboratory import badness, make_and_measure
from crossbar.curves.reading import read_many
from crossbar.merit.files import merits_of

GOOD: dict[str, float | str] = {"type": "MAPbI3", "length": 1.5, "silver": 200.0}
BAD: dict[str, float | str] = {"type": "MAPbBr3", "length": 3.0, "silver": 50.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made")
    make_and_measure(GOOD, 1, made, 2)
    make_and_measure(BAD, 2, made, 2)
    return made


def test_a_better_recipe_makes_devices_that_are_worth_more(folder: Path) -> None:
    good, bad = (telling_of_files([folder / f"recipe-{k}"]) for k in (1, 2))
    assert good.value is not None
    assert bad.value is not None
    assert good.value > bad.value + 0.1


def test_the_value_is_the_mean_of_the_devices_and_the_source_says_all(folder: Path) -> None:
    files = sorted((folder / "recipe-1").iterdir())
    telling = telling_of_files(files, note="mine")
    found, _ = read_many([str(file) for file in files])
    merits, _ = merits_of(found)
    values = np.array([one.worth for one in merits], dtype=np.float64)
    assert telling.value == pytest.approx(values.mean())
    assert telling.sd == pytest.approx(values.std(ddof=1) / np.sqrt(2))
    assert telling.source is not None
    assert telling.source["form"] == "exponential"
    sums = {entry["file"]: entry["sha256"] for entry in telling.source["files"]}
    assert sums == {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    assert [one["usability"] for one in telling.source["devices"]] == values.tolist()
    assert telling.note == "mine"


def test_one_device_has_no_standard_error(folder: Path) -> None:
    telling = telling_of_files([sorted((folder / "recipe-1").iterdir())[0]])
    assert telling.sd is None
    assert telling.source is not None
    assert telling.source["sd"] == "not known"


def test_a_file_that_cannot_be_read_is_not_left_out_in_silence(folder: Path) -> None:
    good = sorted((folder / "recipe-1").iterdir())[0]
    broken = folder / "broken.csv"
    broken.write_text("nothing\n")
    with pytest.raises(DataError, match=r"broken\.csv.*; leave it out, or tell that the recipe"):
        telling_of_files([good, broken])
    with pytest.raises(DataError, match="leave it out"):
        telling_of_files([folder / "none.csv"])


def test_what_is_no_memristor_has_no_usability(tmp_path: Path) -> None:
    v = np.concatenate([np.linspace(0, 1, 40), np.linspace(1, 0, 40)] * 3)
    lines = [f"{x:.6g},{1e-5 * x:.6g}" for x in v]
    file = tmp_path / "resistor.csv"
    file.write_text("Voltage (V),Current (A)\n" + "\n".join(lines) + "\n")
    with pytest.raises(DataError, match="resistor"):
        telling_of_files([file])


def test_the_same_recipe_makes_the_same_devices(folder: Path, tmp_path: Path) -> None:
    make_and_measure(GOOD, 1, tmp_path, 2)
    one, other = (telling_of_files([f / "recipe-1"]) for f in (folder, tmp_path))
    assert one.value == other.value


def test_the_laboratory_says_what_it_knows(tmp_path: Path) -> None:
    assert badness(GOOD) == 0 < badness(BAD)
    with pytest.raises(DataError, match=r"knows type, length, .*, not gold = 1"):
        make_and_measure({"gold": 1.0}, 1, tmp_path)
    with pytest.raises(DataError, match="1 to 10"):
        make_and_measure(GOOD, 1, tmp_path, 11)
