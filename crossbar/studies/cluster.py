"""Units of a study on the workers of a Dask cluster: the same numbers, on more machines.

The data travel with the study, so that a worker needs no folder of its own. A worker that dies
loses the unit it was at, which another one makes again; the scheduler keeps what that takes.
"""

import hashlib
import logging
import pickle
import time
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crossbar.backend import Array, ClusterError, CrossbarError, Second
from crossbar.provenance import DISTRIBUTION

if TYPE_CHECKING:
    from crossbar.studies.task import Dataset
    from crossbar.studies.unit import Plan, Unit

Client: TypeAlias = Any
Future: TypeAlias = Any
"""Dask's, whose annotations leave open what a call returns."""

REACH: Second = 10.0  # assumed
"""How long a scheduler may take to answer."""

PATIENCE: Second = 60.0  # assumed
"""How long a study waits for a worker: for the first one, and for another when all are gone."""

LOOK: Second = 0.5  # assumed
"""Between two looks at what is done."""

LOST = (OSError, ValueError, CancelledError)
"""What Dask raises where there is no scheduler, an address is none, or a scheduler went away."""

PROTOCOL = ("python", "dask", "distributed", "cloudpickle")
"""What a scheduler has to have in the same version, or messages cannot be read."""

PACKAGES = (DISTRIBUTION, "numpy", "torch")
"""What a worker has to have in the same version too, or the last digits differ."""


def on_cluster(
    address: str,
    plan: "Plan",
    units: "list[Unit]",
    data: "Dataset",
    look: Callable[[int], None] = lambda _: None,
) -> "Iterator[tuple[Unit, dict[str, Array]]]":
    """Yield every unit and its numbers as soon as a worker has made it, in no particular order.

    Leaving takes back what no worker has begun; what one is at, it finishes for nobody.

    Parameters
    ----------
    address
        Of the scheduler, ``tcp://host:port``.
    plan, units, data
        As of `crossbar.studies.unit.make`.
    look
        Called with the number of workers, again and again while the study waits.

    Raises
    ------
    ClusterError
        If `distributed` is not installed, the scheduler cannot be reached or is lost, its versions
        or those of a worker differ, there is no worker, or a unit has killed several.
    CrossbarError
        What a unit raised.
    """
    if not units:
        return
    with _connected(address) as client:
        _check_versions(address, client)
        waiting = _submitted(client, plan, units, data)
        try:
            while waiting:
                for future in _done(address, client, waiting, look):
                    found = _result(address, future)
                    if found is None:
                        continue
                    unit = waiting.pop(future)
                    # Or it would be made again if its worker died.
                    future.release()
                    yield unit, found
        finally:
            # A scheduler that is lost has nothing left to take back.
            with suppress(*LOST):
                client.cancel(list(waiting))


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    if find_spec("distributed") is None:
        raise ClusterError(
            f"a scheduler needs Dask: pip install '{DISTRIBUTION}[dask]', here and where it runs"
        )
    import distributed

    with _quiet():
        with _translated(address), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which are checked
            client: Client = distributed.Client(  # type: ignore[no-untyped-call]
                address, timeout=REACH, set_as_default=False
            )
        try:
            yield client
        finally:
            with suppress(*LOST):
                client.close(timeout=REACH)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging the tracebacks of what is raised here in words."""
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _translated(address: str) -> Iterator[None]:
    """Say what became of the scheduler, whatever Dask calls it."""
    try:
        yield
    except CancelledError as problem:
        raise ClusterError(
            f"scheduler {address} was lost, and what it had not finished"
        ) from problem
    except LOST as problem:
        reason = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise ClusterError(f"scheduler {address} cannot be reached: {reason}") from problem


def _check_versions(address: str, client: Client) -> None:
    """Wait for the first worker; refuse a scheduler or workers with other versions."""
    with _translated(address):
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as problem:
            raise ClusterError(
                f"no worker has come to scheduler {address} within {PATIENCE:g} s; each machine "
                f"that takes part runs: dask worker {address}"
            ) from problem
        found = client.get_versions(packages=list(PACKAGES))
    here = found["client"]["packages"]
    _compare(f"scheduler {address}", found["scheduler"]["packages"], here, PROTOCOL)
    for worker, versions in found["workers"].items():
        _compare(f"worker {worker}", versions["packages"], here, (*PROTOCOL, *PACKAGES))


def _compare(
    who: str, there: Mapping[str, str | None], here: Mapping[str, str | None], names: Any
) -> None:
    differ = [
        f"{name} {there.get(name) or 'missing'} (here {here[name]})"
        for name in names
        if _release(name, there.get(name)) != _release(name, here[name])
    ]
    if differ:
        raise ClusterError(f"{who} has {', '.join(differ)}; the same versions are needed")


def _release(name: str, version: str | None) -> str | None:
    """Return a version as far as it matters; of Python two numbers do."""
    if name != "python" or version is None:
        return version
    return ".".join(version.split(".")[:2])


def _submitted(
    client: Client, plan: "Plan", units: "list[Unit]", data: "Dataset"
) -> "dict[Future, Unit]":
    """Hand everything to the scheduler, and return what each unit can be asked for by."""
    study = uuid.uuid4().hex
    packed = zlib.compress(pickle.dumps(data), 1)
    with warnings.catch_warnings():
        # The data are part of the graph on purpose: the scheduler keeps that, so that they are
        # not lost with the worker that has them.
        warnings.filterwarnings("ignore", message="Sending large graph")
        there = client.submit(_unpacked, packed, key=f"data-{study}", pure=False)
    code = code_fingerprint()
    return {
        client.submit(
            _make_there,
            pickle.dumps((plan, unit)),
            there,
            code,
            key=f"{unit.name}-{study}",
            pure=False,
        ): unit
        for unit in units
    }


def _done(
    address: str,
    client: Client,
    waiting: "Mapping[Future, Unit]",
    look: Callable[[int], None],
) -> list[Future]:
    """Return what is done, one unit at least; raise where no worker is left to do any."""
    from distributed import wait

    alone_since: float | None = None
    while True:
        with _translated(address):
            try:
                with client.as_current():
                    found = wait(list(waiting), LOOK, "FIRST_COMPLETED")  # type: ignore[no-untyped-call]
                return list(found.done)
            except TimeoutError:
                workers = len(client.nthreads())
        look(workers)
        now = time.monotonic()
        alone_since = None if workers else alone_since or now
        if alone_since is not None and now - alone_since > PATIENCE:
            raise ClusterError(f"scheduler {address} has had no worker for {PATIENCE:g} s")


def _result(address: str, future: Future) -> dict[str, Array] | None:
    """Return the numbers of a unit, or raise what it raised; None if they died with their worker.

    They are then made once more, by another worker if there is one. What is done is not so for
    good, and Dask's calls wait for it without end unless they are told not to.
    """
    from distributed import KilledWorker

    with _translated(address):
        try:
            problem = future.exception(timeout=REACH)
            if problem is None:
                found: dict[str, Array] = future.result(timeout=REACH)
                return found
        except TimeoutError:
            return None
    if isinstance(problem, CrossbarError):
        raise problem
    unit = str(future.key).rpartition("-")[0]
    if isinstance(problem, KilledWorker):
        died = problem.allowed_failures + 1
        raise ClusterError(f"{unit}: {died} workers died at it; too little memory?") from problem
    raise ClusterError(f"{unit} failed: {type(problem).__name__}: {problem}") from problem


def _unpacked(packed: bytes) -> "Dataset":
    """Return the data, on a worker."""
    data: Dataset = pickle.loads(zlib.decompress(packed))  # noqa: S301 - of the study's own client
    return data


def _make_there(packed: bytes, data: "Dataset", code: str) -> dict[str, Array]:
    """Make a unit, on a worker."""
    if code != code_fingerprint():
        raise ClusterError(
            f"a worker has another revision of {DISTRIBUTION}: update and restart it"
        )
    from crossbar.studies.unit import make

    plan, unit = pickle.loads(packed)  # noqa: S301 - of the study's own client
    return make(plan, unit, data)


@cache
def code_fingerprint() -> str:
    """Return the SHA-256 of this package's sources, which a version does not tell apart."""
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
