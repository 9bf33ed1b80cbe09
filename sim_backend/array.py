"""The exact circuit of a crossbar: every cell voltage and line current, with line resistance.

Word line i is driven at its left end through one segment into cell (i, 0) and runs on through one
segment from cell to cell; bit line j ends, below the last word line, through one segment in its
terminal. With a segment resistance of zero a whole line is one node, its terminal. A terminal is
driven at a voltage or floats.

The equations are solved in cell voltages, seen from the cells as ports. With a reference
conductance G_ref in every cell the circuit is linear and factored once; the true cell currents
differ from the reference by the excess e(v) = G f(v) - G_ref v, and

    v = v_ref - P e(v)

is exact, where P is the port resistance of the reference circuit. Iterating it is the chord
method: one product per step, for all inputs together, with a factor that serves until the
conductances have moved far. Where it does not settle, damped Newton takes over, input by input.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, BenchError, DataError, Mask, Ohm
from sim_backend.devices.device import Law, State
from sim_backend.network import Network, Nodes

TOLERANCE = 1e-12
"""Largest Kirchhoff residual of a solution, as a fraction of the input's largest cell current."""

CHORD_STEPS_REUSED = 12
"""Steps given to an old factor; slower than this, a new factor is cheaper."""

CHORD_STEPS = 40
"""Steps given to a new factor before Newton is tried."""

NEWTON_STEPS = 60
"""Newton doubles its digits per step near the solution; more steps mean that there is none."""

SHORTEST_STEP = 1e-6
"""Of a Newton step: where even this does not reduce the residual, there is no way on."""


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What flows in the array, for each input of a batch.

    Parameters
    ----------
    voltage
        Across each cell, word line against bit line, V, shape ``(batch, n_word, n_bit)``.
    current
        Through each cell, A, same shape.
    """

    voltage: Array
    current: Array

    @property
    def word_current(self) -> Array:
        """Current from each word-line terminal into the array, A, shape ``(batch, n_word)``."""
        total: Array = self.current.sum(axis=2)
        return total

    @property
    def bit_current(self) -> Array:
        """Current out of the array into each bit-line terminal, A, shape ``(batch, n_bit)``."""
        total: Array = self.current.sum(axis=1)
        return total


class Circuit:
    """Solver for one array geometry; it keeps the last factor.

    Parameters
    ----------
    shape
        Number of word lines and of bit lines.
    segment
        Resistance of each line segment, ohm, zero or more.
    lead
        Resistance between each terminal and its line's first segment, ohm, zero or more: that of
        a switch.
    prepared
        Whether to keep the response to each terminal with a factor: much faster for a few inputs
        at a time, and different from the direct solution in the last digits.

    Raises
    ------
    BenchError
        If there are no lines, or a resistance is negative or not finite.
    """

    def __init__(
        self, shape: tuple[int, int], segment: Ohm, lead: Ohm = 0.0, *, prepared: bool = False
    ) -> None:
        if min(shape) < 1:
            raise BenchError(f"an array of {shape} lines has no cells")
        for name, ohms in (("line", segment), ("lead", lead)):
            if not 0 <= ohms < np.inf:
                raise BenchError(f"{name} resistance {ohms} ohm is not zero or more")
        self._shape = shape
        self._nodes = Nodes.of(shape, segment, lead)
        self._network: Network | None = None
        self._shares: tuple[Network, Array] | None = None
        self._prepared = prepared
        self._responses: tuple[Network, Array] | None = None

    def solve(
        self,
        conductances: Array,
        law: Law,
        word: Array,
        bit: Array,
        driven: tuple[Mask, Mask] | None = None,
    ) -> Solution:
        """Return the cell voltages and currents for each input.

        Parameters
        ----------
        conductances
            Small-signal, S, shape ``(n_word, n_bit)``.
        law
            I-V law of the cells.
        word, bit
            Terminal voltages, V, shapes ``(batch, n_word)`` and ``(batch, n_bit)``; ignored at
            floating terminals.
        driven
            True at driven word-line and bit-line terminals; all are driven by default.

        Raises
        ------
        DataError
            If the circuit has no unique solution, or none was found.
        """
        terminals = np.concatenate([word, bit], axis=1)
        mask = np.ones(terminals.shape[1], bool) if driven is None else np.concatenate(driven)
        if self._nodes.all_known(mask):
            self._network = None
            voltage = word[:, :, None] - bit[:, None, :]
        else:
            flat = conductances.ravel()
            word_of, bit_of = np.indices(self._shape).reshape(2, -1)
            own = law.at((word_of, bit_of))
            voltage = self._cell_voltages(flat, own, terminals, mask).reshape(-1, *self._shape)
        return Solution(voltage, conductances * law.effective(voltage))

    def shares(self) -> Array:
        """Return how much of a current added through each cell reaches each bit-line terminal.

        Of the circuit solved last, for small additions at small signal: by reciprocity it is the
        voltage at the cell per volt at the terminal. Without line resistance and with all
        terminals driven it is 1 for a cell's own bit line and 0 for the others.

        Returns
        -------
        Array
            Shape ``(n_bit, n_word, n_bit)``; terminal first, then the cell.
        """
        n_word, n_bit = self._shape
        network = self._network
        if network is None:
            return np.repeat(np.eye(n_bit)[:, None, :], n_word, axis=1)
        if self._shares is None or self._shares[0] is not network:
            volt_at_bit_line = np.eye(n_word + n_bit)[n_word:]
            answer = -network.linear(volt_at_bit_line).reshape(n_bit, n_word, n_bit)
            self._shares = network, answer
        return self._shares[1]

    def snapshot(self) -> State:
        """Return what the kept factor was made from; all False in ``driven`` if there is none.

        A solution depends on the factor that it started from, in its last digits.
        """
        network = self._network
        if network is None:
            n_word, n_bit = self._shape
            return {"reference": np.zeros(n_word * n_bit), "driven": np.zeros(n_word + n_bit, bool)}
        return {"reference": network.reference.copy(), "driven": network.driven.copy()}

    def restore(self, state: State) -> None:
        """Make the factor of a snapshot of the same geometry again."""
        reference, driven = np.array(state["reference"]), np.array(state["driven"])
        self._network = Network.of(self._nodes, reference, driven) if driven.any() else None

    def _cell_voltages(self, G: Array, law: Law, terminals: Array, driven: Mask) -> Array:
        network = self._network
        if network is not None and network.serves(driven):
            v, settled = _chord(
                network, G, law, self._linear(network, terminals), CHORD_STEPS_REUSED
            )
            if settled.all():
                return v
        network = Network.of(self._nodes, G, driven)
        start = self._linear(network, terminals)
        v, settled = _chord(network, G, law, start, CHORD_STEPS)
        for k in np.flatnonzero(~settled):
            v[k] = _newton(network, G, law, start[k])
        # Kept only now: a factor for a circuit that has no solution would serve nobody.
        self._network = network
        return v

    def _linear(self, network: Network, terminals: Array) -> Array:
        if not self._prepared:
            return network.linear(terminals)
        if self._responses is None or self._responses[0] is not network:
            self._responses = network, network.linear(np.eye(terminals.shape[1]))
        voltages: Array = terminals @ self._responses[1]
        return voltages


def _chord(network: Network, G: Array, law: Law, start: Array, steps: int) -> tuple[Array, Mask]:
    """Iterate v = v_ref - P e(v); return the cell voltages and which inputs have settled.

    The change of e from one step to the next is exactly the Kirchhoff residual of the step.
    """
    v, previous = start, np.zeros_like(start)
    settled = np.zeros(len(start), bool)
    # An input that diverges overflows before its steps are used up; it is not settled, and Newton
    # starts anew from `start`.
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps):
            current = G * law.effective(v)
            excess = current - network.reference * v
            residual = np.abs(excess - previous).max(axis=1)
            finite = np.isfinite(residual)
            settled = finite & (residual <= TOLERANCE * np.abs(current).max(axis=1))
            if settled.all() or not finite.any():
                break
            v, previous = start - network.answer(excess), excess
    return v, settled


def _newton(network: Network, G: Array, law: Law, start: Array) -> Array:
    """Return the cell voltages of one input by damped Newton on F(v) = v - v_ref + P e(v)."""

    def mismatch(v: Array) -> Array:
        excess = G * law.effective(v) - network.reference * v
        cost: Array = network.answer(excess[None])[0]
        return v - start + cost

    v: Array = start
    with np.errstate(over="ignore", invalid="ignore"):
        F = mismatch(v)
        for _ in range(NEWTON_STEPS):
            slope = G * law.slope(v)
            if np.abs(slope * F).max() <= TOLERANCE * np.abs(G * law.effective(v)).max():
                return v
            step = network.newton_step(slope, F)
            size = 1.0
            while not np.linalg.norm(mismatch(v + size * step)) < np.linalg.norm(F):
                size /= 2
                if size < SHORTEST_STEP:
                    raise DataError(_unsolved(F))
            v = v + size * step
            F = mismatch(v)
    raise DataError(_unsolved(F))


def _unsolved(mismatch: Array) -> str:
    worst = np.abs(mismatch).max()
    return f"the array's circuit did not converge; cell voltages are off by {worst:.3g} V"
