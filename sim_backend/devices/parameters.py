"""Checks on the constants of a device model."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING

import numpy as np

from crossbar.backend import BenchError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def check(
    parameters: "DataclassInstance", may_be_zero: Iterable[str], signed: Iterable[str]
) -> None:
    """Refuse constants that no device could have.

    Parameters
    ----------
    parameters
        A dataclass; fields that are no numbers are not checked.
    may_be_zero
        Fields that may be zero; the rest must be above it.
    signed
        Fields that may be any finite number.

    Raises
    ------
    BenchError
        If a constant is not finite, negative, or zero where it may not be.
    """
    zero, free = set(may_be_zero), set(signed)
    for field in fields(parameters):
        value = getattr(parameters, field.name)
        if not isinstance(value, int | float):
            continue
        if not np.isfinite(value):
            raise BenchError(f"{field.name} = {value} is not finite")
        if field.name in free:
            continue
        if value < 0 or (value == 0 and field.name not in zero):
            raise BenchError(f"{field.name} = {value} has to be above zero")


def described(
    name: str, parameters: "DataclassInstance", sources: Mapping[str, str]
) -> dict[str, object]:
    """Return a model's constants and where each comes from, as plain values.

    A constant that differs from the model's own is ``given`` by the bench, and its source unknown
    here; one that does not has a source or is ``assumed``.

    Parameters
    ----------
    name
        Key of the model in `DEVICES`.
    parameters
        Its constants.
    sources
        Where each default that has a source comes from, by field.
    """
    given = [f.name for f in fields(parameters) if getattr(parameters, f.name) != f.default]
    return {
        "model": name,
        "constants": asdict(parameters),
        "given": given,
        "sources": {key: source for key, source in sources.items() if key not in given},
        "assumed": [
            f.name for f in fields(parameters) if f.name not in sources and f.name not in given
        ],
    }
