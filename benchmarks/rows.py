"""What every benchmark prints: a table for people, a list of rows for scripts."""

import argparse
import json
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Parameters
    ----------
    name
        What was measured.
    value, spread, unit
        Median or mean as the name says, its spread (None if it is exact), and the unit.
    target
        What the figure has to be, in words; None where it is only reported.
    holds
        Whether it is; None without a target.
    """

    name: str
    value: float
    spread: float | None
    unit: str
    target: str | None = None
    holds: bool | None = None


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser with the option that every benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print a list of rows only")
    return parser


def show(rows: Iterable[Row], *, as_json: bool, title: str) -> None:
    """Print the rows, and exit with 1 if one that has a target misses it."""
    listed = list(rows)
    if as_json:
        sys.stdout.write(json.dumps([asdict(row) for row in listed], indent=2) + "\n")
    else:
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("figure", width=30, overflow="fold")
        table.add_column("value", justify="right", no_wrap=True)
        table.add_column("±", justify="right", no_wrap=True)
        table.add_column("unit", no_wrap=True)
        table.add_column("target", width=18, overflow="fold")
        for row in listed:
            spread = "" if row.spread is None else f"{row.spread:.2g}"
            holds = {True: ": holds", False: ": MISSED", None: ""}[row.holds]
            target = f"{row.target}{holds}" if row.target else ""
            table.add_row(row.name, f"{row.value:.3g}", spread, row.unit, target)
        packages = " ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "torch"))
        table.caption = f"Python {platform.python_version()} {packages}"
        Console().print(table)
    sys.exit(any(row.holds is False for row in listed))
