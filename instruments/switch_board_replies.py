"""What a switch board says, taken apart strictly; the lines are those of docs/switch-board.md."""

import re
from dataclasses import dataclass

from crossbar.backend import InstrumentError, Second

CHANNELS = range(32)
"""Outputs of the board; its firmware."""
NAME, PROTOCOL = "crossbar-switch", 2
"""What the firmware says it is, and the version of the protocol spoken here."""

_MASK, _COUNT = re.compile("[0-9A-F]{8}"), re.compile("[0-9A-F]{4}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a switch board says about itself.

    Parameters
    ----------
    name
        Of the firmware.
    protocol
        Version of the protocol.
    channels
        How many outputs there are.
    release, operate
        What the firmware waits after opening and after closing relays, s.
    watchdog
        Silence after which it opens them of itself, s.
    """

    name: str
    protocol: int
    channels: int
    release: Second
    operate: Second
    watchdog: Second


def identity(text: str) -> Identity:
    """Return what follows IDENT.

    Raises
    ------
    InstrumentError
        If it is no switch board of this protocol with all channels.
    """
    kind, times = text.split(" ")[:3], text.split(" ")[3:]
    if kind != [NAME, str(PROTOCOL), str(len(CHANNELS))]:
        raise InstrumentError(
            f"wanted {NAME} with protocol {PROTOCOL} and {len(CHANNELS)} channels, found {text!r}"
        )
    if len(times) != 3 or not all(time.isdecimal() for time in times):
        raise InstrumentError(f"{text!r} is no identity")
    release, operate, watchdog = (int(time) * 1e-3 for time in times)
    return Identity(NAME, PROTOCOL, len(CHANNELS), release, operate, watchdog)


def channels(mask: str) -> frozenset[int]:
    """Return the channels of a mask.

    Raises
    ------
    InstrumentError
        If it is none.
    """
    if not _MASK.fullmatch(mask):
        raise InstrumentError(f"{mask!r} is no mask")
    return frozenset(channel for channel in CHANNELS if int(mask, 16) >> channel & 1)


def opened(text: str) -> tuple[frozenset[int], frozenset[int]]:
    """Return what follows OPEN: the channels that are closed now, and that were until then.

    Raises
    ------
    InstrumentError
        If it is something else.
    """
    now, _, before = text.partition(" ")
    return channels(now), channels(before)


def heard(text: str) -> tuple[frozenset[int], int]:
    """Return what follows BEAT: the channels that are closed, and the watchdog's drops so far.

    Raises
    ------
    InstrumentError
        If it is something else.
    """
    mask, _, drops = text.partition(" ")
    if not _COUNT.fullmatch(drops):
        raise InstrumentError(f"{text!r} is no answer to a beat")
    return channels(mask), int(drops, 16)
