"""A PostgreSQL server of its own, on a socket in a folder: Debian's package, started and ended."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

SERVER_USER = "postgres"
"""Whom a server runs as if the tests run as root, which PostgreSQL refuses to."""
PATIENCE = 60  # s


def missing() -> str | None:
    """Return why there can be no server here; None if there can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'crossbar-hil[postgresql]'"
    if _program("initdb") is None or _program("pg_ctl") is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    if os.geteuid() == 0 and (shutil.which("runuser") is None or not _has_user()):
        return f"PostgreSQL does not run as root, and there is no user {SERVER_USER}"
    return None


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Run a server in a folder; yield the URL of its database."""
    data, sockets = folder / "data", folder / "s"
    for path in (folder, sockets):
        path.mkdir(exist_ok=True)
    _run(folder, "initdb", "-D", str(data), "-U", "tester", "-A", "trust", "--no-sync")
    options = f"-c listen_addresses='' -c unix_socket_directories='{sockets}' -c fsync=off"
    started = ("start", "-w", "-t", str(PATIENCE), "-l", str(folder / "log"), "-o", options)
    _run(folder, "pg_ctl", "-D", str(data), *started)
    try:
        yield f"postgresql+psycopg://tester@/postgres?host={sockets}"
    finally:
        _run(folder, "pg_ctl", "-D", str(data), "stop", "-m", "immediate")


def _run(folder: Path, program: str, *arguments: str) -> None:
    found = _program(program)
    assert found is not None
    command = [found, *arguments]
    if os.geteuid() == 0:
        user = pwd.getpwnam(SERVER_USER)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
        for parent in folder.parents:
            if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):  # noqa: S108 - pytest's
                parent.chmod(parent.stat().st_mode | 0o011)
        command = ["runuser", "-u", SERVER_USER, "--", *command]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


def _program(name: str) -> str | None:
    """Return where a program of the server is: Debian keeps them out of the way, by version."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(places[-1]) if places else shutil.which(name)


def _has_user() -> bool:
    try:
        pwd.getpwnam(SERVER_USER)
    except KeyError:
        return False
    return True
