"""Where the command line writes: results to standard output, progress and errors beside it."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from crossbar.cli import interrupt

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def print_json(values: Mapping[str, Any] | list[Any]) -> None:
    """Print plain values as JSON on standard output; what is no number becomes null."""
    typer.echo(json.dumps(_plain(values), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextmanager
def bars() -> Iterator["Bars"]:
    """Show progress on standard error while the block runs; nothing where that is no terminal."""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    quiet = not errors.is_terminal  # where rich would leave an empty line
    with Progress(*columns, console=errors, transient=True, disable=quiet) as progress:
        yield Bars(progress)


class Bars:
    """A bar per piece of work, made when it is first heard of."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, work: str, done: int, total: int) -> None:
        """Say how much of a piece of work is done; an interrupt that got lost arrives here."""
        interrupt.check()
        if work not in self._tasks:
            self._tasks[work] = self._progress.add_task(work, total=total)
        self._progress.update(self._tasks[work], completed=done, total=total)
