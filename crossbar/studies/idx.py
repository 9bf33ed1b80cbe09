"""The idx files of MNIST and its relatives, plain or compressed by gzip."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import DataError

GZIP = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
HEADER = 4
"""Bytes: two zeros, the kind of the values, the number of dimensions; then 4 for each dimension.

http://yann.lecun.com/exdb/mnist, as quoted in every reader; big end first.
"""


def find(folder: Path, name: str) -> Path:
    """Return the file of a name such as ``train-images``, in any of the spellings in use.

    Raises
    ------
    DataError
        If there is none.
    """
    dimensions = 3 if "images" in name else 1
    spellings = [
        f"{name}{mark}idx{dimensions}-ubyte{ending}" for mark in "-." for ending in ("", ".gz")
    ]
    for spelling in spellings:
        if (folder / spelling).is_file():
            return folder / spelling
    raise DataError(f"{folder} holds neither {', '.join(spellings[:-1])} nor {spellings[-1]}")


def read_idx(path: Path, dimensions: int) -> tuple[NDArray[np.uint8], str]:
    """Return the values of an idx file of unsigned bytes, and the SHA-256 of the file.

    Parameters
    ----------
    path
        Plain, or compressed by gzip, whatever its name.
    dimensions
        How many the values have: 3 for images, 1 for labels.

    Raises
    ------
    DataError
        If the file cannot be read, is damaged, or is not such an idx file to its last byte.
    """
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if raw.startswith(GZIP) else raw
    except (OSError, EOFError, zlib.error) as problem:
        raise DataError(f"{path} cannot be read: {problem}") from problem
    if len(content) < HEADER or content[:2] != b"\0\0":
        raise DataError(f"{path} is no idx file: it begins with {content[:HEADER].hex(' ')}")
    kind, found = content[2], content[3]
    if (kind, found) != (UNSIGNED_BYTE, dimensions):
        raise DataError(
            f"{path} holds values of kind 0x{kind:02x} in {found} dimensions; unsigned bytes (0x08)"
            f" in {dimensions} are needed"
        )
    start = HEADER + 4 * dimensions
    header = content[HEADER:start].ljust(4 * dimensions, b"\0")
    shape = tuple(int(n) for n in np.frombuffer(header, dtype=">u4"))
    wanted = start + math.prod(shape)
    if len(content) != wanted:
        raise DataError(f"{path} has {len(content)} bytes where its header asks for {wanted}")
    values = np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
    return values, hashlib.sha256(raw).hexdigest()
