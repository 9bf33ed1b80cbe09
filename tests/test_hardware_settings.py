"""The tables of a hardware bench: what is accepted, and what is refused with a reason."""

from dataclasses import replace

import pytest

from crossbar.backend import BenchError, Limits
from crossbar.tables import build
from instruments.settings import (
    WIRING_TABLES,
    Ad2Table,
    ArrayTable,
    CalibrationTable,
    HardwareSettings,
    KeithleyTable,
    ParallelTable,
    ReferenceTable,
    SchemesTable,
    SenseTable,
    SwitchBoardTable,
    SwitchedTable,
    TimingTable,
    assumed,
)

LIMITS = Limits(
    voltage=4.5,
    read_voltage=0.5,
    current=4e-4,
    width_min=1e-5,
    width_max=1.0,
    pulses=1000,
    stress=1e3,
)


def parallel(**changes: object) -> HardwareSettings:
    tables = {
        "limits": LIMITS,
        "array": ArrayTable(10, 10),
        "wiring": ParallelTable("parallel"),
        "sense": SenseTable(gain_pin=3),
    }
    return HardwareSettings(**{**tables, **changes})  # type: ignore[arg-type]


def switched(kind: str = "switched", write: str = "half", **wiring: object) -> HardwareSettings:
    return HardwareSettings(
        limits=LIMITS,
        array=ArrayTable(10, 10),
        wiring=build(SwitchedTable, {"kind": kind, **wiring}, "test"),
        sense=SenseTable(gain_pin=9),
        schemes=SchemesTable(write),
    )


def test_every_wiring_has_its_table() -> None:
    assert set(WIRING_TABLES) == {"parallel", "switched", "mux"}
    for kind, table in WIRING_TABLES.items():
        assert build(table, {"kind": kind}, "test").kind == kind


def test_the_tables_of_the_reference_wirings_fit() -> None:
    assert parallel().array.shape == (10, 10)
    assert switched().wiring.pins == (*range(9),)
    assert switched("mux", "grounded").wiring.kind == "mux"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "paralel"}, "not one of parallel"),
        ({"kind": "parallel", "clock": 8}, "DIO: 8 is used twice"),
        ({"kind": "parallel", "load": 16}, "DIO: 16 is outside 0 to 15"),
        ({"kind": "parallel", "word_channels": [0, 0]}, "word_channels: 0 is used twice"),
        ({"kind": "parallel", "bit_channels": [16]}, "bit_channels: 16 is outside"),
        ({"kind": "parallel", "multiplexers": [[0, 1], [1]]}, "multiplexers: 1 is used twice"),
        ({"kind": "parallel", "span": 3.0}, "not one of 2.5, 5.0, 10.0"),
        ({"kind": "parallel", "clock_period": 3e-8}, "multiple of 20 ns"),
        ({"kind": "parallel", "clock_period": 0.0}, "multiple of 20 ns"),
        ({"kind": "parallel", "monitor_input": 4}, "input 4 is a bit line's"),
        ({"kind": "parallel", "ground_input": 8}, "beyond 7"),
    ],
)
def test_a_parallel_wiring_that_cannot_be_is_refused(
    table: dict[str, object], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        build(ParallelTable, table, "test")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "parallel"}, "not one of switched, mux"),
        ({"kind": "switched", "select": "usb"}, "not one of dio, serial"),
        ({"kind": "switched", "enable": 3}, "DIO: 3 is used twice"),
        ({"kind": "switched", "word_address": [0, 1]}, "word_addresses: 4 is outside 0 to 3"),
        ({"kind": "switched", "ratio": 0.0}, "ratio"),
        ({"kind": "switched", "r_on": -1.0}, "r_on"),
    ],
)
def test_a_switched_wiring_that_cannot_be_is_refused(
    table: dict[str, object], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        build(SwitchedTable, table, "test")


@pytest.mark.parametrize(
    ("cls", "table", "message"),
    [
        (ArrayTable, {"word_lines": 0, "bit_lines": 3}, "no cells"),
        (ArrayTable, {"word_lines": 1, "bit_lines": 1, "line_resistance": -1.0}, "zero or more"),
        (Ad2Table, {"config": 8}, "outside 0 to 7"),
        (Ad2Table, {"supply": 6.0}, "above 5 V"),
        (Ad2Table, {"deadline": 0.0}, "deadline"),
        (SenseTable, {"gain_pin": 16}, "gain_pin: 16 is outside"),
        (SenseTable, {"gain_pin": 3, "feedback": [5e3, 1e5]}, "high gain's comes first"),
        (SenseTable, {"gain_pin": 3, "clip": 1.5}, "above 1"),
        (SenseTable, {"gain_pin": 3, "rate": 1e4}, "no sample"),
        (SchemesTable, {"write": "floating"}, "not one of grounded, half, third"),
        (TimingTable, {"relay": -1.0}, "relay"),
        (CalibrationTable, {"gain_high": [1.0, 0.0]}, "above 0"),
        (ReferenceTable, {"word": 16, "resistance": 1e4}, "word: 16"),
        (ReferenceTable, {"word": 1, "resistance": 0.0}, "resistance"),
        (KeithleyTable, {"model": "2450", "resource": "GPIB::1"}, "not one of 6487, 2400"),
        (KeithleyTable, {"model": "6487", "resource": ""}, "VISA address"),
        (SwitchBoardTable, {"port": ""}, "serial port"),
        (SwitchBoardTable, {"port": "x", "relay_channel": 3}, "3 is used twice"),
        (SwitchBoardTable, {"port": "x", "relay_channel": 32}, "32 is outside 0 to 31"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    cls: type, table: dict[str, object], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        build(cls, table, "test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sense": SenseTable(gain_pin=8)}, "DIO: 8 is used twice"),
        ({"array": ArrayTable(11, 10)}, "word_channels lists 10, the array has 11"),
        ({"array": ArrayTable(10, 11)}, "bit_channels lists 10, the array has 11"),
        ({"calibration": CalibrationTable(offset_low=(1e-9,))}, "1 numbers for 10 bit lines"),
        ({"keithley": KeithleyTable("6487", "GPIB::22")}, "neither a Keithley"),
        ({"references": (ReferenceTable(3, 1e5),)}, "channel of its own"),
        ({"references": (ReferenceTable(10, 1e5, bit=2),)}, "without bit"),
    ],
)
def test_tables_that_do_not_fit_each_other_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        parallel(**changes)


def test_a_bit_line_that_no_multiplexer_sees_is_named() -> None:
    blind = ParallelTable("parallel", multiplexers=((0, 1, 2), (5, 6, 7, 8, 9)))
    with pytest.raises(BenchError, match="sees bit line 3"):
        parallel(wiring=blind)


def test_the_rails_ratio_has_to_be_the_schemes() -> None:
    assert switched(write="third", ratio=2.0).schemes.levels == (1 / 3, 2 / 3)
    with pytest.raises(BenchError, match="ratio of 2"):
        switched(write="third")


def test_floating_lines_have_no_scheme() -> None:
    with pytest.raises(BenchError, match="float"):
        switched("mux", "half")


def test_serial_selection_takes_a_board() -> None:
    with pytest.raises(BenchError, match="switch_board"):
        switched(select="serial")
    board = SwitchBoardTable("loop://")
    serial = SwitchedTable("switched", select="serial")
    assert replace(switched(), wiring=serial, switch_board=board).wiring.pins == ()
    few = SwitchBoardTable("loop://", word_channels=(0, 1))
    with pytest.raises(BenchError, match="lists 2"):
        replace(switched(), wiring=serial, switch_board=few)


def test_a_keithley_takes_a_relay() -> None:
    with pytest.raises(BenchError, match="relay"):
        replace(switched(), keithley=KeithleyTable("2400", "GPIB::24"))
    relay = SwitchedTable("switched", relay=10)
    assert replace(switched(), wiring=relay, keithley=KeithleyTable("2400", "GPIB::24")).keithley


def test_calibration_that_is_not_there_changes_nothing() -> None:
    empty = CalibrationTable()
    assert (empty.offsets(3) == 0).all()
    assert (empty.gains(3) == 1).all()
    given = CalibrationTable(offset_low=(1e-9, 2e-9), gain_high=(1.01, 0.99))
    assert given.offsets(2).tolist() == [[0.0, 0.0], [1e-9, 2e-9]]
    assert given.gains(2).tolist() == [[1.01, 0.99], [1.0, 1.0]]


def test_the_full_scale_is_the_scopes_over_the_resistor() -> None:
    assert SenseTable(gain_pin=3).full_scale == pytest.approx((24.5e-6, 490e-6))


def test_defaults_that_nobody_measured_are_named() -> None:
    named = assumed(parallel())
    assert {"wiring.clock_period", "sense.settle", "timing.dead_time"} <= set(named)
    measured = replace(parallel(), sense=SenseTable(gain_pin=3, settle=2e-5))
    assert "sense.settle" not in assumed(measured)
