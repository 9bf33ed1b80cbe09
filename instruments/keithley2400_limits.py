"""What a Keithley 2400 can do, and what may be sent to it, whoever writes it.

Numbers in parentheses are pages of the user manual, 2400S-900-01.
"""

from collections.abc import Callable, Sequence

from crossbar.backend import Ampere, LimitError, Limits, Second, Volt
from instruments.source_meter import CYCLES_PER_READING, MAINS, check_compliance
from instruments.source_rules import SourceRules, smallest_span
from instruments.wire_guard import Rule, as_number, is_on

RANGES: tuple[Volt, ...] = (0.2, 2.0, 20.0, 200.0)
RESOLUTION = {0.2: 5e-6, 2.0: 5e-5, 20.0: 5e-4, 200.0: 5e-3}
"""Steps of the source by range, V; specifications, from memory: contract test."""
OVERRANGE = 1.05
HIGH_VOLTAGE: Volt = 21.0
"""Above it, 105 mA at most; below it, 1.05 A (specifications)."""
LARGEST: tuple[Ampere, Ampere] = (1.05, 0.105)
SMALLEST: Ampere = 1e-9
"""0.1 % of the lowest current range (18-68)."""


class Rules:
    """What may be sent.

    Parameters
    ----------
    limits
        What may be asked of the instrument.
    on
        Returns whether the output is meant to be on.
    reset
        Called when a message resets the instrument.
    """

    def __init__(self, limits: Limits, on: Callable[[], bool], reset: Callable[[], None]) -> None:
        self._limits = limits
        self._shared = SourceRules(limits, on, reset)

    def table(self) -> dict[str, Rule]:
        """Return the rules by header, as `WireGuard` takes them."""
        refused = (
            *("SOUR:CURR", "SOUR:CURR:*", "SOUR:VOLT:CENT", "SOUR:VOLT:SPAN", "SOUR:LIST:CURR"),
            *("SOUR:LIST:CURR:*", "SOUR:MEM:*", "*RCL", "SYST:PRES"),
        )
        levels = ("", ":TRIG", ":STAR", ":STOP")
        return {
            **dict.fromkeys(refused, self._shared.refuse),
            **{f"SOUR:VOLT{level}": self._shared.level for level in levels},
            "SOUR:LIST:VOLT": self._check_levels,
            "SOUR:LIST:VOLT:APP": self._check_levels,
            "SOUR:FUNC": self._check_function,
            "SOUR:FUNC:MODE": self._check_function,
            "SOUR:VOLT:RANG": self._shared.span,
            "SOUR:CLE:AUTO": self._check_automatic,
            "CURR:PROT": self._check_limit,
            "CURR:RANG": self._shared.span,
            "RES:MODE": self._check_ohms,
            "OUTP": self._shared.output,
            "OUTP:STAT": self._shared.output,
            "*RST": self._shared.reset,
        }

    def _check_levels(self, given: Sequence[str]) -> None:
        for text in given:
            self._shared.level([text])

    def _check_limit(self, given: Sequence[str]) -> None:
        check_compliance(abs(as_number(given)), self._limits)

    def _check_function(self, given: Sequence[str]) -> None:
        if [text.upper()[:4] for text in given] != ["VOLT"]:
            raise LimitError("this bench sources voltage only")

    def _check_automatic(self, given: Sequence[str]) -> None:
        if is_on(given):
            raise LimitError("with automatic output-off, each reading switches the output on")

    def _check_ohms(self, given: Sequence[str]) -> None:
        if [text.upper()[:3] for text in given] != ["MAN"]:
            raise LimitError("automatic ohms choose a current of their own")


def voltage_range(voltage: Volt) -> Volt:
    """Return the smallest range that holds a voltage, V.

    Raises
    ------
    LimitError
        If none does.
    """
    return smallest_span(voltage, RANGES, "2400")


def check_power(voltage: Volt, compliance: Ampere) -> None:
    """Raise `LimitError` if the instrument cannot limit to this current at this voltage."""
    largest = LARGEST[abs(voltage) > HIGH_VOLTAGE]
    if not SMALLEST <= compliance <= largest:
        raise LimitError(
            f"compliance {compliance} A is outside {SMALLEST} A to {largest} A of a 2400 at "
            f"{voltage} V"
        )


def reading_time(nplc: float) -> Second:
    """Return the longest that one reading takes, s: it measures current and voltage."""
    return 2 * CYCLES_PER_READING * nplc / MAINS
