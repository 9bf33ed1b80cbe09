"""What the run store knows of a run and of a call, as it is read back."""

import json
import socket
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from crossbar.backend import Second
from crossbar.blob import Arrays
from crossbar.provenance import is_alive

Plain: TypeAlias = dict[str, object]
Status: TypeAlias = Literal["running", "finished", "failed", "interrupted", "died"]

SELECT_RUN = (
    "SELECT id, experiment, started, ended, status, bench_kind, bench_name, bench, seed, "
    "settings, provenance, summary, error, host, pid, process FROM runs"
)


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """What the store knows of a run; times are wall-clock time, ISO 8601 in UTC.

    `status` is ``"died"`` for a run that is still marked as running but whose process, on this
    host, no longer exists. `bench` is what the backend says of itself.
    """

    id: int
    experiment: str
    started: str
    ended: str | None
    status: Status
    bench_kind: str
    bench_name: str
    bench: Plain
    seed: int | None
    settings: Plain
    provenance: Plain
    summary: Plain | None
    error: str | None
    host: str
    pid: int


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call to the bench: what was asked and, if it came to that, what was answered.

    Wall times are ISO 8601 in UTC, bench times in seconds. `ended` is None for an intent without
    an outcome, which counts as applied; `answered` is None for that and for an error.
    """

    id: int
    verb: str
    started: str
    bench_started: Second | None
    asked: Arrays
    ended: str | None
    bench_ended: Second | None
    answered: Arrays | None
    error: str | None


def run_record(row: tuple[Any, ...]) -> RunRecord:
    """Return the record of a run from a row of `SELECT_RUN`."""
    (number, experiment, started, ended, status, kind, name, bench, seed, *rest) = row
    (settings, made_by, summary, error, host, pid, stamp) = rest
    if status == "running" and host == socket.gethostname() and not is_alive(pid, stamp):
        status = "died"
    return RunRecord(
        id=number,
        experiment=experiment,
        started=started,
        ended=ended,
        status=status,
        bench_kind=kind,
        bench_name=name,
        bench=json.loads(bench),
        seed=None if seed is None else int(seed),
        settings=json.loads(settings),
        provenance=json.loads(made_by),
        summary=None if summary is None else json.loads(summary),
        error=error,
        host=host,
        pid=pid,
    )
