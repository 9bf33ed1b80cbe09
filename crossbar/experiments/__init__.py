"""Experiments: frozen settings, a run that fills a record, and a figure drawn from the record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crossbar.experiments import moons, moons_summary, moons_view
from crossbar.store import Arrays, RunRecord

if TYPE_CHECKING:
    from rich.console import RenderableType

Results = Mapping[str, Arrays]
Summary = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What the command line needs to know of an experiment.

    Parameters
    ----------
    help
        One sentence for ``xbar --help``.
    settings
        A frozen dataclass with defaults; each field is an option, its ``metadata["help"]`` the
        option's help.
    run
        ``run(settings, bench, record, seed, progress)``: fills the record.
    summarise
        The figures of a record's results, as plain values.
    measured
        Whether a record holds anything measured yet; without it there is nothing to show.
    tables
        What a person reads, from a run and its summary; fits 80 columns.
    draw
        ``draw(run, results, summary, path)``: draws the figure of a record into a file.
    """

    help: str
    settings: type[Any]
    run: Callable[..., None]
    summarise: Callable[[Results], Summary]
    measured: Callable[[Results], bool]
    tables: "Callable[[RunRecord, Summary], list[RenderableType]]"
    draw: Callable[[RunRecord, Results, Summary, Path], None]


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "moons": Experiment(
            help="Train small networks, run them on the crossbar, show what analog costs.",
            settings=moons.MoonsSettings,
            run=moons.run,
            summarise=moons_summary.summarise,
            measured=moons_summary.measured,
            tables=moons_view.tables,
            draw=moons_view.draw,
        ),
    }
)
