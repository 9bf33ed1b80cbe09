"""Every promise at once: whole runs, something going wrong in each, and one checker.

The seed of a run that breaks a promise is in its message: ``xbar bench torture --seed S --runs 17``
plays it again.
"""

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import BenchError
from crossbar.bench import Description, load
from crossbar.bench_rehearsal import tortured
from crossbar.cli import run
from crossbar.torture.campaign import one, planned, torture
from crossbar.torture.check import check
from crossbar.torture.faults import FAULTS
from crossbar.torture.rehearse import play
from planted_bugs import BUGS, Bug
from rehearsals import SERIAL, SERIAL_PLUGGED, keithley, rehearsal
from sim_backend.virtual.trouble import Trouble

WHOLE = bool(os.environ.get("CROSSBAR_EVERY_CALL"))
EVERY = 1 if WHOLE else 131
"""Only some calls of libdwf go wrong in `make test`; `make torture` takes all of them."""
RUNS = 40 * len(FAULTS) if WHOLE else len(FAULTS)
SEEDS = 12
"""Runs in which a planted bug has to show; one in which it cannot is no miss."""
BENCHES = ("virtual-parallel", "virtual-switched", "virtual-mux")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    drivers = logging.getLogger("instruments")
    before = drivers.level
    drivers.setLevel(logging.CRITICAL + 1)
    yield
    drivers.setLevel(before)


def bench_of(name: str, folder: Path) -> Description:
    """Return a bench to torture: `serial` has a Keithley that reads, and a switch board."""
    if name == "serial":
        plugged = (*SERIAL, *SERIAL_PLUGGED, *keithley("2400", reads=True)[1:2])
        return tortured(load(rehearsal(folder, *_serial(plugged))))
    return tortured(load(name))


def _serial(changes: tuple[tuple[str, str, str], ...]) -> list[tuple[str, str, str]]:
    """Return the changes that put both instruments on a bench, `[limits]` replaced once."""
    board, meter = "[switch_board]", "[keithley]"
    texts = [new for _, old, new in changes if old == "[limits]"]
    joined = "\n\n".join(text.removesuffix("\n\n[limits]") for text in texts)
    assert board in joined
    assert meter in joined
    kept = [change for change in changes if change[1] != "[limits]"]
    source = 'model = "2400"\nresource = "GPIB0::24::INSTR"'
    return [
        *kept,
        ("lab", "[limits]", f"{joined}\n\n[limits]"),
        ("virtual", "[device]", f"[source_meter]\n{source}\n\n[device]"),
    ]


@pytest.mark.parametrize("bench", [*BENCHES, "serial"])
def test_a_run_without_faults_is_clean(bench: str, tmp_path: Path) -> None:
    description = bench_of(bench, tmp_path)
    for seed in range(2):
        _, played = one(description, seed, "none", tmp_path)
        assert check(played) == []
        assert played.error is None
        assert len(played.data) >= 6
        assert played.doses


@pytest.mark.parametrize("trouble", Trouble.__members__)
@pytest.mark.parametrize("bench", BENCHES[:2])
def test_a_run_with_trouble_at_any_call_keeps_every_promise(
    bench: str, trouble: str, tmp_path: Path
) -> None:
    description = tortured(load(bench))
    steps = planned(description, np.random.default_rng(0))
    exchanges = play(description, steps, tmp_path, 0).exchanges
    assert exchanges > 300
    broken = {}
    for at in range(0, exchanges, EVERY):
        played = play(description, steps, tmp_path, 0, trouble={at: trouble})
        if found := check(played):
            broken[at] = found[:2], repr(played.error)
    assert broken == {}


@pytest.mark.parametrize("bench", BENCHES if WHOLE else BENCHES[:2])
def test_campaigns_break_no_promise(bench: str) -> None:
    campaign = torture(load(bench), 1000, RUNS)
    assert campaign.broken == []
    assert sum(tally.runs for tally in campaign.tallies.values()) == RUNS
    # It does go wrong, and what goes wrong is noticed.
    assert campaign.tallies["unplugged"].stopped == campaign.tallies["unplugged"].runs > 0
    assert campaign.tallies["shorted"].flagged > 0


@pytest.mark.parametrize("bug", BUGS.values(), ids=list(BUGS))
def test_a_planted_bug_is_caught(bug: Bug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = bench_of(bug.bench, tmp_path)
    bug.plant(monkeypatch)
    found: set[str] = set()
    for seed in range(SEEDS):
        _, played = one(description, seed, bug.fault, tmp_path)
        found |= {finding.kind for finding in check(played)}
        if found & set(bug.shows):
            return
    raise AssertionError(f"not caught in {SEEDS} runs; found was {found}")


def test_a_real_bench_is_not_tortured() -> None:
    with pytest.raises(BenchError, match="only a virtual bench can be tortured"):
        torture(load("lab-parallel"), 0, 1)


def test_the_command_says_what_broke_and_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", "torture", "--bench", "virtual-switched", "--runs", "1"]
    assert run(arguments) == 0
    assert "0 of 1 runs broke a promise" in capsys.readouterr().out
    BUGS["never switches off"].plant(monkeypatch)
    assert run([*arguments, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    (broken,) = told["broken"]
    assert broken["seed"] == 0
    assert broken["findings"][0].startswith("left on")
