"""`xbar fit`: a simulated device that is like measured ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from crossbar.cli.measured_files import Columns, Files, Format, end, plain, read_files
from crossbar.cli.merit_view import alike, short_name
from crossbar.cli.options import FigurePath, JsonOption
from crossbar.cli.output import bars, console, print_json
from crossbar.curves.measured import Curve, PulseTable


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("fit")(fit)


def fit(
    files: Files,
    format: Format = None,
    columns: Columns = None,
    dwell: Annotated[
        float | None,
        typer.Option("--dwell", help="s at each point of a curve; by default what its times say."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the table [device] there (TOML).")
    ] = None,
    like: Annotated[
        str, typer.Option("--like", help="Simulated bench that --as-bench takes the rest from.")
    ] = "sim",
    as_bench: Annotated[
        Path | None, typer.Option("--as-bench", help="Write a whole bench file with the device.")
    ] = None,
    figure: FigurePath = Path("fit.png"),
    as_json: JsonOption = False,
) -> None:
    """Fit the simulated device to measured curves or pulse tables.

    What the data cannot tell keeps its default, and is listed as assumed.
    """
    from crossbar.device_fit import bench_text, fit_devices, pooled

    found, skipped = read_files(files, format, columns)
    measured: list[Curve | PulseTable] = [curve for _, data in found for curve in data.curves]
    measured += [table for _, data in found for table in data.pulses]
    with bars() as progress:
        fitted, refused = fit_devices(measured, dwell, progress)
    skipped += refused
    if not fitted:
        end(skipped, 0, as_json=False)
    result = pooled(fitted)
    if output is not None:
        output.write_text(result.toml(), encoding="utf-8")
    if as_bench is not None:
        as_bench.write_text(bench_text(like, result.toml()), encoding="utf-8")
    _draw(figure, fitted)
    if as_json:
        facts = _facts(result, fitted, figure) | {"skipped": plain(skipped)}
        print_json(facts)
    else:
        _print(result, fitted, figure, [path for path in (output, as_bench) if path is not None])
    end(skipped, len(fitted), as_json=as_json)


def _draw(path: Path, fitted: Sequence[Any]) -> None:
    from crossbar.figures.fit import fit_figure
    from crossbar.figures.style import save

    typical = sorted(fitted, key=lambda one: one.fit.rms)[len(fitted) // 2]
    shown, of = typical.fit, len(fitted)
    note = f"{Path(typical.source).name}" + (f"; the median of {of} devices" if of > 1 else "")
    save(
        fit_figure(
            typical.name,
            note,
            applied=shown.applied,
            measured=shown.measured,
            simulated=shown.simulated,
            residuals=shown.residuals,
            quantity=shown.quantity,
        ),
        path,
    )


def _facts(result: Any, fitted: Sequence[Any], figure: Path) -> dict[str, Any]:
    return {
        "model": result.device.name,
        "constants": dict(result.constants),
        "standard_errors": dict(result.errors),
        "chosen": dict(result.chosen),
        "assumed": list(result.assumed),
        "rms": result.rms,
        "rms_without_switching": result.baseline,
        "notes": list(result.notes),
        "devices": [{"name": one.name, "source": one.source, "rms": one.fit.rms} for one in fitted],
        "figure": str(figure),
    }


def _print(result: Any, fitted: Sequence[Any], figure: Path, written: Sequence[Path]) -> None:
    of = f"{len(fitted)} devices, medians" if len(fitted) > 1 else fitted[0].name
    table = Table(
        title=f"{result.device.name} device like {of}", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("constant")
    for column in ("fitted", "standard error"):
        table.add_column(column, justify="right")
    for name in result.fitted:
        table.add_row(name, f"{result.constants[name]:.4g}", f"{result.errors[name]:.2g}")
    console.print(table)
    console.print(
        f"residuals {result.rms:.3g} rms, {result.baseline:.3g} without switching "
        "(0.1 is about 10 %)"
    )
    for name, reason in result.chosen.items():
        console.print(f"{name} = {result.constants[name]:.4g}, {reason}", markup=False)
    console.print(f"assumed, at their defaults: {', '.join(result.assumed)}", markup=False)
    for note, whom in alike((one.name, note) for one in fitted for note in one.fit.notes):
        some = "" if len(whom) == 1 else f" and {len(whom) - 1} more"
        console.print(f"{short_name(whom[0])}{some}: {note}", markup=False)
    for path in written:
        console.print(f"written: {path}", markup=False)
    console.print(f"figure in {figure}", markup=False)
