import numpy as np
import pytest
from pymeasure.test import expected_protocol

from crossbar.backend import Flag, InstrumentError, LimitError
from instruments import keithley6487
from instruments.keithley6487 import Keithley6487
from instruments.keithley6487_limits import limit_below, reading_time, voltage_range
from source_meters import LIMITS, Desk

IDENTITY = "KEITHLEY INSTRUMENTS INC.,MODEL 6487,1362487,B05"
NO_ERROR = ("SYST:ERR?", '0,"No error"')
OPENED = [("*IDN?", IDENTITY), ("SOUR:VOLT:STAT?", "0"), NO_ERROR]
SAFE = [
    ("SOUR:VOLT:STAT OFF", None),
    ("SOUR:VOLT:SWE:ABOR", None),
    ("SOUR:VOLT:STAT OFF", None),
    ("SOUR:VOLT 0", None),
    ("ARM:COUN 1", None),
    ("TRIG:COUN 1", None),
    ("SOUR:VOLT:STAT?", "0"),
    ("*CLS", None),
]
IN_FORCE = [("SOUR:VOLT:RANG?", "1.000000E+01"), ("SOUR:VOLT:ILIM?", "2.500000E-05")]
AT_REST = [("SOUR:VOLT?", "0.000000E+00"), ("ARM:COUN?", "1"), ("TRIG:COUN?", "1")]
SET = [
    ("FORM ASC", "ASC"),
    ("FORM:ELEM READ,TIME,STAT,VSO", "READ,TIME,STAT,VSO"),
    ("ARM:SOUR IMM", "IMM"),
    ("TRIG:SOUR IMM", "IMM"),
    ("SENS:AVER OFF", "0"),
    ("SENS:MED OFF", "0"),
    ("SYST:ZCH OFF", "0"),
    ("SENS:CURR:NPLC 1", "1.00"),
    ("SENS:CURR:RANG:AUTO ON", "1"),
    ("SOUR:VOLT:INT OFF", "0"),
    ("SOUR:VOLT:RANG 10", "1.000000E+01"),
    ("SOUR:VOLT:ILIM 2.5e-05", "2.500000E-05"),
]
"""What is sent, and how it reads back."""
CONFIGURED = [
    *SAFE,
    *((command, None) for command, _ in SET),
    *AT_REST,
    *((f"{command.partition(' ')[0]}?", reply) for command, reply in SET),
    NO_ERROR,
]
ENERGISED = [
    *IN_FORCE,
    ("SOUR:VOLT?", "0.000000E+00"),
    ("SOUR:VOLT:INT:FAIL?", "0"),
    ("SOUR:VOLT:STAT ON", None),
    ("SOUR:VOLT:STAT?", "1"),
    *IN_FORCE,
    NO_ERROR,
]
KEPT = [("SOUR:VOLT:ILIM?", "2.500000E-05"), ("SOUR:VOLT:STAT?", "1"), ("SYST:ZCH?", "0")]


def test_open_and_close() -> None:
    with expected_protocol(Keithley6487, [*OPENED, *SAFE], limits=LIMITS) as meter, meter:
        assert not meter.found_on


def test_configure() -> None:
    pairs = [*OPENED, *CONFIGURED, *SAFE]
    with expected_protocol(Keithley6487, pairs, limits=LIMITS) as meter, meter:
        meter.configure(5.0, 80e-6)


@pytest.mark.parametrize(
    ("reading", "condition", "current", "flags"),
    [
        ("+1.250000E-05", "64", 1.25e-5, Flag(0)),
        ("-2.500000E-05", "16448", -2.5e-5, Flag.COMPLIANCE),
        ("+9.900000E+37", "192", np.nan, Flag.CLIPPED),
        ("+9.910000E+37", "64", np.nan, Flag.CLIPPED),
        ("-9.900000E+37", "64", np.nan, Flag.CLIPPED),
        ("+nan", "64", np.nan, Flag.CLIPPED),
        ("+2.100000E-08", "192", np.nan, Flag.CLIPPED),
        ("+9.900000E+37", "16576", np.nan, Flag.CLIPPED | Flag.COMPLIANCE),
    ],
)
def test_measure(reading: str, condition: str, current: float, flags: Flag) -> None:
    pairs = [
        *OPENED,
        *CONFIGURED,
        *ENERGISED,
        ("SOUR:VOLT 0.25", None),
        ("READ?", f"{reading},+1.250000E-01,+0.000000E+00,+2.500000E-01"),
        ("STAT:MEAS:COND?", condition),
        *KEPT,
        *SAFE,
        *SAFE,
    ]
    with (
        expected_protocol(Keithley6487, pairs, limits=LIMITS) as meter,
        meter,
    ):
        meter.configure(5.0, 80e-6)
        with meter.energised():
            meter.source(0.25)
            seen = meter.measure()
    assert seen[0] == 0.25
    assert seen[1] == pytest.approx(current, nan_ok=True)
    assert seen[2] == flags


@pytest.mark.parametrize(
    ("reply", "condition", "words"),
    [
        ("+1.0E-06,+0.1E+00,+0.0E+00,+0.500000E+00", "64", "was told 0.25 V"),
        ("+1.0E-06,+0.1E+00,+0.0E+00,+0.000000E+00", "2112", "interlock is open"),
        ("+1.0E-06A,+0.1E+00,+0.0E+00,+0.250000E+00", "64", "are not 4 numbers"),
    ],
)
def test_a_reading_that_cannot_be_right_is_an_error_and_ends_off(
    reply: str, condition: str, words: str
) -> None:
    asked = [("READ?", reply), ("STAT:MEAS:COND?", condition), *KEPT]
    pairs = [*OPENED, *CONFIGURED, *ENERGISED, ("SOUR:VOLT 0.25", None), *asked]

    def run(meter: Keithley6487) -> None:
        meter.configure(5.0, 80e-6)
        with meter.energised():
            meter.source(0.25)
            meter.measure()

    expected = expected_protocol(Keithley6487, [*pairs, *SAFE, *SAFE], limits=LIMITS)
    with expected as meter, meter, pytest.raises(InstrumentError, match=words):
        run(meter)


def test_zero() -> None:
    pairs = [
        *OPENED,
        *SAFE,
        ("SYST:ZCH ON;*OPC?", "1"),
        ("SENS:CURR:RANG 2e-09;*OPC?", "1"),
        ("INIT;*OPC?", "1"),
        ("SYST:ZCOR:ACQ;*OPC?", "1"),
        ("SYST:ZCOR ON;*OPC?", "1"),
        ("SENS:CURR:RANG:AUTO ON", None),
        ("SYST:ZCH OFF", None),
        ("SENS:CURR:RANG:AUTO?", "1"),
        ("SYST:ZCH?", "0"),
        ("SYST:ZCOR?", "1"),
        NO_ERROR,
        *SAFE,
    ]
    with expected_protocol(Keithley6487, pairs, limits=LIMITS) as meter, meter:
        meter.zero()


def test_internal_sweep() -> None:
    readings = [
        f"{1e-6 * index:+.6E},{0.1 * index:+.6E},+0.000000E+00,{level:+.6E}"
        for index, level in enumerate((0.0, 1 / 3, 2 / 3, 1.0))
    ]
    pairs = [
        *OPENED,
        *CONFIGURED,
        ("SOUR:VOLT:SWE:STAR 0", None),
        ("SOUR:VOLT:SWE:STOP 1", None),
        # Rounded down: only whole steps run.
        ("SOUR:VOLT:SWE:STEP 0.333333333", None),
        ("SOUR:VOLT:SWE:DEL 0.01", None),
        ("ARM:COUN 4", None),
        ("SOUR:VOLT:SWE:STAR?", "0.000000E+00"),
        ("SOUR:VOLT:SWE:STOP?", "1.000000E+00"),
        ("SOUR:VOLT:SWE:STEP?", "3.333333E-01"),
        ("SOUR:VOLT:SWE:DEL?", "1.000000E-02"),
        ("ARM:COUN?", "4"),
        *IN_FORCE,
        ("SYST:TIME:RES", None),
        ("SOUR:VOLT:INT:FAIL?", "0"),
        NO_ERROR,
        ("SOUR:VOLT:SWE:INIT", None),
        *IN_FORCE,
        ("SOUR:VOLT:STAT?", "1"),
        ("READ?", ",".join(readings)),
        *IN_FORCE,
        ("SYST:ZCH?", "0"),
        ("SOUR:VOLT:INT:FAIL?", "0"),
        NO_ERROR,
        *SAFE,
        *SAFE,
    ]
    with expected_protocol(Keithley6487, pairs, limits=LIMITS) as meter, meter:
        found = meter.internal_sweep(0.0, 1.0, 4, 80e-6, 0.01)
    np.testing.assert_allclose(found.voltage, [0, 1 / 3, 2 / 3, 1], atol=1e-6)
    np.testing.assert_allclose(found.current, [0, 1e-6, 2e-6, 3e-6])
    np.testing.assert_allclose(np.diff(found.time), 0.1, rtol=1e-6)
    assert not found.flags.any()


def test_an_internal_sweep_of_another_length_is_an_error() -> None:
    desk = Desk("6487")
    original = desk.virtual.handle
    desk.virtual.handle = lambda line: original(
        "SOUR:VOLT:SWE:STEP 0.6" if "SWE:STEP " in line else line
    )
    with desk.meter, pytest.raises(InstrumentError, match=r"SWE:STEP. .* was set to 0\.5"):
        desk.meter.internal_sweep(0.0, 1.0, 3, 1e-3, 0.01)
    assert not desk.virtual.on


def test_a_sweep_that_picks_a_range_with_another_limit_is_stopped_before_it_is_read() -> None:
    desk = Desk("6487")
    original = desk.virtual.handle

    def picking(line: str) -> str | None:
        if line == "SOUR:VOLT:SWE:INIT":
            desk.virtual._settings.limits[10.0] = 25e-3
        reply = original(line)
        assert reply is None or isinstance(reply, str)
        return reply

    desk.virtual.handle = picking
    with desk.meter, pytest.raises(InstrumentError, match="SOUR:VOLT:ILIM"):
        desk.meter.internal_sweep(0.0, 1.0, 3, 80e-6, 0.01)
    assert not desk.virtual.on
    assert "READ?" not in desk.wire.messages


@pytest.mark.parametrize(
    ("compliance", "span", "limit"),
    [
        (25e-6, 10.0, 25e-6),
        (249e-6, 10.0, 25e-6),
        (250e-6, 10.0, 250e-6),
        (1.0, 10.0, 25e-3),
        (1.0, 50.0, 2.5e-3),
        (25e-3, 500.0, 2.5e-3),
    ],
)
def test_limits_snap_down(compliance: float, span: float, limit: float) -> None:
    assert limit_below(compliance, span) == limit


@pytest.mark.parametrize("compliance", [24.9e-6, 1e-9, float("nan")])
def test_a_limit_below_the_smallest_is_refused_by_name(compliance: float) -> None:
    with pytest.raises(LimitError, match="25 uA, the smallest limit of a 6487"):
        limit_below(compliance, 10.0)


@pytest.mark.parametrize(
    ("voltage", "span"), [(0.0, 10.0), (-10.0, 10.0), (10.1, 50.0), (-500.0, 500.0)]
)
def test_the_smallest_range_that_holds_a_voltage(voltage: float, span: float) -> None:
    assert voltage_range(voltage) == span


@pytest.mark.parametrize("voltage", [500.1, float("nan"), float("inf")])
def test_a_voltage_that_no_range_holds_is_refused(voltage: float) -> None:
    with pytest.raises(LimitError):
        voltage_range(voltage)


def test_a_limit_that_would_snap_is_not_sent_whoever_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The planted mistake: the driver leaves the choice to the instrument, which makes it 250 uA.
    monkeypatch.setattr(keithley6487, "limit_below", lambda compliance, span: compliance)
    desk = Desk("6487")
    with desk.meter, pytest.raises(LimitError, match="would snap"):
        desk.meter.configure(1.0, 80e-6)
    assert not [line for line in desk.wire.messages if "ILIM 8" in line]


def test_a_range_does_not_change_while_the_output_is_on() -> None:
    desk = Desk("6487")
    with desk.meter:
        desk.meter.configure(1.0, 1e-3)
        with desk.meter.energised(), pytest.raises(LimitError, match="another range"):
            desk.meter.write("SOUR:VOLT:RANG 50")


def test_a_fixed_range_reads_overflow_as_no_reading() -> None:
    desk = Desk("6487")
    with desk.meter:
        desk.meter.configure(10.0, 25e-6, autorange=False)
        desk.virtual.handle("CURR:RANG 2e-6")
        with desk.meter.energised():
            desk.meter.source(0.2)
            _, current, flags = desk.meter.measure()
    assert np.isnan(current)
    assert flags == Flag.CLIPPED


def test_a_long_reading_has_a_long_deadline() -> None:
    desk = Desk("6487")
    with desk.meter:
        desk.meter.configure(1.0, 1e-3, nplc=10.0)
        with desk.meter.energised():
            desk.meter.measure()
        asked = desk.meter.link._resource.timeout
    assert asked == 2000
    assert reading_time(10.0) == pytest.approx(0.6)
