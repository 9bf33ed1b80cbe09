"""The figure of `xbar remedies`: accuracy by remedy and time, and against what it costs."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from types import MappingProxyType
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from crossbar.experiments.remedies_view import way_name
from crossbar.figures.style import INK, QUIET, styled

PERCENT = 100.0
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "none": QUIET,
        "drift": "#e69f00",
        "once": "#56b4e9",
        "once+drift": "#0072b2",
        "calibrated": "#009e73",
        "lines": "#cc79a7",
        "calibrated+lines": "#d55e00",
        "weights": "#f0e442",
        "weights+lines": INK,
    }
)
MARKS = "osD^vP"


def remedies_figure(summary: Mapping[str, Any], title: str, note: str) -> Figure:
    """Return the figure of a remedies record.

    Parameters
    ----------
    summary
        From `crossbar.experiments.remedies_summary.summarise`; a run that was interrupted has
        fewer rows or draws, and is drawn as far as it got.
    title, note
        Above the figure, and below it: bench, device, seed, spreads.
    """
    trainings = list(dict.fromkeys(row["training"] for row in summary["rows"]))
    ways = list(dict.fromkeys(_copies(row) for row in summary["rows"]))
    marks = dict(zip(ways, cycle(MARKS), strict=False))
    most = max(sum(row["training"] == name for row in summary["rows"]) for name in trainings)
    with styled():
        height = (0.24 * most + 1.1) * len(trainings) + 0.9
        figure = Figure(figsize=(12.5, height), layout="constrained")
        grid = figure.subplots(
            len(trainings), 3, squeeze=False, gridspec_kw={"width_ratios": (1.5, 1, 1)}
        )
        low = _lowest(summary["rows"])
        for panels, name in zip(grid, trainings, strict=True):
            rows = [row for row in summary["rows"] if row["training"] == name]
            software = PERCENT * summary["software"][name]
            dots, pulses, multiplies = panels
            _dots(dots, rows, marks, summary["waits_s"], software)
            dots.set_title(f"{name}: {software:.1f} % in software (dashed)")
            dots.set_xlim(low, 100.5)
            _against(pulses, rows, marks, "pulses", low, software)
            _against(multiplies, rows, marks, "multiplies", low, software)
            last = f"accuracy after {summary['waits_s'][-1]:g} s (%)"
            pulses.set(xlabel="pulses per network", ylabel=last)
            multiplies.set(xlabel="multiplies until it is in place")
        _legend(grid[0, 1], marks, summary["rows"])
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(note, fontsize=8, color=QUIET)
    return figure


def _copies(row: Mapping[str, Any]) -> str:
    return way_name(cast(str, row["way"]))


def _lowest(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return where the axes of accuracy begin, %, so that every interval is inside."""
    ends = [
        PERCENT * (values["ci95"][0] if values["ci95"] else values["mean"])
        for row in rows
        for values in row["accuracy"]
    ]
    return 5.0 * int(max(min(ends), 40.0) // 5)


def _dots(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    marks: Mapping[str, str],
    waits: Sequence[float],
    software: float,
) -> None:
    """Draw every remedy as a line of its own: full at the last wait, open at the others."""
    axes.axvline(software, color=QUIET, lw=0.9, ls="--")
    for y, row in enumerate(rows):
        shade = COLOURS[row["remedy"]]
        means = [PERCENT * values["mean"] for values in row["accuracy"]]
        axes.plot(means, [y] * len(means), color=shade, lw=1, alpha=0.5)
        for k, (values, mean) in enumerate(zip(row["accuracy"], means, strict=True)):
            last = k == len(means) - 1
            place = y + 0.12 * (k - (len(means) - 1) / 2)
            if values["ci95"]:
                low, high = (PERCENT * end for end in values["ci95"])
                axes.plot([low, high], [place, place], color=shade, lw=1.2)
            face = shade if last else "white"
            mark = marks[_copies(row)]
            axes.plot(mean, place, mark, ms=6, color=shade, mfc=face, mec=INK, mew=0.6)
    axes.set_yticks(range(len(rows)), [f"{_copies(row)}, {row['remedy']}" for row in rows])
    axes.invert_yaxis()
    axes.set_ylabel("copies, remedy")
    times = [f"{wait:g} s" for wait in waits]
    others = f"open: after {', '.join(times[:-1])}; full: {times[-1]}" if times[:-1] else times[0]
    axes.set_xlabel(f"accuracy on the array (%); {others}")
    axes.grid(axis="x", color=QUIET, alpha=0.25, lw=0.5)


def _against(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    marks: Mapping[str, str],
    cost: str,
    low: float,
    software: float,
) -> None:
    """Draw accuracy at the last wait against one cost; its intervals stand in the first panel."""
    axes.axhline(software, color=QUIET, lw=0.9, ls="--")
    spent = [row["cost"][cost][-1]["mean"] for row in rows]
    for row, x in zip(rows, spent, strict=True):
        values, shade = row["accuracy"][-1], COLOURS[row["remedy"]]
        mark = marks[_copies(row)]
        axes.plot(x, PERCENT * values["mean"], mark, ms=7, color=shade, mec=INK, mew=0.6)
    if min(spent) > 0 and max(spent) < 30 * min(spent):
        axes.set_xlim(0, 1.1 * max(spent))
    else:  # as programmed, nothing may have been multiplied
        axes.set_xscale("symlog", linthresh=10)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(low, 100.5)
    axes.grid(color=QUIET, alpha=0.25, lw=0.5)


def _legend(axes: Axes, marks: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    cells = {_copies(row): row["cells"] for row in rows}
    handles = [
        Line2D([], [], marker=mark, ls="", color="white", mec=INK, label=f"{way}: {cells[way]}")
        for way, mark in marks.items()
    ]
    axes.legend(handles=handles, title="copies: cells", fontsize=8, title_fontsize=8)
