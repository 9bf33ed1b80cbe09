"""`xbar fit` as a person and as a script see it, and the bench file that it writes."""

import json
from pathlib import Path

import numpy as np
import pytest

from crossbar.backend import DataError
from crossbar.bench import load, open_bench
from crossbar.cli import run
from crossbar.device_fit import bench_text
from sim_backend import SimulatedBackend
from sim_backend.devices.perovskite import Perovskite
from sim_backend.settings import SimulationSettings

DEVICE = Perovskite(
    set_threshold=2.5, reset_threshold=1.8, cycle_sigma=0.1, stuck_on=0, stuck_off=0
)
UP = np.linspace(0, 3.2, 33)
CYCLE = np.concatenate([UP, UP[-2::-1], -0.8 * UP[1:], -0.8 * UP[-2::-1]])


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three cycles of a simulated device as a laboratory would have them, in a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    rows: list[tuple[float, float, float]] = []
    with SimulatedBackend(SimulationSettings(device=DEVICE, seed=2)) as backend:
        for _ in range(3):
            swept = backend.sweep((2, 3), CYCLE, 5e-4, 1e-2)
            rows += zip(
                swept.voltage.tolist(), swept.current.tolist(), swept.time.tolist(), strict=True
            )
    path = tmp_path / "device.csv"
    lines = "".join(f"{v:.5f},{i:.6e},{t:.4f}\n" for v, i, t in rows)
    path.write_text(f"Voltage (V),Current (A),Time (s)\n{lines}", encoding="utf-8")
    return path


def test_a_fit_prints_its_errors_and_what_it_assumed_and_draws(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", str(measured), "--output", "device.toml"]) == 0
    said = capsys.readouterr().out
    assert "set_threshold" in said
    assert "standard error" in said
    assert "assumed, at their defaults:" in said
    assert max(len(line) for line in said.splitlines()) <= 80
    assert Path("fit.png").stat().st_size > 10_000
    assert Path("device.toml").read_text(encoding="utf-8").startswith("[device]")


def test_a_fitted_device_is_a_bench_that_opens_and_switches(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fit", str(measured), "--as-bench", "bench.toml", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["rms"] < 0.5 < facts["rms_without_switching"]
    assert "nonlinearity" in facts["standard_errors"]
    assert "relax_sigma" in facts["assumed"]
    with open_bench("bench.toml") as bench:
        device = bench.describe()["device"]
        assert isinstance(device, dict)
        assert device["constants"]["set_threshold"] == pytest.approx(
            facts["constants"]["set_threshold"], rel=1e-4
        )
        swept = bench.backend.sweep((1, 1), CYCLE, 5e-4, 1e-2)
    near = np.isclose(swept.voltage, 0.3, atol=0.02)
    assert swept.current[near].max() > 5 * swept.current[near].min()


def test_what_the_model_cannot_be_is_skipped_with_the_reason(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ohmic = "".join(f"{v:.4f},{v / 1e4:.6e}\n" for _ in range(3) for v in CYCLE.tolist())
    Path("resistor.csv").write_text(f"Voltage (V),Current (A)\n{ohmic}", encoding="utf-8")
    assert run(["fit", "resistor.csv"]) == 2
    assert "resistor" in capsys.readouterr().err
    assert run(["fit", str(measured), "resistor.csv"]) == 1
    said = capsys.readouterr()
    assert "skipped: 1" in said.err
    assert "like device" in said.out


def test_only_a_simulated_bench_has_a_device_to_replace() -> None:
    with pytest.raises(DataError, match=r"has no table \[device\]"):
        bench_text("lab-parallel", "[device]\n")
    text = bench_text("sim", '[device]\nmodel = "ideal"\n')
    tables = [line for line in text.splitlines() if line.startswith("[")]
    assert tables == [line for line in load("sim").text.splitlines() if line.startswith("[")]
    assert 'model = "ideal"' in text
    assert 'model = "perovskite"' not in text
