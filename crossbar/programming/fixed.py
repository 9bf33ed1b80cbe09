"""The same pulse again and again: the simplest policy, and the baseline of the others."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices, Mask, Second, Volt
from crossbar.programming.checks import check_settings


@dataclass(frozen=True, slots=True)
class FixedSettings:
    """One pulse per direction.

    Parameters
    ----------
    set_voltage, reset_voltage
        Amplitudes as magnitudes, V.
    width
        Of every pulse, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite.
    """

    set_voltage: Volt = 3.6
    reset_voltage: Volt = 2.8
    width: Second = 100e-6

    def __post_init__(self) -> None:
        check_settings("fixed", self)

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """The two amplitudes, V."""
        return self.set_voltage, -self.reset_voltage

    @property
    def widths(self) -> tuple[Second, Second]:
        """The one width, s."""
        return self.width, self.width

    def policy(self, count: int) -> "Fixed":
        """Return the policy; it remembers nothing of its cells."""
        return Fixed(self)


class Fixed:
    """Pulses toward the target; once it has overshot, a cell comes no closer than one step.

    Parameters
    ----------
    settings
        The two pulses.

    References
    ----------
    MemTorch's ``naive_program``; FPPV of the RADAR logs, there with a pulse per level.
    """

    def __init__(self, settings: FixedSettings) -> None:
        self._settings = settings

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s = self._settings
        voltages = np.where(target > conductance, s.set_voltage, -s.reset_voltage)
        return voltages, np.full(len(index), s.width)

    def exhausted(self, index: Indices) -> Mask:
        """Return True: there is no stronger pulse than the one."""
        return np.ones(len(index), dtype=np.bool_)
