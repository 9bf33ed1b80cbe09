"""Sweeps taken apart: turning points, cycles, and the four branches of a loop."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from crossbar.backend import Array, DataError, Indices, Mask, Volt
from crossbar.curves.measured import Curve

BRANCHES: Mapping[str, int] = MappingProxyType(
    {"positive up": 0, "positive down": 1, "negative down": 2, "negative up": 3}
)
"""Number of each branch: sign of the voltage, and whether the voltage rises or falls."""

RETURNS: Mapping[str, str] = MappingProxyType(
    {
        "positive up": "positive down",
        "positive down": "positive up",
        "negative down": "negative up",
        "negative up": "negative down",
    }
)
"""The other branch of the same sign."""

REVERSAL = 0.25
"""Part of the sweep's range by which the voltage has to run back for a turn to be one: noise and
the dip of a device that takes voltage from its series resistor stay below, a sweep goes beyond."""
NEAR = 0.05
"""Part of the sweep's range within which two voltages of a cycle count as the same."""
QUIVER = 0.01
"""Part of the sweep's range that a first turn has to be away from the beginning, beside noise."""
SHORT = 0.75
"""A last cycle that spans less than this part of the others' range is not whole."""


def turns(voltage: Array) -> Indices:
    """Return where a sweep turns round, its two ends not counted.

    Parameters
    ----------
    voltage
        V, in the order of the points, shape ``(n,)``; noise and dwells are allowed.
    """
    if len(voltage) == 0:
        return np.empty(0, dtype=np.intp)
    reach = float(np.ptp(voltage))
    moving = np.flatnonzero(np.diff(voltage))
    change = np.flatnonzero(np.diff(np.sign(np.diff(voltage)[moving])))
    # Of a dwell at an extremum the middle one: half of it belongs to either side.
    extrema = (moving[change] + 1 + moving[change + 1]) // 2
    found: list[int] = []
    lowest = highest = direction = 0
    for at in [*extrema.tolist(), len(voltage) - 1]:
        here = voltage[at]
        if direction >= 0 and voltage[highest] - here > REVERSAL * reach:
            found.append(highest)
            direction, lowest = -1, at
        elif direction <= 0 and here - voltage[lowest] > REVERSAL * reach:
            found.append(lowest)
            direction, highest = 1, at
        highest = at if here > voltage[highest] else highest
        lowest = at if here < voltage[lowest] else lowest
    # A sweep that begins with a quiver, or a step before its extremum, has not turned there.
    second = np.abs(np.diff(voltage, 2))
    noise = 1.4826 * float(np.median(second)) / np.sqrt(6) if len(second) else 0.0
    if found and abs(voltage[found[0]] - voltage[0]) <= QUIVER * reach + 5 * noise:
        del found[0]
    return np.array(found, dtype=np.intp)


def directions(voltage: Array) -> Indices:
    """Return 1 for every point on the way up and -1 on the way down; a turn ends its own way."""
    edges = np.array([0, *turns(voltage), max(len(voltage) - 1, 0)], dtype=np.intp)
    if len(voltage) == 0:
        return np.empty(0, dtype=np.intp)
    rising = np.where(voltage[edges[1:]] >= voltage[edges[:-1]], 1, -1)
    way = np.repeat(rising, np.diff(edges))
    return np.concatenate([rising[:1], way]).astype(np.intp)


def branches(curve: Curve) -> Indices:
    """Return the number in `BRANCHES` of every point, shape ``(n,)``.

    A point at exactly 0 V begins the branch that it leads to.
    """
    way = np.empty(len(curve), dtype=np.intp)
    for points in cycle_slices(curve):
        way[points] = directions(curve.voltage[points])
    positive = (curve.voltage > 0) | ((curve.voltage == 0) & (way > 0))
    return np.where(positive, np.where(way > 0, 0, 1), np.where(way < 0, 2, 3)).astype(np.intp)


def cycle_slices(curve: Curve) -> list[slice]:
    """Return where the points of each cycle are."""
    edges = np.searchsorted(curve.cycle, np.arange(curve.cycles + 1)).tolist()
    return [slice(a, b) for a, b in pairwise(edges)]


def split(curve: Curve, *, keep_incomplete: bool = False) -> Curve:
    """Return the curve divided into cycles by its voltages.

    A cycle begins where the sweep begins: at 0 V or at one of its ends. Of a sweep that begins
    elsewhere, cycles begin where it rises through 0 V, so that no branch is made of two halves.

    Parameters
    ----------
    curve
        Returned as it is if its source has divided it.
    keep_incomplete
        Whether cycles that were not measured to their end stay, as cycles of their own; otherwise
        they are left out and the origin's notes say so. One that is all there is always stays.

    Raises
    ------
    DataError
        If there are fewer than three points, or the voltage never moves.
    """
    if curve.cycles > 1:
        return curve
    check_moves(curve)
    starts, whole, note = _starts(curve.voltage)
    cycle = np.searchsorted(starts, np.arange(len(curve)), side="right") - 1
    notes = curve.origin.notes
    if note:
        notes = (*notes, note)
    if not whole.all() and whole.any() and not keep_incomplete:
        lengths = np.diff([*starts, len(curve)])
        for number in np.flatnonzero(~whole).tolist():
            where = "first" if number == 0 else "last"
            notes = (
                *notes,
                f"the {where} cycle is incomplete: its {lengths[number]} points are left out",
            )
        curve = replace(curve, cycle=cycle).part(whole[cycle])
        return replace(curve, origin=replace(curve.origin, notes=notes))
    return replace(curve, cycle=cycle, origin=replace(curve.origin, notes=notes))


def check_moves(curve: Curve) -> None:
    """Raise `DataError` unless there are three points and their voltage moves."""
    if len(curve) < 3:
        raise DataError(f"{curve.name}: {len(curve)} points are too few for a curve")
    if not np.ptp(curve.voltage) > 0:
        raise DataError(
            f"{curve.name}: the voltage stays at {curve.voltage[0]:g} V; that is no sweep"
        )


def _starts(voltage: Array) -> tuple[Indices, Mask, str]:
    """Return the first point of each cycle, whether it is whole, and what has to be said."""
    reach = float(np.ptp(voltage))
    corner = turns(voltage)
    near = NEAR * reach
    ends = (0.0, float(voltage.min()), float(voltage.max()))
    regular = min(abs(float(voltage[0]) - end) for end in ends) <= near
    edges = [0, *corner.tolist(), len(voltage) - 1]
    way = [1 if voltage[b] >= voltage[a] else -1 for a, b in pairwise(edges)]
    level = float(voltage[0]) if regular else min(max(0.0, ends[1]), ends[2])
    sense = way[0] if regular else 1
    passages = (
        _passage(voltage, a, b, level, sense)
        for (a, b), direction in zip(pairwise(edges), way, strict=True)
        if direction == sense and (a > 0 or (not regular and voltage[a] < level))
    )
    # What does not leave the level any more is the end of a cycle, not the beginning of one.
    found = [at for at in passages if at is not None and np.ptp(voltage[at:]) > near]
    if not regular and len(found) < 2:
        # About one period from anywhere to the same place: there is no better division than none.
        closed = abs(voltage[-1] - voltage[0]) <= 4 * near and len(corner) > 1
        note = "the sweep begins in the middle of a branch"
        return np.array([0]), np.array([closed]), note
    starts = np.array(sorted({0, *found}), dtype=np.intp)
    whole = np.ones(len(starts), dtype=np.bool_)
    whole[0] = regular or starts[0] in found
    whole[-1] &= _complete(voltage, starts, level, near)
    note = "" if whole.any() else "the sweep does not return to where it began"
    return starts, whole, note


def _passage(voltage: Array, begin: int, end: int, level: Volt, sense: int) -> int | None:
    """Return where a way passes a level, None if it does not; of a dwell there the middle."""
    way = sense * (voltage[begin : end + 1] - level)
    at = np.abs(way) <= 0.4 * float(np.median(np.abs(np.diff(way))))
    if at.any():
        first = int(np.argmax(at))
        length = int(np.argmin(at[first:])) or len(at) - first
        return begin + first + length // 2
    return begin + int(np.argmax(way >= 0)) if (way >= 0).any() else None


def _complete(voltage: Array, starts: Indices, level: Volt, near: Volt) -> bool:
    """Return whether the last cycle turned, went as far as the others, and came back."""
    last = voltage[starts[-1] :]
    if len(last) < 3 or len(turns(last)) == 0 or abs(last[-1] - level) > 2 * near:
        return False
    others = [float(np.ptp(voltage[a:b])) for a, b in pairwise(starts.tolist())]
    return not others or float(np.ptp(last)) >= SHORT * float(np.median(others))
