"""Settings that are read back: a command that was lost on the way changes nothing unnoticed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from crossbar.backend import InstrumentError
from instruments.replies import numbers, spell
from instruments.visa import Link


@dataclass(frozen=True, slots=True)
class Setting:
    """What is set by ``header value``, and asked for by ``header?``.

    Parameters
    ----------
    header
        Of command and question.
    value
        As it is sent.
    holds
        Returns whether a reply to the question means that value.
    """

    header: str
    value: str
    holds: Callable[[str], bool]

    @property
    def question(self) -> str:
        """What asks for it."""
        return f"{self.header}?"


def number(header: str, value: float, tolerance: float = 0.0) -> Setting:
    """Return a setting that is a number, and reads back as that within a tolerance."""
    return between(header, value, value - tolerance, value + tolerance)


def between(header: str, value: float, low: float, high: float) -> Setting:
    """Return a setting that is a number, and may read back as another from `low` to `high`."""

    def holds(reply: str) -> bool:
        return low <= numbers(reply, 1)[0] <= high

    return Setting(header, spell(value), holds)


def switch(header: str, *, on: bool) -> Setting:
    """Return a setting that is on or off, and reads back as 1 or 0."""
    return Setting(header, "ON" if on else "OFF", lambda reply: numbers(reply, 1)[0] == on)


def words(header: str, *wanted: str, value: str | None = None, more: bool = False) -> Setting:
    """Return a setting that is one or several words.

    Parameters
    ----------
    header
        Of command and question.
    wanted
        Short forms.
    value
        As it is sent, where that is more than the words with commas between them.
    more
        True if others may be among those that are read back.
    """

    def holds(reply: str) -> bool:
        found = {part.strip(" '\"").upper().partition(":")[0][:4] for part in reply.split(",")}
        return found >= set(wanted) if more else found == set(wanted)

    return Setting(header, ",".join(wanted) if value is None else value, holds)


def put(link: Link, settings: Iterable[Setting]) -> None:
    """Send settings, in their order."""
    for setting in settings:
        link.write(f"{setting.header} {setting.value}")


def check(link: Link, settings: Iterable[Setting]) -> None:
    """Raise `InstrumentError` unless every setting reads back as it was set.

    Of those with the same header the last one counts.
    """
    listed = list({setting.header: setting for setting in settings}.values())
    replies = link.ask_all([setting.question for setting in listed])
    check_replies(link, listed, replies)


def check_replies(link: Link, settings: Iterable[Setting], replies: Iterable[str]) -> None:
    """Raise `InstrumentError` unless every reply means what was set."""
    for setting, reply in zip(settings, replies, strict=True):
        if not setting.holds(reply):
            raise InstrumentError(
                f"{link.name}: {setting.question} is {reply}, and was set to {setting.value}"
            )
