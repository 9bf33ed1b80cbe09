from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError, Cells, Flag
from crossbar.bench import load, open_bench
from rehearsals import SERIAL, SERIAL_PLUGGED, keithley, rehearsal, scanned


def test_the_switch_board_selects_the_same_cells_as_the_address_pins(tmp_path: Path) -> None:
    by_board = scanned(rehearsal(tmp_path, *SERIAL, *SERIAL_PLUGGED))
    assert np.allclose(by_board, scanned("virtual-switched"), rtol=0.05, atol=2e-8)


@pytest.mark.parametrize("model", ["2400", "6487"])
def test_a_source_meter_behind_the_relay_reads_the_same_cells(model: str, tmp_path: Path) -> None:
    by_meter = scanned(rehearsal(tmp_path, *keithley(model, reads=True)))
    assert np.allclose(by_meter, scanned("virtual-switched"), rtol=0.05, atol=5e-8)


@pytest.mark.parametrize("model", ["2400", "6487"])
def test_pulses_are_the_ad2s_and_sweeps_the_source_meters_with_its_compliance(
    model: str, tmp_path: Path
) -> None:
    with open_bench(rehearsal(tmp_path, *keithley(model, reads=False))) as bench:
        cell = Cells.of([(4, 4)])
        for _ in range(5):
            bench.backend.pulse(cell, np.array([4.2]), np.array([1e-4]), 0.3)
        before = bench.backend.read(cell, 0.3).current[0]
        asked = np.linspace(0, 4.0, 9)
        swept = bench.backend.sweep((4, 4), asked, 50e-6, 1e-3)
        limited = (swept.flags & Flag.COMPLIANCE) != 0
        assert before > 5e-6
        assert limited[-1]
        assert not limited[0]  # the 6487 takes its next lower limit, 25 uA
        assert np.abs(swept.current).max() <= 50e-6 * 1.03
        if model == "2400":  # the 6487 measures no voltage, it says what it was told to drive
            assert abs(swept.voltage[-1]) < asked[-1]


def test_a_source_meter_that_is_not_plugged_in_is_an_error(tmp_path: Path) -> None:
    changes = keithley("2400", reads=True)
    path = rehearsal(tmp_path, *changes[:2], ("virtual", "[device]", changes[2][2].replace(
        "GPIB0::24", "GPIB0::25")))  # fmt: skip
    with pytest.raises(Exception, match="GPIB0::24::INSTR"), open_bench(path):
        pass


def test_a_rehearsal_names_a_bench_of_instruments(tmp_path: Path) -> None:
    text = load("virtual").text.replace('bench = "lab-parallel"', 'bench = "sim"')
    path = tmp_path / "v.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BenchError, match="bench sim is of kind 'sim'"):
        load(str(path))
    path.write_text(text.replace('bench = "sim"', ""), encoding="utf-8")
    with pytest.raises(BenchError, match="does not name the bench it rehearses"):
        load(str(path))
