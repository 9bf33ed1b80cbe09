"""What instruments are told and reply, as numbers, and what their error queues say."""

import re

from crossbar.backend import InstrumentError, Second
from instruments.visa import Link

NUMBER = re.compile(
    r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|\s*[-+]?(nan|inf)\s*", re.IGNORECASE
)
"""NR1 to NR3 of IEEE 488.2, and what some instruments say for no number; `float` takes more."""
STATUS_BITS = 24
"""Most that a status word here has; 2400S-900-01, 18."""
ERRORS_AT_MOST = 32
"""More than any queue holds: an instrument that goes on is broken."""


def spell(value: float) -> str:
    """Return a number as it is sent: more digits than any source has, and no more."""
    return f"{value:.9g}"


def numbers(reply: str, count: int) -> list[float]:
    """Return the numbers of a reply.

    Raises
    ------
    InstrumentError
        If there are more, fewer, or others than numbers.
    """
    parts = reply.split(",")
    if len(parts) != count or not all(NUMBER.fullmatch(part) for part in parts):
        raise InstrumentError(f"{reply!r} are not {count} numbers")
    return [float(part) for part in parts]


def register(value: float) -> int:
    """Return the bits of a status register, from the number that was replied.

    Raises
    ------
    InstrumentError
        If it is no whole number, or too large for one.
    """
    if not 0 <= value < 1 << STATUS_BITS or value != value // 1:
        raise InstrumentError(f"{value} are not the bits of a register")
    return int(value)


def confirm(link: Link, question: str, wanted: float, tolerance: float = 0.0) -> None:
    """Raise `InstrumentError` unless the reply to a question is the number that was set."""
    (found,) = numbers(link.ask(question), 1)
    if not abs(found - wanted) <= tolerance:
        raise InstrumentError(f"{link.name}: {question} is {found:g}, and was set to {wanted:g}")


def obey(link: Link, command: str, expected: Second = 0.0) -> None:
    """Send a command, and wait until the instrument says that it is carried out.

    Parameters
    ----------
    link
        To the instrument.
    command
        Without a question.
    expected
        What it takes, s.

    Raises
    ------
    InstrumentError
        If it does not say so.
    """
    reply = link.ask(f"{command};*OPC?", expected)
    if reply != "1":
        raise InstrumentError(f"{link.name}: {reply!r} to {command!r} is no completion")


def identity(link: Link) -> str:
    """Return what an instrument calls itself: maker, model, serial number, firmware.

    Raises
    ------
    InstrumentError
        If the reply does not have these four parts.
    """
    found = link.ask("*IDN?")
    if len([part for part in found.split(",") if part.strip()]) != 4:
        raise InstrumentError(f"{link.name}: {found!r} is no maker, model, serial number, firmware")
    return found


def check_errors(link: Link, after: str) -> None:
    """Raise `InstrumentError` with everything that is in the instrument's error queue."""
    found = errors(link)
    if found:
        raise InstrumentError(f"{link.name}, {after}: {'; '.join(found)}")


def errors(link: Link) -> list[str]:
    """Take the errors out of the instrument's queue."""
    found: list[str] = []
    while len(found) < ERRORS_AT_MOST:
        reply = link.ask("SYST:ERR?")
        code, _, _ = reply.partition(",")
        if not code.lstrip("+-").isdigit():
            raise InstrumentError(f"{link.name}: {reply!r} is no entry of an error queue")
        if int(code) == 0:
            break
        found.append(reply)
    return found
