"""What wires do to conductances: the simulator's exact circuit, for anyone who has conductances."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Ohm


@dataclass(frozen=True, slots=True)
class Lines:
    """Resistances of an array's lines; word lines start at their terminals, bit lines end there.

    Parameters
    ----------
    segment
        From cell to cell, and from cell to the first and last, ohm.
    source, sense
        Between each word-line terminal, each bit-line terminal, and its line, ohm.

    Raises
    ------
    BenchError
        By whoever uses it: if a resistance is negative or not finite.
    """

    segment: Ohm
    source: Ohm = 0.0
    sense: Ohm = 0.0


def effective(conductances: Array, lines: Lines) -> Array:
    """Return the matrix that an array of ohmic cells is between its terminals, S.

    Bit-line currents are word-line voltages times it, exactly, with all bit lines at 0 V. Without
    resistance it is the conductances themselves.

    Parameters
    ----------
    conductances
        S, shape ``(n_word, n_bit)``.
    lines
        Of the array.
    """
    from sim_backend.transfer import Transfer
    from sim_backend.wires import Wires

    shape = conductances.shape[0], conductances.shape[1]
    wires = Wires(shape, lines.segment, lines.source, lines.sense)
    return Transfer.of(wires, conductances).matrix


def losses(conductances: Array, lines: Lines, voltages: Array) -> Array:
    """Return the voltage that wires take from each cell, as a mean magnitude over inputs, V.

    Parameters
    ----------
    conductances
        Of ohmic cells, S, shape ``(n_word, n_bit)``.
    lines
        Of the array.
    voltages
        Of the word lines, V, shape ``(batch, n_word)``; the bit lines lie at 0 V.

    Returns
    -------
    Array
        Shape ``(n_word, n_bit)``.
    """
    from sim_backend.devices.law import SinhLaw
    from sim_backend.nodes import solve_full
    from sim_backend.wires import Wires

    shape = conductances.shape[0], conductances.shape[1]
    wires = Wires(shape, lines.segment, lines.source, lines.sense)
    bit = np.zeros((len(voltages), shape[1]))
    mean: Array = np.abs(solve_full(wires, conductances, SinhLaw(0.0), voltages, bit).lost).mean(
        axis=0
    )
    return mean
