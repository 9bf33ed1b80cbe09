"""Calls of libdwf's C functions as bytes, from the prototypes alone.

What a prototype cannot tell, how long an array is and which way it goes, stands in `ARRAYS`. A
function with an array that is not there is not forwarded.

A request is: number of the function; the values passed by value; then, in the order of the
prototype, what every pointer points to. A reply is: 1 and what every pointer points to now; or 0,
a code and a message. Numbers are little-endian.
"""

import ctypes
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydwf.core.auxiliary.dwf_function_signatures import dwf_function_signatures
from pydwf.core.auxiliary.typespec_ctypes import typespec_ctypes

from sim_backend.virtual.libdwf.failure import UNKNOWN, Failure, invalid, unsupported

ARRAYS: dict[str, dict[str, str]] = {
    "FDwfAnalogInStatusData": {"rgdVoltData": "out cdData"},
    "FDwfAnalogInStatusData2": {"rgdVoltData": "out cdData"},
    "FDwfAnalogInStatusData16": {"rgu16Data": "out cdData"},
    "FDwfAnalogInStatusNoise": {"rgdMin": "out cdData", "rgdMax": "out cdData"},
    "FDwfAnalogInStatusNoise2": {"rgdMin": "out cdData", "rgdMax": "out cdData"},
    "FDwfAnalogOutDataSet": {"rgdData": "in cdData"},
    "FDwfAnalogOutNodeDataSet": {"rgdData": "in cdData"},
    "FDwfAnalogOutPlayData": {"rgdData": "in cdData"},
    "FDwfAnalogOutNodePlayData": {"rgdData": "in cdData"},
    "FDwfDigitalInStatusData": {"rgData": "out countOfDataBytes"},
    "FDwfDigitalInStatusData2": {"rgData": "out countOfDataBytes"},
    "FDwfDigitalOutDataSet": {"rgBits": "in countOfBits bits"},
    **{
        f"FDwfDigitalSpi{command}{what}{bits}": {
            **({"rgTX": "in cTX"} if "Write" in what else {}),
            **({"rgRX": "out cRX"} if "Read" in what else {}),
        }
        for command in ("", "Cmd")
        for what in ("WriteRead", "Read", "Write")
        for bits in ("", "16", "32")
    },
    "FDwfDigitalI2cWriteRead": {"rgbTx": "in cTx", "rgRx": "out cRx"},
    "FDwfDigitalI2cRead": {"rgbRx": "out cRx"},
    "FDwfDigitalI2cWrite": {"rgbTx": "in cTx"},
    "FDwfDigitalUartTx": {"szTx": "in cTx"},
    "FDwfDigitalUartRx": {"szRx": "out cRx"},
    "FDwfDigitalCanTx": {"rgTX": "in cDLC"},
    "FDwfDigitalCanRx": {"rgRX": "out cRX"},
    "FDwfSpectrumWindow": {"rgdWin": "out cdWin"},
    "FDwfSpectrumFFT": {"rgdData": "in cdData", "rgdBin": "out cdBin", "rgdPhase": "out cdBin"},
    "FDwfSpectrumTransform": {
        "rgdData": "in cdData",
        "rgdBin": "out cdBin",
        "rgdPhase": "out cdBin",
    },
}
"""Arrays by function and parameter: which way, and the parameter that counts the elements."""

LARGEST = 1 << 26
"""Bytes of one array; a buffer of an Analog Discovery 2 is far smaller."""

_NULL = 0xFFFFFFFF
_SIZE = struct.Struct("<I")
_FUNCTION = struct.Struct("<H")
_FAILED = struct.Struct("<Bi")


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One parameter: `kind` is value, number (pointed to), text or array."""

    position: int
    kind: str
    type: Any
    way: str = ""
    count: int = -1
    bits: bool = False

    def size(self, arguments: list[Any]) -> int:
        """Return how many bytes the array is long."""
        if self.count < 0:
            return ctypes.sizeof(self.type)
        count = max(0, int(arguments[self.count]))
        size = (count + 7) // 8 if self.bits else count * ctypes.sizeof(self.type)
        if size > LARGEST:
            raise invalid(self.count, f"{count} elements are too many")
        return size


@dataclass(frozen=True, slots=True)
class Layout:
    """How the arguments of one function become bytes, and bytes arguments again.

    Parameters
    ----------
    number
        Of the function, in the order of dwf.h.
    name
        ``FDwf...``.
    """

    number: int
    name: str
    values: struct.Struct
    parameters: tuple[_Parameter, ...]
    forwarded: bool

    def request(self, arguments: tuple[Any, ...]) -> bytes:
        """Return the request for a call with these C arguments.

        Raises
        ------
        Failure
            If the function is not forwarded, or an array is beyond all reason.
        """
        if not self.forwarded:
            raise unsupported(self.name)
        given = list(arguments)
        passed = (given[p.position] for p in self.parameters if p.kind == "value")
        parts = [_FUNCTION.pack(self.number), self.values.pack(*passed)]
        for p in self.pointers():
            pointer = given[p.position]
            if p.kind == "text":
                parts.append(_block(None if pointer is None else bytes(pointer)))
            elif not pointer:
                parts.append(_block(None))
            elif p.kind == "number":
                parts.append(_block(ctypes.string_at(pointer, ctypes.sizeof(p.type))))
            elif p.way == "in":
                parts.append(_block(ctypes.string_at(pointer, p.size(given))))
            else:
                p.size(given)
                parts.append(_block(b""))
        return b"".join(parts)

    def arguments(self, data: bytes) -> "Call":
        """Return the call that a request means, with memory of its own for what it points to.

        Raises
        ------
        Failure
            If the request is not one of this function.
        """
        count = len(self.parameters)
        given: list[Any] = [None] * count
        memory: list[Any] = [None] * count
        rest = memoryview(data)[_FUNCTION.size :]
        try:
            passed = iter(self.values.unpack(rest[: self.values.size]))
            for p in self.parameters:
                if p.kind == "value":
                    given[p.position] = next(passed)
            rest = rest[self.values.size :]
            for p in self.pointers():
                block, rest = _split(rest)
                if p.kind == "text":
                    given[p.position] = block
                elif block is not None:
                    size = ctypes.sizeof(p.type) if p.kind == "number" else p.size(given)
                    if len(block) != (0 if p.kind == "array" and p.way == "out" else size):
                        raise Failure(UNKNOWN, f"{self.name}: a request of another length")
                    held = ctypes.create_string_buffer(block, max(size, 1))
                    memory[p.position] = held
                    if p.kind == "array":
                        given[p.position] = _array(p, held)
                    else:
                        given[p.position] = ctypes.cast(held, ctypes.POINTER(p.type))
        except struct.error as problem:
            raise Failure(UNKNOWN, f"{self.name}: {problem}") from problem
        return Call(self, tuple(given), memory)

    def take(self, data: bytes, arguments: tuple[Any, ...]) -> None:
        """Write what a reply says to where the arguments point.

        Raises
        ------
        Failure
            If the call failed.
        """
        if data[:1] != b"\1":
            _, code = _FAILED.unpack_from(data)
            raise Failure(code, data[_FAILED.size :].decode("utf-8", "replace"))
        rest = memoryview(data)[1:]
        given = list(arguments)
        for p in self.pointers():
            if p.kind == "text" or p.way == "in":
                continue
            block, rest = _split(rest)
            if block is not None and given[p.position]:
                room = ctypes.sizeof(p.type) if p.kind == "number" else p.size(given)
                if len(block) != room:
                    raise Failure(UNKNOWN, f"{self.name}: a reply of another length")
                ctypes.memmove(given[p.position], block, room)

    def pointers(self) -> Iterator[_Parameter]:
        """Return the parameters that are not passed by value."""
        return (p for p in self.parameters if p.kind != "value")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that came as bytes.

    Parameters
    ----------
    layout
        Of its function.
    arguments
        As the C function would get them.
    memory
        What they point to; it must live as long as they are used.
    """

    layout: Layout
    arguments: tuple[Any, ...]
    memory: list[Any]

    def done(self) -> bytes:
        """Return the reply after success."""
        parts = [b"\1"]
        given = list(self.arguments)
        for p in self.layout.pointers():
            if p.kind == "text" or p.way == "in":
                continue
            held = self.memory[p.position]
            size = ctypes.sizeof(p.type) if p.kind == "number" else p.size(given)
            parts.append(_block(None if held is None else held.raw[:size]))
        return b"".join(parts)


def failed(failure: Failure) -> bytes:
    """Return the reply after a failure."""
    return _FAILED.pack(0, failure.code) + failure.message.encode("utf-8", "replace")


def function_number(request: bytes) -> int:
    """Return the number of the function that a request calls.

    Raises
    ------
    Failure
        If there is no such function.
    """
    if len(request) < _FUNCTION.size or _FUNCTION.unpack_from(request)[0] >= len(layouts()):
        raise Failure(UNKNOWN, "a request that is none")
    number: int = _FUNCTION.unpack_from(request)[0]
    return number


@cache
def layouts() -> tuple[Layout, ...]:
    """Return the layouts of all functions, in the order of dwf.h."""
    signatures = dwf_function_signatures(typespec_ctypes)
    return tuple(
        _layout(number, name, parameters)
        for number, (name, _, parameters, _) in enumerate(signatures)
    )


def _layout(number: int, name: str, declared: list[tuple[str, Any]]) -> Layout:
    names = [each for each, _ in declared]
    arrays = ARRAYS.get(name, {})
    made: list[_Parameter] = []
    forwarded = True
    for position, (parameter, kind) in enumerate(declared):
        if parameter in arrays:
            way, count, *bits = arrays[parameter].split()
            element = getattr(kind, "_type_", ctypes.c_char)
            element = element if isinstance(element, type) else ctypes.c_char  # void pointers
            made.append(_Parameter(position, "array", element, way, names.index(count), bool(bits)))
        elif kind is ctypes.c_char_p:
            made.append(_Parameter(position, "text", kind))
        elif issubclass(kind, ctypes.Array):
            made.append(_Parameter(position, "array", kind, "out"))
        elif hasattr(kind, "contents"):
            # A pointer to one number, by what dwf.h calls it; an array nobody described is refused.
            forwarded = forwarded and not parameter.startswith(("rg", "sz"))
            made.append(_Parameter(position, "number", kind._type_))
        elif kind is ctypes.c_void_p:
            forwarded = False
        else:
            made.append(_Parameter(position, "value", kind))
    letters = "".join(_letter(p.type) for p in made if p.kind == "value")
    return Layout(number, name, struct.Struct("<" + letters), tuple(made), forwarded)


def _letter(kind: Any) -> str:
    """Return how `struct` calls a C type, whose size is not the machine's there."""
    if kind in (ctypes.c_double, ctypes.c_float, ctypes.c_bool, ctypes.c_char):
        return str(kind._type_)
    letter = {1: "b", 2: "h", 4: "i", 8: "q"}[ctypes.sizeof(kind)]
    return letter if kind(-1).value < 0 else letter.upper()


def layout_of(name: str) -> Layout:
    """Return the layout of the function of this name."""
    return _by_name()[name]


@cache
def _by_name() -> dict[str, Layout]:
    return {each.name: each for each in layouts()}


def _array(parameter: _Parameter, held: Any) -> Any:
    """Return an array as a callback of ctypes gets it: an address, or a pointer to its elements."""
    if parameter.count < 0 or parameter.type is ctypes.c_char:
        return ctypes.addressof(held)
    return ctypes.cast(held, ctypes.POINTER(parameter.type))


def _block(content: bytes | None) -> bytes:
    return _SIZE.pack(_NULL) if content is None else _SIZE.pack(len(content)) + content


def _split(data: memoryview) -> tuple[bytes | None, memoryview]:
    (size,) = _SIZE.unpack_from(data)
    rest = data[_SIZE.size :]
    if size == _NULL:
        return None, rest
    if size > len(rest):
        raise struct.error("too short")
    return bytes(rest[:size]), rest[size:]
