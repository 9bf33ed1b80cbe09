"""One device model for several devices, with the spread between them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossbar.backend import Array, DataError
from sim_backend.fitting.result import Fit

FEWEST = 5
"""Devices below which a spread is not worth its name."""

LOGARITHMIC = {
    "conductance_off": "conductance_off_sigma",
    "conductance_on": "conductance_on_sigma",
}
"""Constants whose logarithm spreads, and the name of the spread."""

THRESHOLDS = ("set_threshold", "reset_threshold")


def pool(fits: Sequence[Fit]) -> Fit:
    """Return the median device of several fits, with the spread from device to device.

    Spreads are those of the fitted constants less what their standard errors alone would give.
    A device's thresholds are taken to move together, as in the model; what they do not is left
    out, as is a spread of the rate, which a sweep cannot tell from one of the thresholds.

    Parameters
    ----------
    fits
        One per device.

    Raises
    ------
    DataError
        If there are less than two, or they are of different quantities.
    """
    if len(fits) < 2:
        raise DataError(f"{len(fits)} device is no population; pool takes two or more")
    if len({fit.quantity for fit in fits}) > 1:
        raise DataError("fits to sweeps and fits to pulses do not pool")
    names = [n for n in fits[0].constants if any(n in f.errors or n in f.chosen for f in fits)]
    columns = {name: np.array([fit.constants[name] for fit in fits]) for name in names}
    medians = {name: float(np.median(column)) for name, column in columns.items()}
    errors = {
        name: float(1.2533 * _deviation(columns[name]) / np.sqrt(len(fits)))
        for name in names
        if any(name in fit.errors for fit in fits)
    }
    notes = [f"medians of {len(fits)} devices"]
    if len(fits) < FEWEST:
        notes.append(f"spreads between devices are assumed: {FEWEST} devices are needed to tell")
    else:
        for name, (value, error) in _spreads(fits, columns).items():
            medians[name], errors[name] = value, error
    notes += sorted({note for fit in fits for note in fit.notes})
    typical = sorted(fits, key=lambda fit: fit.rms)[len(fits) // 2]
    chosen = {n: reason for fit in fits for n, reason in fit.chosen.items() if n not in errors}
    return replace(
        typical,
        device=replace(typical.device, **medians),
        errors=errors,
        chosen=chosen,
        notes=tuple(notes),
        residuals=np.concatenate([fit.residuals for fit in fits]),
        baseline=float(np.sqrt(np.mean([fit.baseline**2 for fit in fits]))),
    )


def _spreads(fits: Sequence[Fit], columns: dict[str, Array]) -> dict[str, tuple[float, float]]:
    """Return spreads from device to device and their standard errors."""
    found: dict[str, tuple[float, float]] = {}
    doubt = 1 / np.sqrt(2 * (len(fits) - 1))

    def own_errors(name: str) -> Array:
        relative = [fit.errors.get(name, 0.0) / fit.constants[name] for fit in fits]
        return np.array(relative)

    for name, sigma in LOGARITHMIC.items():
        if name in columns and all(name in fit.errors for fit in fits):
            logs = np.log(columns[name])
            square = float(np.var(logs, ddof=1) - np.mean(own_errors(name) ** 2))
            value = float(np.sqrt(max(square, 0.0)))
            found[sigma] = value, float(np.std(logs, ddof=1) * doubt)
    known = [n for n in THRESHOLDS if n in columns and all(n in fit.errors for fit in fits)]
    if known:
        relative = np.array([columns[n] / np.mean(columns[n]) for n in known])
        square = (
            float(np.cov(relative)[0, 1])
            if len(known) == 2
            else float(np.var(relative[0], ddof=1) - np.mean(own_errors(known[0]) ** 2))
        )
        value = float(np.sqrt(max(square, 0.0)))
        found["threshold_sigma"] = value, float(np.std(relative, ddof=1) * doubt)
    return found


def _deviation(values: Array) -> float:
    return float(np.std(values, ddof=1))
