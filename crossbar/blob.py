"""Values as the run store keeps them: arrays as bytes, everything else as JSON."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossbar.backend import StoreError

Arrays: TypeAlias = dict[str, NDArray[Any]]

_KINDS = "biufcSU"  # what can be stored: booleans, numbers, text; never objects
_DTYPE = re.compile(rf"[<|][{_KINDS}]\d+")


def pack(arrays: Mapping[str, ArrayLike]) -> bytes:
    """Return named arrays as one line of JSON (name, dtype, shape) and raw little-endian bytes.

    Raises
    ------
    StoreError
        If a value is not an array of booleans, numbers or text.
    """
    header, parts = [], []
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.kind not in _KINDS:
            raise StoreError(
                f"array {name!r} of {array.dtype} cannot be stored; numbers and text can"
            )
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        header.append([name, array.dtype.str, array.shape])
        parts.append(array.tobytes())
    return b"".join([json.dumps(header).encode(), b"\n", *parts])


def unpack(blob: bytes) -> Arrays:
    """Return the arrays that `pack` was given; they are read-only views of the bytes.

    Raises
    ------
    StoreError
        If the bytes are damaged: a header that is none, or the wrong number of bytes.
    """
    line, _, raw = blob.partition(b"\n")
    arrays: Arrays = {}
    start = 0
    try:
        for name, dtype_text, shape in json.loads(line):
            if not _DTYPE.fullmatch(dtype_text) or any(size < 0 for size in shape):
                raise ValueError(f"array {name!r} of {dtype_text} and shape {shape}")
            dtype = np.dtype(dtype_text)
            count = math.prod(shape)
            stored = np.frombuffer(raw, dtype, count, start) if count else np.empty(0, dtype)
            arrays[str(name)] = stored.reshape(shape)
            start += count * dtype.itemsize
        if start != len(raw):
            raise ValueError(f"{len(raw)} bytes where the header says {start}")
    except (ValueError, TypeError) as problem:
        raise StoreError(f"stored arrays are damaged: {problem}") from problem
    return arrays


def plain_json(values: Mapping[str, object]) -> str:
    """Return plain values as JSON; arrays become lists, paths text.

    Raises
    ------
    StoreError
        If a value has no place in JSON.
    """
    try:
        return json.dumps(values, default=_plain)
    except (TypeError, ValueError) as problem:
        raise StoreError(f"only plain values can be recorded: {problem}") from problem


def _plain(value: object) -> object:
    """Return a plain form of what experiments often hold."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} {value!r} has no place in JSON")
