"""Pulses out of the record of a run: what a bench did anyway is what a predictor learns from."""

import numpy as np

from crossbar.backend import Array, DataError, Flag
from crossbar.programming.predictor.shots import Shots
from crossbar.store import Call, Store

KEEPS = ("read", "pulse", "drive")
"""Verbs after which a cell is still where its last read found it."""


def shots_of_run(store: Store, run: int) -> Shots:
    """Return the pulses of a recorded run that have a read before and a read after.

    Offsets of the bit lines are taken from the multiplications by zero in the record, as
    `crossbar.calibration.measure_offset` leaves them there; without any they are taken for zero.
    After a wait, a sweep or a waveform a cell has to be read anew before its pulses count.

    Raises
    ------
    StoreError
        If there is no such run, or it cannot be read.
    DataError
        If there is no such pulse in it.
    """
    store.run(run)
    offsets: list[Array] = []
    events: list[Array] = []
    segment = 0
    for call in store.calls(run):
        if call.verb not in KEEPS:
            segment += 1
        if call.answered is None or call.error is not None:
            # Whatever the cells received, nobody read them after it.
            segment += call.verb != "read"
        elif call.verb == "drive" and not np.any(call.asked["voltages"]):
            offsets.append(np.mean(call.answered["current"], axis=0))
        elif call.verb in ("read", "pulse"):
            events.append(_events(call, segment))
    if not events:
        raise DataError(f"run {run} has no reads of cells")
    return _paired(np.concatenate(events, axis=1), offsets, run)


def _events(call: Call, segment: int) -> Array:
    """Return rows: segment, word line, bit line, A, flags, read V, pulse V (0 for none), width."""
    asked, answered = call.asked, call.answered or {}
    word, bit = asked["word"], asked["bit"]
    pulsed = call.verb == "pulse"
    columns = (
        *(segment, word, bit, answered["current"], answered["flags"]),
        asked["read_voltage" if pulsed else "voltage"],
        asked["voltages"] if pulsed else 0.0,
        asked["widths"] if pulsed else 0.0,
    )
    return np.array([np.broadcast_to(c, len(word)) for c in columns], dtype=np.float64)


def _paired(events: Array, offsets: list[Array], run: int) -> Shots:
    """Return every pulse whose cell was read before it, in the same segment."""
    segment, word, bit, current, flags, read, volts, widths = events
    if offsets:
        current = current - np.mean(offsets, axis=0)[bit.astype(np.intp)]
    conductance = current / read
    # Stable: the events of one cell stay in the order in which they happened.
    order = np.lexsort((bit, word, segment))
    first, second = order[:-1], order[1:]
    same = np.all(events[:3, first] == events[:3, second], axis=0)
    whole = (((flags[first].astype(int) | flags[second].astype(int)) & Flag.CLIPPED) == 0) & same
    chosen = whole & (widths[second] > 0) & (volts[second] != 0)
    if not chosen.any():
        raise DataError(f"run {run} has no pulse with a read before and a read after it")
    # Pulses in the order in which they were applied.
    late, early = second[chosen], first[chosen]
    back = np.argsort(late)
    late, early = late[back], early[back]
    return Shots(conductance[early], conductance[late], volts[late], widths[late])
