"""A back end of PyVISA whose instruments live in this process, under true resource names.

``pyvisa.ResourceManager(library)`` takes what `library` returns as it is. A script that names its
own back end, or none, finds the instruments while `mounted` is in force.
"""

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyvisa import highlevel, rname
from pyvisa.constants import (
    AccessModes,
    EventAttribute,
    EventMechanism,
    EventType,
    ResourceAttribute,
    StatusCode,
)
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa.util import LibraryPath

from crossbar.backend import BenchError
from sim_backend.virtual.clock import Clock
from sim_backend.virtual.lines import Instrument as Instrument
from sim_backend.virtual.lines import Line, LineFaults
from sim_backend.virtual.scpi import MESSAGE_AVAILABLE

BACK_ENDS = ("ivi", "py", "virtual")
"""Names by which a script may ask PyVISA for its library while a bench is mounted."""

_numbers = itertools.count(1)


class _Session:
    """One opened resource: the line to its instrument, its attributes, the reply that waits."""

    def __init__(self, line: Line, name: rname.ResourceName) -> None:
        self.line = line
        self.waiting = b""
        self.attributes: dict[int, Any] = {
            ResourceAttribute.resource_name: str(name),
            ResourceAttribute.resource_class: name.resource_class,
            ResourceAttribute.interface_type: name.interface_type_const,
            ResourceAttribute.interface_number: int(getattr(name, "board", 0) or 0),
            ResourceAttribute.timeout_value: 2000,
            ResourceAttribute.termchar: ord("\n"),
            ResourceAttribute.termchar_enabled: False,
            ResourceAttribute.send_end_enabled: True,
        }


class VirtualVisa(highlevel.VisaLibraryBase):
    """A VISA library of instruments that do not exist; made by `library`.

    One path is one library: PyVISA keeps them apart by it.
    """

    def _init(self) -> None:
        self._lines: dict[str, Line] = {}
        self._clock: Clock | None = None
        self._sessions: dict[VISASession | VISARMSession | VISAEventContext, _Session] = {}
        self._handles = itertools.count(1)

    @staticmethod
    def get_library_paths() -> tuple[LibraryPath, ...]:
        """Return the path of the library that is mounted."""
        return (LibraryPath("virtual"),)

    def plug(
        self,
        instruments: Mapping[str, Instrument],
        clock: Clock | None = None,
        faults: Mapping[str, LineFaults] | None = None,
    ) -> None:
        """Give the library its instruments, its clock, and what goes wrong; see `library`."""
        spoilt = {_canonical(name): found for name, found in (faults or {}).items()}
        named = {_canonical(name): found for name, found in instruments.items()}
        self._lines = {
            name: Line(found, spoilt.get(name, {}), terminal=False) for name, found in named.items()
        }
        self._clock = clock

    def line(self, name: str) -> Line:
        """Return the line to an instrument, by its resource name: what came, what went wrong."""
        return self._lines[_canonical(name)]

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Return a session of the resource manager."""
        return VISARMSession(next(self._handles)), StatusCode.success

    def list_resources(self, session: VISARMSession, query: str = "?*::INSTR") -> tuple[str, ...]:
        """Return the names of the instruments that match."""
        return tuple(rname.filter(list(self._lines), query))

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: AccessModes = AccessModes.no_lock,
        open_timeout: int | None = 0,
    ) -> tuple[VISASession, StatusCode]:
        """Open a resource."""
        try:
            name = rname.ResourceName.from_string(resource_name)
        except rname.InvalidResourceName:
            wrong = self.handle_return_value(session, StatusCode.error_invalid_resource_name)
            return VISASession(0), wrong
        line = self._lines.get(str(name))
        if line is None or line.unplugged:
            missing = self.handle_return_value(session, StatusCode.error_resource_not_found)
            return VISASession(0), missing
        handle = VISASession(next(self._handles))
        self._sessions[handle] = _Session(line, name)
        return handle, StatusCode.success

    def close(self, session: VISASession | VISAEventContext | VISARMSession) -> StatusCode:
        """Close a session; the instrument stays as it is."""
        self._sessions.pop(session, None)
        return StatusCode.success

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Give the instrument a message."""
        opened = self._session(session)
        if opened.waiting:
            # IEEE 488.2, 6.3.2.3: a message before the reply was fetched discards the reply.
            opened.waiting = b""
            getattr(opened.line.instrument, "interrupt", lambda: None)()
        # On this bus a message ends with a line of its own, and needs no sign at its end.
        opened.waiting += opened.line.take(bytearray(data.rstrip(b"\r\n") + b"\n"))
        if opened.line.unplugged:
            return 0, self.handle_return_value(session, StatusCode.error_connection_lost)
        return len(data), StatusCode.success

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Return what waits; nothing will come later, so a deadline passes at once."""
        opened = self._session(session)
        if opened.line.unplugged:
            return b"", self.handle_return_value(session, StatusCode.error_connection_lost)
        if b"\n" not in opened.waiting:
            # A reply without an end is waited for like none.
            opened.waiting = b""
            if self._clock is not None:
                self._clock.sleep(opened.attributes[ResourceAttribute.timeout_value] / 1e3)
            return b"", self.handle_return_value(session, StatusCode.error_timeout)
        line, mark, _ = opened.waiting.partition(b"\n")
        taken = (line + mark)[:count]
        opened.waiting = opened.waiting[len(taken) :]
        full = len(taken) == count and not taken.endswith(b"\n")
        status = StatusCode.success_max_count_read if full else StatusCode.success
        return taken, self.handle_return_value(session, status)

    def read_stb(self, session: VISASession) -> tuple[int, StatusCode]:
        """Return the status byte, as a serial poll."""
        opened = self._session(session)
        value = getattr(opened.line.instrument, "status_byte", lambda: 0)()
        return value | (MESSAGE_AVAILABLE if opened.waiting else 0), StatusCode.success

    def clear(self, session: VISASession) -> StatusCode:
        """Clear the device: what waits is gone."""
        opened = self._session(session)
        if opened.line.unplugged:
            return self.handle_return_value(session, StatusCode.error_connection_lost)
        opened.waiting = b""
        opened.line.clear()
        return StatusCode.success

    def get_attribute(
        self,
        session: VISASession | VISAEventContext | VISARMSession,
        attribute: ResourceAttribute | EventAttribute,
    ) -> tuple[Any, StatusCode]:
        """Return an attribute of a session."""
        attributes = self._session(session).attributes
        if attribute not in attributes:
            wrong = StatusCode.error_nonsupported_attribute
            return None, self.handle_return_value(None, wrong)
        return attributes[attribute], StatusCode.success

    def set_attribute(
        self, session: VISASession, attribute: ResourceAttribute, attribute_state: Any
    ) -> StatusCode:
        """Set an attribute of a session; what has no meaning here is kept all the same."""
        self._session(session).attributes[attribute] = attribute_state
        return StatusCode.success

    def disable_event(
        self, session: VISASession, event_type: EventType, mechanism: EventMechanism
    ) -> StatusCode:
        """Do nothing: there are no events."""
        return StatusCode.success

    def discard_events(
        self, session: VISASession, event_type: EventType, mechanism: EventMechanism
    ) -> StatusCode:
        """Do nothing: there are no events."""
        return StatusCode.success

    def _session(self, session: VISASession | VISAEventContext | VISARMSession) -> _Session:
        if session not in self._sessions:
            self.handle_return_value(None, StatusCode.error_invalid_object)
        return self._sessions[session]


def library(
    instruments: Mapping[str, Instrument],
    clock: Clock | None = None,
    faults: Mapping[str, LineFaults] | None = None,
) -> VirtualVisa:
    """Return a VISA library for ``pyvisa.ResourceManager``, with these instruments.

    Parameters
    ----------
    instruments
        By resource name: ``GPIB0::22::INSTR``.
    clock
        Bench time, in which a reply that does not come is waited for; no time passes without it.
    faults
        What goes wrong, by resource name, and by number of the message over the life of the
        library. What is unplugged stays so.

    Raises
    ------
    BenchError
        If a name is no resource name.
    """
    made = VirtualVisa(f"virtual {next(_numbers)}")
    made.plug(instruments, clock, faults)
    return made


@contextmanager
def mounted(instruments: Mapping[str, Instrument], clock: Clock | None = None) -> Iterator[None]:
    """Let every ``pyvisa.ResourceManager()`` of this process find these instruments, and only them.

    Parameters
    ----------
    instruments
        By resource name.
    clock
        As for `library`.

    Raises
    ------
    BenchError
        If a name is no resource name.
    """
    made = VirtualVisa("virtual")
    made.plug(instruments, clock)
    # PyVISA has no function to add a back end by; this is the table in which it looks first.
    table = highlevel._WRAPPERS
    before = dict(table)
    preset = os.environ.get("PYVISA_LIBRARY")
    table.update(dict.fromkeys(BACK_ENDS, _Mounted))
    os.environ["PYVISA_LIBRARY"] = "@virtual"
    try:
        yield
    finally:
        if made.resource_manager is not None:
            made.resource_manager.close()
        table.clear()
        table.update(before)
        if preset is None:
            del os.environ["PYVISA_LIBRARY"]
        else:
            os.environ["PYVISA_LIBRARY"] = preset


class _Mounted(VirtualVisa):
    """The library that is mounted, whatever path a script asks for."""

    def __new__(cls, library_path: str | LibraryPath = "") -> VirtualVisa:  # type: ignore[misc]
        """Return the one that `mounted` made."""
        return VirtualVisa("virtual")


def _canonical(name: str) -> str:
    try:
        return str(rname.ResourceName.from_string(name))
    except rname.InvalidResourceName as problem:
        raise BenchError(f"{name!r} is not the name of a VISA resource") from problem
