"""Correcting what an analog multiply adds of its own: offsets of bit lines, gain of outputs."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Backend, BenchError, Mask


def measure_offset(backend: Backend, reads: int) -> Array:
    """Return the current that each bit line reads with every word line at 0 V.

    Parameters
    ----------
    backend
        The bench.
    reads
        Readings that are averaged.

    Returns
    -------
    Array
        A, shape ``(n_bit_lines,)``.

    Raises
    ------
    BenchError
        If a bit line reads beyond its converter's range at 0 V.
    """
    reading = backend.drive(np.zeros((reads, backend.shape[0])))
    if reading.clipped.any():
        bit = int(np.argmax(reading.clipped.any(axis=0)))
        raise BenchError(
            f"bit line {bit} is at the end of its converter's range at 0 V: "
            "its offset cannot be measured"
        )
    return np.asarray(np.mean(reading.current, axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A straight line per output between the raw and the digital product.

    The raw product is modelled as ``offset + gain * digital``; products are corrected by its
    inverse.

    Parameters
    ----------
    offset, gain
        In units of the product and without unit, shape ``(n_out,)``; 0 and 1 where not trusted.
    residual
        Standard deviation of what the line leaves unexplained, in units of the corrected product,
        shape ``(n_out,)``.
    trusted
        False where the products of the calibration inputs did not determine a positive gain, and
        the output is therefore left uncorrected, shape ``(n_out,)``.
    """

    offset: Array
    gain: Array
    residual: Array
    trusted: Mask

    def correct(self, raw: Array) -> Array:
        """Return the products with offset and gain taken out, shape ``(..., n_out)``."""
        return (raw - self.offset) / self.gain


def fit_calibration(raw: Array, digital: Array, clipped: Mask) -> Calibration:
    """Return the calibration that explains raw products of known inputs, by least squares.

    Parameters
    ----------
    raw, digital
        Measured and exact products of the same inputs, shape ``(n, n_out)``, n at least 3.
    clipped
        True for products at the end of a converter's range, same shape; one of them is enough to
        leave its output uncorrected, because it bends the line.

    Notes
    -----
    An output is corrected only if its gain is at least three of its standard errors above zero:
    dividing by a gain that noise made would invent a product.
    """
    n = raw.shape[0]
    centred = digital - digital.mean(axis=0)
    spread = np.sum(centred**2, axis=0)
    # A constant output says nothing about gain; its spread of 0 leads to "not trusted" below.
    safe = np.where(spread > 0, spread, 1.0)
    gain = np.sum(centred * (raw - raw.mean(axis=0)), axis=0) / safe
    offset = raw.mean(axis=0) - gain * digital.mean(axis=0)
    left = raw - (offset + gain * digital)
    sigma = np.sqrt(np.sum(left**2, axis=0) / (n - 2))
    trusted = (spread > 0) & (gain > 3 * sigma / np.sqrt(safe)) & (gain > 0)
    trusted &= ~clipped.any(axis=0)
    gain, offset = np.where(trusted, gain, 1.0), np.where(trusted, offset, 0.0)
    rms = np.sqrt(np.mean((raw - digital) ** 2, axis=0))
    return Calibration(
        offset=offset,
        gain=gain,
        residual=np.where(trusted, sigma / gain, rms),
        trusted=np.asarray(trusted, dtype=np.bool_),
    )
