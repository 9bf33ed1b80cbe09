"""The database of campaigns: its tables, how it is opened, and its errors in our words.

SQLAlchemy, because the same few statements then run on an SQLite file on one bench and on a
PostgreSQL server that a whole group shares. What a telling says is never changed or deleted: a
correction is another telling. A telling is one transaction: it is there whole or not at all,
whatever becomes of the process.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from crossbar.backend import Second, StoreError
from crossbar.provenance import DISTRIBUTION

VERSION = 1
PATIENCE: Second = 60.0  # assumed: longer than any `ask`, which holds the campaign while it thinks
WRITES = "crossbar_writes"
"""Execution option of a connection that will write."""

METADATA = MetaData()
VERSIONS = Table("campaign_schema", METADATA, Column("version", Integer, primary_key=True))
CAMPAIGNS = Table(
    "campaigns",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("asked", Text, nullable=False),  # JSON of what is asked of it
    Column("text", Text, nullable=False),  # the TOML file as it was
    Column("earlier", Text, nullable=False),  # JSON of what earlier campaigns were told
    Column("made", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("provenance", Text, nullable=False),
)
RECIPES = Table(
    "recipes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("campaign", Integer, ForeignKey("campaigns.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("recipe", Text, nullable=False),  # JSON
    Column("origin", Text, nullable=False),
    Column("advice", Text),  # JSON of what was expected when it was proposed
    Column("made", Text, nullable=False),
    Column("by", Text, nullable=False),
    UniqueConstraint("campaign", "number"),
    CheckConstraint("origin IN ('start', 'asked', 'own')"),
)
TELLINGS = Table(
    "tellings",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("recipe", Integer, ForeignKey("recipes.id"), nullable=False),
    Column("revision", Integer, nullable=False),  # 0, and one more for each correction
    Column("status", Text, nullable=False),
    Column("value", Float(53)),
    Column("sd", Float(53)),
    Column("source", Text, nullable=False),  # JSON: files and their SHA-256, form, figures
    Column("note", Text, nullable=False),
    Column("made", Text, nullable=False),
    Column("by", Text, nullable=False),
    UniqueConstraint("recipe", "revision"),
    CheckConstraint("status IN ('told', 'failed', 'withdrawn')"),
    CheckConstraint("(status = 'told') = (value IS NOT NULL)"),
)


def url_of(database: str) -> str:
    """Return the URL of a database that a person named, by URL or as the path of a file."""
    return database if "://" in database else f"sqlite:///{Path(database).absolute()}"


def connect(database: str, *, create: bool) -> Engine:
    """Return an engine on a database of campaigns, whose tables are there.

    Parameters
    ----------
    database
        URL, or path of an SQLite file.
    create
        Whether a database without tables is given them.

    Raises
    ------
    StoreError
        If it cannot be reached, is damaged, of another version, or holds no campaigns.
    """
    url = url_of(database)
    with translated(url):
        try:
            parsed = make_url(url)
            sqlite = parsed.get_backend_name() == "sqlite"
            waiting = {"timeout": PATIENCE} if sqlite else {}
            engine = create_engine(parsed, connect_args=waiting)
        except ModuleNotFoundError as problem:
            extra = f"pip install '{DISTRIBUTION}[postgresql]'"
            raise StoreError(f"database {shown(url)}: {problem}; {extra}") from problem
        except (ArgumentError, NoSuchModuleError) as problem:
            raise StoreError(f"database {shown(url)}: {_first_line(problem)}") from problem
    if sqlite:
        _prepare_sqlite(engine, parsed.database, url, create=create)
    try:
        with translated(url):
            _check(engine, url, create=create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def shown(url: str) -> str:
    """Return a database's name for people: of an SQLite file its path, else without password."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return parsed.database
    return parsed.render_as_string(hide_password=True)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Say what is wrong with the database, whatever its driver calls it."""
    try:
        yield
    except SQLAlchemyError as problem:
        cause = getattr(problem, "orig", None) or problem
        reason = _first_line(cause)
        if isinstance(problem, OperationalError) and "locked" in reason:
            reason = f"another process held it for longer than {PATIENCE:g} s"
        raise StoreError(f"database {shown(url)}: {reason}") from problem


@contextmanager
def writing(engine: Engine, url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that may write, committed when the block ends well."""
    with translated(url), engine.connect() as plain:
        connection = plain.execution_options(**{WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine, url: str) -> Iterator[Connection]:
    """Yield a connection in a transaction that sees one state of everything."""
    with translated(url), engine.connect() as connection, connection.begin():
        yield connection


def _prepare_sqlite(engine: Engine, file: str | None, url: str, *, create: bool) -> None:
    if file and not create and not Path(file).is_file():
        raise StoreError(f"database {shown(url)}: there is no such file")
    if file and not Path(file).parent.is_dir():
        raise StoreError(f"database {shown(url)}: there is no folder {Path(file).parent}")

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        # Transactions begin where we say so: Python's module begins them later than that.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        # A value took weeks: not even a power cut may lose it.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _check(engine: Engine, url: str, *, create: bool) -> None:
    """Make the tables if there are none and they are wanted; refuse those of another version."""
    with reading(engine, url) as connection:
        names = set(inspect(connection).get_table_names())
    ours = {table.name for table in METADATA.sorted_tables}
    if create and not ours & names:
        _log_ahead(engine, url)
        with writing(engine, url) as connection:
            # Somebody else may have been faster.
            if VERSIONS.name not in inspect(connection).get_table_names():
                METADATA.create_all(connection)
                for statement in _append_only(connection.dialect.name):
                    connection.exec_driver_sql(statement)
                connection.execute(VERSIONS.insert().values(version=VERSION))
    elif not ours <= names:
        raise StoreError(f"database {shown(url)} holds no campaigns")
    with reading(engine, url) as connection:
        version = connection.execute(select(VERSIONS.c.version)).scalar()
    if version != VERSION:
        raise StoreError(f"database {shown(url)} is of version {version}, this is {VERSION}")


def _log_ahead(engine: Engine, url: str) -> None:
    """Let people read while another writes; PostgreSQL always does, an SQLite file once told."""
    if engine.dialect.name == "sqlite":
        with translated(url), engine.connect() as connection:
            # Between transactions: SQLite changes it nowhere else.
            raw = connection.connection.driver_connection
            assert raw is not None  # noqa: S101 - it is connected
            raw.execute("PRAGMA journal_mode = WAL")


def _append_only(dialect: str) -> Iterator[str]:
    """Yield what makes the tables refuse to forget or to change."""
    tables = [table.name for table in (CAMPAIGNS, RECIPES, TELLINGS)]
    if dialect == "sqlite":
        for table in tables:
            for verb in ("UPDATE", "DELETE"):
                yield (
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
                )
    elif dialect == "postgresql":
        yield (
            "CREATE FUNCTION campaigns_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '%% are append-only', TG_TABLE_NAME; END $$"
        )
        for table in tables:
            yield (
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION campaigns_refuse()"
            )


def _first_line(problem: BaseException) -> str:
    return str(problem).strip().partition("\n")[0] or type(problem).__name__
