import pytest

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.world import Resistor


@pytest.fixture
def meter() -> Virtual6487:
    clock = FastClock()
    return Virtual6487(Resistor(1e5, clock), clock)


def values(reply: str | None) -> list[float]:
    assert reply is not None
    return [float(text) for text in reply.split(",")]


def error(meter: Virtual6487) -> int:
    return int((meter.handle("SYST:ERR?") or "").partition(",")[0])


def ready(meter: Virtual6487) -> None:
    meter.handle("SYST:ZCH OFF;:FORM:ELEM READ,TIME,STAT,VSO;:CURR:NPLC 1")


def test_the_default_reply_carries_a_unit(meter: Virtual6487) -> None:
    reading, time, status = (meter.handle("READ?") or "").split(",")
    assert reading == "+0.000000E+00A"
    assert float(time) > 0
    assert float(status) == 0


def test_after_a_reset_zero_check_reads_nothing_happily(meter: Virtual6487) -> None:
    ready(meter)
    meter.handle("*RST")
    meter.handle("SOUR:VOLT 5;VOLT:STAT ON;:FORM:ELEM READ")
    assert values(meter.handle("READ?")) == [0.0]
    assert values(meter.handle("SYST:ZCH OFF;:READ?")) == [5e-5]
    assert meter.voltage == 5


def test_elements_come_in_their_own_order(meter: Virtual6487) -> None:
    meter.handle("SYST:ZCH OFF;:SOUR:VOLT 1;VOLT:STAT ON;:FORM:ELEM VSO,TIME,READ")
    assert meter.handle("FORM:ELEM?") == "READ,TIME,VSO"
    current, _, voltage = values(meter.handle("READ?"))
    assert (current, voltage) == (1e-5, 1.0)


@pytest.mark.parametrize(
    ("asked", "found"), [(25e-6, 25e-6), (80e-6, 250e-6), (60e-6, 25e-6), (1e-3, 2.5e-3)]
)
def test_a_limit_snaps_to_the_closest_even_if_it_is_above(
    meter: Virtual6487, asked: float, found: float
) -> None:
    meter.handle(f"SOUR:VOLT:ILIM {asked}")
    assert meter.limit == found


def test_each_range_has_a_limit_of_its_own(meter: Virtual6487) -> None:
    meter.handle("SOUR:VOLT:ILIM 25e-6")
    meter.handle("SOUR:VOLT:RANG 50")
    assert meter.limit == 2.5e-3
    meter.handle("SOUR:VOLT:RANG 10")
    assert meter.limit == 25e-6


def test_the_largest_limit_is_for_the_lowest_range(meter: Virtual6487) -> None:
    meter.handle("SOUR:VOLT:RANG 50;ILIM 25e-3")
    assert error(meter) == -221


def test_a_level_must_fit_its_range(meter: Virtual6487) -> None:
    meter.handle("SOUR:VOLT 11")
    assert error(meter) == -222
    meter.handle("SOUR:VOLT:RANG 50")
    meter.handle("SOUR:VOLT 11")
    assert error(meter) == 0


def test_compliance_is_in_the_condition_and_not_in_the_reading(meter: Virtual6487) -> None:
    ready(meter)
    meter.handle("SOUR:VOLT:ILIM 25e-6;STAT ON")
    meter.handle("SOUR:VOLT 1")
    values(meter.handle("READ?"))
    assert int(meter.handle("STAT:MEAS:COND?") or "") & 1 << 14 == 0
    meter.handle("SOUR:VOLT 5")
    current, _, status, voltage = values(meter.handle("READ?"))
    assert (current, status, voltage) == (25e-6, 0, 5)
    assert int(meter.handle("STAT:MEAS:COND?") or "") & 1 << 14


def test_an_overflow_is_a_number_that_is_none(meter: Virtual6487) -> None:
    ready(meter)
    meter.handle("SOUR:VOLT 5;VOLT:STAT ON;:CURR:RANG 2e-6")
    assert values(meter.handle("READ?"))[0] == 9.9e37
    assert int(meter.handle("STAT:MEAS:COND?") or "") & 1 << 7


def sweep(meter: Virtual6487, stop: float = 1.0, step: float = 0.5, count: int = 3) -> None:
    ready(meter)
    meter.handle(f"SOUR:VOLT:SWE:STAR 0;STOP {stop};STEP {step};DEL 0.01;:ARM:COUN {count}")
    meter.handle("SOUR:VOLT:SWE:INIT")


def test_a_sweep_steps_and_reads(meter: Virtual6487) -> None:
    sweep(meter)
    assert meter.on
    assert meter.handle("SOUR:VOLT:SWE:STAT?") == "1"
    assert values(meter.handle("READ?"))[3::4] == [0, 0.5, 1]
    assert meter.handle("SOUR:VOLT:SWE:STAT?") == "0"


def test_a_sweep_downwards_has_the_same_positive_step(meter: Virtual6487) -> None:
    sweep(meter, stop=-1.0)
    assert values(meter.handle("READ?"))[3::4] == [0, -0.5, -1]


def test_only_whole_steps_run(meter: Virtual6487) -> None:
    sweep(meter, step=0.4)
    assert values(meter.handle("READ?"))[3::4] == [0, 0.4, 0.8]


def test_with_a_sweep_armed_only_its_abort_switches_off(meter: Virtual6487) -> None:
    sweep(meter)
    meter.handle("SOUR:VOLT:STAT OFF")
    assert error(meter) == 840
    assert meter.on
    meter.handle("SOUR:VOLT:SWE:ABOR")
    assert not meter.on


def test_after_a_sweep_its_abort_does_nothing(meter: Virtual6487) -> None:
    sweep(meter)
    meter.handle("READ?")
    meter.handle("SOUR:VOLT:SWE:ABOR")
    assert meter.voltage == 1
    meter.handle("SOUR:VOLT:STAT OFF")
    assert not meter.on


def test_a_sweep_picks_its_range_and_the_range_its_limit(meter: Virtual6487) -> None:
    meter.handle("SOUR:VOLT:ILIM 25e-6")
    sweep(meter, stop=12.0, step=6.0)
    assert meter.limit == 2.5e-3


def test_the_number_of_readings_outlives_a_sweep(meter: Virtual6487) -> None:
    sweep(meter)
    meter.handle("READ?")
    assert len(values(meter.handle("READ?"))) == 3 * 4


def test_the_interlock_guards_the_high_ranges_and_the_low_one_if_asked(meter: Virtual6487) -> None:
    meter.interlock_closed = False
    meter.handle("SOUR:VOLT:STAT ON")
    assert meter.handle("SOUR:VOLT:STAT?") == "1"
    assert meter.handle("SOUR:VOLT:INT:FAIL?") == "0"
    meter.handle("SOUR:VOLT:INT ON")
    assert meter.handle("SOUR:VOLT:STAT?") == "0"
    assert meter.handle("SOUR:VOLT:INT:FAIL?") == "1"
    assert int(meter.handle("STAT:MEAS:COND?") or "") & 1 << 11
    meter.handle("SOUR:VOLT:INT OFF;RANG 50;STAT ON")
    assert not meter.on
    assert error(meter) == 802


def test_off_is_zero_volts(meter: Virtual6487) -> None:
    ready(meter)
    meter.handle("SOUR:VOLT 5;VOLT:STAT ON")
    meter.handle("SOUR:VOLT:STAT OFF")
    assert values(meter.handle("READ?"))[0] == 0
    assert meter.voltage == 0


def test_a_reset_switches_off(meter: Virtual6487) -> None:
    sweep(meter)
    meter.handle("*RST")
    assert not meter.on


def test_the_buffer_fills_and_says_so(meter: Virtual6487) -> None:
    ready(meter)
    meter.handle("TRAC:POIN 5;FEED SENS;FEED:CONT NEXT;:TRIG:COUN 5;:STAT:MEAS:ENAB 512;:*SRE 1")
    assert meter.status_byte() == 0
    meter.handle("INIT")
    assert meter.status_byte() == 65
    assert len(values(meter.handle("TRAC:DATA?"))) == 20


def test_zero_is_acquired_under_zero_check_only(meter: Virtual6487) -> None:
    meter.handle("SYST:ZCOR:ACQ")
    assert error(meter) == 0
    meter.handle("SYST:ZCH OFF;ZCOR:ACQ")
    assert error(meter) == -221


def test_a_reading_takes_its_integration_time(meter: Virtual6487) -> None:
    meter.handle("SYST:ZCH OFF;:CURR:NPLC 10")
    before = meter._clock.now
    meter.handle("READ?")
    assert meter._clock.now - before == pytest.approx(0.2 + 1e-3)


@pytest.mark.parametrize("name", ["AVER", "MED"])
def test_a_filter_mixes_a_reading_with_those_before_it(meter: Virtual6487, name: str) -> None:
    ready(meter)
    meter.handle(f"FORM:ELEM READ;:SOUR:VOLT:STAT ON;:SENS:{name} ON")
    found = [values(meter.handle(f"SOUR:VOLT {level};:READ?"))[0] for level in (1, 2, 3)]
    assert found == pytest.approx([1e-5, 1.5e-5, 2e-5])
    assert values(meter.handle(f"SENS:{name} OFF;:READ?")) == pytest.approx([3e-5])


def test_a_zero_check_can_be_stuck(meter: Virtual6487) -> None:
    ready(meter)
    meter.zero_check_stuck = True
    assert meter.handle("SYST:ZCH?") == "0"
    assert meter.handle("SYST:ZCH ON;:SYST:ZCH OFF;:SYST:ZCH?") == "1"


def test_somebody_at_the_front_panel_is_heard_by_the_instrument_only(meter: Virtual6487) -> None:
    calls = meter._clock.calls
    meter.panel("SOUR:VOLT 0.3;VOLT:STAT ON")
    assert (meter.voltage, meter._clock.calls) == (0.3, calls)


def test_one_reading_can_be_spoilt(meter: Virtual6487) -> None:
    ready(meter)
    meter.handle("FORM:ELEM READ")
    meter.spoilt = "+9.900000E+37"
    assert [values(meter.handle("READ?"))[0] for _ in range(2)] == [9.9e37, 0.0]
