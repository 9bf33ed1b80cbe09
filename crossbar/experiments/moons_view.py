"""What a person sees of a moons run: two tables and a figure."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from crossbar.experiments import search_view
from crossbar.experiments.bench_note import bench_note
from crossbar.experiments.moons_wires import MULTIPLES
from crossbar.store import Arrays, RunRecord

PERCENT, MICRO = 100.0, 1e6


def heading(run: RunRecord) -> str:
    """Return the line that says what made the numbers."""
    s = run.settings
    data = s["data"] or f"moons, noise {s['noise']:g}"
    return f"2-{s['hidden']}-1 on a crossbar: {s['mapping']} mapping, {data}"


def provenance_note(run: RunRecord, summary: Mapping[str, Any]) -> str:
    """Return bench, device, seed and the meaning of the spreads, in one line."""
    found = [row["hardware_accuracy"]["n"] for row in summary["rows"] if "hardware_accuracy" in row]
    draws = max(found, default=0)
    what = "1 programming draw" if draws == 1 else f"{draws} programming draws of one array"
    spread = "" if draws == 1 else "; ± is their standard deviation"
    return f"{bench_note(run)}, seed {run.seed}, {what}{spread}"


def tables(run: RunRecord, summary: dict[str, Any]) -> list[RenderableType]:
    """Return the accuracies and the programming figures as tables of at most 80 columns."""
    accuracy = Table(title=heading(run), title_justify="left")
    accuracy.add_column("training")
    for name in ("software", "crossbar", "calibrated"):
        accuracy.add_column(name, justify="right")
    lost = Table(title="what is lost, in percentage points", title_justify="left")
    lost.add_column("training")
    for name in ("as programmed", "less than erm by", "calibrated"):
        lost.add_column(name, justify="right")
    errors = Table(title="errors of the dot products, sd by layer", title_justify="left")
    errors.add_column("training")
    for name in ("as programmed", "relative", "kurtosis", "calibrated", "relative"):
        errors.add_column(name, justify="right")
    programming = Table(title="programming, all draws", title_justify="left")
    programming.add_column("training")
    for name in ("pulses/cell", "in band", "at end", "later", "stuck", "clipped"):
        programming.add_column(name, justify="right")
    delay = tolerance = None
    for row in summary["rows"]:
        software = f"{PERCENT * row['software_accuracy']:.1f}"
        if "hardware_accuracy" not in row:
            accuracy.add_row(row["training"], software, "-", "-")
            continue
        accuracy.add_row(
            row["training"],
            software,
            _pm(row["hardware_accuracy"], PERCENT),
            _pm(row["calibrated_accuracy"], PERCENT),
        )
        drops = ("drop_points", "drop_points_below_erm", "calibrated_drop_points")
        lost.add_row(row["training"], *(_with_interval(row.get(name)) for name in drops))
        as_programmed = row["dot_product_error"]
        errors.add_row(
            row["training"],
            *_error_cells(as_programmed),
            ", ".join(f"{e['kurtosis']:.1f}" for e in as_programmed.values()),
            *_error_cells(row["calibrated_dot_product_error"]),
        )
        pulses, stuck = row["pulses_per_cell"], row["stuck_cells"]
        programming.add_row(
            row["training"],
            f"{pulses['mean']:.1f}, p95 {pulses['p95']:.0f}",
            f"{PERCENT * row['success_at_verify']['mean']:.1f} %",
            f"{PERCENT * row['success_at_end']['mean']:.1f} %",
            f"{PERCENT * row['success_on_reread']['mean']:.1f} %",
            f"{sum(stuck) / len(stuck):.1f}",
            f"{row['clipped_reads'] + row['clipped_products']}",
        )
        delay, tolerance = row["reread_delay_s"], row["tolerance_S"]
    shown: list[RenderableType] = [accuracy]
    if delay is not None and tolerance is not None:
        programming.caption = (
            f"in band: ±{MICRO * tolerance:g} µS at a cell's last verify; at end: when all were "
            f"programmed (neighbours disturb); later: {delay:g} s after (cells relax); clipped: "
            "readings at the end of a converter's range"
        )
        programming.caption_justify = "left"
        lost.caption = (
            "software minus crossbar accuracy: mean over draws, [95 % interval of the mean]"
        )
        lost.caption_justify = "left"
        shown += [lost, errors, programming]
    accuracy.caption = (
        "accuracy in %; calibrated: gain and offset of every output measured with training inputs "
        "and corrected digitally"
    )
    accuracy.caption_justify = "left"
    if "wires" in summary:
        shown.append(_wires(summary["wires"]))
    if summary.get("searches"):
        shown += search_view.tables(summary, _judged(run))
    return [*shown, Text(provenance_note(run, summary))]


def _wires(wires: Mapping[str, Any]) -> Table:
    """Return what wires cost, as a table."""
    ohm = wires["segment_ohm"]
    table = Table(title=f"what wires of {ohm:g} ohm per segment cost", title_justify="left")
    table.add_column("training")
    for name in ("without", f"{ohm:g} ohm", "lost", *(f"x {m:g}" for m in MULTIPLES[3:])):
        table.add_column(name, justify="right")
    for row in wires["rows"]:
        values = [f"{PERCENT * value:.1f}" for value in row["accuracy"]]
        sd = row["lost_points_sd"]
        lost = f"{row['lost_points']:.2f}" + ("" if sd is None else f" ± {sd:.2f}")
        table.add_row(row["training"], *values[:2], lost, *values[3:])
    mean = max(row["lost_voltage_mean"] for row in wires["rows"])
    most = max(row["lost_voltage_largest"] for row in wires["rows"])
    table.caption = (
        "accuracy in %, computed from the conductances read after each draw, without noise; x: "
        f"with so many times the resistance. Cells lose {PERCENT * mean:.2g} % of their word "
        f"line's voltage on the mean, {PERCENT * most:.2g} % at most"
    )
    table.caption_justify = "left"
    return table


def _error_cells(layers: Mapping[str, Mapping[str, float]]) -> tuple[str, str]:
    """Return absolute and relative errors of all layers as two cells."""
    return (
        ", ".join(f"{e['sd']:.2g}" for e in layers.values()),
        ", ".join(f"{PERCENT * e['relative_sd']:.0f} %" for e in layers.values()),
    )


def _with_interval(values: Mapping[str, Any] | None) -> str:
    """Return a mean with its 95 % interval, as far as there is one."""
    if values is None:
        return ""
    mean, interval = f"{values['mean']:.1f}", values["ci95"]
    return mean if interval is None else f"{mean} [{interval[0]:.1f}, {interval[1]:.1f}]"


def _pm(values: Mapping[str, Any], factor: float) -> str:
    mean = f"{factor * values['mean']:.1f}"
    return mean if values["sd"] is None else f"{mean} ± {factor * values['sd']:.1f}"


def draw(
    run: RunRecord, results: Mapping[str, Arrays], summary: dict[str, Any], path: Path
) -> None:
    """Draw the figure of a moons record into a file, and that of its search beside it."""
    # Matplotlib takes most of a second to import; commands without a figure do not wait for it.
    from crossbar.figures.moons import moons_figure
    from crossbar.figures.style import save

    note = provenance_note(run, summary)
    save(moons_figure(results, summary, heading(run), note), path)
    if "wires" in summary:
        from crossbar.figures.wires import wires_figure

        ohm = summary["wires"]["segment_ohm"]
        title = f"{heading(run)}: wires of {ohm:g} ohm per segment"
        save(wires_figure(results, summary["wires"], title, note), beside(path, "wires"))
    if summary.get("searches"):
        from crossbar.figures.search import search_figure

        made = f"seed {run.seed}, judged under {_judged(run)}, validation points of their own"
        figure = search_figure(results, f"{heading(run)}: search over the noise", made)
        save(figure, beside(path, "search"))


def _judged(run: RunRecord) -> str:
    """Return in words what the candidates of a search were judged under."""
    drift = run.settings["drift"]
    return "the array's own errors" if drift is None else f"drift {float(str(drift)):g}"


def beside(figure: Path, what: str) -> Path:
    """Return where a second figure goes: beside the one of the run."""
    return figure.with_name(f"{figure.stem}-{what}{figure.suffix}")
