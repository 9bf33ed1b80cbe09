"""What a tortured run can meet, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from crossbar.backend import Limits
from crossbar.torture.plan import Pulse, Step

TOO_MUCH = 1.1
"""Times the largest voltage that the limits allow."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    where
        ``ad2``, ``array``, ``store`` or ``program``.
    what
        In words.
    """

    where: str
    what: str


FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "none": Fault("program", "nothing goes wrong"),
        "refused": Fault("ad2", "a call of libdwf fails"),
        "lost": Fault("ad2", "a call is done, reply lost"),
        "slow": Fault("ad2", "a call takes seconds"),
        "unplugged": Fault("ad2", "the USB plug is pulled"),
        "cut": Fault("ad2", "own supply, USB plug pulled"),
        "reset": Fault("ad2", "the device is reset"),
        "tripped": Fault("ad2", "its supplies trip"),
        "stuck": Fault("ad2", "scope values stick"),
        "stale": Fault("ad2", "a scope record comes twice"),
        "garbage": Fault("ad2", "a scope record is noise"),
        "interrupt": Fault("program", "Ctrl-C in a call"),
        "too much": Fault("program", "asks beyond the limits"),
        "shorted": Fault("array", "a cell is shorted"),
        "missing": Fault("array", "a cell is open"),
        "sealed": Fault("store", "the disk turns read-only"),
        "gone": Fault("store", "the store disappears"),
    }
)
"""The first one is the control: whatever is found in it is the checker's own mistake."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """A fault, and where in a run it happens.

    Parameters
    ----------
    name
        In `FAULTS`.
    at
        Number of the call of libdwf, or of the step.
    cell
        Of a fault of the array.
    """

    name: str
    at: int = 0
    cell: tuple[int, int] = (0, 0)

    @property
    def trouble(self) -> dict[int, str]:
        """What goes wrong with the Analog Discovery 2."""
        calls = FAULTS[self.name].where == "ad2" or self.name == "interrupt"
        return {self.at: self.name.upper()} if calls else {}

    @property
    def array(self) -> dict[tuple[int, int], str]:
        """What is wrong with the array."""
        return {self.cell: self.name} if FAULTS[self.name].where == "array" else {}

    @property
    def store(self) -> tuple[str, int] | None:
        """What goes wrong with the store, and before which step."""
        return (self.name, self.at) if FAULTS[self.name].where == "store" else None

    def steps(self, steps: tuple[Step, ...], limits: Limits) -> tuple[Step, ...]:
        """Return the steps of a run that this happens to."""
        if self.name != "too much":
            return steps
        high = TOO_MUCH * limits.voltage
        wrong = [
            replace(step, voltages=tuple(high for _ in step.voltages))
            if isinstance(step, Pulse)
            else step
            for step in steps
        ]
        return tuple(wrong)


def drawn(
    rng: np.random.Generator,
    name: str,
    exchanges: int,
    steps: tuple[Step, ...],
) -> Mishap:
    """Return a fault at a random place of a run of so many calls and these steps."""
    touched = [cell for step in steps for cell in getattr(step, "cells", ())]
    cell = touched[int(rng.integers(len(touched)))]
    most = len(steps) if FAULTS[name].where == "store" else exchanges
    return Mishap(name, int(rng.integers(most)), cell)
