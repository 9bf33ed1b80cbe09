"""Many ohmic arrays as matrices at once, in torch: differentiable, and on a GPU where there is one.

Word lines are eliminated row by row, then the bit lines' nodes from their free ends down. It costs
the fourth power of the lines; `crossbar.wires.effective` is faster for one array on a CPU.
"""

import torch
from torch import Tensor

from crossbar.backend import DataError
from crossbar.wires import Lines


def effective_all(conductances: Tensor, lines: Lines) -> Tensor:
    """Return the matrices that arrays of ohmic cells are between their terminals, S.

    Parameters
    ----------
    conductances
        S, shape ``(arrays, n_word, n_bit)``; float64 unless digits do not matter.
    lines
        Of all of them.

    Returns
    -------
    Tensor
        Of the same shape; a gradient is exact.

    Raises
    ------
    DataError
        If the lines have no resistance but their ends do, or the shape has no three axes.
    """
    if conductances.ndim != 3:
        raise DataError(f"conductances of shape {tuple(conductances.shape)} are no row of arrays")
    if lines.segment == 0:
        if lines.source or lines.sense:
            raise DataError("lines without resistance behind ends with some are not solved here")
        return conductances
    G = conductances
    _, n_word, n_bit = G.shape
    g = 1.0 / lines.segment
    source, sense = 1.0 / (lines.segment + lines.source), 1.0 / (lines.segment + lines.sense)
    eye = torch.eye(n_bit, dtype=G.dtype, device=G.device)
    word = _ladder(n_bit, g, source, G)
    done = drives = torch.empty(0)
    for i in range(n_word):
        row = G[:, i]
        inverse = torch.linalg.inv(word + torch.diag_embed(row))
        own = torch.diag_embed(row) - row[:, :, None] * inverse * row[:, None, :]
        drive = (source * row * inverse[:, :, 0])[:, :, None]
        below = g if i < n_word - 1 else sense
        if i == 0:
            matrix, drives = own + below * eye, drive
        else:
            matrix = own + (g + below) * eye - g * g * done
            drives = torch.cat([g * done @ drives, drive], dim=2)
        done = torch.linalg.inv(matrix)
    return (sense * done @ drives).transpose(1, 2)


def _ladder(nodes: int, g: float, first: float, like: Tensor) -> Tensor:
    """Return the conductance matrix of a line whose first node has a terminal."""
    step = torch.diff(torch.eye(nodes, dtype=like.dtype, device=like.device), dim=0)
    matrix = g * step.T @ step
    matrix[0, 0] += first
    return matrix
