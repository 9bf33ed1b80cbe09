"""What a campaign is: what may be made, and what is wanted of it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from crossbar.backend import DataError
from crossbar.search_space import GRID_SIZE, Limit, Space
from crossbar.search_variables import Categorical, Continuous, Ordinal, Variable

GOALS = ("maximise", "target")
ACQUISITIONS = ("ei", "nei")
FREE = ("database", "about")
"""Keys that may change while a campaign runs: they are not what is asked of it."""

Recipe = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class VariableTable:
    """One ``[[variables]]``: choices, levels, or any number between two ends.

    Parameters
    ----------
    name, unit
        What people call it, and what its numbers are in; the unit is only printed.
    choices
        Names without an order.
    descriptors
        Numbers that are known of the choices, by name, one for each choice: what is alike in them
        is taken to give like devices, as far as the values told agree.
    levels
        Numbers that can be made, in rising order.
    low, high
        Ends of a range, both allowed.
    logarithmic
        Whether equal ratios count as equal distances.
    note
        For people: where the numbers are from.

    Raises
    ------
    DataError
        If it is not one of the three, or its numbers make no sense.
    """

    name: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    descriptors: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    levels: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    logarithmic: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        given = [
            bool(self.choices),
            bool(self.levels),
            self.low is not None or self.high is not None,
        ]
        if sum(given) != 1 or (given[2] and None in (self.low, self.high)):
            raise DataError(f"variable {self.name!r} has choices, levels, or low and high")
        if self.descriptors and not self.choices:
            raise DataError(f"variable {self.name!r}: descriptors are of choices, it has none")
        if self.logarithmic and self.choices:
            raise DataError(f"variable {self.name!r}: choices are not logarithmic")
        _ = self.variable

    @property
    def variable(self) -> Variable:
        """What a search makes of it."""
        if self.choices:
            for name, numbers in self.descriptors.items():
                if len(numbers) != len(self.choices):
                    raise DataError(
                        f"{self.name}: descriptor {name!r} has {len(numbers)} numbers for "
                        f"{len(self.choices)} choices"
                    )
            rows = zip(*self.descriptors.values(), strict=True)
            return Categorical(self.name, self.choices, tuple(rows))
        if self.levels:
            return Ordinal(self.name, self.levels, self.logarithmic)
        assert self.low is not None and self.high is not None  # noqa: S101, PT018 - checked
        return Continuous(self.name, self.low, self.high, self.logarithmic)


@dataclass(frozen=True, slots=True)
class LimitTable:
    """One ``[[limits]]``: the sum of numbers, each times its weight, is at most a number."""

    weights: Mapping[str, float]
    most: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is wanted: ``[objective]``.

    Parameters
    ----------
    quantity
        What is told of a recipe.
    goal
        ``maximise``, or ``target`` for a value that is to be hit.
    target
        That value.
    low, high
        Between which every value is.
    noise
        Standard deviation of a told value, where a telling does not say its own; None if nobody
        knows: it is then learnt from the values.

    Raises
    ------
    DataError
        If the goal is unknown or without its target, or a number makes no sense.
    """

    quantity: str = "usability"
    goal: str = "maximise"
    target: float | None = None
    low: float = 0.0
    high: float = 1.0
    noise: float | None = None

    def __post_init__(self) -> None:
        if self.goal not in GOALS:
            raise DataError(f"goal {self.goal!r} is not one of {', '.join(GOALS)}")
        if not -np.inf < self.low < self.high < np.inf:
            raise DataError(f"values from low = {self.low} to high = {self.high} are no range")
        if (self.goal == "target") != (self.target is not None):
            raise DataError("goal 'target' needs a target, and no other goal takes one")
        if self.target is not None and not self.low <= self.target <= self.high:
            raise DataError(f"target = {self.target} is outside {self.low:g} to {self.high:g}")
        if self.noise is not None and not 0 <= self.noise < np.inf:
            raise DataError(f"noise = {self.noise} is not a finite number of at least 0")


@dataclass(frozen=True, slots=True)
class Asking:
    """How recipes are proposed: ``[asking]``.

    Parameters
    ----------
    batch
        Recipes that one `ask` proposes, where nobody says how many.
    seed
        Of what is chosen by chance.
    acquisition
        ``ei``: expected improvement on the best that the model makes of what was told; ``nei``:
        on the best of it whichever that truly is, a mean over samples.

    Raises
    ------
    DataError
        If the batch is empty, the seed negative, or the acquisition unknown.
    """

    batch: int = 1
    seed: int = 0
    acquisition: str = "ei"

    def __post_init__(self) -> None:
        if self.acquisition not in ACQUISITIONS:
            known = ", ".join(ACQUISITIONS)
            raise DataError(f"acquisition {self.acquisition!r} is not one of {known}")
        if self.batch < 1 or self.seed < 0:
            raise DataError(f"batch = {self.batch}, seed = {self.seed}: 1 and 0 are the least")


@dataclass(frozen=True, slots=True)
class StartTable:
    """One ``[[start]]``: a recipe that was made before the campaign."""

    recipe: Mapping[str, float | str]
    value: float | None = None
    sd: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A campaign's TOML file, read and checked.

    Parameters
    ----------
    name
        Of the campaign, in its database.
    variables
        What a recipe consists of.
    objective, asking
        What is wanted, and how it is gone about.
    limits
        Linear ones, on numbers; all of them hold.
    start
        What is known from before; without a value it is a recipe to make first.
    earlier
        TOML files of earlier campaigns: what they were told becomes the expectation of this one.
    about
        For people.
    database
        Where it is kept, as SQLAlchemy writes it: ``postgresql+psycopg://user@host/database``, or
        the path of an SQLite file; by default the TOML file's name with ``.sqlite``.

    Raises
    ------
    DataError
        If the variables make no space, or a start is no recipe of it.
    """

    name: str
    variables: tuple[VariableTable, ...]
    objective: Objective = field(default_factory=Objective)
    asking: Asking = field(default_factory=Asking)
    limits: tuple[LimitTable, ...] = ()
    start: tuple[StartTable, ...] = ()
    earlier: tuple[str, ...] = ()
    about: str = ""
    database: str | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise DataError("a campaign needs a name")
        if self.objective.target is not None and self.asking.acquisition != "ei":
            raise DataError("a target is asked for by expected improvement, acquisition 'ei'")
        size = self.space.size
        if size is not None and size > GRID_SIZE:
            raise DataError(
                f"a grid of {size:,} recipes is more than the {GRID_SIZE:,} that are all looked "
                "at; make one of its variables a range, low to high"
            )
        for start in self.start:
            self.check_recipe(start.recipe)
            if start.value is not None:
                self.check_value(start.value, start.sd)

    @property
    def space(self) -> Space:
        """Every recipe that may be proposed."""
        limits = tuple(Limit(tuple(limit.weights.items()), limit.most) for limit in self.limits)
        return Space(tuple(table.variable for table in self.variables), limits)

    def check_recipe(self, recipe: Recipe) -> dict[str, float | str]:
        """Return a recipe with its numbers as floats; one between the levels of a grid will do.

        Raises
        ------
        DataError
            If a variable is missing or unknown, a value is outside its range or no choice, or a
            limit is broken.
        """
        space = self.space
        row = space.rows([recipe])[0]
        for table, code in zip(self.variables, row, strict=True):
            if not table.choices and not -_SLACK <= code <= 1 + _SLACK:
                low, high = _ends(table)
                raise DataError(
                    f"{table.name} = {recipe[table.name]:g} {table.unit}".rstrip()
                    + f" is outside {low:g} to {high:g} {table.unit}".rstrip()
                )
        for limit in space.limits:
            if not Space(space.variables, (limit,)).within(row[None])[0]:
                terms = " + ".join(f"{weight:g} {name}" for name, weight in limit.weights)
                raise DataError(f"the recipe breaks the limit {terms} <= {limit.most:g}")
        return {t.name: _plain(recipe[t.name], t) for t in self.variables}

    def check_value(self, value: float, sd: float | None = None) -> None:
        """Refuse a value that cannot be one of the objective.

        Raises
        ------
        DataError
            If it is outside the objective's range, or its standard deviation is none.
        """
        o = self.objective
        if not o.low <= value <= o.high:
            raise DataError(f"{o.quantity} {value:g} is outside {o.low:g} to {o.high:g}")
        if sd is not None and not 0 <= sd < np.inf:
            raise DataError(f"standard deviation {sd:g} is not a finite number of at least 0")

    def in_words(self, recipe: Recipe) -> str:
        """Return a recipe in one line: ``MAPbI3, length 1.5 um, silver 200 nm``."""
        parts = []
        for table in self.variables:
            value = recipe[table.name]
            text = value if isinstance(value, str) else f"{table.name} {value:.4g} {table.unit}"
            parts.append(text.strip())
        return ", ".join(parts)

    def asked(self) -> dict[str, Any]:
        """Return everything that is asked of the campaign, as plain values."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {name: value for name, value in values.items() if name not in FREE}


_SLACK = 1e-9


def _ends(table: VariableTable) -> tuple[float, float]:
    if table.levels:
        return table.levels[0], table.levels[-1]
    assert table.low is not None and table.high is not None  # noqa: S101, PT018 - checked
    return table.low, table.high


def _plain(value: float | str, table: VariableTable) -> float | str:
    return str(value) if table.choices else float(value)
