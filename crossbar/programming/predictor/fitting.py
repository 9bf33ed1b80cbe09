"""From pulses to a predictor of structured maps."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Siemens, Volt
from crossbar.programming.predictor.monotone_fit import fit_monotone
from crossbar.programming.predictor.predictor import Predictor, TrainingRecord, Way
from crossbar.programming.predictor.shots import Shots


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the pulses of a predictor are from: the part of its record that nobody can compute.

    Parameters
    ----------
    device, source, seed, noise
        As in `TrainingRecord`.
    """

    device: str
    source: str
    seed: int = -1
    noise: str = ""


def seen_range(shots: Shots) -> tuple[Siemens, Siemens]:
    """Return the lowest and the highest conductance of pulses, S."""
    both = np.concatenate([shots.before, shots.after])
    return max(float(both.min()), 0.0), float(both.max())


def fit_predictor(
    shots: Shots, origin: Origin, seen: tuple[Siemens, Siemens] | None = None
) -> Predictor:
    """Return a predictor of two structured maps, each fitted to its polarity's pulses.

    Parameters
    ----------
    shots
        Pulses of both polarities.
    origin
        For the record.
    seen
        Range of the maps, S; by default that of the pulses.

    Raises
    ------
    DataError
        If a polarity has too few pulses.
    """
    low, high = seen_range(shots) if seen is None else seen
    (up, set_shots, set_spread), (down, reset_shots, reset_spread) = (
        _way(shots.of(sign), low, high) for sign in (1, -1)
    )
    record = TrainingRecord(
        origin.device,
        origin.source,
        origin.seed,
        set_shots,
        reset_shots,
        set_spread,
        reset_spread,
        origin.noise,
    )
    return Predictor(up, down, record)


def _way(shots: Shots, low: Siemens, high: Siemens) -> tuple[Way, int, float]:
    """Return one polarity, the number of its pulses, and the spread that is left."""
    sizes = np.abs(shots.amplitude)
    amplitude: Volt = float(np.median(sizes))
    fit = fit_monotone(shots, low, high, amplitude)
    way = Way(amplitude, float(sizes.min()), float(sizes.max()), fit.per_volt, fit.map)
    return way, len(shots), fit.spread
