import json
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError, Checkup, InstrumentError
from crossbar.bench import load
from crossbar.bench_instruments import calibrated, checked
from crossbar.bench_settings import hardware_settings, virtual_settings
from crossbar.cli import run
from instruments.backend import HardwareBackend
from sim_backend.virtual.bench import VirtualBench
from sim_backend.virtual.faults import Faults, Leak
from sim_backend.virtual.netlist_parallel import ParallelNetlist

WIRINGS = ("parallel", "switched", "mux")


def no_progress(part: str, done: int, total: int) -> None:
    """Show nothing."""


def rehearsal(wiring: str, folder: Path, *changes: tuple[str, str]) -> str:
    """Write a bench file with changes, and a virtual bench that rehearses it; return its path."""
    text = load(f"lab-{wiring}").text
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "lab.toml").write_text(text, encoding="utf-8")
    virtual = load(f"virtual-{wiring}").text.replace(f'"lab-{wiring}"', '"lab.toml"')
    path = folder / "rehearsal.toml"
    path.write_text(virtual, encoding="utf-8")
    return str(path)


def complaints(checkup: Checkup) -> dict[tuple[str, str], str]:
    return {(f.part, f.what): f.note for f in checkup.findings if not f.passed}


def faulty(faults: Faults) -> Checkup:
    """Return the check of a parallel bench whose wiring has faults."""
    description = load("virtual-parallel")
    assert description.rehearsed is not None
    settings = virtual_settings(description, None)
    netlist = ParallelNetlist(settings.simulation, faults=faults)
    with (
        VirtualBench(settings, netlist) as bench,
        HardwareBackend(hardware_settings(description.rehearsed), timer=bench.clock) as backend,
    ):
        return backend.check(0.3, no_progress)


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_bench_that_is_wired_as_its_file_says_passes(wiring: str) -> None:
    checkup, made = checked(load(f"virtual-{wiring}"), None, no_progress)
    assert complaints(checkup) == {}
    assert checkup.conductances.shape == (10, 10)
    assert made["seed"] == 0


@pytest.mark.parametrize("wiring", WIRINGS)
def test_what_an_array_was_programmed_to_is_no_fault(wiring: str) -> None:
    description = load(f"virtual-{wiring}")
    assert description.rehearsed is not None
    programmed = np.random.default_rng(0).choice([2e-6, 4e-5, 1.5e-4], (10, 10))
    with (
        VirtualBench(virtual_settings(description, None)) as bench,
        HardwareBackend(hardware_settings(description.rehearsed), timer=bench.clock) as backend,
    ):
        bench.netlist.rig.set_conductances(programmed)
        checkup = backend.check(0.3, no_progress)
    assert complaints(checkup) == {}


@pytest.mark.parametrize(
    ("wiring", "old", "new", "part", "note"),
    [
        ("parallel", "address = [0, 1, 2]", "address = [1, 0, 2]", "multiplexers",
         "address lines A0 (DIO 1) and A1 (DIO 0) are swapped: wired are [0, 1, 2]"),
        ("parallel", "address = [0, 1, 2]", "address = [0, 2, 1]", "multiplexers",
         "address lines A1 (DIO 2) and A2 (DIO 1) are swapped: wired are [0, 1, 2]"),
        ("switched", "word_address = [0, 1, 2, 3]", "word_address = [0, 2, 1, 3]",
         "word-line selector", "address lines A1 (DIO 2) and A2 (DIO 1) are swapped"),
        ("switched", "bit_address = [4, 5, 6, 7]", "bit_address = [7, 5, 6, 4]",
         "bit-line selector", "address lines A0 (DIO 7) and A3 (DIO 4) are swapped"),
    ],
)  # fmt: skip
def test_two_swapped_address_lines_are_named_with_their_pins(
    wiring: str, old: str, new: str, part: str, note: str, tmp_path: Path
) -> None:
    checkup, _ = checked(load(rehearsal(wiring, tmp_path, (old, new))), None, no_progress)
    assert note in complaints(checkup)[part, "address lines"]


def test_a_leak_between_bit_lines_is_told_of_both() -> None:
    told = complaints(faulty(Faults(leaks=(Leak(("bit", 2), ("bit", 3)),))))
    assert told["bit line 2", "leakage"] == "a bridge to bit line 3"
    assert told["bit line 3", "leakage"] == "a bridge to bit line 2"


def test_an_amplifier_with_a_bad_offset_is_told() -> None:
    told = complaints(faulty(Faults(offsets={6: 2e-6})))
    assert ("bit line 6", "offset, high gain") in told


def test_a_dead_amplifier_is_told_with_its_bit_line() -> None:
    told = complaints(faulty(Faults(dead=frozenset({4}))))
    assert ("bit line 4", "amplifier follows its bias") in told
    assert not any(part == "bit line 3" for part, _ in told)


def test_broken_lines_are_told() -> None:
    told = complaints(faulty(Faults(broken=frozenset({("word", 2), ("bit", 7)}))))
    assert ("word line 2", "continuity") in told
    assert ("bit line 7", "continuity") in told


def test_shorted_and_open_cells_are_told() -> None:
    told = complaints(faulty(Faults(shorted=frozenset({(3, 4)}), missing=frozenset({(5, 6)}))))
    assert ("cell (3, 4)", "not shorted") in told
    assert ("cell (5, 6)", "not open") in told


def test_a_simulation_has_no_instruments_to_check() -> None:
    with pytest.raises(BenchError, match="has no instruments"):
        checked(load("sim"), None, no_progress)


def test_the_check_is_a_table_a_map_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    wrong = rehearsal("parallel", tmp_path, ("address = [0, 1, 2]", "address = [1, 0, 2]"))
    assert run(["bench", "check", "--bench", wrong]) == 1
    said = capsys.readouterr().out
    assert "A0 (DIO 1) and A1 (DIO 0) are" in said
    assert max(map(len, said.splitlines())) <= 80
    assert (tmp_path / "check.png").stat().st_size > 10_000
    assert run(["bench", "check", "--bench", "virtual", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["passed"] is True
    assert facts["bench"]["kind"] == "virtual"
    assert len(facts["findings"]) > 50


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_calibration_is_a_table_that_the_bench_file_takes(wiring: str, tmp_path: Path) -> None:
    found, _ = calibrated(load(f"virtual-{wiring}"), None, 8)
    assert all(len(values) == 10 for values in found.values())
    table = "".join(f"{name} = {values}\n" for name, values in found.items())
    path = rehearsal(wiring, tmp_path, ("[limits]", f"[calibration]\n{table}\n[limits]"))
    again, _ = calibrated(load(path), None, 8)
    # The looks of a calibration are raw, so that a second one finds the same.
    for name in ("gain_high", "gain_low"):
        assert np.allclose(again[name], found[name], rtol=2e-3)


def test_a_calibration_that_cannot_be_true_is_refused(tmp_path: Path) -> None:
    path = rehearsal("parallel", tmp_path, ("resistance = 1e5", "resistance = 2e5"))
    with pytest.raises(InstrumentError, match="times the reference's current"):
        calibrated(load(path), None, 4)
