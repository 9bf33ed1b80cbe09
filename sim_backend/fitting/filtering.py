"""A cell's conductance followed pulse by pulse: what each read was expected to be, and how surely.

A pulse whose dose is larger than the median's leaves the cell further on for good, a read that is
larger than the conductance does not. Kalman's filter keeps the two apart, so that differences from
what was expected are as independent of each other as the model allows.
"""

from dataclasses import dataclass

import numpy as np

from crossbar.backend import Array, Siemens


@dataclass(frozen=True, slots=True)
class Mover:
    """The window and how a dose moves a state in it.

    Parameters
    ----------
    low, span
        Ends of the window: G is `low` + x `span`, S.
    up, down
        γ of SET and of RESET.
    """

    low: float
    span: float
    up: float
    down: float

    def after(self, state: float, dose: float) -> tuple[float, float]:
        """Return the state after a signed dose, and its derivative with respect to the state."""
        distance, order = (1.0 - state, self.up) if dose > 0 else (state, self.down)
        if distance <= 0 or dose == 0:
            return state, 1.0
        grown = 1.0 + (order - 1.0) * abs(dose) * distance ** (order - 1.0)
        if order == 1.0:
            left = distance * float(np.exp(-abs(dose)))
        else:
            left = distance * grown ** (-1.0 / (order - 1.0)) if grown > 0 else 0.0
        return (1.0 - left if dose > 0 else left), (left / distance) ** order


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """What the filter found of each pulse after the first.

    Parameters
    ----------
    difference
        Measured less expected, S, shape ``(n - 1,)``.
    variance
        Of that, S².
    gain
        Share of the difference that the cell was taken to have moved.
    """

    difference: Array
    variance: Array
    gain: Array


def follow(
    mover: Mover,
    conductances: Array,
    doses: Array,
    noise: tuple[float, float],
    gains: Array | None = None,
    level: Siemens | None = None,
) -> Followed:
    """Return what each read was expected to be.

    Parameters
    ----------
    mover
        The window and the laws.
    conductances
        After each pulse, S, shape ``(n,)``.
    doses
        Signed dose of each pulse, same shape; that of the first is not used.
    noise
        Standard deviations of a read, as a fraction of G, and of a dose, as a fraction of itself.
    gains
        Of the filter, shape ``(n - 1,)``: those of an earlier call are kept if given.
    level
        G of which the noise of every read is a fraction, S; that of the read itself by default.
    """
    read, cycle = noise
    measured, low, span = conductances.tolist(), mover.low, mover.span
    x = (measured[0] - low) / span
    P = (read * (measured[0] if level is None else level) / span) ** 2
    found = np.empty((3, len(measured) - 1))
    kept = None if gains is None else gains.tolist()
    for k, dose in enumerate(doses[1:].tolist()):
        moved, slope = mover.after(x, dose)
        P = slope**2 * P + (cycle * (moved - x)) ** 2
        expected = low + span * moved
        S = P + (read * (expected if level is None else level) / span) ** 2
        gain = P / S if kept is None else kept[k]
        difference = measured[k + 1] - expected
        found[:, k] = difference, S * span**2, gain
        x = moved + gain * difference / span
        P *= 1.0 - P / S
    return Followed(*found)
