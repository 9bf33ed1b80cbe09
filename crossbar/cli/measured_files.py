"""`xbar import` and `xbar usability`: what laboratories have measured, and what it is worth."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from crossbar.backend import DataError
from crossbar.cli.merit_view import (
    alike,
    draw_map,
    draw_merits,
    merit_facts,
    merit_table,
    print_notes,
)
from crossbar.cli.options import FigurePath, JsonOption, check_figure
from crossbar.cli.output import bars, console, errors, print_json
from crossbar.curves.measured import Curve, Measurements, PulseTable, Readings
from crossbar.merit.device import Merit, MeritSettings

SKIPPED = 1
"""Exit code when some of the files could not be used; 2 when none could."""
LISTED = 16
"""Files that are listed one by one; of more, their folders are."""
DEFAULTS = MeritSettings()

Files: TypeAlias = Annotated[
    list[Path],
    typer.Argument(metavar="FILES...", help="Files or folders; a run is STORE.sqlite#RUN."),
]
Format: TypeAlias = Annotated[
    str | None, typer.Option("--format", help="Overrules the guess; `xbar import --formats` lists.")
]
Columns: TypeAlias = Annotated[
    str | None,
    typer.Option("--columns", help='What the columns are: "V=1:mV,I=Current:uA,t=3:s".'),
]
Skipped: TypeAlias = list[tuple[str, str]]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("import")(import_files)
    app.command("usability")(usability)


def import_files(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES...", help="Files or folders; a run is STORE.sqlite#RUN."),
    ] = None,
    format: Format = None,
    columns: Columns = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Write every curve there as a PyMeasure CSV, in SI units."),
    ] = None,
    formats: Annotated[
        bool, typer.Option("--formats", help="List the formats that are known.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what measured files hold, and how they were understood."""
    from crossbar.curves.formats import FORMATS

    if formats:
        _list_formats(FORMATS)
        return
    found, skipped = read_files(files or [], format, columns)
    written = [] if output is None else _write(output, found)
    rows = [_content(path, data) for path, data in found]
    if as_json:
        print_json(
            {"files": rows, "written": [str(path) for path in written], "skipped": plain(skipped)}
        )
    else:
        _print_contents(rows)
        if output is not None:
            console.print(f"{len(written)} curves written to {output}", markup=False)
    end(skipped, len(found), as_json=as_json)


def usability(
    files: Files,
    format: Format = None,
    columns: Columns = None,
    l_min: Annotated[
        int, typer.Option("--l-min", help="Points that a conductance-increasing segment needs.")
    ] = DEFAULTS.l_min,
    form: Annotated[str, typer.Option("--form", help="Closed form of usability.")] = DEFAULTS.form,
    rho: Annotated[
        str, typer.Option("--rho", help="Form of the non-monotonic factor.")
    ] = DEFAULTS.rho,
    spread: Annotated[
        str,
        typer.Option("--spread", help="Form of the spread's bound: corrected, correlated, paper."),
    ] = DEFAULTS.spread,
    mode: Annotated[
        str, typer.Option("--mode", help="Of the segment: contiguous or subsequence.")
    ] = DEFAULTS.mode,
    branch: Annotated[
        str, typer.Option("--branch", help="Of the sweep: positive up, negative down, ...")
    ] = DEFAULTS.branch,
    read_voltage: Annotated[
        float | None,
        typer.Option("--read-voltage", help="V, of on/off ratio; a tenth of the sweep if missing."),
    ] = None,
    profile: Annotated[
        Path | None, typer.Option("--profile", help="Write the first device's profile (TOML).")
    ] = None,
    map: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="Draw the array's usability there; runs of xbar iv.",
            callback=check_figure,
        ),
    ] = None,
    figure: FigurePath = Path("usability.png"),
    as_json: JsonOption = False,
) -> None:
    """Tell what measured devices are worth to a network, with honest bounds."""
    from crossbar.merit.files import merits_of

    settings = _settings(locals())
    found, skipped = read_files(files, format, columns)
    with bars() as progress:
        merits, without = merits_of(found, settings, progress)
    skipped += without
    if merits:
        draw_merits(figure, merits)
        if map is not None:
            draw_map(map, merits)
        if profile is not None:
            _save_profile(profile, merits[0])
    if as_json:
        rows = [merit_facts(each) for each in merits]
        print_json({"devices": rows, "figure": str(figure), "skipped": plain(skipped)})
    elif merits:
        console.print(merit_table(merits))
        print_notes(merits)
        console.print(f"figure in {figure}", markup=False)
    end(skipped, len(merits), as_json=as_json)


def _settings(given: dict[str, Any]) -> MeritSettings:
    names = {field.name for field in fields(MeritSettings)}
    return MeritSettings(**{name: value for name, value in given.items() if name in names})


def read_files(
    paths: Iterable[Path], format: str | None, columns: str | None
) -> tuple[list[tuple[str, Measurements]], Skipped]:
    """Return what each file holds, and which files hold nothing, with the reason."""
    from crossbar.curves.reading import read_many

    listed = [str(path) for path in paths]
    if not listed:
        raise DataError("name at least one file or folder")
    return read_many(listed, format=format, columns=columns)


def _save_profile(path: Path, merit: Merit) -> None:
    from crossbar.memsim.profile import DeviceProfile

    DeviceProfile.from_merit(merit).save(path)


def _content(path: str, data: Measurements) -> dict[str, Any]:
    """Return what one file holds, as plain values."""
    everything: tuple[Curve | PulseTable | Readings, ...]
    everything = (*data.curves, *data.pulses, *data.readings)
    origin = everything[0].origin
    counts: dict[str, int] = {}
    groups: tuple[tuple[str, str, Sequence[Curve | PulseTable | Readings]], ...] = (
        ("curves", "points", data.curves),
        ("pulse tables", "pulses", data.pulses),
        ("sets of readings", "readings", data.readings),
    )
    for what, single, group in groups:
        if group:
            counts |= {what: len(group), single: sum(len(each) for each in group)}
    cycles = sum(curve.cycles for curve in data.curves)
    return {
        "file": path,
        "format": origin.format,
        "counts": counts,
        "devices": [each.name for each in everything],
        "cycles": cycles,
        "columns": list(origin.columns),
        "notes": list(dict.fromkeys(note for each in everything for note in each.origin.notes)),
    }


def _print_contents(rows: list[dict[str, Any]]) -> None:
    """Print what each file holds, or of many files each folder, and each thing to be known once."""
    if not rows:
        return
    common = os.path.commonpath([str(Path(row["file"]).parent) for row in rows])
    table = Table(title=common, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("folder" if rows[LISTED:] else "file", "format", "content"):
        table.add_column(column, overflow="fold")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        place = os.path.relpath(row["file"], common)
        groups.setdefault((place.split(os.sep)[0] if rows[LISTED:] else place, row["format"]), [])
        groups[next(reversed(groups))].append(row)
    for (place, name), members in groups.items():
        counts = sum((Counter(row["counts"]) for row in members), Counter())
        files = f"{len(members)} files: " if members[1:] else ""
        table.add_row(place, name, files + _in_words(counts))
    console.print(table)
    parts = ("notes",) if rows[LISTED:] else ("columns", "notes")
    about = ((row["format"], line) for row in rows for part in parts for line in row[part])
    for line, formats in alike(about):
        times = f" ({len(formats)} files alike)" if formats[1:] else ""
        console.print(f"{formats[0]}: {line}{times}", markup=False)


def _in_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def _write(folder: Path, found: list[tuple[str, Measurements]]) -> list[Path]:
    """Write every curve as a file of its own; no file is overwritten."""
    from crossbar.curves import pymeasure_csv

    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for _, data in found:
        for curve in data.curves:
            name = "".join(c if c.isalnum() or c in "-_." else "_" for c in curve.name) or "curve"
            path = folder / f"{name}.csv"
            for number in range(2, 10_000):
                if not path.exists():
                    break
                path = folder / f"{name}-{number}.csv"
            pymeasure_csv.write(curve, path)
            written.append(path)
    return written


def _list_formats(known: Any) -> None:
    table = Table(title="formats", title_justify="left")
    table.add_column("name")
    table.add_column("what", overflow="fold")
    for name, one in known.items():
        table.add_row(name, one.title)
    console.print(table)


def plain(skipped: Skipped) -> list[dict[str, str]]:
    """Return what was skipped for scripts."""
    return [{"file": path, "reason": reason} for path, reason in skipped]


def end(skipped: Skipped, good: int, *, as_json: bool) -> None:
    """Say what was skipped, and end with the exit code that says so too."""
    if not skipped:
        return
    if not as_json:
        errors.print(f"skipped: {len(skipped)}", markup=False)
        for _, reason in skipped:
            errors.print(f"  {reason}", markup=False, soft_wrap=True)
    raise typer.Exit(SKIPPED if good else 2)
