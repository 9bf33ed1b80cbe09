"""A study on a real Dask scheduler with two workers, each a process of its own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from crossbar.backend import ClusterError, DataError
from crossbar.experiments.study_settings import StudySettings
from crossbar.store import Arrays
from crossbar.studies import cluster
from dask_cluster import scheduler, until, worker
from study_runs import SHORT, differences, recorded, studied

LONGER = replace(SHORT, epochs=6, size=120)


@dataclass(frozen=True)
class Machines:
    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: list["subprocess.Popen[bytes]"]

    def settings(self, **change: Any) -> StudySettings:
        return replace(LONGER, scheduler=self.address, **change)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        address, process = stack.enter_context(scheduler(folder))
        workers = [
            stack.enter_context(worker(address, folder, name)) for name in ("first", "second")
        ]
        yield Machines(address, process, workers)


@pytest.fixture(scope="module")
def local(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    # After the machines, which start in the meantime.
    return studied(tmp_path_factory.mktemp("local"), LONGER)


def test_what_a_unit_raises_on_a_worker_is_raised_here(machines: Machines, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="p1 has 2 numbers; 1 is needed, or 9 for the sites"):
        studied(tmp_path, machines.settings(p1="0.1,0.2", p2="0.1,0.2", objectives="trinomial"))


def test_an_interrupted_cluster_goes_on_as_one_machine(
    machines: Machines, local: dict[str, Arrays], tmp_path: Path
) -> None:
    def impatient(what: str, done: int, total: int) -> None:
        if what == "units" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        studied(tmp_path, machines.settings(), progress=impatient)
    begun = recorded(tmp_path, 1)
    assert [len(begun), list(begun)[:2]] == [3, ["data", "study"]]
    found = studied(tmp_path, LONGER, resume=1)
    assert differences(found, local) == []


def test_chips_of_tiles_are_the_same_on_a_cluster(machines: Machines, tmp_path: Path) -> None:
    tiled = replace(
        SHORT, task="mnist", network="mlp", objectives="erm", tile="64x64", read_noise=0.02
    )
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    found = studied(there, replace(tiled, scheduler=machines.address))
    assert differences(found, studied(here, tiled)) == []


def test_a_worker_that_is_killed_at_a_unit_costs_nothing_but_time(
    machines: Machines, local: dict[str, Arrays], tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one(what: str, done: int, total: int) -> None:
        if what != "units" or not done or killed:
            return
        # Here, because its import changes how this process pickles every exception (tblib).
        from distributed import Client

        with Client(machines.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            busy: list[str] = []

            def one_is_at_a_unit() -> bool:
                at = client.processing()
                busy[:] = [who for who, keys in at.items() if any("unit/" in k for k in keys)]
                return bool(busy)

            until("a worker at a unit", one_is_at_a_unit)
            (number,) = client.run(os.getpid, workers=busy[:1]).values()
        (victim,) = [process for process in machines.workers if process.pid == number]
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        killed.append(number)

    found = studied(tmp_path, machines.settings(), progress=kill_one)
    assert len(killed) == 1
    assert differences(found, local) == []


def test_a_scheduler_that_is_killed_ends_the_study_with_what_it_has(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one of the machines' tests."""
    monkeypatch.setattr(cluster, "REACH", 1.0)

    def kill(what: str, done: int, total: int) -> None:
        if what == "units" and done:
            machines.scheduler.kill()
            machines.scheduler.wait()

    with pytest.raises(ClusterError, match=f"scheduler {machines.address} "):
        studied(tmp_path, machines.settings(), progress=kill)
    assert len(recorded(tmp_path, 1)) == 3  # the data, the plan and a unit


def test_a_cluster_whose_workers_all_die_ends_the_study_with_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units that were done, but died with the worker before they were fetched, end no wait."""
    monkeypatch.setattr(cluster, "REACH", 2.0)
    monkeypatch.setattr(cluster, "PATIENCE", 30.0)  # for the first worker to come
    with scheduler(tmp_path) as (address, _), worker(address, tmp_path, "only") as only:

        def kill(what: str, done: int, total: int) -> None:
            from distributed import Client

            if what == "workers":  # it waits for the first unit: let it find all of them at once
                with Client(address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
                    until("all units", lambda: not any(client.processing().values()))
            elif done and only.poll() is None:
                only.kill()
                only.wait()
                monkeypatch.setattr(cluster, "PATIENCE", 1.0)

        with pytest.raises(ClusterError, match=r"has had no worker for 1 s"):
            studied(tmp_path, replace(SHORT, scheduler=address), progress=kill)
    found = recorded(tmp_path, 1)
    assert "study" in found
    assert sum(name.startswith("unit/") for name in found) == 1


def test_a_scheduler_that_nobody_runs_is_an_error_in_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "REACH", 0.3)
    with pytest.raises(ClusterError, match=r"scheduler tcp://127\.0\.0\.1:1 cannot be reached"):
        studied(tmp_path, replace(SHORT, scheduler="tcp://127.0.0.1:1"))


def test_an_address_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "REACH", 0.3)
    with pytest.raises(ClusterError, match="scheduler carrier-pigeon cannot be reached"):
        studied(tmp_path, replace(SHORT, scheduler="carrier-pigeon"))


def test_a_scheduler_without_workers_is_an_error_that_says_what_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.2)
    with scheduler(tmp_path) as (address, _), pytest.raises(ClusterError) as caught:
        studied(tmp_path, replace(SHORT, scheduler=address))
    assert str(caught.value).endswith(f"dask worker {address}")


def test_without_dask_installed_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(ClusterError, match=r"pip install 'crossbar-hil\[dask\]'"):
        studied(tmp_path, replace(SHORT, scheduler="tcp://127.0.0.1:1"))


HERE = {
    "python": "3.11.7.final.0",
    **dict.fromkeys(("dask", "distributed", "cloudpickle", "numpy", "torch", "crossbar-hil"), "2"),
}


class Versions:
    """As much of a client as tells the versions of a cluster."""

    def __init__(self, scheduler: dict[str, str | None], worker: dict[str, str | None]) -> None:
        self._scheduler = {**HERE, **scheduler}
        self._worker = {**HERE, **worker}

    def wait_for_workers(self, count: int, timeout: float) -> None:
        assert count == 1

    def get_versions(self, packages: list[str]) -> dict[str, Any]:
        return {
            "client": {"packages": HERE},
            "scheduler": {"packages": self._scheduler},
            "workers": {"tcp://w": {"packages": self._worker}},
        }


@pytest.mark.parametrize(
    ("scheduler", "worker", "message"),
    [
        ({"distributed": "1"}, {}, r"scheduler tcp://s has distributed 1 \(here 2\); the same"),
        ({"python": "3.12.1.final.0"}, {}, r"python 3.12.1.final.0 \(here 3.11.7.final.0\)"),
        ({}, {"torch": "1"}, r"worker tcp://w has torch 1 \(here 2\)"),
        ({}, {"crossbar-hil": None}, r"worker tcp://w has crossbar-hil missing \(here 2\)"),
    ],
    ids=["scheduler", "python", "worker", "not installed"],
)
def test_other_versions_are_refused(
    scheduler: dict[str, str | None], worker: dict[str, str | None], message: str
) -> None:
    with pytest.raises(ClusterError, match=message):
        cluster._check_versions("tcp://s", Versions(scheduler, worker))


def test_a_python_of_another_patch_and_a_scheduler_without_torch_will_do() -> None:
    versions = Versions({"torch": None, "python": "3.11.2.final.0"}, {"python": "3.11.2.final.0"})
    cluster._check_versions("tcp://s", versions)


def test_a_worker_with_other_sources_makes_nothing() -> None:
    data: Any = None
    with pytest.raises(ClusterError, match="another revision of crossbar-hil"):
        cluster._make_there(b"", data, "other")
