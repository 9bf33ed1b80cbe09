from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.campaigns.definition import Definition, Objective, VariableTable
from crossbar.campaigns.definition_file import EXAMPLES, difference, example, parse, read_definition

RECIPE: dict[str, float | str] = {
    "type": "MAPbBr3",
    "length": 1.0,
    "diameter": 250.0,
    "deposition": 10.0,
    "silver": 100.0,
}


@pytest.fixture(scope="module")
def paper() -> Definition:
    return parse(example("paper"), "paper")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_campaign(name: str, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(example(name), encoding="utf-8")
    assert read_definition(file).name == name


def test_the_papers_space_has_8400_recipes_and_starts_at_036(paper: Definition) -> None:
    assert paper.space.size == 8400
    (start,) = paper.start
    assert start.recipe == RECIPE
    assert start.value == 0.36


def test_tolerance_factors_follow_from_the_radii_of_the_file(paper: Definition) -> None:
    table = paper.variables[0].descriptors
    a, x = np.array(table["radius_A"]), np.array(table["radius_X"])
    factors = (a + x) / (np.sqrt(2) * (119.0 + x))
    assert table["tolerance_factor"] == pytest.approx(factors, abs=6e-4)


def test_a_recipe_between_the_levels_is_welcome(paper: Definition) -> None:
    given: dict[str, float | str] = {**RECIPE, "length": 1.1, "silver": 333}
    assert paper.check_recipe(given) == {**RECIPE, "length": 1.1, "silver": 333.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 3.1}, r"length = 3.1 um is outside 0.6 to 3 um"),
        ({"length": float("nan")}, "length = nan is not a number"),
        ({"type": "PZT"}, "type = 'PZT' is not one of MAPbI3"),
        ({"gold": 1.0}, "a point of type, length"),
    ],
)
def test_a_recipe_outside_the_space_is_refused(
    paper: Definition, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        paper.check_recipe({**RECIPE, **change})


def test_a_recipe_beyond_a_limit_is_refused() -> None:
    text = example("simulated") + "[[limits]]\nweights = { length = 2.0 }\nmost = 4.0\n"
    limited = parse(text, "x")
    recipe: dict[str, float | str] = {"type": "MAPbI3", "length": 2.1, "silver": 100.0}
    with pytest.raises(DataError, match=r"breaks the limit 2 length <= 4"):
        limited.check_recipe(recipe)
    assert limited.check_recipe({**recipe, "length": 2.0})["length"] == 2.0


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_value_outside_the_objectives_range_is_refused(paper: Definition, value: float) -> None:
    with pytest.raises(DataError, match="is outside 0 to 1"):
        paper.check_value(value)


@pytest.mark.parametrize("sd", [-0.1, float("nan"), float("inf")])
def test_a_standard_deviation_that_is_none_is_refused(paper: Definition, sd: float) -> None:
    with pytest.raises(DataError, match="standard deviation"):
        paper.check_value(0.5, sd)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"goal": "minimise"}, "not one of maximise, target"),
        ({"goal": "target"}, "needs a target"),
        ({"target": 0.5}, "needs a target, and no other goal takes one"),
        ({"goal": "target", "target": 1.5}, "outside 0 to 1"),
        ({"low": 1.0}, "no range"),
        ({"noise": -1.0}, "noise"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Objective(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "choices, levels, or low and high"),
        ({"low": 1.0}, "choices, levels, or low and high"),
        ({"levels": (1.0, 2.0), "choices": ("a", "b")}, "choices, levels, or low and high"),
        ({"levels": (2.0, 1.0)}, "rise"),
        ({"levels": (1.0, 2.0), "descriptors": {"r": (1.0, 2.0)}}, "descriptors are of choices"),
        ({"choices": ("a", "b"), "descriptors": {"r": (1.0,)}}, "1 numbers for 2 choices"),
        ({"choices": ("a", "b"), "logarithmic": True}, "not logarithmic"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        VariableTable("x", **change)


def test_a_misspelt_key_is_named_with_what_was_meant() -> None:
    with pytest.raises(DataError, match=r"unknown key 'objective\.gaol'; did you mean 'goal'"):
        parse(example("paper").replace("goal =", "gaol ="), "c.toml")


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("name = ")
    with pytest.raises(DataError, match="is no TOML"):
        read_definition(tmp_path / "c.toml")
    with pytest.raises(DataError, match="cannot be read"):
        read_definition(tmp_path / "none.toml")


def test_a_grid_too_large_to_look_at_is_refused_when_it_is_read() -> None:
    levels = ", ".join(f"{k}.0" for k in range(1, 1100))
    text = example("paper").replace("levels = [5.0,", f"levels = [{levels}]  # ")
    with pytest.raises(DataError, match="a grid of 1,538,600 recipes is more than the 1,048,576"):
        parse(text, "c.toml")


def test_a_start_that_is_no_recipe_is_refused() -> None:
    with pytest.raises(DataError, match="length = 9"):
        parse(example("paper").replace("length = 1.0,", "length = 9.0,"), "c.toml")


def test_what_changed_is_said_and_what_is_for_people_may_change(paper: Definition) -> None:
    other = parse(example("paper").replace("600.0]", "500.0]"), "c.toml")
    assert difference(paper.asked(), other.asked()) == (
        "variables[4].levels[4] was 600.0, is 500.0"
    )
    about = parse(example("paper").replace("about = ", 'database = "x"\nabout = "new"  # '), "c")
    assert about.database == "x"
    assert difference(paper.asked(), about.asked()) is None
