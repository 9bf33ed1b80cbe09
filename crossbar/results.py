"""What a crossbar gives back: conductances, products and program reports, each with its doubt."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossbar.backend import Array, Cells, Flag, Flags, Mask, Second, Siemens
from crossbar.blocks import Placed
from crossbar.mapping import Window
from crossbar.programming.disturb import Disturb, summed
from crossbar.programming.job import Job
from crossbar.programming.metrics import MultiplyError, Reread, error_figures, spread
from crossbar.programming.report import CellReport, Status
from crossbar.programming.settings import WriteVerify


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
    pulses, reads, reversals, energy, elapsed
        Of each cell over all passes, as in `CellReport`; reads between passes count, those of the
        report itself do not.
    rereads
        Every re-read after programming, `reread` among them, in the order of their times.
    left
        How many cells had left their band when they were read again after each pass but the last.
    disturb
        What each pass did to cells that were not pulsed; empty if it was not measured.
    multiply
        What products were worth before and after; None if it was not measured.
    clipped
        Reads at the end of the converter's range, all passes and re-reads together.
    tolerance
        Half-width of the band, S.
    window
        The conductances that targets may have.
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
    reads: NDArray[np.intp]
    reversals: NDArray[np.intp]
    energy: Array
    elapsed: Array
    rereads: tuple[Reread, ...]
    left: tuple[int, ...]
    disturb: tuple[Disturb, ...]
    multiply: MultiplyError | None
    clipped: int
    tolerance: Siemens
    window: Window
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

    def _errors(self, conductance: Array) -> Array:
        """Return what cells are off their targets, S, without those that are stuck."""
        chosen = self.programmed & (self.status != Status.STUCK)
        return np.asarray((conductance - self.target)[chosen])

    def summary(self) -> dict[str, object]:
        """Return the report's figures as plain values, for JSON and the record."""
        chosen = self.programmed
        error = self._errors(self.reread)
        worst = [float(np.abs(s).max(initial=0.0)) for s in self.shortfall]
        return {
            "cells": int(chosen.sum()),
            "tolerance_S": self.tolerance,
            "success_at_verify": self.success_at_verify,
            "success_at_end": self.success_at_end,
            "success_on_reread": self.success_on_reread,
            "reread_delay_s": self.reread_delay,
            "reread_error_sd_S": float(np.std(error)) if error.size else None,
            "rereads": [self._reread(read) for read in self.rereads],
            "error_at_verify": error_figures(self._errors(self.verified), self.window),
            "error_on_reread": error_figures(error, self.window),
            "pulses_per_cell": self._pulses(),
            "reads_per_cell": spread(self.reads[chosen]),
            "reversals_per_cell": spread(self.reversals[chosen]),
            "seconds_per_cell": spread(self.elapsed[chosen]),
            "energy_per_cell_J": spread(self.energy[chosen]),
            "stuck_cells": [list(cell) for cell in self.stuck],
            "out_of_budget_cells": int((self.status == Status.BUDGET).sum()),
            "out_of_reversals_cells": int((self.status == Status.REVERSALS).sum()),
            "out_of_energy_cells": int((self.status == Status.ENERGY).sum()),
            "unreached_cells": int((self.status == Status.UNREACHED).sum()),
            "unreadable_cells": int((self.status == Status.UNREADABLE).sum()),
            "left_band_cells": list(self.left),
            "disturb": self._disturb(),
            "multiply_error": None if self.multiply is None else self.multiply.plain(),
            "largest_weight_shortfall": worst,
            "clipped_reads": self.clipped,
            "passes": len(self.passes),
            "seconds": self.seconds,
        }

    def _pulses(self) -> dict[str, float | int | None]:
        pulses = self.pulses[self.programmed]
        return {**spread(pulses), "max": int(pulses.max(initial=0))}

    def _reread(self, read: Reread) -> dict[str, object]:
        error = self._errors(read.conductance)
        return {
            "delay_s": read.delay,
            "after_s": read.after,
            "success": self._share(read.conductance),
            **error_figures(error, self.window),
        }

    def _disturb(self) -> dict[str, object] | None:
        """Return what the passes did to cells that were not pulsed, all together and one by one."""
        if not self.disturb:
            return None
        return {
            "untouched": summed([d.untouched for d in self.disturb]).plain(),
            "finished": summed([d.finished for d in self.disturb]).plain(),
            "passes": [
                {"untouched": d.untouched.plain(), "finished": d.finished.plain()}
                for d in self.disturb
            ],
        }


def finished(
    job: Job, settings: WriteVerify, placed: Sequence[Placed], shortfall: Sequence[Array]
) -> ProgramReport:
    """Read everything that a job wrote, wait, read it again, and return the report.

    Parameters
    ----------
    job
        That wrote.
    settings
        What a programmed cell is.
    placed, shortfall
        As in `ProgramReport`.
    """
    ended = job.ended()
    rereads = job.reread()
    multiply = job.multiply_error()
    delay = settings.reread_delay
    return ProgramReport(
        placed=tuple(placed),
        shortfall=tuple(shortfall),
        passes=tuple(job.passes),
        target=job.target,
        verified=job.verified,
        ended=ended,
        reread=next(read.conductance for read in rereads if read.delay == delay),
        status=job.status,
        pulses=job.pulses,
        reads=job.reads,
        reversals=job.reversals,
        energy=job.energy,
        elapsed=job.elapsed,
        rereads=rereads,
        left=tuple(job.left),
        disturb=tuple(job.disturb),
        multiply=multiply,
        clipped=job.clipped,
        tolerance=settings.tolerance,
        window=settings.window,
        reread_delay=delay,
        seconds=job.seconds,
    )
