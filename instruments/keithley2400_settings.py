"""What a Keithley 2400 is set to before it is used, and how each of it reads back.

Numbers in parentheses are pages of the user manual, 2400S-900-01.
"""

from collections.abc import Sequence

from crossbar.backend import Ampere, Second, Volt
from instruments.keithley2400_limits import OVERRANGE, RESOLUTION
from instruments.read_back import Setting, between, number, switch, words
from instruments.source_meter import NPLC_TOLERANCE

LIMIT_TOLERANCE = 1e-3
"""Of the limit as read back, relative. # assumed"""

SWITCHED_ON = switch("OUTP", on=True)
AT_ZERO = number("SOUR:VOLT", 0)
AT_REST = (
    words("SOUR:VOLT:MODE", "FIX"),
    AT_ZERO,
    number("ARM:COUN", 1),
    number("TRIG:COUN", 1),
)
"""What a sweep leaves behind otherwise."""
SETUP = (
    words("SOUR:FUNC", "VOLT"),
    # Otherwise the output goes on and off by itself with every reading.
    switch("SOUR:CLE:AUTO", on=False),
    # A delay that a sweep has left would be waited for in every reading.
    switch("SOUR:DEL:AUTO", on=True),
    words("FORM", "ASC"),
    # PyMeasure's own methods take these five.
    words("FORM:ELEM", "VOLT", "CURR", "RES", "TIME", "STAT"),
    switch("SENS:FUNC:CONC", on=True),
    words("SENS:FUNC", "VOLT", "CURR", value="'VOLT','CURR'", more=True),
    words("SENS:RES:MODE", "MAN"),
    # A moving filter would mix a point with those before it.
    switch("SENS:AVER", on=False),
)


def in_force(span: Volt, limit: Ampere) -> tuple[Setting, ...]:
    """Return what must hold while the output is on."""
    return words("SOUR:FUNC", "VOLT"), spanning(span), limiting(limit)


def spanning(span: Volt) -> Setting:
    """Return the setting of the source's range."""
    return between("SOUR:VOLT:RANG", span, span, span * OVERRANGE * (1 + LIMIT_TOLERANCE))


def limiting(limit: Ampere) -> Setting:
    """Return the setting of the current limit."""
    return number("SENS:CURR:PROT", limit, LIMIT_TOLERANCE * limit)


def sourcing(level: Volt, span: Volt) -> Setting:
    """Return the setting of the level on a range."""
    return number("SOUR:VOLT", level, RESOLUTION[span])


def ranging(limit: Ampere, *, autorange: bool) -> Sequence[Setting]:
    """Return the settings of limit and current range, in the order in which they are taken."""
    # Autorange first: a fixed range from before may be too large for the new limit.
    chosen = [switch("SENS:CURR:RANG:AUTO", on=True), limiting(limit)]
    if not autorange:
        least = limit / OVERRANGE * (1 - LIMIT_TOLERANCE)
        chosen += [
            between("SENS:CURR:RANG", limit, least, float("inf")),
            switch("SENS:CURR:RANG:AUTO", on=False),
        ]
    return chosen


def configuration(
    span: Volt, limit: Ampere, nplc: float, *, autorange: bool, interlock: bool, off_state: str
) -> tuple[Setting, ...]:
    """Return all that is set before the output goes on, in the order in which it is sent."""
    return (
        *SETUP,
        words("OUTP:SMOD", off_state),
        switch("OUTP:ENAB", on=interlock),
        number("SENS:CURR:NPLC", nplc, NPLC_TOLERANCE),
        spanning(span),
        *ranging(limit, autorange=autorange),
    )


def sweeping(
    start: Volt, stop: Volt, points: int, dwell: Second, span: Volt
) -> tuple[Setting, ...]:
    """Return the settings of a sweep over equal steps on the range that was configured."""
    step = (stop - start) / (points - 1)
    return (
        number("SOUR:VOLT:STAR", start, RESOLUTION[span]),
        number("SOUR:VOLT:STOP", stop, RESOLUTION[span]),
        number("SOUR:VOLT:STEP", step, RESOLUTION[span]),
        # The range that was configured, and the limit with it.
        words("SOUR:SWE:RANG", "FIX"),
        number("SOUR:DEL", dwell, 1e-4 + 1e-3 * dwell),
        number("TRIG:COUN", points),
        words("SOUR:VOLT:MODE", "SWE"),
    )
