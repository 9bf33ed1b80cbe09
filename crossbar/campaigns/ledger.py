"""Campaigns in their database: each statement of a person is there whole, or not at all."""

import getpass
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, func, insert, select

from crossbar.backend import DataError, StoreError
from crossbar.campaigns.records import Made, Recipe, State, Telling
from crossbar.campaigns.schema import (
    CAMPAIGNS,
    RECIPES,
    TELLINGS,
    connect,
    reading,
    shown,
    url_of,
    writing,
)
from crossbar.provenance import provenance

Earlier = Sequence[tuple[Recipe, float, float | None]]


class Ledger:
    """A database of campaigns; leave it with ``with`` or `close`.

    Two people may write at once: whoever changes a campaign holds it until the change is whole.

    Parameters
    ----------
    database
        URL, or path of an SQLite file.
    create
        Whether it is made if it is not there.

    Raises
    ------
    StoreError
        If it cannot be reached, is damaged, of another version, or holds no campaigns.
    """

    def __init__(self, database: str, *, create: bool = False) -> None:
        self.url = url_of(database)
        self._engine: Engine = connect(database, create=create)

    @property
    def name(self) -> str:
        """Of the database, for people."""
        return shown(self.url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        self.close()

    def names(self) -> list[str]:
        """Return the campaigns that are kept here, the oldest first."""
        with reading(self._engine, self.url) as connection:
            query = select(CAMPAIGNS.c.name).order_by(CAMPAIGNS.c.id)
            return [str(name) for name in connection.execute(query).scalars()]

    def begin(
        self,
        name: str,
        asked: Mapping[str, Any],
        text: str,
        earlier: Earlier = (),
        start: Sequence[tuple[Recipe, Telling | None]] = (),
    ) -> "Page":
        """Begin a campaign, with what is known from before.

        Parameters
        ----------
        name
            A new one.
        asked
            What is asked of it with every default of today, plain values: for the record.
        text
            Its TOML file.
        earlier
            What earlier campaigns were told.
        start
            Recipes from before, and what they gave if it is known.

        Raises
        ------
        DataError
            If there is a campaign of this name.
        """
        row = {
            "name": name,
            "asked": json.dumps(asked),
            "text": text,
            "earlier": json.dumps([[dict(recipe), value, sd] for recipe, value, sd in earlier]),
            "provenance": json.dumps(provenance()),
        } | _stamp()
        with writing(self._engine, self.url) as connection:
            known = select(CAMPAIGNS.c.id).where(CAMPAIGNS.c.name == name)
            if connection.execute(known).first() is not None:
                raise DataError(f"campaign {name!r} was begun already, in {self.name}")
            connection.execute(insert(CAMPAIGNS).values(row))
            hand = Hand(connection, connection.execute(known).scalar_one(), State(()))
            for recipe, telling in start:
                number = hand.add(recipe, "start")
                if telling is not None:
                    hand.tell(number, telling)
        return self.page(name)

    def page(self, name: str) -> "Page":
        """Return a campaign.

        Raises
        ------
        DataError
            If there is none of this name.
        """
        with reading(self._engine, self.url) as connection:
            query = select(CAMPAIGNS).where(CAMPAIGNS.c.name == name)
            row = connection.execute(query).first()
        if row is None:
            have = ", ".join(self.names()) or "none"
            raise DataError(f"there is no campaign {name!r} in {self.name}; there are: {have}")
        return Page(self._engine, self.url, row)


class Page:
    """One campaign of a ledger."""

    def __init__(self, engine: Engine, url: str, row: Row[Any]) -> None:
        self._engine, self._url, self._row = engine, url, row

    @property
    def text(self) -> str:
        """Its TOML file, as it was when it was begun."""
        return str(self._row.text)

    def state(self) -> State:
        """Return everything that it knows now."""
        with reading(self._engine, self._url) as connection:
            return self._state(connection)

    @contextmanager
    def held(self) -> Iterator["Hand"]:
        """Yield a hand that writes, while nobody else may; all of it is there at the end, or none.

        Raises
        ------
        StoreError
            If somebody else held it for too long, or the database fails.
        """
        with writing(self._engine, self._url) as connection:
            # On PostgreSQL this waits for whoever has it; SQLite's whole file is held already.
            query = select(CAMPAIGNS.c.id).where(CAMPAIGNS.c.id == self._row.id).with_for_update()
            connection.execute(query)
            yield Hand(connection, self._row.id, self._state(connection))

    def _state(self, connection: Connection) -> State:
        query = select(RECIPES).where(RECIPES.c.campaign == self._row.id).order_by(RECIPES.c.number)
        recipes = connection.execute(query).all()
        told = (
            select(TELLINGS)
            .join(RECIPES, TELLINGS.c.recipe == RECIPES.c.id)
            .where(RECIPES.c.campaign == self._row.id)
            .order_by(TELLINGS.c.revision)
        )
        tellings: dict[int, list[Telling]] = {}
        for row in connection.execute(told):
            tellings.setdefault(row.recipe, []).append(_telling(row))
        try:
            earlier = tuple((r, float(v), sd) for r, v, sd in json.loads(self._row.earlier))
            made = tuple(_made(row, tuple(tellings.get(row.id, ()))) for row in recipes)
        except (ValueError, TypeError) as problem:
            raise StoreError(f"database {shown(self._url)} is damaged: {problem}") from problem
        return State(made, earlier, self._row.made, self._row.by)


class Hand:
    """Writes to a campaign that is held; `Page.held` yields it."""

    def __init__(self, connection: Connection, campaign: int, state: State) -> None:
        self._connection, self._campaign = connection, campaign
        self.state = state
        """Before anything was written."""

    def add(self, recipe: Recipe, origin: str, advice: Mapping[str, Any] | None = None) -> int:
        """Put down a recipe; return its number."""
        last = select(func.max(RECIPES.c.number)).where(RECIPES.c.campaign == self._campaign)
        number = (self._connection.execute(last).scalar() or 0) + 1
        row = {
            "campaign": self._campaign,
            "number": number,
            "recipe": json.dumps(dict(recipe)),
            "origin": origin,
            "advice": None if advice is None else json.dumps(advice),
        } | _stamp()
        self._connection.execute(insert(RECIPES).values(row))
        return int(number)

    def tell(self, number: int, telling: Telling) -> int:
        """Put down what is said of a recipe; return how often something was said before."""
        mine = (RECIPES.c.campaign == self._campaign) & (RECIPES.c.number == number)
        recipe = self._connection.execute(select(RECIPES.c.id).where(mine)).scalar_one()
        count = select(func.count()).select_from(TELLINGS).where(TELLINGS.c.recipe == recipe)
        revision = int(self._connection.execute(count).scalar_one())
        row = {
            "recipe": recipe,
            "revision": revision,
            "status": telling.status,
            "value": telling.value,
            "sd": telling.sd,
            "source": json.dumps(dict(telling.source or {})),
            "note": telling.note,
        } | _stamp()
        self._connection.execute(insert(TELLINGS).values(row))
        return revision


def _telling(row: Row[Any]) -> Telling:
    source = json.loads(row.source)
    return Telling(row.status, row.value, row.sd, source, row.note, row.made, row.by)


def _made(row: Row[Any], tellings: tuple[Telling, ...]) -> Made:
    advice = None if row.advice is None else json.loads(row.advice)
    recipe = json.loads(row.recipe)
    return Made(row.number, recipe, row.origin, advice, row.made, row.by, tellings)


def _stamp() -> dict[str, str]:
    """Return when, and by whom, as far as the machine knows."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no user name, as in some containers
        user = "?"
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"{user}@{socket.gethostname()}",
    }
