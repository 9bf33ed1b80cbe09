"""One jump to the neighbourhood of the target, then small steps around it."""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, BenchError, Indices, Mask, Second, Siemens, Volt
from crossbar.programming.checks import check_settings

LARGEST_MISS = 1.0
"""Of the way to the target: one wild jump does not say more than that it went twice as far."""


@dataclass(frozen=True, slots=True)
class CoarseFineSettings:
    """The table of amplitudes that it starts with, the two bands and the steps.

    Parameters
    ----------
    set_start, set_top
        SET amplitudes of the lowest and of the highest level, V, before anything was learned.
    set_stop
        Largest SET amplitude, V.
    reset_start, reset_top, reset_stop
        The same for RESET, V, given without the sign; there the lowest level takes the strongest.
    conductance_max
        Highest level of the table, S.
    levels
        How many levels it has from 0 S on.
    bound
        A cell further off its target than this takes a coarse jump, S.
    gain
        How much amplitude a jump adds to the table if it went none of the way, V.
    reach
        How much weaker a jump is for each decade by which it is shorter than the whole way, V.
    step
        From pulse to pulse of the fine staircase, V.
    width
        Of every pulse, s.

    Raises
    ------
    BenchError
        If a value is not positive and finite, amplitudes do not ascend, or there is one level only.
    """

    set_start: Volt = 3.2
    set_top: Volt = 4.2
    set_stop: Volt = 4.5
    reset_start: Volt = 2.5
    reset_top: Volt = 3.6
    reset_stop: Volt = 3.8
    conductance_max: Siemens = 8e-5
    levels: int = 9
    bound: Siemens = 8e-6
    gain: Volt = 0.25
    reach: Volt = 0.5
    step: Volt = 0.1
    width: Second = 100e-6

    def __post_init__(self) -> None:
        ascending = (
            ("set_start", "set_top", "set_stop"),
            ("reset_start", "reset_top", "reset_stop"),
        )
        check_settings("coarse-fine", self, ascending)
        if self.levels < 2:
            raise BenchError(f"coarse-fine levels = {self.levels}: a table has 2 or more")

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """Largest amplitude of each direction, V."""
        return self.set_stop, -self.reset_stop

    @property
    def widths(self) -> tuple[Second, Second]:
        """The one width, s."""
        return self.width, self.width

    def policy(self, count: int) -> "CoarseFine":
        """Return the policy for this many cells."""
        return CoarseFine(count, self)


class CoarseFine:
    """Jumps with what the table says for the target's level; within the bound climbs a staircase.

    What a jump did corrects the table, by what the cells of a level had in common, and the cell's
    own offset from the table, by the rest. A cell that a fine pulse threw out of the bound jumps
    again.

    Parameters
    ----------
    count
        Number of cells.
    settings
        Table, bands and steps.

    References
    ----------
    The RADAR logs' scheme SDR, a coarse and a fine counter: 8.3 to 9.5 pulses per cell where a
    plain ramp took 19 to 25.
    """

    def __init__(self, count: int, settings: CoarseFineSettings) -> None:
        s = self._settings = settings
        # Per direction (RESET, SET) and level, V; and per cell what it needs beyond its level's.
        self._table = np.linspace(
            (s.reset_top, s.set_start), (s.reset_start, s.set_top), s.levels, axis=1
        )
        self._own = np.zeros((2, count))
        self._up = np.full(count, -1, dtype=np.intp)
        self._level = np.zeros(count, dtype=np.intp)
        self._steps = np.zeros(count, dtype=np.intp)
        self._fine = np.zeros(count, dtype=np.bool_)
        self._base = np.zeros(count)
        self._amplitude = np.zeros(count)
        self._before = np.zeros(count)
        self._way = np.ones(count)

    def next(self, index: Indices, conductance: Array, target: Array) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s); see `Policy.next`."""
        s, error = self._settings, target - conductance
        up, fine = (error > 0).astype(np.intp), np.abs(error) <= s.bound
        self._learn_from_jumps(index, conductance)
        goes_on = fine & self._fine[index] & (up == self._up[index])
        self._learn_from_staircases(index[self._fine[index] & ~goes_on])
        self._level[index] = self._nearest_level(target)
        self._steps[index] = np.where(goes_on, self._steps[index] + 1, 0)
        self._base[index] = np.where(
            goes_on, self._base[index], self._jump(index, up, error, target)
        )
        top = np.where(up == 1, s.set_stop, s.reset_stop)
        amplitude = self._base[index] + self._steps[index] * s.step
        self._amplitude[index] = np.clip(amplitude, s.step, top)
        self._up[index], self._fine[index] = up, fine
        self._before[index], self._way[index] = conductance, error
        return np.where(up == 1, 1, -1) * self._amplitude[index], np.full(len(index), s.width)

    def _nearest_level(self, target: Array) -> Indices:
        s = self._settings
        place = np.clip(target / s.conductance_max, 0.0, 1.0) * (s.levels - 1)
        return np.rint(place).astype(np.intp)

    def _jump(self, index: Indices, up: Indices, error: Array, target: Array) -> Array:
        """Return the amplitude that should bring each cell to its target, V."""
        s = self._settings
        whole = np.where(up == 1, np.abs(target), np.abs(s.conductance_max - target))
        least = s.bound / 1000
        part = np.clip(np.abs(error), least, None) / np.maximum(whole, s.bound)
        weaker = s.reach * np.log10(np.minimum(part, 1.0))
        return self._table[up, self._level[index]] + self._own[up, index] + weaker

    def _learn_from_jumps(self, index: Indices, conductance: Array) -> None:
        """Correct the table by what a level's jumps missed on average, cells by the rest."""
        jumped = (self._up[index] >= 0) & ~self._fine[index]
        i = index[jumped]
        up, level = self._up[i], self._level[i]
        went = (conductance[jumped] - self._before[i]) / self._way[i]
        miss = np.clip(1.0 - went, -LARGEST_MISS, LARGEST_MISS)
        total, count = np.zeros_like(self._table), np.zeros_like(self._table)
        np.add.at(total, (up, level), miss)
        np.add.at(count, (up, level), 1.0)
        common = total / np.maximum(count, 1.0)
        self._table += self._settings.gain * common
        self._own[up, i] += self._settings.gain * (miss - common[up, level])

    def _learn_from_staircases(self, index: Indices) -> None:
        """Let the next staircase start in the middle of the last, below it if that had one step."""
        shift = self._settings.step * (self._steps[index] - 1) / 2
        self._own[self._up[index], index] += shift

    def exhausted(self, index: Indices) -> Mask:
        """Return True for cells whose last pulse had the largest amplitude."""
        s = self._settings
        top = np.where(self._up[index] == 1, s.set_stop, s.reset_stop)
        return np.asarray(self._amplitude[index] >= top, dtype=np.bool_)
