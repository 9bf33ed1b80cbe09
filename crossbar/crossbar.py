"""One crossbar: program matrices into it, read it, multiply with it."""

from collections.abc import Sequence

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
from crossbar.mapping import MAPPINGS
from crossbar.placement import check_fits, place
from crossbar.programming import IsppSettings, Pulses, WriteVerify, check_pulses
from crossbar.programming.job import Job
from crossbar.programming.metrics import NOTHING, Metrics
from crossbar.programming.write_verify import Progress, check_targets
from crossbar.results import Conductances, Product, ProgramReport
from crossbar.weight_writing import ONE, Copies, write_weights

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
        self._matrices: list[Array] = []
        self._placed: list[Placed] = []
        self._calibrations: list[Calibration | None] = []
        # Bench time at which each layer's uncertainty was measured, s.
        self._estimated: list[Second] = []
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
        self._matrices, self._placed, self._calibrations = [], [], []
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
        checked = [_checked_matrix(m) for m in matrices]
        if not checked:
            raise DataError("nothing to program: no matrix was given")
        shapes = [m.shape for m in checked]
        check_fits(shapes, self.mapping, self.backend.shape, self.copies.counts)
        # What was in the array before is gone from the first pulse on, however this ends.
        self._matrices, self._placed, self._calibrations = [], [], []
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
        self._matrices, self._placed = checked, placed
        self._calibrations = [None] * len(checked)
        self._estimated = [self.backend.now] * len(checked)
        return report

    def _job(self, progress: Progress | None, metrics: Metrics = NOTHING) -> Job:
        return Job(
            self.backend, self.settings, self.pulses, self.offset, self._stuck, progress, metrics
        )

    def _finish(
        self, job: Job, placed: Sequence[Placed], shortfall: Sequence[Array] = ()
    ) -> ProgramReport:
        """Read everything, wait, read it again, and return the report."""
        ended = job.ended()
        rereads = job.reread()
        multiply = job.multiply_error()
        self._reread = rereads[-1].conductance
        delay = self.settings.reread_delay
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
            tolerance=self.settings.tolerance,
            window=self.settings.window,
            reread_delay=delay,
            seconds=job.seconds,
        )

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
        matrix, placed = self._layer(layer)
        given = _checked_inputs(x, matrix.shape[0])
        inputs = given.reshape(-1, matrix.shape[0])
        raw, flags = self._raw_product(inputs, placed, input_range)
        digital = inputs @ matrix
        calibration, since = self._calibrations[layer], self._estimated[layer]
        if calibration is None:
            values = raw
            uncertainty = np.sqrt(np.mean((inputs @ self._weight_errors(layer)) ** 2, axis=0))
        else:
            values, uncertainty = calibration.correct(raw), calibration.residual
        clipped = ((flags & Flag.CLIPPED) != 0).any(axis=0)
        shape = (*given.shape[:-1], matrix.shape[1])
        return Product(
            values=values.reshape(shape),
            digital=digital.reshape(shape),
            uncertainty=np.where(clipped, np.nan, uncertainty),
            uncertainty_age=self.backend.now - since,
            flags=flags.reshape(shape),
        )

    def voltages(self, x: ArrayLike, layer: int = 0, *, input_range: float | None = None) -> Array:
        """Return what `matmul` puts on the word lines, V, shape ``(blocks, ..., n_word_lines)``.

        Each block of the matrix is one drive. Parameters and errors as in `matmul`; nothing is
        driven.
        """
        matrix, placed = self._layer(layer)
        given = _checked_inputs(x, matrix.shape[0])
        driven, _ = self._driven(given.reshape(-1, matrix.shape[0]), placed, input_range)
        return driven.reshape(len(placed.blocks), *given.shape[:-1], self.backend.shape[0])

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
        matrix, placed = self._layer(layer)
        checked = _checked_inputs(inputs, matrix.shape[0]).reshape(-1, matrix.shape[0])
        if len(checked) < 3:
            raise DataError(
                f"{len(checked)} inputs cannot fix a line; a calibration takes 3 or more"
            )
        self._offset = measure_offset(self.backend, OFFSET_READS)
        raw, flags = self._raw_product(checked, placed, input_range)
        clipped = np.asarray(flags & Flag.CLIPPED, dtype=np.bool_)
        calibration = fit_calibration(raw, checked @ matrix, clipped)
        self._calibrations[layer], self._estimated[layer] = calibration, self.backend.now
        return calibration

    def _raw_product(
        self, inputs: Array, placed: Placed, input_range: float | None
    ) -> tuple[Array, Flags]:
        """Return products before calibration, and their flags."""
        voltages, full = self._driven(inputs, placed, input_range)
        reading = self.backend.drive(voltages)
        difference = placed.differences(reading.current - self.offset)
        factor = full / (self.settings.read_voltage * placed.scale)
        return difference * factor, placed.flags(reading.flags)

    def _driven(
        self, inputs: Array, placed: Placed, input_range: float | None
    ) -> tuple[Array, float]:
        """Return the voltages of every drive, and the input that is driven at the read voltage."""
        largest = float(np.max(np.abs(inputs), initial=0.0))
        full = input_range if input_range is not None else (largest or 1.0)
        if not 0 < full < np.inf:
            raise LimitError(f"input_range {full} is not a positive finite number")
        if not largest <= full:
            raise LimitError(f"input {largest:.6g} is outside ±{full:.6g}, the range of this layer")
        voltage, word_lines = self.settings.read_voltage, self.backend.shape[0]
        return placed.voltages(inputs * (voltage / full), word_lines), full

    def _layer(self, layer: int) -> tuple[Array, Placed]:
        if not 0 <= layer < len(self._matrices):
            raise DataError(
                f"layer {layer} does not exist: {len(self._matrices)} matrices are programmed"
            )
        return self._matrices[layer], self._placed[layer]

    def _weight_errors(self, layer: int) -> Array:
        """Return re-read minus wanted weights, shape ``(n_in, n_out)``."""
        return self._placed[layer].weights(self._reread) - self._matrices[layer]


def _checked_matrix(matrix: ArrayLike) -> Array:
    """Return a matrix of weights as float64, or raise `DataError`."""
    checked = np.array(matrix, dtype=np.float64)
    if checked.ndim != 2 or checked.size == 0:
        raise DataError(f"weights are a table (n_in, n_out), not an array of shape {checked.shape}")
    if not np.all(np.isfinite(checked)):
        raise DataError(f"weights hold {int((~np.isfinite(checked)).sum())} NaN or infinite values")
    return checked


def _checked_inputs(x: ArrayLike, n_in: int) -> Array:
    """Return inputs as float64 of shape ``(..., n_in)``, or raise `DataError`."""
    checked = np.asarray(x, dtype=np.float64)
    if checked.ndim == 0 or checked.shape[-1] != n_in:
        raise DataError(f"inputs of shape {checked.shape} do not end in {n_in}, the layer's inputs")
    if not np.all(np.isfinite(checked)):
        raise DataError(f"inputs hold {int((~np.isfinite(checked)).sum())} NaN or infinite values")
    return checked
