"""A serial line to something that takes bytes and gives bytes, on a pseudo-terminal."""

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """The name of the port, and its far end."""

    port: str
    _near: int

    def say(self, data: bytes) -> None:
        """Send unasked."""
        os.write(self._near, data)


@contextmanager
def serial_line(receive: Callable[[bytes], bytes]) -> Iterator[Line]:
    """Serve until the block is left."""
    near, far = os.openpty()
    tty.setraw(far)
    stop, told = os.pipe()

    def serve() -> None:
        while True:
            ready, _, _ = select.select([near, stop], [], [])
            if stop in ready:
                return
            if reply := receive(os.read(near, 4096)):
                os.write(near, reply)

    server = threading.Thread(target=serve)
    server.start()
    try:
        yield Line(os.ttyname(far), near)
    finally:
        os.write(told, b"x")
        server.join()
        for end in (near, far, stop, told):
            os.close(end)
