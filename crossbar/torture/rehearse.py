"""One tortured run: the steps of a plan through journal, guard and drivers, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crossbar.backend import Array, Cells, Flags, Limits, Reading, Second, Sweep
from crossbar.bench_file import Description
from crossbar.bench_rehearsal import Rehearsal, grounded, rehearsal
from crossbar.guard import Guarded
from crossbar.recorder import Recorded
from crossbar.store import Call, Store
from crossbar.torture.plan import Drive, Pulse, Read, Staircase, Step, Waveform

REFERRED = 8
"""Multiplies at 0 V of which the mean is what flows there."""
STORE = "torture.sqlite"


@dataclass(frozen=True, slots=True, eq=False)
class Datum:
    """Currents that a caller was given.

    Parameters
    ----------
    verb
        What was asked.
    current, flags
        The answer, A.
    truth
        What really flowed, A, same shape.
    """

    verb: str
    current: Array
    flags: Flags
    truth: Array


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What came of a run, as far as anybody could know it.

    Parameters
    ----------
    data
        What the caller was given, in order.
    calls
        What the journal holds.
    doses, violations
        What the witness saw, as plain values.
    left
        What was driven after the run.
    offset
        Bench time when the drivers' own began, s.
    error
        What ended the run; None if it finished.
    limits
        In force.
    answered
        Calls that returned to the caller.
    pulses
        What the guard counted for each cell.
    trouble
        What went wrong, of what was planned.
    exchanges
        Calls of libdwf.
    grounded
        True if unselected lines are at 0 V during a pulse.
    """

    data: Sequence[Datum]
    calls: Sequence[Call]
    doses: Sequence[Mapping[str, object]]
    violations: Sequence[Mapping[str, object]]
    left: Mapping[str, object]
    offset: Second
    error: BaseException | None
    limits: Limits
    answered: int
    pulses: Array
    trouble: str | None
    exchanges: int
    grounded: bool


@dataclass(slots=True)
class _Progress:
    """What is known of a run while it runs."""

    data: list[Datum] = field(default_factory=list)
    answered: int = 0
    offset: Second = 0.0
    error: BaseException | None = None
    pulses: Array = field(default_factory=lambda: np.zeros((0, 0)))
    zero: Array = field(default_factory=lambda: np.zeros(0))


def play(
    description: Description,
    steps: Sequence[Step],
    folder: Path,
    seed: int,
    *,
    trouble: Mapping[int, str] | None = None,
    array: Mapping[tuple[int, int], str] | None = None,
    store: tuple[str, int] | None = None,
) -> Played:
    """Return what came of a run.

    Parameters
    ----------
    description
        From `crossbar.bench_rehearsal.tortured`.
    steps
        Of the run.
    folder
        For its journal.
    seed
        Of the virtual instruments.
    trouble
        What goes wrong with the Analog Discovery 2, by the number of the call of libdwf.
    array
        Cells that are shorted or missing.
    store
        ``sealed`` or ``gone``, and the step before which the store is.
    """
    progress = _Progress()
    path = folder / STORE
    for old in folder.glob(f"{STORE}*"):
        old.unlink()
    with rehearsal(description, seed, array=array) as bench, Store.open(path) as kept:
        bench.virtual.plan(trouble or {})
        acted = [_spoiling(kept, *store)] if store is not None else []
        with suppress(Exception, KeyboardInterrupt):  # noted, and judged
            _run(bench, description, steps, kept, progress, acted, referred=bool(array))
        seen = bench.virtual.seen()
        met = bench.virtual.discovery.met
        return Played(
            data=progress.data,
            calls=list(kept.calls(1)) if kept.runs() else [],
            doses=seen["doses"],  # type: ignore[arg-type]
            violations=seen["violations"],  # type: ignore[arg-type]
            left=bench.virtual.driven(),
            offset=progress.offset,
            error=progress.error,
            limits=description.limits,
            answered=progress.answered,
            pulses=progress.pulses,
            trouble=None if met is None else met.name,
            exchanges=bench.virtual.discovery.calls,
            grounded=grounded(description),
        )


def _run(
    bench: Rehearsal,
    description: Description,
    steps: Sequence[Step],
    store: Store,
    progress: _Progress,
    before: Sequence[Callable[[int], None]] = (),
    *,
    referred: bool = False,
) -> None:
    """Take every step; what ends it is noted, and raised.

    With `referred` currents at 0 V are taken first, and count as flowing: a short carries the
    offsets of converters into its bit line, which a crossbar measures and takes out.
    """
    try:
        with bench.drivers as backend:
            progress.offset = bench.virtual.clock.now - backend.now
            guarded = Guarded(backend, description.limits)
            settings = {"steps": [repr(step) for step in steps]}
            with store.start(
                experiment="torture", settings=settings, bench={"kind": "virtual"}
            ) as r:
                recorded = Recorded(guarded, r)
                try:
                    words, bits = guarded.shape
                    progress.zero = np.zeros(bits)
                    if referred:
                        zeros = np.zeros((REFERRED, words))
                        progress.zero = guarded.drive(zeros).current.mean(axis=0)
                    for k, step in enumerate(steps):
                        for act in before:
                            act(k)
                        answer = step.act(recorded)
                        progress.answered += 1
                        if answer is not None:
                            progress.data.append(_datum(bench, step, answer, progress.zero))
                finally:
                    progress.pulses = guarded.pulses.astype(np.float64)
    except BaseException as problem:
        progress.error = problem
        raise


def _spoiling(store: Store, what: str, at: int) -> Callable[[int], None]:
    """Return what fills the disk, or takes the store away, before a step."""

    def act(step: int) -> None:
        if step != at:
            return
        if what == "sealed":
            store._connection.execute("PRAGMA query_only = ON")
        else:
            store.path.rename(store.path.with_name(f"{STORE}.away"))

    return act


def _datum(bench: Rehearsal, step: Step, answer: Reading | Sweep, zero: Array) -> Datum:
    """Return what was answered beside what really flowed; `zero` is what flows at 0 V."""
    verb = type(step).__name__.lower()
    if isinstance(step, Drive):
        truth = np.array(step.voltages) @ bench.conductances + zero
    elif isinstance(step, (Staircase, Waveform)):
        truth = bench.conductances[step.cell] * np.array(step.voltages) + zero[step.cell[1]]
    else:
        assert isinstance(step, (Pulse, Read))  # noqa: S101 - no other step has an answer
        voltage = step.voltage if isinstance(step, Read) else step.read_voltage
        cells = Cells.of(step.cells)
        truth = bench.conductances[cells.word, cells.bit] * voltage + zero[cells.bit]
    return Datum(verb, answer.current.copy(), answer.flags.copy(), truth)
