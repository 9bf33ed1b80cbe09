"""How one device varies: from cycle to cycle, and from one read to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from crossbar.backend import Ampere, Array
from sim_backend.devices.perovskite import Perovskite
from sim_backend.fitting.course import Drive, conducted, states_after
from sim_backend.fitting.squares import HUBER

FEWEST = 5
"""Cycles below which a spread is not worth its name."""

OUTLIER = 4.0
"""Spreads are taken of values within so many deviations of the median."""

STILL = 0.003
"""Change of ln G from one point to the next, by the fitted device, at which a cell holds still."""

FEWEST_DIFFERENCES = 20
MADE, TRIAL = 40, 0.25
"""Cycles that the model is asked for, and the spread with which."""

LARGEST = 20.0
"""Of ln of a factor: a cycle that needs more shows nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Spreads:
    """How one device varies.

    Parameters
    ----------
    values, errors
        Spreads by the model's names, and their standard errors.
    mean_error
        Standard error of the mean of ln of the doses, by how cycles differ.
    notes
        What was not known.
    """

    values: Mapping[str, float]
    errors: Mapping[str, float]
    mean_error: float
    notes: tuple[str, ...]


def spreads(device: Perovskite, cycles: Sequence[tuple[Drive, Array]], floor: Ampere) -> Spreads:
    """Return what the cycles say of `read_sigma` and `cycle_sigma`.

    Each cycle is given one factor on its SET and one on its RESET doses, those that explain it
    best. The model draws a factor for every point instead, and noise moves the best factors too:
    what spread of points' factors is behind that of cycles' factors is asked of the model itself,
    by the same estimate on cycles that it makes without and with a spread of `TRIAL`.

    Parameters
    ----------
    device
        Its medians.
    cycles
        What each cycle's points saw and the currents that were measured.
    floor
        Current below which there is only noise, A.
    """
    values: dict[str, float] = {}
    errors: dict[str, float] = {}
    noise = read_noise(device, cycles, floor)
    if noise is not None:
        values["read_sigma"], errors["read_sigma"] = noise
    if len(cycles) < FEWEST:
        note = f"{len(cycles)} cycles are too few to tell how cycles differ; {FEWEST} are needed"
        return Spreads(values, errors, 0.0, (note,))
    seen = _variance(device, cycles, floor)
    read = values.get("read_sigma", 0.0)
    still, moved = (
        _variance(device, _made(device, cycles, sigma, read), floor) for sigma in (0.0, TRIAL)
    )
    if not (np.isfinite(seen) and np.isfinite(still) and moved > 2 * still):
        note = "how cycles differ in when they switch cannot be told from noise"
        return Spreads(values, errors, 0.0, (note,))
    square = (seen - still) / (moved - still) * TRIAL**2
    spread = float(np.sqrt(seen / len(cycles)))
    if square <= 0:
        return Spreads(values, errors, spread, ("cycles differ by no more than noise",))
    values["cycle_sigma"] = float(np.sqrt(square))
    # a variance from n cycles and one from as many made ones, each of two factors
    part = np.sqrt(1 / len(cycles) + 1 / MADE) * seen / (seen - still)
    errors["cycle_sigma"] = float(np.sqrt(square) * part / 2)
    return Spreads(values, errors, spread, ())


def read_noise(
    device: Perovskite, cycles: Sequence[tuple[Drive, Array]], floor: Ampere
) -> tuple[float, float] | None:
    """Return the relative noise of a read and its standard error, from where the cell holds still.

    The third difference of ln(I/V) over neighbours that are equally far apart in voltage leaves
    noise, and little of a curve that bends.
    """
    found = []
    for drive, measured in cycles:
        V, size = drive.voltage, np.abs(measured)
        states = states_after(device, drive, start_of(device, drive, measured))
        simulated = conducted(device, states, np.ones_like(V))
        good = (size > 100 * floor) & ~drive.limited & (V != 0)
        good[1:] &= np.abs(np.diff(np.log(simulated))) < STILL
        chord = np.log(np.where(good, size / np.where(V == 0, 1.0, np.abs(V)), 1.0))
        steps = np.diff(V)
        even = np.abs(np.diff(steps)) < 0.05 * np.abs(steps[1:])
        usable = even[:-1] & even[1:]
        for k in range(4):
            usable &= good[k : len(good) - 3 + k]
        found.append(np.diff(chord, 3)[usable])
    differences = np.concatenate(found)
    if len(differences) < FEWEST_DIFFERENCES:
        return None
    deviation = 1.4826 * float(np.median(np.abs(differences)))
    inside = differences[np.abs(differences) <= OUTLIER * deviation]
    sigma = float(np.sqrt(np.mean(inside**2) / 20))  # 1 + 9 + 9 + 1
    return sigma, float(sigma * np.sqrt(4 / len(inside)))


def start_of(device: Perovskite, drive: Drive, measured: Array) -> float:
    """Return the state that the first points show, before anything moves."""
    first = np.flatnonzero(drive.voltage != 0)[:3]
    volts = drive.voltage[first]
    per_state = conducted(device, np.ones(1), volts) / device.conductance_on
    span = device.conductance_on - device.conductance_off
    state = float(np.median((measured[first] / per_state - device.conductance_off) / span))
    return min(max(state, 0.0), 1.0)


def _variance(device: Perovskite, cycles: Sequence[tuple[Drive, Array]], floor: Ampere) -> float:
    """Return the variance of the cycles' factors in ln, of both polarities that show; else NaN."""
    gains = np.array([_gains(device, drive, measured, floor) for drive, measured in cycles])
    known = [column[np.isfinite(column)] for column in gains.T]
    found = [_robust_variance(column) for column in known if len(column) >= FEWEST]
    return float(np.mean(found)) if found else float("nan")


def _made(
    device: Perovskite, cycles: Sequence[tuple[Drive, Array]], sigma: float, read: float
) -> list[tuple[Drive, Array]]:
    """Return cycles that the model makes of the same voltages, with these spreads."""
    rng = np.random.default_rng(0)  # the same factors at every call: the estimate repeats
    made = []
    for k in range(MADE):
        drive, measured = cycles[k % len(cycles)]
        gains = sigma * rng.standard_normal(len(measured))
        states = states_after(device, drive, start_of(device, drive, measured), gains)
        noise = 1 + read * rng.standard_normal(len(measured))
        made.append((drive, conducted(device, states, drive.voltage) * noise))
    return made


def _gains(device: Perovskite, drive: Drive, measured: Array, floor: Ampere) -> tuple[float, float]:
    """Return ln of the factors on SET and RESET doses that explain a cycle, NaN if none shows."""
    start, up = start_of(device, drive, measured), drive.voltage > 0

    def left(gains: Array) -> Array:
        states = states_after(device, drive, start, np.where(up, gains[0], gains[1]))
        simulated = conducted(device, states, drive.voltage)
        difference: Array = np.arcsinh(simulated / floor) - np.arcsinh(measured / floor)
        return np.where(drive.limited, 0.0, difference)

    best = least_squares(
        left,
        np.zeros(2),
        bounds=(-LARGEST, LARGEST),
        loss="huber",
        f_scale=HUBER,
        diff_step=np.full(2, 1e-3),
    )
    shown = (np.sum(np.asarray(best.jac) ** 2, axis=0) > 0) & (np.abs(best.x) < 0.99 * LARGEST)
    first, second = np.where(shown, best.x, np.nan).tolist()
    return first, second


def _robust_variance(values: Array) -> float:
    """Return the variance of values, those beyond `OUTLIER` deviations of the median left out."""
    distance = np.abs(values - np.median(values))
    deviation = 1.4826 * float(np.median(distance))
    return float(np.var(values[distance <= OUTLIER * deviation], ddof=1))
