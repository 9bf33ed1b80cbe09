"""The tables of what may stand beside the Analog Discovery 2: a Keithley, a switch board."""

from dataclasses import dataclass

from crossbar.backend import BenchError, Second
from instruments.table_checks import distinct, positive

BOARD_CHANNELS = range(32)
"""Outputs of the switch board; its firmware."""
KEITHLEYS = ("6487", "2400")
"""Models that there are drivers for."""


@dataclass(frozen=True, slots=True)
class KeithleyTable:
    """The table ``[keithley]``: a source meter behind the relay.

    Parameters
    ----------
    model
        ``6487`` or ``2400``.
    resource
        VISA address.
    reads, sweeps
        True if it takes the reads, the sweeps, instead of the Analog Discovery 2.
    nplc
        Integration time in cycles of the mains.
    deadline
        Longest wait for an answer beyond what the measurement itself takes, s.

    Raises
    ------
    BenchError
        If there is no such model, no resource, or a number is impossible.
    """

    model: str
    resource: str
    reads: bool = False
    sweeps: bool = True
    nplc: float = 1.0
    deadline: Second = 5.0

    def __post_init__(self) -> None:
        if self.model not in KEITHLEYS:
            raise BenchError(f"model = {self.model!r} is not one of {', '.join(KEITHLEYS)}")
        if not self.resource:
            raise BenchError("resource is a VISA address, not empty")
        positive(self, "nplc", "deadline")


@dataclass(frozen=True, slots=True)
class SwitchBoardTable:
    """The table ``[switch_board]``: selection over a serial line.

    Parameters
    ----------
    port
        Serial port.
    baud
        Bits per second.
    word_channels, bit_channels
        Channel of the changeover of each word line and of each bit line; closed is selected.
    relay_channel
        Channel of the relay that puts a Keithley in the place of W1 and amplifier.
    deadline
        Longest wait for an answer, s.

    Raises
    ------
    BenchError
        If a channel does not exist or is used twice, or a number is impossible.
    """

    port: str
    baud: int = 115200
    word_channels: tuple[int, ...] = tuple(range(10))
    bit_channels: tuple[int, ...] = tuple(range(16, 26))
    relay_channel: int = 31
    deadline: Second = 2.0

    def __post_init__(self) -> None:
        used = (*self.word_channels, *self.bit_channels, self.relay_channel)
        distinct("channels", used, BOARD_CHANNELS)
        positive(self, "baud", "deadline")
        if not self.port:
            raise BenchError("port names a serial port, not empty")
