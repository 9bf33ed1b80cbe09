"""Incremental step pulse programming: each pulse a little stronger than the last."""

from dataclasses import dataclass, fields

import numpy as np

from crossbar.backend import Array, BenchError, Indices, Mask, Second, Volt


@dataclass(frozen=True, slots=True)
class IsppSettings:
    """The two staircases of amplitudes, as magnitudes.

    Parameters
    ----------
    set_start, set_step, set_stop
        First SET amplitude, increment and largest, V.
    reset_start, reset_step, reset_stop
        The same for RESET, V, given without the sign.
    width
        Width of every pulse, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite, or a staircase stops below its start.
    """

    set_start: Volt = 2.4
    set_step: Volt = 0.05
    set_stop: Volt = 4.5
    reset_start: Volt = 1.6
    reset_step: Volt = 0.05
    reset_stop: Volt = 3.8
    width: Second = 100e-6

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0 < value < np.inf:
                raise BenchError(f"ispp {field.name} = {value} is not a positive finite number")
        for way in ("set", "reset"):
            start, stop = getattr(self, f"{way}_start"), getattr(self, f"{way}_stop")
            if start > stop:
                raise BenchError(f"ispp {way}_start {start} V is above {way}_stop {stop} V")

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Tops of the two staircases, V."""
        return self.set_stop, -self.reset_stop

    @property
    def widths(self) -> tuple[Second, Second]:
        """The one width, s."""
        return self.width, self.width

    def policy(self, count: int) -> "Ispp":
        """Return the policy for this many cells."""
        return Ispp(count, self)


class Ispp:
    """The staircase policy: step up while the direction repeats, start again when it turns.

    Parameters
    ----------
    count
        Number of cells.
    settings
        The staircases.

    References
    ----------
    The common scheme of the public write-verify codes (ISPP, also called PGM-verify or ISPVA);
    restart on reversal as in 3it-inpaqt/QDMS's first rule.
    """

    def __init__(self, count: int, settings: IsppSettings) -> None:
        self._settings = settings
        self._direction = np.zeros(count, dtype=np.intp)
        self._level = np.zeros(count, dtype=np.intp)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s, error = self._settings, target - conductance
        direction = np.where(error > 0, 1, -1)
        repeats = direction == self._direction[index]
        self._level[index] = np.where(repeats, self._level[index] + 1, 0)
        self._direction[index] = direction
        up = np.minimum(s.set_start + self._level[index] * s.set_step, s.set_stop)
        down = np.minimum(s.reset_start + self._level[index] * s.reset_step, s.reset_stop)
        return np.where(direction > 0, up, -down), np.full(len(index), s.width)

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse was the top of the staircase."""
        s = self._settings
        level = self._level[index]
        top = np.where(
            self._direction[index] > 0,
            s.set_start + level * s.set_step >= s.set_stop,
            s.reset_start + level * s.reset_step >= s.reset_stop,
        )
        return np.asarray(top, dtype=np.bool_)
