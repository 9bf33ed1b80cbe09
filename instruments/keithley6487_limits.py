"""What a Keithley 6487 can do, and what may be sent to it, whoever writes it.

Numbers in parentheses are pages of its reference manual, 6487-901-01.
"""

from collections.abc import Callable, Sequence

import numpy as np

from crossbar.backend import Ampere, LimitError, Limits, Second, Volt
from instruments.source_meter import CYCLES_PER_READING, MAINS, check_compliance, check_voltage
from instruments.wire_guard import Rule, as_number, is_on

RANGES: tuple[Volt, ...] = (10.0, 50.0, 500.0)
LIMITS: tuple[Ampere, ...] = (25e-6, 250e-6, 2.5e-3, 25e-3)
"""Current limits of the source; the last on the 10 V range only (table 14-5)."""
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
        self._on = on
        self._told_of_reset = reset

    def table(self) -> dict[str, Rule]:
        """Return the rules by header, as `WireGuard` takes them."""
        return {
            "SOUR:VOLT": self._check_level,
            "SOUR:VOLT:SWE:STAR": self._check_level,
            "SOUR:VOLT:SWE:STOP": self._check_level,
            "SOUR:VOLT:ILIM": self._check_limit,
            "SOUR:VOLT:RANG": self._check_range,
            "SOUR:VOLT:STAT": self._check_on,
            "SOUR:VOLT:SWE:INIT": self._check_on,
            "*RST": self._reset,
            "*RCL": self._refuse,
            "SYST:PRES": self._refuse,
        }

    def _check_level(self, given: Sequence[str]) -> None:
        check_voltage(as_number(given), self._limits)

    def _check_limit(self, given: Sequence[str]) -> None:
        limit = as_number(given)
        check_compliance(limit, self._limits)
        if not np.isclose(limit, LIMITS, rtol=1e-6, atol=0).any():
            raise LimitError(f"{limit} A would snap to another limit, which may be above it")

    def _check_range(self, given: Sequence[str]) -> None:
        if self._on():
            raise LimitError("another range brings another limit; not while the output is on")

    def _check_on(self, given: Sequence[str]) -> None:
        if is_on(given) and not self._on():
            raise LimitError("the output goes on by `energised` only")

    def _refuse(self, given: Sequence[str]) -> None:
        raise LimitError("what this would set is not known here")

    def _reset(self, given: Sequence[str]) -> None:
        self._told_of_reset()


def voltage_range(voltage: Volt) -> Volt:
    """Return the smallest range that holds a voltage, V.

    Raises
    ------
    LimitError
        If none does.
    """
    for span in RANGES:
        if abs(voltage) <= span:
            return span
    raise LimitError(f"{voltage} V is outside ±{RANGES[-1]} V, the largest range of a 6487")


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
