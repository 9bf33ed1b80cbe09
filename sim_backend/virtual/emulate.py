"""Run somebody's own program, unchanged, against instruments that do not exist."""

import atexit
import io
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NoReturn

from crossbar.backend import BenchError
from sim_backend.virtual.libdwf.dispatcher import Device
from sim_backend.virtual.libdwf.mount import mounted
from sim_backend.virtual.libdwf.signatures import Prototype
from sim_backend.virtual.plugged import Plugged
from sim_backend.virtual.visa import Instrument
from sim_backend.virtual.visa import mounted as visa_mounted

ENVIRONMENT = {
    "switch board": "CROSSBAR_SWITCH_BOARD",
    "2400": "CROSSBAR_2400",
    "6487": "CROSSBAR_6487",
}
"""Environment variables in which a program finds the ports of a virtual bench."""


class _LockedDevice:
    """The Analog Discovery 2, with its turn taken from the servers' threads."""

    def __init__(self, device: Device, lock: AbstractContextManager[bool]) -> None:
        self._device = device
        self._lock = lock

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        with self._lock:
            self._device.call(prototype, arguments)


class _LockedInstrument:
    """A source meter, with its turn taken from the servers' threads."""

    def __init__(self, instrument: Instrument, lock: AbstractContextManager[bool]) -> None:
        self._instrument = instrument
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instrument, name)

    def handle(self, line: str) -> str | None:
        with self._lock:
            return self._instrument.handle(line)


def emulate(path: Path, arguments: Sequence[str], bench: Plugged) -> NoReturn:
    """Run a program as ``python path arguments`` would, then end this process as it would.

    Until the very end the process finds the bench's instruments where real ones would be: behind
    libdwf and behind ``pyvisa.ResourceManager()``; the ports of the others are printed, and stand
    in the variables of `ENVIRONMENT`. Unless the bench goes by the wall's clock, ``time.sleep``
    lets bench time pass and returns at once.

    Parameters
    ----------
    path
        Of the program.
    arguments
        What it finds in ``sys.argv[1:]``.
    bench
        What it finds plugged in.

    Raises
    ------
    BenchError
        If there is no such file, or a real libdwf is loaded in this process.
    SystemExit
        As the program ends: its exit code; 1 after an error, whose traceback is printed; 130 after
        Ctrl-C.
    """
    try:
        with io.open_code(os.fspath(path.resolve())) as file:
            source = file.read()
    except OSError as problem:
        raise BenchError(f"cannot run {path}: {problem.strerror}") from problem
    plugged = _plug(bench)
    # Functions that the program registers for the end run before this one, on the bench.
    atexit.register(plugged.close)
    sys.argv = [os.fspath(path), *arguments]
    sys.path[0] = os.fspath(path.resolve().parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _run(source, path)


def _plug(bench: Plugged) -> ExitStack:
    """Plug the bench in, tell where, and return what unplugs it."""
    lock = threading.RLock()
    instruments = {
        name: _LockedInstrument(instrument, lock) for name, instrument in bench.instruments.items()
    }
    with ExitStack() as stack:
        stack.enter_context(mounted(_LockedDevice(bench.discovery, lock)))
        stack.enter_context(visa_mounted(instruments, bench.clock))
        stack.enter_context(bench.serve(lock))
        for name, port in bench.ports.items():
            os.environ[ENVIRONMENT[name]] = port
        _tell(bench.instruments, bench.ports)
        if not bench.by_wall:
            time.sleep = _sleeping(bench, lock)
        return stack.pop_all()


def _sleeping(bench: Plugged, lock: AbstractContextManager[bool]) -> Any:
    """Return what stands for time.sleep, as strict as it about its argument."""

    def sleep(seconds: float, /) -> None:
        if not seconds >= 0:
            raise ValueError("sleep length must be non-negative")
        with lock:
            bench.clock.sleep(seconds)

    return sleep


def _tell(instruments: Mapping[str, Instrument], ports: Mapping[str, str]) -> None:
    lines = ["virtual Analog Discovery 2 at libdwf", f"virtual VISA: {', '.join(instruments)}"]
    lines += [f"virtual {name}: {port} (${ENVIRONMENT[name]})" for name, port in ports.items()]
    for line in lines:
        print(f"xbar: {line}", file=sys.stderr, flush=True)  # noqa: T201


def _run(source: bytes, path: Path) -> NoReturn:
    """Run the text of a program as the main module, and end as it ends."""
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=os.fspath(path), __cached__=None, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    code = 0
    try:
        exec(compile(source, os.fspath(path), "exec", dont_inherit=True), main.__dict__)  # noqa: S102
    except SystemExit:
        raise
    except BaseException as problem:
        # The program's own frames begin one below this one.
        trace = problem.__traceback__
        below = None if trace is None else trace.tb_next
        sys.excepthook(type(problem), problem.with_traceback(below), below)
        code = 1
        if isinstance(problem, KeyboardInterrupt):
            code = 128 + signal.SIGINT
    sys.exit(code)
