"""What a Keithley 6487 is set to before it is used, and how each of it reads back.

Numbers in parentheses are pages of its reference manual, 6487-901-01.
"""

from collections.abc import Sequence

import numpy as np

from crossbar.backend import Ampere, Second, Volt
from instruments.keithley6487_limits import LARGEST_RANGE, OVERRANGE, RESOLUTION
from instruments.read_back import Setting, between, number, switch, words
from instruments.source_meter import NPLC_TOLERANCE

LIMIT_TOLERANCE = 1e-3
"""Of the limit as read back, relative. # assumed"""

AT_ZERO = number("SOUR:VOLT", 0)
AT_REST = (AT_ZERO, number("ARM:COUN", 1), number("TRIG:COUN", 1))
"""What a sweep leaves behind otherwise."""
ZERO_CHECK_OFF = switch("SYST:ZCH", on=False)
SETUP = (
    words("FORM", "ASC"),
    words("FORM:ELEM", "READ", "TIME", "STAT", "VSO"),
    words("ARM:SOUR", "IMM"),
    words("TRIG:SOUR", "IMM"),
    # A filter would mix a point with those before it.
    switch("SENS:AVER", on=False),
    switch("SENS:MED", on=False),
    ZERO_CHECK_OFF,
)
SWITCHED_ON = switch("SOUR:VOLT:STAT", on=True)


def in_force(span: Volt, limit: Ampere) -> tuple[Setting, ...]:
    """Return what must hold while the output is on."""
    return number("SOUR:VOLT:RANG", span), limiting(limit)


def limiting(limit: Ampere) -> Setting:
    """Return the setting of the current limit."""
    return number("SOUR:VOLT:ILIM", limit, LIMIT_TOLERANCE * limit)


def ranging(compliance: Ampere, *, autorange: bool) -> Sequence[Setting]:
    """Return the settings of the meter's range."""
    if autorange:
        return [switch("SENS:CURR:RANG:AUTO", on=True)]
    largest = min(compliance, LARGEST_RANGE)
    least = largest / OVERRANGE * (1 - LIMIT_TOLERANCE)
    return [
        between("SENS:CURR:RANG", largest, least, float("inf")),
        switch("SENS:CURR:RANG:AUTO", on=False),
    ]


def configuration(
    span: Volt,
    limit: Ampere,
    compliance: Ampere,
    nplc: float,
    *,
    autorange: bool,
    interlock: bool,
) -> tuple[Setting, ...]:
    """Return all that is set before the output goes on, in the order in which it is sent."""
    return (
        *SETUP,
        number("SENS:CURR:NPLC", nplc, NPLC_TOLERANCE),
        *ranging(compliance, autorange=autorange),
        switch("SOUR:VOLT:INT", on=interlock),
        # The range first: each has a limit of its own, and a new range brings it along.
        *in_force(span, limit),
    )


def sweeping(
    start: Volt, stop: Volt, points: int, dwell: Second, span: Volt
) -> tuple[Setting, ...]:
    """Return the settings of a sweep over equal steps."""
    # Only whole steps run: a step rounded up would lose the last one.
    step = float(np.floor(abs(stop - start) / (points - 1) * 1e9) / 1e9)
    return (
        number("SOUR:VOLT:SWE:STAR", start, RESOLUTION[span]),
        number("SOUR:VOLT:SWE:STOP", stop, RESOLUTION[span]),
        number("SOUR:VOLT:SWE:STEP", step, RESOLUTION[span]),
        number("SOUR:VOLT:SWE:DEL", dwell, 1e-3 + 1e-3 * dwell),
        number("ARM:COUN", points),
    )
