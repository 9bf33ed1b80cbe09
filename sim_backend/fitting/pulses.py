"""A perovskite device from the conductance of one real device after each of many pulses."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from crossbar.backend import Array, DataError
from sim_backend.fitting.pulse_table import Pulses, Table, checked
from sim_backend.fitting.result import Fit
from sim_backend.fitting.squares import Estimate, estimate, improved

WORTH = 0.7
"""Residuals that a device that moves has to leave of those of one that stays at its mean."""

ROUNDS = 3
"""Of fitting the course with the noise as it is known, and the noise with the course."""

COURSE = 0.1
"""Part of the range from which on a miss of the course counts by its size only."""

LOST, BETTER = 0.05, 0.7
"""Where the median course misses by so much of the range, and fitting it alone by less than this
part of it, steps are not what the model takes them for."""

HUBER = 2.0
"""Standard deviations from which on a difference counts by its size and no longer by its square."""

TELLING = 4.0
"""Sum of squared standard deviations that a constant has to be worth: two deviations."""

LOOSEST = 0.5
"""Largest standard error of a spread that is told, as a fraction of it."""


def fit_pulses(pulses: Pulses) -> Fit:
    """Return the device that a table of pulses shows.

    Fitted, as far as the data tell: both ends of the window, how steps shrink toward them, the
    dose of a pulse of each polarity, the noise of a read and the spread from pulse to pulse; with
    several amplitudes of one polarity the voltage scale too. The amplitude is chosen as the
    threshold of SET: the rate is then what the pulses had, and the threshold of RESET says how its
    pulses differed.

    Raises
    ------
    DataError
        If the table is too short, not finite, has no polarities, or shows a device that pulses do
        not move.
    """
    table = Table.of(checked(pulses))
    (found, noise), notes = _alternated(table), table.notes()
    baseline = float(np.std(table.measured) / np.ptp(table.measured))
    rms = table.rms(found.values)
    if rms > WORTH * baseline or rms > LOST:
        course = estimate(table.constants(), table.missed, COURSE, starts=[found.values])
        if table.rms(course.values) < BETTER * rms:
            found, noise = course, _noise(table, course.values, noise)
            rms = table.rms(found.values)
            notes.append("the course was fitted as a whole: its noise is not that of the model")
    if rms > WORTH * baseline:
        raise DataError(
            "a device that pulses move explains this table hardly better than one at rest: "
            f"residuals of {rms:.3g} beside {baseline:.3g} of the range"
        )
    spreads, unknown = _spreads(table, found.values, noise)
    chosen = table.chosen(found.bounded)
    errors = {**table.errors(found), **{name: error for name, (_, error) in spreads.items()}}
    default = table.template.cycle_sigma, 0.0
    device = table.device(found.values, spreads.get("cycle_sigma", default)[0])
    return Fit(
        device=replace(device, **{name: value for name, (value, _) in spreads.items()}),
        errors={name: error for name, error in errors.items() if name not in chosen},
        chosen=chosen,
        notes=(*notes, *unknown),
        quantity="conductance",
        applied=table.signed,
        measured=table.measured,
        simulated=table.simulated(found.values),
        residuals=table.missed(found.values),
        baseline=baseline,
    )


def _alternated(table: Table) -> tuple[Estimate, tuple[float, float]]:
    """Return the constants, and the noise of reads and of doses, each fitted with the other."""
    free, noise = table.constants(), (0.01, 0.3)
    values: Mapping[str, float] = {name: constant.start for name, constant in free.items()}
    values = improved(free, table.missed, values, COURSE)
    for _ in range(ROUNDS):
        noise = _noise(table, values, noise)
        values = improved(free, _standard(table, values, noise), values, HUBER)
    noise = _noise(table, values, noise)
    left, worth = _standard(table, values, noise), TELLING / len(table.measured)
    found = estimate(free, left, HUBER, starts=[values], worse=worth)
    return found, _noise(table, found.values, noise)


def _standard(
    table: Table, values: Mapping[str, float], noise: tuple[float, float]
) -> Callable[[Mapping[str, float]], Array]:
    """Return what gives differences from the expected in standard deviations.

    The filter's gains and the variances are those at `values`: variances that went along with the
    constants would be fitted too, and grow.
    """
    known = table.followed(values, noise)
    scale = np.sqrt(known.variance)

    def left(tried: Mapping[str, float]) -> Array:
        standard: Array = table.followed(tried, noise, known.gain).difference / scale
        return standard

    return left


def _unlikelihood(table: Table, values: Mapping[str, float], logs: Array) -> float:
    """Return minus the ln of the likelihood of the table, of ln of the noises."""
    noise = float(np.exp(logs[0])), float(np.exp(logs[1]))
    found = table.followed(values, noise)
    standard = np.minimum(found.difference**2 / found.variance, (2 * HUBER) ** 2)
    return float(np.sum(standard + np.log(found.variance)) / 2)


def _noise(
    table: Table, values: Mapping[str, float], start: tuple[float, float]
) -> tuple[float, float]:
    def cost(logs: Array) -> float:
        return _unlikelihood(table, values, logs)

    bounds = [(-11.5, 0.0), (-7.0, 3.0)]  # 1e-5 to 1 of G, 1e-3 to 20 of a dose
    options: Any = {"xatol": 1e-2, "fatol": 1e-2, "maxfev": 120}
    began = np.clip(np.log(start), (-11.0, -6.9), (-0.1, 2.9))
    best = minimize(cost, began, method="Nelder-Mead", bounds=bounds, options=options)
    read, cycle = np.exp(best.x).tolist()
    return read, cycle


def _spreads(
    table: Table, values: Mapping[str, float], noise: tuple[float, float]
) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Return the spreads that the data tell with their standard errors, and what they do not."""
    at, h = np.log(noise), 0.05
    steps = np.eye(2) * h

    def cost(shift: Array) -> float:
        return _unlikelihood(table, values, at + shift)

    bend = np.array(
        [[cost(a + b) - cost(a - b) - cost(b - a) + cost(-a - b) for b in steps] for a in steps]
    ) / (4 * h**2)
    found: dict[str, tuple[float, float]] = {}
    unknown = []
    with np.errstate(invalid="ignore", divide="ignore"):
        doubt = np.sqrt(np.diag(np.linalg.pinv(bend)))
    for name, value, error in zip(("read_sigma", "cycle_sigma"), noise, doubt, strict=True):
        if 0 < error < LOOSEST:
            found[name] = value, float(value * error)
        else:
            unknown.append(f"{name} cannot be told from the rest of the noise")
    if "cycle_sigma" in found:  # a log-normal factor of this relative spread
        value, error = found["cycle_sigma"]
        sigma = float(np.sqrt(np.log1p(value**2)))
        found["cycle_sigma"] = sigma, error * sigma / value
    return found, unknown
