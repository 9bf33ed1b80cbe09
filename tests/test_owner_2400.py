"""What we assume of a Keithley 2400; docs/owner-tests.md says how to try it."""

from collections.abc import Iterator

import pytest

from instruments.keithley2400 import POINT, Keithley2400
from instruments.keithley2400_limits import RESOLUTION
from instruments.keithley2400_settings import configuration, sweeping
from owner_bench import assumes, check_page, choose_places, say_what_is_not_tried
from owner_meter import Meter, check_read_back, check_sweep, error, meter
from sim_backend.virtual.k2400 import Virtual2400

MANUAL = "2400S-900-01"
OFF = ("OUTP OFF", "SOUR:VOLT 0")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    choose_places(metafunc, "k2400")


@pytest.fixture
def k2400(request: pytest.FixtureRequest) -> Iterator[Meter]:
    with meter(request, "2400", Virtual2400, OFF) as opened:
        yield opened


@assumes(
    "*IDN? names MODEL 2400",
    "every Keithley answers so",
    "remembered",
)
def test_the_2400_says_what_it_is(k2400: Meter) -> None:
    found = k2400.ask("*IDN?")
    k2400.place.note(found)
    assert "MODEL 2400" in found


@assumes(
    "after *RST the output is off at 0 V, with a limit of 105 uA",
    f"{MANUAL}; basil #121 for the limit",
    "seen",
)
def test_the_2400_is_off_after_reset(k2400: Meter) -> None:
    assert [k2400.number(q) for q in ("OUTP?", "SOUR:VOLT?")] == [0, 0]
    assert k2400.number("SENS:CURR:PROT?") == pytest.approx(1.05e-4)


@assumes(
    "by default a reading has VOLT, CURR, RES, TIME, STAT; RES unused is 9.91E37",
    MANUAL,
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


@assumes("READ? leaves the limit as it is", MANUAL, "documented")
def test_read_keeps_the_limit_of_the_2400(k2400: Meter) -> None:
    source(k2400, 0.1, 5e-5)
    for _ in range(2):
        k2400.numbers("READ?", 2.0)
        assert k2400.number("SENS:CURR:PROT?") == pytest.approx(5e-5, rel=1e-3)


@assumes(
    "MEAS? sets the limit back to 105 uA and switches the output on; not run on real instruments "
    "unless `--measure-query` is given",
    f"{MANUAL}, 17-2; basil #121",
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
    f"{MANUAL}, p. 18-72; the bit from a clone's manual",
    "seen",
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


@assumes(
    "in compliance the current is the limit, within 1 %",
    "specifications",
    "remembered",
)
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
    f"{MANUAL}, 18-68",
    "documented",
)
def test_the_2400_refuses_too_small_a_limit(k2400: Meter) -> None:
    k2400.tell("SENS:CURR:PROT 1e-3", "SENS:CURR:RANG 1e-3", "SENS:CURR:PROT 1e-7")
    assert error(k2400) == -222
    assert k2400.number("SENS:CURR:PROT?") == pytest.approx(1e-3, rel=1e-3)


@assumes(
    "READ? with the output off is refused (+803), and no reply comes",
    f"{MANUAL}, appendix B; that no reply comes: nobody",
    "guessed",
)
def test_the_2400_reads_nothing_while_off(k2400: Meter) -> None:
    k2400.tell("READ?")
    assert error(k2400) == 803


@assumes(
    "the range of the sourced function cannot be set (+823)",
    f"{MANUAL}, 18-62; instro",
    "seen",
)
def test_the_2400_refuses_a_range_of_what_it_sources(k2400: Meter) -> None:
    k2400.tell("SOUR:FUNC VOLT", "SENS:FUNC 'VOLT'", "SENS:VOLT:RANG 2")
    assert error(k2400) == 823


@assumes(
    "a sweep of n points is one READ? with TRIG:COUN n",
    f"{MANUAL}, p. 10-21",
    "documented",
)
def test_a_sweep_of_the_2400_visits_its_points(k2400: Meter) -> None:
    k2400.tell("FORM:ELEM VOLT", "SOUR:VOLT:STAR 0", "SOUR:VOLT:STOP 0.5", "SOUR:VOLT:STEP 0.1")
    k2400.tell("SOUR:SWE:RANG FIX", "SOUR:DEL 0.01", "TRIG:COUN 6", "SOUR:VOLT:MODE SWE", "OUTP ON")
    assert k2400.numbers("READ?", 5.0) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5], abs=0.02)


@assumes("our driver sweeps a resistor, within 1 %", "all of the above", "guessed")
def test_our_driver_sweeps_a_resistor_with_the_2400(k2400: Meter) -> None:
    check_sweep(k2400, Keithley2400)


@assumes(
    "changing the terminals switches the output off",
    f"{MANUAL}, p. 18",
    "documented",
)
def test_choosing_terminals_switches_the_2400_off(k2400: Meter) -> None:
    k2400.tell("OUTP ON", f"ROUT:TERM {k2400.ask('ROUT:TERM?')}")
    assert k2400.number("OUTP?") == 0


@assumes(
    "*ESE takes a number and gives it back in one message with a question, and before *IDN?; its "
    "front panel says SCPI and not 488.1",
    "IEEE 488.2",
    "guessed",
)
def test_a_number_in_ese_marks_replies_of_the_2400(k2400: Meter) -> None:
    assert k2400.number("OUTP?") == 0
    k2400.place.note(f"replies can be marked: {k2400.link.marked}")
    assert k2400.link.marked
    assert "MODEL 2400" in k2400.ask("*IDN?")


@assumes(
    "a reading and other questions may stand in one message, and are answered in one line",
    "IEEE 488.2",
    "guessed",
)
def test_a_point_of_the_2400_is_one_message(k2400: Meter) -> None:
    source(k2400, 0.1, 5e-5)
    reading, tripped, limit, level = k2400.link.ask_all(POINT, 2.0)
    assert len(reading.split(",")) == 5
    assert [float(tripped), float(limit), float(level)] == pytest.approx([0, 5e-5, 0.1], rel=1e-3)


@assumes(
    "a question that is refused has no part in the reply, and those after it are answered",
    "IEEE 488.2",
    "guessed",
)
def test_the_2400_answers_what_follows_a_refused_question(k2400: Meter) -> None:
    assert k2400.number("READ?;*OPC?") == 1
    assert error(k2400) == 803


@assumes(
    "all that our driver sets reads back as it was set; messages of 200 characters are taken",
    "manual for the questions; the forms of the replies: nobody",
    "guessed",
)
def test_every_setting_of_the_2400_reads_back(k2400: Meter) -> None:
    for nplc, autorange in ((1.0, True), (0.1, False)):
        chosen = configuration(
            2.0, 5e-5, nplc, autorange=autorange, interlock=False, off_state="NORM"
        )
        check_read_back(k2400, chosen)
    check_read_back(k2400, sweeping(-0.5, 0.5, 11, 0.05, 2.0))


@assumes(
    "a level reads back within a step of its range: 5 uV on 0.2 V, 50 uV on 2 V",
    "specifications",
    "remembered",
)
def test_the_2400_keeps_a_level_within_a_step(k2400: Meter) -> None:
    for span, level in ((0.2, 0.1234567), (2.0, 0.7654321)):
        k2400.tell(f"SOUR:VOLT:RANG {span}", f"SOUR:VOLT {level}")
        assert k2400.number("SOUR:VOLT?") == pytest.approx(level, abs=RESOLUTION[span])


def test_the_page_lists_these_assumptions() -> None:
    check_page(__name__)


def test_instruments_of_yours_are_tried_with_a_bench_file_only(
    request: pytest.FixtureRequest,
) -> None:
    say_what_is_not_tried(request)
