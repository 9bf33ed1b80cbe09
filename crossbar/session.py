"""A bench and a run of the record, opened together and left safe together."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from crossbar.bench import Bench, Description, open_bench
from crossbar.recorder import Recorded
from crossbar.store import Run, Store


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

    Raises
    ------
    BenchError, StoreError
        If either cannot be opened; nothing is driven then.
    """
    with Store.open(store) as opened, open_bench(description, seed=seed) as bench:
        chosen = bench.seed if bench.seed is not None else seed or 0
        run = opened.start(
            experiment=experiment, settings=settings, bench=bench.describe(), seed=chosen
        )
        # The bench is closed inside the run, so that the record ends with it at 0 V.
        with run, closing(Recorded(bench.backend, run)) as backend:
            yield Session(replace(bench, backend=backend), run, opened, chosen)


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
    store: Path, *, experiment: str, settings: Mapping[str, object], seed: int | None = None
) -> Iterator[SoftwareSession]:
    """Start a run whose numbers are made by software alone; its bench is of kind ``software``.

    Parameters
    ----------
    store, experiment, settings
        As in `session`.
    seed
        Of everything random; 0 if None.

    Raises
    ------
    StoreError
        If the store cannot be opened.
    """
    chosen = 0 if seed is None else seed
    with Store.open(store) as opened:
        run = opened.start(
            experiment=experiment, settings=settings, bench={"kind": SOFTWARE}, seed=chosen
        )
        with run:
            yield SoftwareSession(run, opened, chosen)
