"""A campaign for tests: small enough to be seen through, and what it was told."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from crossbar.campaigns.campaign import Campaign, begun
from crossbar.campaigns.definition import Definition
from crossbar.campaigns.definition_file import parse
from crossbar.campaigns.records import Made, State, Telling

TEXT = """
name = "small"

[objective]
noise = 0.01

[[variables]]
name = "type"
choices = ["a", "b", "c"]

[[variables]]
name = "length"
unit = "um"
levels = [1.0, 2.0, 3.0, 4.0, 5.0]

[[variables]]
name = "width"
unit = "nm"
levels = [10.0, 20.0, 30.0, 40.0]
"""
RANGE = TEXT.replace("levels = [1.0, 2.0, 3.0, 4.0, 5.0]", "low = 1.0\nhigh = 5.0")
RECIPE: Mapping[str, float | str] = {"type": "a", "length": 2.0, "width": 20.0}
GOOD = {"a": 0.6, "b": 0.9, "c": 0.4}


def definition(text: str = TEXT) -> Definition:
    return parse(text, "small.toml")


def true_value(recipe: Mapping[str, float | str]) -> float:
    """Return what a recipe gives: the best is b, 4 um, 20 nm."""
    off = (float(recipe["length"]) - 4) ** 2 / 8 + (float(recipe["width"]) - 20) ** 2 / 800
    return float(GOOD[str(recipe["type"])] * np.exp(-off))


def made(number: int, recipe: Mapping[str, float | str], telling: Telling | None) -> Made:
    said = () if telling is None else (telling,)
    return Made(number, recipe, "asked", None, "", "", said)


def known(
    *told: tuple[Mapping[str, float | str], float | str | None],
) -> State:
    """Return what a campaign knows: recipes with values, "failed", or None while being made."""
    found = []
    for k, (recipe, what) in enumerate(told):
        telling = None
        if isinstance(what, float):
            telling = Telling("told", what)
        elif what == "failed":
            telling = Telling("failed")
        elif what == "withdrawn":
            telling = Telling("withdrawn")
        found.append(made(k + 1, recipe, telling))
    return State(tuple(found))


def recipe(kind: str, length: float, width: float) -> dict[str, float | str]:
    return {"type": kind, "length": length, "width": width}


SOME = (
    (recipe("a", 2, 20), true_value(recipe("a", 2, 20))),
    (recipe("b", 3, 30), true_value(recipe("b", 3, 30))),
    (recipe("c", 5, 10), true_value(recipe("c", 5, 10))),
    (recipe("b", 5, 40), true_value(recipe("b", 5, 40))),
)


def with_campaign(file: Path, work: Callable[[Campaign], object]) -> object:
    with begun(file) as campaign:
        return work(campaign)
