"""Coloured images: a folder per class, CIFAR-10's binary files, or generated textures."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from crossbar.losses import cross_entropy
from crossbar.studies.cnns import alexnet, mobilenet, resnet, resnext
from crossbar.studies.image_files import read_pictures
from crossbar.studies.metrics import ACCURACY
from crossbar.studies.task import Build, Dataset, Task, dealt, sizes
from crossbar.studies.textures import PATTERNS, textures
from crossbar.studies.textures import SIDE as TEXTURE

SIZE = 3000
READ = 10_000
"""Training examples of a person's images where nobody asks for another number."""


def load(folder: Path | None, rng: np.random.Generator, size: int | None) -> Dataset:
    """Return a person's images, or generated textures if there is no folder.

    Raises
    ------
    DataError
        If the images cannot be read, or are fewer than are asked for.
    """
    if folder is not None:
        return _read(folder, rng, size)
    counts = sizes(size, SIZE)
    images, labels = textures(sum(counts), rng)
    what = (
        f"generated textures of {len(PATTERNS)} kinds in random colours, {TEXTURE} x {TEXTURE} "
        "pixels with noise, in place of CIFAR-10"
    )
    return _dataset(images, labels, counts, what, len(PATTERNS))


def _read(folder: Path, rng: np.random.Generator, size: int | None) -> Dataset:
    # As many as can be needed of each part, so that a large folder is not read whole.
    most = sum(sizes(size, READ))
    found = read_pictures(folder, most, rng)
    n, tests = len(found.images), found.tests
    counts = sizes(size, READ, n - tests, tests or None)
    chosen = np.r_[0 : sum(counts[:2]), n - counts[2] : n]
    images = found.images[chosen].astype(np.float32) / np.float32(255)
    return _dataset(
        images, found.labels[chosen], counts, found.what, len(found.classes), found.origin
    )


def _dataset(
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    counts: tuple[int, int, int],
    what: str,
    classes: int,
    origin: tuple[str, ...] = (),
) -> Dataset:
    """Return the parts, their colours shifted and scaled by those of the training part."""
    trained, validated, tested = counts
    mean, sd = (f(images[:trained], axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    scaled = (images - mean) / np.maximum(sd, 1e-3)  # images of one colour have no spread
    return Dataset(
        *dealt(scaled, labels, counts),
        sentence=f"{what}: {trained} to train, {validated} to validate, {tested} to test",
        classes=classes,
        origin=origin,
    )


NETWORKS: Mapping[str, Build] = MappingProxyType(
    {"alexnet": alexnet, "resnet": resnet, "resnext": resnext, "mobilenet": mobilenet}
)

TASK = Task(
    name="images",
    about="which class an image is of",
    load=load,
    networks=NETWORKS,
    loss=cross_entropy,
    measures=(ACCURACY,),
    seen=30_000,
    learning_rate=4e-3,
    batch=32,
)
