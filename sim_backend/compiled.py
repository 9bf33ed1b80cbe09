"""Functions compiled to machine code: loops over nodes that NumPy has no operation for."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Return the function compiled when first called, and kept on disk for the next process.

    It releases Python's lock, divides as IEEE 754 says, and may fuse a multiplication with the
    addition that follows, but never reorders a sum: the same input gives the same bits.
    """
    options: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy"}
    return cast(F, numba.njit(cache=True, nogil=True, **options)(function))
