"""Pulses with what each did to its cell: from what a predictor learns."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, DataError, Indices, Mask, Siemens

MARGIN = 2e-3
"""Part of the range: a pulse that ended so near to an end may have been longer than it needed."""

SUFFICIENT = 8
"""Pulses of one polarity without which there is nothing to fit."""


@dataclass(frozen=True, slots=True, eq=False)
class Shots:
    """Pulses in the order in which they were applied; every array has shape ``(n,)``.

    In hindsight each is an example of a good one: whatever was wanted, a pulse of this width is
    what takes a cell from `before` to `after`.

    Parameters
    ----------
    before, after
        Conductance read before the pulse and after it, S.
    amplitude
        V, positive for SET.
    width
        s.

    Raises
    ------
    DataError
        If the shapes differ, a value is not finite, or a pulse has no amplitude or width.
    """

    before: Array
    after: Array
    amplitude: Array
    width: Array

    def __post_init__(self) -> None:
        for name in ("before", "after", "amplitude", "width"):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.shape != (len(self.before),):
                raise DataError(f"{name} has shape {values.shape}; {len(self.before)} are needed")
            if not np.all(np.isfinite(values)):
                raise DataError(f"{name} holds NaN or infinity")
            object.__setattr__(self, name, values)
        if not (np.all(self.width > 0) and np.all(self.amplitude != 0)):
            raise DataError("a pulse has a width above 0 s and an amplitude other than 0 V")

    def __len__(self) -> int:
        return len(self.before)

    def __getitem__(self, chosen: Indices | Mask | slice) -> "Shots":
        return Shots(
            self.before[chosen], self.after[chosen], self.amplitude[chosen], self.width[chosen]
        )

    def of(self, sign: int) -> "Shots":
        """Return the SETs (1) or the RESETs (-1) that moved their cell the way they should.

        A pulse that moved nothing, or whose reads are off by more than it moved, has no width that
        could be learnt.

        Raises
        ------
        DataError
            If there are too few.
        """
        named = np.sign(self.amplitude) == sign
        told = self[named & ((self.after - self.before) * sign > 0)]
        if len(told) < SUFFICIENT:
            raise DataError(
                f"{len(told)} of {int(named.sum())} {'SET' if sign > 0 else 'RESET'} pulses moved "
                f"their cell their way; a predictor needs {SUFFICIENT}"
            )
        return told

    def ended(self, low: Siemens, high: Siemens) -> Mask:
        """Return True for pulses that ran into an end of this range, S."""
        margin = MARGIN * (high - low)
        up = self.amplitude > 0
        return np.where(up, self.after >= high - margin, self.after <= low + margin)


def together(*parts: Shots) -> Shots:
    """Return several collections as one."""
    names = ("before", "after", "amplitude", "width")
    return Shots(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
