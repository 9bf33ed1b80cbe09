"""A bench and a run of the record, opened together and left safe together."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from crossbar.backend import DataError
from crossbar.begun import RECEIVED, begun_note, keeps_array, noted
from crossbar.bench import Bench, Description, open_bench
from crossbar.guard import Guarded
from crossbar.recorder import Recorded
from crossbar.spent import counts, plain, settle
from crossbar.store import Run, Store

NOTHING: Mapping[str, Path | None] = MappingProxyType({})
KEPT = "what was finished is in the record"
"""What is said of an interrupt."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open bench whose every call is recorded.

    Parameters
    ----------
    bench
        Its backend is `Recorded(Guarded(...))`.
    run
        Where the calls go; results and the summary go there too.
    store
        The file that holds the run.
    seed
        Of everything random that the program does; the same as the bench's in a simulation.
    """

    bench: Bench
    run: Run
    store: Store
    seed: int


@contextmanager
def session(
    description: Description,
    store: Path,
    *,
    experiment: str,
    settings: Mapping[str, object],
    seed: int | None = None,
    files: Mapping[str, Path | None] = NOTHING,
    after: Sequence[int] = (),
) -> Iterator[Session]:
    """Open a bench and start a run; however the block is left, the bench is safe and the run ended.

    Parameters
    ----------
    description
        From `crossbar.bench.load`.
    store
        The run store; made if it does not exist.
    experiment, settings
        What the run is, for the record.
    seed
        Instead of the one in the description.
    files
        What the command writes, for whoever goes on with the run.
    after
        Runs that this one goes on with, the first one first: what they may have given the cells of
        an array that is still there counts.

    Raises
    ------
    BenchError, StoreError
        If either cannot be opened; nothing is driven then.
    DataError
        If the bench has not the array that the runs were on which this one goes on with.
    """
    try:
        with Store.open(store) as opened, open_bench(description, seed=seed) as bench:
            if after and keeps_array(description):
                _reckon(opened, after, bench)
            chosen = bench.seed if bench.seed is not None else seed or 0
            run = opened.start(
                experiment=experiment, settings=settings, bench=bench.describe(), seed=chosen
            )
            # The bench is closed inside the run, so that the record ends with it at 0 V.
            with run, closing(Recorded(bench.backend, run)) as backend:
                run.note(begun_note(description, files))
                if _guard(bench).stress.any():
                    run.note({RECEIVED: plain(_guard(bench))})
                yield Session(replace(bench, backend=backend), run, opened, chosen)
    except KeyboardInterrupt as problem:
        # The block of the bench was left: it is safe.
        problem.add_note(f"the bench is at 0 V, and {KEPT}")
        raise


def _reckon(store: Store, runs: Sequence[int], bench: Bench) -> None:
    """Count what runs may have given the cells of the array, if it is the array they were on.

    Raises
    ------
    DataError
        If it is not.
    """
    first = store.run(runs[0])
    before, now = first.bench.get("array"), bench.describe().get("array")
    if before is not None and before != now:
        raise DataError(
            f"run {runs[-1]} was on {before}, and bench {bench.name} has {now} now: what the run "
            "did to its cells was done to others; begin anew"
        )
    guard = _guard(bench)
    calls = (call for number in runs for call in store.calls(number))
    settle(guard, counts(noted(store, runs[0], RECEIVED), guard.shape), calls)


def _guard(bench: Bench) -> Guarded:
    guard = bench.backend
    assert isinstance(guard, Guarded)  # noqa: S101 - every bench is opened behind one
    return guard


SOFTWARE = "software"
"""Kind of bench of a run whose numbers no bench has made."""


@dataclass(frozen=True, slots=True)
class SoftwareSession:
    """A run that needs no bench; fields as in `Session`."""

    run: Run
    store: Store
    seed: int


@contextmanager
def software_session(
    store: Path,
    *,
    experiment: str,
    settings: Mapping[str, object],
    seed: int | None = None,
    files: Mapping[str, Path | None] = NOTHING,
) -> Iterator[SoftwareSession]:
    """Start a run whose numbers are made by software alone; its bench is of kind ``software``.

    Parameters
    ----------
    store, experiment, settings, files
        As in `session`.
    seed
        Of everything random; 0 if None.

    Raises
    ------
    StoreError
        If the store cannot be opened.
    """
    chosen = 0 if seed is None else seed
    try:
        with Store.open(store) as opened:
            run = opened.start(
                experiment=experiment, settings=settings, bench={"kind": SOFTWARE}, seed=chosen
            )
            with run:
                run.note(begun_note(None, files))
                yield SoftwareSession(run, opened, chosen)
    except KeyboardInterrupt as problem:
        problem.add_note(KEPT)
        raise
