"""The wall's clock only labels: nothing is timed by it, so that it may jump."""

import ast
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import crossbar.store
from crossbar.bench import load
from crossbar.bench_rehearsal import tortured
from crossbar.cli import run
from crossbar.torture.campaign import one
from crossbar.torture.check import check
from crossbar.torture.rehearse import STORE

ROOT = Path(__file__).parents[2]
JUMPS = (0, 3600, -7200, 86_400, -10)
"""How far the clock is off at one label after another, s."""


def test_a_clock_that_jumps_changes_no_number_and_loses_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = tortured(load("virtual-switched"))
    _, steady = one(bench, 0, "none", tmp_path)
    jumps = itertools.cycle(JUMPS)

    def jumping() -> str:
        moment = datetime(2026, 3, 29, 2, 30, tzinfo=UTC) + timedelta(seconds=next(jumps))
        return moment.isoformat(timespec="microseconds")

    monkeypatch.setattr(crossbar.store, "_wall", jumping)
    _, played = one(bench, 0, "none", tmp_path)
    assert check(played) == []
    assert [datum.current.tolist() for datum in played.data] == [
        datum.current.tolist() for datum in steady.data
    ]
    for arguments in (["list"], ["show", "last"]):
        assert run(["runs", *arguments, "--store", str(tmp_path / STORE)]) == 0
    assert "torture" in capsys.readouterr().out


def test_no_driver_looks_at_the_walls_clock() -> None:
    looked = []
    for path in (ROOT / "instruments").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                called = f"{node.value.id}.{node.attr}"
                if called in ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow"):
                    looked.append(f"{path.name}: {called}")
    assert looked == []
