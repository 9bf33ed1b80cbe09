"""The driver through pydwf and the C functions to the virtual device: neither knows the other."""

import logging
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pydwf
import pytest
from numpy.typing import NDArray

from crossbar.backend import DeadlineError, InstrumentError, LimitError
from discovery_runs import MOSI, SCK, SELECT, everything, pulse, run_frame
from instruments.analog_discovery import (
    Acquisition,
    AnalogDiscovery,
    Pattern,
    SpiBus,
    Trigger,
    check_against,
    commanded,
)
from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.failure import Failure
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.signals import Signal, Stimulus
from sim_backend.virtual.world import Loopback, World


class Watched(Loopback):
    """W1 and W2 on the scope, and a memory of what the pins did."""

    def __init__(self) -> None:
        self.stimuli: list[Stimulus] = []

    def respond(self, stimulus: Stimulus) -> tuple[Signal, Signal]:
        self.stimuli.append(stimulus)
        return super().respond(stimulus)

    def pins(self, times: NDArray[Any]) -> Any:
        """Return the levels at bench times."""
        levels = np.zeros(len(times), dtype=int)
        for each in self.stimuli:
            here = (times >= each.start) & (times < each.end)
            levels[here] = each.pins.at(times[here])
        return levels


class Bench:
    """A virtual Analog Discovery 2 in a loop, and its driver."""

    def __init__(self) -> None:
        self.clock = FastClock(1e-3)
        self.wires = Watched()
        self.world = World(self.clock, self.wires)
        self.device = VirtualDiscovery(self.world)

    def driver(self, **settings: Any) -> AnalogDiscovery:
        return AnalogDiscovery(timer=self.clock, **settings)

    def driven(self) -> Stimulus:
        """What it drives from now on."""
        now = self.clock.now
        return self.device.stimulus(now, now + 1.0)

    def off(self) -> bool:
        """Whether every output is off from now on."""
        stimulus = self.driven()
        return (
            not any(np.any(waveform.value) for waveform in stimulus.waveforms)
            and not np.any(stimulus.pins.value)
            and stimulus.supplies == (0.0, 0.0)
        )


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    with mounted(bench.device):
        yield bench


def test_three_lines_measure_what_is_driven(bench: Bench) -> None:
    with bench.driver() as ad2:
        ad2.level(0, 0.1)
        assert ad2.measure(0) == pytest.approx(0.1, abs=1e-3)
        ad2.level(1, -1.5)
        assert ad2.measure(1) == pytest.approx(-1.5, abs=1e-3)
        assert ad2.measure(0) == pytest.approx(0.1, abs=1e-3)
        ad2.quiet(1)
        assert ad2.measure(1) == pytest.approx(0.0, abs=1e-3)
    assert bench.off()


def test_supplies_go_off_alone_and_on_again(bench: Bench) -> None:
    with bench.driver() as ad2:
        for voltages in ((5.0, -5.0), (3.3, -1.0)):
            ad2.level(0, 0.1)
            ad2.supplies(*voltages)
            assert bench.driven().supplies == voltages
            ad2.supplies_off()
            assert bench.driven().supplies == (0.0, 0.0)
            assert np.any(bench.driven().waveforms[0].value)
    assert bench.off()


def test_identity_is_that_of_the_virtual_device(bench: Bench) -> None:
    with bench.driver() as ad2:
        assert ad2.identity.name == "Analog Discovery 2"
        assert len(ad2.identity.serial) == 12
        assert "libdwf" in ad2.identity.library


@pytest.mark.parametrize(("config", "samples", "bits"), [(0, 4096, 1024), (3, 256, 16384)])
def test_capacity_is_that_of_the_configuration(
    bench: Bench, config: int, samples: int, bits: int
) -> None:
    with bench.driver(config=config) as ad2:
        assert ad2.capacity.waveform_samples == samples
        assert ad2.capacity.pattern_bits == bits
        with pytest.raises(LimitError, match=f"2 to {samples}"):
            ad2.waveform(0, np.zeros(samples + 1), 1e-6)


def test_frame_of_which_only_the_data_change_takes_seven_calls(bench: Bench) -> None:
    with bench.driver() as ad2:
        run_frame(ad2, MOSI[0])
        before = bench.clock.calls
        run_frame(ad2, MOSI[1])
        assert bench.clock.calls - before == 7


def test_pulse_at_another_cell_takes_ten_calls(bench: Bench) -> None:
    with bench.driver() as ad2:
        pulse(ad2, 3, 1.0, 0.5)
        before = bench.clock.calls
        pulse(ad2, 4, -1.2, -0.6)
        assert bench.clock.calls - before == 10


def test_waveform_is_played_once_and_leaves_0_v(bench: Bench) -> None:
    samples = np.array([0.0, 1.0, 1.0, -0.5])
    record = Acquisition(1e6, 80, trigger=Trigger.W1, start=-1e-5)
    with bench.driver() as ad2:
        ad2.waveform(0, samples, 1e-5)
        ad2.waveform(1, [0.5, 0.5], 1e-5)
        for _ in range(2):
            ad2.scope(record)
            ad2.arm()
            ad2.start_waveforms()
            w1, w2 = ad2.record(1e-4)
            check_against(commanded(samples, 1e-5, record.times, 1.5e-6), w1, 2e-3)
            check_against(commanded(np.full(2, 0.5), 1e-5, record.times, 1.5e-6), w2, 2e-3)
        assert bench.off()


def test_waveform_that_did_not_play_is_found(bench: Bench) -> None:
    samples = np.full(10, 1.0)
    record = Acquisition(1e6, 80)
    with bench.driver() as ad2:
        ad2.waveform(0, samples, 1e-5)
        ad2.scope(record)
        ad2.arm()
        w1, _ = ad2.record(record.duration)
        with pytest.raises(InstrumentError, match=r"1 V was commanded and .* V was seen"):
            check_against(commanded(samples, 1e-5, record.times, 1.5e-6), w1, 2e-3)


def test_patterns_step_the_pins_as_stated(bench: Bench) -> None:
    with bench.driver() as ad2:
        ad2.pins(0x8001, 0x8001)
        ad2.patterns({0: Pattern.of([1, 0, 1, 1], 1e-5, first=2.5e-5), 9: SCK, 8: SELECT})
        ad2.run_patterns(5.5e-5)
        start = bench.clock.now
        bench.clock.sleep(1e-3)
        bench.world.advance()
    offsets = np.array([1e-6, 2.4e-5, 2.6e-5, 3.4e-5, 3.6e-5, 5.4e-5, 6e-5])
    levels = bench.wires.pins(start + offsets)
    assert (levels & 1).tolist() == [1, 1, 0, 0, 1, 1, 0]
    # The chip select idles high, and nobody touched pin 15.
    assert levels[-1] == 0x8100


def test_clock_begins_low_and_rises_in_the_middle_of_each_bit(bench: Bench) -> None:
    with bench.driver() as ad2:
        ad2.patterns({9: SCK})
        ad2.run_patterns(8e-6)
        start = bench.clock.now
        bench.clock.sleep(1e-3)
        bench.world.advance()
    middle_of_halves = start + (np.arange(200) + 0.5) * 4e-8
    levels = bench.wires.pins(middle_of_halves) >> 9
    assert levels.tolist() == [0, 1] * 100


def test_static_pins_are_driven_until_safe(bench: Bench) -> None:
    with bench.driver() as ad2:
        ad2.pins(0x0F0, 0x050)
        now = bench.clock.now
        assert bench.device.stimulus(now, now + 1e-6).pins.value.tolist() == [0x050]
        ad2.safe()
        assert bench.off()


def test_patterns_follow_each_start_of_a_waveform(bench: Bench) -> None:
    with bench.driver() as ad2:
        ad2.waveform(0, [0.5, 0.5], 2e-5)
        ad2.patterns({3: Pattern.of([1], 1e-6)})
        ad2.patterns_after(Trigger.W1, 1e-5, 2e-5)
        for repeated in (False, True):
            before = bench.clock.calls
            ad2.patterns_after(Trigger.W1, 1e-5, 2e-5)
            ad2.start_waveforms()
            assert not repeated or bench.clock.calls - before == 1
            start = bench.clock.now
            bench.clock.sleep(1e-3)
            bench.world.advance()
            levels = bench.wires.pins(start + np.array([0.5e-5, 1.5e-5, 2.5e-5, 3.5e-5]))
            assert (levels >> 3 & 1).tolist() == [0, 1, 1, 0]


def test_serial_words_arrive_at_the_rising_clock_within_the_chip_select(bench: Bench) -> None:
    words = [0x3A5F01, 0x900000]
    with bench.driver() as ad2:
        start = bench.clock.now
        ad2.spi(SpiBus(clock=9, data=10, select=8), words)
        bench.clock.sleep(1e-3)
        bench.world.advance()
        times = np.concatenate(
            [s.pins.time for s in bench.wires.stimuli if s.end > start and len(s.pins.time)]
        )
        levels = np.concatenate(
            [s.pins.value for s in bench.wires.stimuli if s.end > start and len(s.pins.time)]
        )
    levels = levels[np.argsort(times, kind="stable")]
    received, word, count = [], 0, 0
    for earlier, later in pairwise(levels.tolist()):
        if not later & 1 << 8 and later & 1 << 9 and not earlier & 1 << 9:
            word, count = word << 1 | (later >> 10 & 1), count + 1
        if later & 1 << 8 and not earlier & 1 << 8 and count:
            received.append((word, count))
            word, count = 0, 0
    assert received == [(word, 24) for word in words]


def test_trigger_that_never_comes_ends_at_the_deadline(bench: Bench) -> None:
    with bench.driver(deadline=0.2) as ad2:
        ad2.supplies(5.0, -5.0)
        ad2.level(0, 1.0)
        ad2.scope(Acquisition(1e6, 100, trigger=Trigger.PATTERNS))
        ad2.arm()
        before = bench.clock.now
        with pytest.raises(DeadlineError, match="trigger PATTERNS"):
            ad2.record(1e-4)
        assert bench.off()
    assert 0.2 < bench.clock.now - before < 0.4


def test_what_is_found_on_is_turned_off_and_reported(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    left = pydwf.DwfLibrary().deviceControl.open(0, 0)
    left.paramSet(pydwf.DwfDeviceParameter.OnClose, 0)
    left.analogIO.channelNodeSet(0, 0, 1.0)
    left.analogIO.channelNodeSet(0, 1, 3.3)
    left.analogIO.enableSet(True)
    left.close()
    assert not bench.off()
    with caplog.at_level(logging.WARNING), bench.driver():
        assert bench.off()
    assert "supplies" in caplog.text


@pytest.mark.parametrize("kind", [Failure(1, "planted"), KeyboardInterrupt()])
def test_whichever_call_fails_or_is_interrupted_all_outputs_end_off(kind: BaseException) -> None:
    def run(at: int | None) -> int:
        bench = Bench()
        answer = bench.device.call
        count = 0

        def planted(*arguments: Any) -> None:
            nonlocal count
            count += 1
            if count == at:
                raise kind
            answer(*arguments)

        vars(bench.device)["call"] = planted
        with mounted(bench.device):
            try:
                with bench.driver() as ad2:
                    everything(ad2)
            finally:
                assert bench.off(), at
        return count

    total = run(None)
    expected = InstrumentError if isinstance(kind, Failure) else KeyboardInterrupt
    # Every second call here, every one in test_analog_discovery_safety; the last one closes.
    for at in range(1, total, 2):
        with pytest.raises(expected):
            run(at)
