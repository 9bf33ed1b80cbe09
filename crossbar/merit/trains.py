"""Pulse tables as curves: the SET trains of every cycle, pulse by pulse."""

import numpy as np

from crossbar.backend import Array, DataError
from crossbar.curves.measured import PulseTable
from crossbar.merit.alignment import COVER
from crossbar.merit.kinds import SIGNAL, Kind


def set_trains(table: PulseTable) -> tuple[Array, tuple[str, ...]]:
    """Return the conductances of the SET trains, shape ``(c, k)``, and what was left out.

    All trains are cut to the shortest, after those of less than half the usual length are left
    out. A table that does not say which pulses are SET pulses is taken to hold nothing else.

    Raises
    ------
    DataError
        If no cycle has a SET train of two pulses.
    """
    notes = []
    rising = table.polarity > 0
    if not rising.any() and not table.polarity.any() and len(table):
        rising = np.ones(len(table), dtype=np.bool_)
        notes.append("nobody says which pulses are SET pulses: all are taken for such")
    known = rising & np.isfinite(table.conductance)
    if missing := int((rising & ~known).sum()):
        notes.append(f"{missing} pulses without a conductance are left out")
    cycles = int(table.cycle[-1]) + 1 if len(table) else 0
    trains = [table.conductance[known & (table.cycle == number)] for number in range(cycles)]
    usual = float(np.median([len(train) for train in trains])) if trains else 0.0
    used = [train for train in trains if len(train) >= max(2.0, COVER * usual)]
    if not used:
        raise DataError(f"{table.name}: no cycle has a SET train of two pulses")
    if len(used) < cycles:
        notes.append(f"cycles with too short SET trains are left out: {cycles - len(used)}")
    shortest = min(len(train) for train in used)
    if cut := sum(len(train) - shortest for train in used):
        notes.append(f"SET trains are cut to the shortest, {shortest} pulses: {cut} left out")
    G = np.array([train[:shortest] for train in used], dtype=np.float64)
    bad = (G <= 0).any(axis=0)
    # In siemens a conductance of 0 is a failed read; in unknown units it may be the unit's zero.
    if not table.normalised and bad.any() and (~bad).sum() >= 2:
        notes.append(f"{int(bad.sum())} pulses after which a conductance is not positive left out")
        G = G[:, ~bad]
    return G, tuple(notes)


def kind_of_trains(trains: Array) -> Kind:
    """Return whether pulses change the conductance at all, by more than its noise."""
    mean = trains.mean(axis=0)
    change = float(np.ptp(mean))
    second = np.diff(mean, 2)
    noise = float(1.4826 * np.median(np.abs(second)) / np.sqrt(6)) if len(second) else 0.0
    clear = change / noise if noise > 0 else (float("inf") if change > 0 else 0.0)
    nothing = (float("nan"),) * 3
    if clear < 2 * SIGNAL:
        reason = f"pulses change the conductance by {clear:.1f} times its noise only"
        return Kind("ohmic", reason, *nothing, clear)
    return Kind("memristive", "pulses change the conductance", *nothing, clear)
