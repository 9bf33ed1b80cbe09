"""Many tortured runs of one bench, every fault in turn, and what became of them."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crossbar.bench_file import Description
from crossbar.bench_rehearsal import tortured
from crossbar.bench_settings import hardware_settings
from crossbar.torture import faults
from crossbar.torture.check import Finding, check
from crossbar.torture.faults import FAULTS, Mishap
from crossbar.torture.plan import Step
from crossbar.torture.plan import drawn as plan_drawn
from crossbar.torture.rehearse import Played, play


@dataclass(frozen=True, slots=True)
class Broken:
    """A run that broke a promise, and how to see it again.

    Parameters
    ----------
    seed
        Of the run.
    mishap
        What went wrong.
    findings
        What must not have come of it.
    error
        What ended it.
    """

    seed: int
    mishap: Mishap
    findings: tuple[Finding, ...]
    error: str


@dataclass(slots=True)
class Tally:
    """What became of the runs with one fault."""

    runs: int = 0
    finished: int = 0
    stopped: int = 0
    flagged: int = 0
    broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What came of all runs.

    Parameters
    ----------
    tallies
        By name of the fault.
    kinds
        How often each kind of finding was made.
    """

    tallies: Mapping[str, Tally]
    kinds: Mapping[str, int]

    @property
    def broken(self) -> list[Broken]:
        """Every run that broke a promise."""
        return [broken for tally in self.tallies.values() for broken in tally.broken]


def torture(
    description: Description,
    seed: int,
    runs: int,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Campaign:
    """Return what came of so many runs on a virtual bench, the faults in turn.

    Parameters
    ----------
    description
        Of a virtual bench.
    seed
        Of plans, faults and instruments; run k is `one` with seed + k.
    runs
        How many.
    progress
        Told of each run.

    Raises
    ------
    BenchError
        If the bench is not a virtual one.
    """
    bench = tortured(description)
    tallies = {name: Tally() for name in FAULTS}
    kinds: Counter[str] = Counter()
    names = list(FAULTS)
    with tempfile.TemporaryDirectory(prefix="crossbar-torture-") as folder:
        for k in range(runs):
            name = names[k % len(names)]
            mishap, played = one(bench, seed + k, name, Path(folder))
            findings = tuple(check(played))
            tally = tallies[name]
            tally.runs += 1
            tally.finished += played.error is None
            tally.stopped += played.error is not None
            tally.flagged += any(datum.flags.any() for datum in played.data)
            if findings:
                error = f"{type(played.error).__name__}: {played.error}" if played.error else ""
                tally.broken.append(Broken(seed + k, mishap, findings, error))
            kinds.update(finding.kind for finding in findings)
            progress("runs", k + 1, runs)
    return Campaign(tallies, dict(kinds))


def one(bench: Description, seed: int, name: str, folder: Path) -> tuple[Mishap, Played]:
    """Return one run with one fault at a random place, and what came of it.

    Parameters
    ----------
    bench
        From `crossbar.bench_rehearsal.tortured`.
    seed
        Decides everything.
    name
        Of the fault.
    folder
        For the journal.
    """
    rng = np.random.default_rng(seed)
    steps = planned(bench, rng)
    exchanges = play(bench, steps, folder, seed).exchanges if FAULTS[name].where != "array" else 1
    mishap = faults.drawn(rng, name, exchanges, steps)
    played = play(
        bench,
        mishap.steps(steps, bench.limits),
        folder,
        seed,
        trouble=mishap.trouble,
        array=mishap.array,
        store=mishap.store,
    )
    return mishap, played


def planned(bench: Description, rng: np.random.Generator) -> tuple[Step, ...]:
    """Return the steps of a run on a bench."""
    assert bench.rehearsed is not None  # noqa: S101 - `tortured` saw to it
    settings = hardware_settings(bench.rehearsed)
    plays = settings.wiring.kind != "parallel"
    return plan_drawn(rng, settings.array.shape, bench.limits, plays=plays)
