"""Opening a VISA resource, and what its transport needs or can do."""

import select
import socket
from typing import Any

import pyvisa
from pyvisa.constants import InterfaceType
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.resources import MessageBasedResource

from crossbar.backend import InstrumentError, Second

BAUD_RATE = 57600
"""Fastest that both Keithleys take; at 9600 the wire sets the time of a sweep, not the NPLC."""
OPENING: Second = 2.0


def opened(name: str, library: str | VisaLibraryBase) -> MessageBasedResource:
    """Open a resource.

    Parameters
    ----------
    name
        VISA address.
    library
        What ``pyvisa.ResourceManager`` takes.

    Raises
    ------
    InstrumentError
        If there is none, it is in use, or it cannot be opened.
    """
    try:
        manager = pyvisa.ResourceManager(library)
        resource = manager.open_resource(name, open_timeout=round(OPENING * 1e3))
    except Exception as problem:
        # PyVISA-py raises plain Exception for a socket that it cannot connect.
        raise InstrumentError(f"{name} could not be opened: {problem}") from problem
    if not isinstance(resource, MessageBasedResource):
        resource.close()
        raise InstrumentError(f"{name} is no instrument that takes messages")
    return resource


def settle(resource: MessageBasedResource, deadline: Second) -> None:
    """Set what the kind of transport needs; `deadline` is the longest wait for a reply, s."""
    resource.timeout = deadline * 1e3
    resource.write_termination = "\n"
    if resource.interface_type != InterfaceType.gpib:
        # On GPIB the end is a line of the bus; PyVISA-py refuses a termination there.
        resource.read_termination = "\n"
    interface = _interface(resource)
    if resource.interface_type == InterfaceType.asrl:
        if hasattr(interface, "exclusive"):
            # It is locked when the next setting is applied, which is the baud rate's.
            interface.exclusive = True
        resource.baud_rate = BAUD_RATE  # type: ignore[attr-defined]
    elif isinstance(interface, socket.socket):
        # Nagle's algorithm holds a second message back until the first is acknowledged: 40 ms.
        interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        interface.settimeout(deadline)


def is_serial(resource: MessageBasedResource) -> bool:
    """Return True for a serial port."""
    return bool(resource.interface_type == InterfaceType.asrl)


def can_clear(resource: MessageBasedResource) -> bool:
    """Return True if a device clear is known to return."""
    # A serial port has no clear, and PyVISA-py's of a socket whose peer is gone never returns.
    return not is_serial(resource) and resource.resource_class != "SOCKET"


def socket_of(resource: MessageBasedResource) -> socket.socket | None:
    """Return PyVISA-py's own socket, None where there is none."""
    interface = _interface(resource)
    return interface if isinstance(interface, socket.socket) else None


def has_input(resource: MessageBasedResource) -> bool:
    """Return True if something waits that nobody asked for."""
    line = socket_of(resource)
    if line is not None:
        return bool(select.select([line], [], [], 0)[0])
    return bool(getattr(_interface(resource), "in_waiting", 0))


def _interface(resource: MessageBasedResource) -> Any:
    """Return PyVISA-py's own socket or port; None in other libraries, which need no help."""
    sessions = getattr(resource.visalib, "sessions", {})
    return getattr(sessions.get(resource.session), "interface", None)
