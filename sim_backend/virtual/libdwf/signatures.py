"""The prototypes of all functions of libdwf, read from pydwf's own table."""

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydwf.core.auxiliary.dwf_function_signatures import dwf_function_signatures, dwf_version
from pydwf.core.auxiliary.typespec_ctypes import typespec_ctypes

VERSION: str = dwf_version


@dataclass(frozen=True, slots=True)
class Prototype:
    """One function of libdwf.

    Parameters
    ----------
    name
        ``FDwf...``.
    parameters
        Names of its parameters.
    callback
        The type of a Python function in its place.
    """

    name: str
    parameters: tuple[str, ...]
    callback: Any

    @property
    def of_device(self) -> bool:
        """True if the first argument is the handle of an opened device."""
        return self.parameters[:1] == ("hdwf",)


def _in_callback(declared: Any) -> Any:
    # ctypes refuses arrays as arguments of callbacks, and makes bytes of a char pointer, into which
    # nothing can be written: all of these come as addresses. Only `const char *` stays text.
    if issubclass(declared, ctypes.Array) or declared is typespec_ctypes.c_char_ptr:
        return ctypes.c_void_p
    return declared


@cache
def prototypes() -> tuple[Prototype, ...]:
    """Return the prototypes in the order of dwf.h."""
    return tuple(
        Prototype(
            name,
            tuple(parameter for parameter, _ in parameters),
            ctypes.CFUNCTYPE(result, *(_in_callback(declared) for _, declared in parameters)),
        )
        for name, result, parameters, _ in dwf_function_signatures(typespec_ctypes)
    )
