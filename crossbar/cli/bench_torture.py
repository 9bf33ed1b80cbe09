"""`xbar bench torture`: whole runs on a virtual bench while something goes wrong."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.table import Table

from crossbar.cli.options import BenchOption, JsonOption
from crossbar.cli.output import bars, console, print_json

BROKEN = 1
"""Exit code if a promise was broken."""
SHOWN = 5
"""Broken runs that are printed."""


def torture(
    bench: BenchOption = "virtual",
    seed: Annotated[int, typer.Option(min=0, help="Of the first run; the next has the next.")] = 0,
    runs: Annotated[int, typer.Option(min=1, help="How many, the faults in turn.")] = 170,
    as_json: JsonOption = False,
) -> None:
    """Rehearse faults: pulled plugs, sticking scopes, full disks, and what comes of them.

    Each run programs, reads, multiplies and sweeps cells of a virtual bench while one thing goes
    wrong at a random place. A witness at the terminals and a checker judge it: no voltage beyond
    the limits, none unasked or uncounted, none left on; no wrong current without a flag; nothing
    acknowledged that the journal does not hold. Exit code 1 if a promise was broken.
    """
    from crossbar.bench import load
    from crossbar.torture.campaign import torture as tortured
    from crossbar.torture.faults import FAULTS

    description = load(bench)
    with bars() as progress, _quiet():
        campaign = tortured(description, seed, runs, progress)
    if as_json:
        print_json(
            {
                "bench": description.name,
                "seed": seed,
                "runs": runs,
                "faults": [
                    {
                        "fault": name,
                        "what": FAULTS[name].what,
                        "runs": tally.runs,
                        "finished": tally.finished,
                        "stopped": tally.stopped,
                        "flagged": tally.flagged,
                        "broken": len(tally.broken),
                    }
                    for name, tally in campaign.tallies.items()
                ],
                "broken": [
                    {
                        "seed": broken.seed,
                        "fault": broken.mishap.name,
                        "at": broken.mishap.at,
                        "error": broken.error,
                        "findings": [f"{each.kind}: {each.text}" for each in broken.findings],
                    }
                    for broken in campaign.broken
                ],
            }
        )
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("fault", "what", "runs", "done", "stopped", "flags", "broken"):
            words = column in ("fault", "what")
            table.add_column(column, justify="left" if words else "right", no_wrap=True)
        for name, tally in campaign.tallies.items():
            counts = tally.runs, tally.finished, tally.stopped, tally.flagged, len(tally.broken)
            table.add_row(name, FAULTS[name].what, *(str(count) for count in counts))
        console.print(table)
        for broken in campaign.broken[:SHOWN]:
            where = f"seed {broken.seed}, {broken.mishap.name} at {broken.mishap.at}"
            for finding in broken.findings[:2]:
                console.print(f"{where}: {finding.kind}: {finding.text}", markup=False)
        console.print(
            f"bench {description.name} (virtual), seeds {seed} to {seed + runs - 1}: "
            f"{len(campaign.broken)} of {runs} runs broke a promise",
            soft_wrap=True,
        )
    if campaign.broken:
        raise typer.Exit(BROKEN)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what drivers warn of to themselves: here it is meant to go wrong."""
    drivers = logging.getLogger("instruments")
    before = drivers.level
    drivers.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        drivers.setLevel(before)
