"""A switch board of 32 relays on a serial port; protocol and wiring: docs/switch-board.md.

Break before make: driver and firmware each open everything, and see that it is open, before they
close anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from crossbar.backend import InstrumentError, LimitError, Second
from instruments.framed_serial import FramedPort

CHANNELS = range(32)
"""Outputs of the board; its firmware."""
NAME, PROTOCOL = "crossbar-switch", 1
"""What the firmware says it is, and the version of the protocol spoken here."""
BAUD = 115_200
"""Bits per second; the firmware's."""
ATTEMPTS = 3
"""Times that `SwitchBoard.safe` says OPEN before it reports that nobody confirmed it."""


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
    """

    name: str
    protocol: int
    channels: int
    release: Second
    operate: Second


class SwitchBoard:
    """Driver of the switch board; used by one program at a time, from any of its threads.

    Nothing is sent before `open`, and opening closes no relay: channels found closed are opened,
    and listed in `found_closed`. An Arduino resets when its port is opened, which opens all relays;
    so a bench opens this port before anything drives the lines.

    Parameters
    ----------
    port
        ``/dev/ttyACM0``, ``COM5``, or a URL that pyserial knows.
    deadline
        Longest wait for one answer, s; the firmware's waits for relays are a part of it.
    boot
        Longest wait for the ready line after the port opens, s; 0 for a board that does not reset
        then, as one behind a pseudo-terminal does not. Without the line the board is asked all the
        same: one that answers did not reset.
    sequence
        As in `instruments.framed_serial.FramedPort`.
    """

    def __init__(
        self,
        port: str,
        *,
        deadline: Second = 1.0,
        boot: Second = 3.0,  # assumed: bootloaders of Arduinos wait up to 2 s for a new program
        sequence: int | None = None,
    ) -> None:
        self.found_closed: frozenset[int] = frozenset()
        self._port = FramedPort(port, BAUD, deadline, sequence=sequence)
        self._boot = boot

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def strays(self) -> int:
        """Lines that were no answer to what was asked: late, doubled or garbled; none was used."""
        return self._port.strays

    def open(self) -> None:
        """Open the port and leave every relay open.

        Raises
        ------
        InstrumentError
            If the port is not there or in use, or what answers is no switch board of this protocol.
        DeadlineError
            If nothing answers.
        """
        with self._port.lock:
            if self._port.is_open:
                return
            self._port.open()
            try:
                if self._boot > 0 and self._port.can_reset:
                    self._port.await_boot(self._boot)
                self.identify()
                self.found_closed = self.closed()
                if self.found_closed:
                    self.open_all()
            except BaseException:
                self._port.close()
                raise

    def close(self) -> None:
        """Open every relay and close the port; a second call does nothing.

        Raises
        ------
        InstrumentError
            If the board did not confirm; the port is closed all the same.
        """
        with self._port.lock:
            if not self._port.is_open:
                return
            try:
                self.safe()
            finally:
                self._port.close()

    def identify(self) -> Identity:
        """Return what the board says it is.

        Raises
        ------
        InstrumentError
            If it is no switch board of this protocol with all channels.
        """
        reply = self._port.ask("IDENT")
        try:
            name, protocol, channels, release, operate = reply.split(" ")
            found = Identity(
                name, int(protocol), int(channels), int(release) * 1e-3, int(operate) * 1e-3
            )
        except ValueError as problem:
            raise InstrumentError(f"{self._port.name}: {reply!r} is no identity") from problem
        if (found.name, found.protocol, found.channels) != (NAME, PROTOCOL, len(CHANNELS)):
            raise InstrumentError(
                f"{self._port.name}: wanted {NAME} with protocol {PROTOCOL} and {len(CHANNELS)} "
                f"channels, found {reply!r}"
            )
        return found

    def closed(self) -> frozenset[int]:
        """Return the channels that are closed, as the board reads its outputs back."""
        return self._channels(self._port.ask("READ"))

    def open_all(self) -> None:
        """Open every relay and see that they are.

        Raises
        ------
        InstrumentError
            If the read-back shows one closed.
        """
        self._confirm(self._port.ask("OPEN"), frozenset())

    def select(self, channels: Iterable[int]) -> None:
        """Close these relays and no others; everything is open, and seen to be, in between.

        Raises
        ------
        LimitError
            If a channel does not exist; nothing was switched.
        InstrumentError
            If the read-back is not what was asked for; every relay was told to open again.
        """
        wanted = frozenset(channels)
        for channel in wanted:
            if channel not in CHANNELS:
                raise LimitError(f"channel {channel} is outside 0 to {CHANNELS[-1]}")
        mask = sum(1 << channel for channel in wanted)
        with self._port.lock:
            self.open_all()
            if not wanted:
                return
            try:
                self._confirm(self._port.ask(f"CLOSE {mask:08X}"), wanted)
            except BaseException:
                # What the relays do now is unknown: the one thing left to say is OPEN.
                self.safe()
                raise

    def safe(self) -> None:
        """Open every relay: OPEN is sent before anything is asked, and again if nobody confirms.

        Raises
        ------
        InstrumentError
            If no attempt was confirmed: relays may be closed.
        """
        problem: InstrumentError | None = None
        with self._port.lock:
            for _ in range(ATTEMPTS):
                try:
                    self.open_all()
                except InstrumentError as failed:
                    problem = failed
                else:
                    return
        raise InstrumentError(
            f"{self._port.name}: could not confirm that the relays are open: {problem}"
        ) from problem

    def _channels(self, mask: str) -> frozenset[int]:
        """Return the channels of a mask as the board writes it."""
        try:
            bits = int(mask, 16)
        except ValueError as problem:
            raise InstrumentError(f"{self._port.name}: {mask!r} is no mask") from problem
        return frozenset(channel for channel in CHANNELS if bits >> channel & 1)

    def _confirm(self, mask: str, wanted: frozenset[int]) -> None:
        found = self._channels(mask)
        if found != wanted:
            raise InstrumentError(
                f"{self._port.name}: channels {sorted(found)} are closed instead of "
                f"{sorted(wanted)}"
            )
