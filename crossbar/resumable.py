"""Work that goes on where an interrupted run ended: pieces that are finished are not made again.

An experiment that can be resumed asks for each of its pieces by name before it makes it::

    arrays = record.finished("unit/lenet5/erm/0")
    if arrays is None:
        arrays = expensive()
        record.result("unit/lenet5/erm/0", arrays)

The run that goes on holds every piece, its own and those it was given, so that its figures are
drawn from it alone. Which run made each piece is in its notes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from numpy.typing import ArrayLike

from crossbar.backend import DataError, Second
from crossbar.store import Arrays, Run, RunRecord, Store

RESUMES = "resumes"
"""Key of a run's settings: the number of the run that it goes on with."""

WHERE = "where"
"""Key of a settings field's metadata: it says where the work is done, not what it is, so that a run
may be gone on with elsewhere."""

TAKEN, BEGINS, ANEW = "taken", "begins", "anew"
"""Keys of notes: a piece of an earlier run, a piece that begins, one that had begun before."""


def _always(_: Arrays) -> bool:
    return True


@dataclass(slots=True, eq=False)
class Record:
    """A run being recorded, and what an interrupted one had finished before.

    Parameters
    ----------
    run
        Receives results and notes.
    earlier
        Results of the interrupted run by name; empty if this one begins afresh.
    origins
        Number of the run that made each of them.
    begun
        Pieces that had begun.
    fresh
        Whether the array is not the one that the interrupted run was on, but a fresh one.
    passed
        ``passed(run, start)``: bench time since `start` on the clock of an earlier run, s.
    """

    run: Run
    earlier: Mapping[str, Arrays] = field(default_factory=lambda: MappingProxyType({}))
    origins: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    begun: frozenset[str] = frozenset()
    fresh: bool = False
    passed: Callable[[int, Second], Second] = lambda _run, _start: 0.0
    _taken: set[str] = field(default_factory=set)

    @property
    def id(self) -> int:
        """Number of the run in its store."""
        return self.run.id

    def finished(self, name: str) -> Arrays | None:
        """Return a piece that the interrupted run had finished, now in this run too; else None."""
        arrays = self.earlier.get(name)
        if arrays is not None and name not in self._taken:
            self.run.note({TAKEN: name, "from": self.origins.get(name)})
            self.run.result(name, arrays)
            self._taken.add(name)
        return arrays

    def finished_together(
        self, names: Sequence[str], whole: Callable[[Arrays], bool] = _always
    ) -> bool:
        """Return whether one run had finished all of these, which are then in this one too.

        Pieces of one series that two runs made are not one series: none of them is taken then.

        Parameters
        ----------
        names
            Of the pieces.
        whole
            Whether a piece counts: what an interrupt has cut short does not.
        """
        there = [self.earlier.get(name) for name in names]
        if not all(arrays is not None and whole(arrays) for arrays in there):
            return False
        if len({self.origins.get(name) for name in names}) > 1:
            return False
        for name in names:
            self.finished(name)
        return True

    def made_with(self, last: str, prefix: str) -> list[str]:
        """Return the pieces of this prefix that the run made which made `last`, and `last`."""
        maker = self.origins.get(last)
        names = [
            name
            for name in self.earlier
            if name.startswith(prefix) and self.origins.get(name) == maker
        ]
        return [*names, last]

    def begin(self, piece: str) -> None:
        """Say that a piece begins, so that one that is cut short is known to have begun."""
        if piece in self.begun:
            self.run.note({ANEW: piece, "twice": not self.fresh})
        self.run.note({BEGINS: piece})

    def result(self, name: str, arrays: Mapping[str, ArrayLike]) -> None:
        """Record the named arrays of a piece; raises as `Run.result`."""
        self.run.result(name, arrays)

    def note(self, content: Mapping[str, object]) -> None:
        """Record plain values that show how far the run is."""
        self.run.note(content)


def recording(run: Run | Record) -> Record:
    """Return the record of a run, which begins afresh unless it says otherwise."""
    return run if isinstance(run, Record) else Record(run)


@dataclass(frozen=True, slots=True, eq=False)
class Interrupted:
    """A run that ended before its work did.

    Parameters
    ----------
    chain
        What the store knows of it, and before it of the runs that it went on with, the first one
        first.
    results
        What all of them had finished.
    origins
        Number of the run that made each result.
    begun
        Pieces that had begun.
    """

    chain: tuple[RunRecord, ...]
    results: Mapping[str, Arrays]
    origins: Mapping[str, int] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()

    @property
    def run(self) -> RunRecord:
        """The last of them, which is to be gone on with."""
        return self.chain[-1]


def chain(store: Store, run: RunRecord) -> list[RunRecord]:
    """Return the run and those it went on with, the first one first.

    Raises
    ------
    DataError
        If a run says that it went on with a later one.
    """
    found = [run]
    while (before := found[0].settings.get(RESUMES)) is not None:
        if not int(str(before)) < found[0].id:
            raise DataError(f"run {found[0].id} cannot have gone on with run {before}")
        found.insert(0, store.run(int(str(before))))
    return found


def check_interrupted(store: Store, run: RunRecord) -> None:
    """Raise `DataError` for a run that is finished, still running, or gone on with already."""
    if run.status == "finished":
        raise DataError(f"run {run.id} is finished; there is nothing to go on with")
    if run.status == "running":
        raise DataError(f"run {run.id} is still running, as process {run.pid} on {run.host}")
    later = [other for other in store.runs() if other.settings.get(RESUMES) == run.id]
    if later:
        then = ", which is finished" if later[-1].status == "finished" else "; resume that one"
        raise DataError(f"run {run.id} was gone on with by run {later[-1].id}{then}")


def waiting(store: Store) -> list[int]:
    """Return the runs that were interrupted and that no other went on with."""
    runs = store.runs()
    resumed = {run.settings.get(RESUMES) for run in runs}
    ended = ("finished", "running")
    return [run.id for run in runs if run.status not in ended and run.id not in resumed]


def interrupted(store: Store, run: RunRecord, experiment: str) -> Interrupted:
    """Return an interrupted run of an experiment, to be gone on with.

    Raises
    ------
    DataError
        If it is of another experiment, finished, still running, or gone on with already.
    """
    if run.experiment != experiment:
        raise DataError(f"run {run.id} is of {run.experiment!r}, not of {experiment!r}")
    check_interrupted(store, run)
    runs = chain(store, run)
    results: dict[str, Arrays] = {}
    origins: dict[str, int] = {}
    begun: set[str] = set()
    for link in runs:
        notes = [note for _, note in store.notes(link.id)]
        makers = {str(note[TAKEN]): note["from"] for note in notes if TAKEN in note}
        begun |= {str(note[BEGINS]) for note in notes if BEGINS in note}
        for name, arrays in store.results(link.id).items():
            results[name] = arrays
            origins[name] = int(str(makers.get(name) or link.id))
    return Interrupted(tuple(runs), results, origins, frozenset(begun))


def passed(store: Store, runs: Sequence[int], goes_on: bool, run: int, start: Second) -> Second:
    """Return how much bench time has passed since a moment of an earlier run, s.

    Parameters
    ----------
    store, runs
        The runs that are gone on with, the first one first.
    goes_on
        Whether time passes on the bench, as on the computer, while no program has it open.
    run, start
        The moment: a run, and bench time on its clock, s.
    """
    total: Second = 0.0
    ended: str | None = None
    for number in runs[runs.index(run) :]:
        moments = [
            moment
            for call in store.calls(number)
            for moment in ((call.started, call.bench_started), (call.ended, call.bench_ended))
            if moment[0] is not None and moment[1] is not None
        ]
        if not moments:
            continue
        (first_wall, first), (last_wall, last) = moments[0], moments[-1]
        if ended is not None:
            total += _wall(ended, first_wall) if goes_on else 0.0
            start = float(first or 0.0)
        total += float(last or 0.0) - start
        ended = last_wall
    now = datetime.now(UTC).isoformat()
    return total + (_wall(ended, now) if goes_on and ended is not None else 0.0)


def _wall(since: str, until: str | None) -> Second:
    """Return the seconds between two wall-clock times; none if the clock was set back."""
    if until is None:
        return 0.0
    took = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return max(took.total_seconds(), 0.0)


def going_on(store: Store, run: RunRecord) -> dict[str, Any] | None:
    """Return what a run has of those it went on with, as plain values; None if of none."""
    if run.settings.get(RESUMES) is None:
        return None
    notes = [note for _, note in store.notes(run.id)]
    there = set(store.results(run.id))
    taken = {str(note[TAKEN]): note["from"] for note in notes if note.get(TAKEN) in there}
    pieces: dict[str, list[str]] = {}
    for name, maker in taken.items():
        pieces.setdefault(str(maker), []).append(name)
    anew = [{"piece": n[ANEW], "counts_twice": n["twice"]} for n in notes if ANEW in n]
    found: dict[str, Any] = {
        "runs": [link.id for link in chain(store, run)[:-1]],
        "pieces": pieces,
        "anew": anew,
    }
    for note in notes:
        if "calls_from_the_record" in note:
            found.update(note)
    return found
