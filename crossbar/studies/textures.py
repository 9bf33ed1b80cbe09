"""Generated textures in place of photographs: eight patterns in random colours, with noise."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array

SIDE = 16
NOISE = 0.15  # assumed, as is CONTRAST: hard enough that networks differ, easy enough to learn
CONTRAST = 0.5
Images = NDArray[np.float32]


def textures(count: int, rng: np.random.Generator) -> tuple[Images, NDArray[np.int64]]:
    """Return textures of shape ``(count, 3, SIDE, SIDE)``, 0 to 1, and the kind of each.

    Kinds take turns. Phase, pitch, contrast and the two colours of each image are random, so that
    neither a colour nor a single pixel gives the kind away.
    """
    names = list(PATTERNS)
    kinds = rng.permutation(np.arange(count) % len(names))
    images = np.empty((count, 3, SIDE, SIDE), dtype=np.float32)
    for k, kind in enumerate(kinds):
        pattern = PATTERNS[names[kind]](rng)
        first, second = _colours(rng)
        mixed = first[:, None, None] + (second - first)[:, None, None] * pattern
        images[k] = mixed + NOISE * rng.standard_normal(mixed.shape)
    return np.clip(images, 0.0, 1.0), kinds.astype(np.int64)


def _colours(rng: np.random.Generator) -> Array:
    """Return two colours that can be told from each other, shape ``(2, 3)``."""
    while True:
        colours = rng.random((2, 3))
        if np.linalg.norm(np.diff(colours, axis=0)) > CONTRAST:
            return colours


def _grid(rng: np.random.Generator) -> tuple[Array, Array]:
    """Return both coordinates of the pixels, from an origin that is nowhere in particular."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    return x + rng.uniform(0, SIDE), y + rng.uniform(0, SIDE)


def _wave(turns: Array) -> Array:
    """Return a wave of 0 to 1 at so many turns."""
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * turns))


def _stripes(angle: float) -> Callable[[np.random.Generator], Array]:
    def pattern(rng: np.random.Generator) -> Array:
        x, y = _grid(rng)
        turned = angle + rng.uniform(-0.2, 0.2)
        along = x * np.cos(turned) + y * np.sin(turned)
        return _wave(along / rng.uniform(3.0, 6.0))

    return pattern


def _checks(rng: np.random.Generator) -> Array:
    x, y = _grid(rng)
    pitch = rng.uniform(3.5, 7.0)
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * x / pitch) * np.sin(2 * np.pi * y / pitch))


def _rings(rng: np.random.Generator) -> Array:
    y, x = np.mgrid[:SIDE, :SIDE] - rng.uniform(0.25 * SIDE, 0.75 * SIDE, (2, 1, 1))
    return _wave(np.hypot(x, y) / rng.uniform(3.0, 6.0))


def _blobs(rng: np.random.Generator) -> Array:
    field = rng.standard_normal((SIDE, SIDE))
    x, y = np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE))
    smooth = np.fft.ifft2(np.fft.fft2(field) * np.exp(-((x**2 + y**2) / 0.08**2))).real
    return np.asarray(0.5 + 0.5 * np.tanh(1.5 * smooth / smooth.std()))


def _dots(rng: np.random.Generator) -> Array:
    pattern = np.zeros((SIDE, SIDE))
    for _ in range(rng.integers(8, 16)):
        y, x = rng.integers(0, SIDE - 1, 2)
        pattern[y : y + 2, x : x + 2] = 1.0
    return pattern


PATTERNS: Mapping[str, Callable[[np.random.Generator], Array]] = MappingProxyType(
    {
        "upright": _stripes(0.0),
        "lying": _stripes(np.pi / 2),
        "rising": _stripes(np.pi / 4),
        "falling": _stripes(-np.pi / 4),
        "checks": _checks,
        "rings": _rings,
        "blobs": _blobs,
        "dots": _dots,
    }
)
