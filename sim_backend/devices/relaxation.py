"""How a conductance goes on after a write: a course in the logarithm of time, drawn at the write.

ln G shifts by Σ_k r_k w_k(t), where w_k is how much of the k-th window of ln(1 + t/t0) has passed
by t. With one window without end, which is the default, that is r ln(1 + t/t0). With several it is
a random walk in ln t: what a cell does in one window says nothing about the next.

A draw is a = s(G) (mean + sigma sinh(τz)/τ), z standard normal: τ = 0 leaves z, a larger τ gives
heavier tails (Johnson, Biometrika 36 (1949) 149, his S_U). s(G) = 1/(1 + (G/G_k)^p), G being the
conductance that was written: what is written well above G_k stays. Without G_k, s = 1. As no cell
goes on without bound, r = a/(1 + |a|/r_max); without r_max, r = a.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Indices, Second, Siemens


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The constants of the law above.

    Parameters
    ----------
    mean, sigma
        Of r, where s = 1.
    tail
        τ.
    start, end
        t0 and the time after which nothing moves, s.
    window
        Length of a window, in ln(1 + t/t0); zero makes one window without end.
    knee, power
        G_k, S, and p; a knee of zero is none.
    most
        r_max; zero is none.
    """

    mean: float
    sigma: float
    tail: float
    start: Second
    end: Second
    window: float
    knee: Siemens
    power: float
    most: float

    @property
    def windows(self) -> int:
        """How many windows pass until the end."""
        if self.window == 0:
            return 1
        return max(1, int(np.ceil(np.log1p(self.end / self.start) / self.window)))

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Return a without s(G) for this many writes, shape ``(windows, count)``."""
        z = rng.standard_normal((self.windows, count))
        heavy = np.sinh(self.tail * z) / self.tail if self.tail else z
        return self.mean + self.sigma * heavy

    def slopes(self, drawn: Array, conductances: Array) -> Array:
        """Return r of cells that were written to these conductances, S; shape of `drawn`."""
        slopes = drawn
        if self.knee:
            slopes = slopes / (1.0 + (conductances / self.knee) ** self.power)
        if self.most:
            slopes = slopes / (1.0 + np.abs(slopes) / self.most)
        return slopes

    def shift(self, slopes: Array, elapsed: Array, cells: Indices | None = None) -> Array:
        """Return the shift of ln G.

        Parameters
        ----------
        slopes
            r of each window, shape ``(windows, m)``.
        elapsed
            s since the write, zero or more, shape ``(n,)``.
        cells
            Which of the m cells these times are of, shape ``(n,)``; by default all, in order.
        """

        def own(k: int) -> Array:
            slope: Array = slopes[k]
            return slope if cells is None else slope.take(cells)

        passed = np.log1p(np.minimum(elapsed, self.end) / self.start)
        if self.windows == 1:
            return own(0) * passed
        shift = own(0) * np.minimum(passed, self.window)
        # The end falls into the last window, whose length is therefore of no account.
        for k in range(1, min(self.windows, 1 + int(passed.max(initial=0.0) // self.window))):
            shift += own(k) * np.clip(passed - k * self.window, 0.0, self.window)
        return shift
