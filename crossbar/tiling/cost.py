"""What a network costs on one array that computes it tile by tile, before any pulse is given."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from crossbar.backend import Second
from crossbar.crossbar import Crossbar
from crossbar.offload import spread_over
from crossbar.tiling.convert import arriving_at, layers_of, replaced
from crossbar.tiling.cutting import Tile, cut

CALIBRATION = 64
"""Inputs that each tile's gain and offset are measured with, after it was programmed."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What programming and multiplying take on a bench, from doing it once.

    Parameters
    ----------
    pulses, seconds
        Per cell programmed; seconds are the bench's.
    tile_seconds
        Per tile, whatever its size: until its cells are read again, and to measure offsets.
    drive_seconds
        Per input driven.
    where
        Bench and array, in words.
    """

    pulses: float
    seconds: Second
    tile_seconds: Second
    drive_seconds: Second
    where: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What one pass of a batch through a network takes on one array.

    Parameters
    ----------
    layers
        Name, inputs and outputs, tiles, and inputs driven through each tile, of every matrix.
    tiles
        Programmed one after the other.
    cells
        Programmed, of all tiles together; unused ones of an array are left alone.
    drives
        Inputs driven, those of calibrations included.
    pulses, seconds
        Expected, from a rehearsal; None without one.
    rehearsed
        Where that was.
    """

    layers: tuple[tuple[str, tuple[int, int], int, int], ...]
    tiles: int
    cells: int
    drives: int
    pulses: float | None
    seconds: Second | None
    rehearsed: str | None

    def __str__(self) -> str:
        """Return the cost as a sentence."""
        exact = f"{self.tiles} tiles, {self.cells} cells to program, {self.drives} inputs to drive"
        if self.pulses is None or self.seconds is None:
            return exact
        hours = self.seconds / 3600
        time = f"{hours:.2g} h" if hours >= 1 else f"{self.seconds / 60:.2g} min"
        return f"{exact}; about {self.pulses:.3g} pulses and {time} ({self.rehearsed})"


class _Counted(nn.Module):
    """A matrix that is multiplied in software, and counts."""

    def __init__(self, name: str, weights: Tensor) -> None:
        super().__init__()
        self.name, self.shape = name, (weights.shape[0], weights.shape[1])

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        return x @ weights


def room_of(crossbar: Crossbar) -> tuple[int, int]:
    """Return how many inputs and outputs a crossbar has room for."""
    n_word, n_bit = crossbar.backend.shape
    return n_word, crossbar.mapping.slots(n_bit)


def cost_of(
    model: nn.Module, crossbar: Crossbar, inputs: Tensor, rehearsal: Rehearsal | None = None
) -> Cost:
    """Return what a batch costs on a crossbar; nothing is programmed or driven.

    Parameters
    ----------
    model
        As for `crossbar.tiling.to_crossbars`.
    crossbar
        On any bench.
    inputs
        The batch.
    rehearsal
        From `rehearse`; without it there are counts, but no pulses and no time.

    Raises
    ------
    DataError
        As `to_crossbars`.
    """
    counting = replaced(model, _Counted)
    was = counting.training
    counting.eval()
    room, layers = room_of(crossbar), []
    tiles = cells = drives = 0
    for _, layer in layers_of(counting):
        rows = layer.rows(arriving_at(counting, layer, inputs))
        for bank, part in zip(layer.banks, rows, strict=True):
            assert isinstance(bank, _Counted)  # noqa: S101 - made above
            own = [tile for line in cut(bank.shape, room) for tile in line]
            tiles += len(own)
            cells += sum(_cells(tile, crossbar) for tile in own)
            drives += len(own) * (len(part) + min(CALIBRATION, len(part)))
            layers.append((bank.name, bank.shape, len(own), len(part)))
    counting.train(was)
    pulses = seconds = None
    if rehearsal is not None:
        pulses = cells * rehearsal.pulses
        seconds = tiles * rehearsal.tile_seconds + cells * rehearsal.seconds
        seconds += drives * rehearsal.drive_seconds
    where = None if rehearsal is None else rehearsal.where
    return Cost(tuple(layers), tiles, cells, drives, pulses, seconds, where)


def rehearse(
    crossbar: Crossbar, rng: np.random.Generator, where: str, progress: Progress | None = None
) -> Rehearsal:
    """Program a tile of random weights, multiply with it, and return what that took.

    Best on a simulated or virtual bench with the settings of the real one: the array is programmed.

    Parameters
    ----------
    crossbar
        Its whole array is programmed.
    rng
        Of the weights.
    where
        Bench and array, in words, for whoever reads the cost.
    progress
        As for `Crossbar.program`.
    """
    room = room_of(crossbar)
    inputs = rng.uniform(-1, 1, (CALIBRATION, room[0]))
    times = [crossbar.backend.now]
    report = crossbar.program(rng.standard_normal(room), progress=progress)
    times.append(crossbar.backend.now)
    crossbar.matmul(inputs)
    times.append(crossbar.backend.now)
    crossbar.calibrate(0, inputs)
    times.append(crossbar.backend.now)
    programmed, drive, calibrated = np.diff(times).tolist()
    delay = crossbar.settings.reread_delay
    cells = _cells(Tile(slice(0, room[0]), slice(0, room[1])), crossbar)
    return Rehearsal(
        pulses=float(report.pulses.sum()) / cells,
        seconds=max(programmed - delay, 0.0) / cells,
        # A calibration drives its inputs, counted as drives, and measures offsets before.
        tile_seconds=delay + max(calibrated - drive, 0.0),
        drive_seconds=drive / len(inputs),
        where=f"rehearsed on {where}",
    )


def _cells(tile: Tile, crossbar: Crossbar) -> int:
    n_in, n_out = tile.shape
    return n_in * crossbar.mapping.bit_lines(n_out)


def spread(x: Tensor, count: int) -> Tensor:
    """Return up to `count` of the inputs, spread over all of them."""
    return x[torch.from_numpy(spread_over(len(x), count))]
