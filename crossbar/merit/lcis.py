"""The longest conductance-increasing segment of a curve (LCIS)."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from crossbar.backend import Array, DataError, Siemens


@dataclass(frozen=True, slots=True)
class Lcis:
    """Where conductance rises longest.

    Parameters
    ----------
    start, end
        First and last point.
    length
        Points in it.
    G_lo, G_hi
        Conductance at its first and at its last point, S.
    """

    start: int
    end: int
    length: int
    G_lo: Siemens
    G_hi: Siemens


def contiguous(conductance: Array, eps: float) -> Lcis:
    """Return the longest run in which every point is more than ``1 + eps`` times the one before.

    Of runs equally long the one that gains more conductance, then the earlier one. O(n).
    """
    G = conductance
    with np.errstate(invalid="ignore"):
        rising = np.diff(G) > eps * np.abs(G[:-1])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rising, [False]]).astype(np.int8)))
    if len(edges) == 0:
        first = int(np.argmax(np.isfinite(G)))
        return Lcis(first, first, 1, float(G[first]), float(G[first]))
    start, end = edges[0::2], edges[1::2]
    # lexsort is stable and its last key leads: length, gain, then the earlier start.
    best = int(np.lexsort((start, -(G[end] - G[start]), start - end))[0])
    a, b = int(start[best]), int(end[best])
    return Lcis(a, b, b - a + 1, float(G[a]), float(G[b]))


def subsequence(conductance: Array, eps: float) -> Lcis:
    """Return the longest rising subsequence, which may leave points out, by patience sorting.

    Each of its points is more than ``1 + eps`` times the one before. Of those equally long it is
    one that ends lowest. O(n log n). A device cannot be driven along it without going back.
    """
    G = np.where(np.isfinite(conductance), conductance, np.nan)
    ends: list[float] = []  # of each length, the lowest last value found
    last: list[int] = []  # and where it is
    before = np.full(len(G), -1, dtype=np.intp)
    for at, value in enumerate(G.tolist()):
        if value != value:
            continue
        pile = bisect_left(ends, value, key=lambda end: end + eps * abs(end))
        before[at] = last[pile - 1] if pile else -1
        if pile == len(ends):
            ends.append(value)
            last.append(at)
        elif value < ends[pile]:
            ends[pile], last[pile] = value, at
    start = last[-1]
    while before[start] >= 0:
        start = int(before[start])
    return Lcis(start, last[-1], len(ends), float(G[start]), float(G[last[-1]]))


MODES: Mapping[str, Callable[[Array, float], Lcis]] = MappingProxyType(
    {"contiguous": contiguous, "subsequence": subsequence}
)


def lcis(conductance: Array, mode: str = "contiguous", eps: float = 0.0) -> Lcis:
    """Return the longest conductance-increasing segment.

    Parameters
    ----------
    conductance
        S, in the order in which the device is driven, shape ``(n,)``; a NaN ends a run.
    mode
        Key of `MODES`. The paper says subsequence, and describes driving the device along it,
        which needs a run: the default.
    eps
        Part by which conductance has to rise from point to point to count as rising, at least 0.

    Raises
    ------
    DataError
        If the mode is unknown, `eps` is negative, or there is no conductance at all.

    References
    ----------
    arXiv 2412.02779, section on usability.
    """
    if mode not in MODES:
        raise DataError(f"there is no LCIS mode {mode!r}; there are: {', '.join(MODES)}")
    if not eps >= 0:
        raise DataError(f"eps = {eps} is negative: a falling conductance is not a rising one")
    if not np.isfinite(conductance).any():
        raise DataError("no conductance is a number: there is no segment that rises")
    return MODES[mode](np.asarray(conductance, dtype=np.float64), eps)
