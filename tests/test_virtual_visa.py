import os
from collections.abc import Iterator

import pytest
import pyvisa
from pymeasure.adapters import VISAAdapter
from pymeasure.instruments.keithley import Keithley2400 as PyMeasureKeithley2400
from pyvisa.constants import StatusCode
from pyvisa.resources import GPIBInstrument, MessageBasedResource

from crossbar.backend import BenchError
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.k2400 import Virtual2400
from sim_backend.virtual.k6487 import Virtual6487
from sim_backend.virtual.lines import Fault
from sim_backend.virtual.visa import Instrument, library, mounted
from sim_backend.virtual.world import Resistor

AMMETER, SOURCE_METER = "GPIB0::22::INSTR", "GPIB0::24::INSTR"


class Bench:
    def __init__(self) -> None:
        self.clock = FastClock()
        self.k6487 = Virtual6487(Resistor(1e5, self.clock), self.clock)
        self.k2400 = Virtual2400(Resistor(1e4, self.clock), self.clock)
        self.instruments: dict[str, Instrument] = {AMMETER: self.k6487, SOURCE_METER: self.k2400}
        self.library = library(self.instruments, self.clock)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def opened(manager: pyvisa.ResourceManager, name: str = AMMETER) -> MessageBasedResource:
    resource = manager.open_resource(name)
    assert isinstance(resource, MessageBasedResource)
    return resource


@pytest.fixture
def ammeter(bench: Bench) -> Iterator[MessageBasedResource]:
    resource = opened(pyvisa.ResourceManager(bench.library))
    yield resource
    resource.close()


def test_instruments_have_their_true_names(bench: Bench, ammeter: MessageBasedResource) -> None:
    assert pyvisa.ResourceManager(bench.library).list_resources() == (AMMETER, SOURCE_METER)
    assert isinstance(ammeter, GPIBInstrument)
    assert ammeter.resource_name == AMMETER
    assert "MODEL 6487" in ammeter.query("*IDN?")


def test_short_names_are_the_same_instruments(bench: Bench) -> None:
    resource = opened(pyvisa.ResourceManager(bench.library), "GPIB::22")
    assert "MODEL 6487" in resource.query("*IDN?")
    resource.close()


def test_a_name_that_nobody_has_is_not_found(bench: Bench) -> None:
    with pytest.raises(pyvisa.VisaIOError) as caught:
        pyvisa.ResourceManager(bench.library).open_resource("GPIB0::1::INSTR")
    assert caught.value.error_code == StatusCode.error_resource_not_found


def test_what_is_no_resource_name_is_refused() -> None:
    with pytest.raises(BenchError, match="is not the name"):
        library({"the meter": Bench().k6487})


def test_libraries_do_not_share_instruments(bench: Bench) -> None:
    other = pyvisa.ResourceManager(library({"GPIB0::1::INSTR": bench.k6487}))
    assert other.list_resources() == ("GPIB0::1::INSTR",)
    assert pyvisa.ResourceManager(bench.library).list_resources() == (AMMETER, SOURCE_METER)


def test_a_reply_that_does_not_come_is_a_timeout_in_bench_time(
    bench: Bench, ammeter: MessageBasedResource
) -> None:
    ammeter.timeout = 700
    before = bench.clock.now
    with pytest.raises(pyvisa.VisaIOError) as caught:
        ammeter.read()
    assert caught.value.error_code == StatusCode.error_timeout
    assert bench.clock.now - before == pytest.approx(0.7)


def test_an_exchange_takes_the_latency(bench: Bench, ammeter: MessageBasedResource) -> None:
    before = bench.clock.now
    ammeter.query("*IDN?")
    assert bench.clock.now - before == pytest.approx(bench.clock.latency)


def test_a_long_reply_comes_in_pieces(ammeter: MessageBasedResource) -> None:
    whole = ammeter.query("*IDN?")
    ammeter.write("*IDN?")
    ammeter.chunk_size = 7
    assert ammeter.read() == whole


def test_a_question_before_the_reply_was_fetched_is_interrupted(
    ammeter: MessageBasedResource,
) -> None:
    ammeter.write("*IDN?")
    assert ammeter.query("*OPC?") == "1\n"
    assert ammeter.query("SYST:ERR?").startswith("-410")


def test_a_serial_poll_sees_that_a_reply_waits(ammeter: MessageBasedResource) -> None:
    assert ammeter.read_stb() == 0
    ammeter.write("*IDN?")
    assert ammeter.read_stb() == 16


def test_a_device_clear_takes_the_reply_away(ammeter: MessageBasedResource) -> None:
    ammeter.write("*IDN?")
    ammeter.clear()
    assert ammeter.query("*OPC?") == "1\n"
    assert ammeter.query("SYST:ERR?").startswith("0,")


def test_closing_leaves_the_instrument_as_it_is(bench: Bench) -> None:
    resource = opened(pyvisa.ResourceManager(bench.library))
    resource.write("SOUR:VOLT:STAT ON")
    resource.close()
    assert bench.k6487.on


def test_pymeasures_own_2400_opens_and_measures(bench: Bench) -> None:
    meter = PyMeasureKeithley2400(VISAAdapter(SOURCE_METER, visa_library=bench.library))
    meter.source_voltage = 0.5
    meter.compliance_current = 1e-3
    meter.enable_source()
    found = meter.measure_all()
    assert (found["voltage"], found["current"]) == pytest.approx((0.5, 5e-5))
    assert meter.check_errors() == []
    meter.shutdown()
    assert not bench.k2400.on
    meter.adapter.close()


def test_pymeasures_own_2400_loses_the_limit_on_the_first_current(bench: Bench) -> None:
    # The reason for a driver of our own; see instruments.keithley2400.
    meter = PyMeasureKeithley2400(VISAAdapter(SOURCE_METER, visa_library=bench.library))
    meter.compliance_current = 1e-6
    assert meter.current == 0
    assert bench.k2400.on
    assert bench.k2400.limit == 1.05e-4
    meter.adapter.close()


@pytest.mark.parametrize("asked", ["", "@py", "@ivi", "@virtual"])
def test_while_a_bench_is_mounted_every_back_end_is_it(bench: Bench, asked: str) -> None:
    with mounted(bench.instruments, bench.clock):
        manager = pyvisa.ResourceManager(asked)
        assert manager.list_resources() == (AMMETER, SOURCE_METER)
        assert "6487" in opened(manager).query("*IDN?")
        meter = PyMeasureKeithley2400(SOURCE_METER)
        assert "2400" in meter.id


def test_after_a_bench_was_mounted_nothing_of_it_is_left(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYVISA_LIBRARY", "@py")
    before = dict(pyvisa.highlevel._WRAPPERS)
    with mounted(bench.instruments):
        assert os.environ["PYVISA_LIBRARY"] == "@virtual"
        pyvisa.ResourceManager()
    assert os.environ["PYVISA_LIBRARY"] == "@py"
    assert dict(pyvisa.highlevel._WRAPPERS) == before
    monkeypatch.delenv("PYVISA_LIBRARY")
    with mounted({AMMETER: bench.k6487}):
        # The second bench, and not the first once more.
        assert pyvisa.ResourceManager().list_resources() == (AMMETER,)
    assert "PYVISA_LIBRARY" not in os.environ


def spoilt(bench: Bench, fault: Fault, number: int = 0) -> pyvisa.ResourceManager:
    made = library(bench.instruments, bench.clock, {AMMETER: {number: fault}})
    return pyvisa.ResourceManager(made)


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.DROP_COMMAND, Fault.HANG, Fault.NO_END])
def test_a_reply_that_does_not_come_or_end_is_waited_for(bench: Bench, fault: Fault) -> None:
    resource = opened(spoilt(bench, fault))
    resource.timeout = 700
    before = bench.clock.now
    with pytest.raises(pyvisa.VisaIOError) as caught:
        resource.query("*IDN?")
    assert caught.value.error_code == StatusCode.error_timeout
    assert 0.7 <= bench.clock.now - before < 0.71


def test_a_fault_befalls_one_message_of_one_instrument(bench: Bench) -> None:
    manager = spoilt(bench, Fault.GARBAGE, 1)
    ammeter, source_meter = opened(manager), opened(manager, SOURCE_METER)
    assert "6487" in ammeter.query("*IDN?")
    assert "2400" in source_meter.query("*IDN?")
    ammeter.write("*IDN?")
    assert ammeter.read_raw() == b"\xff\xfe?#\n"
    assert "6487" in ammeter.query("*IDN?")


def test_what_was_unplugged_is_gone(bench: Bench) -> None:
    manager = spoilt(bench, Fault.UNPLUG)
    resource = opened(manager)
    for broken in (lambda: resource.write("*CLS"), resource.read, resource.clear):
        with pytest.raises(pyvisa.VisaIOError) as caught:
            broken()
        assert caught.value.error_code == StatusCode.error_connection_lost
    with pytest.raises(pyvisa.VisaIOError) as caught:
        opened(manager)
    assert caught.value.error_code == StatusCode.error_resource_not_found


def test_a_stuck_instrument_is_freed_by_a_device_clear(bench: Bench) -> None:
    resource = opened(spoilt(bench, Fault.BUSY))
    resource.write("*IDN?")
    with pytest.raises(pyvisa.VisaIOError):
        resource.query("*IDN?")
    resource.clear()
    assert "6487" in resource.query("*IDN?")


def test_a_library_knows_what_came_on_each_line(bench: Bench) -> None:
    resource = opened(pyvisa.ResourceManager(bench.library))
    resource.write("*CLS")
    resource.query("*IDN?")
    assert bench.library.line("GPIB::22").messages == ["*CLS", "*IDN?"]
