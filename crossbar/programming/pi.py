"""A controller: the amplitude follows the error and the sum of the errors so far."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices, Mask, Second, Siemens, Volt
from crossbar.programming.checks import check_settings


@dataclass(frozen=True, slots=True)
class PiSettings:
    """Gains, and the amplitudes between which the controller moves.

    Parameters
    ----------
    set_start, set_stop
        SET amplitude at no control and at full control, V.
    reset_start, reset_stop
        The same for RESET, V, given without the sign.
    span
        Error that counts as 1, S: the range of the conductances.
    proportional, integral
        Gains Kp and Ki, of the error and of the sum of errors, both in units of `span`; a control
        of 1 is full control.
    windup
        Largest magnitude of Ki times the sum: more error than this is not remembered.
    width
        Of every pulse, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite, or a stop is below its start.
    """

    set_start: Volt = 3.0
    set_stop: Volt = 4.5
    reset_start: Volt = 2.2
    reset_stop: Volt = 3.8
    span: Siemens = 8e-5
    proportional: float = 0.5
    integral: float = 0.4
    windup: float = 1.0
    width: Second = 100e-6

    def __post_init__(self) -> None:
        check_settings("pi", self, (("set_start", "set_stop"), ("reset_start", "reset_stop")))

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Amplitudes at full control, V."""
        return self.set_stop, -self.reset_stop

    @property
    def widths(self) -> tuple[Second, Second]:
        """The one width, s."""
        return self.width, self.width

    def policy(self, count: int) -> "Pi":
        """Return the policy for this many cells."""
        return Pi(count, self)


class Pi:
    """Drives with u = Kp e + Ki sum(e); the dead zone is the loop's tolerance.

    The polarity is the error's: the sum is forgotten when the error changes its sign, because what
    it says is how hard a cell was to move the other way.

    Parameters
    ----------
    count
        Number of cells.
    settings
        Gains and amplitudes.

    References
    ----------
    OpenMENA (arXiv 2511.03747), its VIPI controller; there the width follows the control.
    """

    def __init__(self, count: int, settings: PiSettings) -> None:
        self._settings = settings
        self._sum = np.zeros(count)
        self._full = np.zeros(count, dtype=np.bool_)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s = self._settings
        up = target > conductance
        error = (target - conductance) / s.span
        before = np.where(self._sum[index] * error < 0, 0.0, self._sum[index])
        total = np.clip(before + error, -s.windup / s.integral, s.windup / s.integral)
        control = np.minimum(np.abs(s.proportional * error + s.integral * total), 1.0)
        self._sum[index], self._full[index] = total, control >= 1.0
        set_amplitude = s.set_start + control * (s.set_stop - s.set_start)
        reset_amplitude = s.reset_start + control * (s.reset_stop - s.reset_start)
        return np.where(up, set_amplitude, -reset_amplitude), np.full(len(index), s.width)

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse was at full control."""
        return self._full[index]
