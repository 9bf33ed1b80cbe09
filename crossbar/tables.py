"""From a table of a TOML file to a frozen dataclass, strictly: a misspelt limit must not pass."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from types import MappingProxyType, NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from crossbar.backend import BenchError

T = TypeVar("T")


def build(
    cls: type[T],
    table: Mapping[str, object],
    where: str,
    given: Mapping[str, object] = MappingProxyType({}),
) -> T:
    """Return the dataclass that a table describes; nested tables become nested dataclasses.

    Parameters
    ----------
    cls
        A frozen dataclass.
    table
        Its fields by name; fields without a default are mandatory, no others are allowed. Whole
        numbers are taken for floats, nothing else is converted.
    where
        Name of the file and of the table, for the error.
    given
        Fields that do not come from the table: no key of it may be called so.

    Raises
    ------
    BenchError
        Naming a key that is unknown, missing or of the wrong type, and how many more are.
    """

    def refuse(value: object) -> object:
        raise BenchError(f"{where}: {value} is a date or a time, which no key takes")

    model = _model(cls, given)
    try:
        # JSON's rules are TOML's: pydantic's strict mode takes arrays for tuples and text for enums
        # there, and nowhere else.
        checked = model.model_validate_json(json.dumps(dict(table), default=refuse))
    except ValidationError as problem:
        # Unknown keys first: what is missing was most often misspelt.
        first, *more = sorted(problem.errors(), key=lambda e: e["type"] != "extra_forbidden")
        rest = f" (and {len(more)} more)" if more else ""
        raise BenchError(f"{where}: {_explain(first, cls)}{rest}") from problem
    try:
        return _assemble(cls, checked, given)
    except BenchError as problem:
        raise BenchError(f"{where}: {problem}") from problem


def _model(cls: type[Any], given: Collection[str] = ()) -> type[BaseModel]:
    """Return a frozen pydantic model of a dataclass that forbids unknown keys, and given ones."""
    hints = get_type_hints(cls)
    described: dict[str, Any] = {}
    for field in fields(cls):
        if field.name in given:
            continue
        kind = hints[field.name]
        if field.default is not MISSING:
            default: Any = field.default
        elif field.default_factory is not MISSING:
            default = Field(default_factory=field.default_factory)
        else:
            default = ...
        described[field.name] = (_modelled(kind), default)
    strictly = ConfigDict(extra="forbid", frozen=True, strict=True)
    return create_model(cls.__name__, __config__=strictly, **described)


def _modelled(kind: Any) -> Any:
    """Return the type with models in place of its dataclasses: X, X | None, tuple[X, ...]."""
    if isinstance(kind, type) and is_dataclass(kind):
        return _model(kind)
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_modelled(part) for part in get_args(kind))]  # noqa: UP007  # made here
    if get_origin(kind) is tuple:
        return tuple[tuple(_modelled(part) for part in get_args(kind))]  # type: ignore[misc]
    return kind


def _table_of(kind: Any) -> Any:
    """Return the dataclass in X, X | None or tuple[X, ...]; what has none as it is."""
    parts = [part for part in get_args(kind) if part not in (NoneType, ...)]
    return _table_of(parts[0]) if parts else kind


def _assemble(
    cls: type[T], checked: BaseModel, given: Mapping[str, object] = MappingProxyType({})
) -> T:
    values: dict[str, Any] = dict(given)
    for field in fields(cls):  # type: ignore[arg-type]  # T is a dataclass, which cannot be said
        if field.name in given:
            continue
        value = getattr(checked, field.name)
        kind = _table_of(get_type_hints(cls)[field.name])
        if isinstance(value, BaseModel):
            value = _assemble(kind, value)
        elif isinstance(value, tuple):
            value = tuple(_assemble(kind, v) if isinstance(v, BaseModel) else v for v in value)
        values[field.name] = value
    return cls(**values)


def _explain(error: Any, cls: type[Any]) -> str:
    """Return one sentence for one of pydantic's errors."""
    path = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = list(_keys(cls, error["loc"][:-1]))
        close = get_close_matches(str(error["loc"][-1]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
        return f"unknown key {path!r}{hint}"
    if error["type"] == "missing":
        return f"missing key {path!r}"
    if error["type"] == "model_type":
        return f"{path} = {error['input']!r} is not a table"
    return f"{path} = {error['input']!r}: {error['msg'].lower()}"


def _keys(cls: type[Any], path: tuple[Any, ...]) -> Iterator[str]:
    """Yield the keys allowed in the table at a path."""
    for part in path:
        # A number is a place in an array of tables, which are of one kind.
        cls = cls if isinstance(part, int) else _table_of(get_type_hints(cls)[part])
    return (field.name for field in fields(cls))
