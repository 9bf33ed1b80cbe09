"""Refusing an experiment as a whole, before anything is driven, and naming the option at fault."""

from typing import Any

import numpy as np

from crossbar.backend import Ampere, DataError, LimitError, Limits, Second, Volt, VoltSquaredSecond


def positive(settings: Any, *names: str) -> None:
    """Raise `DataError` unless these settings are finite and above zero; None is left alone."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < np.inf:
            raise DataError(f"{option(name)} {value:g} is not a finite number above 0")


def at_least(settings: Any, **least: float) -> None:
    """Raise `DataError` unless these settings are at least so much."""
    for name, value in least.items():
        if not value <= getattr(settings, name) < np.inf:
            raise DataError(f"{option(name)} {getattr(settings, name)} is not {value} or more")


def one_of(settings: Any, name: str, known: Any) -> None:
    """Raise `DataError` unless a setting is one of the names that there are."""
    if getattr(settings, name) not in known:
        raise DataError(
            f"{option(name)} {getattr(settings, name)!r} is not one of {', '.join(known)}"
        )


def option(name: str) -> str:
    """Return the option that a setting is on the command line."""
    return "--" + name.replace("_", "-")


def numbers(settings: Any, name: str) -> tuple[float, ...]:
    """Return the numbers of a setting that separates them by commas.

    Raises
    ------
    DataError
        If one is no finite number, or there is none.
    """
    text = getattr(settings, name)
    try:
        found = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as problem:
        raise DataError(f"{option(name)} {text!r} is not a row of numbers, as 0,0.3") from problem
    if not (found and np.isfinite(found).all()):
        raise DataError(f"{option(name)} {text!r}: one number at least, all finite, is needed")
    return found


def names(settings: Any, name: str) -> tuple[str, ...]:
    """Return the words of a setting that separates them by commas, each once.

    Raises
    ------
    DataError
        If there is none.
    """
    text = getattr(settings, name)
    found = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise DataError(f"{option(name)} {text!r} names nothing")
    return found


class Bounds:
    """What a bench accepts, asked with the option that would be at fault.

    Every method raises `LimitError` unless the value is inside.

    Parameters
    ----------
    limits
        Of the bench.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def voltage(self, name: str, value: Volt) -> None:
        """Check the amplitude of a pulse or of a point of a sweep, V."""
        self._size(name, value, self._limits.voltage, "V")

    def read_voltage(self, name: str, value: Volt) -> None:
        """Check the voltage of a read, V."""
        self._size(name, value, self._limits.read_voltage, "V")

    def compliance(self, name: str, value: Ampere) -> None:
        """Check a compliance, A."""
        self._size(name, value, self._limits.current, "A")

    def width(self, name: str, value: Second) -> None:
        """Check the width of a pulse, s."""
        low, high = self._limits.width_min, self._limits.width_max
        if not low <= value <= high:
            raise LimitError(
                f"{option(name)} {value:g} s is outside this bench's {low:g} s to {high:g} s"
            )

    def dwell(self, name: str, value: Second) -> None:
        """Check the time at each point of a sweep, s."""
        if not 0 < value <= self._limits.width_max:
            raise LimitError(
                f"{option(name)} {value:g} s is above this bench's {self._limits.width_max:g} s"
            )

    def stress(self, what: str, value: VoltSquaredSecond, remedy: str) -> None:
        """Check what a cell would take in all, V² s."""
        if not value <= self._limits.stress:
            raise LimitError(
                f"{what} would stress a cell by {value:.4g} V² s; the limit 'stress' of this "
                f"bench is {self._limits.stress:g} V² s ({remedy})"
            )

    def pulses(self, what: str, count: int, remedy: str) -> None:
        """Check the number of pulses that a cell would take in all."""
        if not count <= self._limits.pulses:
            raise LimitError(
                f"{what} would give a cell {count} pulses; the limit 'pulses' of this bench is "
                f"{self._limits.pulses} ({remedy})"
            )

    def _size(self, name: str, value: float, limit: float, unit: str) -> None:
        if not abs(value) <= limit:
            raise LimitError(
                f"{option(name)} {value:g} {unit} is outside this bench's ±{limit:g} {unit}"
            )
