"""What a campaign knows: recipes and what was told of them, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from crossbar.backend import DataError

Status = Literal["pending", "told", "failed", "withdrawn"]
Recipe = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class Telling:
    """What was said of a recipe once; the last one counts.

    Parameters
    ----------
    status
        ``told``, ``failed`` (it was made, and is no device), or ``withdrawn`` (it will not be made,
        and may be proposed again).
    value, sd
        Of the campaign's quantity, and its standard deviation if somebody knows it; None unless
        told.
    source
        Where the value is from: files with their SHA-256, the form and figures behind it.
    note
        A person's.
    made, by
        When (UTC, ISO 8601) and by whom it was said.
    """

    status: Literal["told", "failed", "withdrawn"]
    value: float | None = None
    sd: float | None = None
    source: Mapping[str, Any] | None = None
    note: str = ""
    made: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A recipe of a campaign, and everything that was said of it.

    Parameters
    ----------
    number
        From 1, in the order they came.
    recipe
        A value for each variable.
    origin
        ``asked``, ``own`` (a person's) or ``start`` (known before the campaign).
    advice
        What was expected of it when it was proposed; None if it was not.
    made, by
        When (UTC, ISO 8601) and by whom it was put down.
    tellings
        In order; all but the last were corrected.
    """

    number: int
    recipe: Recipe
    origin: Literal["start", "asked", "own"]
    advice: Mapping[str, Any] | None
    made: str
    by: str
    tellings: tuple[Telling, ...] = ()

    @property
    def current(self) -> Telling | None:
        """What counts; None while it is being made."""
        return self.tellings[-1] if self.tellings else None

    @property
    def status(self) -> Status:
        """How far it is."""
        return self.tellings[-1].status if self.tellings else "pending"

    @property
    def value(self) -> float | None:
        """What it gave, if it was told and stands."""
        return self.tellings[-1].value if self.tellings else None


@dataclass(frozen=True, slots=True)
class State:
    """Everything that a campaign knows, at one moment.

    Parameters
    ----------
    recipes
        In the order they came.
    earlier
        What earlier campaigns were told: recipe, value and standard deviation each.
    made, by
        When and by whom the campaign was begun.
    """

    recipes: tuple[Made, ...]
    earlier: tuple[tuple[Recipe, float, float | None], ...] = ()
    made: str = ""
    by: str = ""

    def of(self, status: Status) -> tuple[Made, ...]:
        """Return the recipes that are so far."""
        return tuple(made for made in self.recipes if made.status == status)

    def number(self, number: int) -> Made:
        """Return a recipe.

        Raises
        ------
        DataError
            If there is none of this number.
        """
        for made in self.recipes:
            if made.number == number:
                return made
        have = f"1 to {len(self.recipes)}" if self.recipes else "none yet"
        raise DataError(f"there is no recipe {number}; there are {have}")
