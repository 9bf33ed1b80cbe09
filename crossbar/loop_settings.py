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
        Of Adam; each measures every input once, in all layers but the first, and one measurement
        more says what the last did.
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
    inputs: int = 256
    learning_rate: float = 0.2

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True, slots=True)
class WeightSettings:
    """How weights are tuned; the defaults were chosen on moons, bench sim.

    Parameters
    ----------
    steps, inputs, learning_rate
        As in `LineSettings`, steps at the most; the learning rate, in the weights' unit, stays.
    writes
        Weights of each matrix that are written at a step, at the most: those with the largest
        changes.
    threshold
        Change from which a weight is written, in half-widths of a cell's band.
    goal
        It ends as soon as the measured loss is no more than this above the loss in software: every
        write is a new draw of what happens to cells after it, and a chip that happens to be good
        is left alone.
    pause
        After the writes of a step, s: what is measured next has relaxed for so long.
    pulses
        How many all steps together may take; None for as many as the cells' own budgets allow.

    Raises
    ------
    DataError
        If a number is not positive; goal, pause and pulses may be zero.
    """

    steps: int = 20
    inputs: int = 256
    learning_rate: float = 0.2
    writes: int = 3
    threshold: float = 4.0
    goal: float = 0.1
    pause: Second = 10.0
    pulses: int | None = None

    def __post_init__(self) -> None:
        _check_positive(self, zero=("goal", "pause", "pulses"))


def _check_positive(settings: LineSettings | WeightSettings, zero: tuple[str, ...] = ()) -> None:
    for field in fields(settings):
        value = getattr(settings, field.name)
        least = value is None or value > 0 or (field.name in zero and value == 0)
        if not least or value == np.inf:
            raise DataError(f"{field.name} = {value} of a fine-tuning is not a number above zero")
