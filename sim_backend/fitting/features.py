"""What can be seen of I-V cycles without a model: which way they switch, where, and how far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossbar.backend import Ampere, Array, DataError, Siemens, Volt

if TYPE_CHECKING:
    from sim_backend.fitting.sweeps import Cycle

GRID = 40
"""Voltages, from an eighth of the largest to nearly all of it, at which branches are compared."""

LEAST_REACH = 0.1
"""Of the largest voltage: a side that cycles go less far to shows no switching."""

LEAST_HYSTERESIS = 0.05
"""Of ln G between the way out and the way back: less is not told from drift of an instrument."""

HELD, MOVED = 0.95, 0.15
"""Points above this part of the largest current are held there if their voltages, as a part of the
largest, move by so much: of an ohmic device they would move by 5 %."""

FEWEST_HELD = 4


@dataclass(frozen=True, slots=True)
class Features:
    """What was seen, voltages counted so that SET is positive.

    Parameters
    ----------
    sign
        -1 where the device was connected the other way round.
    off, on
        Conductances at low voltage before and after SET, S.
    nonlinearity
        b of a hyperbolic sine through the upper branches, 1/V.
    set_voltage, reset_voltage
        Magnitudes at which ln G is half way, V.
    positive, negative
        Whether the cycles reach far enough to either side to show a SET and a RESET.
    reach, step
        Largest voltage and median distance of points, V.
    floor
        Current below which there is only noise, A.
    compliance
        Magnitude from which on points are held by a compliance, A; infinite if none is.
    notes
        In words.
    """

    sign: int
    off: Siemens
    on: Siemens
    nonlinearity: float
    set_voltage: Volt
    reset_voltage: Volt
    positive: bool
    negative: bool
    reach: Volt
    step: Volt
    floor: Ampere
    compliance: Ampere
    notes: tuple[str, ...]


def features(cycles: Sequence["Cycle"]) -> Features:
    """Return what the cycles show.

    Raises
    ------
    DataError
        If the voltage does not move, nothing flows, or way out and way back are the same.
    """
    V = np.concatenate([cycle.voltage for cycle in cycles])
    current = np.concatenate([cycle.current for cycle in cycles])
    reach = float(np.abs(V).max())
    step = float(np.median(np.abs(np.diff(V))[np.diff(V) != 0])) if np.ptp(V) > 0 else 0.0
    if step == 0 or reach == 0:
        raise DataError("the voltage never moves")
    floor = _floor(V, current, reach)
    if np.abs(current).max() < 10 * floor:
        raise DataError(
            f"nothing flows but noise: at most {np.abs(current).max():.2g} A, the noise being "
            f"{floor:.2g} A; the device is open"
        )
    _conducts(V, current, floor)
    sides = {sign: _side(cycles, sign, reach, floor) for sign in (1, -1)}
    sign = _polarity(sides)
    notes = ["connected the other way round: every voltage has the other sign"] if sign < 0 else []
    compliance = _compliance(cycles)
    if np.isfinite(compliance):
        notes.append(f"held by a compliance at {compliance / HELD:.2g} A; such points not fitted")
    up, down = sides[sign], sides[-sign]
    if up is None or down is None:
        notes.append("one polarity only: the constants of the other are assumed")
    known = [side for side in (up, down) if side is not None]
    off, on = min(s.low for s in known), max(s.high for s in known)
    return Features(
        sign=sign,
        off=off,
        on=on,
        nonlinearity=_nonlinearity(V, current, reach, floor),
        set_voltage=reach / 2 if up is None else up.crossing,
        reset_voltage=reach / 2 if down is None else down.crossing,
        positive=up is not None,
        negative=down is not None,
        reach=reach,
        step=step,
        floor=floor,
        compliance=compliance,
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of 0 V: median of ln (G back / G out), chord conductances, where G is half way."""

    hysteresis: float
    low: Siemens
    high: Siemens
    crossing: Volt


def _side(cycles: Sequence["Cycle"], sign: int, reach: Volt, floor: Ampere) -> _Side | None:
    furthest = max(float((sign * cycle.voltage).max()) for cycle in cycles)
    if furthest < LEAST_REACH * reach:
        return None
    grid = np.linspace(furthest / 8, furthest, GRID)
    logs = [_branches(cycle, sign, grid, floor) for cycle in cycles]
    both = [pair for pair in logs if pair is not None]
    if not both:
        return None
    out, back = (np.median([pair[k] for pair in both], axis=0) for k in (0, 1))
    known = np.isfinite(out) & np.isfinite(back)
    if known.sum() < 4:
        return None
    grid, out, back = grid[known], out[known], back[known]
    lowest = slice(0, max(len(grid) // 6, 2))
    before, after = float(np.median(out[lowest])), float(np.median(back[lowest]))
    # Half way along the way out, measured from the line that the way back draws.
    share = (out - back) / np.where(before == after, 1.0, before - after)
    passed = np.flatnonzero(share < 0.5)
    crossing = float(grid[passed[0]]) if len(passed) else float(grid[-1])
    return _Side(
        float(np.median(back - out)),
        float(np.exp(min(before, after))),
        float(np.exp(max(before, after))),
        crossing,
    )


def _branches(cycle: "Cycle", sign: int, grid: Array, floor: Ampere) -> tuple[Array, Array] | None:
    """Return ln G over the grid on the way out and on the way back, on one side of 0 V."""
    V, current = sign * cycle.voltage, sign * cycle.current
    top = int(np.argmax(V))
    begin = top - int(np.argmax(V[: top + 1][::-1] <= 0)) if (V[: top + 1] <= 0).any() else 0
    end = top + int(np.argmax(V[top:] <= 0)) if (V[top:] <= 0).any() else len(V)
    halves = (slice(begin, top + 1), slice(top, end))
    result = []
    for half in halves:
        v, i = V[half], current[half]
        good = (v > 0) & (i > 0)
        if good.sum() < 4:
            return None
        order = np.argsort(v[good])
        logs = np.log(np.maximum(i[good], floor) / v[good])[order]
        result.append(np.interp(grid, v[good][order], logs, left=np.nan, right=np.nan))
    return result[0], result[1]


def _polarity(sides: dict[int, _Side | None]) -> int:
    """Return the sign of the voltages that SET, or refuse a device without hysteresis."""
    gain = {sign: side.hysteresis for sign, side in sides.items() if side is not None}
    if not gain:
        raise DataError("no cycle goes out and comes back on either side of 0 V")
    if max(abs(value) for value in gain.values()) < LEAST_HYSTERESIS:
        raise DataError(
            "way out and way back are the same within "
            f"{100 * LEAST_HYSTERESIS:.0f} %: the device is ohmic, or does not switch in this range"
        )
    return 1 if gain.get(1, 0.0) >= gain.get(-1, 0.0) else -1


def _floor(V: Array, current: Array, reach: Volt) -> Ampere:
    """Return the current that is there at 0 V, or a millionth of the largest."""
    near = np.abs(current[np.abs(V) <= 0.01 * reach])
    largest = float(np.abs(current).max())
    if not largest > 0:
        raise DataError("every current is zero")
    noise = float(np.median(near)) if len(near) else 0.0
    return max(noise, 1e-9 * largest, 1e-13)


def _conducts(V: Array, current: Array, floor: Ampere) -> None:
    far = (np.abs(V) > 0.25 * np.abs(V).max()) & (np.abs(current) > 3 * floor)
    if far.any() and (V[far] * current[far] > 0).mean() < 0.9:
        raise DataError(
            "much of the current flows against the voltage: the device is capacitive, or open"
        )


def _compliance(cycles: Sequence["Cycle"]) -> Ampere:
    """Return the current from which on points are held, infinite if few are."""
    size = np.concatenate([np.abs(cycle.current) for cycle in cycles])
    V = np.concatenate([cycle.voltage for cycle in cycles])
    level = HELD * float(size.max())
    held = size >= level
    spans = np.ptp(np.abs(V[held])) > MOVED * np.abs(V).max()
    return level if held.sum() >= FEWEST_HELD * len(cycles) and spans else float("inf")


def _nonlinearity(V: Array, current: Array, reach: Volt, floor: Ampere) -> float:
    """Return b at which sinh(b V)/(b V) grows as the median chord conductance does."""
    size, chord = np.abs(V), np.abs(current) / np.maximum(np.abs(V), 1e-12)
    near = (size > 0.1 * reach) & (size < 0.25 * reach) & (np.abs(current) > floor)
    far = size > 0.85 * reach
    if not near.any() or not far.any():
        return 1.0 / reach
    growth = float(np.median(chord[far]) / np.median(chord[near]))
    b = np.linspace(1e-2, 8.0, 400) / reach
    expected = np.sinh(b * reach) / (b * reach)
    return float(b[np.argmin(np.abs(np.log(expected / max(growth, 1.0))))])
