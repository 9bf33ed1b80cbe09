"""Figures of merit of every measured data set at hand, and how long they take.

``python benchmarks/usability.py [--json] [FOLDER]``. The folder has one folder per data set; by
default it is the one that ``CROSSBAR_DATA`` names, or ``../shared/data``. Values are medians over
devices, with the median absolute deviation beside them; usability is by the form that is named.
What is no memristor is counted and left out; what has no curve is said to have none.
"""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from rows import Row, arguments, show

from crossbar.backend import DataError
from crossbar.curves import Curve, Measurements, PulseTable
from crossbar.curves.reading import join_cycles, read_many
from crossbar.merit.device import Merit, MeritSettings, merit, merit_of_pulses
from crossbar.merit.kinds import KINDS

SETTINGS = MeritSettings()
TIMED, CYCLES, WITHIN = "joksas-mnn-cam", 151, 2.0
"""The set whose 151 cycles of 25 devices are to take less than this, s."""
ROUNDS = 5


def folder(given: Path | None) -> Path:
    """Return where the data sets are."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return given or Path(os.environ.get("CROSSBAR_DATA", beside))


def figures(data: Sequence[Measurements]) -> tuple[list[Merit], int]:
    """Return the figures of every device of a set, and how many devices have none."""
    curves = join_cycles([curve for one in data for curve in one.curves])
    measured: list[Curve | PulseTable] = [*curves, *(t for one in data for t in one.pulses)]
    found, without = [], 0
    for each in measured:
        try:
            if isinstance(each, Curve):
                found.append(merit(each, SETTINGS))
            else:
                found.append(merit_of_pulses(each, SETTINGS))
        except DataError:
            without += 1
    return found, without


def rows_of(name: str, data: Sequence[Measurements]) -> Iterator[Row]:
    """Yield the rows of one data set."""
    start = time.perf_counter()
    found, without = figures(data)
    took = [time.perf_counter() - start]
    if not found:
        count = sum(len(readings) for one in data for readings in one.readings)
        yield Row(f"{name}: readings without a curve, no figures", count, None, "")
        return
    memristive = [one for one in found if one.kind.name in ("memristive", "unknown")]
    yield Row(f"{name}: devices", len(found), None, "")
    for kind in KINDS:
        if kind != "memristive" and (count := sum(one.kind.name == kind for one in found)):
            yield Row(f"{name}: of these {kind}", count, None, "")
    if without:
        yield Row(f"{name}: devices without figures", without, None, "")
    yield Row(f"{name}: cycles", sum(one.cycles for one in found), None, "")
    form = SETTINGS.form
    for what, values in (
        ("LCIS (points)", [float(one.lcis.length) for one in memristive]),
        ("rho", [one.rho for one in memristive]),
        ("sigma", [one.sigma for one in memristive]),
        ("bound of sigma, 95 %", [one.bound for one in memristive]),
        (f"usability ({form})", [u.value for one in memristive if (u := one.usability)]),
    ):
        yield from median(f"{name}: {what}", values)
    if name == TIMED:
        for _ in range(ROUNDS - 1):
            start = time.perf_counter()
            figures(data)
            took.append(time.perf_counter() - start)
    cycles = sum(one.cycles for one in found)
    seconds, spread = statistics.median(took), statistics.pstdev(took)
    timed = name == TIMED and cycles == CYCLES
    target = f"below {WITHIN:g} s" if timed else None
    holds = seconds < WITHIN if timed else None
    yield Row(
        f"{name}: figures took", seconds, spread if len(took) > 1 else None, "s", target, holds
    )


def median(name: str, values: Sequence[float]) -> Iterator[Row]:
    """Yield the median of what is known, and the median deviation from it."""
    known = np.array(values)[np.isfinite(values)]
    if known.size:
        middle = float(np.median(known))
        yield Row(name, middle, float(np.median(np.abs(known - middle))), "")


def main() -> None:
    """Read, compute and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="of the data sets")
    chosen = parser.parse_args()
    place = folder(chosen.folder)
    if not place.is_dir():
        parser.error(f"there is no folder {place}; name one, or set CROSSBAR_DATA")
    rows: list[Row] = []
    for each in sorted(path for path in place.iterdir() if path.is_dir()):
        good, bad = read_many([each])
        if good:
            rows += rows_of(each.name, [data for _, data in good])
        rows += [Row(f"{each.name}: files that cannot be read", len(bad), None, "")] if bad else []
    show(rows, as_json=chosen.json, title="figures of merit of measured data")


if __name__ == "__main__":
    main()
