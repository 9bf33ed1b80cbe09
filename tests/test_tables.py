import datetime
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from crossbar.backend import BenchError
from crossbar.tables import build


class Scheme(StrEnum):
    HALF = "half"
    THIRD = "third"


@dataclass(frozen=True, slots=True)
class Converter:
    bits: int | None
    ranges: tuple[float, ...] = (1e-5,)

    def __post_init__(self) -> None:
        if self.bits is not None and self.bits < 1:
            raise BenchError(f"bits = {self.bits} is below 1")


@dataclass(frozen=True, slots=True)
class Part:
    lines: int
    voltage: float
    converter: Converter
    name: str = "unnamed"
    sure: bool = False
    scheme: Scheme = Scheme.HALF
    pair: tuple[int, int] = (0, 0)
    spare: Converter = field(default_factory=lambda: Converter(8))


GOOD: dict[str, Any] = {"lines": 10, "voltage": 5.0, "converter": {"bits": 14}}


def test_table_becomes_a_dataclass_with_its_defaults() -> None:
    assert build(Part, GOOD, "here") == Part(10, 5.0, Converter(14))


def test_nested_tables_arrays_and_names_become_what_the_fields_say() -> None:
    text = """
    lines = 10
    voltage = 5
    sure = true
    scheme = "third"
    pair = [1, 2]
    [converter]
    bits = 14
    ranges = [1, 1e-3]
    [spare]
    bits = 4
    """
    part = build(Part, tomllib.loads(text), "here")
    assert part == Part(
        10,
        5.0,
        Converter(14, (1.0, 1e-3)),
        sure=True,
        scheme=Scheme.THIRD,
        pair=(1, 2),
        spare=Converter(4),
    )
    assert isinstance(part.voltage, float)
    assert isinstance(part.converter.ranges, tuple)
    assert [type(value) for value in part.converter.ranges] == [float, float]
    assert isinstance(part.scheme, Scheme)


def test_none_is_a_value_where_the_field_allows_it() -> None:
    assert build(Converter, {"bits": None}, "here").bits is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lines": True}, r"lines = True: input should be a valid integer"),
        ({"lines": 10.0}, r"lines = 10\.0: input should be a valid integer"),
        ({"lines": "10"}, r"lines = '10': input should be a valid integer"),
        ({"voltage": "5"}, r"voltage = '5': input should be a valid number"),
        ({"voltage": True}, r"voltage = True: input should be a valid number"),
        ({"sure": 1}, r"sure = 1: input should be a valid boolean"),
        ({"sure": "true"}, r"sure = 'true': input should be a valid boolean"),
        ({"name": 3}, r"name = 3: input should be a valid string"),
        ({"scheme": "quarter"}, r"scheme = 'quarter': input should be 'half' or 'third'"),
        ({"pair": [1]}, r"pair\.1"),
        ({"pair": [1, 2, 3]}, r"pair = \[1, 2, 3\]"),
        ({"converter": 3}, r"converter = 3 is not a table"),
        ({"converter": {"bits": 14, "ranges": [1, "x"]}}, r"converter\.ranges\.1 = 'x'"),
        ({"converter": {}}, r"missing key 'converter\.bits'"),
        ({"converter": {"bits": 0}}, r"bits = 0 is below 1"),
        ({"voltag": 5.0}, r"unknown key 'voltag'; did you mean 'voltage'\?"),
        ({"xyzzy": 5.0}, r"unknown key 'xyzzy'; known are lines, voltage, converter, name"),
        ({"converter": {"bits": 1, "range": []}}, r"'converter\.range'; did you mean 'ranges'\?"),
        ({"converter": {"bits": 1, "voltage": 2}}, r"'converter\.voltage'; known are bits, ranges"),
        ({"name": datetime.date(2024, 1, 1)}, r"2024-01-01 is a date or a time"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=rf"^here: .*{message}"):
        build(Part, GOOD | change, "here")


def test_missing_key_is_named() -> None:
    with pytest.raises(BenchError, match=r"^here: missing key 'voltage'$"):
        build(Part, {"lines": 1, "converter": {"bits": 1}}, "here")


def test_of_several_errors_the_unknown_key_is_named_and_the_rest_are_counted() -> None:
    table = GOOD | {"lines": "10", "name": 3, "voltag": 1}
    with pytest.raises(BenchError, match=r"^here: unknown key 'voltag'.*\(and 2 more\)$"):
        build(Part, table, "here")


def test_misspelt_mandatory_key_is_named_before_the_one_it_leaves_missing() -> None:
    table = {"lines": 1, "voltag": 1.0, "converter": {"bits": 1}}
    with pytest.raises(BenchError, match=r"did you mean 'voltage'\? \(and 1 more\)$"):
        build(Part, table, "here")


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float = 0.0


@dataclass(frozen=True, slots=True)
class Shape:
    points: tuple[Point, ...] = ()
    centre: Point | None = None


def test_tables_may_be_left_out_and_come_in_arrays() -> None:
    assert build(Shape, {}, "f") == Shape()
    table = {"points": [{"x": 1}, {"x": 2, "y": 3}], "centre": {"x": 4}}
    assert build(Shape, table, "f") == Shape((Point(1.0), Point(2.0, 3.0)), Point(4.0))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"centre": {"x": 1, "xx": 2}}, "unknown key 'centre.xx'; did you mean 'x'"),
        ({"points": [{"x": 1}, {"yy": 2}]}, r"unknown key 'points.1.yy'; did you mean 'y'"),
        ({"centre": {}}, "missing key 'centre.x'"),
        ({"centre": 3}, "centre = 3 is not a table"),
    ],
)
def test_keys_of_optional_and_repeated_tables_are_checked(
    table: dict[str, object], message: str
) -> None:
    with pytest.raises(BenchError, match=message):
        build(Shape, table, "f")


def test_given_fields_are_no_keys_of_the_table() -> None:
    assert build(Point, {"x": 1}, "f", given={"y": 5.0}) == Point(1.0, 5.0)
    with pytest.raises(BenchError, match="unknown key 'y'"):
        build(Point, {"x": 1, "y": 2}, "f", given={"y": 5.0})
