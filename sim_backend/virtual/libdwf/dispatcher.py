"""Between the C functions and the virtual device: errors, interrupts, and which device is meant."""

import ctypes
import operator
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from sim_backend.virtual.libdwf.failure import UNKNOWN, Failure
from sim_backend.virtual.libdwf.memory import write_text
from sim_backend.virtual.libdwf.signatures import VERSION, Prototype, prototypes

_MESSAGE_SIZE = 512  # szError of FDwfGetLastErrorMsg, dwf.h


class Device(Protocol):
    """A device that answers calls by name."""

    def call(self, prototype: Prototype, arguments: tuple[Any, ...]) -> None:
        """Do what the function does; raise `Failure` if it fails."""
        ...


class _Token:
    """Something that can be watched dying."""


class _Interrupted(int):
    """The result 0, which takes a token with it when ctypes lets go of it."""

    token: _Token


class _Parting(weakref.ref[_Token]):
    """Calls `fire` when the token dies, without running any Python on the way."""

    fire: Callable[[], object]


# Not by a signal: a program in the background of a shell ignores SIGINT, and is told by SIGTERM.
_RAISE_IN = ctypes.pythonapi.PyThreadState_SetAsyncExc
_RAISE_IN.argtypes = (ctypes.c_ulong, ctypes.py_object)


class Dispatcher:
    """Takes the calls of a whole process and hands them to the device that is mounted.

    libdwf exists once in a process, and so does this; `device` can be exchanged at any time.
    """

    def __init__(self) -> None:
        self.device: Device | None = None
        self.problem: BaseException | None = None
        self._error = (0, "")
        self._lock = threading.RLock()
        self._parting: _Parting | None = None
        self._reported: Callable[[Any], Any] = sys.unraisablehook

    def entry(self, prototype: Prototype) -> Callable[..., int]:
        """Return the Python function that stands for a C function."""
        own: dict[str, Callable[..., int]] = {
            "FDwfGetLastError": self._last_error,
            "FDwfGetLastErrorMsg": self._last_message,
            "FDwfGetVersion": self._version,
        }
        return own.get(prototype.name) or partial(self._call, prototype)

    def callbacks(self) -> dict[str, Any]:
        """Return C function pointers by name; whoever takes them must keep them alive."""
        return {each.name: each.callback(self.entry(each)) for each in prototypes()}

    def _call(self, prototype: Prototype, *arguments: Any) -> int:
        # Whatever leaves a callback of ctypes is printed and lost, so nothing may leave it.
        try:
            with self._lock:
                if self.device is not None:
                    self.device.call(prototype, arguments)
                elif prototype.name == "FDwfEnum":
                    arguments[1][0] = 0
                else:
                    raise Failure(UNKNOWN, "no virtual Analog Discovery is mounted")
                self._error = (0, "")
                return 1
        except Failure as failure:
            self._error = (failure.code, failure.message)
            return 0
        except Exception as problem:
            self.problem = problem
            self._error = (UNKNOWN, f"{prototype.name}: {type(problem).__name__}: {problem}")
            return 0
        except BaseException as problem:
            self.problem = problem
            self._error = (UNKNOWN, f"{prototype.name}: interrupted")
            return self._interrupted()

    def _interrupted(self) -> int:
        """Return 0 and have this thread interrupted as soon as the C function has returned.

        Asking for the interrupt here would raise it here, where it is lost. The result carries a
        token that dies when ctypes drops the result, after the last Python instruction of the
        callback; the interrupt is asked for by the death of the token.
        """
        result = _Interrupted(0)
        result.token = _Token()
        self._parting = _Parting(result.token, operator.methodcaller("fire"))
        self._parting.fire = partial(_RAISE_IN, threading.get_ident(), KeyboardInterrupt)
        return result

    def catch_strays(self) -> None:
        """Also take the interrupts that reach a callback before its first instruction.

        Python looks for signals when it enters a function, before any `try` of it; what is raised
        there can only be found where ctypes reports it. So it is with what hits a finalizer, or a
        function that the garbage collector calls, just after the callback.
        """
        if sys.unraisablehook != self._stray:
            self._reported = sys.unraisablehook
            sys.unraisablehook = self._stray

    def let_strays(self) -> None:
        """Leave the report of errors in callbacks as it was."""
        if sys.unraisablehook == self._stray:
            sys.unraisablehook = self._reported

    def _stray(self, report: Any, /) -> Any:
        within = isinstance(report.object, partial) and report.object.func == self._call
        ours = within and not issubclass(report.exc_type, Exception)
        if not (ours or report.exc_type is KeyboardInterrupt):
            return self._reported(report)
        if ours:
            self._error = (UNKNOWN, "interrupted")
        return self._interrupted()

    def _last_error(self, code: Any) -> int:
        code[0] = self._error[0]
        return 1

    def _last_message(self, text: int) -> int:
        write_text(text, self._error[1], _MESSAGE_SIZE)
        return 1

    def _version(self, text: int) -> int:
        write_text(text, VERSION, ctypes.sizeof(ctypes.c_char * 32))
        return 1
