from pathlib import Path

import numpy as np
import pytest

from acquired import acquire, command, drawn, interrupted, recorded
from crossbar.backend import DataError
from crossbar.experiments.compare_programming import CompareSettings
from crossbar.experiments.compare_summary import summarise
from crossbar.programming import POLICIES

FEW = CompareSettings(policies="ispp,secant,model", repeats=2, tolerance=1e-6)


def test_every_policy_gets_the_same_targets_from_the_same_start(tmp_path: Path) -> None:
    results = acquire(tmp_path, "compare-programming", FEW, "ideal")
    for repeat in range(2):
        same = [results[f"program/{name}/{repeat}"]["target"] for name in FEW.names]
        assert all((targets == same[0]).all() for targets in same)
    first, second = (results[f"program/ispp/{k}"]["target"] for k in range(2))
    assert not np.array_equal(first, second)


def test_a_perfect_device_is_programmed_and_stays(tmp_path: Path) -> None:
    summary = summarise(acquire(tmp_path, "compare-programming", FEW, "ideal"))
    assert [row["policy"] for row in summary["policies"]] == list(FEW.names)
    for row in summary["policies"]:
        assert row["in_band_at_verify"]["mean"] > 0.99
        assert row["rereads"][-1]["in_band"] > 0.9
        assert row["programmings"] == 2
    pulses = {row["policy"]: row["pulses"]["mean"] for row in summary["policies"]}
    assert pulses["secant"] < pulses["ispp"]


def test_levels_are_even_over_the_window(tmp_path: Path) -> None:
    settings = CompareSettings(policies="secant", repeats=1, levels=4, tolerance=1e-6)
    results = acquire(tmp_path, "compare-programming", settings, "ideal")
    low, high = results["asked"]["window"]
    found = np.unique(results["program/secant/0"]["target"])
    assert found == pytest.approx(np.linspace(low, high, 4))


def test_what_was_finished_before_an_interrupt_is_kept_and_shown(tmp_path: Path) -> None:
    results = interrupted(tmp_path, "compare-programming", FEW, "programmings", 4, "ideal")
    kept = [name for name in results if name.startswith("program/")]
    assert kept == ["program/ispp/0", "program/secant/0", "program/model/0", "program/ispp/1"]
    assert len(drawn(tmp_path, "compare-programming", FEW, results)) > 10_000


def test_the_command_fits_eighty_columns_and_says_what_it_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    text = "compare-programming --policies ispp,model --repeats 1 --store s.sqlite"
    assert command(text) == 0
    said = capsys.readouterr().out
    assert max(len(line) for line in said.splitlines()) <= 80
    assert "…" not in said
    assert "±1 µS" in said
    assert recorded(tmp_path)[0].experiment == "compare-programming"


def test_it_runs_on_virtual_instruments(tmp_path: Path) -> None:
    settings = CompareSettings(policies="model", repeats=1, tolerance=4e-6)
    summary = summarise(acquire(tmp_path, "compare-programming", settings, "virtual"))
    (row,) = summary["policies"]
    assert row["in_band_at_verify"]["mean"] > 0.9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"policies": "ispp,magic"}, "'magic' is not one of"),
        ({"policies": " , "}, "names no policy"),
        ({"levels": 1}, "no choice of levels"),
        ({"repeats": 0}, "--repeats 0"),
        ({"tolerance": -1.0}, "--tolerance -1"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        CompareSettings(**given)  # type: ignore[arg-type]


def test_the_default_compares_every_policy() -> None:
    assert CompareSettings().names == tuple(POLICIES)


def test_widths_are_those_that_the_bench_allows_and_that_is_said(tmp_path: Path) -> None:
    settings = CompareSettings(policies="secant", repeats=1, tolerance=4e-6)
    results = acquire(tmp_path, "compare-programming", settings, "virtual")
    assert summarise(results)["widths_adapted"] == ["secant"]
    assert drawn(tmp_path, "compare-programming", settings, results)
