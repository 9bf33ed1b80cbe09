from dataclasses import replace
from pathlib import Path

import pytest

from crossbar import load, session
from crossbar.experiments.bench_note import bench_note
from crossbar.store import RunRecord


def run_on(bench: str, folder: Path) -> RunRecord:
    with session(load(bench), folder / "s.sqlite", experiment="moons", settings={}) as s:
        return s.store.run(s.run.id)


@pytest.mark.parametrize("bench", ["sim", "virtual"])
def test_simulated_devices_are_never_called_real(bench: str, tmp_path: Path) -> None:
    assert bench_note(run_on(bench, tmp_path)) == f"bench {bench}, device perovskite"


def test_devices_are_real_on_a_bench_of_instruments_only(tmp_path: Path) -> None:
    run = replace(run_on("sim", tmp_path), bench={"kind": "hardware"}, bench_kind="hardware")
    assert bench_note(replace(run, bench_name="lab")) == "bench hardware lab, device real"
    assert bench_note(replace(run, bench_kind="sim")).endswith("device not stated")
