"""Variables of a search, ranges, levels or choices, and the numbers that a model sees of them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import Array, DataError


class Variable(Protocol):
    """One thing that a search may change.

    Its code is a number: from 0 to 1 between the ends of a range, or the index of a choice.
    """

    @property
    def name(self) -> str:
        """Of the variable."""

    @property
    def codes(self) -> Array | None:
        """Codes of all values in order; None if there is no end of them."""

    @property
    def ordered(self) -> bool:
        """Whether differences between codes mean anything."""

    def code(self, value: float | str) -> float:
        """Return the code of a value; raises DataError if it can have none."""

    def value(self, code: float) -> float | str:
        """Return the value that is nearest to a code."""

    def number(self, codes: Array) -> Array:
        """Return codes as numbers in the variable's own unit; choices stay indices."""


@dataclass(frozen=True, slots=True)
class Continuous:
    """Any number of a range.

    Parameters
    ----------
    name
        Of the variable.
    low, high
        Ends, both allowed.
    logarithmic
        Whether equal ratios count as equal distances.

    Raises
    ------
    DataError
        If the range is empty or not finite, or is logarithmic and not above 0.
    """

    name: str
    low: float
    high: float
    logarithmic: bool = False

    def __post_init__(self) -> None:
        _check_range(self.name, self.low, self.high, self.logarithmic)

    @property
    def codes(self) -> Array | None:
        """None: there is no end of them."""
        return None

    @property
    def ordered(self) -> bool:
        """True."""
        return True

    def code(self, value: float | str) -> float:
        """Return 0 to 1, or beyond for a number outside the range."""
        number = _number(self.name, value, self.logarithmic)
        return float(_code(number, self.low, self.high, self.logarithmic))

    def value(self, code: float) -> float:
        """Return the number, inside the range."""
        # low + 1 * (high - low) may be beyond high by its rounding.
        return min(max(float(self.number(np.array(code))), self.low), self.high)

    def number(self, codes: Array) -> Array:
        """Return the numbers."""
        return _decode(codes, self.low, self.high, self.logarithmic)


@dataclass(frozen=True, slots=True)
class Ordinal:
    """Numbers that are possible, in rising order; how far apart they are counts.

    Parameters
    ----------
    name, logarithmic
        As of `Continuous`.
    levels
        At least two.

    Raises
    ------
    DataError
        If the levels do not rise, are not finite, or are logarithmic and not above 0.
    """

    name: str
    levels: tuple[float, ...]
    logarithmic: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(float(level) for level in self.levels))
        if len(self.levels) < 2 or not np.all(np.diff(self.levels) > 0):
            raise DataError(f"levels {self.levels} of {self.name} are not two or more that rise")
        _check_range(self.name, self.levels[0], self.levels[-1], self.logarithmic)

    @property
    def codes(self) -> Array:
        """One for each level."""
        return _code(self.levels, self.levels[0], self.levels[-1], self.logarithmic)

    @property
    def ordered(self) -> bool:
        """True."""
        return True

    def code(self, value: float | str) -> float:
        """Return 0 to 1 for a level or a number between two; beyond for one outside."""
        number = _number(self.name, value, self.logarithmic)
        return float(_code(number, self.levels[0], self.levels[-1], self.logarithmic))

    def value(self, code: float) -> float:
        """Return the nearest level."""
        return self.levels[int(np.abs(self.codes - code).argmin())]

    def number(self, codes: Array) -> Array:
        """Return the numbers, levels or not."""
        return _decode(codes, self.levels[0], self.levels[-1], self.logarithmic)


@dataclass(frozen=True, slots=True)
class Categorical:
    """Choices without an order.

    Parameters
    ----------
    name
        Of the variable.
    choices
        At least two, all different.
    descriptors
        Numbers that are known of each choice, as many of every one; empty if there are none.

    Raises
    ------
    DataError
        If there are fewer choices, two are the same, or descriptors are not of every choice.
    """

    name: str
    choices: tuple[str, ...]
    descriptors: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        object.__setattr__(self, "descriptors", tuple(map(tuple, self.descriptors)))
        if len(self.choices) < 2 or len(set(self.choices)) < len(self.choices):
            raise DataError(f"choices {self.choices} of {self.name} are not two or more different")
        if self.descriptors and not (
            len(self.descriptors) == len(self.choices)
            and len({len(row) for row in self.descriptors}) == 1
            and np.isfinite(self.descriptors).all()
        ):
            raise DataError(
                f"descriptors of {self.name} are not finite numbers, one of each kind for each of "
                f"its {len(self.choices)} choices"
            )

    @property
    def codes(self) -> Array:
        """Indices."""
        return np.arange(len(self.choices), dtype=np.float64)

    @property
    def ordered(self) -> bool:
        """False."""
        return False

    def code(self, value: float | str) -> float:
        """Return the index of a choice."""
        if value not in self.choices:
            raise DataError(f"{self.name} = {value!r} is not one of {', '.join(self.choices)}")
        return float(self.choices.index(str(value)))

    def value(self, code: float) -> str:
        """Return the choice."""
        return self.choices[round(code)]

    def number(self, codes: Array) -> Array:
        """Return the indices."""
        return codes


def _check_range(name: str, low: float, high: float, logarithmic: bool) -> None:
    if not -np.inf < low < high < np.inf or (logarithmic and low <= 0):
        scale = "logarithmic " if logarithmic else ""
        raise DataError(f"{name} from {low} to {high} is no {scale}range")


def _number(name: str, value: float | str, logarithmic: bool) -> float:
    if isinstance(value, str) or not np.isfinite(value) or (logarithmic and value <= 0):
        raise DataError(f"{name} = {value!r} is not a number that it can have")
    return float(value)


def _code(numbers: ArrayLike, low: float, high: float, logarithmic: bool) -> Array:
    values = np.asarray(numbers, dtype=np.float64)
    if logarithmic:
        return np.asarray(np.log(values / low) / np.log(high / low))
    return np.asarray((values - low) / (high - low))


def _decode(codes: Array, low: float, high: float, logarithmic: bool) -> Array:
    if logarithmic:
        return np.asarray(low * np.exp(codes * np.log(high / low)))
    return np.asarray(low + codes * (high - low))
