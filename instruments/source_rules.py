"""What may be sent to a voltage source with a current limit, whichever it is."""

from collections.abc import Callable, Sequence

from crossbar.backend import LimitError, Limits, Volt
from instruments.source_meter import check_voltage
from instruments.wire_guard import as_number, is_on


class SourceRules:
    """Rules for a `WireGuard` that do not depend on the instrument.

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
        self._on = on
        self._told_of_reset = reset

    def level(self, given: Sequence[str]) -> None:
        """Refuse a voltage outside the limits."""
        check_voltage(as_number(given), self._limits)

    def span(self, given: Sequence[str]) -> None:
        """Refuse another range while the output is on."""
        if self._on():
            raise LimitError("another range may bring another limit; not while the output is on")

    def output(self, given: Sequence[str]) -> None:
        """Refuse to switch on what the driver does not mean to be on."""
        if is_on(given) and not self._on():
            raise LimitError("the output goes on by `energised` only")

    def refuse(self, given: Sequence[str]) -> None:
        """Refuse."""
        raise LimitError("what this would set is not known here, or outside what this bench does")

    def reset(self, given: Sequence[str]) -> None:
        """Let it pass, and tell the driver."""
        self._told_of_reset()


def smallest_span(voltage: Volt, spans: Sequence[Volt], model: str) -> Volt:
    """Return the smallest range that holds a voltage, V.

    Raises
    ------
    LimitError
        If none does.
    """
    for span in spans:
        if abs(voltage) <= span:
            return span
    raise LimitError(f"{voltage} V is outside ±{spans[-1]} V, the largest range of a {model}")
