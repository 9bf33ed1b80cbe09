"""`xbar import` and `xbar usability` as a person and as a script see them."""

import json
from pathlib import Path

import numpy as np
import pytest

from crossbar.cli import run
from crossbar.curves.reading import read
from crossbar.memsim import DeviceProfile

UP = np.linspace(0.0, 2.0, 41)
SWEEP = np.concatenate([UP, UP[-2::-1], -UP[1:], -UP[-2::-1]])


def memristor(folder: Path, name: str = "device.csv", cycles: int = 5, spread: float = 0.1) -> Path:
    """Write a device that switches on on the way up and off on the way down."""
    rng = np.random.default_rng(0)
    rows: list[tuple[float, float]] = []
    for gain in np.exp(spread * rng.standard_normal(cycles)):
        on = np.zeros(len(SWEEP))
        on[41:121] = 1.0  # from the positive end to the negative one
        low = 1e-6 * np.exp(np.clip(SWEEP, 0, None))
        conductance = gain * np.where(on > 0, 2e-5, low)
        rows += zip(SWEEP.tolist(), (conductance * SWEEP).tolist(), strict=True)
    text = "Voltage (V),Current (A)\n" + "".join(f"{v:.4f},{i:.6e}\n" for v, i in rows)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def resistor(folder: Path) -> Path:
    rows = [(v, v / 1e5) for _ in range(3) for v in SWEEP.tolist()]
    path = folder / "resistor.csv"
    lines = "".join(f"{v:.4f},{i:.6e}\n" for v, i in rows)
    path.write_text(f"Voltage (V),Current (A)\n{lines}", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def test_import_says_what_a_file_holds_and_how_it_was_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(memristor(tmp_path))]) == 0
    said = capsys.readouterr().out
    assert "device.csv" in said
    assert "1 curve" in said
    assert "805 points" in said
    assert "taken for 'text'" in said.replace("\n", " ")
    assert max(len(line) for line in said.splitlines()) <= 80


def test_import_gives_scripts_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(memristor(tmp_path)), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["files"]
    assert row["format"] == "text"
    assert row["counts"] == {"curves": 1, "points": 805}
    assert any("Voltage" in column for column in row["columns"])


def test_import_writes_curves_that_read_back_and_overwrites_none(tmp_path: Path) -> None:
    path = memristor(tmp_path)
    (curve,) = read(path).curves
    for _ in range(2):
        assert run(["import", str(path), "--output", "csv"]) == 0
    written = sorted((tmp_path / "csv").iterdir())
    assert len(written) == 2
    for each in written:
        (again,) = read(each).curves
        np.testing.assert_array_equal(again.voltage, curve.voltage)
        np.testing.assert_array_equal(again.current, curve.current)


def test_the_formats_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "--formats"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("pymeasure", "keithley", "knowm", "arc-one", "text"))


def test_nothing_to_import_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import"]) == 2
    assert "name at least one file" in capsys.readouterr().err


def test_usability_names_its_form_and_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["usability", str(memristor(tmp_path))]) == 0
    said = capsys.readouterr().out
    assert "(1 - rho) exp(-sigma) (exponential)" in said
    assert "memristive" in said
    assert (tmp_path / "usability.png").stat().st_size > 10_000
    assert max(len(line) for line in said.splitlines()) <= 80


def test_usability_gives_scripts_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(memristor(tmp_path)), str(memristor(tmp_path, "noisy.csv", spread=0.6))]
    assert run(["usability", *paths, "--json", "--form", "reciprocal", "--l-min", "20"]) == 0
    quiet, noisy = json.loads(capsys.readouterr().out)["devices"]
    assert quiet["usability"] > noisy["usability"]
    assert quiet["usability_form"] == "reciprocal"
    assert quiet["l_min"] == 20
    expected = 1 / (1 + quiet["rho"] + quiet["sigma_bound"])
    assert quiet["usability"] == pytest.approx(expected)
    assert len(quiet["per_cycle"]["v_set_V"]) == 5


def test_what_is_no_memristor_is_said_and_has_no_usability(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["usability", str(resistor(tmp_path)), str(memristor(tmp_path))]) == 0
    said = capsys.readouterr().out.replace("\n", " ")
    assert "is no memristor but ohmic" in said
    assert run(["usability", str(resistor(tmp_path)), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["devices"]
    assert (row["kind"], row["usability"]) == ("ohmic", None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("Voltage (V),Current (A)\n1,nan\n1,nan\n", ""),
        ("Voltage (V),Current (A)\n" + "1.0,1e-6\n" * 50, "never moves"),
        ("Voltage,Current\n" + "".join(f"{v},{v}\n" for v in range(9)), "unit"),
    ],
    ids=["empty", "nan", "constant", "no unit"],
)
def test_bad_files_are_skipped_with_a_reason_and_good_ones_are_not(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(text, encoding="utf-8")
    good = memristor(tmp_path)
    assert run(["usability", str(bad), str(good)]) == 1
    said = capsys.readouterr()
    assert "memristive" in said.out
    assert "skipped: 1" in said.err
    assert "bad" in said.err
    assert reason in said.err
    assert run(["usability", str(bad)]) == 2


def test_one_cycle_has_no_usability_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = memristor(tmp_path, cycles=1)
    assert run(["usability", str(path)]) == 0
    assert "one cycle says nothing about the spread" in capsys.readouterr().out.replace("\n", " ")


def test_a_profile_is_written_that_loads(tmp_path: Path) -> None:
    assert run(["usability", str(memristor(tmp_path)), "--profile", "device.toml"]) == 0
    assert DeviceProfile.load(tmp_path / "device.toml").name == "device"


@pytest.mark.parametrize("option", ["--form", "--rho", "--spread", "--mode", "--branch"])
def test_a_name_that_does_not_exist_is_refused_with_those_that_do(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["usability", str(memristor(tmp_path)), option, "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_a_map_shows_the_cells_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = "iv --cells 0-1,0-1 --cycles 2 --step 0.25 --dwell 1e-3 --store s.sqlite"
    assert run(sweep.split()) == 0
    assert run(["usability", "s.sqlite#1", "--map", "map.png"]) == 0
    assert (tmp_path / "map.png").stat().st_size > 10_000
    assert run(["usability", str(memristor(tmp_path)), "--map", "none.png"]) == 2
    assert "no device is called as a cell" in capsys.readouterr().err
    assert not (tmp_path / "none.png").exists()
