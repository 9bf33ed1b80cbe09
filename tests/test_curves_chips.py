"""Logs of RRAM chip benches, on small files with the names and columns of real ones."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.curves.measured import Measurements
from crossbar.curves.reading import guess, read


def logged(folder: Path, name: str, *rows: tuple[object, ...], separator: str = "\t") -> Path:
    path = folder / name
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert guess(path).format == "rram-chip"
    return path


def test_resistances_become_conductances_of_cells(tmp_path: Path) -> None:
    path = logged(tmp_path, "prebake85.tsv.gz", (4, 1e5), (2, 2e5), (4, 4e5), (6, -1.0))
    (found,) = read(path).readings
    assert found.labels == ("4", "2")
    assert found.cell.tolist() == [0, 1, 0]
    assert found.conductance.tolist() == pytest.approx([1e-5, 5e-6, 2.5e-6])
    assert found.voltage == 0.2
    assert "1 rows left out without a conductance" in found.origin.notes


@pytest.mark.parametrize("name", ["set_sweep.tsv", "reset_sweep.tsv"])
def test_single_pulses_are_tables_by_word_line_voltage(tmp_path: Path, name: str) -> None:
    rows = (
        (0, 2e-8, 0.5, 0.7, 1e5, 2e4),
        (2, 2e-8, 0.6, 0.8, 1e5, 5e4),
        (4, 1e-6, 0.5, 1, 1e5, 1e4),
    )
    found = read(logged(tmp_path, name, *rows))
    sign = 1 if name.startswith("set") else -1
    first, second = found.pulses
    assert first.name.endswith("word line 0.5 V")
    assert first.conductance.tolist() == pytest.approx([5e-5, 1e-4])
    assert first.polarity.tolist() == [sign, sign]
    assert first.amplitude is not None
    assert first.amplitude.tolist() == [sign * 0.7, sign * 1.0]
    assert first.width is not None
    assert first.width.tolist() == [2e-8, 1e-6]
    assert len(second) == 1
    (before,) = found.readings
    assert before.conductance.tolist() == pytest.approx([1e-5] * 3)


def states(found: Measurements) -> list[tuple[str, int, float]]:
    (readings,) = found.readings
    assert readings.state is not None
    assert readings.cycle is not None
    columns = (readings.state.tolist(), readings.cycle.tolist(), readings.conductance.tolist())
    return list(zip(*columns, strict=True))


def test_endurance_tells_both_states_of_each_cycle(tmp_path: Path) -> None:
    path = logged(tmp_path, "1us_endurance.tsv", (186, 1e4, 1e5, 100), (186, 2e4, 2e5, 200))
    state, cycle, conductance = zip(*states(read(path)), strict=True)
    assert state == ("high", "low") * 2
    assert cycle == (100, 100, 200, 200)
    assert conductance == pytest.approx((1e-4, 1e-5, 5e-5, 5e-6))


def test_slow_endurance_has_two_rows_per_cycle(tmp_path: Path) -> None:
    path = logged(tmp_path, "endurance_slow.tsv", (772, 1e4, 999), (772, 1e5, 999))
    assert [row[:2] for row in states(read(path))] == [("high", 999), ("low", 999)]
    path = logged(tmp_path, "endurance_slow.tsv", (772, 1e4, 999), (772, 1e5, 1999))
    with pytest.raises(DataError, match="not two rows per cycle"):
        read(path)


def test_an_endurance_log_adds_cycles_up_and_takes_states_from_the_last_pulse(
    tmp_path: Path,
) -> None:
    burst = ("C4", 10.0, 778, "ENDURANCE", "(2.5, 1.3)", 3, 3, 1e-6, 50000)
    reset = ("C4", 10.1, 778, "RESET", 2.5, 0, 3, 1e-6)
    read_off = ("C4", 10.2, 778, "READ", 1e5, 1e-5, 2e-6, 1e-3)
    set_ = ("C4", 10.3, 778, "SET", 1.3, 3, 0, 1e-6)
    read_on = ("C4", 10.5, 778, "READ", 1e4, 1e-4, 2e-5, 1e-2)
    once = (burst, reset, read_off, set_, read_on)
    found = read(logged(tmp_path, "endurance_log.csv", *once, *once, separator=","))
    assert [row[:2] for row in states(found)] == [
        ("low", 50000),
        ("high", 50000),
        ("low", 100000),
        ("high", 100000),
    ]
    time = found.readings[0].time
    assert time is not None
    assert time.tolist() == pytest.approx([0, 0.3, 0, 0.3])


def test_read_sweeps_are_a_curve_per_cell_whatever_the_order_of_columns(tmp_path: Path) -> None:
    points = ((7, 0.0, 0.0), (7, 0.1, 1e-6), (9, 0.0, 0.0), (9, 0.1, 2e-6))
    voltage_first = read(logged(tmp_path, "read_voltage_sweep.tsv", *points))
    swapped = ((cell, current, voltage) for cell, voltage, current in points)
    current_first = read(logged(tmp_path, "read_multivolt.tsv", *swapped))
    for found in (voltage_first, current_first):
        first, second = found.curves
        assert first.name.endswith(" 7")
        assert second.voltage.tolist() == [0, 0.1]
        assert second.current.tolist() == [0, 2e-6]


def test_retention_takes_time_from_the_first_read(tmp_path: Path) -> None:
    rows = ((16984, 100.5, 1e4, 1e-4, 2e-5, 0.01), (16984, 101.5, 2e4, 5e-5, 1e-5, 0.01))
    (found,) = read(logged(tmp_path, "ret1.csv.gz", *rows, separator=",")).readings
    assert found.time is not None
    assert found.time.tolist() == [0, 1]
    assert found.conductance.tolist() == [1e-4, 5e-5]


def test_a_write_log_is_retention_after_each_write(tmp_path: Path) -> None:
    def write(begin: float, cell: int, conductance: float) -> list[tuple[object, ...]]:
        return [
            ("Init", 3e4, 1e7, cell, begin - 2, 1e5, 1e-5),
            ("Write", 7975.0, 8025.0, cell, begin, 1 / conductance, conductance),
            ("Read", 0, 8292.8, cell, begin + 0.5, 1 / conductance, 0.9 * conductance),
            ("Read", 0, 8292.8, cell, begin + 5, 1 / conductance, 0.8 * conductance),
        ]

    rows = [*write(10, 883, 1e-4), *write(20, 1283, 2e-4), *write(30, 883, 1e-4)]
    after, before = read(logged(tmp_path, "testlog_mine.tsv", *rows)).readings
    assert after.labels == (
        "883 write 0 7975-8025 ohm",
        "1283 write 1 7975-8025 ohm",
        "883 write 2 7975-8025 ohm",
    )
    assert after.cell.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert after.time is not None
    assert after.time.tolist() == [0, 0.5, 5] * 3
    assert after.conductance[:3].tolist() == pytest.approx([1e-4, 9e-5, 8e-5])
    assert before.labels == ("883", "1283")
    assert len(before) == 3


def test_a_line_of_samples_is_read_however_long_it_is(tmp_path: Path) -> None:
    values = np.linspace(1e-6, 2e-6, 20000)
    (found,) = read(logged(tmp_path, "testret_res.tsv.gz", (0, 1.6e9, *values.tolist()))).readings
    assert found.conductance.tolist() == pytest.approx(values.tolist())
    assert found.time is None


def test_a_file_of_that_name_with_other_columns_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "ret1.csv"
    path.write_text("V (V),I (A)\n0,0\n1,1\n")
    assert guess(path).format == "text"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (((1, 1e5), (2, 1e5, 3)), "line 2 has 3 columns, this kind of file has 2"),
        (((1, 1e5), (2, "lost")), "could not convert"),
    ],
)
def test_a_damaged_log_is_refused(
    tmp_path: Path, rows: tuple[tuple[object, ...], ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(logged(tmp_path, "read_mlc_good.tsv", *rows))


def test_a_log_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tsv"
    path.write_text("1\t2\n")
    with pytest.raises(DataError, match="known by name, this one is none of set_sweep"):
        read(path, format="rram-chip")
