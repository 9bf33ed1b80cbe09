"""What a program passes to a C function, and what it finds there afterwards, across a wire."""

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydwf.core.auxiliary.dwf_function_signatures import dwf_function_signatures
from pydwf.core.auxiliary.typespec_ctypes import typespec_ctypes

from sim_backend.virtual.clock import FastClock
from sim_backend.virtual.libdwf.discovery import VirtualDiscovery
from sim_backend.virtual.libdwf.failure import Failure
from sim_backend.virtual.marshalling import (
    ARRAYS,
    LARGEST,
    failed,
    function_number,
    layout_of,
    layouts,
)
from sim_backend.virtual.world import Loopback, World


def crossed(name: str, *arguments: Any) -> tuple[Any, ...]:
    """Return what arrives at the other side."""
    layout = layout_of(name)
    request = layout.request(arguments)
    assert function_number(request) == layout.number
    return layout.arguments(request).arguments


def answered(name: str, arguments: tuple[Any, ...], change: Any) -> None:
    """Let the other side do `change` to its arguments, and bring back what it did."""
    layout = layout_of(name)
    call = layout.arguments(layout.request(arguments))
    change(*call.arguments)
    layout.take(call.done(), arguments)


def test_numbers_arrive_as_they_were_given() -> None:
    given = (1, 2, -3, 4.5e-9)
    name = "FDwfAnalogOutNodeOffsetSet"
    assert crossed(name, *given) == given


@given(st.integers(0, 2**32 - 1))
def test_a_number_that_fills_its_type_arrives_whole(value: int) -> None:
    assert crossed("FDwfDigitalOutDividerSet", 1, 0, value)[2] == value


def test_long_numbers_have_eight_bytes_on_the_wire() -> None:
    pins = 2**63 + 5
    name = "FDwfDigitalIOOutputSet64"
    assert crossed(name, 1, pins)[1] == pins


def test_a_text_arrives_and_so_does_none() -> None:
    handle = ctypes.pointer(ctypes.c_int(0))
    assert crossed("FDwfDeviceOpenEx", b"SN:210321", handle)[0] == b"SN:210321"
    assert crossed("FDwfDeviceOpenEx", None, handle)[0] is None


def test_a_number_pointed_to_goes_there_and_back() -> None:
    pointed = ctypes.c_int(7)
    seen: list[int] = []

    def change(_device: int, pointer: Any) -> None:
        seen.append(pointer[0])
        pointer[0] = 42

    answered("FDwfAnalogInStatusSamplesLeft", (1, ctypes.pointer(pointed)), change)
    assert seen == [7]
    assert pointed.value == 42


def test_a_null_pointer_stays_one() -> None:
    null = ctypes.POINTER(ctypes.c_int)()
    seen: list[Any] = []
    answered("FDwfAnalogInStatusSamplesLeft", (1, null), lambda _d, pointer: seen.append(pointer))
    assert not seen[0]


def test_an_array_of_voltages_arrives() -> None:
    sent = np.linspace(-1, 1, 5)
    pointer = sent.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    arrived = crossed("FDwfAnalogOutNodeDataSet", 1, 0, 0, pointer, 5)[3]
    assert arrived[:5] == sent.tolist()


def test_an_array_of_samples_comes_back_and_nothing_beyond_it() -> None:
    room = np.full(6, 9.0)
    pointer = room.ctypes.data_as(ctypes.POINTER(ctypes.c_double))

    def change(_device: int, _channel: int, samples: Any, count: int) -> None:
        for k in range(count):
            samples[k] = k

    answered("FDwfAnalogInStatusData", (1, 0, pointer, 4), change)
    assert room.tolist() == [0, 1, 2, 3, 9, 9]


def test_bits_of_a_pattern_arrive_as_whole_bytes() -> None:
    bits = ctypes.create_string_buffer(b"\x5a\x03", 3)
    address = ctypes.addressof(bits)
    call = layout_of("FDwfDigitalOutDataSet")
    arrived = call.arguments(call.request((1, 0, address, 10)))
    assert ctypes.string_at(arrived.arguments[2], 2) == b"\x5a\x03"


def test_a_name_comes_back_in_a_buffer_of_its_size() -> None:
    name, label = ctypes.create_string_buffer(32), ctypes.create_string_buffer(16)

    def change(_device: int, _channel: int, first: int, second: int) -> None:
        ctypes.memmove(first, b"Positive Supply\0", 16)
        ctypes.memmove(second, b"V+\0", 3)

    given = (1, 0, ctypes.addressof(name), ctypes.addressof(label))
    answered("FDwfAnalogIOChannelName", given, change)
    assert (name.value, label.value) == (b"Positive Supply", b"V+")


def test_what_fails_there_fails_here_with_code_and_message() -> None:
    with pytest.raises(Failure, match="±5 V") as found:
        layout_of("FDwfEnum").take(failed(Failure(0x12, "outside ±5 V")), (0, None))
    assert found.value.code == 0x12


def test_no_more_memory_is_taken_than_a_device_could_fill() -> None:
    null = ctypes.pointer(ctypes.c_double())
    with pytest.raises(Failure, match="too many"):
        layout_of("FDwfAnalogInStatusData").request((1, 0, null, LARGEST))


@given(st.binary(max_size=64))
def test_bytes_that_are_no_request_are_refused(noise: bytes) -> None:
    try:
        call = layouts()[function_number(noise)].arguments(noise)
    except Failure:
        return
    assert len(call.arguments) == len(call.layout.parameters)


def test_everything_that_is_emulated_is_forwarded() -> None:
    emulated = VirtualDiscovery(World(FastClock(), Loopback()))._functions
    assert [each.name for each in layouts() if each.name in emulated and not each.forwarded] == []


def test_every_array_is_described_or_its_function_is_not_forwarded() -> None:
    for name, _, parameters, _ in dwf_function_signatures(typespec_ctypes):
        arrays = [each for each, _ in parameters if each.startswith(("rg", "szT", "szR"))]
        if layout_of(name).forwarded and name != "FDwfAnalogInChannelRangeSteps":
            assert arrays == list(ARRAYS.get(name, {}))
