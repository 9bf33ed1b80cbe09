"""A recorded run of an experiment, shown from its record alone: tables or JSON, and the figure."""

from pathlib import Path
from typing import Any

from crossbar.backend import StoreError
from crossbar.cli.output import console, print_json
from crossbar.experiments import EXPERIMENTS
from crossbar.resumable import going_on
from crossbar.store import Store


def show_experiment(
    store: Path,
    number: int,
    figure: Path,
    as_json: bool,
    *,
    csv: Path | None = None,
    seconds: float | None = None,
) -> None:
    """Show a recorded run of an experiment: table or JSON, and the figure, from the record alone.

    A run that ended before anything was measured on the crossbar has neither, and that is said.

    Raises
    ------
    StoreError
        If the run is not one of an experiment.
    """
    with Store.open(store, readonly=True) as opened:
        run, results = opened.run(number), opened.results(number)
        after = going_on(opened, run)
    if run.experiment not in EXPERIMENTS:
        raise StoreError(
            f"run {number} is of {run.experiment!r}, which has no figure; "
            f"{', '.join(EXPERIMENTS)} have one"
        )
    experiment = EXPERIMENTS[run.experiment]
    summary = experiment.summarise(results)
    measured = experiment.measured(results)
    if measured:
        experiment.draw(run, results, summary, figure)
    written: list[Path] = []
    if measured and csv is not None and experiment.write_csv is not None:
        written = experiment.write_csv(run, results, csv)
    if as_json:
        print_json(
            {
                "experiment": run.experiment,
                "run": run.id,
                "status": run.status,
                "store": str(store),
                "figure": str(figure) if measured else None,
                **({} if csv is None else {"csv": [str(path) for path in written]}),
                "seed": run.seed,
                "bench": run.bench,
                "settings": run.settings,
                "seconds": seconds,
                **({} if after is None else {"resumed": after}),
                **summary,
            }
        )
        return
    if not measured:
        where = " on the crossbar" if experiment.bench else ""
        console.print(
            f"run {run.id} ({run.status}) in {store}: no {experiment.piece}{where} was finished, "
            "so there is no table and no figure",
            markup=False,
            soft_wrap=True,
        )
        _print_resumed(after)
        return
    for part in experiment.tables(run, summary):
        console.print(part)
    files = f", {len(written)} CSV in {csv}" if written else ""
    console.print(
        f"run {run.id} ({run.status}) in {store}, figure in {figure}{files}",
        markup=False,
        soft_wrap=True,
    )
    _print_resumed(after)


def _print_resumed(after: dict[str, Any] | None) -> None:
    """Say what a run has of those that it went on with, and what it did anew."""
    if after is None:
        return
    told = [f"goes on with run {', '.join(map(str, after['runs']))}"]
    told += [f"{len(names)} results are of run {run}" for run, names in after["pieces"].items()]
    if "calls_from_the_record" in after:
        told.append(f"{after['calls_from_the_record']} calls are from the record")
    if after.get("pulses_in_doubt"):
        told.append(f"{after['pulses_in_doubt']} in doubt, which counts and was not repeated")
    console.print("; ".join(told), markup=False)
    for each in after["anew"]:
        twice = ", and counts twice against the budgets" if each["counts_twice"] else ""
        console.print(f"{each['piece']} had begun: done anew{twice}", markup=False)
