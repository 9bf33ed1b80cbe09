"""Signals over an interval of bench time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Second
from sim_backend.virtual.signals import Steps

MANY_STEPS = 200_000  # more in one interval are looked at here and there: nobody samples them
_GOLDEN = 0.5 * (5.0**0.5 - 1.0)


def joined(pieces: list[tuple[Array, NDArray[Any]]]) -> Steps:
    """Return the signal made of pieces that follow each other."""
    if len(pieces) == 1:
        return Steps(*pieces[0])
    return Steps(
        np.concatenate([time for time, _ in pieces]), np.concatenate([value for _, value in pieces])
    )


def scattered(start: Second, end: Second) -> Array:
    """Return many moments of an interval, ascending from its start.

    They are spread evenly but not regularly, because regular ones may always meet a periodic signal
    at the same phase.
    """
    number = np.arange(MANY_STEPS, dtype=np.float64)
    moments: Array = start + (number + number * _GOLDEN % 1.0) * ((end - start) / MANY_STEPS)
    return moments
