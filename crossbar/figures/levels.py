"""The figure of a sweep over devices: what a usability is worth to a network."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crossbar.backend import DataError
from crossbar.figures.style import INK, QUIET, colour, styled
from crossbar.memsim.result import LevelSweep

MARKS = "osD^v"
RING: Mapping[str, Any] = MappingProxyType(
    {"marker": "o", "ms": 9, "mfc": "none", "mec": INK, "mew": 0.8, "ls": ""}
)
SIDESTEP = 0.006
"""Between networks, in usability, so that their bars do not cover each other."""

CROWDED = 0.055
"""Distance in usability below which two labels of sigma would touch."""


def levels_figure(
    sweeps: Mapping[str, LevelSweep],
    title: str,
    note: str = "",
    *,
    percent: bool = True,
    chance: float | None = None,
) -> Figure:
    """Return the metric of one or more networks against the usability of their devices.

    Each level is drawn as its mean with the standard deviation over the draws as bars and their
    middle 95 % as a band, or as a thin line where levels are not joined: they are where rho is 0.
    The network as it is, is a dashed line.

    Parameters
    ----------
    sweeps
        By what the legend calls the network; a training objective keeps its colour.
    title, note
        Above and below; the note says in addition how many draws there were and of what seed.
    percent
        Whether the metric is a fraction that is to be read in percent.
    chance
        What a network that knows nothing would reach, dotted; None draws none.

    Raises
    ------
    DataError
        If there is nothing to draw, or the usabilities are of different forms.
    """
    forms = {sweep.form for sweep in sweeps.values()}
    if len(forms) != 1:
        found = ", ".join(sorted(forms)) or "none"
        raise DataError(f"usabilities of one form can share an axis; found {found}")
    scale = 100.0 if percent else 1.0
    with styled():
        figure = Figure(figsize=(6.8, 4.6), layout="constrained")
        axes = figure.subplots()
        for k, (name, sweep) in enumerate(sweeps.items()):
            aside = SIDESTEP * (k - (len(sweeps) - 1) / 2)
            _draw(axes, name, sweep, (colour(name, k), MARKS[k % len(MARKS)]), aside, scale)
        if any(profile.rho > 0 for sweep in sweeps.values() for profile in sweep.profiles):
            axes.plot([], [], **RING, label="rho above 0: a part of the range is lost")
        if chance is not None:
            axes.axhline(scale * chance, color=QUIET, lw=0.8, ls=":", label="chance")
        axes.set_title(title)
        axes.set_xlabel(f"usability by {forms.pop()}: ideal on the left")
        metrics = sorted({sweep.metric for sweep in sweeps.values()})
        axes.set_ylabel(" / ".join(metrics) + (" (%)" if percent else ""))
        # Ideal devices first, as one reads: to the right they get worse.
        axes.invert_xaxis()
        _sigma_axis(axes, list(sweeps.values()))
        figure.legend(loc="outside upper right", ncols=4, fontsize=8)
        figure.supxlabel(_note(sweeps, note), fontsize=7, color=QUIET)
    return figure


def _draw(
    axes: Axes, name: str, sweep: LevelSweep, look: tuple[str, str], aside: float, scale: float
) -> None:
    """Draw one network in a colour and with a mark, some usability aside."""
    shade, mark = look
    order = np.argsort(-sweep.usability, kind="stable")
    x = sweep.usability[order] - aside
    mean, sd = scale * sweep.mean[order], scale * np.nan_to_num(sweep.sd[order])
    low, high = (scale * end[order] for end in sweep.interval)
    # Only where sigma alone makes the level is there a line: devices that lost a part of their
    # range can be worth the same and do differently.
    lossy = np.array([profile.rho > 0 for profile in sweep.profiles])[order]
    line = ~lossy
    axes.fill_between(x[line], low[line], high[line], color=shade, alpha=0.08, lw=0)
    for end in (low, high):
        axes.plot(x[line], end[line], color=shade, lw=0.5, alpha=0.7)
    bars: dict[str, Any] = {"color": shade, "marker": mark, "ms": 4, "lw": 1.2, "capsize": 2}
    axes.errorbar(x[line], mean[line], sd[line], label=name, **bars)
    if lossy.any():
        axes.vlines(x[lossy], low[lossy], high[lossy], color=shade, lw=0.5, alpha=0.7)
        axes.plot(x[lossy], mean[lossy], **RING)
        axes.errorbar(x[lossy], mean[lossy], sd[lossy], ls="", **bars)
    axes.axhline(scale * sweep.unperturbed, color=shade, lw=0.8, ls="--")


def _sigma_axis(axes: Axes, sweeps: list[LevelSweep]) -> None:
    """Write the sigma of each level above it, where every level is made by sigma alone."""
    profiles = {profile for sweep in sweeps for profile in sweep.profiles}
    if any(profile.rho > 0 for profile in profiles):
        return
    form = sweeps[0].form
    shown: list[tuple[float, float]] = []
    for level in sorted((profile.usability(form), profile.sigma_ub) for profile in profiles):
        if not shown or level[0] - shown[-1][0] > CROWDED:
            shown.append(level)
    top = axes.secondary_xaxis("top")
    top.set_xticks([u for u, _ in shown], [f"{sigma:.2f}" for _, sigma in shown], fontsize=8)
    top.set_xlabel("sigma of ln G, upper bound, at rho = 0", fontsize=8)


def _note(sweeps: Mapping[str, LevelSweep], note: str) -> str:
    """Return what made the figure, in two lines at most."""
    draws = sorted({sweep.repeats for sweep in sweeps.values()})
    seeds = sorted({sweep.seed for sweep in sweeps.values()})
    made = (
        f"{' / '.join(map(str, draws))} draws a level, seed {' / '.join(map(str, seeds))}; mean, "
        "bars: standard deviation, band: middle 95 % of the draws, dashed: unperturbed"
    )
    return f"{note}\n{made}" if note else made
