"""`xbar bench torture`: whole runs on a virtual bench while something goes wrong."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from crossbar.cli.options import BenchOption, JsonOption
from crossbar.cli.output import bars, console, print_json

if TYPE_CHECKING:
    from crossbar.torture.deaths import Death

BROKEN = 1
"""Exit code if a promise was broken."""
SHOWN = 5
"""Broken runs that are printed."""


def torture(
    bench: BenchOption = "virtual",
    seed: Annotated[int, typer.Option(min=0, help="Of the first run; the next has the next.")] = 0,
    runs: Annotated[int, typer.Option(min=1, help="How many, the faults in turn.")] = 170,
    kills: Annotated[
        int, typer.Option(min=0, help="Programs that are killed besides; each takes seconds.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Rehearse faults: pulled plugs, sticking scopes, full disks, and what comes of them.

    Each run programs, reads, multiplies and sweeps cells of a virtual bench while one thing goes
    wrong at a random place. A witness at the terminals and a checker judge it: no voltage beyond
    the limits, none unasked or uncounted, none left on; no wrong current without a flag; nothing
    acknowledged that the journal does not hold. With --kills, programs die by SIGKILL, SIGTERM and
    Ctrl-C at random times: all is off within a second. Exit code 1 if a promise was broken.
    """
    from crossbar.bench import load
    from crossbar.torture.campaign import torture as tortured
    from crossbar.torture.deaths import deaths
    from crossbar.torture.faults import FAULTS

    description = load(bench)
    with bars() as progress, _quiet():
        campaign = tortured(description, seed, runs, progress)
        died = deaths(description, seed, kills, progress) if kills else []
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
                "kills": [asdict(death) for death in died],
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
        if died:
            _print_deaths(died)
    if campaign.broken or any(death.findings for death in died):
        raise typer.Exit(BROKEN)


def _print_deaths(died: "Sequence[Death]") -> None:
    """Print how long benches stayed on, and what was broken."""
    times = sorted(death.off for death in died)
    broken = [death for death in died if death.findings]
    for death in broken[:SHOWN]:
        for finding in death.findings[:2]:
            console.print(f"{death.by}: {finding.kind}: {finding.text}", markup=False)
    console.print(
        f"{len(died)} programs killed: all off after {1e3 * times[len(times) // 2]:.0f} ms in the "
        f"median, {1e3 * times[-1]:.0f} ms at most; {len(broken)} broke a promise",
        soft_wrap=True,
    )


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
