"""Opening a source safely, and switching it off whatever has happened."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from crossbar.backend import ClosedError, InstrumentError
from instruments.replies import confirm, errors, identity, numbers
from instruments.visa import Link

log = logging.getLogger(__name__)


class OffSwitch:
    """The part of a source that is about being off.

    Parameters
    ----------
    link
        To the instrument.
    model
        What its identity must contain.
    commands
        That switch it off, whatever it is doing.
    question
        Whose reply is 0 when it is off.
    """

    def __init__(self, link: Link, model: str, commands: Sequence[str], question: str) -> None:
        self._link = link
        self._model = model
        self._commands = commands
        self._question = question
        self._identity: str | None = None

    @property
    def opened(self) -> bool:
        """True between `open` and `close`."""
        return self._identity is not None

    def open(self) -> bool:
        """Open the link and see what is there; an output that is on is switched off.

        Returns
        -------
        bool
            True if it was on.

        Raises
        ------
        InstrumentError
            If nothing or something else answers, or it cannot be switched off.
        """
        link = self._link
        link.open()
        try:
            found = identity(link)
            if self._model not in found:
                raise InstrumentError(f"{link.name} is {found!r}, and not a {self._model}")
            self._identity = found
            try:
                was_on = numbers(link.ask(self._question), 1)[0] != 0
            except InstrumentError:
                # What cannot be asked, of what is known to be ours, is switched off.
                self.off()
                raise
            if was_on:
                log.warning("%s was found on, and is switched off", link.name)
                self.off()
            for left in errors(link):
                log.warning("%s had an error before it was opened: %s", link.name, left)
        except BaseException:
            self._identity = None
            link.close()
            raise
        return was_on

    def close(self, safe: Callable[[], None]) -> None:
        """Make safe and close the link; a second call does nothing."""
        if self._identity is None:
            return
        try:
            safe()
        finally:
            self._identity = None
            self._link.close()

    def off(self) -> None:
        """Switch off: write first, then ask, then open the link anew and do both again.

        Raises
        ------
        InstrumentError
            If it could not be confirmed.
        ClosedError
            If the source is not open.
        """
        link = self._link
        if self._identity is None:
            raise ClosedError(f"{link.name} is not open")
        with link.lock:
            try:
                self._write()
                confirm(link, self._question, 0)
            except (InstrumentError, ClosedError) as problem:
                # A link that could not be opened anew the last time is closed.
                log.warning("%s: off is not confirmed: %s; opening it anew", link.name, problem)
                self._off_anew()
            # Commands that found nothing to do have left errors behind.
            link.write("*CLS")

    def _off_anew(self) -> None:
        link = self._link
        try:
            link.reopen()
            self._write()
            found = identity(link)
            if found != self._identity:
                raise InstrumentError(f"{found!r} is there now, and {self._identity!r} was")
            confirm(link, self._question, 0)
        except InstrumentError as problem:
            raise InstrumentError(
                f"could not confirm that the output of {link.name} is off, take it as live: "
                f"{problem}"
            ) from problem

    def _write(self) -> None:
        for command in self._commands:
            self._link.write(command)
        if not self._link.in_step:
            # It may be busy with what it was asked last, and hear nothing until then.
            self._link.interrupt()
            for command in self._commands:
                self._link.write(command)

    @contextmanager
    def live(self, switch_on: Callable[[], None], safe: Callable[[], None]) -> Iterator[None]:
        """Switch on for a block, and make safe after it, also when switching on fails.

        Parameters
        ----------
        switch_on
            Checks, and then switches on.
        safe
            Calls `off`; not called if the source was closed, and so made safe, in the block.
        """
        try:
            switch_on()
            yield
        finally:
            if self.opened:
                safe()
