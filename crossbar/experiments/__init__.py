"""Experiments: frozen settings, a run that fills a record, and a figure drawn from the record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crossbar.experiments import (
    certify,
    certify_summary,
    certify_view,
    compare_programming,
    compare_summary,
    compare_view,
    endurance,
    endurance_view,
    energy,
    energy_summary,
    energy_view,
    form,
    form_view,
    frontier,
    frontier_view,
    iv,
    iv_summary,
    iv_view,
    moons,
    moons_settings,
    moons_summary,
    moons_view,
    remedies,
    remedies_settings,
    remedies_summary,
    remedies_view,
    retention,
    retention_view,
    seek,
    seek_view,
    study,
    study_settings,
    study_summary,
    study_view,
    tiles,
    tiles_view,
)
from crossbar.store import Arrays, RunRecord

if TYPE_CHECKING:
    from rich.console import RenderableType

    from crossbar.bench import Description

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
        ``run(settings, bench, record, seed, progress)``: fills the record. Without `bench`:
        ``run(settings, record, seed, progress)``.
    summarise
        The figures of a record's results, as plain values.
    measured
        Whether a record holds anything measured yet; without it there is nothing to show.
    tables
        What a person reads, from a run and its summary; fits 80 columns.
    draw
        ``draw(run, results, summary, path)``: draws the figure of a record into a file.
    piece
        What a record without anything measured lacks.
    write_csv
        ``write_csv(run, results, folder)``: writes files for other programs and returns their
        paths; None if an experiment has none but those of ``xbar runs export``.
    adapted
        ``adapted(settings, description)``: the bench as the settings want it; None if they say
        nothing about it.
    bench
        Whether it needs one; where it does not, nothing but software makes its numbers.
    resumable
        Whether it asks `crossbar.resumable.Record` for what an interrupted run had finished.
    same_array
        Whether it can be gone on with only on the very array that it began on.
    replayed
        Whether an interrupted run that is gone on with on that array is made again from the
        beginning, on a bench that answers from its record (`crossbar.programming.resume`).
    located
        ``located(settings)``: the settings with what the environment says of where things are;
        None if it says nothing.
    """

    help: str
    settings: type[Any]
    run: Callable[..., None]
    summarise: Callable[[Results], Summary]
    measured: Callable[[Results], bool]
    tables: "Callable[[RunRecord, Summary], list[RenderableType]]"
    draw: Callable[[RunRecord, Results, Summary, Path], None]
    piece: str = "measurement"
    write_csv: Callable[[RunRecord, Results, Path], list[Path]] | None = None
    adapted: "Callable[[Any, Description], Description] | None" = None
    bench: bool = True
    resumable: bool = True
    same_array: bool = False
    replayed: bool = False
    located: Callable[[Any], Any] | None = None


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        "moons": Experiment(
            help="Train small networks, run them on the crossbar, show what analog costs.",
            settings=moons_settings.MoonsSettings,
            run=moons.run,
            summarise=moons_summary.summarise,
            measured=moons_summary.measured,
            tables=moons_view.tables,
            draw=moons_view.draw,
            piece="draw",
            adapted=moons.adapted,
        ),
        "energy": Experiment(
            help="Program a network, read every cell, and say what an inference costs.",
            settings=energy.EnergySettings,
            run=energy.run,
            summarise=energy_summary.summarise,
            measured=energy_summary.measured,
            tables=energy_view.tables,
            draw=energy_view.draw,
            piece="draw",
        ),
        "frontier": Experiment(
            help="Find how accurate networks are under drift, against the cells they take.",
            settings=frontier.FrontierSettings,
            run=frontier.run,
            summarise=frontier_view.summarise,
            measured=frontier_view.measured,
            tables=frontier_view.tables,
            draw=frontier_view.draw,
            piece="network",
            bench=False,
        ),
        "certify": Experiment(
            help="Certify the vote of a noisy network against drift: the vote, not one chip.",
            settings=certify.CertifySettings,
            run=certify.run,
            summarise=certify_summary.summarise,
            measured=certify_summary.measured,
            tables=certify_view.tables,
            draw=certify_view.draw,
            piece="vote",
            bench=False,
        ),
        "remedies": Experiment(
            help="Win accuracy back on the array, remedy by remedy, and count what each costs.",
            settings=remedies_settings.RemediesSettings,
            run=remedies.run,
            summarise=remedies_summary.summarise,
            measured=remedies_summary.measured,
            tables=remedies_view.tables,
            draw=remedies_view.draw,
            piece="draw",
        ),
        "tiles": Experiment(
            help="Run a network larger than the array on it, tile by tile; say the cost first.",
            settings=tiles.TilesSettings,
            run=tiles.run,
            summarise=tiles_view.summarise,
            measured=tiles_view.measured,
            tables=tiles_view.tables,
            draw=tiles_view.draw,
            piece="cost",
        ),
        "iv": Experiment(
            help="Measure I-V curves: staircase cycles of one cell, or of many.",
            settings=iv.IvSettings,
            run=iv.run,
            summarise=iv_summary.summarise,
            measured=iv_summary.measured,
            tables=iv_view.tables,
            draw=iv_view.draw,
            write_csv=iv_view.write_csv,
        ),
        "compare-programming": Experiment(
            help="Program the same targets with every write policy, and compare.",
            settings=compare_programming.CompareSettings,
            run=compare_programming.run,
            summarise=compare_summary.summarise,
            measured=compare_summary.measured,
            tables=compare_view.tables,
            draw=compare_view.draw,
            piece="programming",
        ),
        "form": Experiment(
            help="Form cells: ramps with a read after each pulse, until they conduct.",
            settings=form.FormSettings,
            run=form.run,
            summarise=form_view.summarise,
            measured=form_view.measured,
            tables=form_view.tables,
            draw=form_view.draw,
            replayed=True,
        ),
        "seek": Experiment(
            help="Seek the smallest amplitudes that SET and RESET a cell.",
            settings=seek.SeekSettings,
            run=seek.run,
            summarise=seek_view.summarise,
            measured=seek_view.measured,
            tables=seek_view.tables,
            draw=seek_view.draw,
        ),
        "retention": Experiment(
            help="Read cells again and again while they are left alone.",
            settings=retention.RetentionSettings,
            run=retention.run,
            summarise=retention_view.summarise,
            measured=retention_view.measured,
            tables=retention_view.tables,
            draw=retention_view.draw,
            same_array=True,
        ),
        "endurance": Experiment(
            help="SET and RESET cells until the window closes or the cycles end.",
            settings=endurance.EnduranceSettings,
            run=endurance.run,
            summarise=endurance_view.summarise,
            measured=endurance_view.measured,
            tables=endurance_view.tables,
            draw=endurance_view.draw,
            replayed=True,
        ),
        "study": Experiment(
            help="Train networks with several objectives, sweep the device under them.",
            settings=study_settings.StudySettings,
            run=study.run,
            summarise=study_summary.summarise,
            measured=study_summary.measured,
            tables=study_view.tables,
            draw=study_view.draw,
            piece="unit",
            bench=False,
            located=study.located,
        ),
    }
)
