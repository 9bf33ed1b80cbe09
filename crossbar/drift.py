"""Drift compensation: what conductances have lost in common, from a reference read then and now.

A fixed reference input is driven right after programming and again later, and the currents of both
bit lines of every output are added up. Conductances are positive, so that these sums never vanish;
the ratio of the two is the factor by which products have become too small. It needs no data and no
pulse. What cells have lost one by one it cannot know.

References
----------
Joshi et al., Nature Communications 11, 2473 (2020), "global drift compensation": one factor for a
layer from the summed currents of its bit lines.
"""

from collections.abc import Sequence

import numpy as np

from crossbar.backend import Array, Backend, BenchError, Volt
from crossbar.blocks import Placed

SCOPES = ("global", "layer", "output")
"""Over what one factor is taken: the whole array, each matrix, or each of its outputs."""


def reference_currents(
    backend: Backend, offset: Array, placed: Sequence[Placed], voltage: Volt, repeats: int
) -> list[Array]:
    """Return the current of each output of each matrix with every input at full scale.

    Parameters
    ----------
    backend
        Drives each block of each matrix this often, one call for all.
    offset
        Current of each bit line at 0 V, A.
    placed
        Where the matrices lie.
    voltage
        On every word line of the block, V.
    repeats
        Readings averaged.

    Returns
    -------
    list of Array
        A, shape ``(n_out,)`` each: both bit lines of the output, all copies.

    Raises
    ------
    BenchError
        If a bit line is at the end of its converter's range.
    """
    word_lines = backend.shape[0]
    driven = [p.voltages(np.full((repeats, p.shape[0]), voltage), word_lines) for p in placed]
    reading = backend.drive(np.concatenate(driven))
    ends = np.cumsum([len(voltages) for voltages in driven])[:-1]
    flags = np.split(reading.flags, ends)
    currents = np.split(reading.current - offset, ends)
    for k, (p, flag) in enumerate(zip(placed, flags, strict=True)):
        if p.clipped(flag).any():
            raise BenchError(
                f"layer {k} reads beyond its converters' range with every input at {voltage} V: "
                "there is no reference"
            )
    return [p.sums(current).mean(axis=0) for p, current in zip(placed, currents, strict=True)]


def factors(before: Sequence[Array], now: Sequence[Array], scope: str) -> list[Array]:
    """Return what products have to be multiplied by to be what they were, for each output.

    Parameters
    ----------
    before, now
        Reference currents of each matrix, A, shape ``(n_out,)`` each.
    scope
        A name in `SCOPES`.

    Raises
    ------
    BenchError
        If the scope does not exist, or a current has gone.
    """
    if scope not in SCOPES:
        raise BenchError(f"drift over {scope!r} is not one of {', '.join(SCOPES)}")
    if scope == "global":
        total = np.concatenate(list(now)).sum()
        pairs = [(np.concatenate(list(before)).sum(), total) for _ in now]
    elif scope == "layer":
        pairs = [(b.sum(), n.sum()) for b, n in zip(before, now, strict=True)]
    else:
        pairs = list(zip(before, now, strict=True))
    if not all(np.all(b > 0) and np.all(n > 0) for b, n in pairs):
        raise BenchError("a reference current is not positive: there is nothing left to scale")
    return [np.broadcast_to(b / n, then.shape) for (b, n), then in zip(pairs, now, strict=True)]
