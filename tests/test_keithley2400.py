import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pymeasure.instruments.keithley import Keithley2400 as PyMeasureKeithley2400
from pymeasure.test import expected_protocol

from crossbar.backend import Flag, InstrumentError, LimitError
from instruments.keithley2400 import Keithley2400
from instruments.keithley2400_limits import check_power, voltage_range
from source_meters import LIMITS, RESISTANCE, Desk

IDENTITY = "KEITHLEY INSTRUMENTS INC.,MODEL 2400,1022400,C32   Oct  4 2010 14:20:11"
NO_ERROR = ("SYST:ERR?", '0,"No error"')
OPENED = [("*IDN?", IDENTITY), ("OUTP?", "0"), NO_ERROR]
SAFE = [
    ("OUTP OFF", None),
    ("ABOR", None),
    ("OUTP OFF", None),
    ("SOUR:VOLT:MODE FIX", None),
    ("SOUR:VOLT 0", None),
    ("ARM:COUN 1", None),
    ("TRIG:COUN 1", None),
    ("OUTP?", "0"),
    ("*CLS", None),
]
IN_FORCE = [
    ("SOUR:FUNC?", "VOLT"),
    ("SOUR:VOLT:RANG?", "2.000000E+00"),
    ("SENS:CURR:PROT?", "8.000000E-05"),
]
AT_REST = [
    ("SOUR:VOLT:MODE?", "FIX"),
    ("SOUR:VOLT?", "0.000000E+00"),
    ("ARM:COUN?", "1"),
    ("TRIG:COUN?", "1"),
]
SET = [
    ("SOUR:FUNC VOLT", "VOLT"),
    ("SOUR:CLE:AUTO OFF", "0"),
    ("SOUR:DEL:AUTO ON", "1"),
    ("FORM ASC", "ASC"),
    ("FORM:ELEM VOLT,CURR,RES,TIME,STAT", "VOLT,CURR,RES,TIME,STAT"),
    ("SENS:FUNC:CONC ON", "1"),
    ("SENS:FUNC 'VOLT','CURR'", '"VOLT:DC","CURR:DC"'),
    ("SENS:RES:MODE MAN", "MAN"),
    ("SENS:AVER OFF", "0"),
    ("OUTP:SMOD NORM", "NORM"),
    ("OUTP:ENAB OFF", "0"),
    ("SENS:CURR:NPLC 1", "1.00"),
    ("SOUR:VOLT:RANG 2", "2.000000E+00"),
    ("SENS:CURR:RANG:AUTO ON", "1"),
    ("SENS:CURR:PROT 8e-05", "8.000000E-05"),
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
    ("OUTP ON", None),
    ("OUTP?", "1"),
    *IN_FORCE,
    NO_ERROR,
]
KEPT = [("CURR:PROT?", "8.000000E-05"), ("SOUR:VOLT?", "2.500000E-01")]


def reading(voltage: str, current: str, status: int = 0) -> str:
    return f"{voltage},{current},+9.910000E+37,+1.250000E+00,{status:+.6E}"


def test_open_and_close() -> None:
    with expected_protocol(Keithley2400, [*OPENED, *SAFE], limits=LIMITS) as meter, meter:
        assert not meter.found_on


def test_configure() -> None:
    pairs = [*OPENED, *CONFIGURED, *SAFE]
    with expected_protocol(Keithley2400, pairs, limits=LIMITS) as meter, meter:
        meter.configure(1.5, 80e-6)


@pytest.mark.parametrize(
    ("reply", "tripped", "seen"),
    [
        (reading("+2.500000E-01", "+2.500000E-05"), "0", (0.25, 2.5e-5, Flag(0))),
        (reading("+1.000000E-01", "+8.000000E-05"), "1", (0.1, 8e-5, Flag.COMPLIANCE)),
        (reading("+1.000000E-01", "+8.000000E-05", 8), "0", (0.1, 8e-5, Flag.COMPLIANCE)),
        (reading("+1.000000E-01", "+1.050000E-05", 65536), "0", (0.1, 1.05e-5, Flag.COMPLIANCE)),
        (reading("+2.500000E-01", "+9.900000E+37"), "0", (0.25, np.nan, Flag.CLIPPED)),
        (reading("+2.500000E-01", "+9.910000E+37"), "0", (0.25, np.nan, Flag.CLIPPED)),
        (reading("+2.500000E-01", "+1.000000E-05", 1), "0", (0.25, np.nan, Flag.CLIPPED)),
        (reading("+9.900000E+37", "+1.000000E-05"), "0", (np.nan, np.nan, Flag.CLIPPED)),
    ],
)
def test_measure(reply: str, tripped: str, seen: tuple[float, float, Flag]) -> None:
    pairs = [
        *OPENED,
        *CONFIGURED,
        *ENERGISED,
        ("SOUR:VOLT 0.25", None),
        ("READ?", reply),
        ("CURR:PROT:TRIP?", tripped),
        *KEPT,
        *SAFE,
        *SAFE,
    ]
    with expected_protocol(Keithley2400, pairs, limits=LIMITS) as meter, meter:
        meter.configure(1.5, 80e-6)
        with meter.energised():
            meter.source(0.25)
            found = meter.measure()
    assert found[:2] == pytest.approx(seen[:2], nan_ok=True)
    assert found[2] == seen[2]


def test_a_voltage_that_is_not_the_one_sourced_is_an_error() -> None:
    desk = Desk("2400")

    def run() -> None:
        with desk.meter.energised():
            desk.meter.source(1.0)
            # A lead that is off: half of the voltage does not arrive.
            desk.virtual._terminals.measure = lambda _: (0.5, 0.5 / RESISTANCE)
            desk.meter.measure()

    with desk.meter:
        desk.meter.configure(1.5, 1e-3)
        with pytest.raises(InstrumentError, match="does not limit"):
            run()
        assert not desk.virtual.on


def test_internal_sweep() -> None:
    replies = [reading("+0.000000E+00", "+0.000000E+00"), reading("+1.500000E+00", "+1.5E-05")]
    pairs = [
        *OPENED,
        *CONFIGURED,
        ("SOUR:VOLT:STAR 0", None),
        ("SOUR:VOLT:STOP 1.5", None),
        ("SOUR:VOLT:STEP 1.5", None),
        ("SOUR:SWE:RANG FIX", None),
        ("SOUR:DEL 0.01", None),
        ("TRIG:COUN 2", None),
        ("SOUR:VOLT:MODE SWE", None),
        ("SOUR:VOLT:STAR?", "0.000000E+00"),
        ("SOUR:VOLT:STOP?", "1.500000E+00"),
        ("SOUR:VOLT:STEP?", "1.500000E+00"),
        ("SOUR:SWE:RANG?", "FIX"),
        ("SOUR:DEL?", "0.01000"),
        ("TRIG:COUN?", "2"),
        ("SOUR:VOLT:MODE?", "SWE"),
        ("SYST:TIME:RES", None),
        *ENERGISED,
        ("READ?", ",".join(replies)),
        ("OUTP?", "1"),
        *IN_FORCE,
        NO_ERROR,
        *SAFE,
        *SAFE,
    ]
    with expected_protocol(Keithley2400, pairs, limits=LIMITS) as meter, meter:
        found = meter.internal_sweep(0.0, 1.5, 2, 80e-6, 0.01)
    np.testing.assert_allclose(found.current, [0, 1.5e-5])


def energised(check: Callable[[Any, Desk], None]) -> None:
    desk = Desk("2400")
    with desk.meter:
        desk.meter.configure(2.0, 1e-4)
        with desk.meter.energised():
            check(desk.meter, desk)
            assert desk.virtual.limit == 1e-4
        assert not [line for line in desk.wire.messages if "CONF" in line.upper()]
        assert not [line for line in desk.wire.messages if "MEASURE" in line.upper()]


def test_what_pymeasure_reads_by_meas_is_read_without() -> None:
    def check(meter: Any, desk: Desk) -> None:
        meter.source(0.5)
        assert meter.voltage == pytest.approx(0.5)
        assert meter.current == pytest.approx(0.5 / RESISTANCE)
        assert meter.resistance == pytest.approx(RESISTANCE)
        meter.source(0.0)
        assert np.isnan(meter.resistance)

    energised(check)


def test_pymeasures_measure_all_keeps_the_limit() -> None:
    def check(meter: Any, desk: Desk) -> None:
        meter.source(0.5)
        found = meter.measure_all()
        assert (found["voltage"], found["current"]) == pytest.approx((0.5, 5e-5))

    energised(check)


def test_no_property_and_no_method_of_pymeasures_class_sends_meas_or_conf() -> None:
    for name in dir(PyMeasureKeithley2400):
        if name.startswith("__") or name in ("ask", "write", "read"):
            continue
        desk = Desk("2400")
        with desk.meter, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            desk.meter.configure(2.0, 1e-4)
            with desk.meter.energised():
                touch(desk.meter, name)
                assert desk.virtual.limit <= LIMITS.current
                assert abs(desk.virtual.voltage) <= LIMITS.voltage
        assert not desk.virtual.on
        sent = [line.upper() for line in desk.wire.messages]
        assert not [line for line in sent if "MEASURE" in line or "CONF" in line], name


def touch(meter: Any, name: str) -> None:
    """Read an attribute, and call it if it can be called."""
    slow = ("wait_for_buffer", "ramp_to_current", "ramp_to_voltage", "triad", "beep")
    if name in slow:
        return
    try:
        found = getattr(meter, name)
        if callable(found):
            found()
    except Exception:  # noqa: S110  # what they return is PyMeasure's business
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source_voltage", 20.5),
        ("source_voltage", float("nan")),
        ("compliance_current", 0.5),
        ("compliance_current", 0.0),
        ("source_current", 1e-6),
        ("source_mode", "current"),
        ("source_enabled", True),
        ("auto_output_off_enabled", True),
        ("resistance_mode_auto_enabled", True),
    ],
)
def test_pymeasures_properties_do_not_get_past_the_limits(name: str, value: object) -> None:
    desk = Desk("2400")
    with desk.meter:
        before = len(desk.wire.messages)
        with pytest.raises((LimitError, ValueError)):
            setattr(desk.meter, name, value)
        assert len(desk.wire.messages) == before


def test_pymeasures_methods_do_not_get_past_the_limits() -> None:
    desk = Desk("2400")
    with desk.meter:
        for refused in (
            desk.meter.enable_source,
            lambda: desk.meter.write(":SOUR:LIST:VOLT 1,2,21"),
            lambda: desk.meter.write("SOUR:VOLT:TRIG 21"),
            lambda: desk.meter.write("SOUR:VOLT:SPAN 2"),
            lambda: desk.meter.write("SYST:PRES"),
        ):
            with pytest.raises(LimitError):
                refused()
        desk.meter.write(":SOUR:LIST:VOLT 1,-2,20")


def test_without_the_guard_the_limit_would_be_lost() -> None:
    # The planted mistake: nobody looks at what is sent.
    desk = Desk("2400")
    with desk.meter:
        desk.meter.configure(2.0, 1e-6)
        desk.meter.link._check = None
        desk.meter.ask(":MEASURE:CURRENT?")
        assert desk.virtual.on
        assert desk.virtual.limit == 1.05e-4
    assert not desk.virtual.on


def test_shutdown_switches_off_before_it_asks() -> None:
    desk = Desk("2400")
    desk.meter.open()
    desk.meter.configure(2.0, 1e-4)
    with desk.meter.energised():
        before = len(desk.wire.messages)
        desk.meter.shutdown()
        assert desk.wire.messages[before] == "OUTP OFF"
        assert not desk.virtual.on
        desk.meter.open()
    desk.meter.close()


def test_a_fixed_range_is_never_below_the_limit() -> None:
    desk = Desk("2400")
    with desk.meter:
        for compliance in (1e-6, 1.1e-6, 9e-5, 1.05e-4, 2e-3):
            desk.meter.configure(20.0, compliance, autorange=False)
            assert desk.virtual.limit == pytest.approx(compliance)
            assert not desk.virtual._settings.autorange


def test_the_off_state_is_set_and_read_back() -> None:
    desk = Desk("2400", driver=lambda *a, **k: Keithley2400(*a, **k, off_state="HIMP"))
    with desk.meter:
        desk.meter.configure(1.0, 1e-4)
        assert desk.virtual.handle("OUTP:SMOD?") == "HIMP"
        desk.virtual.handle("OUTP:SMOD NORM")
        original = desk.virtual.handle
        desk.virtual.handle = lambda line: None if line == "OUTP:SMOD HIMP" else original(line)
        with pytest.raises(InstrumentError, match="is NORM, and was set to HIMP"):
            desk.meter.configure(1.0, 1e-4)
    with pytest.raises(LimitError, match="not one of"):
        Keithley2400("GPIB0::24::INSTR", LIMITS, off_state="OPEN")


@pytest.mark.parametrize(
    ("voltage", "compliance"), [(1.0, 0.9e-9), (1.0, 1.06), (21.1, 0.106), (1.0, float("nan"))]
)
def test_what_the_instrument_cannot_limit_to_is_refused(voltage: float, compliance: float) -> None:
    with pytest.raises(LimitError, match="of a 2400"):
        check_power(voltage, compliance)


@pytest.mark.parametrize(
    ("voltage", "span"), [(0.0, 0.2), (0.21, 2.0), (-2.0, 2.0), (20.0, 20.0), (-200.0, 200.0)]
)
def test_the_smallest_range_that_holds_a_voltage(voltage: float, span: float) -> None:
    assert voltage_range(voltage) == span


@pytest.mark.parametrize("voltage", [200.1, float("nan")])
def test_a_voltage_that_no_range_holds_is_refused(voltage: float) -> None:
    with pytest.raises(LimitError):
        voltage_range(voltage)
