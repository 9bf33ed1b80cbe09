"""MNIST's files as tests write them: small, with digits that can be told apart."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def idx_bytes(values: NDArray[np.uint8]) -> bytes:
    """Return an idx file of unsigned bytes."""
    header = struct.pack(">BBBB", 0, 0, 8, values.ndim)
    return header + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def digits(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images whose only bright row says their label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(10, size=count).astype(np.uint8)
    images = rng.integers(0, 40, (count, 28, 28)).astype(np.uint8)
    images[np.arange(count), 4 + 2 * labels.astype(int)] = 255
    return images, labels


def write_mnist(folder: Path, *, zipped: bool, train: int = 120, test: int = 40) -> None:
    """Write the four files, plain or compressed."""
    for part, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = digits(count, seed)
        for name, values in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
            content = idx_bytes(values)
            if zipped:
                (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{name}-ubyte").write_bytes(content)
