"""A campaign's TOML file: reading it, examples that come with the program, what was changed."""

import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crossbar.backend import BenchError, DataError
from crossbar.campaigns.definition import Definition
from crossbar.tables import build

EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "paper": "8,400 perovskite nanowire recipes, as far as arXiv 2412.02779 states them",
        "simulated": "three numbers of a device that `xbar fabricate make` simulates",
    }
)
"""Campaigns that come with the program; each is ``examples/<name>.toml``."""


def read_definition(path: Path) -> Definition:
    """Return the campaign that a TOML file describes.

    Raises
    ------
    DataError
        If there is no such file, it is no TOML, or a key is unknown, missing or makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"campaign {path} cannot be read: {problem}") from problem
    return parse(text, str(path))


def parse(text: str, where: str) -> Definition:
    """Return the campaign of a TOML file's text; raises as `read_definition`."""
    try:
        return build(Definition, tomllib.loads(text), f"campaign {where}")
    except tomllib.TOMLDecodeError as problem:
        raise DataError(f"campaign {where} is no TOML: {problem}") from problem
    except BenchError as problem:
        raise DataError(str(problem)) from problem
    except DataError as problem:
        raise DataError(f"campaign {where}: {problem}") from problem


def example(name: str) -> str:
    """Return the text of a campaign that comes with the program.

    Raises
    ------
    DataError
        If there is none of this name.
    """
    if name not in EXAMPLES:
        raise DataError(f"example {name!r} is not one of {', '.join(EXAMPLES)}")
    file = resources.files("crossbar.campaigns") / "examples" / f"{name}.toml"
    return file.read_text(encoding="utf-8")


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """Return the first thing in which two campaigns differ, in words; None if nothing does."""
    return _difference(one, other, "")


def _difference(one: Any, other: Any, where: str) -> str | None:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys((*one, *other)):
            found = _difference(one.get(key), other.get(key), f"{where}.{key}" if where else key)
            if found:
                return found
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            found = _difference(a, b, f"{where}[{k}]")
            if found:
                return found
        return None
    return None if one == other else f"{where} was {json.dumps(one)}, is {json.dumps(other)}"
