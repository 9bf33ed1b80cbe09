"""What is left of 2,800 verified writes after 15 ms to 10 s: measured, and on the bench `sim-rram`.

``python benchmarks/relaxation.py [--json] [--writes N] [--seed N] [--figure FILE] [LOG]``. The log
is ``testlog_14scheme_*`` of Anjiang-Wei/Anjiang-RRAM-Python; by default it is looked for in the
folder that ``CROSSBAR_DATA`` names, or in ``../shared/data``. Without it there is nothing to
compare with, which is said. The simulated bench repeats the log's protocol write by write: RESET,
write-verify into the same band with the bench's policy, the same re-reads.

The device was fitted to this log. How far that goes beyond the writes that were fitted is seen in
the rows of a fit to every other cell, compared with the cells in between.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rows import Row, arguments, show

from crossbar.bench import load
from crossbar.bench_settings import simulation_settings
from crossbar.curves.reading import read
from crossbar.figures.relaxation import relaxation_figure
from crossbar.figures.style import save
from crossbar.programming.rereads import Rereads, measured_rereads, repeat_rereads
from sim_backend import SimulatedBackend
from sim_backend.devices.perovskite import Perovskite
from sim_backend.fitting.relaxation import Rereads as Plain
from sim_backend.fitting.relaxation import fit_relaxation, reread_again

BENCH = "sim-rram"
LOG = "Anjiang-Wei-RRAM-Python/testlog_14scheme_testours_100_104_4_Oct12.tsv.gz"
VERIFIED, SHARE, SIZE = 0.95, 0.05, 0.20
"""Bounds: share verified, departure of a share in band, relative departure of a quantile."""

DELAY = 1.1e-4
"""From a pulse to its verify read on the bench, s."""


def log(given: Path | None) -> Path:
    """Return where the log should be."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return given or Path(os.environ.get("CROSSBAR_DATA", beside)) / LOG


def compared(measured: Rereads, simulated: Rereads, what: str) -> Iterator[Row]:
    """Yield a row per time and figure, simulated beside measured."""
    for k, seconds in enumerate(np.median(measured.times, axis=0).tolist()):
        there, here = measured.inside[k], simulated.inside[k]
        yield Row(
            f"{what}in band after {seconds:.2g} s; measured {100 * there:.1f} %",
            100 * float(here),
            100 * float(np.sqrt(here * (1 - here) / len(simulated))),
            "%",
            f"within {100 * SHARE:g} points",
            bool(abs(here - there) <= SHARE),
        )
    for name, percent in (("median", 50), ("p90", 90)):
        for k, seconds in enumerate(np.median(measured.times, axis=0).tolist()):
            there, here = (
                float(np.percentile(np.abs(data.change[:, k]), percent))
                for data in (measured, simulated)
            )
            yield Row(
                f"{what}{name} |dR/R| after {seconds:.2g} s; measured {100 * there:.2g} %",
                100 * here,
                None,
                "%",
                f"within {100 * SIZE:g} %",
                abs(here / there - 1) <= SIZE,
            )


def plain(data: Rereads) -> Plain:
    """Return the arrays that a fit takes."""
    return Plain(data.low, data.high, data.verified, data.times, data.reread)


def held_out(measured: Rereads, device: Perovskite) -> Iterator[Row]:
    """Yield how a fit to every other cell does on the cells in between."""
    even = measured.part(np.flatnonzero(measured.cell % 2 == 0))
    odd = measured.part(np.flatnonzero(measured.cell % 2 == 1))
    fit = fit_relaxation(plain(even), device, delay=DELAY, repeats=8)
    again = reread_again(plain(odd), fit.device, DELAY, np.random.default_rng(0))
    found = Rereads(odd.cell, odd.low, odd.high, odd.verified, odd.times, again.reread)
    worst = float(np.abs(found.inside - odd.inside).max())
    yield Row(
        "cells left out of a fit: largest departure of a share in band",
        100 * worst,
        None,
        "points",
    )
    for name, percent in (("median", 50), ("p90", 90)):
        here, there = (np.percentile(np.abs(data.change), percent, axis=0) for data in (found, odd))
        departure = float(np.abs(here / there - 1).max())
        yield Row(
            f"cells left out of a fit: largest departure of a {name} |dR/R|",
            100 * departure,
            None,
            "%",
        )


def main() -> None:
    """Read the log, repeat it, and print both."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--writes", type=int, help="only so many of the log's, evenly chosen")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated bench")
    parser.add_argument("--figure", type=Path, help="save the comparison here")
    parser.add_argument("log", nargs="?", type=Path)
    chosen = parser.parse_args()
    path = log(chosen.log)
    if not path.is_file():
        sys.stderr.write(f"skipped: there is no log {path}; name one, or set CROSSBAR_DATA\n")
        show([], as_json=chosen.json, title="relaxation")
    after, before = read(path).readings
    everything = measured_rereads(after)
    measured = everything
    if chosen.writes:
        few = np.linspace(0, len(everything) - 1, min(chosen.writes, len(everything)))
        measured = everything.part(few.astype(np.intp))
    quarter, three = np.percentile(before.conductance, (25, 75)).tolist()
    bench = load(BENCH)
    settings = simulation_settings(bench, chosen.seed)
    start = time.perf_counter()
    with SimulatedBackend(settings) as backend:
        wanted = bench.programming
        simulated = repeat_rereads(backend, measured, (quarter, three), wanted.cell, wanted.pulses)
    took = time.perf_counter() - start
    rows = [
        Row(
            f"in band at verify; measured {100 * measured.verified_inside:.1f} %",
            100 * simulated.verified_inside,
            None,
            "%",
            f"at least {100 * VERIFIED:g} %",
            simulated.verified_inside >= VERIFIED,
        ),
        *compared(measured, simulated, ""),
    ]
    if isinstance(settings.device, Perovskite) and not chosen.writes:
        rows += held_out(everything, settings.device)
    rows.append(Row(f"{len(measured)} writes repeated in", took, None, "s"))
    if chosen.figure:
        note = f"{path.name}, {len(measured)} writes; bench {BENCH}, seed {chosen.seed}"
        title = "What is left of verified writes, measured and simulated"
        save(relaxation_figure(measured, simulated, title, note), chosen.figure)
    show(rows, as_json=chosen.json, title="relaxation, measured and simulated")


if __name__ == "__main__":
    main()
