"""What we assume of a Keithley 6487 and of a 2400; docs/owner-tests.md says how to try it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from crossbar.backend import Limits
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from instruments.timing import Monotonic
from instruments.visa import Link
from owner_bench import (
    LARGEST,
    Meter,
    assumes,
    check_page,
    choose_places,
    place,
    say_what_is_not_tried,
)
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.visa import Instrument, library
from sim_backend.virtual.world import Resistor

RESOURCE = "GPIB0::22::INSTR"
RESISTANCE = 10e3
MANUAL_6487 = "6487-901-01"
MANUAL_2400 = "2400S-900-01"
OVERFLOW = 9e36
LIMITS = Limits(
    voltage=LARGEST,
    read_voltage=LARGEST,
    current=2.5e-4,
    width_min=1e-6,
    width_max=1.0,
    pulses=1,
    stress=1.0,
)
COMPLIANCE_6487 = 1 << 14
OFF_6487 = ("SOUR:VOLT:SWE:ABOR", "SOUR:VOLT:STAT OFF", "SOUR:VOLT 0")
OFF_2400 = ("OUTP OFF", "SOUR:VOLT 0")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose_places(metafunc, "k6487", "k2400")


class BoundedResistor(Resistor):
    """A resistor that no test may put more than 1 V on."""

    def source(self, voltage: float, limit: float) -> None:
        assert abs(voltage) <= LARGEST
        super().source(voltage, limit)


@contextmanager
def meter(
    request: pytest.FixtureRequest,
    model: str,
    make: Callable[[Resistor, FastClock], Instrument],
    off: tuple[str, ...],
) -> Iterator[Meter]:
    """Open a meter at its *RST values, virtual or the owner's, with its output off."""
    where = place(request, None)
    if where.real:
        table = where.tables.get("keithley", {})
        if table.get("model") != model:
            pytest.skip(f"the bench file has no table [keithley] with model = {model!r}")
        given = request.config.getoption
        link = Link(table["resource"], deadline=5.0)
        opened = Meter(
            where, link, Monotonic(), given("--resistor"), bool(given("--measure-query"))
        )
    else:
        clock = FastClock()
        found = library({RESOURCE: make(BoundedResistor(RESISTANCE, clock), clock)}, clock)
        link = Link(RESOURCE, library=found)
        opened = Meter(where, link, clock, RESISTANCE, library=found)
    opened.link.open()
    try:
        opened.tell(*off, "*RST", "*CLS")
        yield opened
    finally:
        try:
            opened.tell(*off, "*RST", "*CLS")
        finally:
            opened.link.close()


@pytest.fixture
def k6487(request: pytest.FixtureRequest) -> Iterator[Meter]:
    with meter(request, "6487", Virtual6487, OFF_6487) as opened:
        yield opened


@pytest.fixture
def k2400(request: pytest.FixtureRequest) -> Iterator[Meter]:
    with meter(request, "2400", Virtual2400, OFF_2400) as opened:
        yield opened


def error(opened: Meter) -> int:
    """Take the oldest error out of the queue."""
    return int(opened.ask("SYST:ERR?").partition(",")[0])


# Keithley 6487.


@assumes("*IDN? names MODEL 6487", MANUAL_6487, "documented")
def test_the_6487_says_what_it_is(k6487: Meter) -> None:
    found = k6487.ask("*IDN?")
    k6487.place.note(found)
    assert "MODEL 6487" in found


@assumes("after *RST the source is off at 0 V", f"{MANUAL_6487}, table 14-5", "documented")
def test_the_6487_is_off_after_reset(k6487: Meter) -> None:
    assert k6487.number("SOUR:VOLT:STAT?") == 0
    assert k6487.number("SOUR:VOLT?") == 0


@assumes(
    "after *RST zero check is on, and then it reads about 0 A of anything", MANUAL_6487, "seen"
)
def test_the_6487_checks_its_zero_after_reset(k6487: Meter) -> None:
    resistance = k6487.resistance()
    assert k6487.number("SYST:ZCH?") == 1
    k6487.tell("FORM:ELEM READ", "SENS:CURR:RANG 2e-3", "SOUR:VOLT 0.5", "SOUR:VOLT:STAT ON")
    assert abs(k6487.number("READ?", 1.0)) < 0.01 * 0.5 / resistance


@assumes("by default a reading carries its unit: +1.04E-06A", MANUAL_6487, "seen")
def test_the_6487_appends_a_unit_by_default(k6487: Meter) -> None:
    reply = k6487.ask("READ?", 2.0)
    k6487.place.note(f"FORM:ELEM? {k6487.ask('FORM:ELEM?')!r}, READ? {reply!r}")
    assert reply.split(",")[0].endswith("A")


@assumes("the order of elements is fixed: READ, TIME, STAT, VSO", MANUAL_6487, "documented")
def test_the_6487_keeps_its_own_order_of_elements(k6487: Meter) -> None:
    k6487.tell("SYST:ZCH OFF", "SOUR:VOLT 0.5", "SOUR:VOLT:STAT ON", "FORM:ELEM VSO,STAT,TIME,READ")
    reply = k6487.numbers("READ?", 2.0)
    assert len(reply) == 4
    assert reply[3] == pytest.approx(0.5, abs=2e-4)


@assumes(
    "each allowed limit, 25 uA to 25 mA on 10 V, reads back as it was set",
    MANUAL_6487,
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
    f"{MANUAL_6487}; closest by ratio",
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


@assumes(
    "another range brings a limit of its own, so the limit is set after it", MANUAL_6487, "seen"
)
def test_a_range_of_the_6487_brings_its_own_limit(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10", "SOUR:VOLT:ILIM 25e-6", "SOUR:VOLT:RANG 50")
    found = k6487.number("SOUR:VOLT:ILIM?")
    k6487.place.note(f"25 uA on 10 V became {found} A on 50 V")
    assert found == pytest.approx(2.5e-3, rel=1e-3)


@assumes(
    "a level beyond the range is refused (-222), and nothing changes", MANUAL_6487, "documented"
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
    f"{MANUAL_6487}, p. 9-16 and 13-8",
    "documented",
)
def test_the_6487_tells_compliance_by_its_condition_only(k6487: Meter) -> None:
    limited(k6487)
    k6487.tell("FORM:ELEM STAT")
    status = int(k6487.number("READ?", 2.0))
    condition = int(k6487.number("STAT:MEAS:COND?"))
    k6487.place.note(f"in compliance: status {status}, condition {condition}")
    assert condition & COMPLIANCE_6487
    assert not status & ~0b10_1111_1111
    k6487.tell("SOUR:VOLT 0.01")
    k6487.number("READ?", 2.0)
    assert not int(k6487.number("STAT:MEAS:COND?")) & COMPLIANCE_6487


@assumes("an overflow reads beyond 9E36 (9.9E37 or 9.91E37)", "manual family; SweepMe", "seen")
def test_the_6487_reads_an_overflow_as_a_huge_number(k6487: Meter) -> None:
    k6487.resistance(below=1e6)
    k6487.tell("SYST:ZCH OFF", "FORM:ELEM READ", "SENS:CURR:RANG 2e-9")
    k6487.tell("SOUR:VOLT 0.1", "SOUR:VOLT:STAT ON")
    found = k6487.number("READ?", 2.0)
    k6487.place.note(f"overflow reads {found:g}")
    assert abs(found) > OVERFLOW


@assumes(
    "*ESE takes a number, gives it back, and may stand in one message with a question",
    "IEEE 488.2",
    "guessed",
)
def test_a_number_in_ese_marks_replies_of_the_6487(k6487: Meter) -> None:
    assert k6487.numbers("*ESE 37;*ESE?") == [37]
    marked = k6487.ask("SOUR:VOLT:STAT?;*ESE?").split(";")
    assert [float(part) for part in marked] == [0, 37]


@assumes("ARM:COUN outlives the readings: each READ? takes as many", MANUAL_6487, "seen")
def test_the_count_of_the_6487_persists(k6487: Meter) -> None:
    k6487.tell("SYST:ZCH OFF", "FORM:ELEM READ", "ARM:COUN 3")
    assert [len(k6487.numbers("READ?", 3.0)) for _ in range(2)] == [3, 3]


@assumes("SWE:INIT switches the source on at the sweep's start", MANUAL_6487, "documented")
def test_arming_a_sweep_switches_the_6487_on(k6487: Meter) -> None:
    arm_sweep(k6487)
    assert k6487.number("SOUR:VOLT:SWE:STAT?") == 1
    assert k6487.number("SOUR:VOLT:STAT?") == 1


@assumes(
    "with a sweep armed STAT OFF is refused (+840); SWE:ABOR is what ends it, off",
    MANUAL_6487,
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
    MANUAL_6487,
    "guessed",
)
def test_a_sweep_of_the_6487_keeps_the_limit(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10", "SOUR:VOLT:ILIM 25e-6")
    arm_sweep(k6487)
    assert k6487.number("SOUR:VOLT:RANG?") == pytest.approx(10)
    assert k6487.number("SOUR:VOLT:ILIM?") == pytest.approx(25e-6, rel=1e-3)


@assumes(
    "a sweep of n points runs from start to stop with one READ?, VSO telling each",
    MANUAL_6487,
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
    "its zero is corrected by ZCH ON, INIT, ZCOR:ACQ, ZCOR ON, ZCH OFF", MANUAL_6487, "documented"
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


@assumes("on 10 V the interlock is not asked for by default", MANUAL_6487, "documented")
def test_the_interlock_of_the_6487_does_not_fail_on_10_volts(k6487: Meter) -> None:
    k6487.tell("SOUR:VOLT:RANG 10")
    assert k6487.number("SOUR:VOLT:INT:FAIL?") == 0


def check_sweep(opened: Meter, driver: type[Keithley6487] | type[Keithley2400]) -> None:
    """Sweep the resistor both ways of a sweep, through our driver."""
    resistance = opened.resistance()
    levels = np.linspace(-0.5, 0.5, 11)
    with (
        opened.handed_over() as address,
        driver(address, LIMITS, timer=opened.timer, library=opened.library) as meter,
    ):
        stepped = meter.sweep(levels, 2.5e-4, 0.1)
        internal = meter.internal_sweep(-0.5, 0.5, 11, 2.5e-4, 0.1)
    for swept in (stepped, internal):
        assert swept.current == pytest.approx(levels / resistance, rel=0.01, abs=1e-8)
        assert not swept.flags.any()


# Keithley 2400.


@assumes("*IDN? names MODEL 2400", MANUAL_2400, "documented")
def test_the_2400_says_what_it_is(k2400: Meter) -> None:
    found = k2400.ask("*IDN?")
    k2400.place.note(found)
    assert "MODEL 2400" in found


@assumes("after *RST the output is off at 0 V, with a limit of 105 uA", MANUAL_2400, "documented")
def test_the_2400_is_off_after_reset(k2400: Meter) -> None:
    assert [k2400.number(q) for q in ("OUTP?", "SOUR:VOLT?")] == [0, 0]
    assert k2400.number("SENS:CURR:PROT?") == pytest.approx(1.05e-4)


@assumes(
    "by default a reading has VOLT, CURR, RES, TIME, STAT; RES unused is 9.91E37",
    MANUAL_2400,
    "documented",
)
def test_the_2400_reads_five_elements_by_default(k2400: Meter) -> None:
    k2400.tell("SENS:FUNC:CONC ON", "SENS:FUNC 'VOLT','CURR'", "OUTP ON")
    reply = k2400.numbers("READ?", 2.0)
    assert len(reply) == 5
    assert reply[2] == pytest.approx(9.91e37)


def source(opened: Meter, voltage: float, limit: float) -> None:
    """Drive a voltage with a limit."""
    opened.tell("SENS:FUNC:CONC ON", "SENS:FUNC 'VOLT','CURR'", f"SENS:CURR:PROT {limit:g}")
    opened.tell(f"SOUR:VOLT {voltage}", "OUTP ON")


@assumes("READ? leaves the limit as it is", MANUAL_2400, "documented")
def test_read_keeps_the_limit_of_the_2400(k2400: Meter) -> None:
    source(k2400, 0.1, 5e-5)
    for _ in range(2):
        k2400.numbers("READ?", 2.0)
        assert k2400.number("SENS:CURR:PROT?") == pytest.approx(5e-5, rel=1e-3)


@assumes(
    "MEAS? sets the limit back to 105 uA and switches the output on; not run on real instruments "
    "unless `--measure-query` is given",
    f"{MANUAL_2400}, 17-2; basil #121",
    "seen",
)
def test_a_measure_query_resets_the_limit_of_the_2400(k2400: Meter) -> None:
    if k2400.place.real and not k2400.measure_query:
        pytest.skip("MEAS? switches the output on: pytest --measure-query")
    k2400.tell("SENS:CURR:PROT 1e-5")
    k2400.ask("MEAS:CURR?", 2.0)
    limit, on = k2400.number("SENS:CURR:PROT?"), k2400.number("OUTP?")
    k2400.place.note(f"after MEAS:CURR? the limit is {limit:g} A, the output is {on:g}")
    assert limit == pytest.approx(1.05e-4)
    assert on == 1


@assumes(
    "PROT:TRIP? and bit 3 of a reading's status are compliance",
    f"{MANUAL_2400}, 18-47",
    "documented",
)
def test_the_2400_tells_compliance(k2400: Meter) -> None:
    k2400.resistance(below=50e3)
    source(k2400, 0.5, 5e-6)
    inside = int(k2400.numbers("READ?", 2.0)[4]), k2400.number("SENS:CURR:PROT:TRIP?")
    k2400.tell("SOUR:VOLT 0")
    outside = int(k2400.numbers("READ?", 2.0)[4]), k2400.number("SENS:CURR:PROT:TRIP?")
    k2400.place.note(f"status and TRIP? in compliance {inside}, outside {outside}")
    assert (inside[0] & 8, inside[1]) == (8, 1)
    assert (outside[0] & 8, outside[1]) == (0, 0)


@assumes("in compliance the current is the limit, within 1 %", MANUAL_2400, "documented")
def test_the_2400_holds_the_current_at_its_limit(k2400: Meter) -> None:
    k2400.resistance(below=50e3)
    source(k2400, 0.5, 5e-6)
    assert k2400.numbers("READ?", 2.0)[1] == pytest.approx(5e-6, rel=0.01)


@assumes(
    "a fixed measure range below the limit clamps at its own end, status bit 16",
    "a clone's manual",
    "seen",
)
def test_a_fixed_range_of_the_2400_clamps(k2400: Meter) -> None:
    k2400.resistance(below=50e3)
    k2400.tell("SENS:CURR:PROT 1e-4", "SENS:CURR:RANG 1e-6")
    k2400.tell("SENS:FUNC:CONC ON", "SENS:FUNC 'VOLT','CURR'", "SOUR:VOLT 0.5", "OUTP ON")
    reply = k2400.numbers("READ?", 2.0)
    k2400.place.note(f"current {reply[1]:g} A, status {int(reply[4])}")
    assert reply[1] == pytest.approx(1.05e-6, rel=0.05)
    assert int(reply[4]) & 1 << 16


@assumes(
    "a limit below 0.1 % of the measure range is refused (-222)",
    f"{MANUAL_2400}, 18-68",
    "documented",
)
def test_the_2400_refuses_too_small_a_limit(k2400: Meter) -> None:
    k2400.tell("SENS:CURR:PROT 1e-3", "SENS:CURR:RANG 1e-3", "SENS:CURR:PROT 1e-7")
    assert error(k2400) == -222
    assert k2400.number("SENS:CURR:PROT?") == pytest.approx(1e-3, rel=1e-3)


@assumes(
    "READ? with the output off is refused (+803), and no reply comes", MANUAL_2400, "documented"
)
def test_the_2400_reads_nothing_while_off(k2400: Meter) -> None:
    k2400.tell("READ?")
    assert error(k2400) == 803


@assumes(
    "the range of the sourced function cannot be set (+823)",
    f"{MANUAL_2400}, 18-62; instro",
    "seen",
)
def test_the_2400_refuses_a_range_of_what_it_sources(k2400: Meter) -> None:
    k2400.tell("SOUR:FUNC VOLT", "SENS:FUNC 'VOLT'", "SENS:VOLT:RANG 2")
    assert error(k2400) == 823


@assumes("a sweep of n points is one READ? with TRIG:COUN n", MANUAL_2400, "documented")
def test_a_sweep_of_the_2400_visits_its_points(k2400: Meter) -> None:
    k2400.tell("FORM:ELEM VOLT", "SOUR:VOLT:STAR 0", "SOUR:VOLT:STOP 0.5", "SOUR:VOLT:STEP 0.1")
    k2400.tell("SOUR:SWE:RANG FIX", "SOUR:DEL 0.01", "TRIG:COUN 6", "SOUR:VOLT:MODE SWE", "OUTP ON")
    assert k2400.numbers("READ?", 5.0) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=0.02)


@assumes("our driver sweeps a resistor, within 1 %", "all of the above", "guessed")
def test_our_driver_sweeps_a_resistor_with_the_2400(k2400: Meter) -> None:
    check_sweep(k2400, Keithley2400)


@assumes("changing the terminals switches the output off", MANUAL_2400, "documented")
def test_choosing_terminals_switches_the_2400_off(k2400: Meter) -> None:
    k2400.tell("OUTP ON", f"ROUT:TERM {k2400.ask('ROUT:TERM?')}")
    assert k2400.number("OUTP?") == 0


@assumes(
    "*ESE takes a number, gives it back, and may stand in one message with a question",
    "IEEE 488.2",
    "guessed",
)
def test_a_number_in_ese_marks_replies_of_the_2400(k2400: Meter) -> None:
    assert k2400.numbers("*ESE 37;*ESE?") == [37]
    marked = k2400.ask("OUTP?;*ESE?").split(";")
    assert [float(part) for part in marked] == [0, 37]


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
