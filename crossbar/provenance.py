"""What made a number: versions, machine, source revision, process, and where imports came from."""

import getpass
import os
import platform
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

DISTRIBUTION = "crossbar-hil"
PACKAGES = ("crossbar", "instruments", "sim_backend")

_SOURCE = Path(__file__).resolve().parents[1]
_GIT_TIMEOUT = 5.0  # s, assumed: a run must not wait for a repository on a slow network disk


@dataclass(frozen=True, slots=True)
class ImportLocation:
    """Where an import name leads.

    Parameters
    ----------
    name
        Import name.
    file
        File that ``import name`` runs, or None if there is none.
    distributions
        Installed distributions that claim the name.
    warning
        What is wrong with it, or None.
    """

    name: str
    file: str | None
    distributions: tuple[str, ...]
    warning: str | None


def provenance() -> dict[str, object]:
    """Return what a run's numbers depend on besides its settings, as plain values for JSON.

    What cannot be found out (no git, no user name, a package that is not installed) is None: a
    measurement is not lost because its paperwork is incomplete.
    """
    packages = (DISTRIBUTION, "numpy", "scipy", "torch")
    return {
        "versions": {"python": platform.python_version()} | {p: _version(p) for p in packages},
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "user": _user(),
        "git": git_revision(_SOURCE),
        "command": list(sys.argv),
    }


def git_revision(source: Path) -> dict[str, object] | None:
    """Return the revision of the source tree and whether it was changed since, or None.

    None also if the packages lie inside a repository that does not track them, as they do in a
    virtual environment kept in somebody else's repository: that revision would say nothing.
    """
    tracked = _git(source, "ls-files", "--error-unmatch", "crossbar/__init__.py")
    revision = _git(source, "rev-parse", "HEAD") if tracked else None
    if revision is None:
        return None
    paths = [name for name in (*PACKAGES, "pyproject.toml") if (source / name).exists()]
    changed = _git(source, "status", "--porcelain", "--", *paths)
    return {"revision": revision, "dirty": None if changed is None else bool(changed)}


def import_locations() -> list[ImportLocation]:
    """Return where our three import names lead, with a warning if they lead elsewhere.

    The names are not ours alone: Crossbar.io also installs ``crossbar``, InstrumentKit also
    installs ``instruments``.
    """
    claims = metadata.packages_distributions()
    return [_location(name, tuple(sorted(set(claims.get(name, ()))))) for name in PACKAGES]


def process_stamp(pid: int) -> str | None:
    """Return what tells this process from a later one of the same number, or None if unknown.

    Boot id and start time in clock ticks (proc(5), /proc/pid/stat, field 22). None where there is
    no /proc, and for a process that does not exist or is dead and waits for its parent.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name, field 2, may contain spaces and brackets; what follows its last bracket may not.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def is_alive(pid: int, stamp: str | None) -> bool:
    """Return whether the process on this host that had this stamp still runs.

    Where that cannot be found out the answer is True: a run is not called dead on a guess.
    """
    if stamp is not None:
        return process_stamp(pid) == stamp
    if os.name != "posix":  # signal 0 is a question on POSIX only; on Windows it is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _location(name: str, claimed: tuple[str, ...]) -> ImportLocation:
    spec = find_spec(name)
    file = spec.origin if spec is not None else None
    others = [distribution for distribution in claimed if distribution != DISTRIBUTION]
    warning = None
    if file is None:
        warning = f"{name} cannot be imported as a package"
    elif Path(file).resolve().parent != _SOURCE / name:
        warning = f"{name} is not the one that belongs to {_SOURCE / 'crossbar'}"
    elif others:
        warning = f"{name} is also installed by another distribution, which may overwrite its files"
    if warning is not None and others:
        warning += f" ({', '.join(others)})"
    return ImportLocation(name, file, claimed, warning)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _user() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # which one, depends on platform and Python version
        return None


def _git(source: Path, *arguments: str) -> str | None:
    """Return what git prints, or None if there is no git, it refuses, or it takes too long."""
    git = shutil.which("git")
    if git is None:
        return None
    # Inside a git hook these variables would lead to another repository.
    environment = {key: text for key, text in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - git with fixed words, no shell
            [git, "--no-optional-locks", "-C", str(source), *arguments],
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT,
            env=environment,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
