"""What keeps a virtual Analog Discovery 2 from being perfect."""

from dataclasses import dataclass, field

import numpy as np

from crossbar.backend import BenchError, Second, Volt
from sim_backend.virtual.signals import Steps


@dataclass(slots=True)
class Imperfections:
    """Errors of the analog parts; the defaults are those of a good instrument.

    Parameters
    ----------
    noise
        Of the scope at its full rate on the low range, V rms; ten times that on the high range.
    scope_offset
        Of both scope channels, V.
    scope_gain
        Of both scope channels; 1 is right.
    scope_bandwidth
        First order, Hz.
    waveform_offset
        Of W1 and W2, V.
    waveform_bandwidth
        Of W1 and W2, first order, Hz; infinite makes ideal steps, and costs least.
    seed
        Of the noise.

    Raises
    ------
    BenchError
        If the noise is negative or a bandwidth is not positive.
    """

    noise: Volt = 1e-3  # assumed: about 1 mV rms at full rate, nobody has measured it here
    scope_offset: tuple[Volt, Volt] = (0.0, 0.0)
    scope_gain: tuple[float, float] = (1.0, 1.0)
    scope_bandwidth: float = 30e6  # reference manual
    waveform_offset: tuple[Volt, Volt] = (0.0, 0.0)
    waveform_bandwidth: float = float("inf")
    seed: int = 0
    _levels: dict[int, Volt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.noise >= 0:
            raise BenchError(f"noise {self.noise} V is not zero or more")
        if not (self.scope_bandwidth > 0 and self.waveform_bandwidth > 0):
            raise BenchError("a bandwidth is not positive")

    def softened(self, channel: int, signal: Steps, end: Second) -> Steps:
        """Return the steps of a waveform with the edges that its bandwidth allows."""
        if not self.waveform_bandwidth < float("inf"):
            return signal
        constant = 1.0 / (2.0 * np.pi * self.waveform_bandwidth)
        parts = constant * np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0])
        level = self._levels.get(channel, 0.0)
        times: list[float] = []
        values: list[float] = []
        limits = np.append(signal.time[1:], end)
        for begin, stop, aim in zip(signal.time, limits, signal.value, strict=True):
            inside = parts[parts < stop - begin]
            if abs(aim - level) < 1e-6:
                inside = inside[:1]
            # Each part holds what the exponential reaches in its middle.
            middle = np.append(0.5 * (inside[1:] + inside[:-1]), inside[-1] + 0.5 * constant)
            times.extend(begin + inside)
            values.extend(aim + (level - aim) * np.exp(-middle / constant))
            level = float(aim + (level - aim) * np.exp(-(stop - begin) / constant))
        self._levels[channel] = level
        return Steps(np.array(times), np.array(values))
