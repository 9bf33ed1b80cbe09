"""What a predictor is: for each polarity an amplitude and a map from conductances to a width."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from crossbar.backend import Array, DataError, Second, Siemens, Volt


class WidthMap(Protocol):
    """Says how long a pulse takes from one conductance to another."""

    @property
    def low(self) -> Siemens:
        """Lower end of what it knows, S."""
        ...

    @property
    def high(self) -> Siemens:
        """Upper end of what it knows, S."""
        ...

    def widths(self, before: Array, target: Array) -> Array:
        """Return the widths, s, shape ``(n,)``, between conductances, S, shape ``(n,)``."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One polarity; voltages are magnitudes.

    Parameters
    ----------
    amplitude
        At which the map's widths hold, V.
    amplitude_min, amplitude_max
        Between which amplitudes were seen, V.
    per_volt
        By what the ln of the speed grows with the amplitude, 1/V. 0 if that is not known: then
        the amplitude stays.
    map
        Widths.

    Raises
    ------
    DataError
        If a value is impossible.
    """

    amplitude: Volt
    amplitude_min: Volt
    amplitude_max: Volt
    per_volt: float
    map: WidthMap

    def __post_init__(self) -> None:
        if not 0 < self.amplitude_min <= self.amplitude <= self.amplitude_max < np.inf:
            raise DataError(
                f"amplitude {self.amplitude} V is not between {self.amplitude_min} V and "
                f"{self.amplitude_max} V"
            )
        if not 0 <= self.per_volt < np.inf:
            raise DataError(f"per_volt = {self.per_volt} 1/V is not zero or more")

    @property
    def weakest(self) -> Volt:
        """The smallest amplitude that it chooses, V."""
        return self.amplitude_min if self.per_volt else self.amplitude

    @property
    def strongest(self) -> Volt:
        """The largest amplitude that it chooses, V."""
        return self.amplitude_max if self.per_volt else self.amplitude

    def pulses(
        self, before: Array, target: Array, width_min: Second, width_max: Second
    ) -> tuple[Array, Array]:
        """Return amplitudes (V, magnitudes) and widths (s), as near to right as these widths allow.

        A pulse that would be too long is made stronger, one too short weaker, as far as is known.
        """
        wanted = self.map.widths(before, target)
        width = np.clip(wanted, width_min, width_max)
        amplitude = np.full(len(width), self.amplitude)
        if self.per_volt:
            tiny = width_min * np.finfo(np.float64).eps
            amplitude += np.log(np.maximum(wanted, tiny) / width) / self.per_volt
        return np.clip(amplitude, self.weakest, self.strongest), width


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What a predictor was made from.

    Parameters
    ----------
    device
        Family for which it holds.
    source
        Bench, run or model of the pulses.
    seed
        Of the pulses and of the training; -1 where there was none.
    set_shots, reset_shots
        Pulses of each polarity.
    set_loss, reset_loss
        What is left at the end: of a structured map the spread of the ln of the width, of a
        network the mean of Huber's loss of log10 of the width.
    noise
        Noise of the pulses in words: levels that were simulated, or what is known of the bench.
    """

    device: str
    source: str
    seed: int
    set_shots: int
    reset_shots: int
    set_loss: float
    reset_loss: float
    noise: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Which pulse takes a cell of one family from one conductance to another.

    Parameters
    ----------
    set, reset
        Each polarity.
    record
        What it was made from.
    """

    set: Way
    reset: Way
    record: TrainingRecord

    @property
    def strongest(self) -> tuple[Volt, Volt]:
        """The largest amplitudes of SET and of RESET, V, with their signs."""
        return self.set.strongest, -self.reset.strongest

    def pulses(
        self, before: Array, target: Array, width_min: Second, width_max: Second
    ) -> tuple[Array, Array]:
        """Return signed amplitudes (V) and widths (s), shape ``(n,)``.

        Parameters
        ----------
        before, target
            S, shape ``(n,)``; a SET is due where `target` is above `before`.
        width_min, width_max
            What widths may be, s.
        """
        amplitude, width = np.empty(len(before)), np.empty(len(before))
        for sign, way in ((1.0, self.set), (-1.0, self.reset)):
            chosen = (target > before) if sign > 0 else ~(target > before)
            size, width[chosen] = way.pulses(before[chosen], target[chosen], width_min, width_max)
            amplitude[chosen] = sign * size
        return amplitude, width
