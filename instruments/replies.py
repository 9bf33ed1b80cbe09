"""What instruments are told and reply, as numbers, and what their error queues say."""

from crossbar.backend import InstrumentError
from instruments.visa import Link

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
    try:
        found = [float(text) for text in reply.split(",")]
    except ValueError as problem:
        raise InstrumentError(f"{reply!r} are not {count} numbers") from problem
    if len(found) != count:
        raise InstrumentError(f"{reply!r} are not {count} numbers")
    return found


def register(value: float) -> int:
    """Return the bits of a status register, from the number that was replied.

    Raises
    ------
    InstrumentError
        If it is no whole number.
    """
    if not value >= 0 or value != value // 1:
        raise InstrumentError(f"{value} are not the bits of a register")
    return int(value)


def confirm(link: Link, question: str, wanted: float, tolerance: float = 0.0) -> None:
    """Raise `InstrumentError` unless the reply to a question is the number that was set."""
    (found,) = numbers(link.ask(question), 1)
    if not abs(found - wanted) <= tolerance:
        raise InstrumentError(f"{link.name}: {question} is {found:g}, and was set to {wanted:g}")


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
