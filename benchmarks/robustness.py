"""Networks under drift: accuracy against cells on moons, and LeNet5 on MNIST.

``python benchmarks/robustness.py [--data FOLDER] [--seeds N] [--store FILE] [--figures FOLDER]
[--json]``. Moons: 2-H-1 networks, each weight on one pair of cells or on four, log-normal drift of
sigma 0.6, 2,000 test points, 200 draws; the spread is the standard deviation over networks, each
with points of its own. MNIST: idx files from FOLDER, without which nothing is claimed of it; 20
draws a level, the spread being that over all draws and trainings. What the evaluation of many
draws takes, and what can be certified, is what ``drift_draws.py`` and ``certificates.py`` print.

The runs go into the store, and the figures are drawn from it. With a FILE of their own they stay:
what is in it already is not trained again, and what was interrupted is gone on with. Six minutes on
one core for moons, twenty more for LeNet5.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rows import Row, arguments, show

from crossbar.cli.output import bars
from crossbar.experiments import EXPERIMENTS
from crossbar.experiments.frontier import FrontierSettings
from crossbar.experiments.study_settings import StudySettings
from crossbar.resumable import RESUMES, Record, interrupted
from crossbar.session import software_session
from crossbar.store import Arrays, Store

SEED = 0
IN_ONE_ARRAY, SOFTWARE, HARDWARE = 0.90, 0.98, 0.96
LEVELS: Mapping[float, float] = {0.5: 0.985, 0.8: 0.95}
"""Accuracy that the best objective is to have at a sigma."""
OBJECTIVES = "lognormal,erm,trinomial"


def measured(name: str, settings: Any, store: Path, figures: Path | None) -> dict[str, Any]:
    """Run an experiment, or what the store lacks of it; draw its figure, return its summary."""
    experiment = EXPERIMENTS[name]
    number, finished = _known(store, name, asdict(settings))
    if not finished:
        earlier: Mapping[str, Arrays] = {}
        if number is not None:
            with Store.open(store, readonly=True) as opened:
                earlier = interrupted(opened, opened.run(number), name).results
        given = asdict(settings) | ({} if number is None else {RESUMES: number})
        with software_session(store, experiment=name, settings=given, seed=SEED) as s:
            number = s.run.id
            with bars() as progress:
                experiment.run(settings, Record(s.run, earlier), s.seed, progress)
    assert number is not None  # noqa: S101 - of the run above, if there was none
    with Store.open(store, readonly=True) as opened:
        run, results = opened.run(number), opened.results(number)
    summary = experiment.summarise(results)
    if figures is not None:
        experiment.draw(run, results, summary, figures / f"{name}.png")
    return summary


def _known(store: Path, name: str, settings: dict[str, Any]) -> tuple[int | None, bool]:
    """Return the last run of this experiment with these settings, and whether it is finished."""
    if not store.exists():
        return None, False
    with Store.open(store, readonly=True) as opened:
        runs = [run for run in opened.runs() if run.experiment == name and run.seed == SEED]
    for run in reversed(runs):
        same = {key: value for key, value in run.settings.items() if key != RESUMES} == settings
        if same and run.status != "running":
            return run.id, run.status == "finished"
    return None, False


def moons(seeds: int, store: Path, figures: Path | None) -> Iterator[Row]:
    """Yield what is on the frontier, and whether the best inside and beyond one array will do."""
    settings = FrontierSettings(
        training=OBJECTIVES, hidden="4,8,12,16,32,64", copies="1,4", seeds=seeds
    )
    rows = measured("frontier", settings, store, figures)["rows"]
    for row in rows:
        if row["frontier"]:
            yield from _both(row, _name(row))
    inside = _best([row for row in rows if row["in_one_10x10"]])
    value = inside["hardware_accuracy"]["mean"]
    yield Row(
        f"best inside one 10x10, under drift: {_name(inside)}",
        *(value, inside["hardware_accuracy"]["sd"], "1"),
        *(f">= {IN_ONE_ARRAY}", value >= IN_ONE_ARRAY),
    )
    good = [row for row in rows if row["software_accuracy"]["mean"] >= SOFTWARE]
    good = [row for row in good if row["hardware_accuracy"]["mean"] >= HARDWARE]
    least = min(good, key=lambda row: row["cells"], default=_best(rows))
    for row, kind, target in zip(
        _both(least, f"fewest cells that do both: {_name(least)}"),
        ("software", "hardware"),
        (SOFTWARE, HARDWARE),
        strict=True,
    ):
        value = least[f"{kind}_accuracy"]["mean"]
        yield Row(row.name, row.value, row.spread, "1", f">= {target}", value >= target)


def _both(row: Mapping[str, Any], name: str) -> list[Row]:
    """Return the accuracies of a kind of network in software and under drift."""
    return [
        Row(f"{name}, {where}", row[key]["mean"], row[key]["sd"], "1")
        for where, key in (("software", "software_accuracy"), ("drift", "hardware_accuracy"))
    ]


def _best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return max(rows, key=lambda row: float(row["hardware_accuracy"]["mean"]))


def _name(row: Mapping[str, Any]) -> str:
    pairs = "1 pair" if row["copies"] == 1 else f"{row['copies']} pairs"
    return f"{row['training']} 2-{row['hidden']}-1, {pairs} a weight ({row['cells']} cells)"


def digits(data: Path, seeds: int, store: Path, figures: Path | None) -> Iterator[Row]:
    """Yield how accurate LeNet5 is, clean and at every sigma, by each objective."""
    settings = StudySettings(
        task="mnist",
        network="lenet5",
        objectives=OBJECTIVES,
        seeds=seeds,
        size=50_000,
        epochs=24,
        training_sigma=0.7,
        validation_sigma=0.6,
        data=str(data),
    )
    summary = measured("study", settings, store, figures)
    levels = [level["sigma"] for level in summary["levels"]]
    found = {row["objective"]: row["measures"]["accuracy"] for row in summary["rows"]}
    for objective, figures_of in found.items():
        name = f"LeNet5 on MNIST, {objective}"
        yield Row(f"{name}, clean", figures_of["clean"], figures_of["clean_sd"], "1")
        for sigma, one in zip(levels, figures_of["levels"], strict=True):
            if sigma:
                yield Row(f"{name}, sigma {sigma:g}", one["mean"], one["sd"], "1")
    for sigma, target in LEVELS.items():
        at = {name: found[name]["levels"][levels.index(sigma)] for name in found}
        best = max(at, key=lambda name: float(at[name]["mean"]))
        value, sd = at[best]["mean"], at[best]["sd"]
        name = f"LeNet5 on MNIST, best objective at sigma {sigma:g}: {best}"
        yield Row(name, value, sd, "1", f">= {target}", value >= target)


def main() -> None:
    """Measure and print."""
    parser = arguments(str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with MNIST's four idx files")
    parser.add_argument("--seeds", type=int, default=3, help="networks of each kind")
    parser.add_argument("--store", type=Path, help="where runs are kept; by default nowhere")
    parser.add_argument("--figures", type=Path, help="folder to draw the figures into")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = chosen.store or Path(folder) / "robustness.sqlite"
        rows = list(moons(chosen.seeds, store, chosen.figures))
        if chosen.data is not None:
            rows += digits(chosen.data, chosen.seeds, store, chosen.figures)
    title = f"robustness (means of {chosen.seeds} networks, seed {SEED}"
    if chosen.data is None:
        title += "; no --data, so nothing about MNIST"
    show(rows, as_json=chosen.json, title=title + ")")


if __name__ == "__main__":
    main()
