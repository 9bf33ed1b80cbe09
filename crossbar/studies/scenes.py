"""Generated scenes in place of driving data: points on boxes, walls, bushes and the ground."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array

GRID = 20
"""Cells each way, of 1 m; the sensor is in the middle of the lower edge."""

POINTS = 6
"""Kept of each cell: those that came first."""

FEATURES = 4
"""Of a point: both coordinates within its cell, its height, and 1 (0 where there is no point)."""

LENGTH, WIDTH, HEIGHT = 4.0, 2.0, 1.5  # m, about a car's; assumed
HITS = 300.0  # assumed: points on a face of 1 m at a distance of 1 m
TRIES = 20


@dataclass(frozen=True, slots=True)
class Box:
    """A box on the ground: its middle and its heading, m and radians."""

    x: float
    y: float
    heading: float

    def inward(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return coordinates as seen from the box, along its length and its width."""
        c, s = np.cos(self.heading), np.sin(self.heading)
        return c * (x - self.x) + s * (y - self.y), c * (y - self.y) - s * (x - self.x)

    def outward(self, along: Array, across: Array) -> tuple[Array, Array]:
        """Return coordinates of the scene."""
        c, s = np.cos(self.heading), np.sin(self.heading)
        return self.x + c * along - s * across, self.y + s * along + c * across


def scenes(count: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return scenes of shape ``(count, GRID, GRID, POINTS, FEATURES)`` and the cells in a box.

    A box is hit only where it faces the sensor, so that most of its cells hold no point, and a
    wall or a bush has points as high as a box has. Nothing hides anything else.
    """
    inputs = np.zeros((count, GRID, GRID, POINTS, FEATURES), dtype=np.float32)
    labels = np.zeros((count, GRID, GRID), dtype=np.int64)
    centres = np.arange(GRID) + 0.5
    x, y = np.meshgrid(centres, centres, indexing="ij")
    for k in range(count):
        boxes = _boxes(rng)
        for box in boxes:
            along, across = box.inward(x, y)
            labels[k] |= (np.abs(along) <= LENGTH / 2) & (np.abs(across) <= WIDTH / 2)
        points = [_on_box(box, rng) for box in boxes]
        points += [_wall(rng) for _ in range(rng.integers(1, 3))]
        points += [_bush(rng) for _ in range(rng.integers(2, 6))]
        points.append(_ground(rng))
        _put(inputs[k], np.concatenate(points), rng)
    return inputs, labels


def _boxes(rng: np.random.Generator) -> list[Box]:
    """Return one to four boxes that do not touch."""
    wanted, boxes = rng.integers(1, 5), list[Box]()
    for _ in range(TRIES):
        x, y = rng.uniform(2.5, GRID - 2.5, 2)
        if all(np.hypot(x - b.x, y - b.y) > 1.1 * np.hypot(LENGTH, WIDTH) for b in boxes):
            boxes.append(Box(float(x), float(y), float(rng.uniform(0, np.pi))))
        if len(boxes) == wanted:
            break
    return boxes


def _on_box(box: Box, rng: np.random.Generator) -> Array:
    """Return points on the two sides that face the sensor, and a few on the roof."""
    along, across = box.inward(np.array(GRID / 2), np.array(0.0))
    distance = max(float(np.hypot(along, across)), 3.0)
    long, short = (rng.poisson(HITS * side / distance / 5) for side in (LENGTH, WIDTH))
    roof = rng.poisson(0.3 * long)
    sides = np.concatenate(
        [
            _face(rng.uniform(-0.5, 0.5, long) * LENGTH, float(np.sign(across)) * WIDTH / 2),
            _face(rng.uniform(-0.5, 0.5, short) * WIDTH, float(np.sign(along)) * LENGTH / 2)[
                :, ::-1
            ],
            rng.uniform(-0.5, 0.5, (roof, 2)) * [LENGTH, WIDTH],
        ]
    )
    x, y = box.outward(sides[:, 0], sides[:, 1])
    z = np.r_[rng.uniform(0.2, HEIGHT, long + short), np.full(roof, HEIGHT)]
    return np.stack([x, y, z], axis=1) + 0.03 * rng.standard_normal((len(z), 3))


def _face(along: Array, across: float) -> Array:
    return np.stack([along, np.full_like(along, across)], axis=1)


def _wall(rng: np.random.Generator) -> Array:
    """Return points on a straight wall that is higher than a box."""
    count, heading = rng.integers(60, 160), rng.uniform(0, np.pi)
    start, along = rng.uniform(0, GRID, 2), rng.uniform(0, rng.uniform(3, 8), count)
    x, y = start[0] + along * np.cos(heading), start[1] + along * np.sin(heading)
    return np.stack([x, y, rng.uniform(0.1, 2.5, count)], axis=1)


def _bush(rng: np.random.Generator) -> Array:
    """Return points in a round heap about as high as a box."""
    count, middle = rng.integers(15, 50), rng.uniform(0, GRID, 2)
    spread = rng.normal(0, rng.uniform(0.3, 0.9), (count, 2))
    top = rng.uniform(0.8, 2.2)
    return np.column_stack([middle + spread, rng.uniform(0.1, top, count)])


def _ground(rng: np.random.Generator) -> Array:
    count = rng.integers(200, 400)
    flat, height = rng.uniform(0, GRID, (count, 2)), 0.05 * rng.standard_normal(count)
    return np.column_stack([flat, height])


def _put(cells: NDArray[np.float32], points: Array, rng: np.random.Generator) -> None:
    """Sort points into their cells, in random order, until a cell is full."""
    points = rng.permutation(points[((points[:, :2] >= 0) & (points[:, :2] < GRID)).all(axis=1)])
    x, y = points[:, 0].astype(int), points[:, 1].astype(int)
    cell = x * GRID + y
    order = np.argsort(cell, kind="stable")
    place = np.empty(len(points), dtype=int)
    first = np.searchsorted(cell[order], cell[order])
    place[order] = np.arange(len(points)) - first
    kept = place < POINTS
    inside = points[kept, :2] - np.c_[x, y][kept] - 0.5
    features = np.c_[inside, points[kept, 2], np.ones(kept.sum())]
    cells[x[kept], y[kept], place[kept]] = features
