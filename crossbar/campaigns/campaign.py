"""A campaign as people use it: its file, its database, and what may be said of its recipes."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossbar.backend import DataError
from crossbar.campaigns.definition import Definition
from crossbar.campaigns.definition_file import difference, parse, read_definition
from crossbar.campaigns.ledger import Earlier, Ledger, Page
from crossbar.campaigns.records import Recipe, State, Telling

DATABASE = "CROSSBAR_DATABASE"
"""Environment variable that names the database, before the file does: no password in a file."""

Proposals = Sequence[tuple[Recipe, Mapping[str, Any]]]
Propose = Callable[[State], Proposals]
"""Returns recipes to make next, each with what is expected of it, for what a campaign knows."""


class Campaign:
    """A running campaign. `begun` opens one, `begin` begins one."""

    def __init__(self, definition: Definition, page: Page, database: str) -> None:
        self.definition, self.database = definition, database
        self._page = page

    @property
    def text(self) -> str:
        """Its TOML file, as it was when it was begun."""
        return self._page.text

    def state(self) -> State:
        """Return everything that it knows now."""
        return self._page.state()

    def ask(self, propose: Propose) -> list[int]:
        """Put down what is proposed, and return its numbers.

        Nobody else writes to the campaign in between, so that two people who ask at the same time
        are not told the same.
        """
        with self._page.held() as hand:
            found = propose(hand.state)
            return [hand.add(recipe, "asked", advice) for recipe, advice in found]

    def add(self, recipe: Recipe) -> int:
        """Put down a person's own recipe, and return its number.

        Raises
        ------
        DataError
            If it is none of the campaign's space.
        """
        checked = self.definition.check_recipe(recipe)
        with self._page.held() as hand:
            return hand.add(checked, "own")

    def tell(self, number: int, telling: Telling, *, correct: bool = False) -> int:
        """Put down what a recipe gave; return how often something was said of it before.

        Parameters
        ----------
        number
            Of the recipe.
        telling
            What is said.
        correct
            Whether it replaces what was said before, which is kept.

        Raises
        ------
        DataError
            If there is no such recipe, the value cannot be one, or something was said of it
            already (or, to correct, nothing was).
        """
        self._check(telling)
        with self._page.held() as hand:
            made = hand.state.number(number)
            said = made.current
            if said is not None and not correct:
                what = f"told {said.value:g}" if said.value is not None else said.status
                raise DataError(
                    f"recipe {number} was {what} on {said.made} by {said.by}; "
                    "to correct it, say so (--correct)"
                )
            if said is None and correct:
                raise DataError(f"nothing was told of recipe {number} yet, so nothing to correct")
            return hand.tell(number, telling)

    def tell_own(self, recipe: Recipe, telling: Telling) -> int:
        """Put down a person's own recipe and what it gave, both or neither; return its number.

        Raises
        ------
        DataError
            If it is none of the campaign's space, or the value cannot be one.
        """
        checked = self.definition.check_recipe(recipe)
        self._check(telling)
        with self._page.held() as hand:
            number = hand.add(checked, "own")
            hand.tell(number, telling)
            return number

    def _check(self, telling: Telling) -> None:
        if telling.value is not None:
            self.definition.check_value(telling.value, telling.sd)


def database_of(definition: Definition, file: Path) -> str:
    """Return where a campaign is kept: by the environment, its file, or beside its file."""
    named = os.environ.get(DATABASE) or definition.database
    if named is None:
        return str(file.with_suffix(".sqlite"))
    return named if "://" in named else str(file.parent / named)


@contextmanager
def begin(file: Path) -> Iterator[Campaign]:
    """Begin the campaign that a TOML file describes, and yield it; its start is told.

    Raises
    ------
    DataError
        If the file cannot be used, or the campaign was begun already.
    StoreError
        If the database cannot be used.
    """
    definition, text = read_definition(file), file.read_text(encoding="utf-8")
    earlier = [one for name in definition.earlier for one in _told(file.parent / name)]
    for recipe, _, _ in earlier:
        _check_shared(definition, recipe)
    database = database_of(definition, file)
    with Ledger(database, create=True) as ledger:
        page = ledger.begin(definition.name, definition.asked(), text, earlier, _start(definition))
        yield Campaign(definition, page, ledger.name)


@contextmanager
def begun(file: Path) -> Iterator[Campaign]:
    """Yield the running campaign of a TOML file.

    Raises
    ------
    DataError
        If the file cannot be used, the campaign was not begun, or what is asked of it was changed.
    StoreError
        If the database cannot be used.
    """
    definition = read_definition(file)
    with Ledger(database_of(definition, file)) as ledger:
        page = ledger.page(definition.name)
        # Both as this version reads them: keys that came later are no change of a running campaign.
        before = parse(page.text, f"{definition.name!r} in {ledger.name}")
        changed = difference(before.asked(), definition.asked())
        if changed is not None:
            raise DataError(
                f"{file} was changed since campaign {definition.name!r} was begun: {changed}. "
                "Change it back, or begin another campaign under another name"
            )
        yield Campaign(definition, page, ledger.name)


def _start(definition: Definition) -> list[tuple[Recipe, Telling | None]]:
    """Return what was known before: recipes, and what they gave."""
    found: list[tuple[Recipe, Telling | None]] = []
    for start in definition.start:
        recipe = definition.check_recipe(start.recipe)
        telling = None
        if start.value is not None:
            telling = Telling("told", start.value, start.sd, {"from": "the file"}, start.note)
        found.append((recipe, telling))
    return found


def _told(file: Path) -> Earlier:
    """Return what an earlier campaign was told."""
    with begun(file) as campaign:
        noise = campaign.definition.objective.noise
        return [
            (made.recipe, made.value, said.sd if said.sd is not None else noise)
            for made in campaign.state().of("told")
            if made.value is not None and (said := made.current) is not None
        ]


def _check_shared(definition: Definition, recipe: Recipe) -> None:
    """Refuse an earlier campaign whose recipes do not consist of the same variables."""
    try:
        definition.space.rows([recipe])
    except DataError as problem:
        raise DataError(f"an earlier campaign is of another space: {problem}") from problem
