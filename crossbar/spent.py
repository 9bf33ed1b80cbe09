"""What the calls of a record have done to each cell, and a guard that is told of it.

A call that was intended and has no outcome counts as applied, and so does one that failed on the
bench. Only what was refused before anything was driven does not.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, DataError
from crossbar.guard import Guarded
from crossbar.records import Call

REFUSED = ("LimitError", "BudgetError", "ClosedError")
"""Errors after which nothing was driven."""
NOISE = 1e-9
"""Part of a sum below which a difference is that of adding in another order; assumed."""

Counts = tuple[NDArray[np.int64], Array]
"""Pulses of each cell, and its stress, V² s; both of the array's shape."""


def applied(call: Call) -> bool:
    """Return whether a call was, or may have been, made on the bench."""
    return not (call.error or "").startswith(REFUSED)


def spent(calls: Iterable[Call], shape: tuple[int, int]) -> Counts:
    """Return what the calls of a record may have given each cell of an array of this shape."""
    pulses, stress = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    for call in calls:
        if not applied(call):
            continue
        asked = call.asked
        if call.verb == "pulse":
            where = asked["word"], asked["bit"]
            np.add.at(pulses, where, 1)
            np.add.at(stress, where, asked["voltages"] ** 2 * asked["widths"])
        elif call.verb in ("sweep", "trace"):
            word, bit = asked["cell"].tolist()
            each = asked["dwell" if call.verb == "sweep" else "interval"]
            stress[word, bit] += float(np.sum(asked["voltages"] ** 2) * each)
            pulses[word, bit] += call.verb == "trace"
    return pulses, stress


def settle(guard: Guarded, before: Counts, calls: Iterable[Call]) -> None:
    """Tell a guard what earlier runs on this array may have given its cells, and it does not know.

    Parameters
    ----------
    guard
        Of the open bench.
    before
        What the cells had received when the first of those runs began.
    calls
        Of all of them.
    """
    pulses, stress = (
        had + more for had, more in zip(before, spent(calls, guard.shape), strict=True)
    )
    lacking = stress - guard.stress
    guard.received(
        np.maximum(pulses - guard.pulses, 0), np.where(lacking > NOISE * stress, lacking, 0.0)
    )


def counts(note: object, shape: tuple[int, int]) -> Counts:
    """Return counts as `plain` kept them; zeros if there are none.

    Raises
    ------
    DataError
        If the note is damaged, or of an array of another shape.
    """
    if note is None:
        return np.zeros(shape, dtype=np.int64), np.zeros(shape)
    told: Any = note
    try:
        pulses, stress = np.array(told["pulses"], np.int64), np.array(told["stress"], np.float64)
    except (KeyError, TypeError, ValueError) as problem:
        raise DataError("the note of what the cells had received is damaged") from problem
    if not pulses.shape == stress.shape == shape:
        raise DataError(f"what the cells had received was noted for {pulses.shape}, not {shape}")
    return pulses, stress


def plain(guard: Guarded) -> dict[str, object]:
    """Return what a guard knows of each cell, for a note."""
    return {"pulses": guard.pulses, "stress": guard.stress}
