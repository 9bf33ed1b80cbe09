"""Pins of the virtual Analog Discovery 2: patterns, static levels, protocols, logic analyser."""

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydwf import (
    DwfAnalogOutFunction,
    DwfAnalogOutNode,
    DwfDigitalOutIdle,
    DwfDigitalOutOutput,
    DwfDigitalOutType,
    DwfLibraryError,
    DwfState,
    DwfTriggerSource,
)

from sim_backend.virtual.libdwf.pattern import CUSTOM, Pin, Run
from sim_backend.virtual.signals import Steps
from virtual_discovery import Witness, opened


def by_counting(pin: Pin, ticks: int) -> list[int]:
    """Return the level in every tick, as divider and counter make it."""
    levels = []
    left, index = pin.divider_init or pin.divider, 0
    level = pin.init_high
    count = pin.init_count or (pin.high if level else pin.low)
    for _ in range(ticks):
        levels.append(int(pin.bits[index % len(pin.bits)]) if pin.kind == CUSTOM else level)
        left -= 1
        if left:
            continue
        left = pin.divider
        index += 1
        count -= 1
        if not count:
            level = 1 - level
            count = pin.high if level else pin.low
    return levels


def pins() -> st.SearchStrategy[Pin]:
    small = st.integers(1, 5)
    return st.builds(
        Pin,
        enable=st.just(1),
        kind=st.integers(0, 1),
        divider_init=st.integers(0, 9),
        divider=small,
        init_high=st.integers(0, 1),
        init_count=st.integers(0, 7),
        low=small,
        high=small,
        bits=st.lists(st.integers(0, 1), min_size=1, max_size=9).map(
            lambda bits: np.array(bits, np.uint8)
        ),
    )


@given(pins(), pins(), st.integers(0, 60), st.integers(1, 80))
def test_pins_count_as_dividers_and_counters_do(
    first: Pin, second: Pin, start: int, length: int
) -> None:
    end = start + length
    times, values = Run().steps([(0, first), (5, second)], 0.0, start, end)
    ticks = np.linspace(start, end, length, endpoint=False) * 1e-8 + 5e-9
    seen = Steps(times, values).at(ticks).astype(int)
    assert (seen & 1).tolist() == by_counting(first, end)[start:]
    assert (seen >> 5 & 1).tolist() == by_counting(second, end)[start:]


def test_counts_of_nothing_hold_a_level() -> None:
    ticks = np.arange(20)
    assert Pin(low=0, high=3).levels(ticks).all()
    assert not Pin(low=2, high=0).levels(ticks).any()
    assert Pin(low=0, high=0, init_high=1).levels(ticks).all()


def shown(witness: Witness, times: NDArray[Any], pin: int) -> list[int]:
    """Return the level of a pin that the wiring was shown at these times; -1 where it was not."""
    levels = np.full(len(times), -1)
    for each in witness.seen:
        inside = (times >= each.start) & (times < each.end)
        levels[inside] = each.pins.at(times[inside]).astype(int) >> pin & 1
    return [int(level) for level in levels]


def memory(device: Any, pin: int, bits: str, divider: int) -> Any:
    out = device.digitalOut
    out.enableSet(pin, True)
    out.typeSet(pin, DwfDigitalOutType.Custom)
    out.idleSet(pin, DwfDigitalOutIdle.Low)
    out.dividerSet(pin, divider)
    out.dataSet(pin, bits)
    return out


def started(witness: Witness, device: Any) -> float:
    device.digitalOut.configure(True)
    return witness.seen[-1].end


def test_runs_repeat_after_waits_and_pins_rest_in_between() -> None:
    witness = Witness()
    with opened(witness) as device:
        out = memory(device, 4, "110", 100_000)
        out.idleSet(4, DwfDigitalOutIdle.High)
        out.runSet(3e-3)
        out.waitSet(2e-3)
        out.repeatSet(2)
        begin = started(witness, device)
        assert out.status() == DwfState.Done
        out.status()
    milliseconds = np.array([1, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5])
    expected = [1, 1, 1, 0, 1, 1, 1, 1, 0, 1]
    assert shown(witness, begin + milliseconds * 1e-3, 4) == expected


def test_a_pattern_longer_than_its_memory_begins_again() -> None:
    witness = Witness()
    with opened(witness, latency=1e-5) as device:
        memory(device, 15, "10010", 10)
        begin = started(witness, device)
        device.digitalOut.status()
    times = begin + (np.arange(40) + 0.5) * 1e-7
    assert shown(witness, times, 15) == [1, 0, 0, 1, 0] * 8


def test_new_bits_take_the_place_of_old_ones() -> None:
    witness = Witness()
    with opened(witness) as device:
        out = memory(device, 0, "1111", 10)
        memory(device, 1, "0011", 10)
        out.runSet(4e-7)
        out.repeatSet(1)
        for bits in ("1111", "0101"):
            out.dataSet(0, bits)
            begin = started(witness, device)
            out.status()
            times = begin + (np.arange(4) + 0.5) * 1e-7
            assert "".join(map(str, shown(witness, times, 0))) == bits
            assert shown(witness, times, 1) == [0, 0, 1, 1]


def test_a_waveform_triggers_patterns() -> None:
    witness = Witness()
    with opened(witness) as device:
        out = memory(device, 2, "10", 100)
        out.triggerSourceSet(DwfTriggerSource.AnalogOut1)
        out.configure(True)
        assert out.status() == DwfState.Armed
        device.analogOut.nodeEnableSet(0, DwfAnalogOutNode.Carrier, True)
        device.analogOut.nodeFunctionSet(0, DwfAnalogOutNode.Carrier, DwfAnalogOutFunction.DC)
        device.analogOut.configure(0, True)
        begin = witness.seen[-1].end
        assert out.status() == DwfState.Running
    assert shown(witness, begin + np.array([-1e-7, 5e-7, 15e-7]), 2) == [0, 1, 0]


def test_status_tells_what_is_left() -> None:
    with opened() as device:
        out = memory(device, 0, "10", 1)
        out.runSet(0.5)
        out.repeatSet(3)
        out.triggerSourceSet(DwfTriggerSource.PC)
        out.configure(True)
        out.status()
        assert out.repeatStatus() == 65535
        device.triggerPC()
        assert out.repeatStatus() == 2
        assert 0.49e8 < out.runStatus() < 0.5e8


def test_a_pin_that_is_not_enabled_is_low() -> None:
    witness = Witness()
    with opened(witness) as device:
        out = memory(device, 0, "1", 1)
        out.enableSet(0, False)
        started(witness, device)
        out.status()
    assert int(witness.seen[-1].pins.value[-1]) == 0


@pytest.mark.parametrize("kind", [DwfDigitalOutType.Random, DwfDigitalOutType.ROM])
def test_types_that_are_not_emulated_are_refused(kind: DwfDigitalOutType) -> None:
    with opened() as device, pytest.raises(DwfLibraryError, match="DigitalOutType"):
        device.digitalOut.typeSet(0, kind)


@pytest.mark.parametrize(
    ("configuration", "size"), list(enumerate([1024, 0, 0, 16384, 1024, 256, 16384, 256]))
)
def test_the_memory_depends_on_the_configuration(configuration: int, size: int) -> None:
    with opened(configuration=configuration) as device:
        assert device.digitalOut.dataInfo(0) == size
        with pytest.raises(DwfLibraryError):
            device.digitalOut.dataSet(0, "1" * (size + 1))


def test_a_static_level_takes_a_pin_out_of_a_running_pattern() -> None:
    witness = Witness()
    with opened(witness, latency=1e-6) as device:
        memory(device, 7, "10", 10)
        started(witness, device)
        device.digitalIO.outputEnableSet(1 << 7)
        device.digitalIO.configure()
        held = witness.seen[-1].end
        device.digitalIO.status()
        device.digitalIO.outputEnableSet(0)
        device.digitalIO.configure()
        freed = witness.seen[-1].end
        device.digitalIO.status()
        device.digitalIO.status()
    assert shown(witness, held + np.arange(1, 9) * 1e-7, 7) == [0] * 8
    assert shown(witness, freed + np.arange(1, 9) * 1e-7, 7).count(1) == 4


def spi(device: Any, mode: int) -> Any:
    bus = device.protocol.spi
    bus.frequencySet(1e6)
    bus.clockSet(1)
    bus.dataSet(0, 2)
    bus.dataSet(1, 2)
    bus.modeSet(mode)
    bus.orderSet(1)
    bus.select(0, 1)
    return bus


def received(witness: Witness, mode: int) -> list[int]:
    """Return the bits on DIO 2 at the sampling edges of DIO 1 while DIO 0 is low."""
    times = np.concatenate([each.pins.time for each in witness.seen])
    levels = np.concatenate([each.pins.value for each in witness.seen]).astype(int)
    assert (np.diff(times) > 0).all()
    clock, data, select = levels >> 1 & 1, levels >> 2 & 1, levels & 1
    rising = mode in (0, 3)
    edge = (np.diff(clock) == (1 if rising else -1)) & (select[1:] == 0)
    return [int(bit) for bit in data[1:][edge]]


@pytest.mark.parametrize("mode", range(4))
def test_words_are_clocked_out_high_bit_first(mode: int) -> None:
    witness = Witness()
    with opened(witness) as device:
        bus = spi(device, mode)
        bus.select(0, 0)
        looped = bus.writeRead(1, 8, [0xA5, 0x3C])
        bus.select(0, 1)
    bits = [int(bit) for bit in f"{0xA53C:016b}"]
    assert received(witness, mode) == bits
    assert list(looped) == [0xA5, 0x3C]


def test_a_word_of_24_bits_is_one_transfer() -> None:
    witness = Witness()
    with opened(witness) as device:
        bus = spi(device, 0)
        bus.select(0, 0)
        bus.writeOne(1, 24, 0x3A1234)
        bus.select(0, 1)
    assert received(witness, 0) == [int(bit) for bit in f"{0x3A1234:024b}"]


def test_the_logic_analyser_sees_patterns_from_their_start() -> None:
    with opened() as device:
        out = memory(device, 3, "1101", 100)
        out.triggerSourceSet(DwfTriggerSource.None_)
        logic = device.digitalIn
        logic.dividerSet(50)
        logic.sampleFormatSet(16)
        logic.bufferSizeSet(16)
        logic.triggerSourceSet(DwfTriggerSource.DigitalOut)
        logic.triggerPositionSet(16)
        logic.configure(False, True)
        assert logic.status(True) == DwfState.Armed
        out.configure(True)
        assert logic.status(True) == DwfState.Done
        seen = logic.statusData(16)
    assert (seen >> 3 & 1).tolist() == [1, 1, 1, 1, 0, 0, 1, 1] * 2


def test_an_open_output_is_left_to_nobody() -> None:
    witness = Witness()
    with opened(witness) as device:
        out = memory(device, 0, "1", 1)
        out.outputSet(0, DwfDigitalOutOutput.ThreeState)
        started(witness, device)
        out.status()
    assert not witness.seen[-1].pins.value.any()


def test_a_frame_costs_the_emulator_little() -> None:
    random = np.random.default_rng(0)
    with opened() as device:
        out, scope = device.digitalOut, device.analogIn
        for pin, divider, length in ((8, 4, 1024), (11, 4, 1024), (0, 2000, 10), (1, 2000, 10)):
            memory(device, pin, ("1" + "0" * 24) * (length // 25) + "1", divider)
        memory(device, 10, "0", 4)
        out.enableSet(9, True)
        out.dividerSet(9, 2)
        out.runSet(1024 * 40e-9 + 200e-6)
        out.repeatSet(1)
        scope.frequencySet(10e6)
        scope.bufferSizeSet(2000)
        scope.triggerSourceSet(DwfTriggerSource.DigitalOut)
        scope.triggerPositionSet(140e-6)

        def frame(octets: bytes) -> None:
            assert device.lib.FDwfDigitalOutDataSet(device.hdwf, 10, octets, 1024) == 1
            scope.configure(False, True)
            assert scope.status(True) == DwfState.Armed
            out.configure(True)
            assert scope.status(True) == DwfState.Done
            scope.statusData(0, 2000)
            scope.statusData(1, 2000)

        frames = [random.bytes(128) for _ in range(50)]
        costs = []
        for _ in range(4):
            begin = time.process_time()
            for octets in frames:
                frame(octets)
            costs.append((time.process_time() - begin) / len(frames))
    # 0.5 ms on an idle machine of two cores; a noisy one is given room.
    assert min(costs) < 3e-3
