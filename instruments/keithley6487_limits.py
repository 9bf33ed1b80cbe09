"""What a Keithley 6487 can do, and what may be sent to it, whoever writes it.

Numbers in parentheses are pages of its reference manual, 6487-901-01.
"""

from collections.abc import Callable, Sequence

import numpy as np

from crossbar.backend import Ampere, LimitError, Limits, Second, Volt
from instruments.source_meter import CYCLES_PER_READING, MAINS, check_compliance
from instruments.source_rules import SourceRules, smallest_span
from instruments.wire_guard import Rule, as_number

RANGES: tuple[Volt, ...] = (10.0, 50.0, 500.0)
LIMITS: tuple[Ampere, ...] = (25e-6, 250e-6, 2.5e-3, 25e-3)
"""Current limits of the source; the last on the 10 V range only (table 14-5)."""
LARGEST_RANGE: Ampere = 20e-3
OVERRANGE = 1.05
"""Of the meter's ranges."""
RESOLUTION = {10.0: 2e-4, 50.0: 1e-3, 500.0: 1e-2}
"""Steps of the source, V. From memory: contract test."""


class Rules:
    """What may be sent.

    Parameters
    ----------
    limits
        What may be asked of the instrument.
    on
        Returns whether the source is meant to be on.
    reset
        Called when a message resets the instrument.
    """

    def __init__(self, limits: Limits, on: Callable[[], bool], reset: Callable[[], None]) -> None:
        self._limits = limits
        self._shared = SourceRules(limits, on, reset)

    def table(self) -> dict[str, Rule]:
        """Return the rules by header, as `WireGuard` takes them."""
        return {
            "SOUR:VOLT": self._shared.level,
            "SOUR:VOLT:SWE:STAR": self._shared.level,
            "SOUR:VOLT:SWE:STOP": self._shared.level,
            "SOUR:VOLT:ILIM": self._check_limit,
            "SOUR:VOLT:RANG": self._shared.span,
            "SOUR:VOLT:STAT": self._shared.output,
            "SOUR:VOLT:SWE:INIT": self._shared.output,
            "*RST": self._shared.reset,
            "*RCL": self._shared.refuse,
            "SYST:PRES": self._shared.refuse,
        }

    def _check_limit(self, given: Sequence[str]) -> None:
        limit = as_number(given)
        check_compliance(limit, self._limits)
        if not np.isclose(limit, LIMITS, rtol=1e-6, atol=0).any():
            raise LimitError(f"{limit} A would snap to another limit, which may be above it")


def voltage_range(voltage: Volt) -> Volt:
    """Return the smallest range that holds a voltage, V.

    Raises
    ------
    LimitError
        If none does.
    """
    return smallest_span(voltage, RANGES, "6487")


def limit_below(compliance: Ampere, span: Volt) -> Ampere:
    """Return the largest current limit that is not above a compliance, A.

    The instrument itself would take the closest, and make 250 uA of 80 uA.

    Raises
    ------
    LimitError
        If the compliance is below the smallest limit, 25 uA.
    """
    allowed = LIMITS if span <= RANGES[0] else LIMITS[:-1]
    fitting = [limit for limit in allowed if limit <= compliance * (1 + 1e-9)]
    if not fitting:
        raise LimitError(
            f"compliance {compliance} A is below 25 uA, the smallest limit of a 6487; a 2400 or a "
            "series resistor limits more gently"
        )
    return fitting[-1]


def reading_time(nplc: float) -> Second:
    """Return the longest that one reading takes, s."""
    return CYCLES_PER_READING * nplc / MAINS
