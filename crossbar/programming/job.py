"""A programming job: several write-verify passes over one array, added up per cell."""

from collections.abc import Callable, Sequence

import numpy as np

from crossbar.backend import Array, Backend, Cells, Indices, Mask, Second
from crossbar.programming.disturb import Disturb, Look, change
from crossbar.programming.metrics import NOTHING, Metrics, MultiplyError, Reread, multiply_error
from crossbar.programming.order import ORDERS
from crossbar.programming.policy import Learning, PartOf, Pulses
from crossbar.programming.report import CellReport, Status, joined
from crossbar.programming.write_verify import Progress, WriteVerify, write_verify

LOOK_READS = 4
"""Reads averaged where a single one would put its noise into a decision or a report."""


class Job:
    """Writes cells pass by pass and remembers, for the array, what became of each.

    Parameters
    ----------
    backend
        The bench.
    settings
        What a programmed cell is.
    pulses
        The settings of the policy.
    offset
        Current of each bit line at 0 V, A.
    stuck
        Conductance of the cells known to be stuck, S, array shape, NaN elsewhere; cells found
        stuck are entered here, so that the owner of the array knows them next time.
    progress
        Called with cells done and cells in all, for each pass.
    metrics
        What is measured around the passes.
    """

    def __init__(
        self,
        backend: Backend,
        settings: WriteVerify,
        pulses: Pulses,
        offset: Array,
        stuck: Array,
        progress: Progress | None,
        metrics: Metrics = NOTHING,
    ) -> None:
        self._backend, self._settings, self._metrics = backend, settings, metrics
        self._write_pulses = pulses
        self._offset, self._progress = offset, progress
        self._start: Second = backend.now
        self.stuck = stuck
        self.passes: list[CellReport] = []
        self.disturb: list[Disturb] = []
        self.left: list[int] = []
        self.clipped = 0
        shape = backend.shape
        self.pulses, self.reads, self.reversals = (np.zeros(shape, dtype=np.intp) for _ in "123")
        self.energy, self.elapsed = np.zeros(shape), np.zeros(shape)
        self._everyone = np.ones(shape, dtype=np.bool_)
        self._multiplied = float("nan")
        whole = pulses.policy(backend.shape[0] * backend.shape[1])
        self._learning = whole if isinstance(whole, Learning) else None
        # The array as it was seen last, if no cell was pulsed and nothing waited for since.
        self._seen: Look | None = None
        self.start_again()

    def start_again(self) -> None:
        """Forget targets and results, but not the pulses that were spent."""
        shape = self._backend.shape
        self.target = np.full(shape, np.nan)
        self.verified = np.full(shape, np.nan)
        self.status = np.full(shape, -1, dtype=np.int8)

    @property
    def seconds(self) -> Second:
        """Bench time since the job began, s."""
        return self._backend.now - self._start

    def survey(self) -> None:
        """Measure what is to be known of the array before the first pulse."""
        if self._metrics.disturb or self._metrics.multiplies:
            self._seen = self._look(self._everyone)
        if self._metrics.multiplies and self._seen is not None:
            (self._multiplied,) = self._multiply([self._seen.value])

    def write(self, wanted: Array, aim: Callable[[], Array] | None = None) -> None:
        """Bring cells to conductances, in as many passes as the settings allow.

        Parameters
        ----------
        wanted
            S, array shape, NaN leaves a cell alone.
        aim
            Asked for `wanted` again before each further pass, for targets that depend on what
            other cells have become.
        """
        named = ~np.isnan(wanted)
        known = named & ~np.isnan(self.stuck)
        self.target[named] = wanted[named]
        self.verified[known] = self.stuck[known]
        self.status[known] = Status.STUCK
        self._pass(np.where(known, np.nan, wanted))
        for _ in range(self._settings.passes - 1):
            self._backend.wait(self._settings.pass_delay)
            wanted = wanted if aim is None else aim()
            again = self._left(wanted, named & (self.status == Status.VERIFIED))
            self.left.append(int(again.sum()))
            if not again.any():
                break
            self._pass(np.where(again, wanted, np.nan))

    def _left(self, wanted: Array, held: Mask) -> Mask:
        """Return which of the cells that held their targets have left the band."""
        look = self._look(self._everyone if self._metrics.disturb else held)
        self._seen = look if self._metrics.disturb else None
        self.reads[held] += LOOK_READS
        self.target[held] = wanted[held]
        self.verified[held] = look.value[held]
        return np.asarray(
            held & (np.abs(look.value - wanted) > self._settings.tolerance), dtype=np.bool_
        )

    def _pass(self, wanted: Array) -> None:
        """Write the cells that `wanted` (S) names, once, group by group."""
        before = self._seen
        if before is None and self._metrics.disturb:
            before = self._look(self._everyone)
        self._seen = None
        word, bit = np.nonzero(~np.isnan(wanted))
        cells, target = Cells(word, bit), wanted[word, bit]
        groups = self._groups(cells, target)
        done: list[CellReport] = []
        for group in groups:
            begun = sum(len(part.cells) for part in done)
            done.append(self._group(cells[group], target[group], begun, len(cells)))
        report = joined(done)
        self.passes.append(report)
        self._add(report)
        if before is not None and self._metrics.disturb:
            self._log(before, report)

    def _groups(self, cells: Cells, target: Array) -> Sequence[Indices]:
        name = self._settings.order
        if name == "together" or not len(cells):  # which needs no look at the cells first
            return [np.arange(len(cells))]
        chosen = np.zeros(self._backend.shape, dtype=np.bool_)
        chosen[cells.word, cells.bit] = True
        now = self._look(chosen, 1).value[cells.word, cells.bit]
        return ORDERS[name](cells, now, target)

    def _group(self, cells: Cells, target: Array, begun: int, of: int) -> CellReport:
        def progress(done: int, _: int) -> None:
            if self._progress is not None:
                self._progress(begun + done, of)

        policy = None
        if self._learning is not None:
            policy = PartOf(self._learning, cells.word * self._backend.shape[1] + cells.bit)
        return write_verify(
            self._backend,
            cells,
            target,
            self._settings,
            self._write_pulses,
            self._offset,
            progress,
            policy,
        )

    def _add(self, report: CellReport) -> None:
        word, bit = report.cells.word, report.cells.bit
        self.clipped += report.clipped
        for total, part in (
            (self.pulses, report.pulses),
            (self.reads, report.reads),
            (self.reversals, report.reversals),
            (self.energy, report.energy),
            (self.elapsed, report.elapsed),
        ):
            total[word, bit] += part
        self.verified[word, bit] = report.verified
        self.status[word, bit] = report.status
        self.stuck[word[report.stuck], bit[report.stuck]] = report.verified[report.stuck]

    def _log(self, before: Look, report: CellReport) -> None:
        """Look at the whole array again and log what moved without being pulsed."""
        after = self._look(self._everyone)
        pulsed = np.zeros(self._backend.shape, dtype=np.bool_)
        pulsed[report.cells.word, report.cells.bit] = report.pulses > 0
        # A verify read is one read: its own noise is not known, and that of four says it.
        verified = Look(self.verified, after.error * np.sqrt(LOOK_READS))
        floor = self._settings.conductance_min
        self.disturb.append(
            Disturb(
                untouched=change(before, after, ~pulsed, floor),
                finished=change(verified, after, pulsed, floor),
            )
        )
        self._seen = after

    def ended(self) -> Array:
        """Return the programmed cells as they are after the last pass, S, NaN elsewhere."""
        seen = self._seen if self._seen is not None else self._look(self.status >= 0)
        return np.where(self.status >= 0, seen.value, np.nan)

    def reread(self) -> tuple[Reread, ...]:
        """Let time pass, read the programmed cells at every time that is asked for, and return.

        Also measures the last multiplies.
        """
        began, reads = self._backend.now, []
        for delay in sorted({*self._metrics.rereads, self._settings.reread_delay}):
            since = self._backend.now - began
            self._backend.wait(max(delay - since, 0.0))
            start = self._backend.now
            look = self._look(self._everyone if self._metrics.multiplies else self.status >= 0)
            after = (start + self._backend.now) / 2 - began
            known = np.where(self.status >= 0, look.value, np.nan)
            reads.append(Reread(delay=delay, after=after, conductance=known))
            self._seen = look
        return tuple(reads)

    def multiply_error(self) -> MultiplyError | None:
        """Return what products are worth now and were before, or None if it is not asked for."""
        if not self._metrics.multiplies or self._seen is None:
            return None
        read = self._seen.value
        wanted = np.where(np.isnan(self.target), read, self.target)
        unstuck = np.where(self.status == Status.STUCK, read, wanted)
        after, after_unstuck, after_read = self._multiply([wanted, unstuck, read])
        count = self._metrics.multiplies
        return MultiplyError(count, self._multiplied, after, after_unstuck, after_read)

    def read(self, chosen: Mask, repeats: int) -> Array:
        """Return mean conductances of the chosen cells, S, array shape, NaN elsewhere."""
        return self._look(chosen, repeats).value

    def _look(self, chosen: Mask, repeats: int = LOOK_READS) -> Look:
        word, bit = np.nonzero(chosen)
        cells, voltage = Cells(word, bit), self._settings.read_voltage
        readings = [self._backend.read(cells, voltage) for _ in range(repeats)]
        self.clipped += sum(int(reading.clipped.sum()) for reading in readings)
        current = np.array([reading.current for reading in readings])
        value, error = (np.full(self._backend.shape, np.nan) for _ in "12")
        value[word, bit] = (current.mean(axis=0) - self._offset[bit]) / voltage
        if repeats > 1:
            error[word, bit] = current.std(axis=0, ddof=1) / np.sqrt(repeats) / voltage
        return Look(value, error)

    def _multiply(self, truths: list[Array]) -> list[float]:
        voltage, count = self._settings.read_voltage, self._metrics.multiplies
        return multiply_error(self._backend, self._offset, voltage, count, truths)
