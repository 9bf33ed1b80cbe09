"""Put a virtual device where this process looks for libdwf.

libdwf exists once in a process, and what is loaded stays loaded. So the stand-in is loaded once,
and mounting another device only tells the dispatcher which one is meant from now on.
"""

import ctypes
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from crossbar.backend import BenchError
from sim_backend.virtual.libdwf.dispatcher import Device, Dispatcher
from sim_backend.virtual.libdwf.elf import TABLE, machines, shared_object
from sim_backend.virtual.libdwf.signatures import prototypes

SONAME = "libdwf.so"
_LIBRARIES = (
    "libdwf.so",
    "/Library/Frameworks/dwf.framework/dwf",
    "dwf",
    "dwf.dll",
)  # pydwf 1.1.19

Way = Literal["library", "callbacks"]


class _Functions:
    """What stands for the loaded library where none can be written: one attribute a function."""

    def __init__(self, callbacks: dict[str, Any]) -> None:
        vars(self).update(callbacks)


class _StandIn:
    """What is loaded into this process, and everything that must live as long as it is used."""

    def __init__(self) -> None:
        self.dispatcher = Dispatcher()
        self.library: ctypes.CDLL | None = None
        self._kept: list[Any] = []  # freed callbacks or tables would crash the next call

    def load_library(self) -> None:
        """Load the shared object that this process will take for libdwf."""
        if self.library is not None:
            return
        _refuse_real_library()
        names = [each.name for each in prototypes()]
        library = _load(shared_object(names, SONAME, platform.machine()))
        callbacks = self.dispatcher.callbacks()
        table = (ctypes.c_void_p * len(names)).in_dll(library, TABLE)
        for slot, name in enumerate(names):
            table[slot] = ctypes.cast(callbacks[name], ctypes.c_void_p).value
        self._kept += [table, callbacks]
        self.library = library

    def load_callbacks(self) -> Callable[[], None]:
        """Answer the loader of ctypes in place of the library; return what takes that back."""
        functions = _Functions(self.dispatcher.callbacks())
        self._kept.append(functions)
        loader: Any = ctypes.cdll
        load = loader.LoadLibrary

        def stand_in(name: str) -> Any:
            return functions if name in _LIBRARIES else load(name)

        loader.LoadLibrary = stand_in
        if sys.platform == "win32":
            loader.dwf = functions

        def take_back() -> None:
            vars(loader).pop("LoadLibrary", None)
            vars(loader).pop("dwf", None)

        return take_back


# A library is loaded once in a process and never leaves it: this is the one global of the package.
_STAND_IN = _StandIn()
_TAKE_BACK: list[Callable[[], None]] = []


def mount(device: Device, way: Way | None = None) -> None:
    """Let every user of libdwf in this process talk to `device` from now on.

    Parameters
    ----------
    device
        The virtual device; one that was mounted before is no longer reached.
    way
        ``library`` loads a shared object named libdwf.so, so that nothing but ``dlopen`` is used;
        ``callbacks`` answers the loader of ctypes. By default the first where it works (Linux on
        x86-64 and AArch64), the second elsewhere.

    Raises
    ------
    BenchError
        If the real libdwf is loaded in this process, or the library cannot be made here.
    """
    way = way or ("library" if _can_load() else "callbacks")
    if way == "library":
        _STAND_IN.load_library()
    elif not _TAKE_BACK:
        _refuse_real_library()
        _TAKE_BACK.append(_STAND_IN.load_callbacks())
    _STAND_IN.dispatcher.device = device
    _STAND_IN.dispatcher.catch_strays()


def unmount() -> None:
    """Leave this process with a libdwf that finds no device."""
    _STAND_IN.dispatcher.device = None
    _STAND_IN.dispatcher.let_strays()
    while _TAKE_BACK:
        _TAKE_BACK.pop()()


@contextmanager
def mounted(device: Device, way: Way | None = None) -> Iterator[None]:
    """Mount `device` while the block runs; raises as `mount` does."""
    mount(device, way)
    try:
        yield
    finally:
        unmount()


def last_problem() -> BaseException | None:
    """Return the last error of the emulation itself, with its traceback; None if there was none."""
    return _STAND_IN.dispatcher.problem


def _can_load() -> bool:
    return sys.platform == "linux" and platform.machine() in machines()


def _refuse_real_library() -> None:
    """Raise if this process has loaded a libdwf that is not ours."""
    if _STAND_IN.library is not None or sys.platform != "linux":
        return
    try:
        # RTLD_NOLOAD only finds what is already there.
        ctypes.CDLL(SONAME, mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return
    raise BenchError(
        f"the real {SONAME} is loaded in this process: a virtual Analog Discovery needs its own"
    )


def _load(image: bytes) -> ctypes.CDLL:
    """Load a shared object from memory, or from a file that is deleted at once."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create(SONAME)
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp(suffix=SONAME)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(image)
        return ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
    except OSError as problem:
        raise BenchError(f"the stand-in for {SONAME} cannot be loaded: {problem}") from problem
    finally:
        os.close(descriptor)
        if not path.startswith("/proc"):
            os.unlink(path)
