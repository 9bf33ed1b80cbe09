"""What a crossbar gives back: conductances, products and program reports, each with its doubt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Cells, Flag, Flags, Mask, Second, Siemens
from crossbar.mapping import Placed
from crossbar.programming.report import CellReport, Status


@dataclass(frozen=True, slots=True, eq=False)
class Conductances:
    """Conductances read from the whole array.

    Parameters
    ----------
    value
        Mean over the reads, S, shape ``(n_word_lines, n_bit_lines)``.
    uncertainty
        Standard error of that mean, S, same shape; NaN for a single read.
    flags
        `Flag` bits of all the reads together, same shape.
    """

    value: Array
    uncertainty: Array
    flags: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Products computed by the array, beside the exact ones.

    Parameters
    ----------
    values
        From the array, corrected by the calibration if there is one, shape ``(batch, n_out)``.
    digital
        Exact product of the same inputs with the matrix that was asked for, same shape.
    uncertainty
        Standard deviation expected of ``values - digital`` per output, shape ``(n_out,)``: the
        calibration's residual, or before a calibration what the re-read conductances predict. NaN
        where a product was clipped, because nothing bounds its error.
    uncertainty_age
        Bench time since what `uncertainty` rests on was measured, s: cells have relaxed since.
    flags
        `Flag` bits of the two bit lines of each product, shape ``(batch, n_out)``.
    """

    values: Array
    digital: Array
    uncertainty: Array
    uncertainty_age: Second
    flags: Flags

    @property
    def errors(self) -> Array:
        """Hardware minus digital, shape ``(batch, n_out)``."""
        return self.values - self.digital

    @property
    def clipped(self) -> Mask:
        """True for products with a converter at the end of its range."""
        return np.asarray(self.flags & Flag.CLIPPED, dtype=np.bool_)


@dataclass(frozen=True, slots=True, eq=False)
class ProgramReport:
    """What became of every programmed cell; arrays have the array's shape, NaN or -1 if untouched.

    Parameters
    ----------
    placed
        Where each matrix lies; empty if conductances were programmed directly.
    shortfall
        For each matrix, the part of each weight that the window and stuck cells leave out of
        reach, in the weights' unit.
    passes
        Every write-verify pass, in order.
    target, verified, ended, reread
        Conductance wanted, at the cell's last verify, read again when the last cell was done, and
        `reread_delay` after that, S. From `verified` to `ended` a cell suffers what the pulses of
        its neighbours do to it (and relaxes for as long), from `ended` to `reread` it relaxes.
    status
        `Status` of each cell, -1 where nothing was programmed.
    pulses
        Pulses of each cell over all passes.
    clipped
        Reads at the end of the converter's range, all passes and re-reads together.
    tolerance
        Half-width of the band, S.
    reread_delay
        Between the end of programming and the re-read, s.
    seconds
        Bench time from the first read to the re-read, s.
    """

    placed: tuple[Placed, ...]
    shortfall: tuple[Array, ...]
    passes: tuple[CellReport, ...]
    target: Array
    verified: Array
    ended: Array
    reread: Array
    status: NDArray[np.int8]
    pulses: NDArray[np.intp]
    clipped: int
    tolerance: Siemens
    reread_delay: Second
    seconds: Second

    @property
    def programmed(self) -> Mask:
        """True for cells that belong to what was programmed, stuck ones included."""
        return self.status >= 0

    @property
    def stuck(self) -> Cells:
        """The cells that no pulse moves."""
        return self.left_as(Status.STUCK)

    def left_as(self, status: Status) -> Cells:
        """Return the cells that programming left in this status, word line by word line."""
        word, bit = np.nonzero(self.status == status)
        return Cells(word, bit)

    def _share(self, conductance: Array) -> float:
        chosen = self.programmed
        inside = np.abs(conductance[chosen] - self.target[chosen]) <= self.tolerance
        # A stuck cell sits on its "target" by definition; it was not programmed to it.
        inside &= self.status[chosen] != Status.STUCK
        return float(np.mean(inside)) if inside.size else float("nan")

    @property
    def success_at_verify(self) -> float:
        """Share of the cells in their band at the last verify read."""
        return self._share(self.verified)

    @property
    def success_at_end(self) -> float:
        """Share of the cells in their band when the last cell was done."""
        return self._share(self.ended)

    @property
    def success_on_reread(self) -> float:
        """Share of the cells in their band when read again after `reread_delay`."""
        return self._share(self.reread)

    def summary(self) -> dict[str, object]:
        """Return the report's figures as plain values, for JSON and the record."""
        chosen = self.programmed
        pulses = self.pulses[chosen]
        error = (self.reread - self.target)[chosen & (self.status != Status.STUCK)]
        worst = [float(np.abs(s).max(initial=0.0)) for s in self.shortfall]
        return {
            "cells": int(chosen.sum()),
            "tolerance_S": self.tolerance,
            "success_at_verify": self.success_at_verify,
            "success_at_end": self.success_at_end,
            "success_on_reread": self.success_on_reread,
            "reread_delay_s": self.reread_delay,
            "reread_error_sd_S": float(np.std(error)) if error.size else None,
            "pulses_per_cell": {
                "mean": float(np.mean(pulses)) if pulses.size else None,
                "median": float(np.median(pulses)) if pulses.size else None,
                "p95": float(np.percentile(pulses, 95)) if pulses.size else None,
                "max": int(pulses.max(initial=0)),
            },
            "stuck_cells": [list(cell) for cell in self.stuck],
            "out_of_budget_cells": int((self.status == Status.BUDGET).sum()),
            "unreached_cells": int((self.status == Status.UNREACHED).sum()),
            "unreadable_cells": int((self.status == Status.UNREADABLE).sum()),
            "largest_weight_shortfall": worst,
            "clipped_reads": self.clipped,
            "passes": len(self.passes),
            "seconds": self.seconds,
        }
