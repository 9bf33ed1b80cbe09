import subprocess
import sys
from pathlib import Path

import pytest

from crossbar.backend import BenchError
from sim_backend.lock import locked

HOLD = """
import sys
from pathlib import Path
from sim_backend.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "array.npz"


def holding(file: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_lock_is_refused_to_the_second_and_says_who_has_it(file: Path) -> None:
    child = holding(file)
    try:
        with pytest.raises(BenchError, match=rf"in use by process {child.pid} on"), locked(file):
            pass
    finally:
        child.communicate("")
    with locked(file):
        pass


def test_a_lock_ends_with_a_process_that_is_killed(file: Path) -> None:
    child = holding(file)
    child.kill()
    child.communicate()
    with locked(file):
        pass


def test_a_lock_is_given_back_after_an_exception(file: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(file):
        raise KeyboardInterrupt
    with locked(file):
        pass


@pytest.mark.parametrize("said", ["", "[]", "{}", "nonsense"])
def test_a_holder_that_says_nothing_useful_is_another_process(file: Path, said: str) -> None:
    with locked(file):
        file.with_name("array.npz.holder").write_text(said, encoding="utf-8")
        with pytest.raises(BenchError, match="in use by another process"), locked(file):
            pass


def test_a_folder_that_does_not_exist_is_said(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "array.npz"
    with pytest.raises(BenchError, match="no lock can be made"), locked(missing):
        pass
