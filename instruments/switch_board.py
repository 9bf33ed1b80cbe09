"""A switch board of 32 relays on a serial port; protocol and wiring: docs/switch-board.md.

Break before make: driver and firmware each open everything, and see that it is open, before they
close anything.

The board opens all relays of itself when it has heard nothing for a second. So while relays are
closed, a thread sends it a beat four times a second, whatever the rest of the program waits for;
when the program dies, or the plug is pulled, no beats come.
"""

import logging
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self, TypeVar

from crossbar.backend import InstrumentError, LimitError, Second
from instruments.framed_serial import FramedPort
from instruments.heartbeat import Heartbeat
from instruments.switch_board_replies import CHANNELS, Identity, channels, heard, identity, opened

T = TypeVar("T")
LOG = logging.getLogger(__name__)

BAUD = 115_200
"""Bits per second; the firmware's."""
ATTEMPTS = 3
"""Times that `SwitchBoard.safe` says OPEN before it reports that nobody confirmed it."""
BEAT: Second = 0.25
"""Between two beats."""
BEATS = 3
"""Beats that have to fit into the time after which the board opens its relays."""


class SwitchBoard:
    """Driver of the switch board; used by one program at a time, from any of its threads.

    Nothing is sent before `open`, and opening closes no relay: channels found closed are opened,
    and listed in `found_closed`. An Arduino resets when its port is opened, which opens all relays;
    so a bench opens this port before anything drives the lines.

    What was selected is believed only as long as the board confirms it. `confirm` asks; the end of
    a selection is answered with what it had been; and the beats look. If a beat failed or found
    other relays closed than were selected, the next call raises, and there are no more beats: the
    board opens the relays then, if it still can. Whoever measures calls `confirm` afterwards, or
    ends the selection by `open_all` or `select`, before he believes the reading.

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
    beat
        Between two beats while a relay is closed, s. 0 for none: then the board opens its relays a
        second after the last request, in the middle of whatever is measured through them, unless
        the caller asks something more often than that.
    sequence
        As in `instruments.framed_serial.FramedPort`.
    """

    def __init__(
        self,
        port: str,
        *,
        deadline: Second = 1.0,
        boot: Second = 3.0,  # assumed: bootloaders of Arduinos wait up to 2 s for a new program
        beat: Second = BEAT,
        sequence: int | None = None,
    ) -> None:
        self.found_closed: frozenset[int] = frozenset()
        self.drops = 0
        """Times that the watchdog has opened relays since the board started, as heard last."""
        self._port = FramedPort(port, BAUD, deadline, sequence=sequence)
        self._boot = boot
        self._beat = beat
        self._heartbeat = Heartbeat(self._beat_once, beat)
        self._confirmed: frozenset[int] | None = None
        self._vouched = True
        self._trouble: InstrumentError | None = None

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
            If the port is not there or in use, or what answers is no switch board of this protocol,
            or one that opens its relays before the next beat.
        DeadlineError
            If nothing answers.
        """
        with self._port.lock:
            if self._port.is_open:
                return
            self._port.open()
            self._confirmed = self._trouble = None
            try:
                if self._boot > 0 and self._port.can_reset:
                    self._port.await_boot(self._boot)
                self._check_beats(self.identify().watchdog)
                try:
                    self.found_closed, self.drops = self._ask("BEAT", heard)
                except InstrumentError:
                    self.safe()  # it is a switch board, and anything may be closed
                    raise
                if self.found_closed:
                    self.safe()
                self._confirmed = frozenset()
                self._heartbeat.start()
            except BaseException:
                self._port.close()
                raise

    def close(self) -> None:
        """Open every relay and close the port; a second call does nothing.

        Raises
        ------
        InstrumentError
            If the board did not confirm, or if a selection that nobody has confirmed was not what
            it should have been; the port is closed all the same.
        """
        with self._port.lock:
            if not self._port.is_open:
                return
            try:
                self.safe()
            finally:
                # With that there are no more beats, if it could not be confirmed either.
                self._port.close()
                self._heartbeat.stop()
            if self._trouble is not None and self._vouched:
                LOG.warning("%s, since it was last confirmed", self._trouble)
                self._trouble = None
            self._raise_trouble()

    def identify(self) -> Identity:
        """Return what the board says it is.

        Raises
        ------
        InstrumentError
            If it is no switch board of this protocol with all channels.
        """
        with self._port.lock:
            self._raise_trouble()
            return self._ask("IDENT", identity)

    def closed(self) -> frozenset[int]:
        """Return the channels that are closed, as the board reads its outputs back."""
        with self._port.lock:
            self._raise_trouble()
            return self._ask("READ", channels)

    def confirm(self) -> None:
        """See that the relays still are as they were selected; one exchange.

        Raises
        ------
        InstrumentError
            If they are not, or were not meanwhile, or nothing is selected because an exchange
            failed.
        """
        with self._port.lock:
            self._raise_trouble()
            self._look()
            self._vouched = True

    def open_all(self) -> None:
        """Open every relay and see that they are.

        Raises
        ------
        InstrumentError
            If the read-back shows one closed; or if they were not, until now, as they were
            selected.
        """
        with self._port.lock:
            self._open()
            self._raise_trouble()
            self._vouched = True

    def select(self, selected: Iterable[int]) -> None:
        """Close these relays and no others; everything is open, and seen to be, in between.

        Raises
        ------
        LimitError
            If a channel does not exist; nothing was switched.
        InstrumentError
            If the read-back is not what was asked for, or the selection before was not what it
            should have been; every relay was told to open again.
        """
        wanted = frozenset(selected)
        for channel in wanted:
            if channel not in CHANNELS:
                raise LimitError(f"channel {channel} is outside 0 to {CHANNELS[-1]}")
        mask = sum(1 << channel for channel in wanted)
        with self._port.lock:
            self.open_all()
            if not wanted:
                return
            self._confirmed, self._vouched = None, False
            try:
                self._compare(self._ask(f"CLOSE {mask:08X}", channels), wanted)
                self._confirmed = wanted
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
                    self._open()
                except InstrumentError as failed:
                    problem = failed
                else:
                    return
        raise InstrumentError(
            f"{self._port.name}: could not confirm that the relays are open: {problem}"
        ) from problem

    def _open(self) -> None:
        """Say OPEN and see that all are open; remember it if others were closed than selected."""
        believed, self._confirmed = self._confirmed, None
        now, before = self._ask("OPEN", opened)
        self._compare(now, frozenset())
        self._confirmed = frozenset()
        if believed is not None and before != believed:
            self._trouble = self._trouble or InstrumentError(
                f"{self._port.name}: channels {sorted(before)} were closed in the end instead of "
                f"{sorted(believed)}"
            )

    def _look(self) -> None:
        """Ask once what is closed, and raise unless it is what was selected."""
        believed, self._confirmed = self._confirmed, None
        if believed is None:
            raise InstrumentError(f"{self._port.name}: an exchange failed; select again")
        found, drops = self._ask("BEAT", heard)
        before, self.drops = self.drops, drops
        self._compare(found, believed, "; its watchdog opened them" if drops != before else "")
        self._confirmed = believed

    def _beat_once(self) -> None:
        """Let the board hear that this program lives; what is wrong is kept for the next call."""
        if not self._port.lock.acquire(blocking=False):
            return  # an exchange is under way: the board hears that
        try:
            if self._confirmed and self._port.is_open:
                self._look()
        except InstrumentError as problem:
            self._trouble = problem
        finally:
            self._port.lock.release()

    def _raise_trouble(self) -> None:
        """Raise what was remembered, once."""
        problem, self._trouble = self._trouble, None
        if problem is not None:
            raise InstrumentError(
                f"{problem}; do not believe what was measured since the relays were selected"
            ) from problem

    def _ask(self, command: str, read: Callable[[str], T]) -> T:
        """Return what is read in the answer to a command."""
        answer = self._port.ask(command)
        try:
            return read(answer)
        except InstrumentError as problem:
            raise InstrumentError(f"{self._port.name}: {problem}") from problem

    def _check_beats(self, watchdog: Second) -> None:
        """Raise if the board would open its relays between beats."""
        if BEATS * self._beat > watchdog:
            raise InstrumentError(
                f"{self._port.name}: the board opens its relays after {watchdog:g} s of silence, "
                f"in which {BEATS} beats {self._beat:g} s apart do not fit"
            )

    def _compare(self, found: frozenset[int], wanted: frozenset[int], why: str = "") -> None:
        if found != wanted:
            raise InstrumentError(
                f"{self._port.name}: channels {sorted(found)} are closed instead of "
                f"{sorted(wanted)}{why}"
            )
