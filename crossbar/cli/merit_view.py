"""What a person sees of figures of merit: a table of 80 columns, notes, a figure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from crossbar.backend import Array, DataError
from crossbar.cli.output import console
from crossbar.merit.device import Merit
from crossbar.merit.kinds import NO_MEMRISTORS
from crossbar.merit.usability import FORMS, Usability

NAME = 13
"""Letters of a device's name that fit a line."""
CELL = re.compile(r"\bcell (?P<word>\d+),(?P<bit>\d+)$")


def merit_table(merits: Sequence[Merit]) -> Table:
    """Return one line per device; the form of usability is named in the title."""
    settings = merits[0].settings
    title = f"usability = {FORMS[settings.form].formula} ({settings.form}), of the 95 % bound"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 0)
    table.add_column("device", no_wrap=True)
    table.add_column("is", no_wrap=True)
    for column in ("cycles", "LCIS", "rho", "sigma", "bound", "usability", "V_set", "on/off"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in merits:
        table.add_row(
            short_name(one.device),
            one.kind.name,
            str(one.cycles),
            f"{one.lcis.length}/{one.points}",
            f"{one.rho:.2f}",
            _fixed(one.sigma, 3),
            _fixed(one.bound, 3),
            "" if one.worth is None else f"{one.worth:.3f}",
            _fixed(_median(one.switching.v_set), 2),
            _short(_median(one.switching.on_off)),
        )
    return table


def merit_facts(merit: Merit) -> dict[str, Any]:
    """Return the figures of one device as plain values, in SI units."""
    switched = merit.switching
    per_cycle = {
        "v_set_V": switched.v_set,
        "v_reset_V": switched.v_reset,
        "on_off": switched.on_off,
        "nonlinearity": switched.nonlinearity,
    }
    return {
        "device": merit.device,
        "source": merit.origin.source,
        "format": merit.origin.format,
        "kind": merit.kind.name,
        "kind_reason": merit.kind.reason,
        "driven": merit.driven,
        "cycles": merit.cycles,
        "points": merit.points,
        "normalised": merit.normalised,
        "lcis": {
            "length": merit.lcis.length,
            "start": float(merit.grid[merit.lcis.start]),
            "end": float(merit.grid[merit.lcis.end]),
            "low": merit.lcis.G_lo,
            "high": merit.lcis.G_hi,
            "per_cycle": [each.length for each in merit.cycle_lcis],
        },
        "rho": merit.rho,
        "sigma": merit.sigma,
        "sigma_bound": merit.bound,
        "usability": merit.worth,
        "usability_form": merit.settings.form,
        "rho_form": merit.settings.rho,
        "spread_form": merit.settings.spread,
        "l_min": merit.settings.l_min,
        "read_voltage_V": switched.read_voltage,
        "per_cycle": {name: values.tolist() for name, values in per_cycle.items()},
        "medians": {name: _median(values) for name, values in per_cycle.items()},
        "notes": list(merit.notes),
    }


def short_name(name: str) -> str:
    """Return a name that fits the table, without its middle if it is long."""
    return name if len(name) <= NAME else f"{name[:7]}…{name[-(NAME - 8) :]}"


def alike(notes: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Yield each note once, with whom it is about; notes that differ in their numbers are alike.

    Parameters
    ----------
    notes
        Whom a note is about, and the note.
    """
    said: dict[str, tuple[str, list[str]]] = {}
    for whom, note in notes:
        said.setdefault(re.sub(r"[-+]?[\d.]+(e[-+]?\d+)?", "#", note), (note, []))[1].append(whom)
    yield from said.values()


def print_notes(merits: Sequence[Merit]) -> None:
    """Print what has to be known to believe the numbers, like notes once; ``--json`` has all."""
    for note, devices in alike((one.device, note) for one in merits for note in one.notes):
        some = "" if len(devices) == 1 else f" and {len(devices) - 1} more"
        whom = f"{short_name(devices[0])}{some}"
        whom = f"all {len(merits)}" if len(devices) == len(merits) > 1 else whom
        console.print(f"{whom}: {note}", markup=False)
    for one in merits:
        if one.kind.name in NO_MEMRISTORS:
            text = f"{one.device} is no memristor but {one.kind.name}: {one.kind.reason}"
            console.print(text, markup=False)


def draw_merits(path: Path, merits: Sequence[Merit]) -> None:
    """Draw the cycles of one device; of several the distributions of their numbers."""
    from crossbar.figures.merit import cycles_figure, distributions_figure
    from crossbar.figures.style import save

    one = merits[0]
    save(cycles_figure(one) if len(merits) == 1 else distributions_figure(merits), path)


def draw_map(path: Path, merits: Sequence[Merit]) -> None:
    """Draw the usability of every cell of an array: of the devices that are called as cells.

    Raises
    ------
    DataError
        If no device is, or two are of one cell.
    """
    from crossbar.figures.merit_map import usability_map
    from crossbar.figures.style import save

    cells: dict[tuple[int, int], Usability | None] = {}
    for one in merits:
        found = CELL.search(one.device)
        if found is None:
            continue
        cell = int(found["word"]), int(found["bit"])
        if cell in cells:
            raise DataError(f"a map takes one curve per cell; {cell} has two: {one.device}")
        cells[cell] = None if one.worth is None else one.usability
    if not cells:
        raise DataError("no device is called as a cell, 'cell 3,4', as those of `xbar iv` are")
    sources = ", ".join(dict.fromkeys(Path(one.origin.source).name for one in merits))
    save(usability_map(cells, note=sources), path)


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _fixed(value: float, digits: int) -> str:
    return "" if not np.isfinite(value) else f"{value:.{digits}f}"


def _short(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:.3g}"
