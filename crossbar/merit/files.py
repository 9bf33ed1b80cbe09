"""Figures of merit of every device in measured files, whatever kinds of files they are."""

from collections.abc import Callable, Sequence

from crossbar.backend import DataError
from crossbar.curves.measured import Curve, Measurements, PulseTable
from crossbar.curves.reading import join_cycles
from crossbar.merit.device import Merit, MeritSettings, merit, merit_of_pulses

Skipped = list[tuple[str, str]]
"""What could not be used, and the reason."""


def merits_of(
    found: Sequence[tuple[str, Measurements]],
    settings: MeritSettings | None = None,
    progress: Callable[[str, int, int], None] = lambda work, done, total: None,
) -> tuple[list[Merit], Skipped]:
    """Return the figures of every device, and which have none, with the reason.

    Parameters
    ----------
    found
        From `crossbar.curves.reading.read_many`: cycles of a device in several files are joined.
    settings
        None takes the defaults.
    progress
        Told of devices.

    Raises
    ------
    DataError
        If cycles that belong together cannot be joined.
    """
    tables: list[Curve | PulseTable] = [
        *join_cycles([curve for _, data in found for curve in data.curves]),
        *(table for _, data in found for table in data.pulses),
    ]
    skipped = [
        (path, f"{path}: readings, without a curve of which they would be")
        for path, data in found
        if not data.curves and not data.pulses
    ]
    merits = []
    for k, table in enumerate(tables):
        progress("devices", k, len(tables))
        try:
            if isinstance(table, Curve):
                merits.append(merit(table, settings))
            else:
                merits.append(merit_of_pulses(table, settings))
        except DataError as problem:
            skipped.append((table.origin.source, f"{table.name}: {problem}"))
    return merits, skipped
