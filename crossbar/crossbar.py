"""One crossbar: program matrices into it, read it, multiply with it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from crossbar.backend import (
    Array,
    Backend,
    BenchError,
    Cells,
    DataError,
    Flag,
    Flags,
    LimitError,
    Second,
    Volt,
)
from crossbar.blocks import Placed
from crossbar.calibration import Calibration, fit_calibration, measure_offset
from crossbar.drift import factors, reference_currents
from crossbar.mapping import MAPPINGS
from crossbar.placement import check_fits, place
from crossbar.programmed import (
    Correction,
    Programmed,
    checked_inputs,
    checked_matrix,
    driven,
    raw_product,
)
from crossbar.programming import IsppSettings, Pulses, WriteVerify, check_pulses
from crossbar.programming.job import LOOK_READS, Job
from crossbar.programming.metrics import NOTHING, Metrics
from crossbar.programming.write_verify import Progress, check_targets
from crossbar.results import Conductances, Product, ProgramReport, finished
from crossbar.weight_rewriting import Rewriting, rewrite_weights
from crossbar.weight_writing import ONE, Copies, write_weights

REFERENCE_READS = 16
"""Readings averaged for a drift reference; it then has a quarter of a read's noise."""
OFFSET_READS = 64
"""Readings averaged for the offset of the bit lines; it then adds an eighth of a read's noise."""
PLACEMENTS = 3
"""How often a program starts again on other lines after meeting cells it did not know as stuck."""


class Crossbar:
    """A memristor array that holds matrices and multiplies by reading.

    Parameters
    ----------
    backend
        Any bench.
    settings
        What a programmed cell is.
    pulses
        The settings of the write policy, which choose it.
    mapping
        A name in `MAPPINGS`.
    metrics
        What `program_conductances` measures around the programming; `program` measures nothing
        that it does not need, because the products of its matrices say what it is worth.
    copies
        How many pairs of cells each weight has; products are averaged over them.

    Raises
    ------
    BenchError
        If the mapping does not exist.
    LimitError
        If the bench's limits do not allow the policy's pulses or the read voltage.
    """

    def __init__(
        self,
        backend: Backend,
        settings: WriteVerify | None = None,
        pulses: Pulses | None = None,
        *,
        mapping: str = "differential",
        metrics: Metrics | None = None,
        copies: Copies = ONE,
    ) -> None:
        self.backend, self.copies = backend, copies
        self.metrics = metrics if metrics is not None else Metrics()
        self.settings = settings if settings is not None else WriteVerify()
        self.pulses = pulses if pulses is not None else IsppSettings()
        if mapping not in MAPPINGS:
            raise BenchError(f"mapping {mapping!r} is not one of {', '.join(MAPPINGS)}")
        self.mapping = MAPPINGS[mapping]
        check_pulses(self.pulses, backend.limits)
        if not self.settings.read_voltage <= backend.limits.read_voltage:
            raise LimitError(
                f"read voltage {self.settings.read_voltage} V is outside this bench's "
                f"±{backend.limits.read_voltage} V"
            )
        self._stuck = np.full(backend.shape, np.nan)
        self._offset: Array | None = None
        self._programmed: list[Programmed] = []
        self._reference: list[Array] | None = None
        self._reread: Array = np.full(backend.shape, np.nan)

    @property
    def offset(self) -> Array:
        """Current that each bit line reads at 0 V, A; measured when first needed."""
        if self._offset is None:
            self._offset = measure_offset(self.backend, OFFSET_READS)
        return self._offset

    def wait(self, duration: Second) -> None:
        """Let bench time pass with every line at 0 V."""
        self.backend.wait(duration)

    def read(self, repeats: int = 4, voltage: Volt | None = None) -> Conductances:
        """Return the conductance of every cell, read this many times.

        Parameters
        ----------
        repeats
            Reads averaged.
        voltage
            V; the read voltage if None. A cell that is not ohmic has another conductance at each.

        Raises
        ------
        DataError
            If it is not to be read at all.
        LimitError
            If the voltage is 0 V, or outside the bench's limits.
        """
        if repeats < 1:
            raise DataError(f"repeats = {repeats}: a read takes at least one")
        cells = Cells.all(self.backend.shape)
        voltage = self.settings.read_voltage if voltage is None else voltage
        if voltage == 0:
            raise LimitError("a read at 0 V has no current to tell a conductance by")
        readings = [self.backend.read(cells, voltage) for _ in range(repeats)]
        values = np.array([(r.current - self.offset[cells.bit]) / voltage for r in readings])
        error = np.std(values, axis=0, ddof=1) / np.sqrt(repeats) if repeats > 1 else np.nan
        flags = np.bitwise_or.reduce([r.flags for r in readings], axis=0)
        shape = self.backend.shape
        return Conductances(
            value=values.mean(axis=0).reshape(shape),
            uncertainty=np.broadcast_to(error, values.shape[1:]).reshape(shape),
            flags=flags.reshape(shape),
        )

    def program_conductances(
        self, targets: ArrayLike, progress: Progress | None = None
    ) -> ProgramReport:
        """Bring cells to conductances and return what became of each.

        Parameters
        ----------
        targets
            S, the array's shape; NaN leaves a cell alone.
        progress
            Called with cells done and cells in all, for each pass.

        Raises
        ------
        DataError
            If the shape is not the array's, or a target is outside the window.
        """
        wanted = np.asarray(targets, dtype=np.float64)
        if wanted.shape != self.backend.shape:
            raise DataError(
                f"targets of shape {wanted.shape} are not one per cell of this array, "
                f"{self.backend.shape}"
            )
        check_targets(wanted[~np.isnan(wanted)], self.settings.window)
        self._forget()
        job = self._job(progress, self.metrics)
        job.survey()
        job.write(wanted)
        return self._finish(job, [])

    def program(self, *matrices: ArrayLike, progress: Progress | None = None) -> ProgramReport:
        """Program matrices side by side into the array and return what became of every cell.

        Partner cells are written first and read; the other cell of each weight then aims at the
        difference to what its partner really became. Cells found stuck are worked around: by
        their partner, and by moving the matrix to other word lines and programming again.

        Parameters
        ----------
        matrices
            Weights, each ``(n_in, n_out)``; a bias is one more input that is always on.
        progress
            Called with cells done and cells in all, for each pass.

        Raises
        ------
        DataError
            If a matrix is empty, not two-dimensional or not finite.
        CapacityError
            If they do not fit the array.
        """
        checked = [checked_matrix(m) for m in matrices]
        if not checked:
            raise DataError("nothing to program: no matrix was given")
        shapes = [m.shape for m in checked]
        check_fits(shapes, self.mapping, self.backend.shape, self.copies.counts)
        # What was in the array before is gone from the first pulse on, however this ends.
        self._forget()
        job = self._job(progress)
        placed: list[Placed] = []
        shortfall: list[Array] = []
        for _ in range(PLACEMENTS):
            placed = place(
                checked, self.mapping, self.settings.window, self._stuck, placed, self.copies.counts
            )
            known = int((~np.isnan(self._stuck)).sum())
            job.start_again()
            shortfall = write_weights(
                job, checked, placed, self.mapping, self.settings, self.copies.aim
            )
            if int((~np.isnan(self._stuck)).sum()) == known:
                break
        report = self._finish(job, placed, shortfall)
        now = self.backend.now
        self._programmed = [Programmed(m, p, now) for m, p in zip(checked, placed, strict=True)]
        return report

    def _forget(self) -> None:
        self._programmed, self._reference = [], None

    def _job(self, progress: Progress | None, metrics: Metrics = NOTHING) -> Job:
        return Job(
            self.backend, self.settings, self.pulses, self.offset, self._stuck, progress, metrics
        )

    def _finish(
        self, job: Job, placed: Sequence[Placed], shortfall: Sequence[Array] = ()
    ) -> ProgramReport:
        report = finished(job, self.settings, placed, shortfall)
        self._reread = report.rereads[-1].conductance
        return report

    def matmul(self, x: ArrayLike, layer: int = 0, *, input_range: float | None = None) -> Product:
        """Multiply on the array: inputs as word-line voltages, products as bit-line currents.

        Parameters
        ----------
        x
            Inputs, shape ``(..., n_in)``; the product has the shape ``(..., n_out)``.
        layer
            Which of the programmed matrices.
        input_range
            The magnitude of an input that is driven at the read voltage; by default the largest
            of this call. A fixed range keeps the same input at the same voltage from call to call.

        Raises
        ------
        DataError
            If nothing was programmed, the shape is wrong, or an input is not finite.
        LimitError
            If an input is larger than `input_range`.
        """
        here = self._layer(layer)
        matrix = here.matrix
        given = checked_inputs(x, matrix.shape[0])
        inputs = given.reshape(-1, matrix.shape[0])
        raw, flags = self._raw(here, inputs, input_range)
        digital = inputs @ matrix
        calibration = here.correction.calibration
        if calibration is None:
            since = here.estimated
            errors = here.placed.weights(self._reread) - matrix
            uncertainty = np.sqrt(np.mean((inputs @ errors) ** 2, axis=0))
        else:
            uncertainty, since = calibration.residual, here.correction.measured
        clipped = ((flags & Flag.CLIPPED) != 0).any(axis=0)
        shape = (*given.shape[:-1], matrix.shape[1])
        return Product(
            values=here.correction(raw).reshape(shape),
            digital=digital.reshape(shape),
            uncertainty=np.where(clipped, np.nan, uncertainty),
            uncertainty_age=self.backend.now - since,
            flags=flags.reshape(shape),
        )

    def matrices_of(self, conductances: Array) -> tuple[Array, ...]:
        """Return what the programmed matrices are if the array's cells have these conductances.

        Parameters
        ----------
        conductances
            S, the array's shape.
        """
        return tuple(here.placed.weights(conductances) for here in self._programmed)

    def voltages(self, x: ArrayLike, layer: int = 0, *, input_range: float | None = None) -> Array:
        """Return what `matmul` puts on the word lines, V, shape ``(blocks, ..., n_word_lines)``.

        Each block of the matrix is one drive. Parameters and errors as in `matmul`; nothing is
        driven.
        """
        here = self._layer(layer)
        given = checked_inputs(x, here.matrix.shape[0])
        inputs, word_lines = given.reshape(-1, given.shape[-1]), self.backend.shape[0]
        voltage = self.settings.read_voltage
        drives, _ = driven(here.placed, inputs, voltage, input_range, word_lines)
        return drives.reshape(len(here.placed.blocks), *given.shape[:-1], word_lines)

    def calibrate(
        self, layer: int, inputs: ArrayLike, *, input_range: float | None = None
    ) -> Calibration:
        """Measure offset and gain of a layer's outputs with known inputs, and correct by them.

        The offset of the bit lines is measured anew first.

        Parameters
        ----------
        layer
            Which of the programmed matrices.
        inputs
            Typical inputs, shape ``(n, n_in)``, n at least 3.
        input_range
            As in `matmul`.

        Raises
        ------
        DataError
            As `matmul`, and if there are fewer than three inputs.
        """
        here = self._layer(layer)
        n_in = here.matrix.shape[0]
        checked = checked_inputs(inputs, n_in).reshape(-1, n_in)
        if len(checked) < 3:
            raise DataError(
                f"{len(checked)} inputs cannot fix a line; a calibration takes 3 or more"
            )
        self._offset = measure_offset(self.backend, OFFSET_READS)
        raw, flags = self._raw(here, checked, input_range)
        clipped = np.asarray(flags & Flag.CLIPPED, dtype=np.bool_)
        scaled = Correction(factor=here.correction.factor)
        calibration = fit_calibration(scaled(raw), checked @ here.matrix, clipped)
        here.correction = replace(scaled, calibration=calibration, measured=self.backend.now)
        return calibration

    def take_reference(self, repeats: int = REFERENCE_READS) -> None:
        """Measure what `compensate_drift` compares with later: best right after programming.

        Parameters
        ----------
        repeats
            Readings averaged, each of which drives every block of every matrix once.

        Raises
        ------
        DataError
            If nothing was programmed.
        BenchError
            If a bit line is at the end of its converter's range.
        """
        self._reference = self._currents(repeats)
        for here in self._programmed:
            here.correction = replace(here.correction, factor=None)

    def compensate_drift(
        self, scope: str = "layer", repeats: int = REFERENCE_READS
    ) -> tuple[Array, ...]:
        """Multiply products by what conductances have lost in common since the reference.

        Parameters
        ----------
        scope
            A name in `crossbar.drift.SCOPES`.
        repeats
            As in `take_reference`.

        Returns
        -------
        tuple of Array
            The factors of each matrix, shape ``(n_out,)``; they act on all products from now on,
            before a calibration does.

        Raises
        ------
        DataError
            If there is no reference.
        BenchError
            As `take_reference`, and if the scope does not exist.
        """
        if self._reference is None:
            raise DataError("drift is measured against a reference: take one after programming")
        found = factors(self._reference, self._currents(repeats), scope)
        for here, factor in zip(self._programmed, found, strict=True):
            here.correction = replace(here.correction, factor=factor)
        return tuple(found)

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """How products are corrected: by calibrations and against drift, for each matrix."""
        return tuple(here.correction for here in self._programmed)

    def correct_by(self, corrections: Sequence[Correction]) -> None:
        """Correct products as they were before; an empty `Correction` leaves them raw.

        Raises
        ------
        DataError
            If there is not one for each programmed matrix.
        """
        if len(corrections) != len(self._programmed):
            raise DataError(
                f"{len(corrections)} corrections are not one for each of "
                f"{len(self._programmed)} matrices"
            )
        for here, correction in zip(self._programmed, corrections, strict=True):
            here.correction = correction

    def _currents(self, repeats: int) -> list[Array]:
        self._layer(0)
        placed = [here.placed for here in self._programmed]
        voltage = self.settings.read_voltage
        return reference_currents(self.backend, self.offset, placed, voltage, repeats)

    def weights(self, layer: int = 0, repeats: int = LOOK_READS) -> Array:
        """Return a matrix as its cells hold it now, read this many times, ``(n_in, n_out)``.

        Raises
        ------
        DataError
            If there is no such matrix.
        """
        placed = self._layer(layer).placed
        return placed.weights(self._job(None).read(placed.mask(self.backend.shape), repeats))

    def rewrite(self, layer: int, weights: ArrayLike, *, pulses: int | None = None) -> Rewriting:
        """Write some weights of a matrix anew, one cell of each, and leave the others alone.

        A drift reference is void after it.

        Parameters
        ----------
        layer
            Which of the programmed matrices.
        weights
            What they are to be, ``(n_in, n_out)``; NaN leaves a weight alone.
        pulses
            How many it may take in all; by default as many as the budgets of the cells allow.

        Raises
        ------
        DataError
            If there is no such matrix, or the shape is another one.
        """
        here = self._layer(layer)
        wanted = np.asarray(weights, dtype=np.float64)
        if wanted.shape != here.matrix.shape:
            raise DataError(f"weights {wanted.shape} are not those of a matrix {here.matrix.shape}")
        self._reference = None
        here.correction = replace(here.correction, factor=None)
        written = rewrite_weights(
            lambda cell: Job(self.backend, cell, self.pulses, self.offset, self._stuck, None),
            wanted,
            here.placed,
            self.mapping,
            self.settings,
            pulses,
        )
        if written.report is not None:
            here.matrix = np.where(np.isnan(wanted), here.matrix, wanted)
        seen = ~np.isnan(written.conductance)
        self._reread = np.where(seen, written.conductance, self._reread)
        here.estimated = self.backend.now
        return written

    def _raw(
        self, here: Programmed, inputs: Array, input_range: float | None
    ) -> tuple[Array, Flags]:
        voltage = self.settings.read_voltage
        return raw_product(self.backend, here, self.offset, inputs, voltage, input_range)

    def _layer(self, layer: int) -> Programmed:
        if not 0 <= layer < len(self._programmed):
            raise DataError(
                f"layer {layer} does not exist: {len(self._programmed)} matrices are programmed"
            )
        return self._programmed[layer]
