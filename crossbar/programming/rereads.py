"""Writes that are read again: from a measured log, and by the same protocol on any bench."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from crossbar.backend import Array, Backend, Cells, DataError, Indices, Second, Siemens, Volt
from crossbar.curves.measured import Readings
from crossbar.programming.policy import Pulses
from crossbar.programming.settings import WriteVerify
from crossbar.programming.write_verify import write_verify

_LABEL = re.compile(r"(?P<address>\d+) write \d+ (?P<low>[\d.e+]+)-(?P<high>[\d.e+]+) ohm")


@dataclass(frozen=True, slots=True, eq=False)
class Rereads:
    """Writes to cells one after another, each verified and read again several times.

    Parameters
    ----------
    cell
        Number of each write's cell, counted from 0, shape ``(n,)``.
    low, high
        The band of each write, S, same shape.
    verified
        Its last verify read, S, same shape; inside the band unless the writer gave up.
    times
        Of each re-read, s since that verify read, shape ``(n, k)``.
    reread
        S, same shape.
    """

    cell: Indices
    low: Array
    high: Array
    verified: Array
    times: Array
    reread: Array

    def __len__(self) -> int:
        return len(self.verified)

    def part(self, chosen: Indices | slice) -> "Rereads":
        """Return some of the writes."""
        return Rereads(
            *(
                getattr(self, name)[chosen]
                for name in ("cell", "low", "high", "verified", "times", "reread")
            )
        )

    @property
    def verified_inside(self) -> float:
        """Share of the writes whose verify read is in the band."""
        return float(np.mean((self.verified >= self.low) & (self.verified <= self.high)))

    @property
    def inside(self) -> Array:
        """Share of the writes that are in their band at each re-read, shape ``(k,)``."""
        within = (self.reread >= self.low[:, None]) & (self.reread <= self.high[:, None])
        share: Array = within.mean(axis=0)
        return share

    @property
    def change(self) -> Array:
        """Relative change of the resistance since the verify read, shape ``(n, k)``."""
        change: Array = self.verified[:, None] / self.reread - 1.0
        return change


def measured_rereads(readings: Readings) -> Rereads:
    """Return the writes of a log whose readings are of one write each, its verify read first.

    Raises
    ------
    DataError
        If the readings are not of such a log, or its writes were not read equally often.
    """
    bands = [_LABEL.fullmatch(label) for label in readings.labels]
    if readings.time is None or not bands or None in bands:
        raise DataError(f"{readings.name}: not the readings of a log of writes and re-reads")
    count = np.bincount(readings.cell, minlength=len(bands))
    if count.min() < 2 or count.min() != count.max():
        raise DataError(
            f"{readings.name}: its writes have {count.min() - 1} to {count.max() - 1} re-reads"
        )
    order = np.argsort(readings.cell, kind="stable")
    conductance = readings.conductance[order].reshape(len(bands), -1)
    time = readings.time[order].reshape(len(bands), -1)
    ends = np.array([[float(b["low"]), float(b["high"])] for b in bands if b is not None])
    addresses = np.array([int(b["address"]) for b in bands if b is not None])
    return Rereads(
        cell=np.unique(addresses, return_inverse=True)[1],
        low=1.0 / ends[:, 1],
        high=1.0 / ends[:, 0],
        verified=conductance[:, 0],
        times=time[:, 1:],
        reread=conductance[:, 1:],
    )


def repeat_rereads(
    backend: Backend,
    like: Rereads,
    initial: tuple[Siemens, Siemens],
    settings: WriteVerify,
    pulses: Pulses,
    progress: Callable[[int, int], None] | None = None,
) -> Rereads:
    """Do on a bench what a log did: the same bands in the same order, re-reads at the same times.

    The target is the middle of each band, and the tolerance half its width.

    Parameters
    ----------
    backend
        The bench; its cells stand for the log's, in order, and again from the first.
    like
        The log.
    initial
        Lowest and highest conductance, S, between which each write begins: the log's cells were
        RESET before.
    settings, pulses
        How to write; its tolerance and its window are replaced.
    progress
        Called with the writes done and the writes in all.

    Raises
    ------
    DataError
        If a re-read is due before the one before it has ended.
    """
    words, bits = backend.shape
    one_per_line = Cells(np.zeros(bits, np.intp), np.arange(bits))
    began = backend.now
    offset = backend.read(one_per_line, 0.0).current
    took = (backend.now - began) / bits
    verified, times = np.empty(len(like)), np.empty_like(like.times)
    reread = np.empty_like(like.reread)

    def write(cells: Cells, low: float, high: float) -> float:
        own = replace(
            settings,
            tolerance=(high - low) / 2,
            conductance_min=min(settings.conductance_min, low),
            conductance_max=max(settings.conductance_max, high),
        )
        middle = np.array([(low + high) / 2])
        report = write_verify(backend, cells, middle, own, pulses, offset)
        return float(report.verified[0])

    for k, cell in enumerate((like.cell % (words * bits)).tolist()):
        cells = Cells.of([divmod(cell, bits)])
        write(cells, *initial)
        verified[k] = write(cells, float(like.low[k]), float(like.high[k]))
        times[k], current = _read_later(backend, cells, settings.read_voltage, like.times[k], took)
        reread[k] = (current - offset[cells.bit]) / settings.read_voltage
        if progress is not None:
            progress(k + 1, len(like))
    return Rereads(like.cell, like.low, like.high, verified, times, reread)


def _read_later(
    backend: Backend, cells: Cells, voltage: Volt, times: Array, took: Second
) -> tuple[Array, Array]:
    """Read one cell so that the reads end at these times from now; return times and currents.

    A read is taken to last as long as the one before it, and the first as long as `took`.
    """
    began = backend.now
    ended, current = np.empty_like(times), np.empty_like(times)
    for i, time in enumerate(times.tolist()):
        passed = backend.now - began
        if time < passed:
            raise DataError(f"a re-read is due {time} s after a write, and {passed} s have passed")
        backend.wait(max(0.0, time - passed - took))
        before = backend.now
        current[i] = backend.read(cells, voltage).current[0]
        took, ended[i] = backend.now - before, backend.now - began
    return ended, current
