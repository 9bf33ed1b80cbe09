"""A simulated device that is like measured ones: from curves and pulse tables to a bench file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossbar.backend import DataError, Second
from crossbar.bench_file import read_bench_file
from crossbar.curves.measured import Curve, PulseTable
from crossbar.merit.cycles import split

if TYPE_CHECKING:
    from sim_backend.fitting import Fit


@dataclass(frozen=True, slots=True, eq=False)
class FittedDevice:
    """A measured device, and the simulated one that is like it.

    Parameters
    ----------
    name
        Of the device.
    source
        Where its data are from.
    fit
        What was found.
    """

    name: str
    source: str
    fit: "Fit"


def fit_devices(
    measured: Sequence[Curve | PulseTable],
    dwell: Second | None,
    progress: Callable[[str, int, int], None],
) -> tuple[list[FittedDevice], list[tuple[str, str]]]:
    """Return the fit of every device, and which devices the model cannot be, with the reason.

    Parameters
    ----------
    measured
        Curves and pulse tables.
    dwell
        Time at a point of a curve, s, instead of what its times say.
    progress
        Told of devices.
    """
    fitted, refused = [], []
    for k, one in enumerate(measured):
        progress("devices", k, len(measured))
        try:
            fitted.append(FittedDevice(one.name, one.origin.source, _fit(one, dwell)))
        except DataError as problem:
            refused.append((one.origin.source, f"{one.name}: {problem}"))
    return fitted, refused


def pooled(fitted: Sequence[FittedDevice]) -> "Fit":
    """Return the one fit, or of several the median device with the spread between them.

    Raises
    ------
    DataError
        If there is none, or sweeps and pulse tables are mixed.
    """
    from sim_backend.fitting import pool

    if not fitted:
        raise DataError("no device could be fitted")
    return fitted[0].fit if len(fitted) == 1 else pool([one.fit for one in fitted])


def bench_text(bench: str, table: str) -> str:
    """Return the text of a simulated bench with another table ``[device]``.

    Parameters
    ----------
    bench
        A name or file that `crossbar.bench.load` takes.
    table
        From `Fit.toml`.

    Raises
    ------
    DataError
        If the bench has no such table, because it is none of a simulation.
    """
    lines = read_bench_file(bench, Path()).text.splitlines()
    heads = [k for k, line in enumerate(lines) if line.startswith("[")]
    start = next((k for k in heads if lines[k].split("#")[0].strip() == "[device]"), None)
    if start is None:
        raise DataError(f"bench {bench} has no table [device]: it is none of a simulation")
    end = next((k for k in heads if k > start), len(lines))
    return "\n".join([*lines[:start], *table.rstrip().splitlines(), "", *lines[end:]]) + "\n"


def _fit(one: Curve | PulseTable, dwell: Second | None) -> "Fit":
    from sim_backend.fitting import Cycle, Pulses, fit_pulses, fit_sweeps

    if isinstance(one, PulseTable):
        table = Pulses(one.conductance, one.polarity, one.amplitude, one.width, one.normalised)
        return fit_pulses(table)
    whole = split(one)
    cycles = [
        Cycle(whole.voltage[whole.cycle == k], whole.current[whole.cycle == k])
        for k in range(whole.cycles)
    ]
    return fit_sweeps(cycles, dwell if dwell is not None else _dwell(whole))


def _dwell(curve: Curve) -> Second | None:
    """Return the time from point to point that a curve's own times tell, s."""
    if curve.time is None or len(curve.time) < 2:
        return None
    steps = np.diff(curve.time)
    typical = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    return typical if typical > 0 else None
