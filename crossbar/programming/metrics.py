"""Figures of merit of a programming: what is measured around it, and how it is counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import Array, Backend, BenchError, Mask, Second, Siemens, Volt
from crossbar.mapping import Window

INPUTS_SEED = 0
"""Of the inputs of the multiplies, so that every programming is asked the same."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is measured around a programming, beside what it needs itself.

    Parameters
    ----------
    rereads
        Times after programming at which every cell is read again, s.
    disturb
        Read the whole array before and after every pass, and log what happened to cells that were
        not pulsed meanwhile.
    multiplies
        Random inputs that are multiplied before and after; 0 for none.

    Raises
    ------
    BenchError
        If a time or the number of inputs is negative or not finite.
    """

    rereads: tuple[Second, ...] = (0.1, 1.0, 10.0)
    disturb: bool = True
    multiplies: int = 32

    def __post_init__(self) -> None:
        for delay in self.rereads:
            if not 0 <= delay < np.inf:
                raise BenchError(f"metrics rereads: {delay} s is not a time")
        if self.multiplies < 0:
            raise BenchError(f"metrics multiplies = {self.multiplies} is not 0 or more")


NOTHING = Metrics(rereads=(), disturb=False, multiplies=0)
"""For who only wants the cells programmed."""


@dataclass(frozen=True, slots=True, eq=False)
class Reread:
    """Cells read again after programming.

    Parameters
    ----------
    delay
        When it was to begin, after the end of programming, s.
    after
        The middle of the time it took, after the end of programming, s: a slow bench reads late.
    conductance
        S, array shape, NaN where nothing was programmed.
    """

    delay: Second
    after: Second
    conductance: Array


@dataclass(frozen=True, slots=True)
class MultiplyError:
    """Relative rms error of products of random inputs, I against V G.

    Parameters
    ----------
    inputs
        How many.
    before
        Before programming, against the conductances that were read then: the bench's own error.
    after
        At the end, against the targets (what has none counts as it was read).
    after_unstuck
        The same, with stuck cells taken as they were read.
    after_read
        At the end, against the conductances that were read then: the bench's own error again.
    """

    inputs: int
    before: float
    after: float
    after_unstuck: float
    after_read: float

    def plain(self) -> dict[str, object]:
        """Return the figures as plain values; what cannot be said is None."""
        values = {"before": self.before, "after": self.after}
        values |= {"after_without_stuck": self.after_unstuck, "after_as_read": self.after_read}
        told = {name: None if np.isnan(value) else value for name, value in values.items()}
        return {"inputs": self.inputs, **told}


def multiply_error(
    backend: Backend, offset: Array, voltage: Volt, count: int, truths: list[Array]
) -> list[float]:
    """Return the relative rms error of products against each of several conductances.

    Parameters
    ----------
    backend
        The bench, which drives all inputs in one call.
    offset
        Current of each bit line at 0 V, A.
    voltage
        The largest input, V.
    count
        How many inputs, each uniform between plus and minus `voltage` on every word line.
    truths
        S, array shape.
    """
    rng = np.random.default_rng(INPUTS_SEED)
    inputs = rng.uniform(-voltage, voltage, (count, backend.shape[0]))
    reading = backend.drive(inputs)
    current, seen = reading.current - offset, ~reading.clipped
    return [_relative(current, inputs @ truth, seen) for truth in truths]


def _relative(current: Array, product: Array, seen: Mask) -> float:
    scale = float(np.sqrt(np.mean(product[seen] ** 2))) if seen.any() else 0.0
    if not scale > 0:
        return float("nan")
    return float(np.sqrt(np.mean((current - product)[seen] ** 2))) / scale


def effective_bits(sigma: Siemens, window: Window) -> float | None:
    """Return log2 of how many 95 % intervals of errors fit into the window; None for no error.

    References
    ----------
    The number of levels that a standard deviation leaves apart: range / (2 * 1.96 sigma).
    """
    if not 0 < sigma < np.inf:
        return None
    return float(np.log2((window.high - window.low) / (2 * 1.96 * sigma)))


def spread(values: ArrayLike) -> dict[str, float | None]:
    """Return mean, median, 95th percentile and largest of some values; None of nothing."""
    given = np.asarray(values, dtype=np.float64)
    if not given.size:
        return {"mean": None, "median": None, "p95": None, "max": None}
    return {
        "mean": float(np.mean(given)),
        "median": float(np.median(given)),
        "p95": float(np.percentile(given, 95)),
        "max": float(given.max()),
    }


def error_figures(error: Array, window: Window) -> dict[str, object]:
    """Return the distribution of errors (S): magnitudes, standard deviation, effective bits."""
    if not error.size:
        return {"median_S": None, "p95_S": None, "sd_S": None, "sd_of_range": None, "bits": None}
    size, sigma = np.abs(error), float(np.std(error))
    return {
        "median_S": float(np.median(size)),
        "p95_S": float(np.percentile(size, 95)),
        "sd_S": sigma,
        "sd_of_range": sigma / (window.high - window.low),
        "bits": effective_bits(sigma, window),
    }
