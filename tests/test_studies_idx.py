import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.studies.idx import find, read_idx
from idx_files import idx_bytes

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def written(folder: Path, content: bytes, name: str = "x-ubyte") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_values_come_back_with_the_digest_of_the_file(tmp_path: Path, zipped: bool) -> None:
    content = gzip.compress(idx_bytes(VALUES)) if zipped else idx_bytes(VALUES)
    values, digest = read_idx(written(tmp_path, content), 3)
    np.testing.assert_array_equal(values, VALUES)
    assert digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG....", "no idx file: it begins with 89 50 4e 47"),
        (b"\0", "no idx file"),
        (b"", "no idx file"),
        (b"\0\0\x0d\x03" + bytes(12), "kind 0x0d in 3 dimensions"),
        (idx_bytes(VALUES[0]), "kind 0x08 in 2 dimensions; unsigned bytes"),
        (idx_bytes(VALUES)[:-1], "has 39 bytes where its header asks for 40"),
        (idx_bytes(VALUES) + b"!", "has 41 bytes where its header asks for 40"),
        (idx_bytes(VALUES)[:10], "has 10 bytes where its header asks for 16"),
        (struct.pack(">BBBBIII", 0, 0, 8, 3, *[2**32 - 1] * 3), "header asks for 7922816"),
        (gzip.compress(idx_bytes(VALUES))[:-9], "cannot be read"),
        (gzip.compress(idx_bytes(VALUES))[:12] + b"damage", "cannot be read"),
    ],
    ids=[
        "another format",
        "one byte",
        "empty",
        "floats",
        "dimensions",
        "truncated",
        "too long",
        "truncated in the header",
        "a header that lies",
        "truncated gzip",
        "damaged gzip",
    ],
)
def test_a_file_that_is_no_such_idx_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_idx(written(tmp_path, content), 3)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / "nothing", 3)


@pytest.mark.parametrize(
    "name",
    [
        "train-images-idx3-ubyte",
        "train-images-idx3-ubyte.gz",
        "train-images.idx3-ubyte",
        "train-images.idx3-ubyte.gz",
    ],
)
def test_a_file_is_found_in_any_spelling(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, b"", name)
    assert find(tmp_path, "train-images") == path


def test_a_missing_file_is_named_in_every_spelling(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.*nor t10k-labels\.idx1-ubyte\.gz"):
        find(tmp_path, "t10k-labels")
