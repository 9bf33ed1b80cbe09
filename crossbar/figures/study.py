"""The figure of a study: what each objective is worth on devices that are worth less and less."""

import textwrap
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.figures.style import QUIET, colour, styled

MARKS = "osD^vPX*<>hd"
LETTERS = 17.0
"""Of the note below, per inch."""


def study_figure(summary: Mapping[str, Any], title: str, note: str) -> Figure:
    """Return every measure of every network against the level, a line per objective.

    Lines are medians over seeds and draws, bands their middle 95 %; chance is dotted.

    Parameters
    ----------
    summary
        From `crossbar.experiments.study_summary.summarise`.
    title, note
        Above; below: what the data are belongs there.
    """
    networks = list(dict.fromkeys(row["network"] for row in summary["rows"]))
    across, down = len(networks), len(summary["measures"])
    objectives = list(dict.fromkeys(row["objective"] for row in summary["rows"]))
    with styled():
        width = max(6.4, 3.3 * across + 0.8)
        figure = Figure(figsize=(width, 2.6 * down + 1.7), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False, sharex=True, sharey="row")
        for axes_row, measure in zip(panels, summary["measures"], strict=True):
            for axes, network in zip(axes_row, networks, strict=True):
                _panel(axes, summary, network, measure, objectives)
            axes_row[0].set_ylabel(measure)
        for axes, network in zip(panels[0], networks, strict=True):
            axes.set_title(network)
        for axes in panels[-1]:
            axes.set_xlabel(_level_label(summary))
        panels[0][0].legend(loc="center left", fontsize=8)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        lines = [
            line
            for paragraph in note.split("\n")
            for line in textwrap.wrap(paragraph, int(LETTERS * width))
        ]
        figure.supxlabel("\n".join(lines), fontsize=7, color=QUIET)
    return figure


def _panel(
    axes: Axes, summary: Mapping[str, Any], network: str, measure: str, objectives: list[str]
) -> None:
    levels = [level[summary["by"]] for level in summary["levels"]]
    order = sorted(range(len(levels)), key=levels.__getitem__)
    x = [levels[k] for k in order]
    for row in summary["rows"]:
        if row["network"] != network:
            continue
        place = objectives.index(row["objective"])
        shade, mark = colour(row["objective"], place), MARKS[place % len(MARKS)]
        found = [row["measures"][measure]["levels"][k] for k in order]
        low, high = ([one[end] for one in found] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=shade, alpha=0.15, lw=0)
        median = [one["median"] for one in found]
        axes.plot(x, median, color=shade, marker=mark, ms=4, lw=1.3, label=row["objective"])
    axes.axhline(summary["chance"][measure], color=QUIET, lw=0.8, ls=":", label="chance")
    if summary["by"] == "usability":
        # Ideal devices first, as one reads: to the right they get worse.
        axes.invert_xaxis()


def _level_label(summary: Mapping[str, Any]) -> str:
    rho = summary["levels"][0]["rho"]
    if summary["by"] == "sigma":
        return f"sigma of ln G, rho = {rho:g}"
    return f"usability by {summary['form']}, rho = {rho:g}"
