"""What a person sees of a remedies run: accuracy and cost of each remedy, and a figure."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from crossbar.experiments.cell_view import number, provenance_note
from crossbar.experiments.remedy import AFTER_WRITING, REMEDIES
from crossbar.store import Arrays, RunRecord

PERCENT = 100.0
SIDE_BY_SIDE = 2
"""Waits in one table: more do not fit 80 columns."""


def heading(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return the line that says what ran where."""
    s, (words, bits) = run.settings, summary["array"]
    data = s["data"] or f"moons, noise {s['noise']:g}"
    return f"Remedies for 2-{s['hidden']}-1 on {words}x{bits}: {s['mapping']} mapping, {data}"


def note(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return bench, device, seed and the meaning of the spreads, in one line."""
    draws = max((row["draws"] for row in summary["rows"]), default=0)
    what = "1 programming draw" if draws == 1 else f"{draws} programming draws of one array"
    interval = "" if draws == 1 else "; ± is half the 95 % interval of the mean"
    return f"{provenance_note(run)}, {what}{interval}"


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return accuracies and costs as tables of at most 80 columns, training by training."""
    shown: list[RenderableType] = [Text(heading(run, summary), style="bold")]
    for training, software in summary["software"].items():
        rows = [row for row in summary["rows"] if row["training"] == training]
        if not rows:
            continue
        times = summary["waits_s"]
        shown += [
            *(_accuracy(training, software, rows, times, w) for w in _some(range(len(times)))),
            _costs(training, rows, times),
        ]
    return [*shown, Text(_remarks(summary)), Text(note(run, summary))]


def _some(waits: range) -> Iterator[range]:
    for start in range(0, len(waits), SIDE_BY_SIDE):
        yield waits[start : start + SIDE_BY_SIDE]


def _accuracy(
    training: str,
    software: float,
    rows: Sequence[Mapping[str, Any]],
    times: Sequence[float],
    waits: range,
) -> RenderableType:
    last = waits[-1]
    columns = (*(f"after {times[t]:g} s" for t in waits), f"won at {times[last]:g} s")
    shown = _table(
        f"{training}: accuracy in %, {number(software, PERCENT)} in software",
        ("copies", "remedy", *columns),
    )
    for row, copies in _with_copies(rows):
        found = [_interval(row["accuracy"][t], PERCENT) for t in waits]
        won = _interval(row["won_points"][last], 1.0, sign="+")
        shown.add_row(copies, row["remedy"], *found, won)
    return shown


def _costs(
    training: str, rows: Sequence[Mapping[str, Any]], times: Sequence[float]
) -> RenderableType:
    shown = _table(
        f"{training}: cost per network, programming included, mean over draws",
        ("copies", "remedy", "cells", "pulses", "reads", "multiplies", "bench s"),
    )
    shown.caption = (
        f"until the remedy is in place at {times[-1]:g} s; reads: of single cells; multiplies: "
        f"vectors driven, of which an inference takes {_drives(rows)}; bench s: without the waits"
    )
    shown.caption_justify = "left"
    for row, copies in _with_copies(rows):
        cost = {name: values[-1]["mean"] for name, values in row["cost"].items()}
        shown.add_row(
            copies,
            row["remedy"],
            str(row["cells"]),
            *(f"{cost[name]:.0f}" for name in ("pulses", "reads", "multiplies")),
            number(cost["seconds"], 1.0, 2),
        )
    return shown


def _drives(rows: Sequence[Mapping[str, Any]]) -> str:
    counts = sorted({row["drives_per_input"] for row in rows})
    return " to ".join(str(count) for count in (counts[0], *counts[1:][-1:]))


def _with_copies(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each row with its copies in words, only where they change."""
    last = ""
    for row in rows:
        copies = way_name(row["way"])
        yield row, "" if copies == last else copies
        last = copies


def way_name(way: str) -> str:
    """Return copies and aim for people: ``2 (rest)``."""
    counts, _, more = way.removesuffix("-weights").partition("-")
    return f"{counts} ({more})" if more else counts


def _remarks(summary: Mapping[str, Any]) -> str:
    known = {**REMEDIES, **AFTER_WRITING}
    used = dict.fromkeys(row["remedy"] for row in summary["rows"])
    lines = [f"{name}: {known[name].what}" for name in used]
    lines.append(
        "won: percentage points above the first copies without a remedy, as old. Several copies "
        "aim at what the earlier left of the sum (rest) or each at the weight (each)."
    )
    return "\n".join(lines)


def _interval(values: Mapping[str, Any], factor: float, sign: str = "") -> str:
    mean, interval = f"{factor * values['mean']:{sign}.1f}", values["ci95"]
    if interval is None:
        return mean
    half = factor * (interval[1] - interval[0]) / 2
    return f"{mean} ± {half:.1f}"


def _table(title: str, columns: Sequence[str]) -> Table:
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for k, name in enumerate(columns):
        made.add_column(name, justify="right" if k > 1 else "left", no_wrap=True)
    return made


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a remedies record into a file."""
    # Matplotlib takes most of a second to import; commands without a figure do not wait for it.
    from crossbar.figures.remedies import remedies_figure
    from crossbar.figures.style import save

    save(remedies_figure(summary, heading(run, summary), note(run, summary)), path)
