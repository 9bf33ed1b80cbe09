"""What the tables of a bench file are checked for; every refusal is a `BenchError`."""

from collections.abc import Iterable

import numpy as np

from crossbar.backend import Array, BenchError


def known_kind(kind: str, known: tuple[str, ...]) -> None:
    """Raise `BenchError` if a kind of wiring is another."""
    if kind not in known:
        raise BenchError(f"kind = {kind!r} is not one of {', '.join(known)}")


def positive(table: object, *names: str) -> None:
    """Raise `BenchError` if a field is not finite and above zero."""
    for name in names:
        if not 0 < getattr(table, name) < np.inf:
            raise BenchError(f"{name} = {getattr(table, name)} is not finite and above 0")


def at_least_zero(table: object, *names: str) -> None:
    """Raise `BenchError` if a field is not finite and zero or more."""
    for name in names:
        if not 0 <= getattr(table, name) < np.inf:
            raise BenchError(f"{name} = {getattr(table, name)} is not finite and zero or more")


def distinct(what: str, numbers: Iterable[int], allowed: range) -> None:
    """Raise `BenchError` if a number is used twice or does not exist."""
    seen: set[int] = set()
    for number in numbers:
        if number not in allowed:
            raise BenchError(f"{what}: {number} is outside {allowed[0]} to {allowed[-1]}")
        if number in seen:
            raise BenchError(f"{what}: {number} is used twice")
        seen.add(number)


def enough(name: str, listed: tuple[int, ...], lines: int) -> None:
    """Raise `BenchError` if a list is shorter than there are lines."""
    if len(listed) < lines:
        raise BenchError(f"{name} lists {len(listed)}, the array has {lines} lines")


def rows(name: str, rows: tuple[tuple[float, ...], ...], default: float, count: int) -> Array:
    """Return rows as an array, empty ones filled; raise `BenchError` if a length differs."""
    for row in rows:
        if row and len(row) != count:
            raise BenchError(f"{name}: {len(row)} numbers for {count} bit lines")
    return np.array([row or (default,) * count for row in rows], dtype=np.float64)
