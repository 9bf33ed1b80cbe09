"""What a programmed cell is, and how long to try: the table ``[programming]`` of a bench file."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import BenchError, Second, Siemens, Volt
from crossbar.mapping import Window
from crossbar.programming.order import ORDERS


@dataclass(frozen=True, slots=True)
class WriteVerify:
    """What a programmed cell is, and how long to try.

    Parameters
    ----------
    read_voltage
        Of every read, verify read and, at full scale, of a multiply, V.
    conductance_min, conductance_max
        The window that targets may use, S. Keep it inside what nearly every cell reaches.
    tolerance
        Half-width of the band around a target, S.
    pulses
        Pulses that a cell may take in one pass.
    stuck_pulses
        When this many of the strongest pulses together have not moved a cell by one tolerance
        toward its target, as many of the opposite direction tell a cell that is stuck from one
        whose range ends there.
    reread_delay
        Time between the end of programming and the re-read that is reported beside the verify, s.
    verify_reads
        With 2 or more, a cell whose verify read is inside its band is read this many times more,
        and their mean decides.
    guard
        How many standard errors of that mean have to lie between it and the edge of the band:
        against reads that are inside by chance. Needs `verify_reads` of 2 or more.
    verify_delay
        Wait before these reads, s; it is waited once for all cells of a round.
    reversals
        Changes of direction that a cell may take in one pass; by default as many as pulses allow.
    energy
        Energy that a cell may take in one pass, J; by default as much as pulses allow. Each pulse
        counts V² G width, as if the cell were ohmic, G being the mean of the verify reads before
        and after it.
    passes
        With 2 or more, cells that have left their band when they are re-read after a pass are
        written again, so often that there are this many passes at the most.
    pass_delay
        Between a pass and that re-read, s.
    order
        A name in `ORDERS`: in which groups the cells of a pass are written.

    Raises
    ------
    BenchError
        If a value is out of its domain.
    """

    read_voltage: Volt = 0.3
    conductance_min: Siemens = 2e-6
    conductance_max: Siemens = 80e-6
    tolerance: Siemens = 1e-6
    pulses: int = 150
    stuck_pulses: int = 5
    reread_delay: Second = 10.0
    verify_reads: int = 1
    guard: float = 0.0
    verify_delay: Second = 0.0
    reversals: int | None = None
    energy: float | None = None
    passes: int = 1
    pass_delay: Second = 1.0
    order: str = "together"

    def __post_init__(self) -> None:
        for name in ("read_voltage", "tolerance", "pulses", "stuck_pulses"):
            value = getattr(self, name)
            if not 0 < value < np.inf:
                raise BenchError(f"programming {name} = {value} is not a positive finite number")
        for name in ("reread_delay", "verify_delay", "pass_delay"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise BenchError(f"programming {name} = {value} s is not a time")
        for name in ("verify_reads", "passes"):
            if not getattr(self, name) >= 1:
                raise BenchError(f"programming {name} = {getattr(self, name)} is not 1 or more")
        if not 0 <= self.guard < np.inf:
            raise BenchError(
                f"programming guard = {self.guard} is not a finite number of 0 or more"
            )
        if self.guard > 0 and self.verify_reads < 2:
            raise BenchError(
                f"programming guard = {self.guard} takes a standard error, and that takes "
                f"verify_reads of 2 or more, not {self.verify_reads}"
            )
        if self.reversals is not None and not self.reversals >= 0:
            raise BenchError(f"programming reversals = {self.reversals} is not 0 or more")
        if self.energy is not None and not 0 < self.energy < np.inf:
            raise BenchError(
                f"programming energy = {self.energy} J is not a positive finite number"
            )
        if self.order not in ORDERS:
            raise BenchError(
                f"programming order = {self.order!r} is not one of {', '.join(ORDERS)}"
            )
        _ = self.window

    @property
    def window(self) -> Window:
        """The conductances that targets may have."""
        return Window(self.conductance_min, self.conductance_max)
