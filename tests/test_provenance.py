import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crossbar import provenance as module
from crossbar.provenance import (
    git_revision,
    import_locations,
    is_alive,
    process_stamp,
    provenance,
)

ROOT = Path(module.__file__).parents[1]


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a source tree like ours under git."""
    (tmp_path / "crossbar").mkdir()
    (tmp_path / "crossbar" / "__init__.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_provenance_says_what_made_the_numbers_in_plain_values() -> None:
    made_by = provenance()
    assert json.loads(json.dumps(made_by)) == made_by
    versions = made_by["versions"]
    assert isinstance(versions, dict)
    assert list(versions) == ["python", "crossbar-hil", "numpy", "scipy", "torch"]
    assert all(versions.values())
    assert made_by["command"] == sys.argv
    assert made_by["host"]


def test_provenance_does_not_import_torch() -> None:
    code = (
        "import sys; from crossbar.provenance import provenance\n"
        "assert provenance()['versions']['torch'] and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_provenance_does_not_fail_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr(module, "DISTRIBUTION", "not-installed")
    monkeypatch.setenv("PATH", "")
    made_by = provenance()
    assert made_by["user"] is None
    assert made_by["git"] is None
    assert isinstance(made_by["versions"], dict)
    assert made_by["versions"]["not-installed"] is None


def test_revision_is_that_of_the_source_tree(source: Path) -> None:
    head = (source / ".git" / "HEAD").read_text().removeprefix("ref: ").strip()
    revision = (source / ".git" / head).read_text().strip()
    assert git_revision(source) == {"revision": revision, "dirty": False}


@pytest.mark.parametrize("name", ["__init__.py", "new.py"])
def test_changed_and_new_source_files_make_the_tree_dirty(source: Path, name: str) -> None:
    (source / "crossbar" / name).write_text("x = 1\n")
    revision = git_revision(source)
    assert revision is not None
    assert revision["dirty"] is True


def test_files_that_are_not_source_leave_the_tree_clean(source: Path) -> None:
    (source / "crossbar-runs.sqlite").write_text("")
    revision = git_revision(source)
    assert revision is not None
    assert revision["dirty"] is False


def test_git_variables_of_a_hook_do_not_lead_elsewhere(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = git_revision(source)
    monkeypatch.setenv("GIT_DIR", str(source / "nowhere"))
    assert git_revision(source) == before
    assert before is not None


def test_revision_of_somebody_elses_repository_is_not_taken(source: Path) -> None:
    site = source / ".venv" / "site-packages"
    (site / "crossbar").mkdir(parents=True)
    (site / "crossbar" / "__init__.py").write_text("")
    assert git_revision(site) is None


def test_no_repository_is_no_error(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None


def test_git_that_hangs_is_given_up(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = source / "bin"
    folder.mkdir()
    (folder / "git").write_text(f"#!{sys.executable}\nwhile True: pass\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(module, "_GIT_TIMEOUT", 0.05)
    assert git_revision(source) is None


def test_our_imports_lead_to_our_files() -> None:
    locations = {location.name: location for location in import_locations()}
    assert list(locations) == ["crossbar", "instruments", "sim_backend"]
    for name, location in locations.items():
        assert location.file == str(ROOT / name / "__init__.py")
        assert location.warning is None


def test_import_that_leads_to_another_distribution_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "instruments").mkdir()
    (tmp_path / "instruments" / "__init__.py").write_text("raise RuntimeError('imported')")
    info = tmp_path / "instrumentkit-0.6.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: instrumentkit\nVersion: 0.6.0\n")
    (info / "top_level.txt").write_text("instruments\n")
    code = (
        "from crossbar.provenance import import_locations\n"
        "for location in import_locations(): print(location.warning)"
    )
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    crossbar, instruments, sim_backend = done.stdout.splitlines()
    assert (crossbar, sim_backend) == ("None", "None")
    assert instruments.startswith("instruments is not the one that belongs to")
    assert instruments.endswith("(instrumentkit)")


def test_name_claimed_by_two_distributions_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = {"crossbar": ["crossbar", "crossbar-hil"], "instruments": ["crossbar-hil"]}
    monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: claims)
    crossbar, instruments, _ = import_locations()
    assert crossbar.warning is not None
    assert "another distribution" in crossbar.warning
    assert crossbar.distributions == ("crossbar", "crossbar-hil")
    assert instruments.warning is None


def test_missing_package_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGES", ("no_such_package",))
    (location,) = import_locations()
    assert location.file is None
    assert location.warning == "no_such_package cannot be imported as a package"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_process_is_told_from_a_later_one_of_the_same_number() -> None:
    stamp = process_stamp(os.getpid())
    assert stamp is not None
    assert is_alive(os.getpid(), stamp)
    boot, _, ticks = stamp.partition(":")
    assert not is_alive(os.getpid(), f"{boot}:{int(ticks) - 1}")
    assert not is_alive(os.getpid(), f"another boot:{ticks}")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_process_that_waits_for_its_parent_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    stamp = process_stamp(child.pid)
    assert stamp is not None
    assert is_alive(child.pid, stamp)
    child.kill()
    # Waits for its death without collecting it: it stays in the table of processes.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid, stamp)
    child.communicate()
    assert not is_alive(child.pid, stamp)


def test_process_without_a_stamp_is_asked_by_number() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(child.pid, None)
    child.kill()
    child.communicate()
    assert not is_alive(child.pid, None)
