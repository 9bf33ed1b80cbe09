"""A person's own images: a folder per class, or CIFAR-10's binary files."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import DataError

SIDE = 32
ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
CIFAR_RECORD = 1 + 3 * SIDE * SIDE
"""Bytes: a label, then the red, green and blue planes row by row (cs.toronto.edu/~kriz/cifar)."""

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Images with labels, as far as a person has sorted them.

    Parameters
    ----------
    images
        Shape ``(n, 3, SIDE, SIDE)``.
    labels
        Counted from 0, shape ``(n,)``.
    tests
        How many of them, the last, are set apart for the test; 0 if nobody has.
    classes
        Their names.
    what
        What was read, in a few words.
    origin
        What was read, with its SHA-256.
    """

    images: Images
    labels: Labels
    tests: int
    classes: tuple[str, ...]
    what: str
    origin: tuple[str, ...]


def read_pictures(folder: Path, most: int | None, rng: np.random.Generator) -> Pictures:
    """Return the images in a folder, in random order but for those of a test part.

    Parameters
    ----------
    folder
        CIFAR-10's ``data_batch_*.bin`` and ``test_batch.bin``, or a folder of images per class,
        directly or below ``train`` and ``test``.
    most
        How many to read at most of each part; None reads all.
    rng
        Chooses them.

    Raises
    ------
    DataError
        If there is nothing of the kind, or a file is no image, or is damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder")
    if list(folder.glob("data_batch_*.bin")):
        return _cifar(folder, most, rng)
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        names = _classes(folder / "train")
        parts = [_listed(folder / part, names) for part in ("train", "test")]
    else:
        names = _classes(folder)
        parts = [_listed(folder, names), []]
    chosen = [[part[k] for k in rng.permutation(len(part))[:most]] for part in parts]
    both = [*chosen[0], *chosen[1]]
    images, digest = np.empty((len(both), 3, SIDE, SIDE), dtype=np.uint8), hashlib.sha256()
    for k, (path, _) in enumerate(both):
        images[k] = _image(path)
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(images[k].tobytes())
    return Pictures(
        images=images,
        labels=np.array([label for _, label in both], dtype=np.int64),
        tests=len(chosen[1]),
        classes=names,
        what=f"{sum(map(len, parts))} images of {len(names)} classes in folder {folder.name}, cut "
        f"to squares of {SIDE} x {SIDE}",
        origin=(f"{len(both)} images as read {digest.hexdigest()}",),
    )


def _classes(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir()))
    if len(names) < 2:
        raise DataError(
            f"{folder} has {len(names)} subfolders; one per class is needed, or data_batch_1.bin "
            "and its like (the binary version of CIFAR-10)"
        )
    return names


def _listed(folder: Path, names: tuple[str, ...]) -> list[tuple[Path, int]]:
    """Return the image files of every class with its number, in the order of their names."""
    found: list[tuple[Path, int]] = []
    for label, name in enumerate(names):
        if not (folder / name).is_dir():
            raise DataError(f"{folder} has no subfolder {name}, which is one of the classes")
        files = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in ENDINGS)
        if not files:
            raise DataError(f"{folder / name} holds no image ({', '.join(sorted(ENDINGS))})")
        found += [(path, label) for path in files]
    return found


def _image(path: Path) -> Images:
    """Return the middle square of an image in three colours, shape ``(3, SIDE, SIDE)``."""
    from PIL import Image, ImageOps  # here, because it is needed for folders of images only

    try:
        with Image.open(path) as image:
            square = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE))
    # Pillow's readers raise whatever their format's damage leads to.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise DataError(f"{path} cannot be read as an image: {problem}") from problem
    return np.asarray(square, dtype=np.uint8).transpose(2, 0, 1)


def _cifar(folder: Path, most: int | None, rng: np.random.Generator) -> Pictures:
    test = folder / "test_batch.bin"
    if not test.is_file():
        raise DataError(f"{folder} has no test_batch.bin beside its data_batch_*.bin")
    names, origin, parts = _cifar_names(folder), [], []
    for files in (sorted(folder.glob("data_batch_*.bin")), [test]):
        records = []
        for path, raw in _contents(files):
            if not raw or len(raw) % CIFAR_RECORD:
                raise DataError(
                    f"{path} has {len(raw)} bytes, not a multiple of {CIFAR_RECORD}: it is not of "
                    "CIFAR-10's binary version, or was cut off"
                )
            records.append(np.frombuffer(raw, dtype=np.uint8).reshape(-1, CIFAR_RECORD))
            if records[-1][:, 0].max() >= len(names):
                raise DataError(f"{path} holds label {records[-1][:, 0].max()}; 0 to 9 are CIFAR's")
            origin.append(f"{path.name} {hashlib.sha256(raw).hexdigest()}")
        whole = np.concatenate(records)
        parts.append(whole[rng.permutation(len(whole))[:most]])
    both = np.concatenate(parts)
    return Pictures(
        images=both[:, 1:].reshape(-1, 3, SIDE, SIDE),
        labels=both[:, 0].astype(np.int64),
        tests=len(parts[1]),
        classes=names,
        what=f"CIFAR-10's binary files ({len(origin)} of them) in folder {folder.name}",
        origin=tuple(origin),
    )


def _contents(files: list[Path]) -> Iterator[tuple[Path, bytes]]:
    for path in files:
        try:
            yield path, path.read_bytes()
        except OSError as problem:
            raise DataError(f"{path} cannot be read: {problem.strerror}") from problem


def _cifar_names(folder: Path) -> tuple[str, ...]:
    """Return the names of CIFAR-10's classes; numbers where the file with them is missing."""
    path = folder / "batches.meta.txt"
    if not path.is_file():
        return tuple(map(str, range(10)))
    return tuple(path.read_text(encoding="utf-8").split())
