"""What both source meters promise, each against its virtual instrument."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from threading import Thread

import numpy as np
import pytest

from crossbar.backend import ClosedError, CrossbarError, Flag, InstrumentError, LimitError
from instruments.keithley2400 import Keithley2400
from instruments.keithley6487 import Keithley6487
from instruments.replies import errors
from instruments.source_meter import SourceMeter, times_until
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.servers import TcpServer
from sim_backend.virtual.world import Resistor
from source_meters import (
    DRIVERS,
    LIMITS,
    RESISTANCE,
    RESOURCE,
    Desk,
    Watched,
    interrupt_after,
    interrupt_before,
    lose_reply,
    reset_after,
    reset_before,
    short_run,
)

MODELS = list(DRIVERS)
DISTURBANCES = {
    "reset before": partial(Watched, disturb=reset_before),
    "reset after": partial(Watched, disturb=reset_after),
    "ctrl-c before": partial(Watched, disturb=interrupt_before),
    "ctrl-c after": partial(Watched, disturb=interrupt_after),
}


@pytest.fixture(params=MODELS)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    made = Desk(request.param)
    with made.meter:
        yield made


def left_on(model: str, disturb: Callable[..., Watched]) -> list[int]:
    """Return at which message a disturbance of a short run leaves the output on."""
    calm = Desk(model)
    short_run(calm.meter)
    found = []
    for number in range(len(calm.wire.messages)):
        disturbed = Desk(model, watch=partial(disturb, at=number))
        with suppress(CrossbarError, KeyboardInterrupt):
            short_run(disturbed.meter)
        if disturbed.virtual.on:
            found.append(number)
    return found


def test_both_drivers_are_source_meters() -> None:
    meters: list[SourceMeter] = [Keithley6487(RESOURCE, LIMITS), Keithley2400(RESOURCE, LIMITS)]
    assert not any(meter.found_on for meter in meters)


@pytest.mark.parametrize("model", MODELS)
def test_a_constructor_does_not_talk(model: str) -> None:
    assert Desk(model).wire.messages == []


@pytest.mark.parametrize("disturbance", DISTURBANCES)
@pytest.mark.parametrize("model", MODELS)
def test_the_output_is_off_whatever_happens_at_whichever_message(
    model: str, disturbance: str
) -> None:
    assert left_on(model, DISTURBANCES[disturbance]) == []


def test_a_lost_reply_to_the_first_question_of_safe_leaves_the_output_off(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        desk.meter.source(1.0)
        assert desk.virtual.on
        desk.wire._disturb, desk.wire._at, desk.wire._lasting = lose_reply, 0, True
        with pytest.raises(InstrumentError, match="take it as live"):
            desk.meter.safe()
        assert not desk.virtual.on
        desk.wire._disturb = None


@pytest.mark.parametrize("model", MODELS)
def test_no_message_of_a_run_has_meas_or_conf(model: str) -> None:
    desk = Desk(model)
    short_run(desk.meter)
    assert len(desk.wire.messages) > 50
    assert not [line for line in desk.wire.messages if "MEAS?" in line or "CONF" in line]
    # The status register is called MEASurement, and is no MEASure.
    assert all("STAT:MEAS:" in line for line in desk.wire.messages if "MEAS" in line.upper())


@pytest.mark.parametrize("model", MODELS)
def test_an_ordinary_run_leaves_no_error_behind(model: str) -> None:
    desk = Desk(model)
    short_run(desk.meter)
    assert desk.virtual.handle("SYST:ERR?").startswith("0,")


def test_an_output_that_is_found_on_is_switched_off_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for model in MODELS:
        desk = Desk(model)
        desk.virtual.handle("SOUR:VOLT 1")
        desk.virtual.handle("SOUR:VOLT:STAT ON" if model == "6487" else "OUTP ON")
        assert desk.virtual.on
        with desk.meter:
            assert desk.meter.found_on
            assert not desk.virtual.on
        assert "was found on" in caplog.text
        assert not [line for line in desk.wire.messages if "*RST" in line]
        caplog.clear()


@pytest.mark.parametrize("model", MODELS)
def test_opening_writes_nothing_but_questions(model: str) -> None:
    desk = Desk(model)
    desk.meter.open()
    told = [line for line in desk.wire.messages if "?" not in line and not line.startswith("*ESE")]
    desk.meter.close()
    assert told == []


@pytest.mark.parametrize("model", MODELS)
def test_the_wrong_instrument_is_not_opened(model: str) -> None:
    other = {"6487": "2400", "2400": "6487"}[model]
    desk = Desk(model, driver=DRIVERS[other][0])
    with pytest.raises(InstrumentError, match=f"and not a {other}"):
        desk.meter.open()


def test_the_limit_in_force_is_never_above_the_one_asked(desk: Desk) -> None:
    for asked in (25e-6, 80e-6, 250e-6, 1e-3, 3e-3):
        desk.meter.configure(5.0, asked)
        with desk.meter.energised():
            assert desk.virtual.limit <= asked * (1 + 1e-9)


def test_nothing_is_sent_for_a_request_outside_the_limits(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        before = len(desk.wire.messages)
        nan, points = float("nan"), np.array([0.0, 1.0])
        requests: list[Callable[[], object]] = [
            lambda: desk.meter.source(20.5),
            lambda: desk.meter.source(nan),
            lambda: desk.meter.source(11.0),
            lambda: desk.meter.configure(21.0, 1e-3),
            lambda: desk.meter.configure(nan, 1e-3),
            lambda: desk.meter.configure(1.0, 4e-3),
            lambda: desk.meter.configure(1.0, nan),
            lambda: desk.meter.configure(1.0, 0.0),
            lambda: desk.meter.configure(1.0, 1e-3, nplc=nan),
            lambda: desk.meter.sweep(np.array([0.0, 21.0]), 1e-3, 0.01),
            lambda: desk.meter.sweep(np.array([0.0, nan]), 1e-3, 0.01),
            lambda: desk.meter.sweep(np.array([]), 1e-3, 0.01),
            lambda: desk.meter.sweep(points, 4e-3, 0.01),
            lambda: desk.meter.sweep(points, 1e-3, 0.2),
            lambda: desk.meter.sweep(points, 1e-3, nan),
            lambda: desk.meter.internal_sweep(0.0, 21.0, 5, 1e-3, 0.01),
            lambda: desk.meter.internal_sweep(0.0, 1.0, 1, 1e-3, 0.01),
            lambda: desk.meter.internal_sweep(0.0, 1.0, 4000, 1e-3, 0.01),
            lambda: desk.meter.internal_sweep(1.0, 1.0, 5, 1e-3, 0.01),
            # And past the driver's own methods.
            lambda: desk.meter.write("SOUR:VOLT 21"),
            lambda: desk.meter.write(":SOURce:VOLTage:LEVel:IMMediate:AMPLitude nan"),
            lambda: desk.meter.adapter.write("SOUR:VOLT MAX"),
            lambda: desk.meter.ask("SOUR:VOLT -21;*OPC?"),
            lambda: desk.meter.write("MEAS:CURR?"),
            lambda: desk.meter.write("*CLS;:CONFigure:CURRent"),
            lambda: desk.meter.write("SOUR:VOLT:RANG 2"),
            lambda: desk.meter.write("*RCL 0"),
        ]
        for refused in requests:
            with pytest.raises(LimitError):
                refused()
        assert len(desk.wire.messages) == before


def test_the_output_goes_on_by_energised_only(desk: Desk) -> None:
    on = "SOUR:VOLT:STAT" if desk.model == "6487" else "OUTP"
    for message in (f"{on} ON", f"{on} 1", f":{on} on", f"SOUR:VOLT 1;:{on} ON"):
        with pytest.raises(LimitError, match="energised"):
            desk.meter.write(message)
    assert not desk.virtual.on


def test_sourcing_and_measuring_outside_energised_are_errors(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    for early in (lambda: desk.meter.source(0.5), desk.meter.measure):
        with pytest.raises(InstrumentError, match="use `with"):
            early()


def test_energising_takes_a_configuration_of_its_own_each_time(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        pass
    with pytest.raises(InstrumentError, match="not configured"), desk.meter.energised():
        pass


def test_a_limit_that_somebody_changed_at_the_front_is_found_before_the_output_goes_on(
    desk: Desk,
) -> None:
    desk.meter.configure(1.0, 1e-4)
    limit = "SOUR:VOLT:ILIM" if desk.model == "6487" else "SENS:CURR:PROT"
    desk.virtual.handle(f"{limit} 2.5e-3")
    with pytest.raises(InstrumentError, match="was set to"), desk.meter.energised():
        pass
    assert not [line for line in desk.wire.messages if line in ("OUTP ON", "SOUR:VOLT:STAT ON")]


def test_a_reset_at_the_front_stops_the_run_and_leaves_it_off(desk: Desk) -> None:
    def run() -> None:
        with desk.meter.energised():
            desk.meter.source(1.0)
            desk.virtual.handle("*RST")
            desk.meter.measure()

    desk.meter.configure(1.0, 1e-3)
    with pytest.raises(InstrumentError):
        run()
    assert not desk.virtual.on


def test_a_reset_through_the_driver_takes_the_configuration_along(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    desk.meter.write("*CLS;*RST")
    with pytest.raises(InstrumentError, match="not configured"), desk.meter.energised():
        pass
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        desk.meter.write("*rst")
        before = len(desk.wire.messages)
        for late in (lambda: desk.meter.source(1.0), desk.meter.measure):
            with pytest.raises(InstrumentError, match="not configured"):
                late()
        assert len(desk.wire.messages) == before
    assert not desk.virtual.on


def test_a_measurement_is_ohms_law(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        desk.meter.source(0.7)
        voltage, current, flags = desk.meter.measure()
    assert voltage == pytest.approx(0.7)
    assert current == pytest.approx(0.7 / RESISTANCE)
    assert flags == Flag(0)


@pytest.mark.parametrize("internal", [False, True])
def test_a_sweep_is_ohms_law_and_flags_compliance(desk: Desk, *, internal: bool) -> None:
    levels = np.linspace(-4.0, 4.0, 9)
    compliance = 250e-6
    if internal:
        sweep = desk.meter.internal_sweep(-4.0, 4.0, 9, compliance, 0.05)
    else:
        sweep = desk.meter.sweep(levels, compliance, 0.05)
    assert not desk.virtual.on
    free = np.abs(levels) / RESISTANCE < compliance
    np.testing.assert_allclose(sweep.voltage[free], levels[free])
    np.testing.assert_allclose(sweep.current[free], levels[free] / RESISTANCE)
    np.testing.assert_allclose(np.abs(sweep.current[~free]), compliance)
    np.testing.assert_array_equal(sweep.flags, np.where(free, 0, Flag.COMPLIANCE))
    assert np.all(np.diff(sweep.time) >= 0.05 * (1 - 1e-9))


def test_a_point_of_a_sweep_lasts_its_dwell(desk: Desk) -> None:
    desk.clock.latency = 1e-5
    sweep = desk.meter.sweep(np.linspace(0.0, 1.0, 5), 1e-3, 0.02)
    np.testing.assert_allclose(np.diff(sweep.time), 0.02, rtol=1e-6)


def test_after_an_internal_sweep_a_reading_is_one_reading(desk: Desk) -> None:
    desk.meter.internal_sweep(0.0, 1.0, 7, 1e-3, 0.01)
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        desk.meter.measure()
    assert desk.virtual.handle("ARM:COUN?") == "+1.000000E+00"
    assert desk.virtual.handle("TRIG:COUN?") == "+1.000000E+00"


def test_times_of_an_instrument_end_now() -> None:
    found = times_until(10.0, np.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(found, [7.0, 8.0, 10.0])


@pytest.mark.parametrize("stamps", [[1.0, 0.5], [0.0, np.nan], [0.0, 9.91e37]])
def test_times_that_run_back_are_none(stamps: list[float]) -> None:
    with pytest.raises(InstrumentError, match="no times"):
        times_until(10.0, np.array(stamps))


def test_zero_volts_are_made_sure_of_before_anything_is_switched(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        desk.meter.source(1.0)
        desk.meter.rest()
        assert desk.virtual.voltage == 0.0
        desk.meter.source(1.0)
        desk.wire._at, desk.wire._disturb = len(desk.wire.messages), lambda rest: None
        with pytest.raises(InstrumentError, match="was set to 0"):
            desk.meter.rest()


def test_a_sweep_s_delay_does_not_outlive_it(desk: Desk) -> None:
    desk.meter.internal_sweep(0.0, 1.0, 3, 1e-3, 0.1)
    desk.meter.configure(1.0, 1e-3, nplc=0.1)
    with desk.meter.energised():
        begin = desk.clock.now
        desk.meter.measure()
        assert desk.clock.now - begin < 0.05


def test_an_error_in_the_queue_stops_a_sweep(desk: Desk) -> None:
    original = desk.virtual.handle
    desk.virtual.handle = lambda line: original("FOO" if line == "SOUR:VOLT 0.25" else line)
    with pytest.raises(InstrumentError):
        desk.meter.sweep(np.array([0.5, 0.25]), 1e-3, 0.01)
    assert not desk.virtual.on


def test_a_reply_of_another_shape_is_an_error(desk: Desk) -> None:
    desk.meter.configure(1.0, 1e-3)
    with desk.meter.energised():
        for wrong in ("+1.0E-06A,+0.1E+00,+0.0E+00,+0.0E+00,+0.0E+00", "+1.0E-06", "?#", ","):
            desk.virtual._measure = lambda wrong=wrong: [wrong]
            with pytest.raises(InstrumentError):
                desk.meter.measure()


@pytest.mark.parametrize("model", MODELS)
def test_an_open_interlock_is_an_error_and_not_a_reading_of_nothing(model: str) -> None:
    desk = Desk(model, driver=partial(DRIVERS[model][0], interlock=True))

    def run(*, opened: bool) -> None:
        desk.meter.configure(1.0, 1e-3)
        with desk.meter.energised():
            desk.meter.source(1.0)
            setattr(desk.virtual, line, not opened)
            desk.meter.measure()

    line = "interlock_closed" if model == "6487" else "enable_closed"
    with desk.meter:
        run(opened=False)
        with pytest.raises(InstrumentError):
            run(opened=True)
        before = len(desk.wire.messages)
        with pytest.raises(InstrumentError):
            run(opened=True)
        # Not even the level was sent.
        assert "SOUR:VOLT 1" not in desk.wire.messages[before:]


def test_errors_of_an_instrument_are_all_told(desk: Desk) -> None:
    for _ in range(3):
        desk.virtual.handle("NONSENSE")
    assert len(errors(desk.meter.link)) == 3
    assert errors(desk.meter.link) == []


def test_an_error_queue_that_never_ends_does_not_hang(desk: Desk) -> None:
    desk.virtual._status.next_error = lambda: '-1,"x"'
    assert len(errors(desk.meter.link)) == 32


def test_closing_twice_is_closing(desk: Desk) -> None:
    desk.meter.close()
    before = len(desk.wire.messages)
    desk.meter.close()
    assert len(desk.wire.messages) == before


def test_another_instrument_behind_a_link_opened_anew_is_no_confirmation(desk: Desk) -> None:
    other = DRIVERS[desk.model][1](desk.virtual._terminals, desk.clock, serial="999")
    desk.meter.configure(1.0, 1e-3)
    desk.wire._at, desk.wire._disturb = len(desk.wire.messages), reset_before
    desk.wire._instrument = other
    with pytest.raises(InstrumentError, match="is there now"):
        desk.meter.safe()
    assert RESOURCE in desk.meter.link.name
    assert LIMITS.voltage == 20.0


def test_a_source_that_is_not_open_cannot_be_said_to_be_off() -> None:
    for model in MODELS:
        with pytest.raises(ClosedError):
            Desk(model).meter.safe()


@pytest.mark.parametrize("model", MODELS)
def test_a_link_that_comes_back_later_is_used_to_switch_off(model: str) -> None:
    driver, virtual = DRIVERS[model]
    clock = FastClock()
    source = virtual(Resistor(RESISTANCE, clock), clock)
    with TcpServer(source) as server:
        port = server._port
        meter = driver(server.resource, LIMITS, timer=clock, library="@py")
        meter.open()
        meter.configure(1.0, 1e-3)
        energised = meter.energised()
        energised.__enter__()
        meter.source(1.0)
        meter.measure()
    assert source.on
    with pytest.raises(InstrumentError, match="take it as live"):
        energised.__exit__(None, None, None)
    with TcpServer(source, port=port):
        meter.close()
    assert not source.on


@pytest.mark.parametrize("model", MODELS)
def test_two_threads_on_one_source_meter_get_right_readings(model: str) -> None:
    driver, virtual = DRIVERS[model]
    clock = FastClock()
    source = virtual(Resistor(RESISTANCE, clock), clock)
    wrong: list[float] = []

    def read() -> None:
        for _ in range(40):
            voltage, current, _ = meter.measure()
            if (voltage, current) != pytest.approx((0.5, 0.5 / RESISTANCE)):
                wrong.append(current)

    with TcpServer(source) as server, driver(server.resource, LIMITS, library="@py") as meter:
        meter.configure(1.0, 1e-3)
        with meter.energised():
            meter.source(0.5)
            threads = [Thread(target=read) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert wrong == []
