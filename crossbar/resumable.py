"""Work that goes on where an interrupted run ended: pieces that are finished are not made again.

An experiment that can be resumed asks for each of its pieces by name before it makes it::

    arrays = record.finished("unit/lenet5/erm/0")
    if arrays is None:
        arrays = expensive()
        record.result("unit/lenet5/erm/0", arrays)

The run that goes on holds every piece, its own and those it was given, so that its figures are
drawn from it alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from numpy.typing import ArrayLike

from crossbar.backend import DataError
from crossbar.store import Arrays, Run, RunRecord, Store

RESUMES = "resumes"
"""Key of a run's settings: the number of the run that it goes on with."""

WHERE = "where"
"""Key of a settings field's metadata: it says where the work is done, not what it is, so that a run
may be gone on with elsewhere."""


@dataclass(slots=True, eq=False)
class Record:
    """A run being recorded, and what an interrupted one had finished before.

    Parameters
    ----------
    run
        Receives results and notes.
    earlier
        Results of the interrupted run by name; empty if this one begins afresh.
    """

    run: Run
    earlier: Mapping[str, Arrays] = field(default_factory=lambda: MappingProxyType({}))
    _taken: set[str] = field(default_factory=set)

    @property
    def id(self) -> int:
        """Number of the run in its store."""
        return self.run.id

    def finished(self, name: str) -> Arrays | None:
        """Return a piece that the interrupted run had finished, now in this run too; else None."""
        arrays = self.earlier.get(name)
        if arrays is not None and name not in self._taken:
            self.run.result(name, arrays)
            self._taken.add(name)
        return arrays

    def result(self, name: str, arrays: Mapping[str, ArrayLike]) -> None:
        """Record the named arrays of a piece; raises as `Run.result`."""
        self.run.result(name, arrays)

    def note(self, content: Mapping[str, object]) -> None:
        """Record plain values that show how far the run is."""
        self.run.note(content)


@dataclass(frozen=True, slots=True, eq=False)
class Interrupted:
    """A run that ended before its work did.

    Parameters
    ----------
    run
        What the store knows of it.
    settings
        Of its experiment, by name.
    results
        What it and the runs that it went on with had finished.
    """

    run: RunRecord
    settings: Mapping[str, Any]
    results: Mapping[str, Arrays]


def interrupted(store: Store, run: RunRecord, experiment: str) -> Interrupted:
    """Return an interrupted run of an experiment, to be gone on with.

    Raises
    ------
    DataError
        If it is of another experiment, finished, still running, or gone on with already.
    """
    if run.experiment != experiment:
        raise DataError(f"run {run.id} is of {run.experiment!r}, not of {experiment!r}")
    if run.status == "finished":
        raise DataError(f"run {run.id} is finished; there is nothing to go on with")
    if run.status == "running":
        raise DataError(f"run {run.id} is still running, as process {run.pid} on {run.host}")
    later = [other.id for other in store.runs() if other.settings.get(RESUMES) == run.id]
    if later:
        raise DataError(f"run {run.id} was gone on with by run {later[-1]}; resume that one")
    results: dict[str, Arrays] = {}
    link: RunRecord | None = run
    while link is not None:
        results = {**store.results(link.id), **results}
        before = link.settings.get(RESUMES)
        link = None if before is None else store.run(int(str(before)))
    settings = {name: value for name, value in run.settings.items() if name != RESUMES}
    return Interrupted(run, settings, results)
