"""A real Dask scheduler and real workers, each a process of its own on this machine."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0  # s: the machines that run these tests are slow at times
LOOK = 0.02  # s


def until(what: str, condition: Callable[[], bool], *processes: "subprocess.Popen[bytes]") -> None:
    """Wait for a condition; fail after `PATIENCE`, or when a process that it needs has ended."""
    end = time.monotonic() + PATIENCE
    while not condition():
        for process in processes:
            assert process.poll() is None, f"ended while waiting for {what}: {process.args!r}"
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(LOOK)


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run a scheduler on a free port of 127.0.0.1; yield its address and its process."""
    file = folder / "scheduler.json"
    with _process(
        "dask_scheduler",
        *("--host", "127.0.0.1", "--port", "0", "--no-show", "--dashboard-address", ":0"),
        *("--scheduler-file", str(file)),
        log=folder / "scheduler.log",
    ) as process:

        def answered() -> bool:
            return file.exists() and file.read_text().strip().endswith("}")

        until("the scheduler's address", answered, process)
        yield str(json.loads(file.read_text())["address"]), process


@contextmanager
def worker(address: str, folder: Path, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker of one thread, without a nanny that would start another in its place."""
    with _process(
        "dask_worker",
        address,
        *("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--dashboard-address", ":0"),
        *("--name", name, "--local-directory", str(folder)),
        log=folder / f"{name}.log",
    ) as process:
        yield process


@contextmanager
def _process(module: str, *options: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *options],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
