"""Handwritten digits: MNIST's idx files from a folder, or scikit-learn's small digits."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, nn

from crossbar.backend import DataError
from crossbar.fitting import Examples
from crossbar.losses import cross_entropy
from crossbar.studies.idx import find, read_idx
from crossbar.studies.initial import initialised
from crossbar.studies.metrics import ACCURACY
from crossbar.studies.task import Build, Dataset, Task, sizes

SIDE = 28
SIZE = 10_000
"""Training examples where nobody asks for another number; 50,000 are the most of MNIST."""

LABELS = 10
Images = NDArray[np.uint8]


def load(folder: Path | None, rng: np.random.Generator, size: int | None) -> Dataset:
    """Return MNIST from its four idx files, or scikit-learn's digits if there is no folder.

    Raises
    ------
    DataError
        If the files cannot be used, or hold fewer examples than are asked for.
    """
    return _digits(rng, size) if folder is None else _mnist(folder, rng, size)


def _mnist(folder: Path, rng: np.random.Generator, size: int | None) -> Dataset:
    parts, origin = [], []
    for part in ("train", "t10k"):
        images_file, labels_file = find(folder, f"{part}-images"), find(folder, f"{part}-labels")
        images, images_sum = read_idx(images_file, 3)
        labels, labels_sum = read_idx(labels_file, 1)
        if len(images) != len(labels) or images.shape[1:] != (SIDE, SIDE):
            raise DataError(
                f"{images_file} holds images of shape {images.shape}, {labels_file} {len(labels)} "
                f"labels: as many of both, of {SIDE} x {SIDE} pixels, are needed"
            )
        if labels.size and labels.max() >= LABELS:
            raise DataError(f"{labels_file} holds label {labels.max()}; 0 to 9 are possible")
        parts.append((images, labels))
        origin += [f"{images_file.name} {images_sum}", f"{labels_file.name} {labels_sum}"]
    (images, labels), (test_images, test_labels) = parts
    trained, validated, tested = sizes(size, SIZE, len(images), len(test_images))
    chosen = rng.permutation(len(images))[: trained + validated]
    tests = rng.permutation(len(test_images))[:tested]
    return _dataset(
        (images[chosen[:trained]], labels[chosen[:trained]]),
        (images[chosen[trained:]], labels[chosen[trained:]]),
        (test_images[tests], test_labels[tests]),
        f"MNIST, {len(images)} + {len(test_images)} handwritten digits of {SIDE} x {SIDE} pixels, "
        f"read from idx files: {trained} to train, {validated} to validate, {tested} of the test "
        "files to test",
        tuple(origin),
    )


def _digits(rng: np.random.Generator, size: int | None) -> Dataset:
    from sklearn.datasets import load_digits  # here, because it takes seconds to import

    bunch = load_digits()
    # Every pixel three times each way makes 24, and a margin of 2 the size of MNIST's images.
    small = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    images = np.pad(small.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    order = rng.permutation(len(images))
    images, labels = images[order], bunch.target[order].astype(np.uint8)
    counts = sizes(size, SIZE, len(images))
    trained, validated, tested = counts
    ends = np.cumsum(counts)[:-1]
    train, validation, test = zip(
        np.split(images[: sum(counts)], ends), np.split(labels[: sum(counts)], ends), strict=True
    )
    return _dataset(
        train,
        validation,
        test,
        "scikit-learn's digits, 8 x 8 pixels, 1797 images, in place of MNIST, enlarged to "
        f"{SIDE} x {SIDE}: {trained} to train, {validated} to validate, {tested} to test",
        (),
    )


def _dataset(
    train: tuple[Images, Images],
    validation: tuple[Images, Images],
    test: tuple[Images, Images],
    sentence: str,
    origin: tuple[str, ...],
) -> Dataset:
    """Return the parts, their grey levels shifted and scaled by those of the training part."""
    mean, sd = train[0].mean() / 255, train[0].std() / 255

    def examples(part: tuple[Images, Images]) -> Examples:
        grey = (part[0].astype(np.float32) / 255 - np.float32(mean)) / np.float32(sd)
        return Examples(torch.from_numpy(grey[:, None]), torch.from_numpy(part[1].astype(np.int64)))

    return Dataset(examples(train), examples(validation), examples(test), sentence, LABELS, origin)


def mlp(data: Dataset, generator: Generator) -> nn.Module:
    """Return 784-192-32-10 with ReLU, the multilayer perceptron of the group's published code."""
    return initialised(
        lambda: nn.Sequential(
            nn.Flatten(),
            *(nn.Linear(SIDE * SIDE, 192), nn.ReLU()),
            *(nn.Linear(192, 32), nn.ReLU()),
            nn.Linear(32, data.classes),
        ),
        generator,
    )


def lenet5(data: Dataset, generator: Generator) -> nn.Module:
    """Return LeNet-5 with the sizes of the group's published code, ReLU and maximum pooling.

    Sizes: convolutions 6@5, 16@5 and 120@4 without padding, linear 84 and 10. The original has
    tanh and trained averages in their place.
    """
    return initialised(
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 120, 4), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(120, 84), nn.ReLU()),
            nn.Linear(84, data.classes),
        ),
        generator,
    )


NETWORKS: Mapping[str, Build] = MappingProxyType({"lenet5": lenet5, "mlp": mlp})

TASK = Task(
    name="mnist",
    about="which digit",
    load=load,
    networks=NETWORKS,
    loss=cross_entropy,
    measures=(ACCURACY,),
    seen=50_000,
)
