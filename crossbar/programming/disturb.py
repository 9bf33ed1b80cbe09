"""What the pulses of a pass did to cells that were not pulsed themselves meanwhile."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Mask, Siemens


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Conductances of the array as they were read once, some of them maybe.

    Parameters
    ----------
    value
        Mean over the reads, S, array shape, NaN where a cell was not read.
    error
        Standard error of that mean, S, same shape; NaN for a single read.
    """

    value: Array
    error: Array


@dataclass(frozen=True, slots=True)
class Change:
    """How far some cells moved: of each cell |dG|/G, and what of it read noise explains.

    Parameters
    ----------
    cells
        How many were watched.
    largest, mean, total
        Largest and mean |dG|/G of these cells, and their sum, which is what the array suffered.
    noise
        Mean |dG|/G that read noise alone is expected to show; NaN if it is not known.
    """

    cells: int
    largest: float
    mean: float
    total: float
    noise: float

    def plain(self) -> dict[str, object]:
        """Return the figures as plain values."""
        return {
            "cells": self.cells,
            "max": self.largest if self.cells else None,
            "mean": self.mean if self.cells else None,
            "cumulated": self.total,
            "read_noise": None if np.isnan(self.noise) else self.noise,
        }


@dataclass(frozen=True, slots=True)
class Disturb:
    """What one pass did to cells while others were pulsed.

    Parameters
    ----------
    untouched
        Cells that got no pulse in this pass, from before it to after it: half-selected neighbours.
    finished
        Cells that were pulsed in it, from their own last verify read to the end of the pass: they
        suffered the pulses of those that took longer, and relaxed meanwhile.
    """

    untouched: Change
    finished: Change


def change(before: Look, after: Look, chosen: Mask, floor: Siemens) -> Change:
    """Return how far the chosen cells moved between two looks.

    Parameters
    ----------
    before, after
        The two looks.
    chosen
        Array shape.
    floor
        A cell below this conductance (S) is taken for one at it, because a change relative to
        nothing says nothing.
    """
    scale = np.maximum(np.abs(before.value[chosen]), floor)
    moved = np.abs(after.value[chosen] - before.value[chosen]) / scale
    if not moved.size:
        return Change(0, 0.0, 0.0, 0.0, float("nan"))
    # The mean magnitude of a normal deviate is sqrt(2/pi) of its standard deviation.
    doubt = np.hypot(before.error[chosen], after.error[chosen]) * np.sqrt(2 / np.pi) / scale
    return Change(
        cells=int(moved.size),
        largest=float(moved.max()),
        mean=float(moved.mean()),
        total=float(moved.sum()),
        noise=float(doubt.mean()),
    )


def summed(changes: list[Change]) -> Change:
    """Return the changes of several passes as one: what the array suffered in all of them."""
    told = [c for c in changes if c.cells]
    if not told:
        return Change(0, 0.0, 0.0, 0.0, float("nan"))
    cells = sum(c.cells for c in told)
    total = sum(c.total for c in told)
    return Change(
        cells=cells,
        largest=max(c.largest for c in told),
        mean=total / cells,
        total=total,
        noise=sum(c.noise * c.cells for c in told) / cells,
    )
