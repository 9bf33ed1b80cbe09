"""Commands killed with SIGKILL at seeded places, continued by `xbar resume`, and looked at.

Against the same command that was never killed. Records are counted from the first one on, so that a
kill can come anywhere: within a call, between a call and its record, between two pieces.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crossbar.programming.resume
import crossbar.spent
from crossbar.cli import run
from crossbar.exposure import opened as exposure_of
from crossbar.one_owner import FOLDER
from crossbar.records import Call
from crossbar.resumable import Record
from crossbar.store import Arrays, Store
from killed import (
    STORE,
    asked,
    budgets_kept,
    contents,
    counted,
    journalled,
    killed,
    kills,
    nothing_lost,
    pieces_once,
    pulses,
    records,
    same,
)
from test_bench_serve import serving, written

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL here")

KILLS = kills()
"""Of each kind; `make torture` asks for more."""
PROGRAM = ("program", "targets.csv", "--unit", "uS", "--array", "kept.npz")
IV = (
    *("iv", "--cells", "2,3-5", "--step", "0.5", "--cycles", "3", "--piece", "9"),
    *("--array", "kept.npz"),
)
STUDY = (
    *("study", "--task", "glycans", "--objectives", "erm", "--seeds", "3", "--draws", "2"),
    *("--size", "40", "--epochs", "1", "--sigmas", "0.4"),
)
MOONS = (
    *("moons", "--training", "erm", "--repeats", "3", "--epochs", "5"),
    *("--train-points", "60", "--test-points", "60"),
)
XBAR = "from crossbar.cli import main; main()"
SAME = ("status", "pulses", "verified_S", "reread_S", "disturb", "multiply_error", "seconds")
"""Of a program, the same to the last bit where it was killed between two calls."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CROSSBAR_STORE", raising=False)
    monkeypatch.setenv(FOLDER, str(tmp_path / "locks"))
    monkeypatch.setenv("CROSSBAR_STATE", str(tmp_path / "state"))
    targets(np.s_[2:4, 1:5])
    return tmp_path


def targets(cells: Any) -> None:
    """Write targets for some cells, the same each time."""
    wanted = np.full((10, 10), np.nan)
    wanted[cells] = np.random.default_rng(3).uniform(10.0, 70.0, wanted[cells].shape)
    lines = (",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in wanted)
    Path("targets.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def whole(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[Any, int]:
    """Return what the command that is never killed prints, and how many records it writes.

    It leaves the folder as it was but for ``whole.sqlite``.
    """
    told = asked(capsys, *command)
    count = records()
    for path in Path().glob(f"{STORE}*"):
        path.rename(path.name.replace(STORE, "whole.sqlite"))
    for path in Path().glob("kept.npz*"):
        path.unlink()
    return told, count


def places(seed: int, count: int) -> Iterator[tuple[int, str]]:
    """Yield after how many records to kill, and whether what was intended last is done then."""
    rng = random.Random(seed)  # noqa: S311 - the same places each time
    for _ in range(KILLS):
        yield rng.randrange(3, count - 1), rng.choice(["before", "after"])


def begin_again() -> None:
    """Remove what a kill and its continuation have left."""
    for path in (*Path().glob(f"{STORE}*"), *Path().glob("kept.npz*")):
        path.unlink()


def test_program(capsys: pytest.CaptureFixture[str]) -> None:
    expected, count = whole(capsys, *PROGRAM)
    steps = pulses(answered=True, store="whole.sqlite")
    for place, when in places(1, count):
        begin_again()
        killed(place, when, *PROGRAM)
        before, begun = contents(), pulses(answered=False)
        found = asked(capsys, "resume", "last")
        nothing_lost(before)
        check_program(found, expected, steps, begun)


def check_program(found: Any, expected: Any, steps: list[Any], begun: list[Any]) -> None:
    """No pulse is lost, repeated or not counted, and the cells are where they should be."""
    every = pulses(answered=False)
    assert every[: len(begun)] == begun == steps[: len(begun)]
    assert np.sum(found["pulses"]) == len(every)
    budgets_kept()
    *_, last = [None, *contents()[1][0]]
    doubtful = last is not None and last.ended is None
    if not doubtful:  # killed between two calls: all is as if nothing had happened
        assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}
        assert every == steps
    assert found["success_at_verify"] == expected["success_at_verify"]
    assert found["resumed"]["pulses_in_doubt"] == (
        last is not None and doubtful and last.verb == "pulse"
    )


def test_iv(capsys: pytest.CaptureFixture[str]) -> None:
    expected, count = whole(capsys, *IV)
    for place, when in places(2, count):
        begin_again()
        killed(place, when, *IV)
        before = contents()
        found = asked(capsys, "resume", "last")
        nothing_lost(before)
        check_iv(before[1][1])
        for name in ("points", "whole_cycles", "points_asked"):
            assert found[name] == expected[name]
        assert [row["cell"] for row in found["rows"]] == [row["cell"] for row in expected["rows"]]
        for ours, theirs in zip(found["rows"], expected["rows"], strict=True):
            assert sum(len(c) for c in ours["cycles_by_run"].values()) == 3
            assert ours["returning_S"]["mean"] == pytest.approx(
                theirs["returning_S"]["mean"], rel=0.7
            )


def check_iv(results: dict[str, Arrays]) -> None:
    """No finished cycle is measured again, and each that had begun is measured as a whole."""
    sweeps = {name: a for name, a in results.items() if name.startswith("sweep/")}
    points = {
        key: sum(int(np.sum(a["cycle"] == key[1])) for a in sweeps.values() if _of(a) == key[0])
        for key in {(_of(a), int(k)) for a in sweeps.values() for k in a["cycle"]}
    }
    cycle = len(results["asked"]["voltage"]) if "asked" in results else 0
    finished = {name: points[_of(a), int(a["cycle"][0])] == cycle for name, a in sweeps.items()}
    pieces_once(finished)
    made = contents()[2][0]
    every = contents()[2][1]
    asked_for = [call for call in made if call.verb == "sweep"]
    assert len(asked_for) == len([n for n in every if n.startswith("sweep/")]) - sum(
        finished.values()
    )
    budgets_kept()


def _of(arrays: Arrays) -> tuple[int, int]:
    word, bit = arrays["cell"].tolist()
    return word, bit


def test_study(capsys: pytest.CaptureFixture[str]) -> None:
    _, count = whole(capsys, *STUDY)
    expected = contents("whole.sqlite")[1][1]
    for place, when in places(3, count):
        begin_again()
        killed(place, when, *STUDY)
        before = contents()
        asked(capsys, "resume", "last")
        nothing_lost(before)
        pieces_once(dict.fromkeys(before[1][1], True))
        found = contents()[2][1]
        assert list(found) == list(expected)
        assert all(same(found[name], expected[name]) for name in expected)


def test_moons(capsys: pytest.CaptureFixture[str]) -> None:
    _, count = whole(capsys, *MOONS)
    expected = contents("whole.sqlite")[1][1]
    for place, when in places(4, count):
        begin_again()
        killed(place, when, *MOONS)
        before = contents()
        asked(capsys, "resume", "last")
        nothing_lost(before)
        pieces_once(dict.fromkeys(before[1][1], True))
        found = contents()[2][1]
        assert list(found) == list(expected)
        for name in expected:
            # Training is the same to the last bit, and so is what the fresh array did before.
            if not name.startswith("draw/") or name in before[1][1]:
                assert same(found[name], expected[name]), name
            else:
                assert abs(float(found[name]["accuracy"]) - expected[name]["accuracy"]) < 0.4


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Python has no Unix sockets here")
def test_on_instruments_that_outlive_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = written(tmp_path)
    targets(np.s_[2, 3:5])
    command = ("program", "targets.csv", "--unit", "uS", "--bench", "own.toml")
    rng = random.Random(5)  # noqa: S311 - the same places each time
    for _ in range(KILLS):
        begin_again()
        with serving(bench):
            kill_from_outside(rng.randrange(20, 60), *command)
            before, begun = contents(), pulses(answered=False)
            # As a person would: another process, from the record alone.
            done = subprocess.run(
                [sys.executable, "-c", XBAR, "resume", "1"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        assert "goes on with run 1" in done.stdout
        nothing_lost(before)
        every = pulses(answered=False)
        assert every[: len(begun)] == begun
        budgets_kept()
        with Store.open(STORE, readonly=True) as store:
            array = str(store.run(2).bench["array"])
            assert int(np.sum(store.results(2)["program"]["pulses"])) == len(every)
        with exposure_of(array, (10, 10)) as exposure:
            np.testing.assert_array_equal(exposure.pulses, journalled(all_runs=True)[0])


def kill_from_outside(count: int, *command: str) -> None:
    """Kill a command when somebody else sees so many records, and wait for its guardian."""
    process = subprocess.Popen(
        [sys.executable, "-c", XBAR, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and records() < count:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    with Store.open(STORE, readonly=True) as store:
        guardian = int(str(store.run(1).bench["guardian"]))
    while (
        Path(f"/proc/{guardian}").exists()
        and " Z " not in Path(f"/proc/{guardian}/stat").read_text()
    ):
        time.sleep(0.01)


@pytest.fixture(scope="module")
def doubt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a program that was killed within a pulse, once it was applied."""
    made = tmp_path_factory.mktemp("doubt")
    with chdir(made):
        targets(np.s_[2:4, 1:5])
        killed(44, "before", *PROGRAM)
        shutil.copytree(made, "kept")
    return made


@pytest.fixture
def in_doubt(doubt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to where a program was killed within a pulse, as it was when that had just happened."""
    monkeypatch.chdir(doubt)
    for path in doubt.iterdir():
        if path.is_file():
            path.unlink()
    shutil.copytree("kept", doubt, dirs_exist_ok=True)
    last = contents()[1][0][-1]
    assert (last.verb, last.ended) == ("pulse", None)


def continued(capsys: pytest.CaptureFixture[str]) -> Callable[[], None]:
    """Continue the program that was killed within a pulse, and return what checks it."""
    begun = pulses(answered=False)
    found = asked(capsys, "resume", "last")

    def check() -> None:
        every = pulses(answered=False)
        assert every[: len(begun)] == begun
        assert np.sum(found["pulses"]) == len(every)
        # A staircase climbs: a pulse that is there twice was made twice.
        after = every[len(begun) :]
        assert begun[-1] not in after[: len(begun)]
        budgets_kept()

    return check


@pytest.mark.usefixtures("in_doubt")
def test_the_check_passes_where_nothing_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    continued(capsys)()


@pytest.mark.usefixtures("in_doubt")
def test_a_resume_that_takes_an_intent_without_outcome_for_nothing_is_caught(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def certain(call: Call) -> bool:
        return call.answered is not None

    # It applies the pulse again ...
    monkeypatch.setattr(crossbar.programming.resume, "applied", certain)
    with pytest.raises(AssertionError):
        continued(capsys)()


@pytest.mark.usefixtures("in_doubt")
def test_a_budget_that_forgets_an_intent_without_outcome_is_caught(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def certain(call: Call) -> bool:
        return call.answered is not None

    # ... or it does not, but allows the cells one more than they may have.
    monkeypatch.setattr(crossbar.spent, "applied", certain)
    check = continued(capsys)
    assert 0 < counted()[0].sum() < journalled()[0].sum()
    with pytest.raises(AssertionError):
        check()


def test_a_resume_that_repeats_finished_pieces_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(30, "before", *IV)
    before = contents()[1][1]

    def forgetful(_record: Record, _names: object, _whole: object = None) -> bool:
        return False

    monkeypatch.setattr(Record, "finished_together", forgetful)
    assert run(["resume", "last"]) == 0
    capsys.readouterr()
    with pytest.raises(AssertionError):
        check_iv(before)
