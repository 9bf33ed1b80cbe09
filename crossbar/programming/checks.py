"""What every policy asks of its settings."""

from collections.abc import Collection
from dataclasses import fields
from itertools import pairwise

import numpy as np

from crossbar.backend import BenchError
from crossbar.programming.policy import Pulses


def check_settings(
    name: str, settings: Pulses, ascending: Collection[tuple[str, ...]] = ()
) -> None:
    """Raise `BenchError` if a setting is not positive and finite, or some are out of order.

    Parameters
    ----------
    name
        Of the policy, for the error.
    settings
        A dataclass of floats.
    ascending
        Names of settings of which none may be below the one before.
    """
    for field in fields(settings):  # type: ignore[arg-type]  # every Pulses is a dataclass
        value = getattr(settings, field.name)
        if not 0 < value < np.inf:
            raise BenchError(f"{name} {field.name} = {value} is not a positive finite number")
    for chain in ascending:
        for low, high in pairwise(chain):
            lower, upper = getattr(settings, low), getattr(settings, high)
            if lower > upper:
                raise BenchError(f"{name} {low} = {lower} is above {high} = {upper}")
