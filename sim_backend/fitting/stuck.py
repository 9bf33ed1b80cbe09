"""Which of many devices are stuck, and where."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, DataError, Mask, Siemens
from sim_backend.devices.stuck import Stuck, scott


@dataclass(frozen=True, slots=True, eq=False)
class StuckCells:
    """What pulses showed of many devices.

    Parameters
    ----------
    stuck
        Which do not move, shape ``(n_devices,)``.
    values
        Mean conductance of each of those, S.
    conductance_off, conductance_on
        Medians over all devices of the smallest and the largest conductance of each, S.
    """

    stuck: Mask
    values: Array
    conductance_off: Siemens
    conductance_on: Siemens

    @property
    def probability(self) -> float:
        """Share of the devices that are stuck."""
        return float(self.stuck.mean())

    @property
    def bandwidth(self) -> Siemens:
        """Scott's bandwidth of a kernel density of the values, S."""
        return scott(self.values)

    def model(self, of: str = "perovskite") -> Stuck:
        """Return a device model with this share of cells stuck at such conductances."""
        return Stuck(
            of=of,
            probability=self.probability,
            conductance=self.conductance_off,
            values=tuple(self.values.tolist()),
        )


def stuck_cells(conductances: Array) -> StuckCells:
    """Return which devices moved by less than half of what the median device moves.

    Parameters
    ----------
    conductances
        S, after each of the same pulses, shape ``(n_devices, n_pulses)``.

    Raises
    ------
    DataError
        If there are less than two devices or pulses, a conductance is not finite, or none moves.

    References
    ----------
    The criterion of Joksas et al., Adv. Sci. 9 (2022) 2105784.
    """
    G = np.asarray(conductances, dtype=np.float64)
    if G.ndim != 2 or min(G.shape) < 2 or not np.isfinite(G).all():
        raise DataError(f"conductances of shape {G.shape} are no finite (devices, pulses) table")
    lowest, highest = G.min(axis=1), G.max(axis=1)
    off, on = float(np.median(lowest)), float(np.median(highest))
    if on <= off:
        raise DataError("no device moves: all of them would be stuck")
    stuck = highest - lowest < (on - off) / 2
    return StuckCells(stuck, G[stuck].mean(axis=1), off, on)
