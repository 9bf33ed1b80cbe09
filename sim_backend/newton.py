"""Arrays of nonlinear cells by damped Newton, many inputs at once.

Each step replaces every cell by its tangent and solves the linear array exactly. The current that
wires carry to a cell is then known at every iterate without a product, and what the cell takes less
that current is Kirchhoff's residual at both of its nodes.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, DataError, Indices
from sim_backend.devices.device import Law
from sim_backend.wires import Wires

SETTLED = 1e-12
"""Kirchhoff residual of a solution, as a fraction of the input's largest cell current."""

STALLED = 1e-10
"""Where rounding lets no step reduce the residual further, up to this one a solution is taken."""

STEPS = 60
"""Newton doubles its digits per step near the solution; more steps mean that there is none."""

SHORTEST = 1e-6
"""Of a step: where even this part of it does not reduce the residual, there is no way on."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Cell voltages, and how they were found.

    Parameters
    ----------
    voltage
        V, shape ``(batch, n_word, n_bit)``.
    word, bit
        Departures of the lines at each cell, V, same shape.
    steps
        Of Newton, shape ``(batch,)``.
    residual
        Kirchhoff's, as a fraction of the largest cell current, shape ``(batch,)``.
    """

    voltage: Array
    word: Array
    bit: Array
    steps: Indices
    residual: Array


@dataclass(slots=True, eq=False)
class _Iterate:
    """Where the inputs that are still under way are: departures, and what the wires carry, A."""

    word: Array
    bit: Array
    carried: Array

    def __getitem__(self, chosen: Indices) -> "_Iterate":
        return _Iterate(self.word[chosen], self.bit[chosen], self.carried[chosen])

    def towards(self, other: "_Iterate", part: Array) -> "_Iterate":
        """Return the iterate this part of the way to another: wires being linear, of all alike."""
        lam = part[:, None, None]
        pairs = zip(
            (self.word, self.bit, self.carried), (other.word, other.bit, other.carried), strict=True
        )
        return _Iterate(*(a + lam * (b - a) for a, b in pairs))


def solve(
    wires: Wires, conductances: Array, law: Law, ideal: Array, ends: tuple[Array, Array]
) -> Found:
    """Return the solution for each input.

    Parameters
    ----------
    wires
        Of the array.
    conductances
        Small-signal, S, shape ``(n_word, n_bit)``.
    law
        I-V law of the cells.
    ideal
        Cell voltages if the lines were unloaded, V, shape ``(batch, n_word, n_bit)``.
    ends
        From `Wires.ends`, shapes ``(batch, lines)`` or ``(1, lines)``.

    Raises
    ------
    DataError
        If an input has no solution, or none was found.
    """
    G, count = conductances, len(ideal)
    here = _tangent(wires, G[None], ends, G * ideal)
    voltage, word, bit = (np.empty(ideal.shape) for _ in range(3))
    result = Found(voltage, word, bit, np.zeros(count, np.intp), np.zeros(count))
    active = np.arange(count)

    def taken(at: _Iterate, inputs: Indices) -> tuple[Array, Array]:
        voltage = ideal[inputs] + (at.word - at.bit)
        # A step too far may overflow: it is not taken.
        with np.errstate(over="ignore", invalid="ignore"):
            current: Array = G * law.effective(voltage)
        return voltage, current

    def keep(chosen: Indices, voltage: Array, residual: Array) -> None:
        at = active[chosen]
        result.voltage[at], result.residual[at] = voltage[chosen], residual[chosen]
        result.word[at], result.bit[at] = here.word[chosen], here.bit[chosen]

    for step in range(STEPS):
        voltage, current = taken(here, active)
        residual = _relative(current - here.carried, current)
        settled = residual <= SETTLED
        result.steps[active] = step
        keep(np.flatnonzero(settled), voltage, residual)
        left = np.flatnonzero(~settled)
        if not len(left):
            return result
        active, here, voltage, current = active[left], here[left], voltage[left], current[left]
        residual = residual[left]
        slopes = G * law.slope(voltage)
        lines = tuple(end if len(end) == 1 else end[active] for end in ends)
        excess = current - slopes * (voltage - ideal[active])
        there = _tangent(wires, slopes, (lines[0], lines[1]), excess)
        before = _size(current - here.carried)
        part = np.ones(len(active))
        while True:
            blended = here.towards(there, part)
            _, reached = taken(blended, active)
            worse = ~(_size(reached - blended.carried) < before)
            if not worse.any():
                break
            part[worse] /= 2
            stuck = np.flatnonzero(worse & (part < SHORTEST))
            if len(stuck):
                if residual[stuck].max() > STALLED:
                    raise DataError(_unsolved(residual[stuck].max()))
                keep(stuck, voltage, residual)
                rest = np.setdiff1d(np.arange(len(active)), stuck)
                if not len(rest):
                    return result
                active, here, there = active[rest], here[rest], there[rest]
                voltage, residual = voltage[rest], residual[rest]
                before, part = before[rest], part[rest]
        here = blended
    raise DataError(_unsolved(float(residual.max())))


def _tangent(wires: Wires, slopes: Array, ends: tuple[Array, Array], excess: Array) -> _Iterate:
    found = wires.solve(slopes, *ends, excess)
    return _Iterate(found.word, found.bit, excess + slopes * found.across)


def _size(mismatch: Array) -> Array:
    """Return the norm of each input's mismatch."""
    with np.errstate(over="ignore", invalid="ignore"):
        norm: Array = np.sqrt(np.square(mismatch).sum(axis=(1, 2)))
    return norm


def _relative(mismatch: Array, current: Array) -> Array:
    largest = np.abs(current).max(axis=(1, 2))
    worst: Array = np.abs(mismatch).max(axis=(1, 2))
    part: Array = np.where(worst > 0, np.inf, 0.0)
    np.divide(worst, largest, out=part, where=largest > 0)
    return part


def _unsolved(residual: float) -> str:
    return (
        f"the array's circuit did not converge; currents are off by {residual:.3g} of the largest"
    )
