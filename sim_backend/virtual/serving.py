"""Serving a virtual bench from this process, at a socket with a name."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from crossbar.backend import BenchError
from sim_backend.virtual.host import Host, HostedBench


def serve(bench: HostedBench, path: Path, tell: Callable[[str, Mapping[str, str]], None]) -> None:
    """Answer programs at a socket of this name until interrupted; the socket goes then.

    Parameters
    ----------
    bench
        What they share.
    path
        Of the socket.
    tell
        Called when programs may come, with the socket and the ports of the other instruments.

    Raises
    ------
    BenchError
        If the name is taken, or cannot be one of a socket.
    """
    _make_free(path)
    try:
        host = Host(bench, path)
    except (OSError, AttributeError) as problem:  # Windows' Python knows no such sockets
        raise BenchError(f"no socket can be made at {path}: {problem}") from problem
    try:
        host.run(lambda: tell(str(path), bench.ports))
    finally:
        path.unlink(missing_ok=True)


def _make_free(path: Path) -> None:
    """Remove a socket that nobody answers at any more; raise if the name is taken otherwise."""
    if not path.exists():
        return
    if not path.is_socket():
        raise BenchError(f"{path} exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise BenchError(f"a virtual bench is served at {path} already")
