import pytest

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.world import Resistor


@pytest.fixture
def meter() -> Virtual2400:
    clock = FastClock()
    return Virtual2400(Resistor(1e4, clock), clock)


def values(reply: str | None) -> list[float]:
    assert reply is not None
    return [float(text) for text in reply.split(",")]


def error(meter: Virtual2400) -> int:
    return int((meter.handle("SYST:ERR?") or "").partition(",")[0])


@pytest.mark.parametrize(
    "verb", ["MEAS:CURR?", ":MEASURE:CURRENT:DC?", "CONF:CURR", "CONF:CURR:DC"]
)
def test_meas_and_conf_reset_the_limit_and_switch_the_output_on(
    meter: Virtual2400, verb: str
) -> None:
    meter.handle("SENS:CURR:PROT 1e-6;NPLC 0.1")
    meter.handle(verb)
    assert meter.on
    assert meter.limit == 1.05e-4
    assert values(meter.handle("CURR:NPLC?")) == [1.0]


def test_a_reading_keeps_the_limit(meter: Virtual2400) -> None:
    meter.handle("SENS:CURR:PROT 1e-6;:OUTP ON;:READ?")
    assert meter.limit == 1e-6


def test_no_reading_with_the_output_off(meter: Virtual2400) -> None:
    assert meter.handle("READ?") is None
    assert error(meter) == 803


def test_a_reading_has_five_elements_in_their_own_order(meter: Virtual2400) -> None:
    meter.handle("SOUR:VOLT 1;:SENS:FUNC 'VOLT','CURR';:OUTP ON")
    voltage, current, resistance, time, status = values(meter.handle("READ?"))
    assert (voltage, current, resistance, status) == (1.0, 1e-4, 9.91e37, 0)
    assert time > 0
    meter.handle("FORM:ELEM CURR,VOLT")
    assert values(meter.handle("READ?")) == [1.0, 1e-4]


def test_compliance_lowers_the_voltage_and_is_told(meter: Virtual2400) -> None:
    meter.handle("SENS:CURR:PROT 1e-5;:SENS:FUNC 'VOLT';:SOUR:VOLT 1;:OUTP ON")
    voltage, current, _, _, status = values(meter.handle("READ?"))
    assert (voltage, current) == (0.1, 1e-5)
    assert int(status) & 1 << 3
    assert meter.handle("SENS:CURR:PROT:TRIP?") == "1"
    meter.handle("SOUR:VOLT 0.05")
    assert meter.handle("SENS:CURR:PROT:TRIP?") == "0"


def test_a_fixed_range_below_the_limit_clamps_at_the_range(meter: Virtual2400) -> None:
    meter.handle("SENS:CURR:PROT 1e-3;RANG 1e-5;:SOUR:VOLT 1;:OUTP ON")
    _, current, _, _, status = values(meter.handle("READ?"))
    assert current == pytest.approx(1.05e-5)
    assert int(status) & 1 << 16


def test_a_measure_range_cannot_exceed_the_compliance_range(meter: Virtual2400) -> None:
    meter.handle("SENS:CURR:RANG 1")
    assert error(meter) == 824


def test_a_limit_is_at_least_a_thousandth_of_the_measure_range(meter: Virtual2400) -> None:
    meter.handle("SENS:CURR:PROT 1e-10")
    assert error(meter) == -222
    meter.handle("SENS:CURR:PROT 1e-4;RANG 1e-4;PROT 5e-8")
    assert error(meter) == -222
    assert meter.limit == 1e-4


def test_the_range_of_the_sourced_function_cannot_be_set(meter: Virtual2400) -> None:
    meter.handle("SENS:VOLT:RANG 2")
    assert error(meter) == 823


def test_a_level_picks_its_range_unless_one_is_fixed(meter: Virtual2400) -> None:
    meter.handle("SOUR:VOLT 1")
    assert values(meter.handle("SOUR:VOLT:RANG?")) == [2.0]
    meter.handle("SOUR:VOLT:RANG 0.2;LEV 1")
    assert error(meter) == -222


def test_automatic_output_off_switches_it_on_for_a_reading(meter: Virtual2400) -> None:
    meter.handle("SOUR:CLE:AUTO ON;:SOUR:VOLT 1")
    assert values(meter.handle("READ?"))[1] == 1e-4
    assert not meter.on


def test_other_terminals_switch_the_output_off(meter: Virtual2400) -> None:
    meter.handle("OUTP ON")
    meter.handle("ROUT:TERM REAR")
    assert not meter.on


def test_the_enable_line_blocks_the_output(meter: Virtual2400) -> None:
    meter.handle("OUTP:ENAB ON;:OUTP ON")
    assert meter.on
    meter.enable_closed = False
    assert meter.handle("OUTP?") == "0"
    meter.handle("OUTP ON")
    assert error(meter) == 802
    assert meter.handle("OUTP:ENAB:TRIP?") == "0"


def test_a_reset_switches_off_and_forgets(meter: Virtual2400) -> None:
    meter.handle("SENS:CURR:PROT 1e-6;:SOUR:VOLT 1;:OUTP ON")
    meter.handle("*RST")
    assert not meter.on
    assert meter.limit == 1.05e-4


def test_a_sweep_steps_from_start_to_stop(meter: Virtual2400) -> None:
    meter.handle("SOUR:VOLT:STAR 1;STOP -1;STEP -0.5;MODE SWE;:TRIG:COUN 5;:SENS:CURR:PROT 1e-3")
    meter.handle("SENS:FUNC 'VOLT';:OUTP ON;:FORM:ELEM VOLT")
    assert values(meter.handle("READ?")) == [1, 0.5, 0, -0.5, -1]


def test_a_list_is_sourced_in_order_and_appended_to(meter: Virtual2400) -> None:
    meter.handle("SOUR:LIST:VOLT 0.1,0.3;VOLT:APP 0.2;:SOUR:VOLT:MODE LIST;:TRIG:COUN 3")
    meter.handle("SENS:FUNC 'VOLT';:OUTP ON;:FORM:ELEM VOLT")
    assert values(meter.handle("READ?")) == pytest.approx([0.1, 0.3, 0.2])
    meter.handle("SOUR:LIST:VOLT " + ",".join(["0"] * 101))
    assert error(meter) == -222


def test_a_sweep_can_end_at_compliance(meter: Virtual2400) -> None:
    meter.handle("SOUR:SWE:CAB EARL;:SENS:CURR:PROT 1e-5;:SENS:CURR:RANG:AUTO ON")
    meter.handle(
        "SOUR:VOLT:STAR 0;STOP 0.4;STEP 0.1;MODE SWE;:TRIG:COUN 5;:OUTP ON;:FORM:ELEM CURR"
    )
    assert values(meter.handle("READ?")) == pytest.approx([0, 1e-5])


def test_no_more_readings_than_the_buffer_holds(meter: Virtual2400) -> None:
    meter.handle("ARM:COUN 2500;:TRIG:COUN 2;:OUTP ON")
    assert meter.handle("READ?") is None
    assert error(meter) == -221


def test_off_opens_the_relay_only_if_it_is_told_to(meter: Virtual2400) -> None:
    opened: list[bool] = []
    meter._terminals.disconnect = lambda: opened.append(True)  # type: ignore[method-assign]
    meter.handle("OUTP ON;:OUTP OFF")
    assert not opened
    meter.handle("OUTP:SMOD HIMP;:OUTP ON;:OUTP OFF")
    assert opened


def test_a_filter_mixes_a_reading_with_those_before_it(meter: Virtual2400) -> None:
    meter.handle("FORM:ELEM CURR;:OUTP ON;:SENS:AVER ON;:SENS:CURR:PROT 1e-3")
    found = [values(meter.handle(f"SOUR:VOLT {level};:READ?"))[0] for level in (1, 2, 3)]
    assert found == pytest.approx([1e-4, 1.5e-4, 2e-4])
    assert values(meter.handle("SENS:AVER OFF;:READ?")) == pytest.approx([3e-4])


def test_a_delay_set_by_hand_lasts_until_the_automatic_one_is_back(meter: Virtual2400) -> None:
    meter.handle("OUTP ON;:FORM:ELEM TIME;:SOUR:DEL 0.5")
    assert meter.handle("SOUR:DEL:AUTO?") == "0"
    begin = meter._clock.now
    meter.handle("READ?")
    assert meter._clock.now - begin > 0.5
    begin = meter._clock.now
    meter.handle("SOUR:DEL:AUTO ON;:READ?")
    assert meter._clock.now - begin < 0.1


def test_functions_are_told_in_quotes(meter: Virtual2400) -> None:
    meter.handle("SENS:FUNC 'VOLT','CURR'")
    assert meter.handle("SENS:FUNC?") == '"CURR:DC","VOLT:DC"'


def test_somebody_at_the_front_panel_is_heard_by_the_instrument_only(meter: Virtual2400) -> None:
    calls = meter._clock.calls
    meter.panel("SOUR:VOLT 0.3;:OUTP ON")
    assert (meter.voltage, meter._clock.calls) == (0.3, calls)


def test_one_reading_can_be_spoilt(meter: Virtual2400) -> None:
    meter.handle("OUTP ON;:FORM:ELEM CURR")
    meter.spoilt = "+9.900000E+37"
    assert [values(meter.handle("READ?"))[0] for _ in range(2)] == [9.9e37, 0.0]
