"""Write policies against each other: the same array, the same targets, from the same start.

Before each policy the cells are brought to the low end of the window by the plain staircase, whose
pulses do not count: on a bench nothing else would put them where they were. Targets are drawn from
the seed, and are the same for every policy.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crossbar.backend import Array, DataError, Limits
from crossbar.bench import Bench
from crossbar.crossbar import Crossbar
from crossbar.experiments.bounds import at_least, one_of, option, positive
from crossbar.programming import POLICIES, IsppSettings, Pulses, WriteVerify
from crossbar.programming.metrics import Metrics
from crossbar.programming.order import ORDERS
from crossbar.results import ProgramReport
from crossbar.resumable import Record, recording
from crossbar.store import Arrays, Run

Progress = Callable[[str, int, int], None]
"""Called with the name of a piece of work, how much of it is done, and how much there is."""

REREADS = (0.1, 1.0, 10.0)
"""When every cell is read again after programming, s."""
START = 0.02
"""Part of the window within which cells start, above its low end; assumed."""


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """What `xbar compare-programming` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a policy does not exist.
    """

    policies: str = field(
        default=",".join(POLICIES),
        metadata={"help": f"Which, separated by commas: {', '.join(POLICIES)}."},
    )
    repeats: int = field(default=3, metadata={"help": "Programmings of the array per policy."})
    levels: int = field(
        default=0, metadata={"help": "Targets are so many even levels; 0: anywhere in the window."}
    )
    tolerance: float | None = field(
        default=None, metadata={"help": "Half-width of the band, S; the bench's if missing."}
    )
    passes: int = field(
        default=1,
        metadata={"help": "With 2 or more, cells that left their band are written again."},
    )
    pass_delay: float = field(
        default=1.0, metadata={"help": "Between a pass and the re-read that decides, s."}
    )
    order: str = field(
        default="together",
        metadata={"help": f"Groups in which cells are written: {', '.join(ORDERS)}."},
    )
    guard: float = field(
        default=0.0,
        metadata={"help": "Standard errors between a confirmed read and the band's edge."},
    )
    verify_reads: int = field(
        default=1, metadata={"help": "Reads that confirm a cell whose verify read is inside."}
    )

    def __post_init__(self) -> None:
        at_least(self, repeats=1, levels=0, passes=1, pass_delay=0, verify_reads=1, guard=0)
        one_of(self, "order", ORDERS)
        positive(self, "tolerance")
        if self.levels == 1:
            raise DataError("--levels 1 is no choice of levels; 0 is any conductance")
        if not self.names:
            raise DataError("--policies names no policy")
        for name in self.names:
            if name not in POLICIES:
                raise DataError(
                    f"{option('policies')}: {name!r} is not one of {', '.join(POLICIES)}"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The policies, in the order they were named, each once."""
        named = (name.strip() for name in self.policies.split(","))
        return tuple(dict.fromkeys(name for name in named if name))

    def cell(self, given: WriteVerify) -> WriteVerify:
        """Return what a programmed cell is, from the bench's own."""
        return replace(
            given,
            tolerance=given.tolerance if self.tolerance is None else self.tolerance,
            passes=self.passes,
            pass_delay=self.pass_delay,
            verify_reads=self.verify_reads,
            guard=self.guard,
            order=self.order,
            reread_delay=max(REREADS),
        )


def run(
    settings: CompareSettings,
    bench: Bench,
    record: Run | Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Program the array with every policy, again and again, and leave the reports in the record.

    The record holds a result ``asked``, and one ``program/POLICY/K`` per programming.

    Parameters
    ----------
    settings
        What to do.
    bench
        Where.
    record
        Receives each report as soon as it is there. What an interrupted run had finished is not
        done again; the array, though, is as it is now.
    seed
        Of the targets.
    progress
        Told of programmings.

    Raises
    ------
    LimitError
        If a policy's pulses are outside the bench's limits; nothing was driven then.
    """
    cell = settings.cell(bench.programming.cell)
    limits, own = bench.backend.limits, bench.programming.pulses
    stated = {name: _pulses(name, own) for name in settings.names}
    policies = {name: within(pulses, limits) for name, pulses in stated.items()}
    adapted = [name for name in settings.names if policies[name] != stated[name]]
    crossbars = {
        name: Crossbar(bench.backend, cell, pulses, metrics=Metrics(REREADS, multiplies=0))
        for name, pulses in policies.items()
    }
    window = cell.window
    record = recording(record)
    if record.finished("asked") is None:
        record.result(
            "asked",
            {
                "window": np.array([window.low, window.high]),
                "tolerance": cell.tolerance,
                "adapted": np.array(adapted, dtype=np.str_),
            },
        )
    done, total = 0, settings.repeats * len(crossbars)
    for repeat, targets in enumerate(_targets(settings, cell, bench.backend.shape, seed)):
        for name, crossbar in crossbars.items():
            progress("programmings", done, total)
            piece = f"program/{name}/{repeat}"
            if record.finished(piece) is None:
                record.begin(piece)
                _begin(bench, cell)
                report = crossbar.program_conductances(targets)
                record.result(piece, _arrays(report))
            done += 1
    progress("programmings", total, total)


def _pulses(name: str, given: Pulses) -> Pulses:
    """Return a policy's settings: the bench's own if they are of this policy, or the defaults."""
    kind = POLICIES[name]
    return given if isinstance(given, kind) else kind()


def within(pulses: Pulses, limits: Limits) -> Pulses:
    """Return a policy's settings with its shortest and longest pulse inside a bench's limits."""
    ends: dict[str, Any] = {
        name: min(max(getattr(pulses, name), limits.width_min), limits.width_max)
        for name in ("width_min", "width_max")
        if hasattr(pulses, name)
    }
    return replace(pulses, **ends) if ends else pulses  # type: ignore[type-var]


def _targets(
    settings: CompareSettings, cell: WriteVerify, shape: tuple[int, int], seed: int
) -> Iterator[Array]:
    """Yield the targets of each programming, S."""
    rng = np.random.default_rng([seed, 5])
    low, high = cell.window.low, cell.window.high
    for _ in range(settings.repeats):
        if settings.levels:
            yield rng.choice(np.linspace(low, high, settings.levels), shape)
        else:
            yield rng.uniform(low, high, shape)


def _begin(bench: Bench, cell: WriteVerify) -> None:
    """Bring every cell to the low end of the window, by pulses that do not count."""
    window = cell.window
    slack = START * (window.high - window.low)
    start = replace(cell, tolerance=slack, passes=1, verify_reads=1, guard=0.0, reread_delay=0.0)
    staircase = _pulses("ispp", bench.programming.pulses)
    assert isinstance(staircase, IsppSettings)  # noqa: S101  # for the type checker
    plain = Crossbar(
        bench.backend, start, staircase, metrics=Metrics((), disturb=False, multiplies=0)
    )
    plain.program_conductances(np.full(bench.backend.shape, window.low + slack))


def _arrays(report: ProgramReport) -> Arrays:
    """Return what is kept of a report; arrays of the array's shape, re-reads first axis time."""
    return {
        "target": report.target,
        "verified": report.verified,
        "ended": report.ended,
        "rereads": np.array([read.conductance for read in report.rereads]),
        "delays": np.array([read.delay for read in report.rereads]),
        "status": report.status,
        "pulses": report.pulses,
        "reads": report.reads,
        "reversals": report.reversals,
        "energy": report.energy,
        "elapsed": report.elapsed,
        "finished_moved": np.array([each.finished.mean for each in report.disturb]),
        "seconds": np.array(report.seconds),
    }
