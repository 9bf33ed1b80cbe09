"""Relaxation and read noise from re-reads after writes: what is verified, and what is left of it.

Each write ends with a verify read inside its band, and is read again at several times. What a
device with given constants would show is simulated without pulses: the verify read is taken as it
is, the conductance behind it departs from it by the noise of one read (cells stop where a noisy
read says so, and any conductance near the band was as likely as another), relaxation goes on from
there, and every re-read has its own noise. The constants are those whose quantiles of |Δ ln G| at
each time and group of conductances, and whose share still in the band, are nearest to the measured.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from crossbar.backend import Array, DataError, Indices, Second
from sim_backend.devices.perovskite import Perovskite

FEWEST = 100
"""Writes that a fit asks for: a 90th percentile of fewer says nothing."""

QUANTILES = (25.0, 50.0, 75.0, 90.0, 97.0)
"""Of |Δ ln G| in a group of writes at one time, percent: the middle and the tail."""

PER_GROUP = 400
"""Writes of similar conductance that are compared with each other, about."""

SMALLEST = 1e-4
"""Change of ln G below which quantiles need not agree: less than anybody's converter resolves."""

SHARES, DRIFTS = 3.0, 0.5
"""Weights of a share in the band, and of a median change in units of the median size, beside one
unit of the ln of a quantile."""

START = {
    "relax_sigma": 0.01,
    "relax_tail": 2.0,
    "relax_start": 2e-3,
    "relax_power": 6.0,
    "relax_most": 0.25,
    "retention_exponent": 3e-3,
    "retention_start": 3.0,
    "read_sigma": 1e-3,
}
"""Where the search begins; the knee besides at the median conductance."""

FLOOR = 3e-3
"""Where the search for the read noise begins, as a part of the median conductance."""

ORIGIN, STEP = 10.0, 2e-2
"""The search takes relative steps, which from zero would be none. Smaller ones would see how the
quantiles of draws jump, not how they move."""

REACH, REACH_OF_MEAN = 5.0, 2.0
"""How far the search may go: in ln of a constant, and with the mean in units of sigma."""

SEARCH_STEPS = 40


@dataclass(frozen=True, slots=True, eq=False)
class Rereads:
    """Writes that were verified and read again, as plain arrays.

    Parameters
    ----------
    low, high
        The band of each write, S, shape ``(n,)``.
    verified
        Its last verify read, S, same shape.
    times
        Of each re-read, s since that verify read, shape ``(n, k)``.
    reread
        S, same shape.

    Raises
    ------
    DataError
        If shapes differ, or a number is not positive and finite.
    """

    low: Array
    high: Array
    verified: Array
    times: Array
    reread: Array

    def __post_init__(self) -> None:
        n = len(self.verified)
        if {self.low.shape, self.high.shape} != {(n,)} or self.times.shape[:1] != (n,):
            raise DataError("bands, verify reads and times are not of the same writes")
        if self.times.ndim != 2 or self.reread.shape != self.times.shape:
            raise DataError(
                f"re-reads of shape {self.reread.shape} do not fit times of {self.times.shape}"
            )
        for name in ("low", "high", "verified", "times", "reread"):
            values = getattr(self, name)
            if not np.all((values > 0) & np.isfinite(values)):
                raise DataError(f"{name} of a write is not a positive finite number")

    def __len__(self) -> int:
        return len(self.verified)


@dataclass(frozen=True, slots=True, eq=False)
class RelaxationFit:
    """Constants that make a device relax as was measured.

    Parameters
    ----------
    device
        The perovskite model with them, everything else as it was given.
    fitted
        Names of the constants that were fitted.
    misfit
        Root mean square of what is left: of the ln of quantiles, nearly all.
    simulated
        Re-reads of the same writes by a device with these constants.
    """

    device: Perovskite
    fitted: tuple[str, ...]
    misfit: float
    simulated: Rereads

    @property
    def constants(self) -> Mapping[str, float]:
        """The fitted constants by name."""
        return {name: getattr(self.device, name) for name in self.fitted}


def reread_again(
    measured: Rereads, device: Perovskite, delay: Second, rng: np.random.Generator
) -> Rereads:
    """Return what a device would show in place of the measured re-reads.

    Parameters
    ----------
    measured
        Whose bands, verify reads and times are taken.
    device
        Only its relaxation, retention and read noise count here, all cells being the median one.
    delay
        From the end of the last pulse to the verify read, s.
    rng
        Source of all chance.
    """
    law, verified = device.relaxation, measured.verified
    noise = rng.standard_normal((1 + measured.times.shape[1], len(measured)))
    drawn = law.draw(rng, len(measured))
    true = verified - _noise(device, verified) * noise[0]
    true = np.where(true > 0, true, verified)  # a cell has a conductance, whatever its noise
    slopes = law.slopes(drawn, true)
    already = law.shift(slopes, np.full(len(measured), delay))
    reread = np.empty_like(measured.reread)
    for k, times in enumerate(measured.times.T):
        kept = (1.0 + times / device.retention_start) ** -device.retention_exponent
        left = device.conductance_off + (true - device.conductance_off) * kept
        later = left * np.exp(law.shift(slopes, times + delay) - already)
        read = later + _noise(device, later) * noise[k + 1]
        reread[:, k] = np.where(read > 0, read, later)
    return replace(measured, reread=reread)


def fit_relaxation(
    measured: Rereads,
    device: Perovskite | None = None,
    *,
    delay: Second = 1.1e-4,
    window: float = float(np.log(4.0)),
    seed: int = 0,
    repeats: int = 4,
) -> RelaxationFit:
    """Return the device whose re-reads are most like the measured.

    Parameters
    ----------
    measured
        Writes at all conductances that are to be used, 100 or more.
    device
        Where the constants that are not fitted come from; the default device without them.
    delay
        From the end of a pulse to its verify read on the bench that is to use the device, s.
    window
        Of ln(1 + t/t0), after which a cell goes on as if it had not gone before.
    seed
        Of the draws, which are the same for all constants that are tried.
    repeats
        How many times each write is simulated.

    Raises
    ------
    DataError
        If there are too few writes.
    """
    if len(measured) < FEWEST:
        raise DataError(f"{len(measured)} writes are too few for a fit; {FEWEST} are needed")
    like = Perovskite() if device is None else device
    like = replace(like, relax_window=window, relax_mean=0.0, retention_sigma=0.0)
    middle = float(np.median(measured.verified))
    start = {**START, "relax_knee": middle, "read_floor": FLOOR * middle}
    names = ("low", "high", "verified", "times", "reread")
    many = Rereads(*(np.concatenate([getattr(measured, name)] * repeats) for name in names))
    groups = _groups(measured)
    wanted, own = _summary(measured, groups), np.tile(groups, repeats)

    def tried(numbers: Array) -> Perovskite:
        # The search moves logarithms, and the mean in units of sigma, all about ORIGIN.
        logs = dict(zip(start, (numbers - ORIGIN).tolist(), strict=False))
        found = {name: start[name] * float(np.exp(log)) for name, log in logs.items()}
        mean = found["relax_sigma"] * float(numbers[-1] - ORIGIN)
        return replace(like, **found, relax_mean=mean)

    def missed(numbers: Array) -> Array:
        rng = np.random.default_rng(seed)
        return _summary(reread_again(many, tried(numbers), delay, rng), own) - wanted

    reach = np.array([REACH] * len(start) + [REACH_OF_MEAN])
    first = np.full(len(reach), ORIGIN)
    best = least_squares(
        missed,
        first,
        bounds=(first - reach, first + reach),
        diff_step=np.full(len(reach), STEP / ORIGIN),
        max_nfev=SEARCH_STEPS,
    )
    found = tried(best.x)
    return RelaxationFit(
        device=found,
        fitted=(*start, "relax_mean"),
        misfit=float(np.sqrt(np.mean(best.fun**2))),
        simulated=reread_again(many, found, delay, np.random.default_rng(seed + 1)),
    )


def _noise(device: Perovskite, conductances: Array) -> Array:
    noise: Array = np.hypot(device.read_sigma * conductances, device.read_floor)
    return noise


def _groups(measured: Rereads) -> Indices:
    """Return the number of each write's group: neighbours by the middle of their band."""
    middle = (measured.low + measured.high) / 2
    count = max(1, round(len(measured) / PER_GROUP))
    edges = np.quantile(middle, np.linspace(0, 1, count + 1)[1:-1])
    return np.searchsorted(edges, middle, side="right")


def _summary(data: Rereads, groups: Indices) -> Array:
    """Return what two sets of re-reads are compared by."""
    moved = np.log(data.reread / data.verified[:, None])
    within = (data.reread >= data.low[:, None]) & (data.reread <= data.high[:, None])
    parts: list[Array] = []
    for group in range(int(groups.max()) + 1):
        mine = groups == group
        size = np.percentile(np.abs(moved[mine]), QUANTILES, axis=0)
        drift = np.median(moved[mine], axis=0) / np.maximum(size[1], SMALLEST)
        parts += [np.log(size + SMALLEST), SHARES * within[mine].mean(axis=0), DRIFTS * drift]
    return np.concatenate([part.ravel() for part in parts])
