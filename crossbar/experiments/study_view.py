"""What a person sees of a study: a table per network and measure, what the data are, a figure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from crossbar.experiments.cell_view import number
from crossbar.store import Arrays, RunRecord

WIDTH = 80
COLUMN = 13
"""Of a level: ``0.975-0.984`` and the space beside it."""


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return a table per network and measure, of at most 80 columns, and what made the numbers."""
    networks = dict.fromkeys(row["network"] for row in summary["rows"])
    shown: list[RenderableType] = [
        table
        for network in networks
        for measure in summary["measures"]
        for table in _tables(run, summary, network, measure)
    ]
    return [*shown, Text(f"{data_note(summary)}\n{training_note(run, summary)}\n{note(run)}")]


def data_note(summary: Mapping[str, Any]) -> str:
    """Return what the data are, and that they claim nothing."""
    return f"Data: {summary['data']['sentence']}. {summary['data']['claim']}"


def training_note(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return how networks were trained, and what a level is."""
    s: Mapping[str, Any] = run.settings
    training = summary["training"]
    levels = list(dict.fromkeys(level["convention"] for level in summary["levels"]))
    return (
        f"Training: {training['epochs']} epochs, the first {training['warmup']} without noise, "
        f"{_counted(s['noise_draws'], 'noise draw')} a step; kept is the epoch that is best under "
        f"sigma {s['validation_sigma']:g} on validation data. Levels: "
        + (levels[0] if len(levels) == 1 else _by_usability(run, summary))
        + (
            "; every parameter, biases too, times exp(N(0, sigma^2))."
            if summary["tiles"] is None
            else f"; on {summary['tiles']}: every conductance of a pair times exp(N(0, sigma^2)), "
            "each draw a chip that was calibrated with training examples, biases digital."
        )
    )


def _by_usability(run: RunRecord, summary: Mapping[str, Any]) -> str:
    rho = summary["levels"][0]["rho"]
    return f"usability by {run.settings['form']} at rho = {rho:g}, which says sigma"


def note(run: RunRecord) -> str:
    """Return what made the numbers, in one line."""
    s: Mapping[str, Any] = run.settings
    return (
        f"software alone, no bench; seed {run.seed}, {_counted(s['seeds'], 'training')} of each, "
        f"{_counted(s['draws'], 'draw')} a level, run {run.id}; median and middle 95 % of all "
        "seeds and draws"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _tables(
    run: RunRecord, summary: Mapping[str, Any], network: str, measure: str
) -> Iterator[Table]:
    """Yield the levels of a network and a measure, as many a table as 80 columns hold."""
    rows = [row for row in summary["rows"] if row["network"] == network]
    names = max(len("objective"), *(len(row["objective"]) for row in rows))
    columns = [("as trained", None), *((level_name(summary, k), k) for k in _levels(summary))]
    # What is done to nothing need not be shown twice.
    if any(level["sigma"] == level["rho"] == 0 for level in summary["levels"]):
        del columns[0]
    many = max(1, (WIDTH - names - 2) // COLUMN)
    chance = summary["chance"][measure]
    for start in range(0, len(columns), many):
        part = columns[start : start + many]
        table = Table(
            title=f"{network} ({rows[0]['parameters']:,} parameters) on {run.settings['task']}: "
            f"{measure}, chance {number(chance)}",
            title_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
        )
        table.add_column("objective", no_wrap=True)
        for name, _ in part:
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            table.add_row(
                row["objective"], *(_cell(row["measures"][measure], level) for _, level in part)
            )
        yield table


def _levels(summary: Mapping[str, Any]) -> range:
    return range(len(summary["levels"]))


def level_name(summary: Mapping[str, Any], level: int) -> str:
    """Return what a level is called: by its sigma or its usability."""
    by = summary["by"]
    return f"{'sigma' if by == 'sigma' else 'u ='} {summary['levels'][level][by]:g}"


def _cell(found: Mapping[str, Any], level: int | None) -> str:
    """Return the median above the middle 95 %; of the network as trained, mean and sd."""
    if level is None:
        spread = "" if found["clean_sd"] is None else f"\n± {found['clean_sd']:.3f}"
        return f"{found['clean']:.3f}{spread}"
    one = found["levels"][level]
    return f"{one['median']:.3f}\n{one['low']:.3f}-{one['high']:.3f}"


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a study's record into a file."""
    from crossbar.figures.study import study_figure
    from crossbar.figures.style import save

    title = f"{run.settings['task']}: {summary['about']}"
    save(study_figure(summary, title, f"{data_note(summary)}\n{note(run)}"), path)
