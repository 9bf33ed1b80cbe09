"""The numbers of a fine-tuning, without torch, so that a command line can show them at once."""

from dataclasses import dataclass, fields

import numpy as np

from crossbar.backend import DataError, Second


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How lines behind the outputs are tuned; the defaults were chosen on moons, bench sim.

    Parameters
    ----------
    steps
        Of Adam; each measures every input once, and one measurement more says what the last did.
    inputs
        Training inputs that are measured, the same ones at every step.
    learning_rate
        At the first step; falls linearly to zero.

    Raises
    ------
    DataError
        If a number is not positive.
    """

    steps: int = 30
    inputs: int = 128
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True, slots=True)
class WeightSettings:
    """How weights are tuned; the defaults were chosen on moons, bench sim.

    Parameters
    ----------
    steps, inputs, learning_rate
        As in `LineSettings`; the learning rate is in the weights' unit, and stays.
    writes
        Weights of each matrix that are written at a step, at the most: those with the largest
        changes.
    threshold
        Change from which a weight is written, in half-widths of a cell's band.
    pause
        After the writes of a step, s: what is measured next has relaxed for so long.
    pulses
        How many all steps together may take; None for as many as the cells' own budgets allow.

    Raises
    ------
    DataError
        If a number is not positive; the pause and the pulses may be zero.
    """

    steps: int = 10
    inputs: int = 128
    learning_rate: float = 0.2
    writes: int = 3
    threshold: float = 4.0
    pause: Second = 10.0
    pulses: int | None = None

    def __post_init__(self) -> None:
        _check_positive(self, zero=("pause", "pulses"))


def _check_positive(settings: LineSettings | WeightSettings, zero: tuple[str, ...] = ()) -> None:
    for field in fields(settings):
        value = getattr(settings, field.name)
        least = value is None or value > 0 or (field.name in zero and value == 0)
        if not least or value == np.inf:
            raise DataError(f"{field.name} = {value} of a fine-tuning is not a number above zero")
