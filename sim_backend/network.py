"""The array's nodal equations at reference conductances, factored."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from crossbar.backend import Array, DataError, Indices, Mask, Ohm

Sparse: TypeAlias = Any
"""A SciPy sparse array of float64; scipy-stubs has no short name that fits all formats."""

DENSE_NODES = 800
"""Up to a 20x20 array an explicit inverse is faster than sparse triangular solves (measured)."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """Nodes, wires and cells of an array; terminals are the first nodes, word lines before bit.

    Parameters
    ----------
    count
        Number of nodes.
    terminals
        Number of terminals.
    wires
        Laplacian of the line segments, S, shape ``(count, count)``.
    cells
        Incidence, +1 at a cell's word line and -1 at its bit line, shape ``(count, n_cells)``.
    """

    count: int
    terminals: int
    wires: Sparse
    cells: Sparse

    @classmethod
    def of(cls, shape: tuple[int, int], segment: Ohm, lead: Ohm = 0.0) -> "Nodes":
        """Return the nodes of an array with these resistances of segments and of leads, ohm."""
        n_word, n_bit = shape
        cells = n_word * n_bit
        terminals = n_word + n_bit
        word, bit = np.indices(shape)
        if segment == 0 and lead == 0:
            at_word, at_bit = word, n_word + bit
            count, wires = terminals, sparse.csr_array((terminals, terminals))
        elif segment == 0:
            at_word, at_bit = terminals + word, terminals + n_word + bit
            count = 2 * terminals
            leads = _incidence(np.arange(terminals), terminals + np.arange(terminals), count)
            wires = (leads @ leads.T / lead).tocsr()
        else:
            at_word = terminals + np.arange(cells).reshape(shape)
            at_bit = at_word + cells
            count = terminals + 2 * cells
            # Each cell's word-line node has one segment to its left, its bit-line node one below.
            left = np.hstack([np.arange(n_word)[:, None], at_word[:, :-1]])
            below = np.vstack([at_bit[1:], n_word + np.arange(n_bit)[None, :]])
            starts = np.concatenate([at_word.ravel(), at_bit.ravel()])
            ends = np.concatenate([left.ravel(), below.ravel()])
            segments = _incidence(starts, ends, count)
            ohms = np.where(ends < terminals, segment + lead, segment)
            wires = (segments @ sparse.diags_array(1.0 / ohms) @ segments.T).tocsr()
        return cls(count, terminals, wires, _incidence(at_word.ravel(), at_bit.ravel(), count))

    def all_known(self, driven: Mask) -> bool:
        """Return True if every node's voltage is given: all terminals driven, no wires."""
        return self.count == self.terminals and bool(driven.all())


def _incidence(starts: Indices, ends: Indices, count: int) -> Sparse:
    edges = np.arange(len(starts))
    values = np.repeat([1.0, -1.0], len(edges))
    at = np.concatenate([starts, ends]), np.concatenate([edges, edges])
    return sparse.csr_array((values, at), shape=(count, len(edges)))


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The linear circuit with `reference` in every cell, seen from its cells.

    Parameters
    ----------
    reference
        S, shape ``(n_cells,)``.
    driven
        Which terminals are driven, word lines before bit lines.
    wires
        Laplacian of the line segments among the unknown nodes, S.
    cells
        Incidence of the unknown nodes.
    coupling
        Right-hand side of the unknown nodes per volt at each driven terminal.
    through
        Incidence of the driven terminals: their direct part of each cell's voltage.
    inverse
        Solves the nodal equations for right-hand sides in columns.
    ports
        P as a dense matrix, ohm, or None for large arrays.
    """

    reference: Array
    driven: Mask
    wires: Sparse
    cells: Sparse
    coupling: Sparse
    through: Sparse
    inverse: Callable[[Array], Array]
    ports: Array | None

    @classmethod
    def of(cls, nodes: Nodes, reference: Array, driven: Mask) -> "Network":
        """Return the factored circuit.

        Raises
        ------
        DataError
            If a node is connected to nothing that fixes its voltage.
        """
        known = np.zeros(nodes.count, bool)
        known[: nodes.terminals] = driven
        fixed, unknown = np.flatnonzero(known), np.flatnonzero(~known)
        cells, through = nodes.cells[unknown], nodes.cells[fixed]
        loads = sparse.diags_array(reference)
        wires = nodes.wires[unknown]
        matrix = (wires[:, unknown] + cells @ loads @ cells.T).tocsc()
        coupling = -(wires[:, fixed] + cells @ loads @ through.T)
        inverse, ports = _factor(matrix), None
        if len(unknown) <= DENSE_NODES:
            dense = inverse(np.eye(len(unknown)))
            ports = cells.T @ (cells.T @ dense).T
            inverse = dense.__matmul__
        return cls(reference, driven, wires[:, unknown], cells, coupling, through, inverse, ports)

    def serves(self, driven: Mask) -> bool:
        """Return True if this network has these terminals driven."""
        return bool(np.array_equal(driven, self.driven))

    def linear(self, terminals: Array) -> Array:
        """Return the cell voltages, V, ``(batch, n_cells)``, of the linear circuit.

        Parameters
        ----------
        terminals
            V, shape ``(batch, n_terminals)``; floating ones are ignored.
        """
        sources = terminals[:, self.driven]
        used = np.flatnonzero(sources.any(axis=0))
        if len(used) >= len(sources):
            return self._response(sources.T).T
        # More inputs than sources: superpose the response to each source.
        unit = np.zeros((sources.shape[1], len(used)))
        unit[used, np.arange(len(used))] = 1.0
        superposed: Array = sources[:, used] @ self._response(unit).T
        return superposed

    def answer(self, injected: Array) -> Array:
        """Return P times currents through the cells: the voltages they cost, ``(batch, n_cells)``.

        Parameters
        ----------
        injected
            A, shape ``(batch, n_cells)``.
        """
        if self.ports is not None:
            return injected @ self.ports
        voltages: Array = (self.cells.T @ self.inverse(self.cells @ injected.T)).T
        return voltages

    def newton_step(self, slope: Array, mismatch: Array) -> Array:
        """Return the solution d of (I + P (slope - reference)) d = -mismatch.

        By the Woodbury identity it needs the nodal matrix at the cells' true slopes, and no P.
        """
        matrix = self.wires + self.cells @ sparse.diags_array(slope) @ self.cells.T
        excess = (slope - self.reference) * mismatch
        correction: Array = self.cells.T @ _factor(matrix.tocsc())(self.cells @ excess)
        return correction - mismatch

    def _response(self, sources: Array) -> Array:
        """Return cell voltages in columns for driven-terminal voltages in columns."""
        nodes = self.inverse(self.coupling @ sources)
        voltages: Array = self.cells.T @ nodes + self.through.T @ sources
        return voltages


def _factor(matrix: Sparse) -> Callable[[Array], Array]:
    try:
        # The matrix is symmetric and positive definite: pivots may stay on the diagonal.
        factor = splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError as error:
        raise DataError("a floating line is connected to nothing that fixes its voltage") from error
    return factor.solve
