"""What the tests for owners share: the table of assumptions, and where they are tried.

Every such test runs on virtual instruments; or on the owner's, when ``--bench`` names a bench file
of kind "hardware" and ``--wired`` says what hangs on them instead of the crossbar. It never runs on
both in one process: libdwf exists once, so the virtual one would hide the real one. What cannot run
on the owner's is skipped, and says why. docs/owner-tests.md is the page for owners.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from crossbar.bench import load

PAGE = Path(__file__).parents[1] / "docs" / "owner-tests.md"
LARGEST = 1.0
"""What no test puts on an owner's wires more of, V; held to on virtual instruments."""
INCLUDES = {
    "nothing": ("nothing",),
    "loopback": ("nothing", "loopback"),
    "pins": ("nothing", "loopback", "pins"),
    "dac": ("dac",),
    "relays": ("relays",),
}
"""What tests may run on each thing that ``--wired`` names."""

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Assumption:
    """A row of the page.

    Parameters
    ----------
    what
        Is assumed.
    source
        Where that comes from.
    sure
        ``documented``, ``seen`` (in other people's code), ``remembered``, or ``guessed``.
    """

    what: str
    source: str
    sure: str


TABLE: dict[str, dict[str, Assumption]] = {}
"""Assumptions by test module and test."""


def assumes(what: str, source: str, sure: str) -> Callable[[Test], Test]:
    """Enter a test into the table."""
    assert sure in ("documented", "seen", "remembered", "guessed")

    def enter(test: Test) -> Test:
        TABLE.setdefault(test.__module__, {})[test.__name__] = Assumption(what, source, sure)
        return test

    return enter


def check_page(module: str) -> None:
    """Fail unless the page has exactly the rows of a test module, in its order."""
    page = PAGE.read_text(encoding="utf-8")
    section = page.partition(f"(`tests/{module}.py`)")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `test_.*\|$", section, flags=re.MULTILINE)
    wanted = [f"| `{n}` | {a.what} | {a.source} | {a.sure} |" for n, a in TABLE[module].items()]
    assert rows == wanted


def choose_places(metafunc: pytest.Metafunc, *fixtures: str) -> None:
    """Let a test with one of these fixtures run on the owner's instruments if there are any."""
    where = "virtual" if metafunc.config.getoption("--bench") is None else "bench"
    for fixture in fixtures:
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, [where], indirect=True)


def say_what_is_not_tried(request: pytest.FixtureRequest) -> None:
    """Skip, where a whole module ran on virtual instruments only."""
    if request.config.getoption("--bench") is None:
        pytest.skip("no instruments of yours: pytest --bench lab.toml (docs/owner-tests.md)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a test runs.

    Parameters
    ----------
    real
        False on virtual instruments.
    wired
        What hangs on the Analog Discovery 2, a key of `INCLUDES`.
    tables
        The owner's bench file; empty on virtual instruments.
    properties
        Of the test's report.
    """

    real: bool
    wired: str
    tables: Mapping[str, Any]
    properties: list[tuple[str, object]]

    def note(self, what: str) -> None:
        """Keep a measured number for the owner's report."""
        if self.real:
            self.properties.append(("measured", what))


def place(request: pytest.FixtureRequest, needs: str | None) -> Place:
    """Return where the test runs; the fixture's parameter says which of the two.

    Parameters
    ----------
    request
        Of the fixture.
    needs
        What has to hang on the Analog Discovery 2; None if the test does not use it.
    """
    properties = request.node.user_properties
    if request.param == "virtual":
        return Place(real=False, wired="pins", tables={}, properties=properties)
    bench, wired = request.config.getoption("--bench"), request.config.getoption("--wired")
    description = load(bench)
    if description.kind != "hardware":
        pytest.skip(f"bench {bench} is of kind {description.kind}: it has no instruments of yours")
    if wired is None:
        pytest.skip("disconnect the crossbar, then say what is connected instead: --wired")
    if needs is not None and needs not in INCLUDES[wired]:
        pytest.skip(f"needs --wired {needs}; connected is: {wired}")
    return Place(real=True, wired=wired, tables=description.tables, properties=properties)
