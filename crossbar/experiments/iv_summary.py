"""The figures of an I-V run, made from its record alone."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crossbar.backend import Ampere, Array, Flag, Indices, Siemens, Volt
from crossbar.experiments.cell_view import statistics
from crossbar.store import Arrays


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """Every point of one cell that is in a record, in the order they were taken.

    Parameters
    ----------
    cell
        Word line and bit line.
    cycle
        Of each point, shape ``(n,)``.
    voltage, current, time, flags
        As in `crossbar.backend.Sweep`, shape ``(n,)``.
    run
        Number of the run that each point was measured in, shape ``(n,)``; -1 if it is not known.
    """

    cell: tuple[int, int]
    cycle: Indices
    voltage: Array
    current: Array
    time: Array
    flags: Indices
    run: Indices

    def flagged(self, flag: Flag) -> int:
        """Return how many points carry a flag."""
        return int(np.count_nonzero(self.flags & flag))


POINTS = ("cycle", "voltage", "current", "time", "flags", "run")
"""What there is of every point."""


def measured(results: Mapping[str, Arrays]) -> bool:
    """Return whether any piece of a sweep was finished."""
    return any(name.startswith("sweep/") for name in results)


def swept_cells(results: Mapping[str, Arrays]) -> list[Swept]:
    """Return the cells that have a point in the record, in the order they were swept."""
    parts: dict[tuple[int, int], list[Arrays]] = {}
    for name, arrays in results.items():
        if name.startswith("sweep/"):
            word, bit = arrays["cell"].tolist()
            # Of records of earlier versions the run is not known.
            made = np.full(len(arrays["voltage"]), arrays.get("run", -1))
            parts.setdefault((word, bit), []).append({**arrays, "run": made})
    return [
        Swept(cell, **{name: np.concatenate([part[name] for part in found]) for name in POINTS})
        for cell, found in parts.items()
    ]


def whole_cycles(swept: Swept, asked: Array) -> list[Swept]:
    """Return the cycles of a cell that have all of their points."""
    cut = [swept.cycle == k for k in range(int(swept.cycle.max(initial=-1)) + 1)]
    return [
        Swept(swept.cell, **{name: getattr(swept, name)[chosen] for name in POINTS})
        for chosen in cut
        if np.count_nonzero(chosen) == len(asked)
    ]


def cycles_by_run(swept: Swept) -> dict[int, list[int]]:
    """Return which cycles of a cell were measured in which run, both ascending."""
    return {
        run: np.unique(swept.cycle[swept.run == run]).tolist()
        for run in np.unique(swept.run).tolist()
    }


def summarise(results: Mapping[str, Arrays]) -> dict[str, object]:
    """Return one row of plain values per cell, and counts over all of them.

    ``outgoing`` and ``returning`` are the conductances at the read voltage on the way from 0 V to
    the first end of a cycle and back from it, without the current that is read at 0 V; ``ratio``
    is the larger of the two over the smaller. Every spread is over whole cycles.
    """
    if "asked" not in results:
        return {"rows": []}
    asked = results["asked"]
    rows = [_row(swept, asked) for swept in swept_cells(results)]
    return {
        "cells": len(asked["cells"]),
        "points_asked": len(asked["cells"]) * int(asked["cycles"]) * len(asked["voltage"]),
        **{name: sum(row[name] for row in rows) for name in COUNTS},  # type: ignore[misc]
        "read_voltage_V": float(asked["read_voltage"]),
        "rows": rows,
    }


COUNTS = ("points", "whole_cycles", "compliance_points", "clipped_points", "lost_points")
"""What is counted per cell and over all cells."""


def _row(swept: Swept, asked: Arrays) -> dict[str, object]:
    whole = whole_cycles(swept, asked["voltage"])
    at, offset = float(asked["read_voltage"]), _at_zero(swept)
    out, back = np.full(len(whole), np.nan), np.full(len(whole), np.nan)
    for k, cycle in enumerate(whole):
        out[k], back[k] = loop(cycle, asked["voltage"], at, offset)
    with np.errstate(all="ignore"):
        ratio = np.maximum(out, back) / np.minimum(out, back)
    ratio[(out <= 0) | (back <= 0)] = np.nan
    return {
        "cell": list(swept.cell),
        "points": len(swept.voltage),
        "whole_cycles": len(whole),
        "compliance_points": swept.flagged(Flag.COMPLIANCE),
        "clipped_points": swept.flagged(Flag.CLIPPED),
        "lost_points": int(np.isnan(swept.current).sum()),
        "largest_current_A": float(np.nanmax(np.abs(swept.current), initial=0.0)),
        "current_at_zero_A": offset,
        "outgoing_S": statistics(out),
        "returning_S": statistics(back),
        "ratio": statistics(ratio),
        # The clock of a bench may begin anew with a run that goes on with another.
        "bench_seconds": float(
            sum(np.ptp(swept.time[swept.run == run]) for run in np.unique(swept.run))
        ),
        "cycles_by_run": {str(run): found for run, found in cycles_by_run(swept).items()},
    }


def loop(cycle: Swept, asked: Array, at: Volt, offset: Ampere) -> tuple[Siemens, Siemens]:
    """Return the conductances of a cycle's first half at a voltage: going out, coming back.

    NaN where a branch does not reach the voltage.

    Parameters
    ----------
    cycle
        One whole cycle.
    asked
        Its voltages as they were asked for, V.
    at
        V, of the sign of the first end.
    offset
        Current at 0 V, A.
    """
    # The first half ends where the way back is at 0 V; the points between may be lowered ones.
    end = 1 + int(np.flatnonzero(asked[1:] == 0)[0])
    turn = int(np.argmax(np.abs(asked[:end])))
    sign = np.sign(at)
    branches = (slice(0, turn + 1), slice(end, turn - 1, -1))
    found = []
    for branch in branches:
        voltage, current = sign * cycle.voltage[branch], sign * (cycle.current[branch] - offset)
        order = np.argsort(voltage, kind="stable")
        value = np.interp(abs(at), voltage[order], current[order], left=np.nan, right=np.nan)
        found.append(float(value) / abs(at))
    return found[0], found[1]


def _at_zero(swept: Swept) -> Ampere:
    """Return the mean current of the points at 0 V, A: what the bench adds; 0 without any."""
    # An instrument measures its own 0 V to within some millivolts.
    near = np.abs(swept.voltage) < 5e-3
    found = swept.current[near & np.isfinite(swept.current)]
    return float(found.mean()) if found.size else 0.0
