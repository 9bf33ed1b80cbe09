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
        for name, (value, error) in _spreads(fits).items():
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


def _spreads(fits: Sequence[Fit]) -> dict[str, tuple[float, float]]:
    """Return spreads from device to device and their standard errors."""
    found: dict[str, tuple[float, float]] = {}
    for name, sigma in LOGARITHMIC.items():
        mine = [fit for fit in fits if name in fit.errors]
        if len(mine) >= FEWEST:
            found[sigma] = _spread(
                np.array([np.log(fit.constants[name]) for fit in mine]), name, mine
            )
    mine = [fit for fit in fits if all(name in fit.errors for name in THRESHOLDS)]
    if len(mine) >= FEWEST:
        both = [np.array([fit.constants[name] for fit in mine]) for name in THRESHOLDS]
        first, second = (column / np.median(column) for column in both)
        # What thresholds share is half of what the spread of their sum has over their difference's.
        square = (_deviation(first + second) ** 2 - _deviation(first - second) ** 2) / 4
        doubt = (_deviation(first) + _deviation(second)) / 2 / np.sqrt(len(mine))
        found["threshold_sigma"] = float(np.sqrt(max(square, 0.0))), doubt
    return found


def _spread(values: Array, name: str, fits: Sequence[Fit]) -> tuple[float, float]:
    """Return the spread of a constant less that of its own errors, and its standard error."""
    own = np.median([fit.errors[name] / fit.constants[name] for fit in fits])
    spread = _deviation(values)
    return float(np.sqrt(max(spread**2 - own**2, 0.0))), spread / float(np.sqrt(len(fits)))


def _deviation(values: Array) -> float:
    """Return the standard deviation that the median distance from the median has, if normal.

    A fit that ended in a wrong place among many must not decide the spread of all.
    """
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
