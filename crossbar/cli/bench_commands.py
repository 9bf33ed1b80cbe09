"""`xbar bench`: scan, check and calibrate, which is what a person does before an experiment."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from crossbar.backend import Array, Checkup, Finding, Flag
from crossbar.cli import bench_emulate, bench_serve, bench_status, bench_torture, interrupt
from crossbar.cli.bench_view import MICRO, draw, print_end, print_matrix
from crossbar.cli.options import (
    STORE,
    BenchOption,
    FigurePath,
    JsonOption,
    SeedOption,
    StoreOption,
)
from crossbar.cli.output import bars, console, print_json

FAULTS_FOUND = 1
"""Exit code of a check that found something; 2 is for a request that was refused."""
LISTED = 4
"""Findings of one kind that are printed one by one; of more that passed, only how many."""
SHORTED: float = 1e-3
OPEN: float = 2e-8
"""Conductances beyond which a cell is no memristor's, S; assumed."""

app = typer.Typer(
    name="bench",
    help="Check a bench, or stand in for one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("scan")
def scan(
    bench: BenchOption = "virtual",
    repeats: Annotated[int, typer.Option(min=2, help="Scans that are averaged.")] = 4,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write the conductances (S) to this CSV.")
    ] = None,
    seed: SeedOption = None,
    store: StoreOption = STORE,
    figure: FigurePath = Path("scan.png"),
    as_json: JsonOption = False,
) -> None:
    """Read every cell as fast as the bench can, and say how long a scan took."""
    from crossbar.bench import load
    from crossbar.matrices import check_output, write_matrix
    from crossbar.session import session

    check_output(output)
    settings = {"repeats": repeats}
    with session(load(bench), store, experiment="scan", settings=settings, seed=seed) as s:
        crossbar = s.bench.crossbar()
        _ = crossbar.offset  # measured now, so that the scans alone are timed
        began = s.bench.backend.now
        found = crossbar.read(repeats)
        took = (s.bench.backend.now - began) / repeats
        s.run.result("scan", {"value": found.value, "uncertainty": found.uncertainty})
        facts = {
            "run": s.run.id,
            "store": str(s.store.path),
            "figure": str(figure),
            "seed": s.bench.seed,
            "bench_time_s": s.bench.backend.now,
            "bench": s.bench.describe(),
            "scan_s": took,
            "repeats": repeats,
        }
    clipped = int((found.flags & Flag.CLIPPED != 0).sum())
    note = [_made_by(facts), f"mean of {repeats} scans of {took:.3g} s each; run {facts['run']}"]
    if output is not None:
        write_matrix(output, found.value, f"conductances (S), one line per word line; {note[-1]}")
    draw(figure, found.value, "Scan", note)
    if as_json:
        arrays = {"conductance_S": found.value, "standard_error_S": found.uncertainty}
        listed = {name: values.tolist() for name, values in arrays.items()}
        print_json(facts | listed | {"clipped_cells": clipped})
        return
    print_matrix("conductance (µS): word lines down, bit lines across", found.value * MICRO)
    worst = float(found.uncertainty.max()) * MICRO
    console.print(f"standard error up to {worst:.2g} µS; {clipped} cells with clipped reads")
    print_end(note, figure, output)


@app.command("check")
def check(
    bench: BenchOption = "virtual",
    seed: SeedOption = None,
    figure: FigurePath = Path("check.png"),
    as_json: JsonOption = False,
) -> None:
    """Look at every line, channel, amplifier and cell; exit code 1 if something is wrong."""
    from crossbar.bench import load
    from crossbar.bench_instruments import checked

    with interrupt.at_bench(), bars() as progress:
        checkup, facts = checked(load(bench), seed, progress)
    draw(figure, checkup.conductances, "Check", [_made_by(facts)], suspicious(checkup.conductances))
    if as_json:
        findings = [asdict(finding) for finding in checkup.findings]
        cells = checkup.conductances.tolist()
        print_json(
            facts
            | {"passed": checkup.passed, "figure": str(figure), "findings": findings}
            | {"conductance_S": cells}
        )
    else:
        _print_checkup(checkup)
        print_end([_made_by(facts)], figure)
    if not checkup.passed:
        raise typer.Exit(FAULTS_FOUND)


@app.command("calibrate")
def calibrate(
    bench: BenchOption = "virtual",
    output: Annotated[
        Path, typer.Option("--output", help="Write the table [calibration] to this TOML file.")
    ] = Path("calibration.toml"),
    repeats: Annotated[int, typer.Option(min=2, help="Readings that are averaged.")] = 16,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure offset and gain of every amplifier against the bench's reference resistors."""
    from crossbar.bench import load
    from crossbar.bench_instruments import calibrated
    from crossbar.matrices import check_output

    check_output(output)
    with interrupt.at_bench():
        found, facts = calibrated(load(bench), seed, repeats)
    lines = [f"# made by: {_made_by(facts)}; mean of {repeats} readings", "[calibration]"]
    lines += [f"{name} = {_toml(values)}" for name, values in found.items()]
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if as_json:
        print_json(facts | {"calibration": found, "output": str(output), "repeats": repeats})
        return
    _print_calibration(found)
    console.print(_made_by(facts), markup=False)
    console.print(f"table [calibration] in {output}: put it into the bench file", markup=False)


def suspicious(conductances: Array) -> dict[str, Any]:
    """Return which cells are no memristors, by what they seem to be."""
    return {"shorted": conductances > SHORTED, "open": np.abs(conductances) < OPEN}


def _print_checkup(checkup: Checkup) -> None:
    """Print what is wrong one by one, and of what is right how much there is."""
    table = Table(title="bench check", title_justify="left")
    for column in ("part", "what", "measured", "allowed", ""):
        table.add_column(column, overflow="fold")
    shown: Counter[str] = Counter()
    kinds = Counter(finding.what for finding in checkup.findings if finding.passed)
    for finding in checkup.findings:
        if finding.passed and kinds[finding.what] > LISTED:
            shown[finding.what] += 1
            continue
        verdict = "[green]pass[/green]" if finding.passed else "[bold red]FAIL[/bold red]"
        table.add_row(finding.part, finding.what, *_numbers(finding), verdict)
    for what, count in shown.items():
        table.add_row(f"{count} more", what, "", "", "[green]pass[/green]")
    console.print(table)
    for finding in checkup.findings:
        if finding.note and not finding.passed:
            console.print(f"{finding.part}, {finding.what}: {finding.note}", markup=False)
    wrong = sum(not finding.passed for finding in checkup.findings)
    total = len(checkup.findings)
    console.print(
        f"{total} checks, all passed" if not wrong else f"{wrong} of {total} checks FAILED"
    )


def _numbers(finding: Finding) -> tuple[str, str]:
    """Return what was measured and what is allowed, as text."""
    if np.isnan(finding.measured):
        return "", ""
    measured = f"{finding.measured:.4g} {finding.unit}"
    if np.isnan(finding.low) and np.isnan(finding.high):
        return measured, ""
    low = "" if np.isnan(finding.low) else f"{finding.low:.4g}"
    high = "" if np.isnan(finding.high) else f"{finding.high:.4g}"
    return measured, f"{low} to {high}".strip()


def _print_calibration(found: dict[str, Any]) -> None:
    table = Table(title="calibration", title_justify="left")
    table.add_column("bit line", justify="right")
    for name in found:
        table.add_column(name.replace("_", " "), justify="right")
    for bit in range(max(len(values) for values in found.values())):
        table.add_row(
            str(bit),
            *(f"{values[bit]:.5g}" if bit < len(values) else "" for values in found.values()),
        )
    console.print(table)


def _toml(values: list[float]) -> str:
    return "[" + ", ".join(repr(float(value)) for value in values) + "]"


def _made_by(facts: dict[str, Any]) -> str:
    bench = facts["bench"]
    made = f"bench {bench['name']} ({bench['kind']})"
    return made if facts["seed"] is None else f"{made}, seed {facts['seed']}"


app.command("emulate", context_settings=bench_emulate.CONTEXT)(bench_emulate.emulate)
app.command("serve")(bench_serve.serve)
app.command("status")(bench_status.status)
app.command("torture")(bench_torture.torture)
