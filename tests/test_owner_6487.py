"""What we assume of a Keithley 6487; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator

import pytest

from instruments.keithley6487 import POINT, Keithley6487
from instruments.keithley6487_settings import configuration, sweeping
from owner_bench import assumes, check_page, choose_places, say_what_is_not_tried
from owner_meter import Meter, check_read_back, check_sweep, error, meter
from sim_backend.virtual.k6487 import Virtual6487

MANUAL = "6487-901-01"
OVERFLOW = 9e36
COMPLIANCE = 1 << 14
OFF = ("SOUR:VOLT:SWE:ABOR", "SOUR:VOLT:STAT OFF", "SOUR:VOLT 0")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose_places(metafunc, "k6487")


@pytest.fixture
def k6487(request: pytest.FixtureRequest) -> Iterator[Meter]:
    with meter(request, "6487", Virtual6487, OFF) as opened:
        yield opened


@assumes(
    "*IDN? names MODEL 6487",
    "every Keithley answers so",
    "remembered",
)
def test_the_6487_says_what_it_is(k6487: Meter) -> None:
    found = k6487.ask("*IDN?")
    k6487.place.note(found)
    assert "MODEL 6487" in found


@assumes("after *RST the source is off at 0 V", f"{MANUAL}, table 14-5", "documented")
def test_the_6487_is_off_after_reset(k6487: Meter) -> None:
    assert k6487.number("SOUR:VOLT:STAT?") == 0
    assert k6487.number("SOUR:VOLT?") == 0


@assumes("after *RST zero check is on, and then it reads about 0 A of anything", MANUAL, "seen")
def test_the_6487_checks_its_zero_after_reset(k6487: Meter) -> None:
    resistance = k6487.resistance()
    assert k6487.number("SYST:ZCH?") == 1
    k6487.tell("FORM:ELEM READ", "SENS:CURR:RANG 2e-3", "SOUR:VOLT 0.5", "SOUR:VOLT:STAT ON")
    assert abs(k6487.number("READ?", 1.0)) < 0.01 * 0.5 / resistance


@assumes("by default a reading carries its unit: +1.04E-06A", MANUAL, "seen")
def test_the_6487_appends_a_unit_by_default(k6487: Meter) -> None:
    reply = k6487.ask("READ?", 2.0)
    k6487.place.note(f"FORM:ELEM? {k6487.ask('FORM:ELEM?')!r}, READ? {reply!r}")
    assert reply.split(",")[0].endswith("A")


@assumes("the order of elements is fixed: READ, TIME, STAT, VSO", MANUAL, "documented")
def test_the_6487_keeps_its_own_order_of_elements(k6487: Meter) -> None:
    k6487.tell("SYST:ZCH OFF", "SOUR:VOLT 0.5", "SOUR:VOLT:STAT ON", "FORM:ELEM VSO,STAT,TIME,READ")
    reply = k6487.numbers("READ?", 2.0)
    assert len(reply) == 4
    assert reply[3] == pytest.approx(0.5, abs=2e-4)


@assumes(
    "each allowed limit, 25 uA to 25 mA on 10 V, reads back as it was set",
    MANUAL,
    "documented",
)
def test_the_6487_takes_its_four_limits(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10")
    for limit in (25e-6, 250e-6, 2.5e-3, 25e-3):
        k6487.tell(f"SOUR:VOLT:ILIM {limit:g}")
        assert k6487.number("SOUR:VOLT:ILIM?") == pytest.approx(limit, rel=1e-3)


@assumes(
    "a limit in between snaps to the closest, up too: 80 uA becomes 250 uA (the driver snaps down "
    "itself and never sends one)",
    f"{MANUAL}; closest by ratio",
    "guessed",
)
def test_the_6487_snaps_a_limit_to_the_closest(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10")
    found = {}
    for asked in (40e-6, 80e-6, 125e-6, 150e-6, 1e-3):
        k6487.tell(f"SOUR:VOLT:ILIM {asked:g}")
        found[asked] = k6487.number("SOUR:VOLT:ILIM?")
    k6487.place.note(f"limits by what was asked for: {found} A")
    assert list(found.values()) == pytest.approx([25e-6, 250e-6, 250e-6, 250e-6, 2.5e-3], rel=1e-3)


@assumes("another range brings a limit of its own, so the limit is set after it", MANUAL, "seen")
def test_a_range_of_the_6487_brings_its_own_limit(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10", "SOUR:VOLT:ILIM 25e-6", "SOUR:VOLT:RANG 50")
    found = k6487.number("SOUR:VOLT:ILIM?")
    k6487.place.note(f"25 uA on 10 V became {found} A on 50 V")
    assert found == pytest.approx(2.5e-3, rel=1e-3)


@assumes(
    "a level beyond the range is refused (-222), and nothing changes",
    f"{MANUAL}, p. 10-13; the number of the error: SCPI-99",
    "remembered",
)
def test_the_6487_refuses_a_level_beyond_its_range(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10", "SOUR:VOLT 0.5", "SOUR:VOLT 12")
    assert error(k6487) == -222
    assert k6487.number("SOUR:VOLT?") == pytest.approx(0.5, abs=2e-4)


@assumes(
    "the 10 V range resolves 0.2 mV: VSO is the level within that", "specifications", "remembered"
)
def test_the_6487_sources_in_steps_of_200_microvolts(k6487: Meter) -> None:
    k6487.tell("SYST:ZCH OFF", "FORM:ELEM VSO", "SOUR:VOLT:STAT ON")
    for level in (0.1234, 0.5001, -0.7777):
        k6487.tell(f"SOUR:VOLT {level}")
        assert k6487.number("READ?", 2.0) == pytest.approx(level, abs=2e-4)


@assumes("a current through a resistor is voltage over resistance, within 1 %", "Ohm", "documented")
def test_the_6487_measures_a_resistor(k6487: Meter) -> None:
    resistance = k6487.resistance()
    k6487.tell("SYST:ZCH OFF", "FORM:ELEM READ", "SOUR:VOLT 0.1", "SOUR:VOLT:STAT ON")
    found = k6487.number("READ?", 2.0)
    k6487.place.note(f"{found:.6g} A at 0.1 V")
    assert found == pytest.approx(0.1 / resistance, rel=0.01)


def limited(opened: Meter) -> None:
    """Drive 1 V with a limit of 25 uA; the resistor lets more through."""
    opened.resistance(below=30e3)
    opened.tell("SYST:ZCH OFF", "SOUR:VOLT:RANG 10", "SOUR:VOLT:ILIM 25e-6")
    opened.tell("SOUR:VOLT 1", "SOUR:VOLT:STAT ON")


@assumes("in compliance VSO is the programmed voltage, not what is left of it", "nobody", "guessed")
def test_vso_of_the_6487_is_what_was_programmed(k6487: Meter) -> None:
    limited(k6487)
    k6487.tell("FORM:ELEM VSO")
    found = k6487.number("READ?", 2.0)
    k6487.place.note(f"VSO in compliance {found:.5g} V of 1 V")
    assert found == pytest.approx(1.0, abs=2e-4)


@assumes(
    "bit 14 of the measurement condition is compliance of the source; STAT of a reading has none",
    f"{MANUAL}, p. 9-16 and 13-8",
    "documented",
)
def test_the_6487_tells_compliance_by_its_condition_only(k6487: Meter) -> None:
    limited(k6487)
    k6487.tell("FORM:ELEM STAT")
    status = int(k6487.number("READ?", 2.0))
    condition = int(k6487.number("STAT:MEAS:COND?"))
    k6487.place.note(f"in compliance: status {status}, condition {condition}")
    assert condition & COMPLIANCE
    assert not status & ~0b10_1111_1111
    k6487.tell("SOUR:VOLT 0.01")
    k6487.number("READ?", 2.0)
    assert not int(k6487.number("STAT:MEAS:COND?")) & COMPLIANCE


@assumes("an overflow reads beyond 9E36 (9.9E37 or 9.91E37)", "manual family; SweepMe", "seen")
def test_the_6487_reads_an_overflow_as_a_huge_number(k6487: Meter) -> None:
    k6487.resistance(below=1e6)
    k6487.tell("SYST:ZCH OFF", "FORM:ELEM READ", "SENS:CURR:RANG 2e-9")
    k6487.tell("SOUR:VOLT 0.1", "SOUR:VOLT:STAT ON")
    found = k6487.number("READ?", 2.0)
    k6487.place.note(f"overflow reads {found:g}")
    assert abs(found) > OVERFLOW


@assumes(
    "*ESE takes a number and gives it back in one message with a question, and before *IDN?; its "
    "front panel says SCPI and not 488.1",
    "IEEE 488.2",
    "guessed",
)
def test_a_number_in_ese_marks_replies_of_the_6487(k6487: Meter) -> None:
    assert k6487.number("SOUR:VOLT:STAT?") == 0
    k6487.place.note(f"replies can be marked: {k6487.link.marked}")
    assert k6487.link.marked
    assert "MODEL 6487" in k6487.ask("*IDN?")


@assumes(
    "a reading and other questions may stand in one message, and are answered in one line",
    "IEEE 488.2",
    "guessed",
)
def test_a_point_of_the_6487_is_one_message(k6487: Meter) -> None:
    k6487.tell("FORM:ELEM READ,TIME,STAT,VSO", "SYST:ZCH OFF", "SOUR:VOLT:RANG 10")
    k6487.tell("SOUR:VOLT:ILIM 2.5e-4", "SOUR:VOLT 0.1", "SOUR:VOLT:STAT ON")
    reading, condition, *kept = k6487.link.ask_all(POINT, 2.0)
    assert len(reading.split(",")) == 4
    assert not int(float(condition)) & COMPLIANCE
    assert [float(part) for part in kept] == pytest.approx([2.5e-4, 1, 0], rel=1e-3)


@assumes(
    "all that our driver sets reads back as it was set; messages of 200 characters are taken",
    "manual for the questions; the forms of the replies: nobody",
    "guessed",
)
def test_every_setting_of_the_6487_reads_back(k6487: Meter) -> None:
    for nplc, autorange in ((1.0, True), (0.1, False)):
        chosen = configuration(10.0, 2.5e-4, 2.5e-4, nplc, autorange=autorange, interlock=False)
        check_read_back(k6487, chosen)
    check_read_back(k6487, sweeping(-0.5, 0.5, 11, 0.05, 10.0))


@assumes("ARM:COUN outlives the readings: each READ? takes as many", MANUAL, "seen")
def test_the_count_of_the_6487_persists(k6487: Meter) -> None:
    k6487.tell("SYST:ZCH OFF", "FORM:ELEM READ", "ARM:COUN 3")
    assert [len(k6487.numbers("READ?", 3.0)) for _ in range(2)] == [3, 3]


@assumes("SWE:INIT switches the source on at the sweep's start", MANUAL, "documented")
def test_arming_a_sweep_switches_the_6487_on(k6487: Meter) -> None:
    arm_sweep(k6487)
    assert k6487.number("SOUR:VOLT:SWE:STAT?") == 1
    assert k6487.number("SOUR:VOLT:STAT?") == 1


@assumes(
    "with a sweep armed STAT OFF is refused (+840); SWE:ABOR is what ends it, off",
    MANUAL,
    "documented",
)
def test_only_an_abort_ends_an_armed_sweep_of_the_6487(k6487: Meter) -> None:
    arm_sweep(k6487)
    k6487.tell("SOUR:VOLT:STAT OFF")
    assert error(k6487) == 840
    k6487.tell("SOUR:VOLT:SWE:ABOR")
    assert k6487.number("SOUR:VOLT:STAT?") == 0


@assumes(
    "a sweep takes its own range, and a limit already set on that range stays",
    MANUAL,
    "guessed",
)
def test_a_sweep_of_the_6487_keeps_the_limit(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10", "SOUR:VOLT:ILIM 25e-6")
    arm_sweep(k6487)
    assert k6487.number("SOUR:VOLT:RANG?") == pytest.approx(10)
    assert k6487.number("SOUR:VOLT:ILIM?") == pytest.approx(25e-6, rel=1e-3)


@assumes(
    "a sweep of n points runs from start to stop with one READ?, VSO telling each",
    MANUAL,
    "documented",
)
def test_a_sweep_of_the_6487_visits_its_points(k6487: Meter) -> None:
    k6487.tell("SYST:ZCH OFF", "FORM:ELEM VSO")
    arm_sweep(k6487)
    assert k6487.numbers("READ?", 5.0) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=2e-4)


def arm_sweep(opened: Meter) -> None:
    """Arm a sweep of six points from 0 V to 0.5 V."""
    opened.tell("SOUR:VOLT:SWE:STAR 0", "SOUR:VOLT:SWE:STOP 0.5", "SOUR:VOLT:SWE:STEP 0.1")
    opened.tell("SOUR:VOLT:SWE:DEL 0.01", "ARM:COUN 6", "SOUR:VOLT:SWE:INIT")


@assumes(
    "its zero is corrected by ZCH ON, INIT, ZCOR:ACQ, ZCOR ON, ZCH OFF",
    f"{MANUAL}, p. 2-14",
    "documented",
)
def test_the_6487_corrects_its_zero(k6487: Meter) -> None:
    k6487.tell("SYST:ZCH ON", "SENS:CURR:RANG 2e-9", "INIT")
    k6487.ask("*OPC?", 2.0)
    k6487.tell("SYST:ZCOR:ACQ", "SYST:ZCOR ON", "SYST:ZCH OFF")
    assert k6487.number("SYST:ZCOR?") == 1
    assert error(k6487) == 0


@assumes("our driver sweeps a resistor, within 1 %", "all of the above", "guessed")
def test_our_driver_sweeps_a_resistor_with_the_6487(k6487: Meter) -> None:
    check_sweep(k6487, Keithley6487)


@assumes("the buffer and a sweep hold 3000 points", "manual family", "remembered")
def test_the_6487_counts_to_3000(k6487: Meter) -> None:
    k6487.tell("ARM:COUN 3000", "TRAC:POIN 3000")
    assert error(k6487) == 0
    assert k6487.number("ARM:COUN?") == 3000


@assumes("on 10 V the interlock is not asked for by default", MANUAL, "documented")
def test_the_interlock_of_the_6487_does_not_fail_on_10_volts(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10")
    assert k6487.number("SOUR:VOLT:INT:FAIL?") == 0


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
