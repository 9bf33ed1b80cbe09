"""One branch of every cycle on a common grid of voltages, and what had to be left out for it."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, DataError, Flag, Indices, Mask, Volt
from crossbar.curves.measured import Curve
from crossbar.merit.cycles import BRANCHES, branches, check_moves, cycle_slices

BAND, FLAT, MOST = 1e-2, 1e-3, 0.7
"""A current is limited where it stays within a band of its largest, and most of it within a
thousandth of one value: the round top of a RESET is in the band, but it is not flat."""
SPAN = 0.02
"""Part of the sweep's range over which a current has to stay flat to be limited."""
SAME = 0.25
"""Part of a step by which set voltages may differ between cycles and need no interpolation."""
COVER = 0.5
"""A cycle with less than this part of the usual number of points is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Aligned:
    """Conductances of one branch, cycle by cycle, at the same voltages.

    Parameters
    ----------
    grid
        Magnitude of the voltage, V, ascending, shape ``(k,)``.
    conductance
        I/V, S, shape ``(c, k)``; finite and positive everywhere.
    cycles
        Number of each cycle that is in it, shape ``(c,)``.
    left_out
        How many points of the branch were left out, by reason.
    cycles_left_out
        Numbers of the cycles that were.
    """

    grid: Array
    conductance: Array
    cycles: Indices
    left_out: dict[str, int]
    cycles_left_out: tuple[int, ...] = ()


def limited(curve: Curve) -> Mask:
    """Return which points do not show the device but a limit of the current, shape ``(n,)``.

    Those that the source has flagged; and, because most files have no flags, runs of a cycle's
    points at its largest current of either sign, over more than `SPAN` of the voltage's range.
    """
    mask = np.zeros(len(curve), dtype=np.bool_)
    if curve.flags is not None:
        mask |= (curve.flags & (Flag.CLIPPED | Flag.COMPLIANCE)) != 0
    for points in cycle_slices(curve):
        for sign in (1, -1):
            mask[points] |= _plateau(sign * curve.current[points], curve.voltage[points])
    return mask


def align(
    curve: Curve,
    grid: Array | None = None,
    *,
    branch: str = "positive up",
    v_floor: Volt = 0.0,
    points: int | None = None,
) -> Aligned:
    """Return a branch of every cycle at common voltages; only points that every cycle has.

    A voltage at which some cycles were limited is left out of all: only the cycles of low
    conductance would be left there, and they would look alike.

    Parameters
    ----------
    curve
        Divided into cycles.
    grid
        Magnitudes of voltage, V, ascending; None takes the measured ones where cycles have the
        same, so that nothing is interpolated, and else as many as a cycle has.
    branch
        Key of `BRANCHES`.
    v_floor
        Points below this magnitude are left out, V; 0 V always is.
    points
        How many voltages a grid of our own has; None as said there.

    Raises
    ------
    DataError
        If the branch is unknown, or no voltage is left at which every cycle has a conductance.
    """
    check_moves(curve)
    if branch not in BRANCHES:
        raise DataError(f"there is no branch {branch!r}; there are: {', '.join(BRANCHES)}")
    on = branches(curve) == BRANCHES[branch]
    if not curve.voltage[on].any():
        raise DataError(f"{curve.name}: no point is on the {branch} branch")
    good, left_out = _usable(curve, on, v_floor)
    pieces, used = _pieces(curve, good)
    if not pieces:
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
        raise DataError(f"{curve.name}: the {branch} branch has no usable point: {why}")
    if grid is None and points is None and (same := _same_voltages(pieces)) is not None:
        found, table = same
    else:
        found = _common_grid(pieces, points) if grid is None else _inside(pieces, grid)
        table = np.array([np.interp(found, x, y) for x, y in pieces])
    if len(found) < 2:
        raise DataError(
            f"{curve.name}: on the {branch} branch the cycles ({len(pieces)}) share "
            f"{'one voltage' if len(found) else 'no voltage'}; two are needed"
        )
    missing = tuple(sorted(set(range(curve.cycles)) - set(used)))
    return Aligned(found, table, np.array(used, dtype=np.intp), left_out, missing)


def _usable(curve: Curve, on: Mask, v_floor: Volt) -> tuple[Mask, dict[str, int]]:
    """Return the points of a branch that have a conductance, and how many have none, and why."""
    current, voltage = curve.current, curve.voltage
    with np.errstate(invalid="ignore"):
        positive = current * np.sign(voltage) > 0
    reasons = {
        "without a current": ~np.isfinite(current),
        "at the current limit": limited(curve),
        f"below {v_floor:g} V" if v_floor > 0 else "at 0 V": (np.abs(voltage) < v_floor)
        | (voltage == 0),
        "of no positive conductance": ~positive,
    }
    left, count = on.copy(), Counter[str]()
    for reason, bad in reasons.items():
        count[reason] = int((left & bad).sum())
        left &= ~bad
    return left, dict(count)


def _plateau(current: Array, voltage: Array) -> Mask:
    """Return the points of a cycle at a limit of its positive current."""
    known = np.where(np.isfinite(current), current, -np.inf)
    highest = float(known.max(initial=-np.inf))
    if not 0 < highest < np.inf:
        return np.zeros(len(current), dtype=np.bool_)
    at = known >= (1 - BAND) * highest
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at, [False]]).astype(np.int8)))
    mask = np.zeros(len(current), dtype=np.bool_)
    for begin, end in edges.reshape(-1, 2).tolist():
        run = current[begin:end]
        flat = np.abs(run / np.median(run) - 1) <= FLAT
        wide = np.ptp(voltage[begin:end]) > SPAN * np.ptp(voltage)
        mask[begin:end] = end - begin > 2 and wide and flat.mean() >= MOST
    return mask


Piece = tuple[Array, Array]
"""Ascending magnitudes of voltage and the conductance at each."""


def _pieces(curve: Curve, good: Mask) -> tuple[list[Piece], list[int]]:
    """Return the branch of every cycle that has enough of it, and which cycles these are."""
    pieces: dict[int, Piece] = {}
    for number, points in enumerate(cycle_slices(curve)):
        chosen = good[points]
        magnitude = np.abs(curve.voltage[points][chosen])
        conductance = np.abs(curve.current[points][chosen]) / magnitude
        # At a dwell there are several readings of one voltage: their mean is the reading.
        unique, which, count = np.unique(magnitude, return_inverse=True, return_counts=True)
        pieces[number] = unique, np.bincount(which, conductance, len(unique)) / count
    usual = float(np.median([len(x) for x, _ in pieces.values()]))
    used = [n for n, (x, _) in pieces.items() if len(x) and len(x) >= COVER * usual]
    return [pieces[n] for n in used], used


def _same_voltages(pieces: list[Piece]) -> Piece | None:
    """Return the set voltages and every cycle's conductances, None if cycles have no such."""
    longest = max((x for x, _ in pieces), key=len)
    if len(longest) < 2:
        return None
    tolerance = SAME * float(np.median(np.diff(longest)))
    present = np.ones(len(longest), dtype=np.bool_)
    columns = []
    for x, y in pieces:
        nearest = np.clip(np.searchsorted(x, longest), 1, max(len(x) - 1, 1))
        nearest -= longest - x[nearest - 1] < x[np.minimum(nearest, len(x) - 1)] - longest
        nearest = np.minimum(nearest, len(x) - 1)
        close = np.abs(x[nearest] - longest) <= tolerance
        if close.sum() < 0.9 * len(x):
            return None
        present &= close
        columns.append(y[nearest])
    return longest[present], np.array(columns)[:, present]


def _inside(pieces: list[Piece], grid: Array) -> Array:
    """Return the part of a grid that every cycle covers: nothing is extrapolated."""
    low = max(float(x[0]) for x, _ in pieces)
    high = min(float(x[-1]) for x, _ in pieces)
    return grid[(grid >= low) & (grid <= high)]


def _common_grid(pieces: list[Piece], points: int | None) -> Array:
    """Return evenly spaced voltages over the range that every cycle covers."""
    low = max(float(x[0]) for x, _ in pieces)
    high = min(float(x[-1]) for x, _ in pieces)
    if low > high:
        return np.empty(0)
    count = points or int(np.median([((x >= low) & (x <= high)).sum() for x, _ in pieces]))
    return np.linspace(low, high, max(count, 2)) if high > low else np.array([low])
