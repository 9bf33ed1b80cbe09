"""What sneak paths add to a read while the unselected lines float, computed before anything runs.

A floating line takes whatever voltage the cells on it make. The selected word line then reaches the
selected bit line not only through the selected cell but through every detour over three or more
other cells, and the one current that is measured is the sum. How large it is follows from the
conductances alone.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, DataError, Ohm, Siemens

DRAWS = 20
"""Arrays that are drawn for a typical error: its median then moves by a few percent (measured)."""


@dataclass(frozen=True, slots=True, eq=False)
class SneakError:
    """How far reads through a floating array are from the cells' own conductances.

    Parameters
    ----------
    relative
        Read conductance over true conductance, minus one; any shape.
    shape
        Number of word lines and of bit lines.
    low, high
        Range of the conductances that it was computed for, S.
    """

    relative: Array
    shape: tuple[int, int]
    low: Siemens
    high: Siemens

    @property
    def median(self) -> float:
        """Of the relative errors."""
        return float(np.median(self.relative))

    @property
    def largest(self) -> float:
        """Of the magnitudes of the relative errors."""
        return float(np.abs(self.relative).max())

    def sentence(self) -> str:
        """Return the error in words, for whoever is about to start a run."""
        words, bits = self.shape
        return (
            f"unselected lines float: in this {words}x{bits} array sneak paths put a read off by "
            f"{self.median:+.0%} (median of the cells; up to {self.largest:.0%}), computed for "
            f"conductances of {self.low * 1e6:.3g} to {self.high * 1e6:.3g} µS"
        )


def read_conductances(conductances: Array, resistance: Ohm = 0.0) -> Array:
    """Return what each cell reads as while all lines but its own two float.

    Parameters
    ----------
    conductances
        Of the cells, S, shape ``(n_word_lines, n_bit_lines)``, all above zero.
    resistance
        Of both switches in the selected path together, ohm; lines have none here.

    Returns
    -------
    Array
        S, same shape: current between the two selected lines over the voltage that was applied.

    Raises
    ------
    DataError
        If a conductance is not finite and above zero: a line that nothing connects has no voltage.
    """
    G = np.asarray(conductances, dtype=np.float64)
    if G.ndim != 2 or G.size == 0 or not np.all((G > 0) & np.isfinite(G)):
        raise DataError("sneak paths are computed for finite conductances above 0 S, in a table")
    n_word = G.shape[0]
    # Nodal equations of lines without resistance, one node each; the last bit line is the zero of
    # voltage. One inverse then serves every pair of lines: between i and j it is
    # Z_ii + Z_jj - 2 Z_ij that an ohmmeter sees.
    nodes = np.block(
        [[np.diag(G.sum(axis=1)), -G], [-G.T, np.diag(G.sum(axis=0))]],
    )
    impedance = np.zeros_like(nodes)
    impedance[:-1, :-1] = np.linalg.inv(nodes[:-1, :-1])
    own = np.diag(impedance)
    seen: Array = own[:n_word, None] + own[None, n_word:] - 2 * impedance[:n_word, n_word:]
    return 1 / (seen + resistance)


def sneak_error(conductances: Array, resistance: Ohm = 0.0) -> SneakError:
    """Return the error of reading these very cells through a floating array.

    Parameters
    ----------
    conductances, resistance
        As for `read_conductances`.

    Raises
    ------
    DataError
        As `read_conductances`.
    """
    relative = read_conductances(conductances, resistance) / conductances - 1
    low, high = float(np.min(conductances)), float(np.max(conductances))
    return SneakError(relative, (conductances.shape[0], conductances.shape[1]), low, high)


def typical_sneak_error(
    shape: tuple[int, int], low: Siemens, high: Siemens, resistance: Ohm = 0.0
) -> SneakError:
    """Return the error to expect where every decade between two conductances is equally likely.

    Parameters
    ----------
    shape
        Number of word lines and of bit lines.
    low, high
        Smallest and largest conductance of a cell, S.
    resistance
        As for `read_conductances`.

    Raises
    ------
    DataError
        If the two are not finite, not above zero, or in the wrong order.
    """
    if not 0 < low <= high < np.inf:
        raise DataError(f"{low} S to {high} S is not a range of conductances")
    # A sentence that is printed before each run has to be the same each time: the seed is fixed.
    drawn = np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), (DRAWS, *shape)))
    relative = np.array([sneak_error(one, resistance).relative for one in drawn])
    return SneakError(relative, shape, low, high)
