"""Reading and writing what a caller of the C functions points to."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sim_backend.virtual.libdwf.failure import invalid

_DATA = 3  # the parameter that points to data, in most functions


def write(pointer: Any, value: float | int) -> None:
    """Write one number; a null pointer says that the caller does not want it."""
    if pointer:
        pointer[0] = value


def write_array(pointer: Any, values: NDArray[Any], kind: DTypeLike) -> None:
    """Write numbers one after the other, as C type `kind`."""
    packed = np.ascontiguousarray(values, dtype=kind)
    if pointer and packed.size:
        ctypes.memmove(pointer, packed.ctypes.data, packed.nbytes)


def read_array(pointer: Any, count: int, kind: DTypeLike) -> NDArray[Any]:
    """Return a copy of `count` numbers of C type `kind`.

    Raises
    ------
    Failure
        If the pointer is null, or the count negative.
    """
    if not pointer or count < 0:
        raise invalid(
            _DATA, f"{count} numbers at a null pointer" if count >= 0 else f"{count} numbers"
        )
    return np.frombuffer(ctypes.string_at(pointer, count * np.dtype(kind).itemsize), dtype=kind)


def write_text(pointer: Any, text: str, size: int) -> None:
    """Write text with its final zero into `size` bytes, cut if it is longer."""
    packed = text.encode(errors="replace")[: size - 1] + b"\0"
    if pointer:
        ctypes.memmove(pointer, packed, len(packed))
